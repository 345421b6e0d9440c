#!/usr/bin/env bash
# Everything is saved, everything is deleted, everything is back.
source "$(dirname "$0")/../cli/lib.sh"
demo=$PROJECT/assets/demo/demo.gguf
data=$HOME/.local/share/bitnet
place=$WORK/place

# a home with a bit of all
bitnet model add demo stories --note 'as it ships'
bitnet model optimize demo -o fast.gguf -q
bitnet model add fast.gguf stories
bitnet model add "$DATA/models/bitnet-packed" ours/small:packed
bitnet model tag stories@1 stable
bitnet model use stories@1
mkdir -p "$data/models/mine" "$HOME/.config/bitnet" "$HOME/.local/state/bitnet"
cp "$demo" "$data/models/mine/model.gguf"
printf '[generate]\ntemp = 0\n' >"$HOME/.config/bitnet/config.ini"
echo 'what was asked' >"$HOME/.local/state/bitnet/history"
bitnet model history stories --json
cp out history
bitnet generate stories@2 -p Once -n 8
cp out answer

# home_text: all files of the home but databases and locks, with their hashes
home_text() { (cd "$HOME" && find . -type f ! -name 'registry.*' ! -name lease | sort | xargs sha256sum); }
home_text >before

bitnet backup list "$place"
check "nothing there yet" fails_saying 'no such folder' 1
bitnet backup create "$place" --json
check "create" same "$(json '[versions, damaged] | join(",")')" 3,0
first=$(json snapshot) stored=$(json stored_bytes) total=$(json bytes)
check "what is there twice is stored once" test "$stored" -lt "$((total - $(stat -c %s "$demo") * 9 / 10))"
echo 'and what else' >>"$HOME/.local/state/bitnet/history"
home_text >before
bitnet backup create "$place" --json
second=$(json snapshot)
check "again: nothing is read, hardly anything stored" same "$(json "(read_bytes < 20000) ~ (stored_bytes < 20000)")" TrueTrue
bitnet backup list "$place"
check "list" eval 'exits 0 && [ "$(wc -l <out)" = 2 ] && prints "^$first .* files"'
bitnet backup list "$place" "$first"
check "list a snapshot" eval 'prints " versions/.*/files/demo.gguf" && prints " config/config.ini" && prints " state/history" && prints " models/mine/model.gguf"'
bitnet backup verify "$place"
check "verify" eval 'exits 0 && says "are whole"'

rm -rf "$HOME"
mkdir -p "$HOME"
bitnet backup restore "$place"
check "restore" eval 'exits 0 && says "3 versions of models"'
home_text >after
check "every file is back" cmp before after
bitnet model history stories --json
check "and what was said of the versions" same "$(sed 's/"last_use":[0-9]*//g' out)" "$(sed 's/"last_use":[0-9]*//g' history)"
bitnet generate stories@2 -p Once -n 8
check "and the models answer as before" cmp out answer
bitnet backup restore "$place" "$second"
check "what is the same is no conflict" exits 0

# conflicts: nothing is written; then, when told
echo 'changed' >"$HOME/.local/state/bitnet/history"
rm "$HOME/.config/bitnet/config.ini"
bitnet backup restore "$place"
check "what is here isn't overwritten" eval 'fails_saying "history): --overwrite" 2 && ! test -e "$HOME/.config/bitnet/config.ini"'
bitnet backup restore "$place" --overwrite
home_text >after
check "unless told" cmp before after
bitnet backup restore "$place" --to "$WORK/elsewhere"
BITNET_HOME=$WORK/elsewhere/data bitnet generate stories@2 -p Once -n 8
check "or put elsewhere" eval 'cmp out answer && cmp "$HOME/.config/bitnet/config.ini" elsewhere/config.ini'
bitnet backup restore "$place" 1999
check "a snapshot that isn't there" fails_saying "no snapshot '1999'" 1

# damage
object=$(find "$place/objects" -type f -size +100k | head -n 1)
printf damaged | dd of="$object" bs=1 seek=70000 conv=notrunc status=none
bitnet backup verify "$place"
check "a changed byte is found" eval 'exits 1 && says "objects/.*: damaged" && says "can.t be restored" && says "^bitnet: 1 pieces are damaged"'
rm "$object"
bitnet backup verify "$place"
check "a missing piece too" eval 'exits 1 && says "^bitnet: 1 pieces are damaged"'
bitnet backup restore "$place" --to "$WORK/third"
check "and isn't restored" eval 'exits 1 && says "objects/"'
bitnet backup create "$place" --json
check "the next backup stores it again" test "$(json stored_bytes)" -gt 50000
bitnet backup verify "$place"
check "then all is whole" exits 0
snapshot=$place/snapshots/$first
printf damaged | dd of="$snapshot" bs=1 seek=30 conv=notrunc status=none
bitnet backup verify "$place" "$first"
check "a changed snapshot is found" eval 'exits 1 && says "snapshots/"'

# a backup that is cut off, wherever, is no backup
mkdir cut
cp "$place/backup.json" cut
cp -r "$place/objects" cut
bitnet backup restore cut
check "pieces alone aren't a snapshot" fails_saying 'no snapshot yet' 1
for delay in 0.01 0.03 0.06 0.1; do
    { timeout -s KILL $delay "$BITNET" backup create cut2; } >/dev/null 2>&1
    "$BITNET" backup list cut2 >list 2>/dev/null
    if [ -s list ]; then "$BITNET" backup verify cut2 2>/dev/null || echo bad >>cut2.bad; fi
done
check "killed: no snapshot, or a whole one" not test -e cut2.bad
bitnet backup create cut2
bitnet backup verify cut2
check "and the next one is whole" exits 0

# encrypted
echo 'correct horse' >passphrase
head -c 32 /dev/urandom >key
bitnet backup create locked --key-file key
check "encrypted with a key file" exits 0
check "without a trace of what is in it" not grep -rqa -e stories -e GGUF -e sha256 locked
bitnet backup list locked
check "opens not without the key" fails_saying 'is encrypted: give its key file' 2
head -c 32 /dev/urandom >other
bitnet backup list locked --key-file other
check "nor with another" fails_saying 'wrong key file' 2
bitnet backup restore locked --key-file key --to "$WORK/unlocked"
BITNET_HOME=$WORK/unlocked/data bitnet generate stories@2 -p Once -n 8
check "restores with the key" cmp out answer
a=$(find locked/objects -type f | sort | sed -n 1p) b=$(find locked/objects -type f | sort | sed -n 2p)
cp "$a" "$b"
bitnet backup verify locked --key-file key
check "no piece can stand for another" eval 'exits 1 && says "damaged or forged"'
bitnet backup create phrase --passphrase-file passphrase
check "encrypted with a passphrase" exits 0
bitnet backup list phrase
check "opens not without it" fails_saying 'give its passphrase' 2
run "$BITNET" backup verify phrase --passphrase-file passphrase
check "opens with it" exits 0
bitnet backup create "$place" --key-file key
check "a plain backup doesn't turn encrypted" fails_saying "isn't encrypted" 2
head -c 8 key >short
bitnet backup create short-key --key-file short
check "a short key is refused" fails_saying 'at least 32 bytes' 2
finish
