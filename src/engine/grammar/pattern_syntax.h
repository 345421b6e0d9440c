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
    PATTERN_LOOK,  /* what is around */
    /* in rules only: */
    PATTERN_RULE,    /* what a rule says */
    PATTERN_SPECIAL, /* a special token */
    PATTERN_SCHEMA,  /* a value of a node of the grammar's schema */
    PATTERN_DFA,     /* an automaton's texts */
};
#define PATTERN_UNLIMITED UINT32_MAX

struct pattern_node {
    enum pattern_kind kind;
    struct code_set set;         /* CHARS */
    struct pattern_node **items; /* CONCAT, ALTERNATIVES; REPEAT and LOOK have one */
    size_t n_items, items_capacity;
    uint32_t min, max;     /* REPEAT */
    bool negative, behind; /* LOOK: ahead or behind */
    uint32_t rule;         /* RULE; SCHEMA: the node */
    bool lexeme;           /* one token of a grammar */
    const struct dfa *dfa; /* DFA */
    const char *bytes;     /* SPECIAL, as in token_trie.h */
    uint32_t n_bytes;
};

/* A tree that refers to no rule that refers to itself, as an automaton of whole texts. bodies: of the rules. */
const struct dfa *pattern_tree_compile(struct work *work, const struct pattern_node *tree,
                                       const struct pattern_node *(*body_of)(const void *context, uint32_t rule),
                                       const void *context);

/* NULL after a failure. */
struct pattern_node *pattern_parse(struct work *work, const char *text, size_t n);

#endif
