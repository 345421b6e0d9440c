#!/usr/bin/env python3
"""Holds `bitnet template render` against transformers' chat templates on generated templates.

    compare_templates.py --bitnet build/bitnet --work build/diff [--seed N] [--count N]

A template that either side refuses must be refused by both. Exits 1 on differences."""
import argparse
import datetime
import json
import signal
import subprocess
import sys
from pathlib import Path

import templates
from transformers.utils import chat_template_utils

NOW = datetime.datetime(2026, 1, 31, 12, 0, 0)
# What the documentation names as not there, or as printed differently.
LEFT_OUT = ["lipsum", "pprint", "<generator", "<bound method", "<built-in", "<function", " object at 0x", "<class ", "<Macro", "<async", "dict_keys", "dict_values",
            "dict_items", "<Cycler", "<transformers", "<jinja2", "<TemplateReference", "Markup"]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def expected(template, request):
    chat_template_utils.datetime = Clock
    names = dict(request)
    messages = [{k: v for k, v in m.items() if v is not None} for m in names.pop("messages")]
    signal.alarm(3)
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [messages], tools=names.pop("tools", None), documents=names.pop("documents", None), chat_template=template,
            add_generation_prompt=names.pop("add_generation_prompt", False), **names)
        return rendered[0]
    except Exception as error:
        return error
    finally:
        signal.alarm(0)


def found(bitnet, path, request):
    answer = subprocess.run([bitnet, "template", "render", str(path), "--json", "--now", NOW.isoformat()], timeout=60,
                            input=json.dumps(request).encode(), capture_output=True)
    if answer.returncode:
        return RuntimeError(answer.stderr.decode(errors="replace").strip() or f"exit {answer.returncode}")
    return json.loads(answer.stdout)["prompt"]


def alarm(*_):
    raise TimeoutError("the reference takes too long")


def differ(wanted, got):
    if isinstance(wanted, TimeoutError) or isinstance(wanted, (MemoryError, RecursionError)):
        return False
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        return isinstance(wanted, Exception) != isinstance(got, Exception)
    return wanted != got


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", default="build/diff")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--show", type=int, default=30)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, alarm)
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    generator, bad, refused, path = templates.Templates(options.seed), 0, 0, work / "template.jinja"
    for _ in range(options.count):
        template = generator.template()
        if any(word in template for word in LEFT_OUT):
            continue
        wanted = expected(template, templates.INPUT)
        if isinstance(wanted, str) and any(word in wanted for word in LEFT_OUT):
            continue
        path.write_text(template, encoding="utf-8", newline="")
        got = found(options.bitnet, path, templates.INPUT)
        refused += isinstance(wanted, Exception)
        if differ(wanted, got):
            bad += 1
            if bad <= options.show:
                print(f"not ok {template!r}\n      expected {wanted!r:.800}\n      found    {got!r:.800}", flush=True)
    print(f"{options.count} templates ({refused} refused by the reference), {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
