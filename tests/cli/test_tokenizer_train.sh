#!/usr/bin/env bash
# Training tokenizers: files or a pipe in, a tokenizer.json out, that the other tokenizer commands open.
source "$(dirname "$0")/lib.sh"
cases=$PROJECT/tests/data/tokenizers-train

bitnet tokenizer train --settings "$cases/byte-bpe.settings.json" -o trained.json "$cases/corpus.txt"
check "settings of a file" exits 0
if command -v python3 >/dev/null; then
    check "give the reference's result" python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1])) != json.load(open(sys.argv[2])))' trained.json "$cases/byte-bpe.tokenizer.json"
else
    skip "the reference's result: no python3"
fi

bitnet tokenizer train --type wordlevel --special '<|end|>' -o words.json "$cases/corpus.txt"
bitnet tokenizer encode words.json 'qqqqqq<|end|>'
check "words have their unknown token also where others are named" same "$(cat out)" 1,0
for type in bpe unigram wordpiece wordlevel; do
    bitnet tokenizer train --type $type --vocab-size 600 --special '[UNK]' --special '<|end|>' -o $type.json --json "$cases/corpus.txt"
    check "$type: trains and reports" same "$(json vocab_size)" 600
    bitnet tokenizer encode $type.json 'the old woman'
    check "$type: the result encodes" eval 'exits 0 && [ -s out ]'
done

bitnet tokenizer train --vocab-size 300 "$cases/corpus.txt"
cp out one.json
"$BITNET" tokenizer train --vocab-size 300 --threads 3 - <"$cases/corpus.txt" >out 2>err
check "a pipe, other threads, standard output: the same" cmp out one.json
bitnet tokenizer train --from one.json --vocab-size 280 -o two.json "$cases/corpus.txt"
check "a trained tokenizer is trained anew" eval 'exits 0 && same "$(json "model.type" two.json)" BPE'

bitnet tokenizer train missing.txt -o kept.json
check "a missing file" fails_saying 'missing.txt: can.t open' 1
check "leaves no output" eval '[ ! -e kept.json ]'
bitnet tokenizer train --type nonsense "$cases/corpus.txt"
check "an unknown type" fails_saying 'nonsense' 2
bitnet tokenizer train --json "$cases/corpus.txt"
check "--json without -o" fails_saying 'say with -o' 2
bitnet tokenizer train --type unigram --from one.json "$cases/corpus.txt"
check "a type that the tokenizer isn't of" fails_saying "is 'BPE'" 2
echo '{"vocab": 1}' >bad.json
bitnet tokenizer train --settings bad.json "$cases/corpus.txt"
check "an unknown setting" fails_saying "bad.json: 'vocab' isn't a setting" 1
finish
