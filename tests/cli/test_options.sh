#!/usr/bin/env bash
# Commands, options and where their values come from: flag over environment over configuration file.
source "$(dirname "$0")/lib.sh"

commands=$("$BITNET" --help | sed -n '/^Commands/,/^$/s/^  \([a-z ]*[a-z]\)  .*/\1/p')
check "there are commands" [ "$(wc -l <<<"$commands")" -ge 15 ]

while read -r command; do
    # shellcheck disable=SC2086  # noun and verb are two words
    bitnet $command --help
    check "'$command --help' exits 0 and says nothing on standard error" eval 'exits 0 && quiet'
    check "'$command --help' has usage and examples" eval 'prints "^Usage: bitnet" && prints "^Examples"'
    # shellcheck disable=SC2086
    bitnet help $command
    check "'help $command' is the same" prints "^bitnet $command: "
    # shellcheck disable=SC2086
    bitnet $command --no-such-option
    check "'$command' refuses an unknown option" fails_saying "unknown option '--no-such-option'" 2
done <<<"$commands"

bitnet
check "no command is misuse, with help on standard error" eval 'exits 2 && prints_nothing && says "^Usage"'
bitnet --version
check "--version" eval 'exits 0 && prints "^bitnet [0-9]*\.[0-9]*\.[0-9]*$"'
bitnet --version --verbose
check "--version --verbose lists libraries" prints 'jansson'
bitnet --version --json
check "--version --json" same "$(json 'version is string')" True

bitnet genrate
check "a mistyped command is met with the right one" fails_saying "did you mean 'generate'" 2
bitnet model shwo
check "a mistyped verb too" fails_saying "did you mean 'model show'" 2
bitnet modle show
check "and a mistyped noun" fails_saying "did you mean 'model show'" 2
bitnet model
check "a noun alone lists its verbs" eval 'exits 2 && says "model verify"'
bitnet model --help
check "with --help that is no error" eval 'exits 0 && prints "model verify"'
bitnet generate demo --tmep 1
check "a mistyped option is met with the right one" fails_saying "did you mean '--temp'" 2

bitnet generate demo -n
check "a missing value" fails_saying "^bitnet: -n needs a value" 2
bitnet generate demo --top-p 1.5
check "a number out of range names option and range" fails_saying "^bitnet: --top-p: '1.5' isn't a number from 0 to 1$" 2
bitnet generate demo --top-k 4x
check "not a number" fails_saying "^bitnet: --top-k: '4x' isn't a whole number" 2
bitnet generate demo --kv-type f8
check "not one of the choices" fails_saying "isn't one of auto|f16|f32" 2
bitnet generate demo --echo=maybe
check "not on or off" fails_saying "isn't on or off" 2
bitnet generate
check "a missing argument shows usage" fails_saying 'usage: bitnet generate MODEL' 2
bitnet generate demo and more
check "one argument too many" fails_saying "unexpected argument 'and'" 2
bitnet generate demo --tokens 1,x
check "token ids that aren't" fails_saying "'x' isn't a list like 1,2,3" 2
bitnet generate demo -p a --tokens 1
check "two prompts" fails_saying 'only one of' 2
bitnet generate demo --tokens 1688 --isa nonsense
check "kernels that don't exist" fails_saying 'nonsense' 2
bitnet generate demo --tokens 1688 --samplers top_k,nonsense
check "a sampler that doesn't exist" fails_saying 'nonsense' 2

# spellings
tokens() { json 'tokens | join(",")'; }
bitnet generate demo --tokens 1688,387,728 -n 3 --temp 0 --json
expected=$(tokens)
for spelling in '--n-predict=3 --temp=0' '-n3 -temp 0' '--max-tokens 3 --temperature 0.0' '--n_predict 3 --temp -0'; do
    # shellcheck disable=SC2086
    bitnet generate demo --tokens 1688,387,728 --json $spelling
    check "spelled '$spelling'" same "$(tokens)" "$expected"
done
bitnet generate -m demo --tokens 1688,387,728 --json -n 3 --temp 0
check "-m for the MODEL argument" same "$(tokens)" "$expected"
bitnet generate --json --temp 0 -n 3 --tokens 1688,387,728 -- demo
check "-- ends the options" same "$(tokens)" "$expected"

# layers: 2 tokens by the file, 3 by the environment, 4 by the flag
mkdir -p "$HOME/.config/bitnet"
config=$HOME/.config/bitnet/config.ini
printf '# defaults\ntemp = 0\n\n[generate]\nn-predict = 2\n[run]\nn-predict = 9\n' >"$config"
n_tokens() { json 'tokens | length'; }
bitnet generate demo --tokens 1688 --json
check "the configuration file sets what no flag does" same "$(n_tokens)" 2
BITNET_N_PREDICT=3 bitnet generate demo --tokens 1688 --json
check "the environment is over the file" same "$(n_tokens)" 3
BITNET_N_PREDICT=3 bitnet generate demo --tokens 1688 --json -n 4
check "the flag is over the environment" same "$(n_tokens)" 4
BITNET_JSON=1 bitnet generate demo --tokens 1688
check "flags in the environment" same "$(n_tokens)" 2
BITNET_JSON=1 bitnet generate demo --tokens 1688 --json=off
check "and off again" not prints '^{'
BITNET_N_PREDICT=x bitnet generate demo --tokens 1688
check "a bad value in the environment names the variable" fails_saying "^bitnet: BITNET_N_PREDICT: 'x'" 2
printf 'threads = 1\n' >other.ini
BITNET_CONFIG=other.ini bitnet generate demo --tokens 1688 -n 1 --json
check "BITNET_CONFIG names another file" same "$(n_tokens)" 1
printf 'ok = 1\n' >"$config"
bitnet generate demo --tokens 1688
check "an unknown key is an error with file and line" fails_saying "config.ini:1: unknown key 'ok'" 1
printf '[generate]\ntreads = 1\n' >"$config"
bitnet generate demo --tokens 1688
check "a mistyped key is met with the right one" fails_saying "config.ini:2: .*did you mean 'threads'" 1
printf '[generate]\ntop-k = many\n' >"$config"
bitnet generate demo --tokens 1688
check "a bad value names file, line and key" fails_saying "config.ini:2: top-k: 'many'" 2
bitnet doctor
check "another command's section does no harm" not says 'config.ini:'
BITNET_CONFIG=missing.ini bitnet doctor
check "a file that was named has to be there" fails_saying 'missing.ini' 1
finish
