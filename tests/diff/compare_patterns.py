#!/usr/bin/env python3
"""Holds regular expressions against a JavaScript engine (node), which defines what a schema's pattern means.

    compare_patterns.py --bitnet build/bitnet --work build/diff [--count N] [--seed N] [--show N]

Expressions drawn at random (classes, repetition, groups, anchors, look-ahead and look-behind wherever they may stand, word boundaries,
case) are searched for in short random texts; both must answer alike. Those that are refused are counted. Exits 1 on differences. Does
nothing where there is no node."""
import argparse
import collections
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

LETTERS = "abA-_ 1."
NODE = """const lines = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse);
for (const {pattern, flags, texts} of lines) {
  let e = null;
  try { e = new RegExp(pattern, flags); } catch (problem) { }
  console.log(JSON.stringify(e && texts.map(t => e.test(t))));
}"""


def atom(r, depth):
    kind = r.randrange(9 if depth else 5)
    if kind < 2:
        return r.choice(["a", "b", "A", "1", "-", "_", "\\.", " "])
    if kind == 2:
        return r.choice(["\\w", "\\d", "\\s", "\\W", ".", "[^a]", "[ab]", "[a-z]", "[^\\w]", "[-_1]"])
    if kind == 3:
        return r.choice(["\\b", "\\B", "\\b", "^", "$"])
    if kind == 4:
        return r.choice(["a", "b"])
    inside = alternatives(r, depth - 1)
    if kind == 5:
        return "(?%s%s)" % (r.choice(["=", "!"]), inside)
    if kind == 6:
        return "(?<%s%s)" % (r.choice(["=", "!"]), r.choice(["a", "b+", "\\w", "^a", "a|-", "[ab]{2}", "a.*b", "^", "1$"]))
    return "(%s%s)" % (r.choice(["", "?:"]), inside)


def concat(r, depth):
    out = ""
    for _ in range(r.randint(0 if r.random() < 0.1 else 1, 3)):
        one = atom(r, depth)
        assertion = one in ("\\b", "\\B", "^", "$") or one[:3] in ("(?=", "(?!", "(?<")
        out += one + ("" if assertion or r.random() < 0.6 else r.choice(["*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?"]))
    return out


def alternatives(r, depth):
    return "|".join(concat(r, depth) for _ in range(r.choice([1, 1, 1, 2, 3])))


def near(r):
    return "".join(r.choice(LETTERS) for _ in range(r.choice([0, 1, 2, 3, 4, 5, 6, 9])))


def cases(options):
    r = random.Random(options.seed)
    for _ in range(options.count):
        pattern = alternatives(r, 3)
        yield {"pattern": r.choice([pattern, "^%s$" % pattern, "^(?:%s)$" % pattern, "^" + pattern]), "flags": "ui" if r.random() < 0.15 else "u",
               "texts": sorted({near(r) for _ in range(40)})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    if not shutil.which("node"):
        print("skipped: there is no node")
        return 0
    options.work.mkdir(parents=True, exist_ok=True)
    all_cases = list(cases(options))
    answers = subprocess.run(["node", "-e", NODE], input="\n".join(json.dumps(c) for c in all_cases), capture_output=True, text=True, check=True).stdout.splitlines()
    path, refused, wrong, n = options.work / "pattern.json", collections.Counter(), [], collections.Counter()
    for case, wanted in zip(all_cases, map(json.loads, answers)):
        if wanted is None:
            continue
        path.write_text(json.dumps({"type": "string", "pattern": ("(?i)" if "i" in case["flags"] else "") + case["pattern"]}))
        done = subprocess.run([options.bitnet, "grammar", "check", "demo", "--schema", str(path), "--jsonl"], capture_output=True, text=True, check=False,
                              input="".join(json.dumps({"text": json.dumps(t)}) + "\n" for t in case["texts"]))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if lines and "compiles" in lines[0]:
            if "no text satisfies" in lines[0]["error"]:
                lines = [{"accepted": False}] * len(wanted)
            else:
                refused[lines[0]["error"].split("': ", 1)[-1][:60]] += 1
                continue
        for text, match, line in zip(case["texts"], wanted, lines, strict=True):
            n[match] += 1
            if line.get("accepted") != match:
                wrong.append((case["pattern"], case["flags"], text, "matches" if match else "doesn't match"))
    print("expressions: %d, refused: %d; texts that match: %d, that don't: %d; differences: %d" % (len(all_cases), sum(refused.values()), n[True], n[False], len(wrong)))
    for reason, count in refused.most_common(10):
        print("  refused: %3d  %s" % (count, reason))
    for case in wrong[:options.show]:
        print("  wrong:", *map(repr, case))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
