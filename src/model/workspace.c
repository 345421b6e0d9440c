/* Scratch memory of forward passes. */
#include "model/workspace.h"

#include "base/memory.h"
#include "kernels/layout.h"

/* Sticky: after one allocation failed, the rest give NULL. */
static void *take(struct workspace *w, bool *failed, size_t a, size_t b, size_t item_bytes) {
    size_t n;
    void *memory = !*failed && mul_size(a, b, &n) ? arena_alloc_array(&w->arena, n, item_bytes) : NULL;
    if (!memory) *failed = true;
    return memory;
}

bn_status workspace_create(const struct bn_model *model, size_t max_tokens, size_t max_context,
                           const struct thread_pool *pool, struct workspace **out, bn_error *err) {
    const struct model_config *c = &model->config;
    size_t d = c->hidden_size, heads = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    size_t T = max_size(max_tokens, 1), slots = thread_pool_size(pool);
    if (c->arch->position == POSITION_LEARNED && max_context > c->context_length)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "a context of %zu positions, but the model has learned only %zu",
                    max_context, c->context_length);
    struct workspace *w = mem_calloc(1, sizeof *w);
    if (!w) return fail_no_memory(err, sizeof *w);
    arena_init(&w->arena);
    w->max_tokens = T;
    w->max_context = max_size(max_context, 1);

    bool failed = false;
    w->places = take(w, &failed, T, 1, sizeof *w->places);
    w->x = take(w, &failed, T, d, sizeof(float));
    w->normed = take(w, &failed, T, d, sizeof(float));
    w->out = take(w, &failed, T, d, sizeof(float));
    w->q = take(w, &failed, T, heads, sizeof(float));
    w->attended = take(w, &failed, T, heads, sizeof(float));
    w->k = take(w, &failed, T, kv, sizeof(float));
    w->v = take(w, &failed, T, kv, sizeof(float));
    w->gate = take(w, &failed, T, c->intermediate_size, sizeof(float));
    w->up = take(w, &failed, T, c->intermediate_size, sizeof(float));
    if (c->arch->position == POSITION_ROPE) {
        size_t pairs = max_size(model->rope.n_pairs, model->local_rope.n_pairs);
        w->angles[0] = take(w, &failed, T, 2 * pairs, sizeof(float));
        if (model->local_rope.n_pairs) w->angles[1] = take(w, &failed, T, 2 * pairs, sizeof(float));
        w->frequencies = take(w, &failed, pairs, 1, sizeof(float));
    }
    failed = failed || !attention_scratch_init(&w->attention, c, T, w->max_context, slots, &w->arena);
    if (model->weights.screen.codes) {
        w->screen_q = take(w, &failed, SCREEN_INPUTS_MAX, s6_spans(d) * S6_SPAN, 2);
        w->screen_sums = take(w, &failed, SCREEN_INPUTS_MAX, s6_spans(d), sizeof *w->screen_sums);
    }
    struct linear_context *l = &w->linear;
    l->q_stride = round_up(model->max_cols, CACHE_LINE);
    l->q = take(w, &failed, T, l->q_stride, 1);
    l->scales = take(w, &failed, T, 1, sizeof(float));
    l->sums = take(w, &failed, T, 1, sizeof(int32_t));
    if (model->rounds_in_float) l->rounded = take(w, &failed, T, model->max_cols, sizeof(float));
    l->scratch_bytes = linear_scratch_bytes(model->max_cols);
    l->scratch = take(w, &failed, slots, l->scratch_bytes, 1);
    if (failed) {
        workspace_destroy(w);
        return fail(err, BN_STATUS_NO_MEMORY, "no memory for the scratch buffers of %zu tokens in a context of %zu", T,
                    max_context);
    }
    *out = w;
    return BN_OK;
}

void workspace_destroy(struct workspace *workspace) {
    if (!workspace) return;
    arena_release(&workspace->arena);
    mem_free(workspace);
}
