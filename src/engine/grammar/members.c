/* See members.h. */
#include "engine/grammar/members.h"

#include <string.h>

#include "base/memory.h"

#define MOST_WAYS 256

uint32_t node_of_forms(struct schema *s, const struct forms *forms) {
    uint32_t id = (uint32_t)s->n_nodes;
    /* no name leads to it: interned ones and nodes have the same numbers */
    if (intern_words(s->work, &s->names, (uint32_t[]){NODE_OR, UINT32_MAX, id}, 3, NULL) != id ||
        !work_reserve(s->work, &s->nodes, id + 1, &s->nodes_capacity, sizeof *s->nodes))
        return NEVER;
    s->nodes[id] = (struct node){.kind = NODE_OR,
                                 .place = s->place,
                                 .state = NODE_DONE,
                                 .inhabited = forms->n ? INHABITED_YES : INHABITED_NO,
                                 .ready = true,
                                 .forms = *forms};
    s->n_nodes = id + 1;
    return id;
}

/* ---- ways ---- */

struct search {
    struct schema *schema;
    const struct object_shape *object;
    struct ways *out;
};

static void settle(struct search *search, const struct member *way);

/* The same way with one member settled, on from there. */
static void branch(struct search *search, const struct member *way, uint32_t p, enum presence presence,
                   uint32_t claims) {
    uint32_t n = search->object->n_properties, node = search->object->classes[p].choices[way[p].claims | claims];
    struct member *next = work_alloc(search->schema->work, n, sizeof *next);
    if (!next || (presence == MEMBER_REQUIRED && node == NEVER)) return;
    memcpy(next, way, n * sizeof *next);
    next[p] = (struct member){presence, way[p].claims | claims, node};
    settle(search, next);
}

static uint32_t property_named(const struct object_shape *object, const struct witness *witness) {
    uint32_t p = 0;
    while (p < object->n_properties && (object->properties[p].n_name != witness->n_name ||
                                        memcmp(object->properties[p].name, witness->name, witness->n_name) != 0))
        p++;
    return p;
}

static bool is_absence(const struct object_shape *object, const struct witness *witness, uint32_t *p) {
    *p = witness->absent ? property_named(object, witness) : object->n_properties;
    return *p < object->n_properties;
}

/* Does a member meet the demand, whichever value it has? */
static bool meets(struct schema *s, const struct name_class *class, const struct member *member, uint32_t demand) {
    if (member->presence != MEMBER_REQUIRED) return false;
    if (class->met >> demand & 1) return true;
    for (uint32_t c = 0; c < class->n_claims; c++) {
        if (!(class->claims[c] >> demand & 1)) continue;
        if (member->claims >> c & 1) return true;
        if (!node_inhabited(s, node_and(s, member->node, node_not(s, class->claim_nodes[c])))) return true;
    }
    return false;
}

static bool is_met(const struct search *search, const struct member *way, uint32_t demand) {
    const struct object_shape *object = search->object;
    uint32_t absent;
    for (uint32_t p = 0; p < object->n_properties; p++)
        if (meets(search->schema, &object->classes[p], &way[p], demand)) return true;
    for (uint32_t i = 0; i < object->demands[demand].n; i++)
        if (is_absence(object, &object->demands[demand].items[i], &absent) && way[absent].presence == MEMBER_ABSENT)
            return true;
    return false;
}

static void meet(struct search *search, const struct member *way, uint32_t demand) {
    const struct object_shape *object = search->object;
    uint32_t absent;
    for (uint32_t p = 0; p < object->n_properties && work_ok(search->schema->work); p++) {
        const struct name_class *class = &object->classes[p];
        if (way[p].presence == MEMBER_ABSENT) continue;
        if (class->met >> demand & 1) branch(search, way, p, MEMBER_REQUIRED, 0);
        for (uint32_t c = 0; c < class->n_claims; c++)
            if (class->claims[c] >> demand & 1) branch(search, way, p, MEMBER_REQUIRED, 1u << c);
    }
    for (uint32_t i = 0; i < object->demands[demand].n; i++)
        if (is_absence(object, &object->demands[demand].items[i], &absent) && way[absent].presence == MEMBER_OPTIONAL)
            branch(search, way, absent, MEMBER_ABSENT, 0);
}

/* With the member, and without it. */
static void try_both(struct search *search, const struct member *way, uint32_t p) {
    branch(search, way, p, MEMBER_REQUIRED, 0);
    branch(search, way, p, MEMBER_ABSENT, 0);
}

/* A dependency that isn't decided yet: what depends is left out, or what it needs is there. False: none. */
static bool settle_dependency(struct search *search, const struct member *way) {
    const struct object_shape *object = search->object;
    for (uint32_t d = 0; d < object->n_dependencies; d++) {
        uint32_t p = object->dependencies[d].property, needs = object->dependencies[d].needs;
        if (way[p].presence == MEMBER_ABSENT || way[needs].presence == MEMBER_REQUIRED) continue;
        if (way[p].presence == MEMBER_OPTIONAL) branch(search, way, p, MEMBER_ABSENT, 0);
        if (way[needs].presence == MEMBER_OPTIONAL) branch(search, way, needs, MEMBER_REQUIRED, 0);
        return true;
    }
    return false;
}

/* Looks for the first thing that isn't decided, and goes on with each way to decide it. */
static void settle(struct search *search, const struct member *way) {
    const struct object_shape *object = search->object;
    struct work *work = search->schema->work;
    uint32_t n_required = 0, n_optional = 0, open = 0;
    if (!work_spend(work, 1 + object->n_properties)) return;
    for (uint32_t d = 0; d < object->n_demands; d++) {
        if (is_met(search, way, d)) continue;
        meet(search, way, d);
        return;
    }
    if (settle_dependency(search, way)) return;
    for (uint32_t p = object->n_properties; p-- > 0;) {
        n_required += way[p].presence == MEMBER_REQUIRED;
        if (way[p].presence != MEMBER_OPTIONAL) continue;
        n_optional++;
        open = p;
    }
    if (n_required > object->max || n_required + n_optional < object->min) return;
    if (n_required < object->min || n_optional > object->max - n_required) {
        try_both(search, way, open);
        return;
    }
    if (search->out->n == MOST_WAYS)
        work_fail(work, BN_STATUS_UNSUPPORTED, "too complex: an object with more than %d ways of being valid",
                  MOST_WAYS);
    search->out->items =
        work_grow(work, search->out->items, search->out->n + 1, &search->out->capacity, sizeof(struct member *));
    if (search->out->items) search->out->items[search->out->n++] = (struct member *)(uintptr_t)way;
}

void object_ways(struct schema *s, const struct object_shape *object, struct ways *out) {
    struct search search = {s, object, out};
    struct member *way = work_alloc(s->work, object->n_properties, sizeof *way);
    *out = (struct ways){0};
    for (uint32_t p = 0; way && p < object->n_properties; p++) {
        uint32_t node = object->classes[p].choices[0];
        bool required = object->properties[p].required;
        if (required && node == NEVER) return;
        way[p].presence = node == NEVER ? MEMBER_ABSENT : required ? MEMBER_REQUIRED : MEMBER_OPTIONAL;
        way[p].node = node;
    }
    if (way) settle(&search, way);
}
