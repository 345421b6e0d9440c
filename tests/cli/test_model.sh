#!/usr/bin/env bash
# What the model commands say is what the files hold; broken files end in one line and exit status 1.
source "$(dirname "$0")/lib.sh"

bitnet model show demo --json
check "show: the demo's shape" same "$(json '[n_layers, hidden_size, intermediate_size, n_heads, n_kv_heads, vocab_size, context_length] | join(",")')" 6,256,768,8,4,2048,512
check "show: activation and reason" same "$(json 'hidden_act ~ (hidden_act_reason | length > 0)')" relu2True
check "show: parts add up" same "$(json 'parameters.embedding + parameters.attention + parameters.ffn + parameters.norm + parameters.head == parameters.total')" True
check "show: bits per weight" same "$(json '1.6 < bits_per_weight < 4')" True
# 512 positions × 6 layers × (key, value) × 4 heads × 32 floats
check "show: cache of a full context" same "$(json memory.kv_bytes)" $((512 * 6 * 2 * 4 * 32 * 4))
bitnet model show demo -c 100 --sequences 3 --kv-type f16 --json
check "show: cache at other settings" same "$(json memory.kv_bytes)" $((3 * 100 * 6 * 2 * 4 * 32 * 2))
check "show: tokenizer" same "$(json '[tokenizer.vocab_size, tokenizer.bos.text, tokenizer.chat_template] | join(",")')" '2048,<|begin_of_text|>,False'
bitnet model show demo --json
check "show: memory by context, sequences and type" same "$(json '(memory_table | selectattr("context", "equalto", 512) | selectattr("sequences", "equalto", 4) | first)["f32"] - memory.weight_bytes - memory.resident_bytes')" $((4 * 512 * 6 * 2 * 4 * 32 * 4))
check "show: speed isn't known before it was measured" same "$(json 'speed_at_best is none')" True
bitnet model show demo
check "show: and it says how to" prints "^speed at best .*bitnet bench machine"
bitnet model show demo --tensors
check "show: every tensor" prints "^blk.5.ffn_down.weight"
bitnet model show demo
check "show: as text" eval 'exits 0 && quiet && prints "^activation  *relu2"'

bitnet model verify demo
check "verify: the demo is whole" eval 'exits 0 && [ $(grep -c "^ok" out) -ge 7 ] && not prints "^failed" && prints "^skipped hashes"'
bitnet model verify demo --json
check "verify: as JSON" same "$(json 'ok ~ (checks | map(attribute="name") | join(","))')" Truehashes,format,values,configuration,shapes,rows,tokenizer,vocabulary,template,forward

# tensors: names, types, values
bitnet model tensors demo --json
check "tensors: bytes add up to less than the file" same "$(json "(tensors | sum(attribute='bytes')) < $(stat -c %s "$PROJECT/assets/demo/demo.gguf")")" True
check "tensors: shapes are slowest first" same "$(json "(tensors | selectattr('name', 'equalto', 'blk.0.ffn_down.weight') | first).shape | join('x')")" 256x768
for folder in "$DATA"/blocks/*/; do
    name=$(basename "$folder")
    bitnet model tensors "$folder/$name.gguf" --dump values.f32
    check "tensors --dump: $name as the reference decodes it" eval "exits 0 && cmp values.f32 $folder/expected.f32"
done
rm -f values.f32
bitnet model tensors demo --dump nowhere/values.f32
check "a dump that can't be written" fails_saying 'nowhere/values.f32' 1

# naming models
mkdir -p models/ours/small models/two
cp "$PROJECT/assets/demo/demo.gguf" models/ours/small/small.gguf
cp "$PROJECT/assets/demo/demo.gguf" models/two/a.gguf
cp "$PROJECT/assets/demo/demo.gguf" models/two/b.gguf
export BITNET_MODELS=$WORK/models
bitnet model list
check "list: demo and the models folder" eval 'prints "^demo  *gguf" && prints "^ours/small  *gguf" && prints "^two/a.gguf"'
bitnet model list --json
check "list: as JSON" exits 0
for name in ours/small two/a two/a.gguf "$WORK/models/ours/small/small.gguf"; do
    bitnet generate "$name" --tokens 1688 -n 1 --json
    check "'$name' is found" exits 0
done
bitnet generate two --tokens 1688
check "a folder of several files isn't a model" fails_saying "has 2 .gguf files: name one" 1
bitnet generate ours/smal --tokens 1688
check "a mistyped name is met with the right one" fails_saying "did you mean 'ours/small'" 1
bitnet generate dmeo --tokens 1688
check "also demo" fails_saying "did you mean 'demo'" 1
bitnet generate models/two/aa.gguf --tokens 1688
check "also a file" fails_saying "did you mean 'models/two/a.gguf'" 1
bitnet generate ../outside --tokens 1688
check "no way out of the folder" fails_saying 'there is no model' 1
bitnet generate '' --tokens 1688
check "the empty name" fails_saying 'empty' 2

# broken files: one line, exit status 1, never a crash
demo=$PROJECT/assets/demo/demo.gguf
: >empty.gguf
head -c 3 "$demo" >tiny.gguf
head -c 5000 "$demo" >short.gguf
head -c 2000000 "$demo" >cut.gguf
printf 'just text, not a model' >text.gguf
printf '\x80\x02}q\x00.' >pickle.bin
mkdir folder
for file in empty.gguf tiny.gguf short.gguf cut.gguf text.gguf pickle.bin folder; do
    bitnet generate "$file" --tokens 1688
    check "generate $file" fails_saying "$file" 1
    bitnet model show "$file"
    check "model show $file" fails_saying "$file" 1
    bitnet model tensors "$file"
    check "model tensors $file" fails_saying "$file" 1
    bitnet model verify "$file"
    check "model verify $file" eval 'exits 1 && prints "^failed  format"'
    bitnet tokenizer encode "$file" hi
    check "tokenizer encode $file" exits 1
done
# a code that no packer writes: verify looks at every value (the demo's ternary tensors end behind their codes with a
# scale, so an infinite scale is 00 00 80 7f there)
cp "$demo" poisoned.gguf
at=$(($(stat -c %s poisoned.gguf) / 2))
head -c 4096 /dev/zero | tr '\0' '\377' | dd of=poisoned.gguf bs=1 seek=$at conv=notrunc status=none
bitnet model verify poisoned.gguf
check "verify finds corrupt codes" eval 'exits 1 && prints "^failed"'

# a file cut off while it is mapped
cp "$demo" shrinking.gguf
(sleep 0.5; : >shrinking.gguf) &
bitnet generate shrinking.gguf --tokens 1688 --ignore-eos -t 1 --isa scalar --n 32
check "a file that shrinks in use ends it with a word" fails_saying 'shrinking.gguf: the file changed or was cut off' 1
wait

bitnet doctor
check "doctor: the demo generates the known tokens" eval 'exits 0 && prints "self-test  ok"'
bitnet doctor --json
check "doctor: as JSON" same "$(json 'ok ~ (kernels.available | length > 0)')" TrueTrue
BITNET_ISA=scalar bitnet doctor
check "doctor: also with plain C" eval 'exits 0 && prints "kernels    scalar"'
finish
