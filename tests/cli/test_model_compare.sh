#!/usr/bin/env bash
# Models side by side: what is equal is found equal in whatever form it lies, and what differs by as much as other commands say.
source "$(dirname "$0")/lib.sh"
qwen2=$DATA/models/qwen2

bitnet model compare demo demo --speed --json
check "a model is itself" same "$(json '[models[1].tensors.differing, models[1].tensors.unmatched, models[1].logits.top1_agreement, models[1].logits.largest_logit_difference, configuration_differences | length, not_compared | length] | join(",")')" 0,0,1.0,0.0,0,0
check "speed" same "$(json 'models[0].speed.output_tokens_per_s > 0 and models[1].speed.prompt_tokens_per_s > 0')" True

# forms: a folder, a file, a file that opens at once
bitnet model convert "$qwen2" --to gguf -o lossless.gguf
bitnet model compare "$qwen2" lossless.gguf --json
check "a folder and its GGUF file have equal tensors" same "$(json '[models[1].tensors.differing, models[1].tensors.unmatched, models[1].tensors.sqnr_db] | join(",")')" 0,0,None
check "and the same configuration" same "$(json 'configuration_differences | length')" 0
check "and predictions" same "$(json 'models[1].logits.largest_logit_difference < 5e-5 and models[1].logits.tokens > 50')" True
for name in llama bitnet-packed gpt-neox; do
    bitnet model convert "$DATA/models/$name" --to gguf -o form.gguf
    bitnet model compare "$DATA/models/$name" form.gguf --json
    check "$name: rows in another order are the same rows" same "$(json '[models[1].tensors.differing, models[1].tensors.unmatched, models[1].tensors.equal > 20] | join(",")')" 0,0,True
done
bitnet model optimize demo -o fast.gguf
bitnet model compare demo fast.gguf --json
check "a layout isn't a difference" same "$(json '[models[1].tensors.differing, models[1].logits.largest_logit_difference] | join(",")')" 0,0.0

# a smaller type: as conversion itself measured it
bitnet model convert "$qwen2" --to gguf --type q8_0 -o q8.gguf --json
lost=$(json '(losses | selectattr("name", "equalto", "blk.1.ffn_up.weight") | first).sqnr_db | round(6)')
bitnet model compare lossless.gguf q8.gguf --json
check "SQNR is what the conversion said" same "$(json '(models[1].tensors.list | selectattr("name", "equalto", "blk.1.ffn_up.weight") | first).sqnr_db | round(6)')" "$lost"
check "predictions are close" same "$(json '0 < models[1].logits.mean_kl < 0.01 and 0.8 < models[1].logits.top1_agreement <= 1')" True
check "the file is smaller" same "$(json 'models[1].weight_bytes < models[0].weight_bytes and models[1].bits_per_weight < models[0].bits_per_weight')" True
bitnet model compare lossless.gguf q8.gguf
check "as tables" eval 'exits 0 && quiet && prints "^bits per weight" && prints "^KL from the first" && prints "blk.1.ffn_up.weight .*differs .*Q8_0"'

# perplexity is that of `eval perplexity`
head -c 1500 "$PROJECT/README.md" >text
bitnet eval perplexity demo -f text --protocol stride -c 256 --kv-type f32 --json
expected=$(json 'perplexity')
bitnet model compare demo q8.gguf --text text --json
check "perplexity of a text" same "$(json 'models[0].perplexity.perplexity')" "$expected"
check "other vocabularies: predictions aren't compared" same "$(json '(not_compared | selectattr("part", "equalto", "logits") | first).model ~ (models[1].logits is none)')" q8.ggufTrue
check "what differs is named" same "$(json '"vocab_size" in configuration_differences and "num_hidden_layers" in configuration_differences')" True
bitnet model compare demo q8.gguf --text text
check "and said" eval 'exits 0 && prints "^not compared: logits of q8.gguf: vocabularies of 2048 and 384 tokens" && prints "other shape"'

bitnet model compare demo
check "one model" exits 2
bitnet model compare demo nowhere.gguf
check "a model that isn't there" fails_saying nowhere.gguf 1
bitnet model compare demo demo --text nowhere.txt
check "a text that isn't there" fails_saying nowhere.txt 1
finish
