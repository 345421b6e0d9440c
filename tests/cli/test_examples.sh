#!/usr/bin/env bash
# Every example that --help, the manual and docs/cli.md show does what it says: it runs and exits with 0.
source "$(dirname "$0")/lib.sh"

mkdir -p bin "$HOME/.config/fish/completions"
ln -s "$BITNET" bin/bitnet
export PATH=$WORK/bin:$PATH MANPAGER=cat
sed -n "/^[A-Z].*[a-z]/p" "$PROJECT/docs/cli.md" >text.txt # a thousand words of prose
cp text.txt corpus.txt
gzip -c corpus.txt >corpus.gz
cp "$DATA/models/bitnet-packed/tokenizer.json" untrained.json
echo '{"vocab_size": 400}' >trainer.json
echo '{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}' >chat.jinja
echo '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}' >person.json
cp -r "$DATA/models/bitnet-packed" bitnet-2b
cp -r "$DATA/models/bitnet-packed" my-model
echo secret | tee passphrase.txt >token.txt
export KEY=secret

# A registry as the examples about stories take it, and the bundle they import.
export BITNET_HOME=$WORK/prepared
for command in 'add demo stories' 'add demo stories:small' 'add bitnet-2b stories' 'tag stories@1 stable' 'use stories@1' \
    'use stories@2' 'export stories stories.tar.zst'; do
    # shellcheck disable=SC2086
    bitnet model $command
    check "prepared: model $command" exits 0
done
unset BITNET_HOME

# Why an example can't be run here; nothing if it can.
obstacle() {
    case $1 in
        *'man -l'*) command -v man >/dev/null || echo 'there is no man here' ;;
        *' model download '* | *' model search '* | *' model browse '* | *' model push '* | *' model card micro'* | *' auth '*)
            echo 'it needs a hub (tests/hub has sessions with one)' ;;
        *' --server http'* | *'bench serve http'*) echo 'it needs a server (tests/hub has a session with one)' ;;
        *' s3://'*) echo 'it needs a bucket (tests/hub has a session with one)' ;;
        *' --encrypt') echo 'it asks for a passphrase on the terminal' ;;
        *llama-1b*) echo 'there is no such model here' ;;
    esac
}

# A server runs until it is told to stop; a backup's disk and day are ours; what changes a registry gets one of its own.
adapt() {
    local line=${1//\/media\/disk/$WORK/disk}
    line=${line//20260131/$(date +%Y%m%d)}
    [[ $line == 'bitnet serve '* ]] && line="timeout --preserve-status -s TERM 2 $line"
    [[ $line == *stories* ]] && line="rm -rf changing && cp -r prepared changing && BITNET_HOME=changing $line"
    echo "$line"
}

while IFS= read -r line; do
    [[ $line == '#'* || -z $line ]] && continue
    why=$(obstacle "$line")
    if [ -n "$why" ]; then
        skip "$line: $why"
        continue
    fi
    bash -c "set -o pipefail; $(adapt "$line")" >out 2>err <<<'Once upon a time'
    code=$?
    check "$line" exits 0
done < <(sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$PROJECT/docs/cli.md")
check "there were examples" [ "$checks" -ge 25 ]
finish
