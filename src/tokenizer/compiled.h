/* Compiled tokenizers: all tables of an opened tokenizer as one image (image.h) that is mapped and used where it lies.
 *
 * A tokenizer out of an image encodes and decodes exactly as the one it was made of: it has the same arrays. What isn't
 * a table (the steps of the pipeline, patterns, added tokens) is small, and put together anew when the image is
 * opened. */
#ifndef TOKENIZER_COMPILED_H
#define TOKENIZER_COMPILED_H

#include "base/file.h"
#include "tokenizer/image.h"
#include "tokenizer/pipeline.h"

/* Appends the image of a tokenizer to out. origin may be NULL. */
bn_status tokenizer_compile(const bn_tokenizer *tokenizer, const struct image_origin *origin, struct buffer *out,
                            bn_error *err);

/* A tokenizer that lives on the image: bytes are aligned to 8, and stay while it is open. The bytes may be hostile. */
bn_status tokenizer_from_image(const uint8_t *bytes, size_t size, bn_tokenizer **out, bn_error *err);

/* A mapped image, which the tokenizer takes over: if this fails the file is closed, too. */
bn_status tokenizer_from_mapped_image(struct mapped_file *file, bn_tokenizer **out, bn_error *err);

/* The metadata key of an image in a GGUF file: an array of u8, with zeros in front so that the image is aligned. */
#define COMPILED_GGUF_KEY "bitnet.tokenizer.compiled"

/* Sets the key, compiled from `tokenizer`, which is that of `source`. The writer gets source's tokenizer.… entries as
 * they are; changed ones make the image stale, and it isn't used. */
bn_status tokenizer_compile_into_gguf(const bn_tokenizer *tokenizer, const struct gguf *source,
                                      struct gguf_writer *writer, bn_error *err);
/* The image in a GGUF file, which must stay open; false where there is none, or one that doesn't fit the file's other
 * entries, or can't be used. */
bool tokenizer_from_gguf_image(const struct gguf *gguf, bn_tokenizer **out);

#endif
