/* The algebra of schemas: see schema.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/schema_unique.h"

#define DEEPEST_NODE  400 /* of nodes whose forms need each other's */
#define DEEPEST_GUESS 3   /* of values in values, while a node is being worked out */
#define MOST_FORMS    2000

static bool settle(struct schema *s, struct object_shape *object);
static bool node_may_be(struct schema *s, uint32_t node);

/* ---- nodes ---- */

static uint32_t new_node(struct schema *s, const uint32_t *name, size_t n, enum node_kind kind) {
    bool is_new;
    uint32_t id = intern_words(s->work, &s->names, name, n, &is_new);
    if (id == INTERN_FAILED) return NEVER;
    if (!is_new) return id;
    if (!work_reserve(s->work, &s->nodes, id + 1, &s->nodes_capacity, sizeof *s->nodes) || !work_spend(s->work, 4 + n))
        return NEVER;
    s->nodes[id] = (struct node){.kind = kind};
    s->n_nodes = id + 1;
    return id;
}

static uint32_t json_node(struct schema *s, const json_t *json, enum node_kind kind, const char *place,
                          const char *base) {
    uint64_t address = (uintptr_t)json, base_address = (uintptr_t)base;
    uint32_t name[] = {kind, (uint32_t)address, (uint32_t)(address >> 32), (uint32_t)base_address,
                       (uint32_t)(base_address >> 32)};
    uint32_t id = new_node(s, name, 5, kind);
    if (!work_ok(s->work) || s->nodes[id].json) return id;
    s->nodes[id].json = json;
    s->nodes[id].place = place;
    s->nodes[id].base = base;
    return id;
}

uint32_t node_of_schema(struct schema *s, const json_t *json, const char *place, const char *base) {
    if (json_is_true(json)) return ANY;
    if (json_is_false(json)) return NEVER;
    if (!json_is_object(json)) {
        work_fail(s->work, BN_STATUS_BAD_ARGUMENT, "a schema must be an object or a boolean");
        return NEVER;
    }
    return json_object_size(json) == 0 ? (uint32_t)ANY : json_node(s, json, NODE_SCHEMA, place, base);
}

uint32_t node_of_const(struct schema *s, const json_t *json, const char *place) {
    return json_node(s, json, NODE_CONST, place, NULL);
}

static uint32_t combined(struct schema *s, enum node_kind kind, const uint32_t *parts, size_t n) {
    uint32_t small[16], *name = n < 16 ? small : work_alloc(s->work, n + 1, sizeof *name);
    if (!name) return NEVER;
    name[0] = kind;
    if (n) memcpy(name + 1, parts, n * sizeof *name);
    uint32_t id = new_node(s, name, n + 1, kind);
    if (!work_ok(s->work) || s->nodes[id].parts) return id;
    uint32_t *copy = work_alloc(s->work, n, sizeof *copy);
    if (!copy) return NEVER;
    memcpy(copy, parts, n * sizeof *copy);
    s->nodes[id].parts = copy;
    s->nodes[id].n_parts = (uint32_t)n;
    s->nodes[id].place = s->place;
    return id;
}

uint32_t node_and(struct schema *s, uint32_t a, uint32_t b) {
    if (a == NEVER || b == NEVER) return NEVER;
    if (a == ANY || a == b) return b;
    if (b == ANY) return a;
    return combined(s, NODE_AND, a < b ? (uint32_t[]){a, b} : (uint32_t[]){b, a}, 2);
}

uint32_t node_or(struct schema *s, const uint32_t *parts, size_t n) {
    uint32_t *kept = work_alloc(s->work, n, sizeof *kept);
    size_t n_kept = 0;
    if (!kept) return NEVER;
    for (size_t i = 0; i < n; i++) {
        if (parts[i] == ANY) return ANY;
        if (parts[i] != NEVER) kept[n_kept++] = parts[i];
    }
    return n_kept == 0 ? (uint32_t)NEVER : n_kept == 1 ? kept[0] : combined(s, NODE_OR, kept, n_kept);
}

uint32_t node_not(struct schema *s, uint32_t a) {
    if (a == ANY) return NEVER;
    if (a == NEVER) return ANY;
    if (!work_ok(s->work)) return NEVER;
    if (s->nodes[a].kind == NODE_NOT) return s->nodes[a].parts[0];
    return combined(s, NODE_NOT, &a, 1);
}

/* ---- shapes ---- */

struct shape *shape_new(struct schema *s, enum value_type type) {
    struct shape *shape = work_alloc(s->work, 1, sizeof *shape);
    if (!shape) return NULL;
    shape->type = type;
    shape->max = UNBOUNDED;
    if (type == TYPE_STRING) shape->string = dfa_everything(s->work);
    if (type == TYPE_ARRAY && (shape->array = work_alloc(s->work, 1, sizeof *shape->array))) {
        shape->array->rest = ANY;
        shape->array->max = UNBOUNDED;
    }
    if (type == TYPE_OBJECT && (shape->object = work_alloc(s->work, 1, sizeof *shape->object)))
        shape->object->max = UNBOUNDED;
    return work_ok(s->work) ? shape : NULL;
}

void forms_add(struct schema *s, struct forms *forms, struct shape *shape) {
    if (!shape || !work_ok(s->work)) return;
    if (forms->n >= MOST_FORMS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "too complex: more than %d alternatives", MOST_FORMS);
        return;
    }
    if ((forms->n & (forms->n - 1)) == 0) { /* full at powers of two */
        struct shape **items = work_alloc(s->work, max_size(2 * forms->n, 1), sizeof(struct shape *));
        if (!items) return;
        if (forms->n) memcpy(items, forms->items, forms->n * sizeof(struct shape *));
        forms->items = items;
    }
    forms->items[forms->n++] = shape;
}

void forms_all(struct schema *s, struct forms *out) {
    *out = (struct forms){0};
    for (int type = 0; type < N_TYPES; type++) forms_add(s, out, shape_new(s, (enum value_type)type));
}

static bool strings_fit(const struct shape *shape) {
    return shape->string->n_states && shape->min <= shape->max && shape->string->states[0].length <= shape->max;
}

bool shape_fold_length(struct schema *s, struct shape *shape) {
    if (!strings_fit(shape)) return false;
    if (!shape->string->everything && shape->min) {
        shape->string = dfa_limit(s->work, shape->string, shape->min, UNBOUNDED);
        shape->min = 0;
    }
    return work_ok(s->work) && strings_fit(shape);
}

/* ---- intersections ---- */

static bool and_strings(struct schema *s, const struct shape *a, const struct shape *b, struct shape *out) {
    out->string = dfa_combine(s->work, a->string, b->string, DFA_AND);
    out->min = a->min > b->min ? a->min : b->min;
    out->max = a->max < b->max ? a->max : b->max;
    return work_ok(s->work) && shape_fold_length(s, out);
}

uint32_t array_node_of(const struct array_shape *array, uint32_t index) {
    return index < array->n_prefix ? array->prefix[index] : array->rest;
}

static bool and_arrays(struct schema *s, const struct array_shape *a, const struct array_shape *b,
                       struct array_shape *out) {
    out->n_prefix = a->n_prefix > b->n_prefix ? a->n_prefix : b->n_prefix;
    out->prefix = work_alloc(s->work, out->n_prefix, sizeof *out->prefix);
    out->contains = work_alloc(s->work, a->n_contains + b->n_contains, sizeof *out->contains);
    if (!out->prefix || !out->contains) return false;
    for (uint32_t i = 0; i < out->n_prefix; i++) out->prefix[i] = node_and(s, array_node_of(a, i), array_node_of(b, i));
    out->rest = node_and(s, a->rest, b->rest);
    out->min = a->min > b->min ? a->min : b->min;
    out->max = a->max < b->max ? a->max : b->max;
    out->unique = a->unique || b->unique;
    out->repeated = a->repeated || b->repeated;
    for (uint32_t i = 0; i < a->n_contains; i++) out->contains[out->n_contains++] = a->contains[i];
    for (uint32_t i = 0; i < b->n_contains; i++) out->contains[out->n_contains++] = b->contains[i];
    return out->min <= out->max;
}

static const struct property *find_property(const struct object_shape *object, const char *name, size_t n) {
    for (uint32_t i = 0; i < object->n_properties; i++)
        if (object->properties[i].n_name == n && memcmp(object->properties[i].name, name, n) == 0)
            return &object->properties[i];
    return NULL;
}

uint32_t object_node_of(struct schema *s, const struct object_shape *object, const char *name, size_t n) {
    const struct property *property = find_property(object, name, n);
    if (property) return property->node;
    uint32_t node = ANY;
    if (object->names && !dfa_match(object->names, name, n)) return NEVER;
    for (uint32_t g = 0; g < object->n_groups; g++) {
        const struct name_group *group = &object->groups[g];
        bool any = false;
        for (uint32_t i = 0; i < group->n; i++) {
            if (!dfa_match(group->patterns[i], name, n)) continue;
            any = true;
            node = node_and(s, node, group->nodes[i]);
        }
        if (!any) node = node_and(s, node, group->additional);
    }
    return node;
}

uint32_t object_property(struct schema *s, struct object_shape *object, const char *name, size_t n) {
    const struct property *known = find_property(object, name, n);
    if (known) return (uint32_t)(known - object->properties);
    uint32_t node = object_node_of(s, object, name, n), count = object->n_properties;
    if ((count & (count - 1)) == 0) {
        struct property *properties = work_alloc(s->work, max_size(2 * count, 1), sizeof *properties);
        if (!properties) return 0;
        if (count) memcpy(properties, object->properties, count * sizeof *properties);
        object->properties = properties;
    }
    char *copy = work_alloc(s->work, n + 1, 1);
    if (!copy || !work_spend(s->work, 1 + count)) return 0;
    memcpy(copy, name, n);
    object->properties[count] = (struct property){copy, (uint32_t)n, node, false};
    object->n_properties++;
    return count;
}

static void append_groups(struct object_shape *out, const struct object_shape *from) {
    for (uint32_t g = 0; g < from->n_groups; g++) out->groups[out->n_groups++] = from->groups[g];
    for (uint32_t d = 0; d < from->n_demands; d++) out->demands[out->n_demands++] = from->demands[d];
}

static void append_dependencies(struct schema *s, struct object_shape *out, const struct object_shape *from) {
    for (uint32_t i = 0; i < from->n_dependencies; i++) {
        const struct property *property = &from->properties[from->dependencies[i].property];
        const struct property *needs = &from->properties[from->dependencies[i].needs];
        uint32_t a = object_property(s, out, property->name, property->n_name);
        out->dependencies[out->n_dependencies++] =
            (struct dependency){a, object_property(s, out, needs->name, needs->n_name)};
    }
}

/* Is there a value for sure not? What an intersection made is looked into, and nothing else. */
static bool is_empty(struct schema *s, uint32_t node) {
    return node == NEVER ||
           (s->nodes[node].kind == NODE_AND && s->nodes[node].state != NODE_BUSY && !node_may_be(s, node));
}

enum verdict { IMPOSSIBLE, POSSIBLE, CERTAIN };

/* Can the witness be had in the object? */
static enum verdict judge(struct schema *s, const struct object_shape *object, const struct witness *witness) {
    if (witness->names) return POSSIBLE;
    const struct property *property = find_property(object, witness->name, witness->n_name);
    uint32_t node = property ? property->node : object_node_of(s, object, witness->name, witness->n_name);
    bool required = property && property->required;
    if (witness->absent) return required ? IMPOSSIBLE : node == NEVER ? CERTAIN : POSSIBLE;
    if (is_empty(s, node_and(s, node, witness->node))) return IMPOSSIBLE;
    return required && (witness->node == ANY || witness->node == node) ? CERTAIN : POSSIBLE;
}

/* A demand with one way left to meet it says something about a property; so does "absent, or with such a value". */
static bool is_property(const struct demand *demand) {
    const struct witness *a = demand->items, *b = a + 1;
    if (demand->n == 1) return !a->names;
    return demand->n == 2 && !a->names && !b->names && a->absent != b->absent && a->n_name == b->n_name &&
           memcmp(a->name, b->name, a->n_name) == 0;
}

static void demand_of_property(struct schema *s, struct object_shape *object, const struct demand *demand) {
    const struct witness *witness = demand->items[0].absent && demand->n == 2 ? &demand->items[1] : &demand->items[0];
    uint32_t at = object_property(s, object, witness->name, witness->n_name);
    if (!work_ok(s->work)) return;
    struct property *property = &object->properties[at];
    property->node = witness->absent ? (uint32_t)NEVER : node_and(s, property->node, witness->node);
    if (demand->n == 1 && !witness->absent) property->required = true;
}

/* Leaves the ways out in which demands can't be met, until nothing follows any more. False: nothing is in the object. */
static bool settle(struct schema *s, struct object_shape *object) {
    for (uint32_t p = 0; p < object->n_properties && work_ok(s->work); p++)
        if (object->properties[p].required && is_empty(s, object->properties[p].node)) return false;
    for (bool changed = object->n_demands > 0; changed && work_ok(s->work);) {
        changed = false;
        uint32_t n_demands = 0;
        for (uint32_t d = 0; d < object->n_demands; d++) {
            struct demand old = object->demands[d], demand = {work_alloc(s->work, old.n, sizeof *old.items), 0};
            bool met = false;
            for (uint32_t i = 0; demand.items && i < old.n; i++) {
                enum verdict verdict = judge(s, object, &old.items[i]);
                met |= verdict == CERTAIN;
                if (verdict == POSSIBLE) demand.items[demand.n++] = old.items[i];
            }
            if (met || !work_spend(s->work, old.n)) continue;
            if (demand.n == 0) return false;
            if (is_property(&demand)) {
                demand_of_property(s, object, &demand);
                changed = true;
            } else {
                object->demands[n_demands++] = demand;
            }
        }
        object->n_demands = n_demands;
    }
    for (uint32_t p = 0; p < object->n_properties && work_ok(s->work); p++)
        if (object->properties[p].required && is_empty(s, object->properties[p].node)) return false;
    return true;
}

static bool and_objects(struct schema *s, const struct object_shape *a, const struct object_shape *b,
                        struct object_shape *out) {
    const struct object_shape *both[] = {a, b};
    out->groups = work_alloc(s->work, a->n_groups + b->n_groups, sizeof *out->groups);
    out->demands = work_alloc(s->work, a->n_demands + b->n_demands, sizeof *out->demands);
    out->dependencies = work_alloc(s->work, a->n_dependencies + b->n_dependencies, sizeof *out->dependencies);
    if (!out->groups || !out->demands || !out->dependencies) return false;
    append_groups(out, a);
    append_groups(out, b);
    out->names = !a->names ? b->names : !b->names ? a->names : dfa_combine(s->work, a->names, b->names, DFA_AND);
    out->min = a->min > b->min ? a->min : b->min;
    out->max = a->max < b->max ? a->max : b->max;
    for (int i = 0; i < 2; i++) {
        for (uint32_t p = 0; p < both[i]->n_properties && work_ok(s->work); p++) {
            const struct property *property = &both[i]->properties[p];
            uint32_t at = object_property(s, out, property->name, property->n_name);
            if (!work_ok(s->work)) return false;
            out->properties[at].node = node_and(s, object_node_of(s, a, property->name, property->n_name),
                                                object_node_of(s, b, property->name, property->n_name));
            out->properties[at].required |= property->required;
        }
    }
    append_dependencies(s, out, a);
    append_dependencies(s, out, b);
    return out->min <= out->max && settle(s, out);
}

/* NULL: nothing is in both. */
static struct shape *shape_and(struct schema *s, const struct shape *a, const struct shape *b) {
    if (a->type != b->type || !work_spend(s->work, 1)) return NULL;
    struct shape *out = shape_new(s, a->type);
    if (!out) return NULL;
    bool some = true;
    switch (a->type) {
    case TYPE_NUMBER:
        out->number = a->number;
        if (!number_set_and(&out->number, &b->number)) work_fail(s->work, BN_STATUS_UNSUPPORTED, "too many multipleOf");
        break;
    case TYPE_STRING:
        some = and_strings(s, a, b, out);
        break;
    case TYPE_ARRAY:
        some = and_arrays(s, a->array, b->array, out->array);
        break;
    case TYPE_OBJECT:
        some = and_objects(s, a->object, b->object, out->object);
        break;
    default:
        break;
    }
    return some && work_ok(s->work) ? out : NULL;
}

void forms_and(struct schema *s, const struct forms *a, const struct forms *b, struct forms *out) {
    *out = (struct forms){0};
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t j = 0; j < b->n && work_ok(s->work); j++)
            forms_add(s, out, shape_and(s, a->items[i], b->items[j]));
}

/* ---- complements: of one shape, within its type ---- */

static void not_number(struct schema *s, const struct shape *shape, struct forms *out) {
    const struct number_set *set = &shape->number;
    struct shape *other;
    if (set->min.given && (other = shape_new(s, TYPE_NUMBER))) {
        other->number.max = (struct number_bound){true, !set->min.open, set->min.value};
        forms_add(s, out, other);
    }
    if (set->max.given && (other = shape_new(s, TYPE_NUMBER))) {
        other->number.min = (struct number_bound){true, !set->max.open, set->max.value};
        forms_add(s, out, other);
    }
    for (uint32_t i = 0; i < set->n_multiples; i++) {
        if (!(other = shape_new(s, TYPE_NUMBER))) return;
        number_set_add_multiple(&other->number, set->multiples[i].of, !set->multiples[i].negated);
        forms_add(s, out, other);
    }
}

static void not_string(struct schema *s, const struct shape *shape, struct forms *out) {
    struct shape *other = shape_new(s, TYPE_STRING);
    if (!other) return;
    if (!shape->string->everything) {
        other->string = dfa_combine(s->work, other->string, shape->string, DFA_WITHOUT);
        if (other->string && other->string->n_states) forms_add(s, out, other);
    }
    if (shape->min > 0) {
        other->max = shape->min - 1;
        forms_add(s, out, other);
    }
    if (shape->max != UNBOUNDED && (other = shape_new(s, TYPE_STRING))) {
        other->min = shape->max + 1;
        forms_add(s, out, other);
    }
}

static void add_contains(struct schema *s, struct shape *shape, struct contains contains) {
    shape->array->contains = work_alloc(s->work, 1, sizeof contains);
    if (!shape->array->contains) return;
    shape->array->contains[0] = contains;
    shape->array->n_contains = 1;
}

static void not_array(struct schema *s, const struct array_shape *array, struct forms *out) {
    struct shape *other;
    if (array->unique && (other = shape_new(s, TYPE_ARRAY))) {
        other->array->repeated = true;
        forms_add(s, out, other);
    }
    if (array->repeated && (other = shape_new(s, TYPE_ARRAY))) {
        other->array->unique = true;
        forms_add(s, out, other);
    }
    for (uint32_t i = 0; i < array->n_prefix && work_ok(s->work); i++) {
        if (array->prefix[i] == ANY || !(other = shape_new(s, TYPE_ARRAY))) continue;
        other->array->prefix = work_alloc(s->work, i + 1, sizeof(uint32_t)); /* zeroed: ANY */
        if (!other->array->prefix) return;
        other->array->prefix[i] = node_not(s, array->prefix[i]);
        other->array->n_prefix = other->array->min = i + 1;
        forms_add(s, out, other);
    }
    if (array->rest != ANY && (other = shape_new(s, TYPE_ARRAY))) {
        add_contains(s, other, (struct contains){node_not(s, array->rest), NEVER, array->n_prefix, 1, UNBOUNDED});
        forms_add(s, out, other);
    }
    if (array->min > 0 && (other = shape_new(s, TYPE_ARRAY))) {
        other->array->max = array->min - 1;
        forms_add(s, out, other);
    }
    if (array->max != UNBOUNDED && (other = shape_new(s, TYPE_ARRAY))) {
        other->array->min = array->max + 1;
        forms_add(s, out, other);
    }
    for (uint32_t i = 0; i < array->n_contains; i++) {
        struct contains c = array->contains[i], less = c, more = c;
        if (c.min > 0 && (other = shape_new(s, TYPE_ARRAY))) {
            less = (struct contains){c.node, node_not(s, c.node), c.from, 0, c.min - 1};
            add_contains(s, other, less);
            forms_add(s, out, other);
        }
        if (c.max != UNBOUNDED && (other = shape_new(s, TYPE_ARRAY))) {
            more = (struct contains){c.node, NEVER, c.from, c.max + 1, UNBOUNDED};
            add_contains(s, other, more);
            forms_add(s, out, other);
        }
    }
}

static void add_witness(struct schema *s, struct demand *demand, struct witness witness) {
    if ((witness.names && witness.names->n_states == 0) || (!witness.absent && witness.node == NEVER)) return;
    if ((demand->n & (demand->n - 1)) == 0) { /* full at powers of two */
        struct witness *items = work_alloc(s->work, max_size(2 * demand->n, 1), sizeof *items);
        if (!items) return;
        if (demand->n) memcpy(items, demand->items, demand->n * sizeof *items);
        demand->items = items;
    }
    demand->items[demand->n++] = witness;
}

static struct shape *object_with_demand(struct schema *s, const struct demand *demand) {
    struct shape *other = demand->n ? shape_new(s, TYPE_OBJECT) : NULL;
    if (!other) return NULL;
    other->object->demands = work_alloc(s->work, 1, sizeof *demand);
    if (!other->object->demands) return NULL;
    other->object->demands[0] = *demand;
    other->object->n_demands = 1;
    return settle(s, other->object) ? other : NULL;
}

/* All names but the properties'. */
static const struct dfa *other_names(struct schema *s, const struct object_shape *object) {
    struct dfa_word *words = work_alloc(s->work, object->n_properties, sizeof *words);
    if (!words) return NULL;
    for (uint32_t i = 0; i < object->n_properties; i++)
        words[i] = (struct dfa_word){object->properties[i].name, object->properties[i].n_name, 1};
    return dfa_combine(s->work, dfa_everything(s->work), dfa_words(s->work, words, object->n_properties), DFA_WITHOUT);
}

static void add_name_witness(struct schema *s, struct demand *demand, const struct dfa *names, uint32_t node) {
    if (names) add_witness(s, demand, (struct witness){.names = names, .node = node});
}

static void not_groups(struct schema *s, const struct object_shape *object, struct demand *out) {
    const struct dfa *others = object->n_groups || object->names ? other_names(s, object) : NULL;
    for (uint32_t g = 0; g < object->n_groups && work_ok(s->work); g++) {
        const struct name_group *group = &object->groups[g];
        const struct dfa *unmatched = others;
        for (uint32_t i = 0; i < group->n && work_ok(s->work); i++) {
            const struct dfa *matched = dfa_combine(s->work, others, group->patterns[i], DFA_AND);
            add_name_witness(s, out, matched, node_not(s, group->nodes[i]));
            unmatched = dfa_combine(s->work, unmatched, group->patterns[i], DFA_WITHOUT);
        }
        add_name_witness(s, out, unmatched, node_not(s, group->additional));
    }
    if (object->names) add_name_witness(s, out, dfa_combine(s->work, others, object->names, DFA_WITHOUT), ANY);
}

/* None of the ways in which a demand is met. */
static struct shape *not_demand(struct schema *s, const struct demand *demand) {
    struct shape *other = shape_new(s, TYPE_OBJECT);
    if (!other) return NULL;
    struct object_shape *object = other->object;
    object->groups = work_alloc(s->work, demand->n, sizeof *object->groups);
    for (uint32_t i = 0; object->groups && i < demand->n && work_ok(s->work); i++) {
        const struct witness *witness = &demand->items[i];
        if (!witness->names) continue;
        struct name_group group = {.additional = ANY, .n = 1};
        group.patterns = work_alloc(s->work, 1, sizeof(const struct dfa *));
        group.nodes = work_alloc(s->work, 1, sizeof *group.nodes);
        if (!group.patterns || !group.nodes) return NULL;
        group.patterns[0] = witness->names;
        group.nodes[0] = node_not(s, witness->node);
        object->groups[object->n_groups++] = group;
    }
    for (uint32_t i = 0; i < demand->n && work_ok(s->work); i++) {
        const struct witness *witness = &demand->items[i];
        if (witness->names) continue;
        uint32_t at = object_property(s, object, witness->name, witness->n_name);
        if (!work_ok(s->work)) return NULL;
        if (witness->absent)
            object->properties[at].required = true;
        else
            object->properties[at].node = node_and(s, object->properties[at].node, node_not(s, witness->node));
    }
    return work_ok(s->work) && settle(s, object) ? other : NULL;
}

static void not_object(struct schema *s, const struct object_shape *object, struct forms *out) {
    struct shape *other;
    struct demand demand = {0};
    for (uint32_t i = 0; i < object->n_properties && work_ok(s->work); i++) {
        const struct property *p = &object->properties[i];
        add_witness(s, &demand, (struct witness){p->name, p->n_name, NULL, node_not(s, p->node), false});
        if (p->required) add_witness(s, &demand, (struct witness){p->name, p->n_name, NULL, ANY, true});
    }
    not_groups(s, object, &demand);
    forms_add(s, out, object_with_demand(s, &demand));
    for (uint32_t d = 0; d < object->n_demands && work_ok(s->work); d++)
        forms_add(s, out, not_demand(s, &object->demands[d]));
    for (uint32_t i = 0; i < object->n_dependencies && work_ok(s->work); i++) {
        const struct property *property = &object->properties[object->dependencies[i].property];
        const struct property *needs = &object->properties[object->dependencies[i].needs];
        if (!(other = shape_new(s, TYPE_OBJECT))) return;
        uint32_t at = object_property(s, other->object, property->name, property->n_name);
        uint32_t absent = object_property(s, other->object, needs->name, needs->n_name);
        if (!work_ok(s->work)) return;
        other->object->properties[at].required = true;
        other->object->properties[absent].node = NEVER;
        forms_add(s, out, other);
    }
    if (object->min > 0 && (other = shape_new(s, TYPE_OBJECT))) {
        other->object->max = object->min - 1;
        forms_add(s, out, other);
    }
    if (object->max != UNBOUNDED && (other = shape_new(s, TYPE_OBJECT))) {
        other->object->min = object->max + 1;
        forms_add(s, out, other);
    }
}

static void shape_not(struct schema *s, const struct shape *shape, struct forms *out) {
    *out = (struct forms){0};
    switch (shape->type) {
    case TYPE_NUMBER:
        not_number(s, shape, out);
        break;
    case TYPE_STRING:
        not_string(s, shape, out);
        break;
    case TYPE_ARRAY:
        not_array(s, shape->array, out);
        break;
    case TYPE_OBJECT:
        not_object(s, shape->object, out);
        break;
    default:
        break;
    }
}

static void forms_not(struct schema *s, const struct forms *a, struct forms *out) {
    *out = (struct forms){0};
    for (int type = 0; type < N_TYPES && work_ok(s->work); type++) {
        struct forms left = {0}, one, both;
        forms_add(s, &left, shape_new(s, (enum value_type)type));
        for (uint32_t i = 0; i < a->n && work_ok(s->work); i++) {
            if (a->items[i]->type != (enum value_type)type) continue;
            shape_not(s, a->items[i], &one);
            forms_and(s, &left, &one, &both);
            left = both;
        }
        for (uint32_t i = 0; i < left.n; i++) forms_add(s, out, left.items[i]);
    }
}

/* ---- a constant ---- */

static void text_of_number(const json_t *json, char *out, size_t size) {
    if (json_is_integer(json)) {
        snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back alike */
        snprintf(out, size, "%.*g", digits, json_real_value(json));
        if (strtod(out, NULL) == json_real_value(json)) return;
    }
}

bool decimal_of_json(const json_t *json, struct decimal *out) {
    char text[64];
    text_of_number(json, text, sizeof text);
    return decimal_parse(text, strlen(text), out);
}

static struct shape *const_shape(struct schema *s, const json_t *json, const char *place) {
    static const enum value_type types[] = {
        [JSON_OBJECT] = TYPE_OBJECT,  [JSON_ARRAY] = TYPE_ARRAY, [JSON_STRING] = TYPE_STRING,
        [JSON_INTEGER] = TYPE_NUMBER, [JSON_REAL] = TYPE_NUMBER, [JSON_TRUE] = TYPE_TRUE,
        [JSON_FALSE] = TYPE_FALSE,    [JSON_NULL] = TYPE_NULL};
    struct shape *shape = shape_new(s, types[json_typeof(json)]);
    struct decimal value;
    const char *name;
    json_t *member;
    if (!shape) return NULL;
    switch (json_typeof(json)) {
    case JSON_INTEGER:
    case JSON_REAL:
        if (!decimal_of_json(json, &value) ||
            (json_is_integer(json) && (json_integer_value(json) == INT64_MAX || json_integer_value(json) == INT64_MIN)))
            work_fail(s->work, BN_STATUS_UNSUPPORTED, "a number with more digits than are computed with");
        shape->number.min = shape->number.max = (struct number_bound){true, false, value};
        break;
    case JSON_STRING:
        shape->string = dfa_words(s->work, &(struct dfa_word){json_string_value(json), json_string_length(json), 1}, 1);
        break;
    case JSON_ARRAY:
        shape->array->n_prefix = shape->array->min = shape->array->max = (uint32_t)json_array_size(json);
        shape->array->prefix = work_alloc(s->work, json_array_size(json), sizeof(uint32_t));
        shape->array->rest = NEVER;
        for (uint32_t i = 0; shape->array->prefix && i < shape->array->n_prefix; i++)
            shape->array->prefix[i] = node_of_const(s, json_array_get(json, i), place);
        break;
    case JSON_OBJECT:
        json_object_foreach((json_t *)json, name, member) {
            uint32_t at = object_property(s, shape->object, name, strlen(name));
            if (!work_ok(s->work)) return NULL;
            shape->object->properties[at].node = node_of_const(s, member, place);
            shape->object->properties[at].required = true;
        }
        shape->object->groups = work_alloc(s->work, 1, sizeof *shape->object->groups);
        if (!shape->object->groups) return NULL;
        shape->object->groups[0].additional = NEVER;
        shape->object->n_groups = 1;
        break;
    default:
        break;
    }
    return shape;
}

/* ---- forms of nodes ---- */

/* Automata of strings are merged to one; what is there already isn't added again. */
static void forms_or(struct schema *s, const struct forms *a, struct forms *out) {
    for (uint32_t i = 0; i < a->n && work_ok(s->work); i++) {
        struct shape *shape = a->items[i];
        bool merged = false;
        for (uint32_t j = 0; j < out->n && !merged; j++) {
            struct shape *other = out->items[j];
            if (other == shape || (other->type == shape->type && shape->type <= TYPE_TRUE)) merged = true;
            if (merged || other->type != TYPE_STRING || shape->type != TYPE_STRING) continue;
            bool bounded = shape->min || shape->max != UNBOUNDED || other->min || other->max != UNBOUNDED;
            if (bounded) continue;
            struct shape *both = shape_new(s, TYPE_STRING);
            if (!both) return;
            both->string = dfa_combine(s->work, other->string, shape->string, DFA_OR);
            out->items[j] = both;
            merged = true;
        }
        if (!merged) forms_add(s, out, shape);
    }
}

static void work_out(struct schema *s, uint32_t id, struct forms *out) {
    const struct node node = s->nodes[id]; /* nodes move */
    const struct forms *first;
    switch (node.kind) {
    case NODE_ANY:
        forms_all(s, out);
        break;
    case NODE_NEVER:
        break;
    case NODE_SCHEMA:
        schema_load(s, id, out);
        break;
    case NODE_CONST:
        forms_add(s, out, const_shape(s, node.json, node.place));
        break;
    case NODE_AND:
        first = node_forms(s, node.parts[0]);
        if (first) {
            struct forms copy = *first;
            const struct forms *second = node_forms(s, node.parts[1]);
            if (second) forms_and(s, &copy, second, out);
        }
        break;
    case NODE_OR:
        for (uint32_t i = 0; i < node.n_parts && work_ok(s->work); i++)
            if ((first = node_forms(s, node.parts[i]))) forms_or(s, first, out);
        break;
    case NODE_NOT:
        if ((first = node_forms(s, node.parts[0]))) {
            struct forms copy = *first;
            forms_not(s, &copy, out);
        }
        break;
    }
}

const struct forms *node_forms(struct schema *s, uint32_t id) {
    if (!work_ok(s->work)) return NULL;
    if (s->nodes[id].state == NODE_DONE) return &s->nodes[id].forms;
    const char *place = s->place;
    if (s->nodes[id].place) s->place = s->nodes[id].place;
    if (s->nodes[id].state == NODE_BUSY && s->asking) {
        s->blocked = true;
        s->place = place;
        return NULL;
    }
    if (s->nodes[id].state == NODE_BUSY || s->depth > DEEPEST_NODE) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED,
                  s->depth > DEEPEST_NODE ? "schemas are nested too deeply"
                                          : "the schema refers to itself, and to nothing else");
        return NULL;
    }
    s->nodes[id].state = NODE_BUSY;
    s->n_busy++;
    s->depth++;
    struct forms forms = {0};
    work_out(s, id, &forms);
    s->depth--;
    s->n_busy--;
    if (!work_ok(s->work)) return NULL;
    s->place = place;
    s->nodes[id].state = s->blocked ? NODE_NEW : NODE_DONE;
    if (s->blocked) return NULL;
    s->nodes[id].forms = forms;
    return &s->nodes[id].forms;
}

/* ---- is there any value? ----
 *
 * The least solution: a value is made of values that are smaller. A node that is being asked about counts as empty within its own
 * question; a "no" that rests on that holds for the outermost question only. Of a node that needs one that is being worked out
 * (s->blocked) nothing is known: it counts as having values, and a "yes" that rests on that isn't remembered. */

struct assumed {
    bool no, yes;
};
static bool ask(struct schema *s, uint32_t id, struct assumed *assumed);

static bool array_inhabited(struct schema *s, const struct array_shape *array, struct assumed *assumed) {
    uint32_t n_possible = 0; /* items before the first that can't be */
    uint32_t wanted = array->min;
    for (uint32_t i = 0; i < array->n_contains; i++)
        if (array->contains[i].min > wanted) wanted = array->contains[i].min;
    if (array->repeated && wanted < 2) wanted = 2;
    if (wanted > array->max || (array->repeated && array->unique)) return false;
    const struct shape *strings = array->unique && wanted > 1 ? array_strings(s, array) : NULL;
    uint32_t longest;
    if (strings && strings_count(s, strings, &longest) < wanted) return false;
    while (n_possible < array->n_prefix && n_possible < wanted && ask(s, array->prefix[n_possible], assumed))
        n_possible++;
    bool rest = n_possible == array->n_prefix && n_possible < wanted && ask(s, array->rest, assumed);
    if (n_possible < wanted && !rest) return false;
    for (uint32_t c = 0; c < array->n_contains && work_ok(s->work); c++) {
        const struct contains *contains = &array->contains[c];
        uint32_t n = 0;
        for (uint32_t i = contains->from; i < array->n_prefix && i < array->max && n < contains->min; i++)
            n += ask(s, node_and(s, array->prefix[i], contains->node), assumed);
        if (n >= contains->min) continue;
        uint32_t begin = contains->from > array->n_prefix ? contains->from : array->n_prefix;
        if (array->max != UNBOUNDED && (array->max <= begin || array->max - begin < contains->min - n)) return false;
        if (!ask(s, node_and(s, array->rest, contains->node), assumed)) return false;
    }
    return true;
}

static bool object_inhabited(struct schema *s, struct object_shape *object, struct assumed *assumed) {
    uint32_t n_required = 0, n_possible = 0;
    for (uint32_t i = 0; i < object->n_properties && work_ok(s->work); i++) {
        if (!object->properties[i].required) continue;
        n_required++;
        if (!ask(s, object->properties[i].node, assumed)) return false;
    }
    if (n_required > object->max) return false;
    if (n_required >= object->min && object->n_demands == 0) return true;
    object_classify(s, object);
    bool open = false;
    uint32_t met = 0;
    for (uint32_t d = 0; d < object->n_demands; d++) met |= object_absence(object, d, NULL) ? 1u << d : 0;
    for (uint32_t c = 0; c < object->n_classes && work_ok(s->work); c++) {
        const struct name_class *class = &object->classes[c];
        if (!ask(s, class->node, assumed)) continue;
        n_possible += c < object->n_properties;
        open |= c >= object->n_properties;
        if (object->max > 0) met |= class->met;
        for (uint32_t i = 0; i < class->n_claims && object->max > 0; i++)
            if (class->claims[i] & ~met && ask(s, node_and(s, class->node, class->claim_nodes[i]), assumed))
                met |= class->claims[i];
    }
    if (work_ok(s->work) && met != object_all_demands(object)) return false;
    return open || n_possible >= object->min;
}

static bool shape_inhabited(struct schema *s, struct shape *shape, struct assumed *assumed) {
    struct number_automaton automaton;
    switch (shape->type) {
    case TYPE_NUMBER:
        if (!number_automaton_init(&automaton, &shape->number)) {
            work_fail(s->work, BN_STATUS_UNSUPPORTED, "numbers with more digits than are computed with");
            return false;
        }
        return number_automaton_inhabited(&automaton);
    case TYPE_STRING:
        return strings_fit(shape);
    case TYPE_ARRAY:
        return array_inhabited(s, shape->array, assumed);
    case TYPE_OBJECT:
        return object_inhabited(s, shape->object, assumed);
    default:
        return true;
    }
}

static bool ask(struct schema *s, uint32_t id, struct assumed *assumed) {
    if (!work_ok(s->work) || id == NEVER) return false;
    if (id == ANY || s->nodes[id].inhabited == INHABITED_YES) return true;
    if (s->nodes[id].inhabited == INHABITED_NO) return false;
    if (s->nodes[id].inhabited == INHABITED_BUSY) {
        assumed->no = true;
        return false;
    }
    if (s->n_busy && s->asking > DEEPEST_GUESS) {
        assumed->yes = true;
        return true;
    }
    s->asking++;
    const struct forms *forms = node_forms(s, id);
    s->asking--;
    if (!forms && s->blocked) {
        s->blocked = false;
        assumed->yes = true;
        return true;
    }
    if (!forms || !work_spend(s->work, 50)) return false;
    const struct forms copy = *forms;
    struct assumed own = {false, false};
    bool any = false;
    s->nodes[id].inhabited = INHABITED_BUSY;
    if (++s->depth > DEEPEST_NODE) work_fail(s->work, BN_STATUS_UNSUPPORTED, "schemas are nested too deeply");
    s->asking++;
    for (uint32_t i = 0; i < copy.n && !any && work_ok(s->work); i++) any = shape_inhabited(s, copy.items[i], &own);
    s->asking--;
    s->depth--;
    s->nodes[id].inhabited = any && !own.yes ? INHABITED_YES : any || own.no ? INHABITED_UNKNOWN : INHABITED_NO;
    assumed->no |= own.no && !any;
    assumed->yes |= own.yes && any;
    return any;
}

static bool node_may_be(struct schema *s, uint32_t id) {
    struct assumed assumed = {false, false};
    return ask(s, id, &assumed) || assumed.no;
}

bool shape_has_values(struct schema *s, struct shape *shape) {
    struct assumed assumed = {false, false};
    s->asking++;
    bool any = shape_inhabited(s, shape, &assumed);
    s->asking--;
    return any;
}

bool node_inhabited(struct schema *s, uint32_t id) {
    struct assumed assumed = {false, false};
    bool any = ask(s, id, &assumed);
    if (!any && work_ok(s->work)) s->nodes[id].inhabited = INHABITED_NO;
    return any;
}
