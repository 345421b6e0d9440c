/* Content codings: compressing answers piece by piece, and unpacking request bodies within a bound. */
#ifndef SERVER_ENCODER_H
#define SERVER_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD };

/* The best coding that an Accept-Encoding value (NULL: none) allows: zstd, then gzip, by the client's weights. */
enum coding coding_negotiate(const char *accept_encoding);

struct encoder;
/* NULL without memory. */
struct encoder *encoder_create(enum coding coding);
void encoder_destroy(struct encoder *encoder);
const char *encoder_coding(const struct encoder *encoder); /* as Content-Encoding has it */
/* Appends the coded bytes; everything taken in can be decoded from what came out. `last` ends the stream. */
bool encoder_add(struct encoder *encoder, const char *bytes, size_t size, bool last, struct buffer *out);

struct inflater; /* gzip */
struct inflater *inflater_create(void);
void inflater_destroy(struct inflater *inflater);
enum inflate_result { INFLATE_OK, INFLATE_BAD, INFLATE_TOO_LARGE, INFLATE_NO_MEMORY };
/* Appends the unpacked bytes until `out` would hold more than `limit`. */
enum inflate_result inflater_add(struct inflater *inflater, const char *bytes, size_t size, size_t limit,
                                 struct buffer *out);
bool inflater_complete(const struct inflater *inflater);

#endif
