#!/usr/bin/env bash
# Backups over time: which snapshots rules keep, that no piece goes which one of those needs, who may work there at once, and
# passphrases that are typed.
source "$(dirname "$0")/../cli/lib.sh"
command -v python3 >/dev/null || { skip "upkeep of backups: no python3"; finish; }
place=$WORK/place
mkdir -p "$HOME/.local/state/bitnet"
history=$HOME/.local/state/bitnet/history

# object TEXT NAME: an object of a backup that isn't encrypted, as its description in src/backup/vault.h says; NAME{} is
# the hash of the text.
object() {
    python3 - "$@" <<'PY'
import hashlib, pathlib, sys
text, name = sys.argv[1].encode(), sys.argv[2]
path = pathlib.Path(name.replace("{}", hashlib.blake2b(text, digest_size=32).hexdigest()[:16]))
path.parent.mkdir(parents=True, exist_ok=True)
path.write_bytes(b"BNB1\0" + text)
PY
}

for text in one two three; do
    head -c 150000 /dev/urandom >"$history"
    echo $text >>"$history"
    bitnet backup create "$place" --json
    eval "$text=$(json snapshot)"
    cp "$history" "history.$text"
done
bitnet backup list "$place" "$three" --json
# of_host HOST: the newest snapshot, as one of another machine
of_host() { sed 's/"host":"[^"]*"/"host":"'"$1"'"/' out | tr -d '\n'; }
for moment in 20230615T120000 20241229T120000 20241230T080000 20241230T200000 20250105T120000 20250106T120000; do
    object "$(of_host here)" "$place/snapshots/$moment.000000Z-{}"
done
object "$(of_host there)" "$place/snapshots/20200101T000000.000000Z-{}"

# keeps RULES… = MOMENTS: what stays of the machine "here", with the rules that say so
keeps() {
    bitnet backup prune "$place" --dry-run "${@:2}"
    same "$(sed -n 's/^keep *\([0-9]*T[0-9]*\).*  here\(.*\)/\1\2/p' out | tr -s ' \n' ' ')" "$1"
}
check "the newest" keeps '20250106T120000 last ' --keep-last 1
check "hours" keeps '20250106T120000 hourly 20250105T120000 hourly ' --keep-hourly 2
check "days: the newest of each" keeps '20250106T120000 daily 20250105T120000 daily 20241230T200000 daily ' --keep-daily 3
check "weeks of ISO 8601" keeps '20250106T120000 weekly 20250105T120000 weekly 20241229T120000 weekly ' --keep-weekly 3
check "months" keeps '20250106T120000 monthly 20241230T200000 monthly ' --keep-monthly 2
check "years" keeps '20250106T120000 yearly 20241230T200000 yearly 20230615T120000 yearly ' --keep-yearly 9
check "several rules" keeps '20250106T120000 last daily yearly 20250105T120000 daily 20241230T200000 yearly 20230615T120000 yearly ' \
    --keep-last 1 --keep-daily 2 --keep-yearly 3
bitnet backup prune "$place" --keep-last 1 --dry-run
check "every machine's newest stays" prints '^keep .*20200101T000000.*  there  last'
check "a dry run removes nothing" same "$(ls "$place/snapshots" | wc -l)" 10
bitnet backup prune "$place"
check "without a rule nothing goes" fails_saying 'say what is to stay' 2

bitnet backup prune "$place" --keep-last 2 --json
check "prune" eval 'exits 0 && [ "$(json "snapshots | selectattr(\"stays\") | list | length")" = 5 ] && [ "$(json freed_bytes)" -gt 100000 ]'
bitnet backup verify "$place"
check "what stays is whole" exits 0
bitnet backup restore "$place" "$one"
check "what went is gone" fails_saying "no snapshot" 1
bitnet backup restore "$place" "$two" --to elsewhere
check "what stays comes back" eval 'exits 0 && cmp history.two elsewhere/state/history'
damaged=$(ls "$place"/snapshots/2020*)
cp "$damaged" kept
printf x >>"$damaged"
bitnet backup prune "$place" --keep-last 1
check "a damaged snapshot: nothing is removed" eval 'exits 1 && says "snapshots/2020" && [ "$(ls "$place/snapshots" | wc -l)" = 5 ]'
cp kept "$damaged"

# who works there at once
now=$(date +%s) me=$(hostname)
object "{\"host\":\"$me\",\"pid\":$$,\"time\":$now}" "$place/locks/removing-1"
bitnet backup create "$place"
check "no snapshot while others remove" fails_saying "process $$ on $me is removing" 1
rm "$place/locks/removing-1"
object "{\"host\":\"$me\",\"pid\":$$,\"time\":$now}" "$place/locks/adding-1"
bitnet backup create "$place"
check "several make snapshots" exits 0
bitnet backup prune "$place" --keep-last 1
check "nothing is removed meanwhile" fails_saying "process $$ on $me is working" 1
rm "$place/locks/adding-1"
(exit 0) & wait $!
object "{\"host\":\"$me\",\"pid\":$!,\"time\":$now}" "$place/locks/removing-2"
object "{\"host\":\"elsewhere\",\"pid\":1,\"time\":$((now - 1900))}" "$place/locks/removing-3"
bitnet backup create "$place"
check "locks of ended processes are void" exits 0
check "and no lock is left" test -z "$(find "$place/locks" -type f)"
for i in 1 2 3 4; do
    echo $i >>"$history"
    "$BITNET" backup create "$place" -q 2>"err.$i" &
    "$BITNET" backup prune "$place" --keep-last 2 -q >/dev/null 2>>"err.$i" &
    wait
done
bitnet backup verify "$place"
check "making and removing at once: what is there is whole" exits 0
check "or it says who is in the way" same "$(cat err.? | grep -v 'try again when it has ended\|took over')" ''

# typed passphrases
# types ANSWERS ARGUMENT…: answers (lines) to the questions on a terminal of its own; all that it shows in out
types() { run timeout 60 python3 types.py "$BITNET" "$@"; }
cat >types.py <<'PY'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], *sys.argv[3:]])
answers, seen, at = sys.argv[2].split("\n"), b"", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if piece.rstrip(b" ").endswith(b":") and answers:
        os.write(terminal, answers.pop(0).encode() + b"\n")
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
types $'correct horse\ncorrect horse' backup create locked --encrypt
check "a passphrase is asked for, twice" eval 'exits 0 && prints "New passphrase" && prints "The same again"'
check "and isn't shown" eval '! prints horse'
types 'correct horse' backup list locked
check "opening asks once" eval 'exits 0 && prints "Passphrase of the backup" && ! prints "again"'
types $'one\nother' backup create third --encrypt
check "two that differ" eval 'exits 2 && prints "the same" && ! test -e third/backup.json'
bitnet backup create third --encrypt
check "nobody to ask" fails_saying 'nobody to ask' 2
bitnet backup list locked
check "nobody to ask for an old one" fails_saying 'give its passphrase' 2
bitnet backup create "$place" --encrypt
check "a plain backup doesn't turn encrypted" fails_saying "isn't encrypted" 2
finish
