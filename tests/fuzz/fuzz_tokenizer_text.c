/* Any text through one of several tokenizers, which stay open: the first byte says which. What must hold: decoding a
 * byte-level encoding gives the text back (U+FFFD for what isn't UTF-8), offsets are in order and inside the text, ids
 * alone are the same, and a stream's pieces joined are what decoding at once gives. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

#define DATA TEST_DATA "/tokenizers/"
static const char *const families[] = {
    DATA "gpt2",         DATA "llama3",       DATA "deepseek",       DATA "o200k", /* byte-level */
    DATA "llama2",       DATA "bert-uncased", DATA "t5-unigram",     DATA "spm-llama",
    DATA "added-tokens", DATA "wordlevel",    DATA "bpe-suffix-fuse"};
enum { N_FAMILIES = sizeof families / sizeof *families, N_EXACT = 4, MAX_TEXT = 2048 };

static void require(int condition) {
    if (!condition) abort();
}

static const bn_tokenizer *family(size_t i) {
    static bn_tokenizer *opened[N_FAMILIES];
    bn_error err;
    if (!opened[i]) require(bn_tokenizer_open(families[i], &opened[i], &err) == BN_OK);
    return opened[i];
}

static void check_stream(const bn_tokenizer *tokenizer, const struct encoding *encoding, const char *whole,
                         size_t size) {
    bn_decoder *decoder;
    bn_error err;
    const char *piece;
    size_t n, at = 0;
    require(bn_decoder_create(tokenizer, true, &decoder, &err) == BN_OK);
    for (size_t i = 0; i <= encoding->n; i++) {
        bn_status status = i < encoding->n ? bn_decoder_push(decoder, encoding->ids[i], &piece, &n, &err)
                                           : bn_decoder_finish(decoder, &piece, &n, &err);
        require(status == BN_OK && utf8_valid(piece, n));
        require(n <= size - at && memcmp(whole + at, piece, n) == 0);
        at += n;
    }
    require(at == size);
    bn_decoder_destroy(decoder);
}

static void check_ids(const bn_tokenizer *tokenizer, const char *text, size_t size, const struct encoding *encoding) {
    const bn_encode_options options = {.size = sizeof options, .add_special = true, .parse_special = false};
    int32_t *ids;
    size_t n;
    bn_error err;
    require(bn_tokenizer_encode(tokenizer, text, size, &options, &ids, &n, &err) == BN_OK);
    require(n == encoding->n && (n == 0 || memcmp(ids, encoding->ids, n * sizeof *ids) == 0));
    bn_free(ids);
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
    check_ids(tokenizer, text, size, &encoding);
    require(bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, true, &decoded, &n, &err) == BN_OK);
    require(utf8_valid(decoded, n));
    if (exact && utf8_valid(text, size)) require(n == size && memcmp(decoded, text, n) == 0);
    check_stream(tokenizer, &encoding, decoded, n);
    bn_free(decoded);
    encoding_release(&encoding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > MAX_TEXT) return -1; /* longer ones find nothing that shorter ones don't */
    size_t which = data[0] % N_FAMILIES;
    check(family(which), (const char *)data + 1, size - 1, which < N_EXACT);
    return 0;
}
