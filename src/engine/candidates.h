/* The tokens that are still possible while the sampler chain runs.
 *
 * At first these are all ids whose logit isn't −infinity, and nothing is copied: stages that only change logits work
 * on the model's own array. The first filter lists them; from then on `items` is the truth, ascending by id. Weights
 * are exp(logit − max) in float64, computed when a stage first asks and kept while they hold. A filter sets `keep` for
 * every item and calls candidates_filter.
 *
 * A partial list is one that a screened head gives (docs/head.md): exact logits of some ids, and of all others that
 * none exceeds `floor`. A filter that can tell from it what it would keep of all ids ends the partial state; whatever
 * can't sets `undecided`, and the token has to be chosen again from all logits. */
#ifndef ENGINE_CANDIDATES_H
#define ENGINE_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/sampler.h"

/* An item's index with a key to sort by. */
struct rank {
    uint32_t key;
    uint32_t index;
};

/* What a screened head knows. */
struct partial_logits {
    bn_candidate *items; /* [n] ascending by id; changed in place */
    size_t n;
    float floor; /* no logit of another id is greater */
    double tail; /* ≥ Σ exp(z/T − tail_reference) over all other ids, for top-p; INFINITY if unknown … */
    double tail_reference; /* … T being the temperature that comes before it */
};

struct candidates {
    size_t capacity;         /* of the arrays: the vocabulary's size */
    bn_candidate *own_items; /* [capacity] */
    bn_candidate *items;     /* [n] own_items, or those of a partial list */
    double *weights;         /* [n], if weighed */
    bool *keep;              /* [n], between a filter and candidates_filter */
    struct rank *ranks;      /* [n], after candidates_rank_… */
    struct rank *ranks_swap; /* room for sorting */

    float *logits; /* [capacity]: the model's, in place */
    bool listed;   /* items and n are valid; logits is stale */
    bool weighed;  /* weights, max and total are valid */
    size_t n;
    float max;    /* largest logit */
    double total; /* Σ weights, ascending by id */

    bool partial; /* other ids than the items are possible: see partial_logits */
    bool undecided;
    float floor;
    double tail, tail_reference;
};

/* false when memory is refused; candidates_release is right then, too. *c is zeroed before. */
bool candidates_init(struct candidates *c, size_t capacity);
void candidates_release(struct candidates *c);

/* Starts over with these logits. */
void candidates_begin(struct candidates *c, float *logits);
/* Starts over with a partial list. */
void candidates_begin_partial(struct candidates *c, const struct partial_logits *partial);
/* True if no other ids are possible than those listed; otherwise the choice becomes undecided. */
bool candidates_are_whole(struct candidates *c);
void candidates_list(struct candidates *c);
/* Lists and weighs. False when nothing is left. */
bool candidates_weigh(struct candidates *c);

/* Where the id's logit is now; NULL for an id that isn't among the candidates. The weights become stale. */
float *candidates_logit(struct candidates *c, int32_t id);
/* Leaves nothing possible but the n ids with those logits; −infinity where one isn't. Before the first filter only. */
void candidates_force(struct candidates *c, const bn_logit_bias *ids, const float *logits, size_t n);
/* Drops listed items with a logit of −infinity. */
void candidates_drop_impossible(struct candidates *c);

/* Drops the items whose `keep` is false. */
void candidates_filter(struct candidates *c);
/* Keeps the k largest, of equal ones the lowest ids. Costs one pass over the vocabulary when k is small. */
void candidates_keep_largest(struct candidates *c, size_t k);
/* Index of the largest item, of equal ones the lowest id. n > 0. */
size_t candidates_largest(const struct candidates *c);

/* ln p of item i, without −ln(total): what is needed when that cancels. 0 for the largest. */
static inline double candidates_relative(const struct candidates *c, size_t i) {
    return c->items[i].logit == c->max ? 0.0 : (double)c->items[i].logit - (double)c->max;
}

/* The k-th largest of the items' logits, 1 ≤ k ≤ n. */
float candidates_kth_largest(const bn_candidate *items, size_t n, size_t k);

/* A key that ascends as the float descends; equal for equal floats (−0 and +0, too). */
uint32_t descending_key(float x);
/* Sorts ranks[0,n) ascending by key; equal keys stay in order. */
void candidates_sort_ranks(struct candidates *c, size_t n);

#endif
