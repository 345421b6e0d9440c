/* Models: opened once, immutable, shared by engines and threads. */
#ifndef BITNET_MODEL_H
#define BITNET_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"
#include "bitnet/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bn_model bn_model;

/* How the output head is computed. Tokens are the same either way (docs/head.md). */
typedef enum bn_head {
    BN_HEAD_AUTO,  /* SCREEN where the head's weights are float32, binary16 or bfloat16 and take 16 MiB or more */
    BN_HEAD_EXACT, /* all logits, always */
    BN_HEAD_SCREEN /* a six-bit copy (two fifths of binary16, in memory) finds the tokens that can matter */
} bn_head;

typedef struct bn_model_options {
    size_t size;            /* sizeof(bn_model_options) */
    size_t n_threads;       /* for the work of opening (repacking); 0 = all */
    const char *i2s_layout; /* NULL = from the file or probed; "x86-128", "arm-64", "rows-4", "l16" */
    const char *hidden_act; /* NULL = by the rules of docs/models.md; else the activation's name, such as "relu2" */
    bool no_tokenizer;      /* don't load the tokenizer */
    /* Lines worth telling a person, such as which activation was chosen and why. May be NULL. Called while opening
     * only, on the opening thread. */
    void (*notice)(void *context, const char *line);
    void *notice_context;
    bn_head head;
} bn_model_options;

/* Opens a GGUF file, a Hugging Face folder (config.json + safetensors) or a .safetensors file with its config beside
 * it. The file stays mapped while the model lives. options may be NULL. */
BN_API bn_status bn_model_open(const char *path, const bn_model_options *options, bn_model **out, bn_error *err);
BN_API void bn_model_close(bn_model *model);

typedef struct bn_model_info {
    size_t size;                   /* in: sizeof(bn_model_info) */
    const char *architecture;      /* "bitnet", "llama", …; lives as long as the model, as do all strings here */
    const char *name;              /* from the file, or "" */
    const char *hidden_act;        /* activation in use */
    const char *hidden_act_reason; /* how it was decided */
    const char *quantization;      /* "ternary weights, int8 activations", "ternary weights", "float" or "mixed" */
    const char *position_encoding; /* "rope", "rope (llama3)", "learned" */
    size_t vocab_size, hidden_size, intermediate_size, n_layers, n_heads, n_kv_heads, head_dim, context_length;
    size_t sliding_window; /* 0 = none */
    bool tied_head;
    uint64_t n_parameters; /* logical values, packed or not */
    uint64_t n_parameters_embedding, n_parameters_attention, n_parameters_ffn, n_parameters_head, n_parameters_norm;
    uint64_t n_parameters_ternary;
    uint64_t weight_bytes;         /* as stored in the file */
    uint64_t resident_bytes;       /* heap this model owns besides the mapping (repacked weights, tables) */
    size_t kv_bytes_per_token_f16; /* one position, all layers; f32 is twice that */
    size_t kv_bytes_per_token_q8_0;
    const char *pooling; /* "mean" or "last": made for embeddings, and so they are to be made; NULL: it writes text */
} bn_model_info;

BN_API void bn_model_get_info(const bn_model *model, bn_model_info *info);
/* NULL when the model has none. Owned by the model. */
BN_API const bn_tokenizer *bn_model_tokenizer(const bn_model *model);
/* Sampling defaults the model's author published (generation_config.json): NAN / -1 where nothing is said. */
typedef struct bn_generation_defaults {
    size_t size;
    float temperature, top_p, min_p, repetition_penalty; /* NAN = not given */
    int32_t top_k;                                       /* -1 = not given */
    int32_t do_sample;                                   /* -1 = not given, 0, 1 */
    size_t n_eos;
    int32_t eos[16]; /* ids that end a generation, besides the tokenizer's */
} bn_generation_defaults;
BN_API void bn_model_get_generation_defaults(const bn_model *model, bn_generation_defaults *defaults);

#ifdef __cplusplus
}
#endif
#endif
