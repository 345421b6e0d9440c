/* Hyper-parameters from a Hugging Face config.json, in the old (v4) and new (v5) spellings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"

/* Reads members one after the other; the first error sticks, and what comes after it does nothing. */
struct config_reader {
    const json_t *json; /* the whole of config.json */
    struct arena *arena;
    char key[64]; /* the last spelling that was found, or the first that was looked for */
    bn_status status;
    bn_error *err;
};

/* The first of several spellings ("a|b|c") that the object has and that isn't null. */
static const json_t *find(struct config_reader *r, const json_t *object, const char *spellings) {
    for (const char *at = spellings; *at && r->status == BN_OK;) {
        size_t n = strcspn(at, "|");
        snprintf(r->key, sizeof r->key, "%.*s", (int)n, at);
        const json_t *value = json_object_get(object, r->key);
        if (value && !json_is_null(value)) return value;
        at += n + (at[n] == '|');
    }
    snprintf(r->key, sizeof r->key, "%.*s", (int)strcspn(spellings, "|"), spellings);
    return NULL;
}

static void read_size(struct config_reader *r, const json_t *object, const char *spellings, size_t min, size_t max,
                      size_t *out) {
    if (find(r, object, spellings)) r->status = json_get_size(object, r->key, min, max, out, r->err);
}

static void require_size(struct config_reader *r, const char *spellings, size_t max, size_t *out) {
    read_size(r, r->json, spellings, 1, max, out);
    if (r->status == BN_OK && !find(r, r->json, spellings))
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "the key '%s' is missing", r->key);
}

static void read_positive(struct config_reader *r, const json_t *object, const char *spellings, double *out) {
    if (!find(r, object, spellings)) return;
    double value = 0;
    r->status = json_get_number(object, r->key, &value, r->err);
    if (r->status == BN_OK) r->status = config_check_positive(r->key, value, r->err);
    if (r->status == BN_OK) *out = value;
}

static void read_positive_float(struct config_reader *r, const char *spellings, float *out) {
    double value = (double)*out;
    read_positive(r, r->json, spellings, &value);
    *out = (float)value;
}

static void read_bool(struct config_reader *r, const json_t *object, const char *spellings, bool *out) {
    if (find(r, object, spellings)) r->status = json_get_bool(object, r->key, out, r->err);
}

static void read_text(struct config_reader *r, const json_t *object, const char *key, const char **out) {
    if (find(r, object, key)) r->status = json_get_text(object, key, out, r->err);
}

/* null means "none" where an absent key means a default. */
static bool is_null(const struct config_reader *r, const char *key) {
    return json_is_null(json_object_get(r->json, key));
}

static void read_sizes(struct config_reader *r, struct model_config *c) {
    require_size(r, "vocab_size", CONFIG_MAX_VOCAB, &c->vocab_size);
    require_size(r, "hidden_size|n_embd", CONFIG_MAX_WIDTH, &c->hidden_size);
    require_size(r, "num_hidden_layers|n_layer", CONFIG_MAX_LAYERS, &c->n_layers);
    require_size(r, "num_attention_heads|n_head", CONFIG_MAX_HEADS, &c->n_heads);
    read_size(r, r->json, "max_position_embeddings|n_positions", 1, CONFIG_MAX_CONTEXT, &c->context_length);
    if (!c->arch->gated_ffn && !find(r, r->json, "intermediate_size|n_inner"))
        c->intermediate_size = 4 * c->hidden_size;
    else
        require_size(r, "intermediate_size|n_inner", CONFIG_MAX_WIDTH, &c->intermediate_size);
    c->n_kv_heads = c->arch->absent.n_kv_heads;
    if (c->n_kv_heads == 0 || is_null(r, "num_key_value_heads")) c->n_kv_heads = c->n_heads;
    read_size(r, r->json, "num_key_value_heads", 1, CONFIG_MAX_HEADS, &c->n_kv_heads);
    if (r->status != BN_OK) return;
    if (c->head_dim == 0 && c->hidden_size % c->n_heads == 0) c->head_dim = c->hidden_size / c->n_heads;
    read_size(r, r->json, "head_dim", 1, CONFIG_MAX_HEAD_DIM, &c->head_dim);
}

static void read_numbers(struct config_reader *r, struct model_config *c) {
    read_positive_float(r, "rms_norm_eps|layer_norm_epsilon|layer_norm_eps|norm_epsilon", &c->norm_eps);
    if (is_null(r, "attn_logit_softcapping")) c->attention_softcap = 0;
    if (is_null(r, "final_logit_softcapping")) c->final_softcap = 0;
    if (c->arch->absent.attention_softcap > 0) /* gemma3 has the key and ignores it */
        read_positive_float(r, "attn_logit_softcapping", &c->attention_softcap);
    read_positive_float(r, "final_logit_softcapping", &c->final_softcap);
    float scalar = c->arch->absent.query_scalar;
    if (scalar > 0) {
        read_positive_float(r, "query_pre_attn_scalar", &scalar);
        c->attention_scale = (float)(1 / sqrt((double)scalar));
    }
    bool scale_scores = true, tied = c->arch->absent.tied;
    read_bool(r, r->json, "scale_attn_weights", &scale_scores);
    read_bool(r, r->json, "scale_attn_by_inverse_layer_idx", &c->scale_by_inverse_layer);
    read_bool(r, r->json, "use_parallel_residual", &c->parallel_residual);
    read_bool(r, r->json, "tie_word_embeddings", &tied);
    if (!scale_scores) c->attention_scale = 1;
    c->tie = tied ? TIE_ALWAYS : TIE_NEVER;
}

/* Keys decide where the family leaves it open. */
static void read_biases(struct config_reader *r, struct model_config *c) {
    const struct architecture *arch = c->arch;
    bool attention = arch->absent.bias, ffn = arch->absent.bias;
    read_bool(r, r->json, "attention_bias|use_bias", &attention);
    read_bool(r, r->json, "mlp_bias|use_bias", &ffn);
    if (arch->qkv_bias == BIAS_IF_PRESENT) c->qkv_bias = attention ? BIAS_REQUIRED : BIAS_NONE;
    if (arch->o_bias == BIAS_IF_PRESENT) c->o_bias = attention ? BIAS_REQUIRED : BIAS_NONE;
    if (arch->ffn_bias == BIAS_IF_PRESENT) c->ffn_bias = ffn ? BIAS_REQUIRED : BIAS_NONE;
}

/* layer_types lists which layers slide; without it the family's rule holds. */
static void read_layer_types(struct config_reader *r, struct model_config *c) {
    const json_t *types = find(r, r->json, "layer_types");
    if (!types) return;
    if (!json_is_array(types) || json_array_size(types) != c->n_layers) {
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "'layer_types' lists %zu layers, expected %zu",
                         json_array_size(types), c->n_layers);
        return;
    }
    for (size_t i = 0; i < c->n_layers && r->status == BN_OK; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        c->windowed[i] = type && strcmp(type, "sliding_attention") == 0;
        if (!c->windowed[i] && (!type || strcmp(type, "full_attention") != 0))
            r->status = fail(r->err, BN_STATUS_UNSUPPORTED,
                             "'layer_types[%zu]' is '%s'; full_attention and "
                             "sliding_attention are known",
                             i, type ? type : "not a string");
    }
}

static void read_windows(struct config_reader *r, struct model_config *c) {
    if (c->arch->window_rule == WINDOW_NEVER || r->status != BN_OK) return;
    bool use = c->arch->window_rule != WINDOW_UPPER_LAYERS; /* qwen's windows are off unless said */
    size_t first = 28;
    if (is_null(r, "sliding_window")) c->sliding_window = 0;
    read_size(r, r->json, "sliding_window", 0, CONFIG_MAX_CONTEXT, &c->sliding_window);
    read_size(r, r->json, "max_window_layers", 0, CONFIG_MAX_LAYERS, &first);
    read_bool(r, r->json, "use_sliding_window", &use);
    if (!use) c->sliding_window = 0;
    if (r->status == BN_OK) r->status = config_apply_window_rule(c, first, r->arena, r->err);
    read_layer_types(r, c);
}

static void read_rope_type(struct config_reader *r, const json_t *dictionary, const struct architecture *arch,
                           struct rope_config *rope) {
    static const struct {
        const char *name;
        enum rope_type type;
    } types[] = {
        {"default", ROPE_DEFAULT}, {"linear", ROPE_LINEAR},     {"dynamic", ROPE_DYNAMIC}, {"yarn", ROPE_YARN},
        {"llama3", ROPE_LLAMA3},   {"longrope", ROPE_LONGROPE}, {"su", ROPE_LONGROPE},
    };
    const char *name = "default";
    read_text(r, dictionary, "type", &name);
    read_text(r, dictionary, "rope_type", &name);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        rope->type = types[i].type;
        /* Phi-3's configuration class reads "yarn" as longrope. */
        if (rope->type == ROPE_YARN && strcmp(arch->name, "phi3") == 0) rope->type = ROPE_LONGROPE;
        return;
    }
    r->status = fail(r->err, BN_STATUS_UNSUPPORTED,
                     "rope type '%s' isn't supported; default, linear, dynamic, yarn, "
                     "llama3 and longrope are",
                     name);
}

static void read_factors(struct config_reader *r, const json_t *dictionary, const char *key, size_t n,
                         const float **out) {
    const json_t *list = find(r, dictionary, key);
    if (r->status != BN_OK) return;
    if (!json_is_array(list) || json_array_size(list) != n) {
        r->status = fail(r->err, BN_STATUS_BAD_FILE,
                         "rope '%s' must be a list of %zu numbers (half the rotary "
                         "dimensions), found %zu",
                         key, n, json_array_size(list));
        return;
    }
    float *values = arena_alloc_array(r->arena, n, sizeof(float));
    if (!values) {
        r->status = fail_no_memory(r->err, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < n && r->status == BN_OK; i++) {
        values[i] = (float)json_number_value(json_array_get(list, i));
        r->status = config_check_positive(key, (double)values[i], r->err);
    }
    *out = values;
}

/* One dictionary of rope parameters; what older files keep at top level fills in. */
static void read_rope_dictionary(struct config_reader *r, const json_t *dictionary, const struct model_config *c,
                                 struct rope_config *rope) {
    double fraction = c->arch->absent.rotary_fraction > 0 ? (double)c->arch->absent.rotary_fraction : 1;
    read_rope_type(r, dictionary, c->arch, rope);
    read_positive(r, r->json, "rope_theta|rotary_emb_base", &rope->theta);
    read_positive(r, dictionary, "rope_theta", &rope->theta);
    read_positive(r, r->json, "partial_rotary_factor|rotary_pct", &fraction);
    read_positive(r, dictionary, "partial_rotary_factor", &fraction);
    read_positive(r, dictionary, "low_freq_factor", &rope->low_freq_factor);
    read_positive(r, dictionary, "high_freq_factor", &rope->high_freq_factor);
    read_positive(r, dictionary, "beta_fast", &rope->beta_fast);
    read_positive(r, dictionary, "beta_slow", &rope->beta_slow);
    read_positive(r, dictionary, "mscale", &rope->mscale);
    read_positive(r, dictionary, "mscale_all_dim", &rope->mscale_all_dim);
    read_positive(r, dictionary, "attention_factor", &rope->attention_factor);
    read_bool(r, dictionary, "truncate", &rope->truncate);
    const char *original = "original_max_position_embeddings"; /* phi3's at top level wins */
    read_size(r, dictionary, original, 1, CONFIG_MAX_CONTEXT, &rope->original_positions);
    read_size(r, r->json, original, 1, CONFIG_MAX_CONTEXT, &rope->original_positions);
    if (rope->type == ROPE_LONGROPE && rope->original_positions) /* how far the context was stretched */
        rope->factor = (double)c->context_length / (double)rope->original_positions;
    read_positive(r, dictionary, "factor", &rope->factor);
    if (r->status == BN_OK && fraction > 1)
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "'partial_rotary_factor' is %g, expected at most 1", fraction);
    rope->n_dims = (size_t)((double)c->head_dim * fraction);
    if (rope->type != ROPE_LONGROPE) return;
    read_factors(r, dictionary, "short_factor", rope->n_dims / 2, &rope->short_factors);
    read_factors(r, dictionary, "long_factor", rope->n_dims / 2, &rope->long_factors);
}

static void read_rope(struct config_reader *r, struct model_config *c) {
    if (r->status != BN_OK) return;
    const json_t *dictionary = find(r, r->json, "rope_scaling|rope_parameters");
    const json_t *full = json_object_get(dictionary, "full_attention");
    const json_t *local = json_object_get(dictionary, "sliding_attention");
    if (c->arch->absent.local_rope_theta > 0) {
        c->local_rope = c->rope;
        c->local_rope.theta = (double)c->arch->absent.local_rope_theta;
        c->local_rope.n_dims = c->head_dim;
        read_positive(r, r->json, "rope_local_base_freq", &c->local_rope.theta);
        read_positive(r, local, "rope_theta", &c->local_rope.theta);
    }
    read_rope_dictionary(r, full ? full : dictionary, c, &c->rope);
}

/* modules_to_not_convert: null keeps the head float, a list replaces that rule. */
static void read_kept_modules(struct config_reader *r, const json_t *block, struct bitnet_config *bitnet) {
    const json_t *list = find(r, block, "modules_to_not_convert");
    if (!list) return;
    if (!json_is_array(list)) {
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "'modules_to_not_convert' must be a list or null");
        return;
    }
    size_t n = json_array_size(list);
    const char **names = arena_alloc_array(r->arena, n + 1, sizeof(char *));
    if (!names) {
        r->status = fail_no_memory(r->err, n * sizeof(char *));
        return;
    }
    for (size_t i = 0; i < n && r->status == BN_OK; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            r->status = fail(r->err, BN_STATUS_BAD_FILE, "'modules_to_not_convert[%zu]' isn't a string", i);
        else if (!(names[i] = arena_strndup(r->arena, name, strlen(name))))
            r->status = fail_no_memory(r->err, strlen(name));
    }
    bitnet->convert_head = true;
    bitnet->kept_float = names;
    bitnet->n_kept_float = n;
}

static void read_quantization(struct config_reader *r, struct model_config *c) {
    struct bitnet_config *bitnet = &c->bitnet;
    const json_t *block = find(r, r->json, "quantization_config");
    bitnet->enabled = block || c->arch->hf_ternary_masters;
    if (!block || r->status != BN_OK) return;
    const char *method = "", *class = "bitlinear", *mode = "offline";
    double eps = 1e-6;
    read_text(r, block, "quant_method", &method);
    read_text(r, block, "linear_class", &class);
    read_text(r, block, "quantization_mode", &mode);
    read_bool(r, block, "use_rms_norm", &bitnet->input_norm);
    read_positive(r, block, "rms_norm_eps", &eps);
    read_kept_modules(r, block, bitnet);
    if (r->status != BN_OK) return;
    bool automatic = strcmp(class, "autobitlinear") == 0, online = strcmp(mode, "online") == 0;
    if (strcmp(method, "bitnet") != 0)
        r->status = fail(r->err, BN_STATUS_UNSUPPORTED,
                         "weights are quantised by '%s', which isn't supported; use a "
                         "bitnet or unquantised checkpoint, or a GGUF file",
                         method);
    else if (!automatic && strcmp(class, "bitlinear") != 0)
        r->status =
            fail(r->err, BN_STATUS_UNSUPPORTED, "'linear_class' is '%s'; bitlinear and autobitlinear are known", class);
    else if (!online && strcmp(mode, "offline") != 0)
        r->status =
            fail(r->err, BN_STATUS_UNSUPPORTED, "'quantization_mode' is '%s'; online and offline are known", mode);
    bitnet->scale_divides = !automatic;
    bitnet->bias_before_scale = automatic && !online;
    bitnet->input_norm_eps = (float)eps;
}

static void decide_activation(struct config_reader *r, struct model_config *c, const char *hidden_act) {
    if (r->status != BN_OK) return;
    if (hidden_act) {
        r->status = config_set_activation(c, hidden_act, strlen(hidden_act), "the caller's choice", r->err);
        return;
    }
    const json_t *value = find(r, r->json, "hidden_activation|hidden_act|activation_function");
    if (!value || (c->arch->activation_is_certain && c->arch->hf_norm_minus_one && strcmp(r->key, "hidden_act") == 0))
        return; /* gemma's older key says "gelu" and means gelu_tanh */
    if (!json_is_string(value))
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "'%s' must be a string", r->key);
    else
        r->status =
            config_set_activation(c, json_string_value(value), json_string_length(value), "config.json", r->err);
}

static const struct architecture *read_architecture(struct config_reader *r) {
    const char *type = NULL;
    read_text(r, r->json, "model_type", &type);
    if (r->status != BN_OK) return NULL;
    if (!type) {
        r->status = fail(r->err, BN_STATUS_BAD_FILE, "the key 'model_type' is missing");
        return NULL;
    }
    const char *class = json_string_value(json_array_get(json_object_get(r->json, "architectures"), 0));
    const struct architecture *arch = architecture_find_hf(type, class);
    char known[256];
    architecture_list(known, sizeof known);
    if (!arch) r->status = fail(r->err, BN_STATUS_UNSUPPORTED, "model_type '%s' isn't supported; %s are", type, known);
    return arch;
}

bn_status config_from_hf(const json_t *json, const char *hidden_act, struct arena *arena, struct model_config *config,
                         bn_error *err) {
    if (!json_is_object(json)) return fail(err, BN_STATUS_BAD_FILE, "expected a JSON object");
    struct config_reader reader = {.json = json, .arena = arena, .err = err}, *r = &reader;
    const struct architecture *arch = read_architecture(r);
    if (!arch) return r->status;
    config_init(config, arch);
    const char *name = "";
    read_text(r, json, "_name_or_path", &name);
    if (!(config->name = arena_strndup(arena, name, strlen(name)))) return fail_no_memory(err, strlen(name));
    read_sizes(r, config);
    read_numbers(r, config);
    read_biases(r, config);
    read_windows(r, config);
    if (arch->position == POSITION_ROPE) read_rope(r, config);
    read_quantization(r, config);
    decide_activation(r, config, hidden_act);
    return r->status == BN_OK ? config_finish(config, arena, err) : r->status;
}
