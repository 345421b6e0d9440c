#include "convert/gguf_keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "convert/card_keys.h"
#include "formats/gguf.h"
#include "model/pooling.h"
#include "tokenizer/compiled.h"
#include "tokenizer/convert.h"

/* Sets keys one after the other; the first error sticks, and what comes after it does nothing. */
struct key_writer {
    struct gguf_writer *writer;
    const char *prefix; /* general.architecture */
    char key[160];
    bn_status status;
    bn_error *err;
};

/* "prefix.name"; valid until the next call. */
static const char *full_key(struct key_writer *w, const char *name) {
    snprintf(w->key, sizeof w->key, "%s.%s", w->prefix, name);
    return w->key;
}

static void set_size(struct key_writer *w, const char *name, size_t value) {
    if (!w->status) w->status = gguf_writer_set_u32(w->writer, full_key(w, name), (uint32_t)value, w->err);
}
static void set_number(struct key_writer *w, const char *name, double value) {
    if (!w->status) w->status = gguf_writer_set_f32(w->writer, full_key(w, name), (float)value, w->err);
}
static void set_text(struct key_writer *w, const char *key, const char *text) {
    if (!w->status) w->status = gguf_writer_set_string(w->writer, key, text, strlen(text), w->err);
}
static void refuse(struct key_writer *w, const char *what) {
    if (!w->status) w->status = fail(w->err, BN_STATUS_UNSUPPORTED, "GGUF can't say it: %s", what);
}

/* ---- general ---- */

/* Families that llama.cpp reads under another's name: Mistral is a LLaMA, and both kinds of BitNet are one. */
static const char *gguf_name(const struct architecture *arch) {
    if (arch->ternary) return "bitnet";
    return strcmp(arch->name, "mistral") == 0 ? "llama" : arch->gguf_names[0];
}

/* LLAMA_FTYPE of llama.cpp by the type of the layers' matrices; I2_S's number is bitnet.cpp's. */
static uint32_t file_type(enum tensor_type type) {
    static const struct {
        enum tensor_type type;
        uint32_t number;
    } numbers[] = {{TYPE_F32, 0},   {TYPE_F16, 1},   {TYPE_Q4_0, 2},   {TYPE_Q8_0, 7},   {TYPE_Q4_K, 15},
                   {TYPE_Q6_K, 18}, {TYPE_BF16, 32}, {TYPE_TQ1_0, 36}, {TYPE_TQ2_0, 37}, {TYPE_I2_S, 40}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].type == type) return numbers[i].number;
    return 1024; /* guessed: the reader is to look at the tensors */
}

/* The type that most values of matrices have. */
static enum tensor_type main_type(const struct plan *plan) {
    enum tensor_type best = TYPE_F32;
    size_t most = 0;
    for (size_t i = 0; i < plan->n; i++) {
        size_t n = 0;
        for (size_t k = 0; k < plan->n; k++) {
            const struct planned_tensor *t = &plan->tensors[k];
            if (t->type == plan->tensors[i].type && t->content != CONTENT_CONSTANT && strncmp(t->name, "blk.", 4) == 0)
                n += t->n_rows * t->n_cols;
        }
        if (n <= most) continue;
        most = n;
        best = plan->tensors[i].type;
        if (most > plan->n_parameters / 2) break;
    }
    return best;
}

/* "2.4B", "124M": two digits at least. */
static void size_label(size_t n_parameters, char out[32]) {
    static const struct {
        double unit;
        char suffix;
    } units[] = {{1e12, 'T'}, {1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}};
    size_t i = 0;
    while (i < 3 && (double)n_parameters <= units[i].unit) i++;
    double value = (double)n_parameters / units[i].unit;
    int digits = rint(value) >= 10 ? 0 : rint(value) >= 1 ? 1 : 2;
    snprintf(out, 32, "%.*f%c", digits, value, units[i].suffix);
}

static void set_general(struct key_writer *w, const struct plan *plan, const char *name) {
    char label[32];
    set_text(w, "general.architecture", w->prefix);
    set_text(w, "general.type", "model");
    set_text(w, "general.name", name);
    size_label(plan->n_parameters, label);
    set_text(w, "general.size_label", label);
    if (!w->status) w->status = gguf_writer_set_u32(w->writer, "general.quantization_version", 2, w->err);
    if (!w->status) w->status = gguf_writer_set_u32(w->writer, "general.file_type", file_type(main_type(plan)), w->err);
    if (!w->status && plan->n_ternary) set_text(w, "bitnet.i2s.layout", i2s_layout_name(I2S_X86_128));
}

static void set_sampling(struct key_writer *w, const bn_generation_defaults *d) {
    const struct {
        const char *key;
        float value;
    } numbers[] = {{"general.sampling.temp", d->temperature},
                   {"general.sampling.top_p", d->top_p},
                   {"general.sampling.min_p", d->min_p},
                   {"general.sampling.penalty_repeat", d->repetition_penalty}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !w->status; i++)
        if (!isnan(numbers[i].value))
            w->status = gguf_writer_set_f32(w->writer, numbers[i].key, numbers[i].value, w->err);
    if (!w->status && d->top_k >= 0) {
        int32_t top_k = d->top_k;
        w->status = gguf_writer_set_u32(w->writer, "general.sampling.top_k", (uint32_t)top_k, w->err);
    }
}

/* ---- the architecture ---- */

static void set_sizes(struct key_writer *w, const struct model_config *c) {
    set_size(w, "vocab_size", c->vocab_size);
    set_size(w, "context_length", c->context_length);
    set_size(w, "embedding_length", c->hidden_size);
    set_size(w, "block_count", c->n_layers);
    set_size(w, "feed_forward_length", c->intermediate_size);
    set_size(w, "attention.head_count", c->n_heads);
    set_size(w, "attention.head_count_kv", c->n_kv_heads);
    if (c->head_dim * c->n_heads != c->hidden_size || c->arch->absent.head_dim) {
        set_size(w, "attention.key_length", c->head_dim);
        set_size(w, "attention.value_length", c->head_dim);
    }
}

/* Which layers have a window is implied by the family; other choices can't be said. */
static void set_window(struct key_writer *w, const struct model_config *c) {
    static const size_t first_layer = 0;
    bool any = false, as_implied = true;
    for (size_t i = 0; i < c->n_layers; i++) {
        any |= c->windowed[i];
        as_implied &= !c->windowed[i] == !window_applies(c->arch->window_rule, i, first_layer);
    }
    if (!c->sliding_window || !any) {
        if (strcmp(c->arch->name, "phi3") == 0) set_size(w, "attention.sliding_window", 0);
        return;
    }
    if (!as_implied) refuse(w, "a sliding window in some layers that its family doesn't imply (layer_types)");
    set_size(w, "attention.sliding_window", c->sliding_window);
}

static void set_numbers(struct key_writer *w, const struct model_config *c) {
    bool rms = c->arch->norm == NORM_RMS;
    set_number(w, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", (double)c->norm_eps);
    if (c->attention_softcap > 0) set_number(w, "attn_logit_softcapping", (double)c->attention_softcap);
    if (c->final_softcap > 0) set_number(w, "final_logit_softcapping", (double)c->final_softcap);
    if (c->attention_scale != (float)(1 / sqrt((double)c->head_dim)))
        set_number(w, "attention.scale", (double)c->attention_scale);
    if (strcmp(c->arch->name, "gpt_neox") == 0 && !w->status)
        w->status = gguf_writer_set_bool(w->writer, full_key(w, "use_parallel_residual"), c->parallel_residual, w->err);
    if (c->scale_by_inverse_layer) refuse(w, "attention scores divided by the layer (scale_attn_by_inverse_layer_idx)");
    if (c->arch->ternary && c->activation != ACT_SILU) /* what plain "bitnet" means */
        set_text(w, full_key(w, "hidden_act"), activation_name(c->activation));
    else if (!c->arch->ternary && c->activation != c->arch->activation)
        refuse(w, "another activation function (hidden_act) than its family's");
}

static void set_yarn(struct key_writer *w, const struct rope_config *rope) {
    set_text(w, full_key(w, "rope.scaling.type"), "yarn");
    set_number(w, "rope.scaling.factor", rope->factor);
    set_size(w, "rope.scaling.original_context_length", rope->original_positions);
    set_number(w, "rope.scaling.yarn_beta_fast", rope->beta_fast);
    set_number(w, "rope.scaling.yarn_beta_slow", rope->beta_slow);
    if (!rope->truncate) refuse(w, "yarn without 'truncate'");
    double usual = rope->factor > 1 ? 0.1 * log(rope->factor) + 1 : 1, factor = rope->attention_factor;
    if (isnan(factor) && rope->mscale > 0 && rope->mscale_all_dim > 0 && rope->factor > 1)
        factor = (0.1 * rope->mscale * log(rope->factor) + 1) / (0.1 * rope->mscale_all_dim * log(rope->factor) + 1);
    if (!isnan(factor)) set_number(w, "rope.scaling.attn_factor", factor / usual);
}

static void set_longrope(struct key_writer *w, struct plan *plan, const struct rope_config *rope) {
    set_text(w, full_key(w, "rope.scaling.type"), "longrope");
    set_size(w, "rope.scaling.original_context_length", rope->original_positions);
    double usual = rope->factor > 1 ? sqrt(1 + log(rope->factor) / log((double)rope->original_positions)) : 1;
    set_number(w, "rope.scaling.attn_factor", isnan(rope->attention_factor) ? usual : rope->attention_factor);
    size_t n = rope->n_dims / 2;
    if (!w->status)
        w->status = plan_add_vector(plan, "rope_factors_long.weight", rope->long_factors, n, TYPE_F32, w->err);
    if (!w->status)
        w->status = plan_add_vector(plan, "rope_factors_short.weight", rope->short_factors, n, TYPE_F32, w->err);
}

/* Llama 3.1's scaling is a tensor of divisors. */
static void set_llama3(struct key_writer *w, struct plan *plan, const struct rope_config *config) {
    struct rope_config plain_config = *config;
    struct rope scaled, plain;
    plain_config.type = ROPE_DEFAULT;
    if (!w->status) w->status = rope_init(&scaled, config, plan->arena, w->err);
    if (!w->status) w->status = rope_init(&plain, &plain_config, plan->arena, w->err);
    for (size_t i = 0; i < config->n_dims / 2 && !w->status; i++)
        plain.inverse_frequencies[i] /= scaled.inverse_frequencies[i];
    if (!w->status)
        w->status =
            plan_add_vector(plan, "rope_freqs.weight", plain.inverse_frequencies, config->n_dims / 2, TYPE_F32, w->err);
}

static void set_rope(struct key_writer *w, struct plan *plan, const struct model_config *c) {
    const struct rope_config *rope = &c->rope;
    set_size(w, "rope.dimension_count", rope->n_dims);
    set_number(w, "rope.freq_base", rope->theta);
    if (c->local_rope.n_dims) set_number(w, "rope.freq_base_swa", c->local_rope.theta);
    switch (rope->type) {
    case ROPE_DEFAULT:
        break;
    case ROPE_LINEAR:
        set_text(w, full_key(w, "rope.scaling.type"), "linear");
        set_number(w, "rope.scaling.factor", rope->factor);
        break;
    case ROPE_DYNAMIC:
        refuse(w, "dynamic NTK scaling of rotary positions (rope type 'dynamic')");
        break;
    case ROPE_YARN:
        set_yarn(w, rope);
        break;
    case ROPE_LLAMA3:
        set_llama3(w, plan, rope);
        break;
    case ROPE_LONGROPE:
        set_longrope(w, plan, rope);
        break;
    }
}

bn_status gguf_keys_set(struct plan *plan, const char *name, struct gguf_writer *writer, bn_error *err) {
    const bn_model *model = plan->model;
    const struct model_config *c = &model->config;
    struct key_writer w = {.writer = writer, .prefix = gguf_name(c->arch), .err = err};
    set_general(&w, plan, name);
    if (!w.status && plan->options->card) w.status = card_keys_set(plan->options->card, writer, err);
    set_sampling(&w, &model->generation);
    set_sizes(&w, c);
    if (model->pooling) set_size(&w, "pooling_type", pooling_gguf_type(model->pooling));
    set_numbers(&w, c);
    set_window(&w, c);
    if (c->arch->position == POSITION_ROPE) set_rope(&w, plan, c);
    if (!model->tokenizer) set_text(&w, "tokenizer.ggml.model", "none"); /* llama.cpp asks for a word about it */
    if (!w.status && model->tokenizer) w.status = tokenizer_to_gguf(model->tokenizer, c->vocab_size, writer, err);
    return w.status;
}

/* ---- from GGUF to GGUF ---- */

static bool is_about_types(const char *key) {
    static const char *const keys[] = {"general.file_type", "general.quantization_version", "bitnet.i2s.layout",
                                       COMPILED_GGUF_KEY};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

bn_status gguf_keys_copy(const struct plan *plan, struct gguf_writer *writer, bn_error *err) {
    const struct gguf *gguf = &plan->model->gguf;
    bn_status status = BN_OK;
    for (size_t i = 0; i < gguf->n_values && !status; i++)
        if (!is_about_types(gguf->values[i].key)) status = gguf_writer_copy(writer, &gguf->values[i], err);
    if (!status) status = gguf_writer_set_u32(writer, "general.quantization_version", 2, err);
    if (!status) status = gguf_writer_set_u32(writer, "general.file_type", file_type(main_type(plan)), err);
    const char *layout = i2s_layout_name(I2S_X86_128);
    if (!status && plan->n_ternary)
        status = gguf_writer_set_string(writer, "bitnet.i2s.layout", layout, strlen(layout), err);
    return status;
}
