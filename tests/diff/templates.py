"""Expressions and templates in Jinja, drawn by a seeded generator from a grammar with types, so that most of them mean
something."""
import random

INPUT = {
    "messages": [
        {"role": "system", "content": "Be brief.\n"},
        {"role": "user", "content": [{"type": "text", "text": "What's in it? "}, {"type": "image"}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm\n\n", "tool_calls": [
            {"type": "function", "function": {"name": "f", "arguments": {"a": [1, 2.5, None], "b": "é<\"'>"}}}]},
        {"role": "tool", "content": "{\"x\": 1}", "name": "f"},
        {"role": "assistant", "content": " <think>\nlet me\n</think>\n\nStraße, it's 42. "},
        {"role": "user", "content": "\u00a0thanks\tΌΣΟΣ\n"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "does & is", "parameters": {
        "type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}, "b": {"type": ["string", "null"]}},
        "required": ["a"]}}}],
    "documents": [{"title": "T", "text": "one\ntwo"}, {"title": "", "text": "x"}],
    "bos_token": "<s>", "eos_token": "</s>", "n": 7, "f": -2.5, "s": "Straße and ΌΣΟΣ", "e": "", "z": None, "t": True,
    "xs": [3, 1, 2, 3], "ys": ["b", "A", "c", "a"], "d": {"b": 2, "a": 1, "C": {"x": [0, "y"]}},
    "people": [{"name": "Ann", "age": 31, "tags": ["x"]}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 31, "home": {"city": "X"}}],
}
STRINGS = ["", "a", "b c", "Hello", " x ", "it's", 'say "hi"', "é日本", "a,b,,c", "42", "-3.5", "x\\ny", "<b>&", "%s", "{}", "ǆﬁß", "\U0001F600", "a\\tb",
           "one two  three", "ΑΣ", "abcabc", "A-b_c", "0x1F", "True"]


class Templates:
    def __init__(self, seed):
        self.random = r = random.Random(seed)
        self.depth, self.names, self.macros = 0, [], 0

    def pick(self, *choices):
        return self.random.choice(choices)

    def quoted(self, text):
        quote = self.pick("'", '"')
        return quote + text.replace(quote, "\\" + quote) + quote

    # ---- expressions by type ----

    def number(self, d):
        r = self.random
        if d <= 0 or r.random() < 0.25:
            return self.pick("0", "1", "-1", "2", "3", "10", "7.5", "0.1", "1e3", "n", "f", "2 ** 70", "true", "xs[0]", "d.a", "-2", "100000")
        k = r.randrange(9)
        if k < 3:
            op = self.pick("+", "-", "*", "/", "//", "%", "**" if d < 2 else "+")
            return f"({self.number(d - 1)} {op} {self.number(d - 1)})"
        if k == 3:
            return f"-{self.number(d - 1)}"
        if k == 4:
            return f"({self.number(d - 1)} | {self.pick('abs', 'int', 'float', 'round', 'round(1)', 'round(-1)', 'round(2, %s)' % self.pick('0', chr(39) + 'ceil' + chr(39), chr(39) + 'floor' + chr(39)))})"
        if k == 5:
            return f"({self.sequence(d - 1)} | {self.pick('length', 'count', 'sum', 'first', 'last', 'min', 'max')})"
        if k == 6:
            return f"({self.text(d - 1)} | {self.pick('length', 'int', 'float', 'int(5)', 'float(1.5)', 'wordcount', 'int(0, 16)')})"
        if k == 7:
            return f"{self.text(d - 1)}.{self.pick('find', 'count', 'rfind', 'index')}({self.text(0)})"
        return f"({self.number(d - 1)} if {self.boolean(d - 1)} else {self.number(d - 1)})"

    def text(self, d):
        r = self.random
        if d <= 0 or r.random() < 0.25:
            return self.pick(self.quoted(r.choice(STRINGS)), "s", "e", "bos_token", "messages[0].content", "messages[-1]['content']",
                             "messages[4].content", "people[0].name", "ys[0]", "tools[0].function.description")
        k = r.randrange(9)
        if k == 0:
            return f"({self.text(d - 1)} {self.pick('+', '~')} {self.text(d - 1)})"
        if k == 1:
            return f"({self.any(d - 1)} ~ {self.any(d - 1)})"
        if k in (2, 3):
            return f"({self.text(d - 1)} | {self.text_filter(d)})"
        if k in (4, 5):
            return f"{self.text(d - 1)}.{self.text_method(d)}"
        if k == 6:
            return f"{self.text(d - 1)}[{self.slice()}]"
        if k == 7:
            return self.pick(f"({self.quoted(self.pick('%s', '%5s|', '%-6s|', '%r', '%s-%s', '%d', '%05.2f', '%x', '%%', '%.3s', '%+d', '%e', '%g'))} % {self.any(d - 1)})",
                             f"{self.quoted(self.pick('{}', '{0}{0}', '{:>5}|', '{:^7}', '{!r}', '{:.2f}', '{a}', '{:,}', '{:05d}', '{:x}', '{0[a]}', '{{}}'))}.format({self.any(d - 1)}{self.pick('', ', a=1')})")
        return f"({self.any(d - 1)} | {self.pick('string', 'tojson', 'tojson(indent=2)', 'tojson(sort_keys=true)', 'tojson(ensure_ascii=true)', 'e', 'pprint', 'tojson(separators=(%s, %s))' % (self.quoted(','), self.quoted(':')))})"

    def slice(self):
        part = lambda: self.pick("", "0", "1", "-1", "2", "-3", "10", "n")
        return self.pick(self.pick("0", "-1", "1"), f"{part()}:{part()}", f"{part()}:{part()}:{self.pick('1', '-1', '2', '-2', '')}")

    def text_filter(self, d):
        q = self.quoted
        return self.pick("upper", "lower", "title", "capitalize", "trim", f"trim({q(self.pick('x', ' a', '<>'))})", "reverse", "first", "last", "escape", "striptags",
                         f"replace({self.text(0)}, {self.text(0)})", f"replace({self.text(0)}, {self.text(0)}, {self.pick('0', '1', '2')})", f"center({self.pick('3', '10', '15')})",
                         "indent", f"indent({self.pick('2', '0', q('> '))}, {self.pick('true', 'false')}, {self.pick('true', 'false')})",
                         f"truncate({self.pick('3', '5', '10')}, {self.pick('true', 'false')}, {q(self.pick('...', '', '~'))}, {self.pick('0', '2', '5')})", "wordwrap(5)", "urlencode",
                         f"default({self.text(0)})", f"default({self.text(0)}, true)", "safe", "string", "list", f"wordwrap(3, {self.pick('true', 'false')})", "forceescape",
                         f"format({self.any(0)})", "filesizeformat", "unique | join", "sort | join", "list | join('-')")

    def text_method(self, d):
        q, t = self.quoted, lambda: self.text(0)
        return self.pick("upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", f"strip({t()})", f"lstrip({t()})", f"rstrip({q(self.pick(chr(92) + 'n', ' ', 'a'))})",
                         f"replace({t()}, {t()})", f"replace({t()}, {t()}, 1)", f"split({t()})[0]", "split()[0]", f"split({t()}, 1)[-1]", f"rsplit({t()}, 1)[0]", f"join({self.pick('ys', 's', 'people | map(attribute=%s)' % q('name'))})",
                         f"partition({t()})[2]", f"rpartition({t()})[0]", f"zfill({self.pick('0', '5')})", f"ljust({self.pick('8', '3')}, {q('*')})", "rjust(7)", "center(9)", "center(8, '.')", "expandtabs(4)",
                         f"removeprefix({t()})", f"removesuffix({t()})", "splitlines()[0]", f"startswith({t()})", f"endswith({t()})", "isdigit()", "isalpha()", "isupper()", "isspace()", "istitle()", "isalnum()",
                         "isidentifier()", "isnumeric()", "isdecimal()", "isprintable()", "isascii()", "splitlines(true)", f"rindex({t()})")

    def sequence(self, d):
        r = self.random
        if d <= 0 or r.random() < 0.3:
            return self.pick("xs", "ys", "people", "[]", "[1, 2, 3]", "(1, 'a')", "range(4)", "range(5, 0, -2)", "d.keys()", "d.values()", "d.items()", "messages", "d",
                             "[1.5, none, 'x']", "('a',)", "s", "tools[0].function.parameters.required")
        k = r.randrange(7)
        if k == 0:
            return "[" + ", ".join(self.any(d - 1) for _ in range(r.randint(0, 3))) + "]"
        if k == 1:
            return f"({self.sequence(d - 1)} + {self.sequence(d - 1)})"
        if k == 2:
            return f"{self.sequence(d - 1)}[{self.pick('1:', ':2', '::-1', '-2:', ':')}]"
        if k == 3:
            return f"{self.text(d - 1)}.{self.pick('split()', 'split(%s)' % self.quoted(','), 'splitlines()', 'partition(%s)' % self.quoted(' '))}"
        q = self.quoted
        chosen = self.pick("sort", "sort(reverse=true)", f"sort(attribute={q('age')})", f"sort(attribute={q('age,name')})", "sort(case_sensitive=true)", "unique", "reverse", f"map({q('upper')})", f"map(attribute={q('name')})",
                           f"map(attribute={q('home.city')}, default={q('?')})", "select", "reject", f"select({q('number')})", f"select({q('gt')}, 1)", f"reject({q('in')}, [1, {q('a')}])", f"selectattr({q('age')})", f"selectattr({q('age')}, {q('>')}, 30)",
                           f"rejectattr({q('home')}, {q('defined')})", f"selectattr({q('name')}, {q('equalto')}, {q('bob')})", "batch(2)", f"batch(3, {q('-')})", "slice(2)", f"slice(3, {q('_')})", f"groupby({q('age')})", f"groupby({q('tags')}, default=0)", "list",
                           f"map({q('default')}, 5)", f"map({q('int')})", "dictsort", f"dictsort(by={q('value')})", "dictsort(reverse=true)", "items", f"map({q('tojson')})", f"map({q('replace')}, {q('a')}, {q('b')})", f"map({q('length')})", "unique(true)", f"unique(attribute={q('age')})")
        return f"({self.sequence(d - 1)} | {chosen}{self.pick('', ' | list')})"

    def mapping(self, d):
        r = self.random
        if d <= 0 or r.random() < 0.5:
            return self.pick("d", "people[0]", "messages[2]", "{}", "{'a': 1, 'b': [2]}", "d.C", "tools[0]", "dict(a=1, b='x')")
        return "{" + ", ".join(f"{self.pick(self.text(0), self.number(0), 'none', 'true')}: {self.any(d - 1)}" for _ in range(r.randint(0, 3))) + "}"

    def boolean(self, d):
        r = self.random
        if d <= 0:
            return self.pick("true", "false", "t", "z", "e", "xs", "n", "undefined_name", "tools", "d.missing", "[]")
        k = r.randrange(7)
        if k < 2:
            same = r.choice([self.number, self.text, self.sequence, self.any])
            return f"{same(d - 1)} {self.pick('==', '!=', '<', '<=', '>', '>=')} {same(d - 1)}"
        if k == 2:
            return f"({self.boolean(d - 1)} {self.pick('and', 'or')} {self.boolean(d - 1)})"
        if k == 3:
            return f"not {self.boolean(d - 1)}"
        if k == 4:
            return f"{self.any(d - 1)} {self.pick('in', 'not in')} {self.pick(self.sequence(d - 1), self.text(d - 1), self.mapping(0))}"
        test = self.pick("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "callable", "true", "false", "odd", "even", "lower", "upper",
                         "divisibleby(3)", "divisibleby 2", "eq 7", "equalto('a')", "ne 1", "gt 2", "lt 2", "ge 7", "le(7)", "in xs", "in([1, 'a'])", "sameas none", "sameas(true)", "escaped", "filter", "test", "greaterthan 0")
        subject = self.any(d - 1)
        if test in ("filter", "test"):
            subject = self.quoted(self.pick("upper", "odd", "nothing", "tojson"))
        return f"{subject} is {self.pick('', '', 'not ')}{test}"

    def any(self, d):
        return self.random.choice([self.number, self.text, self.text, self.sequence, self.mapping, self.boolean, self.odd])(d)

    def odd(self, d):
        return self.pick("none", "undefined_name", "d.missing", "z", "namespace(a=1).a", "cycler('a', 'b').next()", "xs.index(2)", "d.get('a')", "d.get('q', 5)", "d['C'].x[1]", "loop", "messages[0]['nope']",
                         "messages | length", "range(3)", "joiner()", "dict", "(d | items | list)", "namespace(x=[1])", "d.items", "s.upper", "xs | first | default('none')", "strftime_now('%Y-%m-%d %H:%M:%S')",
                         "strftime_now('%d %B %y, %A %j %I%p')", "lipsum", "d.copy()", "xs.copy()", "xs.count(3)", "d.pop('a')", "xs.append(1)", "'a' 'b'", "1 if false", "xs[10]", "'abc'[5]", "d.keys", "d.fromkeys([1])", "dict.fromkeys(xs, 0)")

    # ---- statements ----

    def tag(self, body):
        r = self.random
        left, right = r.choice(["", "", "", "-", "+"]), r.choice(["", "", "", "-", "+"])
        return f"{{%{left} {body} {right}%}}"

    def shown(self, expression):
        r = self.random
        left, right = r.choice(["", "", "", "-"]), r.choice(["", "", "", "-"])
        return f"{{{{{left} {expression} {right}}}}}"

    def plain(self):
        return self.pick("", " ", "\n", "text", "  \n  ", "a\n\n b", "\t", "<|im_start|>", "{# c #}", "{#- c\nd -#}", "é", "\n    ", "{% raw %}{{ x }}{% endraw %}", "%}", "}}", "{", "\r\n")

    def body(self, d):
        return "".join(self.pick(self.plain(), self.statement(d)) for _ in range(self.random.randint(1, 3)))

    def target(self):
        return self.pick("a", "b", "c")

    def leaf(self):
        return self.pick(self.target(), self.target(), "loop.index", "loop.first", "loop.last", "loop.length", "loop.revindex0", "loop.previtem", "loop.nextitem", "loop.cycle('x', 'y')",
                         "loop.changed(a)", "loop.depth", self.any(1), self.text(2), self.any(2))

    def statement(self, d):
        r = self.random
        if d <= 0 or r.random() < 0.3:
            return self.shown(self.leaf())
        k = r.randrange(13)
        if k < 3:
            condition = f" if {self.boolean(1)}" if r.random() < 0.3 else ""
            names = self.pick("a", "a", "a, b", "(a, b)")
            source = self.pick(self.sequence(1), "d.items()" if "b" in names else "messages", "xs")
            end = self.tag("else") + self.body(d - 1) if r.random() < 0.3 else ""
            inner = self.body(d - 1)
            if r.random() < 0.2:
                inner += self.tag(f"if {self.boolean(1)}") + self.tag(self.pick("break", "continue")) + self.tag("endif") + self.body(d - 1)
            return self.tag(f"for {names} in {source}{condition}") + inner + end + self.tag("endfor")
        if k < 5:
            parts = self.tag(f"if {self.boolean(2)}") + self.body(d - 1)
            if r.random() < 0.4:
                parts += self.tag(f"elif {self.boolean(1)}") + self.body(d - 1)
            if r.random() < 0.5:
                parts += self.tag("else") + self.body(d - 1)
            return parts + self.tag("endif")
        if k == 5:
            return self.tag(f"set {self.target()} = {self.any(2)}")
        if k == 6:
            filters = self.pick("", " | upper", " | trim", " | replace('a', 'b') | title", " | indent(2)")
            return self.tag(f"set {self.target()}{filters}") + self.body(d - 1) + self.tag("endset")
        if k == 7:
            return self.tag(f"set ns = namespace({self.target()}={self.any(1)})") + self.tag(f"for x in {self.sequence(1)}") + \
                self.tag(f"set ns.{self.target()} = {self.pick('x', 'ns.a', self.any(1))}") + self.tag("endfor") + self.shown(f"ns.{self.target()}")
        if k == 8:
            self.macros += 1
            name = f"m{self.macros}"
            call = self.pick("()", f"({self.any(1)})", f"({self.any(1)}, b={self.any(1)})", f"(1, 2, 3, z={self.any(0)})", "(*xs)", "(**d)")
            uses = self.pick("", self.shown("varargs"), self.shown("kwargs"), self.shown("caller()") if r.random() < 0.5 else "", self.shown(f"{name}.name ~ {name}.arguments"))
            use = self.shown(name + call)
            if r.random() < 0.3:
                use = self.tag(f"call{self.pick('', '(u)')} {name}{call}") + self.body(d - 1) + self.tag("endcall")
            return self.tag(f"macro {name}({self.pick('', 'a', 'a, b=5', 'a=none, b=a', 'a, b=xs')})") + self.body(d - 1) + uses + self.tag("endmacro") + use
        if k == 9:
            return self.tag(f"with {self.target()} = {self.any(1)}{self.pick('', ', b = ' + self.any(1))}") + self.body(d - 1) + self.tag("endwith")
        if k == 10:
            return self.tag(f"filter {self.pick('upper', 'trim', 'replace(%s, %s)' % (self.quoted('a'), self.quoted('o')), 'title | reverse', 'indent(3, true)')}") + self.body(d - 1) + self.tag("endfilter")
        if k == 11:
            return self.tag("generation") + self.body(d - 1) + self.tag("endgeneration")
        return self.tag(f"for a in {self.pick('people', 'xs', '[[1, [2]], [3]]')} recursive") + self.shown("a") + \
            self.tag("if a is sequence and a is not string") + self.shown("loop(a)") + self.tag("endif") + self.tag("endfor")

    def template(self):
        self.macros = 0
        if self.random.random() < 0.6:
            return self.shown(self.any(self.random.randint(1, 4)))
        return "".join(self.plain() + self.statement(self.random.randint(1, 3)) for _ in range(self.random.randint(1, 3))) + self.plain()
