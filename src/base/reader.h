/* A cursor over untrusted little-endian bytes. It can't run over: the first read that doesn't fit marks the reader
 * failed, remembers which field it was, and every later read gives zero. Check reader_ok() at the points where a
 * value is used. */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    const char *failed_field; /* NULL while all is well; static string */
};

static inline struct reader reader_over(const void *bytes, size_t size) {
    return (struct reader){.bytes = bytes, .size = size};
}
static inline bool reader_ok(const struct reader *r) {
    return r->failed_field == NULL;
}
static inline size_t reader_remaining(const struct reader *r) {
    return r->size - r->at;
}

/* The next n bytes, or NULL (and the reader has failed) when fewer are left. */
static inline const uint8_t *reader_take(struct reader *r, uint64_t n, const char *field) {
    if (r->failed_field || n > reader_remaining(r)) {
        if (!r->failed_field) r->failed_field = field;
        return NULL;
    }
    const uint8_t *p = r->bytes + r->at;
    r->at += (size_t)n;
    return p;
}
#define READER_INTEGER(type, name)                                                                                     \
    static inline type name(struct reader *r, const char *field) {                                                     \
        const uint8_t *p = reader_take(r, sizeof(type), field);                                                        \
        type value = 0;                                                                                                \
        if (p) memcpy(&value, p, sizeof value);                                                                        \
        return value;                                                                                                  \
    }
READER_INTEGER(uint8_t, read_u8)
READER_INTEGER(uint16_t, read_u16)
READER_INTEGER(uint32_t, read_u32)
READER_INTEGER(uint64_t, read_u64)
READER_INTEGER(float, read_f32)
#undef READER_INTEGER

#endif
