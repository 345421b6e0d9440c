/* What a bucket answers with: lists and errors. */
#include <stddef.h>
#include <stdint.h>

#include "backup/bucket_xml.h"
#include "base/memory.h"

static bn_status ignore(void *context, const char *key, uint64_t size_bytes, bn_error *err) {
    (void)err;
    *(uint64_t *)context += size_bytes + (unsigned char)*key;
    return BN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t sum = 0;
    char *next;
    struct bucket_problem problem;
    (void)bucket_xml_list((const char *)data, size, ignore, &sum, &next, NULL);
    mem_free(next);
    bucket_xml_problem((const char *)data, size, &problem);
    return 0;
}
