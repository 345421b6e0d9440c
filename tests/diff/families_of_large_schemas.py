"""Schemas in the manner of the larger public ones, which are about unions: interface descriptions, record types, charts, templates of
clouds, pipelines, linters, inventories, workspaces, exchange formats; deep conditions, overlapping branches, patterns of names beside
closed objects, references among hundreds of definitions, big enumerations, and patterns that look around. Deterministic."""
import random

from families_of_schemas import DRAFTS, OLD, WORDS, headed, names, noted

FOUR, SIX, SEVEN, NEWEST = DRAFTS[0], DRAFTS[1], DRAFTS[2], DRAFTS[4]


def reference(name, word="definitions"):
    return {"$ref": "#/%s/%s" % (word, name)}


def closed(properties, required=(), extensions=True):
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {}), "additionalProperties": False,
            **({"patternProperties": {"^x-": {}}} if extensions else {})}


# ---- interfaces ----

def interface_description(r):
    """An object or a reference to one, everywhere; extensions by a pattern of names."""
    def either(name):
        return {"oneOf": [reference(name), reference("reference")]}
    parts = {
        "reference": {"type": "object", "required": ["$ref"], "patternProperties": {"^\\$ref$": {"type": "string", "format": "uri-reference"}}},
        "info": closed({"title": {"type": "string"}, "version": {"type": "string"}, "contact": closed({"email": {"type": "string", "format": "email"}})}, ["title", "version"]),
        "schema": closed({"type": {"type": "string", "enum": ["array", "boolean", "integer", "number", "object", "string"]}, "not": either("schema"),
                          "allOf": {"type": "array", "items": either("schema")}, "properties": {"type": "object", "additionalProperties": either("schema")},
                          "items": either("schema"), "enum": {"type": "array", "items": {}, "minItems": 1}, "minimum": {"type": "number"},
                          "exclusiveMinimum": {"type": "boolean", "default": False}, "additionalProperties": {"oneOf": [*either("schema")["oneOf"], {"type": "boolean"}]},
                          "maxLength": {"type": "integer", "minimum": 0}, "pattern": {"type": "string", "format": "regex"}, "nullable": {"type": "boolean"}}),
        "parameter": {**closed({"name": {"type": "string"}, "in": {"type": "string"}, "required": {"type": "boolean"}, "schema": either("schema"), "example": {},
                                "examples": {"type": "object"}, "style": {"type": "string"},
                                "content": {"type": "object", "additionalProperties": reference("media"), "minProperties": 1, "maxProperties": 1}}, ["name", "in"]),
                      "allOf": [{"not": {"required": ["example", "examples"]}}, {"oneOf": [{"required": ["schema"]}, {"required": ["content"], "allOf": [
                          {"not": {"required": [k]}} for k in ("style", "example")]}]},
                          {"oneOf": [{"properties": {"in": {"enum": [k]}, "style": {"enum": styles}, **({"required": {"enum": [True]}} if k == "path" else {})},
                                      **({"required": ["required"]} if k == "path" else {})}
                                     for k, styles in (("path", ["matrix", "simple"]), ("query", ["form"]), ("header", ["simple"]), ("cookie", ["form"]))]}]},
        "media": {**closed({"schema": either("schema"), "example": {}, "examples": {"type": "object"}}), "allOf": [{"not": {"required": ["example", "examples"]}}]},
        "responses": {"type": "object", "properties": {"default": either("response")}, "patternProperties": {"^[1-5](?:\\d{2}|XX)$": either("response"), "^x-": {}},
                      "minProperties": 1, "additionalProperties": False},
        "response": closed({"description": {"type": "string"}, "content": {"type": "object", "additionalProperties": reference("media")}}, ["description"]),
        "operation": closed({"tags": {"type": "array", "items": {"type": "string"}}, "operationId": {"type": "string"}, "deprecated": {"type": "boolean"},
                             "parameters": {"type": "array", "items": either("parameter"), "uniqueItems": True}, "responses": reference("responses")}, ["responses"]),
        "path": {"type": "object", "properties": {"$ref": {"type": "string"}, "parameters": {"type": "array", "items": either("parameter"), "uniqueItems": True}},
                 "patternProperties": {"^(get|put|post|delete|options|head|patch|trace)$": reference("operation"), "^x-": {}}, "additionalProperties": False}}
    return headed({"definitions": parts, **closed({"openapi": {"type": "string", "pattern": "^3\\.0\\.\\d(-.+)?$"}, "info": reference("info"), "paths": {
        "type": "object", "patternProperties": {"^\\/": reference("path"), "^x-": {}}, "additionalProperties": False}}, ["openapi", "info", "paths"])}, r.choice([FOUR, SEVEN]))


def description_of_old(r):
    """Security schemes told apart by their members."""
    flows = [("apiKey", {"name": {"type": "string"}, "in": {"type": "string", "enum": ["header", "query"]}}), ("basic", {}),
             ("oauth2", {"flow": {"type": "string", "enum": ["implicit"]}, "authorizationUrl": {"type": "string", "format": "uri"}}),
             ("oauth2", {"flow": {"type": "string", "enum": ["password"]}, "tokenUrl": {"type": "string", "format": "uri"}}),
             ("oauth2", {"flow": {"type": "string", "enum": ["accessCode"]}, "tokenUrl": {"type": "string"}, "authorizationUrl": {"type": "string"}})]
    schemes = [closed({"type": {"type": "string", "enum": [kind]}, **members, "description": {"type": "string"}}, ["type", *members]) for kind, members in flows]
    primitive = {"type": {"type": "string", "enum": ["string", "number", "boolean", "integer", "array"]}, "format": {"type": "string"}, "default": {},
                 "maximum": {"type": "number"}, "enum": {"type": "array", "minItems": 1, "uniqueItems": True}}
    body = closed({"in": {"type": "string", "enum": ["body"]}, "name": {"type": "string"}, "required": {"type": "boolean"}, "schema": {"type": "object"}}, ["name", "in", "schema"])
    others = [closed({"in": {"type": "string", "enum": [k]}, "name": {"type": "string"}, "required": {"type": "boolean"} if k != "path" else {"type": "boolean", "enum": [True]},
                      **primitive}, ["name", "in", "type"] + (["required"] if k == "path" else [])) for k in ("header", "formData", "query", "path")]
    return headed({"title": "an interface", "definitions": {"parameter": {"oneOf": [reference("bodyParameter"), reference("nonBodyParameter")]}, "bodyParameter": body,
                   "nonBodyParameter": {"type": "object", "required": ["name", "in", "type"], "oneOf": others},
                   "host": {"type": "string", "pattern": "^[^{}/ :\\\\]+(?::\\d+)?$"}, "mimeType": {"type": "string", "format": "mime-type"}},
                   **closed({"swagger": {"type": "string", "enum": ["2.0"]}, "host": reference("host"), "basePath": {"type": "string", "pattern": "^/"},
                             "schemes": {"type": "array", "items": {"type": "string", "enum": ["http", "https", "ws"]}, "uniqueItems": True},
                             "parameters": {"type": "object", "additionalProperties": reference("parameter")},
                             "securityDefinitions": {"type": "object", "additionalProperties": {"oneOf": schemes}},
                             "consumes": {"type": "array", "items": reference("mimeType"), "uniqueItems": True}}, ["swagger"])}, FOUR)


def record_types(r):
    """Types of records: a name, a list of types, or an object that is told by its type."""
    name = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    primitive = {"enum": ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]} if r.random() < 0.5 else {"type": "string", "enum": ["null", "int", "string"]}
    extra = {} if r.random() < 0.5 else {"additionalProperties": False}
    parts = {"schema": {"oneOf": [{"$ref": "#/definitions/types"}]}, "primitive": {"title": "Primitive", "oneOf": [primitive, {"type": "object", "properties": {"type": primitive}, "required": ["type"], **extra}]},
             "reference": {"type": "string", "pattern": "^[A-Z]\\w*(\\.[A-Z]\\w*)*$"}, "union": {"type": "array", "items": reference("types"), "minItems": 1},
             "types": {"oneOf": [reference(k) for k in ("primitive", "reference", "union", "record", "enum", "array", "map", "fixed")]},
             "record": {"type": "object", "properties": {"type": {"enum": ["record"]}, "name": name, "doc": {"type": "string"}, "fields": {"type": "array", "items": reference("field")}},
                        "required": ["type", "name", "fields"], **extra},
             "field": {"type": "object", "properties": {"name": name, "type": reference("types"), "default": {}, "order": {"enum": ["ascending", "ignore"]}}, "required": ["name", "type"]},
             "enum": {"type": "object", "properties": {"type": {"enum": ["enum"]}, "name": name, "symbols": {"type": "array", "items": name}}, "required": ["type", "name", "symbols"], **extra},
             "array": {"type": "object", "properties": {"type": {"enum": ["array"]}, "items": reference("types")}, "required": ["type", "items"], **extra},
             "map": {"type": "object", "properties": {"type": {"enum": ["map"]}, "values": reference("types")}, "required": ["type", "values"], **extra},
             "fixed": {"type": "object", "properties": {"type": {"enum": ["fixed"]}, "name": name, "size": {"type": "integer", "minimum": 1}}, "required": ["type", "name", "size"], **extra}}
    return headed({"definitions": parts, **parts["types"]}, r.choice(OLD + [None]))


# ---- charts and clouds ----

def chart(r):
    """Hundreds of definitions; unions of constants, numbers and references to expressions."""
    parts = {"ExprRef": closed({"expr": {"type": "string"}}, ["expr"], False), "Color": {"type": "string", "format": "color-hex"},
             "Named": {"enum": ["black", "silver", "gray"], "type": "string"}, "Orient": {"const": r.choice(WORDS), "type": "string"},
             "Value": {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"}, reference("ExprRef")]},
             "Not": closed({"not": reference("Test")}, ["not"], False), "And": closed({"and": {"type": "array", "items": reference("Test")}}, ["and"], False),
             "Test": {"anyOf": [reference("Not"), reference("And"), {"type": "string"}, reference("Range")]},
             "Range": closed({"field": {"type": "string"}, "range": {"anyOf": [{"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}, reference("ExprRef")]}},
                              reference("ExprRef")]}}, ["field", "range"], False)}
    marks = names(r, 12)
    for i, mark in enumerate(marks):
        parts["Mark" + mark] = closed({"type": {"const": mark, "type": "string"}, **{w: {"anyOf": [{"type": "number", "minimum": 0}, reference("ExprRef")]} for w in names(r, 6)},
                                       "fill": {"anyOf": [reference("Color"), reference("Named"), reference("ExprRef"), {"type": "null"}]},
                                       "test": reference("Test")}, ["type"] if i % 2 else [], False)
    parts["Any"] = {"anyOf": [reference("Mark" + m) for m in marks] + [{"enum": marks, "type": "string"}]}
    parts["Layer"] = closed({"layer": {"items": {"anyOf": [reference("Layer"), reference("Unit")]}, "type": "array"}, "width": {"anyOf": [{"type": "number"}, {"const": "container", "type": "string"},
                             closed({"step": {"type": "number"}}, ["step"], False)]}}, ["layer"], False)
    parts["Unit"] = closed({"mark": reference("Any"), "title": {"anyOf": [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]}, "data": {"anyOf": [
        closed({"url": {"type": "string"}}, ["url"], False), closed({"values": {"anyOf": [{"type": "array", "items": {}}, {"type": "object"}]}}, ["values"], False)]}}, ["mark"], False)
    return {"$ref": "#/definitions/Top", "$schema": SEVEN, "definitions": {**parts, "Top": {"anyOf": [reference("Unit"), reference("Layer")]}}}


def template(r):
    """Resources of a cloud: an object by name whose type says which of many it is."""
    kinds = ["%s::%s::%s" % (r.choice(["AWS", "Org"]), a.title(), b.title()) for a in names(r, 8) for b in names(r, 4)]
    parts = {"Tag": closed({"Key": {"type": "string"}, "Value": {"type": "string"}}, ["Key", "Value"], False)}
    for kind in kinds:
        parts[kind] = {"type": "object", "additionalProperties": False, "required": ["Type"], "properties": {
            "Type": {"type": "string", "enum": [kind]}, "DeletionPolicy": {"type": "string", "enum": ["Delete", "Retain"]}, "DependsOn": {"anyOf": [
                {"type": "string", "pattern": "^[a-zA-Z0-9]+$"}, {"type": "array", "items": {"type": "string", "pattern": "^[a-zA-Z0-9]+$"}}]}, "Metadata": {"type": "object"},
            "Properties": {"type": "object", "additionalProperties": False, "properties": {
                **{w.title(): r.choice([{"type": "string"}, {"type": "number"}, {"type": "object", "patternProperties": {"^[a-zA-Z0-9]+$": {"type": "string"}}, "additionalProperties": True},
                                        {"type": "array", "items": reference("Tag")}]) for w in names(r, 7)}}}}}
    return headed({"definitions": parts, "type": "object", "additionalProperties": False, "properties": {
        "AWSTemplateFormatVersion": {"enum": ["2010-09-09"], "type": "string"}, "Description": {"type": "string", "maxLength": 1024},
        "Parameters": {"type": "object", "maxProperties": 50, "additionalProperties": False, "patternProperties": {"^[a-zA-Z0-9]+$": {"type": "object", "properties": {
            "Type": {"enum": ["String", "Number"]}, "NoEcho": {"type": ["string", "boolean"]}}, "required": ["Type"]}}},
        "Resources": {"type": "object", "additionalProperties": False, "patternProperties": {"^[a-zA-Z0-9]+$": {"anyOf": [reference(k) for k in kinds]}}}}, "required": ["Resources"]}, r.choice(OLD))


def deployment_template(r):
    """Values that may also be expressions in brackets, resources by type with oneOf."""
    expression = {"type": "string", "pattern": "^\\[([^\\[].*)?\\]$", "description": "an expression"}
    kinds = ["Org.%s/%s" % (a, b) for a in names(r, 3) for b in names(r, 2)]

    def value(schema):
        return {"oneOf": [schema, reference("expression")]}
    resource = [{"type": "object", "properties": {"name": value({"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}), "type": {"enum": [k]},
                 "apiVersion": {"type": "string", "enum": ["2015-01-01"]}, "location": {"type": "string"}, "properties": {"type": "object", "properties": {
                     w: value(r.choice([{"type": "integer", "minimum": 1, "maximum": 100}, {"type": "boolean"}, {"type": "string", "enum": ["Enabled", "Disabled"]},
                                        {"type": "array", "items": {"type": "string"}}, {"type": "string", "format": "uuid"}])) for w in names(r, 4)}}},
                 "required": ["name", "type", "apiVersion", "properties"]} for k in kinds]
    return headed({"id": "https://schema.example.org/2015-01-01/deploymentTemplate.json#", "type": "object", "definitions": {"expression": expression, "resource": {"oneOf": resource}},
                   "properties": {"$schema": {"type": "string"}, "contentVersion": {"type": "string", "pattern": "(^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$)"},
                                  "variables": {"type": "object"}, "resources": {"type": "array", "items": reference("resource"), "minItems": 1}},
                   "additionalProperties": False, "required": ["$schema", "contentVersion", "resources"]}, FOUR)


# ---- pipelines ----

def pipeline(r):
    """Jobs by name beside words of its own; scripts that are a text or lists of lists; rules with what excludes each other."""
    script = {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, "minItems": 1}]}
    image = {"oneOf": [{"type": "string", "minLength": 1}, {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}, "entrypoint": {"type": "array", "minItems": 1}}, "required": ["name"]}]}
    when = {"type": "string", "enum": ["on_success", "on_failure", "always", "manual", "delayed"]}
    job = {"allOf": [reference("jobTemplate")]}
    start = {"start_in": {"type": "string", "minLength": 1}}
    template = {"type": "object", "additionalProperties": False, "properties": {
        "image": reference("image"), "script": reference("script"), "stage": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
        "only": {"oneOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}, {"type": "object", "additionalProperties": False, "properties": {
            "refs": {"type": "array"}, "variables": {"type": "array", "items": {"type": "string"}}}}]}, "when": when, **start, "extends": {"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1},
        "rules": {"type": ["array", "null"], "items": {"anyOf": [{"type": "object", "properties": {"if": {"type": "string"}, "when": when, **start}, "additionalProperties": False},
                                                                  {"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}},
        "retry": {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 2}, {"type": "object", "additionalProperties": False, "properties": {"max": {"type": "integer", "minimum": 0, "maximum": 2},
                  "when": {"oneOf": [{"enum": ["always", "unknown_failure"]}, {"type": "array", "items": {"enum": ["always", "unknown_failure"]}}]}}}]},
        "needs": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": False, "properties": {"job": {"type": "string"}, "artifacts": {"type": "boolean"}}, "required": ["job"]},
                  {"type": "object", "additionalProperties": False, "properties": {"pipeline": {"type": "string"}, "job": {"type": "string"}}, "required": ["job", "pipeline"]}]}},
        "parallel": {"oneOf": [{"type": "integer", "minimum": 1, "maximum": 200}, {"type": "object", "properties": {"matrix": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": ["string", "number", "array"]}},
                     "maxItems": 200}}, "additionalProperties": False, "required": ["matrix"]}]}, "timeout": {"type": "string", "minLength": 1}},
        "oneOf": [{"properties": {"when": {"enum": ["delayed"]}}, "required": ["when", "start_in"]}, {"properties": {"when": {"not": {"enum": ["delayed"]}}}}]}
    return headed({"type": "object", "properties": {"image": reference("image"), "stages": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
                   "include": {"anyOf": [reference("include"), {"type": "array", "items": reference("include")}]}, "pages": reference("job")},
                   "patternProperties": {"^[.]": {"anyOf": [reference("script"), reference("jobTemplate"), {"type": "array", "items": {}}]}}, "additionalProperties": reference("job"),
                   "definitions": {"image": image, "script": script, "job": job, "jobTemplate": template, "include": {"oneOf": [
                       {"type": "string", "format": "uri-reference", "pattern": "\\w\\.ya?ml$" if r.random() < 0.5 else "^(https?://|/).+\\.ya?ml$"},
                       {"type": "object", "additionalProperties": False, "properties": {"local": {"type": "string", "format": "uri-reference", "pattern": "\\.ya?ml$"}}, "required": ["local"]},
                       {"type": "object", "additionalProperties": False, "properties": {"remote": {"type": "string", "pattern": "^https?://.+\\.ya?ml$"}}, "required": ["remote"]}]}}}, SEVEN)


def steps(r):
    """A step is a word or an object with one member whose name says what it is."""
    words = names(r, 6)
    step = {"anyOf": [{"enum": words[:3], "type": "string"}, {"type": "string", "pattern": "^[a-z][a-z0-9_-]+$"}, *[{"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1, "properties": {
        w: {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": False, "properties": {v: {"type": "string"} for v in names(r, 3)}}]}}} for w in words],
        {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1, "properties": {"when": {"type": "object", "properties": {
            "condition": reference("logic"), "steps": {"type": "array", "items": reference("step")}}, "additionalProperties": False}}}]}
    logic = {"anyOf": [{"type": ["string", "boolean", "integer"]}, {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1, "properties": {
        "and": {"type": "array", "minItems": 1, "items": reference("logic")}, "or": {"type": "array", "minItems": 1, "items": reference("logic")}, "not": reference("logic")}}]}
    return headed({"definitions": {"step": step, "logic": logic}, "type": "object", "required": ["version"], "properties": {
        "version": {"enum": ["2", 2, 2.1, "2.1"]}, "jobs": {"type": "object", "additionalProperties": {"type": "object", "oneOf": [{"required": ["docker"]}, {"required": ["machine"]}, {"required": ["executor"]}],
        "properties": {"docker": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}}},
                       "machine": {"anyOf": [{"type": "boolean"}, {"type": "object"}]}, "executor": {"type": "string"}, "steps": {"type": "array", "items": reference("step")}}}}}}, SEVEN)


def conditions(r):
    """Settings by kind: a chain of if and then, or one inside of another."""
    kinds = names(r, r.randint(3, 8))
    word = r.choice(["type", "kind", "provider"])
    branches = [{"if": {"properties": {word: {"const": k}}, "required": [word]} if r.random() < 0.8 else {"properties": {word: {"enum": [k, k + "s"]}}},
                 "then": {"properties": {"options": {"type": "object", "properties": {w: r.choice([{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "boolean"}]) for w in names(r, 3)},
                                         "required": names(r, 1)}}, **({"required": ["options"]} if r.random() < 0.5 else {})}} for k in kinds]
    if r.random() < 0.4:
        nested = {"required": [word]}
        for b in reversed(branches):
            nested = {**b, "else": nested}
        return headed({"type": "object", "properties": {word: {"enum": kinds}, "options": {}}, **nested}, r.choice([SEVEN, NEWEST]))
    return headed({"type": "object", "properties": {word: {"type": "string", "enum": kinds}, "options": {"type": "object"}}, "required": [word], "allOf": branches}, r.choice([SEVEN, NEWEST]))


# ---- programs' settings ----

def rules(r):
    """Many rules, each with a level or a list of level and options."""
    level = {"oneOf": [{"type": "integer", "enum": [0, 1, 2]}, {"type": "string", "enum": ["off", "warn", "error"]}]}
    count = r.choice([20, 60, 150])
    named = {"%s-%s-%d" % (r.choice(WORDS), r.choice(WORDS), i): r.choice([
        {"oneOf": [reference("level"), {"type": "array", "items": [reference("level")], "minItems": 1}]},
        {"oneOf": [reference("level"), {"type": "array", "items": [reference("level"), {"type": "object", "properties": {w: {"type": "boolean"} for w in names(r, 3)}, "additionalProperties": False}],
                                        "minItems": 1, "maxItems": 2}]},
        {"oneOf": [reference("level"), {"type": "array", "minItems": 1, "items": [reference("level"), {"enum": names(r, 3)}, {"type": "integer", "minimum": 0}], "additionalItems": False}]},
        {"anyOf": [{"type": "null"}, {"type": "boolean"}, {"type": "array", "items": {}, "minItems": 1}]}]) for i in range(count)}
    parts = [{"properties": dict(list(named.items())[i::3])} for i in range(3)]
    return headed({"definitions": {"level": level, **{"part%d" % i: p for i, p in enumerate(parts)}}, "type": "object", "properties": {"rules": {"allOf": [reference("part%d" % i) for i in range(3)]},
                   "extends": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, "ignorePatterns": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}}},
                  r.choice(OLD))


def workspace(r):
    """Either an image, or a file to build one of, or a composition; common words in a definition of their own."""
    common = {"type": "object", "properties": {"name": {"type": "string"}, "features": {"type": "object", "properties": {w: {"$deprecated": True} for w in names(r, 2)}, "additionalProperties": True},
              "forwardPorts": {"type": "array", "items": {"oneOf": [{"type": "integer", "maximum": 65535, "minimum": 0}, {"type": "string", "pattern": "^([a-z0-9-]+):(\\d{1,5})$"}]}},
              "portsAttributes": {"type": "object", "patternProperties": {"(^\\d+(-\\d+)?$)|(.+)": {"type": "object", "properties": {"onAutoForward": {"enum": ["notify", "silent"]}, "label": {"type": "string"}}}},
                                  "additionalProperties": False, "markdownDescription": "ports"},
              "postCreateCommand": {"type": ["string", "array", "object"], "items": {"type": "string"}, "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}}},
              "hostRequirements": {"type": "object", "properties": {"cpus": {"type": "integer", "minimum": 1}, "memory": {"type": "string", "pattern": "^\\d+([tgmk]b)?$"}}}}}
    build = {"type": "object", "oneOf": [{"type": "object", "properties": {"build": {"type": "object", "allOf": [{"type": "object", "properties": {"dockerfile": {"type": "string"}}, "required": ["dockerfile"]},
             reference("options")], "unevaluatedProperties": False}}, "required": ["build"]}, {"allOf": [{"type": "object", "properties": {"dockerFile": {"type": "string"}}, "required": ["dockerFile"]},
             {"type": "object", "properties": {"build": {"allOf": [reference("options")], "unevaluatedProperties": False}}}]}]}
    return headed({"allowComments": True, "definitions": {"common": common, "build": build, "options": {"type": "object", "properties": {"target": {"type": "string"}, "args": {"type": "object", "additionalProperties": {"type": ["string"]}}}},
                   "image": {"type": "object", "properties": {"image": {"type": "string"}}, "required": ["image"]}, "run": {"type": "object", "properties": {"runArgs": {"type": "array", "items": {"type": "string"}}}},
                   "compose": {"type": "object", "properties": {"dockerComposeFile": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, "service": {"type": "string"}},
                               "required": ["dockerComposeFile", "service"]}},
                   "oneOf": [{"allOf": [{"oneOf": [{"allOf": [{"oneOf": [reference("build"), reference("image")]}, reference("run")]}, reference("compose")]}, reference("common")]},
                             {"type": "object", "$ref": "#/definitions/common", "additionalProperties": False}], "unevaluatedProperties": False}, r.choice(DRAFTS[3:5]))


def updates(r):
    """A list of updates, each with what excludes each other by `not required` and dependencies."""
    day = {"type": "string", "enum": ["monday", "tuesday", "sunday"]}
    update = {"type": "object", "additionalProperties": False, "properties": {
        "package-ecosystem": {"$ref": "#/definitions/ecosystem"}, "directory": {"type": "string"}, "directories": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        "schedule": {"type": "object", "properties": {"interval": {"enum": ["daily", "weekly", "cron"]}, "day": day, "time": {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"},
                     "cronjob": {"type": "string"}, "timezone": {"type": "string", "enum": ["Europe/%s" % w.title() for w in WORDS]}}, "allOf": [
                         {"if": {"properties": {"interval": {"const": "cron"}}}, "then": {"required": ["cronjob"]}, "else": {"not": {"required": ["cronjob"]}}}], "required": ["interval"], "additionalProperties": False},
        "ignore": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "object", "properties": {"dependency-name": {"type": "string"}, "versions": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}},
                   "anyOf": [{"required": ["dependency-name"]}, {"required": ["versions"]}], "additionalProperties": False}}, "open-pull-requests-limit": {"type": "integer", "minimum": 0}, "labels": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 0, "uniqueItems": True}},
        "oneOf": [{"required": ["package-ecosystem", "directory"]}, {"required": ["package-ecosystem", "directories"]}], "required": ["schedule"]}
    return headed({"type": "object", "additionalProperties": False, "definitions": {"ecosystem": {"x-intellij-html-description": "kinds", "enum": names(r, 9)}}, "required": ["version", "updates"], "properties": {
        "version": {"const": 2}, "updates": {"type": "array", "items": update, "minItems": 1, "uniqueItems": True}, "registries": {"type": "object", "minProperties": 1, "patternProperties": {".*": {
            "type": "object", "properties": {"type": {"enum": ["git", "npm-registry"]}, "url": {"type": "string"}, "username": {"type": "string"}, "password": {"type": "string"}, "token": {"type": "string"}, "key": {"type": "string"}},
            "dependencies": {"username": ["password"], "key": {"not": {"required": ["token"]}}}, "required": ["type"], "allOf": [{"if": {"properties": {"type": {"const": "git"}}}, "then": {"required": ["url", "username"]}}],
            "additionalProperties": False}}}}}, SEVEN)


# ---- exchange ----

def inventory(r):
    """Components with licences that are an identifier or a name, and nested components."""
    licence = {"type": "object", "oneOf": [{"required": ["id"]}, {"required": ["name"]}], "additionalProperties": False, "properties": {"id": {"type": "string", "enum": ["%s-%d.%d" % (w, i, j) for w in ("MIT", "GPL", "Apache", "BSD") for i in range(9) for j in range(9)]},
               "name": {"type": "string"}, "url": {"type": "string", "format": "iri-reference"}, "properties": {"type": "array", "items": reference("property")}}}
    choice = {"type": "object", "oneOf": [{"required": ["license"]}, {"required": ["expression"]}], "additionalProperties": False, "properties": {"license": reference("license"), "expression": {"type": "string"}}}
    if r.random() < 0.5:
        choice = {"type": "array", "oneOf": [{"items": {"type": "object", "required": ["license"], "additionalProperties": False, "properties": {"license": reference("license")}}},
                                             {"items": [{"type": "object", "additionalProperties": False, "required": ["expression"], "properties": {"expression": {"type": "string"}}}], "additionalItems": False, "minItems": 1, "maxItems": 1}]}
    hashes = {"type": "object", "required": ["alg", "content"], "additionalProperties": False, "properties": {"alg": {"type": "string", "enum": ["MD5", "SHA-1", "SHA-256"]},
              "content": {"type": "string", "pattern": "^([a-fA-F0-9]{32}|[a-fA-F0-9]{40}|[a-fA-F0-9]{64}|[a-fA-F0-9]{96}|[a-fA-F0-9]{128})$"}}}
    component = {"type": "object", "required": ["type", "name"], "additionalProperties": False, "properties": {"type": {"type": "string", "enum": names(r, 5)}, "mime-type": {"type": "string", "pattern": "^[-+a-z0-9.]+/[-+a-z0-9.]+$"}, "bom-ref": {"type": "string", "minLength": 1},
                 "name": {"type": "string"}, "version": {"type": "string"}, "hashes": {"type": "array", "items": reference("hash")}, "licenses": reference("choice"), "components": {"type": "array", "items": reference("component"), "uniqueItems": True},
                 "author": {"type": "object", "properties": {"email": {"type": "string", "format": "idn-email"}, "phone": {"type": "string"}}}}}
    return headed({"$id": "http://example.org/schema/bom-1.4.schema.json", "type": "object", "required": ["bomFormat", "version"], "additionalProperties": False, "definitions": {
        "license": licence, "choice": choice, "hash": hashes, "component": component, "property": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}}, "properties": {
        "$schema": {"type": "string", "enum": ["http://example.org/schema/bom-1.4.schema.json"]}, "bomFormat": {"type": "string", "enum": ["CycloneDX"]}, "version": {"type": "integer", "minimum": 1, "default": 1},
        "serialNumber": {"type": "string", "pattern": "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}, "components": {"type": "array", "items": reference("component"), "uniqueItems": True}}}, r.choice(OLD[2:] + [FOUR]))


def resources_of_care(r):
    """Records that are told apart by a constant, each with optional twins ("_name") and lists."""
    kinds = [w.title() for w in names(r, 10)]
    parts = {"ResourceList": {"oneOf": [reference(k) for k in kinds]}, "string": {"pattern": "^[ \\r\\n\\t\\S]+$", "type": "string"}, "code": {"pattern": "^[^\\s]+(\\s[^\\s]+)*$", "type": "string"},
             "dateTime": {"pattern": "^([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?(Z|(\\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?$", "type": "string"},
             "uri": {"pattern": "^\\S*$", "type": "string"}, "decimal": {"pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$", "type": "number"}, "id": {"type": "string", "pattern": "^[A-Za-z0-9\\-\\.]{1,64}$"},
             "Element": {"properties": {"id": reference("string"), "extension": {"items": reference("Extension"), "type": "array"}}, "additionalProperties": False, "type": "object"},
             "Extension": {"properties": {"url": reference("uri"), "valueCode": {"pattern": "^[^\\s]+(\\s[^\\s]+)*$", "type": "string"}, "extension": {"items": reference("Extension"), "type": "array"}}, "additionalProperties": False, "type": "object"}}
    for k in kinds:
        words = names(r, 6)
        parts[k] = {"properties": {"resourceType": {"const": k}, "id": reference("id"), "contained": {"items": reference("ResourceList"), "type": "array"}, **{w: r.choice([reference("string"), reference("code"), reference("dateTime"), reference("decimal"),
                    {"items": reference("Extension"), "type": "array"}]) for w in words}, **{"_" + w: reference("Element") for w in words}}, "additionalProperties": False, "required": ["resourceType"], "type": "object"}
    return headed({"$id": "http://example.org/json-schema/4.0", "discriminator": {"propertyName": "resourceType", "mapping": {k: "#/definitions/" + k for k in kinds}}, "oneOf": [reference(k) for k in kinds], "definitions": parts}, SIX)


def features(r):
    """Places as a union of unions, with null."""
    def place(kind, coordinates):
        return {"type": "object", "required": ["type", "coordinates"], "properties": {"type": {"type": "string", "enum": [kind]}, "coordinates": coordinates, "bbox": {"type": "array", "minItems": 4, "items": {"type": "number"}}}}
    position = {"type": "array", "minItems": 2, "items": {"type": "number"}}
    lines = {"type": "array", "items": {"type": "array", "minItems": 2, "items": position}}
    rings = {"type": "array", "items": {"type": "array", "minItems": 4, "items": position}}
    geometry = {"oneOf": [place("Point", position), place("LineString", lines["items"]), place("MultiLineString", lines), place("Polygon", rings), place("MultiPolygon", {"type": "array", "items": rings})]}
    feature = {"type": "object", "required": ["type", "properties", "geometry"], "properties": {"type": {"type": "string", "enum": ["Feature"]}, "id": {"oneOf": [{"type": "number"}, {"type": "string"}]},
               "properties": {"oneOf": [{"type": "null"}, {"type": "object"}]}, "geometry": {"oneOf": [{"type": "null"}, *geometry["oneOf"]]}}}
    return headed({"oneOf": [*geometry["oneOf"], feature, {"type": "object", "required": ["type", "features"], "properties": {"type": {"type": "string", "enum": ["FeatureCollection"]}, "features": {"type": "array", "items": feature}}}]}, r.choice(DRAFTS[2:5]))


def query(r):
    """Conditions that nest, with keys for operators and patterns for the others."""
    operators = {"$eq": {}, "$gt": {"type": ["number", "string"]}, "$in": {"type": "array", "items": {}}, "$not": reference("operators"), "$regex": {"type": "string", "format": "regex"}, "$exists": {"type": "boolean"}}
    return headed({"definitions": {"operators": {"type": "object", "properties": operators, "additionalProperties": False, "minProperties": 1}, "query": {"type": "object", "properties": {
        w: {"type": "array", "items": reference("query"), "minItems": 1} for w in ("$and", "$or", "$nor")}, "patternProperties": {"^[^$]": {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, reference("operators")]}},
        "additionalProperties": False}}, **reference("query")}, r.choice(OLD + [None]))


def sheet(r):
    """Columns with formats by type, keys that must differ, and "one or several"."""
    kinds = {"string": {"format": {"enum": ["default", "email", "uri"]}, "pattern": {"type": "string"}}, "number": {"bareNumber": {"type": "boolean"}, "minimum": {"oneOf": [{"type": "number"}, {"type": "string", "pattern": "^[-+]?\\d+(\\.\\d+)?$"}]}},
             "date": {"format": {"default": "default"}}, "any": {}}
    field = [{"type": "object", "required": ["name"] if k == "string" else ["name", "type"], "properties": {"name": {"type": "string", "minLength": 1}, "type": {"enum": [k]}, "constraints": {"type": "object", "properties": {
        "required": {"type": "boolean"}, "enum": {"oneOf": [{"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}}, {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "number"}}]}}}, **v}} for k, v in kinds.items()]
    key = {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}}]}
    return headed({"type": "object", "required": ["fields"], "properties": {"fields": {"type": "array", "minItems": 1, "items": {r.choice(["anyOf", "oneOf"]): field}}, "primaryKey": key, "missingValues": {"type": "array", "items": {"type": "string"}, "default": [""]},
                   "foreignKeys": {"type": "array", "minItems": 1, "items": {"oneOf": [{"type": "object", "required": ["fields", "reference"], "properties": {"fields": {"type": "array"}, "reference": {"type": "object"}}},
                                   {"type": "object", "required": ["fields", "reference"], "properties": {"fields": {"type": "string"}, "reference": {"type": "object"}}}]}}}}, r.choice([FOUR, SEVEN]))


# ---- small ones that are hard ----

AROUND = ["^(?:(?!\\.\\.)[\\w.-])+$", "^((?!--).)*$", "^(?!.*(.)\\s).+$", "\\b[A-Z]{2}\\b", "^(?:\\w+\\b,?)+$", "(?<=@)[a-z]+$", "^(?<!x)[a-z]+(?<!end)$", "(?i)^(yes|no)$", "^(?i:true|false)$", "^(?=.{3,10}$)(?!.*--)[a-z-]+$",
          "^(?:(?=[a-z])\\w{2})+$", "^[^\\s](?:.*[^\\s])?$", "^(?!(?:null|true)$)[a-z]+$", "^(?:[a-z]+(?!\\d)){1,3}$", "\\B-\\B", "^\\w+(?:-\\w+)*(?<![_-])$", "^(?=[^A-Z]*[A-Z])(?=\\D*\\d).{4,12}$", "^((?!(foo|bar)).)+$",
          "(?:^|/)(?!\\.)[^/]+$", "^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$", "^(([a-z]+(?=:)):)?\\w+$", "^[[:alpha:]]$", "^[\\w-.]+$", "^\\d+(?!\\.)", "(?s)^a.b$", "^(?=.)([+-]?([0-9]*)(\\.([0-9]+))?)$", "^(?:a(?=b)|b(?!b))+$"]


def around(r):
    which = r.choice(AROUND)
    return headed(r.choice([{"type": "string", "pattern": which}, {"type": "object", "properties": {"a": {"type": "string", "pattern": which}}, "required": ["a"]},
                            {"type": "object", "patternProperties": {which: {"type": "integer"}}, "additionalProperties": False}, {"type": ["string", "null"], "pattern": which, "maxLength": 20}]), r.choice(DRAFTS[1:]))


def beside_references(r):
    """No dialect is named: as validators have it, what stands beside a reference counts."""
    target = r.choice([{"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}, {"type": ["integer", "null"]}])
    beside = r.choice([{"type": "string"}, {"minLength": 2}, {"required": ["a"]}, {"minimum": 3, "description": "at least three"}, {"type": "object", "properties": {"b": {"type": "string"}}}, {"default": 1, "title": "t"}])
    return {"definitions": {"t": target}, "type": "object", "properties": {"x": {**reference("t"), **beside}, "y": reference("t")}, "required": ["x"]}


def oldest(r):
    a, b, c = names(r, 3)
    return {"$schema": "http://json-schema.org/draft-03/schema#", **r.choice([
        {"type": "object", "properties": {a: {"type": "string", "required": True}, b: {"type": "integer", "minimum": 0, "exclusiveMinimum": True}, c: {"type": "any"}}, "additionalProperties": False},
        {"type": "object", "properties": {a: {"type": ["string", "null"], "required": r.random() < 0.5}, b: {"type": "array", "items": {"type": "number", "divisibleBy": 5}, "uniqueItems": True}}},
        {"type": "object", "required": True, "properties": {a: {"extends": {"type": "string", "minLength": 2}, "maxLength": 4, "required": True}, b: {"disallow": ["string", "boolean"]}}},
        {"type": "array", "items": [{"type": "string"}, {"disallow": "object"}], "additionalItems": False}, {"type": "object", "properties": {a: {}, b: {}, c: {"type": "string", "required": True}}, "dependencies": {a: b, b: [c]}},
        {"extends": [{"type": "object", "properties": {a: {"type": "string", "required": True}}}, {"properties": {b: {"enum": ["x", 1, None]}}}], "multipleOf": 3, "const": 7}])}


def overlapping(r):
    a, b, c = names(r, 3)
    return headed(r.choice([
        {"type": "object", "patternProperties": {"^[a-m]": {"type": "string"}, "[aeiou]$": {"minLength": 2}, "^.{1,3}$": {"maxLength": 6}}, "additionalProperties": r.choice([False, {"type": "integer"}])},
        {"type": "object", "properties": {a: {"type": "string"}}, "patternProperties": {"^%s" % a[:2]: {"maxLength": 4}, "^(?!%s$)" % b: {}}, "additionalProperties": False},
        {"oneOf": [{"properties": {a: {"type": "string"}}}, {"properties": {a: {"type": "integer"}}}, {"required": [b]}], "type": "object"},
        {"oneOf": [{"type": "object", "required": [a], "properties": {a: {"enum": [1, 2]}}}, {"type": "object", "required": [a, b]}, {"type": "object", "maxProperties": 1}]},
        {"anyOf": [{"type": "object", "properties": {a: {"const": k}, k: {"type": "string"}}, "required": [a, k]} for k in ("p", "q", "r")], "properties": {c: {"type": "boolean"}}},
        {"type": "array", "items": {"oneOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}, {"type": "string", "pattern": "^[a-z]+$"}]}, "minItems": 1, "maxItems": 5, "uniqueItems": True},
        {"not": {"anyOf": [{"required": [a]}, {"required": [b]}]}, "type": "object", "minProperties": 1}, {"allOf": [{"not": {"required": [a, b]}}, {"not": {"required": [b, c]}}, {"not": {"required": [a, c]}}], "type": "object"},
        {"type": "object", "not": {"patternProperties": {"^%s$" % a: {"type": "null"}}, "required": [a]}}, {"type": "array", "not": {"items": {"type": "integer"}}, "minItems": 1},
        {"type": "object", "propertyNames": {"enum": [a, b, c]}, "additionalProperties": {"type": "array", "items": {"type": "number", "multipleOf": 0.05, "minimum": 0}}},
        {"type": "object", "propertyNames": {"not": {"pattern": "^_"}}, "minProperties": 1, "maxProperties": 2}, {"type": "object", "propertyNames": {"format": "uuid", "type": "string"}},
        {"type": "object", "properties": {a: {"type": "object"}, b: {"type": "object"}}, "dependencies": {a: {"oneOf": [{"required": [b]}, {"required": [c]}]}, b: [c]}},
        {"oneOf": [{"type": "number", "multipleOf": 5}, {"type": "number", "multipleOf": 3}, {"type": "number", "maximum": 2}]}, {"enum": [1, "1", True, None, [1], {"a": 1}, 1.5], "not": {"type": "number"}},
        {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png", "maxLength": 10485760}, {"type": "array", "items": {"type": "string"}, "maxItems": 100000, "minItems": 1},
        {"anyOf": [{"type": "string", "pattern": "^\\d+$"}, {"type": "string", "maxLength": 3}, {"type": "string", "enum": ["latest", "stable"]}]}, {"oneOf": [{"format": "ipv4", "type": "string"}, {"format": "hostname", "type": "string"}]},
        {"type": "object", "properties": {a: {"type": ["object", "null"], "properties": {b: {"$ref": "#"}}, "additionalProperties": False}}, "additionalProperties": False},
        {"type": "array", "contains": {"type": "object", "required": [a]}, "items": {"type": "object"}, "minItems": 1}, {"const": {a: {b: [1, 2, {"c": None}]}, "d": "e"}}]), r.choice(DRAFTS[2:]))


MAKERS = {f.__name__: f for f in (interface_description, description_of_old, record_types, chart, template, deployment_template, pipeline, steps, conditions, rules, workspace, updates, inventory, resources_of_care, features,
                                  query, sheet, around, beside_references, oldest, overlapping)}
SHARES = {"around": 60, "beside_references": 20, "oldest": 14, "overlapping": 70, "conditions": 24, "record_types": 8, "interface_description": 4, "description_of_old": 2, "features": 3, "updates": 3, "template": 4, "sheet": 6}


def families(seed=1):
    for name, maker in MAKERS.items():
        for i in range(SHARES.get(name, 5)):
            yield name, noted(random.Random(i), maker(random.Random("%s %d %d" % (name, seed, i))))
