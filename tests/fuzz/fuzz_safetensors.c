/* Any bytes as a safetensors file: refused with a message, or every byte of data belongs to exactly one tensor. */
#include <stdlib.h>

#include "base/memory.h"
#include "formats/safetensors.h"

#define MAX_DECODED_VALUES 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct tensor_set set;
    bn_error err = {0};
    bn_status status = safetensors_parse(bytes, size, "fuzz", &set, &err);
    if (status) {
        if (err.status != status || !err.message[0]) abort();
        return 0;
    }
    const uint8_t *end = set.n_tensors ? set.tensors[0].data : bytes + size;
    for (size_t i = 0; i < set.n_tensors; i++) {
        const struct tensor *tensor = &set.tensors[i];
        if (tensor->data != end || tensor_set_find(&set, tensor->name) != tensor) abort();
        end += tensor->size_bytes;
        size_t n = tensor_rows(tensor) * tensor_cols(tensor);
        float *values = n <= MAX_DECODED_VALUES ? mem_alloc_array(n, sizeof *values) : NULL;
        if (values) (void)tensor_decode_all(tensor, values, &err);
        mem_free(values);
    }
    if (end != bytes + size) abort();
    tensor_set_release(&set);
    return 0;
}
