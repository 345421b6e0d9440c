/* Finite automata over code points: the language of a pattern, a set of words, a set of keys.
 *
 * Deterministic, and trimmed: from every state some text leads to acceptance, so whoever walks along edges never gets
 * stuck. That makes "may this character come?" a question of one edge. The alphabet is all Unicode scalar values. How the
 * characters are spelled (UTF-8, or a JSON string with its escapes) is the lexemes' business (lexeme.h). Immutable. */
#ifndef ENGINE_GRAMMAR_DFA_H
#define ENGINE_GRAMMAR_DFA_H

#include "engine/grammar/work.h"

#define DFA_DEAD        UINT32_MAX
#define LAST_CODE_POINT 0x10ffffu

struct dfa_edge {
    uint32_t first, last; /* code points */
    uint32_t to;
};

struct dfa_state {
    uint32_t first_edge, n_edges; /* ascending, disjoint */
    uint32_t label;               /* 0: not accepting; otherwise what was recognized */
    uint32_t distance;            /* bytes of the shortest way to acceptance, spelled as a JSON string */
    uint32_t length;              /* characters of the way with the fewest */
};

/* Bytes of a way to acceptance that has at most so many characters: an upper bound. There must be one. */
static inline uint32_t dfa_distance(const struct dfa_state *state, uint32_t room) {
    return state->distance <= room ? state->distance : 6 * state->length;
}

struct dfa {
    struct dfa_state *states; /* [n_states], the first is the start; none: the empty language */
    struct dfa_edge *edges;
    uint32_t n_states, n_edges;
    bool everything;     /* one state that accepts and stays: any text */
    uint32_t free_state; /* one like that among others, or DFA_DEAD */
    uint32_t longest;    /* the largest `length` of a state */
};

/* Where a code point leads from a state, or DFA_DEAD. */
uint32_t dfa_next(const struct dfa *dfa, uint32_t state, uint32_t code_point);
/* The label of a UTF-8 text, 0 if it isn't accepted. */
uint32_t dfa_match(const struct dfa *dfa, const char *text, size_t n);
/* Bytes of the shortest spelling of any character in a range. */
uint32_t spelling_bytes(uint32_t first, uint32_t last);

/* An automaton is made by exploring: states are named by words, `expand` says of each what it accepts and where it
 * leads. Edges are added in ascending order. */
struct exploration;
typedef void (*expand_function)(void *context, const uint32_t *words, size_t n, struct exploration *to);
void explore_accept(struct exploration *to, uint32_t label);
void explore_edge(struct exploration *to, uint32_t first, uint32_t last, const uint32_t *words, size_t n);
/* NULL after a failure (work->status), as everywhere below. */
const struct dfa *dfa_explore(struct work *work, const uint32_t *start, size_t n, expand_function expand,
                              void *context);

/* The same of states and edges that are there, in memory that isn't needed afterwards: what leads nowhere is left out. Distances are found
 * the faster, the more edges lead to states behind. */
const struct dfa *dfa_trim(struct work *work, struct dfa *all);

/* Automata that were made are kept by name (a kind, and a text), so that what a schema says twice is made once. NULL: not
 * kept yet. *id is for dfa_keep. */
const struct dfa *dfa_known(struct work *work, uint32_t kind, const char *text, size_t n, uint32_t *id);
const struct dfa *dfa_keep(struct work *work, uint32_t id, const struct dfa *dfa);
const struct dfa *dfa_copy(struct work *work, const struct dfa *dfa);

const struct dfa *dfa_everything(struct work *work);
const struct dfa *dfa_nothing(struct work *work);
/* n different texts (UTF-8) with their labels: see dfa_words.c. */
struct dfa_word {
    const char *text;
    size_t n;
    uint32_t label;
};
const struct dfa *dfa_words(struct work *work, const struct dfa_word *words, size_t n);

enum dfa_operation { DFA_AND, DFA_OR, DFA_WITHOUT };
/* Labels are those of a, then of b. */
const struct dfa *dfa_combine(struct work *work, const struct dfa *a, const struct dfa *b,
                              enum dfa_operation operation);
/* The texts of a that have min … max characters (UINT32_MAX: no limit). */
const struct dfa *dfa_limit(struct work *work, const struct dfa *a, uint32_t min, uint32_t max);
/* The texts of a whose labels are allowed: bit label − 1 of the set. Distances are those to the end of what follows, for which
 * costs[label − 1] bytes are taken; NULL: 0. */
const struct dfa *dfa_restrict(struct work *work, const struct dfa *a, const uint32_t *allowed, const uint32_t *costs);
/* The same with `more` added to all labels. */
const struct dfa *dfa_relabel(struct work *work, const struct dfa *a, uint32_t more);
/* Which of n automata accept? The label of a text is 1 + the number of its set of them in *sets: bit i % 32 of word
 * i / 32. Every text is accepted, those of the empty set too. */
const struct dfa *dfa_classify(struct work *work, const struct dfa *const *parts, size_t n, struct interner *sets);

#endif
