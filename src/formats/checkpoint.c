#include "formats/checkpoint.h"

#include <string.h>

#include "base/memory.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"

/* In the order of preference. */
static const char *const weight_files[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                           "pytorch_model.bin.index.json", "model.onnx"};

bn_status checkpoint_find(const char *folder, char **path, bn_error *err) {
    for (size_t i = 0; i < sizeof weight_files / sizeof *weight_files; i++) {
        *path = path_join(folder, weight_files[i]);
        if (!*path) return fail_no_memory(err, strlen(folder));
        if (file_exists(*path)) return BN_OK;
        mem_free(*path);
    }
    *path = NULL;
    return fail(err, BN_STATUS_NOT_FOUND,
                "%s: no weights (model.safetensors, pytorch_model.bin, model.onnx) in this folder", folder);
}

static bn_status read_onnx(const char *path, struct tensor_set *set, bn_error *err) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    if (!folder) return fail_no_memory(err, strlen(path));
    bn_status status = onnx_read_file(set->files[0].data, set->files[0].size, folder, set, err);
    mem_free(folder);
    return status;
}

static bn_status read_mapped(const char *path, struct tensor_set *set, bn_error *err) {
    const struct mapped_file *file = &set->files[0];
    bool onnx = onnx_is_file(file->data, file->size);
    if (!onnx && !torch_is_file(file->data, file->size)) {
        tensor_set_release(set);
        return safetensors_open(path, set, err); /* one file, or an index of any shards */
    }
    bn_status status = onnx ? read_onnx(path, set, err) : torch_read_file(file->data, file->size, set, err);
    if (!status) status = tensor_set_index(set, err);
    if (status) error_prefix(err, "%s", path);
    return status;
}

bn_status checkpoint_open(const char *path, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    if (file_is_directory(path)) {
        char *file;
        bn_status status = checkpoint_find(path, &file, err);
        if (!status) status = checkpoint_open(file, out, err);
        mem_free(file);
        return status;
    }
    bn_status status = tensor_set_map_file(out, path, err);
    if (!status) status = read_mapped(path, out, err);
    if (status) tensor_set_release(out);
    return status;
}
