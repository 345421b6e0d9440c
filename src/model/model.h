/* A model in memory: hyper-parameters, block traits, weights, and one decoder forward pass over a batch. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "bitnet/model.h"
#include "bitnet/sampler.h"
#include "kernels/kernels.h"

/* ---- KV pages ----
 * A page holds KV_PAGE_TOKENS consecutive positions of one sequence for all layers and heads, keys after rotation;
 * kv_layout.h says how. Who owns pages, shares and copies them is the engine's business (kv_cache.h). */
#define KV_PAGE_TOKENS KEY_BLOCK
enum kv_type { KV_F16, KV_F32, KV_Q8 /* int8 with a scale per position and head */ };

size_t model_kv_page_bytes(const struct bn_model *model, enum kv_type type);

/* ---- one step ----
 * Consecutive tokens of one sequence: positions first_position … first_position + n_tokens − 1. */
struct batch_sequence {
    size_t n_tokens;
    size_t first_position;
    uint8_t *const *pages;  /* page of position p is pages[p / KV_PAGE_TOKENS]; those written here must not be shared */
    size_t reserved_length; /* the longest this sequence may become: chooses between the short and long factors of
                                longrope and the base of dynamic NTK scaling, once for its whole life */
};

struct batch {
    const int32_t *tokens;      /* [n_tokens], sequence after sequence; every id < vocab_size */
    const uint8_t *want_logits; /* [n_tokens] nonzero where a row of logits is wanted */
    size_t n_tokens;
    const struct batch_sequence *sequences;
    size_t n_sequences;
};

/* Scratch memory of forward passes of up to max_tokens tokens on that pool; one per concurrent caller.
 * BN_STATUS_BAD_ARGUMENT when max_context exceeds the positions of a model that has learned them. */
struct workspace;
bn_status workspace_create(const struct bn_model *model, size_t max_tokens, size_t max_context,
                           const struct thread_pool *pool, struct workspace **out, bn_error *err);
void workspace_destroy(struct workspace *workspace);

/* What a pass is made of, for those who time it. Norms, rounding and activation belong to the product they precede. */
enum forward_step {
    STEP_PLAN,  /* the engine's: choosing the batch, and everything else since the last draw */
    STEP_EMBED, /* angles of the positions, rows of the embedding */
    STEP_QKV,
    STEP_HEADS, /* norms of heads, rotation, storing keys and values */
    STEP_ATTENTION,
    STEP_O,
    STEP_GATE_UP,
    STEP_DOWN,
    STEP_HEAD,
    STEP_DRAW, /* the engine's: from logits to a token */
    N_STEPS
};

/* Called at the end of each step, on the driving thread: what passed since the last call belongs to this step. layer is
 * −1 outside the layers. done NULL: off. */
struct step_timer {
    void (*done)(void *context, enum forward_step step, int layer, size_t n_tokens);
    void *context;
};

static inline void step_done(const struct step_timer *timer, enum forward_step step, int layer, size_t n_tokens) {
    if (timer->done) timer->done(timer->context, step, layer, n_tokens);
}

struct forward_options {
    const struct kernels *kernels;
    struct thread_pool *pool;
    enum kv_type kv_type;
    size_t attention_sinks, attention_window; /* a token sees the first … and the last … positions only; 0, 0: all */
    struct step_timer timer;
};

/* Runs the batch, appends its keys and values to the pages, and writes one row of vocab_size float32 logits per wanted
 * token, in order, to `logits`. Row t depends only on its own sequence: bit-equal for any batch, chunking, thread
 * count and instruction set. n_tokens ≤ the workspace's max_tokens; positions < max_context. With logits NULL the wanted
 * tokens' hidden states stay in the workspace, for the functions of the head below. */
void model_forward(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                   const struct batch *batch, float *logits);

/* ---- the output head, on hidden states of the last forward pass ----
 * `rows` are numbers of wanted tokens, in their order. */

/* logits[i] of rows[i]; rows NULL: of the first n. The rows are gathered, so the head's weights are read once. */
void model_logits(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                  const size_t *rows, size_t n, float *logits);

/* The hidden state of a row, behind the last norm: [hidden_size], until the next pass. */
const float *model_hidden(const struct bn_model *model, const struct workspace *workspace, size_t row);

/* Is there a six-bit copy of the head that tells which tokens can matter (docs/head.md)? */
bool model_is_screened(const struct bn_model *model);
/* Hidden states in one pass over the copy. */
#define MODEL_SCREEN_MAX 16
/* lower[i·V + id] ≤ the logit of `id` as model_logits computes it ≤ upper[i·V + id], for n ≤ MODEL_SCREEN_MAX rows.
 * sound[i] false: no bounds for that row (its logits could overflow, or aren't numbers). */
void model_screen(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                  const size_t *rows, size_t n, float *lower, float *upper, bool *sound);
/* Fills in items[i].logit of items[i].id for one row: the bits of model_logits. The head must be screened. */
void model_rescore(const struct bn_model *model, const struct workspace *workspace,
                   const struct forward_options *options, size_t row, bn_candidate *items, size_t n);

/* Gives back the memory of a mapped head's exact weights, which the system otherwise keeps in this process's share once
 * they have been read. Thread-safe. */
void model_drop_head_pages(const struct bn_model *model);

/* Two sequences whose reserved lengths have the same class are given the same position factors, so that equal tokens
 * give equal keys and pages may be shared between them. 0 for models whose factors don't depend on the length. */
size_t model_rope_class(const struct bn_model *model, size_t reserved_length);

size_t model_hidden_size(const struct bn_model *model);
size_t model_vocab_size(const struct bn_model *model);
size_t model_context_length(const struct bn_model *model);

#endif
