/* Attention of query tokens over the paged KV cache. */
#ifndef MODEL_ATTENTION_H
#define MODEL_ATTENTION_H

#include "model/model.h"
#include "model/weights.h"

/* Where a token of the batch stands. */
struct token_place {
    const struct batch_sequence *sequence;
    size_t position;
};

/* Offset in elements of (layer, keys or values, head) inside a page; position p of it is head_dim · (p mod
 * KV_PAGE_TOKENS) further. */
size_t kv_page_offset(const struct model_config *config, size_t layer, bool values, size_t kv_head);

/* Puts one token's keys and values [K, D] into its sequence's page. */
void kv_store(const struct kernels *kernels, const struct model_config *config, enum kv_type type, size_t layer,
              const struct token_place *place, const float *k, const float *v);

struct attention {
    const struct kernels *kernels;
    struct thread_pool *pool;
    const struct model_config *config;
    const struct layer *layer;
    size_t layer_index;
    enum kv_type kv_type;
    const struct token_place *places; /* [n_tokens] */
    size_t n_tokens;
    const float *q; /* [n_tokens, H·D] rotated */
    float *out;     /* [n_tokens, H·D] */
    float *scores;  /* [slots][max_context] */
    size_t max_context;
    size_t heads_per_chunk; /* set by attend */
};

/* out = softmax(q·Kᵀ · scale)·V for every head of every token over the keys it may see. */
void attend(struct attention *attention);

#endif
