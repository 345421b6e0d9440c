#!/usr/bin/env bash
# A model handed on as one file: the same on the other machine, or not at all.
source "$(dirname "$0")/../cli/lib.sh"
here=$WORK/here there=$WORK/there
export BITNET_HOME=$here
bitnet model add "$DATA/models/bitnet-packed" ours/small:packed --license mit --note 'a note'
bitnet model export ours/small b.tar.zst --json
check "export" same "$(json 'exported ~ (bytes > 1000)')" 'ours/small:packed@1True'
bitnet model export ours/small@1:packed again.tar.zst --level 3
check "the same version, the same bytes" cmp b.tar.zst again.tar.zst
if command -v zstd >/dev/null; then
    check "tar reads it" same "$(zstd -dc b.tar.zst | tar -tf - | head -n 2 | paste -sd' ')" 'bundle.json manifest.json'
else
    skip "reading with tar: no zstd here"
fi
export BITNET_HOME=$there
bitnet model import b.tar.zst --json
check "import, under its name" same "$(json '[name, variant, version, license, note, in_use] | join(",")')" 'ours/small,packed,1,mit,a note,True'
check "the same files" same "$(diff -r "$DATA/models/bitnet-packed" "$(json path)")" ''
check "it says where it is from" same "$(json origin.command),$(json origin.imported_from)" "bitnet model add $DATA/models/bitnet-packed ours/small:packed --license mit --note 'a note',$WORK/b.tar.zst"
bitnet model import b.tar.zst other
check "import, under another" says 'imported other@1'
bitnet eval logits other --tokens 1,2,3 -o imported.f32
check "it runs" exits 0
bitnet eval logits "$DATA/models/bitnet-packed" --tokens 1,2,3 -o original.f32
check "and gives the same" cmp imported.f32 original.f32

bitnet model rm other -q
bitnet model rm ours/small -q
size=$(stat -c %s b.tar.zst)
for cut in 0 100 5000 $((size - 30)); do
    head -c "$cut" b.tar.zst >cut.tar.zst
    bitnet model import cut.tar.zst cut
    check "cut after $cut bytes" fails_saying '^bitnet: cut.tar.zst: ' 1
done
check "nothing of it is left" same "$(find "$there/store" -type f)" ''
bitnet model import "$PROJECT/assets/demo/demo.gguf" x
check "what isn't a bundle" fails_saying 'not a whole bundle' 1
bitnet model import nowhere.tar.zst
check "what isn't there" fails_saying 'nowhere.tar.zst' 1
bitnet model export nothing x.tar.zst
check "a model that isn't there" eval 'fails_saying "no model" 1 && ! test -e x.tar.zst'
BITNET_HOME=$here bitnet model export ours/small nowhere/x.tar.zst
check "a place that isn't there" fails_saying 'nowhere/x.tar.zst' 1
blob=$(find "$here/store/versions" -name model.safetensors)
chmod u+w "$blob"
printf x | dd of="$blob" bs=1 seek=9000 conv=notrunc status=none
BITNET_HOME=$here bitnet model export ours/small x.tar.zst
check "damage isn't handed on" eval 'fails_saying "model.safetensors: damaged" 1 && ! test -e x.tar.zst'
finish
