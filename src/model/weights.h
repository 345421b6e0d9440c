/* The weights of a model, ready to multiply, and the model itself. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "base/arena.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "model/head_screen.h"
#include "model/linear.h"
#include "model/model.h"
#include "model/rope.h"
#include "model/row_file.h"

/* RMS norm (bias NULL) or layer norm, by the architecture. weight NULL: the architecture has no norm here. */
struct norm {
    const float *weight, *bias; /* [n] */
};

/* d = hidden_size, I = intermediate_size, H = n_heads, K = n_kv_heads, D = head_dim */
struct layer {
    struct norm attn_norm;        /* [d] */
    struct norm attn_post_norm;   /* [d] */
    struct linear q;              /* [H·D, d] */
    struct linear k, v;           /* [K·D, d] */
    const float *q_norm, *k_norm; /* [D], or [H·D] and [K·D]; NULL where there is none */
    const float *attn_sub_norm;   /* [H·D], or NULL */
    struct linear o;              /* [d, H·D] */
    struct norm ffn_norm;         /* [d] */
    struct norm ffn_post_norm;    /* [d] */
    struct linear gate, up;       /* [I, d]; gate.n_rows = 0 where the FFN isn't gated */
    const float *ffn_sub_norm;    /* [I], or NULL */
    struct linear down;           /* [d, I] */

    const struct rope *rope; /* NULL with learned positions */
    size_t window;           /* positions a token sees, itself included; 0 = all */
    float attention_scale;
};

struct weights {
    struct linear embedding;          /* [V, d] */
    struct linear position_embedding; /* [context_length, d]; n_rows = 0 where positions are rotary */
    struct layer *layers;             /* [n_layers] */
    struct norm output_norm;          /* [d] */
    struct linear head;               /* [V, d]; shares the embedding's data when tied */
    bool tied;
    struct head_screen screen;                 /* of the head; codes NULL where it isn't screened */
    bool head_is_mapped;                       /* then its pages can be dropped; said of screened heads only */
    struct row_file head_rows, embedding_rows; /* of screened heads only: of others all is read anyway */
    struct arena arena;                        /* what isn't used where it is mapped */
};

struct bn_model {
    struct arena arena; /* configuration */
    struct model_config config;
    enum i2s_layout i2s_layout; /* what the caller said, else I2S_UNKNOWN */
    bn_head head;               /* what the caller said about screening */
    struct rope rope, local_rope;
    struct weights weights;
    struct gguf gguf;              /* is_gguf: the open file; its set is the tensors' … */
    struct tensor_set safetensors; /* … and otherwise these */
    bn_tokenizer *tokenizer;       /* NULL = none */
    bn_generation_defaults generation;
    const char *pooling;  /* see bn_model_info */
    size_t max_cols;      /* longest input of any linear */
    bool rounds_in_float; /* some linear has input_norm or int8_activations */
};

/* Fills in model->weights from the open file; I2_S tensors whose layout the file doesn't name are read as
 * `layout`. On failure what was allocated stays in weights->arena. */
bn_status weights_load(struct bn_model *model, enum i2s_layout layout, struct thread_pool *pool, bn_error *err);
/* Finds or makes the six-bit copy of a loaded model's head, if the caller's option and the head say so. `problem` gets a
 * sentence about a stored copy that can't be used, or "". */
bn_status weights_screen_head(struct bn_model *model, struct thread_pool *pool, char *problem, size_t problem_bytes,
                              bn_error *err);
void weights_release(struct weights *weights);

static inline const struct tensor_set *model_tensors(const struct bn_model *model) {
    return model->config.is_gguf ? &model->gguf.set : &model->safetensors;
}

#endif
