/* Hyper-parameters from the metadata of a GGUF file. Keys are prefixed by the architecture: "llama.block_count". */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"

/* Reads keys one after the other; the first error sticks, and what comes after it does nothing. */
struct key_reader {
    const struct gguf *gguf;
    struct arena *arena;
    char prefix[64];
    char key[160];
    bn_status status;
    bn_error *err;
};

/* "prefix.name" as the file spells it; valid until the next call. */
static const char *full_key(struct key_reader *r, const char *name) {
    snprintf(r->key, sizeof r->key, "%s.%s", r->prefix, name);
    return r->key;
}

static const struct gguf_value *find(struct key_reader *r, const char *name) {
    return r->status == BN_OK ? gguf_find(r->gguf, full_key(r, name)) : NULL;
}

static void read_size(struct key_reader *r, const char *name, size_t min, size_t max, size_t *out) {
    if (find(r, name)) r->status = gguf_get_size(r->gguf, r->key, min, max, out, r->err);
}

static void require_size(struct key_reader *r, const char *name, size_t max, size_t *out) {
    read_size(r, name, 1, max, out);
    if (r->status == BN_OK && !find(r, name))
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "the key '%s' is missing", r->key);
}

static void read_positive(struct key_reader *r, const char *name, double *out) {
    if (!find(r, name)) return;
    double value = 0;
    r->status = gguf_get_number(r->gguf, r->key, &value, r->err);
    if (r->status == BN_OK) r->status = config_check_positive(r->key, value, r->err);
    if (r->status == BN_OK) *out = value;
}

static void read_positive_float(struct key_reader *r, const char *name, float *out) {
    double value = (double)*out;
    read_positive(r, name, &value);
    *out = (float)value;
}

static bool is_integer_array(const struct gguf_value *value) {
    if (value->type != GGUF_ARRAY || value->array.n == 0) return false;
    enum gguf_value_type t = value->array.type;
    return t != GGUF_F32 && t != GGUF_F64 && t != GGUF_STRING && t != GGUF_ARRAY;
}

/* A size that must be there and may be a list with one per layer; all must agree, since layers of different shapes aren't
 * supported. */
static void require_uniform_size(struct key_reader *r, const char *name, size_t max, size_t *out) {
    const struct gguf_value *value = find(r, name);
    if (!value || !is_integer_array(value)) {
        require_size(r, name, max, out);
        return;
    }
    int64_t first = gguf_array_integer(value, 0);
    for (size_t i = 1; i < value->array.n && r->status == BN_OK; i++)
        if (gguf_array_integer(value, i) != first)
            r->status =
                fail(r->err, BN_STATUS_UNSUPPORTED, "'%s' differs between layers, which isn't supported", r->key);
    if (r->status == BN_OK && (first < 1 || (uint64_t)first > max))
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "'%s' is %lld, expected 1 to %zu", r->key, (long long)first, max);
    *out = (size_t)first;
}

static void read_sizes(struct key_reader *r, struct model_config *c) {
    require_size(r, "block_count", CONFIG_MAX_LAYERS, &c->n_layers);
    require_size(r, "embedding_length", CONFIG_MAX_WIDTH, &c->hidden_size);
    require_size(r, "context_length", CONFIG_MAX_CONTEXT, &c->context_length);
    require_uniform_size(r, "feed_forward_length", CONFIG_MAX_WIDTH, &c->intermediate_size);
    require_uniform_size(r, "attention.head_count", CONFIG_MAX_HEADS, &c->n_heads);
    c->n_kv_heads = c->n_heads;
    if (find(r, "attention.head_count_kv"))
        require_uniform_size(r, "attention.head_count_kv", CONFIG_MAX_HEADS, &c->n_kv_heads);
    if (r->status != BN_OK) return;
    c->head_dim = c->hidden_size % c->n_heads == 0 ? c->hidden_size / c->n_heads : 0;
    read_size(r, "attention.key_length", 1, CONFIG_MAX_HEAD_DIM, &c->head_dim);
    size_t value_dim = c->head_dim;
    read_size(r, "attention.value_length", 1, CONFIG_MAX_HEAD_DIM, &value_dim);
    if (r->status == BN_OK && value_dim != c->head_dim)
        r->status = fail(r->err, BN_STATUS_UNSUPPORTED, "'%s' is %zu but keys have %zu, which isn't supported",
                         full_key(r, "attention.value_length"), value_dim, c->head_dim);
}

static void read_numbers(struct key_reader *r, struct model_config *c) {
    bool rms = c->arch->norm == NORM_RMS;
    read_positive_float(r, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", &c->norm_eps);
    if (c->arch->absent.attention_softcap > 0) read_positive_float(r, "attn_logit_softcapping", &c->attention_softcap);
    read_positive_float(r, "final_logit_softcapping", &c->final_softcap);
    read_positive_float(r, "attention.scale", &c->attention_scale);
    if (find(r, "use_parallel_residual")) r->status = gguf_get_bool(r->gguf, r->key, &c->parallel_residual, r->err);
    /* A window for all layers, or for the upper ones, is only there if the file says so. */
    if (c->arch->window_rule == WINDOW_ALL_LAYERS || c->arch->window_rule == WINDOW_UPPER_LAYERS) c->sliding_window = 0;
    read_size(r, "attention.sliding_window", 0, CONFIG_MAX_CONTEXT, &c->sliding_window);
    /* Gemma's scores are scaled by query_pre_attn_scalar, which files lack: it's the head size, but for the 27B models
     * (46 layers in gemma2, 62 in gemma3). */
    if (c->arch->absent.query_scalar > 0 && isnan(c->attention_scale) && (c->n_layers == 46 || c->n_layers == 62))
        c->attention_scale = (float)(1 / sqrt((double)c->hidden_size / (double)c->n_heads));
}

/* A tensor of one divisor per rotated pair, as floats; *out stays NULL when the file has none. */
static void read_divisors(struct key_reader *r, const char *name, size_t n, const float **out) {
    const struct tensor *tensor = r->status == BN_OK ? tensor_set_find(&r->gguf->set, name) : NULL;
    if (!tensor) return;
    if (tensor->n_dims != 1 || tensor->shape[0] != n) {
        r->status =
            fail(r->err, BN_STATUS_BAD_FILE, "tensor '%s' has %zu values, expected %zu (half the rotary dimensions)",
                 name, tensor_rows(tensor) * tensor_cols(tensor), n);
        return;
    }
    float *values = arena_alloc_array(r->arena, n, sizeof(float));
    r->status = values ? tensor_decode_all(tensor, values, r->err) : fail_no_memory(r->err, n * sizeof(float));
    for (size_t i = 0; i < n && r->status == BN_OK; i++)
        r->status = config_check_positive(name, (double)values[i], r->err);
    *out = values;
}

static void read_rope_type(struct key_reader *r, struct rope_config *rope) {
    static const struct {
        const char *name;
        enum rope_type type;
    } types[] = {
        {"none", ROPE_DEFAULT},
        {"linear", ROPE_LINEAR},
        {"yarn", ROPE_YARN},
        {"longrope", ROPE_LONGROPE},
    };
    struct gguf_string name;
    if (!find(r, "rope.scaling.type")) return;
    r->status = gguf_get_string(r->gguf, r->key, &name, r->err);
    for (size_t i = 0; i < sizeof types / sizeof types[0] && r->status == BN_OK; i++)
        if (strlen(types[i].name) == name.size && memcmp(types[i].name, name.text, name.size) == 0) {
            rope->type = types[i].type;
            return;
        }
    if (r->status == BN_OK)
        r->status = fail(r->err, BN_STATUS_UNSUPPORTED, "'%s' is '%.*s'; none, linear, yarn and longrope are known",
                         r->key, (int)(name.size < 64 ? name.size : 64), name.text);
}

static void read_rope(struct key_reader *r, struct model_config *c) {
    struct rope_config *rope = &c->rope;
    rope->neighbours = c->arch->gguf_rope_neighbours;
    rope->n_dims = c->head_dim;
    read_size(r, "rope.dimension_count", 2, CONFIG_MAX_HEAD_DIM, &rope->n_dims);
    if (c->arch->absent.local_rope_theta > 0) {
        c->local_rope = *rope;
        c->local_rope.theta = (double)c->arch->absent.local_rope_theta;
        read_positive(r, "rope.freq_base_swa", &c->local_rope.theta);
    }
    read_positive(r, "rope.freq_base", &rope->theta);
    read_rope_type(r, rope);
    if (rope->type != ROPE_DEFAULT) read_positive(r, "rope.scaling.factor", &rope->factor);
    read_size(r, "rope.scaling.original_context_length", 1, CONFIG_MAX_CONTEXT, &rope->original_positions);
    read_positive(r, "rope.scaling.yarn_beta_fast", &rope->beta_fast);
    read_positive(r, "rope.scaling.yarn_beta_slow", &rope->beta_slow);
    size_t n = rope->n_dims / 2;
    read_divisors(r, "rope_freqs.weight", n, &rope->divisors);
    read_divisors(r, "rope_factors_long.weight", n, &rope->long_factors);
    read_divisors(r, "rope_factors_short.weight", n, &rope->short_factors);
    if (rope->long_factors && rope->short_factors) rope->type = ROPE_LONGROPE;
    /* longrope files hold the factor of cos and sin itself; yarn files one on top of yarn's own. */
    double factor = NAN;
    read_positive(r, "rope.scaling.attn_factor", &factor);
    if (isnan(factor) || r->status != BN_OK) return;
    if (rope->type == ROPE_LONGROPE) rope->attention_factor = factor;
    if (rope->type == ROPE_YARN) rope->attention_factor = factor * (rope->factor > 1 ? 1 + 0.1 * log(rope->factor) : 1);
}

/* Plain "bitnet" is written for two networks that differ in their activation. In this order: what the caller says, the
 * key, a name that only one of them goes by, the shape of the one model that was published under the wrong name. */
static void decide_activation(struct key_reader *r, struct model_config *c, const char *hidden_act) {
    if (r->status != BN_OK) return;
    struct gguf_string name = {NULL, 0};
    if (hidden_act) {
        r->status = config_set_activation(c, hidden_act, strlen(hidden_act), "the caller's choice", r->err);
    } else if (find(r, "hidden_act")) {
        r->status = gguf_get_string(r->gguf, r->key, &name, r->err);
        if (r->status == BN_OK)
            r->status = config_set_activation(c, name.text, name.size, "the file's key hidden_act", r->err);
    } else if (c->arch->ternary && c->arch->activation_is_certain) {
        c->activation_reason = "the architecture's name: bitnet-b1.58 models use squared ReLU";
    } else if (c->arch->ternary && c->hidden_size == 2560 && c->intermediate_size == 6912 && c->n_layers == 30 &&
               c->vocab_size == 128256) {
        c->activation = ACT_RELU2;
        c->activation_reason = "the shape of BitNet b1.58 2B4T, which uses squared ReLU";
    } else if (c->arch->ternary) {
        c->activation_reason = "plain architecture 'bitnet' without a key hidden_act means SiLU";
    }
}

static const struct architecture *read_architecture(struct key_reader *r) {
    struct gguf_string name = {NULL, 0};
    r->status = gguf_get_string(r->gguf, "general.architecture", &name, r->err);
    if (r->status != BN_OK) return NULL;
    if (!name.text) {
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "the key 'general.architecture' is missing");
        return NULL;
    }
    int length = (int)(name.size < sizeof r->prefix - 1 ? name.size : sizeof r->prefix - 1);
    snprintf(r->prefix, sizeof r->prefix, "%.*s", length, name.text);
    const struct architecture *arch = architecture_find_gguf(name.text, name.size);
    char known[256];
    architecture_list(known, sizeof known);
    if (!arch)
        r->status = fail(r->err, BN_STATUS_UNSUPPORTED, "architecture '%.*s' isn't supported; %s are", length,
                         name.text, known);
    return arch;
}

bn_status config_from_gguf(const struct gguf *gguf, const char *hidden_act, struct arena *arena,
                           struct model_config *config, bn_error *err) {
    struct key_reader reader = {.gguf = gguf, .arena = arena, .err = err}, *r = &reader;
    const struct architecture *arch = read_architecture(r);
    if (!arch) return r->status;
    config_init(config, arch);
    config->is_gguf = true;
    config->tie = TIE_IF_HEAD_ABSENT;
    /* A file shows by its tensors which biases there are. */
    if (config->qkv_bias == BIAS_NONE) config->qkv_bias = BIAS_IF_PRESENT;
    if (config->o_bias == BIAS_NONE) config->o_bias = BIAS_IF_PRESENT;
    if (config->ffn_bias == BIAS_NONE) config->ffn_bias = BIAS_IF_PRESENT;

    struct gguf_string name = {"", 0};
    (void)gguf_get_string(gguf, "general.name", &name, NULL); /* decoration: one of another type is no name */
    if (!(config->name = arena_strndup(arena, name.text, name.size))) return fail_no_memory(err, name.size);
    const struct tensor *embedding = tensor_set_find(&gguf->set, "token_embd.weight");
    if (!embedding) return fail(err, BN_STATUS_BAD_FILE, "the tensor 'token_embd.weight' is missing");
    config->vocab_size = tensor_rows(embedding);
    if (config->vocab_size > CONFIG_MAX_VOCAB)
        return fail(err, BN_STATUS_BAD_FILE, "'token_embd.weight' has %zu rows, expected at most %zu",
                    config->vocab_size, CONFIG_MAX_VOCAB);
    read_sizes(r, config);
    read_numbers(r, config);
    if (arch->position == POSITION_ROPE) read_rope(r, config);
    decide_activation(r, config, hidden_act);
    return r->status == BN_OK ? config_finish(config, arena, err) : r->status;
}
