#!/usr/bin/env bash
# What a tokenizer is made of, against what its file says.
source "$(dirname "$0")/lib.sh"
TOKENIZERS=$DATA/tokenizers

bitnet tokenizer inspect "$TOKENIZERS/llama3"
check "kind and form" prints '^kind  *BPE, byte-level, from tokenizer.json$'
check "sizes" prints '^vocabulary  *1624 tokens, 1364 merges, 256 of 256 bytes$'
check "the pattern and its name" eval 'prints "p{N}{1,3}" && prints "which GGUF calls llama-bpe"'
check "templates" prints '^post-processor  *TemplateProcessing single <|begin_of_text|> A pair <|begin_of_text|> A <|begin_of_text|>:1 B:1$'
check "special tokens" prints '^  *3  "<|eot_id|>".*special added end$'
bitnet tokenizer inspect "$TOKENIZERS/bert-uncased" --json
check "steps as tokenizer.json has them" same "$(json 'normalizer[0].type ~ pre_tokenizer | map(attribute="type") | join(",")')" \
    "BertNormalizerWhitespaceSplit,Punctuation"
check "roles" same "$(json 'unknown.token ~ pad.id ~ kind ~ vocab_size ~ form')" "[UNK]0WordPiece1500tokenizer.json"
bitnet tokenizer inspect "$TOKENIZERS/spm-llama/tokenizer.model" --json
check "what only SentencePiece has" same "$(json 'normalizer[0].type ~ byte_fallback ~ bytes_covered ~ form')" \
    "SentencePieceTrue256SentencePiece"
for form in tekken-mistral:tekken.json tiktoken-cl100k/cl100k_base.tiktoken:tiktoken byt5-decode:ByT5 \
    gpt2/vocab.gguf:GGUF "gpt2/vocab.json:vocab.json and merges.txt"; do
    bitnet tokenizer inspect "$TOKENIZERS/${form%%:*}" --json
    check "form: ${form#*:}" same "$(json form)" "${form#*:}"
done

bitnet tokenizer inspect demo --token 300 --json
check "a token by id" same "$(cat out)" '{"id":300,"token":"Ġp","bytes":"2070","flags":[]}'
bitnet tokenizer inspect demo --token Ġp
check "a token by text" prints '^  *300  "Ġp"  *2070$'
bitnet tokenizer inspect "$TOKENIZERS/t5-unigram" --token '▁the' --json
check "a token's score" same "$(json 'score < 0')" True
bitnet tokenizer inspect "$TOKENIZERS/added-tokens" --token wizard --json
check "an added token's flags" same "$(json 'flags | join(",")')" "added,normalized,lstrip,rstrip"
bitnet tokenizer inspect demo --token 99999
check "no such id" fails_saying "outside the vocabulary" 2
bitnet tokenizer inspect demo --token zzzzzz
check "no such text" fails_saying "no token 'zzzzzz'" 1
bitnet tokenizer inspect demo --tokens --json
check "all tokens" same "$(wc -l <out)" "$("$BITNET" tokenizer inspect demo | sed -n 's/^vocabulary *\([0-9]*\) .*/\1/p')"
finish
