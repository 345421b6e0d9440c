/* Any bytes as server-sent events: however they are cut, the same events come; none is larger than the limit, and without the
 * byte NUL in the stream each is a text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sse.h"

enum { LIMIT = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bn_status add_to_hash(void *context, const char *name, const char *data, size_t n, bn_error *err) {
    uint64_t *hash = context;
    (void)err;
    if (n > LIMIT || data[n] != '\0' || strlen(name) > LIMIT) abort();
    for (; *name; name++) *hash = *hash * 31 + (uint8_t)*name;
    for (size_t i = 0; i < n; i++) *hash = *hash * 37 + (uint8_t)data[i];
    *hash = *hash * 41 + 1;
    return BN_OK;
}

static bn_status parse(const char *bytes, size_t size, size_t step, uint64_t *hash) {
    struct sse_parser parser;
    bn_status status = BN_OK;
    *hash = 1;
    sse_init(&parser, LIMIT);
    for (size_t at = 0; at < size && !status; at += step)
        status = sse_push(&parser, bytes + at, size - at < step ? size - at : step, add_to_hash, hash, NULL);
    if (parser.line.size > LIMIT || parser.data.size > LIMIT) abort();
    sse_release(&parser);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    uint64_t whole, cut;
    for (size_t step = 1; step <= 7; step += 3) {
        if (parse((const char *)bytes, size, size + 1, &whole) != parse((const char *)bytes, size, step, &cut)) abort();
        if (whole != cut) abort();
    }
    return 0;
}
