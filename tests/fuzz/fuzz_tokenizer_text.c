/* Any text through fixed tokenizers. What must hold: decoding a byte-level encoding gives the text back (U+FFFD for
 * what isn't UTF-8), offsets are in order and inside the text, and a stream's pieces joined are what decoding at once
 * gives. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

#define DATA TEST_DATA "/tokenizers/"
static const char *const byte_level[] = {DATA "gpt2", DATA "llama3", DATA "deepseek", DATA "o200k"};
static const char *const others[] = {DATA "llama2", DATA "bert-uncased", DATA "t5-unigram", DATA "spm-llama",
                                     DATA "added-tokens"};

static void require(int condition) {
    if (!condition) abort();
}

static bn_tokenizer *opened(const char *path) {
    bn_tokenizer *tokenizer;
    bn_error err;
    require(bn_tokenizer_open(path, &tokenizer, &err) == BN_OK);
    return tokenizer;
}

static void check_stream(const bn_tokenizer *tokenizer, const struct encoding *encoding, const char *whole,
                         size_t size) {
    bn_decoder *decoder;
    bn_error err;
    struct buffer joined;
    const char *piece;
    size_t n;
    buffer_init(&joined);
    require(bn_decoder_create(tokenizer, true, &decoder, &err) == BN_OK);
    for (size_t i = 0; i < encoding->n; i++) {
        require(bn_decoder_push(decoder, encoding->ids[i], &piece, &n, &err) == BN_OK);
        require(utf8_valid(piece, n));
        buffer_append(&joined, piece, n);
    }
    require(bn_decoder_finish(decoder, &piece, &n, &err) == BN_OK);
    buffer_append(&joined, piece, n);
    require(joined.size == size && memcmp(joined.data ? joined.data : "", whole, size) == 0);
    buffer_release(&joined);
    bn_decoder_destroy(decoder);
}

static void check(const bn_tokenizer *tokenizer, const char *text, size_t size, int exact) {
    struct encode_request request = {.text = text, .text_bytes = size, .add_special = true, .parse_special = false};
    struct encoding encoding;
    bn_error err;
    char *decoded;
    size_t n;
    require(tokenizer_encode(tokenizer, &request, &encoding, &err) == BN_OK);
    for (size_t i = 0; i < encoding.n; i++)
        require(encoding.offsets[i][0] <= encoding.offsets[i][1] && encoding.offsets[i][1] <= size);
    require(bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, true, &decoded, &n, &err) == BN_OK);
    require(utf8_valid(decoded, n));
    if (exact && utf8_valid(text, size)) require(n == size && memcmp(decoded, text, n) == 0);
    check_stream(tokenizer, &encoding, decoded, n);
    bn_free(decoded);
    encoding_release(&encoding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bn_tokenizer *exact[sizeof byte_level / sizeof *byte_level], *loose[sizeof others / sizeof *others];
    for (size_t i = 0; i < sizeof byte_level / sizeof *byte_level; i++) {
        if (!exact[i]) exact[i] = opened(byte_level[i]);
        check(exact[i], (const char *)data, size, 1);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!loose[i]) loose[i] = opened(others[i]);
        check(loose[i], (const char *)data, size, 0);
    }
    return 0;
}
