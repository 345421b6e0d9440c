/* Shapes and their intersections: see schema.h. */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"

#define MOST_FORMS 2000

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

bool shape_strings_fit(const struct shape *shape) {
    return shape->string->n_states && shape->min <= shape->max && shape->string->states[0].length <= shape->max;
}

bool shape_fold_length(struct schema *s, struct shape *shape) {
    if (!shape_strings_fit(shape)) return false;
    if (!shape->string->everything && shape->min) {
        shape->string = dfa_limit(s->work, shape->string, shape->min, UNBOUNDED);
        shape->min = 0;
    }
    return work_ok(s->work) && shape_strings_fit(shape);
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

const struct property *object_find(const struct object_shape *object, const char *name, size_t n) {
    for (uint32_t i = 0; i < object->n_properties; i++)
        if (object->properties[i].n_name == n && memcmp(object->properties[i].name, name, n) == 0)
            return &object->properties[i];
    return NULL;
}

uint32_t object_node_of(struct schema *s, const struct object_shape *object, const char *name, size_t n) {
    const struct property *property = object_find(object, name, n);
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
    const struct property *known = object_find(object, name, n);
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
    const struct property *property = object_find(object, witness->name, witness->n_name);
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

bool object_settle(struct schema *s, struct object_shape *object) {
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
    return out->min <= out->max && object_settle(s, out);
}

bool shape_is_whole(const struct shape *shape) {
    const struct array_shape *array = shape->array;
    const struct object_shape *object = shape->object;
    const struct number_set *number = &shape->number;
    switch (shape->type) {
    case TYPE_NUMBER:
        return !number->min.given && !number->max.given && number->n_multiples == 0 && !number->plain;
    case TYPE_STRING:
        return shape->string->everything && shape->min == 0 && shape->max == UNBOUNDED;
    case TYPE_ARRAY:
        return array->n_prefix == 0 && array->rest == ANY && array->min == 0 && array->max == UNBOUNDED &&
               array->n_contains == 0 && !array->unique && !array->repeated;
    case TYPE_OBJECT:
        return object->n_properties == 0 && object->n_groups == 0 && object->n_demands == 0 &&
               object->n_dependencies == 0 && !object->names && object->min == 0 && object->max == UNBOUNDED;
    default:
        return true;
    }
}

/* NULL: nothing is in both. Where one says nothing it's the other itself, so that what refers to a schema shares its shapes. */
static struct shape *shape_and(struct schema *s, struct shape *a, struct shape *b) {
    if (a->type != b->type || !work_spend(s->work, 1)) return NULL;
    if (a == b || shape_is_whole(b)) return a;
    if (shape_is_whole(a)) return b;
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
