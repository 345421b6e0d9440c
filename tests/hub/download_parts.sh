#!/usr/bin/env bash
# A large file over several connections: every byte once, whatever happens to a part; what is on the disk is always a beginning of it.
# Long: `./dev test --all` runs it.
source "$(dirname "$0")/lib.sh"
folder=$(repo ours/large)
weights=$folder/model.safetensors
head -c 21000001 /dev/urandom >"$weights"
blob=$(sha256sum <"$weights" | cut -d' ' -f1)
blobs=$CACHE/models--ours--large/blobs
hub_start
fresh() { rm -rf "$CACHE"; reset_hub; }
whole() { exits 0 && cmp "$weights" "$blobs/$blob" && [ ! -e "$blobs/$blob.incomplete" ]; }
parts='r["server"] == "storage" and r["status"] == 206'

bitnet model download ours/large --connections 4
check "it arrives whole" whole
check "in parts" test "$(requests "$parts")" -ge 4
check "every byte once" same "$(requests "$parts and r['length'] > 0")" "$(requests "$parts")"
check "and none twice" same "$(sum "$parts" 'r["length"]')" 21000001
fresh
fault '{"path": "/store/*", "slow": 0.01, "times": 4}'
bitnet model download ours/large --connections 4
check "several at once" eval 'whole && [ "$(requests "$parts and r[\"open\"] >= 3")" -ge 1 ]'
fresh
bitnet model download ours/large --connections 1
check "over one connection: one request" eval 'whole && [ "$(requests "r[\"server\"] == \"storage\"")" = 1 ]'

# survives WHAT FAULT…: whole all the same
survives() {
    fresh
    for one in "${@:2}"; do fault "$one"; done
    bitnet model download ours/large --connections 4
    check "$1" whole
}
survives 'a part is cut' '{"path": "/store/*", "cut": 300000, "times": 3}'
check "and continued" test "$(sum "$parts" 'r["length"]')" -lt 25000000
survives 'trouble of the server' '{"path": "/store/*", "status": 503, "times": 3}'
survives 'ranges are ignored' '{"path": "/store/*", "no_range": true, "times": -1}'
survives 'ranges are ignored now and then' '{"path": "/store/*", "shift": 0}' '{"path": "/store/*", "no_range": true}'
survives 'a range is another one' '{"path": "/store/*", "shift": 1000, "times": 2}'
survives 'a range is refused' '{"path": "/store/*", "status": 416}'
survives 'a part is damaged' '{"path": "/store/*", "flip": 500000}'
survives 'a redirect fails once' '{"path": "*/resolve/*/model.safetensors", "status": 502, "times": 3}'
fresh
fault '{"path": "*/resolve/*/model.safetensors", "etag": "'"$(printf 'f%.0s' $(seq 64))"'"}'
bitnet model download ours/large --json
check "another content behind the list: all starts over" eval 'whole && prints "\"event\":\"changed\""'
fresh
fault '{"path": "/store/*", "status": 403, "times": -1}'
bitnet model download ours/large --json
check "a part that is refused for good ends it" eval 'exits 1 && prints "\"error\":\"forbidden\"" && nothing_visible ours/large'
fresh
fault '{"path": "/store/*", "slow": 9, "times": -1}'
bitnet model download ours/large --timeout 1 --retries 1 --json
check "silence too" eval 'exits 1 && prints "\"error\":\"timeout\"" && nothing_visible ours/large'
fresh
(ulimit -f 8000; trap '' XFSZ; bitnet model download ours/large --json; echo $code >code) 2>/dev/null
code=$(cat code)
check "a full disk" eval 'exits 1 && prints "\"error\":\"no_space\"" && nothing_visible ours/large'
check "what is there is its beginning" cmp -n "$(stat -c %s "$blobs/$blob.incomplete")" "$weights" "$blobs/$blob.incomplete"
reset_hub
bitnet model download ours/large
check "and is continued" eval 'whole && [ "$(sum "$parts" "r[\"length\"]")" -lt 13000000 ]'

# interrupted, killed
fresh
fault '{"path": "/store/*", "slow": 0.02, "times": -1}'
run timeout --foreground --preserve-status -s INT 0.9 "$BITNET" model download ours/large --connections 4
check "Ctrl-C: nothing is visible" eval 'exits 130 && nothing_visible ours/large'
reset_hub
bitnet model download ours/large
check "Ctrl-C: continued" whole
fresh
fault '{"path": "/store/*", "slow": 0.02, "times": -1}'
"$BITNET" model download ours/large --connections 4 >out 2>err &
victim=$!
for _ in $(seq 400); do [ -s "$blobs/$blob.incomplete" ] && break; sleep 0.05; done
kill -KILL $victim
{ wait $victim; } 2>/dev/null
size=$(stat -c %s "$blobs/$blob.incomplete")
check "killed: what is there is its beginning ($size bytes)" eval '[ "$size" -gt 0 ] && cmp -n "$size" "$weights" "$blobs/$blob.incomplete"'
reset_hub
bitnet model download ours/large
check "killed: continued" eval 'whole && [ "$(sum "$parts" "r[\"length\"]")" = "$((21000001 - size))" ]'
fresh
start=${EPOCHREALTIME/[.,]/}
bitnet model download ours/large --limit-rate 21
took=$((${EPOCHREALTIME/[.,]/} - start))
check "21 MB at 21 MB/s take about a second (took $took µs)" eval 'whole && [ "$took" -ge 800000 ]'
finish
