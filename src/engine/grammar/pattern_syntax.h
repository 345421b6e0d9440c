/* The tree of a regular expression: read by pattern_syntax.c, compiled by pattern.c. */
#ifndef ENGINE_GRAMMAR_PATTERN_SYNTAX_H
#define ENGINE_GRAMMAR_PATTERN_SYNTAX_H

#include "engine/grammar/pattern.h"

enum pattern_kind {
    PATTERN_CHARS,  /* one character of a set */
    PATTERN_CONCAT, /* items, in order */
    PATTERN_ALTERNATIVES,
    PATTERN_REPEAT,
    PATTERN_START, /* ^ */
    PATTERN_END,   /* $ */
    PATTERN_LOOK,  /* look-ahead */
};
#define PATTERN_UNLIMITED UINT32_MAX

struct pattern_node {
    enum pattern_kind kind;
    struct code_set set;         /* CHARS */
    struct pattern_node **items; /* CONCAT, ALTERNATIVES; REPEAT and LOOK have one */
    size_t n_items, items_capacity;
    uint32_t min, max; /* REPEAT */
    bool negative;     /* LOOK */
};

/* NULL after a failure. */
struct pattern_node *pattern_parse(struct work *work, const char *text, size_t n);

#endif
