#!/usr/bin/env python3
"""Beside llguidance, another engine for constraints: the same schemas (families_of_schemas.py), vocabulary and machine.

    compare_constraints.py --bitnet build/bitnet --tokenizer tokenizer.json --work build/diff [--every N]

Prints for both how many schemas compile, how long that takes, and how long a mask takes: llguidance's along valid values' tokens, ours on
texts drawn at random (bitnet grammar bench). Does nothing where the packages llguidance and tokenizers aren't installed."""
import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import families_of_schemas
import instances

try:
    import llguidance
    import tokenizers
except ImportError:
    print("skipped: llguidance and tokenizers aren't installed")
    sys.exit(0)


def summary(name, n, compiled, masks):
    masks, compiled = sorted(masks), sorted(compiled)
    print("%-11s %d of %d schemas; compile: mean %.2f ms, most %.1f ms; masks: %d, mean %.1f µs, median %.1f, p90 %.1f, p99 %.1f" % (
        name, len(compiled), n, sum(compiled) / len(compiled) * 1e3, compiled[-1] * 1e3, len(masks), sum(masks) / len(masks), masks[len(masks) // 2],
        masks[len(masks) * 9 // 10], masks[len(masks) * 99 // 100]))


def peer(vocabulary, encode, schema, seed, masks):
    """Seconds to compile it, or None; the masks' microseconds are added."""
    begun = time.process_time()
    matcher = llguidance.LLMatcher(vocabulary, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    matcher.compute_bitmask()
    seconds = time.process_time() - begun
    if matcher.is_error():
        return None
    r = random.Random(seed)
    for _ in range(4):
        matcher.reset()
        for token in encode(json.dumps(instances.value(r, schema, schema)))[:100]:
            begun = time.process_time()
            matcher.compute_bitmask()
            masks.append((time.process_time() - begun) * 1e6)
            if not matcher.try_consume_tokens([token]):
                break
    return seconds


def own(options, schema):
    path = options.work / "constraint.json"
    path.write_text(json.dumps(schema))
    done = subprocess.run([options.bitnet, "grammar", "bench", options.tokenizer, "--schema", str(path), "--texts", "4", "--tokens", "100", "--json"],
                          capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    text = Path(options.tokenizer).read_text()
    vocabulary, encoder = llguidance.LLTokenizer(text), tokenizers.Tokenizer.from_str(text)
    chosen = list(families_of_schemas.families())[::options.every]
    compiled, masks, ours = [], [], []
    for i, (_, schema) in enumerate(chosen):
        seconds = peer(vocabulary, lambda t: encoder.encode(t, add_special_tokens=False).ids, schema, i, masks)
        if seconds is not None:
            compiled.append(seconds)
        ours.append(own(options, schema))
    summary("llguidance", len(chosen), compiled, masks)
    ours = [o for o in ours if o]
    print("%-11s %d of %d schemas; compile: mean %.2f ms, most %.1f ms; masks: %d, mean %.1f µs, medians' median %.1f, worst p99 of a schema %.1f" % (
        "bitnet", len(ours), len(chosen), sum(o["compile_ms"] for o in ours) / len(ours), max(o["compile_ms"] for o in ours), sum(o["masks"] for o in ours),
        sum(o["mask_mean_us"] * o["masks"] for o in ours) / sum(o["masks"] for o in ours), sorted(o["mask_p50_us"] for o in ours)[len(ours) // 2],
        max(o["mask_p99_us"] for o in ours)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
