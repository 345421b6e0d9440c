#!/usr/bin/env bash
# Ollama's API over the wire, the models of a registry behind it, and what leaves memory when: with Python's own library.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
for name in $(compgen -e HF_) $(compgen -e HUGGING); do unset "$name"; done
export BITNET_HOME=$WORK/home HF_HOME=$WORK/hf
session ollama
