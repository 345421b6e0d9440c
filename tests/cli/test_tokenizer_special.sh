#!/usr/bin/env bash
# Special tokens listed, added and renamed; models keep their numbers and get rows.
source "$(dirname "$0")/lib.sh"
MODELS=$DATA/models
TOKENIZERS=$DATA/tokenizers
# The first bytes of the logits of a model for some tokens: those of its first 384 tokens.
logits() { "$BITNET" eval logits "$1" --tokens 1,5,9,30 --last -o logits.f32 2>/dev/null && head -c 1536 logits.f32 | sha256sum; }
size() { wc -c <"$1"; }

bitnet tokenizer special list "$TOKENIZERS/qwen2"
check "list" eval 'prints "^1	<|im_start|>	special added$" && prints "^1395	<think>	added$"'
bitnet tokenizer special list "$TOKENIZERS/qwen2" --json
check "list as JSON" same "$(wc -l <out)" 5

# a tokenizer.json by itself
bitnet tokenizer special add "$TOKENIZERS/qwen2/tokenizer.json" '<a>' '<b>' -o added.json
check "ids of new tokens" same "$(cat out)" $'1397\t<a>\n1398\t<b>'
bitnet tokenizer encode added.json 'x<a><b>'
check "they are found in text" prints '1397,1398$'
bitnet tokenizer special add "$TOKENIZERS/qwen2/tokenizer.json" '<c>' --plain -o plain.json
bitnet tokenizer decode plain.json 1397 --skip-special
check "plain ones are text" same "$(cat out)" '<c>'
bitnet tokenizer special add added.json '<a>' -o again.json
check "a token that is there" fails_saying "'<a>' is a token already" 2
bitnet tokenizer special add added.json '<d>'
check "never in place by itself" fails_saying 'say where the result goes' 2
bitnet tokenizer special add added.json '<d>' --in-place
check "in place when asked to" eval 'exits 0 && "$BITNET" tokenizer special list added.json | grep -q "^1399"'
bitnet tokenizer special rename "$TOKENIZERS/llama3/tokenizer.json" '<|begin_of_text|>' '<s>' -o renamed.json
bitnet tokenizer encode renamed.json hi
check "renaming keeps ids, and the template follows" same "$(cat out)" "$("$BITNET" tokenizer encode "$TOKENIZERS/llama3/tokenizer.json" hi)"
bitnet tokenizer inspect renamed.json
check "and its name" prints 'TemplateProcessing single <s> A'
bitnet tokenizer special add "$TOKENIZERS/spm-llama/tokenizer.model" '<d>' -o no.json
check "other forms are converted first" fails_saying "convert it first" 1
bitnet tokenizer special add "$TOKENIZERS/config-tokens" '<d>' -o no
check "nor where companions name more tokens" fails_saying "'<|im_start|>' the first" 1
bitnet tokenizer special rename added.json hello x -o no.json
check "only special and added tokens" fails_saying "no special or added token" 1
bitnet tokenizer special rename added.json '<a>' '<b>' -o no.json
check "to a name that is free" fails_saying "'<b>' is a token already" 2
# the reference counts added tokens from the size of the vocabulary, which may have gaps
write_gaps() { # "VOCAB" "ADDED TOKENS": a tokenizer.json
    printf '{"version": "1.0", "added_tokens": [%s], "model": {"type": "WordLevel", "unk_token": "a", "vocab": {%s}}}' "$2" "$1" >gaps.json
}
write_gaps '"a": 0, "b": 1, "c": 9' '{"id": 4, "content": "<T>"}'
bitnet tokenizer special add gaps.json '<U>' -o counted.json
check "the next that is counted" same "$(cat out)" $'4\t<U>'
bitnet tokenizer encode counted.json '<T><U>'
check "as it is counted when read" same "$(cat out)" 3,4
write_gaps '"a": 0, "b": 1, "c": 4' '{"id": 3, "content": "<T>"}'
bitnet tokenizer special add gaps.json '<U>' -o no.json
check "not another token's" fails_saying "the new token's would be 4, which 'c' has already" 1
write_gaps '"a": 0, "b": 1, "c": 3' ''
bitnet tokenizer special add gaps.json '<U>' -o counted.json
check "unless none are counted" same "$(cat out)" $'4\t<U>'
bitnet tokenizer encode counted.json 'a<U>'
check "and that is its id" same "$(cat out)" 0,4
bitnet tokenizer special add "$TOKENIZERS/spm-llama/tokenizer.model" x -o no.json
check "other forms are to be converted first" exits 1
check "and nothing is left behind" same "$(ls -d no.json* ./*.unfinished 2>/dev/null)" ""

# a model in a folder: the embedding and, where it isn't tied, the output projection grow
for model in llama qwen2 gpt-neox bitnet-master llama3-rope; do
    bitnet tokenizer special add "$MODELS/$model" '<new>' -o "$model" --json
    check "$model gets a row" same "$(json 'ids[0] ~ "," ~ rows_added')" 384,1
    check "$model says so in config.json" grep -q '"vocab_size": 385' "$model/config.json"
    check "$model keeps its logits" same "$(logits "$model")" "$(logits "$MODELS/$model")"
done
bitnet model verify llama
check "the result is a whole model" exits 0
bitnet model verify llama3-rope
check "and so are its shards" exits 0
total() { sed -n 's/.*"total_size": *\([0-9]*\).*/\1/p' "$1/model.safetensors.index.json"; }
rows=$(($(total llama3-rope) - $(total "$MODELS/llama3-rope")))
check "the index counts the new rows" [ "$rows" -gt 0 ]
cp "$MODELS/llama/tokenizer.json" llama/tokenizer.json
before=$(size llama/model.safetensors)
bitnet tokenizer special add llama '<pad>' --in-place --json
check "a row of padding is used first" same "$(json 'ids[0] ~ "," ~ rows_added')" 384,0
check "and nothing grows" same "$(size llama/model.safetensors)" "$before"
bitnet tokenizer special add "$MODELS/llama" x -o llama
check "a folder that is there" fails_saying "is there already" 2

# GGUF
bitnet tokenizer special add "$MODELS"/llama3-q4_k_m/*.gguf "<x>" -o q4.gguf
check "types whose rows can't be made" eval 'exits 1 && says "F32, F16 and BF16"'
bitnet tokenizer special add demo '<think>' '</think>' -o think.gguf --json
n=$(json 'ids[0]')
check "rows for each" same "$(json rows_added)" 2
check "the demo keeps its logits" same "$(logits think.gguf)" "$(logits demo)"
bitnet tokenizer encode think.gguf '<think>a'
check "the token is found" prints "^$n,"
bitnet tokenizer special rename think.gguf '<think>' '<ponder>' --in-place
check "renamed in place" eval 'exits 0 && same "$("$BITNET" tokenizer encode think.gguf "<ponder>")" "$n"'
bitnet model verify think.gguf
check "and is a whole model" exits 0

bitnet tokenizer special remove demo x
check "what can be done" fails_saying "expected: list TOK" 2
finish
