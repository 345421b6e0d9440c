/* unevaluatedProperties and unevaluatedItems: they are about what no other keyword has looked at, and which keywords those are
 * depends on which branches hold. So the value's set is split into ways: in each it is known of every branch whether it
 * holds, hence what has been looked at (JSON Schema core, section 11). */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/schema_index.h"

#define MOST_WAYS     512
#define DEEPEST_CHAIN 60

struct way {
    uint32_t node; /* values of this way are in it */
    const struct dfa *names;
    bool all_names, all_items;
    uint32_t n_items;
};
struct ways {
    struct way *items;
    size_t n, capacity;
};

static void add_way(struct schema *s, struct ways *ways, struct way way) {
    if (way.node == NEVER || !work_ok(s->work)) return;
    if (ways->n >= MOST_WAYS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "too complex: too many branches beside an unevaluated keyword");
        return;
    }
    ways->items = work_grow(s->work, ways->items, ways->n + 1, &ways->capacity, sizeof *ways->items);
    if (ways->items) ways->items[ways->n++] = way;
}

static struct way joined(struct schema *s, const struct way *a, const struct way *b) {
    struct way out = *a;
    out.node = node_and(s, a->node, b->node);
    out.all_names |= b->all_names;
    out.all_items |= b->all_items;
    if (b->n_items > out.n_items) out.n_items = b->n_items;
    if (!out.all_names) out.names = dfa_combine(s->work, a->names, b->names, DFA_OR);
    return out;
}

/* Every way of one with every way of the other. */
static void join(struct schema *s, struct ways *ways, const struct ways *other) {
    struct ways out = {0};
    for (size_t i = 0; i < ways->n; i++)
        for (size_t j = 0; j < other->n && work_ok(s->work); j++)
            add_way(s, &out, joined(s, &ways->items[i], &other->items[j]));
    *ways = out;
}

static void append(struct schema *s, struct ways *ways, const struct ways *other) {
    for (size_t i = 0; i < other->n; i++) add_way(s, ways, other->items[i]);
}

static struct ways plain(struct schema *s, uint32_t node) {
    struct ways ways = {0};
    add_way(s, &ways, (struct way){.node = node, .names = dfa_nothing(s->work)});
    return ways;
}

static struct ways ways_inside(struct schema *s, const json_t *json, const char *base, bool outermost, unsigned depth);

/* The ways in which a subschema holds. */
static struct ways ways_of(struct schema *s, const json_t *json, const char *base, unsigned depth) {
    if (json_is_object(json)) base = schema_index_base(s, json, base);
    struct ways own = plain(s, node_of_schema(s, json, s->place, base));
    if (!json_is_object(json)) return own;
    struct ways inside = ways_inside(s, json, base, false, depth + 1);
    join(s, &own, &inside);
    return own;
}

static struct ways ways_of_failure(struct schema *s, const json_t *json, const char *base) {
    if (json_is_object(json)) base = schema_index_base(s, json, base);
    return plain(s, node_not(s, node_of_schema(s, json, s->place, base)));
}

/* What the keywords of the object itself look at. */
static struct way looked_at(struct schema *s, const json_t *json, bool outermost) {
    struct way way = {.node = ANY, .names = dfa_nothing(s->work)};
    const json_t *properties = json_object_get(json, "properties"),
                 *patterns = json_object_get(json, "patternProperties");
    const json_t *prefix = json_object_get(json, "prefixItems"), *items = json_object_get(json, "items");
    const char *name;
    json_t *value;
    size_t n = 0;
    struct dfa_word *words = work_alloc(s->work, json_object_size(properties), sizeof *words);
    if (!words) return way;
    json_object_foreach((json_t *)properties, name, value) words[n++] = (struct dfa_word){name, strlen(name), 1};
    way.names = dfa_words(s->work, words, n);
    json_object_foreach((json_t *)patterns, name, value) way.names =
        dfa_combine(s->work, way.names, pattern_compile(s->work, name, strlen(name), PATTERN_SEARCH), DFA_OR);
    way.all_names = json_object_get(json, "additionalProperties") != NULL ||
                    (!outermost && json_object_get(json, "unevaluatedProperties"));
    way.n_items = (uint32_t)json_array_size(prefix);
    if (json_is_array(items)) way.n_items = (uint32_t)json_array_size(items);
    way.all_items = (items && !json_is_array(items)) || json_object_get(json, "additionalItems") ||
                    (!outermost && json_object_get(json, "unevaluatedItems"));
    return way;
}

static void join_reference(struct schema *s, const json_t *json, const char *word, const char *base, struct ways *ways,
                           unsigned depth) {
    const json_t *reference = json_object_get(json, word);
    if (!json_is_string(reference)) return;
    uint32_t node = schema_index_resolve(s, json_string_value(reference), base, strcmp(word, "$ref") != 0);
    if (!work_ok(s->work) || node == ANY || node == NEVER) return;
    const struct node target = s->nodes[node];
    struct ways other = ways_of(s, target.json, target.base, depth);
    join(s, ways, &other);
}

static void join_any_of(struct schema *s, const json_t *list, const char *base, struct ways *ways, unsigned depth) {
    struct ways some = plain(s, ANY);
    for (size_t i = 0; i < json_array_size(list) && work_ok(s->work); i++) {
        const json_t *branch = json_array_get(list, i);
        struct ways holds = ways_of(s, branch, base, depth), fails = ways_of_failure(s, branch, base);
        append(s, &holds, &fails);
        join(s, &some, &holds);
    }
    if (json_array_size(list)) join(s, ways, &some);
}

static void join_one_of(struct schema *s, const json_t *list, const char *base, struct ways *ways, unsigned depth) {
    struct ways one = {0};
    for (size_t i = 0; i < json_array_size(list) && work_ok(s->work); i++) {
        struct ways only = ways_of(s, json_array_get(list, i), base, depth);
        for (size_t j = 0; j < json_array_size(list) && work_ok(s->work); j++) {
            struct ways fails = ways_of_failure(s, json_array_get(list, j), base);
            if (i != j) join(s, &only, &fails);
        }
        append(s, &one, &only);
    }
    if (json_array_size(list)) join(s, ways, &one);
}

static void join_condition(struct schema *s, const json_t *json, const char *base, struct ways *ways, unsigned depth) {
    const json_t *condition = json_object_get(json, "if"), *yes = json_object_get(json, "then"),
                 *no = json_object_get(json, "else");
    if (!condition) return;
    struct ways holds = ways_of(s, condition, base, depth), fails = ways_of_failure(s, condition, base), branch;
    if (yes) {
        branch = ways_of(s, yes, base, depth);
        join(s, &holds, &branch);
    }
    if (no) {
        branch = ways_of(s, no, base, depth);
        join(s, &fails, &branch);
    }
    append(s, &holds, &fails);
    join(s, ways, &holds);
}

/* With the property, and then as its schema says, or without it. */
static void join_dependent(struct schema *s, const json_t *schemas, const char *base, struct ways *ways,
                           unsigned depth) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)schemas, name, value) {
        json_t *has = json_pack("{s:[s]}", "required", name);
        const json_t *kept = schema_keep(s, has);
        if (!kept) return;
        struct ways with = plain(s, node_of_schema(s, kept, s->place, base)), without = ways_of_failure(s, kept, base);
        struct ways holds = ways_of(s, value, base, depth);
        join(s, &with, &holds);
        append(s, &with, &without);
        join(s, ways, &with);
    }
}

static struct ways ways_inside(struct schema *s, const json_t *json, const char *base, bool outermost, unsigned depth) {
    struct ways ways = {0};
    if (depth > DEEPEST_CHAIN)
        work_fail(s->work, BN_STATUS_UNSUPPORTED,
                  "an unevaluated keyword beside a schema that refers to itself isn't supported");
    if (!work_ok(s->work)) return ways;
    add_way(s, &ways, looked_at(s, json, outermost));
    join_reference(s, json, "$ref", base, &ways, depth);
    join_reference(s, json, s->draft == 2019 ? "$recursiveRef" : "$dynamicRef", base, &ways, depth);
    const json_t *all = json_object_get(json, "allOf");
    for (size_t i = 0; i < json_array_size(all) && work_ok(s->work); i++) {
        struct ways one = ways_of(s, json_array_get(all, i), base, depth);
        join(s, &ways, &one);
    }
    join_any_of(s, json_object_get(json, "anyOf"), base, &ways, depth);
    join_one_of(s, json_object_get(json, "oneOf"), base, &ways, depth);
    join_condition(s, json, base, &ways, depth);
    join_dependent(s, json_object_get(json, "dependentSchemas"), base, &ways, depth);
    return ways;
}

/* Does `contains` occur where its items would count as looked at? */
static bool has_contains(const json_t *json, unsigned depth) {
    const char *name;
    json_t *value;
    if (depth > DEEPEST_CHAIN) return true;
    if (json_object_get(json, "contains")) return true;
    json_object_foreach((json_t *)json, name, value) {
        bool list = strcmp(name, "allOf") == 0 || strcmp(name, "anyOf") == 0 || strcmp(name, "oneOf") == 0;
        bool one = strcmp(name, "if") == 0 || strcmp(name, "then") == 0 || strcmp(name, "else") == 0;
        for (size_t i = 0; list && i < json_array_size(value); i++)
            if (has_contains(json_array_get(value, i), depth + 1)) return true;
        if (one && has_contains(value, depth + 1)) return true;
    }
    return false;
}

static struct shape *rest_of_object(struct schema *s, const struct way *way, uint32_t node) {
    struct shape *shape = shape_new(s, TYPE_OBJECT);
    if (!shape || way->all_names) return shape;
    struct name_group *group = shape->object->groups = work_alloc(s->work, 1, sizeof *group);
    if (!group) return NULL;
    group->patterns = work_alloc(s->work, 1, sizeof(const struct dfa *));
    group->nodes = work_alloc(s->work, 1, sizeof *group->nodes);
    if (!group->patterns || !group->nodes) return NULL;
    group->patterns[0] = way->names;
    group->nodes[0] = ANY;
    group->n = 1;
    group->additional = node;
    shape->object->n_groups = 1;
    return shape;
}

static struct shape *rest_of_array(struct schema *s, const struct way *way, uint32_t node) {
    struct shape *shape = shape_new(s, TYPE_ARRAY);
    if (!shape || way->all_items) return shape;
    shape->array->n_prefix = way->n_items;
    shape->array->prefix = work_alloc(s->work, way->n_items, sizeof(uint32_t)); /* zeroed: ANY */
    shape->array->rest = node;
    return shape;
}

void schema_load_unevaluated(struct schema *s, const json_t *json, const char *base, uint32_t properties,
                             uint32_t items, struct forms *forms) {
    struct forms out = {0}, some, both;
    if (items != ANY && has_contains(json, 0))
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "unevaluatedItems beside contains isn't supported");
    struct ways ways = ways_inside(s, json, base, true, 0);
    for (size_t i = 0; i < ways.n && work_ok(s->work); i++) {
        const struct way *way = &ways.items[i];
        struct forms rest = {0};
        for (int type = 0; type < N_TYPES; type++)
            forms_add(s, &rest,
                      type == TYPE_OBJECT  ? rest_of_object(s, way, properties)
                      : type == TYPE_ARRAY ? rest_of_array(s, way, items)
                                           : shape_new(s, (enum value_type)type));
        const struct forms *chosen = node_forms(s, way->node);
        if (!chosen) return;
        struct forms copy = *chosen;
        forms_and(s, forms, &copy, &some);
        forms_and(s, &some, &rest, &both);
        for (uint32_t f = 0; f < both.n; f++)
            if (shape_has_values(s, both.items[f])) forms_add(s, &out, both.items[f]);
    }
    *forms = out;
}
