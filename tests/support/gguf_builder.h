/* Building GGUF files in memory field by field, right or wrong on purpose. Independent of the library's writer. */
#ifndef TESTS_SUPPORT_GGUF_BUILDER_H
#define TESTS_SUPPORT_GGUF_BUILDER_H

#include <stdint.h>
#include <string.h>

#include "base/buffer.h"

static inline void put_u8(struct buffer *b, uint8_t v) {
    buffer_append(b, &v, sizeof v);
}
static inline void put_u32(struct buffer *b, uint32_t v) {
    buffer_append(b, &v, sizeof v);
}
static inline void put_u64(struct buffer *b, uint64_t v) {
    buffer_append(b, &v, sizeof v);
}
static inline void put_f32(struct buffer *b, float v) {
    buffer_append(b, &v, sizeof v);
}
static inline void put_bytes(struct buffer *b, const char *text, size_t n) {
    put_u64(b, n);
    buffer_append(b, text, n);
}
static inline void put_text(struct buffer *b, const char *text) {
    put_bytes(b, text, strlen(text));
}
static inline void put_zeros(struct buffer *b, size_t n) {
    for (size_t i = 0; i < n; i++) buffer_append_char(b, 0);
}
static inline void pad_to(struct buffer *b, size_t multiple) {
    while (b->size % multiple) buffer_append_char(b, 0);
}

static inline void put_header(struct buffer *b, uint32_t version, uint64_t n_tensors, uint64_t n_values) {
    buffer_append(b, "GGUF", 4);
    put_u32(b, version);
    put_u64(b, n_tensors);
    put_u64(b, n_values);
}
static inline void put_key(struct buffer *b, const char *key, uint32_t type) {
    put_text(b, key);
    put_u32(b, type);
}
static inline void put_value_u32(struct buffer *b, const char *key, uint32_t value) {
    put_key(b, key, 4);
    put_u32(b, value);
}
static inline void put_value_text(struct buffer *b, const char *key, const char *text) {
    put_key(b, key, 8);
    put_text(b, text);
}
static inline void put_array(struct buffer *b, const char *key, uint32_t type, uint64_t n) {
    put_key(b, key, 9);
    put_u32(b, type);
    put_u64(b, n);
}
/* dims as the file has them: fastest first. */
static inline void put_tensor(struct buffer *b, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                              uint64_t offset) {
    put_text(b, name);
    put_u32(b, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) put_u64(b, dims[i]);
    put_u32(b, type);
    put_u64(b, offset);
}
static inline void put_matrix(struct buffer *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type,
                              uint64_t offset) {
    put_tensor(b, name, 2, (uint64_t[]){cols, rows}, type, offset);
}

#endif
