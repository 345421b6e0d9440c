#!/usr/bin/env python3
"""Writes tests/data/templates/extra.jsonl: small templates with what jinja2 makes of them in the environment that
transformers uses for chat templates. Needs jinja2 3.1. A line is {"template", "input", "prompt"} or {…, "error": true}.

Run: tools/make_template_cases.py > tests/data/templates/extra.jsonl"""
import datetime
import itertools
import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

INPUT = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Héllo wörld, it's me \n"},
                 {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, None]}}}]}],
    "n": 7, "f": 2.5, "s": "Straße  and ΌΣΟΣ", "xs": [3, 1, 2, 3], "d": {"b": 2, "a": 1, "C": {"x": [0, "y"]}}, "e": "", "z": None,
    "people": [{"name": "Ann", "age": 31, "tags": ["x"]}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 31, "home": {"city": "X"}}],
}

# Expressions by subject; each becomes {{ expression }}.
EXPRESSIONS = {
    "numbers": """
7 // 2|-7 // 2|7 // -2|-7 // -2|7 % 3|-7 % 3|7 % -3|-7 % -3|7.5 // 2|-7.5 // 2|7.5 % -2|-7.5 % 2|0.0 // -1|1e300 * 1e10|2 ** 0.5|2 ** -2|(-8) ** 3
0 ** 0|0 ** -1|1 / 3|10 / 5|1 / 0|1 // 0|1 % 0|1.0 % 0|2 ** 63|2 ** 64 - 1|-(2 ** 63)|-(2 ** 63) - 1|2 ** 100 // 7 ** 20|2 ** 100 % 7 ** 20
-(2 ** 100) // 7 ** 20|-(2 ** 100) % 7 ** 20|2 ** 100 // -(7 ** 20)|2 ** 200 // (2 ** 100 + 1)|10 ** 40 // 10 ** 20|10 ** 40 % (10 ** 20 + 3)|(10 ** 30) * (10 ** 30)
123456789 ** 9|(2 ** 130) // (2 ** 65 - 1)|(2 ** 128 - 1) // (2 ** 64 - 1)|(2 ** 128 - 1) % (2 ** 64 + 1)|2 ** 64 > 2 ** 63|2 ** 64 == 2.0 ** 64|2 ** 64 + 1 == 2.0 ** 64|2 ** 64 < 1e30
9223372036854775807 + 1|-9223372036854775807 - 2|9223372036854775807 * 9223372036854775807|4611686018427387904 * 2|(2 ** 70) / (2 ** 68)|2 ** 1000 / 3|(2 ** 70) * 1.0|float(3)
1_000|0x_ff|0b1_0|0o17|1e3|1E-3|1.5e+3|1_0.5|007|0|00|1e22|1e21|123456789012345678|0.1|1e15|1e16|1e17|1.0e5|0.0001|0.00001|5e-324|1.7976931348623157e308|-0.0
0.1 + 0.2|1e23|2.5e-5|100.0|3.0 * 2|7 - 2.0|true + true|true * 3|-true|+5|+2.5|--5|- 5|-n ** 2|+ 'a'|- 'a'|1 + none|1 < 'a'|1 == '1'|none < 1|1.5 == 1.5|1 == true|n / 2|n // 2.0
1 < 2 < 3|3 > 2 > 2|1 < 3 > 2|1 == 1.0 == true|not 1 < 2|2 in xs|9 not in xs|'a' in 'abc'|1 in 'abc'|'' in ''|'b' in d|none in [none]|1.0 in xs|[1] in [[1]]|(1, 2) == (1, 2)|(1, 2) < (1, 3)
[1, 2] < [1, 'a']|'a' < 'B'|'é' > 'z'|[] < [1]|{'a': 1} == {'a': 1.0}|{'a': 1} < {'a': 2}|range(3) == range(0, 3)|undefined_x == undefined_y|undefined_x < 1|undefined_x in [1]|1e400|-1e400|1e400 - 1e400
""",
    "number filters": """
2.5 | round|3.5 | round|-2.5 | round|2.675 | round(2)|1.005 | round(2)|1234.567 | round(-2)|1250 | round(-2)|1350 | round(-2)|-1250 | round(-2)|5 | round|2.1 | round(0, 'ceil')|-2.1 | round(method='floor')|2.123 | round(2, 'ceil')
12345.6 | round(-2, 'floor')|7 | round(1, 'ceil')|1e20 | round|2.5 | round(1, 'x')|'2' | round|-5 | abs|-5.5 | abs|true | abs|'x' | abs|z | abs|'42' | int|' 42 ' | int|'-42' | int|'+7' | int|'4_2' | int|'4__2' | int
'_42' | int|'0x1A' | int|'0x1A' | int(0, 16)|'1A' | int(base=16)|'0b11' | int(0, 2)|'0o17' | int(0, 8)|'0x1A' | int(0, 0)|'z' | int(5, 36)|'3.99' | int|'-3.99' | int|'1e3' | int|'inf' | int|'nan' | int(4)|'' | int|none | int
none | int(3)|[] | int|2.9 | int|-2.9 | int|1e20 | int|1e400 | int|true | int|undefined_x | int|'3.5' | float|' 3.5 ' | float|'1_0.5' | float|'inf' | float|'-Infinity' | float|'nan' | float|'x' | float|'x' | float(1)|none | float
'0x10' | float|3 | float|true | float|1000 | filesizeformat|1 | filesizeformat|0 | filesizeformat|999 | filesizeformat|1000000 | filesizeformat|1024 | filesizeformat(true)|1048576 | filesizeformat(binary=true)|1e30 | filesizeformat|'12' | filesizeformat
'%d' % 3.9|'%d' % -3.9|'%d' % true|'%d' % 'a'|'%i|%u' % (1, 2)|'%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5)|'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)|'%x' % -255|'%.3d' % 5|'%8.3d|' % 5|'%e %E' % (12345.678, 0.00012)|'%g %G' % (1e-10, 1e20)|'%g' % 100000
'%g' % 1000000|'%#g' % 1|'%f' % 1e10|'%.0f %.1f %.10f' % (2.5, 0.25, 0.1)|'%10.2f|%-10.2f|%010.2f|%+.1f' % (3.14159, 3.14159, -3.14159, 2)|'%s' % 1.0|'%s' % none|'%s %s' % ('a', [1, 'b'])|'%r' % 'a\\'b'|'%r' % 'é'|'%5s|%-5s|%.2s' % ('ab', 'cd', 'efg')
'%c%c' % (65, 'b')|'%c' % 'ab'|'%%' % ()|'%' % 1|'%y' % 1|'%s' % ()|'%s' % (1, 2)|'a' % 1|'a' % []|'a' % {}|'a' % ''|'%(a)s %(b)05d' % {'a': 1, 'b': 2}|'%(x)s' % {'a': 1}|'%(a)s' % 1|'%*d|%-*d|%.*f' % (5, 1, 5, 2, 2, 3.14159)|'%s' % (1,)|'%s' % [1, 2]|'%s' % {'a': 1}
'%d %s' % (2 ** 70, 'x')|'%x' % 2 ** 70|'%d' % 1e20|'%ld' % 5|'%5%|' % ()|'%s %s' % 'ab'|'%-05d|' % 3|'%+s' % 1|'%05s' % 'ab'|'%f' % 'a'|'%f' % 1e400|'%d' % 1e400|'%5.1f%%' % 12.345
""",
    "format": """
'{}'.format(1)|'{} {}'.format('a', 2)|'{0} {1} {0}'.format('a', 'b')|'{a} {b}'.format(a=1, b=[2])|'{} {0}'.format(1)|'{0} {}'.format(1)|'{2}'.format(1)|'{x}'.format()|'{{}} {}'.format(1)|'{'.format()|'}'.format()|'{!r} {!s}'.format('a', 'b')|'{!x}'.format(1)
'{:>5}|{:<5}|{:^5}|{:*^6}|'.format('a', 'b', 'c', 'd')|'{:5}|{:5}|'.format('a', 1)|'{:05d} {:+d} {: d} {:,} {:_}'.format(42, 42, 42, 1234567, 1234567)|'{:x} {:X} {:#x} {:o} {:#o} {:b} {:#b} {:c}'.format(255, 255, 255, 8, 8, 5, 5, 65)|'{:.2f} {:10.3f}| {:<10.1f}| {:+.1f} {:e} {:.1e} {:g} {:G} {:%} {:.0%}'.format(3.14159, 2.5, 1.25, 3, 12345.678, 0.001, 1e-7, 1e20, 0.5, 0.256)
'{:.3}'.format('abcdef')|'{:.3}'.format(3.14159)|'{:.3}'.format(1234567.0)|'{}'.format(1.0)|'{:}'.format(none)|'{:5}'.format(none)|'{:d}'.format(1.5)|'{:s}'.format(1)|'{:d}'.format('a')|'{:.2d}'.format(1)|'{:.2f}'.format(1)|'{:,.2f}'.format(1234567.891)|'{:010,d}'.format(1234)|'{:_x}'.format(123456789)
'{0.x} {0[y]} {0[y][1]}'.format({'x': 1, 'y': [2, 3]})|'{0[a]}'.format({'a': 1})|'{0[0]} {0[-1]}'.format([1, 2])|'{:{}}|'.format('a', 5)|'{:>{w}.{p}f}|'.format(3.14159, w=8, p=2)|'{:5}'.format(true)|'{:d}'.format(true)|'{}'.format(undefined_x)|'{0.__class__}'.format(1)|'{:é>5}'.format('a')|'{:=5}'.format(-3)|'{:=5}'.format('a')
'{a}'.format_map({'a': 5})|'{:n}'.format(12)|'{:>5}'.format([1])|'{:#.0f}'.format(1)|'{:08.3f}'.format(-3.5)|'{:+08.2f}'.format(3.5)|'{:^+9.2f}|'.format(3.5)|'{: }'.format(4)|'{:.0f} {:.0f}'.format(0.5, 1.5)|'%s' | format('x')|'%s %d' | format('x', 3)|'%(a)s' | format(a=3)|'%s' | format(1, a=2)
""",
    "text filters": """
s | upper|s | lower|s | title|s | capitalize|'they\\'re bill\\'s' | title|'they\\'re'.title()|'foo-bar (baz) [q] <z> {w}' | title|'ǆ ŉ ß ﬁ' | title|'ǆ ŉ ß ﬁ'.title()|'İI' | lower|'ΑΣ ΑΣΑ Σ ΑΣ.'.lower()|'ΑΣ\\u0301' | lower|'ß'.casefold()|'ẞ' | lower|'aBc'.swapcase()|'ßﬁ'.swapcase()|42 | upper|none | upper|true | lower|[1, 'A'] | lower
'  a ' | trim|'xxaxx' | trim('x')|'\\u00a0a\\u2003' | trim|5 | trim|'abc' | trim('')|'a b' | trim(none)|'aXbX' | replace('X', '-')|'aXbX' | replace('X', '-', 1)|'abc' | replace('', '-')|'abc' | replace('', '-', 2)|'' | replace('', 'x')|'a1b' | replace(1, 2)|55 | replace(5, 'x')|'a' | replace('b')|'aaa' | replace('aa', 'b')
'abc' | center(10) ~ '|'|'abcd' | center(9) ~ '|'|'abc' | center(2)|'é' | center(5) ~ '|'|5 | center(4) ~ '|'|'<a href=\"x\">&\\'' | e|'<b>' | e | e|('<b>' | e) ~ '<i>'|('<b>' | safe) + '<i>'|'<i>' + ('<b>' | safe)|('<b>' | safe) | string|[('x' | safe)]|'<b>' | forceescape|('<b>' | safe) | forceescape|('%s' | safe) % '<i>'|('a' | safe) * 2|('<x>' | safe).upper() + '<'
'<p>a <!-- c --> <b>b</b>  &amp; c</p>' | striptags|'a < b' | striptags|'one two  three' | wordcount|'a-b c_d e.f é' | wordcount|'' | wordcount|'a\\nb\\n\\nc' | indent|'a\\nb\\n\\nc' | indent(2)|'a\\nb\\n\\nc' | indent(2, true)|'a\\nb\\n\\nc' | indent(2, blank=true)|'a\\nb' | indent('> ', first=true)|'a\\n' | indent|'' | indent(first=true)|'\\n\\n' | indent(2, false, true)|5 | indent|'a\\r\\nb' | indent(1)
'foo bar baz qux' | truncate(9)|'foo bar baz qux' | truncate(9, true)|'foo bar baz qux' | truncate(11)|'foo bar baz qux' | truncate(11, false, '...', 0)|'foo bar baz qux' | truncate(5, end='')|'abcdefghij' | truncate(4)|'abcdefghij' | truncate(4, leeway=0)|'abc' | truncate(2)|'aé日本語 xyz' | truncate(5, true, '', 0)|'' | truncate|5 | truncate
'a b/c?d=é&f~g' | urlencode|{'a b': 'c/d', 'e': 1} | urlencode|[('x', 'y z')] | urlencode|5 | urlencode|none | urlencode|{'class': 'a', 'x': none, 'y': '<'} | xmlattr|{'a': 1} | xmlattr(false)|{'a b': 1} | xmlattr|'it is a test of wrapping words' | wordwrap(10)|'averyverylongword is here' | wordwrap(6)|'averyverylongword is here' | wordwrap(6, false)|'a well-known half-baked idea' | wordwrap(8)
'a well-known idea' | wordwrap(8, break_on_hyphens=false)|'x\\n\\ny z' | wordwrap(1)|'  lead and trail  ' | wordwrap(6)|'aa bb' | wordwrap(3, wrapstring='~')|'abc' | wordwrap(0)|s | length|'👩‍👩‍👧' | length|s | reverse|'añ𝄞' | reverse|s | first|s | last|'' | first|s | list|'ab' | string|5 | string + 'x'|'abc' | unique | list|'cab' | sort|'cab' | sort | join|'abc' | map('upper') | join('-')|'abc' | batch(2) | list|'abc' | max
'a' 'b' \"c\"|'a\\tb\\\\c\\x41\\u00e9\\U0001F600\\101\\0z'|'\\q\\''|'a\\
b'|\"it's\"|'a' ~ 1 ~ 2.0 ~ none ~ [1] ~ {'a': 'b'}|'a' + 1|1 ~ 2|1 + 2 ~ 3|'ab' * 3|3 * 'ab'|'ab' * -1|'ab' * 1.5|'a' - 'b'|'x' * true
""",
    "methods": """
'a,b,,c'.split(',')|'a,b,,c'.split(',', 1)|'a,b,c'.split(',', -1)|' a  b '.split()|' a  b  c '.split(none, 1)|' a  b  c '.rsplit(none, 1)|'a,b,c'.rsplit(',', 1)|'a,b'.split(sep=',')|'a b c'.split(maxsplit=1)|''.split()|''.split(',')|'abc'.split('')|'aXXbXXc'.split('XX')|'aXXbXXc'.rsplit('XX', 1)|'aXXX'.rsplit('XX')|'a b'.split(1)
'a\\nb\\r\\nc\\rd\\x0be\\u2028f'.splitlines()|'a\\nb\\n'.splitlines(true)|''.splitlines()|'\\n'.splitlines()|'a\\n\\nb'.splitlines(keepends=true)|'k=v=w'.partition('=')|'k=v=w'.rpartition('=')|'kv'.partition('=')|'kv'.rpartition('=')|'kv'.partition('')|'  x '.strip()|'xxaxx'.strip('x')|'abcba'.lstrip('ab')|'abcba'.rstrip('ab')|'x'.strip(none)|'aéa'.strip('a')|'éaé'.strip('é')
'hello'.find('l')|'hello'.rfind('l')|'hello'.find('l', 3)|'hello'.find('l', -2)|'hello'.find('h', 1)|'hello'.find('z')|'hello'.index('z')|'hello'.index('l', 0, 3)|'hello'.count('l')|'hello'.count('')|'aaaa'.count('aa')|'añb'.find('b')|'añb'.rfind('b')|'hello'.find('')|'hello'.rfind('')|'hello'.find('', 9)|'hello'.startswith('he')|'hello'.startswith(('x', 'he'))|'hello'.startswith('l', 2)|'hello'.endswith('lo')
'hello'.endswith(('x', 'y'))|'hello'.endswith('l', 0, 4)|'hello'.startswith('')|'hello'.startswith(1)|'hello'.startswith(['h'])|'a.b'.removeprefix('a.')|'a.b'.removesuffix('.b')|'a.b'.removesuffix('')|'ab'.replace('a', 'x')|'aaa'.replace('a', 'b', 2)|'aaa'.replace('a', 'b', -1)|'ab'.replace('', '-')|'ab'.replace('a')|'-'.join(['a', 'b'])|'-'.join('abc')|'-'.join([1])|'-'.join([])|''.join(d)|'-'.join(1)
'42'.zfill(5)|'-42'.zfill(5)|'+4'.zfill(4)|'abc'.zfill(2)|''.zfill(3)|'a'.ljust(3, '.')|'a'.rjust(3)|'a'.center(4, '*')|'ab'.center(5, '*')|'a'.ljust(3, 'xy')|'é'.rjust(3, 'ü')|'a\\tb\\tc'.expandtabs()|'a\\tb'.expandtabs(4)|'ab\\n\\tc'.expandtabs(4)|'\\t'.expandtabs(0)|'abc'.isalpha()|'ab1'.isalpha()|''.isalpha()|'ab1'.isalnum()|'½'.isalnum()|'²'.isdigit()|'²'.isdecimal()|'½'.isnumeric()|'一'.isnumeric()|'٣'.isdecimal()
'a b'.isspace()|' \\t\\u00a0'.isspace()|'abc'.islower()|'aBc'.islower()|'123'.islower()|'a1'.islower()|'ABC'.isupper()|'A1'.isupper()|'ǅ'.isupper()|'ª'.islower()|'Ⅷ'.isupper()|'Hello World'.istitle()|'Hello world'.istitle()|'They\\'re'.istitle()|'abc'.isidentifier()|'1a'.isidentifier()|'é'.isidentifier()|'a\\n'.isprintable()|''.isprintable()|'é'.isascii()|''.isascii()|'abc'.nomethod()|'abc'.upper|'abc'.__class__|'abc'._x is defined
d.keys()|d.values()|d.items()|d.items() | list|d.get('a')|d.get('q')|d.get('q', 5)|d.get('q', default=5)|d.get()|d.copy()|d.pop('a')|d.update({})|d.setdefault('a', 1)|d.clear()|d.popitem()|d.items|d.nothing|d.nothing.more|d['a']|d['q']|d['items'] is defined|d.C.x[1]|d['C']['x'][0]|d.C.x.1|{1: 'a'}[1]|{1: 'a'}[1.0]|{1: 'a'}[true]|{(1, 2): 'a'}[1, 2]|{'a': 1, 'a': 2}|{[1]: 2}
xs.index(2)|xs.index(9)|xs.count(3)|xs.append(1)|xs.copy()|xs.pop|xs.sort()|(1, 2, 1).count(1)|(1, 2).index(2)|(1, 2).append|xs[0]|xs[-1]|xs[9]|xs[9].x|xs['0']|xs['append']|xs[1.0]|xs[true]|xs.0|range(5).start|range(5)[1]|range(5)[-1]|range(5)[9]|range(10)[2:8:3]|range(3) | list|range(0)|range(1, 2, 3)|range(1, 2, 0)|range('a')|range(5, 0, -2) | list|range(3) | length|none.x|none['x']|none.x.y|(1.5).x
""",
    "views": """
d.keys() not in {}|d.keys() in {}|d.keys() in d|d.keys() in d.keys()|d.items() in d|d.values() in {}|d.values() in d|d.keys() in d.values()|d.keys() in [d.keys()]|{d.keys(): 1}|{d.values(): 1} | length|{d.items(): 1}|(d.keys(), 1) in d
d.keys() == d.keys()|d.keys() == {'a': 3, 'C': 1, 'b': 1}.keys()|d.keys() == {'a': 1}.keys()|d.values() == d.values()|d.items() == d.items()|d.items() == dict(d).items()|{}.keys() == {}.items()|d.keys() == d.items()|d.keys() != d.keys()|d.keys() == ['b', 'a', 'C']
{'a': 1}.keys() < d.keys()|{'q': 1}.keys() < d.keys()|d.keys() <= d.keys()|d.keys() < d.keys()|d.keys() > {'a': 1}.keys()|d.keys() >= {'q': 1}.keys()|{'a': 1}.items() < d.items()|{'a': 2}.items() < d.items()|{'a': 1}.items() <= {'a': 1.0}.items()|{}.keys() < {'a': 1}.items()|d.values() < d.values()|d.keys() < ['a']|{('a', 1): 2}.keys() <= {'a': 1, 'b': 2}.items()
('a', 1) in d.items()|('a', 1.0) in d.items()|('a', 2) in d.items()|['a', 1] in d.items()|('a', 1, 2) in d.items()|([], 1) in d.items()|([], 1) in d.values()|[] in d.keys()|1 in d.items()|[d.keys(), {'a': 1}.keys()] | sort | map('length') | list|[d.keys(), d.keys()] | unique | list | length|(d.keys(),) == (d.keys(),)
""",
    "slices": """
e[::-1]|''[::-1] == ''|''[5:2:-1] ~ '|'|'abc'[1:2:-1] ~ '|'|[][::-1]|()[::-2]
xs[1:]|xs[:1]|xs[:]|xs[::2]|xs[::-1]|xs[-2:]|xs[:-2]|xs[5:]|xs[2:1]|xs[3:0:-1]|xs[-1:-3:-1]|xs[::0]|xs[:100]|xs[-100:2]|xs[none:2]|xs['a':]|xs[1:2:3]|s[2:5]|s[::-1]|s[-4:]|s[::3]|s[7:2:-2]|s[100:]|'añ𝄞b'[1:3]|'añ𝄞b'[::2]|'añ𝄞b'[2]|'añ𝄞b'[-1]|(1, 2, 3)[1:]|(1, 2, 3)[::-1]|undefined_x[1:]|d[1:]|''[1:]|[][::-1]|xs[2 ** 70:]|xs[:2 ** 70]|xs[-(2 ** 70):]|xs[2 ** 70]
""",
    "lists": """
xs | sort|xs | sort(reverse=true)|['b', 'A', 'c'] | sort|['b', 'A', 'c'] | sort(case_sensitive=true)|['b', 'A', 'c'] | sort(true)|[1, 'a'] | sort|[[2, 1], [1, 5]] | sort|people | sort(attribute='age') | map(attribute='name') | list|people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list|people | sort(attribute='tags')|d | sort|5 | sort|undefined_x | sort|[none, none] | sort|[2, 1.5, true] | sort
xs | unique | list|['a', 'A', 'b'] | unique | list|['a', 'A'] | unique(true) | list|people | unique(attribute='age') | map(attribute='name') | list|[[1]] | unique | list|[1, 1.0, true] | unique | list|xs | unique|xs | min|xs | max|['b', 'A'] | min|['b', 'A'] | max(case_sensitive=true)|people | max(attribute='age')|people | min(attribute='name')|[] | min|[1, 'a'] | max|'hello' | max|xs | sum|[0.1] * 3 | sum|people | sum(attribute='age')|xs | sum(start=10)
[[1], [2]] | sum(start=[])|['a'] | sum|['a'] | sum(start='')|[] | sum|xs | join|xs | join(', ')|xs | join(d='-')|xs | join(1)|people | join('/', attribute='name')|[none, true, 1.5, 'a', [1]] | join(' ')|d | join(',')|'abc' | join('.')|5 | join|none | join|xs | first|[] | first|xs | last|[] | last|d | first|d | last|'abc' | last|range(3) | last|xs | map('string') | last|(xs | map('string') | list) | last
xs | length|d | length|none | length|5 | length|(xs | map('string')) | length|xs | count|xs | list|d | list|none | list|5 | list|d.items() | list|xs | reverse|xs | reverse | list|d | reverse | list|none | reverse|(xs | map('string')) | reverse|xs | batch(2) | list|xs | batch(3, 'x') | list|xs | batch(9) | list|xs | batch(9, 0) | list|[] | batch(2) | list|xs | batch(0) | list|xs | slice(2) | list|xs | slice(3) | list|xs | slice(3, 'x') | list|xs | slice(9) | list|xs | slice(0) | list
d | dictsort|{'b': 1, 'A': 2} | dictsort|{'b': 1, 'A': 2} | dictsort(true)|{'b': 1, 'A': 2} | dictsort(by='value')|{'b': 1, 'A': 2} | dictsort(reverse=true)|{'b': 1} | dictsort(by='x')|xs | dictsort|d | items | list|xs | items | list|undefined_x | items | list|people | groupby('age')|people | groupby('age') | map('first') | list|people | groupby('age') | map(attribute='grouper') | list|people | groupby('home.city', default='-') | map(attribute='list') | map('length') | list
['A', 'a', 'b'] | map('upper') | groupby(0) | list|[{'k': 'A', 'v': 1}, {'k': 'a', 'v': 2}] | groupby('k') | list|[{'k': 'A'}, {'k': 'a'}] | groupby('k', case_sensitive=true) | list|xs | map('string') | list|xs | map('nope') | list|[] | map('nope') | list|xs | map(attribute='x') | list|people | map(attribute='name')|people | map(attribute='name') | list|people | map(attribute='home.city') | list|people | map(attribute='home.city', default='?') | list|people | map(attribute='tags.0', default='none') | list
xs | map | list|xs | map('round', 1) | list|['a b', 'c'] | map('replace', ' ', '_') | list|[[1, 2], [3]] | map('first') | list|[[1, 2], [3]] | map(attribute=0) | list|[[1, 2], [3]] | map('join', '-') | list|none | map('upper') | list|5 | map('upper') | list|0 | map('upper') | list|xs | select | list|[0, 1, '', 'a', none] | select | list|[0, 1, '', 'a'] | reject | list|xs | select('odd') | list|xs | select('gt', 1) | list|xs | select('>', 1) | list|xs | reject('==', 3) | list|xs | select('nope') | list|xs | select('in', [1, 2]) | list
xs | select('divisibleby', 3) | list|people | selectattr('tags') | map(attribute='name') | list|people | selectattr('age', 'gt', 30) | map(attribute='name') | list|people | rejectattr('tags', 'defined') | map(attribute='name') | list|people | selectattr('home.city', 'equalto', 'X') | list | length|people | selectattr('name', 'in', ['bob']) | first|people | selectattr | list|(people | selectattr('age')) is sequence|(people | selectattr('nothing')) | list | length|xs | select is iterable
z | default('x')|undefined_x | default('x')|undefined_x | default|'' | default('x', true)|'' | default('x')|0 | d(5, boolean=true)|undefined_x.y | default('z')|d.q | default(d.a)|xs | attr('append') is defined|d | attr('a') is defined|d | attr('items') is defined|people[0] | attr('name')|messages[0] | attr('keys') is callable
xs + [1]|xs + (1,)|(1,) + (2,)|xs * 2|2 * [0]|xs * 0|xs - xs|d + d|xs == [3, 1, 2, 3]|[1] + none|() + ()|[[]] * 2|'a' in xs|{} in [{}]|none + 1|undefined_x + 1|1 + undefined_x|undefined_x ~ 'a'|not undefined_x|undefined_x and 1|undefined_x or 1|1 and 2|0 or none|'' or [] or 'x'|1 if undefined_x else 2|1 if false|[1 if false]|('x' if false) ~ 'y'
""",
    "tests": """
undefined_x is defined|d.q is defined|d.a is defined|none is none|z is none|1 is number|true is number|1.5 is number|'1' is number|true is boolean|1 is boolean|1 is integer|true is integer|1.0 is integer|1.0 is float|'a' is string|('a' | safe) is string|xs is sequence|d is sequence|'a' is sequence|5 is sequence|undefined_x is sequence|d is mapping|xs is mapping|xs is iterable|5 is iterable|undefined_x is iterable|none is iterable|d.keys() is sequence|d.keys() is iterable
range is callable|d.keys is callable|5 is callable|undefined_x is callable|namespace is callable|3 is odd|4 is odd|4 is even|'a' is odd|2.5 is odd|3 is divisibleby 3|3 is divisibleby(2)|3 is divisibleby 0|'abc' is lower|'ABC' is upper|5 is lower|'a' is sameas 'a'|true is sameas true|1 is sameas true|none is sameas none|1 is eq 1|1 is equalto 2|1 is ne 2|2 is gt 1|2 is greaterthan 1|1 is lt 2|1 is lessthan 2|1 is ge 1|1 is le 0|1 is in [1]|'a' is in 'abc'|1 is not in [1]|'a' is not none
'upper' is filter|'nope' is filter|'odd' is test|'nope' is test|('a' | e) is escaped|'a' is escaped|xs is not defined|not xs is defined|1 is number and 2 is number|1 is nope|'a' is string is true|1 is true|true is true|false is false|0 is false|none is false|xs | length is gt 3|xs | length > 3|-1 is number|2 ** 2 is number|[1] is string or true|1 in [1] is true|not 1 in [1]|xs is sequence and xs is not string
""",
    "json": """
d | tojson|messages | tojson|d | tojson(indent=2)|d | tojson(indent=0)|d | tojson(indent=-1)|d | tojson(indent='> ')|d | tojson(indent=true)|d | tojson(sort_keys=true)|d | tojson(separators=(',', ':'))|d | tojson(indent=1, separators=(' ,', ' :'))|[] | tojson(indent=2)|{} | tojson(indent=2)|[[], {}] | tojson(indent=1)|'é\\u2028\\x7f\\x1f😀' | tojson|'é\\x7f😀' | tojson(ensure_ascii=true)|'</script>&\\'' | tojson|(1, 2) | tojson|{1: 2, none: 3, true: 4, 1.5: 5} | tojson|{(1,): 2} | tojson
1.0 | tojson|1e20 | tojson|1e-7 | tojson|1e400 | tojson|-1e400 | tojson|(1e400 - 1e400) | tojson|2 ** 70 | tojson|undefined_x | tojson|range(2) | tojson|d.keys() | tojson|(xs | map('string')) | tojson|range | tojson|namespace(a=1) | tojson|{'a': 1, 2: 3} | tojson(sort_keys=true)|('<' | safe) | tojson|d | tojson(separators=',')|d | tojson(nope=1)|d | tojson(true)|[1, [2, [3]]] | tojson(indent=1)
""",
    "repr": """
[1, 1.0, true, none, 'a', \"it's\", '\"', '\\'\"', [], {}, (), (1,), {'a': {'b': [1]}}]|['\\n\\t\\r\\\\', '\\x00\\x1f\\x7f', '\\u00a0', '\\u00ad', '\\u200b', '\\ue000', '\\U000e0001', '𝄞', '\\u2028']|d.C|{'a': undefined_x}|[undefined_x]|range(2)|[range(3)]|d.values()|namespace(a=1, b='x')|{1.5: (2, [3])}|[1e16, 1e-5, 123456789.123, 1e400]|[2 ** 70]|('x' | safe)|[('x' | safe)]|xs ~ d|people | string | length
""",
}

# Whole templates.
TEMPLATES = [
    "{% for x in xs %}{{ loop.index }}:{{ x }}{% if not loop.last %},{% endif %}{% else %}none{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}={{ x }} {{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}",
    "{% for x in xs | map('string') %}{{ loop.index }}/{{ loop.length }}{{ loop.revindex }}{{ loop.last }};{% endfor %}",
    "{% for x in xs | map('string') %}{{ loop.last }}{{ loop.length }}{{ loop.nextitem }};{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}", "{% for a, b in [1] %}{{ a }}{% endfor %}",
    "{% for x in none %}a{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for x in undefined_x %}a{% else %}b{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% continue %}{% else %}else{% endfor %}", "{% for x in xs %}{% break %}{% else %}else{% endfor %}",
    "{% for x in xs %}{% set y = x %}{% endfor %}{{ y is defined }}", "{% set y = 0 %}{% for x in xs %}{{ y }}{% set y = x %}{{ y }} {% endfor %}{{ y }}",
    "{% set ns = namespace(y=0) %}{% for x in xs %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}{{ ns }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ ns['a'] }}", "{% set ns = namespace() %}{% set ns.x.y = 1 %}",
    "{% set x = {} %}{% set x.y = 1 %}", "{% set undefined_y.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set a = 1, %}{{ a }}",
    "{% set (a, b) = 'xy' %}{{ a }}{{ b }}", "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "{% set a = b = 1 %}", "{% set %}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]{{ x is string }}", "{% set x | upper | replace('A', '-') %}a{{ n }}{% endset %}{{ x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if n > 50 %}a{% elif n > 3 %}b{% else %}c{% endif %}",
    "{% if undefined_x %}a{% else %}b{% endif %}", "{% if xs, %}a{% endif %}", "{% if %}a{% endif %}", "{% if n %}a{% else %}b{% else %}c{% endif %}",
    "{% macro f(a, b=2, *c) %}{% endmacro %}", "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=5, a=4) }}{{ f() }}",
    "{% macro f(a, b) %}{{ a }}|{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }}{{ f(1, b=2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(a=1, b=2) }}", "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}", "{% macro f(a=x, x=1) %}{{ a }}{{ x }}{% endmacro %}{{ f() }}",
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}", "{% macro f(a, b=1, c) %}{% endmacro %}", "{{ f(1) }}{% macro f(a) %}{{ a }}{% endmacro %}", "{% macro f() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}{% set x = 2 %}{{ f() }}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}x{{ n }}{% endcall %}", "{% macro f() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b=5) f() %}{{ a }}{{ b }}{% endcall %}", "{% macro f() %}[]{% endmacro %}{% call f() %}x{% endcall %}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{{ f() }}", "{% macro f() %}[{{ caller is defined }}]{% endmacro %}{{ f() }}", "{% macro f(caller) %}{{ caller() }}{% endmacro %}", "{% macro f(x) %}{{ caller(x) }}{% endmacro %}{% for i in xs %}{% call(y) f(i) %}{{ y }}{{ i }}{{ loop.index }};{% endcall %}{% endfor %}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro f() %}a{% endmacro %}{{ f }}{{ f.name }}{{ f.arguments }}{{ f.nope is defined }}{{ f() + 'b' }}{{ f() | upper }}",
    "{% macro f() %}{% set x = 1 %}{{ x }}{% endmacro %}{{ f() }}{{ x is defined }}", "{% macro f() %}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ f() }}{{ loop is defined }}{% endfor %}",
    "{% for i in xs %}{% macro g() %}{{ i }}{% endmacro %}{{ g() }}{% endfor %}", "{% macro f(kwargs) %}{{ kwargs }}{% endmacro %}{{ f(1) }}", "{% macro f(a) %}{{ kwargs.b }}{{ kwargs }}{% endmacro %}{{ f(1, b=2) }}{{ f(1, a=2) }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}", "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | indent(2) %}a\na\n{% endfilter %}", "{% filter nope %}a{% endfilter %}", "{% filter upper | nope %}a{% endfilter %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{{ loop.depth }}{% endif %}{% endfor %}", "{% for x in [1] %}{{ loop([2]) }}{% endfor %}",
    "{% for i in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i) }}{% endfor %}", "{% for i in [1] %}{{ loop.nope is defined }}{{ loop | string | length > 0 }}{{ loop.cycle() }}{% endfor %}", "{% for i in xs %}{% for j in xs %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "{{ cycler() }}", "{% set j = joiner('-') %}{{ j() }}{{ j() }}{{ j() }}", "{% set j = joiner() %}{{ j() }}a{{ j() }}",
    "{{ dict(a=1) }}{{ dict({'a': 1}, b=2) }}{{ dict([('a', 1)]) }}{{ dict() }}", "{{ dict(1) }}", "{{ dict([1]) }}", "{{ raise_exception('x') }}", "{{ strftime_now('%Y-%m-%d %H:%M:%S %a %A %b %B %d %j %y %p %I %% %-d %e') }}",
    "{% raw %}{{ x }}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  b", "{# c #}a{#- c -#}  b", "a {#- c #} b", "  {# c #}\nx", "{% print n, 1 %}", "{{ 1, 2 }}", "{{ () }}", "{{ (1) }}{{ (1,) }}", "{{ [1,] }}{{ {'a': 1,} }}", "{{ [,] }}",
    "{% block x %}{{ n }}{% endblock %}|{% block y %}b{% endblock y %}", "{% if true %}{% block z %}{% set q = 1 %}{{ q }}{% endblock %}{% endif %}{{ q is defined }}", "{% include 'x' %}", "{% if false %}{% include 'x' %}{% endif %}a", "{% extends 'x' %}", "{% do n %}", "{% nope %}", "{% endif %}", "{% for x in xs %}{% endif %}",
    "{{ n", "{% if n %}", "{{ 'a }}", "{# x", "{{ n }", "{{ n | nope }}", "{% if n %}{{ n | nope }}{% endif %}", "{% if false %}{{ n | nope }}{% endif %}a", "{{ n | nope if false else 1 }}", "{% for x in [] %}{{ x | nope }}{% endfor %}", "{{ n is nope }}", "{% break %}", "{% for x in xs %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
    "{{ a.b.c }}", "{{ d.a.b }}", "{{ d.q }}{{ d['q'] }}", "{{ d.q.r }}", "{{ undefined_x() }}", "{{ n() }}", "{{ s() }}", "{{ s.upper()() }}", "{{ range(3)() }}", "{{ xs.append }}{{ xs.append is defined }}", "{{ (xs.append)(1) }}", "{{ range(100001) | length }}", "{{ range(100000) | length }}",
    "{% for x in xs %}\n  {{ x }}\n{% endfor %}\n\n", "a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a  {%- if true %}  b  {%- endif %}  c", "a\n {%+ if true +%}\n b\n {%- endif +%}\n c", "  {{ n }}  \n  {%- set x = 1 -%}  \n  y", "\n\n{% set x = 1 %}\n\nz", "{% set x = 1 %}   \n y", "a\r\nb\r{% if true %}\r\nc{% endif %}\r\n",
    "\t{% if true %}\ta\n\t{% endif %}b", "x{{ 1 -}}  \n y", "x  {{- 1 }} y", "{{ '}}' }}{{ \"%}\" }}{% set x = '%}' %}{{ x }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {}}}}", "{{{'a': 1}}}", "{ {{ n }} }", "{{ '{{' }}", "{{ [1, 2]|first }}{{-1}}", "{{- '\n' -}}", "{%- if n -%}{%- endif -%}", "{%-set x=1-%}{{x}}",
    "{% generation %}a{{ n }}{% endgeneration %}b", "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q is defined }}", 
    "{% set x = [] %}{% for i in range(3) %}{% set x = x + [i] %}{% endfor %}{{ x }}", "{% set ns = namespace(x=[]) %}{% for i in range(5) %}{% set ns.x = ns.x + [i] %}{% set y = ns.x + ['z'] %}{{ y | length }}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(s='') %}{% for i in range(300) %}{% set ns.s = ns.s ~ 'ab' %}{% set t = ns.s ~ '!' %}{% endfor %}{{ ns.s | length }}{{ t is defined }}{{ ns.s[-3:] }}", "{% set g = xs | map('string') %}{{ g | list }}{{ g | list }}", "{% set g = xs | select('odd') %}{{ g | first }}{{ g | list }}", "{{ xs | map('int') | map('string') | join('+') }}",
    "{% set ns = namespace(stop=false) %}{% for x in xs if not ns.stop %}{{ x }}{% if x == 1 %}{% set ns.stop = true %}{% endif %}{% endfor %}", "{% for x in xs if loop.index %}{{ x }}{% endfor %}", "{% for loop in xs %}{{ loop }}{% endfor %}", "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    "{{ messages[1].content | trim }}|{{ messages[-1].tool_calls[0].function.arguments | tojson }}", "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first | trim | length }}", "{{ (messages | last).tool_calls is defined }}", "{{ messages[0]['role'].upper()[:3] ~ '.' }}",
    "{{ 1 if n else 2 if z else 3 }}", "{{ (1 if z else 2) if n else 3 }}", "{{ n if n > 3 and n < 10 or z }}", "{{ not n > 3 }}", "{{ not not n }}", "{{ n is not none and n }}", "{{ -n | abs }}", "{{ (-n) | abs }}", "{{ 2 ** 3 ** 2 }}", "{{ -2 ** 2 }}", "{{ 2 ** -1 }}", "{{ 1 ~ 2 + 3 }}", "{{ 1 + 2 ~ 3 + 4 }}", "{{ 'a' if true ~ 'b' }}", 
    "{{ [x, y] if false else [1] }}", "{{ d.items()[0] is defined }}", "{{ d.keys() | first }}{{ d.values() | list | length }}", "{{ 'a' in d.keys() }}{{ 1 in d.values() }}{{ ('a', 1) in d.items() }}", "{{ d.items() | sort }}", "{% set d2 = dict(d, a=9) %}{{ d2.a }}{{ d.a }}", "{{ {'a': 1}.items() | map('join', '=') | join('&') }}", 
    "{{ '%s' % undefined_x }}", "{{ undefined_x | upper }}|{{ undefined_x | trim }}|{{ undefined_x | list }}|{{ undefined_x | join(',') }}|{{ undefined_x | length }}|{{ undefined_x | first is defined }}|{{ undefined_x | string }}|{{ undefined_x | replace('a', 'b') }}", "{{ undefined_x | abs }}", "{{ undefined_x | round }}", "{{ undefined_x | float }}", "{{ undefined_x | dictsort }}", "{{ undefined_x | indent }}", "{{ undefined_x | items | list }}{{ undefined_x | sum }}{{ undefined_x | sort }}{{ undefined_x | reverse | list }}", "{{ undefined_x | tojson }}", "{{ [undefined_x] | tojson }}", "{{ undefined_x.x is defined }}", "{{ undefined_x | attr('x') }}", "{{ undefined_x | urlencode }}|{{ undefined_x | wordcount }}|{{ undefined_x | center(3) }}|{{ undefined_x | title }}|{{ undefined_x | e }}|{{ undefined_x | batch(2) | list }}", "{{ undefined_x | truncate(5) }}|{{ undefined_x | format }}",
    "{{ d.fromkeys('ab') }}{{ {}.fromkeys(xs, 0) }}", "{{ dict.fromkeys(d, 1) }}{{ dict.fromkeys([]) }}", "{{ dict.fromkeys(5) }}", "{{ dict.update is defined }}",
    "{% set ns = namespace(_a=1) %}x", "{% set ns = namespace() %}{% set ns._a = 1 %}x", "{{ namespace({'_a': 1}) }}", "{{ namespace(a_=1).a_ }}",
    "{{ '{:,}'.format('x') }}", "{{ '{:_}'.format(none | string) }}",
    "{{ self.x() }}{% block x %}hi{{ n }}{% endblock %}", "{% block x %}hi{% endblock %}{{ self.x() }}", "{{ self.y() }}", "{{ self.y }}", "{{ self is defined }}", "{% block a %}1{% endblock %}{% block b %}{{ self.a() }}2{% endblock %}", "{% macro self() %}m{% endmacro %}{{ self() }}",
    "{{ self[\"x\"]() }}{% block x %}B{% endblock %}", "{% set self.q = 3 %}{{ self.q }}", "{% block x %}{{ super() }}{% endblock %}", "{% for i in [1,2] %}{% block x %}{{ i }}{% endblock %}{{ self.x() }}{% endfor %}", "{% set v = 1 %}{% block x %}{{ v }}{% endblock %}{% set v = 2 %}{{ self.x() }}",
    "{% macro m() %}{{ self.x() }}{% endmacro %}{% block x %}B{% endblock %}{{ m() }}", "{% block x %}{{ self.x() }}{% endblock %}", "{% block x %}<b>{% endblock %}{{ self.x()|upper }}{{ self.x()|e }}{{ self.x() ~ \"<\" }}", "{% block x required %}{% endblock %}{{ self.x() }}",
    "{% if false %}{% block x required %}{% endblock %}{% endif %}a", "{% block x scoped %}{{ 1 }}{% endblock %}{{ self.x() }}", "{{ self.__class__ }}", "{{ self.x(1) }}{% block x %}B{% endblock %}", "{% if false %}{% block x %}B{% endblock %}{% endif %}{{ self.x() }}",
    "{% block x %}{% endblock %}{% block x %}{% endblock %}", "{% block x %}{% set z = 1 %}{{ z }}{% endblock %}{{ self.x() }}{{ z is defined }}", "{% block x %}{% block y %}Y{% endblock %}X{% endblock %}{{ self.y() }}{{ self.x()|length }}",
    "{% set b = self.x %}{{ b() }}{% block x %}B{% endblock %}", "{{ self.x is callable }}{{ self.x is defined }}{{ self.z is defined }}{% block x %}B{% endblock %}", "{% for i in [1,2] %}{% block x scoped %}{{ i }}{% endblock %}{% endfor %}{{ self.x() }}",
    "{% call self.x() %}a{% endcall %}{% block x %}B{% endblock %}", "{{ self.x.name }}{% block x %}B{% endblock %}", "{% for i in range(2) %}{{ self.x() }}{{ loop.index }}{% endfor %}{% block x %}{{ n }}{% endblock %}", "{% set t %}{{ self.x() }}{% endset %}[{{ t }}]{% block x %}B{% endblock %}",
    "{{ [1,2]|map(\"string\")|join(self.x()) }}{% block x %}-{% endblock %}", "{% block items %}I{% endblock %}{{ self.items() }}",
]


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_call"), [], [], body).set_lineno(lineno)

    def _call(self, caller):
        return caller()


class TemplateDict:
    """As transformers has it: dict() and dict.fromkeys(), nothing else of the class."""
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    """As transformers has it: no names with an underscore in front."""
    def __init__(*args, **kwargs):
        self, attributes = args[0], dict(*args[1:], **kwargs)
        for name in attributes:
            TemplateNamespace._check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        TemplateNamespace._check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["dict"] = TemplateDict()
    env.globals["namespace"] = TemplateNamespace
    env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 1, 31, 12, 0, 0).strftime(f)
    return env


def expressions():
    for group in EXPRESSIONS.values():
        # '|' between expressions has no blanks around it, the filter operator always has
        text = group.strip()
        part, depth, quote = "", 0, ""
        for i, c in enumerate(text):
            if quote:
                quote = "" if c == quote and text[i - 1] != "\\" else quote
            elif c in "'\"":
                quote = c
            elif not quote and (c == "\n" or (c == "|" and text[i - 1] != " ")):
                yield part
                part = ""
                continue
            part += c
        yield part


def cases():
    env = environment()
    templates = ["{{ " + e + " }}" for e in expressions()] + TEMPLATES
    for template in templates:
        case = {"template": template}
        try:
            text = env.from_string(template).render(tools=None, documents=None, add_generation_prompt=False, **INPUT)
            text.encode()
            if " at 0x" in text:
                continue
            case["prompt"] = text
        except (Exception, RecursionError):
            case["error"] = True
        yield case


if __name__ == "__main__":
    print(json.dumps({"input": INPUT}, ensure_ascii=False))
    for case in cases():
        print(json.dumps(case, ensure_ascii=False))
