#!/usr/bin/env bash
# Measuring tokenizers: what is reported holds together; what can't be compared is said and no failure.
source "$(dirname "$0")/lib.sh"
printf 'Once upon a time, there was a little girl.\n\nShe liked to play.\n' >text.txt
tokens=$("$BITNET" tokenizer encode demo --no-special -f text.txt | tr ',' '\n' | wc -l)

bitnet tokenizer bench demo text.txt --repeats 2
check "measures" eval 'exits 0 && prints "^encode  *lines .* MB/s" && prints "^decode" && prints "^load"'
bitnet tokenizer bench demo text.txt --repeats 2 --json
check "as JSON" same "$(json lines)" 2
check "the tokens are those of encode" same "$(json 'results[1].tokens')" "$tokens"
bitnet tokenizer bench demo text.txt --repeats 1 -t 2
check "a batch over threads" eval 'exits 0 && prints "^batch, 2 threads"'
bitnet tokenizer bench demo --repeats 1 --json
check "without a text, makes one up" eval 'exits 0 && [ "$(json bytes)" -ge 1000000 ]'
bitnet tokenizer bench demo text.txt --repeats 1 --compare --python /nonexistent
check "no Python" eval "exits 0 && says \"can't start\" && prints '^encode'"
check "a text that isn't there" eval 'bitnet tokenizer bench demo missing.txt; exits 1 && says missing.txt'
bitnet_reading '' tokenizer bench demo -
check "an empty text" fails_saying 'empty' 2

# A stand-in for Python's side: a peer that needs half a second each time and gives one id.
cat >python <<'PYTHON'
#!/bin/sh
echo '{"peers": [{"name": "slow 1.0", "loads": true}], "absent": [{"name": "fast", "reason": "is too fast"}]}'
while read -r request; do echo '{"seconds": 0.5, "tokens": 1, "checksum": 1}'; done
PYTHON
chmod +x python
bitnet tokenizer bench demo text.txt --repeats 3 --compare --python ./python
check "a peer is compared" eval 'exits 0 && prints "^slow 1.0  *lines .*slower, other ids" && prints "^slow 1.0  *file .*slower" && says "fast: is too fast"'
bitnet tokenizer bench demo text.txt --repeats 3 --compare --python ./python --json
check "a peer's median" same "$(json 'results[4].seconds')" 0.5
printf '#!/bin/sh\necho "{}"\n' >python
bitnet tokenizer bench demo text.txt --compare --python ./python
check "a Python process without peers" exits 0
printf '#!/bin/sh\nexit 3\n' >python
bitnet tokenizer bench demo text.txt --compare --python ./python
check "one that ends early" fails_saying 'ended early' 1
finish
