#!/usr/bin/env bash
# One answer in a pipe, a chat on a terminal.
source "$(dirname "$0")/lib.sh"

bitnet generate demo -p 'Once upon a time' -n 16 --temp 0 --json
text=$(json text)
bitnet run demo -p 'Once upon a time' -n 16 --temp 0
check "-p gives one answer" same "$(cat out)" "$text"
check "a model without a template says so, once" same "$(grep -c 'no chat template' err)" 1
bitnet_reading 'Once upon a time
' run demo -n 16 --temp 0 -q
check "piped input gives one answer" eval 'same "$(cat out)" "$text" && quiet'
bitnet run demo -p 'Once upon a time' -n 16 --temp 0 --json
check "--json" same "$(json 'text ~ prompt_tokens')" "${text}5"
bitnet run demo -p hi --n 3
check "several answers are not for a chat" fails_saying 'bitnet generate' 2

# a model with a template of its own: the answer is the one to the rendered prompt
cp -r "$DATA/models/bitnet-packed" chatty
chmod -R u+w chatty
cat >chatty/chat_template.jinja <<'TEMPLATE'
{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}
{%- if add_generation_prompt %}[assistant] {% endif %}
TEMPLATE
prompt=$(printf '{"messages":[{"role":"system","content":"short"},{"role":"user","content":"hi"}],"add_generation_prompt":true}' |
    "$BITNET" template render chatty)
check "the template is the folder's" eval '[[ "$prompt" == *"[system] short"*"[user] hi"*"[assistant]"* ]]'
bitnet generate chatty -p "$prompt" --no-special -n 12 --temp 0 --json
answer=$(json 'tokens | join(",")')
bitnet run chatty -p hi --system short -n 12 --temp 0 --json
check "run renders the template" eval 'same "$(json "tokens | join(\",\")")" "$answer" && quiet'
printf '{"messages":[{"role":"system","content":"short"},{"role":"user","content":"hi"}],"max_tokens":12,"temp":0}\n' >in.jsonl
bitnet batch chatty in.jsonl out.jsonl
check "so does batch with messages" same "$(json 'tokens | join(",")' out.jsonl)" "$answer"

if ! command -v python3 >/dev/null; then
    skip "the chat on a terminal: needs python3 for a pseudo-terminal"
    finish
fi
cat >terminal.py <<'PYTHON'
"""Types lines of a script into the program on a pseudo-terminal, each when the prompt is there."""
import os, pty, select, sys, time
lines = sys.stdin.read().split("\n")[:-1]
child, master = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm")
    os.execv(sys.argv[1], sys.argv[1:])
screen = b""
def read_until(done, seconds=20):
    global screen
    end = time.time() + seconds
    while time.time() < end:
        if select.select([master], [], [], 0.05)[0]:
            try: data = os.read(master, 65536)
            except OSError: return
            if not data: return
            screen += data
        if done(): return
prompts = 0
for line in lines:
    if line == "^C in the answer":
        time.sleep(1)
        os.write(master, b"\x03")
        continue
    prompts += 1
    read_until(lambda: screen.count(b">>> ") + screen.count(b"... ") >= prompts)
    time.sleep(0.1)
    if line.startswith("^C"):
        os.write(master, b"\x03")
        prompts = screen.count(b">>> ") + screen.count(b"... ")
    else:
        os.write(master, line.encode() + b"\r")
        read_until(lambda: False, 0.3)
        prompts = screen.count(b">>> ") + screen.count(b"... ") - 1
        if line.startswith("/slow"): time.sleep(0.5)
read_until(lambda: False, 2)
sys.stdout.buffer.write(screen)
os.close(master)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status >> 8)
PYTHON
chat() { python3 terminal.py "$BITNET" run demo --temp 0 "$@" >out 2>err; code=$?; }
chat -n 8 <<'LINES'
Once upon a time
/save talk.json
/reset
/stats
/nonsense
/system be kind
/help
/bye
LINES
check "a chat ends with /bye" exits 0
check "it answers" prints "$(cut -c 1-12 <<<"$text")"
check "it saves" same "$(json 'messages[0].role ~ ":" ~ messages[0].content ~ ":" ~ messages[1].role' talk.json)" 'user:Once upon a time:assistant'
check "/reset, /stats, /help" eval 'prints "a fresh start" && prints "threads" && prints "/load FILE"'
check "an unknown command" prints 'there is no /nonsense'
check "the history is kept" grep -q 'Once' "$HOME/.local/state/bitnet/history"
chat -n 8 <<'LINES'
/load talk.json
/load missing.json
/save copy.json
/bye
LINES
check "/load brings a conversation back" cmp copy.json talk.json
check "and a missing file is said" prints 'missing.json'
chat -n 4 <<'LINES'
"""The King
and the Queen"""
/save lines.json
/bye
LINES
check 'a message of several lines' same "$(json 'messages[0].content' lines.json)" 'The King
and the Queen'
chat -n 4 <<'LINES'
^C
^C
LINES
check "Ctrl-C twice at the prompt ends the chat" eval 'exits 0 && prints "Ctrl-C again"'
BITNET_ISA=scalar chat -t 1 --ignore-eos <<'LINES'
Once upon a time
^C in the answer
/save stopped.json
/bye
LINES
check "Ctrl-C in an answer stops it, and the chat goes on" eval 'exits 0 && prints "^saved"'
check "what was said stays said" same "$(json 'messages | length' stopped.json)" 2
chat -c 24 <<'LINES'
Once upon a time there was a little girl
And then there was another one who went out to see
/bye
LINES
check "a full context is said with both numbers" prints '24.*/reset\|/reset.*24'
finish
