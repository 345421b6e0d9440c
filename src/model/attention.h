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

/* Scratch memory, independent of the length of the context but for a row per query head and split of it. */
struct attention_scratch {
    struct attention_slot *slots; /* one per thread */
    float *partials;              /* [partial_rows, D + 2] sums over one split of the positions each */
    size_t partial_rows;
    size_t *blocks; /* [max_tokens + 1] first token of each block */
};
/* False: no memory. */
bool attention_scratch_init(struct attention_scratch *scratch, const struct model_config *config, size_t max_tokens,
                            size_t max_context, size_t n_slots, struct arena *arena);

/* Bytes for one head's codes, for whoever works in that slot. */
int8_t *attention_slot_bytes(const struct attention_scratch *scratch, size_t slot);

struct attention {
    const struct kernels *kernels;
    struct thread_pool *pool;
    const struct model_config *config;
    const struct layer *layer;
    size_t layer_index;
    enum kv_type kv_type;
    const struct token_place *places; /* [n_tokens]; those of a sequence are neighbours, positions ascend */
    size_t n_tokens;
    const float *q; /* [n_tokens, H·D] rotated */
    float *out;     /* [n_tokens, H·D] */
    size_t n_sinks,
        recent; /* besides the layer's window: the first n_sinks and the last `recent` positions; 0, 0: all */
    struct attention_scratch *scratch;
    size_t n_blocks, n_splits; /* set by attend */
};

/* out = softmax(q·Kᵀ · scale)·V for every head of every token over the keys it may see. */
void attend(struct attention *attention);

#endif
