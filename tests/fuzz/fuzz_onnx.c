/* Any bytes as an ONNX graph: refused with a message, or all values of all tensors can be read. */
#include <stdlib.h>

#include "base/memory.h"
#include "formats/onnx.h"

#define MAX_DECODED_VALUES 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct tensor_set set;
    bn_error err = {0};
    bn_status status = onnx_parse(bytes, size, "fuzz", &set, &err);
    if (status) {
        if (err.status != status || !err.message[0]) abort();
        return 0;
    }
    for (size_t i = 0; i < set.n_tensors; i++) {
        const struct tensor *tensor = &set.tensors[i];
        if (tensor_set_find(&set, tensor->name) != tensor) abort();
        size_t n = tensor_rows(tensor) * tensor_cols(tensor);
        float *values = n <= MAX_DECODED_VALUES ? mem_alloc_array(n, sizeof *values) : NULL;
        if (values) (void)tensor_decode_all(tensor, values, &err);
        mem_free(values);
    }
    tensor_set_release(&set);
    return 0;
}
