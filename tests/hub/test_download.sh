#!/usr/bin/env bash
# `model download` leaves the cache that huggingface_hub makes, fetches what a run needs, and nothing twice.
source "$(dirname "$0")/lib.sh"

folder=$(repo ours/small)
echo 'not needed' >"$folder/flax_model.msgpack"
echo 'not needed' >"$folder/tf_model.h5"
echo 'not needed' >"$folder/pytorch_model.bin"
mkdir -p "$folder/sub/deep"
echo 'deep' >"$folder/sub/deep/file.txt"
hub_start

bitnet model download ours/small
check "downloads, and prints the folder" eval 'exits 0 && [ "$(cat out)" = "$(snapshot ours/small)" ]'
for file in config.json tokenizer.json README.md model.safetensors; do
    check "$file is whole" cmp "$folder/$file" "$(cat out)/$file"
done
check "one kind of weights, no other framework's" eval '[ "$(ls "$(cat out)" | wc -l)" = 4 ]'
check "small files are named by git's id" test -f "$CACHE/models--ours--small/blobs/$(git hash-object "$folder/config.json")"
check "large ones by sha256" test -f "$CACHE/models--ours--small/blobs/$(sha256sum <"$folder/model.safetensors" | cut -d' ' -f1)"
check "snapshots link to blobs" same "$(readlink "$(cat out)/model.safetensors")" "../../blobs/$(sha256sum <"$folder/model.safetensors" | cut -d' ' -f1)"
check "the cache says that it is one" grep -q 8a477f597d28d172789f06886806bc55 "$CACHE/CACHEDIR.TAG"
check "nothing unfinished is left" eval '[ -z "$(find "$CACHE" -name "*.incomplete" -o -name "*.tmp")" ]'

bitnet model verify "$(snapshot ours/small)"
check "verify: files are what their blobs are named" prints '^ok  *hashes  *4 files, .*names of the downloads'
config=$(readlink -f "$(snapshot ours/small)/config.json")
cp "$config" kept && echo ' ' >>"$config"
bitnet model verify "$(snapshot ours/small)"
check "verify: one that was changed isn't" eval 'exits 1 && prints "^failed  *hashes  *config.json has other content"'
cp kept "$config"

reset_hub
bitnet model download ours/small --json
check "again: nothing is fetched" eval 'exits 0 && [ "$(requests "\"/resolve/\" in r[\"path\"] or r[\"server\"] == \"storage\"")" = 0 ]'
check "JSON: one event a line, the folder last" eval 'prints "^{\"event\":\"plan\"" && [ "$(tail -n 1 out | sed "s/.*\"path\":\"\([^\"]*\)\".*/\1/")" = "$(snapshot ours/small)" ]'

bitnet model download ours/small 'sub/*'
check "by glob: folders in the snapshot" eval 'exits 0 && cmp "$folder/sub/deep/file.txt" "$(cat out)/sub/deep/file.txt"'
check "links out of folders" same "$(readlink "$(cat out)/sub/deep/file.txt")" "../../../../blobs/$(git hash-object "$folder/sub/deep/file.txt")"
bitnet model download ours/small '*.onnx'
check "a glob without files" fails_saying "no file matches '\*.onnx'" 1
bitnet model download ours/small --list
check "--list marks what would be fetched" eval 'exits 0 && prints "^\*.*model.safetensors" && prints "^  .*tf_model.h5"'

# the file set of a GPT-2 with pickled weights and those of other frameworks
mkdir -p hub/microsoft/DialoGPT-medium/main
for file in config.json generation_config.json merges.txt vocab.json tokenizer_config.json pytorch_model.bin README.md flax_model.msgpack tf_model.h5; do
    echo "content of $file" >"hub/microsoft/DialoGPT-medium/main/$file"
done
bitnet model download microsoft/DialoGPT-medium
check "DialoGPT: what a conversion needs" same "$(ls "$(cat out)" | tr '\n' ' ')" 'README.md config.json generation_config.json merges.txt pytorch_model.bin tokenizer_config.json vocab.json '

# GGUF repositories
mkdir -p hub/ours/small-gguf/main
for name in small-Q8_0 small-i2_s small-Q4_K_M big-Q6_K-00001-of-00002 big-Q6_K-00002-of-00002 mmproj-small; do echo "$name" >"hub/ours/small-gguf/main/$name.gguf"; done
bitnet model download ours/small-gguf
check "GGUF: the ternary one unless told" same "$(ls "$(cat out)")" small-i2_s.gguf
bitnet model download ours/small-gguf:q6_k
check "GGUF: a variant with all its parts" eval 'exits 0 && [ "$(ls "$(cat out)" | grep -c big)" = 2 ]'
bitnet model download ours/small-gguf:Q3_K
check "GGUF: no such variant" fails_saying "no .gguf file has 'Q3_K' in its name; there are" 1

# revisions
repo ours/small v2 >/dev/null
echo '{"model_type": "llama", "v": 2}' >hub/ours/small/v2/config.json
bitnet model download ours/small@v2
check "another branch has another commit" eval 'exits 0 && grep -q "\"v\": 2" "$(cat out)/config.json"'
check "unchanged contents are shared" same "$(find "$CACHE/models--ours--small/blobs" -type f | wc -l)" 6
commit=$(cat "$CACHE/models--ours--small/refs/v2")
bitnet model download "ours/small@$commit"
check "by commit" eval 'exits 0 && [ "$(basename "$(cat out)")" = "$commit" ]'
bitnet model download ours/small@nowhere
check "no such revision" fails_saying "'ours/small' has no revision 'nowhere'" 1

# a list in pages, and names that lead out
repo ours/paged >/dev/null
echo '{"page_size": 2}' >hub/ours/paged/hub.json
bitnet model download ours/paged
check "a list of several pages" eval 'exits 0 && [ "$(ls "$(cat out)" | wc -l)" = 4 ]'
for name in '../x/y' 'a/b/c' 'a' '-a/b' 'a--b/c'; do
    bitnet model download "$name@../../etc"
    check "the name $name" eval 'exits 2 && [ "$(wc -l <err)" = 1 ]'
done

# a large file over several connections (download_parts.sh has what can go wrong)
large=$(repo ours/large)
head -c 12000001 /dev/urandom >"$large/model.safetensors"
reset_hub
bitnet model download ours/large --connections 4
parts='r["server"] == "storage" and r["status"] == 206'
check "a large file arrives in parts, whole" eval 'exits 0 && cmp "$large/model.safetensors" "$(cat out)/model.safetensors" && [ "$(requests "$parts")" -ge 4 ]'
check "every byte once" same "$(sum "$parts" 'r["length"]')" 12000001

# into a folder of one's own, as huggingface_hub does it
reset_hub
bitnet model download ours/small --local-dir mine '*.json' 'sub/*'
check "--local-dir: the files themselves" eval 'exits 0 && [ "$(cat out)" = mine ] && cmp "$folder/sub/deep/file.txt" mine/sub/deep/file.txt && [ ! -L mine/config.json ]'
check "--local-dir: what is noted of them" same "$(head -n 2 mine/.cache/huggingface/download/config.json.metadata)" \
    "$(cat "$CACHE/models--ours--small/refs/main")"$'\n'"$(git hash-object "$folder/config.json")"
check "--local-dir: the cache's contents are used" same "$(requests '"/resolve/" in r["path"]')" 0
bitnet model download ours/small --local-dir mine
check "--local-dir: weights" eval 'exits 0 && cmp "$folder/model.safetensors" mine/model.safetensors'
rm -rf "$CACHE"
reset_hub
bitnet model download ours/small --local-dir mine
check "--local-dir: again, nothing is fetched" eval 'exits 0 && [ "$(requests "\"/resolve/\" in r[\"path\"]")" = 0 ]'
touch -d '+1 hour' mine/model.safetensors
bitnet model download ours/small --local-dir mine
check "--local-dir: touched, but the same" eval 'exits 0 && [ "$(requests "r[\"server\"] == \"storage\"")" = 0 ]'
echo '{"mine": 1}' >mine/config.json
touch -d '+1 hour' mine/config.json
bitnet model download ours/small --local-dir mine
check "--local-dir: what was changed is fetched again" cmp "$folder/config.json" mine/config.json
head -c 100000 mine/model.safetensors >"$(echo mine/.cache/huggingface/download)/$(printf %s model.safetensors.metadata | openssl sha1 -binary | base64 | tr /+ _-).$(sha256sum <"$folder/model.safetensors" | cut -d' ' -f1).incomplete"
rm mine/model.safetensors
bitnet model download ours/small --local-dir mine
check "--local-dir: continued" eval 'exits 0 && cmp "$folder/model.safetensors" mine/model.safetensors && [ "$(requests "r[\"server\"] == \"storage\" and r[\"range\"] == \"bytes=100000-\"")" = 1 ]'
check "--local-dir: nothing unfinished is left" test -z "$(find mine -name '*.incomplete')"
mkdir -p hub/ours/hostile/main/.cache/huggingface/download
echo x >hub/ours/hostile/main/.cache/huggingface/download/config.json.metadata
bitnet model download ours/hostile --local-dir mine '*'
check "--local-dir: a file that would be the notes is refused" fails_saying "would replace what is noted" 1

# files that aren't there are remembered
bitnet model download ours/small config.json nowhere.json
check "a file that isn't there" fails_saying "no file matches 'nowhere.json'" 1
bitnet model download ours/small config.json
bitnet generate ours/small:nowhere.json --tokens 1
check "is known not to be" fails_saying "has no file 'nowhere.json'" 1

# the names of the cache work everywhere, without network
cp "$PROJECT/assets/demo/demo.gguf" hub/ours/small-gguf/main/small-i2_s.gguf
bitnet model download ours/small-gguf:i2_s
check "a model that runs" exits 0
rm -rf "$CACHE" "$HOME/.local"
bitnet generate -hf ours/small-gguf:I2_S --tokens 1688 -n 1 --json
check "-hf: fetched and run at once" eval 'exits 0 && [ "$(json model)" = ours/small-gguf:I2_S ]'
reset_hub
bitnet generate --hf-repo ours/small-gguf --hf-file small-i2_s.gguf --tokens 1688 -n 1
check "-hf: the second time without network" eval 'exits 0 && [ "$(requests True)" = 0 ]'
bitnet model download ours/small-gguf:q8_0
bitnet generate -hf ours/small-gguf --tokens 1688 -n 1
check "-hf: of several, the one that a download takes" exits 0
bitnet bench -hf ours/small-gguf:i2_s -p 1 -n 1 -r 1
check "-hf: in bench" exits 0
# served ARGUMENT…: `serve` with them, until it listens; its first model's id in the file out.
served() {
    rm -f listening # of a server before
    "$BITNET" serve --port 0 "$@" >listening 2>err </dev/null &
    local server=$!
    for _ in $(seq 600); do
        [ -s listening ] && break
        kill -0 $server 2>/dev/null || break
        sleep 0.05
    done
    run curl -s "$(sed -n 's/^listening on //p' listening)/v1/models"
    kill $server
    wait $server
}
if "$BITNET" serve --help >/dev/null 2>&1 && command -v curl >/dev/null; then
    rm -rf "$CACHE"
    reset_hub
    served -hf ours/small-gguf:I2_S
    check "serve -hf: fetched and served" eval '[ "$(json "data[0].id")" = small-gguf:I2_S ] && [ "$(requests "r[\"server\"] == \"storage\"")" -gt 0 ]'
    reset_hub
    served -hf ours/small-gguf:I2_S
    check "serve -hf: the second time without network" eval '[ "$(json "data[0].id")" = small-gguf:I2_S ] && [ "$(requests True)" = 0 ]'
fi
bitnet generate demo -hf ours/small-gguf
check "-hf: not beside a MODEL" fails_saying 'give a MODEL or --hf-repo' 2
bitnet generate --hf-file x.gguf
check "--hf-file alone" fails_saying 'needs --hf-repo' 2
bitnet generate -hf ours/nothing -p x
check "-hf: no such model" fails_saying "there is no 'ours/nothing'" 1
export HF_HUB_OFFLINE=1
bitnet generate -hf ours/small-gguf:Q5 -p x
check "-hf: not here, offline" fails_saying 'HF_HUB_OFFLINE' 1
bitnet generate ours/small-gguf:i2_s --tokens 1688 -n 1 --json
check "runs by its name, offline" exits 0
bitnet generate ours/small-gguf:q5 --tokens 1688
check "a variant that isn't there" fails_saying "bitnet model download ours/small-gguf:q5" 1
bitnet model list
check "list has it" prints 'ours/small'
bitnet model download ours/small
check "offline" fails_saying 'HF_HUB_OFFLINE is set' 1
finish
