/* A checkpoint in shards: an index {"metadata": …, "weight_map": {tensor: file}} beside the files it names. The map and
 * the files must agree tensor by tensor; the map can't lead out of its folder. */
#include "formats/shard_index.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "formats/torch_file.h"

#define MAX_INDEX_BYTES 100000000

/* The files of the map, each once, in the order of appearance; by_name gives a file's number. */
struct shard_list {
    struct string_map by_name;
    const char **names; /* point into the JSON */
    size_t n;
};

static bool is_plain_file_name(const char *name) {
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\:");
}

static bn_status list_shards(json_t *weight_map, struct shard_list *shards, bn_error *err) {
    size_t n_tensors = json_object_size(weight_map);
    shards->names = mem_alloc_array(max_size(n_tensors, 1), sizeof *shards->names);
    if (!shards->names || !string_map_init(&shards->by_name, 0)) return fail_no_memory(err, n_tensors * sizeof(char *));
    const char *tensor;
    json_t *file;
    json_object_foreach(weight_map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name || strlen(name) != json_string_length(file) || !is_plain_file_name(name)) {
            return fail(err, BN_STATUS_BAD_FILE,
                        "'weight_map' of '%.100s': '%.100s' isn't the name of a file beside the index", tensor,
                        name ? name : "");
        }
        int inserted = string_map_insert(&shards->by_name, name, strlen(name), (uint32_t)shards->n);
        if (inserted < 0) return fail_no_memory(err, n_tensors * sizeof(char *));
        if (inserted) shards->names[shards->n++] = name;
    }
    return BN_OK;
}

static bn_status open_shard(const char *index_path, const char *name, struct tensor_set *set, bn_error *err) {
    const char *slash = strrchr(index_path, '/');
    char *folder = slash ? mem_strndup(index_path, (size_t)(slash - index_path) + 1) : mem_strdup(".");
    char *path = folder ? path_join(folder, name) : NULL;
    mem_free(folder);
    if (!path) return fail_no_memory(err, strlen(index_path) + strlen(name));
    bn_status status = tensor_set_map_file(set, path, err);
    if (!status) {
        const struct mapped_file *file = &set->files[set->n_files - 1];
        bool torch = torch_is_file(file->data, file->size);
        status = (torch ? torch_read_file : safetensors_read_file)(file->data, file->size, set, err);
        if (status) error_prefix(err, "%s", path);
    }
    mem_free(path);
    return status;
}

/* The tensors from number `first` on came from shard `name`: the map must say so. */
static bn_status check_shard(const struct tensor_set *set, size_t first, const json_t *weight_map, const char *name,
                             bn_error *err) {
    for (size_t i = first; i < set->n_tensors; i++) {
        const char *mapped = json_string_value(json_object_get(weight_map, set->tensors[i].name));
        if (!mapped || strcmp(mapped, name) != 0) {
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s' is in %s, but the index says %s",
                        set->tensors[i].name, name, mapped ? mapped : "nothing of it");
        }
    }
    return BN_OK;
}

static bn_status open_shards(const char *path, json_t *weight_map, const struct shard_list *shards,
                             struct tensor_set *set, bn_error *err) {
    for (size_t i = 0; i < shards->n; i++) {
        size_t first = set->n_tensors;
        bn_status status = open_shard(path, shards->names[i], set, err);
        if (!status) status = check_shard(set, first, weight_map, shards->names[i], err);
        if (status) return status;
    }
    bn_status status = tensor_set_index(set, err);
    if (status) return status;
    const char *tensor;
    json_t *file;
    json_object_foreach(weight_map, tensor, file) {
        if (!tensor_set_find(set, tensor)) {
            return fail(err, BN_STATUS_BAD_FILE, "tensor '%.100s' is missing from %s", tensor, json_string_value(file));
        }
    }
    return BN_OK;
}

static bn_status open_index(const char *path, json_t *index, struct tensor_set *set, bn_error *err) {
    json_t *weight_map = json_object_get(index, "weight_map");
    if (!json_is_object(weight_map)) return fail(err, BN_STATUS_BAD_FILE, "'weight_map' must be an object");
    struct shard_list shards = {0};
    bn_status status = list_shards(weight_map, &shards, err);
    if (!status) status = open_shards(path, weight_map, &shards, set, err);
    string_map_release(&shards.by_name);
    mem_free(shards.names);
    return status;
}

bn_status shard_index_open(const char *path, struct tensor_set *out, bn_error *err) {
    *out = (struct tensor_set){0};
    char *text;
    size_t size;
    json_t *index;
    bn_status status = file_read_all(path, MAX_INDEX_BYTES, &text, &size, err);
    if (status) return status;
    status = safetensors_parse_json(text, size, path, &index, err);
    mem_free(text);
    if (status) return status;
    status = open_index(path, index, out, err);
    json_decref(index);
    if (status) {
        error_prefix(err, "%s", path);
        tensor_set_release(out);
    }
    return status;
}
