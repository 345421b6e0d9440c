/* JSON Schema as an algebra of sets of values.
 *
 * A schema denotes a set of JSON values. The set is kept as a node; nodes are combined by and, or and not, as the keywords
 * say (allOf, anyOf, oneOf, not, if, $ref, and siblings, which are an and). When a node is asked for its forms, it is worked out to
 * a union of shapes: each of one type, with everything said about it in one place: an interval of numbers, an automaton of
 * strings, what the items and members of an array or object are (nodes again, so recursion needs nothing special). An
 * intersection of shapes is a shape, a complement a union of shapes. Whether a node has any value at all is known, so the
 * automaton never goes where nothing can follow.
 *
 * Keywords become nodes (schema_load.c, schema_types.c, schema_index.c, schema_unevaluated.c); the algebra is in schema_nodes.c,
 * schema_one.c, schema_shapes.c, schema_not.c and schema_inhabited.c; what was worked out is made ready (schema_names.c, schema_prepare.c,
 * schema_distance.c) and then read as symbols of the automaton (schema_run.c, schema_object.c). */
#ifndef ENGINE_GRAMMAR_SCHEMA_H
#define ENGINE_GRAMMAR_SCHEMA_H

#include "base/json.h"
#include "engine/grammar/automaton.h"

#define UNBOUNDED UINT32_MAX

enum value_type { TYPE_NULL, TYPE_FALSE, TYPE_TRUE, TYPE_NUMBER, TYPE_STRING, TYPE_ARRAY, TYPE_OBJECT, N_TYPES };

/* Items that must (not) occur: at least min, at most max of those from place `from` on are in the node. */
struct contains {
    uint32_t node, not_node; /* not_node: its complement, if there is a maximum */
    uint32_t from, min, max;
};
#define MOST_CLAIMS  6  /* contains of an array, demands that a member may or may not meet */
#define MOST_DEMANDS 32 /* of an object */

struct array_shape {
    uint32_t *prefix; /* [n_prefix] nodes of the first items */
    uint32_t n_prefix, rest;
    uint32_t min, max;
    struct contains *contains;
    uint32_t n_contains;
    bool unique, repeated; /* no two items are equal; two are */
    /* made ready: of every item's place (prefix, then the rest) its node for every set of contains it counts for */
    uint32_t *choices;            /* [n_prefix + 1][1 << n_contains] */
    bool *possible;               /* likewise: has it values? */
    const struct shape *distinct; /* where it is written: the strings of which no two items are the same; or NULL … */
    uint32_t longest_item;        /* … and bytes of the longest, if there is an end to them */
};

struct property {
    const char *name;
    uint32_t n_name;
    uint32_t node; /* all that is said of it, patterns included */
    bool required;
};
/* What one schema object says of names that aren't its properties: of those that match a pattern, or of all others. */
struct name_group {
    const struct dfa **patterns;
    uint32_t *nodes;
    uint32_t n, additional;
};
/* A member with that name (names: one of these) has a value in the node, or, `absent`, there is none with the name. */
struct witness {
    const char *name;
    uint32_t n_name;
    const struct dfa *names; /* NULL: name */
    uint32_t node;
    bool absent;
};
/* At least one of these is so: what the complement of an object asks for. */
struct demand {
    struct witness *items;
    uint32_t n;
};
struct dependency {
    uint32_t property, needs;
};
/* The classes of names: each property, and what patterns tell apart of the others. */
struct name_class {
    uint32_t node;
    bool possible; /* has the node values? */
    /* Which of the shape's demands (a bit each) any member of the class meets, and which it meets with a value in a node. */
    uint32_t met, n_claims;
    uint32_t claims[MOST_CLAIMS], claim_nodes[MOST_CLAIMS];
    uint32_t *choices; /* [1 << n_claims] made ready: its node where it has to meet these; NEVER if it can't */
};

struct object_shape {
    struct property *properties;
    uint32_t n_properties;
    struct name_group *groups;
    uint32_t n_groups;
    struct demand *demands;
    uint32_t n_demands;
    struct dependency *dependencies;
    uint32_t n_dependencies;
    const struct dfa *names; /* of all members; NULL: any */
    uint32_t min, max;
    /* made ready: */
    const struct dfa *keys; /* labels: 1 + class */
    struct name_class *classes;
    uint32_t n_classes; /* properties first */
};

struct shape {
    enum value_type type;
    struct number_set number;
    const struct dfa *string; /* with … */
    uint32_t min, max;        /* … so many characters; min is 0 but where all strings are in it */
    struct array_shape *array;
    struct object_shape *object;
    /* made ready: */
    const struct number_automaton *automaton;
    const struct dfa *text;
    bool ready;
    uint32_t number_of; /* in schema->shapes */
    uint32_t distance;  /* bytes of its shortest value */
};

struct forms {
    struct shape **items;
    uint32_t n;
};

enum node_kind { NODE_ANY, NODE_NEVER, NODE_SCHEMA, NODE_CONST, NODE_AND, NODE_OR, NODE_NOT };
enum node_state { NODE_NEW, NODE_BUSY, NODE_DONE };
enum inhabited { INHABITED_UNKNOWN, INHABITED_BUSY, INHABITED_YES, INHABITED_NO };

struct node {
    enum node_kind kind;
    const json_t *json; /* SCHEMA, CONST */
    const char *place, *base;
    uint32_t *parts; /* AND, OR, NOT */
    uint32_t n_parts;
    enum node_state state;
    enum inhabited inhabited;
    bool ready;
    uint32_t same; /* ready: the first that has the same forms, mostly itself */
    uint32_t distance;
    struct forms forms; /* when DONE */
};
enum { ANY = 0, NEVER = 1 }; /* the first two nodes */

struct schema {
    struct work *work;
    json_t *json, *kept;      /* while it is compiled */
    bool any_form, old_draft; /* old: $ref stands alone */
    unsigned draft;           /* 3 … 7, 2019, 2020 */
    bool draft_is_known;      /* else it's 2020 for want of another */
    const char *place;        /* what is being read, for messages; NULL: nothing of it */
    struct interner names;
    struct node *nodes;
    size_t n_nodes, nodes_capacity;
    struct shape **shapes; /* [n_shapes] of nodes that are ready, by number */
    size_t n_shapes, shapes_capacity;
    struct interner forms_names; /* of nodes that are ready: numbers of shapes … */
    uint32_t *first_nodes;       /* … and the first node with these */
    size_t first_nodes_capacity;
    uint32_t *waiting; /* [n_waiting] nodes that are reached, and aren't ready yet */
    size_t n_waiting, waiting_capacity;
    bool preparing;
    struct schema_index *index;
    uint32_t root, depth, asking; /* asking: whether nodes have values; then … */
    bool blocked;                 /* … one was met that is being worked out; there are … */
    uint32_t n_busy;
    uint32_t farthest;        /* the largest distance of a node */
    bool compares;            /* items with each other: see values.h */
    bool writes_unique;       /* has arrays with `distinct` */
    const struct dfa **fixed; /* white space and punctuation, see schema_prepare.c */
};

/* ---- schema_load.c ---- */

/* The whole: nodes of everything that can be reached, worked out and made ready. */
struct schema *schema_compile(struct work *work, const char *text, size_t n, bool any_form);
/* The same in two parts, between which the document is there, nodes can be made, and distances aren't known. NULL, with nothing
 * to close, if the text can't even be read; else it has to be closed, whether or not the work has failed, whose message then
 * gets the place it is about. */
struct schema *schema_open(struct work *work, const char *text, size_t n, bool any_form);
void schema_close(struct schema *schema);
/* Paths of a schema's parts, for messages. */
const char *schema_place_in(struct schema *schema, const char *place, const char *key);
const char *schema_place_at(struct schema *schema, const char *place, size_t index);
/* Keeps a value of our own until the schema is compiled; NULL if that fails. */
const json_t *schema_keep(struct schema *schema, json_t *json);
/* The forms that an object of keywords asks for itself. */
void schema_load(struct schema *schema, uint32_t node, struct forms *out);

/* ---- schema_unevaluated.c ---- */

/* Of the forms of an object of keywords, what its unevaluatedProperties and unevaluatedItems leave. */
void schema_load_unevaluated(struct schema *schema, const json_t *json, const char *base, uint32_t properties,
                             uint32_t items, struct forms *forms);

/* ---- schema_nodes.c ---- */

#define DEEPEST_NODE 400 /* of nodes whose forms need each other's */

uint32_t node_of_schema(struct schema *schema, const json_t *json, const char *place, const char *base);
uint32_t node_of_const(struct schema *schema, const json_t *json, const char *place);
uint32_t node_and(struct schema *schema, uint32_t a, uint32_t b);
uint32_t node_or(struct schema *schema, const uint32_t *parts, size_t n);
uint32_t node_not(struct schema *schema, uint32_t a);
/* Exactly one of them: see schema_one.c. */
uint32_t node_exactly_one(struct schema *schema, const uint32_t *parts, size_t n);
/* Works a node out. */
const struct forms *node_forms(struct schema *schema, uint32_t node);
/* An exact value of a JSON number; false: too many digits. */
bool decimal_of_json(const json_t *json, struct decimal *out);

/* ---- schema_inhabited.c ---- */

/* Is there any value? */
bool node_inhabited(struct schema *schema, uint32_t node);
bool shape_has_values(struct schema *schema, struct shape *shape);
/* Can't it be said that there is none? While nodes are being worked out. */
bool node_may_be(struct schema *schema, uint32_t node);

/* ---- schema_shapes.c ---- */

struct shape *shape_new(struct schema *schema, enum value_type type);
void forms_add(struct schema *schema, struct forms *forms, struct shape *shape);
void forms_all(struct schema *schema, struct forms *out);
void forms_and(struct schema *schema, const struct forms *a, const struct forms *b, struct forms *out);
/* All values of its type? */
bool shape_is_whole(const struct shape *shape);
/* Is there a string of a length that the shape allows? */
bool shape_strings_fit(const struct shape *shape);
/* Puts a least length into the automaton of a string where that isn't everything. False: no string is left. */
bool shape_fold_length(struct schema *schema, struct shape *shape);
/* What is said of a member's name, of an item's place. */
uint32_t object_node_of(struct schema *schema, const struct object_shape *object, const char *name, size_t n);
uint32_t array_node_of(const struct array_shape *array, uint32_t index);
/* NULL: the shape hasn't got it. */
const struct property *object_find(const struct object_shape *object, const char *name, size_t n);
/* The number of a property, made if the shape hasn't got it. */
uint32_t object_property(struct schema *schema, struct object_shape *object, const char *name, size_t n);
/* Leaves the ways out in which demands can't be met, until nothing follows any more. False: nothing is in the object. */
bool object_settle(struct schema *schema, struct object_shape *object);

/* ---- schema_not.c ---- */

void forms_not(struct schema *schema, const struct forms *a, struct forms *out);

/* ---- schema_names.c ---- */

/* The classes of an object's names. */
void object_classify(struct schema *schema, struct object_shape *object);
/* Is a demand met by the absence of a property that isn't required, and hasn't been seen (a bit each, or NULL)? */
bool object_absence(const struct object_shape *object, uint32_t demand, const uint32_t *seen);
static inline uint32_t object_all_demands(const struct object_shape *object) {
    return (uint32_t)((UINT64_C(1) << object->n_demands) - 1);
}

/* ---- schema_distance.c ---- */

/* What follows a key of that class, to the object's end. `place`: see schema_object.c. */
uint32_t schema_member_cost(const struct schema *schema, const struct object_shape *object, const uint32_t *place,
                            uint32_t class);
/* Finds the distances of all nodes, once they are ready. */
void schema_measure(struct schema *schema);

/* Bytes of the shortest text that a symbol of a schema stands for: an upper bound. */
uint32_t schema_distance(const struct schema *schema, const uint32_t *words, size_t n);

/* ---- schema_prepare.c ---- */

/* Makes a node's forms ready to run, and those of all nodes that can be reached. */
void schema_prepare(struct schema *schema, uint32_t node);

/* ---- schema_run.c ---- */

uint32_t schema_start(struct automaton *automaton, const struct schema *schema);
void schema_expand(struct automaton *automaton, const struct schema *schema, const uint32_t *words, size_t n,
                   uint32_t label, uint32_t frame);

#endif
