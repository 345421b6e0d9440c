/* The pieces of reading a GGUF file, between gguf.c (the file as a whole), gguf_values.c (metadata) and gguf_tensors.c
 * (the tensor table). Not for users of the format: that's gguf.h. */
#ifndef FORMATS_GGUF_PARTS_H
#define FORMATS_GGUF_PARTS_H

#include "base/reader.h"
#include "formats/gguf.h"

#define GGUF_DEFAULT_ALIGNMENT 32
#define GGUF_MAX_ALIGNMENT     65536 /* a page, where pages are large */
#define GGUF_MAX_NAME_BYTES    65535 /* of keys and tensor names */

/* Bytes of one scalar of a type; 0 for strings, arrays and numbers that aren't types. */
size_t gguf_scalar_bytes(uint32_t type);

/* A key or tensor name: 1 to 65535 bytes of UTF-8 without NUL, copied into the arena. `what` names it in messages. */
bn_status gguf_read_name(struct reader *r, const char *what, struct arena *arena, const char **out, bn_error *err);

/* n metadata entries into gguf->values and by_key, memory from `arena`. */
bn_status gguf_read_values(struct reader *r, uint64_t n, struct arena *arena, struct gguf *gguf, bn_error *err);

/* n tensor records and, behind them and padding, the data they point to: appended to `set`, whose arena holds the
 * names. gguf has the metadata of this part (alignment, layouts). */
bn_status gguf_read_tensors(struct reader *r, uint64_t n, const struct gguf *gguf, struct tensor_set *set,
                            bn_error *err);

/* The error for a reader that ran over the end. */
bn_status gguf_truncated(const struct reader *r, bn_error *err);

#endif
