#!/usr/bin/env python3
"""Holds bitnet's tokenizers against the packages tokenizers, sentencepiece and tiktoken on generated texts.

    compare_tokenizers.py --bitnet build/bitnet --work build/diff --data ../shared/data/tokenizers [NAME…]

NAME: parts of names of families (given data, families.py, pipeline-SEED). Prints each family's count of differences and its
first ones; exits 1 if there are any."""
import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

import families
import pipelines
import texts as generated
from tokenizers import Tokenizer


def call(bitnet, command, folder, lines, *options):
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    answer = subprocess.run([bitnet, "tokenizer", command, str(folder), "--jsonl", *options], input=data, capture_output=True)
    answers = [json.loads(line) for line in answer.stdout.decode().split("\n") if line]
    if len(answers) != len(lines):
        answers = [{"error": answer.stderr.decode().strip() or f"exit {answer.returncode}"}] * len(lines)
    return answers


class Differences:
    def __init__(self, show):
        self.count, self.total, self.examples, self.show = 0, 0, [], show

    def check(self, what, given, expected, found):
        self.total += 1
        if expected == found:
            return
        self.count += 1
        if len(self.examples) < self.show:
            self.examples.append(f"{what} of {given!r}\n      expected {expected}\n      found    {found}")


def attempt(function, *arguments):
    """What the reference answers; None where it refuses or falls over, which binds nobody."""
    try:
        return function(*arguments)
    except BaseException as error:  # a panic of the Rust side isn't an Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def encoded(tokenizer, text, pair, add_special):
    e = tokenizer.encode(text, pair, add_special_tokens=add_special)
    return {"ids": e.ids, "type_ids": e.type_ids, "offsets": [list(o) for o in e.offsets]}


def compare_encoding(tokenizer, bitnet, folder, requests, out):
    answers = call(bitnet, "encode", folder, [dict(r, offsets=True) for r in requests])
    for request, answer in zip(requests, answers):
        expected = attempt(encoded, tokenizer, request["text"], request.get("pair"), request["add_special"])
        if expected is not None:
            out.check("encoding", request, expected, answer)
    return answers


def compare_decoding(tokenizer, bitnet, folder, lists, out):
    lines = [{"ids": ids, "skip_special": skip} for ids in lists for skip in (False, True)]
    for line, answer in zip(lines, call(bitnet, "decode", folder, lines)):
        expected = attempt(lambda: tokenizer.decode(line["ids"], skip_special_tokens=line["skip_special"]))
        if expected is not None:
            out.check("decoding", line, {"text": expected}, answer)


def compare_huggingface(tokenizer, bitnet, folder, seed, count, out):
    r = random.Random(seed)
    texts = generated.Texts(seed, [t.content for t in tokenizer.get_added_tokens_decoder().values()])
    requests = []
    for _ in range(count):
        request = {"text": texts.text(), "add_special": r.random() < 0.7}
        if r.random() < 0.15:
            request["pair"] = texts.text()
        requests.append(request)
    answers = compare_encoding(tokenizer, bitnet, folder, requests, out)
    known = sorted(tokenizer.get_vocab(True).values())
    lists = [a["ids"][:60] for a in answers[:count // 4] if "ids" in a]
    lists += [[r.choice(known) for _ in range(r.randint(0, 12))] for _ in range(count // 4)]
    compare_decoding(tokenizer, bitnet, folder, lists, out)


def compare_sentencepiece(path, bitnet, seed, count, out):
    import sentencepiece
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    r = random.Random(seed)
    special = [processor.id_to_piece(i) for i in range(processor.get_piece_size())
               if processor.is_control(i) or processor.is_byte(i)][:20]
    texts = generated.Texts(seed, special)
    inputs = [texts.text() for _ in range(count)]
    answers = call(bitnet, "encode", path, [{"text": t, "add_special": False} for t in inputs])
    for text, answer in zip(inputs, answers):
        out.check("encoding", text, processor.encode(text), answer.get("ids", answer))
    shown = [i for i in range(processor.get_piece_size()) if not processor.is_control(i)]  # sentencepiece never shows those
    lists = [processor.encode(t)[:60] for t in inputs[:count // 4]]
    lists += [[r.choice(shown) for _ in range(r.randint(0, 12))] for _ in range(count // 4)]
    answers = call(bitnet, "decode", path, [{"ids": ids} for ids in lists])
    streams = call(bitnet, "decode", path, [{"ids": ids, "stream": True} for ids in lists])
    for ids, answer, stream in zip(lists, answers, streams):
        expected = processor.decode(ids)
        out.check("decoding", ids, {"text": expected}, answer)
        joined = "".join(p or "" for p in stream.get("pieces", []))
        out.check("stream", ids, expected[:len(joined)], joined)
        out.check("stream length", ids, True, expected[len(joined):].strip("\ufffd") == "" and len(expected) - len(joined) <= 3)


def compare_tiktoken(folder, bitnet, seed, count, out):
    import base64
    import tiktoken
    settings = json.loads((folder / "encoding.json").read_text())
    ranks = {}
    path = next(folder.glob("*.tiktoken"))
    for line in path.read_text().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding("diff", pat_str=settings["pat_str"], mergeable_ranks=ranks, special_tokens=settings["special_tokens"])
    texts = generated.Texts(seed, settings["special_tokens"])
    inputs = [texts.text() for _ in range(count)]
    for special in (True, False):
        answers = call(bitnet, "encode", path, [{"text": t, "add_special": False, "parse_special": special} for t in inputs])
        for text, answer in zip(inputs, answers):
            expected = encoding.encode(text, allowed_special="all") if special else encoding.encode_ordinary(text)
            out.check("encoding", text, expected, answer.get("ids", answer))
    broken = [texts.bytes() for _ in range(count // 2)]
    answers = call(bitnet, "encode", path, [{"hex": b.hex(), "add_special": False, "parse_special": False} for b in broken])
    for data, answer in zip(broken, answers):
        out.check("bytes", data, True, encoding.decode_bytes(answer["ids"]) == data)
        try:
            data.decode()
        except UnicodeDecodeError:
            continue
        out.check("encoding", data, encoding.encode_ordinary(data.decode()), answer["ids"])
    known = sorted(ranks.values())
    lists = [[texts.random.choice(known) for _ in range(texts.random.randint(0, 12))] for _ in range(count // 4)]
    for ids, answer in zip(lists, call(bitnet, "decode", path, [{"ids": ids} for ids in lists])):
        out.check("decoding", ids, {"text": encoding.decode(ids)}, answer)


def corpus_lines(data, project):
    path = data.parent / "text" / "train.txt"
    if not path.exists():
        path = project / "tests" / "data" / "tokenizers-train" / "corpus.txt"
    lines = path.read_text().split("\n")[:3000]
    texts = generated.Texts(1)
    return lines + [texts.text() for _ in range(600)]


def build(name, work, make):
    """Trained once, kept for the next run."""
    folder = work / name
    file = folder / "tokenizer.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make().save(str(file))
    return folder


class Work:
    def __init__(self, options):
        self.options, self.work = options, Path(options.work)
        self.project = Path(__file__).resolve().parent.parent.parent
        self.data = [Path(options.data), self.project / "tests" / "data" / "tokenizers"]
        self.lines = None

    def corpus(self):
        if self.lines is None:
            self.lines = corpus_lines(self.data[0], self.project)
        return self.lines

    def jobs(self):
        seen = set()
        for root in self.data:
            for folder in sorted(root.glob("*")):
                if folder.name in seen:
                    continue
                seen.add(folder.name)
                if (folder / "tokenizer.json").exists():
                    yield folder.name, self.huggingface, folder
                model = folder / "tokenizer.model"
                if model.exists() and model.read_bytes()[:1] == b"\n":  # not a list of ranks
                    yield folder.name + ".model", self.sentencepiece, folder / "tokenizer.model"
                if list(folder.glob("*.tiktoken")):
                    yield folder.name + ".tiktoken", self.tiktoken, folder
        for name, function in families.FAMILIES.items():
            yield "family-" + name, self.family, function
        for seed in range(self.options.seed, self.options.seed + self.options.pipelines):
            yield f"pipeline-{seed}", self.pipeline, seed

    def huggingface(self, name, folder, out):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        compare_huggingface(tokenizer, self.options.bitnet, folder / "tokenizer.json", self.options.seed, self.options.count, out)

    def family(self, name, function, out):
        folder = build(name, self.work, lambda: function(self.corpus()))
        self.huggingface(name, folder, out)

    def pipeline(self, name, seed, out):
        folder = build(name, self.work, lambda: pipelines.build(seed, self.corpus()))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        count = max(50, self.options.count // 20)
        compare_huggingface(tokenizer, self.options.bitnet, folder / "tokenizer.json", seed, count, out)
        pipelines.restrict(random.Random(seed), tokenizer)
        cut = self.work / (name + "-cut")
        cut.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(cut / "tokenizer.json"))
        compare_huggingface(tokenizer, self.options.bitnet, cut / "tokenizer.json", seed + 1, count, out)

    def sentencepiece(self, name, path, out):
        compare_sentencepiece(path, self.options.bitnet, self.options.seed, self.options.count, out)

    def tiktoken(self, name, folder, out):
        compare_tiktoken(folder, self.options.bitnet, self.options.seed, self.options.count, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", default="build/diff")
    parser.add_argument("--data", default="../shared/data/tokenizers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="texts a family")
    parser.add_argument("--pipelines", type=int, default=100, help="drawn pipelines")
    parser.add_argument("--show", type=int, default=3, help="differences shown a family")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    work, bad, total = Work(options), 0, 0
    for name, function, argument in work.jobs():
        if options.names and not any(n in name for n in options.names):
            continue
        out = Differences(options.show)
        try:
            function(name, argument, out)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"skip {name}: the reference can't: {str(error).splitlines()[0][:160]}", flush=True)
            continue
        bad += out.count > 0
        total += out.total
        print(("not ok" if out.count else "ok") + f" {name}: {out.count} of {out.total} differ", flush=True)
        for example in out.examples:
            print("    " + example[:1500], flush=True)
    print(f"{total} comparisons, {bad} families differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
