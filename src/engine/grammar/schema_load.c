/* Keywords: what an object of a schema says, as shapes and nodes. A table says of every keyword who deals with it; the
 * unknown ones are annotations, as the specification has it, and those that are known and can't be honoured are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/format.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/schema_index.h"

/* ---- places ---- */

static const char *place_in(struct schema *s, const char *place, const char *key) {
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

static const char *place_at(struct schema *s, const char *place, size_t index) {
    char number[24];
    snprintf(number, sizeof number, "%zu", index);
    return place_in(s, place, number);
}

/* What is being loaded. */
struct loading {
    struct schema *s;
    const json_t *object;
    const char *place, *base;
    bool types[N_TYPES], whole; /* `type`; whole: numbers are integers only */
};

static void refuse(struct loading *l, const char *what) {
    work_fail(l->s->work, BN_STATUS_UNSUPPORTED, "%s", what);
}
static void complain(struct loading *l, const char *what) {
    work_fail(l->s->work, BN_STATUS_BAD_ARGUMENT, "%s", what);
}

/* The draft that a keyword came with; before, it was an annotation like any word that isn't known. */
static unsigned draft_of_keyword(const char *name) {
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
        if (strcmp(news[i].name, name) == 0) return news[i].draft;
    return 0;
}

/* A keyword's value; messages are about it from here on. */
static const json_t *keyword(struct loading *l, const char *name) {
    const json_t *value = json_object_get(l->object, name);
    if (value && draft_of_keyword(name) > l->s->draft) return NULL;
    if (value && work_ok(l->s->work)) l->s->place = place_in(l->s, l->place, name);
    return value;
}

static uint32_t subschema(struct loading *l, const json_t *json, const char *place) {
    const char *base = json_is_object(json) ? schema_index_base(l->s, json, l->base) : l->base;
    return node_of_schema(l->s, json, place, base);
}

static bool count_of(struct loading *l, const char *name, uint32_t *out) {
    const json_t *value = keyword(l, name);
    if (!value) return false;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < 0 || number != (double)(int64_t)number) {
        complain(l, "expected a count");
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
    for (size_t i = 0; json_is_string(json) && i < sizeof names / sizeof *names; i++) {
        if (strcmp(json_string_value(json), names[i].name) != 0) continue;
        if (names[i].first == TYPE_NUMBER) {
            bool integer = strcmp(names[i].name, "integer") == 0;
            l->whole = l->types[TYPE_NUMBER] ? l->whole && integer : integer;
        }
        for (int type = (int)names[i].first; type <= (int)names[i].last; type++) l->types[type] = true;
        return;
    }
    complain(l, "unknown type");
}

static void load_types(struct loading *l) {
    const json_t *type = keyword(l, "type");
    for (int i = 0; i < N_TYPES; i++) l->types[i] = type == NULL;
    if (json_is_array(type))
        for (size_t i = 0; i < json_array_size(type); i++) add_type(l, json_array_get(type, i));
    else if (type)
        add_type(l, type);
}

/* ---- numbers ---- */

static bool number_of(struct loading *l, const json_t *value, struct decimal *out) {
    if (!json_is_number(value)) {
        complain(l, "expected a number");
        return false;
    }
    if (decimal_of_json(value, out)) return true;
    refuse(l, "a number with more digits than are computed with");
    return false;
}

/* minimum and maximum beyond what is computed with: the nearest bound that is. Numbers between the two are lost. */
static bool bound_of(struct loading *l, const json_t *value, bool is_max, struct decimal *out) {
    double number = json_number_value(value);
    if (json_is_real(value) && (number > 1e27 || number < -1e27) && (number > 0) == is_max)
        return decimal_parse(is_max ? "1e27" : "-1e27", is_max ? 4 : 5, out);
    return number_of(l, value, out);
}

static void load_bound(struct loading *l, struct number_set *set, bool is_max) {
    const char *open_name = is_max ? "exclusiveMaximum" : "exclusiveMinimum";
    const json_t *open = json_object_get(l->object, open_name), *closed = keyword(l, is_max ? "maximum" : "minimum");
    struct number_set one = {0};
    struct number_bound *bound = is_max ? &one.max : &one.min;
    if (closed && bound_of(l, closed, is_max, &bound->value)) {
        *bound = (struct number_bound){true, json_is_true(open), bound->value};
        number_set_and(set, &one);
    }
    if (!open || json_is_boolean(open)) return;
    one = (struct number_set){0};
    keyword(l, open_name);
    if (bound_of(l, open, is_max, &bound->value)) {
        *bound = (struct number_bound){true, true, bound->value};
        number_set_and(set, &one);
    }
}

static struct shape *load_number(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_NUMBER);
    struct decimal value, one = {1, 0}, zero = {0, 0};
    if (!shape) return NULL;
    load_bound(l, &shape->number, false);
    load_bound(l, &shape->number, true);
    const json_t *multiple = keyword(l, "multipleOf");
    if (multiple && number_of(l, multiple, &value)) {
        if (decimal_compare(value, zero) <= 0) complain(l, "expected a number above 0");
        number_set_add_multiple(&shape->number, value, false);
    }
    if (l->whole) number_set_add_multiple(&shape->number, one, false);
    shape->number.plain = l->whole && l->s->draft <= 4;
    return shape;
}

/* ---- strings ---- */

static struct shape *load_string(struct loading *l) {
    struct schema *s = l->s;
    struct shape *shape = shape_new(s, TYPE_STRING);
    if (!shape) return NULL;
    count_of(l, "minLength", &shape->min);
    count_of(l, "maxLength", &shape->max);
    const json_t *pattern = keyword(l, "pattern");
    if (pattern) {
        if (!json_is_string(pattern))
            complain(l, "expected a string");
        else
            shape->string =
                pattern_compile(s->work, json_string_value(pattern), json_string_length(pattern), PATTERN_SEARCH);
    }
    /* an annotation by the specification, meant as an assertion where somebody says what type it is */
    const json_t *format = json_object_get(l->object, "type") ? keyword(l, "format") : NULL;
    if (json_is_string(format) && work_ok(s->work)) {
        const struct dfa *strings = format_strings(s->work, json_string_value(format));
        if (strings) shape->string = dfa_combine(s->work, shape->string, strings, DFA_AND);
    }
    return work_ok(s->work) && shape_fold_length(s, shape) ? shape : NULL;
}

/* ---- arrays ---- */

static void load_prefix(struct loading *l, struct array_shape *array, const json_t *items, const char *name) {
    const char *place = place_in(l->s, l->place, name);
    array->n_prefix = (uint32_t)json_array_size(items);
    array->prefix = work_alloc(l->s->work, array->n_prefix, sizeof *array->prefix);
    for (uint32_t i = 0; array->prefix && i < array->n_prefix && work_ok(l->s->work); i++)
        array->prefix[i] = subschema(l, json_array_get(items, i), place_at(l->s, place, i));
}

static void load_contains(struct loading *l, struct array_shape *array) {
    const json_t *contains = keyword(l, "contains");
    if (!contains) return;
    struct contains one = {subschema(l, contains, l->s->place), NEVER, 0, 1, UNBOUNDED};
    count_of(l, "minContains", &one.min);
    count_of(l, "maxContains", &one.max);
    if (one.max != UNBOUNDED) one.not_node = node_not(l->s, one.node);
    if (one.min == 0 && one.max == UNBOUNDED) return;
    array->contains = work_alloc(l->s->work, 1, sizeof one);
    if (!array->contains) return;
    array->contains[0] = one;
    array->n_contains = 1;
}

static struct shape *load_array(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_ARRAY);
    if (!shape) return NULL;
    struct array_shape *array = shape->array;
    const json_t *prefix = keyword(l, "prefixItems"), *items = keyword(l, "items");
    if (json_is_array(prefix))
        load_prefix(l, array, prefix, "prefixItems");
    else if (prefix)
        complain(l, "expected an array");
    if (json_is_array(items)) { /* older drafts */
        load_prefix(l, array, items, "items");
        const json_t *additional = keyword(l, "additionalItems");
        if (additional) array->rest = subschema(l, additional, l->s->place);
    } else if (items) {
        array->rest = subschema(l, items, place_in(l->s, l->place, "items"));
    }
    count_of(l, "minItems", &array->min);
    count_of(l, "maxItems", &array->max);
    load_contains(l, array);
    array->unique = json_is_true(keyword(l, "uniqueItems"));
    return array->min <= array->max ? shape : NULL;
}

/* ---- objects ---- */

static void load_properties(struct loading *l, struct object_shape *object) {
    const json_t *properties = keyword(l, "properties");
    const char *name, *place = l->s->place;
    json_t *value;
    if (properties && !json_is_object(properties)) complain(l, "expected an object");
    json_object_foreach((json_t *)properties, name, value) {
        uint32_t at = object_property(l->s, object, name, strlen(name));
        if (!work_ok(l->s->work)) return;
        object->properties[at].node = subschema(l, value, place_in(l->s, place, name));
    }
}

static void load_group(struct loading *l, struct object_shape *object) {
    const json_t *patterns = keyword(l, "patternProperties"),
                 *additional = json_object_get(l->object, "additionalProperties");
    const char *name, *place = l->s->place;
    json_t *value;
    if (!patterns && !additional) return;
    if (patterns && !json_is_object(patterns)) complain(l, "expected an object");
    struct name_group group = {0};
    size_t n = json_object_size(patterns);
    group.patterns = work_alloc(l->s->work, n, sizeof(struct dfa *));
    group.nodes = work_alloc(l->s->work, n, sizeof *group.nodes);
    json_object_foreach((json_t *)patterns, name, value) {
        if (!work_ok(l->s->work)) return;
        l->s->place = place_in(l->s, place, name);
        group.patterns[group.n] = pattern_compile(l->s->work, name, strlen(name), PATTERN_SEARCH);
        group.nodes[group.n++] = subschema(l, value, l->s->place);
    }
    group.additional = ANY;
    if (additional && work_ok(l->s->work)) {
        keyword(l, "additionalProperties");
        group.additional = subschema(l, additional, l->s->place);
    }
    if (!work_ok(l->s->work)) return;
    for (uint32_t p = 0; p < object->n_properties; p++) /* patterns also apply to named ones */
        for (uint32_t i = 0; i < group.n; i++)
            if (dfa_match(group.patterns[i], object->properties[p].name, object->properties[p].n_name))
                object->properties[p].node = node_and(l->s, object->properties[p].node, group.nodes[i]);
    object->groups = work_alloc(l->s->work, 1, sizeof group);
    if (!object->groups) return;
    object->groups[0] = group;
    object->n_groups = 1;
}

static void load_required(struct loading *l, struct object_shape *object) {
    const json_t *required = keyword(l, "required");
    if (required && !json_is_array(required)) complain(l, "expected an array of names");
    for (size_t i = 0; i < json_array_size(required) && work_ok(l->s->work); i++) {
        const json_t *name = json_array_get(required, i);
        if (!json_is_string(name)) {
            complain(l, "expected an array of names");
            return;
        }
        uint32_t at = object_property(l->s, object, json_string_value(name), json_string_length(name));
        if (work_ok(l->s->work)) object->properties[at].required = true;
    }
}

static void load_dependencies(struct loading *l, struct object_shape *object, const char *word) {
    const json_t *dependencies = keyword(l, word);
    const char *name;
    json_t *needs;
    size_t capacity = object->n_dependencies;
    json_object_foreach((json_t *)dependencies, name, needs) {
        for (size_t i = 0; i < (json_is_array(needs) ? json_array_size(needs) : json_is_string(needs)); i++) {
            const json_t *other = json_is_string(needs) ? needs : json_array_get(needs, i);
            uint32_t property = object_property(l->s, object, name, strlen(name));
            if (!json_is_string(other)) complain(l, "expected names");
            uint32_t needed = object_property(l->s, object, json_is_string(other) ? json_string_value(other) : "",
                                              json_string_length(other));
            object->dependencies = work_grow(l->s->work, object->dependencies, object->n_dependencies + 1, &capacity,
                                             sizeof *object->dependencies);
            if (!object->dependencies) return;
            object->dependencies[object->n_dependencies++] = (struct dependency){property, needed};
        }
    }
}

static void load_names(struct loading *l, struct object_shape *object) {
    const json_t *names = keyword(l, "propertyNames");
    if (!names) return;
    const struct forms *forms = node_forms(l->s, subschema(l, names, l->s->place));
    const struct dfa *strings = dfa_nothing(l->s->work);
    if (!forms) return;
    for (uint32_t i = 0; i < forms->n; i++) {
        const struct shape *shape = forms->items[i];
        if (shape->type != TYPE_STRING) continue;
        strings =
            dfa_combine(l->s->work, strings, dfa_limit(l->s->work, shape->string, shape->min, shape->max), DFA_OR);
    }
    if (!strings || strings->everything) return;
    object->names = strings;
    for (uint32_t p = 0; p < object->n_properties; p++)
        if (!dfa_match(strings, object->properties[p].name, object->properties[p].n_name))
            object->properties[p].node = NEVER;
}

static struct shape *load_object(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_OBJECT);
    if (!shape) return NULL;
    struct object_shape *object = shape->object;
    load_properties(l, object);
    load_group(l, object);
    load_names(l, object);
    load_required(l, object);
    load_dependencies(l, object, "dependentRequired");
    load_dependencies(l, object, "dependencies");
    count_of(l, "minProperties", &object->min);
    count_of(l, "maxProperties", &object->max);
    return work_ok(l->s->work) && object->min <= object->max ? shape : NULL;
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
        complain(l, "expected an array of schemas");
        return NULL;
    }
    uint32_t *nodes = work_alloc(l->s->work, *n, sizeof *nodes);
    for (size_t i = 0; nodes && i < *n && work_ok(l->s->work); i++)
        nodes[i] = subschema(l, json_array_get(list, i), place_at(l->s, place, i));
    return work_ok(l->s->work) ? nodes : NULL;
}

/* Exactly one: for each, it and none of those it overlaps with. */
static uint32_t exactly_one(struct loading *l, const uint32_t *nodes, size_t n) {
    uint32_t *ways = work_alloc(l->s->work, n, sizeof *ways);
    for (size_t i = 0; ways && i < n && work_ok(l->s->work); i++) {
        ways[i] = nodes[i];
        for (size_t j = 0; j < n && work_ok(l->s->work); j++) {
            if (i == j || !node_inhabited(l->s, node_and(l->s, nodes[i], nodes[j]))) continue;
            ways[i] = node_and(l->s, ways[i], node_not(l->s, nodes[j]));
        }
    }
    return ways ? node_or(l->s, ways, n) : (uint32_t)NEVER;
}

static void load_branches(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    const json_t *value;
    uint32_t *nodes;
    size_t n;
    if ((value = keyword(l, "allOf")) && (nodes = subschemas(l, value, &n)))
        for (size_t i = 0; i < n && work_ok(s->work); i++) meet(l, nodes[i], forms);
    if ((value = keyword(l, "anyOf")) && (nodes = subschemas(l, value, &n))) meet(l, node_or(s, nodes, n), forms);
    if ((value = keyword(l, "oneOf")) && (nodes = subschemas(l, value, &n))) meet(l, exactly_one(l, nodes, n), forms);
    if ((value = keyword(l, "not"))) meet(l, node_not(s, subschema(l, value, s->place)), forms);
}

static void load_condition(struct loading *l, struct forms *forms) {
    struct schema *s = l->s;
    const json_t *condition = keyword(l, "if"), *then, *otherwise;
    if (!condition) return;
    uint32_t node = subschema(l, condition, s->place), yes = ANY, no = ANY;
    if ((then = keyword(l, "then"))) yes = subschema(l, then, s->place);
    if ((otherwise = keyword(l, "else"))) no = subschema(l, otherwise, s->place);
    if (!then && !otherwise) return;
    meet(l, node_or(s, (uint32_t[]){node_and(s, node, yes), node_and(s, node_not(s, node), no)}, 2), forms);
}

/* With the property the schema holds, too. */
static void load_dependent_schemas(struct loading *l, struct forms *forms, const char *word) {
    struct schema *s = l->s;
    const json_t *schemas = keyword(l, word);
    const char *name, *place = s->place;
    json_t *value;
    json_object_foreach((json_t *)schemas, name, value) {
        if (!json_is_object(value) && !json_is_boolean(value)) continue;
        struct forms with = {0}, without = {0}, both, ways = {0};
        uint32_t node = subschema(l, value, place_in(s, place, name));
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
    const json_t *value = keyword(l, "const"), *list = NULL;
    if (value) meet(l, node_of_const(s, value, s->place), forms);
    if (!(list = keyword(l, "enum"))) return;
    if (!json_is_array(list)) {
        complain(l, "expected an array");
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
    static const char *const words[] = {"$ref", "$dynamicRef"};
    for (int i = 0; i < 2; i++) {
        const json_t *reference = keyword(l, words[i]);
        if (!reference) continue;
        if (!json_is_string(reference))
            complain(l, "expected a string");
        else
            meet(l, schema_index_resolve(l->s, json_string_value(reference), l->base, i == 1), forms);
    }
}

/* ---- the object ---- */

static void refuse_unsupported(struct loading *l) {
    static const char *const words[] = {"$recursiveRef", "extends", "disallow", "divisibleBy"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (keyword(l, words[i]))
            work_fail(l->s->work, BN_STATUS_UNSUPPORTED, "the keyword '%s' isn't supported", words[i]);
}

/* Does anything stand beside $ref that an older draft ignores and a newer one doesn't? */
static bool has_siblings(const json_t *object) {
    static const char *const words[] = {"$id",
                                        "id",
                                        "type",
                                        "enum",
                                        "const",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "multipleOf",
                                        "minLength",
                                        "maxLength",
                                        "pattern",
                                        "format",
                                        "properties",
                                        "required",
                                        "additionalProperties",
                                        "patternProperties",
                                        "propertyNames",
                                        "minProperties",
                                        "maxProperties",
                                        "dependencies",
                                        "dependentRequired",
                                        "dependentSchemas",
                                        "items",
                                        "prefixItems",
                                        "additionalItems",
                                        "minItems",
                                        "maxItems",
                                        "uniqueItems",
                                        "contains",
                                        "allOf",
                                        "anyOf",
                                        "oneOf",
                                        "not",
                                        "if",
                                        "unevaluatedItems",
                                        "unevaluatedProperties"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (json_object_get(object, words[i])) return true;
    return false;
}

static void load_unevaluated(struct loading *l, struct forms *forms) {
    uint32_t nodes[2] = {ANY, ANY};
    static const char *const words[] = {"unevaluatedProperties", "unevaluatedItems"};
    for (int i = 0; i < 2; i++) {
        const json_t *value = l->s->old_draft ? NULL : keyword(l, words[i]);
        if (value) nodes[i] = subschema(l, value, l->s->place);
    }
    if (nodes[0] != ANY || nodes[1] != ANY)
        schema_load_unevaluated(l->s, l->object, l->base, nodes[0], nodes[1], forms);
}

const json_t *schema_keep(struct schema *s, json_t *json) {
    if (json && s->kept && json_array_append_new(s->kept, json) == 0) return json;
    work_fail(s->work, BN_STATUS_NO_MEMORY, "out of memory while a schema is compiled");
    return NULL;
}

void schema_load(struct schema *s, uint32_t id, struct forms *out) {
    const struct node node = s->nodes[id];
    struct loading l = {.s = s, .object = node.json, .place = node.place, .base = node.base};
    *out = (struct forms){0};
    if (s->old_draft && json_object_get(node.json, "$ref") && has_siblings(node.json)) {
        forms_all(s, out);
        load_references(&l, out);
        return;
    }
    if (!json_object_get(s->json, "$schema") && json_object_get(node.json, "$ref") &&
        json_object_get(s->json, "definitions") && !json_object_get(s->json, "$defs") && has_siblings(node.json)) {
        keyword(&l, "$ref");
        work_fail(s->work, BN_STATUS_UNSUPPORTED,
                  "drafts differ about keywords beside $ref: say which one with $schema");
        return;
    }
    refuse_unsupported(&l);
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
    load_condition(&l, out);
    load_dependent_schemas(&l, out, "dependentSchemas");
    load_dependent_schemas(&l, out, "dependencies");
    load_unevaluated(&l, out);
}

/* ---- the document ---- */

/* Dialects that say what keywords mean; documents that are described by others mean something else. Without one it's the
 * newest. */
static void check_dialect(struct schema *s) {
    static const struct {
        const char *name;
        unsigned draft;
    } dialects[] = {{"draft-03", 3},
                    {"draft-04", 4},
                    {"draft-05", 4},
                    {"draft-06", 6},
                    {"draft-07", 7},
                    {"com.snowplowanalytics.self-desc", 7},
                    {"json-schema.org/draft/2019-09/", 2019},
                    {"json-schema.org/draft/2020-12/", 2020},
                    {"spec.openapis.org/oas/3.1", 2020},
                    {"json-schema.org/draft/next/", 2020},
                    {"json-schema.org", 7}}; /* the latest of its time, mostly */
    const char *dialect = json_string_value(json_object_get(s->json, "$schema"));
    s->draft = 0;
    for (size_t i = 0; dialect && i < sizeof dialects / sizeof *dialects && !s->draft; i++)
        if (strstr(dialect, dialects[i].name)) s->draft = dialects[i].draft;
    if (!dialect) s->draft = 2020;
    s->old_draft = s->draft && s->draft <= 7;
    if (s->draft) return;
    s->place = "#/$schema";
    work_fail(s->work, BN_STATUS_UNSUPPORTED, "unknown dialect '%.200s': what its keywords mean isn't known", dialect);
}

struct schema *schema_compile(struct work *work, const char *text, size_t n, bool any_form) {
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
        s->nodes[i] = (struct node){.kind = (enum node_kind)names[i]};
        s->n_nodes = i + 1;
    }
    if (work_ok(work)) schema_index_create(s, s->json);
    if (work_ok(work)) s->root = schema_index_resolve(s, "#", "", false);
    if (work_ok(work)) schema_prepare(s, s->root);
    if (work_ok(work)) schema_measure(s);
    if (!work_ok(work)) {
        char message[sizeof work->error.message];
        snprintf(message, sizeof message, "%s", work->error.message);
        fail(&work->error, work->status, "at '%s': %s", s->place, message);
    }
    json_decref(s->json);
    json_decref(s->kept);
    s->json = s->kept = NULL;
    return work_ok(work) ? s : NULL;
}
