#!/usr/bin/env python3
"""Holds XML grammars made of JSON schemas against Python's XML parser and the jsonschema package.

    compare_xml.py --bitnet build/bitnet --work build/diff [--count N] [--outputs N] [--tokens N]

Schemas are made at random. Every output of the demo model at temperature 1.5 is a document that, read back by its schema, is a
value that jsonschema accepts. Values near those are written as XML, and texts near the outputs are made: the grammar accepts them
exactly when some reading is valid (of texts near: only then). Exits 1 on differences."""
import argparse
import copy
import json
import random
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import jsonschema

from compare_grammars import near, run

NAMES = ["name", "age", "tags", "address", "note", "items", "kind", "größe", "x-y", "_z"]
NAMESPACE = "http://example.org/a?b&c"


def scalar(r):
    return r.choice([
        {"type": "string", "maxLength": r.randint(0, 30)}, {"type": "string", "minLength": 1, "maxLength": 20}, {"type": "boolean"},
        {"type": "integer", "minimum": r.randint(-5, 5), "maximum": r.randint(6, 500)}, {"type": "null"},
        {"type": "number", "minimum": 0, "multipleOf": 0.5, "maximum": 1000}, {"enum": ["a", "b<c", 7, True, None, "x & y"]},
        {"type": "string", "pattern": "^[<>&\"' a-c\\t]{2,6}$"}, {"type": "string", "format": "date"}, {"const": "c\n\"d\""},
        {"type": ["integer", "null"], "minimum": 0, "maximum": 99}, {"anyOf": [{"type": "integer", "minimum": 1000, "maximum": 2000}, {
            "type": "string", "minLength": 2, "maxLength": 5}]}])


def schema_of(r, depth=0):
    choice = r.random()
    if depth > 2 or choice < 0.35 and depth:
        return scalar(r)
    if choice < 0.5:
        array = {"type": "array", "items": schema_of(r, depth + 1), "minItems": r.randint(0, 1), "maxItems": r.randint(1, 3)}
        if r.random() < 0.3:
            array["prefixItems"] = [scalar(r)]
        return array
    if choice < 0.58 and depth:
        return {"oneOf": [tagged(r, "p", depth), tagged(r, "q", depth)]}
    return object_of(r, depth)


def object_of(r, depth):
    names = r.sample(NAMES, r.randint(1, 4))
    properties = {name: schema_of(r, depth + 1) for name in names}
    for name, schema in properties.items():
        if schema.get("type") == "array" and r.random() < 0.4:
            schema["xml"] = {"wrapped": True}
            if r.random() < 0.5:
                schema["items"] = {**schema["items"], "xml": {"name": "entry"}}
        elif schema.get("type") not in ("array", "object") and "oneOf" not in schema and r.random() < 0.3:
            schema["xml"] = {"attribute": True}
        elif r.random() < 0.15:
            schema["xml"] = {"name": name + ".renamed"}
    out = {"type": "object", "properties": properties, "required": [n for n in names if r.random() < 0.6]}
    if r.random() < 0.15:
        out["minProperties"] = 1
    if r.random() < 0.15 and len(names) > 1:
        out["dependentRequired"] = {names[0]: [names[1]]}
    if r.random() < 0.3:
        out["additionalProperties"] = False
    return out


def tagged(r, tag, depth):
    inner = object_of(r, depth + 1)
    return {**inner, "properties": {"which": {"const": tag}, **inner["properties"]}, "required": ["which", *inner["required"]]}


def root_schema(seed):
    r = random.Random(seed)
    schema = copy.deepcopy(schema_of(r))
    if r.random() < 0.3:
        schema["xml"] = {"name": "doc", "namespace": NAMESPACE, "prefix": "d"}
    elif r.random() < 0.5:
        schema["title"] = "Thing"
    return schema


# ---- reading a document by its schema ----

def alternatives(schema):
    return [a for part in schema["oneOf"] for a in alternatives(part)] if "oneOf" in schema else [schema]


def name_of(schema, default):
    return schema.get("xml", {}).get("name", default)


def item_schemas(schema, n):
    prefix = schema.get("prefixItems", [])
    return [prefix[i] if i < len(prefix) else schema.get("items", {}) for i in range(n)]


def keep_valid(schema, values):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    return [v for v in values if validator.is_valid(v)]


def read_text(schema, text):
    values = [text]
    try:
        values.append(json.loads(text))
    except ValueError:
        pass
    if not text:
        values.append(None)
    return keep_valid(schema, [v for v in values if not isinstance(v, (list, dict))])


def read_items(schema, elements, name):
    """The list of elements as an array, or None."""
    out = []
    for item, element in zip(item_schemas(schema, len(elements)), elements):
        values = read(item, element, name) if element.tag == name_of(item, name) else []
        if not values:
            return None
        out.append(values[0])
    return out if keep_valid(schema, [out]) else None


def blank(text):
    return not (text or "").strip()


def read_object(schema, element):
    out, children, attributes = {}, list(element), dict(element.attrib)
    if not blank(element.text) or not all(blank(c.tail) for c in children):
        return None
    for name, member in schema["properties"].items():
        xml, own = member.get("xml", {}), name_of(member, name)
        if xml.get("attribute"):
            values = read_text(member, attributes.pop(own)) if own in attributes else None
        elif member.get("type") == "array" and not xml.get("wrapped"):
            tags = {name_of(s, own) for s in item_schemas(member, 4)}
            mine = []
            while children and children[0].tag in tags:
                mine.append(children.pop(0))
            read_as = read_items(member, mine, own)
            values = None if read_as is None and not mine else [] if read_as is None else [read_as]
            if not mine and name not in schema.get("required", []):
                values = None
        else:
            values = read(member, children.pop(0), own) if children and children[0].tag == own else None
        if values == []:
            return None
        if values:
            out[name] = values[0]
    return None if children or attributes else out


def read(schema, element, name):
    """Values that the element may stand for, all of them valid."""
    found = []
    for part in alternatives(schema):
        if part.get("type") == "object":
            value = read_object(part, element)
            # a member that was left out may as well be an empty array that has no element of its own
            options = [value] if value is not None else []
            if value is not None:
                options += [{**value, n: []} for n, m in part["properties"].items()
                            if n not in value and m.get("type") == "array" and not m.get("xml", {}).get("wrapped")]
            found += keep_valid(part, options)
        elif part.get("type") == "array":
            wrapped = name if schema.get("xml", {}).get("wrapped") else "item"
            good = blank(element.text) and all(blank(c.tail) for c in element) and not element.attrib
            value = read_items(part, list(element), wrapped) if good else None
            found += [value] if value is not None else []
        elif len(element) == 0 and not element.attrib:
            found += read_text(part, element.text or "")
    return keep_valid(schema, found)


def root_name(schema):
    return schema["xml"]["name"] if "xml" in schema else schema.get("title", "root")


def readings(schema, text):
    try:
        element = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return []
    wanted = "{%s}%s" % (NAMESPACE, "doc") if "xml" in schema else root_name(schema)
    return read(schema, element, root_name(schema)) if element.tag == wanted else []


# ---- writing ----

def written(value):
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def content(value):
    return escape(written(value)).replace("\r", "&#13;")


def element(schema, value, name):
    fitting = [a for a in alternatives(schema) if keep_valid(a, [value])] or alternatives(schema)
    part, attributes, inside = fitting[0], "", ""
    if isinstance(value, dict) and "properties" in part:
        for key, member in part["properties"].items():
            own, xml = name_of(member, key), member.get("xml", {})
            if key not in value:
                continue
            if xml.get("attribute"):
                quoted = quoteattr(written(value[key]), {"\"": "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
                attributes += " %s=%s" % (own, quoted)
            elif isinstance(value[key], list) and not xml.get("wrapped"):
                inside += "".join(element(s, v, name_of(s, own)) for s, v in zip(item_schemas(member, len(value[key])), value[key]))
            else:
                inside += element(member, value[key], own)
        inside += "".join("<%s>%s</%s>" % (k, content(v), k) for k, v in value.items() if k not in part["properties"])
    elif isinstance(value, list):
        wrapped = name if part.get("xml", {}).get("wrapped") else "item"
        inside = "".join(element(s, v, name_of(s, wrapped)) for s, v in zip(item_schemas(part, len(value)), value))
    else:
        inside = content(value)
    return "<%s%s>%s</%s>" % (name, attributes, inside, name)


def document(schema, value):
    text = element(schema, value, root_name(schema))
    if "xml" in schema:
        text = "<d:doc xmlns:d=%s" % quoteattr(NAMESPACE) + text[len("<doc"):-len("doc>")] + "d:doc>"
    return text


def near_text(r, text):
    i, j = sorted((r.randrange(len(text)), r.randrange(len(text))))
    return r.choice([text[:i] + text[i + 1:], text[:i] + r.choice("<>&\"'a0 \n/=") + text[i:], text[:i] + text[j:],
                     text[:j] + text[i:j] + text[j:], text + r.choice(["\n", "<a/>", " "])])


# ---- comparing ----

def generate(options, path, seed):
    answers, error = run([options.bitnet, "generate", "demo", "-p", "Once upon a time", "--xml-schema", path, "--temp", "1.5", "--top-k", "0",
                          "--top-p", "1", "--min-p", "0", "-n", str(options.tokens), "--n", str(options.outputs), "--seed", str(seed), "--json"])
    if not answers:
        sys.exit(error)
    return [choice["text"] for choice in answers[0].get("choices", answers)]


def check(options, path, texts):
    answers, _ = run([options.bitnet, "grammar", "check", "demo", "--xml-schema", path, "--jsonl"],
                     "".join(json.dumps({"text": t}) + "\n" for t in texts))
    if len(answers) == 1 and "compiles" in answers[0]:
        return None, answers[0]["error"]
    return [a["accepted"] for a in answers], None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--outputs", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=500)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    refused, outputs, compared, bad = 0, 0, 0, []
    for seed in range(options.count):
        schema, r = root_schema(seed), random.Random(seed)
        path = str(options.work / "schema.json")
        Path(path).write_text(json.dumps(schema))
        _, error = check(options, path, [])
        if error:
            refused += "no text satisfies" not in error and "two properties become" not in error
            if "no text satisfies" not in error and "two properties become" not in error:
                bad.append(("refused", error, json.dumps(schema)))
            continue
        texts, must, values = [], [], []
        for text in generate(options, path, seed + 1):
            found = readings(schema, text)
            outputs += 1
            if not found:
                bad.append(("output", text, json.dumps(schema)))
                continue
            values.append(found[0])
            texts.append(text)
            must.append(True)
        for value in values:
            for other in [value] + [near(r, value) for _ in range(5)]:
                text = document(schema, other)
                texts.append(text)
                must.append(bool(readings(schema, text)))
        near_texts = [near_text(r, t) for t in texts for _ in range(2)]
        answers, _ = check(options, path, texts + near_texts)
        for text, wanted, accepted in zip(texts, must, answers):
            if wanted != accepted:
                bad.append(("accepted" if accepted else "not accepted", text, json.dumps(schema)))
        for text, accepted in zip(near_texts, answers[len(texts):]):
            if accepted and not readings(schema, text):
                bad.append(("accepted", text, json.dumps(schema)))
        compared += len(texts) + len(near_texts)
    print("XML: %d schemas, %d refused; %d outputs are valid; %d texts compared; differences: %d"
          % (options.count, refused, outputs, compared, len(bad)))
    for case in bad[:20]:
        print("  ", *case, sep="\n    ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
