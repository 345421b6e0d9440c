#!/usr/bin/env bash
# `run --server`, `batch --server` and `bench serve`: with this program's own server the answers are those of the model here;
# a hostile one gets each of its faults named.
# shellcheck disable=SC2015
source "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
command -v python3 >/dev/null || { skip "no python3"; finish; }
for name in http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY OPENAI_API_KEY; do unset "$name"; done

# ---- a hostile server ----
mkfifo stop
python3 "$PROJECT/tests/hub/openai_server.py" <stop >address 2>hostile.log &
exec 9>stop # it ends when this is closed
for _ in $(seq 200); do [ -s address ] && break; sleep 0.05; done
hostile=$(cat address)

bitnet run --server "$hostile" -p hello
check "an answer as it comes" eval 'exits 0 && same "$(cat out)" "You said hello" && quiet'
bitnet run --server "$hostile/v1/" -p hello --json
check "--json" same "$(json 'text ~ "|" ~ finish_reason ~ "|" ~ prompt_tokens ~ "|" ~ output_tokens ~ "|" ~ model')" \
    "You said hello|stop|5|3|good"
bitnet_reading 'from a pipe' run --server "$hostile" good
check "a model's name, and a prompt in a pipe" same "$(cat out)" "You said from a pipe"
bitnet run --server "$hostile" --system short -p hello --temp 0.5 --top-k 3 -n 7 --stop END --seed 4 --choice 'a,b\,c'
curl -s "$hostile/log" 2>/dev/null | python3 -c 'import json, sys; b = json.load(sys.stdin)[-1]["body"]; b.pop("stream_options"); print(json.dumps(b, sort_keys=True))' >asked 2>/dev/null
command -v curl >/dev/null && check "only what was asked for is sent" same "$(cat asked)" \
    '{"max_tokens": 7, "messages": [{"content": "short", "role": "system"}, {"content": "hello", "role": "user"}], "model": "good", "seed": 4, "stop": ["END"], "stream": true, "structured_outputs": {"choice": ["a", "b,c"]}, "temperature": 0.5, "top_k": 3}'

fault() { # MODEL WHAT: what an answer of this model comes to, in one line
    bitnet run --server "$hostile" "$1" -p hello --timeout 20
    check "$1: $2" fails_saying "$2" 1
}
fault cut 'breaking off'
fault silent_cut 'broke off before the answer was complete'
fault garbage 'not valid JSON'
fault list "isn't a JSON object"
fault html 'answered with text/html'
fault endless 'larger than 1048576 bytes'
fault flood "the answer doesn't end"
fault error 'the server says: the engine stumbled'
fault refused 'answered 400 to POST: the prompt is?\[31m too long: 9 of 8 tokens'
fault down 'the model is being loaded (try again in 90 s)'
fault key 'no such key'
bitnet run --server "$hostile" key -p hello --api-key secret
check "--api-key" exits 0
OPENAI_API_KEY=secret bitnet run --server "$hostile" key -p hello
check "OPENAI_API_KEY" exits 0
OPENAI_API_KEY=wrong BITNET_API_KEY=secret bitnet run --server "$hostile" key -p hello
check "BITNET_API_KEY before it" exits 0
bitnet run --server http://127.0.0.1:1 -p hello
check "nobody there" fails_saying "can't reach 127.0.0.1:1" 1
bitnet run --server ftp://somewhere -p hello
check "no server's URL" fails_saying "isn't a server" 2
bitnet run --server "$hostile" -p hello --beams 2
check "what no server can do" fails_saying "can't be asked of a server" 2
bitnet run -p hello
check "no model, no server" fails_saying 'an argument is missing' 2

# Ctrl-C: the answer ends, the server notices.
run timeout --foreground --preserve-status -s INT 0.5 "$BITNET" run --server "$hostile" slow -p hello
check "Ctrl-C ends it; what has come stays" eval 'exits 130 && prints "^word" && quiet'

# ---- batch ----
printf '{"id":%d,"prompt":"p%d"}\n' 1 1 2 2 3 3 >in.jsonl
printf '{"id":4,"messages":[{"role":"user","content":"m4"}]}\n\n{"id":5}\n' >>in.jsonl
bitnet batch --server "$hostile" -m busy in.jsonl out.jsonl --sequences 3 -s 7
check "what was refused is asked again, the order is kept" same \
    "$(python3 -c 'import json; print([(a["id"], a.get("text"), a.get("seed")) for a in map(json.loads, open("out.jsonl"))])')" \
    "[(1, 'You said p1', 7), (2, 'You said p2', 8), (3, 'You said p3', 9), (4, 'You said m4', 10), (5, None, None)]"
check "a line that is none fails alone" eval "exits 1 && grep -q 'needs one of' out.jsonl"
bitnet batch --server "$hostile" cut in.jsonl cut.jsonl --retries 1
check "each failed line says why" same "$(grep -c 'breaking off' cut.jsonl)" 4

# ---- load ----
row() { python3 -c "import json; r = json.load(open('out'))[0]; print($1)"; }
bitnet bench serve "$hostile" --concurrency 3 -n 9 --warmup 0 --verify --json
check "bench serve counts" same "$(row 'r["completed"], r["failed"], r["total_output_tokens"], r["compared"], r["changed"], r["concurrency"]')" "9 0 27 9 0 3"
bitnet bench serve "$hostile" -m error -n 4 --warmup 0 --json
check "errors by kind" eval 'exits 1 && same "$(row "r[\"errors\"]")" "{'"'server_error'"': 4}" && says "engine stumbled"'
bitnet bench serve "$hostile" --rate 200 -n 20 --warmup 0 --compare "$hostile" --rounds 2 -o csv
check "an open loop on two servers, and their ratio" eval 'exits 0 && same "$(wc -l <out)" 4 && prints "^first / second"'
bitnet bench serve
check "no server" fails_saying 'which server' 2
exec 9>&-

# ---- our own ----
"$BITNET" serve --help >/dev/null 2>&1 || { skip "the server isn't built"; finish; }
"$BITNET" serve demo --host "$WORK/s.sock" -t 1 --no-access-log >served 2>log </dev/null &
server=$!
for _ in $(seq 200); do [ -s served ] && break; sleep 0.05; done
bitnet generate demo -p 'Once upon a time' -n 16 --temp 0 --json -t 1
text=$(json text)
bitnet run --server "unix:$WORK/s.sock" -p 'Once upon a time' -n 16 --temp 0
check "over a socket: the answer of the model here" same "$(cat out)" "$text"
printf '{"id":"a","prompt":"Once upon a time"}\n{"id":"b","prompt":"The fox","max_tokens":4}\n{"id":"c","tokens":[1,5,9]}\n' >lines.jsonl
options=(-n 12 -s 3 --temp 0.8 --top-k 40 --top-p 0.95 --min-p 0.05)
bitnet batch demo lines.jsonl here.jsonl -t 1 "${options[@]}"
bitnet batch --server "unix:$WORK/s.sock" lines.jsonl there.jsonl "${options[@]}"
texts() { python3 -c 'import json, sys; print([(a["id"], a["text"], a["finish_reason"]) for a in map(json.loads, open(sys.argv[1]))])' "$1"; }
check "batches: the same answers" same "$(texts there.jsonl)" "$(texts here.jsonl)"
kill -TERM $server
wait $server

bitnet bench serve -m demo -t 1 --parallel 8 --concurrency 1,8 -n 16 -p 20-40 --output-len 4-12 --prefix-len 16 --abort 0.3 --verify --health 2 --json
check "bench serve starts a server, and load changes no answer" eval 'exits 0 && same "$(row "r[\"changed\"], r[\"compared\"] > 0")" "0 True"'
check "some clients went away" same "$(row 'r["aborted"] > 0, r["aborted"] + r["completed"], r["failed"]')" "True 16 0"
check "and its health was asked" same "$(row 'r["health_throughput"] > 0, r["health_failed"]')" "True 0"
finish
