/* What a model's arithmetic costs at least: bytes that must come from memory and operations that must be done. Against
 * the machine's limits this gives the roofline (Williams, Waterman, Patterson 2009), the time that no implementation
 * on these weights could beat:
 *
 *     max(bytes / read bandwidth, int8 operations / int8 peak + float operations / float peak)
 *
 * Counted: matrices as they lie in memory, once per engine step (the head only in steps that want logits); one row of the embedding per
 * token; keys and values written once and read once per sequence and step. Not counted: norms, activations and whatever
 * fits caches. A multiply-add is two operations. */
#ifndef BENCH_MODEL_COST_H
#define BENCH_MODEL_COST_H

#include "bitnet/bitnet.h"
#include "kernels/limits.h"
#include "model/linear.h"

struct model_work {
    double bytes;
    double int8_operations, float_operations;
};

struct model_cost {
    struct model_work layers; /* bytes per engine step, operations per token: the matrices of all layers */
    struct model_work head;   /* bytes per engine step with logits, operations per row of logits */
    double embedding_row_bytes;
    double kv_bytes;                     /* of one position in one layer, keys and values */
    double attention_operations;         /* float, per query token, position and layer */
    size_t n_layers, n_windowed, window; /* windowed layers see `window` positions at most */
};

/* A product of the matrix (as the kernels read it, once) with n_tokens rows, added to *work. */
void linear_work(const struct linear *linear, size_t n_tokens, struct model_work *work);

/* The same for the output head; a screened one by what the screen reads. */
void head_work(const bn_model *model, size_t n_tokens, struct model_work *work);

void model_cost(const bn_model *model, bn_kv_type kv_type, struct model_cost *out);

/* One engine step of `streams` sequences, each with n_tokens new tokens after `position` others, and logits for the last of
 * each if `logits`; added to *work. */
void model_cost_step(const struct model_cost *cost, size_t streams, size_t position, size_t n_tokens, bool logits,
                     struct model_work *work);

/* Seconds that the limits allow for it at best. memory_bound (may be NULL): which side of the roofline. */
double roofline_seconds(const struct model_work *work, const struct machine_limits *limits, bool *memory_bound);

#endif
