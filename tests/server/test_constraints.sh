#!/usr/bin/env bash
# What answers are held to over the wire: grammars, schemas and tags on every route, calls of tools, and who may know of whose
# prompts; with Python's own library.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
session constraint
