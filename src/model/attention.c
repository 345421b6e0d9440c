/* Attention over the paged KV cache.
 *
 * A query head sees positions [first, position]. Scores of all of them go to one row in order, whatever page they come
 * from, then softmax over that row, then values are added in the order of positions: nothing depends on how pages lie,
 * how the batch was cut, or which thread does it. Threads take blocks of (tokens × the query heads of one key-value head),
 * so that those find the keys they share in the cache; or single heads when there are more threads than such blocks. */
#include "model/attention.h"

#include <string.h>

#include "base/memory.h"

#define TOKENS_PER_CHUNK 4

size_t kv_page_offset(const struct model_config *c, size_t layer, bool values, size_t kv_head) {
    return ((layer * 2 + values) * c->n_kv_heads + kv_head) * KV_PAGE_TOKENS * c->head_dim;
}

size_t model_kv_page_bytes(const struct bn_model *model, enum kv_type type) {
    return kv_page_offset(&model->config, model->config.n_layers, false, 0) *
           (type == KV_F32 ? sizeof(float) : sizeof(uint16_t));
}

void kv_store(const struct kernels *kernels, const struct model_config *c, enum kv_type type, size_t layer,
              const struct token_place *place, const float *k, const float *v) {
    uint8_t *page = place->sequence->pages[place->position / KV_PAGE_TOKENS];
    size_t row = place->position % KV_PAGE_TOKENS * c->head_dim, D = c->head_dim;
    for (size_t values = 0; values < 2; values++)
        for (size_t h = 0; h < c->n_kv_heads; h++) {
            size_t at = kv_page_offset(c, layer, values, h) + row;
            const float *from = (values ? v : k) + h * D;
            if (type == KV_F32)
                memcpy((float *)(void *)page + at, from, D * sizeof(float));
            else
                kernels->f32_to_f16((uint16_t *)(void *)page + at, from, D);
        }
}

/* Keys or values of one page as an attention kernel takes them. */
static const void *page_rows(const struct attention *a, const struct token_place *place, size_t position, bool values,
                             size_t kv_head) {
    const uint8_t *page = place->sequence->pages[position / KV_PAGE_TOKENS];
    size_t at =
        kv_page_offset(a->config, a->layer_index, values, kv_head) + position % KV_PAGE_TOKENS * a->config->head_dim;
    return page + at * (a->kv_type == KV_F32 ? sizeof(float) : sizeof(uint16_t));
}

static void attend_head(const struct attention *a, size_t token, size_t head, float *scores) {
    const struct kernels *kernels = a->kernels;
    const struct token_place *place = &a->places[token];
    size_t D = a->config->head_dim, kv_head = head / (a->config->n_heads / a->config->n_kv_heads);
    size_t end = place->position + 1, window = a->layer->window;
    size_t first = window && end > window ? end - window : 0;
    const float *q = a->q + (token * a->config->n_heads + head) * D;
    float *out = a->out + (token * a->config->n_heads + head) * D, scale = a->layer->attention_scale;

    for (size_t p = first, n; p < end; p += n) {
        n = min_size(KV_PAGE_TOKENS - p % KV_PAGE_TOKENS, end - p);
        const void *k = page_rows(a, place, p, false, kv_head);
        if (a->kv_type == KV_F32)
            kernels->attention_scores_f32(scores + p - first, q, k, D, n, D, scale);
        else
            kernels->attention_scores_f16(scores + p - first, q, k, D, n, D, scale);
    }
    if (a->config->attention_softcap > 0) kernels->softcap(scores, a->config->attention_softcap, end - first);
    kernels->softmax(scores, end - first);
    memset(out, 0, D * sizeof(float));
    for (size_t p = first, n; p < end; p += n) {
        n = min_size(KV_PAGE_TOKENS - p % KV_PAGE_TOKENS, end - p);
        const void *v = page_rows(a, place, p, true, kv_head);
        if (a->kv_type == KV_F32)
            kernels->attention_values_f32(out, scores + p - first, v, D, n, D);
        else
            kernels->attention_values_f16(out, scores + p - first, v, D, n, D);
    }
}

static void attend_chunk(void *context, size_t chunk, size_t slot) {
    const struct attention *a = context;
    size_t n = a->heads_per_chunk, parts = a->config->n_heads / n;
    size_t head = chunk % parts * n, first = chunk / parts * TOKENS_PER_CHUNK;
    for (size_t t = first; t < min_size(a->n_tokens, first + TOKENS_PER_CHUNK); t++)
        for (size_t h = head; h < head + n; h++) attend_head(a, t, h, a->scores + slot * a->max_context);
}

void attend(struct attention *attention) {
    size_t blocks = (attention->n_tokens + TOKENS_PER_CHUNK - 1) / TOKENS_PER_CHUNK;
    size_t n_heads = attention->config->n_heads, n_kv_heads = attention->config->n_kv_heads;
    bool enough = blocks * n_kv_heads >= thread_pool_size(attention->pool);
    attention->heads_per_chunk = enough ? n_heads / n_kv_heads : 1;
    thread_pool_run(attention->pool, attend_chunk, attention, blocks * (n_heads / attention->heads_per_chunk));
}
