#!/usr/bin/env bash
# An optimized file is the model that it was made of, and opens without work.
source "$(dirname "$0")/lib.sh"

bitnet model optimize demo -o fast.gguf
check "optimizes" eval 'exits 0 && prints_nothing && says "ternary.*compiled tokenizer.* -> fast.gguf"'
bitnet model optimize demo --head screen -o screened.gguf --json
check "as JSON" same "$(json '[output, tensors, ternary, screen, tokenizer] | join(",")')" screened.gguf,73,42,True,True
check "which says the size" same "$(json bytes)" "$(stat -c %s screened.gguf)"
bitnet model optimize screened.gguf --head screen -o again.gguf
check "what is optimized stays as it is" cmp screened.gguf again.gguf
bitnet model optimize screened.gguf --head exact -o bare.gguf --json
check "without the copy of the head" same "$(json screen)" False
bitnet model verify screened.gguf
check "is whole" eval 'exits 0 && [ $(grep -c "^ok" out) -eq 4 ]'
bitnet model tensors screened.gguf
check "has the copy's tensors" prints '^output.screen.codes.*I8'

bitnet model optimize demo --layout l12 -o dense.gguf
check "in the denser layout" exits 0
bitnet model tensors dense.gguf
check "which is named" prints 'I2_S.*l12'

for sampling in '--temp 0' '--temp 0.8 --top-k 20 --seed 3'; do
    # shellcheck disable=SC2086  # words
    bitnet generate demo -p 'Once upon a time' -n 40 $sampling
    cp out expected
    for file in fast screened bare dense; do
        # shellcheck disable=SC2086
        bitnet generate $file.gguf -p 'Once upon a time' -n 40 $sampling --head screen
        check "$file.gguf, $sampling: the same text" cmp out expected
    done
done
bitnet eval logits demo --tokens 1,2,3,700,5 -o expected.f32
bitnet eval logits screened.gguf --tokens 1,2,3,700,5 -o logits.f32
check "the same logits" cmp expected.f32 logits.f32

# a table that gets other rows loses the copy, which was of the old ones
bitnet tokenizer special add screened.gguf '<think>' -o more.gguf
check "tokens can be added" exits 0
bitnet generate more.gguf -p 'Once upon a time' -n 8 --temp 0 --head screen -v
check "and the head is copied anew" eval 'exits 0 && not says "copy of the head"'
bitnet model tensors more.gguf
check "no stale copy is left" not prints 'output.screen'

bitnet model optimize demo
check "needs -o" fails_saying 'with -o' 2
bitnet model optimize demo -o nowhere/fast.gguf
check "a folder that isn't there" fails_saying 'nowhere/fast.gguf' 1
head -c 100000 fast.gguf >cut.gguf
bitnet model optimize cut.gguf -o out.gguf
check "a truncated model" eval 'fails_saying cut.gguf 1 && not test -e out.gguf'
bitnet model optimize "$DATA/models/bitnet-packed" -o out.gguf
check "a Hugging Face folder" fails_saying 'only GGUF files' 1
finish
