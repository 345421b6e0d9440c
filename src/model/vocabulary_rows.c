/* Means are summed in double, row after row in order, and rounded once. */
#include "model/vocabulary_rows.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"

static const char *const names[] = {
    /* Hugging Face, behind any prefix */
    "embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "tok_embeddings.weight",
    "lm_head.weight", "lm_head.bias", "embed_out.weight", "embed_out.bias",
    /* GGUF */
    "token_embd.weight", "output.weight", "output.bias"};

bool is_vocabulary_tensor(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t m = strlen(names[i]);
        bool ends = n >= m && strcmp(name + n - m, names[i]) == 0;
        bool whole = strncmp(names[i], "output.", 7) == 0 || strncmp(names[i], "token_embd", 10) == 0;
        if (ends && (n == m || (!whole && name[n - m - 1] == '.'))) return true;
    }
    return false;
}

bn_status vocabulary_rows_find(const struct tensor_set *set, size_t *n_rows, bn_error *err) {
    *n_rows = 0;
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *tensor = &set->tensors[i];
        if (!is_vocabulary_tensor(tensor->name)) continue;
        if (tensor->type != TYPE_F32 && tensor->type != TYPE_F16 && tensor->type != TYPE_BF16)
            return fail(err, BN_STATUS_UNSUPPORTED,
                        "tensor '%.100s' is %s: rows for new tokens can be made in F32, F16 and BF16", tensor->name,
                        tensor_type_find(tensor->type)->name);
        if (tensor->n_dims == 0 || tensor->n_dims > 2 || (*n_rows && tensor->shape[0] != *n_rows))
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s' should have a row for each of %zu tokens",
                        tensor->name, *n_rows);
        *n_rows = tensor->shape[0];
    }
    return BN_OK;
}

static float value_at(const struct tensor *tensor, size_t index) {
    float f;
    uint16_t h;
    if (tensor->type == TYPE_F32) {
        memcpy(&f, tensor->data + 4 * index, sizeof f);
        return f;
    }
    memcpy(&h, tensor->data + 2 * index, sizeof h);
    return tensor->type == TYPE_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

static void put_value(enum tensor_type type, uint8_t *out, float value) {
    uint16_t h = type == TYPE_F16 ? f32_to_f16(value) : f32_to_bf16(value);
    if (type == TYPE_F32)
        memcpy(out, &value, sizeof value);
    else
        memcpy(out, &h, sizeof h);
}

/* The mean of the first n rows, encoded. */
static bn_status mean_row(const struct tensor *tensor, size_t n, size_t cols, uint8_t **out, bn_error *err) {
    size_t width = tensor->type == TYPE_F32 ? 4 : 2;
    double *sums = mem_calloc(cols, sizeof *sums);
    *out = mem_alloc_array(cols, width);
    if (!sums || !*out) {
        mem_free(sums);
        mem_free(*out);
        return fail_no_memory(err, cols * sizeof *sums);
    }
    for (size_t row = 0; row < n; row++)
        for (size_t col = 0; col < cols; col++) sums[col] += (double)value_at(tensor, row * cols + col);
    for (size_t col = 0; col < cols; col++) put_value(tensor->type, *out + width * col, (float)(sums[col] / (double)n));
    mem_free(sums);
    return BN_OK;
}

bn_status vocabulary_rows_emit(const struct vocabulary_rows *rows, const struct tensor *tensor, emit_function emit,
                               void *context, bn_error *err) {
    size_t cols = tensor->n_dims == 1 ? 1 : tensor_cols(tensor), row_bytes = tensor->size_bytes / rows->n_rows;
    size_t end_new = rows->first_new + rows->n_new, old_begin = min_size(rows->first_new, rows->n_rows);
    uint8_t *mean;
    bn_status status = mean_row(tensor, rows->n_tokens, cols, &mean, err);
    if (status) return status;
    status = emit(context, tensor->data, old_begin * row_bytes, err);
    for (size_t i = 0; i < rows->n_new && !status; i++) status = emit(context, mean, row_bytes, err);
    if (!status && end_new < rows->n_rows) /* padding that stays */
        status = emit(context, tensor->data + end_new * row_bytes, (rows->n_rows - end_new) * row_bytes, err);
    mem_free(mean);
    return status;
}
