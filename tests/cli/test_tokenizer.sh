#!/usr/bin/env bash
# Text to ids and back, by argument, file, pipe and lines of JSON.
source "$(dirname "$0")/lib.sh"

bitnet tokenizer encode demo 'Once upon a time'
check "ids of the reference" eval 'exits 0 && same "$(cat out)" 1688,387,728,260,535'
bitnet tokenizer encode demo Once upon a time
check "several arguments are words" same "$(cat out)" 1688,387,728,260,535
bitnet_reading 'Once upon a time' tokenizer encode demo
check "from standard input" same "$(cat out)" 1688,387,728,260,535
printf 'Once upon a time' >text.txt
bitnet tokenizer encode demo -f text.txt --json --offsets
check "from a file, as JSON" same "$(json 'ids | join(",")')" 1688,387,728,260,535
check "with offsets" same "$(json 'offsets | join(",")')" "[0, 2],[2, 4],[4, 9],[9, 11],[11, 16]"
bitnet tokenizer encode demo -f text.txt hi
check "an argument and a file" fails_saying 'not both' 2

bitnet tokenizer encode demo '<|end_of_text|>'
check "special tokens' text is read as the reference does" same "$(cat out)" 1
bitnet tokenizer encode demo '<|end_of_text|>' --parse-special off --json
check "or as text" same "$(json 'ids | length > 1')" True

bitnet tokenizer decode demo 1688,387,728,260,535
check "decode" same "$(cat out)" 'Once upon a time'
bitnet_reading '1688 387 728 260 535' tokenizer decode demo --json
check "from standard input, as JSON" same "$(json text)" 'Once upon a time'
bitnet tokenizer decode demo 99999
check "an id beyond the vocabulary" eval 'exits 2 || exits 1'
bitnet tokenizer decode demo 0,1688,387
check "special tokens are shown" same "$(cat out)" '<|begin_of_text|>Once'
bitnet tokenizer decode demo 0,1688,387 --skip-special
check "or left out" same "$(cat out)" 'Once'

bitnet_reading '{"text":"Once","offsets":true}
{"hex":"4f6e6365"}
{"text":"<|end_of_text|>","parse_special":false}
{"text":"<|end_of_text|>"}
nonsense
{"hex":"4f6"}
{"hex":"zz"}
{"no":"text"}
{"text":"upon","add_special":"yes"}
{"text":""}
{"text":"Once","ids_only":true}
{"text":"Once","ids_only":true,"offsets":true}
' tokenizer encode demo --jsonl
check "lines: a bad one makes exit status 1 at the end" exits 1
check "lines: every one is answered" same "$(wc -l <out)" 12
answer() { sed -n "$1p" out >answer; }
answer 1
check "lines: text" same "$(cat answer)" '{"ids":[1688,387],"type_ids":[0,0],"offsets":[[0,2],[2,4]]}'
answer 2
check "lines: hex" same "$(cat answer)" '{"ids":[1688,387],"type_ids":[0,0]}'
answer 3
check "lines: special text as text" same "$(json 'ids | length > 1' answer)" True
answer 4
check "lines: or as the token" same "$(json 'ids | join(",")' answer)" 1
for i in 5 6 7 8 9; do
    answer $i
    check "lines: line $i has an error" same "$(json 'error is string' answer)" True
done
answer 10
check "lines: the empty text" same "$(cat answer)" '{"ids":[],"type_ids":[]}'
answer 11
check "lines: ids alone" same "$(cat answer)" '{"ids":[1688,387]}'
answer 12
check "lines: ids alone have no offsets" same "$(json 'error is string' answer)" True

bitnet_reading '{"ids":[0,1688,387]}
{"ids":[0,1688,387],"skip_special":true}
{"ids":[1688,387],"stream":true}
{"ids":"no"}
' tokenizer decode demo --jsonl
check "decode lines" same "$(head -n 3 out)" '{"text":"<|begin_of_text|>Once"}
{"text":"Once"}
{"pieces":["On","ce"]}'
check "and an error at the end" eval 'exits 1 && tail -n 1 out | grep -q "^{\"error\":"'

# a character cut in two comes out whole, when it is complete
bitnet tokenizer encode demo '🙂' --json
ids=$(json 'ids | join(",")')
bitnet_reading "{\"ids\":[$ids],\"stream\":true}" tokenizer decode demo --jsonl
check "pieces hold back incomplete characters" same "$(json '(pieces | select | join) ~ (pieces | first is none)')" 🙂True

# lines answer at once: a script can talk to the program
for i in $(seq 300); do echo "{\"text\":\"line $i of many\"}"; echo "{bad $i"; done >many.jsonl
bitnet tokenizer encode demo --jsonl -f many.jsonl
cp out one.jsonl
bitnet tokenizer encode demo --jsonl -f many.jsonl -t 3
check "lines over threads: the same answers in order" eval 'exits 1 && cmp out one.jsonl'
coproc TOKENIZER { "$BITNET" tokenizer encode demo --jsonl; }
echo '{"text":"Once"}' >&"${TOKENIZER[1]}"
read -r -t 5 reply <&"${TOKENIZER[0]}"
check "an answer comes before the next line is sent" same "${reply:-}" '{"ids":[1688,387],"type_ids":[0,0]}'
eval "exec ${TOKENIZER[1]}>&-"
wait

bitnet tokenizer encode missing hi
check "a missing tokenizer" fails_saying "there is no model 'missing'" 1
finish
