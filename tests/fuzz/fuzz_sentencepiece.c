/* Any bytes as sentencepiece's tokenizer.model. */
#include "encode_decode.h"
#include "tokenizer/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bn_tokenizer *tokenizer;
    bn_error err;
    if (size > 1 << 16) return -1;
    if (tokenizer_from_sentencepiece(data, size, "fuzz", &tokenizer, &err) == BN_OK) encode_decode(tokenizer);
    return 0;
}
