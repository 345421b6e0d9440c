/* The names of an object's members: classes that its properties, the patterns of other names and its demands tell apart. See
 * schema.h. */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/schema.h"

bool object_absence(const struct object_shape *object, uint32_t demand, const uint32_t *seen) {
    for (uint32_t i = 0; i < object->demands[demand].n; i++) {
        const struct witness *witness = &object->demands[demand].items[i];
        if (!witness->absent) continue;
        const struct property *property = object_find(object, witness->name, witness->n_name);
        if (!property) return true;
        size_t p = (size_t)(property - object->properties);
        if (!property->required && !(seen && seen[p / 32] >> p % 32 & 1)) return true;
    }
    return false;
}

/* A member of the class meets the demand with a value in the node. */
static void add_claim(struct schema *s, struct name_class *class, uint32_t demand, uint32_t node) {
    if (class->met >> demand & 1 || class->node == NEVER) return;
    if (node == ANY || node == class->node) {
        class->met |= 1u << demand;
        return;
    }
    uint32_t c = 0;
    while (c < class->n_claims && class->claim_nodes[c] != node) c++;
    if (c == MOST_CLAIMS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED,
                  "too complex: more than %d conditions that exclude each other meet at one property", MOST_CLAIMS);
        return;
    }
    class->claims[c] |= 1u << demand;
    class->claim_nodes[c] = node;
    if (c == class->n_claims) class->n_claims++;
}

static bool is_in(const uint32_t *set, size_t part) {
    return set[part / 32] >> part % 32 & 1;
}

/* Which demands the members of each class can meet. set: of the automata of names that hold the class, NULL: a property. */
static void classify_demands(struct schema *s, struct object_shape *object, struct name_class *class,
                             const struct property *property, const uint32_t *set, size_t first) {
    for (uint32_t d = 0; d < object->n_demands; d++) {
        for (uint32_t i = 0; i < object->demands[d].n && work_ok(s->work); i++) {
            const struct witness *witness = &object->demands[d].items[i];
            bool is = false;
            if (witness->names)
                is = set ? is_in(set, first) : dfa_match(witness->names, property->name, property->n_name) != 0;
            else if (property && !witness->absent)
                is = witness->n_name == property->n_name && memcmp(witness->name, property->name, witness->n_name) == 0;
            first += witness->names != NULL;
            if (is) add_claim(s, class, d, witness->node);
        }
    }
}

/* Every name that a demand mentions is a property. */
static void add_properties_of_demands(struct schema *s, struct object_shape *object) {
    for (uint32_t d = 0; d < object->n_demands; d++)
        for (uint32_t i = 0; i < object->demands[d].n && work_ok(s->work); i++)
            if (!object->demands[d].items[i].names)
                object_property(s, object, object->demands[d].items[i].name, object->demands[d].items[i].n_name);
}

/* The automata that tell names apart: those of groups, then of demands, then of the names themselves. */
static const struct dfa **parts_of(struct schema *s, const struct object_shape *object, size_t *n,
                                   size_t *first_demand) {
    size_t most = object->names != NULL;
    for (uint32_t g = 0; g < object->n_groups; g++) most += object->groups[g].n;
    for (uint32_t d = 0; d < object->n_demands; d++) most += object->demands[d].n;
    const struct dfa **parts = work_alloc(s->work, most, sizeof(const struct dfa *));
    *n = 0;
    for (uint32_t g = 0; parts && g < object->n_groups; g++)
        for (uint32_t i = 0; i < object->groups[g].n; i++) parts[(*n)++] = object->groups[g].patterns[i];
    *first_demand = *n;
    for (uint32_t d = 0; parts && d < object->n_demands; d++)
        for (uint32_t i = 0; i < object->demands[d].n; i++)
            if (object->demands[d].items[i].names) parts[(*n)++] = object->demands[d].items[i].names;
    if (parts && object->names) parts[(*n)++] = object->names;
    return parts;
}

/* What is said of a name that is in a set of these automata. */
static uint32_t node_of_set(struct schema *s, const struct object_shape *object, const uint32_t *set, size_t n_parts) {
    uint32_t node = ANY;
    size_t part = 0;
    for (uint32_t g = 0; g < object->n_groups; g++) {
        bool any = false;
        for (uint32_t i = 0; i < object->groups[g].n; i++, part++) {
            if (!is_in(set, part)) continue;
            any = true;
            node = node_and(s, node, object->groups[g].nodes[i]);
        }
        if (!any) node = node_and(s, node, object->groups[g].additional);
    }
    return object->names && !is_in(set, n_parts - 1) ? (uint32_t)NEVER : node;
}

void object_classify(struct schema *s, struct object_shape *object) {
    size_t n_parts, first_demand, n_words;
    if (object->keys || !work_ok(s->work)) return;
    if (object->n_demands > MOST_DEMANDS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "too complex: an object that mustn't be one of more than %d",
                  MOST_DEMANDS);
        return;
    }
    add_properties_of_demands(s, object);
    const struct dfa **parts = parts_of(s, object, &n_parts, &first_demand);
    struct dfa_word *words = work_alloc(s->work, object->n_properties, sizeof *words);
    struct interner *sets = work_alloc(s->work, 1, sizeof *sets);
    if (!parts || !words || !sets) return;
    const struct dfa *others = dfa_classify(s->work, parts, n_parts, sets);
    if (!others) return;
    object->n_classes = object->n_properties + (uint32_t)sets->n;
    object->classes = work_alloc(s->work, object->n_classes, sizeof *object->classes);
    if (!object->classes) return;
    for (uint32_t p = 0; p < object->n_properties; p++) {
        const struct property *property = &object->properties[p];
        words[p] = (struct dfa_word){property->name, property->n_name, 1 + p};
        object->classes[p].node = property->node;
        classify_demands(s, object, &object->classes[p], property, NULL, 0);
    }
    for (uint32_t c = 0; c < sets->n && work_ok(s->work); c++) {
        struct name_class *class = &object->classes[object->n_properties + c];
        const uint32_t *set = interned_words(sets, c, &n_words);
        class->node = node_of_set(s, object, set, n_parts);
        classify_demands(s, object, class, NULL, set, first_demand);
    }
    const struct dfa *named = dfa_words(s->work, words, object->n_properties);
    object->keys = dfa_combine(s->work, named, dfa_relabel(s->work, others, object->n_properties), DFA_OR);
}
