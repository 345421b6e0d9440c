#!/usr/bin/env bash
# bench: what is measured and how it is written. Speeds themselves are nobody's promise.
source "$(dirname "$0")/lib.sh"
# The rows of the last run as an object, for `json`.
rows() { printf '{"rows":%s}' "$(cat out)" >rows.json; }
of_rows() { json "$1" rows.json; }

bitnet bench demo -p 32,48 -n 8 --pg 16,4 -t 1,2 -r 2 --json
rows
check "all combinations" same "$(of_rows 'rows | map(attribute="name") | join(" ")')" \
    "pp32 pp48 tg8 pp16+tg4 pp32 pp48 tg8 pp16+tg4"
check "the threads of each" same "$(of_rows 'rows | map(attribute="threads") | join(" ")')" "1 1 1 1 2 2 2 2"
check "speeds" same "$(of_rows 'rows | map(attribute="tokens_per_second") | min > 0')" True
check "a sample per round" same "$(of_rows 'rows[3].samples | length')" 2
check "the median lies between the extremes" same \
    "$(of_rows 'rows[0].min <= rows[0].tokens_per_second and rows[0].tokens_per_second <= rows[0].max')" True
check "nothing else on standard error" quiet

bitnet bench demo -p 0 -n 4 -d 16 --streams 1,3 -r 1 --json
rows
check "depth and streams" same "$(of_rows 'rows | map(attribute="name") | join(" ")')" "tg4@d16 tg4@d16x3"
bitnet bench demo -p 16 -n 0 -d 10 -b 8 -r 1 --json
rows
check "depth before a prompt is whole steps" same "$(of_rows 'rows | map(attribute="name") | join(" ")')" "pp16@d16"
bitnet bench demo -r 1 --json
rows
check "without numbers, tests that fit the context" same "$(of_rows 'rows | map(attribute="name") | join(" ")')" \
    "pp256 tg128"
bitnet bench demo -p 16 -n 0 --isa scalar --kv-type f16,f32 -r 1 -o jsonl
check "JSON lines" [ "$(grep -c '^{"name":"pp16".*"isa":"scalar"' out)" -eq 2 ]
bitnet bench demo -p 16 -n 8 -r 1 -o csv
check "CSV: a header and two lines" eval '[ "$(wc -l <out)" -eq 3 ] && prints "^name,threads,tokens_per_second," && prints "^tg8,"'
bitnet bench demo -p 16 -n 8 -r 1 -o md
check "Markdown" eval '[ "$(wc -l <out)" -eq 4 ] && prints "^| test " && prints "^|---" && prints "^| pp16 "'
bitnet bench demo -p 16 -n 8 -r 1
check "a table" eval '[ "$(wc -l <out)" -eq 3 ] && prints "^pp16 "'

for wrong in '-p 1,x' '-p 1,' '-t 1000' '--streams 0' '--kv-type f17' '--pg 5' '--pg 1,2,3' '-o xml' '-r 0' '-p 0 -n 0'; do
    # shellcheck disable=SC2086
    bitnet bench demo $wrong
    check "misuse: $wrong" eval 'exits 2 && prints_nothing && [ "$(wc -l <err)" -eq 1 ]'
done
bitnet bench demo -p 600 -n 0
check "more than the context" fails_saying "doesn't fit into the context of 512" 2
bitnet bench nothing.gguf
check "a model that isn't there" fails_saying 'nothing.gguf' 1

# kernels by themselves
bitnet bench kernels rms_norm "roofline 640x2560" --isa scalar -t 1 --json
rows
check "an operation of a table, and no roofline of scalar" same \
    "$(of_rows 'rows | map(attribute="name") | join(" ") ~ rows[0].isa ~ rows[0].ratio_to_scalar')" "rms_norm 6912scalar1.0"
bitnet bench kernels nothing
check "no such operation" fails_saying 'no operation has such a name' 2
bitnet bench kernels rms_norm --isa mmx
check "no such kernels" fails_saying "no instruction set 'mmx'" 2

# random models
bitnet bench synthetic 8m a.gguf
check "a synthetic model" eval 'exits 0 && [ -s a.gguf ]'
bitnet bench synthetic 8m b.gguf --json
check "the same seed, the same file" cmp a.gguf b.gguf
bitnet model show a.gguf --json
check "has its shape" same "$(json 'n_layers ~ " " ~ hidden_size ~ " " ~ context_length')" "8 256 40960"
bitnet bench synthetic 8m q.gguf --head q6_k --seed 2
bitnet bench q.gguf -p 8 -n 4 -r 1 --json
check "and runs, with a Q6_K head too" prints '"name":"tg4"'
bitnet bench synthetic 8m words.gguf --vocabulary
bitnet tokenizer encode words.gguf "wörd"
check "with a vocabulary: text is bytes" prints '^119,195,182,114,100$'
bitnet tokenizer decode words.gguf 104,105,300
check "and words" prints '^hi word300$'
bitnet bench synthetic 9m c.gguf
check "no other shapes" fails_saying "no shape '9m'" 2

# start to first token
bitnet bench load demo -r 2 --json
rows
check "load: four figures" same "$(of_rows 'rows | map(attribute="unit") | join(" ")')" "ms ms ms MiB"
check "all of them positive" same "$(of_rows 'rows | map(attribute="min") | min > 0')" True

# other programs: one that answers as llama-bench does, one that fails
cat >fake <<'END'
#!/bin/sh
echo "$@" >>calls
echo '[{"avg_ts": 0.5}]'
END
cat >broken <<'END'
#!/bin/sh
echo starting >&2
echo "no such model" >&2
exit 3
END
chmod +x fake broken
bitnet bench compare demo -p 16 -n 8 -t 1 -r 2 --no-start --llama-bench ./fake --peer-model "$DATA" --json
rows
check "compare: ours and theirs, test by test" same "$(of_rows 'rows | map(attribute="engine") | join(" ")')" \
    "ours llama.cpp ours llama.cpp ours llama.cpp"
check "the ratio" same "$(of_rows '((rows[1].ratio - rows[0].median / 0.5) | abs) < 0.001')" True
check "each measurement is a call" same "$(wc -l <calls)" 4
check "with the peer's model" eval 'head -1 calls | grep -qxF -- "-m $DATA -p 16 -n 0 -t 1 -r 1 -o json"'
bitnet bench compare demo -p 16 -n 0 -t 1 -r 1 --no-start --bitnet-cpp ./broken
check "a peer that fails: its reason, and exit status 1" eval 'exits 1 && says "bitnet.cpp: .* exited with 3: no such model" && prints "^pp16 .*ours"'
bitnet bench compare demo -p 16 -n 0 -t 1 -r 1 --no-start --python ./missing
check "a peer that isn't there" eval 'exits 1 && says "can.t start"'

# the history
bitnet bench demo -p 16 -n 0 -r 2 --record --commit first -o jsonl
if says 'without SQLite'; then
    skip "the history: built without SQLite"
else
    bitnet bench demo -p 16 -n 0 -r 2 --record --history here.db
    check "a database of one's own" [ -s here.db ]
    bitnet bench history --json
    check "a run, with its commit" prints '"commit":"first".*"results":1'
    bitnet bench history show 1
    check "its results" prints '^ *1 *first *demo *pp16 '
    bitnet bench demo -p 16 -n 0 -r 2 --record --commit second -q
    bitnet bench history compare first second --json
    check "compared" prints '"name":"pp16".*"verdict":"\(same\|faster\|slower\)"'
    bitnet bench history compare first third
    check "a commit that isn't there" fails_saying "nothing is recorded for commit 'third'" 1
    bitnet bench history show 99
    check "a run that isn't there" fails_saying 'no run 99' 1
    bitnet bench history shwo
    check "a verb that isn't there" fails_saying "isn't list, show or compare" 2
fi

# drawings and suites
bitnet bench demo -p 8,16 -n 0 -r 2 --json
cp out speed.json
bitnet bench plot speed.json --title '<Tom & "Jerry">' -o speed.svg
check "a drawing, its text escaped" eval 'exits 0 && grep -q "&lt;Tom &amp; &quot;Jerry&quot;&gt;" speed.svg && [ "$(grep -c "<rect x=" speed.svg)" -eq 2 ]'
if command -v python3 >/dev/null; then
    check "well-formed" python3 -c 'import xml.dom.minidom as x; x.parse("speed.svg")'
fi
if [ -s here.db ]; then
    bitnet bench plot --history here.db
    check "the history as lines" prints '<polyline'
    if command -v python3 >/dev/null; then
        check "well-formed too" python3 -c 'import xml.dom.minidom as x; x.parse("out")'
    fi
fi
echo '{"name": 1}' >object.json
bitnet bench plot object.json
check "a file that isn't a list" fails_saying 'not a list' 1
echo '[]' >empty.json
bitnet bench plot empty.json -o none.svg
check "nothing to draw leaves no file" eval 'fails_saying "no results" 1 && [ ! -e none.svg ]'
printf '# two tests\n\ndemo -p 8 -n 0 -r 1\n"demo" -p 0 -n 4 -r 1 -o csv\n' >suite.txt
bitnet bench suite suite.txt --json
check "a suite: a list for each line" same "$(grep -c '^\[{"name":' out)" 2
printf 'demo -p 8 -n 0 -r 1\ndemo -p x\ndemo -p 0 -n 4 -r 1\n' >suite.txt
bitnet bench suite suite.txt --json
check "a line that fails doesn't stop it" eval 'exits 2 && says "isn.t a list of whole numbers" && [ "$(wc -l <out)" -eq 2 ]'
finish
