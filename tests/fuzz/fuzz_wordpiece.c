/* Any bytes as BERT's vocab.txt, with no settings beside it. */
#include "encode_decode.h"
#include "tokenizer/hf_config.h"
#include "tokenizer/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bn_tokenizer *tokenizer;
    bn_error err;
    if (size > 1 << 16) return -1;
    if (hf_from_vocab_lines((const char *)data, size, "/dev/null", "fuzz", &tokenizer, &err) == BN_OK)
        encode_decode(tokenizer);
    return 0;
}
