#!/usr/bin/env bash
# Several processes download, convert, change and read the same model at once, and are killed at any point; afterwards everything is
# consistent. $STRESS_SECONDS (2) says for how long each.
source "$(dirname "$0")/lib.sh"
export BITNET_HOME=$WORK/data
seconds=${STRESS_SECONDS:-2}
store=$BITNET_HOME/store
tokens=1,2,3,700,5

# models that differ, with their logits, and a bundle
cp "$PROJECT/assets/demo/demo.gguf" 1.gguf
for i in 2 3; do "$BITNET" tokenizer special add "$((i - 1)).gguf" "<t$i>" -o "$i.gguf" -q >out; done
for i in 1 2 3; do
    "$BITNET" eval logits "$i.gguf" --tokens $tokens -o "$i.f32" -q
    sha256sum <"$i.f32" >>known
done
mkdir -p hub/ours/m/main
cp 3.gguf hub/ours/m/main/model.gguf
hub_start
"$BITNET" model add 1.gguf ours/m -q
"$BITNET" model pin ours/m@1 -q # so that there is always one
"$BITNET" model add 2.gguf other -q
"$BITNET" model export other other.tar.zst -q

# change N: one random change of the model, as worker N. What is refused for a good reason is no failure.
change() {
    local version
    version=$("$BITNET" model history ours/m 2>/dev/null | sed -n 's/^[* ] *\([0-9][0-9]*\)  20.*/\1/p' | shuf -n 1)
    case $((RANDOM % 11)) in
        0 | 1) "$BITNET" model add "$((RANDOM % 3 + 1)).gguf" ours/m -q ;;
        2) "$BITNET" model import other.tar.zst ours/m -q ;;
        3) "$BITNET" model use "ours/m@${version:-1}" -q ;;
        4) "$BITNET" model rollback ours/m -q ;;
        5) "$BITNET" model gc --keep-last 1 -q >/dev/null ;;
        6) "$BITNET" model rm "ours/m@${version:-1}" -q ;;
        7) "$BITNET" model tag ours/m tagged -q && "$BITNET" model tag ours/m@tagged tagged --remove -q ;;
        8) "$BITNET" model rename other "other$1" -q; "$BITNET" model rename "other$1" other -q ;;
        9) "$BITNET" model convert "$((RANDOM % 3 + 1)).gguf" --to gguf --name ours/m -q ;;
        10) "$BITNET" model download ours/m -q >/dev/null ;;
    esac
}
refusals='^bitnet: activation |version in use|is pinned|open in a running|no other version|has no version|carry the tag|no model .other|is being removed|there is a model'

# worker N: changes until the time is over; messages other than refusals go to the file worker.N
worker() {
    local end=$((SECONDS + seconds))
    while [ $SECONDS -lt $end ]; do change "$1"; done 2>&1 | grep -Ev "$refusals" >"worker.$1"
    return 0
}
# reader N: opens the model again and again: it is always one of the known ones, whole
reader() {
    local end=$((SECONDS + seconds)) n=0
    while [ $SECONDS -lt $end ]; do
        "$BITNET" eval logits ours/m --tokens $tokens -o "reader.$1.f32" -q 2>>"reader.$1" || echo "exit $?" >>"reader.$1"
        grep -qxF "$(sha256sum <"reader.$1.f32")" known || echo "other logits" >>"reader.$1"
        n=$((n + 1))
    done
    echo $n >"reads.$1"
}
# consistent: the files are those of the manifests, nothing is left over, and the files alone give the same registry
consistent() {
    local manifest folder
    "$BITNET" model gc -q >/dev/null || return 1
    "$BITNET" model list --json >list.before && "$BITNET" model history ours/m --json >history.before || return 1
    for folder in "$store"/versions/*/; do
        manifest=$folder/manifest.json
        [ "$(sha256sum <"$manifest" | cut -c 1-64)" = "$(basename "$folder")" ] || { echo "manifest $folder"; return 1; }
        [ -d "$folder/files" ] || continue # in the hub's cache
        # one file each, so the first hash behind "files" is its
        [ "$(sed -n '/"files"/,$ s/.*"sha256": "\(.*\)".*/\1/p' "$manifest")" = "$(cat "$folder"/files/* | sha256sum | cut -c 1-64)" ] ||
            { echo "content $folder"; return 1; }
    done
    [ -z "$(find "$store/staging" -mindepth 1)$(find "$store/blobs" -type f -links 1)$(find "$store/names" -name '*.tmp')" ] ||
        { echo leftovers; return 1; }
    "$BITNET" model rebuild --json >rebuilt || return 1
    grep -q '"damaged":0,"missing":0' rebuilt || { cat rebuilt; return 1; }
    "$BITNET" model list --json >list.after && "$BITNET" model history ours/m --json >history.after || return 1
    cmp list.before list.after && cmp history.before history.after
}

all=() # not the hub
for n in 1 2; do worker $n & all+=($!); done
for n in 1 2; do reader $n & all+=($!); done
wait "${all[@]}"
check "several at once: no error" same "$(cat worker.1 worker.2)" ''
check "readers see whole models only" same "$(cat reader.1 reader.2 2>/dev/null)" ''
check "and they were many" test "$(($(cat reads.1) + $(cat reads.2)))" -ge "$seconds"
check "all is consistent" consistent

# killed at any point of a change
changes=('model add 1.gguf ours/m' 'model add 2.gguf ours/m' 'model add 3.gguf ours/m' 'model convert 2.gguf --to gguf --name ours/m'
    'model download ours/m' 'model import other.tar.zst ours/m' 'model use ours/m@1'
    'model rollback ours/m' 'model gc --keep-last 1' 'model rm ours/m@tagged' 'model tag ours/m tagged' 'model note ours/m noted'
    'model rename other other1' 'model rename other1 other')
end=$((SECONDS + seconds)) kills=0
while [ $SECONDS -lt $end ]; do
    # shellcheck disable=SC2086  # words
    "$BITNET" ${changes[RANDOM % ${#changes[@]}]} >/dev/null 2>&1 &
    victim=$!
    sleep "0.0$((RANDOM % 6))$((RANDOM % 10))"
    kill -KILL $victim 2>/dev/null && kills=$((kills + 1))
    wait $victim 2>/dev/null
    [ $((kills % 5)) = 0 ] || continue
    "$BITNET" eval logits ours/m --tokens $tokens -o killed.f32 -q 2>>killed || echo "exit $?" >>killed
    grep -qxF "$(sha256sum <killed.f32)" known || echo "other logits" >>killed
done
check "killed $kills times: the model is always there" same "$(cat killed 2>/dev/null)" ''
"$BITNET" model rename other1 other -q 2>/dev/null
check "all is consistent" consistent
finish
