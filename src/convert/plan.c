#include "convert/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "convert/median.h"
#include "model/head_screen_file.h"

#define GLOBAL SIZE_MAX /* instead of a layer's number */
#define LISTED 8        /* names in a message */

/* State of one planning. */
struct planner {
    struct plan *plan;
    const struct model_config *config;
    const struct tensor_set *set;
    const struct tensor_names *from, *to;
    bool to_gguf;
    bool *used; /* [set->n_tensors] */
    bn_error *err;
};

bool is_ternary_type(enum tensor_type type) {
    return type == TYPE_I2_S || type == TYPE_TQ1_0 || type == TYPE_TQ2_0 || type == TYPE_Q2_0 || type == TYPE_PQ2_0;
}

size_t planned_bytes(const struct planned_tensor *t) {
    size_t rows = 1, bytes = 0;
    for (size_t i = 0; i + 1 < t->n_dims; i++) rows *= t->shape[i];
    tensor_type_bytes(t->type, rows, t->n_dims ? t->shape[t->n_dims - 1] : 1, &bytes);
    return bytes;
}

size_t planned_row(const struct planned_tensor *t, size_t row) {
    size_t D = t->head_dim, in_head = D ? row % D : 0, head = D ? row / D : 0;
    switch (t->order) {
    case ROWS_KEPT:
        break;
    case ROWS_PAIRED:
        return head * D + in_head % 2 * (D / 2) + in_head / 2;
    case ROWS_UNPAIRED:
        return head * D + in_head % (D / 2) * 2 + in_head / (D / 2);
    case ROWS_APART:
        return (head % t->n_heads * 3 + head / t->n_heads) * D + in_head;
    case ROWS_TOGETHER:
        return (head % 3 * t->n_heads + head / 3) * D + in_head;
    }
    return row;
}

/* ---- names ---- */

static void spell(const struct tensor_names *names, const struct role *role, size_t layer, const char *base, size_t n,
                  const char *suffix, bool bare, char out[256]) {
    char part[64] = "";
    if (layer != GLOBAL) snprintf(part, sizeof part, names->layer, layer);
    snprintf(out, 256, "%s%s%.*s%s", bare || role->kind == ROLE_HEAD ? "" : names->prefix, part, (int)n, base, suffix);
}

/* The source's tensor of a role, under the first spelling that it has; NULL when it has none. */
static const struct tensor *find(const struct planner *p, const struct role *role, size_t layer, const char *suffix) {
    const char *names = role_names(role, p->from);
    char name[256];
    for (const char *at = names; at && *at;) {
        size_t n = strcspn(at, "|");
        for (int bare = 0; bare < 2; bare++) {
            spell(p->from, role, layer, at, n, suffix, bare, name);
            const struct tensor *tensor = tensor_set_find(p->set, name);
            if (tensor) return tensor;
        }
        at += n + (at[n] == '|');
    }
    return NULL;
}

static void mark_used(struct planner *p, const struct tensor *tensor) {
    p->used[tensor - p->set->tensors] = true;
}

/* The result's name; NULL after an error. Hugging Face to Hugging Face keeps it. */
static const char *result_name(struct planner *p, const struct role *role, size_t layer, const char *suffix,
                               const struct tensor *tensor, bn_status *status) {
    char name[256];
    const char *names = role_names(role, p->to);
    if (p->from == p->to) {
        snprintf(name, sizeof name, "%s", tensor->name);
    } else if (!names) {
        *status =
            fail(p->err, BN_STATUS_UNSUPPORTED, "tensor '%s': %s models have no such tensor in the form asked for",
                 tensor->name, p->config->arch->name);
        return NULL;
    } else {
        spell(p->to, role, layer, names, strcspn(names, "|"), suffix, false, name);
    }
    const char *copy = arena_strndup(p->plan->arena, name, strlen(name));
    if (!copy) *status = fail_no_memory(p->err, strlen(name));
    return copy;
}

/* ---- appending ---- */

static bn_status append(struct plan *plan, const struct planned_tensor *tensor, bn_error *err) {
    struct planned_tensor *tensors = mem_realloc_array(plan->tensors, plan->n + 1, sizeof *tensors);
    if (!tensors) return fail_no_memory(err, (plan->n + 1) * sizeof *tensors);
    plan->tensors = tensors;
    tensors[plan->n++] = *tensor;
    return BN_OK;
}

bn_status plan_add_vector(struct plan *plan, const char *name, const float *values, size_t n, enum tensor_type type,
                          bn_error *err) {
    struct planned_tensor t = {.type = type,
                               .n_dims = 1,
                               .shape = {n},
                               .content = CONTENT_CONSTANT,
                               .constant = values,
                               .n_rows = 1,
                               .n_cols = n};
    t.name = arena_strndup(plan->arena, name, strlen(name));
    return t.name ? append(plan, &t, err) : fail_no_memory(err, strlen(name));
}

/* ---- vectors: norms and biases ---- */

/* Norm weights of some families are w − 1 in Hugging Face files and w in GGUF files. */
static float norm_shift(const struct planner *p, const struct role *role) {
    bool from_gguf = p->config->is_gguf;
    if (role->kind != ROLE_NORM || !p->config->arch->hf_norm_minus_one || from_gguf == p->to_gguf) return 0;
    return p->to_gguf ? 1 : -1;
}

static enum tensor_type vector_type(const struct planner *p, const struct tensor *tensor) {
    bool kept = tensor->type == TYPE_F16 || tensor->type == TYPE_BF16;
    return !p->to_gguf && !p->config->is_gguf && kept ? tensor->type : TYPE_F32;
}

/* factor: a bias that is added before a ternary product's scale in one form and after it in the other. */
static bn_status add_vector(struct planner *p, const struct role *role, const struct tensor *tensor, const char *name,
                            const struct planned_tensor *matrix, float factor) {
    size_t n = tensor_rows(tensor) * tensor_cols(tensor);
    float *all = mem_alloc_array(n, sizeof(float)), *values = arena_alloc_array(p->plan->arena, n, sizeof(float));
    bn_status status =
        all && values ? tensor_decode_all(tensor, all, p->err) : fail_no_memory(p->err, n * sizeof(float));
    float shift = norm_shift(p, role);
    for (size_t i = 0; i < n && !status; i++) values[i] = (all[matrix ? planned_row(matrix, i) : i] + shift) * factor;
    mem_free(all);
    if (!status) status = plan_add_vector(p->plan, name, values, n, vector_type(p, tensor), p->err);
    p->plan->n_parameters += n;
    mark_used(p, tensor);
    return status;
}

/* ---- matrices: what they are in the source ---- */

static bn_status check_shape(const struct planner *p, const struct planned_tensor *t) {
    if (t->source.n_dims == 2 && t->source.shape[0] == t->n_rows && t->source.shape[1] == t->n_cols) return BN_OK;
    return fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' has the shape [%zu, %zu], expected [%zu, %zu]", t->source.name,
                tensor_rows(&t->source), tensor_cols(&t->source), t->n_rows, t->n_cols);
}

/* A tensor of one positive number beside a matrix; false when there is none. */
static bool find_scale(struct planner *p, const struct role *role, size_t layer, const char *suffix, float *scale,
                       bn_status *status) {
    const struct tensor *tensor = find(p, role, layer, suffix);
    if (!tensor || *status) return false;
    mark_used(p, tensor);
    if (tensor_rows(tensor) != 1 || tensor_cols(tensor) != 1)
        *status = fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' must be a single number", tensor->name);
    else
        *status = tensor_decode_all(tensor, scale, p->err);
    if (!*status && !(isfinite(*scale) && *scale > 0))
        *status = fail(p->err, BN_STATUS_BAD_FILE, "the scale '%s' is %g, expected a positive finite number",
                       tensor->name, (double)*scale);
    return !*status;
}

static void set_codes(struct planned_tensor *t, enum ternary_form form, float magnitude, float scale) {
    t->content = CONTENT_CODES;
    t->scale = scale;
    t->codes = (struct ternary_source){.form = form,
                                       .tensor_rows = t->n_rows,
                                       .n_cols = t->n_cols,
                                       .magnitude = magnitude,
                                       .map = {0, t->n_rows, t->n_rows},
                                       .n_rows = t->n_rows};
}

/* Codes by 1/mean and values divided by it, as the reference does. */
static float scale_of_masters(float magnitude) {
    return 1 / (1 / fmaxf(magnitude, 1e-5f));
}

static bn_status read_masters(struct planner *p, struct planned_tensor *t) {
    float mean = 0;
    bn_status status = ternary_mean_magnitude(p->plan->pool, &t->source, &mean, p->err);
    if (!status) set_codes(t, TERNARY_MASTERS, mean, scale_of_masters(mean));
    return status;
}

/* 0 and ± one magnitude, by the first rows; the rest is checked while it is written. */
static bn_status read_values(struct planner *p, struct planned_tensor *t, float scale, bool *uniform) {
    float magnitude = 0;
    bn_status status = ternary_guess_magnitude(&t->source, &magnitude, uniform, p->err);
    if (!status && *uniform) set_codes(t, TERNARY_VALUES, magnitude, scale * magnitude);
    return status;
}

static bool is_float(enum tensor_type type) {
    return type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16;
}

/* A matrix of a Hugging Face BitNet. */
static bn_status read_hf_ternary(struct planner *p, const struct role *role, size_t layer, struct planned_tensor *t) {
    float scale = 1;
    bn_status status = BN_OK;
    bool has_scale = find_scale(p, role, layer, ".weight_scale", &scale, &status);
    if (status) return status;
    if (p->config->bitnet.input_norm)
        return fail(p->err, BN_STATUS_UNSUPPORTED,
                    "quantization_config 'use_rms_norm': norms inside of linear layers can't be converted");
    float multiplier = p->config->bitnet.scale_divides ? 1 / scale : scale;
    if (t->source.type == TYPE_U8) {
        if (!has_scale) return fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' has no weight_scale", t->source.name);
        if (t->source.n_dims != 2 || t->source.shape[0] != (t->n_rows + 3) / 4 || t->source.shape[1] != t->n_cols ||
            t->source.view)
            return fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' isn't %zu packed rows of %zu", t->source.name,
                        t->n_rows, t->n_cols);
        set_codes(t, TERNARY_HF_PACKED, 0, multiplier);
        return BN_OK;
    }
    status = check_shape(p, t);
    if (status || !has_scale) return status ? status : read_masters(p, t);
    bool uniform = false;
    status = read_values(p, t, multiplier, &uniform);
    if (!status && !uniform)
        status = fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' has a weight_scale but isn't ternary", t->source.name);
    return status;
}

static bn_status read_i2s(struct planner *p, struct planned_tensor *t) {
    const char *name = p->plan->options->i2s_layout;
    enum i2s_layout layout = t->source.i2s_layout;
    if (name) layout = i2s_layout_by_name(name, strlen(name));
    if (layout == I2S_UNKNOWN) layout = I2S_X86_128;
    set_codes(t, TERNARY_I2S, 0, i2s_scale(t->source.data, t->n_rows, t->n_cols));
    t->codes.layout = layout;
    return isfinite(t->scale)
               ? BN_OK
               : fail(p->err, BN_STATUS_BAD_FILE, "tensor '%s' has the scale %g, expected a finite number",
                      t->source.name, (double)t->scale);
}

/* A matrix of a GGUF file that says it's a BitNet. */
static bn_status read_gguf_ternary(struct planner *p, const struct role *role, size_t layer, struct planned_tensor *t) {
    float scale = 1;
    bool uniform = false, blocks = t->source.type == TYPE_TQ1_0 || t->source.type == TYPE_TQ2_0;
    bn_status status = BN_OK;
    if (!blocks && !is_float(t->source.type)) return BN_OK; /* requantised by somebody: values */
    (void)find_scale(p, role, layer, ".scale", &scale, &status);
    if (!status) status = read_values(p, t, scale, &uniform);
    if (status || uniform || blocks) return status;
    return read_masters(p, t);
}

static bn_status read_matrix(struct planner *p, const struct role *role, size_t layer, const char *module,
                             struct planned_tensor *t) {
    bn_status status = BN_OK;
    bool matrix = role->kind == ROLE_MATRIX, head = role->kind == ROLE_HEAD;
    t->content = CONTENT_VALUES;
    if (!p->config->is_gguf) {
        if ((matrix || head) && !bitnet_keeps_float(&p->config->bitnet, module, head))
            return read_hf_ternary(p, role, layer, t);
        return check_shape(p, t);
    }
    status = check_shape(p, t);
    if (status || !matrix) return status;
    if (t->source.type == TYPE_I2_S) return read_i2s(p, t);
    return p->config->arch->ternary ? read_gguf_ternary(p, role, layer, t) : BN_OK;
}

/* ---- matrices: what they become ---- */

/* The type of the target that holds all values of another. */
static enum tensor_type lossless_type(const struct planner *p, enum tensor_type type) {
    if (is_float(type) || (p->to_gguf && type < TYPE_U8 && type != TYPE_F64)) return type;
    bool ternary_blocks = is_ternary_type(type) || type == TYPE_PTQ1_0 || type == TYPE_Q1_0;
    return ternary_blocks ? TYPE_F16 : TYPE_F32; /* an f16 scale times −1, 0, 1, 2 */
}

static bool fits(const struct planned_tensor *t, enum tensor_type type) {
    size_t bytes;
    if (type == TYPE_I2_S && t->n_rows * t->n_cols % 128) return false;
    return tensor_type_bytes(type, t->n_rows, t->n_cols, &bytes);
}

/* What a matrix gets whose rows aren't whole blocks of the type asked for. */
static enum tensor_type fallback_type(const struct planned_tensor *t, enum tensor_type type) {
    if (t->content == CONTENT_CODES || is_ternary_type(type)) return TYPE_F32;
    return fits(t, TYPE_Q8_0) ? TYPE_Q8_0 : TYPE_F16;
}

static enum tensor_type wanted_type(const struct planner *p, const struct role *role, const struct planned_tensor *t) {
    const struct convert_options *o = p->plan->options;
    bool head = role->kind == ROLE_TABLE || role->kind == ROLE_HEAD;
    if (role->kind == ROLE_POSITIONS) return p->to_gguf ? TYPE_F32 : lossless_type(p, t->source.type);
    if (role->kind == ROLE_TABLE && o->embedding_type.given) return o->embedding_type.type;
    if (head && o->head_type.given) return o->head_type.type;
    bool given = o->type.given && !(head && is_ternary_type(o->type.type));
    if (given && head && (o->type.type == TYPE_Q4_0 || o->type.type == TYPE_Q4_K)) return TYPE_Q6_K;
    if (given) return o->type.type;
    if (t->content == CONTENT_CODES) return TYPE_I2_S;
    if (p->from == p->to) return t->source.type;
    return lossless_type(p, t->source.type);
}

/* Float weights asked to be ternary. */
static bn_status plan_rounding(struct planner *p, struct planned_tensor *t) {
    const struct convert_options *o = p->plan->options;
    p->plan->n_ternarized++;
    t->ternarized = t->measured = true;
    if (o->granularity != TERNARY_PER_TENSOR) return BN_OK;
    float magnitude = 0;
    bn_status status = o->method == TERNARY_ABSMEAN
                           ? ternary_mean_magnitude(p->plan->pool, &t->source, &magnitude, p->err)
                           : tensor_median_magnitude(p->plan->pool, &t->source, &magnitude, p->err);
    if (!status) set_codes(t, TERNARY_MASTERS, magnitude, scale_of_masters(magnitude));
    return status;
}

static bn_status decide_type(struct planner *p, const struct role *role, struct planned_tensor *t) {
    enum tensor_type type = wanted_type(p, role, t);
    const struct convert_options *o = p->plan->options;
    if (!p->to_gguf && !is_float(type) && !is_ternary_type(type) && type != t->source.type)
        return fail(p->err, BN_STATUS_UNSUPPORTED, "%s is a type of GGUF only; safetensors hold f32, f16, bf16 and %s",
                    tensor_type_find(type)->name, "packed ternary weights (i2_s)");
    if (!tensor_type_encodable(type) && type != TYPE_I2_S && type != t->source.type)
        return fail(p->err, BN_STATUS_UNSUPPORTED, "tensor '%s': %s can't be written; say another --type",
                    t->source.name, tensor_type_find(type)->name);
    if (p->to_gguf && !fits(t, type)) {
        type = fallback_type(t, type);
        p->plan->n_fallbacks++;
    }
    bn_status status = BN_OK;
    bool was_ternary = t->content == CONTENT_CODES;
    if (was_ternary && !p->to_gguf && !is_ternary_type(type))
        return fail(p->err, BN_STATUS_UNSUPPORTED,
                    "tensor '%s' is a BitNet's, which stays ternary in this form: leave --type out", t->source.name);
    if (is_ternary_type(type) && !was_ternary && type != t->source.type) {
        if (!p->to_gguf && o->granularity != TERNARY_PER_TENSOR)
            return fail(p->err, BN_STATUS_UNSUPPORTED, "Hugging Face's packed weights have one scale per tensor");
        status = plan_rounding(p, t);
    }
    t->type = type;
    bool codes = t->content == CONTENT_CODES;
    if (codes && is_ternary_type(type)) p->plan->n_ternary++;
    if (codes && !p->to_gguf && is_ternary_type(type)) t->type = TYPE_U8;
    t->scale_apart = codes && p->to_gguf && p->config->arch->ternary && is_ternary_type(type) && type != TYPE_I2_S;
    bool exact = type == TYPE_F32 || (codes && (type == TYPE_I2_S || t->type == TYPE_U8 || t->scale_apart)) ||
                 (!codes && (type == t->source.type || type == lossless_type(p, t->source.type)));
    t->measured |= !exact;
    return status;
}

static void set_result_shape(struct planned_tensor *t) {
    bool packed = t->content == CONTENT_CODES && t->type == TYPE_U8;
    t->n_dims = 2;
    t->shape[0] = packed ? (t->n_rows + 3) / 4 : t->n_rows;
    t->shape[1] = t->n_cols;
}

static enum row_order order_of(const struct planner *p, const struct role *role) {
    const struct architecture *arch = p->config->arch;
    if (p->config->is_gguf == p->to_gguf) return ROWS_KEPT;
    if (role->heads == HEADS_QKV && arch->hf_qkv_rows == QKV_PER_HEAD) return p->to_gguf ? ROWS_APART : ROWS_TOGETHER;
    bool rotated = role->heads == HEADS_Q || role->heads == HEADS_K;
    if (rotated && arch->gguf_rope_neighbours) return p->to_gguf ? ROWS_PAIRED : ROWS_UNPAIRED;
    return ROWS_KEPT;
}

/* Linear weights of GPT-2 are [in, out] in Hugging Face files. */
static bool hf_transposes(const struct planner *p, const struct role *role) {
    return p->config->arch->hf_transposed && role->kind == ROLE_MATRIX;
}

/* Exchanges rows and columns of the source. */
static bn_status transpose(struct planner *p, struct planned_tensor *t) {
    struct tensor_view *view = arena_alloc(p->plan->arena, sizeof *view);
    struct tensor *original = arena_alloc(p->plan->arena, sizeof *original);
    if (!view || !original) return fail_no_memory(p->err, sizeof *view);
    if (t->source.n_dims != 2 || !tensor_type_decodable(t->source.type))
        return fail(p->err, BN_STATUS_UNSUPPORTED, "tensor '%s' (%s) can't be transposed", t->source.name,
                    tensor_type_find(t->source.type)->name);
    *original = t->source;
    tensor_transpose(original, view, &t->source);
    return BN_OK;
}

static void exchange_sides(struct planned_tensor *t) {
    size_t rows = t->n_rows;
    t->n_rows = t->n_cols;
    t->n_cols = rows;
}

static bn_status add_scale(struct planner *p, const struct planned_tensor *t, const char *suffix) {
    char name[256];
    snprintf(name, sizeof name, "%.*s%s", (int)(strlen(t->name) - strlen(".weight")), t->name, suffix);
    float *value = arena_alloc(p->plan->arena, sizeof *value);
    if (!value) return fail_no_memory(p->err, sizeof *value);
    *value = t->scale;
    return plan_add_vector(p->plan, name, value, 1, TYPE_F32, p->err);
}

/* A module that stays float in a model that is otherwise ternary. */
static bn_status keep_float(struct planner *p, const struct planned_tensor *t) {
    struct plan *plan = p->plan;
    const char **names = mem_realloc_array(plan->kept_float, plan->n_kept_float + 1, sizeof *names);
    if (!names) return fail_no_memory(p->err, plan->n_kept_float * sizeof *names);
    plan->kept_float = names;
    names[plan->n_kept_float] = arena_strndup(plan->arena, t->name, strlen(t->name) - strlen(".weight"));
    return names[plan->n_kept_float++] ? BN_OK : fail_no_memory(p->err, strlen(t->name));
}

/* What becomes of a bias, or 1. */
static float bias_factor(const struct planner *p, const struct planned_tensor *t) {
    if (t->content != CONTENT_CODES || t->ternarized) return 1;
    if (p->to_gguf) return p->config->bitnet.bias_before_scale ? t->scale : 1;
    return t->type == TYPE_U8 && p->config->is_gguf ? 1 / t->scale : 1;
}

static bn_status copy_tensor(struct planner *p, const struct tensor *tensor) {
    struct planned_tensor t = {.name = tensor->name,
                               .type = tensor->type,
                               .n_dims = tensor->n_dims,
                               .content = CONTENT_VALUES,
                               .source = *tensor,
                               .n_rows = tensor_rows(tensor),
                               .n_cols = tensor_cols(tensor)};
    memcpy(t.shape, tensor->shape, sizeof t.shape);
    return append(p->plan, &t, p->err);
}

/* From one Hugging Face form to another a matrix whose type isn't asked for stays as it is, whatever it is; what belongs to it (scales,
 * biases) then goes with the tensors that have no role. */
static bool stays_as_it_is(const struct planner *p, const struct role *role) {
    const struct convert_options *o = p->plan->options;
    bool head = role->kind == ROLE_TABLE || role->kind == ROLE_HEAD;
    bool asked_for = o->type.given || (head && (o->head_type.given || o->embedding_type.given));
    return p->from == p->to && !p->to_gguf && !asked_for;
}

static bn_status add_matrix(struct planner *p, const struct role *role, size_t layer, const struct tensor *tensor) {
    bn_status status = BN_OK;
    struct planned_tensor t = {.source = *tensor, .order = order_of(p, role)};
    t.head_dim = t.order == ROWS_KEPT ? 0 : p->config->head_dim;
    t.n_heads = role->heads == HEADS_K ? p->config->n_kv_heads : p->config->n_heads;
    role_shape(role, p->config, &t.n_rows, &t.n_cols);
    char module[256];
    snprintf(module, sizeof module, "%.*s", (int)(strlen(tensor->name) - strlen(".weight")), tensor->name);
    mark_used(p, tensor);
    if (stays_as_it_is(p, role)) {
        p->plan->n_parameters += t.n_rows * t.n_cols;
        return copy_tensor(p, tensor);
    }
    bool transposed = hf_transposes(p, role);
    if (transposed && !p->config->is_gguf && p->to_gguf) status = transpose(p, &t);
    if (transposed && !p->config->is_gguf && !p->to_gguf) exchange_sides(&t); /* written as it is */
    if (!status) t.name = result_name(p, role, layer, ".weight", tensor, &status);
    if (!status) status = read_matrix(p, role, layer, module, &t);
    if (!status) status = decide_type(p, role, &t);
    tensor_set_drop_pages(p->set); /* all of a master is read for its scale */
    if (!status && transposed && p->config->is_gguf && !p->to_gguf) {
        exchange_sides(&t);
        status = transpose(p, &t);
    }
    if (status) return status;
    set_result_shape(&t);
    p->plan->n_parameters += t.n_rows * t.n_cols;
    status = append(p->plan, &t, p->err);
    if (!status && t.scale_apart) status = add_scale(p, &t, ".scale");
    if (!status && t.type == TYPE_U8) status = add_scale(p, &t, ".weight_scale");
    bool float_linear = t.content == CONTENT_VALUES && (role->kind == ROLE_MATRIX || role->kind == ROLE_HEAD);
    if (!status && !p->to_gguf && float_linear) status = keep_float(p, &t);
    const struct tensor *bias = find(p, role, layer, ".bias");
    if (status || !bias) return status;
    const char *name = result_name(p, role, layer, ".bias", bias, &status);
    return status ? status : add_vector(p, role, bias, name, &t, bias_factor(p, &t));
}

/* ---- all of the model ---- */

static bool same_values(const struct tensor *a, const struct tensor *b) {
    if (a->type != b->type || a->size_bytes != b->size_bytes || a->view || b->view) return false;
    return a->data == b->data || memcmp(a->data, b->data, a->size_bytes) == 0;
}

/* Embedding and head, which may be one: see weights.c on tied heads. Returns the tensor to write for the role. */
static const struct tensor *embedding_or_head(struct planner *p, const struct role *role, const struct tensor *tensor) {
    const struct role *other;
    for (size_t i = 0; (other = role_at(i)); i++)
        if (other->kind == (role->kind == ROLE_HEAD ? ROLE_TABLE : ROLE_HEAD)) break;
    const struct tensor *second = find(p, other, GLOBAL, ".weight");
    bool may_be_tied = p->config->tie != TIE_NEVER;
    if (role->kind == ROLE_TABLE) return tensor || !may_be_tied ? tensor : second;
    p->plan->tied = may_be_tied && (!tensor || !second || same_values(tensor, second));
    if (!p->plan->tied || !tensor) return tensor;
    mark_used(p, tensor);
    return NULL;
}

static bn_status missing(struct planner *p, const struct role *role, size_t layer) {
    char name[256];
    const char *names = role_names(role, p->from);
    spell(p->from, role, layer, names, strcspn(names, "|"), ".weight", false, name);
    return fail(p->err, BN_STATUS_BAD_FILE, "the tensor '%s' is missing", name);
}

/* Gate and up in one have the up projection's name in GGUF files; which it is shows by the gate. */
static bool is_other_role(const struct planner *p, const struct role *role, size_t layer) {
    if (!p->config->is_gguf || !p->config->arch->gated_ffn) return role_is_gate_up(role) && p->config->is_gguf;
    char name[64];
    snprintf(name, sizeof name, "blk.%zu.ffn_gate.weight", layer);
    bool fused = !tensor_set_find(p->set, name);
    bool up = strcmp(role_names(role, &gguf_tensor_names), "ffn_up") == 0;
    return up && role_is_gate_up(role) != fused;
}

static bn_status add_tensor(struct planner *p, const struct role *role, size_t layer, size_t *n_found) {
    const struct tensor *tensor = is_other_role(p, role, layer) ? NULL : find(p, role, layer, ".weight");
    if (role->kind == ROLE_TABLE || role->kind == ROLE_HEAD) {
        tensor = embedding_or_head(p, role, tensor);
        bool tied = role->kind == ROLE_HEAD && p->plan->tied;
        if (!tensor) return tied ? BN_OK : missing(p, role, layer);
    }
    if (!tensor) return BN_OK;
    ++*n_found;
    if (role->kind != ROLE_NORM) return add_matrix(p, role, layer, tensor);
    bn_status status = BN_OK;
    const char *name = result_name(p, role, layer, ".weight", tensor, &status);
    if (!status) status = add_vector(p, role, tensor, name, NULL, 1);
    const struct tensor *bias = find(p, role, layer, ".bias");
    if (status || !bias) return status;
    name = result_name(p, role, layer, ".bias", bias, &status);
    struct role shift_free = *role;
    shift_free.kind = ROLE_MATRIX;
    return status ? status : add_vector(p, &shift_free, bias, name, NULL, 1);
}

/* A role is there in every layer or in none. */
static bn_status add_role(struct planner *p, const struct role *role) {
    size_t n = role->per_layer ? p->config->n_layers : 1, n_found = 0;
    if (!role_names(role, p->from)) return BN_OK;
    for (size_t i = 0; i < n; i++) {
        size_t layer = role->per_layer ? i : GLOBAL, before = n_found;
        bn_status status = add_tensor(p, role, layer, &n_found);
        if (status) return status;
        if (n_found == before && n_found > 0) return missing(p, role, layer);
        if (n_found > before && n_found != i + 1) return missing(p, role, 0);
    }
    return BN_OK;
}

/* Buffers that old checkpoints saved, and what this program's own files add. */
static bool is_ignorable(const char *name) {
    static const char *const endings[] = {".attn.bias", ".attn.masked_bias", ".attention.bias",
                                          ".attention.masked_bias", ".rotary_emb.inv_freq"};
    static const char *const rope[] = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t k = strlen(endings[i]);
        if (n >= k && strcmp(name + n - k, endings[i]) == 0) return true;
    }
    for (size_t i = 0; i < sizeof rope / sizeof *rope; i++)
        if (strcmp(name, rope[i]) == 0) return true;
    return head_screen_owns(name);
}

/* Tensors without a role: copied within a form, an error between forms. */
static bn_status add_rest(struct planner *p) {
    struct buffer names;
    size_t n = 0;
    bn_status status = BN_OK;
    buffer_init(&names);
    for (size_t i = 0; i < p->set->n_tensors && !status; i++) {
        const struct tensor *tensor = &p->set->tensors[i];
        if (p->used[i] || head_screen_owns(tensor->name)) continue;
        if (p->from == p->to) {
            status = copy_tensor(p, tensor);
        } else if (!is_ignorable(tensor->name) && n++ < LISTED) {
            buffer_printf(&names, "%s%s", n > 1 ? ", " : "", tensor->name);
        }
    }
    if (!status && n)
        status = fail(p->err, BN_STATUS_UNSUPPORTED, "%zu tensors aren't part of a %s model: %s%s", n,
                      p->config->arch->name, names.data, n > LISTED ? ", …" : "");
    buffer_release(&names);
    return status;
}

/* GGUF files have float heads; asking for a type of it says that another one will do. */
static bool has_ternary_head(const struct planner *p) {
    const struct bitnet_config *bitnet = &p->config->bitnet;
    return p->to_gguf && !p->config->is_gguf && bitnet->enabled && bitnet->convert_head &&
           !p->plan->options->head_type.given;
}

bn_status plan_make(struct plan *plan, bn_error *err) {
    const struct model_config *config = &plan->model->config;
    struct planner p = {.plan = plan,
                        .config = config,
                        .set = model_tensors(plan->model),
                        .from = config->is_gguf ? &gguf_tensor_names : config->arch->hf_names,
                        .to_gguf = plan->options->target == CONVERT_TO_GGUF,
                        .err = err};
    p.to = p.to_gguf ? &gguf_tensor_names : config->arch->hf_names;
    p.used = mem_calloc(max_size(p.set->n_tensors, 1), sizeof *p.used);
    bn_status status = p.used ? BN_OK : fail_no_memory(err, p.set->n_tensors);
    if (!status && has_ternary_head(&p))
        status = fail(err, BN_STATUS_UNSUPPORTED,
                      "GGUF can't say it: a ternary output head ('modules_to_not_convert' doesn't name lm_head); with "
                      "--head-type it becomes a float one");
    const struct role *role;
    for (size_t i = 0; (role = role_at(i)) && !status; i++) status = add_role(&p, role);
    if (!status) status = add_rest(&p);
    mem_free(p.used);
    return status;
}

void plan_release(struct plan *plan) {
    mem_free(plan->tensors);
    mem_free(plan->kept_float);
    plan->tensors = NULL;
    plan->kept_float = NULL;
}
