/* A tokenizer.json out of nowhere: opening it must succeed or fail cleanly, and what it opens must encode and decode.
 * The texts are short, so the time a hostile file can take is what the fuzzer's own limit sees. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tokenizer/tokenizer.h"

static const char *const texts[] = {"", " ", "Hello, world! 123", "a\xcc\x81\xe4\xb8\xad\xf0\x9f\x91\x8d \n\n x",
                                    "\xff\xc0<s>\xe2\x82"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bn_tokenizer *tokenizer;
    bn_error err;
    if (size > 1 << 16) return -1;
    if (tokenizer_from_json((const char *)data, size, "fuzz", &tokenizer, &err)) return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct encode_request request = {.text = texts[i],
                                         .text_bytes = strlen(texts[i]),
                                         .pair = i % 2 ? texts[i] : NULL,
                                         .pair_bytes = i % 2 ? strlen(texts[i]) : 0,
                                         .add_special = true,
                                         .parse_special = i % 3 != 0};
        struct encoding encoding;
        if (tokenizer_encode(tokenizer, &request, &encoding, &err)) continue;
        char *text;
        size_t n;
        if (bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, i % 2, &text, &n, &err) == BN_OK) bn_free(text);
        encoding_release(&encoding);
    }
    bn_tokenizer_close(tokenizer);
    return 0;
}
