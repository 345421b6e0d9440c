"""Measures other tokenizer libraries for `bitnet tokenizer bench --compare`, which starts this with Python.

usage: tokenizer_peers.py TOKENIZER TEXT

First it writes one line of JSON: the peers that can read the tokenizer, and why the others can't. Then it answers
requests, one a line: "PEER SHAPE" (numbers) runs that peer once over the text in that shape and writes
{"seconds", "tokens", "checksum"}: CPU time of the process, and the ids' Adler-32. Shape 2 is no text: the peer loads the
tokenizer once more. Each library gets one thread and its fastest interface; what turns results into Python objects only
for us isn't timed.
"""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import array
import itertools
import json
import sys
import time
import zlib


def find_file(path, names):
    """The file itself if its suffix is one of the names', or the first of the names in the folder; else None."""
    if os.path.isfile(path):
        return path if os.path.splitext(path)[1] in [os.path.splitext(name)[1] for name in names] else None
    return next((os.path.join(path, n) for n in names if os.path.isfile(os.path.join(path, n))), None)


def hugging_face(path):
    import tokenizers

    file = find_file(path, ["tokenizer.json"])
    if not file:
        raise LookupError("it reads tokenizer.json only")
    tokenizer = tokenizers.Tokenizer.from_file(file)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def batch(texts):
        return tokenizer.encode_batch_fast(texts, add_special_tokens=False)

    def one_by_one(texts):
        return [tokenizer.encode(text, add_special_tokens=False) for text in texts]

    ids = lambda result: (encoding.ids for encoding in result)
    return [("tokenizers " + tokenizers.__version__ + " batch", batch, ids),
            ("tokenizers " + tokenizers.__version__ + " encode", one_by_one, ids)]


def bytes_of_alphabet():
    """GPT-2's alphabet: each byte's character, turned around."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return {**{chr(b): b for b in printable}, **{chr(256 + i): b for i, b in enumerate(rest)}}


def tiktoken_ranks(path):
    """Pattern and ranks, out of encoding.json beside *.tiktoken, or of a byte-level BPE in tokenizer.json."""
    import tiktoken.load

    folder = path if os.path.isdir(path) else os.path.dirname(path)
    described = os.path.join(folder, "encoding.json")
    if os.path.isfile(described):
        ranks = next(f for f in os.listdir(folder) if f.endswith(".tiktoken"))
        with open(described, encoding="utf-8") as file:
            pattern = json.load(file)
        pattern = pattern.get("pat_str") or pattern["pattern"]
        return pattern, tiktoken.load.load_tiktoken_bpe(os.path.join(folder, ranks))
    file = find_file(path, ["tokenizer.json"])
    if not file:
        raise LookupError("it reads *.tiktoken with encoding.json, or byte-level BPE")
    with open(file, encoding="utf-8") as stream:
        data = json.load(stream)
    pre = data.get("pre_tokenizer") or {}
    steps = pre.get("pretokenizers", [pre])
    patterns = [step["pattern"].get("Regex") for step in steps if step.get("type") == "Split"]
    byte_level = any(step.get("type") == "ByteLevel" for step in steps)
    if data["model"].get("type") != "BPE" or not byte_level or len(patterns) > 1 or data.get("normalizer"):
        raise LookupError("the tokenizer isn't byte-level BPE with one split pattern")
    if any(step.get("add_prefix_space") for step in steps):
        raise LookupError("it can't put a space before a text")
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    alphabet = bytes_of_alphabet()
    ranks = {}
    for text, token in data["model"]["vocab"].items():
        if all(c in alphabet for c in text):
            ranks[bytes(alphabet[c] for c in text)] = token
    return (patterns or [gpt2])[0], ranks


def tik_token(path):
    import tiktoken

    pattern, ranks = tiktoken_ranks(path)
    encoding = tiktoken.Encoding("compared", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return [("tiktoken " + tiktoken.__version__, lambda texts: [encoding.encode_ordinary(t) for t in texts], iter)]


def sentence_piece(path):
    import sentencepiece

    file = find_file(path, ["tokenizer.model", "spiece.model"])
    if not file:
        raise LookupError("it reads *.model only")
    processor = sentencepiece.SentencePieceProcessor(model_file=file)
    return [("sentencepiece " + sentencepiece.__version__,
             lambda texts: processor.encode(texts, out_type=int, num_threads=1), iter)]


def main():
    path, text_file = sys.argv[1:3]
    with open(text_file, encoding="utf-8", errors="replace", newline="") as file:
        text = file.read()
    shapes = [[line for line in text.split("\n") if line], [text]]
    peers, absent = [], []
    for name, load in ("tokenizers", hugging_face), ("tiktoken", tik_token), ("sentencepiece", sentence_piece):
        try:
            found = load(path)
            # tiktoken has no form of its own for a whole tokenizer
            loads = [load if i == 0 and name != "tiktoken" else None for i in range(len(found))]
            peers += [(*peer, loader) for peer, loader in zip(found, loads)]
        except ImportError:
            absent.append({"name": name, "reason": "isn't installed"})
        except Exception as error:  # of many kinds, all meaning that it can't be compared
            absent.append({"name": name, "reason": str(error)})
    print(json.dumps({"peers": [{"name": p[0], "loads": p[3] is not None} for p in peers], "absent": absent}), flush=True)
    for line in sys.stdin:
        peer, shape = map(int, line.split())
        begin = time.process_time()
        if shape == len(shapes):
            peers[peer][3](path)
            print(json.dumps({"seconds": time.process_time() - begin, "tokens": 0, "checksum": 0}), flush=True)
            continue
        result = peers[peer][1](shapes[shape])
        seconds = time.process_time() - begin
        ids = array.array("i", itertools.chain.from_iterable(peers[peer][2](result)))
        print(json.dumps({"seconds": seconds, "tokens": len(ids), "checksum": zlib.adler32(ids.tobytes())}), flush=True)


main()
