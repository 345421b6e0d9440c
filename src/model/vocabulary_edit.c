/* Hugging Face: tokenizer.json and the files around it. Weights are rewritten shard by shard, only those that have a
 * tensor with rows for tokens. */
#include "model/vocabulary_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "model/vocabulary_rows.h"
#include "tokenizer/edit.h"
#include "tokenizer/tokenizer.h"

enum { MAX_JSON_BYTES = 1 << 29 };

static bn_status write_text(const char *path, const char *text, size_t size, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    fwrite(text, 1, size, file.stream);
    return atomic_file_commit(&file, err);
}

static bn_status write_json(const char *path, const json_t *root, size_t indent, bn_error *err) {
    char *text = json_dumps(root, JSON_INDENT(indent) | JSON_REAL_PRECISION(17));
    if (!text) return fail_no_memory(err, 0);
    bn_status status = write_text(path, text, strlen(text), err);
    free(text);
    return status;
}

/* ---- tokenizer.json ---- */

static bn_status edit_tree(struct vocabulary_edit *edit, json_t *root, bn_error *err) {
    if (edit->old) return tokenizer_json_rename(root, edit->old, edit->renamed, err);
    bn_status status = BN_OK;
    for (size_t i = 0; i < edit->n_add && !status; i++)
        status = tokenizer_json_add(root, edit->add[i], edit->special, &edit->ids[i], err);
    return status;
}

bn_status vocabulary_edit_json(struct vocabulary_edit *edit, const char *path, const char *out, bn_error *err) {
    json_t *root;
    const char *form;
    bn_status status = tokenizer_form(path, &form, err);
    if (!status && strcmp(form, "tokenizer.json") != 0)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "%s: tokens can be edited in a tokenizer.json, a folder with one, and GGUF: convert it first "
                    "(bitnet tokenizer convert)",
                    path);
    if (!status) status = json_parse_file(path, MAX_JSON_BYTES, &root, err);
    if (status) return status;
    status = edit_tree(edit, root, err);
    if (status) error_prefix(err, "%s", path);
    if (!status) status = write_json(out, root, 1, err);
    json_decref(root);
    return status;
}

/* ---- companions ---- */

static bn_status edit_config(const struct vocabulary_edit *edit, json_t *config, bn_error *err) {
    if (edit->old) return tokenizer_config_rename(config, edit->old, edit->renamed, err);
    bn_status status = BN_OK;
    for (size_t i = 0; i < edit->n_add && !status; i++)
        status = tokenizer_config_add(config, edit->add[i], edit->special, edit->ids[i], err);
    return status;
}

static bn_status edit_companion(const struct vocabulary_edit *edit, const char *folder, const char *out,
                                const char *name, bn_error *err) {
    char *from = path_join(folder, name), *to = path_join(out, name);
    json_t *config = NULL;
    bn_status status = from && to ? BN_OK : fail_no_memory(err, strlen(folder));
    if (!status && file_exists(from)) {
        status = json_parse_file(from, MAX_JSON_BYTES, &config, err);
        if (!status) status = edit_config(edit, config, err);
        if (!status) status = write_json(to, config, 2, err);
    }
    json_decref(config);
    mem_free(from);
    mem_free(to);
    return status;
}

/* Replaces the number of "vocab_size" in the text, so that everything else of config.json stays as it is written. */
static bn_status replace_vocab_size(const char *text, size_t size, size_t n, const char *out, bn_error *err) {
    static const char key[] = "\"vocab_size\"";
    const char *found = memmem(text, size, key, sizeof key - 1), *begin = found;
    if (found) begin += sizeof key - 1, begin += strspn(begin, " \t\r\n:");
    size_t digits = found ? strspn(begin, "0123456789") : 0;
    const char *rest = begin + digits;
    if (!digits || memmem(rest, size - (size_t)(rest - text), key, sizeof key - 1))
        return fail(err, BN_STATUS_UNSUPPORTED, "config.json must have one 'vocab_size'");
    struct buffer edited;
    buffer_init(&edited);
    buffer_append(&edited, text, (size_t)(begin - text));
    buffer_printf(&edited, "%zu", n);
    buffer_append(&edited, rest, size - (size_t)(rest - text));
    bn_status status = edited.failed ? fail_no_memory(err, size) : write_text(out, edited.data, edited.size, err);
    buffer_release(&edited);
    return status;
}

static bn_status edit_model_config(const char *folder, const char *out, size_t n, bn_error *err) {
    char *from = path_join(folder, "config.json"), *to = path_join(out, "config.json"), *text = NULL;
    size_t size;
    bn_status status = from && to ? BN_OK : fail_no_memory(err, strlen(folder));
    if (!status) status = file_read_all(from, MAX_JSON_BYTES, &text, &size, err);
    if (!status) status = replace_vocab_size(text, size, n, to, err);
    mem_free(text);
    mem_free(from);
    mem_free(to);
    return status;
}

/* ---- weights ---- */

struct tensor_copy {
    const struct tensor *tensor;
    const struct vocabulary_rows *rows; /* NULL: as it is */
};

static bn_status emit_safetensors(void *context, const void *bytes, size_t size, bn_error *err) {
    return safetensors_writer_emit(context, bytes, size, err);
}

static bn_status write_tensor(struct safetensors_writer *writer, const struct safetensors_source *source,
                              bn_error *err) {
    const struct tensor_copy *copy = source->context;
    if (copy->rows) return vocabulary_rows_emit(copy->rows, copy->tensor, emit_safetensors, writer, err);
    return safetensors_writer_emit(writer, copy->tensor->data, copy->tensor->size_bytes, err);
}

static bool lies_in(const struct tensor *tensor, const struct mapped_file *file) {
    return tensor->data >= file->data && tensor->data <= file->data + file->size && file->data;
}

static bool shard_has_rows(const struct tensor_set *set, const struct mapped_file *file) {
    for (size_t i = 0; i < set->n_tensors; i++)
        if (is_vocabulary_tensor(set->tensors[i].name) && lies_in(&set->tensors[i], file)) return true;
    return false;
}

static bn_status copy_metadata(struct safetensors_writer *writer, const struct mapped_file *file, bn_error *err) {
    uint64_t size;
    json_t *header;
    memcpy(&size, file->data, sizeof size); /* was checked when the file was opened */
    bn_status status = json_parse((const char *)file->data + sizeof size, (size_t)size, file->path, &header, err);
    if (status) return status;
    const json_t *metadata = json_object_get(header, "__metadata__");
    if (metadata) status = safetensors_writer_set_metadata(writer, metadata, err);
    json_decref(header);
    return status;
}

static bn_status write_shard(const struct tensor_set *set, const struct mapped_file *file,
                             const struct vocabulary_rows *rows, const char *out, bn_error *err) {
    struct tensor_copy *copies = mem_calloc(set->n_tensors, sizeof *copies);
    struct safetensors_writer *writer = NULL;
    bn_status status = copies ? safetensors_writer_create(&writer, err) : fail_no_memory(err, set->n_tensors);
    if (!status) status = copy_metadata(writer, file, err);
    for (size_t i = 0; i < set->n_tensors && !status; i++) {
        const struct tensor *tensor = &set->tensors[i];
        if (!lies_in(tensor, file)) continue;
        copies[i] = (struct tensor_copy){tensor, is_vocabulary_tensor(tensor->name) ? rows : NULL};
        struct safetensors_source source = {tensor->name, tensor->type, tensor->n_dims, {0}, write_tensor, &copies[i]};
        memcpy(source.shape, tensor->shape, sizeof source.shape);
        if (copies[i].rows) source.shape[0] = rows->n_new_rows;
        status = safetensors_writer_add_tensor(writer, &source, err);
    }
    const char *slash = strrchr(file->path, '/');
    char *path = status ? NULL : path_join(out, slash ? slash + 1 : file->path);
    if (!status) status = path ? safetensors_writer_finish(writer, path, err) : fail_no_memory(err, strlen(out));
    mem_free(path);
    safetensors_writer_destroy(writer);
    mem_free(copies);
    return status;
}

/* model.safetensors.index.json says how large all tensors are together. */
static bn_status edit_index(const char *path, const char *out, size_t grown_bytes, bn_error *err) {
    json_t *index;
    bn_status status = json_parse_file(path, MAX_JSON_BYTES, &index, err);
    if (status) return status;
    json_t *total = json_object_get(json_object_get(index, "metadata"), "total_size");
    if (json_is_integer(total)) json_integer_set(total, json_integer_value(total) + (json_int_t)grown_bytes);
    status = write_json(out, index, 2, err);
    json_decref(index);
    return status;
}

static size_t grown_bytes(const struct tensor_set *set, const struct vocabulary_rows *rows) {
    size_t bytes = 0;
    for (size_t i = 0; i < set->n_tensors; i++)
        if (is_vocabulary_tensor(set->tensors[i].name))
            bytes += set->tensors[i].size_bytes / rows->n_rows * (rows->n_new_rows - rows->n_rows);
    return bytes;
}

static bn_status edit_shards(struct vocabulary_edit *edit, const struct tensor_set *set, const char *out,
                             bn_error *err) {
    struct vocabulary_rows rows = {.first_new = edit->ids[0], .n_tokens = edit->ids[0], .n_new = edit->n_add};
    bn_status status = vocabulary_rows_find(set, &rows.n_rows, err);
    if (status) return status;
    if (rows.n_tokens == 0 || rows.n_rows < rows.n_tokens)
        return fail(err, BN_STATUS_BAD_FILE, "the tokenizer has %zu tokens, and the embedding %zu rows", rows.n_tokens,
                    rows.n_rows);
    rows.n_new_rows = max_size(rows.n_rows, rows.first_new + rows.n_new);
    edit->grown_rows = rows.n_new_rows - rows.n_rows;
    for (size_t i = 0; i < set->n_files && !status; i++)
        if (shard_has_rows(set, &set->files[i])) status = write_shard(set, &set->files[i], &rows, out, err);
    if (status || set->n_files == 1 || edit->grown_rows == 0) return status;
    const char *name = "model.safetensors.index.json", *shard = set->files[0].path, *slash = strrchr(shard, '/');
    char *folder = slash ? mem_strndup(shard, (size_t)(slash - shard)) : mem_strdup(".");
    char *from = folder ? path_join(folder, name) : NULL, *to = path_join(out, name);
    status = from && to ? edit_index(from, to, grown_bytes(set, &rows), err) : fail_no_memory(err, strlen(out));
    mem_free(folder);
    mem_free(from);
    mem_free(to);
    return status;
}

/* The folder's weights; *found false where it has none. */
static bn_status open_weights(const char *folder, struct tensor_set *set, bool *found, bn_error *err) {
    static const char *const files[] = {"model.safetensors.index.json", "model.safetensors"};
    *found = false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = path_join(folder, files[i]);
        if (!path) return fail_no_memory(err, strlen(folder));
        *found = file_exists(path);
        bn_status status = *found ? safetensors_open(path, set, err) : BN_OK;
        mem_free(path);
        if (status || *found) return status;
    }
    char *config = path_join(folder, "config.json");
    bool is_model = config && file_exists(config);
    mem_free(config);
    return is_model ? fail(err, BN_STATUS_UNSUPPORTED,
                           "%s: a model whose weights aren't safetensors can't get rows for new tokens", folder)
                    : BN_OK;
}

static bn_status edit_weights(struct vocabulary_edit *edit, const char *folder, const char *out, bn_error *err) {
    struct tensor_set set = {0};
    bool found;
    bn_status status = open_weights(folder, &set, &found, err);
    if (status || !found) return status;
    status = edit_shards(edit, &set, out, err);
    if (!status && edit->grown_rows) status = edit_model_config(folder, out, edit->ids[edit->n_add - 1] + 1, err);
    tensor_set_release(&set);
    return status;
}

/* Tokens that only the files beside tokenizer.json name are counted behind its own: a new one there would move them. */
static bn_status check_companions(const char *folder, const char *path, bn_error *err) {
    bn_tokenizer *whole = NULL, *alone = NULL;
    char *text = NULL;
    size_t size;
    bn_status status = bn_tokenizer_open(folder, &whole, err);
    if (!status) status = file_read_all(path, MAX_JSON_BYTES, &text, &size, err);
    if (!status) status = tokenizer_from_json(text, size, path, &alone, err);
    if (!status && bn_tokenizer_vocab_size(whole) != bn_tokenizer_vocab_size(alone))
        status =
            fail(err, BN_STATUS_UNSUPPORTED,
                 "%s lacks tokens that tokenizer_config.json or its like names, '%.60s' the first: write all of them "
                 "into one first (bitnet tokenizer convert)",
                 path, bn_tokenizer_token(whole, (int32_t)bn_tokenizer_vocab_size(alone)));
    mem_free(text);
    bn_tokenizer_close(alone);
    bn_tokenizer_close(whole);
    return status;
}

bn_status vocabulary_edit_folder(struct vocabulary_edit *edit, const char *folder, const char *out, bn_error *err) {
    static const char *const companions[] = {"tokenizer_config.json", "special_tokens_map.json"};
    char *from = path_join(folder, "tokenizer.json"), *to = path_join(out, "tokenizer.json");
    bn_status status = from && to ? BN_OK : fail_no_memory(err, strlen(folder));
    if (!status && !file_exists(from))
        status = fail(err, BN_STATUS_UNSUPPORTED, "%s has no tokenizer.json: make one first (bitnet tokenizer convert)",
                      folder);
    if (!status) status = check_companions(folder, from, err);
    if (!status) status = vocabulary_edit_json(edit, from, to, err);
    for (size_t i = 0; i < sizeof companions / sizeof *companions && !status; i++)
        status = edit_companion(edit, folder, out, companions[i], err);
    if (!status && edit->n_add) status = edit_weights(edit, folder, out, err);
    mem_free(from);
    mem_free(to);
    return status;
}
