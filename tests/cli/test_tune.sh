#!/usr/bin/env bash
# tune: what it finds is remembered by model and machine, and used where nothing else is said.
source "$(dirname "$0")/lib.sh"
stored=$HOME/.cache/bitnet/tuned.json

bitnet tune --show
check "nothing at first" prints 'nothing is tuned'
bitnet tune demo -r 1 -p 16 -n 4 --dry-run --json
check "a dry run remembers nothing" [ ! -e "$stored" ]
check "the default is the first candidate" same "$(json 'candidates[0].threads ~ candidates[0].batch_tokens')" defaultdefault
check "one is chosen" same "$(json '(candidates | selectattr("chosen") | list | length) > 0')" True
check "both layouts of ternary weights are tried" same "$(json 'candidates | map(attribute="layout") | unique | sort | join(" ")')" "l12 l16"
bitnet tune demo -r 1 -p 16 -n 4
check "a table, and the note that it's remembered" eval 'prints "^threads " && says remembered && [ -s "$stored" ]'
bitnet tune --show --json
check "it shows" prints '^\[{.*"model":"demo"'
bitnet doctor
check "doctor counts it" prints '^tuned *1 model'

# settings that no search would choose, to tell them from defaults
sed -i 's/"threads": [0-9]*/"threads": 3/; s/"batch_tokens": [0-9]*/"batch_tokens": 17/; s/"isa": "[a-z0-9]*"/"isa": "scalar"/' "$stored"
settings() { printf '{"rows":%s}' "$(cat out)" >rows.json; json 'rows[0].threads ~ " " ~ rows[0].batch_tokens ~ " " ~ rows[0].isa' rows.json; }
bitnet bench demo -p 8 -n 0 -r 1 --json
check "bench uses it" same "$(settings)" "3 17 scalar"
bitnet bench demo -p 8 -n 0 -r 1 -t 1 --json
check "a flag comes before it" same "$(settings)" "1 17 scalar"
bitnet bench demo -p 8 -n 0 -r 1 -b 32 --no-tune --json
check "--no-tune" eval '[[ "$(settings)" != *scalar ]]'
bitnet generate demo -p 'The King' -n 8 --temp 0 -v
check "generate uses it" says '^tuned: 3 threads, 17 tokens a step, kernels scalar'
tuned=$(cat out)
bitnet generate demo -p 'The King' -n 8 --temp 0 -v --no-tune
check "the text is the same without it" eval 'same "$(cat out)" "$tuned" && not says "^tuned"'
bitnet generate demo -p 'The King' -n 8 --temp 0 -v -t 2
check "generate: a flag comes before it" says '^tuned: 2 threads, 17 '
bitnet generate "$DATA/models/bitnet-packed" --tokens 1,2,3 -n 2 -v
check "another model isn't touched" not says '^tuned'

sed -i 's/"layout": "l16"/"layout": "l12"/' "$stored"
bitnet model optimize demo -o tuned.gguf --no-compare --json
check "optimize writes the tuned layout" same "$(json layout)" l12
bitnet model optimize demo -o tuned.gguf --no-compare --json --layout l16
check "optimize: a flag comes before it" same "$(json layout)" l16

sed -i 's/^ "[0-9a-f]*": {/ "0123456789abcdef": {/' "$stored"
bitnet generate demo -p 'The King' -n 2 -v
check "nor is another machine" not says '^tuned'
bitnet tune demo -r 1 -p 16 -n 4 -q
bitnet tune --clear demo
check "--clear forgets one" prints 'settings of 1 model$'
bitnet tune --clear --json
check "and has nothing left" same "$(json forgotten)" 0
echo '{"broken' >"$stored"
bitnet generate demo -p 'The King' -n 2
check "a broken file is no obstacle" exits 0
bitnet tune
check "a model is needed" fails_saying 'argument is missing' 2
finish
