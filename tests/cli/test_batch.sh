#!/usr/bin/env bash
# A batch gives the answers that the same requests give alone, in order, and is taken up where it was stopped.
source "$(dirname "$0")/lib.sh"
cat >in.jsonl <<'LINES'
{"id": 1, "prompt": "Once upon a time", "temp": 0, "max_tokens": 12}
{"id": "two", "tokens": [1688, 387, 728, 260, 535], "temperature": 1, "seed": 5}

{"prompt": "The King", "n": 2, "stop": ["zzz"], "logit_bias": {"13": -100}}
LINES
bitnet batch demo in.jsonl out.jsonl -n 6 --seed 3
check "it works" eval 'exits 0 && prints_nothing'
check "a line per request, blank ones aside" same "$(wc -l <out.jsonl)" 3
line() { sed -n "$1p" out.jsonl >line; }
line 1
check "ids come back" same "$(json id line)" 1
batch=$(json 'tokens | join(",")' line)
bitnet generate demo -p 'Once upon a time' --temp 0 -n 12 --json
check "the answer is the one it gets alone" same "$batch" "$(json 'tokens | join(",")')"
line 2
check "of any type" same "$(json id line)" two
batch=$(json 'tokens | join(",")' line)
bitnet generate demo --tokens 1688,387,728,260,535 --temp 1 --seed 5 -n 6 --json
check "options of the line and of the command line" same "$batch" "$(json 'tokens | join(",")')"
line 3
check "several choices" same "$(json 'choices | length' line)" 2
check "no id, no id" same "$(json 'id is defined' line)" False
check "the third line's seed is the first's and two" same "$(json seed line)" 5

# bad lines are answered, the rest goes on
cat >bad.jsonl <<'LINES'
not json
{"id": 2}
{"id": 3, "prompt": "a", "tpo_p": 1}
{"id": 4, "prompt": "a", "top_p": 7}
{"id": 5, "tokens": [99999]}
{"id": 6, "prompt": "a", "tokens": [1]}
{"id": 7, "messages": [{"role": "user", "content": "hi"}]}
[1]
{"id": 9, "prompt": "a", "max_tokens": 1}
LINES
bitnet batch demo bad.jsonl answers.jsonl
check "a failed line makes exit status 1" eval 'exits 1 && says "9 lines, 8 failed"'
check "each has its error" same "$(grep -c '"error":' answers.jsonl)" 8
check "with its id" same "$(grep -c '^{"id":[2-7],"error":' answers.jsonl)" 6
check "the unknown option is named" grep -q "unknown option 'tpo_p'" answers.jsonl
check "the good line is answered" grep -q '^{"id":9,"text":' answers.jsonl
bitnet batch demo bad.jsonl answers.jsonl
check "failures of an earlier run still count" eval 'exits 1 && says "9 lines, 8 failed"'

# taking up: the same file after any interruption
for i in $(seq 1 40); do printf '{"id":%d,"prompt":"The fox said %d","max_tokens":12}\n' "$i" "$i"; done >many.jsonl
bitnet batch demo many.jsonl whole.jsonl --seed 11
check "forty at once" same "$(wc -l <whole.jsonl)" 40
check "in order" same "$(sed 's/^{"id":\([0-9]*\),.*/\1/' whole.jsonl | tr '\n' ' ')" "$(seq -s ' ' 1 40) "
for size in 0 1 500 5000 "$(($(stat -c %s whole.jsonl) - 1))"; do
    head -c "$size" whole.jsonl >torn.jsonl
    bitnet batch demo many.jsonl torn.jsonl --seed 11
    check "taken up after $size bytes" cmp torn.jsonl whole.jsonl
done
"$BITNET" batch demo many.jsonl killed.jsonl --seed 11 -t 1 --isa scalar --sequences 1 2>/dev/null &
process=$!
for _ in $(seq 1200); do
    [ -s killed.jsonl ] && break
    sleep 0.05
done
kill -KILL $process
wait $process 2>/dev/null
check "a killed run leaves some lines" eval '[ -s killed.jsonl ] && [ $(wc -l <killed.jsonl) -lt 40 ]'
bitnet batch demo many.jsonl killed.jsonl --seed 11
check "and is taken up" cmp killed.jsonl whole.jsonl
bitnet batch demo many.jsonl whole.jsonl --seed 11
check "a finished one has nothing to do" eval 'exits 0 && says "40 lines were answered before"'

# files that don't belong together
bitnet batch demo in.jsonl whole.jsonl
check "an OUT of another IN is refused" fails_saying 'answers another request' 1
printf 'my diary\n' >diary.txt
bitnet batch demo in.jsonl diary.txt
check "a file that is no OUT is refused" fails_saying "isn't an answer" 1
check "and not touched" same "$(cat diary.txt)" "my diary"
bitnet batch demo in.jsonl in.jsonl
check "IN as OUT is refused" fails_saying 'same file' 2
bitnet batch demo missing.jsonl out2.jsonl
check "a missing IN" fails_saying 'missing.jsonl' 1
bitnet batch demo in.jsonl nowhere/out.jsonl
check "an OUT that can't be" fails_saying 'nowhere/out.jsonl' 1
finish
