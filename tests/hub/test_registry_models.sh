#!/usr/bin/env bash
# Models by name: what goes in comes out, versions keep, switching is what a name means.
source "$(dirname "$0")/../cli/lib.sh"
store=$HOME/.local/share/bitnet/store

bitnet model list --json
check "listing makes nothing" eval 'exits 0 && ! test -e "$HOME/.local"'
bitnet model use stories@1
check "no registry yet" fails_saying "no model 'stories'" 1

bitnet model add demo stories --note 'as it ships'
check "add" eval 'exits 0 && says "added stories@1"'
bitnet model add demo stories --json
check "the same again is the same version" same "$(json '[version, in_use, note, license] | join(",")')" '1,True,as it ships,cc0-1.0'
bitnet model optimize demo -o fast.gguf -q
bitnet model add fast.gguf stories --license mit --json
check "another content is another version" same "$(json '[version, in_use, license, origin.kind] | join(",")')" 2,True,mit,add
check "which says where it is from" same "$(json origin.source),$(json origin.command)" "$WORK/fast.gguf,bitnet model add fast.gguf stories --license mit --json"
check "the copy is the file" cmp fast.gguf "$(json path)"
check "and is kept by its hash" same "$(sha256sum <fast.gguf | cut -c 1-64)" "$(basename "$(find "$store/blobs" -samefile "$(json path)")")"
bitnet model add "$DATA/models/bitnet-packed" ours/small:packed --json
check "a folder, as a variant" same "$(json '[name, variant, version] | join(",")')" ours/small,packed,1
check "all its files" same "$(diff -r "$DATA/models/bitnet-packed" "$(json path)")" ''

bitnet model list
check "list" eval 'prints "^stories  *gguf" && prints "^ours/small:packed  *folder"'
for name in stories stories@1 ours/small:packed ours/small ours/small@1:packed; do
    bitnet model tensors "$name"
    check "'$name' names a model" exits 0
done
bitnet model tensors stories@7
check "a version that isn't there" fails_saying 'it has 1 to 2' 1
bitnet model tensors ours/small:q8
check "a variant that isn't there" fails_saying 'it has packed' 1
bitnet model tensors storys
check "a mistyped name" fails_saying "did you mean 'stories'" 1

bitnet model use stories@1
check "use" eval 'exits 0 && says "stories@1 is in use"'
bitnet model show stories --json
check "what the name means now" same "$(json 'path.split("/")[-1]')" demo.gguf
bitnet model show stories
check "and what is known of it" eval 'prints "^version  *1 of stories:default" && prints "^license  *cc0-1.0" && prints "^made by  *bitnet model add demo"'
bitnet model rollback stories
check "rollback" says "stories@2 is in use"
bitnet model rollback stories
check "once more" says "stories@1 is in use"
bitnet model rollback stories
check "until there is nothing before" fails_saying 'no other version was in use' 1

bitnet model rm stories@1
check "the version in use stays" fails_saying 'version in use' 2
mkfifo hold
"$BITNET" generate stories@2 -p Once -n 100000 --ignore-eos >hold 2>/dev/null &
reader=$!
exec 3<hold
head -c 10 <&3 >/dev/null
bitnet model rm stories@2
check "so does one that a process has open" fails_saying 'open in a running process' 1
kill -KILL $reader
wait $reader 2>/dev/null
exec 3<&-
bitnet model rm stories@2 --json
check "until the process ends" same "$(json '[versions, freed_bytes] | join(",")')" "1,$(stat -c %s fast.gguf)"
bitnet model rm stories
check "all of a model" eval 'exits 0 && says "1 version"'
bitnet model rm ours/small:packed
check "and the other" exits 0
check "nothing is left" same "$(find "$store" -type f)" ''

for name in demo a/b/c ../x 'a b' -- a--b; do
    bitnet model add demo -- "$name"
    check "'$name' isn't a name" exits 2
done
bitnet model add demo name@3
check "versions aren't chosen" fails_saying 'numbered by themselves' 2
echo text >text.gguf
bitnet model add text.gguf name
check "what isn't a model isn't added" fails_saying 'text.gguf: not a model file' 1
bitnet model add nowhere.gguf name
check "nor what isn't there" fails_saying 'nowhere.gguf' 1
mkdir linked
cp "$DATA"/models/bitnet-packed/*.* linked
ln -s nowhere linked/broken.json
bitnet model add linked name
check "nor a folder with a broken link" fails_saying 'broken.json: a link to nothing' 1
check "nothing of them is left" same "$(find "$store" -type f)" ''
finish
