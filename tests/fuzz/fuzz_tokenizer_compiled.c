/* Compiled tokenizers with bytes exchanged: the input is a list of patches (place, value) to the image of one of the
 * bundled tokenizers, whose checksum is then made right. Opening fails cleanly, or encoding and decoding work within
 * bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/compiled.h"

static const char *const kinds[] = {"gpt2",   "bpe-suffix-fuse", "llama2",    "spm-user-symbols", "t5-unigram",
                                    "llama3", "bert-uncased",    "wordlevel", "byt5-decode",      "added-tokens"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };
static struct buffer images[N_KINDS];

static const char *const texts[] = {"", "Hello, world! 123", "a\xcc\x81\xe4\xb8\xad\xf0\x9f\x91\x8d \n\n x <|eot_id|>",
                                    "\xff\xc0<s>\xe2\x82"};

int LLVMFuzzerInitialize(int *n, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *n, char ***arguments) {
    (void)n, (void)arguments;
    for (size_t k = 0; k < N_KINDS; k++) {
        char path[1024];
        bn_tokenizer *tokenizer;
        bn_error err;
        snprintf(path, sizeof path, TEST_DATA "/tokenizers/%s", kinds[k]);
        if (bn_tokenizer_open(path, &tokenizer, &err) || tokenizer_compile(tokenizer, NULL, &images[k], &err)) abort();
        bn_tokenizer_close(tokenizer);
    }
    return 0;
}

static void use(const bn_tokenizer *tokenizer) {
    bn_error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct encode_request request = {texts[i], strlen(texts[i]), texts[1], 5, true, i % 2 == 0};
        struct encoding encoding;
        char *text;
        size_t n;
        if (tokenizer_encode(tokenizer, &request, &encoding, &err)) continue;
        for (size_t k = 0; k < encoding.n; k++)
            if ((size_t)encoding.ids[k] >= bn_tokenizer_vocab_size(tokenizer)) abort();
        if (bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, false, &text, &n, &err) == BN_OK) bn_free(text);
        encoding_release(&encoding);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const struct buffer *image = &images[data[0] % N_KINDS];
    uint8_t *bytes = mem_alloc(image->size);
    if (!bytes) return 0;
    memcpy(bytes, image->data, image->size);
    /* A patch is 3 bytes of place and one value. Places count in the description first, where the fields are. */
    for (data++, size--; size >= 4; data += 4, size -= 4) {
        size_t at = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
        bytes[at % image->size] = data[3];
    }
    image_seal(bytes, image->size);
    bn_tokenizer *tokenizer;
    bn_error err;
    if (tokenizer_from_image(bytes, image->size, &tokenizer, &err) == BN_OK) {
        use(tokenizer);
        bn_tokenizer_close(tokenizer);
    }
    mem_free(bytes);
    return 0;
}
