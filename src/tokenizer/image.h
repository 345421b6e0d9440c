/* Fields and tables of a compiled tokenizer, in both directions: one function that lists an object's members writes
 * them, reads them, or forgets its tables, so that writing and reading can't disagree.
 *
 * An image is a header, a description (fields one after the other) and tables (flat arrays, each aligned to 64 bytes)
 * to which the description refers by offset:
 *
 *     header 64 bytes | description | tables
 *
 * Reading is safe with any bytes: the first field that doesn't fit or is out of range marks the image bad, every later
 * one reads as zero or empty. */
#ifndef TOKENIZER_IMAGE_H
#define TOKENIZER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/reader.h"

enum image_mode {
    IMAGE_WRITE,
    IMAGE_READ,  /* texts and tables point into the image afterwards */
    IMAGE_FORGET /* tables that lie in an image become empty, so that nobody frees them; fields stay */
};

struct image_table {
    const void *bytes;
    size_t size, offset; /* offset from where the tables begin */
};

struct image {
    enum image_mode mode;
    bn_status status; /* of the first thing that went wrong */
    bn_error *err;
    /* writing */
    struct buffer description;
    struct image_table *tables;
    size_t n_tables, tables_size;
    /* reading */
    struct reader fields;
    const uint8_t *tables_at;
    size_t tables_left;
};

/* Raised whenever a field, a table or the meaning of one changes: hash function, order of fields, flags of tokens. */
enum { IMAGE_VERSION = 4 };

enum { IMAGE_ALIGNMENT = 64 };

/* What an image was made of and when; all zero where nobody needs to know. */
struct image_origin {
    uint8_t id[16];
    int64_t made_ns; /* since 1970 */
};
bool image_origin_same(const struct image_origin *a, const struct image_origin *b);

/* Is this a compiled tokenizer, of whatever version? */
bool image_is_one(const void *bytes, size_t size);
/* Where an image comes from; `bytes` is one. */
struct image_origin image_origin_of(const void *bytes, size_t size);
/* Makes the checksum right again after header or description were changed: for tests that go beyond it. */
void image_seal(void *bytes, size_t size);
/* Checks the header. `bytes` is aligned to 8 bytes and outlives what is read. BN_STATUS_BAD_FILE: damaged;
 * BN_STATUS_UNSUPPORTED: of another version or byte order. */
bn_status image_read_begin(struct image *image, const uint8_t *bytes, size_t size, bn_error *err);
/* What went wrong, if anything did; all fields must have been read. */
bn_status image_read_end(struct image *image);

void image_write_begin(struct image *image, bn_error *err);
/* Appends header, description and tables to out. */
bn_status image_write_end(struct image *image, const struct image_origin *origin, struct buffer *out);

/* Members are only changed by reading: writing an object that other threads use is fine.
 *
 * Marks the image bad: `what` is out of range. */
void image_refuse(struct image *image, const char *what);

void image_bool(struct image *image, bool *value, const char *what);
void image_byte(struct image *image, uint8_t *value, const char *what);
void image_double(struct image *image, double *value, const char *what);
void image_u64(struct image *image, uint64_t *value, const char *what);
/* Refused beyond max. */
void image_size(struct image *image, size_t *value, size_t max, const char *what);
/* -1 or below n. */
void image_id(struct image *image, int32_t *value, size_t n, const char *what);
/* Bytes of the object itself. */
void image_bytes(struct image *image, void *bytes, size_t size, const char *what);
/* A text with a NUL behind it; NULL is written as "", "" is read. */
void image_text(struct image *image, const char **text, size_t *size, const char *what);
/* A table of *n items of item_bytes each; items is the address of the pointer to it. */
void image_table(struct image *image, void *items, size_t *n, size_t item_bytes, const char *what);

#endif
