# shellcheck shell=bash
# The words that sessions are written in. A session sources this file, runs the program with `run`, says with `check`
# what must hold, and ends with `finish`. It starts in an empty folder of its own, with a home of its own.
set -u
PROJECT=${PROJECT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BITNET=$(realpath "${BITNET:-$PROJECT/build/bitnet}")
# shellcheck disable=SC2034  # for the sessions
DATA=$PROJECT/tests/data
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 1
export HOME=$WORK/home
mkdir -p "$HOME"
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME NO_COLOR
for name in $(compgen -e BITNET_); do unset "$name"; done
checks=0 failures=0 code=0

# run COMMAND…: its exit status in $code, standard output in the file out, standard error in err.
run() { "$@" >out 2>err </dev/null; code=$?; }
# bitnet ARGUMENT…: the same for the program.
bitnet() { run "$BITNET" "$@"; }
# bitnet_reading TEXT ARGUMENT…: the same with TEXT on standard input.
bitnet_reading() { printf '%s' "$1" | "$BITNET" "${@:2}" >out 2>err; code=$?; }

# check WHAT COMMAND…: WHAT holds when COMMAND succeeds.
check() {
    checks=$((checks + 1))
    if "${@:2}"; then
        echo "ok      $1"
    else
        failures=$((failures + 1))
        echo "not ok  $1"
        printf '        (%s; exit status %s)\n' "${*:2}" "$code"
        head -c 600 out | sed 's/^/        out: /'
        head -c 600 err | sed 's/^/        err: /'
    fi
}
exits() { [ "$code" -eq "$1" ]; }
prints() { grep -q -e "$1" out; }
says() { grep -q -e "$1" err; }
quiet() { [ ! -s err ]; }
prints_nothing() { [ ! -s out ]; }
# One line on standard error, that says $1, and exit status $2.
fails_saying() { exits "$2" && [ "$(wc -l <err)" -eq 1 ] && says "$1"; }
differ() { [ "$1" != "$2" ]; }
not() { ! "$@"; }
same() { [ "$1" = "$2" ] || { printf '        got      %s\n        expected %s\n' "$1" "$2"; return 1; }; }

# json EXPRESSION [FILE]: a Jinja expression over the JSON object in FILE (out), as text: the program reads its own
# output as the values of a template. Where Python is there, it has to accept every such file too, at the end.
json() {
    local file=${2:-out} messages='"messages":[],'
    printf '{{ %s }}' "$1" >expression.jinja
    { cat "$file"; printf '\0'; } >>"$WORK/json_seen"
    grep -q '^{"messages":' "$file" && messages=
    sed "1s/^{/{$messages/" "$file" | "$BITNET" template render expression.jinja
}
skip() { echo "skipped $1"; }

# Each text that json() read, by another JSON reader.
python_reads_them() {
    python3 -I -S -c 'import json, sys; [json.loads(text) for text in sys.stdin.buffer.read().split(b"\0")[:-1]]' <"$WORK/json_seen"
}

finish() {
    if [ -s "$WORK/json_seen" ] && command -v python3 >/dev/null; then
        check "Python reads all the JSON" python_reads_them
    fi
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}
