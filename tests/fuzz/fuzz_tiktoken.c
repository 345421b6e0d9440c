/* Any bytes as a file of tiktoken's ranks, under each kind of name it goes under, and as tekken.json where it is JSON. */
#include "encode_decode.h"
#include "tokenizer/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_tekken(const char *bytes, size_t size) {
    json_t *root;
    bn_tokenizer *tokenizer;
    bn_error err;
    if (json_parse(bytes, size, "fuzz", &root, &err)) return;
    if (tokenizer_from_tekken(root, "fuzz", &tokenizer, &err) == BN_OK) encode_decode(tokenizer);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"cl100k_base.tiktoken", "tokenizer.model", "r50k_base.tiktoken"};
    const char *bytes = (const char *)data;
    bn_tokenizer *tokenizer;
    bn_error err;
    if (size > 1 << 16) return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (tokenizer_from_tiktoken(bytes, size, NULL, names[i], &tokenizer, &err) == BN_OK) encode_decode(tokenizer);
    if (size > 0 && bytes[0] == '{') use_tekken(bytes, size);
    return 0;
}
