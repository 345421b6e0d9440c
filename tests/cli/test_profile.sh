#!/usr/bin/env bash
# profile: every step of every layer appears, shares add up, and the files are what their readers take.
source "$(dirname "$0")/lib.sh"

bitnet profile demo -p 32 -n 8 --layers --trace trace.json --folded stacks.txt --json
check "prefill and decode" same "$(json 'phases | map(attribute="name") | join(" ")')" "prefill decode"
check "tokens of each" same "$(json 'phases | map(attribute="tokens") | join(" ")')" "32 8"
decode='steps | selectattr("phase", "equalto", "decode") | rejectattr("layer", "defined")'
check "the steps" same "$(json "$decode | map(attribute=\"step\") | join(\" \")")" \
    "plan embedding qkv rope attention attn_output ffn_gate_up ffn_down head draw"
check "their shares add up to 100 %" same "$(json "($decode | map(attribute=\"share_percent\") | sum) | round")" 100.0
check "eight passes through six layers" same "$(json "($decode | selectattr(\"step\", \"equalto\", \"qkv\") | first).calls")" 48
check "a row for each layer's step" same \
    "$(json 'steps | selectattr("layer", "defined") | selectattr("phase", "equalto", "decode") | list | length')" 36
# down is 256 × 768 at two bits in each of six layers, eight times
check "bytes of ffn_down" same "$(json "($decode | selectattr(\"step\", \"equalto\", \"ffn_down\") | first).bytes")" \
    $((256 * 768 / 4 * 6 * 8)).0
check "and operations" same "$(json "($decode | selectattr(\"step\", \"equalto\", \"ffn_down\") | first).operations")" \
    $((2 * 256 * 768 * 6 * 8)).0
check "the trace has an event for each step" same "$(json 'traceEvents | length' trace.json)" $((9 * 40))
check "with a beginning and a length" same "$(json 'traceEvents[5].ph ~ (traceEvents[5].ts >= 0) ~ (traceEvents[5].dur >= 0)' trace.json)" XTrueTrue
check "folded stacks: text, a space, a number" eval '! grep -vqE "^(prefill|decode);(layer [0-9]+;)?[a-z_]+ [0-9]+$" stacks.txt'
check "of every layer" same "$(grep -c '^decode;layer' stacks.txt)" 36

bitnet profile demo -p 16 -n 4
check "a table" eval 'prints "^phase " && prints "^decode *ffn_down "'
check "says what the system doesn't show or shows it" eval 'prints "^power " && prints "^heat " && prints "^clock "'
bitnet profile demo -p 16 -n 4 -t 64
check "what both phases suggest is said once" [ "$(grep -c '^- 64 threads run on' out)" -eq 1 ]
bitnet profile demo -p 16 -n 0 -o csv
check "CSV" prints '^phase,step,calls,'
bitnet profile demo -p 0 -n 0
check "nothing to do" fails_saying 'nothing to measure' 2
bitnet profile demo --trace missing/trace.json
check "a file that can't be written" fails_saying 'missing' 1
finish
