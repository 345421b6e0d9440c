#!/usr/bin/env bash
# An optimized file is the model that it was made of, and opens without work.
source "$(dirname "$0")/lib.sh"

bitnet model optimize demo -o fast.gguf
check "optimizes" eval 'exits 0 && prints_nothing && says "ternary.*compiled tokenizer.* -> fast.gguf"'
mkdir screened.gguf.0123abcd.part && echo half >screened.gguf.0123abcd.part/written.gguf # as a killed run leaves it
bitnet model optimize demo --head screen -o screened.gguf --json
check "as JSON" same "$(json '[output, tensors, ternary, screen, tokenizer] | join(",")')" screened.gguf,73,42,True,True
check "which says the size" same "$(json bytes)" "$(stat -c %s screened.gguf)"
check "what a killed run left is gone" same "$(echo screened.gguf*)" screened.gguf
bitnet model optimize screened.gguf --head screen -o again.gguf
check "what is optimized stays as it is" cmp screened.gguf again.gguf
bitnet model optimize screened.gguf --head exact -o bare.gguf --json
check "without the copy of the head" same "$(json screen)" False
bitnet model verify screened.gguf
check "is whole" eval 'exits 0 && not prints "^failed"'
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
check "nothing is left beside it" same "$(ls | grep -c 'out.gguf')" 0

# folders are converted on the way
for name in bitnet-packed qwen2; do
    bitnet model optimize "$DATA/models/$name" -o folder.gguf --json
    check "$name: a folder" same "$(json '[converted, tokenizer, comparison.top1_agreement] | join(",")')" True,True,1.0
    check "$name: predicts what it did" same "$(json 'comparison.largest_logit_difference < 5e-5')" True
    bitnet model optimize folder.gguf -o again.gguf
    check "$name: to what stays as it is" cmp folder.gguf again.gguf
done
bitnet model optimize demo -o other.gguf --no-compare --json
check "the comparison can be left out" same "$(json 'comparison is none')" True
bitnet model optimize demo -o other.gguf --json
check "of a GGUF file it has to be equal" same "$(json comparison.equal)" True

# other CPUs, other types
for target in avx2:l16 zen4:l12 avx512vnni:l16 neon:l16 amx:l16 native:l1; do
    bitnet model optimize demo --target "${target%:*}" --no-compare -o target.gguf --json
    check "for ${target%:*}" eval 'exits 0 && [[ $(json layout) == ${target#*:}* ]]'
done
bitnet model optimize demo --target 6502 -o target.gguf
check "for a CPU that isn't known" fails_saying "'6502' isn't known; these are: native.*zen4" 2
bitnet model optimize demo --lossy embeddings=q8_0 -o lossy.gguf --json
check "smaller embeddings" same "$(json '0 < comparison.mean_kl < 0.05 and comparison.perplexity_after > 1 and not comparison.equal')" True
bitnet model tensors lossy.gguf
check "are in the file" prints 'token_embd.weight *Q8_0'
bitnet model optimize demo --lossy head=q8_0 -o lossy.gguf
check "what it cost is said" eval 'exits 0 && says "KL .* nats" && says "perplexity of the sample text"'
for list in head head= head=q9 tail=q8_0 embeddings=i2_s; do
    bitnet model optimize demo --lossy $list -o never.gguf
    check "--lossy $list" eval 'fails_saying "expected head, embeddings or layers" 2 && [ ! -e never.gguf ]'
done
finish
