#!/usr/bin/env python3
"""Holds `bitnet template render` against transformers' chat templates: on generated templates, and on the templates of
chats/ with generated conversations.

    compare_templates.py --bitnet build/bitnet --work build/diff [--seed N] [--count N] [--conversations N]
    compare_templates.py --bitnet build/bitnet --work build/diff --published build/diff/published

A template that either side refuses must be refused by both. Exits 1 on differences."""
import argparse
import datetime
import json
import signal
import subprocess
import sys
from pathlib import Path

import conversations
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
            add_generation_prompt=names.pop("add_generation_prompt", False),
            continue_final_message=names.pop("continue_final_message", False), **names)
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


class Comparison:
    def __init__(self, options):
        self.options, self.total, self.bad, self.refused = options, 0, 0, 0

    def check(self, name, path, template, request):
        wanted = expected(template, request)
        if isinstance(wanted, str) and any(word in wanted for word in LEFT_OUT):
            return
        got = found(self.options.bitnet, path, request)
        self.total += 1
        self.refused += isinstance(wanted, Exception)
        if not differ(wanted, got):
            return
        self.bad += 1
        if self.bad <= self.options.show:
            print(f"not ok {name}\n      expected {wanted!r:.1500}\n      found    {got!r:.1500}", flush=True)


def compare_generated(options):
    comparison, generator = Comparison(options), templates.Templates(options.seed)
    path = Path(options.work) / "template.jinja"
    for _ in range(options.count):
        template = generator.template()
        if any(word in template for word in LEFT_OUT):
            continue
        path.write_text(template, encoding="utf-8", newline="")
        comparison.check(repr(template), path, template, templates.INPUT)
    print(f"{comparison.total} templates ({comparison.refused} refused by the reference), {comparison.bad} differ")
    return comparison.bad


def published_templates(folder, work):
    """Out of each tokenizer_config.json below the folder; where there are several, they have names."""
    for path in sorted(Path(folder).glob("*/tokenizer_config.json")):
        given = json.loads(path.read_text(encoding="utf-8")).get("chat_template") or []
        for entry in [{"name": "default", "template": given}] if isinstance(given, str) else given:
            file = Path(work) / f"{path.parent.name}-{entry['name']}.jinja"
            file.write_text(entry["template"], encoding="utf-8", newline="")
            yield file


def compare_chats(options, paths):
    bad = 0
    for path in paths:
        comparison, generator = Comparison(options), conversations.Conversations(f"{options.seed} {path.stem}")
        template = path.read_text(encoding="utf-8")
        for _ in range(options.conversations):
            request = generator.request()
            comparison.check(f"{path.stem} of {json.dumps(request)}", path, template, request)
        print(f"{path.stem}: {comparison.total} conversations ({comparison.refused} refused by the reference), {comparison.bad} differ", flush=True)
        bad += comparison.bad
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", default="build/diff")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=3000, help="generated templates")
    parser.add_argument("--conversations", type=int, default=200, help="conversations for each template of chats/")
    parser.add_argument("--published", metavar="FOLDER", help="only the templates of the tokenizers in FOLDER (published.py)")
    parser.add_argument("--show", type=int, default=30)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, alarm)
    Path(options.work).mkdir(parents=True, exist_ok=True)
    if options.published:
        return 1 if compare_chats(options, published_templates(options.published, options.work)) else 0
    bad = compare_chats(options, sorted((Path(__file__).parent / "chats").glob("*.jinja")))
    bad += compare_generated(options)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
