/* Any bytes as a tokenizer file of a kind that isn't tokenizer.json: the first byte says which (sentencepiece's model,
 * tiktoken's ranks by the names they go under, tekken.json). What opens must encode and decode. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/pipeline.h"

static void use(bn_tokenizer *tokenizer) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"cl100k_base.tiktoken", "tokenizer.model", "r50k_base.tiktoken"};
    if (size < 1 || size > 1 << 16) return -1;
    unsigned kind = data[0] % 5;
    const char *bytes = (const char *)data + 1;
    bn_tokenizer *tokenizer = NULL;
    bn_error err;
    size--;
    if (kind == 0) {
        if (tokenizer_from_sentencepiece((const uint8_t *)bytes, size, "fuzz", &tokenizer, &err)) return 0;
    } else if (kind < 4) {
        if (tokenizer_from_tiktoken(bytes, size, NULL, names[kind - 1], &tokenizer, &err)) return 0;
    } else {
        json_t *root;
        if (json_parse(bytes, size, "fuzz", &root, &err)) return 0;
        bn_status status = tokenizer_from_tekken(root, "fuzz", &tokenizer, &err);
        json_decref(root);
        if (status) return 0;
    }
    use(tokenizer);
    return 0;
}
