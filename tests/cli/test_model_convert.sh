#!/usr/bin/env bash
# A model in other forms is the same model; a story of one command each: from the files of an old chat model to a chat.
source "$(dirname "$0")/lib.sh"

bitnet model convert "$DATA/models/qwen2" --to gguf -o qwen2.gguf --verify --json
check "to GGUF" eval 'exits 0 && [ -s qwen2.gguf ]'
check "as JSON" same "$(json '[architecture, tensors, ternary, files, losses | length] | join(",")')" qwen2,26,0,1,0
check "nothing was lost" same "$(json 'verification.top1_agreement')" 1.0
bitnet model convert qwen2.gguf --to hf -o back
check "and back" eval 'exits 0 && [ -s back/config.json ] && [ -s back/tokenizer.json ] && [ -s back/model.safetensors ]'
bitnet eval logits "$DATA/models/qwen2" --tokens 1,2,3 -o expected.f32
bitnet eval logits back --tokens 1,2,3 -o logits.f32
check "to the same logits" cmp expected.f32 logits.f32
bitnet model convert qwen2.gguf --to hf -o back
check "never over a folder with files" fails_saying "isn't an empty folder" 1
bitnet model convert qwen2.gguf --to safetensors -o weights.safetensors
check "weights alone" eval 'exits 0 && [ -s weights.safetensors ]'

bitnet model convert "$DATA/models/qwen2" --to gguf --type q8_0 -o q8.gguf --verify
check "a smaller type says what it cost" eval 'exits 0 && says "lost something: SQNR" && says "verified on"'
bitnet model convert "$DATA/models/qwen2" --to gguf --type i2_s -o ternary.gguf
check "rounding to ternary comes with a warning" eval 'exits 0 && says "rounded to -1, 0, 1" && says "nonsense"'
bitnet model convert "$DATA/models/qwen2" --to gguf --type i2_s --scales row -o no.gguf
check "one scale is all that i2_s has" eval 'exits 2 && says "one scale per tensor" && [ ! -e no.gguf ]'
bitnet model convert "$DATA/models/bitnet-packed" --to hf --type f16 -o no
check "a BitNet stays one" eval 'exits 1 && says "stays ternary" && [ ! -e no ]'
bitnet model convert "$DATA/models/qwen2" --to gguf
check "without a place to write to" fails_saying "-o" 2
bitnet model convert "$DATA/torch/symlink.zip" --to safetensors -o no.safetensors
check "an archive with a link" eval 'exits 1 && [ ! -e no.safetensors ]'

# Of normal weights 31.0 % lie within half their mean magnitude, and 26.4 % within half of the median one.
within() { awk -v a="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(a >= low && a <= high) }'; }
for scales in tensor row group; do
    bitnet model convert "$DATA/models/qwen2" --to gguf --type q2_0 --scales $scales -o t.gguf --json
    check "rounded by the mean of a $scales" eval 'exits 0 && within "$(json "losses[0].zeros")" 0.29 0.33'
    check "which loses what it must" within "$(json 'losses[0].sqnr_db')" 5 7
    bitnet model convert "$DATA/models/qwen2" --to gguf --type q2_0 --method absmedian --scales $scales -o t.gguf --json
    check "rounded by the median of a $scales" eval 'exits 0 && within "$(json "losses[0].zeros")" 0.245 0.285'
done
bitnet eval logits t.gguf --tokens 1,2,3 -o t.f32
check "runs" exits 0

cp -r "$DATA/models/qwen2" embedder
mkdir embedder/1_Pooling
echo '[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]' >embedder/modules.json
echo '{"pooling_mode_lasttoken": true}' >embedder/1_Pooling/config.json
bitnet model convert embedder --to gguf -o embedder.gguf
check "an embedding model stays one" eval 'exits 0 && grep -q qwen2.pooling_type embedder.gguf && ! grep -q pooling_type qwen2.gguf'

bitnet model convert demo --to hf -o told
check "what was decided is said" eval 'exits 0 && says "activation relu2"'
bitnet model convert demo --to hf -o untold -q
check "but not with -q" eval 'exits 0 && quiet'
bitnet model convert "$DATA/models/bitnet-packed" --to hf -o packed
check "packed weights stay packed" eval 'exits 0 && [ -s packed/model.safetensors ]'

if command -v python3 >/dev/null; then
    run python3 "$PROJECT/tools/make_dialogue_model.py" dialogue
    check "the files of an old chat model" eval 'exits 0 && [ -s dialogue/pytorch_model.bin ] && [ ! -e dialogue/tokenizer.json ]'
    bitnet model convert dialogue --to gguf -o dialogue.gguf --verify
    check "become GGUF" eval 'exits 0 && says "same best token 100.0 %"'
    bitnet run dialogue.gguf -p 'hello there' -n 12 --temp 0
    check "to chat with" eval 'exits 0 && [ -s out ] && quiet'
    cp out expected
    bitnet run dialogue -p 'hello there' -n 12 --temp 0
    check "which the files themselves do, too" cmp out expected
    printf '{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"you"}]}' >messages
    bitnet_reading "$(cat messages)" template render dialogue.gguf
    check "turns end with the end-of-text token" same "$(cat out)" 'hello<|endoftext|>you<|endoftext|>'
else
    skip "the old chat model: no python3"
fi
finish
