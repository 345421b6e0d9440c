#!/usr/bin/env bash
# /v1/realtime and /v1/ws: what is said there, to whom, and what a client can do to the server.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
exec python3 "$PROJECT/tests/server/websocket_session.py" "${BITNET:-$PROJECT/build/bitnet}"
