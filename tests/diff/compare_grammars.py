#!/usr/bin/env python3
"""Holds grammars made of JSON schemas against the JSON Schema test suite and the jsonschema package.

    compare_grammars.py --bitnet build/bitnet --work build/diff [--count N] [--outputs N] [--tokens N]

- The test suite (in the source distribution of jsonschema): for every schema that compiles, valid instances are accepted and
  invalid ones refused; fewer than 15 % of the tests are refused with their schema.
- Schemas of our own (schemas.py): all compile; every output of the demo model at temperature 1.5 validates; and of texts near
  these outputs, the grammar accepts those that jsonschema does.
- Schemas in the manner of public collections (compare_families.py).
- Regular expressions, against a JavaScript engine (compare_patterns.py).
- XML documents (compare_xml.py).
Exits 1 on differences."""
import argparse
import collections
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import jsonschema

import schemas

DRAFTS = {"draft2020-12": jsonschema.Draft202012Validator, "draft7": jsonschema.Draft7Validator}


def run(arguments, lines=None):
    done = subprocess.run(arguments, input=lines, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode not in (0, 1):
        sys.exit("%s: exit status %d: %s" % (" ".join(arguments), done.returncode, done.stderr))
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def check(options, schema, texts):
    """Answers for the texts, or the error with which the schema is refused."""
    path = options.work / "schema.json"
    path.write_text(json.dumps(schema))
    answers, _ = run([options.bitnet, "grammar", "check", "demo", "--schema", str(path), "--jsonl"],
                     "".join(json.dumps({"text": t}) + "\n" for t in texts))
    if len(answers) == 1 and "compiles" in answers[0]:
        return None, answers[0]["error"]
    return [a["accepted"] for a in answers], None


def suite_folder(options):
    folder = options.work / "json-schema-suite"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps", "-d", str(options.work), "jsonschema"],
                       check=True)
        with tarfile.open(next(options.work.glob("jsonschema-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
    return next(folder.glob("*/json/tests"))


def compare_suite(options):
    wrong, refused, total = [], collections.Counter(), 0
    for draft in DRAFTS:
        for path in sorted((suite_folder(options) / draft).glob("*.json")):
            for group in json.loads(path.read_text()):
                tests = group["tests"]
                total += len(tests)
                texts = [json.dumps(t["data"], ensure_ascii=i % 2 == 0) for i, t in enumerate(tests)]
                answers, error = check(options, group["schema"], texts)
                if error and "no text satisfies" in error:
                    answers, error = [False] * len(tests), None
                if error:
                    refused[error.split("': ", 1)[-1][:60]] += len(tests)
                    continue
                wrong += [(draft, path.name, group["description"], t["description"]) for t, a in zip(tests, answers) if a != t["valid"]]
    share = sum(refused.values()) / total
    print("test suite: %d tests, %d refused with their schema (%.1f %%), %d wrong" % (total, sum(refused.values()), 100 * share, len(wrong)))
    for reason, n in refused.most_common(12):
        print("  refused: %4d  %s" % (n, reason))
    for case in wrong:
        print("  wrong:", *case)
    return not wrong and share < 0.15


def near(r, value):
    """The value with one thing changed."""
    if isinstance(value, dict) and value:
        out, key = dict(value), r.choice(list(value))
        change = r.randrange(4)
        if change == 0:
            del out[key]
        elif change == 1:
            out["extra"] = r.choice([1, "x", None])
        else:
            out[key] = near(r, out[key])
        return out
    if isinstance(value, list) and value:
        i = r.randrange(len(value))
        return r.choice([value[:i] + value[i + 1:], value + [value[i]], value[:i] + [near(r, value[i])] + value[i + 1:]])
    if isinstance(value, bool) or value is None:
        return r.choice([0, "true", not value])
    if isinstance(value, (int, float)):
        return r.choice([value + 1, -value, value + 0.5, str(value), value * 1000])
    if isinstance(value, str):
        return r.choice([value + "!", value[:-1], value.upper(), 7, value * 3])
    return r.choice([{"a": 1}, [None], 0, ""])


def generate(options, schema, seed):
    path = options.work / "schema.json"
    path.write_text(json.dumps(schema))
    answers, error = run([options.bitnet, "generate", "demo", "-p", "Once upon a time", "--schema", str(path), "--temp", "1.5", "--top-k", "0",
                          "--top-p", "1", "--min-p", "0", "-n", str(options.tokens), "--n", str(options.outputs), "--seed", str(seed), "--json"])
    if not answers:
        sys.exit("%s\n%s" % (error, json.dumps(schema)))
    return [choice["text"] for choice in answers[0].get("choices", answers)]


def compare_own(options):
    good, bad, near_texts, refused = 0, [], 0, []
    for i, schema in enumerate(schemas.schemas(options.count)):
        validator = DRAFTS["draft7" if "draft-07" in schema.get("$schema", "") else "draft2020-12"](
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        _, error = check(options, schema, [])
        if error:
            refused.append((error, json.dumps(schema)))
            continue
        r, texts = random.Random(i), []
        for text in generate(options, schema, i + 1):
            try:
                value = json.loads(text)
                validator.validate(value)
            except ValueError as problem:
                bad.append(("output", text, str(problem), json.dumps(schema)))
                continue
            except jsonschema.ValidationError as problem:
                bad.append(("output", text, problem.message, json.dumps(schema)))
                continue
            good += 1
            texts += [near(r, value) for _ in range(4)] + [value]
        answers, _ = check(options, schema, [json.dumps(t) for t in texts])
        near_texts += len(texts)
        for value, accepted in zip(texts, answers):
            if accepted != validator.is_valid(value):
                bad.append(("near", json.dumps(value), "accepted" if accepted else "refused", json.dumps(schema)))
    print("own schemas: %d, %d refused; outputs: %d validate; texts near them: %d; differences: %d"
          % (options.count, len(refused), good, near_texts, len(bad)))
    for case in refused[:10] + bad[:20]:
        print("  ", *case, sep="\n    ")
    return not bad and not refused


def script(options, name, *arguments):
    path = Path(__file__).with_name(name)
    return subprocess.run([sys.executable, path, "--bitnet", options.bitnet, "--work", options.work, *arguments], check=False).returncode == 0


def compare_xml(options):
    return script(options, "compare_xml.py")


def compare_families(options):
    return script(options, "compare_families.py", "--values", "4")


def compare_patterns(options):
    return script(options, "compare_patterns.py", "--count", "600")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--count", type=int, default=330)
    parser.add_argument("--outputs", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--only", choices=["suite", "own", "families", "patterns", "xml"])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    parts = {"suite": compare_suite, "own": compare_own, "families": compare_families, "patterns": compare_patterns, "xml": compare_xml}
    done = [part(options) for name, part in parts.items() if options.only in (None, name)]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
