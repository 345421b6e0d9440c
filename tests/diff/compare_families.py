#!/usr/bin/env python3
"""Holds schemas in the manner of public collections (families_of_schemas.py, families_of_large_schemas.py, families_of_big_schemas.py)
against the jsonschema package.

    compare_families.py --bitnet build/bitnet --work build/diff [--values N] [--only FAMILY] [--show N] [--folder DIR]

For every schema that compiles, values drawn from it and values near them, written in random ways (order of members, white space,
escapes, 1.0 for 1), are accepted if and only if jsonschema finds them valid. Refused schemas are counted by reason. --folder: schemas
from files DIR/*.json instead. Exits 1 on differences."""
import argparse
import collections
import fractions
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import jsonschema

import families_of_big_schemas
import families_of_large_schemas
import families_of_schemas
import instances

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(r"%s(?:\.%s)*\Z" % (LABEL, LABEL))
PLAIN = r"[^\s<>\"{}|\\^`#\x80-\U0010ffff]*"
CHECKER = jsonschema.FormatChecker(formats=("date", "ipv4", "ipv6", "uuid"))
# by the RFCs; jsonschema itself needs further packages for them, or takes anything with an @
PATTERNS = {"time": r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
            "duration": r"P(?!\Z)((\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)?(T(?=\d)(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?|\d+W)",
            "email": r"[A-Za-z0-9!#$%%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%%&'*+/=?^_`{|}~-]+)*@%s(\.%s)*" % (LABEL, LABEL),
            "uri": r"[A-Za-z][A-Za-z0-9+.-]*:%s(#%s)?" % (PLAIN, PLAIN), "uri-reference": r"%s(#%s)?" % (PLAIN, PLAIN),
            "iri": r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*", "iri-reference": r"[^\s<>\"{}|\\^`]*",
            "idn-email": r"[^\s\"(),:;<>@\[\\\]\x00-\x1f]+@[^\s!-,/:-@\[-^`{-\x7f]+",
            "uri-template": r"([^\x00-\x20\"'%<>\\^`{|}\x7f]|%[0-9A-Fa-f]{2}|\{[+#./;?&=,!@|]?VAR(,VAR)*\})*".replace("VAR", r"([A-Za-z0-9_.]|%[0-9A-Fa-f]{2})+(:[1-9]\d{0,3}|\*)?"),
            "json-pointer": r"(/([^~/]|~[01])*)*", "relative-json-pointer": r"(0|[1-9]\d*)(#|(/([^~/]|~[01])*)*)"}
for name, expression in PATTERNS.items():
    CHECKER.checks(name)(lambda v, e=re.compile(expression, re.S | re.A): not isinstance(v, str) or e.fullmatch(v) is not None)
CHECKER.checks("hostname")(lambda v: not isinstance(v, str) or (HOST.match(v) is not None and len(v) <= 253))


def is_date_time(v):
    if not isinstance(v, str):
        return True
    return (len(v) > 11 and v[10] in "Tt" and v.isascii() and CHECKER.conforms(v[:10], "date") and v[4] == "-" and CHECKER.conforms(v[11:], "time"))


def is_regex(v):
    try:
        return not isinstance(v, str) or re.compile(v) is not None
    except (re.error, OverflowError):
        return False


CHECKER.checks("regex")(is_regex)
CHECKER.checks("date-time")(is_date_time)


def search(pattern):
    """As ECMA-262 reads it: $ is the very end, \d and \w are ASCII."""
    out, in_class, escaped = "", False, False
    for c in pattern:
        out += r"\Z" if c == "$" and not in_class and not escaped else c
        in_class = not escaped and (c == "[" or (in_class and c != "]")) or (escaped and in_class)
        escaped = c == "\\" and not escaped
    return re.compile(out, re.A)


def has_pattern(validator, pattern, value, schema):
    if isinstance(value, str) and not search(pattern).search(value):
        yield jsonschema.ValidationError("%r doesn't match %r" % (value, pattern))


def is_multiple(validator, step, value, schema):
    """Exact: the numbers that are written, not those that are nearest to them in binary."""
    if validator.is_type(value, "number") and fractions.Fraction(repr(value)) % fractions.Fraction(repr(step)):
        yield jsonschema.ValidationError("%r isn't a multiple of %r" % (value, step))


def write(r, value):
    """The value as JSON, in one of many ways."""
    if isinstance(value, dict):
        pairs = ["%s%s:%s" % (write(r, k), space(r), space(r) + write(r, v)) for k, v in value.items()]
        r.shuffle(pairs)
        return "{" + space(r) + ("%s,%s" % (space(r), space(r))).join(pairs) + space(r) + "}"
    if isinstance(value, list):
        return "[" + space(r) + ("%s,%s" % (space(r), space(r))).join(write(r, v) for v in value) + space(r) + "]"
    if isinstance(value, str):
        out = json.dumps(value, ensure_ascii=r.random() < 0.5)
        return out.replace("a", "\\u0061") if r.random() < 0.1 and "\\u" not in out else out.replace("/", "\\/") if r.random() < 0.3 else out
    return json.dumps(value)


def space(r):
    return r.choice(["", "", "", " ", "\n  ", "\t", "\r\n"])


def compiles(options, path, texts):
    begun = time.monotonic()
    done = subprocess.run([options.bitnet, "grammar", "check", "demo", "--schema", str(path), "--jsonl"], capture_output=True, check=False,
                          timeout=300, input="".join(json.dumps({"text": t}) + "\n" for t in texts).encode())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 1) or len(answers) not in (1, len(texts)):
        sys.exit("%s: exit status %d: %s" % (path, done.returncode, done.stderr.decode(errors="replace")))
    if answers and "compiles" in answers[0]:
        return None, answers[0]["error"], time.monotonic() - begun
    return [a.get("accepted", a.get("error")) for a in answers], None, time.monotonic() - begun


def validator_of(schema):
    dialect = schema.get("$schema", "") if isinstance(schema, dict) else ""
    kind = (jsonschema.Draft3Validator if "draft-03" in dialect else jsonschema.Draft4Validator if "draft-04" in dialect else jsonschema.Draft6Validator if "draft-06" in dialect else
            jsonschema.Draft7Validator if "draft-07" in dialect or dialect.endswith(".org/schema#") else jsonschema.Draft201909Validator if "2019" in dialect else
            jsonschema.Draft202012Validator)
    own = {"pattern": has_pattern, **({} if "draft-03" in dialect else {"multipleOf": is_multiple})}
    if kind is jsonschema.Draft202012Validator and "2020-12" not in dialect:  # no draft is named: the older keyword counts, too
        own["dependencies"] = jsonschema.Draft7Validator.VALIDATORS["dependencies"]
    return jsonschema.validators.extend(kind, own)(schema, format_checker=CHECKER)


def schemas_of(options):
    if not options.folder:
        yield from families_of_schemas.families(options.seed)
        yield from families_of_large_schemas.families(options.seed)
        yield from families_of_big_schemas.families(options.seed)
        return
    for path in sorted(options.folder.rglob("*.json")):
        yield path.name, json.loads(path.read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--values", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    path, total, slow = options.work / "family.json", collections.Counter(), []
    refused, examples, wrong = collections.Counter(), {}, []
    for i, (name, schema) in enumerate(schemas_of(options)):
        if options.only and name != options.only:
            continue
        path.write_text(json.dumps(schema))
        validator, r, values = validator_of(schema), random.Random(i), []
        for _ in range(options.values if path.stat().st_size < 30000 else 3):  # jsonschema takes its time
            values.append(instances.value(r, schema, schema))
            values += [instances.near(r, values[-1]), instances.near(r, instances.near(r, values[-1]))]
        try:
            wanted = [validator.is_valid(v) for v in values]
        except Exception as problem:  # of the reference: a pattern that Python doesn't have, a reference that it doesn't follow
            total["without an answer"] += 1
            wanted = [None] * len(values)
            if options.show > 50:
                print("  no answer:", name, str(problem)[:150])
        answers, error, seconds = compiles(options, path, [write(r, v) for v in values])
        slow.append((seconds, name, len(json.dumps(schema))))
        total["schemas"] += 1
        if error:
            reason = re.sub(r"'[^']*'", "'…'", error.split("': ", 1)[-1])[:90]
            refused[reason] += 1
            examples.setdefault(reason, (name, error, json.dumps(schema)[:200]))
            continue
        for value, valid, accepted in zip(values, wanted, answers):
            if valid is None:
                continue
            total["valid" if valid else "invalid"] += 1
            if isinstance(accepted, str) and "MiB" in accepted:  # hundreds of required members in any order: documented, and no accept
                total["given up"] += 1
            elif accepted != valid:
                wrong.append((name, "accepted" if accepted else "refused", json.dumps(value)[:300], json.dumps(schema)[:600]))
    print("schemas: %d, refused: %d; texts: %d valid, %d invalid; differences: %d; given up for want of memory: %d; without an answer of jsonschema: %d" % (
        total["schemas"], sum(refused.values()), total["valid"], total["invalid"], len(wrong), total["given up"], total["without an answer"]))
    for reason, n in refused.most_common():
        print("  refused: %3d  %s\n      %s" % (n, reason, " | ".join(examples[reason])))
    for case in wrong[:options.show]:
        print("  wrong:", *case, sep="\n      ")
    print("  slowest: " + ", ".join("%.2f s (%s, %d bytes)" % t for t in sorted(slow)[:-4:-1]))
    return 1 if wrong or 200 * total["given up"] > total["valid"] + total["invalid"] else 0


if __name__ == "__main__":
    sys.exit(main())
