/* Nodes: sets of values by name, combined with and, or and not, and worked out to forms when somebody asks. See schema.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"

/* ---- nodes ---- */

static uint32_t new_node(struct schema *s, const uint32_t *name, size_t n, enum node_kind kind) {
    bool is_new;
    uint32_t id = intern_words(s->work, &s->names, name, n, &is_new);
    if (id == INTERN_FAILED) return NEVER;
    if (!is_new) return id;
    if (!work_reserve(s->work, &s->nodes, id + 1, &s->nodes_capacity, sizeof *s->nodes) || !work_spend(s->work, 4 + n))
        return NEVER;
    s->nodes[id] = (struct node){.kind = kind, .same = id};
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

static void const_array(struct schema *s, const json_t *json, const char *place, struct array_shape *array) {
    array->n_prefix = array->min = array->max = (uint32_t)json_array_size(json);
    array->prefix = work_alloc(s->work, array->n_prefix, sizeof *array->prefix);
    array->rest = NEVER;
    for (uint32_t i = 0; array->prefix && i < array->n_prefix; i++)
        array->prefix[i] = node_of_const(s, json_array_get(json, i), place);
}

static void const_object(struct schema *s, const json_t *json, const char *place, struct object_shape *object) {
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)json, name, member) {
        uint32_t at = object_property(s, object, name, strlen(name));
        if (!work_ok(s->work)) return;
        object->properties[at].node = node_of_const(s, member, place);
        object->properties[at].required = true;
    }
    object->groups = work_alloc(s->work, 1, sizeof *object->groups);
    if (!object->groups) return;
    object->groups[0].additional = NEVER;
    object->n_groups = 1;
}

static struct shape *const_shape(struct schema *s, const json_t *json, const char *place) {
    static const enum value_type types[] = {
        [JSON_OBJECT] = TYPE_OBJECT,  [JSON_ARRAY] = TYPE_ARRAY, [JSON_STRING] = TYPE_STRING,
        [JSON_INTEGER] = TYPE_NUMBER, [JSON_REAL] = TYPE_NUMBER, [JSON_TRUE] = TYPE_TRUE,
        [JSON_FALSE] = TYPE_FALSE,    [JSON_NULL] = TYPE_NULL};
    struct shape *shape = shape_new(s, types[json_typeof(json)]);
    struct decimal value;
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
        const_array(s, json, place, shape->array);
        break;
    case JSON_OBJECT:
        const_object(s, json, place, shape->object);
        break;
    default:
        break;
    }
    return shape;
}

/* ---- forms of nodes ---- */

/* Any string of an automaton, however long it is? */
static bool is_automaton(const struct shape *shape) {
    return shape->type == TYPE_STRING && shape->min == 0 && shape->max == UNBOUNDED;
}

/* Pairs, then pairs of these: no text is looked at more often than there are rounds. */
static const struct dfa *union_of(struct schema *s, const struct dfa **parts, size_t n) {
    for (; n > 1; n = (n + 1) / 2) {
        for (size_t i = 0; 2 * i < n; i++)
            parts[i] = 2 * i + 1 < n ? dfa_combine(s->work, parts[2 * i], parts[2 * i + 1], DFA_OR) : parts[2 * i];
    }
    return parts[0];
}

/* Automata of strings are merged to one; what is there already isn't added again. */
static void forms_or(struct schema *s, struct shape *const *shapes, size_t n, struct forms *out) {
    const struct dfa **automata = work_alloc(s->work, n, sizeof(const struct dfa *));
    size_t n_automata = 0;
    for (size_t i = 0; automata && i < n && work_ok(s->work); i++) {
        struct shape *shape = shapes[i];
        bool known = is_automaton(shape);
        if (known) automata[n_automata++] = shape->string;
        for (uint32_t j = 0; j < out->n && !known; j++)
            known = out->items[j] == shape || (out->items[j]->type == shape->type && shape->type <= TYPE_TRUE);
        if (!known) forms_add(s, out, shape);
    }
    struct shape *strings = n_automata ? shape_new(s, TYPE_STRING) : NULL;
    if (!strings) return;
    strings->string = union_of(s, automata, n_automata);
    forms_add(s, out, strings);
}

static void work_out(struct schema *s, uint32_t id, struct forms *out) {
    const struct node node = s->nodes[id]; /* nodes move */
    const struct forms *first;
    struct shape **shapes = NULL; /* of all parts */
    size_t n = 0, capacity = 0;
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
        for (uint32_t i = 0; i < node.n_parts && work_ok(s->work); i++) {
            first = node_forms(s, node.parts[i]);
            if (!first || !work_reserve(s->work, &shapes, n + first->n, &capacity, sizeof(struct shape *))) continue;
            for (uint32_t f = 0; f < first->n; f++) shapes[n++] = first->items[f];
        }
        forms_or(s, shapes, n, out);
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
