#!/usr/bin/env bash
# From a hub to an answer: a model of the file set of microsoft/DialoGPT-medium (GPT-2, pickled weights, vocab.json and merges.txt, weights
# of other frameworks) is downloaded, converted and talked to, with one command each.
source "$(dirname "$0")/lib.sh"
source_model=$PROJECT/../shared/data/models/gpt2-pickle
[ -d "$source_model" ] || { skip "DialoGPT: no $source_model"; finish; }
folder=hub/microsoft/DialoGPT-medium/main
mkdir -p "$folder"
cp "$source_model"/{config.json,generation_config.json,pytorch_model.bin,tokenizer_config.json} "$folder"
chmod u+w "$folder"/*
sed -i s/PreTrainedTokenizerFast/GPT2Tokenizer/ "$folder/tokenizer_config.json"
python3 - "$source_model/tokenizer.json" "$folder" <<'PY'
import json, sys
model = json.load(open(sys.argv[1]))["model"]
json.dump(model["vocab"], open(sys.argv[2] + "/vocab.json", "w"))
merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
open(sys.argv[2] + "/merges.txt", "w").write("#version: 0.2\n" + "".join(m + "\n" for m in merges))
PY
printf -- '---\nlicense: mit\n---\n# A dialogue model\n' >"$folder/README.md"
for other in flax_model.msgpack tf_model.h5; do head -c 1000 /dev/zero >"$folder/$other"; done
hub_start

bitnet model download microsoft/DialoGPT-medium
check "download" eval 'exits 0 && [ ! -e "$(cat out)/flax_model.msgpack" ] && [ ! -e "$(cat out)/tf_model.h5" ] && cmp "$folder/pytorch_model.bin" "$(cat out)/pytorch_model.bin"'
export HF_HUB_OFFLINE=1
bitnet model convert microsoft/DialoGPT-medium -o dialogpt.gguf
check "convert, by its name" exits 0
bitnet_reading 'Does money buy happiness?' run dialogpt.gguf -n 5 --ignore-eos
check "chat" eval 'exits 0 && [ -s out ]'
finish
