#!/usr/bin/env bash
# The inference routes over the wire: what clients depend on, byte by byte, with Python's own library.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
exec python3 "$PROJECT/tests/server/api_session.py" "${BITNET:-$PROJECT/build/bitnet}" "$WORK"
