/* {"config": …, "map": …, "older": …} as the files beside a tokenizer, which then has to encode and decode. */
#include "encode_decode.h"
#include "tokenizer/hf_config.h"
#include "tokenizer/pipeline.h"

static const char model[] = "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"vocab\": {\"<unk>\": 0, "
                            "\"a\": 1, \"b\": 2, \"ab\": 3, \"e\": 4, \"l\": 5, "
                            "\"ll\": 9}, \"merges\": [\"a b\", \"l l\"]}, \"added_tokens\": [{\"id\": 7, "
                            "\"content\": \"<s>\", \"special\": true}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bn_tokenizer *tokenizer;
    bn_error err;
    json_t *root;
    if (size > 1 << 16 || json_parse((const char *)data, size, "fuzz", &root, &err)) return -1;
    if (tokenizer_from_json(model, sizeof model - 1, "fuzz", &tokenizer, &err)) abort();
    const struct hf_companions files = {json_object_get(root, "config"), json_object_get(root, "map"),
                                        json_object_get(root, "older")};
    bn_status status = hf_take_companions(tokenizer, tokenizer->vocabulary.expected, true, &files, &err);
    json_decref(root);
    if (status)
        bn_tokenizer_close(tokenizer);
    else
        encode_decode(tokenizer);
    return 0;
}
