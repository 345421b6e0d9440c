/* Writing GGUF version 3. Metadata is serialised as it is set; tensors are only described until the end, when their
 * offsets are known, the header is written, and each source produces its bytes straight into the file: a model larger
 * than memory can be written. The layout is the strictest that readers ask for: tensors in table order, each at the
 * padded end of the previous one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "formats/gguf_parts.h"

#define MAX_TENSOR_NAME_BYTES 63 /* llama.cpp's limit, without its NUL */

struct gguf_writer {
    size_t alignment;
    struct arena arena; /* keys and names */
    struct string_map keys, names;
    struct buffer metadata; /* entries as they will stand in the file */
    struct gguf_tensor_source *tensors;
    size_t n_tensors;
    FILE *stream;   /* while finishing */
    size_t emitted; /* bytes of the current tensor so far */
    size_t expected;
};

bn_status gguf_writer_create(size_t alignment, struct gguf_writer **out, bn_error *err) {
    if (alignment < 8 || alignment > GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1))) {
        return fail(err, BN_STATUS_BAD_ARGUMENT, "alignment %zu, expected a power of two from 8 to %d", alignment,
                    GGUF_MAX_ALIGNMENT);
    }
    struct gguf_writer *writer = mem_calloc(1, sizeof *writer);
    if (!writer) return fail_no_memory(err, sizeof *writer);
    writer->alignment = alignment;
    arena_init(&writer->arena);
    buffer_init(&writer->metadata);
    if (!string_map_init(&writer->keys, 64) || !string_map_init(&writer->names, 512)) {
        gguf_writer_destroy(writer);
        return fail_no_memory(err, 512 * sizeof(void *));
    }
    *out = writer;
    return BN_OK;
}

void gguf_writer_destroy(struct gguf_writer *writer) {
    if (!writer) return;
    string_map_release(&writer->keys);
    string_map_release(&writer->names);
    buffer_release(&writer->metadata);
    mem_free(writer->tensors);
    arena_release(&writer->arena);
    mem_free(writer);
}

/* ---- metadata ---- */

static void append_u32(struct buffer *buffer, uint32_t value) {
    buffer_append(buffer, &value, sizeof value);
}
static void append_u64(struct buffer *buffer, uint64_t value) {
    buffer_append(buffer, &value, sizeof value);
}
static void append_string(struct buffer *buffer, const char *text, size_t size) {
    append_u64(buffer, size);
    buffer_append(buffer, text, size);
}

/* Registers a key or tensor name, which must be new and fit. */
static bn_status claim(struct gguf_writer *writer, struct string_map *map, const char *name, size_t max_bytes,
                       const char **copy, bn_error *err) {
    size_t n = strlen(name);
    if (n == 0 || n > max_bytes || !utf8_valid(name, n)) {
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is no name for GGUF: 1 to %zu bytes of UTF-8", name,
                    max_bytes);
    }
    *copy = arena_strndup(&writer->arena, name, n);
    int inserted = *copy ? string_map_insert(map, *copy, n, (uint32_t)map->count) : -1;
    if (inserted < 0) return fail_no_memory(err, n + 1);
    return inserted ? BN_OK : fail(err, BN_STATUS_BAD_ARGUMENT, "'%.100s' is there already", name);
}

/* Ones that describe the file and not the model. */
static bool is_own_key(const char *key) {
    return strcmp(key, "general.alignment") == 0 || strncmp(key, "split.", 6) == 0;
}

static bn_status begin_value(struct gguf_writer *writer, const char *key, enum gguf_value_type type, bn_error *err) {
    const char *copy = NULL;
    if (is_own_key(key)) return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s' is written by the writer itself", key);
    bn_status status = claim(writer, &writer->keys, key, GGUF_MAX_NAME_BYTES, &copy, err);
    if (status) return status;
    append_string(&writer->metadata, copy, strlen(copy));
    append_u32(&writer->metadata, type);
    return BN_OK;
}

static bn_status end_value(const struct gguf_writer *writer, bn_error *err) {
    return writer->metadata.failed ? fail_no_memory(err, writer->metadata.size) : BN_OK;
}

static bn_status set_scalar(struct gguf_writer *writer, const char *key, enum gguf_value_type type, const void *value,
                            bn_error *err) {
    bn_status status = begin_value(writer, key, type, err);
    if (status) return status;
    buffer_append(&writer->metadata, value, gguf_scalar_bytes(type));
    return end_value(writer, err);
}

bn_status gguf_writer_set_u32(struct gguf_writer *writer, const char *key, uint32_t value, bn_error *err) {
    return set_scalar(writer, key, GGUF_U32, &value, err);
}

bn_status gguf_writer_set_f32(struct gguf_writer *writer, const char *key, float value, bn_error *err) {
    return set_scalar(writer, key, GGUF_F32, &value, err);
}

bn_status gguf_writer_set_bool(struct gguf_writer *writer, const char *key, bool value, bn_error *err) {
    uint8_t byte = value;
    return set_scalar(writer, key, GGUF_BOOL, &byte, err);
}

bn_status gguf_writer_set_string(struct gguf_writer *writer, const char *key, const char *text, size_t size,
                                 bn_error *err) {
    bn_status status = begin_value(writer, key, GGUF_STRING, err);
    if (status) return status;
    append_string(&writer->metadata, text, size);
    return end_value(writer, err);
}

bn_status gguf_writer_set_strings(struct gguf_writer *writer, const char *key, const struct gguf_string *items,
                                  size_t n, bn_error *err) {
    bn_status status = begin_value(writer, key, GGUF_ARRAY, err);
    if (status) return status;
    append_u32(&writer->metadata, GGUF_STRING);
    append_u64(&writer->metadata, n);
    for (size_t i = 0; i < n; i++) append_string(&writer->metadata, items[i].text, items[i].size);
    return end_value(writer, err);
}

bn_status gguf_writer_set_array(struct gguf_writer *writer, const char *key, enum gguf_value_type type,
                                const void *items, size_t n, bn_error *err) {
    size_t size_bytes;
    if (!gguf_scalar_bytes(type) || !mul_size(n, gguf_scalar_bytes(type), &size_bytes)) {
        return fail(err, BN_STATUS_BAD_ARGUMENT, "'%s': an array must be of a scalar type", key);
    }
    bn_status status = begin_value(writer, key, GGUF_ARRAY, err);
    if (status) return status;
    append_u32(&writer->metadata, type);
    append_u64(&writer->metadata, n);
    buffer_append(&writer->metadata, items, size_bytes);
    return end_value(writer, err);
}

enum { HEADER_BYTES = 24, ALIGNMENT_ENTRY_BYTES = 33 };

size_t gguf_writer_array_offset(const struct gguf_writer *writer, const char *key) {
    size_t before = writer->alignment != GGUF_DEFAULT_ALIGNMENT ? HEADER_BYTES + ALIGNMENT_ENTRY_BYTES : HEADER_BYTES;
    return before + writer->metadata.size + 8 + strlen(key) + 4 + 4 + 8; /* key, types, number of items */
}

static bn_status copy_scalar(struct gguf_writer *writer, const struct gguf_value *value, bn_error *err) {
    /* Widened integers are cut back by taking their low bytes: the machine is little-endian. */
    float f32 = (float)value->f;
    const void *bytes = value->type == GGUF_F32 ? (const void *)&f32 : (const void *)&value->u;
    return set_scalar(writer, value->key, value->type, bytes, err);
}

bn_status gguf_writer_copy(struct gguf_writer *writer, const struct gguf_value *value, bn_error *err) {
    if (is_own_key(value->key)) return BN_OK;
    if (value->type == GGUF_STRING) {
        return gguf_writer_set_string(writer, value->key, value->string.text, value->string.size, err);
    }
    if (value->type != GGUF_ARRAY) return copy_scalar(writer, value, err);
    bn_status status = begin_value(writer, value->key, GGUF_ARRAY, err);
    if (status) return status;
    append_u32(&writer->metadata, value->array.type);
    append_u64(&writer->metadata, value->array.n);
    buffer_append(&writer->metadata, value->array.bytes, value->array.size_bytes);
    return end_value(writer, err);
}

/* ---- tensors ---- */

static bool source_bytes(const struct gguf_tensor_source *source, size_t *bytes) {
    size_t rows = 1;
    for (size_t i = 0; i + 1 < source->n_dims; i++) {
        if (!mul_size(rows, source->shape[i], &rows)) return false;
    }
    return tensor_type_bytes(source->type, rows, source->shape[source->n_dims - 1], bytes);
}

bn_status gguf_writer_add_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    size_t bytes;
    bool has_shape = source->n_dims >= 1 && source->n_dims <= TENSOR_MAX_DIMS;
    for (size_t i = 0; has_shape && i < source->n_dims; i++) has_shape = source->shape[i] > 0;
    if (!has_shape || source->type >= TYPE_U8 || !source_bytes(source, &bytes)) {
        return fail(err, BN_STATUS_BAD_ARGUMENT, "tensor '%.100s' has a type or shape that GGUF can't hold",
                    source->name);
    }
    struct gguf_tensor_source *tensors = mem_realloc_array(writer->tensors, writer->n_tensors + 1, sizeof *tensors);
    if (!tensors) return fail_no_memory(err, (writer->n_tensors + 1) * sizeof *tensors);
    writer->tensors = tensors;
    struct gguf_tensor_source copy = *source;
    bn_status status = claim(writer, &writer->names, source->name, MAX_TENSOR_NAME_BYTES, &copy.name, err);
    if (!status) tensors[writer->n_tensors++] = copy;
    return status;
}

/* ---- the file ---- */

static bn_status put(FILE *stream, const void *bytes, size_t size, bn_error *err) {
    if (size == 0 || fwrite(bytes, 1, size, stream) == size) return BN_OK;
    return fail(err, BN_STATUS_IO, "can't write: %s", strerror(errno));
}

static bn_status put_padding(FILE *stream, size_t position, size_t alignment, bn_error *err) {
    static const uint8_t zeros[GGUF_MAX_ALIGNMENT];
    return put(stream, zeros, round_up(position, alignment) - position, err);
}

bn_status gguf_writer_emit(struct gguf_writer *writer, const void *bytes, size_t size, bn_error *err) {
    if (!writer->stream || size > writer->expected - writer->emitted) {
        return fail(err, BN_STATUS_INTERNAL, "a tensor's source gives more bytes than its type and shape need");
    }
    writer->emitted += size;
    return put(writer->stream, bytes, size, err);
}

/* Header, metadata and tensor table, as they come before the padding and the data. */
static bn_status serialise_head(const struct gguf_writer *writer, struct buffer *head, bn_error *err) {
    bool says_alignment = writer->alignment != GGUF_DEFAULT_ALIGNMENT;
    buffer_append(head, "GGUF", 4);
    append_u32(head, 3);
    append_u64(head, writer->n_tensors);
    append_u64(head, writer->keys.count + says_alignment);
    if (says_alignment) {
        append_string(head, "general.alignment", strlen("general.alignment"));
        append_u32(head, GGUF_U32);
        append_u32(head, (uint32_t)writer->alignment);
    }
    buffer_append(head, writer->metadata.data, writer->metadata.size);
    uint64_t offset = 0;
    for (size_t i = 0; i < writer->n_tensors; i++) {
        const struct gguf_tensor_source *tensor = &writer->tensors[i];
        size_t bytes = 0;
        source_bytes(tensor, &bytes); /* was checked when it was added */
        append_string(head, tensor->name, strlen(tensor->name));
        append_u32(head, (uint32_t)tensor->n_dims);
        for (size_t k = tensor->n_dims; k-- > 0;) append_u64(head, tensor->shape[k]); /* fastest first */
        append_u32(head, tensor->type);
        append_u64(head, offset);
        if (bytes > SIZE_MAX / 2 - offset) {
            return fail(err, BN_STATUS_BAD_ARGUMENT, "tensor '%.100s' makes the file too large", tensor->name);
        }
        offset = round_up(offset + bytes, writer->alignment);
    }
    return head->failed || writer->metadata.failed ? fail_no_memory(err, head->size) : BN_OK;
}

static bn_status write_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *tensor, bn_error *err) {
    writer->emitted = 0;
    source_bytes(tensor, &writer->expected);
    bn_status status = tensor->write(writer, tensor, err);
    if (!status && writer->emitted != writer->expected) {
        status =
            fail(err, BN_STATUS_INTERNAL, "its source gave %zu bytes, expected %zu", writer->emitted, writer->expected);
    }
    if (!status) status = put_padding(writer->stream, writer->emitted, writer->alignment, err);
    if (status) error_prefix(err, "tensor '%.100s'", tensor->name);
    return status;
}

static bn_status write_all(struct gguf_writer *writer, bn_error *err) {
    struct buffer head;
    buffer_init(&head);
    bn_status status = serialise_head(writer, &head, err);
    if (!status) status = put(writer->stream, head.data, head.size, err);
    if (!status) status = put_padding(writer->stream, head.size, writer->alignment, err);
    buffer_release(&head);
    for (size_t i = 0; i < writer->n_tensors && !status; i++) status = write_tensor(writer, &writer->tensors[i], err);
    return status;
}

bn_status gguf_writer_finish(struct gguf_writer *writer, const char *path, bn_error *err) {
    struct atomic_file file;
    char *buffer = mem_alloc(HUGE_PAGE_BYTES);
    if (!buffer) return fail_no_memory(err, HUGE_PAGE_BYTES);
    bn_status status = atomic_file_open(path, &file, err);
    if (!status) {
        setvbuf(file.stream, buffer, _IOFBF, HUGE_PAGE_BYTES); /* whole ones are written: they may be mapped as such */
        writer->stream = file.stream;
        status = write_all(writer, err);
        writer->stream = NULL;
        if (status) {
            error_prefix(err, "%s", path);
            atomic_file_abort(&file);
        } else {
            status = atomic_file_commit(&file, err);
        }
    }
    mem_free(buffer);
    return status;
}
