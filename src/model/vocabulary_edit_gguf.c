/* GGUF: the arrays of tokenizer.ggml.* get other or further elements, every other entry is copied, and tensors with
 * rows for tokens grow. Ids without a token, which are named [PAD…] or are of type 5 (unused), are filled first. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "formats/gguf.h"
#include "model/head_screen_file.h"
#include "model/vocabulary_edit.h"
#include "model/vocabulary_rows.h"
#include "tokenizer/tokenizer.h"

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER_DEFINED = 4, TYPE_UNUSED = 5 };

struct gguf_edit {
    struct vocabulary_edit *edit;
    struct gguf source;
    const struct gguf_value *old_tokens, *old_types, *old_scores;
    size_t n_old, n, n_used; /* tokens before and after; those before that aren't padding */
    struct gguf_string *tokens;
    int32_t *types;
    float *scores;
    struct vocabulary_rows rows;
    struct tensor_copy *copies;
    struct gguf_writer *writer;
};

struct tensor_copy {
    const struct tensor *tensor;
    const struct vocabulary_rows *rows; /* NULL: as it is */
};

static bool is(struct gguf_string token, const char *text) {
    return token.size == strlen(text) && memcmp(token.text, text, token.size) == 0;
}

/* ---- the vocabulary ---- */

/* Opening it as a tokenizer checks its arrays: strings, numbers, as many of each. */
static bn_status check_vocabulary(const struct gguf *gguf, bn_error *err) {
    bn_tokenizer *tokenizer;
    bn_status status = tokenizer_read_gguf(gguf, NULL, NULL, &tokenizer, err);
    if (!status) bn_tokenizer_close(tokenizer);
    return status;
}

static bn_status read_tokens(struct gguf_edit *e, bn_error *err) {
    bn_status status = check_vocabulary(&e->source, err);
    if (status) return status;
    e->old_tokens = gguf_find(&e->source, "tokenizer.ggml.tokens");
    e->old_types = gguf_find(&e->source, "tokenizer.ggml.token_type");
    e->old_scores = gguf_find(&e->source, "tokenizer.ggml.scores");
    e->n_old = e->old_tokens->array.n;
    size_t capacity = e->n_old + e->edit->n_add;
    e->tokens = mem_alloc_array(capacity, sizeof *e->tokens);
    e->types = mem_alloc_array(capacity, sizeof *e->types);
    e->scores = mem_alloc_array(capacity, sizeof *e->scores);
    if (!e->tokens || !e->types || !e->scores) return fail_no_memory(err, capacity * sizeof *e->tokens);
    for (size_t i = 0; i < e->n_old; i++) {
        e->tokens[i] = gguf_array_string(e->old_tokens, i);
        e->types[i] = e->old_types ? (int32_t)gguf_array_integer(e->old_types, i) : TYPE_NORMAL;
        e->scores[i] = e->old_scores ? (float)gguf_array_number(e->old_scores, i) : 0;
    }
    for (e->n_used = e->n_old; e->n_used > 0 && e->types[e->n_used - 1] == TYPE_UNUSED;) e->n_used--;
    e->n = e->n_old;
    return BN_OK;
}

static size_t find(const struct gguf_edit *e, const char *text) {
    for (size_t i = 0; i < e->n; i++)
        if (is(e->tokens[i], text)) return i;
    return SIZE_MAX;
}

static bn_status add_tokens(struct gguf_edit *e, bn_error *err) {
    for (size_t i = 0; i < e->edit->n_add; i++) {
        const char *text = e->edit->add[i];
        size_t id = e->n_used + i;
        if (!*text) return fail(err, BN_STATUS_BAD_ARGUMENT, "a token needs a text");
        if (find(e, text) != SIZE_MAX) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is a token already", text);
        e->tokens[id] = (struct gguf_string){text, strlen(text)};
        e->types[id] = e->edit->special ? TYPE_CONTROL : TYPE_USER_DEFINED;
        e->scores[id] = 0;
        e->n = max_size(e->n, id + 1);
        e->edit->ids[i] = id;
    }
    return BN_OK;
}

static bn_status rename_token(struct gguf_edit *e, bn_error *err) {
    const char *old = e->edit->old, *text = e->edit->renamed;
    size_t id = find(e, old);
    if (!*text) return fail(err, BN_STATUS_BAD_ARGUMENT, "a token needs a text");
    if (id == SIZE_MAX || e->types[id] == TYPE_NORMAL)
        return fail(err, BN_STATUS_NOT_FOUND, "'%.100s' is no special or added token; only these can be renamed", old);
    if (find(e, text) != SIZE_MAX) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is a token already", text);
    e->tokens[id] = (struct gguf_string){text, strlen(text)};
    return BN_OK;
}

/* ---- writing ---- */

static bool is_vocabulary_size(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot && strcmp(dot, ".vocab_size") == 0;
}

static bn_status write_entry(struct gguf_edit *e, const struct gguf_value *value, bn_error *err) {
    if (value == e->old_tokens) return gguf_writer_set_strings(e->writer, value->key, e->tokens, e->n, err);
    if (value == e->old_types) return gguf_writer_set_array(e->writer, value->key, GGUF_I32, e->types, e->n, err);
    if (value == e->old_scores) return gguf_writer_set_array(e->writer, value->key, GGUF_F32, e->scores, e->n, err);
    if (is_vocabulary_size(value->key) && value->type == GGUF_U32 && e->n > e->n_old)
        return gguf_writer_set_u32(e->writer, value->key, (uint32_t)max_size(value->u, e->n), err);
    return gguf_writer_copy(e->writer, value, err);
}

static bn_status write_metadata(struct gguf_edit *e, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < e->source.n_values && !status; i++) status = write_entry(e, &e->source.values[i], err);
    if (!status && !e->old_types && e->edit->n_add)
        status = gguf_writer_set_array(e->writer, "tokenizer.ggml.token_type", GGUF_I32, e->types, e->n, err);
    return status;
}

static bn_status emit(void *context, const void *bytes, size_t size, bn_error *err) {
    return gguf_writer_emit(context, bytes, size, err);
}

static bn_status write_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    const struct tensor_copy *copy = source->context;
    if (copy->rows) return vocabulary_rows_emit(copy->rows, copy->tensor, emit, writer, err);
    return gguf_writer_emit(writer, copy->tensor->data, copy->tensor->size_bytes, err);
}

static bn_status plan_rows(struct gguf_edit *e, bn_error *err) {
    struct vocabulary_rows *rows = &e->rows;
    *rows = (struct vocabulary_rows){.n_tokens = e->n_used, .first_new = e->n_used, .n_new = e->edit->n_add};
    bn_status status = vocabulary_rows_find(&e->source.set, &rows->n_rows, err);
    if (status || rows->n_rows == 0) return status;
    if (rows->n_rows < e->n_used || e->n_used == 0)
        return fail(err, BN_STATUS_BAD_FILE, "the file has %zu tokens, and the embedding %zu rows", e->n_used,
                    rows->n_rows);
    rows->n_new_rows = max_size(rows->n_rows, e->n);
    e->edit->grown_rows = rows->n_new_rows - rows->n_rows;
    return BN_OK;
}

static bn_status add_tensors(struct gguf_edit *e, bn_error *err) {
    const struct tensor_set *set = &e->source.set;
    bool adds = e->edit->n_add > 0;
    bn_status status = adds ? plan_rows(e, err) : BN_OK;
    e->copies = mem_calloc(max_size(set->n_tensors, 1), sizeof *e->copies);
    if (!status && !e->copies) status = fail_no_memory(err, set->n_tensors * sizeof *e->copies);
    for (size_t i = 0; i < set->n_tensors && !status; i++) {
        const struct tensor *tensor = &set->tensors[i];
        if (adds && head_screen_owns(tensor->name)) continue; /* it's that of other rows */
        e->copies[i] = (struct tensor_copy){tensor, adds && is_vocabulary_tensor(tensor->name) ? &e->rows : NULL};
        struct gguf_tensor_source source = {tensor->name, tensor->type, tensor->n_dims,
                                            {0},          write_tensor, &e->copies[i]};
        memcpy(source.shape, tensor->shape, sizeof source.shape);
        if (e->copies[i].rows) source.shape[0] = e->rows.n_new_rows;
        status = gguf_writer_add_tensor(e->writer, &source, err);
    }
    return status;
}

bn_status vocabulary_edit_gguf(struct vocabulary_edit *edit, const char *path, const char *out, bn_error *err) {
    struct gguf_edit e = {.edit = edit};
    bn_status status = gguf_open(path, &e.source, err);
    if (status) return status;
    status = read_tokens(&e, err);
    if (!status) status = edit->old ? rename_token(&e, err) : add_tokens(&e, err);
    if (!status) status = gguf_writer_create(max_size(e.source.alignment, 8), &e.writer, err);
    if (!status) status = write_metadata(&e, err);
    if (!status) status = add_tensors(&e, err);
    if (status) error_prefix(err, "%s", path);
    if (!status) status = gguf_writer_finish(e.writer, out, err);
    gguf_writer_destroy(e.writer);
    mem_free(e.copies);
    mem_free(e.tokens);
    mem_free(e.types);
    mem_free(e.scores);
    gguf_close(&e.source);
    return status;
}
