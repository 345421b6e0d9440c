#!/usr/bin/env bash
# Manual pages, completions and docs/cli.md say what the tables say.
source "$(dirname "$0")/lib.sh"

bitnet man --markdown
check "docs/cli.md is what the tables give (bitnet man --markdown > docs/cli.md)" cmp out "$PROJECT/docs/cli.md"

mkdir pages
bitnet man --output-dir pages
check "a page for each command" eval 'exits 0 && [ -s pages/bitnet.1 ] && [ -s pages/bitnet-model-show.1 ]'
for page in pages/*.1; do
    check "$page has the usual sections" eval "grep -q '^.SH NAME' $page && grep -q '^.SH SYNOPSIS' $page"
    if command -v man >/dev/null; then
        check "$page renders without warnings" eval "[ -z \"\$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l $page 2>&1 >/dev/null)\" ]"
    fi
done
bitnet man generate
check "man COMMAND prints the page" prints '^.TH "bitnet-generate" 1'
bitnet man nonsense
check "of an unknown command" fails_saying 'nonsense' 2

bitnet completion bash
check "the bash completion is a script" bash -n out
complete_words() { # what bash proposes for the line given as words, the last one incomplete
    bash -c 'source out; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bitnet; printf "%s\n" "${COMPREPLY[@]}"' _ "$@" | sort | tr '\n' ' '
}
check "it completes commands" same "$(complete_words bitnet gen)" "generate "
check "verbs" same "$(complete_words bitnet model ver)" "verify "
check "options" same "$(complete_words bitnet generate demo --min)" "--min-p --min-tokens "
check "options of two-word commands" same "$(complete_words bitnet eval perplexity --prot)" "--protocol "
check "choices" same "$(complete_words bitnet generate --kv-type f)" "f16 f32 "
bitnet completion zsh
check "the zsh completion names its command" prints '^#compdef bitnet'
bitnet completion fish
check "the fish completion has options" prints '^complete -c bitnet .* -l top-k '
bitnet completion csh
check "no other shells" fails_saying 'bash, zsh or fish' 2
finish
