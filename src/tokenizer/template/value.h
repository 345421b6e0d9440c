/* The values a template computes with: Python's, as far as Jinja shows them. Values are small structs passed by value;
 * what they point to lives in the evaluator's arena and never changes after it was made (the sandbox forbids mutation;
 * only a namespace's attributes can be set), so sharing needs no counting and nothing can contain itself except through
 * a namespace. */
#ifndef TOKENIZER_TEMPLATE_VALUE_H
#define TOKENIZER_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evaluator;
struct big;
struct macro;
struct loop;
struct iterator;
struct builtin;

enum value_type {
    V_MISSING,   /* no value at all: an argument not given, a name not set */
    V_UNDEFINED, /* Jinja's undefined; text says why */
    V_NONE,
    V_BOOL,
    V_INT, /* fits in 64 bits; V_BIG never does */
    V_BIG,
    V_FLOAT,
    V_TEXT,
    V_LIST,
    V_TUPLE,
    V_DICT,
    V_RANGE,
    V_VIEW,     /* dict.keys(), .values(), .items() */
    V_ITERATOR, /* what filters like map give: has no length, runs once */
    V_NAMESPACE,
    V_CYCLER,
    V_JOINER,
    V_LOOP,
    V_MACRO,
    V_FUNCTION,
    V_METHOD
};

/* Spare room behind a text or list that was grown by appending: `a ~ b` and `a + b` extend it in place when `a` ends
 * where the room is used up, so that building something piece by piece in a loop costs no more than its final size. */
struct room {
    size_t used, capacity;
};

/* UTF-8, valid; n_chars counts code points (== n_bytes for ASCII). */
struct text {
    const char *data;
    size_t n_bytes, n_chars;
    struct room *room;
};

struct value;
struct list {
    const struct value *items;
    size_t n;
    struct room *room;
};

struct range {
    int64_t start, stop, step;
    size_t n;
};

enum view_kind { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS };
struct view {
    const struct dict *dict;
    enum view_kind kind;
};

struct value {
    enum value_type type;
    bool markup;  /* V_TEXT: Python's Markup; what is added to it gets escaped */
    bool grouped; /* V_TUPLE: a pair of groupby, with the attributes grouper and list */
    union {
        bool boolean;
        int64_t integer;
        double number;
        const struct big *big;
        const struct text *text; /* V_TEXT; V_UNDEFINED: the message, or NULL */
        const struct list *list; /* V_LIST, V_TUPLE */
        const struct dict *dict;
        const struct range *range;
        const struct view *view;
        struct iterator *iterator;
        struct namespace_object *space;
        struct cycler *cycler;
        struct joiner *joiner;
        struct loop *loop;
        const struct macro *macro;
        const struct builtin *function;
        const struct method *method;
    } as;
};

struct dict_entry {
    struct value key, value;
    uint32_t hash;
};
/* Keeps insertion order. `slots` is an open-addressed table of entry numbers + 1, made once there are more than a few. */
struct dict {
    struct dict_entry *entries;
    size_t n, capacity;
    uint32_t *slots;
    size_t n_slots;
};

struct namespace_object {
    struct dict attributes;
    bool fixed; /* `self`: its attributes are the template's blocks */
};
struct cycler {
    const struct list *items;
    size_t position;
};
struct joiner {
    struct value separator;
    bool used;
};
struct method {
    const struct builtin *function;
    struct value self;
};

static inline struct value value_missing(void) {
    return (struct value){.type = V_MISSING};
}
static inline struct value value_none(void) {
    return (struct value){.type = V_NONE};
}
static inline struct value value_bool(bool b) {
    return (struct value){.type = V_BOOL, .as.boolean = b};
}
static inline struct value value_int(int64_t i) {
    return (struct value){.type = V_INT, .as.integer = i};
}
static inline struct value value_float(double f) {
    return (struct value){.type = V_FLOAT, .as.number = f};
}
static inline struct value value_text(const struct text *t) {
    return (struct value){.type = V_TEXT, .as.text = t};
}
/* Wraps rather than overflows at the outer end of the longest ranges. */
static inline int64_t range_at(const struct range *r, int64_t i) {
    return (int64_t)((uint64_t)r->start + (uint64_t)i * (uint64_t)r->step);
}
static inline bool is_given(struct value v) {
    return v.type != V_MISSING;
}
static inline bool is_integer(struct value v) {
    return v.type == V_BOOL || v.type == V_INT || v.type == V_BIG;
}
static inline bool is_number(struct value v) {
    return is_integer(v) || v.type == V_FLOAT;
}

/* Name of the Python type, for messages: "str", "int", … */
const char *value_type_name(struct value v);
bool value_truth(struct value v);

/* All that can fail return false with the evaluator's error set. */
bool value_undefined(struct evaluator *ev, struct value *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool value_equal(struct evaluator *ev, struct value a, struct value b, bool *equal);
/* Ordering of numbers, texts, lists and tuples: *order < 0, 0, > 0. NaN gives 2 ("unordered"). */
bool value_compare(struct evaluator *ev, struct value a, struct value b, int *order);
/* len(): false without an error where Python has no length. */
bool value_length(struct value v, size_t *n);
/* Python's `needle in haystack`. */
bool value_contains(struct evaluator *ev, struct value haystack, struct value needle, bool *found);

/* Texts. text_copy copies the bytes, text_wrap keeps the pointer. NULL after an error. */
struct text *text_copy(struct evaluator *ev, const char *data, size_t n_bytes);
struct text *text_wrap(struct evaluator *ev, const char *data, size_t n_bytes);
bool text_concat(struct evaluator *ev, const struct text *a, const struct text *b, struct value *out);
bool text_is(const struct text *t, const char *literal);
bool text_equal(const struct text *a, const struct text *b);
size_t count_code_points(const char *data, size_t n_bytes);
/* Byte offset of code point number `index` (0 … n_chars). */
size_t text_offset(const struct text *t, size_t index);
/* The code points [from, to) as a text of their own (shares the bytes). */
struct text *text_slice(struct evaluator *ev, const struct text *t, size_t from, size_t to);

/* Lists and tuples. The items must be in the arena. */
bool list_value(struct evaluator *ev, enum value_type type, const struct value *items, size_t n, struct value *out);
bool list_concat(struct evaluator *ev, enum value_type type, const struct list *a, const struct list *b,
                 struct value *out);

/* A list under construction. */
struct list_builder {
    struct value *items;
    size_t n, capacity;
};
bool list_builder_add(struct evaluator *ev, struct list_builder *builder, struct value v);

/* Dicts: set is for building only. get sets *found to NULL when the key isn't there; keys that can't be hashed fail. */
struct dict *dict_create(struct evaluator *ev, size_t expected);
bool dict_set(struct evaluator *ev, struct dict *dict, struct value key, struct value v);
bool dict_get(struct evaluator *ev, const struct dict *dict, struct value key, const struct value **found);
const struct value *dict_get_text(const struct dict *dict, const char *key, size_t n_bytes);
bool value_is_hashable(struct value v);

/* What a view (kind of a dict) gives at position i, tuples for items. */
bool view_at(struct evaluator *ev, const struct dict *dict, enum view_kind kind, size_t i, struct value *out);

#endif
