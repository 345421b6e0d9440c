/* Tensors of a file → the layers of a model, by the names and traits of its architecture.
 *
 * What the kernels can use as it lies in the file is used there (float rows, block types, ternary weights in the run
 * layout); the rest is repacked or copied into the weights' arena. Every tensor's shape is checked against the
 * hyper-parameters. Missing tensors are collected, so that one message lists them. */
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kernels/layout.h"
#include "model/head_screen_file.h"
#include "model/ternary.h"

#define MISSING_LISTED 8
#define GLOBAL         SIZE_MAX /* instead of a layer's number */

/* State of one loading. The first error sticks, and what comes after it does nothing. */
struct loader {
    struct bn_model *model;
    const struct model_config *config;
    const struct tensor_set *set;
    const struct tensor_names *names;
    struct arena *arena;
    struct thread_pool *pool;
    enum i2s_layout layout;
    bn_status status;
    bn_error *err;
    struct buffer missing;
    size_t n_missing;
};

/* ---- finding ---- */

/* "model." "layers.3." "mlp.up_proj" ".weight"; without the first part when `bare`. */
static void tensor_name(const struct loader *l, size_t layer, const char *base, size_t base_bytes, const char *suffix,
                        bool bare, char out[256]) {
    char part[64] = "";
    if (layer != GLOBAL) snprintf(part, sizeof part, l->names->layer, layer);
    snprintf(out, 256, "%s%s%.*s%s", bare ? "" : l->names->prefix, part, (int)base_bytes, base, suffix);
}

/* The tensor of the first spelling in `names` ("a|b") that the file has; NULL without an error when it has none. */
static const struct tensor *find(const struct loader *l, size_t layer, const char *names, const char *suffix) {
    char name[256];
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, "|");
        for (int bare = 0; bare < 2; bare++) {
            tensor_name(l, layer, at, n, suffix, bare, name);
            const struct tensor *tensor = tensor_set_find(l->set, name);
            if (tensor) return tensor;
        }
        at += n + (at[n] == '|');
    }
    return NULL;
}

static const struct tensor *require(struct loader *l, size_t layer, const char *names, const char *suffix) {
    const struct tensor *tensor = find(l, layer, names, suffix);
    if (tensor || l->n_missing++ >= MISSING_LISTED) return tensor;
    char name[256];
    tensor_name(l, layer, names, strcspn(names, "|"), suffix, layer == GLOBAL && names == l->names->head, name);
    buffer_printf(&l->missing, "%s%s", l->n_missing > 1 ? ", " : "", name);
    return NULL;
}

static void report_missing(struct loader *l) {
    if (l->status != BN_OK || l->n_missing == 0) return;
    if (l->missing.failed) {
        l->status = fail_no_memory(l->err, l->missing.size);
        return;
    }
    size_t more = l->n_missing > MISSING_LISTED ? l->n_missing - MISSING_LISTED : 0;
    char rest[48] = "";
    if (more) snprintf(rest, sizeof rest, " and %zu more", more);
    l->status = fail(l->err, BN_STATUS_BAD_FILE, "%zu tensor%s missing: %s%s", l->n_missing,
                     l->n_missing == 1 ? " is" : "s are", l->missing.data, rest);
}

static bool check_shape(struct loader *l, const struct tensor *t, size_t rows, size_t cols) {
    bool vector = cols == 1 && t->n_dims == 1 && t->shape[0] == rows;
    if (vector || (t->n_dims == 2 && t->shape[0] == rows && t->shape[1] == cols)) return true;
    char found[96] = "";
    for (size_t i = 0, n = 0; i < t->n_dims; i++)
        n += (size_t)snprintf(found + n, sizeof found - n, "%s%zu", i ? ", " : "", t->shape[i]);
    if (cols == 1)
        l->status =
            fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' has shape [%s], expected [%zu]", t->name, found, rows);
    else
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' has shape [%s], expected [%zu, %zu]", t->name, found,
                         rows, cols);
    return false;
}

static void refuse_type(struct loader *l, const struct tensor *t) {
    const struct tensor_type_info *info = tensor_type_find(t->type);
    l->status = fail(l->err, BN_STATUS_UNSUPPORTED, "tensor '%s' has type %s, which isn't supported here%s", t->name,
                     info ? info->name : "unknown",
                     t->type == TYPE_U8 ? " (packed weights, but config.json has no "
                                          "quantization_config with quant_method bitnet)"
                                        : "");
}

static void *allocate(struct loader *l, size_t n, size_t item_bytes) {
    void *memory = arena_alloc_array(l->arena, n, item_bytes);
    if (!memory) l->status = fail_no_memory(l->err, n * item_bytes);
    return memory;
}

/* ---- vectors: norms and biases, as float32 ---- */

static float *vector(struct loader *l, const struct tensor *t, size_t n) {
    if (l->status != BN_OK || !t || !check_shape(l, t, n, 1)) return NULL;
    if (!tensor_type_decodable(t->type)) {
        refuse_type(l, t);
        return NULL;
    }
    float *values = allocate(l, n, sizeof(float));
    if (values) l->status = tensor_decode_all(t, values, l->err);
    return values;
}

static float *required_vector(struct loader *l, size_t layer, const char *names, size_t n) {
    return vector(l, require(l, layer, names, ".weight"), n);
}

static void load_norm(struct loader *l, size_t layer, const char *names, size_t n, struct norm *norm) {
    float *weight = required_vector(l, layer, names, n);
    if (weight && l->config->arch->hf_norm_minus_one && !l->config->is_gguf)
        for (size_t i = 0; i < n; i++) weight[i] += 1;
    norm->weight = weight;
    if (l->config->arch->norm == NORM_LAYER) norm->bias = vector(l, require(l, layer, names, ".bias"), n);
}

/* ---- matrices ---- */

/* What a matrix of the model is in terms of the file. */
struct matrix {
    size_t layer;
    const char *names;
    size_t n_rows, n_cols;
    size_t tensor_rows; /* of the whole tensor when fused, else n_rows */
    struct row_map map;
    enum bias_rule bias;
    bool is_head, is_table; /* the output head; an embedding, of which rows are looked up */
};

static struct matrix whole_matrix(size_t layer, const char *names, size_t n_rows, size_t n_cols, enum bias_rule bias) {
    return (struct matrix){.layer = layer,
                           .names = names,
                           .n_rows = n_rows,
                           .n_cols = n_cols,
                           .tensor_rows = n_rows,
                           .map = {0, n_rows, n_rows},
                           .bias = bias};
}

static bool is_mapped(const struct tensor_set *set, const uint8_t *data) {
    bool mapped = false;
    for (size_t i = 0; i < set->n_files; i++)
        mapped |= data >= set->files[i].data && data < set->files[i].data + set->files[i].size;
    return mapped;
}

/* Drops the pages of a mapped tensor that has been repacked: they are clean and can be read again. */
static void forget_mapped(const struct loader *l, const struct tensor *t) {
    bool mapped = is_mapped(l->set, t->data);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (page - (uintptr_t)t->data % page) % page;
    if (mapped && t->size_bytes > skip + page)
        madvise((void *)(t->data + skip), (t->size_bytes - skip) / page * page, MADV_DONTNEED);
}

/* A tensor of one positive number. False, and *value as it was, when there is none. */
static bool find_scale(struct loader *l, const struct matrix *m, const char *suffix, float *value) {
    const struct tensor *t = find(l, m->layer, m->names, suffix);
    if (!t || l->status != BN_OK) return false;
    if (tensor_rows(t) != 1 || tensor_cols(t) != 1 || !tensor_type_decodable(t->type)) {
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' must be a single number", t->name);
        return false;
    }
    l->status = tensor_decode_all(t, value, l->err);
    if (l->status == BN_OK && !(isfinite(*value) && *value > 0))
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "the scale '%s' is %g, expected a positive finite number", t->name,
                         (double)*value);
    return l->status == BN_OK;
}

static bool kept_float(const struct loader *l, const struct matrix *m) {
    const char *names = m->is_head ? l->names->head : m->names; /* a tied head is still called lm_head */
    char module[256];
    tensor_name(l, m->layer, names, strcspn(names, "|"), "", m->is_head, module);
    return bitnet_keeps_float(&l->config->bitnet, module, m->is_head);
}

/* False when TERNARY_VALUES turn out to be others; then nothing has been set. */
static bool pack(struct loader *l, const struct matrix *m, struct ternary_source *source, struct linear *out) {
    bool uniform = true;
    source->tensor_rows = m->tensor_rows;
    source->n_cols = m->n_cols;
    source->n_rows = m->n_rows;
    source->map = m->map;
    uint8_t *packed = allocate(l, 1, l16_bytes(m->n_rows, m->n_cols));
    if (!packed) return false;
    l->status = ternary_pack(l->pool, source, packed, &uniform, l->err);
    if (l->status != BN_OK || !uniform) return false;
    out->ternary = true;
    out->data = packed;
    forget_mapped(l, source->tensor);
    return true;
}

/* I2_S: always a BitNet's weight. In a run layout it's used where it is mapped. */
static void load_i2s(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    if (m->is_head || m->is_table) {
        l->status = fail(l->err, BN_STATUS_UNSUPPORTED, "tensor '%s' is I2_S, which holds linear layers only", t->name);
        return;
    }
    if (!check_shape(l, t, m->tensor_rows, m->n_cols)) return;
    out->scale = i2s_scale(t->data, m->tensor_rows, m->n_cols);
    if (!isfinite(out->scale)) {
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' has the scale %g, expected a finite number", t->name,
                         (double)out->scale);
        return;
    }
    enum i2s_layout layout = t->i2s_layout != I2S_UNKNOWN ? t->i2s_layout : l->layout;
    if (l->model->i2s_layout != I2S_UNKNOWN) layout = l->model->i2s_layout;
    bool whole_groups = i2s_layout_fits(layout, m->tensor_rows, m->n_cols) && m->map.first % L16_ROWS == 0 &&
                        m->map.block == m->map.stride;
    if ((layout == I2S_L16 || layout == I2S_L12) && whole_groups) {
        out->ternary = true;
        out->layout = layout == I2S_L12 ? LAYOUT_L12 : LAYOUT_L16;
        out->data = t->data + ternary_bytes(out->layout, m->map.first, m->n_cols);
        return;
    }
    pack(l, m, &(struct ternary_source){.tensor = t, .form = TERNARY_I2S, .layout = layout}, out);
}

/* Values 0 and ± one magnitude, in whatever type. False when there are others, or after an error. */
static bool load_values(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    bool uniform = false;
    struct ternary_source source = {.tensor = t, .form = TERNARY_VALUES};
    l->status = ternary_guess_magnitude(t, &source.magnitude, &uniform, l->err);
    if (l->status != BN_OK || !uniform || !pack(l, m, &source, out)) {
        float mean; /* only to refuse NaN */
        if (l->status == BN_OK) l->status = ternary_mean_magnitude(l->pool, t, &mean, l->err);
        return false;
    }
    out->scale *= source.magnitude;
    return true;
}

static void load_masters(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    struct ternary_source source = {.tensor = t, .form = TERNARY_MASTERS};
    l->status = ternary_mean_magnitude(l->pool, t, &source.magnitude, l->err);
    if (l->status != BN_OK) return;
    out->scale = 1 / (1 / fmaxf(source.magnitude, 1e-5f)); /* as the reference: codes by 1/mean, values divided by it */
    pack(l, m, &source, out);
}

/* A linear of a Hugging Face checkpoint with quant_method bitnet. */
static void load_hf_ternary(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    const struct bitnet_config *b = &l->config->bitnet;
    float scale = 1;
    bool has_scale = find_scale(l, m, ".weight_scale", &scale);
    if (l->status != BN_OK) return;
    float multiplier = b->scale_divides ? 1 / scale : scale;
    if (b->input_norm) {
        out->input_norm = vector(l, require(l, m->layer, m->names, ".rms_norm.weight"), m->n_cols);
        out->input_norm_eps = b->input_norm_eps;
    }
    if (t->type == TYPE_U8) {
        if (!has_scale) (void)require(l, m->layer, m->names, ".weight_scale");
        out->scale = multiplier;
        if (check_shape(l, t, (m->tensor_rows + 3) / 4, m->n_cols))
            pack(l, m, &(struct ternary_source){.tensor = t, .form = TERNARY_HF_PACKED}, out);
        return;
    }
    if (!tensor_type_decodable(t->type)) {
        refuse_type(l, t);
        return;
    }
    if (!check_shape(l, t, m->tensor_rows, m->n_cols)) return;
    if (!has_scale) {
        load_masters(l, m, t, out);
        return;
    }
    out->scale = multiplier; /* unpacked already: the values are -1, 0, 1 */
    if (!load_values(l, m, t, out) && l->status == BN_OK)
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' has a weight_scale but isn't ternary", t->name);
}

/* Rows of a float tensor in the order of the map, or columns of a transposed one, copied. */
static void copy_rows(struct loader *l, const struct matrix *m, const struct tensor *t, bool transposed,
                      struct linear *out) {
    uint8_t *rows = allocate(l, m->n_rows, out->row_bytes);
    if (!rows) return;
    out->data = rows;
    size_t item = out->row_bytes / m->n_cols; /* bytes of an element, when transposed */
    for (size_t r = 0; r < m->n_rows; r++) {
        size_t from = row_map_at(&m->map, r);
        if (!transposed) memcpy(rows + r * out->row_bytes, t->data + from * out->row_bytes, out->row_bytes);
        for (size_t c = 0; transposed && c < m->n_cols; c++)
            memcpy(rows + r * out->row_bytes + c * item, t->data + (c * m->tensor_rows + from) * item, item);
    }
}

static void load_float(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    bool transposed = l->config->arch->hf_transposed && !l->config->is_gguf && !m->is_head && !m->is_table;
    bool floats = t->type == TYPE_F32 || t->type == TYPE_F16 || t->type == TYPE_BF16;
    if (!floats && (!tensor_type_decodable(t->type) || !l->config->is_gguf)) {
        refuse_type(l, t);
        return;
    }
    if (!check_shape(l, t, transposed ? m->n_cols : m->tensor_rows, transposed ? m->tensor_rows : m->n_cols)) return;
    out->type = t->type;
    if (!tensor_type_bytes(t->type, 1, m->n_cols, &out->row_bytes)) {
        l->status = fail(l->err, BN_STATUS_BAD_FILE, "tensor '%s' has rows of %zu values, not whole blocks of its type",
                         t->name, m->n_cols);
        return;
    }
    size_t alignment = t->type == TYPE_F32 ? 4 : floats ? 2 : 1;
    out->data = t->data + m->map.first * out->row_bytes;
    if (transposed || m->map.block != m->map.stride || (uintptr_t)out->data % alignment)
        copy_rows(l, m, t, transposed, out);
}

/* A linear of a GGUF file that says it's a BitNet, in a type other than I2_S. */
static void load_gguf_bitnet(struct loader *l, const struct matrix *m, const struct tensor *t, struct linear *out) {
    if (!check_shape(l, t, m->tensor_rows, m->n_cols)) return;
    bool blocks = t->type == TYPE_TQ1_0 || t->type == TYPE_TQ2_0;
    if (!blocks && t->type != TYPE_F32 && t->type != TYPE_F16 && t->type != TYPE_BF16) {
        load_float(l, m, t, out); /* requantised by somebody: its own values, its activations still int8 */
        out->int8_activations = true;
        return;
    }
    (void)find_scale(l, m, ".scale", &out->scale);
    if (l->status != BN_OK || load_values(l, m, t, out) || l->status != BN_OK) return;
    if (!blocks) {
        load_masters(l, m, t, out);
        return;
    }
    load_float(l, m, t, out); /* blocks with scales of their own */
    out->int8_activations = true;
}

static void load_bias(struct loader *l, const struct matrix *m, struct linear *out) {
    if (m->bias == BIAS_NONE || l->status != BN_OK) return;
    const struct tensor *t =
        m->bias == BIAS_REQUIRED ? require(l, m->layer, m->names, ".bias") : find(l, m->layer, m->names, ".bias");
    const float *all = vector(l, t, m->tensor_rows);
    float *bias = all ? allocate(l, m->n_rows, sizeof(float)) : NULL;
    if (!bias) return;
    for (size_t r = 0; r < m->n_rows; r++) bias[r] = all[row_map_at(&m->map, r)];
    if (out->ternary && l->config->bitnet.bias_before_scale)
        for (size_t r = 0; r < m->n_rows; r++) bias[r] *= out->scale; /* (q·t + b)·s = q·t·s + b·s */
    out->bias = bias;
}

static void load_matrix(struct loader *l, const struct matrix *m, struct linear *out) {
    *out = (struct linear){.n_rows = m->n_rows, .n_cols = m->n_cols, .scale = 1};
    if (l->status != BN_OK) return;
    const struct tensor *t = require(l, m->layer, m->names, ".weight");
    if (!t) return;
    l->model->max_cols = max_size(l->model->max_cols, m->n_cols);
    bool linear = !m->is_table && !(m->is_head && l->config->is_gguf);
    if (t->type == TYPE_I2_S)
        load_i2s(l, m, t, out);
    else if (linear && l->config->is_gguf && l->config->arch->ternary)
        load_gguf_bitnet(l, m, t, out);
    else if (linear && l->config->bitnet.enabled && !kept_float(l, m))
        load_hf_ternary(l, m, t, out);
    else
        load_float(l, m, t, out);
    load_bias(l, m, out);
    if (out->ternary && l->config->is_gguf) {
        out->source = t;
        out->source_row = m->map.first;
    }
    l->model->rounds_in_float |= out->int8_activations || out->input_norm;
}

/* ---- layers ---- */

static void load_qkv(struct loader *l, size_t index, struct layer *layer) {
    const struct model_config *c = l->config;
    const struct tensor_names *n = l->names;
    size_t d = c->hidden_size, q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    if (!n->qkv || !find(l, index, n->qkv, ".weight")) {
        const char *const names[] = {n->q ? n->q : n->qkv, n->k ? n->k : n->qkv, n->v ? n->v : n->qkv};
        struct matrix matrices[] = {whole_matrix(index, names[0], q, d, c->qkv_bias),
                                    whole_matrix(index, names[1], kv, d, c->qkv_bias),
                                    whole_matrix(index, names[2], kv, d, c->qkv_bias)};
        load_matrix(l, &matrices[0], &layer->q);
        load_matrix(l, &matrices[1], &layer->k);
        load_matrix(l, &matrices[2], &layer->v);
        return;
    }
    struct matrix part = whole_matrix(index, n->qkv, q, d, c->qkv_bias);
    part.tensor_rows = q + 2 * kv;
    size_t D = c->head_dim;
    bool per_head = c->arch->hf_qkv_rows == QKV_PER_HEAD && !c->is_gguf;
    part.map = per_head ? (struct row_map){0, D, 3 * D} : (struct row_map){0, q, q};
    load_matrix(l, &part, &layer->q);
    part.n_rows = kv;
    part.map = per_head ? (struct row_map){D, D, 3 * D} : (struct row_map){q, kv, kv};
    load_matrix(l, &part, &layer->k);
    part.map = per_head ? (struct row_map){2 * D, D, 3 * D} : (struct row_map){q + kv, kv, kv};
    load_matrix(l, &part, &layer->v);
}

static void load_gate_up(struct loader *l, size_t index, struct layer *layer) {
    const struct model_config *c = l->config;
    const struct tensor_names *n = l->names;
    size_t d = c->hidden_size, ffn = c->intermediate_size;
    struct matrix up = whole_matrix(index, n->up, ffn, d, c->ffn_bias);
    bool fused = c->arch->gated_ffn && n->gate_up && find(l, index, n->gate_up, ".weight") &&
                 !find(l, index, n->gate, ".weight");
    if (fused) { /* rows of the gate first */
        up.names = n->gate_up;
        up.tensor_rows = 2 * ffn;
        up.map = (struct row_map){0, ffn, ffn};
        load_matrix(l, &up, &layer->gate);
        up.map.first = ffn;
    } else if (c->arch->gated_ffn) {
        struct matrix gate = whole_matrix(index, n->gate, ffn, d, c->ffn_bias);
        load_matrix(l, &gate, &layer->gate);
    }
    load_matrix(l, &up, &layer->up);
}

static void load_layer(struct loader *l, size_t index, struct layer *layer) {
    const struct model_config *c = l->config;
    const struct tensor_names *n = l->names;
    size_t d = c->hidden_size, q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    bool before = c->arch->norm_places & NORM_BEFORE, after = c->arch->norm_places & NORM_AFTER;
    if (before) load_norm(l, index, n->attn_norm, d, &layer->attn_norm);
    load_qkv(l, index, layer);
    if (c->arch->qk_norm != QK_NORM_NONE) {
        bool all = c->arch->qk_norm == QK_NORM_ALL_HEADS;
        struct norm q_norm = {0}, k_norm = {0};
        load_norm(l, index, n->q_norm, all ? q : c->head_dim, &q_norm);
        load_norm(l, index, n->k_norm, all ? kv : c->head_dim, &k_norm);
        layer->q_norm = q_norm.weight;
        layer->k_norm = k_norm.weight;
    }
    if (c->arch->sub_norms) layer->attn_sub_norm = required_vector(l, index, n->attn_sub_norm, q);
    struct matrix o = whole_matrix(index, n->o, d, q, c->o_bias);
    load_matrix(l, &o, &layer->o);
    if (after) load_norm(l, index, n->attn_post_norm, d, &layer->attn_post_norm);

    if (before) load_norm(l, index, n->ffn_norm, d, &layer->ffn_norm);
    load_gate_up(l, index, layer);
    if (c->arch->sub_norms) layer->ffn_sub_norm = required_vector(l, index, n->ffn_sub_norm, c->intermediate_size);
    struct matrix down = whole_matrix(index, n->down, d, c->intermediate_size, c->ffn_bias);
    load_matrix(l, &down, &layer->down);
    if (after) load_norm(l, index, n->ffn_post_norm, d, &layer->ffn_post_norm);

    bool windowed = c->sliding_window && c->windowed[index];
    layer->window = windowed ? c->sliding_window : 0;
    if (c->arch->position == POSITION_ROPE)
        layer->rope = windowed && c->local_rope.n_dims ? &l->model->local_rope : &l->model->rope;
    layer->attention_scale = c->attention_scale;
    if (c->scale_by_inverse_layer) layer->attention_scale /= (float)(index + 1);
}

/* tie_word_embeddings says that head and embedding are one matrix, stored under either name; but a stored head that
 * differs from the embedding is used all the same, as transformers 5 does. */
static void load_embedding_and_head(struct loader *l) {
    const struct model_config *c = l->config;
    struct weights *w = &l->model->weights;
    const struct tensor *head = find(l, GLOBAL, l->names->head, ".weight");
    const struct tensor *table = find(l, GLOBAL, l->names->embedding, ".weight");
    bool head_alone = c->tie == TIE_ALWAYS && head && !table;
    struct matrix m = whole_matrix(GLOBAL, head_alone ? l->names->head : l->names->embedding, c->vocab_size,
                                   c->hidden_size, BIAS_NONE);
    m.is_table = true;
    load_matrix(l, &m, &w->embedding);
    bool same = c->tie == TIE_ALWAYS && head && table && head->size_bytes == table->size_bytes &&
                head->type == table->type && memcmp(head->data, table->data, head->size_bytes) == 0;
    w->tied = c->tie != TIE_NEVER && (!head || head_alone || same);
    m.is_table = false;
    m.is_head = true;
    if (!w->tied) m.names = l->names->head;
    if (w->tied && !(c->bitnet.enabled && c->bitnet.convert_head))
        w->head = w->embedding;
    else
        load_matrix(l, &m, &w->head);
}

bn_status weights_load(struct bn_model *model, enum i2s_layout layout, struct thread_pool *pool, bn_error *err) {
    const struct model_config *c = &model->config;
    struct weights *w = &model->weights;
    *w = (struct weights){0};
    arena_init(&w->arena);
    model->max_cols = 0;
    model->rounds_in_float = false;
    struct loader l = {.model = model,
                       .config = c,
                       .set = model_tensors(model),
                       .names = c->is_gguf ? &gguf_tensor_names : c->arch->hf_names,
                       .arena = &w->arena,
                       .pool = pool,
                       .layout = layout,
                       .err = err};
    buffer_init(&l.missing);
    w->layers = allocate(&l, c->n_layers, sizeof(struct layer));
    load_embedding_and_head(&l);
    if (c->arch->position == POSITION_LEARNED) {
        struct matrix m =
            whole_matrix(GLOBAL, l.names->position_embedding, c->context_length, c->hidden_size, BIAS_NONE);
        m.is_table = true;
        load_matrix(&l, &m, &w->position_embedding);
    }
    load_norm(&l, GLOBAL, l.names->output_norm, c->hidden_size, &w->output_norm);
    for (size_t i = 0; i < c->n_layers && l.status == BN_OK; i++) load_layer(&l, i, &w->layers[i]);
    report_missing(&l);
    buffer_release(&l.missing);
    return l.status;
}

bn_status weights_screen_head(struct bn_model *model, struct thread_pool *pool, char *problem, size_t problem_bytes,
                              bn_error *err) {
    struct weights *w = &model->weights;
    *problem = 0;
    bool wanted = model->head == BN_HEAD_SCREEN ? head_screen_applies(&w->head)
                                                : model->head == BN_HEAD_AUTO && head_screen_pays(&w->head);
    if (!wanted) return BN_OK;
    w->head_is_mapped = is_mapped(model_tensors(model), w->head.data);
    bool stored;
    bn_status status =
        head_screen_from_file(&w->screen, &w->head, model_tensors(model), &stored, problem, problem_bytes, err);
    if (status == BN_OK && !stored)
        status = head_screen_build(&w->screen, &w->head, w->head_is_mapped, &w->arena, pool, err);
    if (status != BN_OK || !w->screen.codes) return status;
    row_file_open(&w->head_rows, model_tensors(model), &w->head);
    row_file_open(&w->embedding_rows, model_tensors(model), &w->embedding);
    if (w->head_is_mapped) head_drop_pages(&w->head, 0, w->head.n_rows);
    return BN_OK;
}

void weights_release(struct weights *weights) {
    row_file_close(&weights->head_rows);
    row_file_close(&weights->embedding_rows);
    arena_release(&weights->arena);
    *weights = (struct weights){0};
}
