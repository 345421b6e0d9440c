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

while IFS= read -r line; do
    [[ $line == '#'* || -z $line ]] && continue
    if [[ $line == *'man -l'* ]] && ! command -v man >/dev/null; then
        skip "$line: there is no man here"
        continue
    fi
    bash -c "set -o pipefail; $line" >out 2>err <<<'Once upon a time'
    code=$?
    check "$line" exits 0
done < <(sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$PROJECT/docs/cli.md")
check "there were examples" [ "$checks" -ge 25 ]
finish
