/* Objects whose members are written in the schema's order, each in a way of its own: as elements, attributes or parameters.
 *
 * What JSON's automaton works out while it reads (schema_run.c: what depends on what, how many may come, which member meets what a
 * `not` or `oneOf` asks for) is worked out here beforehand, as a union of ways: in each of them every property is
 * there, isn't, or may be, whatever the others do. */
#ifndef ENGINE_GRAMMAR_MEMBERS_H
#define ENGINE_GRAMMAR_MEMBERS_H

#include "engine/grammar/schema.h"

enum presence { MEMBER_OPTIONAL, MEMBER_REQUIRED, MEMBER_ABSENT };

struct member {
    enum presence presence;
    uint32_t claims; /* of its class, which it has to meet */
    uint32_t node;   /* its values, if it can be there */
};

struct ways {
    struct member **items; /* [n][object->n_properties] */
    size_t n, capacity;
};
/* All ways of writing an object with the properties that its schema names. None, and nothing has failed, if no object is like that;
 * too many of them are refused. */
void object_ways(struct schema *schema, const struct object_shape *object, struct ways *out);

/* A node whose forms are these shapes, which are ready. */
uint32_t node_of_forms(struct schema *schema, const struct forms *forms);

#endif
