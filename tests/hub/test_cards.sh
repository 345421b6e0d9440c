#!/usr/bin/env bash
# Searching, cards, publishing: against the test hub.
source "$(dirname "$0")/lib.sh"
for name in ada/tiny-bitnet ada/other bob/tiny-llama; do repo "$name" >/dev/null; done
echo '{"downloads": 5, "likes": 9, "pipeline_tag": "text-generation", "library_name": "transformers", "license": "mit", "tags": ["bitnet", "en"]}' >hub/ada/tiny-bitnet/hub.json
echo '{"downloads": 50, "library_name": "gguf", "tags": ["license:apache-2.0"]}' >hub/bob/tiny-llama/hub.json
hub_start

# search: every option, as table and as JSON
ids() { sed 's/},{/\n/g' out | grep -o '"id":"[^"]*"' | cut -d'"' -f4 | tr '\n' ' '; }
search() { bitnet model search "$@" --json; }
search tiny
check "by text" same "$(ids)" 'ada/tiny-bitnet bob/tiny-llama '
search --author ada
check "by author" same "$(ids)" 'ada/other ada/tiny-bitnet '
search --task text-generation
check "by task" same "$(ids)" 'ada/tiny-bitnet '
search --library gguf
check "by library" same "$(ids)" 'bob/tiny-llama '
search --license mit
check "by licence" same "$(ids)" 'ada/tiny-bitnet '
search --tag bitnet --tag en
check "by tags" same "$(ids)" 'ada/tiny-bitnet '
search --sort downloads -n 2
check "sorted, limited" same "$(ids)" 'bob/tiny-llama ada/tiny-bitnet '
search nothing-like-it
check "nothing" eval 'exits 0 && [ "$(cat out)" = "[]" ]'
bitnet model search tiny
check "a table" eval 'exits 0 && prints "^model  *downloads" && prints "^ada/tiny-bitnet  *5 .* mit"'
HF_ENDPOINT=$STORAGE bitnet model search x
check "what isn't a hub" exits 1

# cards
bitnet model card ada/tiny-bitnet
check "card: of the hub" same "$(cat out)" $'---\nlicense: mit\n---\n# A model'
mkdir model
cp "$PROJECT/assets/demo/demo.gguf" model/demo.gguf
bitnet model card model/demo.gguf --generate --set license=mit --set base_model=ada/bigger --set tags=tiny --set datasets=ada/texts --set 'title=yes' -o model/README.md
check "card: begun from the model" eval 'exits 0 && grep -q "^license: mit" model/README.md && grep -q "ternary | [0-9.]* million" model/README.md'
bitnet model card model/demo.gguf --json
check "card: reads back what it wrote" same "$(json '[metadata.license, metadata.base_model | join, metadata.tags | join("+"), metadata.title] | join(",")')" 'mit,ada/bigger,bitnet+1.58-bit+tiny,yes'
bitnet model card model/demo.gguf --check
check "card: nothing wrong" eval 'exits 0 && ! prints "^error"'
bitnet model card model/demo.gguf --set license=free-as-in-beer --set base_model=not/a/name --check
check "card: errors by name" eval 'exits 1 && prints "license: .free-as-in-beer. isn" && prints "base_model: .not/a/name. isn"'
bitnet model card model/demo.gguf --set license= --check --json
check "card: a missing licence is advice" eval 'exits 0 && prints "without it nobody may use"'
printf -- '---\na: &x [1]\nb: *x\n---\n' >model/README.md
bitnet model card model/demo.gguf
check "card: aliases are refused" fails_saying 'line 2: aliases' 1
printf -- '---\na: [\n' >model/README.md
bitnet model card model/demo.gguf
check "card: metadata that isn't closed" fails_saying "isn't closed" 1

# push
rm -rf model && mkdir -p model/sub
echo '{"model_type": "llama"}' >model/config.json
head -c 150000 /dev/urandom >model/model.safetensors
echo note >model/sub/note.txt
bitnet model push model eve/new --create
check "push needs a token" fails_saying "needs a token that may write" 1
export HF_TOKEN=hf_good
bitnet model push model eve/new --create
check "push: one that may write" fails_saying 'write permission' 1
export HF_TOKEN=hf_write
bitnet model push model eve/new
check "push: no such repository" fails_saying "there is no 'eve/new'" 1
bitnet model push model eve/new --create --private -m 'First' --json
check "push: creates, sends" eval 'exits 0 && prints "\"event\":\"done\"" && diff -r model hub/eve/new/main'
check "push: the storage gets no token" same "$(requests 'r["server"] == "storage" and r["token"]')" 0
echo changed >>model/config.json
bitnet model push model eve/new --json
check "push: again sends only what changed" eval 'exits 0 && prints "\"uploaded\":0" && diff -r model hub/eve/new/main'
echo '{"part_bytes": 65536, "tokens": ["hf_write"]}' >hub/eve/new/hub.json
head -c 200000 /dev/urandom >model/model.safetensors
fault '{"path": "/part/*/2", "status": 503}'
bitnet model push model eve/new
check "push: in parts, one of them twice" eval 'exits 0 && diff -r model hub/eve/new/main && [ "$(requests "\"/part/\" in r[\"path\"]")" -ge 5 ]'
head -c 100 /dev/urandom >model/model.safetensors
fault '{"path": "*/commit/*", "status": 403, "error_message": "protected branch"}'
bitnet model push model eve/new -q
check "push: a refused commit changes nothing" eval 'fails_saying "protected branch" 1 && ! cmp -s model/model.safetensors hub/eve/new/main/model.safetensors'
bitnet model download eve/new
check "push and download: the same bytes" eval 'exits 0 && cmp hub/eve/new/main/model.safetensors "$(cat out)/model.safetensors"'
# conversion carries over what the card says
cp -r "$DATA/models/qwen2" carded
printf -- '---\nlicense: apache-2.0\nbase_model: org/base\ndatasets:\n- org/texts\n- plain\nlanguage: [en, de]\ntags:\n- tiny\n---\n# A model\n' >carded/README.md
bitnet model convert carded --to gguf -o carded.gguf
check "convert: with a card" exits 0
bitnet model card carded.gguf --generate --json
check "convert: what the card said is in the file" same "$(json '[metadata.license, metadata.base_model | join, metadata.datasets | join("+"), metadata.language | join("+"), metadata.tags[0]] | join(",")')" 'apache-2.0,org/base,org/texts+plain,en+de,tiny'
printf -- '---\nlicense: [\n---\n' >carded/README.md
bitnet model convert carded --to gguf -o carded2.gguf
check "convert: a card that can't be read is said" eval 'exits 0 && says "card isn.t carried over"'

# what its files don't name is called as the hub calls it
mkdir -p hub/ada/named/main
cp "$DATA"/models/qwen2/*.* hub/ada/named/main
bitnet model download ada/named
bitnet model convert ada/named --to gguf -o named.gguf
bitnet model show named.gguf --json
check "convert: the model's name" same "$(json name)" named
bitnet model card ada/named
check "card: none is said" eval 'exits 0 && prints_nothing && says "has no card: --generate begins one"'
bitnet model list
check "list: a downloaded model once" same "$(grep -c '^ada/named ' out)" 1
check "no token in any output" eval '! grep -rq hf_write out err'
finish
