/* Any bytes as a file of torch.save: refused with a message, or all values of all tensors can be read. */
#include <stdlib.h>

#include "base/memory.h"
#include "formats/torch_file.h"

#define MAX_DECODED_VALUES 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct tensor_set set;
    bn_error err = {0};
    bn_status status = torch_parse(bytes, size, "fuzz", &set, &err);
    if (status) {
        if (err.status != status || !err.message[0]) abort();
        return 0;
    }
    for (size_t i = 0; i < set.n_tensors; i++) {
        const struct tensor *tensor = &set.tensors[i];
        if (tensor_set_find(&set, tensor->name) != tensor) abort();
        if (!tensor->view && (tensor->data < bytes || tensor->data + tensor->size_bytes > bytes + size)) abort();
        size_t n = tensor_rows(tensor) * tensor_cols(tensor);
        float *values = n <= MAX_DECODED_VALUES ? mem_alloc_array(n, sizeof *values) : NULL;
        if (values) (void)tensor_decode_all(tensor, values, &err);
        mem_free(values);
    }
    tensor_set_release(&set);
    return 0;
}
