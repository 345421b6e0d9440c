/* Compiled tokenizers inside GGUF files. The image remembers a hash of the file's tokenizer.… entries: whoever changes
 * one of them, a chat template say, needn't know about the image. */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "tokenizer/compiled.h"

static uint64_t hash_value(const struct gguf_value *value) {
    uint64_t seed = hash_bytes(value->key, strlen(value->key), value->type);
    if (value->type == GGUF_STRING) return hash_large(value->string.text, value->string.size, seed);
    if (value->type != GGUF_ARRAY) return hash_bytes((const char *)&value->u, sizeof value->u, seed);
    seed = hash_mix(seed, value->array.n << 4 | value->array.type);
    return hash_large(value->array.bytes, value->array.size_bytes, seed);
}

/* Whatever the order of the entries. */
static void identify(const struct gguf *gguf, struct image_origin *origin) {
    uint64_t sum = 0, n = 0;
    for (size_t i = 0; i < gguf->n_values; i++) {
        if (strncmp(gguf->values[i].key, "tokenizer.", 10) != 0) continue;
        sum += hash_value(&gguf->values[i]);
        n++;
    }
    memcpy(origin->id, &sum, sizeof sum);
    memcpy(origin->id + sizeof sum, &n, sizeof n);
}

bn_status tokenizer_compile_into_gguf(const bn_tokenizer *tokenizer, const struct gguf *source,
                                      struct gguf_writer *writer, bn_error *err) {
    struct image_origin origin = {0};
    struct buffer bytes;
    size_t offset = gguf_writer_array_offset(writer, COMPILED_GGUF_KEY);
    static const char zeros[IMAGE_ALIGNMENT];
    identify(source, &origin);
    buffer_init(&bytes);
    buffer_append(&bytes, zeros, round_up(offset, IMAGE_ALIGNMENT) - offset);
    bn_status status = tokenizer_compile(tokenizer, &origin, &bytes, err);
    if (!status) status = gguf_writer_set_array(writer, COMPILED_GGUF_KEY, GGUF_U8, bytes.data, bytes.size, err);
    buffer_release(&bytes);
    return status;
}

bool tokenizer_from_gguf_image(const struct gguf *gguf, bn_tokenizer **out) {
    const struct gguf_value *value = gguf_find(gguf, COMPILED_GGUF_KEY);
    if (!value || value->type != GGUF_ARRAY || value->array.type != GGUF_U8) return false;
    const uint8_t *bytes = value->array.bytes;
    size_t size = value->array.size_bytes, padding = 0;
    while (padding < IMAGE_ALIGNMENT && padding < size && bytes[padding] == 0) padding++;
    bytes += padding;
    size -= padding;
    if ((uintptr_t)bytes % 8 != 0 || !image_is_one(bytes, size)) return false;
    struct image_origin origin = image_origin_of(bytes, size), expected = {.made_ns = origin.made_ns};
    identify(gguf, &expected);
    return image_origin_same(&origin, &expected) && tokenizer_from_image(bytes, size, out, NULL) == BN_OK;
}
