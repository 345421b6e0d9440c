/* Complements of shapes, within their type: unions of shapes again. An object that is not of some shape is one with a demand, one
 * of the ways to differ has to occur. See schema.h. */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"

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

static void not_contains(struct schema *s, struct contains c, struct forms *out) {
    struct shape *other;
    if (c.min > 0 && (other = shape_new(s, TYPE_ARRAY))) {
        add_contains(s, other, (struct contains){c.node, node_not(s, c.node), c.from, 0, c.min - 1});
        forms_add(s, out, other);
    }
    if (c.max != UNBOUNDED && (other = shape_new(s, TYPE_ARRAY))) {
        add_contains(s, other, (struct contains){c.node, NEVER, c.from, c.max + 1, UNBOUNDED});
        forms_add(s, out, other);
    }
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
    for (uint32_t i = 0; i < array->n_contains; i++) not_contains(s, array->contains[i], out);
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
    return object_settle(s, other->object) ? other : NULL;
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
    return work_ok(s->work) && object_settle(s, object) ? other : NULL;
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

void forms_not(struct schema *s, const struct forms *a, struct forms *out) {
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
