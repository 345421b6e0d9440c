/* Hyper-parameters from a Hugging Face config.json, old (v4) and new (v5) spellings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"

/* The first of several spellings ("a|b|c") that the object has and that isn't null; *spelling gets it, or "a". */
static const json_t *find_any(const json_t *object, const char *spellings, char *spelling, size_t spelling_bytes) {
    for (const char *at = spellings; *at;) {
        size_t n = strcspn(at, "|");
        snprintf(spelling, spelling_bytes, "%.*s", (int)n, at);
        const json_t *value = json_object_get(object, spelling);
        if (value && !json_is_null(value)) return value;
        at += n + (at[n] == '|');
    }
    snprintf(spelling, spelling_bytes, "%.*s", (int)strcspn(spellings, "|"), spellings);
    return NULL;
}

static bool key_is_null(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && json_is_null(value);
}

static bn_status get_size(const json_t *object, const char *spellings, size_t min, size_t max, size_t *out,
                          bn_error *err) {
    char key[64];
    find_any(object, spellings, key, sizeof key);
    return json_get_size(object, key, min, max, out, err);
}

static bn_status require_size(const json_t *object, const char *spellings, size_t max, size_t *out, bn_error *err) {
    char key[64];
    if (!find_any(object, spellings, key, sizeof key))
        return fail(err, BN_STATUS_BAD_FILE, "the key '%s' is missing", key);
    return json_get_size(object, key, 1, max, out, err);
}

/* A positive finite number, where it is given. */
static bn_status get_positive(const json_t *object, const char *spellings, double *out, bn_error *err) {
    char key[64];
    if (!find_any(object, spellings, key, sizeof key)) return BN_OK;
    double value = 0;
    bn_status status = json_get_number(object, key, &value, err);
    if (status == BN_OK) status = config_check_positive(key, value, err);
    if (status == BN_OK) *out = value;
    return status;
}

static bn_status get_positive_float(const json_t *object, const char *spellings, float *out, bn_error *err) {
    double value = (double)*out;
    bn_status status = get_positive(object, spellings, &value, err);
    *out = (float)value;
    return status;
}

static bn_status read_sizes(const json_t *json, struct model_config *config, bn_error *err) {
    const struct architecture *arch = config->arch;
    bn_status status;
    if ((status = require_size(json, "vocab_size", CONFIG_MAX_VOCAB, &config->vocab_size, err)) != BN_OK) return status;
    if ((status = require_size(json, "hidden_size|n_embd", CONFIG_MAX_WIDTH, &config->hidden_size, err)) != BN_OK)
        return status;
    if ((status = require_size(json, "num_hidden_layers|n_layer", CONFIG_MAX_LAYERS, &config->n_layers, err)) != BN_OK)
        return status;
    if ((status = require_size(json, "num_attention_heads|n_head", CONFIG_MAX_HEADS, &config->n_heads, err)) != BN_OK)
        return status;
    if ((status = get_size(json, "max_position_embeddings|n_positions", 1, CONFIG_MAX_CONTEXT, &config->context_length,
                           err)) != BN_OK) return status;
    if (!arch->gated_ffn) config->intermediate_size = 4 * config->hidden_size;
    if ((status = get_size(json, "intermediate_size|n_inner", 1, CONFIG_MAX_WIDTH, &config->intermediate_size, err)) !=
        BN_OK) return status;
    if (!config->intermediate_size) return fail(err, BN_STATUS_BAD_FILE, "the key 'intermediate_size' is missing");
    if (!key_is_null(json, "num_key_value_heads")) config->n_kv_heads = arch->absent.n_kv_heads;
    if ((status = get_size(json, "num_key_value_heads", 1, CONFIG_MAX_HEADS, &config->n_kv_heads, err)) != BN_OK)
        return status;
    return get_size(json, "head_dim", 1, CONFIG_MAX_HEAD_DIM, &config->head_dim, err);
}

static bn_status read_numbers(const json_t *json, struct model_config *config, bn_error *err) {
    bn_status status;
    if ((status = get_positive_float(json, "rms_norm_eps|layer_norm_epsilon|layer_norm_eps|norm_epsilon",
                                     &config->norm_eps, err)) != BN_OK) return status;
    if (key_is_null(json, "attn_logit_softcapping")) config->attention_softcap = 0;
    if (key_is_null(json, "final_logit_softcapping")) config->final_softcap = 0;
    if ((status = get_positive_float(json, "attn_logit_softcapping", &config->attention_softcap, err)) != BN_OK)
        return status;
    if ((status = get_positive_float(json, "final_logit_softcapping", &config->final_softcap, err)) != BN_OK)
        return status;
    float scalar = config->arch->absent.query_scalar;
    if (scalar > 0) {
        if ((status = get_positive_float(json, "query_pre_attn_scalar", &scalar, err)) != BN_OK) return status;
        config->attention_scale = (float)(1 / sqrt((double)scalar));
    }
    bool scale_scores = true, tied = config->arch->absent.tied;
    if ((status = json_get_bool(json, "scale_attn_weights", &scale_scores, err)) != BN_OK) return status;
    if (!scale_scores) config->attention_scale = 1;
    if ((status = json_get_bool(json, "scale_attn_by_inverse_layer_idx", &config->scale_by_inverse_layer, err)) != BN_OK)
        return status;
    if ((status = json_get_bool(json, "use_parallel_residual", &config->parallel_residual, err)) != BN_OK) return status;
    if ((status = json_get_bool(json, "tie_word_embeddings", &tied, err)) != BN_OK) return status;
    config->tie = tied ? TIE_ALWAYS : TIE_NEVER;
    return BN_OK;
}

/* attention_bias and mlp_bias decide where the family leaves it open. */
static bn_status read_biases(const json_t *json, struct model_config *config, bn_error *err) {
    bool attention = false, ffn = false;
    bn_status status = json_get_bool(json, "attention_bias", &attention, err);
    if (status == BN_OK) status = json_get_bool(json, "mlp_bias", &ffn, err);
    if (config->qkv_bias == BIAS_IF_PRESENT) config->qkv_bias = attention ? BIAS_REQUIRED : BIAS_NONE;
    if (config->o_bias == BIAS_IF_PRESENT) config->o_bias = attention ? BIAS_REQUIRED : BIAS_NONE;
    if (config->ffn_bias == BIAS_IF_PRESENT) config->ffn_bias = ffn ? BIAS_REQUIRED : BIAS_NONE;
    if (json_is_false(json_object_get(json, "attention_bias")) && config->arch->hf_qkv_rows == QKV_PER_HEAD)
        config->qkv_bias = config->o_bias = BIAS_NONE; /* gpt_neox: the default is true */
    return status;
}

/* layer_types lists which layers slide; without it the family's rule holds. */
static bn_status read_windows(const json_t *json, struct model_config *config, struct arena *arena, bn_error *err) {
    if (config->arch->window_rule == WINDOW_NEVER) return BN_OK;
    bool use = config->arch->window_rule != WINDOW_UPPER_LAYERS; /* qwen: off unless said */
    size_t first = 28;
    bn_status status;
    if (key_is_null(json, "sliding_window")) config->sliding_window = 0;
    if ((status = json_get_size(json, "sliding_window", 0, CONFIG_MAX_CONTEXT, &config->sliding_window, err)) != BN_OK)
        return status;
    if ((status = json_get_bool(json, "use_sliding_window", &use, err)) != BN_OK) return status;
    if ((status = json_get_size(json, "max_window_layers", 0, CONFIG_MAX_LAYERS, &first, err)) != BN_OK) return status;
    if (!use) config->sliding_window = 0;
    if ((status = config_apply_window_rule(config, first, arena, err)) != BN_OK) return status;

    const json_t *types = json_object_get(json, "layer_types");
    if (!json_is_array(types)) return BN_OK;
    if (json_array_size(types) != config->n_layers)
        return fail(err, BN_STATUS_BAD_FILE, "'layer_types' lists %zu layers, expected %zu", json_array_size(types),
                    config->n_layers);
    for (size_t i = 0; i < config->n_layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || (strcmp(type, "sliding_attention") != 0 && strcmp(type, "full_attention") != 0))
            return fail(err, BN_STATUS_UNSUPPORTED, "'layer_types[%zu]' is '%s'; full_attention and sliding_attention "
                        "are known", i, type ? type : "not a string");
        config->windowed[i] = strcmp(type, "sliding_attention") == 0;
    }
    return BN_OK;
}

static bn_status read_rope_type(const json_t *dictionary, const struct architecture *arch, struct rope_config *rope,
                                bn_error *err) {
    static const struct { const char *name; enum rope_type type; } types[] = {
        {"default", ROPE_DEFAULT}, {"linear", ROPE_LINEAR}, {"dynamic", ROPE_DYNAMIC}, {"yarn", ROPE_YARN},
        {"llama3", ROPE_LLAMA3},   {"longrope", ROPE_LONGROPE}, {"su", ROPE_LONGROPE},
    };
    const char *name = "default";
    bn_status status = json_get_text(dictionary, "type", &name, err);
    if (status == BN_OK) status = json_get_text(dictionary, "rope_type", &name, err);
    if (status != BN_OK) return status;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) {
            rope->type = types[i].type;
            /* Phi-3's configuration class reads "yarn" as longrope. */
            if (rope->type == ROPE_YARN && strcmp(arch->name, "phi3") == 0) rope->type = ROPE_LONGROPE;
            return BN_OK;
        }
    return fail(err, BN_STATUS_UNSUPPORTED, "rope type '%s' isn't supported; default, linear, dynamic, yarn, llama3 and "
                "longrope are", name);
}

static bn_status read_factors(const json_t *dictionary, const char *key, size_t n, struct arena *arena,
                              const float **out, bn_error *err) {
    const json_t *list = json_object_get(dictionary, key);
    if (!json_is_array(list) || json_array_size(list) != n)
        return fail(err, BN_STATUS_BAD_FILE, "rope '%s' must be a list of %zu numbers (half the rotary dimensions), found "
                    "%zu", key, n, json_array_size(list));
    float *values = arena_alloc_array(arena, n, sizeof(float));
    if (!values) return fail_no_memory(err, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        double value = json_number_value(json_array_get(list, i));
        bn_status status = config_check_positive(key, value, err);
        if (status != BN_OK) return status;
        values[i] = (float)value;
    }
    *out = values;
    return BN_OK;
}

/* The numbers of one dictionary of rope parameters; `json` has what older files keep at top level. */
static bn_status read_rope_numbers(const json_t *json, const json_t *dictionary, const struct model_config *config,
                                   struct rope_config *rope, bn_error *err) {
    double fraction = config->arch->absent.rotary_fraction > 0 ? (double)config->arch->absent.rotary_fraction : 1;
    bn_status status;
    if ((status = get_positive(json, "rope_theta|rotary_emb_base", &rope->theta, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "rope_theta", &rope->theta, err)) != BN_OK) return status;
    if ((status = get_positive(json, "partial_rotary_factor|rotary_pct", &fraction, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "partial_rotary_factor", &fraction, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "factor", &rope->factor, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "low_freq_factor", &rope->low_freq_factor, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "high_freq_factor", &rope->high_freq_factor, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "beta_fast", &rope->beta_fast, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "beta_slow", &rope->beta_slow, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "mscale", &rope->mscale, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "mscale_all_dim", &rope->mscale_all_dim, err)) != BN_OK) return status;
    if ((status = get_positive(dictionary, "attention_factor", &rope->attention_factor, err)) != BN_OK) return status;
    if ((status = json_get_bool(dictionary, "truncate", &rope->truncate, err)) != BN_OK) return status;
    if ((status = json_get_size(dictionary, "original_max_position_embeddings", 1, CONFIG_MAX_CONTEXT,
                                &rope->original_positions, err)) != BN_OK) return status;
    if ((status = json_get_size(json, "original_max_position_embeddings", 1, CONFIG_MAX_CONTEXT,
                                &rope->original_positions, err)) != BN_OK) return status;
    size_t head_dim = config->head_dim ? config->head_dim : config->hidden_size / config->n_heads;
    if (fraction > 1) return fail(err, BN_STATUS_BAD_FILE, "'partial_rotary_factor' is %g, expected at most 1", fraction);
    rope->n_dims = (size_t)((double)head_dim * fraction);
    return BN_OK;
}

static bn_status read_rope_dictionary(const json_t *json, const json_t *dictionary, const struct model_config *config,
                                      struct arena *arena, struct rope_config *rope, bn_error *err) {
    bn_status status = read_rope_type(dictionary, config->arch, rope, err);
    if (status == BN_OK) status = read_rope_numbers(json, dictionary, config, rope, err);
    if (status != BN_OK || rope->type != ROPE_LONGROPE) return status;
    status = read_factors(dictionary, "short_factor", rope->n_dims / 2, arena, &rope->short_factors, err);
    if (status != BN_OK) return status;
    /* Phi-3's attention factor follows from how far the context was stretched, unless a factor is given. */
    if (!json_object_get(dictionary, "factor") && rope->original_positions)
        rope->factor = (double)config->context_length / (double)rope->original_positions;
    return read_factors(dictionary, "long_factor", rope->n_dims / 2, arena, &rope->long_factors, err);
}

static bn_status read_rope(const json_t *json, struct model_config *config, struct arena *arena, bn_error *err) {
    const json_t *dictionary = json_object_get(json, "rope_scaling");
    if (!json_is_object(dictionary)) dictionary = json_object_get(json, "rope_parameters");
    const json_t *full = json_object_get(dictionary, "full_attention");
    const json_t *local = json_object_get(dictionary, "sliding_attention");
    if (config->arch->absent.local_rope_theta > 0) {
        config->local_rope = config->rope;
        config->local_rope.theta = (double)config->arch->absent.local_rope_theta;
        bn_status status = get_positive(json, "rope_local_base_freq", &config->local_rope.theta, err);
        if (status == BN_OK) status = get_positive(local, "rope_theta", &config->local_rope.theta, err);
        if (status != BN_OK) return status;
        config->local_rope.n_dims = config->head_dim;
    }
    return read_rope_dictionary(json, full ? full : dictionary, config, arena, &config->rope, err);
}

/* modules_to_not_convert: null keeps the head float, a list replaces that rule. */
static bn_status read_kept_modules(const json_t *list, struct bitnet_config *bitnet, struct arena *arena,
                                   bn_error *err) {
    if (!list || json_is_null(list)) return BN_OK;
    if (!json_is_array(list)) return fail(err, BN_STATUS_BAD_FILE, "'modules_to_not_convert' must be a list or null");
    bitnet->convert_head = true;
    bitnet->n_kept_float = json_array_size(list);
    bitnet->kept_float = arena_alloc_array(arena, bitnet->n_kept_float + 1, sizeof(char *));
    if (!bitnet->kept_float) return fail_no_memory(err, bitnet->n_kept_float * sizeof(char *));
    for (size_t i = 0; i < bitnet->n_kept_float; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name) return fail(err, BN_STATUS_BAD_FILE, "'modules_to_not_convert[%zu]' isn't a string", i);
        if (!(bitnet->kept_float[i] = arena_strndup(arena, name, strlen(name)))) return fail_no_memory(err, strlen(name));
    }
    return BN_OK;
}

static bn_status read_quantization(const json_t *json, struct model_config *config, struct arena *arena, bn_error *err) {
    struct bitnet_config *bitnet = &config->bitnet;
    const json_t *block = json_object_get(json, "quantization_config");
    if (!json_is_object(block)) {
        bitnet->enabled = config->arch->hf_ternary_masters;
        return BN_OK;
    }
    const char *method = "", *class = "bitlinear", *mode = "offline";
    bn_status status;
    if ((status = json_get_text(block, "quant_method", &method, err)) != BN_OK) return status;
    if (strcmp(method, "bitnet") != 0)
        return fail(err, BN_STATUS_UNSUPPORTED, "weights are quantised by '%s', which isn't supported; use a bitnet or "
                    "unquantised checkpoint, or a GGUF file", method);
    if ((status = json_get_text(block, "linear_class", &class, err)) != BN_OK) return status;
    if ((status = json_get_text(block, "quantization_mode", &mode, err)) != BN_OK) return status;
    bool automatic = strcmp(class, "autobitlinear") == 0, online = strcmp(mode, "online") == 0;
    if (!automatic && strcmp(class, "bitlinear") != 0)
        return fail(err, BN_STATUS_UNSUPPORTED, "'linear_class' is '%s'; bitlinear and autobitlinear are known", class);
    if (!online && strcmp(mode, "offline") != 0)
        return fail(err, BN_STATUS_UNSUPPORTED, "'quantization_mode' is '%s'; online and offline are known", mode);
    bitnet->enabled = true;
    bitnet->scale_divides = !automatic;
    bitnet->bias_before_scale = automatic && !online;
    double eps = 1e-6;
    if ((status = json_get_bool(block, "use_rms_norm", &bitnet->input_norm, err)) != BN_OK) return status;
    if ((status = get_positive(block, "rms_norm_eps", &eps, err)) != BN_OK) return status;
    bitnet->input_norm_eps = (float)eps;
    return read_kept_modules(json_object_get(block, "modules_to_not_convert"), bitnet, arena, err);
}

static bn_status decide_activation(const json_t *json, struct model_config *config, const char *hidden_act,
                                   bn_error *err) {
    if (hidden_act)
        return config_set_activation(config, hidden_act, strlen(hidden_act), "the caller's choice", err);
    char key[64];
    const json_t *value = find_any(json, "hidden_activation|hidden_act|activation_function", key, sizeof key);
    if (!value || (config->arch->hf_norm_minus_one && strcmp(key, "hidden_act") == 0))
        return BN_OK; /* gemma's "hidden_act": "gelu" means gelu_tanh */
    if (!json_is_string(value)) return fail(err, BN_STATUS_BAD_FILE, "'%s' must be a string", key);
    return config_set_activation(config, json_string_value(value), json_string_length(value), "config.json", err);
}

static bn_status find_architecture(const json_t *json, const struct architecture **out, bn_error *err) {
    const char *type = NULL;
    bn_status status = json_get_text(json, "model_type", &type, err);
    if (status != BN_OK) return status;
    if (!type) return fail(err, BN_STATUS_BAD_FILE, "the key 'model_type' is missing");
    const char *class = json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    *out = architecture_find_hf(type, class);
    if (*out) return BN_OK;
    char known[256];
    architecture_list(known, sizeof known);
    return fail(err, BN_STATUS_UNSUPPORTED, "model_type '%s' isn't supported; %s are", type, known);
}

bn_status config_from_hf(const json_t *json, const char *hidden_act, struct arena *arena,
                         struct model_config *config, bn_error *err) {
    if (!json_is_object(json)) return fail(err, BN_STATUS_BAD_FILE, "expected a JSON object");
    const struct architecture *arch;
    bn_status status = find_architecture(json, &arch, err);
    if (status != BN_OK) return status;
    config_init(config, arch);
    const char *name = "";
    if ((status = json_get_text(json, "_name_or_path", &name, err)) != BN_OK) return status;
    if (!(config->name = arena_strndup(arena, name, strlen(name)))) return fail_no_memory(err, 1);
    if ((status = read_sizes(json, config, err)) != BN_OK) return status;
    if ((status = read_numbers(json, config, err)) != BN_OK) return status;
    if ((status = read_biases(json, config, err)) != BN_OK) return status;
    if ((status = read_windows(json, config, arena, err)) != BN_OK) return status;
    if (arch->position == POSITION_ROPE && (status = read_rope(json, config, arena, err)) != BN_OK) return status;
    if ((status = read_quantization(json, config, arena, err)) != BN_OK) return status;
    if ((status = decide_activation(json, config, hidden_act, err)) != BN_OK) return status;
    return config_finish(config, arena, err);
}
