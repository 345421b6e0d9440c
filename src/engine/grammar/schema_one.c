/* Exactly one of many: each, without those it overlaps with. Every pair has to be looked at. But alternatives mostly differ by a
 * constant, their own or that of a member they require ("kind": "a"), and where that is so no pair has to be worked out; and of a
 * type that two of them take whole (of objects only is anything said) there is no value in exactly one. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"

#define MOST_MARKS 4 /* of an alternative */

/* All values of the alternative are this string; or, with a name, objects whose member of that name is. */
struct mark {
    const char *name;
    uint32_t n_name;
    const json_t *value;
};
struct marks {
    struct mark items[MOST_MARKS];
    uint32_t n;
};

/* The string that all values of a node are, where its keywords say so at once; or NULL. */
static const json_t *only_string(const struct schema *s, uint32_t id) {
    const struct node *node = &s->nodes[id];
    const json_t *value = NULL;
    if (node->kind == NODE_CONST) value = node->json;
    if (node->kind == NODE_SCHEMA && !(s->old_draft && json_object_get(node->json, "$ref"))) {
        const json_t *values = json_object_get(node->json, "enum");
        if (s->draft >= 6) value = json_object_get(node->json, "const");
        if (!value && json_array_size(values) == 1) value = json_array_get(values, 0);
    }
    return json_is_string(value) ? value : NULL;
}

/* NULL: nothing is known of the node yet. */
static const struct forms *known_forms(struct schema *s, uint32_t id) {
    s->asking++;
    const struct forms *forms = node_forms(s, id);
    s->asking--;
    if (!forms) s->blocked = false;
    return forms;
}

static void find_marks(struct schema *s, uint32_t id, struct marks *marks) {
    const json_t *value = only_string(s, id);
    marks->n = 0;
    if (value) marks->items[marks->n++] = (struct mark){NULL, 0, value};
    if (value) return;
    const struct forms *forms = known_forms(s, id);
    if (!forms || forms->n != 1 || forms->items[0]->type != TYPE_OBJECT) return;
    const struct object_shape *object = forms->items[0]->object;
    for (uint32_t i = 0; i < object->n_properties && marks->n < MOST_MARKS; i++) {
        const struct property *property = &object->properties[i];
        if (property->required && (value = only_string(s, property->node)))
            marks->items[marks->n++] = (struct mark){property->name, property->n_name, value};
    }
}

static bool same_text(const char *a, size_t n_a, const char *b, size_t n_b) {
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

static bool are_apart(const struct marks *a, const struct marks *b) {
    for (uint32_t i = 0; i < a->n; i++) {
        for (uint32_t j = 0; j < b->n; j++) {
            const struct mark *x = &a->items[i], *y = &b->items[j];
            if (!x->name != !y->name) return true; /* a string, an object */
            if (x->name && !same_text(x->name, x->n_name, y->name, y->n_name)) continue;
            if (!same_text(json_string_value(x->value), json_string_length(x->value), json_string_value(y->value),
                           json_string_length(y->value)))
                return true;
        }
    }
    return false;
}

/* The node of all types but those that more than one of the nodes takes whole. */
static uint32_t types_in_question(struct schema *s, const uint32_t *nodes, size_t n) {
    static const char *const names[N_TYPES] = {"null", "boolean", "boolean", "number", "string", "array", "object"};
    uint32_t takers[N_TYPES] = {0};
    for (size_t i = 0; i < n && work_ok(s->work); i++) {
        const struct forms *forms = known_forms(s, nodes[i]);
        for (uint32_t f = 0; forms && f < forms->n; f++)
            takers[forms->items[f]->type] += shape_is_whole(forms->items[f]);
    }
    json_t *types = json_array();
    bool all = true;
    takers[TYPE_FALSE] = (uint32_t)min_size(takers[TYPE_FALSE], takers[TYPE_TRUE]); /* one type, which both must have */
    for (int type = 0; type < N_TYPES; type++) {
        if (type == TYPE_TRUE) continue;
        all = all && takers[type] < 2;
        if (takers[type] < 2) json_array_append_new(types, json_string(names[type]));
    }
    const json_t *json = schema_keep(s, json_pack("{s:o}", "type", types));
    return all || !json             ? (uint32_t)ANY
           : json_array_size(types) ? node_of_schema(s, json, s->place, "")
                                    : (uint32_t)NEVER;
}

uint32_t node_exactly_one(struct schema *s, const uint32_t *parts, size_t n) {
    uint32_t *ways = work_alloc(s->work, n, sizeof *ways), *nodes = work_alloc(s->work, n, sizeof *nodes);
    struct marks *marks = work_alloc(s->work, n, sizeof *marks);
    if (!ways || !nodes || !marks) return NEVER;
    uint32_t types = types_in_question(s, parts, n);
    for (size_t i = 0; i < n && work_ok(s->work); i++) {
        nodes[i] = node_and(s, parts[i], types);
        find_marks(s, nodes[i], &marks[i]);
    }
    for (size_t i = 0; i < n && work_ok(s->work); i++) {
        ways[i] = nodes[i];
        for (size_t j = 0; j < n && work_spend(s->work, 1); j++) {
            if (i == j || are_apart(&marks[i], &marks[j])) continue;
            if (!node_inhabited(s, node_and(s, nodes[i], nodes[j]))) continue;
            ways[i] = node_and(s, ways[i], node_not(s, nodes[j]));
        }
    }
    return node_or(s, ways, n);
}
