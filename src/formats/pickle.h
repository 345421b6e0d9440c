/* Python's pickles, read and never run.
 *
 * A pickle is a program for a small stack machine that can call any Python function. Here the machine builds a tree instead: a call of
 * a function that the reader's allow-list names becomes a node that says so, every other is an error that names
 * it. Protocols 0 to 5; specification: CPython's pickletools. */
#ifndef FORMATS_PICKLE_H
#define FORMATS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INTEGER,
    PICKLE_LONG, /* beyond 64 bits: its little-endian bytes in `text` */
    PICKLE_NUMBER,
    PICKLE_STRING, /* str or bytes */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,       /* items: key, value, key, value, … */
    PICKLE_GLOBAL,     /* a name of the allow-list */
    PICKLE_CALL,       /* of a global with the tuple `arguments`; items as DICT's, if any were set */
    PICKLE_PERSISTENT, /* what the writer kept outside: `arguments` is its id */
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        bool truth;
        int64_t integer;
        double number;
        struct {
            const char *text; /* into the pickle; any bytes */
            size_t text_size;
        };
    };
    size_t global; /* index in the allow-list */
    const struct pickle_value *arguments;
    struct pickle_value **items;
    size_t n_items, capacity;
};

/* Module and name of what may be mentioned. */
struct pickle_global {
    const char *module, *name;
};

/* Reads one pickle from the start of `bytes`. Values live in `arena` and point into the bytes; lists and dicts may contain themselves.
 * *consumed: how many bytes it took. Bounded: at most 64 MB of pickle and 2 million values. */
bn_status pickle_parse(const uint8_t *bytes, size_t size, const struct pickle_global *allowed, size_t n_allowed,
                       struct arena *arena, const struct pickle_value **root, size_t *consumed, bn_error *err);

/* NULL where the dict (or call with items) has no such text key. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

#endif
