/* GGUF version 2 and 3, little endian: read by mapping, written whole. Specification: ggml docs/gguf.md.
 * Everything read is checked against the file's size before it is used; nothing of the file is executed or trusted. */
#ifndef FORMATS_GGUF_H
#define FORMATS_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/tensor_file.h"

enum gguf_value_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
};

/* UTF-8, not NUL-terminated, into the mapped file. */
struct gguf_string {
    const char *text;
    size_t size;
};

/* One metadata entry. Scalars are widened; an array keeps its raw elements (already checked to lie in the file). */
struct gguf_value {
    const char *key; /* NUL-terminated copy */
    enum gguf_value_type type;
    union {
        uint64_t u; /* U8 … U64, BOOL */
        int64_t i;  /* I8 … I64 */
        double f;   /* F32, F64 */
        struct gguf_string string;
        struct {
            enum gguf_value_type type;
            size_t n;
            const uint8_t *bytes;      /* elements back to back */
            const uint64_t *string_at; /* of strings: offset of each element's length field from `bytes` */
            size_t size_bytes;
        } array;
    };
};

struct gguf {
    struct tensor_set set;
    struct gguf_value *values;
    size_t n_values;
    struct string_map by_key;
    uint32_t version;
    size_t alignment;
};

/* Maps and checks a file; `path` may be the first part of a split file, then all parts are opened. Release with
 * gguf_close. */
bn_status gguf_open(const char *path, struct gguf *out, bn_error *err);
/* The same over bytes in memory (they must outlive *out; single file only). For fuzzing and tests. */
bn_status gguf_parse(const uint8_t *bytes, size_t size, const char *name, struct gguf *out, bn_error *err);
void gguf_close(struct gguf *gguf);

/* Lookup by key; NULL when absent. */
const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key);
/* Typed getters as json.h has them: absent leaves *out alone, another type or a value out of range is an error. */
bn_status gguf_get_size(const struct gguf *gguf, const char *key, size_t min, size_t max, size_t *out, bn_error *err);
bn_status gguf_get_number(const struct gguf *gguf, const char *key, double *out, bn_error *err);
bn_status gguf_get_bool(const struct gguf *gguf, const char *key, bool *out, bn_error *err);
bn_status gguf_get_string(const struct gguf *gguf, const char *key, struct gguf_string *out, bn_error *err);
/* Element of an array (index < n, type checked by the caller). */
struct gguf_string gguf_array_string(const struct gguf_value *array, size_t index);
int64_t gguf_array_integer(const struct gguf_value *array, size_t index); /* any integer type or bool */
double gguf_array_number(const struct gguf_value *array, size_t index);   /* any number */

/* ---- writing: metadata and tensors are collected, then written in one go, atomically ---- */
struct gguf_writer;
struct gguf_tensor_source { /* a tensor to be written: its bytes are produced piece by piece */
    const char *name;
    enum tensor_type type;
    size_t n_dims;
    size_t shape[TENSOR_MAX_DIMS]; /* slowest first */
    /* Appends the tensor's bytes to the stream by calling gguf_writer_emit; total must equal the type's size. */
    bn_status (*write)(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err);
    const void *context;
};
/* alignment: a power of two from 8 to 65536; 32 is the default of the format. */
bn_status gguf_writer_create(size_t alignment, struct gguf_writer **out, bn_error *err);
void gguf_writer_destroy(struct gguf_writer *writer); /* NULL is fine */
/* Metadata (copied). Keys must be unique; `general.alignment` and `split.…` are the writer's own. */
bn_status gguf_writer_set_u32(struct gguf_writer *writer, const char *key, uint32_t value, bn_error *err);
bn_status gguf_writer_set_f32(struct gguf_writer *writer, const char *key, float value, bn_error *err);
bn_status gguf_writer_set_bool(struct gguf_writer *writer, const char *key, bool value, bn_error *err);
bn_status gguf_writer_set_string(struct gguf_writer *writer, const char *key, const char *text, size_t size,
                                 bn_error *err);
bn_status gguf_writer_set_strings(struct gguf_writer *writer, const char *key, const struct gguf_string *items,
                                  size_t n, bn_error *err);
/* n items of a scalar type back to back. */
bn_status gguf_writer_set_array(struct gguf_writer *writer, const char *key, enum gguf_value_type type,
                                const void *items, size_t n, bn_error *err);
/* Where in the file the items of an array would begin that is set next. */
size_t gguf_writer_array_offset(const struct gguf_writer *writer, const char *key);
/* Copies an entry of another file as it is (and leaves out the writer's own keys). */
bn_status gguf_writer_copy(struct gguf_writer *writer, const struct gguf_value *value, bn_error *err);
/* The name is copied (up to 63 bytes, unique); context must live until gguf_writer_finish. */
bn_status gguf_writer_add_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err);
bn_status gguf_writer_emit(struct gguf_writer *writer, const void *bytes, size_t size, bn_error *err);
/* Writes everything to path (temporary file, fsync, rename). A failure leaves what was at path as it was. */
bn_status gguf_writer_finish(struct gguf_writer *writer, const char *path, bn_error *err);

#endif
