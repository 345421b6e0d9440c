/* Where keys and values lie in pages (kv_layout.h), and storing them. */
#include "model/kv_layout.h"

#include <string.h>

#include "base/memory.h"
#include "model/attention.h"

#define SERIAL_ELEMENTS 32768 /* less than this is stored by the caller alone */
#define PIECE           64    /* elements converted at a time */

static size_t part_stride(enum kv_type type, size_t head_dim) {
    size_t scales = type == KV_Q8 ? KV_PAGE_TOKENS * sizeof(float) : 0;
    return 2 * (kv_part_bytes(type, head_dim) + scales);
}

size_t model_kv_page_bytes(const struct bn_model *model, enum kv_type type) {
    const struct model_config *c = &model->config;
    return c->n_layers * c->n_kv_heads * part_stride(type, c->head_dim);
}

struct kv_part kv_part_of(const struct attention *a, uint8_t *page, size_t kv_head) {
    const struct model_config *c = a->config;
    size_t bytes = kv_part_bytes(a->kv_type, c->head_dim), stride = part_stride(a->kv_type, c->head_dim);
    uint8_t *keys = page + (a->layer_index * c->n_kv_heads + kv_head) * stride, *values = keys + stride / 2;
    bool scaled = a->kv_type == KV_Q8;
    return (struct kv_part){keys, values, scaled ? (float *)(void *)(keys + bytes) : NULL,
                            scaled ? (float *)(void *)(values + bytes) : NULL};
}

static void store_key_f16(const struct kernels *kernels, uint16_t *keys, size_t at, const float *k, size_t D) {
    uint16_t halves[PIECE];
    for (size_t d = 0; d < D; d += PIECE) {
        size_t n = min_size(D - d, PIECE);
        kernels->f32_to_f16(halves, k + d, n);
        for (size_t i = 0; i < n; i++) keys[(d + i) * KV_PAGE_TOKENS + at] = halves[i];
    }
}

/* q8 has room for D rounded up to 16 bytes. */
static void store_q8(const struct kernels *kernels, const struct kv_part *part, size_t at, const float *k,
                     const float *v, size_t D, int8_t *q8) {
    int32_t sum;
    kernels->quantize_row(q8, &part->key_scales[at], &sum, k, D);
    for (size_t d = 0; d < D; d += 4) memcpy(part->keys + d * KV_PAGE_TOKENS + 4 * at, q8 + d, 4);
    kernels->quantize_row(q8, &part->value_scales[at], &sum, v, D);
    memcpy(part->values + at * D, q8, D);
}

/* What the chunks of kv_store work on. */
struct store {
    const struct attention *a;
    const float *k, *v;
};

/* One head of all tokens: a page's part is written by one thread, since neighbouring positions share cache lines. */
static void store_head(void *context, size_t head, size_t slot) {
    const struct store *s = context;
    const struct attention *a = s->a;
    size_t D = a->config->head_dim, stride = a->config->n_kv_heads * D;
    for (size_t t = 0; t < a->n_tokens; t++) {
        const struct token_place *place = &a->places[t];
        const float *k = s->k + t * stride + head * D, *v = s->v + t * stride + head * D;
        struct kv_part part = kv_part_of(a, place->sequence->pages[place->position / KV_PAGE_TOKENS], head);
        size_t at = place->position % KV_PAGE_TOKENS;
        if (a->kv_type == KV_F32) {
            float *keys = (float *)(void *)part.keys;
            for (size_t d = 0; d < D; d++) keys[d * KV_PAGE_TOKENS + at] = k[d];
            memcpy((float *)(void *)part.values + at * D, v, D * sizeof *v);
        } else if (a->kv_type == KV_F16) {
            store_key_f16(a->kernels, (uint16_t *)(void *)part.keys, at, k, D);
            a->kernels->f32_to_f16((uint16_t *)(void *)part.values + at * D, v, D);
        } else {
            store_q8(a->kernels, &part, at, k, v, D, attention_slot_bytes(a->scratch, slot));
        }
    }
}

void kv_store(const struct attention *a, const float *k, const float *v) {
    struct store store = {a, k, v};
    size_t n_heads = a->config->n_kv_heads;
    if (a->n_tokens * n_heads * a->config->head_dim < SERIAL_ELEMENTS)
        for (size_t h = 0; h < n_heads; h++) store_head(&store, h, 0);
    else
        thread_pool_run(a->pool, store_head, &store, n_heads);
}
