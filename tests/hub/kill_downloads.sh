#!/usr/bin/env bash
# A download that is killed (SIGKILL) at any point completes on the next run with the right bytes; two processes that want
# the same model don't harm each other. Long: `./dev test --all` runs it. KILLS=n: how often (20).
source "$(dirname "$0")/lib.sh"

folder=$(repo ours/small)
head -c 5000000 /dev/urandom >"$folder/model.safetensors"
head -c 3000000 /dev/urandom >"$folder/model-00001-of-00002.safetensors"
hub_start
whole() {
    local file
    for file in "$folder"/*; do cmp "$file" "$(snapshot ours/small)/${file##*/}" || return 1; done
    for file in "$CACHE"/models--ours--small/blobs/*; do
        [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "${file##*/}" ] || [ "$(git hash-object "$file")" = "${file##*/}" ] || return 1
    done
}
continued=0
for i in $(seq "${KILLS:-20}"); do
    rm -rf "$CACHE"
    reset_hub
    fault '{"path": "/store/*", "slow": 0.01, "times": -1}' # 76 pieces: about a second
    "$BITNET" model download ours/small -q >/dev/null 2>&1 &
    victim=$!
    sleep "0.$((RANDOM % 900 + 50))"
    kill -9 $victim 2>/dev/null
    wait $victim 2>/dev/null
    check "kill $i: nothing half-written is visible" eval '[ ! -e "$CACHE/models--ours--small/refs/main" ] && nothing_visible ours/small || whole'
    reset_hub
    bitnet model download ours/small
    check "kill $i: the next run completes it" eval 'exits 0 && whole'
    [ "$(requests 'r["server"] == "storage" and r["range"]')" = 0 ] || continued=$((continued + 1))
done
check "most continued where they were" test "$continued" -ge $((${KILLS:-20} / 3))
echo "        ($continued of ${KILLS:-20} continued by a range)"

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
