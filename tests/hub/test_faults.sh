#!/usr/bin/env bash
# Every fault that a hub, a network or a disk can have ends either in a whole model or in one line that says what to do, with nothing
# half-written to be seen.
source "$(dirname "$0")/lib.sh"

folder=$(repo ours/small)
hub_start
weights=$folder/model.safetensors
blob=$(sha256sum <"$weights" | cut -d' ' -f1)
blobs=$CACHE/models--ours--small/blobs
fresh() { rm -rf "$CACHE"; reset_hub; }
# survives WHAT FAULT: a download that meets it is whole all the same.
survives() {
    fresh
    fault "$2"
    bitnet model download ours/small
    check "$1: the model is whole" eval 'exits 0 && cmp "$weights" "$(cat out)/model.safetensors"'
}
# ends_saying WHAT ERROR WORDS FAULT [STATUS]: it ends in this named error.
ends_saying() {
    fresh
    fault "$4"
    bitnet model download ours/small --json
    check "$1: is named $2" eval "exits 1 && [ \"\$(wc -l <err)\" = 1 ] && grep -q '\"error\":\"$2\"' out"
    check "$1: says what to do" says "$3"
    check "$1: nothing half-written is visible" nothing_visible ours/small
}

survives 'a cut' '{"path": "/store/*", "cut": 100000, "times": 2}'
check "a cut is continued by a range" same "$(requests 'r["server"] == "storage" and r["range"] == "bytes=100000-"')" 1
survives 'a cut of a list' '{"path": "*/tree/*", "status": 503}'
survives 'a server that ignores ranges' '{"path": "/store/*", "cut": 100000}'
fresh
fault '{"path": "/store/*", "cut": 100000}'
fault '{"path": "/store/*", "no_range": true}'
bitnet model download ours/small --json
check "no ranges: starts over, and is whole" eval 'exits 0 && prints "\"event\":\"restart\"" && cmp "$weights" "$blobs/$blob"'
fresh
fault '{"path": "/store/*", "cut": 100000}'
fault '{"path": "/store/*", "shift": 1000}'
bitnet model download ours/small
check "a wrong range: noticed, fetched whole" eval 'exits 0 && cmp "$weights" "$blobs/$blob"'
survives 'damage on the way, once' '{"path": "/store/*", "corrupt": true}'
survives 'trouble of the server, twice' '{"path": "*/resolve/*", "status": 502, "times": 2}'
survives 'a rate limit that passes' '{"path": "*/resolve/*", "status": 429, "retry_after": 1}'
survives 'a connection closed without a word' '{"path": "/store/*", "cut": 0}'

# what was there is used: an unfinished file of an earlier run
fresh
mkdir -p "$blobs"
head -c 200000 "$weights" >"$blobs/$blob.incomplete"
bitnet model download ours/small
check "an earlier download is continued" eval 'exits 0 && cmp "$weights" "$blobs/$blob" && [ "$(requests "r[\"server\"] == \"storage\" and r[\"range\"] == \"bytes=200000-\"")" = 1 ]'
fresh
mkdir -p "$blobs"
head -c 200000 /dev/zero >"$blobs/$blob.incomplete"
bitnet model download ours/small
check "one of something else is noticed by its hash" eval 'exits 0 && cmp "$weights" "$blobs/$blob"'
fresh
mkdir -p "$blobs"
cp "$weights" "$blobs/$blob.incomplete"
bitnet model download ours/small
check "one that only lacked its name gets it" eval 'exits 0 && cmp "$weights" "$blobs/$blob" && [ "$(requests "r[\"server\"] == \"storage\"")" = 0 ]'

# the repository changes between the list and the file
fresh
(sleep 0.3; head -c 300000 /dev/zero >"$weights.new"; mv "$weights.new" "$weights") &
change=$!
fault '{"path": "*/tree/*", "status": 503, "retry_after": 1}'
bitnet model download ours/small
wait $change
check "changed before the list" eval 'exits 0 && cmp "$weights" "$(cat out)/model.safetensors"'
repo ours/small >/dev/null
fresh
fault '{"path": "*/resolve/*/model.safetensors", "etag": "'"$(printf 'f%.0s' $(seq 64))"'"}'
bitnet model download ours/small --json
check "changed behind the list: all starts over" eval 'exits 0 && prints "\"event\":\"changed\"" && cmp "$weights" "$blobs/$blob"'

ends_saying 'damage for good' bad_hash 'arrives damaged' '{"path": "/store/*", "corrupt": true, "times": -1}'
check "damage for good: the bytes are gone" eval '[ ! -e "$blobs/$blob.incomplete" ]'
ends_saying 'more than listed' changed 'larger than' '{"path": "/store/*", "longer": 10, "times": -1}'
ends_saying 'a rate limit' rate_limited 'try again in 3600 s' '{"path": "*/tree/*", "status": 429, "retry_after": 3600}'
ends_saying 'another page (a login of the network)' bad_answer 'Is it a hub\|invalid token\|HF_ENDPOINT' '{"path": "/api/models/*", "html": true}'
ends_saying 'a token that is refused' unauthorized 'auth login' '{"path": "*/revision/*", "status": 401, "error_message": "Invalid credentials in Authorization header"}'
ends_saying 'a missing permission' forbidden 'auth login' '{"path": "*/tree/*", "status": 403, "error_message": "no permission"}'
ends_saying 'a file that went away' file_not_found "has no file" '{"path": "*/resolve/*/model.safetensors", "status": 404, "error_code": "EntryNotFound", "times": -1}'
ends_saying 'a circle of redirects' bad_answer 'redirect' '{"path": "*/tree/*", "redirect": "'"$HF_ENDPOINT/api/models/ours/small/tree/x"'", "times": -1}'
fresh
fault '{"path": "*/tree/*", "status": 503, "times": -1}'
bitnet model download ours/small --retries 1
check "trouble for good" fails_saying 'has trouble (status 503)' 1
fresh
fault '{"path": "/store/*", "slow": 9, "times": -1}'
bitnet model download ours/small --timeout 1 --retries 1 --json
check "a server that falls silent" eval 'exits 1 && grep -q "\"error\":\"timeout\"" out && nothing_visible ours/small'

# who may see it
mkdir -p hub/ours/gated hub/ours/private hub/ours/disabled
for name in gated private disabled; do
    repo "ours/$name" >/dev/null
    echo "{\"$name\": true}" >"hub/ours/$name/hub.json"
done
fresh
bitnet model download ours/gated --json
check "gated: accept the terms, log in" eval 'exits 1 && prints "\"error\":\"gated\"" && says "accept its terms at $HF_ENDPOINT/ours/gated" && says "auth login"'
HF_TOKEN=hf_other bitnet model download ours/gated
check "gated, not accepted" fails_saying 'accept its terms' 1
HF_TOKEN=hf_good bitnet model download ours/gated
check "gated, accepted" exits 0
bitnet model download ours/private
check "private, without a token" fails_saying "if it is private, log in with 'bitnet auth login'" 1
HF_TOKEN=hf_other bitnet model download ours/private
check "private, with another's token" fails_saying 'your token may not see it' 1
HF_TOKEN=hf_wrong bitnet model download ours/private
check "a wrong token" fails_saying 'refused the token' 1
HF_TOKEN=hf_good bitnet model download ours/disabled
check "disabled" fails_saying 'was disabled' 1
bitnet model download ours/nothing --json
check "not there" eval 'exits 1 && prints "\"error\":\"repository_not_found\"" && says "there is no .ours/nothing. on"'

# tokens stay with their host
fresh
HF_TOKEN=hf_good bitnet model download ours/small
check "the hub gets the token" same "$(requests 'r["server"] == "hub" and r["token"] != "hf_good"')" 0
check "the storage doesn't" same "$(requests 'r["server"] == "storage" and r["token"]')" 0
check "and was asked" differ "$(requests 'r["server"] == "storage"')" 0
fresh
fault '{"path": "*/tree/*", "redirect": "'"$STORAGE"'/api/elsewhere"}'
HF_TOKEN=hf_good bitnet model download ours/small
check "redirected elsewhere: no token goes along" same "$(requests 'r["server"] == "storage" and r["token"]')" 0
check "a token is never in a message" eval '! grep -q hf_ out && ! grep -q hf_ err'

# no network, no space
fresh
HF_ENDPOINT=http://127.0.0.1:9 bitnet model download ours/small --json
check "no hub there" eval 'exits 1 && prints "\"error\":\"no_network\"" && says "Check the network"'
HF_ENDPOINT=https://hub.invalid bitnet model download ours/small
check "no such host" fails_saying "can't reach hub.invalid" 1
https_proxy=http://127.0.0.1:9 HF_ENDPOINT=https://127.0.0.1:1 bitnet model download ours/small
check "a proxy that isn't there" fails_saying "can't reach" 1
ends_saying 'a model that is larger than the disk' no_space 'are needed' '{"path": "*/tree/*", "size": 1000000000000000}'
check "too large: nothing was fetched" same "$(requests '"/resolve/" in r["path"]')" 0
fresh
(ulimit -f 200; trap '' XFSZ; bitnet model download ours/small --json; echo $code >code) 2>/dev/null
code=$(cat code)
check "a full disk" eval 'exits 1 && prints "\"error\":\"no_space\"" && says "HF_HUB_CACHE" && nothing_visible ours/small'
bitnet model download ours/small
check "with space again: continues, whole" eval 'exits 0 && cmp "$weights" "$blobs/$blob" && [ "$(requests "r[\"server\"] == \"storage\" and r[\"range\"] == \"bytes=204800-\"")" = 1 ]'

# Ctrl-C, and the limit on the bandwidth
fresh
fault '{"path": "/store/*", "slow": 0.3}'
run timeout --foreground --preserve-status -s INT 0.7 "$BITNET" model download ours/small --json
check "Ctrl-C" eval 'exits 130 && grep -q "\"error\":\"interrupted\"" out && nothing_visible ours/small'
bitnet model download ours/small
check "continues afterwards" eval 'exits 0 && cmp "$weights" "$blobs/$blob"'
fresh
start=${EPOCHREALTIME/[.,]/}
bitnet model download ours/small --limit-rate 0.15
took=$((${EPOCHREALTIME/[.,]/} - start))
check "300 kB at 0.15 MB/s take more than a second (took $took µs)" eval 'exits 0 && [ "$took" -ge 1000000 ]'
finish
