"""Schemas in the manner of the large public collections: cluster resources, editors' configuration files, workflow and composition
files, event records, news documents, functions' signatures, and what people write by hand under every draft. Deterministic.

`families()` gives (name, schema) pairs; every family has a function that draws one from a random generator."""
import random

WORDS = ("name id kind type path port host image label value key user group status level state source target policy rule role scope "
         "message title body author created updated expires timeout retries command args env volume mount secret config region zone").split()
DESCRIPTION = ("Represents the desired state as it was declared. More info: https://example.org/docs/concepts/overview#%s. Fields that "
               "aren't set keep what the server has; \"unknown\" values are dropped. ")
DRAFTS = ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
          "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/schema#",
          "http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema#", None]
OLD = DRAFTS[:3]
QUANTITY = ("^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$")


def names(r, n):
    return r.sample(WORDS, n)


def noted(r, schema):
    """With annotations, which say nothing."""
    notes = {"description": DESCRIPTION % r.choice(WORDS) * r.randint(1, 3), "title": r.choice(WORDS).title(), "$comment": "see the handbook",
             "examples": [r.choice(WORDS)], "default": r.choice([None, 1, "x", [], {}]), "deprecated": True, "readOnly": True,
             "markdownDescription": "*see* `docs`", "x-intellij-html-description": "<p>see</p>", "x-order": 3, "enumDescriptions": ["a"],
             "defaultSnippets": [{"body": {}}], "errorMessage": "wrong", "tsType": "string", "x-nullable": True, "example": {"a": 1},
             "contentEncoding": "base64", "contentMediaType": "application/json", "writeOnly": False, "nullable": False}
    return {**schema, **{k: notes[k] for k in r.sample(sorted(notes), r.randint(0, 4))}}


def headed(schema, draft):
    return {"$schema": draft, **schema} if draft else schema


# ---- clusters ----

def maybe_null(r, kind):
    return [kind, "null"] if r.random() < 0.5 else kind


def kube_leaf(r):
    return noted(r, r.choice([
        {"type": maybe_null(r, "string")}, {"type": maybe_null(r, "integer"), "format": r.choice(["int32", "int64"])},
        {"type": maybe_null(r, "boolean")}, {"type": "string", "format": "int-or-string"}, {"type": maybe_null(r, "string"), "format": "date-time"},
        {"oneOf": [{"type": maybe_null(r, "string")}, {"type": "integer"}]}, {"type": "string", "format": "byte"},
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": QUANTITY, "x-kubernetes-int-or-string": True},
        {"type": "number", "format": "double"}, {"type": "object", "additionalProperties": {"type": maybe_null(r, "string")}},
        {"type": "array", "items": {"type": maybe_null(r, "string")}, "x-kubernetes-list-type": "atomic"},
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"type": "string", "maxLength": 253, "minLength": 1, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"},
        {"type": "string", "maxLength": 63, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}, {"type": "integer", "minimum": 1, "maximum": 65535, "format": "int32"},
        {"type": "array", "uniqueItems": True, "items": {"type": "string", "enum": names(r, 4)}}, {"type": "string", "enum": names(r, 5)}]))


def kube_object(r, depth):
    keys = names(r, r.randint(2, 9))
    properties = {k: kube_object(r, depth - 1) if depth and r.random() < 0.35 else kube_leaf(r) for k in keys}
    out = {"type": maybe_null(r, "object"), "properties": properties, "description": DESCRIPTION % keys[0]}
    if r.random() < 0.5:
        out["required"] = r.sample(keys, r.randint(1, min(3, len(keys))))
    if r.random() < 0.3:
        out = {"type": maybe_null(r, "array"), "items": out, "x-kubernetes-list-map-keys": [keys[0]], "x-kubernetes-list-type": "map",
               "x-kubernetes-patch-merge-key": keys[0], "x-kubernetes-patch-strategy": "merge"}
    return out


def resource(r):
    kind = r.choice(["Deployment", "Service", "Job", "Ingress", "PodList"])
    return {"type": "object", "description": DESCRIPTION % kind, "$schema": "http://json-schema.org/schema#", "properties": {
        "apiVersion": {"type": ["string", "null"], "enum": ["apps/v1", "v1", None], "description": "versioned"},
        "kind": {"type": ["string", "null"], "enum": [kind]}, "metadata": {**kube_object(r, 1), "type": "object"}, "spec": kube_object(r, 3),
        "status": kube_object(r, 2)}, "required": ["kind"], "x-kubernetes-group-version-kind": [{"group": "", "kind": kind, "version": "v1"}]}


def definitions(r):
    kinds = ["io.k8s.api.core.v1." + w.title() for w in names(r, 12)]
    out = {k: kube_object(r, 1) for k in kinds}
    for k in kinds:
        one = out[k].get("items", out[k])
        for w in names(r, 3):
            target = {"$ref": "#/definitions/" + r.choice(kinds), "description": DESCRIPTION % w}
            one["properties"][w] = r.choice([target, {"type": "array", "items": target}, {"type": "object", "additionalProperties": target}])
            if w in one.get("required", []):
                one["required"].remove(w)
    return headed({"definitions": out, "$ref": "#/definitions/" + kinds[0], "type": "object"}, r.choice(OLD + [None]))


def custom_resource(r):
    spec = kube_object(r, 2)
    spec = spec.get("items", spec)
    spec.update(type="object", oneOf=[{"required": [k]} for k in list(spec["properties"])[:2]], minProperties=1, maxProperties=20)
    return {"type": "object", "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
            "spec": spec}, "required": ["spec"], "x-kubernetes-validations": [{"rule": "self.a > 1"}]}


# ---- editors' configuration files ----

def package(r):
    return headed({"title": "a package", "definitions": {
        "person": {"type": ["object", "string"], "required": ["name"], "properties": {"name": {"type": "string"}, "url": {"type": "string", "format": "uri"},
                   "email": {"type": "string", "format": "email"}}},
        "dependency": {"type": "object", "additionalProperties": {"type": "string"}},
        "entry": {"type": ["string", "null"], "pattern": "^\\./"},
        "exports": {"anyOf": [{"$ref": "#/definitions/entry"}, {"type": "object", "patternProperties": {"^[^.0-9]+$": {"$ref": "#/definitions/exports"}},
                    "additionalProperties": False}, {"type": "array", "items": {"$ref": "#/definitions/exports"}}]}},
        "type": "object", "patternProperties": {"^_": {"description": "stored by the tool", "additionalProperties": True, "tsType": "any"}},
        "properties": {
            "name": {"type": "string", "maxLength": 214, "minLength": 1,
                     "pattern": r.choice(["^(?:(?:@(?:[a-z0-9-*~][a-z0-9-*._~]*)?/[a-z0-9-._~])|[a-z0-9-~])[a-z0-9-._~]*$", "^(@[a-z0-9~-][a-z0-9._~-]*\\/)?[a-z0-9~-][a-z0-9._~-]*$"])},
            "version": {"type": "string", "pattern": "^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$"},
            "keywords": {"type": "array", "items": {"type": "string"}, "uniqueItems": r.random() < 0.5}, "author": {"$ref": "#/definitions/person"},
            "contributors": {"type": "array", "items": {"$ref": "#/definitions/person"}}, "exports": {"$ref": "#/definitions/exports"},
            "bin": {"type": ["string", "object"], "additionalProperties": {"type": "string"}},
            "license": {"anyOf": [{"type": "string"}, {"enum": ["MIT", "ISC", "Apache-2.0"]}]},
            "engines": {"type": "object", "properties": {"node": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            "private": {"anyOf": [{"type": "boolean"}, {"enum": ["false", "true"]}]}, "dependencies": {"$ref": "#/definitions/dependency"},
            "os": {"type": "array", "items": {"type": "string"}}, "workspaces": {"anyOf": [{"type": "array", "items": {"type": "string"}},
                   {"type": "object", "properties": {"packages": {"type": "array", "items": {"type": "string"}}}}]}},
        "anyOf": [{"type": "object", "not": {"required": ["bundledDependencies", "bundleDependencies"]}},
                  {"type": "object", "not": {"required": ["bundleDependencies"]}, "required": ["bundledDependencies"]}]}, r.choice(OLD))


def compiler(r):
    options = {w: noted(r, r.choice([{"type": "boolean"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                                     {"anyOf": [{"enum": ["CommonJS", "ES6", "None"]}, {"pattern": "^([Cc][Oo][Mm][Mm][Oo][Nn][Jj][Ss]|[Ee][Ss]([356]|20(1[567]|2[02])|[Nn][Ee][Xx][Tt]))$"}],
                                      "type": "string"}, {"type": ["boolean", "null"]}])) for w in names(r, 8)}
    parts = {"filesDefinition": {"properties": {"files": {"type": ["array", "null"], "items": {"type": ["string", "null"]}, "uniqueItems": True}}},
             "extendsDefinition": {"properties": {"extends": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}}},
             "optionsDefinition": {"properties": {"compilerOptions": {"type": ["object", "null"], "properties": options}}},
             "//": {"explainer": "a comment of people"}}
    return headed({"$id": "https://json.example.org/compiler", "allowTrailingCommas": True, "definitions": parts, "type": "object", "allOf": [
        {"$ref": "#/definitions/filesDefinition"}, {"$ref": "#/definitions/extendsDefinition"}, {"anyOf": [{"$ref": "#/definitions/optionsDefinition"}]}]},
        r.choice(OLD[2:]))


def workflow(r):
    expression = {"type": "string", "pattern": "^\\$\\{\\{(.|[\r\n])*\\}\\}$"}
    return headed({"$id": "https://json.example.org/workflow.json", "additionalProperties": False, "definitions": {
        "event": {"type": "string", "enum": ["push", "pull_request", "release", "schedule"]}, "expressionSyntax": {"$comment": "see docs", **expression},
        "globs": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
        "ref": {"type": "object", "properties": {"branches": {"$ref": "#/definitions/globs"}, "branches-ignore": {"$ref": "#/definitions/globs"}},
                "allOf": [{"not": {"type": "object", "required": ["branches", "branches-ignore"]}}]},
        "env": {"oneOf": [{"type": "object", "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}},
                          {"$ref": "#/definitions/stringContainingExpressionSyntax"}]},
        "stringContainingExpressionSyntax": {"type": "string", "pattern": "^.*\\$\\{\\{(.|[\r\n])*\\}\\}.*$"},
        "step": {"type": "object", "additionalProperties": False, "dependencies": {"working-directory": ["run"], "shell": ["run"]},
                 "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
                 "properties": {"id": {"type": "string"}, "uses": {"type": "string"}, "run": {"type": "string"}, "shell": {"type": "string"},
                                "working-directory": {"type": "string"}, "env": {"$ref": "#/definitions/env"},
                                "timeout-minutes": {"oneOf": [{"type": "number"}, {"$ref": "#/definitions/expressionSyntax"}]},
                                "if": {"type": ["boolean", "number", "string"]}}},
        "job": {"type": "object", "properties": {"needs": {"oneOf": [{"type": "array", "items": {"$ref": "#/definitions/name"}, "minItems": 1},
                {"$ref": "#/definitions/name"}]}, "runs-on": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1,
                "items": [{"const": "self-hosted"}], "additionalItems": {"type": "string"}}, {"$ref": "#/definitions/expressionSyntax"}]},
                "steps": {"type": "array", "items": {"$ref": "#/definitions/step"}, "minItems": 1}}, "required": ["runs-on"], "additionalProperties": False},
        "name": {"type": "string", "pattern": "^[_a-zA-Z][a-zA-Z0-9_-]*$"}},
        "properties": {"name": {"type": "string"}, "on": {"oneOf": [{"$ref": "#/definitions/event"}, {"type": "array", "items": {"$ref": "#/definitions/event"}, "minItems": 1},
                       {"type": "object", "properties": {"push": {"$ref": "#/definitions/ref"}, "schedule": {"type": "array", "items": {"type": "object",
                        "properties": {"cron": {"type": "string", "pattern": "^(((\\d+,)+\\d+|((\\d+|\\*)\\/\\d+|[A-Z]{3})|(\\d+-\\d+)|\\d+|\\*)) ?){5,7}$"
                                                if False else "^(\\S+ ){4}\\S+$"}}, "additionalProperties": False}}}, "additionalProperties": False}]},
                       "jobs": {"type": "object", "patternProperties": {"^[_a-zA-Z][a-zA-Z0-9_-]*$": {"$ref": "#/definitions/job"}}, "minProperties": 1,
                                "additionalProperties": False}, "concurrency": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["group"]}]}},
        "required": ["on", "jobs"], "type": "object"}, DRAFTS[2])


def composition(r):
    either = {"oneOf": [{"type": "object", "patternProperties": {".+": {"type": ["string", "number", "boolean", "null"]}}, "additionalProperties": False},
                        {"type": "array", "items": {"type": "string"}, "uniqueItems": True}]}
    service = {"id": "#/definitions/service", "type": "object", "properties": {
        "image": {"type": "string"}, "command": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "ports": {"type": "array", "items": {"oneOf": [{"type": "number", "format": "ports"}, {"type": "string", "format": "ports"},
                  {"type": "object", "properties": {"target": {"type": "integer"}, "mode": {"type": "string"}}, "additionalProperties": False}]}, "uniqueItems": True},
        "environment": {"$ref": "#/definitions/list_or_dict"}, "expose": {"type": "array", "items": {"type": ["string", "number"], "format": "expose"}, "uniqueItems": True},
        "depends_on": {"$ref": "#/definitions/list_of_strings"}, "restart": {"type": "string"}, "stop_grace_period": {"type": "string", "format": "duration"},
        "ulimits": {"type": "object", "patternProperties": {"^[a-z]+$": {"oneOf": [{"type": "integer"}, {"type": "object", "properties": {
            "hard": {"type": "integer"}, "soft": {"type": "integer"}}, "required": ["soft", "hard"], "additionalProperties": False}]}}},
        "deploy": {"$ref": "#/definitions/deployment"}}, "patternProperties": {"^x-": {}}, "additionalProperties": False}
    return {"$schema": DRAFTS[0], "id": "config_schema_v3.9.json", "type": "object", "required": ["version"] if r.random() < 0.5 else ["services"], "properties": {
        "version": {"type": "string"}, "services": {"id": "#/properties/services", "type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": {"$ref": "#/definitions/service"}},
                     "additionalProperties": False}, "volumes": {"type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": {"type": ["object", "null"]}}}},
        "patternProperties": {"^x-": {}}, "additionalProperties": False, "definitions": {
            "service": service, "list_or_dict": either, "list_of_strings": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "deployment": {"id": "#/definitions/deployment", "type": ["object", "null"], "properties": {"replicas": {"type": "integer"}, "labels": either},
                           "additionalProperties": False}, "constraints": {"service": {"id": "#/definitions/constraints/service",
                           "anyOf": [{"required": ["build"]}, {"required": ["image"]}]}}}}


def linter(r):
    rule = {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 2}, {"type": "string", "enum": ["off", "warn", "error"]},
                      {"type": "array", "items": [{"oneOf": [{"type": "integer", "minimum": 0, "maximum": 2}, {"type": "string", "enum": ["off", "warn", "error"]}]}],
                       "additionalItems": True, "minItems": 1}]}
    return headed({"definitions": {"rule": rule, "stringOrStrings": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                   "overrideConfig": {"type": "object", "properties": {"files": {"$ref": "#/definitions/stringOrStrings"}, "extends": {"$ref": "#"},
                                      "rules": {"$ref": "#/properties/rules"}}, "required": ["files"]}}, "type": "object", "properties": {
        "root": {"type": "boolean"}, "env": {"type": "object", "properties": {w: {"type": "boolean"} for w in names(r, 5)}}, "globals": {"type": "object",
        "additionalProperties": {"oneOf": [{"type": "string", "enum": ["readonly", "writable", "off"]}, {"type": "boolean"}]}},
        "parserOptions": {"type": "object", "properties": {"ecmaVersion": {"default": 11, "enum": [3, 5, 6, 2015, 2016, "latest"]}, "sourceType": {"enum": ["script", "module"]}}},
        "rules": {"type": "object", "properties": {w + "-" + v: {"$ref": "#/definitions/rule"} for w in names(r, 6) for v in names(r, 4)},
                  "additionalProperties": {"$ref": "#/definitions/rule"}}, "overrides": {"type": "array", "items": {"$ref": "#/definitions/overrideConfig"}}}}, r.choice(OLD))


# ---- records of events, news documents, functions ----

def event(r):
    def field():
        kind = r.randrange(7)
        if kind == 0:
            return {"type": maybe_null(r, "string"), "maxLength": r.choice([36, 255, 1024, 4096, 65535])}
        if kind == 1:
            return {"type": maybe_null(r, "integer"), "minimum": r.choice([0, -2147483648]), "maximum": r.choice([255, 2147483647, 9223372036854775807, 65535])}
        if kind == 2:
            return {"type": ["string", "null"], "enum": names(r, 3) + [None], "maxLength": 20}
        if kind == 3:
            return {"type": maybe_null(r, "number"), "minimum": -90, "maximum": 90, "multipleOf": r.choice([0.01, 0.0001, 1])}
        if kind == 4:
            return {"type": "string", "format": r.choice(["date-time", "uri", "uuid", "ipv4", "email", "date"]), "maxLength": 2048}
        if kind == 5:
            return {"type": "array", "items": {"type": "string", "maxLength": 512}, "maxItems": r.choice([10, 100, 1000])}
        return {"type": ["boolean", "null"]}
    keys = names(r, r.randint(1, 10))
    return {"$schema": "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#", "description": "Schema for an event", "self": {
        "vendor": "com.example", "name": keys[0], "format": "jsonschema", "version": "1-0-%d" % r.randint(0, 9)}, "type": "object",
        "properties": {k: noted(r, field()) for k in keys}, "additionalProperties": False,
        **({"required": r.sample(keys, r.randint(1, len(keys)))} if r.random() < 0.7 else {}), **({"minProperties": 1} if r.random() < 0.3 else {})}


def document(r):
    trait = {"additional_properties": {"$id": "https://ans.example.org/0.6.2/trait_additional_properties.json", "type": "object", "additionalProperties": True},
             "id": {"title": "Globally Unique ID trait", "type": "string"}, "version": {"type": "string", "enum": ["0.6.2"], "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
             "dated": {"type": "string", "format": "date-time"}, "locale": {"type": "string"}}
    kinds = names(r, 5)
    element = {k: {"type": "object", "properties": {"_id": {"$ref": "#/definitions/traits/id"}, "type": {"type": "string", "enum": [k]},
               "additional_properties": {"$ref": "#/definitions/traits/additional_properties"}, "created_date": {"$ref": "#/definitions/traits/dated"},
               "content_elements": {"type": "array", "items": {"$ref": "#/definitions/any"}}}, "required": ["type"], "additionalProperties": r.random() < 0.5} for k in kinds}
    return headed({"id": "https://ans.example.org/0.6.2/content.json", "title": "content", "definitions": {"traits": trait, "elements": element, "any": {
        r.choice(["anyOf", "oneOf"]): [{"$ref": "#/definitions/elements/" + k} for k in kinds]}}, "type": "object", "properties": {
        "_id": {"$ref": "#/definitions/traits/id"}, "version": {"$ref": "#/definitions/traits/version"}, "content_elements": {"type": "array",
        "items": {"$ref": "#/definitions/any"}}, "headlines": {"type": "object", "properties": {"basic": {"type": "string"}}, "additionalProperties": {"type": "string"}}},
        "required": ["version"], "additionalProperties": False}, DRAFTS[0])


def signature(r):
    def parameter(depth):
        kind = r.randrange(8 if depth else 5)
        if kind == 0:
            return {"type": "string", "enum": names(r, r.randint(2, 6)), "description": "which one"}
        if kind == 1:
            return {"type": "number", "description": "how much", "minimum": 0}
        if kind == 2:
            return {"type": "integer", "description": "how many"}
        if kind == 3:
            return {"type": "boolean"}
        if kind == 4:
            return {"type": "string", "description": "a text", **({"format": r.choice(["date", "date-time", "email"])} if r.random() < 0.4 else {})}
        if kind == 5:
            return {"type": "array", "items": parameter(depth - 1), "description": "several"}
        return record(depth - 1)

    def record(depth):
        keys = names(r, r.randint(1, 5))
        return {"type": "object", "properties": {k: parameter(depth) for k in keys}, "required": r.sample(keys, r.randint(0, len(keys)))}
    return record(2)


# ---- by hand ----

def by_hand(r):
    draft, key = r.choice(DRAFTS), r.choice(WORDS)
    return headed(noted(r, r.choice([
        {"type": "object", "properties": {key: {"type": "string"}}}, {"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "string"},
        {"type": "object", "properties": {}, "additionalProperties": True}, {"id": "http://jsonschema.net", "type": "object", "properties": {
            key: {"id": "http://jsonschema.net/" + key, "type": "object", "properties": {"x": {"id": "http://jsonschema.net/%s/x" % key, "type": "integer"}}}}},
        {"type": "array", "items": [{"type": "string"}, {"type": "number"}], "additionalItems": False}, {"enum": names(r, 3) + [1, None]},
        {"type": ["object", "array"], "items": {"type": "object"}, "properties": {key: {"type": ["integer", "string"]}}}, {},
        {"type": "object", "patternProperties": {"^.*$": {"type": "object", "properties": {key: {"type": "number"}}, "required": [key]}}, "additionalProperties": False},
        {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        {"type": "object", "patternProperties": {"^[A-Z]{2,3}$": {"type": "number"}, "^x": {"type": "string"}, "\\d$": {"minimum": 3}}, "additionalProperties": False},
        {"type": "object", "properties": {key: {"type": "string", "pattern": "^$|^[a-z]+$"}}, "additionalProperties": False, "minProperties": 1}])), draft)


def draft_four(r):
    return {"$schema": DRAFTS[0], "type": "object", "properties": {
        "a": {"type": "number", "minimum": 0, "exclusiveMinimum": r.random() < 0.5, "maximum": r.randint(1, 9), "exclusiveMaximum": r.random() < 0.5},
        "b": {"type": "integer", "multipleOf": r.choice([2, 3, 5, 0.5])}, "c": {"$ref": "#/definitions/x", "type": "integer", "minimum": 7},
        "d": {"type": "array", "items": [{"$ref": "#/definitions/x"}], "additionalItems": {"type": "boolean"}}}, "definitions": {"x": {"type": "string"}},
        "dependencies": {"a": ["b"], "b": {"properties": {"c": {"maxLength": 3}}}, "c": "d"} if False else {"a": ["b"], "b": {"properties": {"c": {"maxLength": 3}}}}}


def references(r):
    kind = r.randrange(9)
    text = {"type": "string"}
    if kind == 0:
        return {"$id": "http://example.org/root.json", "properties": {"a": {"$ref": "item.json"}, "b": {"$ref": "/sub/other.json#/definitions/n"}}, "type": "object",
                "$defs": {"i": {"$id": "item.json", **text}, "o": {"$id": "/sub/other.json", "definitions": {"n": {"type": "integer"}}}}}
    if kind == 1:
        return headed({"definitions": {"a/b": text, "m~n": {"type": "integer"}, "p%q": {"type": "null"}, "with space": {"type": "boolean"}}, "type": "object", "properties": {
            "a": {"$ref": "#/definitions/a~1b"}, "b": {"$ref": "#/definitions/m~0n"}, "c": {"$ref": "#/definitions/p%25q"}, "d": {"$ref": "#/definitions/with%20space"}}}, r.choice(OLD))
    if kind == 2:
        return headed({"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}, "additionalProperties": False}, r.choice(DRAFTS))
    if kind == 3:
        return {"$schema": DRAFTS[0], "id": "http://example.org/s#", "definitions": {"a": {"id": "#a", **text}}, "properties": {"x": {"$ref": "#a"}, "y": {"$ref": "http://example.org/s#a"}}}
    if kind == 4:
        return {"$schema": DRAFTS[4], "$defs": {"a": {"$anchor": "here", **text}}, "properties": {"x": {"$ref": "#here", "maxLength": 2}}}
    if kind == 5:
        return headed({"properties": {"a": {"items": {"properties": {"b": text}}}, "c": {"$ref": "#/properties/a/items/properties/b"}, "d": {"$ref": "#/properties/a"}}}, r.choice(OLD))
    if kind == 6:
        return headed({"definitions": {"list": {"type": "object", "properties": {"next": {"oneOf": [{"$ref": "#/definitions/list"}, {"type": "null"}]}, "v": text},
                       "required": ["v"]}}, "allOf": [{"$ref": "#/definitions/list"}]}, r.choice(OLD))
    if kind == 7:
        return {"definitions": {"a": {"type": "object", "properties": {"x": text}}}, "properties": {"p": {"$ref": "#/definitions/a", "required": ["x"]},
                "q": {"description": "read as the newest draft has it", "$ref": "#/definitions/a", "title": "q"}}, "type": "object"}
    return {"$schema": DRAFTS[2], "$id": "http://example.org/r.json", "definitions": {"pos": {"$id": "#pos", "type": "integer", "minimum": 0}},
            "properties": {"a": {"$ref": "#pos"}, "b": {"$ref": "r.json#/definitions/pos"}, "c": {"$ref": "http://example.org/r.json#pos"}}}


PATTERNS = ["^\\d{3}-\\w+$", "^(?=.*\\d)(?=.*[a-z])[a-z\\d]{4,8}$", "^(?!\\s*$).+", "^((?!foo).)*$", "^.*?b$", "^(|a|bc)$", "[^]", "^[^\\/]+\\/[^\\/]*$", "^\\p{L}[\\p{L}\\p{N} _-]*$", "^\\S+@\\S+$",
            "^[a-z](?:[a-z-]{0,61}[a-z])?$", "^(?:(?!--)[a-z-]){2,10}$", "^([0-9a-f]{2}:){5}[0-9a-f]{2}$", "^(?:[A-Z]\\w*)(?:\\.[A-Z]\\w*)*$", "^\\/([^\\s\\/]+\\/)*$", "\\.(js|ts)x?$",
            "^(\\*|[0-5]?\\d)( (\\*|[0-5]?\\d)){4}$", "^#([0-9a-fA-F]{3}){1,2}$", "^\\+?\\d+(?:[ -]\\d+)*$", "^[\\w.+-]+$", "^\\$\\{[^}]+\\}$", "\\bfoo\\b", "^(https?|wss?):\\/\\/\\S+$", "^[A-Za-z0-9_-]{1,64}$",
            "^(0|[1-9]\\d{0,2}(,\\d{3})*)(\\.\\d\\d)?$", "^[\\u4e00-\\u9fff]+$", "^\\x41\\u0042\\t?$", "(?i)^abc$", "^(a)\\1$", "^(?<year>\\d{4})-(?<month>\\d\\d)$", "^a{2,}b{0,2}?$", "^[\\s\\S]{0,100}$",
            "^(?:a|b(?=c))c?$", "^x(?!y)[a-z]$", "(?<!a)b", "^\\w+(?<!_)$", "^[+-]?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?$", "^.{0,4096}$", "^[a-zA-Z0-9!\\-_.*'()]{1,1024}$", "^\\[([^\\[].*)?\\]$"]


def pattern(r):
    which = r.sample(PATTERNS, 1)[0]
    return headed({"type": "object", "properties": {"p": {"type": "string", "pattern": which, **({"maxLength": r.choice([10, 255, 65535])} if r.random() < 0.4 else {})}}, "required": ["p"]},
                  r.choice(DRAFTS))


FORMATS = ("date time date-time duration email hostname ipv4 ipv6 uuid uri uri-reference json-pointer relative-json-pointer idn-email iri iri-reference uri-template regex int32 int64 "
           "float double byte binary password color phone semver path host-name ip-address utc-millisec style date-time-local url decimal").split()


def formats(r):
    return headed({"type": "object", "properties": {w: {"type": maybe_null(r, "string"), "format": r.choice(FORMATS), **({"maxLength": 2048} if r.random() < 0.3 else {})}
                                                     for w in names(r, r.randint(1, 3))}, "required": []} if r.random() < 0.8 else
                  {"type": "array", "items": {"type": "string", "format": r.choice(FORMATS)}}, r.choice(DRAFTS[1:]))


def unique(r):
    item = r.choice([{"type": "string"}, {"enum": names(r, 4)}, {"type": "integer", "minimum": 0, "maximum": 5}, {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                     {"type": "array", "items": {"type": "number"}}, {}, {"type": ["string", "number", "null"]}, {"type": "string", "pattern": "^[a-c]{1,2}$"}, {"type": "boolean"}])
    return headed({"type": "array", "items": item, "uniqueItems": True, **({"minItems": r.randint(0, 2)} if r.random() < 0.5 else {}),
                   **({"maxItems": r.randint(3, 9)} if r.random() < 0.5 else {})}, r.choice(DRAFTS))


def unions(r):
    a, b, c = names(r, 3)
    return headed(r.choice([
        {"oneOf": [{"type": "object", "properties": {a: {"type": "string"}}, "required": [a]}, {"type": "object", "properties": {b: {"type": "integer"}}, "required": [b]}]},
        {"oneOf": [{"type": "string", "maxLength": 5}, {"type": "string", "minLength": 3}, {"type": "integer"}]}, {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "type": "integer"},
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "string"}, {"type": "object", "additionalProperties": {"$ref": "#"}}]},
        {"not": {"type": "object", "required": [a, b]}, "type": "object"}, {"not": {"enum": [a, 1, None]}}, {"type": "object", "not": {"properties": {a: {"const": 1}}, "required": [a]}},
        {"type": "object", "properties": {a: {"enum": ["x", "y"]}}, "if": {"properties": {a: {"const": "x"}}, "required": [a]}, "then": {"required": [b]}, "else": {"required": [c]}},
        {"type": "object", "allOf": [{"if": {"properties": {a: {"const": k}}}, "then": {"properties": {b: {"maxLength": i + 1}}}} for i, k in enumerate(("u", "v", "w"))],
         "properties": {a: {"type": "string"}, b: {"type": "string"}}, "required": [a]},
        {"oneOf": [{"$ref": "#/definitions/p"}, {"type": "array", "items": {"$ref": "#/definitions/p"}, "minItems": 1, "uniqueItems": True}], "definitions": {"p": {"type": "string", "minLength": 1}}},
        {"type": "object", "oneOf": [{"required": [a]}, {"required": [b]}, {"required": [c]}], "properties": {a: {}, b: {}, c: {}}},
        {"type": "object", "propertyNames": {"pattern": "^[a-z_]+$", "maxLength": 12}, "maxProperties": 3, "additionalProperties": {"type": ["string", "number"]}},
        {"anyOf": [{"required": [a]}, {"required": [b]}], "properties": {a: {"type": "string"}}, "type": "object", "additionalProperties": {"type": "integer"}}]), r.choice(DRAFTS[1:]))


def enumerations(r):
    return headed(r.choice([{"enum": ["%s_%d" % (w, i) for w in WORDS for i in range(20)]}, {"type": "string", "enum": ["a\"b", "c\\d", "é", "😀", "", " "]}, {"enum": [{"a": 1}, [1, 2], [], {}, 0, False, ""]},
                            {"const": {"a": [1, {"b": None}]}}, {"enum": [1, 1.5, -3, 1e3, 0]}, {"type": "array", "items": {"enum": list(range(300))}},
                            {"type": "integer", "enum": list(range(0, 2000, 7))}]), r.choice(DRAFTS[1:]))


def numbers(r):
    return headed(r.choice([{"type": "integer", "minimum": -1e9, "maximum": 1e18}, {"type": "number", "exclusiveMinimum": 0, "maximum": 1.5}, {"type": "number", "minimum": 1e-7}, {"type": "integer", "exclusiveMaximum": 10},
                            {"type": "number", "multipleOf": 1e-8, "maximum": 1}, {"type": "number", "minimum": -1.7976931348623157e308, "maximum": 1.7976931348623157e308}, {"type": "integer", "multipleOf": 60, "minimum": 0, "maximum": 86400},
                            {"type": "integer", "minimum": 0, "maximum": 18446744073709551615}, {"minimum": 3}, {"type": ["number", "string"], "minimum": 3, "maxLength": 2}, {"type": "number", "multipleOf": 0.1}]), r.choice(DRAFTS[1:]))


def interface(r):
    return {"type": "object", "properties": {"id": {"type": "integer", "format": "int64", "example": 10}, "petType": {"type": "string"}, "tags": {"type": "array", "xml": {"wrapped": True}, "items": {
        "type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}, "xml": {"name": "tag"}}}, "status": {"type": "string", "enum": names(r, 3)}, "price": {"type": "number", "format": "float",
        "nullable": True}}, "required": ["id"], "discriminator": {"propertyName": "petType"}, "externalDocs": {"url": "https://example.org"}}


def places(r):
    position = {"type": "array", "minItems": 2, "items": {"type": "number"}}
    one = {"Point": position, "LineString": {"type": "array", "minItems": 2, "items": position}, "Polygon": {"type": "array", "items": {"type": "array", "minItems": 4, "items": position}}}
    return headed({"title": "GeoJSON", "oneOf": [{"type": "object", "required": ["type", "coordinates"], "properties": {"type": {"type": "string", "enum": [k]}, "coordinates": v,
                   "bbox": {"type": "array", "minItems": 4, "items": {"type": "number"}}}} for k, v in one.items()]}, r.choice(DRAFTS[1:]))


def newest(r):
    a, b, c = names(r, 3)
    return headed(r.choice([
        {"type": "object", "properties": {a: {"type": "string"}}, "allOf": [{"properties": {b: {"type": "integer"}}}], "unevaluatedProperties": False},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "boolean"}}, {"type": "array", "contains": {"type": "string", "minLength": 2}, "maxContains": 2},
        {"type": "object", "dependentRequired": {a: [b]}, "dependentSchemas": {c: {"required": [a]}}, "properties": {a: {}, b: {}, c: {}}},
        {"type": "object", "properties": {a: {"$ref": "#/$defs/p", "default": 0}}, "$defs": {"p": {"type": "integer", "minimum": 0}}, "minProperties": 1},
        {"type": "array", "prefixItems": [{"const": a}], "unevaluatedItems": False}]), DRAFTS[4])


MAKERS = {f.__name__: f for f in (resource, definitions, custom_resource, package, compiler, workflow, composition, linter, event, document, signature, by_hand, draft_four, references, pattern, formats,
                                  unique, unions, enumerations, numbers, interface, places, newest)}
SHARES = {"resource": 24, "definitions": 16, "event": 30, "signature": 40, "by_hand": 60, "references": 27, "pattern": 80, "formats": 60, "unique": 40, "unions": 50, "numbers": 25, "enumerations": 16,
          "newest": 16, "package": 8, "compiler": 10, "workflow": 2, "composition": 3, "interface": 4, "places": 4}


def families(seed=1):
    for name, maker in MAKERS.items():
        for i in range(SHARES.get(name, 10)):
            yield name, maker(random.Random("%s %d %d" % (name, seed, i)))
