#!/usr/bin/env bash
# Tokens: kept as huggingface_hub keeps them, readable by their owner only, never shown.
source "$(dirname "$0")/lib.sh"
mkdir -p hub
hub_start
login() { bitnet_reading "$1" auth login "${@:2}"; }

bitnet auth whoami
check "not logged in" fails_saying "not logged in: 'bitnet auth login'" 1
login 'hf_wrong'
check "a wrong token isn't kept" eval 'fails_saying "refused the token" 1 && [ ! -e "$HF_HOME/token" ]'
login ''
check "no token" exits 2
login $'hf_good\n'
check "login says who" eval 'exits 0 && says "as ada" && [ "$(cat "$HF_HOME/token")" = hf_good ]'
check "the file is its owner's alone" same "$(stat -c %a "$HF_HOME/token" "$HF_HOME/stored_tokens" | tr '\n' ' ')" '600 600 '
check "stored under the hub's name for it" same "$(cat "$HF_HOME/stored_tokens")" $'[laptop]\nhf_token = hf_good'
bitnet auth whoami
check "whoami" same "$(cat out)" ada
login hf_other --name work
bitnet auth whoami --json
check "another token" same "$(json user)" bob
bitnet auth list
check "list: names, a star, no tokens" same "$(sed 's/  */ /g' out)" $' laptop file\n* work file'
bitnet auth switch laptop
bitnet auth list --json
check "switch" eval 'prints "{\"name\":\"laptop\",\"in_use\":true," && ! grep -q hf_ out err'
bitnet auth switch nobody
check "switch to what isn't there" fails_saying "no token 'nobody'" 1
HF_TOKEN=hf_other bitnet auth whoami
check "HF_TOKEN comes first" same "$(cat out)" bob
HF_TOKEN_PATH=$WORK/elsewhere/token login hf_good
check "HF_TOKEN_PATH" same "$(cat elsewhere/token elsewhere/stored_tokens)" $'hf_good[laptop]\nhf_token = hf_good'
printf '[browser]\nhf_token = hf_good\nrefresh_token = r\nexpires_at = 9\n\n' >>"$HF_HOME/stored_tokens"
bitnet auth logout work
check "logout of one leaves the others, with all their fields" same "$(cat "$HF_HOME/stored_tokens")" $'[browser]\nhf_token = hf_good\nrefresh_token = r\nexpires_at = 9\n\n[laptop]\nhf_token = hf_good'
check "and the one in use" test -e "$HF_HOME/token"
bitnet auth logout
check "logout of all" eval 'exits 0 && [ ! -e "$HF_HOME/token" ] && [ ! -e "$HF_HOME/stored_tokens" ]'
printf '[broken' >"$HF_HOME/stored_tokens"
bitnet auth list
check "a broken file" fails_saying 'remove the file and log in again' 1
login hf_good --name 'a]b'
check "a name that the file can't hold" fails_saying "can't be the name" 2
rm "$HF_HOME/stored_tokens"
HF_ENDPOINT=http://hub.invalid login hf_good
check "no token over plain http to another machine" fails_saying "isn't https" 1
finish
