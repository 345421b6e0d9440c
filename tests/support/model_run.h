/* Running a model without an engine: pages of its own, one call per chunk of tokens. */
#ifndef SUPPORT_MODEL_RUN_H
#define SUPPORT_MODEL_RUN_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

struct model_run {
    const bn_model *model;
    struct thread_pool *pool;
    const struct kernels *kernels;
    enum kv_type kv_type;
    struct workspace *workspace;
    size_t max_tokens, max_context, reserved_length, n_pages;
    uint8_t **pages; /* of one sequence */
    size_t length;   /* tokens in it */
};

static inline bool model_run_init(struct model_run *run, const bn_model *model, size_t n_threads, size_t max_context) {
    *run = (struct model_run){.model = model,
                              .kernels = kernels_best(),
                              .kv_type = KV_F32,
                              .max_tokens = max_context,
                              .max_context = max_context,
                              .reserved_length = max_context};
    run->n_pages = (max_context + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS;
    run->pages = calloc(run->n_pages, sizeof *run->pages);
    if (!run->pages || thread_pool_acquire(n_threads, &run->pool, NULL) != BN_OK) return false;
    for (size_t i = 0; i < run->n_pages; i++) {
        size_t bytes = model_kv_page_bytes(model, KV_F32);
        if (!(run->pages[i] = mem_alloc_aligned(bytes))) return false;
        memset(run->pages[i], 0xff, bytes); /* NaN: whatever is read before it was written shows */
    }
    return workspace_create(model, run->max_tokens, max_context, run->pool, &run->workspace, NULL) == BN_OK;
}

static inline void model_run_release(struct model_run *run) {
    workspace_destroy(run->workspace);
    for (size_t i = 0; run->pages && i < run->n_pages; i++) mem_free_aligned(run->pages[i]);
    free(run->pages);
    if (run->pool) thread_pool_release(run->pool);
}

/* Appends tokens to the sequence; logits of all of them, or of the last only, row after row. */
static inline void model_run_append(struct model_run *run, const int32_t *tokens, size_t n, bool all, float *logits) {
    uint8_t *want = malloc(n);
    memset(want, all, n);
    want[n - 1] = 1;
    struct batch_sequence sequence = {
        .n_tokens = n, .first_position = run->length, .pages = run->pages, .reserved_length = run->reserved_length};
    struct batch batch = {tokens, want, n, &sequence, 1};
    struct forward_options options = {.kernels = run->kernels, .pool = run->pool, .kv_type = run->kv_type};
    model_forward(run->model, run->workspace, &options, &batch, logits);
    run->length += n;
    free(want);
}

#endif
