/* How keys and values lie in a page, and how a token's are put there (kv_layout.c).
 *
 *     [n_layers][n_kv_heads] { keys, values }
 *
 * Keys of a layer and head: f32, f16 [D][KV_PAGE_TOKENS]; q8 int8 [D/4][KV_PAGE_TOKENS][4], then one float32 scale per
 * position (D rounded up to a multiple of 4). Values: [KV_PAGE_TOKENS][D], for q8 followed by a scale per position. The
 * keys' order is the one in which the scores of all positions are computed at once (attention_scores_* in kernels.h). */
#ifndef MODEL_KV_LAYOUT_H
#define MODEL_KV_LAYOUT_H

#include "model/model.h"

struct attention;

static inline size_t kv_padded_dim(size_t head_dim) {
    return (head_dim + 3) / 4 * 4;
}

static inline size_t kv_element_bytes(enum kv_type type) {
    return type == KV_F32 ? 4 : type == KV_F16 ? 2 : 1;
}

/* Bytes of all elements of the keys or of the values of one layer and head, without scales. */
static inline size_t kv_part_bytes(enum kv_type type, size_t head_dim) {
    size_t D = type == KV_Q8 ? kv_padded_dim(head_dim) : head_dim;
    return KV_PAGE_TOKENS * D * kv_element_bytes(type);
}

/* Keys and values of one layer and head in one page. */
struct kv_part {
    uint8_t *keys, *values;
    float *key_scales, *value_scales; /* [KV_PAGE_TOKENS]; NULL unless q8 */
};
struct kv_part kv_part_of(const struct attention *a, uint8_t *page, size_t kv_head);

/* Puts keys and values [a->n_tokens, K·D] into the pages of the tokens' sequences. */
void kv_store(const struct attention *a, const float *k, const float *v);

#endif
