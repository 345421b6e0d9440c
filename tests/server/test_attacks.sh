#!/usr/bin/env bash
# Requests that mean harm (docs/server.md has the list): each is refused with a line that says why, in time and in bounded memory, and
# the server goes on answering.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
exec python3 "$PROJECT/tests/server/attack_session.py" "${BITNET:-$PROJECT/build/bitnet}" "$WORK"
