"""Schemas as large and as entangled as public ones get: hundreds of definitions that refer to each other, unions of dozens of objects,
enumerations of thousands, bounds in the thousands, chains of conditions, patterns of names that overlap; and what people write that is
odd: identifiers that are no addresses, references into anything, dialects nobody knows. Deterministic."""
import random

from families_of_schemas import DRAFTS, OLD, WORDS, headed, names, noted

FOUR, SIX, SEVEN, NEWEST = DRAFTS[0], DRAFTS[1], DRAFTS[2], DRAFTS[4]
NOBODYS = ["http://json-schema.org/schema#", "http://example.org/meta/schema.json#", "http://json-schema.org/hyper-schema#", "http://json-schema.org/draft-04/hyper-schema#",
           "https://json.schemastore.org/schema", "", "http://json-schema.org/draft-05/schema#", "./meta.json"]


def reference(name, word="definitions"):
    return {"$ref": "#/%s/%s" % (word, name.replace("~", "~0").replace("/", "~1").replace("%", "%25"))}


def key(i):
    return WORDS[i % len(WORDS)] + (str(i // len(WORDS)) if i >= len(WORDS) else "")


def leaf(r):
    return noted(r, r.choice([
        {"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "number"}, {"type": ["string", "null"]}, {"type": "string", "format": "date-time"},
        {"type": "string", "enum": names(r, 6)}, {"type": "array", "items": {"type": "string"}}, {"type": "string", "maxLength": 65536}, {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "[\\u0020-\\uD7FF]+"},
        {"type": "integer", "minimum": -2147483648, "maximum": 2147483647}, {"type": "object", "additionalProperties": {"type": "string"}}, {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": "^arn:(aws|aws-cn):[a-z0-9-]+:[a-z0-9-]*:\\d{12}:.{1,1011}$"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 1000}]))


# ---- large ones ----

def cluster(r):
    """All kinds of a cluster's resources in one document, with schemas of schemas among them."""
    n = r.choice([60, 150, 400])
    kinds = ["io.k8s.api.%s.v1.%s" % (key(i), key(i * 7).title()) for i in range(n)]
    out = {}
    for i, kind in enumerate(kinds):
        properties = {key(r.randrange(60)): noted(r, leaf(r)) for _ in range(r.randint(3, 12))}
        for _ in range(r.randint(1, 5)):
            target = {"$ref": "#/definitions/" + r.choice(kinds), "description": "see there"}
            properties[key(r.randrange(60))] = r.choice([target, {"type": "array", "items": target, "x-kubernetes-patch-merge-key": "name"}, {"type": "object", "additionalProperties": target}])
        out[kind] = {"type": "object", "description": "a kind " * 20, "properties": properties, "required": r.sample(sorted(properties), 1) if i % 3 == 0 else []}
        if not out[kind]["required"]:
            del out[kind]["required"]
    out["JSONSchemaProps"] = {"type": "object", "properties": {"$ref": {"type": "string"}, "$schema": {"type": "string"}, "additionalProperties": reference("Either"), "allOf": {"type": "array", "items": reference("JSONSchemaProps")},
                              "default": reference("JSON"), "properties": {"type": "object", "additionalProperties": reference("JSONSchemaProps")}, "not": reference("JSONSchemaProps"), "type": {"type": "string"}}}
    out["Either"], out["JSON"] = {"description": "a schema or a boolean"}, {}
    draft = r.choice(["http://json-schema.org/schema#", SEVEN, None])
    return headed({"definitions": out, "oneOf": [reference(k) for k in kinds[:8]]} if r.random() < 0.3 else {"definitions": out, **out[kinds[0]]}, draft)


def care(r):
    """Records told apart by a constant, dozens of them, each able to contain any other."""
    kinds = [key(i).title() for i in range(r.choice([20, 60, 120]))]
    parts = {"Element": {"type": "object", "properties": {"id": {"type": "string"}, "extension": {"type": "array", "items": reference("Extension")}}, "additionalProperties": False},
             "Extension": {"type": "object", "properties": {"url": {"type": "string", "pattern": "^\\S*$"}, **{"value" + key(i).title(): {"type": r.choice(["string", "number", "boolean"])} for i in range(40)},
                           "extension": {"type": "array", "items": reference("Extension")}}, "additionalProperties": False},
             "code": {"type": "string", "pattern": "^[^\\s]+(\\s[^\\s]+)*$"}}
    for k in kinds:
        words = [key(i) for i in r.sample(range(80), r.randint(8, 30))]
        parts[k] = {"type": "object", "properties": {"resourceType": {"const": k, "description": "a " + k}, "contained": {"type": "array", "items": reference("ResourceList")}, **{w: r.choice([leaf(r), reference("code"), reference("Extension"),
                    {"type": "array", "items": reference(r.choice(kinds))}]) for w in words}, **{"_" + w: reference("Element") for w in words}}, "additionalProperties": False, "required": ["resourceType"]}
    parts["ResourceList"] = {"oneOf": [reference(k) for k in kinds]}
    return {"$schema": r.choice([SIX, SEVEN]), "id": "http://example.org/json-schema/4.0", "discriminator": {"propertyName": "resourceType"}, "oneOf": [reference(k) for k in kinds], "definitions": parts}


def cloud(r):
    kinds = ["AWS::%s::%s" % (key(i).title(), key(i * 3).title()) for i in range(r.choice([40, 120, 300]))]
    parts = {"Tag": {"type": "object", "properties": {"Key": {"type": "string"}, "Value": {"type": "string"}}, "required": ["Key", "Value"], "additionalProperties": False}}
    for kind in kinds:
        parts[kind] = {"type": "object", "additionalProperties": False, "properties": {"Condition": {"type": "string"}, "DeletionPolicy": {"enum": ["Delete", "Retain", "Snapshot"], "type": "string"}, "DependsOn": {"anyOf": [
            {"pattern": "^[a-zA-Z0-9]+$", "type": "string"}, {"items": {"pattern": "^[a-zA-Z0-9]+$", "type": "string"}, "type": "array"}]}, "Metadata": {"type": "object"},
            "Properties": {"type": "object", "additionalProperties": False, "properties": {key(i).title(): r.choice([leaf(r), {"type": "array", "items": reference("Tag")}]) for i in r.sample(range(60), r.randint(2, 14))}},
            "Type": {"enum": [kind], "type": "string"}}, "required": ["Type", "Properties"] if r.random() < 0.5 else ["Type"]}
    parts["CustomResource"] = {"type": "object", "additionalProperties": False, "properties": {"Properties": {"type": "object", "additionalProperties": True, "properties": {"ServiceToken": {"type": "string"}}, "required": ["ServiceToken"]},
                               "Type": {"pattern": "^Custom::[a-zA-Z_@-]+$", "type": "string"}}, "required": ["Type", "Properties"]}
    return headed({"$id": "http://example.org/cloud.schema.json", "additionalProperties": False, "definitions": parts, "properties": {"AWSTemplateFormatVersion": {"enum": ["2010-09-09"], "type": "string"},
                   "Conditions": {"additionalProperties": False, "patternProperties": {"^[a-zA-Z0-9]+$": {"type": "object"}}, "type": "object"}, "Resources": {"additionalProperties": False, "patternProperties": {
                       "^[a-zA-Z0-9]+$": {"anyOf": [reference(k) for k in [*kinds, "CustomResource"]]}}, "type": "object"},
                   "Transform": {"oneOf": [{"type": ["string"]}, {"type": "array", "items": {"type": "string"}}]}}, "required": ["Resources"], "type": "object"}, r.choice(OLD))


def grammar_of_graphics(r):
    n = r.choice([80, 250, 600])
    parts = {"ExprRef": {"type": "object", "properties": {"expr": {"type": "string"}}, "required": ["expr"], "additionalProperties": False}}
    for i in range(n):
        kind, name = i % 5, "D%d<(%s|null)>" % (i, key(i))
        others = [reference(o) for o in r.sample(sorted(parts), min(len(parts), r.randint(1, 6)))]
        parts[name] = ({"anyOf": [*others, {"type": r.choice(["string", "number", "null"])}]} if kind == 0 else {"enum": [key(i + j) for j in range(9)], "type": "string"} if kind == 1 else
                       {"type": "object", "additionalProperties": False, "properties": {key(j): r.choice([leaf(r), r.choice(others), {"anyOf": [*others, leaf(r)]}]) for j in r.sample(range(70), 12)}} if kind in (2, 3) else
                       {"anyOf": [{"type": "array", "items": others[0]}, *others]})
    return {"$schema": SEVEN, "$ref": "#/definitions/Top", "definitions": {**parts, "Top": {"anyOf": [reference(k) for k in sorted(parts)[-6:]]}}}


def linter(r):
    level = {"oneOf": [{"type": "number", "enum": [0, 1, 2]}, {"type": "string", "enum": ["off", "warn", "error"]}]}
    rules = {}
    for i in range(r.choice([50, 150, 400])):
        option = r.choice([{"type": "object", "properties": {key(j): {"type": r.choice(["boolean", "string", "integer"])} for j in r.sample(range(60), 4)}, "additionalProperties": r.random() < 0.5}, {"enum": names(r, 3)}, {"type": "integer", "minimum": 0}])
        rules["plugin/rule-%d" % i] = {"oneOf": [reference("level"), {"type": "array", "items": [reference("level"), option], "minItems": 1, "additionalItems": r.random() < 0.3}]}
    files = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "additionalItems": False}]}
    return headed({"definitions": {"level": level, "rules": {"type": "object", "properties": rules, "additionalProperties": {"anyOf": [reference("level"), {"type": "array"}]}}, "base": {"type": "object", "properties": {"rules": reference("rules"), "env": {
        "type": "object", "properties": {key(i): {"type": "boolean"} for i in range(30)}}, "globals": {"type": "object", "additionalProperties": {"oneOf": [{"type": "string", "enum": ["readonly", "writable", "off"]}, {"type": "boolean"}]}}}}},
        "allOf": [reference("base"), {"type": "object", "properties": {"root": {"type": "boolean"}, "overrides": {"type": "array", "items": {"allOf": [reference("base"), {"type": "object", "properties": {"files": files}, "required": ["files"]}]}}}}]}, r.choice([FOUR, SEVEN]))


def compiler(r):
    """An allOf of parts, each of which knows some members; many of them enumerate by enum or by pattern in any case of letters."""
    def any_case(words):
        return {"anyOf": [{"enum": words}, {"pattern": "^(%s)$" % "|".join("".join("[%s%s]" % (c.upper(), c) if c.isalpha() else c for c in w) for w in words)}]}
    options = {key(i): r.choice([{"type": "boolean", "default": False}, {"type": ["string", "null"], **any_case(names(r, 5))}, {"type": "array", "uniqueItems": True, "items": {"type": "string", **any_case(["es%d" % y for y in range(2015, 2024)])}},
                                 {"type": "object", "additionalProperties": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}}, {"$comment": "any"}]) for i in range(90)}
    definitions = {"part%d" % i: {"properties": {"compilerOptions" if i == 0 else key(i): {"type": ["object", "null"], "properties": options, "description": "see"} if i == 0 else leaf(r)}} for i in range(9)}
    definitions["files"] = {"properties": {"files": {"type": ["array", "null"], "uniqueItems": True, "items": {"type": ["string", "null"]}}}}
    return headed({"allowTrailingCommas": True, "definitions": definitions, "allOf": [reference("part%d" % i) for i in range(9)] + [{"anyOf": [reference("files"), reference("part3"), reference("part4")]}], "title": "a configuration", "type": "object"}, r.choice(OLD))


def deep(r):
    out, n = {"type": "string"}, r.choice([20, 60, 120])
    for i in range(n):
        out = r.choice([{"type": "object", "properties": {key(i): out, "x": {"type": "integer"}}, "required": [key(i)]}, {"type": "array", "items": out, "minItems": 1}, {"anyOf": [out, {"type": "null"}]}])
    return headed(out, r.choice(DRAFTS))


def expression(r):
    """A language of expressions: operators by the dozen, each of which takes expressions."""
    operators = [key(i) for i in range(r.choice([20, 50]))]
    word = r.choice(["oneOf", "anyOf"])
    parts = {"expr": {word: [{"type": ["string", "number", "boolean", "null"]}, *[reference("op-" + o) for o in operators]]}}
    for i, o in enumerate(operators):
        parts["op-" + o] = ({"type": "object", "required": [o], "properties": {o: {"type": "array", "items": reference("expr"), "minItems": 2, "maxItems": 2 + i % 3}}, "additionalProperties": False} if i % 3 else
                            {"type": "array", "items": [{"const": o}, reference("expr"), reference("expr")], "minItems": 2, "additionalItems": reference("expr")})
    return headed({"definitions": parts, "type": "object", "properties": {"filter": reference("expr"), "sort": {"type": "array", "items": reference("expr")}}}, r.choice([SIX, SEVEN]))


# ---- numbers of things ----

def many(r):
    n = r.choice([300, 2000, 8000])
    words = ["%s-%s-%d" % (key(i), key(i * 13), i) for i in range(n)]
    return headed(r.choice([
        {"type": "string", "enum": words}, {"type": "object", "properties": {"icon": {"enum": words}, "other": {"anyOf": [{"enum": words[::2]}, {"type": "null"}]}}, "required": ["icon"]},
        {"enum": [{"code": w, "n": i} for i, w in enumerate(words[:600])]}, {"type": "object", "propertyNames": {"enum": words}, "additionalProperties": {"type": "boolean"}}, {"enum": list(range(n)) + words},
        {"type": "object", "properties": {w: {"type": "string"} for w in words[:1500]}, "additionalProperties": False}, {"type": "object", "properties": {w: {"type": "integer"} for w in words[:300]}, "required": words[:300]},
        {"oneOf": [{"const": w, "title": w.title()} for w in words[:800]]}, {"anyOf": [{"type": "string", "const": w} for w in words[:1500]]}, {"type": "object", "additionalProperties": {"enum": words[:2000]}, "minProperties": 1},
        {"type": "array", "uniqueItems": True, "items": {"type": "string", "enum": words[:1000]}}]), r.choice(DRAFTS[2:5]))


def long(r):
    item = r.choice([{"type": "string"}, {"type": "number"}, {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}, {}])
    return headed(r.choice([
        {"type": "array", "items": item, "maxItems": r.choice([100, 1024, 10000, 100000, 2147483647])}, {"type": "array", "items": item, "minItems": r.choice([5, 30]), "maxItems": r.choice([1000, 5000])},
        {"type": "string", "maxLength": r.choice([255, 4096, 65535, 1048576, 2147483647])}, {"type": "string", "minLength": r.choice([1, 40, 500]), "maxLength": r.choice([1000, 65536])},
        {"type": "string", "pattern": "^[A-Za-z0-9+/]{%d,%d}={0,2}$" % (r.choice([0, 4, 16]), r.choice([100, 1000, 10000]))}, {"type": "string", "pattern": "^[\\s\\S]{1,65536}$"}, {"type": "string", "pattern": "^[a-z0-9-_/]+$", "minLength": 3, "maxLength": 4096},
        {"type": "string", "pattern": "^\\S(.{0,2998}\\S)?$", "maxLength": 3000}, {"type": "object", "maxProperties": r.choice([50, 1000]), "additionalProperties": item}, {"type": "object", "minProperties": r.choice([1, 8]), "patternProperties": {"^[a-z]+$": item}},
        {"type": "string", "pattern": "^.*(error|warning).*$", "maxLength": 1000}, {"type": "string", "pattern": "(^$|^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$)", "maxLength": 254}, {"type": "string", "pattern": "^([a-z0-9]{1,63}\\.){1,8}[a-z]{2,63}$", "maxLength": 253},
        {"type": "string", "format": "uri", "maxLength": 8096}, {"type": "string", "format": "email", "minLength": 6, "maxLength": 127}, {"type": "string", "format": "uri", "pattern": "^https://", "maxLength": 2048}, {"type": "string", "format": "hostname", "maxLength": 253},
        {"type": "string", "format": "date-time", "pattern": "Z$"}]), r.choice(DRAFTS[:5]))


def bounds(r):
    return headed(r.choice([
        {"type": "integer", "minimum": 0, "maximum": 9223372036854775807}, {"type": "integer", "minimum": -9223372036854775808}, {"type": "number", "minimum": -180, "maximum": 180}, {"type": "number", "multipleOf": 0.01, "minimum": 0},
        {"type": "number", "minimum": 0.1, "maximum": 0.9}, {"type": "integer", "multipleOf": 1000, "maximum": 1000000}, {"type": "number", "multipleOf": 1e-4}, {"type": "number", "exclusiveMinimum": -1e-9, "exclusiveMaximum": 1e21},
        {"type": "integer", "minimum": 1.5, "maximum": 10.5}, {"type": "number", "maximum": 79228162514264337593543950335}, {"type": "integer", "multipleOf": 86400000, "minimum": 1}, {"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.5},
        {"type": "integer", "minimum": 1970, "maximum": 2100, "not": {"multipleOf": 4}}, {"oneOf": [{"type": "number", "minimum": 0, "maximum": 10}, {"type": "number", "minimum": 5, "maximum": 20}, {"type": "integer", "minimum": 15}]},
        {"type": "number", "minimum": 3.4028234663852886e+38}, {"type": "integer", "multipleOf": 7, "minimum": -21, "maximum": 10000}, {"type": ["integer", "string"], "minimum": 0, "pattern": "^\\d+$"}]), r.choice(DRAFTS[1:5]))


# ---- conditions ----

def choices(r):
    n = r.choice([5, 15, 40])
    ks = [key(i) for i in range(n)]
    return headed(r.choice([
        {"type": "object", "oneOf": [{"required": [k]} for k in ks]}, {"type": "object", "properties": {k: {"type": "string"} for k in ks}, "anyOf": [{"required": [k]} for k in ks], "additionalProperties": False},
        {"type": "object", "properties": {k: leaf(r) for k in ks}, "oneOf": [{"required": [k]} for k in ks], "additionalProperties": False},
        {"type": "object", "properties": {"kind": {"enum": ks}}, "required": ["kind"], "allOf": [{"if": {"properties": {"kind": {"const": k}}}, "then": {"properties": {"value": leaf(r), k: leaf(r)}, "required": [k]}} for k in ks]},
        {"oneOf": [{"type": "object", "properties": {"kind": {"const": k}, **{o: leaf(r) for o in r.sample(ks, 3)}}, "required": ["kind"]} for k in ks]}, {"oneOf": [{"type": "object", "properties": {k: leaf(r)}, "required": [k], "additionalProperties": False} for k in ks]},
        {"anyOf": [{"type": "object", "properties": {o: leaf(r) for o in r.sample(ks, min(len(ks), 5))}} for k in ks]}, {"oneOf": [{"type": "object", "properties": {o: leaf(r) for o in r.sample(ks, 3)}, "required": r.sample(ks, 2)} for k in ks[:12]]},
        {"type": "object", "dependencies": {k: [ks[(i + 1) % n]] for i, k in enumerate(ks[:-1])}}, {"type": "object", "dependentRequired": {k: [ks[(i + 1) % n], ks[(i + 2) % n]] for i, k in enumerate(ks)}},
        {"type": "object", "properties": {k: {"type": "boolean"} for k in ks}, "not": {"required": ks[:2]}, "allOf": [{"not": {"required": [ks[i], ks[i + 1]]}} for i in range(0, n - 1, 2)]},
        {"if": {"required": [ks[0]]}, "then": {"required": [ks[1]]}, "else": {"if": {"required": [ks[2]]}, "then": {"properties": {ks[3]: {"type": "string"}}}, "else": {"required": [ks[4]]}}, "type": "object"},
        {"type": "object", "allOf": [{"anyOf": [{"not": {"required": [ks[i]]}}, {"required": [ks[(i + 1) % n]]}]} for i in range(min(n, 8))]}]), r.choice([SEVEN, DRAFTS[3], NEWEST]))


def overlaps(r):
    n = r.choice([4, 10, 24])
    patterns = {"^%s" % key(i)[:2 + i % 3]: {"type": r.choice(["string", "integer", ["string", "integer"]])} for i in range(n)}
    more = {"^[a-z]+_%d$" % i: {"type": "number"} for i in range(n)}
    return headed(r.choice([{"type": "object", "patternProperties": patterns, "additionalProperties": False}, {"type": "object", "properties": {key(i): {} for i in range(20)}, "patternProperties": more, "additionalProperties": {"type": "null"}},
                            {"type": "object", "patternProperties": {**patterns, **more, ".*": {}}, "minProperties": 1}, {"type": "object", "patternProperties": {"^.*$": {"anyOf": [{"type": "string"}, reference("r")]}}, "definitions": {"r": {"type": "object", "required": ["a"]}}},
                            {"type": "object", "patternProperties": {"^(?!x-)": {"type": "object", "additionalProperties": {"type": "number"}}, "^x-": {}}, "additionalProperties": False}, {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 64}, "additionalProperties": {"$ref": "#"}}]), r.choice(DRAFTS[1:5]))


def different(r):
    """Items that must differ and aren't strings."""
    item = r.choice([{"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "number"}}, "required": ["name"]}, {"type": "integer"}, {"type": "number", "minimum": 0}, {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                     {"$ref": "#/definitions/one"}, {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, {"type": ["string", "null"]}, {"anyOf": [{"enum": ["a", "b"]}, {"type": "object"}]}, {}, {"type": "boolean"}])
    return headed({"definitions": {"one": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}}, "type": "object", "properties": {"list": {"type": "array", "items": item, "uniqueItems": True, **r.choice([{}, {"minItems": 1}, {"minItems": 2},
                   {"minItems": 3, "maxItems": 3}, {"maxItems": 20}])}}, "required": ["list"]}, r.choice(OLD + [NEWEST]))


# ---- what is odd ----

def odd(r):
    a, b, c = names(r, 3)
    text = {"type": "string"}
    return r.choice([
        {"$schema": FOUR, "id": "http://jsonschema.net", "type": "object", "properties": {a: {"id": "http://jsonschema.net/" + a, "type": "object", "properties": {b: {"id": "http://jsonschema.net/%s/%s" % (a, b), "type": "array", "items": [
            {"id": "0", "type": "string"}, {"id": "1", "type": "integer"}], "additionalItems": True}}}}},
        {"$schema": SEVEN, "$id": "http://example.com/root.json", "type": "object", "definitions": {}, "properties": {a: {"$id": "#/properties/" + a, "type": "object", "properties": {b: {"$id": "#/properties/%s/properties/%s" % (a, b), **text, "pattern": "^(.*)$", "examples": ["x"]}}}}},
        {"$schema": FOUR, "id": "#root", "properties": {a: {"id": "#" + a, **text}, b: {"$ref": "#" + a}}, "type": "object"}, {"$schema": FOUR, "type": "object", "properties": {a: {"type": "object", "properties": {b: {"type": "integer"}}}, c: {"$ref": "#/properties/%s/properties/%s" % (a, b)}}},
        {"$schema": SEVEN, "definitions": {"a b": text, "a%b": {"type": "integer"}, "a/b": {"type": "null"}, "ä": {"type": "boolean"}, "<T>": {"type": "number"}}, "type": "object", "properties": {"a": {"$ref": "#/definitions/a%20b"}, "b": {"$ref": "#/definitions/a%25b"},
            "c": {"$ref": "#/definitions/a~1b"}, "d": {"$ref": "#/definitions/%C3%A4"}, "e": {"$ref": "#/definitions/ä"}, "f": {"$ref": "#/definitions/<T>"}, "g": {"$ref": "#/definitions/%3CT%3E"}, "h": {"$ref": "#/definitions/a b"}}},
        {"$schema": FOUR, "properties": {a: {"type": "array", "items": [text, {"$ref": "#/properties/%s/items/0" % a}]}}, "type": "object"}, {"$schema": SEVEN, "type": "object", "properties": {"schema": {"$ref": "http://json-schema.org/draft-07/schema#"}}},
        {"$schema": FOUR, "type": "object", "properties": {a: {"$ref": "http://json-schema.org/draft-04/schema#"}, b: {"$ref": "http://json-schema.org/draft-04/schema#/definitions/positiveInteger"}}, "required": [b]},
        {"$schema": FOUR, "type": "object", "properties": {a: {"$ref": "http://json-schema.org/draft-04/schema#/properties/title"}, b: {"$ref": "http://json-schema.org/draft-04/schema#/definitions/stringArray"}}},
        {"$schema": SIX, "type": "object", "additionalProperties": {"$ref": "http://json-schema.org/draft-06/schema#"}}, {"type": "object", "properties": {a: {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
        {"$schema": DRAFTS[3], "type": "object", "properties": {a: {"$ref": "https://json-schema.org/draft/2019-09/schema"}}}, {"allOf": [{"$ref": "http://json-schema.org/draft-04/schema#"}, {"properties": {a: text}}], "$schema": FOUR},
        {"definitions": {"t": text}, "type": "object", "properties": {a: {"$ref": "#/definitions/t", "maxLength": 3}, b: {"$ref": "#/definitions/t", "nullable": True, "example": "x", "enum": ["x", "yy"]}}},
        {"definitions": {"t": {"type": "object", "properties": {a: text}}}, "$ref": "#/definitions/t", "required": [a], "type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {a: {"$ref": "#/components/schemas/x"}}, "components": {"schemas": {"x": {"type": "object", "properties": {b: {"$ref": "#/components/schemas/y"}}}, "y": {"type": "integer", "nullable": True}}}, "openapi": "3.0.0"},
        {"$schema": FOUR, "type": "object", "properties": {a: {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 10, "exclusiveMaximum": False}, b: {"type": "integer", "exclusiveMaximum": True}}},
        {"type": "object", "properties": {a: {"type": ["string"], "enum": ["x", 1, None]}, b: {"const": {"q": [1, {"z": None}]}}, c: {"enum": [{"q": 1}, [1], [], {}]}}, "required": [a]}, {"type": ["array", "object"], "items": {"type": "integer"}, "additionalProperties": {"$ref": "#"}},
        {"$comment": "nothing but words", "title": "t", "description": "d", "x-a": {"b": 1}}, True, {"not": {"type": "null"}}, {"allOf": [{}]}, {"anyOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/b"}], "definitions": {"a": {"type": "string"}, "b": {"$ref": "#/definitions/a"}}},
        {"self": {"vendor": "org.example", "name": a, "format": "jsonschema", "version": "1-0-0"}, "$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#", "type": "object", "properties": {
            a: {"type": ["string", "null"], "maxLength": 4096}, b: {"type": ["integer", "null"], "minimum": 0, "maximum": 2147483647}, c: {"type": "string", "format": "date-time"}}, "required": [a], "additionalProperties": False, "dependencies": {a: [b]}},
        {"$schema": r.choice(NOBODYS), "definitions": {"t": {"type": "string", "maxLength": 9}}, "type": "object", "properties": {a: {"$ref": "#/definitions/t"}, b: {"type": "array", "items": {"$ref": "#/definitions/t"}}}},
        {"$schema": r.choice(NOBODYS), "definitions": {"t": {"type": "string", "maxLength": 9}}, "type": "object", "properties": {a: {"$ref": "#/definitions/t", "minLength": 2}, b: {"type": "integer", "minimum": 3}}},
        {"$schema": SEVEN, "type": "object", "properties": {a: {"type": "array", "contains": {"type": "integer"}, "minItems": 1}, b: {"propertyNames": {"maxLength": 3}}, c: {"if": {"type": "string"}, "then": {"maxLength": 2}, "else": {"type": "integer"}}}},
        {"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "unevaluatedProperties": False}}, "$ref": "#/$defs/node", "$schema": NEWEST},
        {"$schema": DRAFTS[3], "$recursiveAnchor": True, "type": "object", "properties": {a: {"$recursiveRef": "#"}, b: text}, "additionalProperties": False}, {"$schema": NEWEST, "$dynamicAnchor": "node", "type": "object", "properties": {a: {"$dynamicRef": "#node"}, b: text}},
        {"$schema": SEVEN, "$id": "https://example.org/a/b.json", "definitions": {"x": {"$id": "x.json", "definitions": {"y": text}, "properties": {a: {"$ref": "#/definitions/y"}}}}, "allOf": [{"$ref": "x.json"}, {"$ref": "https://example.org/a/x.json#/definitions/y"}] if r.random() < 0.3 else [{"$ref": "x.json"}]}])


PATTERNS = ["^[a-zA-Z0-9\\-\\_]+$", "^(?P<year>\\d{4})-(?P<month>\\d{2})$", "^\\d+(\\.\\d+)?(px|em|rem|%)$", "^[\\w\\-\\.]+@([\\w\\-]+\\.)+[\\w\\-]{2,4}$", "^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!$)|$)){4}$",
            "^(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?:/(?:[0-9]|[1-2][0-9]|3[0-2]))?$", "^v?\\d+\\.\\d+\\.\\d+(?:-[\\w.]+)?(?:\\+[\\w.]+)?$", "^https?://(?:www\\.)?[-a-zA-Z0-9@:%._\\+~#=]{1,256}\\.[a-zA-Z0-9()]{1,6}\\b(?:[-a-zA-Z0-9()@:%_\\+.~#?&//=]*)$",
            "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$", "^[^<>:;,?\"*|]+$", "^#(?:[0-9a-fA-F]{3,4}){1,2}$", "^(rgb|hsl)a?\\((\\d+%?(deg|rad|grad|turn)?[,\\s]+){2,3}[\\s\\/]*[\\d\\.]+%?\\)$", "^P(?!$)(\\d+Y)?(\\d+M)?(\\d+W)?(\\d+D)?(T(?=\\d)(\\d+H)?(\\d+M)?(\\d+S)?)?$",
            "^\\$\\{\\{.*\\}\\}$", "^(?!\\s)[^\\x00-\\x1f]*(?<!\\s)$", "^[\\x20-\\x7E]{1,128}$", "^[^\\u0000-\\u001F]*$", "^\\p{Lu}\\p{Ll}+$", "^[\\p{L}\\p{M}\\p{N}\\p{Zs}.,'-]{1,64}$", "^(?:\\*|\\d+|\\*/\\d+)(?:\\s+(?:\\*|\\d+|\\*/\\d+)){4}$", "^\\/(?:[^\\/]+\\/?)*$",
            "^(?=.{1,254}$)(?=.{1,64}@)[-!#$%&'*+/0-9=?A-Z^_`a-z{|}~]+@[A-Za-z0-9]+(\\.[A-Za-z0-9]+)*$", "^(0x)?[0-9a-fA-F]{40}$", "^[13][a-km-zA-HJ-NP-Z1-9]{25,34}$", "^\\s*\\S[\\s\\S]*$", "^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$", "[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])",
            "^\\[[a-z]+(,[a-z]+)*\\]$", "^((19|20)\\d\\d)-(0?[1-9]|1[012])-(0?[1-9]|[12]\\d|3[01])$", "^[a-z]+(?:-[a-z]+)*(?:\\.[a-z]+)?$", "^(?i)(true|false)$", "^.{8}-.{4}-.{4}-.{4}-.{12}$", "^\\+[1-9]\\d{1,14}$", "^[A-Z]{2}\\d{2}[A-Z0-9]{1,30}$", "^urn:[a-z0-9][a-z0-9-]{0,31}:[a-z0-9()+,\\-.:=@;$_!*'%/?#]+$",
            "^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", "^\\w+([-+.']\\w+)*@\\w+([-.]\\w+)*\\.\\w+([-.]\\w+)*$", "^[\\w-]*(\\$\\{[\\w.]+\\}[\\w-]*)*$", "^(?:a{0,100}b){0,50}$", "^(?:[^,]{1,200},){0,20}[^,]{1,200}$", "^-?(?:0|[1-9]\\d{0,17})(?:\\.\\d{1,9})?$"]


def pattern(r):
    schema = {"type": "string", "pattern": r.choice(PATTERNS)}
    return headed(r.choice([schema, {"type": "object", "properties": {"p": schema, "q": schema}, "required": ["p"]}, {"type": "object", "patternProperties": {schema["pattern"]: {"type": "integer"}}, "additionalProperties": False}, {**schema, "maxLength": r.choice([10, 100, 2000]), "minLength": 1}]),
                  r.choice(DRAFTS))


MAKERS = {f.__name__: f for f in (cluster, care, cloud, grammar_of_graphics, linter, compiler, deep, expression, many, long, bounds, choices, overlaps, different, odd, pattern)}
SHARES = {"cluster": 8, "care": 5, "cloud": 5, "grammar_of_graphics": 6, "linter": 4, "compiler": 3, "deep": 8, "expression": 5, "many": 30, "long": 50, "bounds": 30, "choices": 50, "overlaps": 16, "different": 30, "odd": 90, "pattern": 70}


def families(seed=1):
    for name, maker in MAKERS.items():
        for i in range(SHARES[name]):
            yield name, maker(random.Random("%s %d %d" % (name, seed, i)))
