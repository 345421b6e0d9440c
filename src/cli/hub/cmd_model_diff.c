/* `bitnet model diff`: what is different between two models, byte for byte: metadata, and tensors by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tensor_listing.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/hub/registry_commands.h"
#include "cli/json_output.h"
#include "cli/model_path.h"

enum { CONFIG_MAX_BYTES = 16 << 20, SHOWN_BYTES = 80 };

struct side {
    char *path;
    json_t *metadata; /* key → text of the value */
    struct tensor_listing tensors;
};

/* ---- metadata ---- */

/* Numbers and texts as they are; of an array how many elements it has, and their hash. */
static json_t *value_text(const struct gguf_value *value) {
    switch (value->type) {
    case GGUF_STRING:
        return json_text(value->string.text, value->string.size);
    case GGUF_F32:
    case GGUF_F64:
        return json_sprintf("%.9g", value->f);
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        return json_sprintf("%lld", (long long)value->i);
    case GGUF_ARRAY: {
        char hex[SHA256_HEX_SIZE];
        if (sha256_of(value->array.bytes, value->array.size_bytes, hex, NULL)) return NULL;
        return json_sprintf("%zu elements, sha256 %.16s", value->array.n, hex);
    }
    default:
        return json_sprintf("%llu", (unsigned long long)value->u);
    }
}

static bn_status read_gguf_metadata(struct side *side, bn_error *err) {
    const struct gguf *gguf = &side->tensors.gguf;
    for (size_t i = 0; i < gguf->n_values; i++)
        if (json_object_set_new_nocheck(side->metadata, gguf->values[i].key, value_text(&gguf->values[i])))
            return fail(err, BN_STATUS_BAD_FILE, "%s: the key '%s' isn't text", side->path, gguf->values[i].key);
    return BN_OK;
}

static bn_status read_config(struct side *side, bn_error *err) {
    char *path = path_join(side->path, "config.json");
    if (!path) return fail_no_memory(err, strlen(side->path));
    json_t *config = NULL;
    bn_status status = file_exists(path) ? json_parse_file(path, CONFIG_MAX_BYTES, &config, err) : BN_OK;
    const char *key;
    json_t *value;
    json_object_foreach(config, key, value) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        json_object_set_new(side->metadata, key, text ? json_string(text) : NULL);
        free(text); /* jansson's own memory */
    }
    json_decref(config);
    mem_free(path);
    return status;
}

static bn_status side_open(struct side *side, const char *name, bn_error *err) {
    *side = (struct side){.metadata = json_object()};
    bn_status status = model_path_resolve(name, &side->path, err);
    if (!status) status = tensor_listing_open(side->path, &side->tensors, err);
    if (!status) status = side->tensors.is_gguf ? read_gguf_metadata(side, err) : read_config(side, err);
    return status;
}

static void side_close(struct side *side) {
    tensor_listing_close(&side->tensors);
    json_decref(side->metadata);
    mem_free(side->path);
}

/* ---- comparing: lists of {"key"|"tensor", "a", "b"} with what is absent as null ---- */

static json_t *or_null(json_t *value) {
    return value ? json_incref(value) : json_null();
}

static json_t *diff_metadata(const json_t *a, const json_t *b) {
    json_t *rows = json_array(), *value;
    const char *key;
    json_object_foreach((json_t *)a, key, value) {
        json_t *other = json_object_get(b, key);
        if (!other || !json_equal(value, other))
            json_array_append_new(rows, json_pack("{s:s, s:O, s:o}", "key", key, "a", value, "b", or_null(other)));
    }
    json_object_foreach((json_t *)b, key, value) if (!json_object_get(a, key))
        json_array_append_new(rows, json_pack("{s:s, s:n, s:O}", "key", key, "a", "b", value));
    return rows;
}

static json_t *tensor_text(const struct tensor *tensor) {
    struct buffer text;
    buffer_init(&text);
    const struct tensor_type_info *info = tensor_type_find((uint32_t)tensor->type);
    buffer_printf(&text, "%s [", info ? info->name : "?");
    for (size_t i = 0; i < tensor->n_dims; i++) buffer_printf(&text, "%s%zu", i ? ", " : "", tensor->shape[i]);
    buffer_append_char(&text, ']');
    json_t *value = text.failed ? NULL : json_text(text.data, text.size);
    buffer_release(&text);
    return value;
}

static bool same_header(const struct tensor *a, const struct tensor *b) {
    return a->type == b->type && a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, a->n_dims * sizeof *a->shape) == 0;
}

static bool same_bytes(const struct tensor *a, const struct tensor *b) {
    return a->size_bytes == b->size_bytes && (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static json_t *tensor_row(const struct tensor *a, const struct tensor *b) {
    const char *what = !b ? "removed" : !a ? "added" : same_header(a, b) ? "values" : "type or shape";
    return json_pack("{s:s, s:s, s:o, s:o}", "tensor", a ? a->name : b->name, "change", what, "a",
                     a ? tensor_text(a) : json_null(), "b", b ? tensor_text(b) : json_null());
}

static json_t *diff_tensors(const struct tensor_set *a, const struct tensor_set *b, size_t *n_same) {
    json_t *rows = json_array();
    *n_same = 0;
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct tensor *other = tensor_set_find(b, a->tensors[i].name);
        if (other && same_header(&a->tensors[i], other) && same_bytes(&a->tensors[i], other))
            ++*n_same;
        else
            json_array_append_new(rows, tensor_row(&a->tensors[i], other));
    }
    for (size_t i = 0; i < b->n_tensors; i++)
        if (!tensor_set_find(a, b->tensors[i].name)) json_array_append_new(rows, tensor_row(NULL, &b->tensors[i]));
    return rows;
}

/* ---- showing ---- */

static void print_value(char mark, const json_t *value) {
    if (json_is_null(value)) return;
    char shown[SHOWN_BYTES + 1];
    printf("  %c %s\n", mark, printable(json_string_value(value), shown, sizeof shown));
}

static void print_rows(const json_t *rows, const char *name) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *change = json_object_get(row, "change");
        char shown[256];
        printf("%s %s%s%s\n", name, printable(json_string_value(json_object_get(row, name)), shown, sizeof shown),
               change ? ": " : "", change ? json_string_value(change) : "");
        print_value('-', json_object_get(row, "a"));
        print_value('+', json_object_get(row, "b"));
    }
}

static bn_status show(const struct invocation *invocation, const struct side *a, const struct side *b, bn_error *err) {
    size_t n_same;
    json_t *metadata = diff_metadata(a->metadata, b->metadata);
    json_t *tensors = diff_tensors(a->tensors.set, b->tensors.set, &n_same);
    bool same = json_array_size(metadata) == 0 && json_array_size(tensors) == 0;
    json_t *result =
        json_pack("{s:s, s:s, s:b, s:I, s:o, s:o}", "a", invocation->arguments[0], "b", invocation->arguments[1],
                  "same", same, "same_tensors", (json_int_t)n_same, "metadata", metadata, "tensors", tensors);
    if (invocation->common.json) return json_write_line(stdout, result, err);
    if (!result) return fail_no_memory(err, sizeof *result);
    print_rows(metadata, "key");
    print_rows(tensors, "tensor");
    say(invocation, "%zu keys and %zu tensors differ, %zu tensors are the same", json_array_size(metadata),
        json_array_size(tensors), n_same);
    json_decref(result);
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    struct side a, b = {0};
    bn_error error = {0};
    bn_status status = side_open(&a, invocation->arguments[0], &error);
    if (!status) status = side_open(&b, invocation->arguments[1], &error);
    if (!status) status = show(invocation, &a, &b, &error);
    side_close(&a);
    side_close(&b);
    return command_exit(status, &error);
}

const struct command command_model_diff = {
    .name = "model diff",
    .arguments = "A B",
    .summary = "what is different between two versions or models",
    .description = "Compares metadata (GGUF keys, or config.json) and tensors by name: what only one has, other types "
                   "and shapes, and values that "
                   "aren't the same bytes. A and B are versions of a model (NAME@1 NAME@2), or any two models.",
    .examples = "bitnet model diff stories@1 stories@2\nbitnet model diff demo stories --json",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
