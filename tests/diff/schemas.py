"""Schemas in the manner of those that people write: signatures of functions, bodies of requests, configuration files, records of
events; nested, with $ref and $defs, recursion, unions, patterns, formats, bounds and long enumerations. Deterministic."""
import random

NAMES = ("id name title city country street zip email phone age count price amount status kind tags items owner created updated "
         "active level score width height color unit note url path host port user group role limit offset query sort").split()
WORDS = "red green blue small large draft open closed north south east west alpha beta gamma cash card daily weekly".split()
PATTERNS = ["^[a-z]{2,8}$", "^[A-Z]{3}-\\d{1,4}$", "^\\d{5}(-\\d{4})?$", "^#[0-9a-fA-F]{6}$", "^v\\d+\\.\\d+$", "[aeiou]", "^(GET|PUT|POST)$",
            "^[\\w.-]+$", "^\\+?[0-9]{6,12}$", "^(?!x)[a-z]+$", "^s3://[a-z0-9.-]{3,20}/\\S*$"]
FORMATS = ["date", "time", "date-time", "email", "hostname", "ipv4", "ipv6", "uuid", "uri", "duration"]


def text(r):
    kind = r.randrange(7)
    if kind == 0:
        return {"type": "string", "maxLength": r.randint(1, 30)}
    if kind == 1:
        return {"type": "string", "pattern": r.choice(PATTERNS)}
    if kind == 2:
        return {"type": "string", "format": r.choice(FORMATS)}
    if kind == 3:
        return {"enum": r.sample(WORDS, r.randint(2, 8))}
    if kind == 4:
        return {"const": r.choice(WORDS)}
    if kind == 5:
        return {"type": "string", "minLength": r.randint(1, 4), "maxLength": 12, "description": "a short text"}
    return {"type": "string"}


def number(r):
    kind = r.randrange(7)
    low = r.randint(-50, 50)
    if kind == 0:
        return {"type": "integer"}
    if kind == 1:
        return {"type": "integer", "minimum": low, "maximum": low + r.randint(0, 1000)}
    if kind == 2:
        return {"type": "number", "minimum": low, "exclusiveMaximum": low + r.randint(1, 9) / 4}
    if kind == 3:
        return {"type": "integer", "multipleOf": r.choice([2, 5, 10, 25]), "minimum": 0}
    if kind == 4:
        return {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 100}
    if kind == 5:
        return {"type": "number", "exclusiveMinimum": 0}
    return {"type": "number"}


def leaf(r):
    return r.choice([text, text, number, lambda r: {"type": "boolean"}, lambda r: {"type": ["string", "null"], "maxLength": 10},
                     lambda r: {"enum": [1, 2.5, None, True, "x"]}])(r)


def value(r, depth):
    kind = r.randrange(8) if depth else 9
    if kind == 0:
        return record(r, depth - 1)
    if kind == 1:
        low = r.randint(0, 2)
        return {"type": "array", "items": value(r, depth - 1), "minItems": low, "maxItems": low + r.randint(0, 4)}
    if kind == 2:
        return {"anyOf": [value(r, depth - 1), {"type": "null"}]}
    if kind == 3:
        return {"type": "array", "prefixItems": [leaf(r), leaf(r)], "items": False, "minItems": 2}
    return leaf(r)


def record(r, depth):
    names = r.sample(NAMES, r.randint(1, 6))
    out = {"type": "object", "properties": {n: value(r, depth) for n in names}, "required": r.sample(names, r.randint(0, len(names)))}
    extra = r.randrange(5)
    if extra < 3:
        out["additionalProperties"] = False
    elif extra == 3:
        out["additionalProperties"] = leaf(r)
    return out


def function(r):
    out = record(r, 1)
    out.update(title=r.choice(NAMES), description="What the function takes.")
    return out


def body(r):
    shared = {"Money": {"type": "object", "properties": {"amount": number(r), "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}},
                        "required": ["amount", "currency"], "additionalProperties": False}, "Name": text(r)}
    out = record(r, 2)
    out["properties"].update(total={"$ref": "#/$defs/Money"}, label={"$ref": "#/$defs/Name"})
    out["$defs"] = shared
    return out


def union(r):
    kinds = r.sample(WORDS, r.randint(2, 5))
    return {r.choice(["oneOf", "anyOf"]): [
        {"type": "object", "properties": {"kind": {"const": k}, **{n: leaf(r) for n in r.sample(NAMES[6:], 2)}}, "required": ["kind"],
         "additionalProperties": False} for k in kinds]}


def configuration(r):
    return {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
            "definitions": {"level": {"type": "integer", "minimum": 0, "maximum": r.randint(1, 9)}},
            "properties": {"version": {"type": "integer", "enum": [1, 2]}, "level": {"$ref": "#/definitions/level"},
                           "servers": {"type": "object", "patternProperties": {"^[a-z]+$": record(r, 0)}, "additionalProperties": False},
                           "paths": {"type": "array", "items": {"type": "string", "pattern": "^/[a-z/]*$"}, "maxItems": 4}},
            "required": ["version"], "additionalProperties": False}


def tree(r):
    return {"$defs": {"node": {"type": "object", "properties": {"value": leaf(r), "children": {
        "type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": r.randint(1, 3)}}, "required": ["value"],
        "additionalProperties": False}}, "$ref": "#/$defs/node"}


def long_enumeration(r):
    return {"type": "object", "properties": {"code": {"enum": ["%s-%03d" % (r.choice(WORDS), i) for i in range(200)]}, "n": number(r)},
            "required": ["code"], "additionalProperties": False}


def merged(r):
    return {"allOf": [{"type": "object", "properties": {"a": text(r)}, "required": ["a"]},
                      {"properties": {"b": number(r)}, "minProperties": 1}, {"maxProperties": 3}]}


def conditional(r):
    return {"type": "object", "properties": {"mode": {"enum": ["fast", "safe"]}, "retries": {"type": "integer", "minimum": 0, "maximum": 9},
                                             "reason": {"type": "string", "maxLength": 20}}, "required": ["mode"],
            "additionalProperties": False, "if": {"properties": {"mode": {"const": "safe"}}}, "then": {"required": ["retries"]},
            "else": {"not": {"required": ["retries"]}}, "dependentRequired": {"reason": ["mode"]}}


def schemas(count=330, seed=1):
    makers = [function, function, body, union, configuration, tree, long_enumeration, merged, conditional, lambda r: value(r, 2)]
    return [makers[i % len(makers)](random.Random(seed * 1000003 + i)) for i in range(count)]
