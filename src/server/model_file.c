#include "server/model_file.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/detect.h"
#include "formats/gguf.h"
#include "model/pooling.h"

enum { MAX_CONFIG_BYTES = 16 << 20, MAX_TYPES = 64 };

/* A model's tensors, and what stands beside them: GGUF's values, or a config.json. */
struct source {
    bool is_gguf;
    struct gguf gguf;
    struct tensor_set checkpoint;
    json_t *config;
};

static void source_close(struct source *source) {
    if (source->is_gguf)
        gguf_close(&source->gguf);
    else
        tensor_set_release(&source->checkpoint);
    json_decref(source->config);
}

/* config.json in the folder, or beside the file. */
static bn_status read_config(const char *path, json_t **out, bn_error *err) {
    const char *slash = strrchr(path, '/');
    char *folder = file_is_directory(path) ? mem_strdup(path)
                   : slash                 ? mem_strndup(path, (size_t)(slash - path))
                                           : mem_strdup(".");
    char *file = folder ? path_join(folder, "config.json") : NULL;
    bn_status status = file ? json_parse_file(file, MAX_CONFIG_BYTES, out, err) : fail_no_memory(err, strlen(path));
    mem_free(folder);
    mem_free(file);
    return status;
}

static bn_status source_open(const char *path, struct source *out, bn_error *err) {
    enum file_kind kind;
    *out = (struct source){0};
    bn_status status = file_kind_detect(path, &kind, err);
    if (status) return status;
    out->is_gguf = kind == FILE_GGUF;
    if (out->is_gguf) return gguf_open(path, &out->gguf, err);
    status = read_config(path, &out->config, err);
    if (!status) status = checkpoint_open(path, &out->checkpoint, err);
    if (status) source_close(out);
    return status;
}

static const struct tensor_set *tensors_of(const struct source *source) {
    return source->is_gguf ? &source->gguf.set : &source->checkpoint;
}

/* ---- describing ---- */

static const char *type_name(enum tensor_type type) {
    const struct tensor_type_info *info = tensor_type_find(type);
    return info ? info->name : "unknown";
}

/* Ternary weights of Hugging Face's checkpoints lie four to a byte. */
static bool packs_four(const struct source *source) {
    const json_t *quantization = json_object_get(source->config, "quantization_config");
    const char *method = json_string_value(json_object_get(quantization, "quant_method"));
    return method && strcmp(method, "bitnet") == 0;
}

static void count_tensors(const struct source *source, struct model_file *out) {
    const struct tensor_set *set = tensors_of(source);
    struct {
        enum tensor_type type;
        uint64_t bytes;
    } sums[MAX_TYPES] = {0};
    size_t n_types = 0, most = 0;
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *tensor = &set->tensors[i];
        uint64_t n = (uint64_t)tensor_rows(tensor) * tensor_cols(tensor);
        size_t at = 0;
        out->n_parameters += tensor->type == TYPE_U8 && packs_four(source) ? 4 * n : n;
        while (at < n_types && sums[at].type != tensor->type) at++;
        if (at == MAX_TYPES) continue;
        if (at == n_types) sums[n_types++].type = tensor->type;
        sums[at].bytes += tensor->size_bytes;
        if (sums[at].bytes > sums[most].bytes) most = at;
    }
    snprintf(out->type, sizeof out->type, "%s", n_types ? type_name(sums[most].type) : "unknown");
}

static void read_gguf(const struct gguf *gguf, struct model_file *out) {
    struct gguf_string family = {"unknown", 7};
    char key[128];
    bn_error ignored; /* what is of another type isn't said */
    (void)gguf_get_string(gguf, "general.architecture", &family, &ignored);
    snprintf(out->family, sizeof out->family, "%.*s", (int)(family.size < 60 ? family.size : 60), family.text);
    snprintf(key, sizeof key, "%s.context_length", out->family);
    (void)gguf_get_size(gguf, key, 1, SIZE_MAX, &out->context_length, &ignored);
    snprintf(key, sizeof key, "%s.embedding_length", out->family);
    (void)gguf_get_size(gguf, key, 1, SIZE_MAX, &out->embedding_length, &ignored);
    (void)pooling_from_gguf(gguf, &out->pooling, &ignored);
}

static void read_hf(const json_t *config, struct model_file *out) {
    const char *family = "unknown";
    bn_error ignored;
    (void)json_get_text(config, "model_type", &family, &ignored);
    snprintf(out->family, sizeof out->family, "%s", family);
    (void)json_get_size(config, "n_positions", 1, SIZE_MAX, &out->context_length, &ignored);
    (void)json_get_size(config, "max_position_embeddings", 1, SIZE_MAX, &out->context_length, &ignored);
    (void)json_get_size(config, "n_embd", 1, SIZE_MAX, &out->embedding_length, &ignored);
    (void)json_get_size(config, "hidden_size", 1, SIZE_MAX, &out->embedding_length, &ignored);
}

bn_status model_file_describe(const char *path, struct model_file *out, bn_error *err) {
    struct source source;
    *out = (struct model_file){0};
    bn_status status = source_open(path, &source, err);
    if (status) return status;
    out->format = source.is_gguf ? "gguf" : "safetensors";
    bn_error ignored;
    if (source.is_gguf)
        read_gguf(&source.gguf, out);
    else
        read_hf(source.config, out);
    if (file_is_directory(path)) (void)pooling_from_folder(path, &out->pooling, &ignored);
    count_tensors(&source, out);
    source_close(&source);
    return BN_OK;
}

const char *model_file_size_label(const struct model_file *file, char *out, size_t size) {
    double n = (double)file->n_parameters;
    if (n >= 1e9)
        snprintf(out, size, "%.1fB", n * 1e-9);
    else if (n >= 1e6)
        snprintf(out, size, "%.1fM", n * 1e-6);
    else
        snprintf(out, size, "%.1fK", n * 1e-3);
    return out;
}

/* ---- metadata ---- */

static json_t *element_json(const struct gguf_value *list, size_t i) {
    switch (list->array.type) {
    case GGUF_STRING: {
        struct gguf_string text = gguf_array_string(list, i);
        return json_text(text.text, text.size);
    }
    case GGUF_F32:
    case GGUF_F64:
        return json_number(gguf_array_number(list, i));
    case GGUF_BOOL:
        return json_boolean(gguf_array_integer(list, i));
    case GGUF_ARRAY:
        return json_null();
    default:
        return json_integer(gguf_array_integer(list, i));
    }
}

static json_t *value_json(const struct gguf_value *value, bool lists) {
    switch (value->type) {
    case GGUF_STRING:
        return json_text(value->string.text, value->string.size);
    case GGUF_F32:
    case GGUF_F64:
        return json_number(value->f);
    case GGUF_BOOL:
        return json_boolean(value->u);
    case GGUF_ARRAY: {
        json_t *list = lists ? json_array() : json_null();
        for (size_t i = 0; lists && i < value->array.n; i++) json_array_append_new(list, element_json(value, i));
        return list;
    }
    default:
        return json_integer(value->i);
    }
}

bn_status model_file_metadata(const char *path, bool lists, json_t **out, bn_error *err) {
    struct source source;
    *out = NULL;
    bn_status status = source_open(path, &source, err);
    if (status) return status;
    *out = source.is_gguf ? json_object() : json_incref(source.config);
    for (size_t i = 0; source.is_gguf && i < source.gguf.n_values; i++) {
        const struct gguf_value *value = &source.gguf.values[i];
        json_object_set_new(*out, value->key, value_json(value, lists));
    }
    source_close(&source);
    return *out ? BN_OK : fail_no_memory(err, sizeof(json_t));
}

bn_status model_file_tensors(const char *path, json_t **out, bn_error *err) {
    struct source source;
    *out = NULL;
    bn_status status = source_open(path, &source, err);
    if (status) return status;
    const struct tensor_set *set = tensors_of(&source);
    *out = json_array();
    for (size_t i = 0; i < set->n_tensors; i++) {
        const struct tensor *tensor = &set->tensors[i];
        json_t *shape = json_array();
        for (size_t j = tensor->n_dims; j-- > 0;)
            json_array_append_new(shape, json_integer((json_int_t)tensor->shape[j]));
        json_array_append_new(*out, json_pack("{s:o, s:s, s:o}", "name", json_text(tensor->name, strlen(tensor->name)),
                                              "type", type_name(tensor->type), "shape", shape));
    }
    source_close(&source);
    return *out ? BN_OK : fail_no_memory(err, sizeof(json_t));
}
