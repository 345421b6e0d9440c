/* Any bytes as a GGUF file: refused with a message, or read, and then everything in it can be used. */
#include <stdlib.h>

#include "base/memory.h"
#include "formats/gguf.h"

#define MAX_DECODED_VALUES 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile uint64_t sink; /* what is read must not be optimised away */

static void read_value(const struct gguf *gguf, const struct gguf_value *value) {
    size_t integer;
    double number;
    bool flag;
    struct gguf_string text;
    if (gguf_find(gguf, value->key) != value) abort();
    (void)gguf_get_size(gguf, value->key, 1, 100, &integer, NULL);
    (void)gguf_get_number(gguf, value->key, &number, NULL);
    (void)gguf_get_bool(gguf, value->key, &flag, NULL);
    (void)gguf_get_string(gguf, value->key, &text, NULL);
    if (value->type == GGUF_STRING && value->string.size) sink += (uint8_t)value->string.text[value->string.size - 1];
    for (size_t i = 0; value->type == GGUF_ARRAY && i < value->array.n; i++) {
        if (value->array.type == GGUF_STRING) {
            text = gguf_array_string(value, i);
            if (text.size) sink += (uint8_t)text.text[text.size - 1];
        } else {
            sink += (uint64_t)gguf_array_integer(value, i) + (gguf_array_number(value, i) > 0);
        }
    }
}

static void read_tensor(const struct gguf *gguf, const struct tensor *tensor) {
    if (tensor_set_find(&gguf->set, tensor->name) != tensor) abort();
    sink += tensor->data[0] + tensor->data[tensor->size_bytes - 1];
    size_t n = tensor_rows(tensor) * tensor_cols(tensor);
    if (n > MAX_DECODED_VALUES) return;
    float *values = mem_alloc_array(n, sizeof *values);
    bn_error err;
    if (values && tensor_decode_all(tensor, values, &err) == BN_OK) sink += values[n - 1] > 0;
    mem_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct gguf gguf;
    bn_error err = {0};
    bn_status status = gguf_parse(bytes, size, "fuzz", &gguf, &err);
    if (status) {
        if (err.status != status || !err.message[0]) abort();
        return 0;
    }
    for (size_t i = 0; i < gguf.n_values; i++) read_value(&gguf, &gguf.values[i]);
    for (size_t i = 0; i < gguf.set.n_tensors; i++) read_tensor(&gguf, &gguf.set.tensors[i]);
    gguf_close(&gguf);
    return 0;
}
