#!/usr/bin/env bash
# examples/tokens.c, built against nothing but the public headers, does what it says.
source "$(dirname "$0")/lib.sh"

program=$BUILD/example_tokens
check "a long text has overflowing parts" eval '"$program" "$DATA/tokenizers/options/cut" "the quick brown fox jumps over the lazy dog" >out'
check "part 1 is there" grep -q "^text 0, part 1: " out
check "a prompt is healed" eval '"$program" "$DATA/tokenizers/gpt2" "The King sai" >out && grep -q "keep .* of .* tokens, go on with " out'
check "a file that isn't there is an error" eval '! "$program" nowhere "a" 2>err && grep -q "^tokens: nowhere" err'
finish
