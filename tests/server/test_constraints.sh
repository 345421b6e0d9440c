#!/usr/bin/env bash
# What answers are held to over the wire: grammars, schemas and tags on every route, calls of tools, and who may know of whose
# prompts; with Python's own library.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
exec python3 "$PROJECT/tests/server/constraint_session.py" "${BITNET:-$PROJECT/build/bitnet}" "$WORK"
