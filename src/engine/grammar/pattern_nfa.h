/* The nondeterministic automaton of a pattern, between pattern.c, which builds it, and pattern_subsets.c, which makes it
 * deterministic.
 *
 * Assertions are edges that are passed only where they hold. ^ and $ are asked of the place. Look-ahead is a duty: an automaton of
 * what may follow, which runs beside whoever passed and has to accept at the end. Look-behind is asked of an automaton that has read
 * the text from its beginning: "ends with such a match". */
#ifndef ENGINE_GRAMMAR_PATTERN_NFA_H
#define ENGINE_GRAMMAR_PATTERN_NFA_H

#include "engine/grammar/pattern_syntax.h"

enum nfa_kind {
    NFA_CHARS,  /* one character of the set, then next */
    NFA_SPLIT,  /* next or other */
    NFA_START,  /* next, at the beginning */
    NFA_END,    /* next, at the end */
    NFA_AHEAD,  /* next, if what follows is as look `other` says */
    NFA_BEHIND, /* next, if what came is as look `other` says */
    NFA_MATCH,  /* the text may end here */
    NFA_ALL,    /* and go on with anything */
};

struct nfa_node {
    enum nfa_kind kind;
    uint32_t next, other;
    const struct code_set *set;
};

/* An assertion of the pattern. */
struct look {
    const struct pattern_node *node;
    const struct dfa *before; /* of look-behind: texts that end with a match */
    uint32_t behind;          /* its number among those */
};

/* The assertions of a pattern, which all automata of its parts share. */
struct looks {
    struct look *items;
    size_t n, capacity;
    uint32_t n_behind;
    struct interner duty_names; /* an assertion and the place it's asked at: the number of its automaton */
    const struct dfa **duties;
    size_t duties_capacity;
};

struct nfa {
    struct work *work;
    struct nfa_node *nodes;
    size_t n, capacity;
    struct looks *looks; /* NULL: there mustn't be any */
    const struct pattern_node *(*body_of)(const void *context, uint32_t rule);
    const void *context;
};

uint32_t nfa_add(struct nfa *nfa, struct nfa_node node);
/* The nodes of a tree before `next`; the first of them. */
uint32_t nfa_build(struct nfa *nfa, const struct pattern_node *node, uint32_t next);

/* What is known where an automaton begins: is it the text's beginning; states of the automata of looks behind, NULL: those in
 * which nothing has been read. */
struct nfa_place {
    bool at_start;
    const uint32_t *behind;
};
const struct dfa *nfa_determinize(struct nfa *nfa, uint32_t start, struct nfa_place place);

#endif
