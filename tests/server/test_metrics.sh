#!/usr/bin/env bash
# GET /metrics: by the rules of Prometheus' text format, and right about the requests there were.
set -u
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3"
    exit 0
fi
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
exec python3 "$PROJECT/tests/server/metrics_session.py" "${BITNET:-$PROJECT/build/bitnet}"
