/* How many bytes values take at least. Distances of nodes are the least solution of "an array takes its items, …", found by
 * going over all nodes until nothing changes. */
#include "engine/grammar/grammar.h"
#include "engine/grammar/schema.h"

static uint32_t sum(uint32_t a, uint32_t b) {
    return a >= DISTANCE_FAR - b || b >= DISTANCE_FAR ? DISTANCE_FAR : a + b;
}
static uint32_t product(uint32_t n, uint32_t a) {
    return a >= DISTANCE_FAR || (uint64_t)n * a >= DISTANCE_FAR ? DISTANCE_FAR : n * a;
}

/* Items from place n on, each behind a comma. */
static uint32_t items_distance(const struct schema *s, const struct array_shape *array, uint32_t n,
                               const uint32_t *counts) {
    uint32_t total = 0, left = array->min > n ? array->min - n : 0;
    for (; left && n < array->n_prefix; left--, n++) total = sum(total, sum(1, s->nodes[array->prefix[n]].distance));
    uint32_t item = s->nodes[array->rest].distance;
    if (array->distinct)
        item = array->longest_item ? array->longest_item + 2 : sum(item, 24); /* the short ones are taken */
    if (left) total = sum(total, product(left, sum(1, item)));
    for (uint32_t c = 0; c < array->n_contains; c++) {
        uint32_t missing = array->contains[c].min > counts[c] ? array->contains[c].min - counts[c] : 0;
        uint32_t node = array->choices[(array->n_prefix << array->n_contains) + (1u << c)];
        if (missing) total = sum(total, product(missing, sum(1, s->nodes[node].distance)));
    }
    return total;
}

static uint32_t member_distance(const struct schema *s, const struct object_shape *object, uint32_t class) {
    uint32_t name = class < object->n_properties ? object->properties[class].n_name : 1;
    return sum(name + 4, s->nodes[object->classes[class].node].distance); /* quotes, colon, comma */
}

/* Members that have to come yet. seen: NULL or a bit each. */
static uint32_t members_distance(const struct schema *s, const struct object_shape *object, const uint32_t *seen,
                                 uint32_t count) {
    uint32_t total = 0, n = count, cheapest = DISTANCE_FAR;
    for (uint32_t p = 0; p < object->n_properties; p++) {
        if (seen && seen[p / 32] >> p % 32 & 1) continue;
        if (!object->properties[p].required) continue;
        total = sum(total, member_distance(s, object, p));
        n++;
    }
    for (uint32_t c = 0; c < object->n_classes && n < object->min; c++) {
        uint32_t distance = object->classes[c].possible ? member_distance(s, object, c) : DISTANCE_FAR;
        if (distance < cheapest) cheapest = distance;
    }
    return n < object->min ? sum(total, product(object->min - n, cheapest)) : total;
}

static uint32_t shape_distance(const struct schema *s, const struct shape *shape) {
    static const uint32_t none[MOST_CLAIMS];
    switch (shape->type) {
    case TYPE_NULL:
    case TYPE_TRUE:
        return 4;
    case TYPE_FALSE:
        return 5;
    case TYPE_NUMBER:
        return shape->text ? shape->text->states[0].distance : 20;
    case TYPE_STRING:
        return dfa_distance(&shape->string->states[0], shape->max) + shape->min + 2;
    case TYPE_ARRAY:
        return sum(2, items_distance(s, shape->array, 0, none));
    default:
        return sum(2, members_distance(s, shape->object, NULL, 0));
    }
}

void schema_measure(struct schema *s) {
    for (size_t i = 0; i < s->n_nodes; i++) s->nodes[i].distance = DISTANCE_FAR;
    for (bool changed = true; changed && work_ok(s->work);) {
        changed = false;
        for (size_t i = 0; i < s->n_nodes && work_spend(s->work, 1); i++) {
            struct node *node = &s->nodes[i];
            if (!node->ready) continue;
            for (uint32_t f = 0; f < node->forms.n; f++) {
                uint32_t distance = shape_distance(s, node->forms.items[f]);
                if (distance >= node->distance) continue;
                node->distance = distance;
                changed = true;
            }
        }
    }
    for (size_t i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].distance < DISTANCE_FAR && s->nodes[i].distance > s->farthest)
            s->farthest = s->nodes[i].distance;
}

/* Words of an object's place, as schema_object.c has them. */
enum { PLACE_COUNT = 2, PLACE_NEXT, PLACE_SEEN = 5 };

uint32_t schema_member_cost(const struct schema *s, const struct object_shape *object, const uint32_t *place,
                            uint32_t class) {
    uint32_t total = sum(2, s->nodes[object->classes[class].node].distance); /* colon and brace */
    uint32_t rest = members_distance(s, object, place + PLACE_SEEN, place[PLACE_COUNT]);
    bool counted = class < object->n_properties && object->properties[class].required &&
                   !(place[PLACE_SEEN + class / 32] >> class % 32 & 1);
    return sum(total, counted ? rest - member_distance(s, object, class) : rest);
}

/* From a key's beginning on: that of a member that has to come, or of the cheapest one. */
static uint32_t key_distance(const struct schema *s, const struct object_shape *object, const uint32_t *place) {
    uint32_t rest = members_distance(s, object, place + PLACE_SEEN, place[PLACE_COUNT]), cheapest = DISTANCE_FAR;
    if (rest > 0) return rest;
    for (uint32_t c = 0; c < object->n_classes; c++) {
        bool may = object->classes[c].possible && (c >= object->n_properties || c >= place[PLACE_NEXT]);
        uint32_t distance = may ? member_distance(s, object, c) : DISTANCE_FAR;
        if (distance < cheapest) cheapest = distance;
    }
    return cheapest;
}

uint32_t schema_distance(const struct schema *s, const uint32_t *words, size_t n) {
    const struct shape *shape = n > 1 && words[0] != SYMBOL_VALUE ? s->shapes[words[1]] : NULL;
    uint32_t counts[MOST_CLAIMS] = {0}, node;
    switch (words[0]) {
    case SYMBOL_DOCUMENT:
        return s->nodes[s->root].distance;
    case SYMBOL_SPACE:
        return 0;
    case SYMBOL_VALUE:
        return s->nodes[words[1]].distance;
    case SYMBOL_ARRAY_BEGIN:
        return sum(1, items_distance(s, shape->array, 0, counts));
    case SYMBOL_ARRAY_ITEM:
    case SYMBOL_ARRAY_NEXT:
        for (size_t c = 0; c + 5 < n && c < MOST_CLAIMS; c++) counts[c] = words[5 + c];
        node = array_node_of(shape->array, words[2]);
        if (words[0] == SYMBOL_ARRAY_NEXT) return sum(1, items_distance(s, shape->array, words[2], counts));
        return sum(sum(1, s->nodes[node].distance), items_distance(s, shape->array, words[2] + 1, counts));
    case SYMBOL_OBJECT_BEGIN:
        return sum(1, members_distance(s, shape->object, NULL, 0));
    case SYMBOL_OBJECT_KEY:
        return key_distance(s, shape->object, words);
    case SYMBOL_OBJECT_NEXT:
        return sum(1, members_distance(s, shape->object, words + PLACE_SEEN, words[PLACE_COUNT]));
    default:
        return 0; /* SYMBOL_OBJECT_COLON: the key's automaton knows */
    }
}
