#!/usr/bin/env bash
# Logits against the reference implementation's; perplexity against the logits.
source "$(dirname "$0")/lib.sh"
ids=1688,387,728,260,535

bitnet eval logits demo --tokens $ids -o all.f32
check "logits: [tokens, vocabulary] float32" eval 'exits 0 && prints_nothing && same "$(stat -c %s all.f32)" $((5 * 2048 * 4))'
bitnet eval logits demo --tokens $ids -o last.f32 --last --json
check "logits: --last is the last row" eval 'cmp last.f32 <(tail -c $((2048 * 4)) all.f32)'
check "logits: --json says what was written" same "$(json '[rows, vocab_size, file] | join(",")')" 1,2048,last.f32
for how in '-t 1' '-t 2' '-b 2' '--isa scalar'; do
    # shellcheck disable=SC2086
    bitnet eval logits demo --tokens $ids -o other.f32 $how
    check "logits: the same bits with $how" cmp other.f32 all.f32
done
bitnet eval logits demo --tokens 1688 -o nowhere/x.f32
check "logits: a file that can't be written" fails_saying 'nowhere/x.f32' 1
bitnet eval logits demo --tokens 1688
check "logits: no file" fails_saying 'needed' 2
bitnet eval logits demo --tokens 2048 -o x.f32
check "logits: an id beyond the vocabulary leaves no file" eval 'not exits 0 && [ ! -e x.f32 ]'

# A text long enough for two windows of 64, scored from the logits in another language.
text='Once upon a time there was a little girl who lived with her mother at the edge of the great wood. Every morning she
went down to the river to fetch water, and every evening she told the birds what she had seen. One day the King came by,
and he asked her the way to the town; but she said that she did not know of any town, and that the river went on for
ever. Then the King laughed, and he gave her a golden ring, and he said that she should come to see him when she was
grown. So the girl put the ring into her pocket and went home, and her mother asked her why she was so late.'
printf '%s' "$text" >text.txt
for protocol in llama stride harness; do
    bitnet eval perplexity demo -f text.txt --protocol $protocol -c 32 --json
    check "perplexity $protocol: finite" same "$(json '1 < perplexity < 10000 and scored_tokens > 0')" True
    cp out $protocol.json
done
n=$("$BITNET" tokenizer encode demo -f text.txt --no-special | tr ',' '\n' | wc -l)
check "stride scores every token but the first" same "$(json scored_tokens stride.json)" $((n - 1))
check "harness scores every token" same "$(json scored_tokens harness.json)" "$n"
check "harness counts the text's bytes" same "$(json bytes harness.json)" "$(stat -c %s text.txt)"
check "llama scores n_ctx/2 − 1 per chunk" same "$(json scored_tokens llama.json)" $((n / 32 * 15))
check "bits per byte follow from nll and bytes" same "$(json '((nll / bytes / 0.6931471805599453 - bits_per_byte) | abs) < 1e-9' harness.json)" True

if command -v python3 >/dev/null; then
    cat >score.py <<'PYTHON'
import json, math, struct, subprocess, sys
bitnet = sys.argv[1]
def run(*a): return subprocess.run([bitnet, *a], check=True, capture_output=True, text=True).stdout
ids = json.loads(run("tokenizer", "encode", "demo", "-f", "text.txt", "--no-special", "--json"))["ids"]
def logits(tokens):
    run("eval", "logits", "demo", "--tokens", ",".join(map(str, tokens)), "-o", "w.f32")
    v = struct.unpack("<%df" % (len(tokens) * 2048), open("w.f32", "rb").read())
    return [v[i * 2048:(i + 1) * 2048] for i in range(len(tokens))]
def nll(row, target):
    m = max(row)
    return math.log(math.fsum(math.exp(x - m) for x in row)) + m - row[target]
C, adds_bos = 32, json.loads(run("tokenizer", "encode", "demo", "a", "--json"))["ids"][0] == 0
def llama():                       # second half of each chunk
    for k in range(len(ids) // C):
        chunk = ids[k * C:(k + 1) * C]
        rows = logits(([0] if adds_bos else chunk[:1]) + chunk[1:])
        yield from (nll(rows[j], chunk[j + 1]) for j in range(C // 2, C - 1))
def stride():                      # the guide's loop: begin, end, previous end
    previous = 1
    for begin in range(0, len(ids), C // 2):
        end = min(begin + C, len(ids))
        rows = logits(ids[begin:end])
        yield from (nll(rows[t - 1 - begin], ids[t]) for t in range(previous, end))
        previous = end
        if end == len(ids): break
def harness():                     # prefix, then windows of C targets; the last one moved back
    done = 0
    while done < len(ids):
        end = min(done + C, len(ids))
        whole = [0] + ids
        window = whole[max(0, end - C):end]
        rows = logits(window)
        yield from (nll(rows[t - end + len(window)], ids[t]) for t in range(done, end))
        done = end
for name, protocol in (("llama", llama), ("stride", stride), ("harness", harness)):
    if adds_bos and name != "harness": ids = [0] + ids
    expected, got = math.fsum(protocol()), json.load(open(name + ".json"))["nll"]
    if adds_bos and name != "harness": ids = ids[1:]
    print(name, abs(got - expected) < 1e-6 * expected, got, expected)
PYTHON
    run python3 score.py "$BITNET"
    for protocol in llama stride harness; do
        check "perplexity $protocol: the sum is that of the logits" prints "^$protocol True"
    done
else
    skip "perplexity from logits: needs python3"
fi

bitnet eval perplexity demo -f text.txt -c 32
check "perplexity as text" prints '^perplexity  *[0-9.]* ± [0-9.]*$'
bitnet eval perplexity demo -f text.txt -c 32 -v
check "per-window figures with -v" same "$(grep -c '^\[[0-9]*\] [0-9.]*$' err)" $((n / 32))
bitnet eval perplexity demo -f text.txt
check "a text too short for the protocol" fails_saying 'needs at least 2 × 512' 2
bitnet eval perplexity demo
check "no text" fails_saying 'file is needed' 2
bitnet eval perplexity demo -f missing.txt
check "a missing file" fails_saying 'missing.txt' 1
finish
