#!/usr/bin/env python3
"""Writes tests/data/tokenizers/patterns.jsonl: split patterns with the pieces that Hugging Face tokenizers (Oniguruma)
cuts texts into. A line is {"pattern", "text", "pieces"}; pieces null: the pattern is refused.

Needs tokenizers from PyPI. Run: tools/make_pattern_cases.py > tests/data/tokenizers/patterns.jsonl"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "diff"))
import families  # noqa: E402
import pipelines  # noqa: E402
import texts  # noqa: E402
from tokenizers import Regex, pre_tokenizers  # noqa: E402

SMALL = r"""\d{1,3}+ 1234567|a{2}+ aaaaab|a{2}? aaaaa|a{,2} aaaaab|a{2,}? aaaaa|(?m). a~b|. a~b|[a[bc]d]+ abcdef|[a-z&&[^aeiou]]+ helloworld
[^a-z&&[^aeiou]]+ helloworld|[\w&&\d]+ ab12|[]a]+ a]b|[a\]]+ a]b|[\[a]+ a[b|[a-]+ a-b|[a\-z]+ a-mz|\u0041 ABA|\x41 ABA|\x{3042} aあ|\h fg|\H fg|\X éa|\O a~b
\p{^L}+ a1;b|\p{Greek} aγ|\p{Letter} a1|\p{Lowercase_Letter} aA|\p{lu} aA|\p{Alphabetic} a1|\p{Any} a1|\p{Emoji} a1😀|\bfoo\b foo.bar_foo.fooé|\B ab.c
(?<=a)b ab|(?<=a|bc)d ad.bcd|a\Kb ab|(?<n>a)\k<n> aab|^a a~a|a$ a~a|\Aa a~a|a\z a~a|\Ga aab|(?i-m:a) A|[[:alpha:]]+ aé1|[[:^alpha:]]+ aé1|[[:word:]]+ aé_1-
[[:punct:]]+ a$,+b|[^\S\n]+ a~b|[\h]+ agf|[^\W\d]+ ab1_|[\x{41}-\x{43}] ABCD|[\p{^L}] a1|[^\P{L}] a1|a{3 a{3|a{x} a{x}|\< a<|\j j|[a&&b] ab|[&&a] a&|[a&b] a&b
[a-c-e] abcde-|[--/] -./|[a[^b]] abc|[^[^a]] ab|\p{Lu}\p{Ll} AbCD|(?i)[A-B] abC|(?s). a~b|[[:foo:]] foo|\p{Foo} a|[z-a] a|a|* a"""


def pieces(pattern, text):
    try:
        return [text[a:b] for _, (a, b) in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)]
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def main():
    cases = [case.split(" ", 1) for line in SMALL.split("\n") for case in line.split("|") if " " in case]
    generator = texts.Texts(11)
    patterns = [getattr(families, name) for name in dir(families) if name.isupper() and isinstance(getattr(families, name), str)]
    for pattern in patterns + pipelines.PATTERNS:
        cases += [(pattern, generator.text()[:60]) for _ in range(4)]
    newer = "\U000105c0\U000105c1 \ua7cb\ua7cd \U0002ebf0漢 \U00031350字 \u1c89\u1c8a \U00010d40\U00010d41 \u0897a"
    for pattern in [r"\p{L}+", r"\p{Han}+", r"\p{Lu}", r"\p{Ll}+", r"\p{N}+", r"\w+", r"[^\p{L}]+", r"\p{M}", r"\P{L}"]:
        cases.append((pattern, newer))
    for pattern in [r"[\w']+", r"[^\w\s]+", r"[\W']+", r"[\p{Word}-]", "[[:word:]]+", "[[:alnum:]]+", "[[:alpha:]]+", "[[:upper:]]+", "[[:lower:]]+", "[[:graph:]]+",
                    "[[:digit:]]+", "[[:^print:]x]", r"\p{Cn}+", r"\P{C}+", r"\p{Assigned}+", r"\p{Emoji}", r"\p{Mc}", r"\p{Mn}", r"[\p{Mn}x]+", r"[^\p{Mn}x]+", r"\P{Mn}+",
                    r"\p{Common}+", r"\p{ID_Continue}+"]:
        cases.append((pattern, newer + " x\u00b2\u00bd\u00be\u00b9\u00b3_' \u0363\u10fc \U0001fadc\u0378\U0001171e-\U00013439"))
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"
    clusters = [flags, "a" + flags[:3], flags[:2] + "\u0301" + flags[2:], flags[:1] + "\u200d" + flags[1:], "\u0600\u2764\u2764\u200d\u2764", "\u2764\u0308\u200d\u2764\u200d\u200d\u2764",
                "\U0001f44d\U0001f3fdx\u0903\u0e33y\r\n\n\u0301\u0600\n", "\u1112\u1161\u11ab\ud55c\u11a8\uae00\u0301\uac00\uac01", "\U000e0001a\U000e0041\u200b\u0301\u1037\u1038", "a\u0897\u0cf3"]
    cases += [(pattern, text) for text in clusters for pattern in [r"\X", r"a?\X{2}"]]
    for pattern, text in cases:
        text = text.replace("~", "\n")
        print(json.dumps({"pattern": pattern, "text": text, "pieces": pieces(pattern, text)}))


main()
