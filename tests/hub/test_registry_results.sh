#!/usr/bin/env bash
# Downloads, conversions and optimized copies become versions by themselves.
source "$(dirname "$0")/lib.sh"
store=$HOME/.local/share/bitnet/store

mkdir -p hub/ours/packed/main
cp "$DATA"/models/bitnet-packed/*.* hub/ours/packed/main
hub_start
bitnet model download ours/packed
snapshot=$(cat out)
check "download" exits 0
bitnet model show ours/packed --json
check "is a version, where it lies" same "$(json 'registry.version ~ registry.external ~ registry.origin.kind ~ registry.origin.source ~ registry.origin.revision')" '1Truedownloadours/packedmain'
check "with its commit" same "$(json registry.origin.commit)" "$(basename "$snapshot")"
check "nothing is copied" same "$(find "$store/blobs" -type f)" ''
bitnet model download ours/packed
bitnet model history ours/packed --json
check "again: the same version" same "$(json 'versions | length')" 1
for name in ours/packed ours/packed@1 ours/packed@main "ours/packed@$(basename "$snapshot")"; do
    bitnet eval logits "$name" --tokens 1,2,3 -o named.f32
    check "'$name' is the model" exits 0
done
cp named.f32 expected.f32

bitnet model convert ours/packed --to gguf --name ours/packed:gguf
check "convert --name" eval 'exits 0 && says "added ours/packed:gguf@1"'
bitnet model show ours/packed:gguf --json
check "says by what command" same "$(json registry.origin.command)" 'bitnet model convert ours/packed --to gguf --name ours/packed:gguf'
bitnet eval logits ours/packed:gguf --tokens 1,2,3 -o gguf.f32
check "and runs" exits 0
bitnet model optimize ours/packed:gguf --name ours/packed:gguf
check "optimize --name: the next version" eval 'exits 0 && says "added ours/packed:gguf@2"'
bitnet eval logits ours/packed:gguf --tokens 1,2,3 -o fast.f32
check "of the same model" cmp gguf.f32 fast.f32
bitnet model convert demo --to hf --name ours/folder --json
check "a folder" same "$(json "output.startswith('$store')")" True
bitnet eval logits ours/folder --tokens 1,2,3 -o folder.f32
check "that runs" exits 0
bitnet model optimize ours/packed:gguf --name x -o x.gguf
check "a name or a file" fails_saying 'not both' 2
head -c 100000 "$PROJECT/assets/demo/demo.gguf" >cut.gguf
bitnet model optimize cut.gguf --name x
check "what fails leaves nothing" eval 'exits 1 && [ -z "$(find "$store/staging" -mindepth 1)" ]'

bitnet model rm ours/packed
check "removing a download's name" exits 0
check "leaves the hub's cache" test -e "$snapshot/config.json"
bitnet eval logits ours/packed --tokens 1,2,3 -o cached.f32
check "which still knows it" cmp expected.f32 cached.f32
rm -rf "$HF_HOME"
bitnet model download ours/packed
rm -rf "$HF_HOME"
bitnet eval logits ours/packed --tokens 1,2,3 -o gone.f32
check "files that are gone are named" fails_saying 'are gone (a hub.s cache was emptied): download it again' 1
finish
