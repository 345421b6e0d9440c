# A compiled tokenizer is a tokenizer: the file answers as the one it was made of.
. "$PROJECT/tests/cli/lib.sh"

bitnet tokenizer compile demo -o demo.bntok
check "compiles" exits 0
check "says what it made" says 'tokens, .* MB -> demo.bntok'
bitnet tokenizer encode demo 'Once upon a time, <|endoftext|> there was'
cp out expected
bitnet tokenizer encode demo.bntok 'Once upon a time, <|endoftext|> there was'
check "encodes as the source" cmp out expected
bitnet tokenizer compile demo.bntok -o again.bntok --json
check "compiles what is compiled" cmp demo.bntok again.bntok
check "JSON" test "$(head -c 24 out)" = '{"output":"again.bntok",'
bitnet tokenizer compile demo
check "needs -o" exits 2
head -c 5000 demo.bntok >cut.bntok
bitnet tokenizer encode cut.bntok Hello
check "a file that is cut off" eval 'exits 1 && says "cut.bntok: .*cut off"'
bitnet tokenizer compile demo -o model.gguf
check "compiles into a copy of the model" exits 0
bitnet tokenizer encode model.gguf 'Once upon a time, <|endoftext|> there was'
check "which encodes as the source" cmp out expected
bitnet generate demo -p 'The King' -n 8 --temp 0
cp out expected
bitnet generate model.gguf -p 'The King' -n 8 --temp 0
check "and generates as the source" cmp out expected
bitnet tokenizer compile model.gguf -o again.gguf
check "compiled again it is as large (the tables' seeds are random)" \
    same "$(stat -c %s again.gguf)" "$(stat -c %s model.gguf)"
bitnet generate again.gguf -p 'The King' -n 8 --temp 0
check "and generates as the source" cmp out expected
bitnet tokenizer compile "$DATA/tokenizers/llama2" -o x.gguf
check "only GGUF files become GGUF files" eval 'exits 1 && not test -e x.gguf'
finish
