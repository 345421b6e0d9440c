#!/usr/bin/env bash
# A vocabulary from one form to another and back: equal ids, or refused with the reason and nothing left behind.
source "$(dirname "$0")/lib.sh"
TOKENIZERS=$DATA/tokenizers
text="Don't panic: it's 12345 kilos of naïve 世界 🙂
  indented"
ids() { "$BITNET" tokenizer encode "$1" "$text"; }

# every form whose target can say it: source, target
for pair in gpt2/tokenizer.json:gguf gpt2/vocab.gguf:json llama3/tokenizer.json:gguf llama3/vocab.gguf:json \
    qwen2/vocab.gguf:json spm-llama/tokenizer.model:json spm-llama/tokenizer.model:gguf \
    spm-user-symbols/tokenizer.model:json tekken-mistral/tekken.json:json tekken-mistral/tekken.json:gguf \
    tiktoken-cl100k/cl100k_base.tiktoken:json bert-uncased/tokenizer.json:gguf gguf-bert-uncased/vocab.gguf:json \
    byt5-decode:json wordlevel/tokenizer.json:json t5-unigram/tokenizer.json:json roberta/tokenizer.json:json; do
    source=$TOKENIZERS/${pair%:*} target=out.${pair##*:}
    rm -f "$target"
    bitnet tokenizer convert "$source" -o "$target"
    check "$pair is written" eval 'exits 0 && says "texts equal"'
    check "$pair gives equal ids" same "$(ids "$target")" "$(ids "$source")"
done

bitnet tokenizer convert "$TOKENIZERS/gpt2/tokenizer.json" -o out.gguf --json
check "a report as JSON" same "$(json 'form ~ vocab_size ~ texts_different ~ first_different')" gguf10070None

mkdir folder
bitnet tokenizer convert "$TOKENIZERS/gpt2/vocab.gguf" --to tokenizer.json -o folder
check "a folder gets the configuration too" eval 'exits 0 && grep -q "\"eos_token\": \"<|endoftext|>\"" folder/tokenizer_config.json'
check "and opens as a folder" same "$(ids folder)" "$(ids "$TOKENIZERS/gpt2/tokenizer.json")"

# what a form can't say
mkdir empty
refuses() {
    bitnet tokenizer convert "$TOKENIZERS/$1" --to gguf -o empty/vocab.gguf
    check "$1 to GGUF is refused: $2" fails_saying "$2" 1
}
refuses wordlevel/tokenizer.json "WordLevel"
refuses byt5-decode "bytes"
refuses roberta/tokenizer.json "'<mask>' takes the white space beside it"
refuses added-tokens/tokenizer.json "'Oz' is found as a whole word only"
refuses bpe-suffix-fuse/tokenizer.json "prefix or suffix"
refuses tiktoken-cl100k/cl100k_base.tiktoken "none of the pre-tokenizers"
refuses t5-unigram/tokenizer.json "texts come out different, first "
check "nothing is left behind" same "$(ls empty)" ""

bitnet tokenizer convert "$TOKENIZERS/t5-unigram/tokenizer.json" --allow-differences -o empty/vocab.gguf
check "unless differences are allowed" eval 'exits 0 && says "come out different" && [ -s empty/vocab.gguf ]'

printf 'plain\n\xef\xbb\xbf mark\n' >texts.txt
bitnet tokenizer convert "$TOKENIZERS/gpt2/tokenizer.json" --to gguf -o out.gguf --check texts.txt --json
more=$(json texts_compared)
bitnet tokenizer convert "$TOKENIZERS/gpt2/tokenizer.json" --to gguf -o out.gguf --json
check "texts of one's own are compared too" same "$more" "$(($(json texts_compared) + 2))"

bitnet tokenizer convert demo
check "without an output" fails_saying "say where to write" 2
bitnet tokenizer convert demo -o missing/tokenizer.json
check "into a folder that isn't there" exits 1
finish
