#!/usr/bin/env bash
# Tags, notes, names, history, differences, making room, mending.
source "$(dirname "$0")/../cli/lib.sh"
export BITNET_HOME=$WORK/data
demo=$PROJECT/assets/demo/demo.gguf
sizes() { stat -c %s "$@" | { n=0; while read -r s; do n=$((n + s)); done; echo $n; }; }

# four versions of one model, as a tokenizer's special tokens make them
cp "$demo" 1.gguf
for i in 2 3 4; do "$BITNET" tokenizer special add "$((i - 1)).gguf" "<t$i>" -o "$i.gguf" -q >out; done
for i in 1 2 3 4; do "$BITNET" model add "$i.gguf" m -q; done

bitnet model verify m@2
check "verify: the files are those of the manifest" eval 'exits 0 && prints "^ok  *hashes .*manifest of version 2"'
"$BITNET" model add 4.gguf broken -q
blob=$(find "$BITNET_HOME/store/versions" -name 4.gguf | head -n 1)
chmod u+w "$blob" && cp "$blob" intact && printf 'x' | dd of="$blob" bs=1 seek=900000 conv=notrunc status=none
bitnet model verify broken --json
check "verify: a changed byte isn't" same "$(json 'ok ~ (checks | first).verdict ~ (checks | first).detail')" 'Falsefailed4.gguf has other content, by the manifest of version 1'
cat intact >"$blob" && chmod u-w "$blob"
bitnet model rm broken -q

bitnet model tag m@2 stable good
check "tag" eval 'exits 0 && says "m@2 is tagged"'
bitnet model show m@good --json
check "a tag names its version" same "$(json '[registry.version, registry.tags | join("+")] | join(",")')" 2,good+stable
bitnet model tag m@3 good
bitnet model show m@good --json
check "given again it moves" same "$(json registry.version)" 3
bitnet model tag m@good good --remove
check "and is taken away" exits 0
bitnet model tag m@3 good --remove
check "once" fails_saying "doesn't carry the tag 'good'" 1
bitnet model tag m 17
check "a number is no tag" fails_saying "can't be a tag" 2
bitnet model note m@1 'the first' --json
check "note" same "$(json note)" 'the first'
bitnet model pin m@1 --json
check "pin" same "$(json pinned)" True
bitnet model rm m@1
check "what is pinned stays" fails_saying 'unpin m@1' 2

bitnet model history m
check "history" eval 'exits 0 && [ "$(grep -c "^[* ] *[1-4]  20" out)" = 4 ] && prints "^\*  *4" && prints "note the first" && prints "tags stable" && prints "made by bitnet model add 1.gguf m -q" && [ "$(grep -c "came into use" out)" = 4 ]'
bitnet model history m --json
check "as JSON" same "$(json "versions | map(attribute='version') | join(',')")" 1,2,3,4

bitnet model diff m@1 m@2 --json
check "diff: what grew" same "$(json "tensors | map(attribute='change') | unique | join(',')")$(json "metadata | length > 0")" 'type or shapeTrue'
bitnet model diff m@1 demo --json
check "diff: the same" same "$(json 'same ~ (metadata | length) ~ (tensors | length)')" True00
bitnet model diff "$DATA/models/bitnet-packed" m@1 --json
check "diff: nothing in common" same "$(json same_tensors)" 0
bitnet model diff m@1 nowhere
check "diff: what isn't there" fails_saying nowhere 1

bitnet model rename m ours/stories
check "rename" eval 'exits 0 && says "m is now ours/stories"'
bitnet model show ours/stories@stable --json
check "all goes with the name" same "$(json registry.version)" 2
bitnet model show m
check "the old one is gone" fails_saying "no model 'm'" 1
bitnet model add demo taken -q
bitnet model rename ours/stories taken
check "no name is taken away" fails_saying 'already' 2
bitnet model rename ours/stories@1 x
check "nor a version torn off" fails_saying 'leave' 2
bitnet model rm taken -q

# the database is lost, or is garbage, or says nothing of the truth
bitnet model history ours/stories --json
cp out expected
for damage in 'rm -f' 'printf garbage-instead-of-a-database >'; do
    rm -f "$BITNET_HOME"/registry.db-*
    eval "$damage \"\$BITNET_HOME/registry.db\""
    bitnet model history ours/stories
    bitnet model rebuild
    check "rebuild after '$damage'" eval 'exits 0 && says "1 models with 4 versions; 0 damaged, 0 missing"'
    bitnet model history ours/stories --json
    check "all is known again" cmp out expected
done

# room: 4 is in use, 2 tagged, 1 pinned
bitnet model gc --json
check "gc without a rule" same "$(json '[removed | length, leftovers, freed_bytes, stored_bytes] | join(",")')" "0,0,0,$(sizes 1.gguf 2.gguf 3.gguf 4.gguf)"
bitnet model gc --keep-last 1 --dry-run --json
check "gc --dry-run" same "$(json "removed | map(attribute='version') | join(',')"),$(json freed_bytes)" "3,$(sizes 3.gguf)"
bitnet model gc --keep-last 2 --dry-run
check "gc keeps the newest" prints_nothing
bitnet model gc --unused-for 1h --dry-run
check "and what was used" prints_nothing
bitnet model gc --max-size 1TB --dry-run
check "and what fits" prints_nothing
bitnet model add 3.gguf other -q
bitnet model gc --keep-last 0 --json
check "what another model has costs nothing" same "$(json "removed | map(attribute='version') | join(',')"),$(json freed_bytes)" 3,0
bitnet model tensors other
check "and stays for it" exits 0
bitnet model tag ours/stories@2 stable --remove -q
bitnet model unpin ours/stories@1 -q
touch -d '3 days ago' "$(find "$BITNET_HOME"/store/versions -name lease -path "*$(basename "$(dirname "$(find "$BITNET_HOME"/store/versions -name manifest.json -exec grep -l '"version": 2' {} +)")")*")"
bitnet model gc --unused-for 2d --json
check "what wasn't used goes" same "$(json "removed | map(attribute='version') | join(',')")" 2
bitnet model gc --max-size 1 --json
check "until nothing more can" same "$(json "removed | map(attribute='version') | join(',')"),$(json stored_bytes)" "1,$(sizes 3.gguf 4.gguf)"
bitnet model gc --max-size lots
check "a size that isn't one" fails_saying 'size such as' 2
bitnet model gc --unused-for 3
check "a time that isn't one" fails_saying 'duration such as' 2

# leftovers: a folder in staging whose process is gone, a blob of nobody
mkdir -p "$BITNET_HOME/store/staging/dead/files" "$BITNET_HOME/store/blobs/00"
touch "$BITNET_HOME/store/staging/dead/lease" "$BITNET_HOME/store/staging/dead/files/half"
head -c 1000 "$demo" >"$BITNET_HOME/store/blobs/00/$(printf '0%.0s' {1..64})"
bitnet model gc --json
check "leftovers are swept" same "$(json '[leftovers, freed_bytes] | join(",")')" 2,1000
check "without a trace" same "$(find "$BITNET_HOME/store/staging" "$BITNET_HOME/store/blobs/00" -mindepth 1)" ''
finish
