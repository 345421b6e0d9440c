#!/usr/bin/env bash
# Tokens in a desktop's secret service: a session bus of its own with GNOME's keyring, unlocked, locked, silent and absent. LONG_SESSION=1:
# also what waits for a service that doesn't answer.
for program in dbus-run-session dbus-send gnome-keyring-daemon; do
    command -v $program >/dev/null || { echo "skipped tokens in a secret service: no $program"; exit 0; }
done
if [ -z "${KEYRING_BUS:-}" ]; then # a bus that starts no services by itself
    BUS=$(mktemp)
    cat >"$BUS" <<'XML'
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
XML
    dbus-run-session --config-file="$BUS" -- bash -c 'KEYRING_BUS=$DBUS_SESSION_BUS_ADDRESS exec bash "$0"' "$0"
    result=$?
    rm -f "$BUS"
    exit $result
fi
source "$(dirname "$0")/lib.sh"
ldconfig -p 2>/dev/null | grep -q 'libsecret-1\.so\.0' || { skip "tokens in a secret service: no libsecret"; finish; }
mkdir -p hub
hub_start
login() { bitnet_reading "$1" auth login "${@:2}"; }
listed() { sed 's/  */ /g' out; }
secrets() { dbus-send --session --print-reply --dest=org.freedesktop.secrets "$@"; }
in_silence() { SECONDS=0; "$@"; echo "$SECONDS" >seconds; }
files_are() { [ "$(cd "$HF_HOME" 2>/dev/null && echo *)" = "$1" ]; }

login hf_good --token-store secret-service
check "no session bus" fails_saying "there is no secret service for this session: the token isn't kept" 1

export DBUS_SESSION_BUS_ADDRESS=unix:path=$WORK/nobody
login hf_good
check "a bus that isn't there: the file" eval 'exits 0 && says "kept as .laptop. in $HF_HOME/token" && not says note && files_are "stored_tokens token"'
bitnet auth logout

export DBUS_SESSION_BUS_ADDRESS=$KEYRING_BUS
login hf_good
check "a bus without a keyring: the file" eval 'exits 0 && not says note && files_are "stored_tokens token"'
bitnet auth logout

mkdir -m 700 control
printf 'password' | gnome-keyring-daemon --unlock --foreground --components=secrets --control-directory="$WORK/control" >keyring.log 2>&1 &
KEYRING_PID=$!
trap 'kill -CONT $KEYRING_PID; kill $KEYRING_PID; exec 9>&-; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do secrets /org/freedesktop/secrets/aliases/default org.freedesktop.DBus.Properties.Get string:org.freedesktop.Secret.Collection string:Locked >locked 2>/dev/null && grep -q 'boolean false' locked && break; sleep 0.05; done

login hf_good
check "login: the secret service, no files" eval 'exits 0 && says "kept as .laptop. in the desktop.s secret service" && files_are "*"'
bitnet auth whoami --json
check "whoami finds it" same "$(json 'user ~ " " ~ store')" "ada secret-service"
login hf_other --name work --json
check "another" same "$(json 'store')" secret-service
bitnet auth list
check "list: a star, the place, the hub" same "$(listed)" " laptop secret service, for $HF_ENDPOINT"$'\n'"* work secret service, for $HF_ENDPOINT"
bitnet auth list --json
check "list --json" eval 'prints "{\"name\":\"work\",\"in_use\":true,\"store\":\"secret-service\",\"locked\":false,\"endpoint\":\"$HF_ENDPOINT\"}" && ! grep -q hf_ out err'
bitnet auth switch laptop
bitnet auth whoami
check "switch" same "$(cat out)" ada
HF_TOKEN=hf_other bitnet auth whoami --json
check "HF_TOKEN comes first" same "$(json 'user ~ " " ~ store')" "bob environment"
HF_TOKEN_PATH=$WORK/own bitnet auth whoami
check "HF_TOKEN_PATH: only that file counts" fails_saying "not logged in" 1
HF_TOKEN_PATH=$WORK/own login hf_other
check "and it is written" same "$(cat own)" hf_other
HF_ENDPOINT=http://127.0.0.1:9 bitnet auth whoami --retries 1
check "a token is for its hub only" fails_saying "not logged in" 1
repo ada/private >/dev/null
echo '{"private": true}' >hub/ada/private/hub.json
bitnet model download ada/private
check "downloads use it" eval 'exits 0 && [ "$(requests "r[\"token\"] == \"hf_good\"")" -gt 0 ]'
check "but not the storage's" same "$(requests 'r["server"] == "storage" and r["token"]')" 0

login hf_other --name shared --token-store file
bitnet auth whoami --json
check "--token-store file: Python's file, and it is in use" eval '[ "$(cat "$HF_HOME/token")" = hf_other ] && same "$(json "user ~ \" \" ~ store")" "bob file"'
bitnet auth list
check "list: both places" same "$(listed)" " laptop secret service, for $HF_ENDPOINT"$'\n'" work secret service, for $HF_ENDPOINT"$'\n* shared file'
bitnet auth switch laptop
bitnet auth whoami
check "back to the secret service; the file stays Python's" eval 'prints ada && [ "$(cat "$HF_HOME/token")" = hf_other ]'
bitnet auth switch shared
bitnet auth whoami
check "and to the file" prints bob
login hf_good --name laptop --token-store file
bitnet auth list
check "stored anew in the file: the older of that name is gone" same "$(listed)" " work secret service, for $HF_ENDPOINT"$'\n* laptop file\n shared file'
login hf_good --name laptop
bitnet auth logout laptop
bitnet auth list
check "logout: from both" same "$(listed)" " work secret service, for $HF_ENDPOINT"$'\n shared file'
bitnet auth whoami
check "what was in use is forgotten" fails_saying "not logged in" 1
bitnet auth logout laptop
check "twice" fails_saying "there is no token 'laptop'" 1

bitnet auth switch work
secrets /org/freedesktop/secrets org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/aliases/default >/dev/null
in_silence bitnet auth whoami
check "locked: says so, at once" eval 'fails_saying "keyring, which has the token, is locked: unlock it" 1 && [ "$(cat seconds)" -lt 4 ]'
bitnet auth list
check "locked: the names" same "$(listed | head -1)" " work secret service (locked), for $HF_ENDPOINT"
rm -rf "$CACHE"
bitnet model download ada/private
check "locked: a download says what to do" fails_saying "if it is private, unlock the desktop's keyring, which has your token" 1
bitnet auth switch work
check "locked: no switch" fails_saying "is locked: unlock it" 1
login hf_good --token-store secret-service
check "locked: no token there" fails_saying "the desktop's keyring is locked: the token isn't kept" 1
in_silence login hf_good
check "locked: the file" eval 'exits 0 && says "kept as .laptop. in $HF_HOME/token" && says "note: the desktop.s keyring is locked"'
bitnet auth whoami
check "which is used meanwhile" same "$(cat out)" ada
in_silence bitnet auth logout
check "locked: logout clears the files and says what stays" eval 'fails_saying "is locked: a token in it stays" 1 && files_are "hub" && [ "$(cat seconds)" -lt 4 ]'

[ -n "${LONG_SESSION:-}" ] || finish
kill -STOP $KEYRING_PID
in_silence bitnet auth whoami
check "a silent service: none, within seconds" eval 'fails_saying "not logged in" 1 && [ "$(cat seconds)" -lt 10 ]'
in_silence login hf_good
check "a silent service: the file" eval 'exits 0 && says "note: the desktop.s secret service doesn.t answer" && [ "$(cat seconds)" -lt 10 ]'
bitnet auth logout
check "a silent service: logout says what stays" eval 'fails_saying "doesn.t answer: what it holds stays" 1 && files_are "hub"'
kill -CONT $KEYRING_PID
finish
