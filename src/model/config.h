/* Hyper-parameters of a model, from a GGUF file's keys or a Hugging Face config.json, with every number checked. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "model/architectures.h"

enum rope_type { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_YARN, ROPE_LLAMA3, ROPE_LONGROPE };

/* Rotary embedding: base frequencies and how they are scaled (rope.c has the formulas). */
struct rope_config {
    enum rope_type type;
    bool neighbours; /* pairs are (2i, 2i+1) instead of (i, i + n_dims/2) */
    size_t n_dims;   /* rotated dimensions of a head, even; the rest passes through */
    double theta, factor;
    size_t max_positions;                                /* max_position_embeddings */
    size_t original_positions;                           /* of training before the context was extended */
    double low_freq_factor, high_freq_factor;            /* llama3 */
    double beta_fast, beta_slow, mscale, mscale_all_dim; /* yarn; mscale 0 = not given */
    bool truncate;                                       /* yarn */
    double attention_factor;                             /* yarn, longrope; NAN = by formula */
    const float *short_factors, *long_factors;           /* longrope: [n_dims / 2] divisors */
    const float *divisors;                               /* rope_freqs of GGUF: [n_dims / 2], or NULL */
};

/* quantization_config of config.json with quant_method "bitnet". */
struct bitnet_config {
    bool enabled;
    bool scale_divides;     /* weight_scale holds 1/mean|W| (linear_class bitlinear) instead of mean|W| */
    bool bias_before_scale; /* autobitlinear offline: (q·t + b)·weight_scale */
    bool convert_head;      /* modules_to_not_convert is a list, and it doesn't name the head */
    bool input_norm;        /* use_rms_norm: every linear normalises its input by a weight of its own */
    float input_norm_eps;
    const char **kept_float; /* modules_to_not_convert */
    size_t n_kept_float;
};

/* Whether a module ("model.layers.0.mlp.up_proj") stays float: a pattern of modules_to_not_convert names it, one of its
 * parents, or its end; or nothing is quantised at all. */
bool bitnet_keeps_float(const struct bitnet_config *bitnet, const char *module, bool is_head);

enum tie_rule { TIE_NEVER, TIE_ALWAYS, TIE_IF_HEAD_ABSENT };

struct model_config {
    const struct architecture *arch;
    bool is_gguf;
    const char *name; /* from the file, or "" */
    size_t vocab_size, hidden_size, intermediate_size, n_layers, n_heads, n_kv_heads, head_dim, context_length;
    float norm_eps;
    float attention_scale;                  /* factor of q·k */
    bool scale_by_inverse_layer;            /* gpt2's flag: scores of layer l are divided by l + 1 */
    float attention_softcap, final_softcap; /* 0 = none */
    float embedding_scale;
    bool parallel_residual;
    enum tie_rule tie;
    enum bias_rule qkv_bias, o_bias, ffn_bias;
    enum activation activation;
    const char *activation_reason;
    size_t sliding_window; /* 0 = none */
    uint8_t *windowed;     /* [n_layers] nonzero where it applies */
    struct rope_config rope;
    struct rope_config local_rope; /* of windowed layers (gemma3); n_dims 0 = as rope */
    struct bitnet_config bitnet;
};

/* Both allocate strings and lists in `arena`. hidden_act: the caller's choice, or NULL. */
bn_status config_from_gguf(const struct gguf *gguf, const char *hidden_act, struct arena *arena,
                           struct model_config *config, bn_error *err);
bn_status config_from_hf(const json_t *json, const char *hidden_act, struct arena *arena, struct model_config *config,
                         bn_error *err);

/* ---- shared by the two readers (config.c) ---- */
#define CONFIG_MAX_LAYERS   4096
#define CONFIG_MAX_HEADS    4096
#define CONFIG_MAX_HEAD_DIM 4096
#define CONFIG_MAX_WIDTH    ((size_t)1 << 22) /* hidden_size, intermediate_size */
#define CONFIG_MAX_VOCAB    ((size_t)1 << 24)
#define CONFIG_MAX_CONTEXT  ((size_t)1 << 30)

/* Values before anything was read: what absent keys mean. */
void config_init(struct model_config *config, const struct architecture *arch);
/* Fills in what follows from the rest (head_dim, attention scale, windows, …) and checks relations. */
bn_status config_finish(struct model_config *config, struct arena *arena, bn_error *err);
/* `windowed` by the family's rule; for readers whose file doesn't list the layers. */
bn_status config_apply_window_rule(struct model_config *config, size_t first_layer, struct arena *arena, bn_error *err);
/* Whether a rule gives a layer the window; first_layer: of WINDOW_UPPER_LAYERS. */
bool window_applies(enum window_rule rule, size_t layer, size_t first_layer);
/* A positive finite number or an error naming the key. */
bn_status config_check_positive(const char *key, double value, bn_error *err);
bn_status config_set_activation(struct model_config *config, const char *name, size_t name_size, const char *reason,
                                bn_error *err);

#endif
