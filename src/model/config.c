/* What both readers of hyper-parameters share: defaults before reading, derived values and relations after it. */
#include "model/config.h"

#include <math.h>
#include <string.h>

void config_init(struct model_config *config, const struct architecture *arch) {
    *config = (struct model_config){
        .arch = arch,
        .name = "",
        .head_dim = arch->absent.head_dim,
        .context_length = arch->absent.context_length,
        .norm_eps = arch->absent.eps,
        .attention_scale = NAN,
        .attention_softcap = arch->absent.attention_softcap,
        .final_softcap = arch->absent.final_softcap,
        .embedding_scale = 1,
        .parallel_residual = arch->parallel_residual,
        .qkv_bias = arch->qkv_bias,
        .o_bias = arch->o_bias,
        .ffn_bias = arch->ffn_bias,
        .activation = arch->activation,
        .activation_reason = "default of the architecture",
        .sliding_window = arch->absent.sliding_window,
    };
    config->rope = (struct rope_config){
        .theta = arch->absent.rope_theta,
        .factor = 1,
        .low_freq_factor = 1,
        .high_freq_factor = 4,
        .beta_fast = 32,
        .beta_slow = 1,
        .truncate = true,
        .attention_factor = NAN,
    };
}

bn_status config_check_positive(const char *key, double value, bn_error *err) {
    if (isfinite(value) && value > 0 && value < 1e30) return BN_OK;
    return fail(err, BN_STATUS_BAD_FILE, "'%s' is %g, expected a positive finite number", key, value);
}

bn_status config_set_activation(struct model_config *config, const char *name, size_t name_size, const char *reason,
                                bn_error *err) {
    if (!activation_find(name, name_size, &config->activation))
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "activation '%.*s' isn't known; silu, relu2, relu, gelu, gelu_tanh and quick_gelu are",
                    (int)(name_size < 64 ? name_size : 64), name);
    config->activation_reason = reason;
    return BN_OK;
}

bool window_applies(enum window_rule rule, size_t layer, size_t first_layer) {
    switch (rule) {
    case WINDOW_NEVER:
        return false;
    case WINDOW_ALL_LAYERS:
        return true;
    case WINDOW_EVEN_LAYERS:
        return layer % 2 == 0;
    case WINDOW_FIVE_OF_SIX:
        return (layer + 1) % 6 != 0;
    case WINDOW_UPPER_LAYERS:
        return layer >= first_layer;
    }
    return false;
}

bn_status config_apply_window_rule(struct model_config *config, size_t first_layer, struct arena *arena,
                                   bn_error *err) {
    config->windowed = arena_alloc(arena, config->n_layers);
    if (!config->windowed) return fail_no_memory(err, config->n_layers);
    for (size_t i = 0; i < config->n_layers; i++)
        config->windowed[i] = window_applies(config->arch->window_rule, i, first_layer);
    return BN_OK;
}

static bn_status check_rope(const struct model_config *config, const struct rope_config *rope, bn_error *err) {
    if (rope->n_dims == 0 || rope->n_dims % 2 || rope->n_dims > config->head_dim)
        return fail(
            err, BN_STATUS_BAD_FILE,
            "rotary dimensions (rope.dimension_count, partial_rotary_factor) are %zu, expected an even number up "
            "to the head size %zu",
            rope->n_dims, config->head_dim);
    bn_status status = config_check_positive("rope theta (rope.freq_base, rope_theta)", rope->theta, err);
    if (status == BN_OK) status = config_check_positive("rope scaling factor", rope->factor, err);
    if (status != BN_OK) return status;
    if (rope->type == ROPE_LLAMA3 && !(rope->low_freq_factor > 0 && rope->high_freq_factor > rope->low_freq_factor))
        return fail(err, BN_STATUS_BAD_FILE,
                    "rope 'low_freq_factor' %g must be positive and below 'high_freq_factor' %g", rope->low_freq_factor,
                    rope->high_freq_factor);
    if ((rope->type == ROPE_YARN || rope->type == ROPE_LONGROPE) && (rope->original_positions < 2 || rope->theta <= 1))
        return fail(err, BN_STATUS_BAD_FILE,
                    "yarn and longrope need an original context of at least 2 positions and a "
                    "theta above 1, found %zu and %g",
                    rope->original_positions, rope->theta);
    if (rope->type == ROPE_LONGROPE && (!rope->short_factors || !rope->long_factors))
        return fail(err, BN_STATUS_BAD_FILE, "longrope needs both short and long factors");
    if (rope->type == ROPE_DYNAMIC && rope->n_dims < 4)
        return fail(err, BN_STATUS_BAD_FILE, "dynamic rope scaling needs at least 4 rotary dimensions, found %zu",
                    rope->n_dims);
    return BN_OK;
}

static bn_status check_heads(const struct model_config *config, bn_error *err) {
    if (config->n_kv_heads > config->n_heads || config->n_heads % config->n_kv_heads)
        return fail(err, BN_STATUS_BAD_FILE,
                    "the number of attention heads (head_count, num_attention_heads) is %zu, not a multiple of the %zu "
                    "key-value heads (head_count_kv, num_key_value_heads)",
                    config->n_heads, config->n_kv_heads);
    if (config->head_dim == 0)
        return fail(err, BN_STATUS_BAD_FILE,
                    "hidden size %zu isn't a multiple of the %zu attention heads, and the file "
                    "gives no head size (attention.key_length, head_dim)",
                    config->hidden_size, config->n_heads);
    if (config->head_dim > CONFIG_MAX_HEAD_DIM)
        return fail(err, BN_STATUS_BAD_FILE, "head size %zu is larger than %d", config->head_dim, CONFIG_MAX_HEAD_DIM);
    return BN_OK;
}

bn_status config_finish(struct model_config *config, struct arena *arena, bn_error *err) {
    const struct architecture *arch = config->arch;
    bn_status status = check_heads(config, err);
    if (status != BN_OK) return status;
    status = config_check_positive("norm eps (layer_norm_rms_epsilon, rms_norm_eps)", config->norm_eps, err);
    if (status != BN_OK) return status;
    if (config->norm_eps > 1)
        return fail(err, BN_STATUS_BAD_FILE, "norm eps is %g, expected at most 1", (double)config->norm_eps);
    if (isnan(config->attention_scale)) config->attention_scale = (float)(1 / sqrt((double)config->head_dim));
    if (arch->embedding_times_sqrt) config->embedding_scale = (float)sqrt((double)config->hidden_size);
    if (arch->position == POSITION_ROPE) {
        struct rope_config *rope = &config->rope;
        rope->max_positions = config->context_length;
        if (rope->original_positions == 0) rope->original_positions = config->context_length;
        status = check_rope(config, rope, err);
        if (status == BN_OK && config->local_rope.n_dims) status = check_rope(config, &config->local_rope, err);
        if (status != BN_OK) return status;
    }
    if (!config->windowed) status = config_apply_window_rule(config, 0, arena, err);
    return status;
}

bool bitnet_keeps_float(const struct bitnet_config *bitnet, const char *module, bool is_head) {
    if (!bitnet->enabled || (is_head && !bitnet->convert_head)) return true;
    size_t n = strlen(module);
    for (size_t i = 0; i < bitnet->n_kept_float; i++) {
        const char *pattern = bitnet->kept_float[i];
        size_t k = strlen(pattern);
        if (k == 0 || k > n) continue;
        if (strncmp(module, pattern, k) == 0 || strcmp(module + n - k, pattern) == 0) return true;
    }
    return false;
}
