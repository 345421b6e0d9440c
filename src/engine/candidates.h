/* The tokens that are still possible while the sampler chain runs.
 *
 * At first these are all ids whose logit isn't −infinity, and nothing is copied: stages that only change logits work
 * on the model's own array. The first filter lists them; from then on `items` is the truth, ascending by id. Weights
 * are exp(logit − max) in float64, computed when a stage first asks and kept while they hold. A filter sets `keep` for
 * every item and calls candidates_filter. */
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

struct candidates {
    size_t capacity;         /* of the arrays: the vocabulary's size */
    bn_candidate *items;     /* [n] */
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
};

/* false when memory is refused; candidates_release is right then, too. *c is zeroed before. */
bool candidates_init(struct candidates *c, size_t capacity);
void candidates_release(struct candidates *c);

/* Starts over with these logits. */
void candidates_begin(struct candidates *c, float *logits);
void candidates_list(struct candidates *c);
/* Lists and weighs. False when nothing is left. */
bool candidates_weigh(struct candidates *c);

/* Where the id's logit is now; NULL for an id that isn't among the candidates. The weights become stale. */
float *candidates_logit(struct candidates *c, int32_t id);

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

/* A key that ascends as the float descends; equal for equal floats (−0 and +0, too). */
uint32_t descending_key(float x);
/* Sorts ranks[0,n) ascending by key; equal keys stay in order. */
void candidates_sort_ranks(struct candidates *c, size_t n);

#endif
