/* What all containers share: the list of tensors, the index by name, decoding to float32. */
#include "formats/tensor_file.h"

#include <string.h>

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
    tensor_decode(tensor->type, tensor->data, out, tensor_rows(tensor) * tensor_cols(tensor));
    return BN_OK;
}
