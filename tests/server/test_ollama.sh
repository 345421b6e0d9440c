#!/usr/bin/env bash
# Ollama's API over the wire, the models of a registry behind it, and what leaves memory when: with Python's own library.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
for name in $(compgen -e HF_) $(compgen -e HUGGING); do unset "$name"; done
export BITNET_HOME=$WORK/home HF_HOME=$WORK/hf
exec python3 "$PROJECT/tests/server/ollama_session.py" "${BITNET:-$PROJECT/build/bitnet}" "$WORK"
