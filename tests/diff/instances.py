"""Values for a schema: such as it may accept, drawn at random, and values near them. Whether one is valid is for others to say."""
import copy
import random
import re
import urllib.parse

try:
    import re._parser as parse_regex
except ImportError:  # before Python 3.11
    import sre_parse as parse_regex

FORMATS = {"date": ["2024-02-29", "1999-12-31"], "time": ["10:00:00Z", "23:59:59.5+01:00"], "date-time": ["2024-02-29T10:00:00Z", "1999-12-31t23:59:59.25-08:00"],
           "duration": ["P1DT2H", "PT5M", "P2W"], "email": ["a.b@example.org"], "hostname": ["a-b.example.org"], "ipv4": ["127.0.0.1"], "ipv6": ["::1", "fe80::1:2"],
           "uuid": ["6f4b2c1e-3d5a-4b6c-8d7e-9f0a1b2c3d4e"], "uri": ["https://example.org/a?b#c", "urn:a:b"], "uri-reference": ["/a/b", "c?d"], "json-pointer": ["/a~0b/0", ""],
           "relative-json-pointer": ["1/a", "0#"], "regex": ["^a(b|c)*$", "[a-z]{2}"], "uri-template": ["/a/{b}{?c*}"], "iri": ["https://exämple.org/ö"], "iri-reference": ["/ö"],
           "idn-email": ["jürgen@example.org"], "idn-hostname": ["bücher.example"]}
TEXTS = ["", "a", "foo", "abc", "A1", "x y", "12", "-", "été", "😀", "long text " * 5, "https://example.org", "a/b", "true", "null", "\\\"", "\t"]


def find(root, reference):
    """What a reference inside of the document leads to, where that is plain to see; else nothing is said."""
    if not reference.startswith("#"):
        return {}
    at = root
    for key in urllib.parse.unquote(reference[1:]).split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        at = at[int(key)] if isinstance(at, list) and key.isdigit() else at.get(key, {}) if isinstance(at, dict) else {}
    return at if reference[1:2] in ("", "/") else {}


def draw_pattern(r, tree):
    out = ""
    for op, argument in tree:
        op = str(op)
        if op == "LITERAL":
            out += chr(argument)
        elif op in ("NOT_LITERAL", "ANY"):
            out += r.choice("bz7_ ")
        elif op == "IN":
            kind, value = r.choice(argument)
            kind = str(kind)
            out += (chr(value) if kind == "LITERAL" else chr(r.randint(*value)) if kind == "RANGE" else
                    r.choice({"CATEGORY_DIGIT": "059", "CATEGORY_WORD": "aZ_4", "CATEGORY_SPACE": " \t"}.get(str(value), "%x")) if kind == "CATEGORY" else r.choice("qQ7%"))
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, what = argument
            for _ in range(r.randint(low, min(int(high), low + 3))):
                out += draw_pattern(r, what)
        elif op == "SUBPATTERN":
            out += draw_pattern(r, argument[-1])
        elif op == "BRANCH":
            out += draw_pattern(r, r.choice(argument[1]))
    return out


def text(r, schema):
    if schema.get("format") in FORMATS and r.random() < 0.8:
        return r.choice(FORMATS[schema["format"]])
    if "pattern" in schema:
        try:
            return draw_pattern(r, parse_regex.parse(re.sub(r"\\p\{\w+\}", "[a-z]", schema["pattern"])))
        except (re.error, ValueError, OverflowError):
            pass
    out = r.choice(TEXTS)
    low, high = schema.get("minLength", 0), schema.get("maxLength", 1 << 30)
    return (out + "m" * int(low))[:int(high)] if r.random() < 0.9 else "m" * int(min(high, 5000))


def number(r, schema, whole):
    low, high = schema.get("minimum", schema.get("exclusiveMinimum", -20)), schema.get("maximum", schema.get("exclusiveMaximum", 1000))
    low, high = (-20 if isinstance(low, bool) else low), (1000 if isinstance(high, bool) else high)
    low, high = max(low, -1e15), min(max(high, low), 1e15)
    step = schema.get("multipleOf", 1 if whole else 0)
    out = r.choice([low, high, r.uniform(low, high), low + 1, 0, 1])
    if step:
        out = round(out / step) * step
    return int(out) if whole or (float(out).is_integer() and r.random() < 0.5) else round(float(out), 8)


def value(r, schema, root, depth=0):
    if not isinstance(schema, dict) or depth > 12:
        return r.choice([None, 1, "a", [], {}, True, 2.5])
    if "$ref" in schema and depth < 11:
        schema = {**schema, **(lambda s: s if isinstance(s, dict) else {})(find(root, schema["$ref"]))}
        if "$ref" in schema:
            return value(r, {k: v for k, v in schema.items() if k != "$ref"} if depth > 9 else schema, root, depth + 1)
    for word in ("anyOf", "oneOf"):
        if word in schema and schema[word]:
            chosen = r.choice(schema[word])
            rest = {k: v for k, v in schema.items() if k != word}
            return value(r, merged(rest, chosen, root), root, depth + 1)
    for one in schema.get("allOf", []):
        schema = merged({k: v for k, v in schema.items() if k != "allOf"}, one, root)
    if "const" in schema:
        return copy.deepcopy(schema["const"])
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return copy.deepcopy(r.choice(schema["enum"]))
    kinds = schema.get("type")
    if kinds is None:
        kinds = ("object" if any(k in schema for k in ("properties", "required", "additionalProperties", "patternProperties")) else
                 "array" if "items" in schema else "string" if "pattern" in schema else ["string", "integer", "null", "boolean"])
    kind = r.choice(kinds) if isinstance(kinds, list) and kinds else kinds
    if kind == "object":
        return members(r, schema, root, depth)
    if kind == "array":
        return items(r, schema, root, depth)
    if kind == "string":
        return text(r, schema)
    if kind in ("integer", "number"):
        return number(r, schema, kind == "integer")
    return r.choice([True, False]) if kind == "boolean" else None


def merged(schema, other, root):
    if isinstance(other, dict) and "$ref" in other:
        target = find(root, other["$ref"])
        other = {**other, **(target if isinstance(target, dict) else {})}
        other.pop("$ref", None)
    if not isinstance(other, dict):
        return schema
    out = {**schema, **other}
    for word in ("properties", "patternProperties"):
        if word in schema and word in other:
            out[word] = {**schema[word], **other[word]}
    if isinstance(schema.get("required"), list) and isinstance(other.get("required"), list):
        out["required"] = schema["required"] + other["required"]
    return out


def members(r, schema, root, depth):
    out, properties = {}, schema.get("properties", {})
    required = schema.get("required", []) if isinstance(schema.get("required"), list) else []
    keys = [k for k in properties if k in required or r.random() < (0.6 if depth < 4 else 0.15)] + [k for k in required if k not in properties]
    for pattern, inside in schema.get("patternProperties", {}).items():
        if r.random() < 0.7:
            out[text(r, {"pattern": pattern})] = value(r, inside, root, depth + 1)
    additional = schema.get("additionalProperties", True)
    if additional is not False and r.random() < 0.3:
        out[r.choice(["extra", "x-a", "Zz"])] = value(r, additional, root, depth + 1)
    r.shuffle(keys)
    for key in keys:
        out[key] = value(r, properties.get(key, {}), root, depth + 1)
    return out


def items(r, schema, root, depth):
    inside = schema.get("items", {})
    prefix = schema.get("prefixItems", inside if isinstance(inside, list) else [])
    rest = schema.get("additionalItems", {}) if isinstance(inside, list) else inside
    low = int(schema.get("minItems", 0))
    n = r.randint(low, max(low, min(int(schema.get("maxItems", low + 3)), low + 3)))
    out = [value(r, prefix[i] if i < len(prefix) else rest, root, depth + 1) for i in range(n)]
    if "contains" in schema and r.random() < 0.8:
        out.append(value(r, schema["contains"], root, depth + 1))
    return out


def near(r, what):
    """The value with one thing changed."""
    if isinstance(what, dict) and what and r.random() < 0.95:
        out, key = dict(what), r.choice(list(what))
        change = r.randrange(5)
        if change == 0:
            del out[key]
        elif change == 1:
            out[r.choice(["extra", "x-b", "Q"])] = r.choice([1, "x", None, {}])
        else:
            out[key] = near(r, out[key])
        return out
    if isinstance(what, list) and what and r.random() < 0.9:
        i = r.randrange(len(what))
        return r.choice([what[:i] + what[i + 1:], what + [what[i]], what[:i] + [near(r, what[i])] + what[i + 1:], what + [None]])
    if isinstance(what, bool) or what is None:
        return r.choice([0, "true", not what, {}])
    if isinstance(what, (int, float)):
        return r.choice([what + 1, -what, what + 0.5, str(what), what * 1000, float(what) if abs(what) < 1e15 else what, None])
    if isinstance(what, str):
        return r.choice([what + "!", what[:-1], what.upper(), 7, what * 3, " " + what, None, what + "\n"])
    return r.choice([{"a": 1}, [None], 0, "", None])
