#!/usr/bin/env bash
# Backups in a bucket: everything is deleted and comes back, whatever the network does; requests are signed as the server's own
# reading of the specification wants it.
source "$(dirname "$0")/lib.sh"
mkdir -p buckets/backups
server_start s3_server.py "$WORK/buckets" --page 3
export AWS_ENDPOINT_URL=$CONTROL AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTKEY000
place=s3://backups/lap\ top/ünder
inside="buckets/backups/lap top/ünder"

# a home with a bit of all
"$BITNET" model add demo stories -q
mkdir -p "$HOME/.config/bitnet" "$HOME/.local/state/bitnet"
printf '[generate]\ntemp = 0\n' >"$HOME/.config/bitnet/config.ini"
echo 'what was asked' >"$HOME/.local/state/bitnet/history"
home_text() { (cd "$HOME" && find . -type f ! -name 'registry.*' ! -name lease | sort | xargs sha256sum); }
home_text >before
bitnet generate stories -p Once -n 8
cp out answer

bitnet backup list "$place"
check "nothing there yet" fails_saying 'there is no backup' 1
bitnet backup create "$place" --json
check "create" same "$(json '[versions, damaged] | join(",")')" 1,0
first=$(json snapshot)
check "objects lie under the folder" test -f "$inside/backup.json"
check "there are more than one page of them" test "$(find "$inside/objects" -type f | wc -l)" -gt 3
reset_hub
bitnet backup create "$place" --json
check "again: hardly anything is stored" test "$(json stored_bytes)" -lt 20000
check "the list came in pages" test "$(requests '"continuation-token" in r["path"]')" -ge 1
check "no lock is left" test -z "$(find "$inside/locks" -type f 2>/dev/null)"
bitnet backup list "$place"
check "list" eval 'exits 0 && [ "$(wc -l <out)" = 2 ]'
bitnet backup verify "$place"
check "verify" eval 'exits 0 && says "are whole"'

rm -rf "$HOME"
mkdir -p "$HOME"
bitnet backup restore "$place"
home_text >after
check "everything was deleted, everything is back" eval 'exits 0 && cmp before after'
bitnet generate stories -p Once -n 8
check "the model answers as before" cmp out answer

# who asks: variables, files, profiles, temporary keys
bitnet_env() { run env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$@"; }
bitnet_env "$BITNET" backup list "$place"
check "no keys" fails_saying 'who asks? Set AWS_ACCESS_KEY_ID' 2
mkdir -p "$HOME/.aws"
printf '# keys\n[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key=%s\n\n[night]\naws_access_key_id=ASIATEST\naws_secret_access_key = %s\naws_session_token = session/token+of==today\n' \
    "$AWS_SECRET_ACCESS_KEY" "$AWS_SECRET_ACCESS_KEY" >"$HOME/.aws/credentials"
printf '[profile night]\nregion = us-east-1\n[profile far]\nregion = eu-central-1\n' >"$HOME/.aws/config"
bitnet_env "$BITNET" backup list "$place"
check "keys of ~/.aws/credentials" exits 0
bitnet_env AWS_PROFILE=night "$BITNET" backup list "$place"
check "a profile, with a session token" exits 0
bitnet backup list "$place" --profile night
check "--profile" exits 0
AWS_SESSION_TOKEN=other AWS_ACCESS_KEY_ID=ASIATEST bitnet backup list "$place"
check "an expired session token" fails_saying 'temporary keys have expired' 1
AWS_ACCESS_KEY_ID=AKIDOTHER bitnet backup list "$place"
check "a key that nobody knows" fails_saying "doesn't know the access key" 1
AWS_SECRET_ACCESS_KEY=other bitnet backup list "$place"
check "a wrong secret" fails_saying 'refuses the signature' 1
check "which is never shown" eval '! grep -q "$AWS_SECRET_ACCESS_KEY" out err'
bitnet backup list "$place" --region eu-central-1
check "a wrong region" fails_saying 'give --region' 2
fault '{"path": "GET *", "skew": 3600}'
bitnet backup list "$place"
check "a wrong clock" fails_saying 'clock' 1
bitnet backup list s3://elsewhere/x
check "no such bucket" fails_saying "there is no bucket 'elsewhere'" 1
bitnet backup create s3://elsewhere/x
check "which isn't made" fails_saying "make it first" 1
for name in s3:// s3://a s3://backups//x s3://backups/../x s3://UPPER/..; do
    bitnet backup list "$name"
    check "the name $name" fails_saying 'a bucket is named as' 2
done
AWS_ENDPOINT_URL=http://localhost:${CONTROL##*:} bitnet backup list "$place" --addressing virtual
check "the bucket as a host's name" exits 0
check "is asked for by that name" test "$(requests 'r["path"].startswith("/lap%20top/")')" -ge 1

# what networks and servers do
reset_hub
fault '{"path": "PUT *", "status": 503, "code": "SlowDown", "times": 2}'
fault '{"path": "PUT *", "lost": true}'
fault '{"path": "GET *", "status": 500}'
fault '{"path": "GET */objects/*", "cut": 100}'
echo 'and what else' >>"$HOME/.local/state/bitnet/history"
bitnet backup create "$place"
check "busy, broken, an answer that was lost: it is stored all the same" exits 0
fault '{"path": "GET */objects/*", "cut": 100}'
bitnet backup verify "$place"
check "cut answers come again" eval 'exits 0 && [ "$(requests "r[\"method\"] == \"GET\" and \"/objects/\" in r[\"path\"]")" -ge 5 ]'
reset_hub
fault '{"path": "GET *", "region": "eu-north-1"}'
bitnet backup list "$place"
check "the bucket is elsewhere" fails_saying 'is in the region eu-north-1: give --region' 2
fault '{"path": "GET *", "redirect": "http://127.0.0.2:9/"}'
bitnet backup list "$place"
check "a redirect isn't followed" fails_saying "answered 302" 1
fault '{"path": "GET *", "status": 403, "code": "AccessDenied"}'
bitnet backup list "$place"
check "not allowed" fails_saying "don't allow this" 1
fault '{"path": "GET /backups/", "html": true}'
bitnet backup list "$place"
check "another page (a login of the network)" fails_saying "isn't a list\|isn't XML" 1
fault '{"path": "GET /backups/", "loop": true, "times": -1}'
bitnet backup list "$place"
check "a list without an end" fails_saying 'goes in circles' 1
reset_hub
AWS_ENDPOINT_URL=http://127.0.0.1:9 bitnet backup list "$place"
check "no server" fails_saying "can't reach" 1
AWS_ENDPOINT_URL=ftp://x bitnet backup list "$place"
check "an endpoint of another kind" fails_saying 'must begin with https' 2

# two that begin at once: one backup, with one key
head -c 32 /dev/urandom >key
"$BITNET" backup create s3://backups/new --key-file key 2>err.1 &
other=$!
bitnet backup create s3://backups/new --key-file key
wait $other
both=$((code + $?))
bitnet backup verify s3://backups/new --key-file key
check "two that begin at once" eval 'exits 0 && [ $both = 0 ]'
fault '{"path": "PUT */backup.json", "no_conditions": true}'
bitnet backup create s3://backups/old-server --key-file key
check "a server without conditions" exits 0
check "encrypted: nothing can be read" not grep -rqa -e stories -e GGUF -e sha256 buckets/backups/new

# removing old snapshots
reset_hub
bitnet backup prune "$place" --keep-last 1 --json
check "prune" eval 'exits 0 && ! test -e "$inside/snapshots/$first" && [ "$(find "$inside/snapshots" -type f | wc -l)" = 1 ]'
bitnet backup verify "$place"
check "what stays is whole" exits 0
object=$(find "$inside/objects" -type f -size +100k | head -n 1)
printf damaged | dd of="$object" bs=1 seek=7000 conv=notrunc status=none
bitnet backup verify "$place"
check "a changed byte is found" eval 'exits 1 && says "objects/.*: damaged"'
finish
