/* See tool_markup.h. */
#include "engine/grammar/tool_markup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/free_text.h"
#include "engine/grammar/members.h"

#define DEEPEST_SCHEMA 16 /* that types are looked for in */

/* ---- types ---- */

unsigned json_type_of(const json_t *value) {
    if (json_is_null(value)) return JSON_TYPE_NULL;
    if (json_is_boolean(value)) return JSON_TYPE_BOOLEAN;
    if (json_is_number(value)) return JSON_TYPE_NUMBER;
    if (json_is_string(value)) return JSON_TYPE_STRING;
    return json_is_array(value) ? JSON_TYPE_ARRAY : JSON_TYPE_OBJECT;
}

static unsigned type_named(const json_t *type) {
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object", "integer"};
    static const unsigned types[] = {1, 2, 4, 8, 16, 32, 4};
    const char *name = json_string_value(type);
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return types[i];
    return JSON_TYPES_ALL;
}

/* What "#/a/b" leads to; NULL: anything else. */
static const json_t *follow(const json_t *root, const char *reference) {
    const json_t *at = root;
    if (!reference || *reference != '#' || strchr(reference, '~') || strchr(reference, '%')) return NULL;
    for (const char *part = reference + 1; at && *part == '/';) {
        size_t n = strcspn(++part, "/");
        char name[256], *end;
        if (n >= sizeof name) return NULL;
        memcpy(name, part, n);
        name[n] = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(name, &end, 10)) : json_object_get(at, name);
        part += n;
        if (*part == '\0') return at;
    }
    return reference[1] ? NULL : at;
}

static unsigned types_in(const json_t *root, const json_t *schema, unsigned depth);

static unsigned types_of_any(const json_t *root, const json_t *list, unsigned depth) {
    unsigned types = json_array_size(list) ? 0 : JSON_TYPES_ALL;
    for (size_t i = 0; i < json_array_size(list); i++) types |= types_in(root, json_array_get(list, i), depth + 1);
    return types;
}

static unsigned types_in(const json_t *root, const json_t *schema, unsigned depth) {
    unsigned types = JSON_TYPES_ALL, some = 0;
    const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum"), *value;
    if (depth > DEEPEST_SCHEMA || !json_is_object(schema)) return JSON_TYPES_ALL;
    for (size_t i = 0; i < json_array_size(type); i++) some |= type_named(json_array_get(type, i));
    if (type) types &= json_is_array(type) ? some : type_named(type);
    some = 0;
    for (size_t i = 0; i < json_array_size(values); i++) some |= json_type_of(json_array_get(values, i));
    if (values) types &= some;
    if ((value = json_object_get(schema, "const"))) types &= json_type_of(value);
    types &= types_of_any(root, json_object_get(schema, "anyOf"), depth);
    types &= types_of_any(root, json_object_get(schema, "oneOf"), depth);
    value = json_object_get(schema, "allOf");
    for (size_t i = 0; i < json_array_size(value); i++) types &= types_in(root, json_array_get(value, i), depth + 1);
    value = json_object_get(schema, "$ref");
    return value ? types & types_in(root, follow(root, json_string_value(value)), depth + 1) : types;
}

/* Those of all places that list the member; 0: none does. */
static unsigned listed_types(const json_t *root, const json_t *schema, const char *name, unsigned depth) {
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    const json_t *member = json_object_get(json_object_get(schema, "properties"), name);
    const json_t *reference = json_object_get(schema, "$ref");
    unsigned types = member ? types_in(root, member, 0) : 0;
    if (depth > DEEPEST_SCHEMA) return JSON_TYPES_ALL;
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t i = 0; i < json_array_size(json_object_get(schema, lists[l])); i++)
            types |= listed_types(root, json_array_get(json_object_get(schema, lists[l]), i), name, depth + 1);
    if (reference) types |= listed_types(root, follow(root, json_string_value(reference)), name, depth + 1);
    return types;
}

unsigned tool_parameter_types(const json_t *parameters, const char *name) {
    unsigned types = listed_types(parameters, parameters, name, 0);
    return types ? types : JSON_TYPES_ALL;
}

/* ---- values ---- */

struct markup {
    struct work *work;
    struct rules *rules;
    struct schema *schema;
    const bn_tool_markup *syntax;
    const json_t *parameters;
    const struct dfa *free[JSON_TYPES_ALL + 1]; /* any strings, by the types that they mustn't look like */
};

struct pattern_node *markup_space(struct rules *rules) {
    return body_pattern(rules, "\\n?");
}

struct pattern_node *markup_mark(struct rules *rules, const char *text) {
    return *text ? body_mark(rules, text) : body_text(rules, "", 0);
}

static struct pattern_node *line_break(struct markup *m) {
    return m->syntax->padded ? body_text(m->rules, "\n", 1) : body_text(m->rules, "", 0);
}

static const struct dfa *without(struct markup *m, const struct dfa *texts, const struct dfa *some) {
    return texts && some ? dfa_combine(m->work, texts, some, DFA_WITHOUT) : NULL;
}

/* Strings that don't look like JSON of one of these types, and don't hold the mark that ends them. */
static const struct dfa *plain_strings(struct markup *m, const struct shape *shape, unsigned types) {
    static const struct {
        unsigned type;
        const char *pattern;
    } looks[] = {{JSON_TYPE_NULL, "\\s*null\\s*"},
                 {JSON_TYPE_BOOLEAN, "\\s*(?:true|false)\\s*"},
                 {JSON_TYPE_NUMBER, "\\s*-?[0-9][0-9.eE+-]*\\s*"},
                 {JSON_TYPE_ARRAY, "\\s*\\[[\\s\\S]*"},
                 {JSON_TYPE_OBJECT, "\\s*\\{[\\s\\S]*"}};
    bool free = shape->string->everything && shape->min == 0 && shape->max == UNBOUNDED;
    if (free && m->free[types]) return m->free[types];
    const struct dfa *texts = dfa_limit(m->work, shape->string, shape->min, shape->max);
    const char *end = pattern_of_text(m->work, m->syntax->value_end);
    texts = without(m, texts, pattern_of_parts(m->work, "", end, "", PATTERN_SEARCH));
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (types & looks[i].type)
            texts =
                without(m, texts, pattern_compile(m->work, looks[i].pattern, strlen(looks[i].pattern), PATTERN_WHOLE));
    if (free) m->free[types] = texts;
    return texts;
}

/* A value behind its key: key_end … value_end. */
static struct pattern_node *value_body(struct markup *m, const char *key_end, struct pattern_node *value) {
    struct rules *rules = m->rules;
    struct pattern_node *body = body_new(rules, PATTERN_CONCAT);
    body_add(rules, body, markup_mark(rules, key_end));
    if (*m->syntax->value_begin) {
        body_add(rules, body, markup_space(rules));
        body_add(rules, body, body_mark(rules, m->syntax->value_begin));
    }
    body_add(rules, body, line_break(m));
    body_add(rules, body, value);
    body_add(rules, body, line_break(m));
    body_add(rules, body, body_mark(rules, m->syntax->value_end));
    body_add(rules, body, markup_space(rules));
    return body;
}

/* types: what the one who reads it takes the value for. */
static struct pattern_node *values_body(struct markup *m, uint32_t node, unsigned types) {
    const bn_tool_markup *syntax = m->syntax;
    struct pattern_node *any = body_new(m->rules, PATTERN_ALTERNATIVES);
    const struct forms forms = m->schema->nodes[node].forms;
    struct forms others = {0};
    if (!(types & JSON_TYPE_STRING)) types = 0; /* nothing is taken for a string by mistake */
    if (syntax->key_end_json) types = JSON_TYPE_STRING;
    for (uint32_t i = 0; i < forms.n && work_ok(m->work); i++) {
        if (forms.items[i]->type != TYPE_STRING) {
            forms_add(m->schema, &others, forms.items[i]);
            continue;
        }
        const struct dfa *strings = plain_strings(m, forms.items[i], types & ~(unsigned)JSON_TYPE_STRING);
        body_add(m->rules, any, value_body(m, syntax->key_end, body_dfa(m->rules, strings)));
    }
    if (others.n) {
        const char *key_end = syntax->key_end_json ? syntax->key_end_json : syntax->key_end;
        body_add(m->rules, any, value_body(m, key_end, body_schema(m->rules, node_of_forms(m->schema, &others))));
    }
    return any;
}

/* ---- members ---- */

static struct pattern_node *member_body(struct markup *m, struct pattern_node *key, uint32_t node, unsigned types) {
    struct pattern_node *begin = body_both(m->rules, body_mark(m->rules, m->syntax->key_begin), key);
    return body_both(m->rules, begin, values_body(m, node, types));
}

/* Names of members are written as they are, so they can't have what ends them, or a line break. */
static const struct dfa *writable_names(const struct markup *m) {
    const char *pattern = m->syntax->key_end[0] == '"' ? "[^\"<>\\n]+" : "[^<>\\n]+";
    return pattern_compile(m->work, pattern, strlen(pattern), PATTERN_WHOLE);
}

static struct pattern_node *named_body(struct markup *m, const struct property *property, uint32_t node) {
    const struct dfa *names = writable_names(m);
    const char *name = property->name;
    if (!names || strlen(name) != property->n_name || !dfa_match(names, name, property->n_name)) {
        work_fail(m->work, BN_STATUS_UNSUPPORTED, "the parameter '%.60s' can't be written as an element", name);
        return NULL;
    }
    return member_body(m, body_text(m->rules, name, property->n_name), node, tool_parameter_types(m->parameters, name));
}

/* Members that the schema doesn't list, if they may come. */
static void add_others(struct markup *m, const struct object_shape *object, struct pattern_node *body) {
    for (uint32_t c = object->n_properties; c < object->n_classes && work_ok(m->work) && object->max == UNBOUNDED;
         c++) {
        uint32_t *allowed = work_alloc(m->work, (object->n_classes + 31) / 32, sizeof *allowed);
        if (!allowed || !object->classes[c].possible) continue;
        allowed[c / 32] |= 1u << c % 32;
        const struct dfa *keys = dfa_restrict(m->work, object->keys, allowed, NULL);
        const struct dfa *names = writable_names(m);
        keys = keys && names ? dfa_combine(m->work, names, keys, DFA_AND) : NULL;
        if (!keys || keys->n_states == 0) continue;
        struct pattern_node *one = member_body(m, body_dfa(m->rules, keys), object->classes[c].node, JSON_TYPES_ALL);
        body_add(m->rules, body, body_repeat(m->rules, one, 0, PATTERN_UNLIMITED));
    }
}

static struct pattern_node *object_body(struct markup *m, const struct object_shape *object) {
    struct rules *rules = m->rules;
    struct pattern_node *any = body_new(rules, PATTERN_ALTERNATIVES);
    struct ways ways;
    object_ways(m->schema, object, &ways);
    for (size_t i = 0; i < ways.n && work_ok(m->work); i++) {
        struct pattern_node *body = body_new(rules, PATTERN_CONCAT);
        for (uint32_t p = 0; p < object->n_properties && work_ok(m->work); p++) {
            const struct member *member = &ways.items[i][p];
            if (member->presence == MEMBER_ABSENT) continue;
            struct pattern_node *one = named_body(m, &object->properties[p], member->node);
            body_add(rules, body, member->presence == MEMBER_REQUIRED ? one : body_repeat(rules, one, 0, 1));
        }
        add_others(m, object, body);
        body_add(rules, any, body);
    }
    return any;
}

struct pattern_node *markup_body(struct rules *rules, struct schema *schema, uint32_t node, const json_t *parameters,
                                 const bn_tool_markup *syntax) {
    struct markup m = {
        .work = rules->work, .rules = rules, .schema = schema, .syntax = syntax, .parameters = parameters};
    struct pattern_node *any = body_new(rules, PATTERN_ALTERNATIVES);
    if (!work_ok(m.work)) return NULL;
    const char *place = schema->place;
    const struct forms forms = schema->nodes[node].forms;
    if (schema->nodes[node].place) schema->place = schema->nodes[node].place;
    for (uint32_t i = 0; i < forms.n && work_ok(m.work); i++)
        if (forms.items[i]->type == TYPE_OBJECT) body_add(rules, any, object_body(&m, forms.items[i]->object));
    if (work_ok(m.work)) schema->place = place;
    return any;
}
