/* What every tokenizer that opens must do, whatever it was made of: encode, and decode that. Closes it. */
#ifndef FUZZ_ENCODE_DECODE_H
#define FUZZ_ENCODE_DECODE_H

#include <stdlib.h>

#include "bitnet/tokenizer.h"

static inline void encode_decode(bn_tokenizer *tokenizer) {
    static const char text[] = "Hello, W\xc3\xb6rld 123\n\n  \xe2\x96\x81 it's <s> \xff";
    int32_t *ids;
    size_t n, size;
    char *decoded;
    bn_error err;
    if (bn_tokenizer_encode(tokenizer, text, sizeof text - 1, NULL, &ids, &n, &err) == BN_OK) {
        if (bn_tokenizer_decode(tokenizer, ids, n, false, &decoded, &size, &err) != BN_OK) abort();
        bn_free(decoded);
        bn_free(ids);
    }
    bn_tokenizer_close(tokenizer);
}

#endif
