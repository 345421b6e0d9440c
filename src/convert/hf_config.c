#include "convert/hf_config.h"

#include <math.h>
#include <string.h>

#include "tokenizer/describe.h"

/* Classes of transformers, and what each calls its sizes where it isn't the usual word. */
static const struct {
    const char *name, *model_type, *class;
} classes[] = {
    {"bitnet", "bitnet", "BitNetForCausalLM"},
    {"llama", "llama", "LlamaForCausalLM"},
    {"mistral", "mistral", "MistralForCausalLM"},
    {"qwen2", "qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM"},
    {"phi3", "phi3", "Phi3ForCausalLM"},
    {"gemma", "gemma", "GemmaForCausalLM"},
    {"gemma2", "gemma2", "Gemma2ForCausalLM"},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM"},
    {"olmo2", "olmo2", "Olmo2ForCausalLM"},
    {"starcoder2", "starcoder2", "Starcoder2ForCausalLM"},
    {"gpt2", "gpt2", "GPT2LMHeadModel"},
    {"gpt_neox", "gpt_neox", "GPTNeoXForCausalLM"},
};

/* Keys are set one after the other; json_object_set_new takes a failed value as failure, which sticks. */
struct config_writer {
    const struct plan *plan;
    const struct model_config *c;
    json_t *root;
    bool failed;
    bn_status status;
    bn_error *err;
};

static void set(struct config_writer *w, const char *key, json_t *value) {
    w->failed |= json_object_set_new(w->root, key, value) != 0;
}
static void set_size(struct config_writer *w, const char *key, size_t value) {
    set(w, key, json_integer((json_int_t)value));
}
/* A float as the shortest decimal that is it again: 1e-05 instead of 9.99999974737875e-06. */
static json_t *shortest(double value) {
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if ((float)atof(text) == (float)value) break;
    }
    return json_real(atof(text));
}
static void set_number(struct config_writer *w, const char *key, double value) {
    set(w, key, shortest(value));
}
static void refuse(struct config_writer *w, const char *what) {
    if (!w->status) w->status = fail(w->err, BN_STATUS_UNSUPPORTED, "config.json can't say it: %s", what);
}

static bool is_family(const struct config_writer *w, const char *name) {
    return strcmp(w->c->arch->name, name) == 0;
}

/* ---- types and quantisation ---- */

static const char *dtype_of(const struct plan *plan) {
    size_t bytes[3] = {0};
    for (size_t i = 0; i < plan->n; i++) {
        const struct planned_tensor *t = &plan->tensors[i];
        if (t->n_dims < 2) continue;
        if (t->type == TYPE_F32) bytes[0] += t->n_rows * t->n_cols;
        if (t->type == TYPE_F16) bytes[1] += t->n_rows * t->n_cols;
        if (t->type == TYPE_BF16) bytes[2] += t->n_rows * t->n_cols;
    }
    return bytes[2] > bytes[0] && bytes[2] >= bytes[1] ? "bfloat16" : bytes[1] > bytes[0] ? "float16" : "float32";
}

/* A list of modules replaces the rule that the head stays float; without others than it, the rule does. */
static json_t *kept_modules(const struct plan *plan) {
    bool others = false;
    for (size_t i = 0; i < plan->n_kept_float; i++) others |= strcmp(plan->kept_float[i], "lm_head") != 0;
    if (!others) return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < plan->n_kept_float; i++)
        if (strcmp(plan->kept_float[i], "lm_head") != 0) json_array_append_new(list, json_string(plan->kept_float[i]));
    json_array_append_new(list, json_string("lm_head"));
    return list;
}

static void set_types(struct config_writer *w) {
    set(w, "torch_dtype", json_string(dtype_of(w->plan)));
    if (w->plan->n_ternary)
        set(w, "quantization_config",
            json_pack("{s:s, s:s, s:s, s:o}", "quant_method", "bitnet", "linear_class", "autobitlinear",
                      "quantization_mode", "offline", "modules_to_not_convert", kept_modules(w->plan)));
}

/* ---- the architecture ---- */

static bool source_has(const struct config_writer *w, const char *tensor) {
    return tensor_set_find(model_tensors(w->plan->model), tensor) != NULL;
}

static void set_names(struct config_writer *w) {
    const char *name = w->c->arch->name;
    if (is_family(w, "llama") && w->c->sliding_window) name = "mistral"; /* GGUF has one name for both */
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i].name, name) == 0) {
            set(w, "architectures", json_pack("[s]", classes[i].class));
            set(w, "model_type", json_string(classes[i].model_type));
        }
}

static void set_gpt2_sizes(struct config_writer *w) {
    set_size(w, "n_embd", w->c->hidden_size);
    set_size(w, "n_layer", w->c->n_layers);
    set_size(w, "n_head", w->c->n_heads);
    set_size(w, "n_positions", w->c->context_length);
    set_size(w, "n_ctx", w->c->context_length);
    set_size(w, "n_inner", w->c->intermediate_size);
    set_number(w, "layer_norm_epsilon", (double)w->c->norm_eps);
    set(w, "activation_function", json_string("gelu_new"));
    if (w->c->attention_scale == 1) set(w, "scale_attn_weights", json_false());
}

static void set_sizes(struct config_writer *w) {
    const struct model_config *c = w->c;
    set_size(w, "hidden_size", c->hidden_size);
    set_size(w, "intermediate_size", c->intermediate_size);
    set_size(w, "num_hidden_layers", c->n_layers);
    set_size(w, "num_attention_heads", c->n_heads);
    if (!is_family(w, "gpt_neox")) set_size(w, "num_key_value_heads", c->n_kv_heads);
    if (c->head_dim * c->n_heads != c->hidden_size || c->arch->absent.head_dim) set_size(w, "head_dim", c->head_dim);
    set_size(w, "max_position_embeddings", c->context_length);
    const char *eps = c->arch->norm == NORM_RMS    ? "rms_norm_eps"
                      : is_family(w, "starcoder2") ? "norm_epsilon"
                                                   : "layer_norm_eps";
    set_number(w, eps, (double)c->norm_eps);
    bool gelu_tanh = c->activation == ACT_GELU_TANH;
    set(w, is_family(w, "gemma2") || is_family(w, "gemma3") ? "hidden_activation" : "hidden_act",
        json_string(gelu_tanh ? "gelu_pytorch_tanh" : activation_name(c->activation)));
}

static void set_biases(struct config_writer *w) {
    const struct architecture *arch = w->c->arch;
    bool qkv = source_has(w, "blk.0.attn_q.bias") || source_has(w, "blk.0.attn_qkv.bias");
    bool ffn = source_has(w, "blk.0.ffn_up.bias");
    if (is_family(w, "starcoder2")) {
        set(w, "use_bias", json_boolean(qkv));
        return;
    }
    if (arch->qkv_bias == BIAS_IF_PRESENT) set(w, "attention_bias", json_boolean(qkv));
    if (arch->ffn_bias == BIAS_IF_PRESENT) set(w, "mlp_bias", json_boolean(ffn));
    if (arch->qkv_bias == BIAS_NONE && qkv) refuse(w, "biases of attention, which its family doesn't have");
}

static void set_windows(struct config_writer *w) {
    const struct model_config *c = w->c;
    if (c->arch->window_rule == WINDOW_NEVER) return;
    bool qwen = c->arch->window_rule == WINDOW_UPPER_LAYERS, llama = is_family(w, "llama");
    if (qwen) set(w, "use_sliding_window", json_boolean(c->sliding_window != 0));
    if (qwen) set_size(w, "max_window_layers", 0);
    if (c->sliding_window)
        set_size(w, "sliding_window", c->sliding_window);
    else if (!llama)
        set(w, "sliding_window", json_null());
}

static void set_caps(struct config_writer *w) {
    const struct model_config *c = w->c;
    double scalar = 1 / ((double)c->attention_scale * (double)c->attention_scale);
    bool whole = fabs(scalar - rint(scalar)) < 1e-4 * scalar; /* rounded as 1/√ in the source */
    if (c->arch->absent.query_scalar > 0)
        set(w, "query_pre_attn_scalar", whole ? json_integer((json_int_t)rint(scalar)) : shortest(scalar));
    else if (!is_family(w, "gpt2") && fabs(scalar - (double)c->head_dim) > 1e-3 * scalar)
        refuse(w, "a scale of attention scores that its family doesn't have");
    if (c->arch->absent.attention_softcap > 0)
        set(w, "attn_logit_softcapping",
            c->attention_softcap > 0 ? shortest((double)c->attention_softcap) : json_null());
    if (c->arch->absent.final_softcap > 0)
        set(w, "final_logit_softcapping", c->final_softcap > 0 ? shortest((double)c->final_softcap) : json_null());
}

/* ---- rotary positions ---- */

/* GGUF keeps Llama 3.1's scaling as divisors only; which numbers they came from is found among the usual ones. */
static bool is_llama3(const struct rope_config *given, struct rope_config *guess, struct arena *arena) {
    struct rope_config plain = *given;
    struct rope scaled, base;
    plain.divisors = NULL;
    plain.type = ROPE_DEFAULT;
    *guess = plain;
    guess->type = ROPE_LLAMA3;
    guess->low_freq_factor = 1;
    guess->high_freq_factor = 4;
    size_t n = given->n_dims / 2;
    guess->factor = rint((double)given->divisors[n - 1] * 1e4) / 1e4;
    if (guess->factor <= 1 || rope_init(&base, &plain, arena, NULL)) return false;
    for (guess->original_positions = 16; guess->original_positions <= 1 << 20; guess->original_positions *= 2) {
        if (rope_init(&scaled, guess, arena, NULL)) return false;
        bool same = true;
        for (size_t i = 0; i < n && same; i++) {
            float divisor = base.inverse_frequencies[i] / scaled.inverse_frequencies[i];
            same = fabsf(divisor - given->divisors[i]) <= 1e-5f * divisor;
        }
        if (same) return true;
    }
    return false;
}

static json_t *factors_json(const float *values, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, shortest((double)values[i]));
    return list;
}

static void set_scaling(struct config_writer *w) {
    const struct rope_config *rope = &w->c->rope;
    struct rope_config llama3;
    size_t n = rope->n_dims / 2;
    if (rope->divisors) {
        if (!is_llama3(rope, &llama3, w->plan->arena)) {
            refuse(w, "divisors of rotary frequencies (rope_freqs) that aren't Llama 3.1's");
            return;
        }
        set(w, "rope_scaling",
            json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", llama3.factor, "low_freq_factor",
                      llama3.low_freq_factor, "high_freq_factor", llama3.high_freq_factor,
                      "original_max_position_embeddings", (json_int_t)llama3.original_positions));
        return;
    }
    if (rope->type == ROPE_LINEAR && rope->factor != 1)
        set(w, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", "linear", "factor", rope->factor));
    if (rope->type == ROPE_YARN) {
        json_t *yarn = json_pack("{s:s, s:f, s:I, s:f, s:f}", "rope_type", "yarn", "factor", rope->factor,
                                 "original_max_position_embeddings", (json_int_t)rope->original_positions, "beta_fast",
                                 rope->beta_fast, "beta_slow", rope->beta_slow);
        if (!isnan(rope->attention_factor))
            json_object_set_new(yarn, "attention_factor", shortest(rope->attention_factor));
        set(w, "rope_scaling", yarn);
    }
    if (rope->type == ROPE_LONGROPE) {
        json_t *longrope =
            json_pack("{s:s, s:o, s:o}", "type", "longrope", "short_factor", factors_json(rope->short_factors, n),
                      "long_factor", factors_json(rope->long_factors, n));
        if (!isnan(rope->attention_factor))
            json_object_set_new(longrope, "attention_factor", shortest(rope->attention_factor));
        set(w, "rope_scaling", longrope);
        set_size(w, "original_max_position_embeddings", rope->original_positions);
    }
}

static void set_rope(struct config_writer *w) {
    const struct model_config *c = w->c;
    bool neox = is_family(w, "gpt_neox");
    double fraction = (double)c->rope.n_dims / (double)c->head_dim;
    set_number(w, neox ? "rotary_emb_base" : "rope_theta", c->rope.theta);
    if (neox)
        set_number(w, "rotary_pct", fraction);
    else if (c->rope.n_dims != c->head_dim)
        set_number(w, "partial_rotary_factor", fraction);
    if (c->local_rope.n_dims) set_number(w, "rope_local_base_freq", c->local_rope.theta);
    set_scaling(w);
}

static void set_tokens(struct config_writer *w) {
    const bn_tokenizer *tokenizer = w->plan->model->tokenizer;
    struct token_roles roles = {.bos = -1, .eos = -1, .pad = -1};
    if (tokenizer) roles = tokenizer_roles(tokenizer);
    if (roles.bos >= 0) set_size(w, "bos_token_id", (size_t)roles.bos);
    if (roles.eos >= 0) set_size(w, "eos_token_id", (size_t)roles.eos);
    set(w, "pad_token_id",
        roles.pad >= 0 ? json_integer(roles.pad)
                       : json_null()); /* some classes have a default, in a vocabulary of theirs */
}

bn_status hf_config_make(const struct plan *plan, json_t **out, bn_error *err) {
    struct config_writer w = {.plan = plan, .c = &plan->model->config, .root = json_object(), .err = err};
    set_names(&w);
    set_size(&w, "vocab_size", w.c->vocab_size);
    if (is_family(&w, "gpt2")) {
        set_gpt2_sizes(&w);
    } else {
        set_sizes(&w);
        set_biases(&w);
        set_windows(&w);
        set_rope(&w);
    }
    set_caps(&w);
    if (is_family(&w, "gpt_neox")) set(&w, "use_parallel_residual", json_boolean(w.c->parallel_residual));
    set(&w, "tie_word_embeddings", json_boolean(plan->tied));
    set_tokens(&w);
    set_types(&w);
    if (w.failed && !w.status) w.status = fail_no_memory(err, 0);
    if (w.status)
        json_decref(w.root);
    else
        *out = w.root;
    return w.status;
}

bn_status hf_config_update(const struct plan *plan, json_t *config, bn_error *err) {
    struct config_writer w = {.plan = plan, .c = &plan->model->config, .root = config, .err = err};
    const struct convert_options *o = plan->options;
    if (!o->type.given && !o->head_type.given && !o->embedding_type.given) return BN_OK;
    json_object_del(config, "dtype"); /* the newer name of torch_dtype */
    set_types(&w);
    return w.failed ? fail_no_memory(err, 0) : BN_OK;
}

json_t *hf_generation_config(const bn_model *model) {
    const bn_generation_defaults *d = &model->generation;
    json_t *root = json_object(), *eos = json_array();
    const struct {
        const char *key;
        float value;
    } numbers[] = {{"temperature", d->temperature},
                   {"top_p", d->top_p},
                   {"min_p", d->min_p},
                   {"repetition_penalty", d->repetition_penalty}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!isnan(numbers[i].value)) json_object_set_new(root, numbers[i].key, shortest((double)numbers[i].value));
    if (d->top_k >= 0) json_object_set_new(root, "top_k", json_integer(d->top_k));
    if (d->do_sample >= 0) json_object_set_new(root, "do_sample", json_boolean(d->do_sample));
    for (size_t i = 0; i < d->n_eos; i++) json_array_append_new(eos, json_integer(d->eos[i]));
    json_object_set_new(root, "eos_token_id", eos);
    return root;
}
