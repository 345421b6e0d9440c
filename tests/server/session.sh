# shellcheck shell=bash
# What the sessions over the wire begin with. They need Python's own library only, and pass with a word where there is none.
set -u
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BITNET=${BITNET:-$PROJECT/build/bitnet}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# session NAME: NAME_session.py, with the program and an empty folder.
session() {
    if ! command -v python3 >/dev/null; then
        echo "skipped: no python3"
        return
    fi
    python3 "$PROJECT/tests/server/$1_session.py" "$BITNET" "$WORK"
}
