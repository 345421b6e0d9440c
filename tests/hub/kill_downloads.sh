#!/usr/bin/env bash
# A download that is killed (SIGKILL) at any point completes on the next run with the right bytes; two processes that want
# the same model don't harm each other. Long: `./dev test --all` runs it. KILLS=n: how often (20).
source "$(dirname "$0")/lib.sh"

folder=$(repo ours/small)
head -c 5000000 /dev/urandom >"$folder/model.safetensors"
head -c 3000000 /dev/urandom >"$folder/model-00001-of-00002.safetensors"
large=$(repo ours/large) # in parts over several connections
head -c 30000000 /dev/urandom >"$large/model.safetensors"
hub_start
# whole [NAME]: the model is
whole() {
    local file name=${1:-small}
    for file in hub/ours/$name/main/*; do cmp "$file" "$(snapshot "ours/$name")/${file##*/}" || return 1; done
    for file in "$CACHE/models--ours--$name"/blobs/*; do
        [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "${file##*/}" ] || [ "$(git hash-object "$file")" = "${file##*/}" ] || return 1
    done
}
continued=0
for i in $(seq "${KILLS:-20}"); do
    rm -rf "$CACHE"
    reset_hub
    fault '{"path": "/store/*", "slow": 0.01, "times": -1}' # 76 pieces, or 458 over eight connections: about a second
    name=small bytes=8000000
    [ $((i % 2)) = 0 ] || { name=large bytes=30000000; }
    "$BITNET" model download "ours/$name" -q >/dev/null 2>&1 &
    victim=$!
    until [ "$(requests True)" -gt 0 ] || ! kill -0 $victim 2>/dev/null; do sleep 0.02; done # a busy machine starts it late
    sleep "0.$((RANDOM % 900 + 50))"
    kill -9 $victim 2>/dev/null
    wait $victim 2>/dev/null
    check "kill $i: nothing half-written is visible" eval '[ ! -e "$CACHE/models--ours--$name/refs/main" ] && nothing_visible "ours/$name" || whole $name'
    reset_hub
    bitnet model download "ours/$name"
    check "kill $i: the next run completes it" eval 'exits 0 && whole $name'
    [ "$(sum 'r["server"] == "storage"' 'r["length"]')" = $bytes ] || continued=$((continued + 1))
done
check "most continued where they were" test "$continued" -ge $((${KILLS:-20} / 3))
echo "        ($continued of ${KILLS:-20} continued)"

# one after the other is killed, all at the same model
rm -rf "$CACHE"
fault '{"path": "/store/*", "slow": 0.01, "times": -1}'
processes=()
for i in 1 2 3 4; do
    "$BITNET" model download ours/small -q >/dev/null 2>"err.$i" &
    processes+=($!)
done
sleep 0.4
kill -9 "${processes[0]}"
wait "${processes[0]}" 2>/dev/null
failed=0
for i in 1 2 3; do wait "${processes[$i]}" || failed=$((failed + 1)); done
check "four at once, one killed: the others succeed" test "$failed" = 0
check "four at once: the model is whole" whole
check "four at once: every file came about once" test "$(requests 'r["server"] == "storage"')" -le 5
finish
