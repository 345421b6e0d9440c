#!/usr/bin/env bash
# `model browse` on a terminal of its own: pages, searches, shows cards, downloads.
source "$(dirname "$0")/lib.sh"
"$BITNET" help model browse >/dev/null 2>&1 || { skip "browse: built without ncurses"; finish; }
for i in $(seq -w 45); do mkdir -p "hub/ada/model-$i/main"; echo '{}' >"hub/ada/model-$i/main/config.json"; done
repo bob/wanted >/dev/null
hub_start

# keys TEXT ARGUMENT…: types into `model browse`, waiting for the screen after each key; the screen's bytes in out.
keys() {
    run python3 - "$BITNET" "$@" <<'PY'
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], [sys.argv[1], "model", "browse", *sys.argv[3:]])
def screen(seconds):
    end, got = time.time() + 10, b""
    while time.time() < end:
        if not select.select([terminal], [], [], seconds)[0]:
            if got: return got
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            return got
        got += piece
    return got
seen = screen(0.15)
for key in sys.argv[2]:
    os.write(terminal, key.encode())
    seen += screen(0.1)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
PY
}
run() { "$@" >out 2>err; code=$?; }

keys q
check "shows the list, leaves with q" eval 'exits 0 && prints "ada/model-01"'
keys 'jjjq' -n 10
check "moves" exits 0
keys $'/wanted\nc''qq'
check "searches, shows the card" eval 'exits 0 && prints "bob/wanted" && prints "# A model"'
keys $'\n' wanted
check "enter downloads" eval 'exits 0 && cmp "hub/bob/wanted/main/model.safetensors" "$(snapshot bob/wanted)/model.safetensors"'
bitnet model browse
check "not without a terminal" fails_saying "needs a terminal" 2
finish
