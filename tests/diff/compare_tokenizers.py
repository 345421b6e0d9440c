#!/usr/bin/env python3
"""Holds bitnet's tokenizers against the packages tokenizers, sentencepiece and tiktoken on generated texts.

    compare_tokenizers.py --bitnet build/bitnet --work build/diff --data ../shared/data/tokenizers [NAME…]
    compare_tokenizers.py --bitnet build/bitnet --work build/diff --data build/diff/published --given

NAME: parts of names of families (given data, families.py, encoders.py, pipeline-SEED). Prints each family's count of differences and its
first ones; exits 1 if there are any."""
import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import encoders
import families
import pipelines
import texts as generated
from tokenizers import Regex, Tokenizer, models, pre_tokenizers


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


def attempt_apart(function, *arguments):
    """The same in a process of its own, which is ended after half a second: for where the reference may never come back."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        with os.fdopen(write, "w") as out:
            json.dump(attempt(function, *arguments), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    return json.loads(text) if os.waitpid(child, 0)[1] == 0 else None


def leaves_nothing(tokenizer):
    """Has it an added token that the normalizer takes away? Then encoding never ends for texts that end like another's
    beginning, takes ever more memory, and fails for most that aren't ASCII."""
    return any(t.normalized and t.content and normalized(tokenizer, t.content) == "" for t in tokenizer.get_added_tokens_decoder().values())


def normalized(tokenizer, text):
    return tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text


def encoded(tokenizer, text, pair, add_special):
    e = tokenizer.encode(text, pair, add_special_tokens=add_special)
    return {"ids": e.ids, "type_ids": e.type_ids, "offsets": [list(o) for o in e.offsets]}


def compare_encoding(tokenizer, bitnet, folder, requests, out):
    """With offsets, and as prompts are encoded: ids alone, which a tokenizer's truncation and padding don't touch."""
    answers = call(bitnet, "encode", folder, [dict(r, offsets=True) for r in requests])
    try_one = attempt_apart if leaves_nothing(tokenizer) else attempt
    alone = [i for i, r in enumerate(requests) if "pair" not in r] if not tokenizer.truncation and not tokenizer.padding else []
    prompts = dict(zip(alone, call(bitnet, "encode", folder, [dict(requests[i], ids_only=True) for i in alone])))
    for i, (request, answer) in enumerate(zip(requests, answers)):
        expected = try_one(encoded, tokenizer, request["text"], request.get("pair"), request["add_special"])
        if expected is None:
            continue
        out.check("encoding", request, expected, answer)
        if i in prompts:
            out.check("prompt", request, {"ids": expected["ids"]}, prompts[i])
    return answers


def compare_broken(tokenizer, bitnet, folder, texts, count, out):
    """Bytes that aren't UTF-8: U+FFFD for each maximal broken part, to the reference as to Python. Vocabularies of bytes
    keep them, so that decoding comes to the same, unless they lack some."""
    data = [texts.bytes() for _ in range(count)]
    alone = [{"hex": f"{byte:02x}"} for byte in range(0x80, 0x100)]
    different = {str(answer.get("ids")) for answer in call(bitnet, "encode", folder, [*alone, {"text": "\ufffd"}])}
    keeps = len(different) > 1
    if keeps and (len(different) <= len(alone) or tokenizer.truncation or tokenizer.padding):
        return  # there are other bytes to lose, other numbers of tokens to cut
    try_one = attempt_apart if leaves_nothing(tokenizer) else attempt
    for given, answer in zip(data, call(bitnet, "encode", folder, [{"hex": d.hex(), "offsets": not keeps} for d in data])):
        text = given.decode(errors="replace")
        expected = try_one(encoded, tokenizer, text, None, True)
        if expected is None:
            continue
        if keeps and "ids" in answer:
            what = [attempt(lambda: tokenizer.decode(ids, skip_special_tokens=False)) for ids in (expected["ids"], answer["ids"])]
            out.check("bytes", given, *what)
        else:
            out.check("bytes", given, expected, answer)


def compare_decoding(tokenizer, bitnet, folder, lists, out):
    lines = [{"ids": ids, "skip_special": skip} for ids in lists for skip in (False, True)]
    for line, answer in zip(lines, call(bitnet, "decode", folder, lines)):
        expected = attempt(lambda: tokenizer.decode(line["ids"], skip_special_tokens=line["skip_special"]))
        if expected is not None:
            out.check("decoding", line, {"text": expected}, answer)


def compare_huggingface(tokenizer, bitnet, folder, seed, count, out):
    r = random.Random(seed)
    if leaves_nothing(tokenizer):
        count = min(count, 200)  # each takes a process, many half a second
    known = sorted(tokenizer.get_vocab(True).values())
    pieces = [p.replace("\u2581", " ").replace("\u0120", " ") for p in (tokenizer.id_to_token(r.choice(known)) for _ in range(300)) if p]
    texts = generated.Texts(seed, [t.content for t in tokenizer.get_added_tokens_decoder().values()], pieces)
    requests = []
    for _ in range(count):
        request = {"text": texts.text(), "add_special": r.random() < 0.7}
        if r.random() < 0.15:
            request["pair"] = texts.text()
        requests.append(request)
    answers = compare_encoding(tokenizer, bitnet, folder, requests, out)
    compare_broken(tokenizer, bitnet, folder, texts, count // 10, out)
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


def compare_tekken(path, bitnet, seed, count, out):
    """As mistral-common reads the file: the special tokens come first, then as many of the ranks as there is place for."""
    import base64
    import tiktoken
    file = json.loads(path.read_text())
    config, n_special = file["config"], file["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in file["vocab"][:config["default_vocab_size"] - n_special]}
    encoding = tiktoken.Encoding("diff", pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={})
    texts = generated.Texts(seed, ["<s>", "[INST]", "[TOOL_CALLS]"])
    inputs = [texts.text() for _ in range(count)]
    answers = call(bitnet, "encode", path, [{"text": t, "add_special": False, "parse_special": False} for t in inputs])
    for text, answer in zip(inputs, answers):
        out.check("encoding", text, [i + n_special for i in encoding.encode_ordinary(text)], answer.get("ids", answer))
    lists = [[texts.random.choice(list(ranks.values())) for _ in range(texts.random.randint(0, 12))] for _ in range(count // 4)]
    for ids, answer in zip(lists, call(bitnet, "decode", path, [{"ids": [i + n_special for i in ids]} for ids in lists])):
        out.check("decoding", ids, {"text": encoding.decode(ids)}, answer)


# All code points that any of the classes may tell apart: of long runs of ideographs and the like the two ends.
CODE_POINTS = [c for c in [*range(0x33480), *range(0xE0000, 0xE0200), 0xF0000, 0x10FFFD, 0x10FFFF]
               if not any(a <= c < b for a, b in [(0xD800, 0xE000), (0x3500, 0x4D00), (0x4F00, 0x9F00), (0xAC10, 0xD790), (0xE100, 0xF800),
                                                  (0x17010, 0x18700), (0x20100, 0x2A6D0), (0x2A700, 0x31340)])]
POSIX = "alpha alnum upper lower punct graph print cntrl space blank digit xdigit word ascii".split()
PROPERTIES = """L Lu Ll Lt Lm Lo M Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn Alphabetic Uppercase Lowercase White_Space Emoji Emoji_Presentation
Extended_Pictographic Math Dash Hex_Digit Ideographic Diacritic Extender Cased ID_Start ID_Continue XID_Start Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic Hebrew Devanagari Thai
Common Inherited Unknown Any Assigned""".split()
CLASSES = [r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\h", r"[\w']", r"[^\w\s]", r"[\W']", r"[\d_]", r"[^\S\n]", r"[\w&&[^a-z]]", ".", r"(?i)[a-z]", r"(?i)k", r"(?i)ß", r"\R", r"[^\p{L}\p{N}]", r"[\p{^Lu}]"]
CLASSES += [f"[[:{name}:]]" for name in POSIX] + [f"[[:^{name}:]']" for name in POSIX] + [r"\p{%s}" % name for name in PROPERTIES]


def members(offsets):
    kept = set()
    for begin, end in offsets:
        kept.update(range(begin, end))
    return [f"U+{c:04X}" for i, c in enumerate(CODE_POINTS) if i not in kept]


def compare_classes(bitnet, work, out):
    """What a pattern of one character takes out of a text that has them all."""
    text, path = "".join(map(chr, CODE_POINTS)), work / "classes" / "tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for pattern in CLASSES:
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed")
        tokenizer.save(str(path))
        answer = call(bitnet, "encode", path, [{"text": text, "offsets": True}])[0]
        expected, found = members(tokenizer.encode(text).offsets), members(answer.get("offsets", []))
        out.check("class", pattern, sorted(set(expected) - set(found))[:40], sorted(set(found) - set(expected))[:40])
        out.check("size of class", pattern, len(expected), len(found))


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
                if (folder / "tekken.json").exists():
                    yield folder.name, self.tekken, folder / "tekken.json"
            if self.options.given:
                return
        yield "classes", self.classes, None
        for name, function in {**families.FAMILIES, **encoders.FAMILIES}.items():
            yield "family-" + name, self.family, function
        for seed in range(self.options.seed, self.options.seed + self.options.pipelines):
            yield f"pipeline-{seed}", self.pipeline, seed

    def seed_of(self, name):
        """Other texts for each family."""
        return f"{self.options.seed} {name}"

    def huggingface(self, name, folder, out):
        """In a folder of its own: the reference doesn't know what files beside it say."""
        alone = self.work / "alone" / name / "tokenizer.json"
        alone.parent.mkdir(parents=True, exist_ok=True)
        alone.unlink(missing_ok=True)
        alone.symlink_to((folder / "tokenizer.json").resolve())
        compare_huggingface(Tokenizer.from_file(str(alone)), self.options.bitnet, alone, self.seed_of(name), self.options.count, out)

    def classes(self, name, _, out):
        compare_classes(self.options.bitnet, self.work, out)

    def family(self, name, function, out):
        folder = build(name, self.work, lambda: function(self.corpus()))
        self.huggingface(name, folder, out)

    def pipeline(self, name, seed, out):
        folder = build(name, self.work, lambda: pipelines.build(seed, self.corpus()))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        count = max(50, self.options.count // 20)
        compare_huggingface(tokenizer, self.options.bitnet, folder / "tokenizer.json", name, count, out)
        pipelines.restrict(random.Random(seed), tokenizer)
        cut = self.work / (name + "-cut")
        cut.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(cut / "tokenizer.json"))
        compare_huggingface(tokenizer, self.options.bitnet, cut / "tokenizer.json", name + "-cut", count, out)

    def sentencepiece(self, name, path, out):
        compare_sentencepiece(path, self.options.bitnet, self.seed_of(name), self.options.count, out)

    def tiktoken(self, name, folder, out):
        compare_tiktoken(folder, self.options.bitnet, self.seed_of(name), self.options.count, out)

    def tekken(self, name, path, out):
        compare_tekken(path, self.options.bitnet, self.seed_of(name), self.options.count, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", default="build/diff")
    parser.add_argument("--data", default="../shared/data/tokenizers")
    parser.add_argument("--given", action="store_true", help="only what is in --data")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10000, help="texts a family")
    parser.add_argument("--pipelines", type=int, default=200, help="drawn pipelines")
    parser.add_argument("--show", type=int, default=3, help="differences shown a family")
    parser.add_argument("--share", default="1/1", metavar="I/N", help="every Nth family, from the Ith on: for several processes")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    work, bad, total, families_seen = Work(options), 0, 0, 0
    share, shares = (int(n) for n in options.share.split("/"))
    for i, (name, function, argument) in enumerate(work.jobs()):
        if (options.names and not any(n in name for n in options.names)) or i % shares != share % shares:
            continue
        out, began = Differences(options.show), time.process_time()
        try:
            function(name, argument, out)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"skip {name}: the reference can't: {str(error).splitlines()[0][:160]}", flush=True)
            continue
        bad += out.count > 0
        total += out.total
        families_seen += 1
        print(("not ok" if out.count else "ok") + f" {name}: {out.count} of {out.total} differ ({time.process_time() - began:.0f} s)", flush=True)
        for example in out.examples:
            print("    " + example[:1500], flush=True)
    print(f"{total} comparisons of {families_seen} families, {bad} families differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
