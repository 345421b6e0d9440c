/* Hyper-parameters from the metadata of a GGUF file. Keys are prefixed by the architecture: "llama.block_count". */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"

/* "prefix.key" as the file spells it. */
struct keys {
    const struct gguf *gguf;
    char prefix[64];
    char text[160];
};
static const char *key(struct keys *keys, const char *name) {
    snprintf(keys->text, sizeof keys->text, "%s.%s", keys->prefix, name);
    return keys->text;
}

/* A size that must be there. */
static bn_status required_size(struct keys *keys, const char *name, size_t max, size_t *out, bn_error *err) {
    if (!gguf_find(keys->gguf, key(keys, name)))
        return fail(err, BN_STATUS_BAD_FILE, "the key '%s' is missing", key(keys, name));
    return gguf_get_size(keys->gguf, key(keys, name), 1, max, out, err);
}

/* A size that may be given per layer; all layers must agree, since blocks of different shapes aren't supported. */
static bn_status uniform_size(struct keys *keys, const char *name, size_t max, size_t *out, bn_error *err) {
    const struct gguf_value *value = gguf_find(keys->gguf, key(keys, name));
    if (!value || value->type != GGUF_ARRAY) return gguf_get_size(keys->gguf, key(keys, name), 1, max, out, err);
    if (value->array.type == GGUF_STRING || value->array.type == GGUF_F32 || value->array.type == GGUF_F64 ||
        value->array.type == GGUF_ARRAY || value->array.n == 0)
        return fail(err, BN_STATUS_BAD_FILE, "'%s' must be an integer or a list of integers", key(keys, name));
    int64_t first = gguf_array_integer(value, 0);
    for (size_t i = 1; i < value->array.n; i++)
        if (gguf_array_integer(value, i) != first)
            return fail(err, BN_STATUS_UNSUPPORTED, "'%s' differs between layers, which isn't supported",
                        key(keys, name));
    if (first < 1 || (uint64_t)first > max)
        return fail(err, BN_STATUS_BAD_FILE, "'%s' is %lld, expected 1 to %zu", key(keys, name), (long long)first, max);
    *out = (size_t)first;
    return BN_OK;
}

static bn_status read_float(struct keys *keys, const char *name, float *out, bn_error *err) {
    double value = (double)*out;
    bn_status status = gguf_get_number(keys->gguf, key(keys, name), &value, err);
    if (status == BN_OK) *out = (float)value;
    return status;
}

static bn_status read_sizes(struct keys *keys, struct model_config *config, bn_error *err) {
    bn_status status;
    size_t value_dim = 0;
    if ((status = required_size(keys, "block_count", CONFIG_MAX_LAYERS, &config->n_layers, err)) != BN_OK) return status;
    if ((status = required_size(keys, "embedding_length", CONFIG_MAX_WIDTH, &config->hidden_size, err)) != BN_OK)
        return status;
    if ((status = required_size(keys, "context_length", CONFIG_MAX_CONTEXT, &config->context_length, err)) != BN_OK)
        return status;
    if ((status = uniform_size(keys, "feed_forward_length", CONFIG_MAX_WIDTH, &config->intermediate_size, err)) != BN_OK)
        return status;
    if ((status = uniform_size(keys, "attention.head_count", CONFIG_MAX_HEADS, &config->n_heads, err)) != BN_OK)
        return status;
    if (!config->n_heads)
        return fail(err, BN_STATUS_BAD_FILE, "the key '%s' is missing", key(keys, "attention.head_count"));
    if (!config->intermediate_size)
        return fail(err, BN_STATUS_BAD_FILE, "the key '%s' is missing", key(keys, "feed_forward_length"));
    if ((status = uniform_size(keys, "attention.head_count_kv", CONFIG_MAX_HEADS, &config->n_kv_heads, err)) != BN_OK)
        return status;
    config->head_dim = 0; /* GGUF's own default: embedding_length / head_count */
    status = gguf_get_size(keys->gguf, key(keys, "attention.key_length"), 1, CONFIG_MAX_HEAD_DIM, &config->head_dim, err);
    if (status != BN_OK) return status;
    value_dim = config->head_dim;
    status = gguf_get_size(keys->gguf, key(keys, "attention.value_length"), 1, CONFIG_MAX_HEAD_DIM, &value_dim, err);
    if (status != BN_OK) return status;
    if (value_dim != config->head_dim)
        return fail(err, BN_STATUS_UNSUPPORTED, "'%s' is %zu but keys have %zu, which isn't supported",
                    key(keys, "attention.value_length"), value_dim, config->head_dim);
    return BN_OK;
}

static bn_status read_numbers(struct keys *keys, struct model_config *config, bn_error *err) {
    bn_status status;
    const char *eps = config->arch->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    if ((status = read_float(keys, eps, &config->norm_eps, err)) != BN_OK) return status;
    if ((status = config_check_positive(key(keys, eps), (double)config->norm_eps, err)) != BN_OK) return status;
    if ((status = read_float(keys, "attn_logit_softcapping", &config->attention_softcap, err)) != BN_OK) return status;
    if ((status = read_float(keys, "final_logit_softcapping", &config->final_softcap, err)) != BN_OK) return status;
    if ((status = read_float(keys, "attention.scale", &config->attention_scale, err)) != BN_OK) return status;
    if (!isnan(config->attention_scale) &&
        (status = config_check_positive(key(keys, "attention.scale"), (double)config->attention_scale, err)) != BN_OK)
        return status;
    status = gguf_get_bool(keys->gguf, key(keys, "use_parallel_residual"), &config->parallel_residual, err);
    if (status != BN_OK) return status;
    size_t window = config->sliding_window;
    if (config->arch->window_rule == WINDOW_UPPER_LAYERS || config->arch->window_rule == WINDOW_ALL_LAYERS) window = 0;
    status = gguf_get_size(keys->gguf, key(keys, "attention.sliding_window"), 0, CONFIG_MAX_CONTEXT, &window, err);
    config->sliding_window = window;
    /* gemma2's scores are scaled by query_pre_attn_scalar, which the file lacks: the head size, but for the 27B. */
    if (config->arch->absent.query_scalar > 0 && isnan(config->attention_scale) && config->n_layers == 46)
        config->attention_scale = (float)(1 / sqrt((double)config->hidden_size / (double)config->n_heads));
    return status;
}

/* A tensor of per-pair divisors (rope_freqs, rope_factors_long, …) as floats; *out stays NULL when there is none. */
static bn_status read_divisors(const struct gguf *gguf, const char *name, size_t n, struct arena *arena,
                               const float **out, bn_error *err) {
    const struct tensor *tensor = tensor_set_find(&gguf->set, name);
    if (!tensor) return BN_OK;
    if (tensor->n_dims != 1 || tensor->shape[0] != n)
        return fail(err, BN_STATUS_BAD_FILE, "tensor '%s' has %zu values, expected %zu (half the rotary dimensions)", name,
                    tensor->n_dims ? tensor->shape[0] : 1, n);
    float *values = arena_alloc_array(arena, n, sizeof(float));
    if (!values) return fail_no_memory(err, n * sizeof(float));
    bn_status status = tensor_decode_all(tensor, values, err);
    if (status != BN_OK) return status;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]) || values[i] <= 0)
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%s' holds %g at %zu, expected positive numbers", name,
                        (double)values[i], i);
    *out = values;
    return BN_OK;
}

static bn_status read_rope_type(struct keys *keys, struct rope_config *rope, bn_error *err) {
    static const struct { const char *name; enum rope_type type; } types[] = {
        {"none", ROPE_DEFAULT}, {"linear", ROPE_LINEAR}, {"yarn", ROPE_YARN}, {"longrope", ROPE_LONGROPE},
    };
    struct gguf_string name = {"none", 4};
    bn_status status = gguf_get_string(keys->gguf, key(keys, "rope.scaling.type"), &name, err);
    if (status != BN_OK) return status;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i].name) == name.size && memcmp(types[i].name, name.text, name.size) == 0) {
            rope->type = types[i].type;
            return BN_OK;
        }
    return fail(err, BN_STATUS_UNSUPPORTED, "'%s' is '%.*s'; none, linear, yarn and longrope are known",
                key(keys, "rope.scaling.type"), (int)(name.size < 64 ? name.size : 64), name.text);
}

static bn_status read_rope(struct keys *keys, struct model_config *config, struct arena *arena, bn_error *err) {
    struct rope_config *rope = &config->rope;
    rope->neighbours = config->arch->gguf_rope_neighbours;
    size_t head_dim = config->head_dim ? config->head_dim : config->hidden_size / config->n_heads;
    rope->n_dims = head_dim;
    bn_status status;
    if ((status = gguf_get_size(keys->gguf, key(keys, "rope.dimension_count"), 2, CONFIG_MAX_HEAD_DIM, &rope->n_dims,
                                err)) != BN_OK) return status;
    if ((status = gguf_get_number(keys->gguf, key(keys, "rope.freq_base"), &rope->theta, err)) != BN_OK) return status;
    if ((status = gguf_get_number(keys->gguf, key(keys, "rope.scaling.factor"), &rope->factor, err)) != BN_OK)
        return status;
    if ((status = gguf_get_size(keys->gguf, key(keys, "rope.scaling.original_context_length"), 1, CONFIG_MAX_CONTEXT,
                                &rope->original_positions, err)) != BN_OK) return status;
    if ((status = gguf_get_number(keys->gguf, key(keys, "rope.scaling.yarn_beta_fast"), &rope->beta_fast, err)) != BN_OK)
        return status;
    if ((status = gguf_get_number(keys->gguf, key(keys, "rope.scaling.yarn_beta_slow"), &rope->beta_slow, err)) != BN_OK)
        return status;
    if ((status = read_rope_type(keys, rope, err)) != BN_OK) return status;
    if (rope->factor == 0) rope->factor = 1; /* written for "none" by some converters */

    size_t n = rope->n_dims / 2;
    if ((status = read_divisors(keys->gguf, "rope_freqs.weight", n, arena, &rope->divisors, err)) != BN_OK) return status;
    if ((status = read_divisors(keys->gguf, "rope_factors_long.weight", n, arena, &rope->long_factors, err)) != BN_OK)
        return status;
    if ((status = read_divisors(keys->gguf, "rope_factors_short.weight", n, arena, &rope->short_factors, err)) != BN_OK)
        return status;
    if (rope->long_factors && rope->short_factors) rope->type = ROPE_LONGROPE;
    /* longrope files hold the factor of cos and sin itself; yarn files a factor on top of yarn's own. */
    double attention = NAN;
    if ((status = gguf_get_number(keys->gguf, key(keys, "rope.scaling.attn_factor"), &attention, err)) != BN_OK)
        return status;
    if (!isnan(attention)) {
        if ((status = config_check_positive(key(keys, "rope.scaling.attn_factor"), attention, err)) != BN_OK)
            return status;
        if (rope->type == ROPE_LONGROPE) rope->attention_factor = attention;
        else if (rope->type == ROPE_YARN && rope->factor > 0)
            rope->attention_factor = attention * (rope->factor > 1 ? 1 + 0.1 * log(rope->factor) : 1);
    }
    return BN_OK;
}

/* Plain "bitnet" is written for two networks that differ in their activation. In this order: what the caller says, the
 * key, a name that only one of them goes by, the shape of the one model that was published under the wrong name. */
static bn_status decide_activation(struct keys *keys, struct model_config *config, const char *hidden_act,
                                   bn_error *err) {
    if (hidden_act)
        return config_set_activation(config, hidden_act, strlen(hidden_act), "the caller's choice", err);
    struct gguf_string name = {NULL, 0};
    bn_status status = gguf_get_string(keys->gguf, key(keys, "hidden_act"), &name, err);
    if (status != BN_OK) return status;
    if (name.text) return config_set_activation(config, name.text, name.size, "the file's key hidden_act", err);
    if (!config->arch->ternary) return BN_OK;
    if (config->arch->activation_is_certain) {
        config->activation_reason = "the architecture's name: bitnet-b1.58 models use squared ReLU";
        return BN_OK;
    }
    if (config->hidden_size == 2560 && config->intermediate_size == 6912 && config->n_layers == 30 &&
        config->vocab_size >= 128256) {
        config->activation = ACT_RELU2;
        config->activation_reason = "the shape of BitNet b1.58 2B4T, which uses squared ReLU";
        return BN_OK;
    }
    config->activation_reason = "plain architecture 'bitnet' without a key hidden_act means SiLU";
    return BN_OK;
}

static char *copy_string(struct arena *arena, const struct gguf *gguf, const char *name) {
    struct gguf_string text = {"", 0};
    if (gguf_get_string(gguf, name, &text, NULL) != BN_OK) text = (struct gguf_string){"", 0};
    return arena_strndup(arena, text.text, text.size);
}

bn_status config_from_gguf(const struct gguf *gguf, const char *hidden_act, struct arena *arena,
                           struct model_config *config, bn_error *err) {
    struct gguf_string name = {NULL, 0};
    bn_status status = gguf_get_string(gguf, "general.architecture", &name, err);
    if (status != BN_OK) return status;
    if (!name.text) return fail(err, BN_STATUS_BAD_FILE, "the key 'general.architecture' is missing");
    const struct architecture *arch = architecture_find_gguf(name.text, name.size);
    if (!arch) {
        char known[256];
        architecture_list(known, sizeof known);
        return fail(err, BN_STATUS_UNSUPPORTED, "architecture '%.*s' isn't supported; %s are",
                    (int)(name.size < 64 ? name.size : 64), name.text, known);
    }
    config_init(config, arch);
    config->is_gguf = true;
    config->tie = TIE_IF_HEAD_ABSENT;
    if (!(config->name = copy_string(arena, gguf, "general.name"))) return fail_no_memory(err, 1);
    /* A file shows by its tensors which biases there are. */
    if (config->qkv_bias == BIAS_NONE) config->qkv_bias = BIAS_IF_PRESENT;
    if (config->o_bias == BIAS_NONE) config->o_bias = BIAS_IF_PRESENT;
    if (config->ffn_bias == BIAS_NONE) config->ffn_bias = BIAS_IF_PRESENT;

    struct keys keys = {.gguf = gguf};
    snprintf(keys.prefix, sizeof keys.prefix, "%.*s", (int)(name.size < 60 ? name.size : 60), name.text);
    const struct tensor *embedding = tensor_set_find(&gguf->set, "token_embd.weight");
    if (!embedding) return fail(err, BN_STATUS_BAD_FILE, "the tensor 'token_embd.weight' is missing");
    config->vocab_size = tensor_rows(embedding);
    if ((status = read_sizes(&keys, config, err)) != BN_OK) return status;
    if ((status = read_numbers(&keys, config, err)) != BN_OK) return status;
    if (arch->position == POSITION_ROPE && (status = read_rope(&keys, config, arena, err)) != BN_OK) return status;
    if ((status = decide_activation(&keys, config, hidden_act, err)) != BN_OK) return status;
    return config_finish(config, arena, err);
}
