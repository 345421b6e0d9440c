#include "convert/hf_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/work_folder.h"
#include "convert/hf_config.h"
#include "formats/safetensors_writer.h"
#include "tokenizer/convert.h"

#define DEFAULT_SHARD_BYTES ((size_t)5000000000)
#define MAX_COPIED_BYTES    ((size_t)256 << 20)

/* ---- weights ---- */

struct shard_item {
    struct tensor_stream *stream;
    const struct planned_tensor *tensor;
};

static bn_status emit(void *context, const void *bytes, size_t size, bn_error *err) {
    return safetensors_writer_emit(context, bytes, size, err);
}

static bn_status write_tensor(struct safetensors_writer *writer, const struct safetensors_source *source,
                              bn_error *err) {
    const struct shard_item *item = source->context;
    return stream_tensor(item->stream, item->tensor, emit, writer, err);
}

/* Tensors [first, last) of the plan. */
static bn_status write_shard(struct tensor_stream *stream, size_t first, size_t last, const char *path, bn_error *err) {
    const struct plan *plan = stream->plan;
    struct safetensors_writer *writer = NULL;
    struct shard_item *items = mem_alloc_array(last - first, sizeof *items);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    bn_status status = items && metadata ? safetensors_writer_create(&writer, err) : fail_no_memory(err, last - first);
    if (!status) status = safetensors_writer_set_metadata(writer, metadata, err);
    for (size_t i = first; i < last && !status; i++) {
        const struct planned_tensor *t = &plan->tensors[i];
        items[i - first] = (struct shard_item){stream, t};
        struct safetensors_source source = {t->name, t->type, t->n_dims, {0}, write_tensor, &items[i - first]};
        memcpy(source.shape, t->shape, sizeof source.shape);
        status = safetensors_writer_add_tensor(writer, &source, err);
    }
    if (!status) status = safetensors_writer_finish(writer, path, err);
    safetensors_writer_destroy(writer);
    json_decref(metadata);
    mem_free(items);
    stream->report->n_files++;
    return status;
}

static size_t total_bytes(const struct plan *plan) {
    size_t total = 0;
    for (size_t i = 0; i < plan->n; i++) total += planned_bytes(&plan->tensors[i]);
    return total;
}

bn_status hf_write_file(struct tensor_stream *stream, const char *path, bn_error *err) {
    stream->total = total_bytes(stream->plan);
    return write_shard(stream, 0, stream->plan->n, path, err);
}

/* The end of the shard that begins with tensor `first`: one tensor at least. */
static size_t shard_end(const struct plan *plan, size_t first) {
    size_t limit = plan->options->max_shard_bytes ? plan->options->max_shard_bytes : DEFAULT_SHARD_BYTES;
    size_t bytes = planned_bytes(&plan->tensors[first]), last = first + 1;
    while (last < plan->n && bytes + planned_bytes(&plan->tensors[last]) <= limit)
        bytes += planned_bytes(&plan->tensors[last++]);
    return last;
}

/* ---- files of a folder ---- */

static bn_status write_json(const char *folder, const char *name, json_t *root, bn_error *err) {
    char *path = path_join(folder, name), *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    bn_status status = path && text ? file_write_all(path, text, strlen(text), err) : fail_no_memory(err, 0);
    free(text);
    mem_free(path);
    return status;
}

static bn_status write_shards(struct tensor_stream *stream, const char *folder, bn_error *err) {
    const struct plan *plan = stream->plan;
    size_t n_shards = 0;
    for (size_t first = 0; first < plan->n; first = shard_end(plan, first)) n_shards++;
    json_t *map = json_object();
    bn_status status = map ? BN_OK : fail_no_memory(err, 0);
    for (size_t first = 0, number = 1; first < plan->n && !status; number++) {
        size_t last = shard_end(plan, first);
        char name[64] = "model.safetensors";
        if (n_shards > 1) snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number, n_shards);
        char *path = path_join(folder, name);
        status = path ? write_shard(stream, first, last, path, err) : fail_no_memory(err, strlen(folder));
        for (size_t i = first; i < last; i++) json_object_set_new(map, plan->tensors[i].name, json_string(name));
        mem_free(path);
        first = last;
    }
    if (!status && n_shards > 1) {
        json_t *index =
            json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)stream->total, "weight_map", map);
        status = write_json(folder, "model.safetensors.index.json", index, err);
        json_decref(index);
    }
    json_decref(map);
    return status;
}

static bn_status copy_file(const char *from_folder, const char *to_folder, const char *name, bn_error *err) {
    char *from = path_join(from_folder, name), *to = path_join(to_folder, name), *bytes = NULL;
    size_t size;
    bn_status status = from && to ? BN_OK : fail_no_memory(err, strlen(name));
    if (!status && file_exists(from)) {
        status = file_read_all(from, MAX_COPIED_BYTES, &bytes, &size, err);
        if (!status) status = file_write_all(to, bytes, size, err);
    }
    mem_free(bytes);
    mem_free(from);
    mem_free(to);
    return status;
}

/* What a Hugging Face folder has beside its weights and config.json. */
static bn_status copy_companions(const char *from, const char *to, bool with_tokenizer, bn_error *err) {
    static const char *const tokenizer[] = {
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
        "merges.txt",     "added_tokens.json",     "tokenizer.model",         "spiece.model",
        "tekken.json",    "chat_template.jinja",   "chat_template.json"};
    bn_status status = copy_file(from, to, "generation_config.json", err);
    for (size_t i = 0; with_tokenizer && i < sizeof tokenizer / sizeof *tokenizer && !status; i++)
        status = copy_file(from, to, tokenizer[i], err);
    return status;
}

static bn_status write_tokenizer(const bn_model *model, const char *folder, bn_error *err) {
    json_t *root = NULL, *config = NULL;
    bn_status status = tokenizer_to_json(model->tokenizer, &root, err);
    if (!status) status = write_json(folder, "tokenizer.json", root, err);
    if (!status) status = tokenizer_config_to_json(model->tokenizer, &config, err);
    if (!status) status = write_json(folder, "tokenizer_config.json", config, err);
    json_decref(root);
    json_decref(config);
    return status;
}

static bn_status write_config(const struct plan *plan, const char *source_folder, const char *folder, bn_error *err) {
    json_t *config = NULL;
    bn_status status;
    if (source_folder) {
        char *path = path_join(source_folder, "config.json");
        status =
            path ? json_parse_file(path, (size_t)16 << 20, &config, err) : fail_no_memory(err, strlen(source_folder));
        mem_free(path);
        if (!status) status = hf_config_update(plan, config, err);
    } else {
        status = hf_config_make(plan, &config, err);
    }
    if (!status) status = write_json(folder, "config.json", config, err);
    json_decref(config);
    return status;
}

/* Small files first: what they can't say ends the conversion before its weights are written. */
static bn_status fill_folder(struct tensor_stream *stream, const char *source_folder, const char *folder,
                             bn_error *err) {
    const struct plan *plan = stream->plan;
    stream->total = total_bytes(plan);
    bn_status status = write_config(plan, source_folder, folder, err);
    if (!status && source_folder) {
        status = copy_companions(source_folder, folder, !plan->options->no_tokenizer, err);
    } else if (!status) {
        json_t *generation = hf_generation_config(plan->model);
        status = write_json(folder, "generation_config.json", generation, err);
        json_decref(generation);
        if (!status && plan->model->tokenizer) status = write_tokenizer(plan->model, folder, err);
    }
    return status ? status : write_shards(stream, folder, err);
}

/* ---- the folder as a whole ---- */

bn_status hf_write_folder(struct tensor_stream *stream, const char *source_folder, const char *path, bn_error *err) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    if (file_exists(path) && rmdir(path) != 0)
        return fail(err, BN_STATUS_IO, "%s: is there already, and isn't an empty folder", path);
    char *target = mem_strndup(path, n);
    struct work_folder making = {NULL, -1};
    bn_status status = target ? work_folder_create(target, &making, err) : fail_no_memory(err, n);
    if (!status) status = fill_folder(stream, source_folder, making.path, err);
    if (!status && rename(making.path, target) != 0)
        status = fail(err, BN_STATUS_IO, "%s: can't put the folder there: %s", path, strerror(errno));
    work_folder_release(&making);
    mem_free(target);
    return status;
}
