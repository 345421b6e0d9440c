/* What all containers share: the list of tensors, the index by name, views, decoding to float32. */
#include "formats/tensor_file.h"

#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

size_t tensor_cols(const struct tensor *tensor) {
    return tensor->n_dims ? tensor->shape[tensor->n_dims - 1] : 1;
}

size_t tensor_rows(const struct tensor *tensor) {
    size_t rows = 1;
    for (size_t i = 0; i + 1 < tensor->n_dims; i++) rows *= tensor->shape[i];
    return rows;
}

const struct tensor *tensor_set_find(const struct tensor_set *set, const char *name) {
    uint32_t index;
    return string_map_find(&set->by_name, name, strlen(name), &index) ? &set->tensors[index] : NULL;
}

void tensor_set_release(struct tensor_set *set) {
    for (size_t i = 0; i < set->n_files; i++) mapped_file_close(&set->files[i]);
    mem_free(set->files);
    mem_free(set->tensors);
    string_map_release(&set->by_name);
    arena_release(&set->arena);
    *set = (struct tensor_set){0};
}

bn_status tensor_set_map_file(struct tensor_set *set, const char *path, bn_error *err) {
    struct mapped_file *files = mem_realloc_array(set->files, set->n_files + 1, sizeof *files);
    if (!files) return fail_no_memory(err, (set->n_files + 1) * sizeof *files);
    set->files = files;
    bn_status status = mapped_file_open(path, &files[set->n_files], err);
    if (!status) set->n_files++;
    return status;
}

bn_status tensor_set_extend(struct tensor_set *set, size_t n, struct tensor **added, bn_error *err) {
    size_t total;
    if (!add_size(set->n_tensors, n, &total) || total > UINT32_MAX) {
        return fail(err, BN_STATUS_BAD_FILE, "more than %u tensors", UINT32_MAX);
    }
    struct tensor *tensors = mem_realloc_array(set->tensors, max_size(total, 1), sizeof *tensors);
    if (!tensors) return fail_no_memory(err, total * sizeof *tensors);
    memset(tensors + set->n_tensors, 0, n * sizeof *tensors);
    *added = tensors + set->n_tensors;
    set->tensors = tensors;
    set->n_tensors = total;
    return BN_OK;
}

bn_status tensor_set_index(struct tensor_set *set, bn_error *err) {
    if (!string_map_init(&set->by_name, set->n_tensors)) return fail_no_memory(err, set->n_tensors * sizeof(void *));
    for (size_t i = 0; i < set->n_tensors; i++) {
        const char *name = set->tensors[i].name;
        int inserted = string_map_insert(&set->by_name, name, strlen(name), (uint32_t)i);
        if (inserted < 0) return fail_no_memory(err, set->n_tensors * sizeof(void *));
        if (inserted == 0) return fail(err, BN_STATUS_BAD_FILE, "two tensors are named '%.100s'", name);
    }
    return BN_OK;
}

/* ---- views ---- */

void tensor_read_strided(const struct tensor *tensor, size_t row, size_t col, size_t n, void *out) {
    const size_t *strides = tensor->view->strides;
    size_t item = tensor_type_find(tensor->type)->block_bytes, at = 0, last = tensor->n_dims ? tensor->n_dims - 1 : 0;
    for (size_t i = last; i-- > 0; row /= tensor->shape[i]) at += row % tensor->shape[i] * strides[i];
    const uint8_t *from = tensor->data + (at + col * strides[last]) * item;
    uint8_t *to = out;
    for (size_t i = 0; i < n; i++) memcpy(to + i * item, from + i * strides[last] * item, item);
}

/* One block is decoded for every value. */
static void read_across_blocks(const struct tensor *tensor, size_t row, size_t col, size_t n, void *out) {
    const struct tensor *original = tensor->view->context;
    const struct tensor_type_info *info = tensor_type_find(original->type);
    size_t row_bytes = original->shape[1] / info->block * info->block_bytes;
    const uint8_t *from = original->data + col * row_bytes + row / info->block * info->block_bytes;
    float values[256], *to = out;
    for (size_t i = 0; i < n; i++, from += row_bytes) {
        tensor_decode(original->type, from, values, info->block);
        to[i] = values[row % info->block];
    }
}

void tensor_transpose(const struct tensor *tensor, struct tensor_view *view, struct tensor *out) {
    const struct tensor_type_info *info = tensor_type_find(tensor->type);
    *out = *tensor;
    out->shape[0] = tensor->shape[1];
    out->shape[1] = tensor->shape[0];
    out->view = view;
    if (info->block > 1) {
        *view = (struct tensor_view){.read = read_across_blocks, .context = tensor};
        out->type = TYPE_F32;
        out->size_bytes = out->shape[0] * out->shape[1] * sizeof(float);
        return;
    }
    *view = (struct tensor_view){.read = tensor_read_strided, .strides = {1, tensor->shape[1]}};
    if (tensor->view) {
        view->strides[0] = tensor->view->strides[1];
        view->strides[1] = tensor->view->strides[0];
    }
}

static bn_status materialize(struct tensor_set *set, struct tensor *tensor, bn_error *err) {
    size_t n_rows = tensor_rows(tensor), n_cols = tensor_cols(tensor),
           row_bytes = tensor->size_bytes / max_size(n_rows, 1);
    uint8_t *values = arena_alloc(&set->arena, tensor->size_bytes);
    if (!values) return fail_no_memory(err, tensor->size_bytes);
    for (size_t r = 0; r < n_rows; r++) tensor->view->read(tensor, r, 0, n_cols, values + r * row_bytes);
    tensor->data = values;
    tensor->view = NULL;
    return BN_OK;
}

bn_status tensor_set_materialize(struct tensor_set *set, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < set->n_tensors && !status; i++)
        if (set->tensors[i].view) status = materialize(set, &set->tensors[i], err);
    return status;
}

void tensor_set_drop_pages(const struct tensor_set *set) {
    for (size_t i = 0; i < set->n_files; i++)
        if (set->files[i].size) madvise((void *)(uintptr_t)set->files[i].data, set->files[i].size, MADV_DONTNEED);
}

/* ---- decoding ---- */

enum { PIECE = 256 };

static void decode_view_row(const struct tensor *tensor, size_t row, float *out) {
    uint64_t piece[PIECE];
    for (size_t col = 0, n = tensor_cols(tensor); col < n; col += PIECE) {
        size_t count = min_size(n - col, PIECE);
        tensor->view->read(tensor, row, col, count, piece);
        tensor_decode(tensor->type, (const uint8_t *)piece, out + col, count);
    }
}

void tensor_decode_row(const struct tensor *tensor, size_t row, float *out) {
    size_t row_bytes = 0, n_cols = tensor_cols(tensor);
    if (tensor->view) {
        decode_view_row(tensor, row, out);
        return;
    }
    tensor_type_bytes(tensor->type, 1, n_cols, &row_bytes); /* checked when the file was opened */
    tensor_decode(tensor->type, tensor->data + row * row_bytes, out, n_cols);
}

static bn_status decode_i2s(const struct tensor *tensor, float *out, bn_error *err) {
    enum i2s_layout layout = tensor->i2s_layout == I2S_UNKNOWN ? I2S_X86_128 : tensor->i2s_layout;
    size_t n_rows = tensor_rows(tensor), n_cols = tensor_cols(tensor);
    int8_t *row = mem_alloc(n_cols);
    if (!row) return fail_no_memory(err, n_cols);
    float scale = i2s_scale(tensor->data, n_rows, n_cols);
    bn_status status = BN_OK;
    for (size_t r = 0; r < n_rows && !status; r++, out += n_cols) {
        status = i2s_unpack(tensor->data, layout, n_rows, n_cols, r, r + 1, row, err);
        for (size_t c = 0; c < n_cols && !status; c++) out[c] = (float)row[c] * scale;
    }
    if (status) error_prefix(err, "tensor '%.100s'", tensor->name);
    mem_free(row);
    return status;
}

bn_status tensor_decode_all(const struct tensor *tensor, float *out, bn_error *err) {
    if (tensor->type == TYPE_I2_S) return decode_i2s(tensor, out, err);
    if (!tensor_type_decodable(tensor->type)) {
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "tensor '%.100s' is %s, which can't be decoded by this build: use a file quantised to another type",
                    tensor->name, tensor_type_find(tensor->type)->name);
    }
    size_t n_rows = tensor_rows(tensor), n_cols = tensor_cols(tensor);
    for (size_t r = 0; r < n_rows && tensor->view; r++) tensor_decode_row(tensor, r, out + r * n_cols);
    if (!tensor->view) tensor_decode(tensor->type, tensor->data, out, n_rows * n_cols);
    return BN_OK;
}
