#include "formats/checkpoint.h"

#include <string.h>

#include "base/memory.h"
#include "formats/safetensors.h"

/* In the order of preference. */
static const char *const weight_files[] = {"model.safetensors", "model.safetensors.index.json"};

bn_status checkpoint_find(const char *folder, char **path, bn_error *err) {
    for (size_t i = 0; i < sizeof weight_files / sizeof *weight_files; i++) {
        *path = path_join(folder, weight_files[i]);
        if (!*path) return fail_no_memory(err, strlen(folder));
        if (file_exists(*path)) return BN_OK;
        mem_free(*path);
    }
    *path = NULL;
    return fail(err, BN_STATUS_NOT_FOUND, "%s: no weights (model.safetensors) in this folder", folder);
}

bn_status checkpoint_open(const char *path, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    if (!file_is_directory(path)) return safetensors_open(path, out, err);
    char *file;
    bn_status status = checkpoint_find(path, &file, err);
    if (status) return status;
    status = checkpoint_open(file, out, err);
    mem_free(file);
    return status;
}
