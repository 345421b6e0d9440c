/* The bytes that a token adds to a text when it stands in its middle; the table of them is public (bitnet/tokenizer.h).
 */
#ifndef TOKENIZER_TOKEN_BYTES_H
#define TOKENIZER_TOKEN_BYTES_H

#include "base/buffer.h"
#include "tokenizer/pipeline.h"

/* Replaces *text, a token's spelling, by the bytes the decoder makes of it between other tokens. */
bn_status token_bytes_of(const struct decoder *decoder, const struct vocabulary_token *token, struct buffer *text,
                         bn_error *err);

/* The ids that have bytes, in the order of their bytes. They live as long as the table. */
const int32_t *token_bytes_sorted(const bn_token_bytes *table, size_t *n);

#endif
