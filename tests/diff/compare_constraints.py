#!/usr/bin/env python3
"""Beside llguidance, another engine for constraints, in one run: the same schemas (families_of_schemas.py, families_of_large_schemas.py),
vocabulary, tokens and clock.

    compare_constraints.py --bitnet build/bitnet --tokenizer tokenizer.json --work build/diff [--every N] [--texts N] [--tokens N]

Both follow the tokens of valid values (members in the schema's order); a mask is timed at every token, in processor time. A schema is
passed by an engine that compiles it, accepts every value that jsonschema finds valid, and refuses all others. Prints for both how many
schemas compile and are passed, how many invalid values are accepted, the times to compile and of the masks, and the masks' of the schemas
that both compile. Does nothing where the packages llguidance and tokenizers aren't installed."""
import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import compare_families
import families_of_large_schemas
import families_of_schemas
import instances

try:
    import llguidance
    import tokenizers
except ImportError:
    print("skipped: llguidance and tokenizers aren't installed")
    sys.exit(0)


class InOrder(random.Random):
    """Members stay as the schema has them."""

    def shuffle(self, x):
        pass


def values_of(schema, seed):
    """Values with what jsonschema says of them; None: it doesn't know the schema."""
    r, out, validator = InOrder(seed), [], compare_families.validator_of(schema)
    for _ in range(12):
        out.append(instances.value(r, schema, schema))
        out.append(instances.near(r, out[-1]))
    try:
        return [(v, validator.is_valid(v)) for v in out]
    except Exception:  # of the reference: a pattern that Python doesn't have
        return None


class Peer:
    name = "llguidance"

    def __init__(self, options):
        self.vocabulary = llguidance.LLTokenizer(Path(options.tokenizer).read_text())

    def compile(self, schema, path):
        begun = time.thread_time()
        self.matcher = llguidance.LLMatcher(self.vocabulary, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)))
        self.matcher.compute_bitmask()
        seconds = time.thread_time() - begun
        return None if self.matcher.is_error() else seconds * 1e3

    def masks(self, path, texts):
        times = []
        for ids in texts:
            self.matcher.reset()
            for token in ids:
                begun = time.thread_time()
                self.matcher.compute_bitmask()
                times.append((time.thread_time() - begun) * 1e6)
                if not self.matcher.try_consume_tokens([token]):
                    break
        return times

    def accepts(self, path, texts, encoded):
        out = []
        for ids in encoded:
            self.matcher.reset()
            out.append(self.matcher.try_consume_tokens(ids) == len(ids) and self.matcher.is_accepting())
        return out


class Own:
    name = "bitnet"

    def __init__(self, options):
        self.options = options

    def run(self, arguments, lines):
        done = subprocess.run([self.options.bitnet, "grammar", *arguments], input="".join(json.dumps(line) + "\n" for line in lines),
                              capture_output=True, text=True, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def compile(self, schema, path):
        answers = self.run(["bench", self.options.tokenizer, "--schema", str(path), "--texts", "1", "--tokens", "1", "--json"], [])
        return answers[0]["compile_ms"] if answers else None

    def masks(self, path, texts):
        answers = self.run(["bench", self.options.tokenizer, "--schema", str(path), "--jsonl", "--json"], [{"ids": ids} for ids in texts])
        return answers[0]["mask_us"] if answers else []

    def accepts(self, path, texts, encoded):
        return [a.get("accepted") for a in self.run(["check", self.options.tokenizer, "--schema", str(path), "--jsonl"], [{"text": t} for t in texts])]


class Tally:
    def __init__(self, engine):
        self.engine, self.compiled, self.masks, self.passed, self.wrong_accepts, self.wrong_refusals = engine, [], {}, 0, 0, 0

    def add(self, number, schema, path, values, encode, options):
        seconds = self.engine.compile(schema, path)
        if seconds is None:
            return
        self.compiled.append(seconds)
        texts = [json.dumps(v, ensure_ascii=False) for v, _ in values]
        valid = [encode(t)[:options.tokens] for t, (_, is_valid) in zip(texts, values) if is_valid][:options.texts]
        self.masks[number] = self.engine.masks(path, valid)
        accepted = self.engine.accepts(path, texts, [encode(t) for t in texts])
        accepts = sum(bool(a) and not v for a, (_, v) in zip(accepted, values))
        refusals = sum(v and not a for a, (_, v) in zip(accepted, values))
        self.wrong_accepts += accepts
        self.wrong_refusals += refusals
        self.passed += not accepts and not refusals

    def report(self, n, common):
        times = sorted(self.compiled)
        print("%-11s compiles %d of %d, passes %d; wrong accepts %d, wrong refusals %d; compile: mean %.2f ms, median %.2f, p99 %.1f, most %.1f" % (
            self.engine.name, len(times), n, self.passed, self.wrong_accepts, self.wrong_refusals, sum(times) / len(times), times[len(times) // 2],
            times[len(times) * 99 // 100], times[-1]))
        for what, chosen in (("all", self.masks), ("both compile", common)):
            masks = sorted(t for i in chosen for t in self.masks[i])
            print("  masks (%s): %d, mean %.1f µs, median %.1f, p90 %.1f, p99 %.1f, most %.0f" % (
                what, len(masks), sum(masks) / len(masks), masks[len(masks) // 2], masks[len(masks) * 9 // 10], masks[len(masks) * 99 // 100], masks[-1]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--texts", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=100)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    encoder = tokenizers.Tokenizer.from_file(options.tokenizer)
    path, tallies, n = options.work / "constraint.json", [Tally(Peer(options)), Tally(Own(options))], 0
    for i, (_, schema) in enumerate([*families_of_schemas.families(), *families_of_large_schemas.families()][::options.every]):
        values = values_of(schema, i)
        if values is None:
            continue
        n += 1
        path.write_text(json.dumps(schema))
        for tally in tallies:
            tally.add(i, schema, path, values, lambda t: encoder.encode(t, add_special_tokens=False).ids, options)
    common = tallies[0].masks.keys() & tallies[1].masks.keys()
    for tally in tallies:
        tally.report(n, common)
    return 0


if __name__ == "__main__":
    sys.exit(main())
