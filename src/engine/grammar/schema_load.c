/* Keywords: what an object of a schema says, as shapes and nodes. A table says of every keyword who deals with it; the
 * unknown ones are annotations, as the specification has it, and those that are known and can't be honoured are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema_index.h"
#include "engine/grammar/schema_load.h"

/* ---- places ---- */

const char *schema_place_in(struct schema *s, const char *place, const char *key) {
    size_t n = strlen(place) + 2 * strlen(key) + 2;
    char *text = work_alloc(s->work, n, 1), *to = text;
    if (!text) return place;
    to += sprintf(to, "%s/", place);
    for (; *key; key++) {
        if (*key == '~' || *key == '/')
            *to++ = '~', *to++ = *key == '~' ? '0' : '1';
        else
            *to++ = *key;
    }
    return text;
}

const char *schema_place_at(struct schema *s, const char *place, size_t index) {
    char number[24];
    snprintf(number, sizeof number, "%zu", index);
    return schema_place_in(s, place, number);
}

void load_refuse(struct loading *l, const char *what) {
    work_fail(l->s->work, BN_STATUS_UNSUPPORTED, "%s", what);
}
void load_complain(struct loading *l, const char *what) {
    work_fail(l->s->work, BN_STATUS_BAD_ARGUMENT, "%s", what);
}

/* Does the document's draft know the word? Before a keyword came, and after it went, it's an annotation like any other. */
static bool is_keyword(const struct schema *s, const char *name) {
    static const struct {
        const char *name;
        unsigned draft;
    } news[] = {{"const", 6},
                {"contains", 6},
                {"propertyNames", 6},
                {"if", 7},
                {"dependentRequired", 2019},
                {"dependentSchemas", 2019},
                {"minContains", 2019},
                {"maxContains", 2019},
                {"unevaluatedItems", 2019},
                {"unevaluatedProperties", 2019},
                {"$dynamicRef", 2020},
                {"prefixItems", 2020}};
    for (size_t i = 0; i < sizeof news / sizeof *news; i++)
        if (strcmp(news[i].name, name) == 0) return s->draft >= news[i].draft;
    if (strcmp(name, "$recursiveRef") == 0) return s->draft == 2019;
    return s->draft <= 7 || !s->draft_is_known || strcmp(name, "dependencies") != 0;
}

const json_t *load_keyword(struct loading *l, const char *name) {
    const json_t *value = json_object_get(l->object, name);
    if (value && !is_keyword(l->s, name)) return NULL;
    if (value && work_ok(l->s->work)) l->s->place = schema_place_in(l->s, l->place, name);
    return value;
}

uint32_t load_subschema(struct loading *l, const json_t *json, const char *place) {
    const char *base = json_is_object(json) ? schema_index_base(l->s, json, l->base) : l->base;
    return node_of_schema(l->s, json, place, base);
}

bool load_count(struct loading *l, const char *name, uint32_t *out) {
    const json_t *value = load_keyword(l, name);
    if (!value) return false;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < 0 || number != (double)(int64_t)number) {
        load_complain(l, "expected a count");
        return false;
    }
    *out = number >= UNBOUNDED ? UNBOUNDED - 1 : (uint32_t)number;
    return true;
}

/* ---- type ---- */

static void add_type(struct loading *l, const json_t *json) {
    static const struct {
        const char *name;
        enum value_type first, last;
    } names[] = {{"null", TYPE_NULL, TYPE_NULL},       {"boolean", TYPE_FALSE, TYPE_TRUE},
                 {"number", TYPE_NUMBER, TYPE_NUMBER}, {"integer", TYPE_NUMBER, TYPE_NUMBER},
                 {"string", TYPE_STRING, TYPE_STRING}, {"array", TYPE_ARRAY, TYPE_ARRAY},
                 {"object", TYPE_OBJECT, TYPE_OBJECT}};
    if (l->s->draft == 3 && json_is_object(json)) {
        load_refuse(l, "a schema as a type isn't supported");
        return;
    }
    bool any = l->s->draft == 3 && json_is_string(json) && strcmp(json_string_value(json), "any") == 0;
    for (int type = 0; any && type < N_TYPES; type++) l->types[type] = true;
    for (size_t i = 0; json_is_string(json) && i < sizeof names / sizeof *names; i++) {
        if (strcmp(json_string_value(json), names[i].name) != 0) continue;
        if (names[i].first == TYPE_NUMBER) {
            bool integer = strcmp(names[i].name, "integer") == 0;
            l->whole = l->types[TYPE_NUMBER] ? l->whole && integer : integer;
        }
        for (int type = (int)names[i].first; type <= (int)names[i].last; type++) l->types[type] = true;
        return;
    }
    if (any) return;
    work_fail(l->s->work, BN_STATUS_BAD_ARGUMENT, "unknown type '%.60s'",
              json_is_string(json) ? json_string_value(json) : "…");
}

static void load_types(struct loading *l) {
    const json_t *type = load_keyword(l, "type");
    for (int i = 0; i < N_TYPES; i++) l->types[i] = type == NULL;
    if (json_is_array(type))
        for (size_t i = 0; i < json_array_size(type); i++) add_type(l, json_array_get(type, i));
    else if (type)
        add_type(l, type);
}

/* ---- what applies to the same value ---- */

static void meet(struct loading *l, uint32_t node, struct forms *forms) {
    const struct forms *other = node_forms(l->s, node);
    if (!other) return;
    struct forms copy = *other, both;
    forms_and(l->s, forms, &copy, &both);
    *forms = both;
}

static uint32_t *subschemas(struct loading *l, const json_t *list, size_t *n) {
    const char *place = l->s->place;
    *n = json_array_size(list);
    if (!json_is_array(list) || *n == 0) {
        load_complain(l, "expected an array of schemas");
        return NULL;
    }
    uint32_t *nodes = work_alloc(l->s->work, *n, sizeof *nodes);
    for (size_t i = 0; nodes && i < *n && work_ok(l->s->work); i++)
        nodes[i] = load_subschema(l, json_array_get(list, i), schema_place_at(l->s, place, i));
    return work_ok(l->s->work) ? nodes : NULL;
}

static void load_branches(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    const json_t *value;
    uint32_t *nodes;
    size_t n;
    if ((value = load_keyword(l, "allOf")) && (nodes = subschemas(l, value, &n)))
        for (size_t i = 0; i < n && work_ok(s->work); i++) meet(l, nodes[i], forms);
    if ((value = load_keyword(l, "anyOf")) && (nodes = subschemas(l, value, &n))) meet(l, node_or(s, nodes, n), forms);
    if ((value = load_keyword(l, "oneOf")) && (nodes = subschemas(l, value, &n)))
        meet(l, node_exactly_one(s, nodes, n), forms);
    if ((value = load_keyword(l, "not"))) meet(l, node_not(s, load_subschema(l, value, s->place)), forms);
}

static void load_condition(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    const json_t *condition = load_keyword(l, "if"), *then, *otherwise;
    if (!condition) return;
    uint32_t node = load_subschema(l, condition, s->place), yes = ANY, no = ANY;
    if ((then = load_keyword(l, "then"))) yes = load_subschema(l, then, s->place);
    if ((otherwise = load_keyword(l, "else"))) no = load_subschema(l, otherwise, s->place);
    if (!then && !otherwise) return;
    meet(l, node_or(s, (uint32_t[]){node_and(s, node, yes), node_and(s, node_not(s, node), no)}, 2), forms);
}

/* With the property the schema holds, too. */
static void load_dependent_schemas(struct loading *l, struct forms *forms, const char *word) {
    struct schema *s = l->s;
    const json_t *schemas = load_keyword(l, word);
    const char *name, *place = s->place;
    json_t *value;
    json_object_foreach((json_t *)schemas, name, value) {
        if (!json_is_object(value) && !json_is_boolean(value)) continue;
        struct forms with = {0}, without = {0}, both, ways = {0};
        uint32_t node = load_subschema(l, value, schema_place_in(s, place, name));
        for (int type = 0; type < TYPE_OBJECT; type++) forms_add(s, &without, shape_new(s, (enum value_type)type));
        for (int required = 0; required < 2; required++) {
            struct shape *shape = shape_new(s, TYPE_OBJECT);
            if (!shape) return;
            uint32_t at = object_property(s, shape->object, name, strlen(name));
            if (!work_ok(s->work)) return;
            shape->object->properties[at].required = required;
            if (!required) shape->object->properties[at].node = NEVER;
            forms_add(s, required ? &with : &without, shape);
        }
        meet(l, node, &with);
        for (uint32_t i = 0; i < without.n; i++) forms_add(s, &ways, without.items[i]);
        for (uint32_t i = 0; i < with.n; i++) forms_add(s, &ways, with.items[i]);
        forms_and(s, forms, &ways, &both);
        *forms = both;
    }
}

/* Strings in one automaton, the others one by one. */
static void load_values(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    const json_t *value = load_keyword(l, "const"), *list = NULL;
    if (value) meet(l, node_of_const(s, value, s->place), forms);
    if (!(list = load_keyword(l, "enum"))) return;
    if (!json_is_array(list)) {
        load_complain(l, "expected an array");
        return;
    }
    size_t n = json_array_size(list), n_words = 0;
    struct dfa_word *words = work_alloc(s->work, n, sizeof *words);
    struct forms values = {0}, both;
    for (size_t i = 0; words && i < n && work_ok(s->work); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_string(item)) {
            words[n_words++] = (struct dfa_word){json_string_value(item), json_string_length(item), 1};
            continue;
        }
        const struct forms *one = node_forms(s, node_of_const(s, item, s->place));
        for (uint32_t f = 0; one && f < one->n; f++) forms_add(s, &values, one->items[f]);
    }
    if (n_words) {
        struct shape *strings = shape_new(s, TYPE_STRING);
        if (!strings) return;
        strings->string = dfa_words(s->work, words, n_words);
        forms_add(s, &values, strings);
    }
    forms_and(s, forms, &values, &both);
    *forms = both;
}

static void load_references(struct loading *l, struct forms *forms) {
    static const char *const words[] = {"$ref", "$dynamicRef", "$recursiveRef"};
    for (int i = 0; i < 3; i++) {
        const json_t *reference = load_keyword(l, words[i]);
        if (!reference) continue;
        if (!json_is_string(reference))
            load_complain(l, "expected a string");
        else
            meet(l, schema_index_resolve(l->s, json_string_value(reference), l->base, i > 0), forms);
    }
}

/* ---- the object ---- */

/* Draft 3's words for allOf, and for a type that mustn't be. */
static void load_of_old(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    if (s->draft != 3) return;
    const json_t *extends = load_keyword(l, "extends");
    if (json_is_object(extends)) meet(l, load_subschema(l, extends, s->place), forms);
    for (size_t i = 0; i < json_array_size(extends); i++)
        meet(l, load_subschema(l, json_array_get(extends, i), schema_place_at(s, s->place, i)), forms);
    const json_t *disallow = load_keyword(l, "disallow");
    if (!disallow) return;
    const json_t *types = schema_keep(s, json_pack("{s:O}", "type", disallow));
    if (types) meet(l, node_not(s, node_of_schema(s, types, s->place, l->base)), forms);
}

static void load_unevaluated(struct loading *l, struct forms *forms) {
    uint32_t nodes[2] = {ANY, ANY};
    static const char *const words[] = {"unevaluatedProperties", "unevaluatedItems"};
    for (int i = 0; i < 2; i++) {
        const json_t *value = l->s->old_draft ? NULL : load_keyword(l, words[i]);
        if (value) nodes[i] = load_subschema(l, value, l->s->place);
    }
    if (nodes[0] != ANY || nodes[1] != ANY)
        schema_load_unevaluated(l->s, l->object, l->base, nodes[0], nodes[1], forms);
}

const json_t *schema_keep(struct schema *s, json_t *json) {
    if (json && s->kept && json_array_append_new(s->kept, json) == 0) return json;
    work_fail(s->work, BN_STATUS_NO_MEMORY, "out of memory while a schema is compiled");
    return NULL;
}

/* Does anything stand beside $ref that may say something? */
static bool has_siblings(const json_t *object) {
    static const char *const notes[] = {"$ref",     "description", "title",    "default",   "examples",
                                        "$comment", "deprecated",  "readOnly", "writeOnly", "definitions"};
    const char *word;
    json_t *value;
    json_object_foreach((json_t *)object, word, value) {
        size_t i = 0;
        while (i < sizeof notes / sizeof *notes && strcmp(word, notes[i]) != 0) i++;
        if (i == sizeof notes / sizeof *notes && strncmp(word, "x-", 2) != 0) return true;
    }
    return false;
}

/* Up to draft 7 what stands beside $ref doesn't count. Where no $schema says which draft is meant, and `definitions` speak for an
 * old one, that mustn't make a difference: values of what is referred to have to be values of the rest anyway. */
static void check_siblings(struct loading *l) {
    struct schema *s = l->s;
    const json_t *reference = load_keyword(l, "$ref");
    bool old = json_object_get(s->json, "definitions") && !json_object_get(s->json, "$defs");
    if (!json_is_string(reference) || !old || json_object_get(s->json, "$schema") || !has_siblings(l->object)) return;
    json_t *rest = json_copy((json_t *)l->object);
    if (rest) json_object_del(rest, "$ref");
    const json_t *kept = schema_keep(s, rest);
    if (!kept) return;
    uint32_t target = schema_index_resolve(s, json_string_value(reference), l->base, false);
    uint32_t others = node_not(s, node_of_schema(s, kept, l->place, l->base));
    if (json_object_get(kept, "$id") || node_inhabited(s, node_and(s, target, others)))
        load_refuse(l, "drafts differ about keywords beside $ref: say which one with $schema");
}

void schema_load(struct schema *s, uint32_t id, struct forms *out) {
    const struct node node = s->nodes[id];
    struct loading l = {.s = s, .object = node.json, .place = node.place, .base = node.base};
    *out = (struct forms){0};
    if (s->old_draft && json_object_get(node.json, "$ref")) { /* what stands beside it doesn't count there */
        forms_all(s, out);
        load_references(&l, out);
        return;
    }
    check_siblings(&l);
    load_types(&l);
    for (int type = 0; type < N_TYPES && work_ok(s->work); type++) {
        if (!l.types[type]) continue;
        forms_add(s, out,
                  type == TYPE_NUMBER   ? load_number(&l)
                  : type == TYPE_STRING ? load_string(&l)
                  : type == TYPE_ARRAY  ? load_array(&l)
                  : type == TYPE_OBJECT ? load_object(&l)
                                        : shape_new(s, (enum value_type)type));
    }
    load_values(&l, out);
    load_references(&l, out);
    load_branches(&l, out);
    load_of_old(&l, out);
    load_condition(&l, out);
    load_dependent_schemas(&l, out, "dependentSchemas");
    load_dependent_schemas(&l, out, "dependencies");
    load_unevaluated(&l, out);
}

/* ---- the document ---- */

/* Which draft it is: the one that $schema names, exactly; else it's read as the newest, as validators do, with what older drafts
 * had besides. Nobody's dialects are like that, too, but since 2019-09 they may leave out what keywords say. */
static void check_dialect(struct schema *s) {
    static const struct {
        const char *name;
        unsigned draft;
    } dialects[] = {
        {"http://json-schema.org/draft-03/schema", 3},          {"http://json-schema.org/draft-04/schema", 4},
        {"http://json-schema.org/draft-06/schema", 6},          {"http://json-schema.org/draft-07/schema", 7},
        {"https://json-schema.org/draft/2019-09/schema", 2019}, {"https://json-schema.org/draft/2020-12/schema", 2020}};
    const char *dialect = json_string_value(json_object_get(s->json, "$schema"));
    s->draft = 2020;
    for (size_t i = 0; dialect && i < sizeof dialects / sizeof *dialects && !s->draft_is_known; i++) {
        size_t n = strlen(dialects[i].name);
        s->draft_is_known =
            strncmp(dialect, dialects[i].name, n) == 0 && strcmp(dialect + n, dialect[n] == '#' ? "#" : "") == 0;
        if (s->draft_is_known) s->draft = dialects[i].draft;
    }
    s->old_draft = s->draft <= 7;
    if (s->draft_is_known || !dialect || strstr(dialect, "//json-schema.org/")) return;
    if (!strstr(dialect, "2019-09") && !strstr(dialect, "2020-12")) return;
    s->place = "#/$schema";
    work_fail(s->work, BN_STATUS_UNSUPPORTED, "unknown dialect '%.200s': what its keywords mean isn't known", dialect);
}

struct schema *schema_open(struct work *work, const char *text, size_t n, bool any_form) {
    struct schema *s = work_alloc(work, 1, sizeof *s);
    bn_error err;
    if (!s) return NULL;
    s->work = work;
    s->any_form = any_form;
    s->place = "#";
    bn_status status = json_parse(text, n, "schema", &s->json, &err);
    if (status) {
        work_fail(work, status == BN_STATUS_BAD_FILE ? BN_STATUS_BAD_ARGUMENT : status, "%s", err.message);
        return NULL;
    }
    s->kept = json_array();
    check_dialect(s);
    /* the two nodes that everybody knows */
    uint32_t names[2] = {NODE_ANY, NODE_NEVER};
    s->nodes = work_grow(work, s->nodes, 2, &s->nodes_capacity, sizeof *s->nodes);
    for (uint32_t i = 0; i < 2 && work_ok(work); i++) {
        intern_words(work, &s->names, names + i, 1, NULL);
        s->nodes[i] = (struct node){.kind = (enum node_kind)names[i], .same = i};
        s->n_nodes = i + 1;
    }
    if (work_ok(work)) schema_index_create(s, s->json);
    if (work_ok(work)) s->root = schema_index_resolve(s, "#", "", false);
    if (work_ok(work)) schema_prepare(s, s->root);
    return s;
}

void schema_close(struct schema *s) {
    struct work *work = s->work;
    if (work_ok(work)) schema_measure(s);
    if (!work_ok(work) && s->place) {
        char message[sizeof work->error.message];
        snprintf(message, sizeof message, "%s", work->error.message);
        fail(&work->error, work->status, "at '%s': %s", s->place, message);
    }
    json_decref(s->json);
    json_decref(s->kept);
    s->json = s->kept = NULL;
}

struct schema *schema_compile(struct work *work, const char *text, size_t n, bool any_form) {
    struct schema *s = schema_open(work, text, n, any_form);
    if (s) schema_close(s);
    return work_ok(work) ? s : NULL;
}
