/* Any bytes as HTTP/1.1: however they are cut, the head parser and the chunk decoder say the same; what they let through
 * keeps their promises. */
#include <stdlib.h>
#include <string.h>

#include "server/http1_chunks.h"
#include "server/http1_head.h"
#include "server/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The head's length when its bytes come `step` at a time. */
static size_t find_end(const char *bytes, size_t size, size_t step, struct http1_problem *problem) {
    size_t scanned = 0, length = 0;
    for (size_t n = 0; n < size && !length;) {
        n = size - n < step ? size : n + step;
        length = http1_head_length(bytes, n, &scanned, problem);
        if (problem->status) return 0;
    }
    return length;
}

static void check_head(const char *bytes, size_t size) {
    static struct http1_head head;
    struct http1_problem whole = {0}, pieces = {0};
    size_t length = find_end(bytes, size, size ? size : 1, &whole);
    if (length != find_end(bytes, size, 1, &pieces) && !whole.status && !pieces.status) abort();
    if (!length || whole.status) return;
    char *copy = malloc(length);
    memcpy(copy, bytes, length);
    struct http1_problem problem = http1_head_parse(copy, length, &head);
    if (!problem.status) {
        if (head.chunked && head.has_length) abort();
        if (head.n_headers > HTTP_MAX_HEADERS || !http_is_token(head.method, strlen(head.method))) abort();
        for (size_t i = 0; i < head.n_headers; i++) {
            const struct header *header = &head.headers[i];
            if (!http_is_token(header->name, strlen(header->name))) abort();
            if (!http_is_field_value(header->value, strlen(header->value))) abort();
        }
        size_t n = strlen(head.target);
        char *path = malloc(n + 1);
        if (percent_decode(head.target, n, false, path) && path_is_plain(path) &&
            (strstr(path, "/../") || strstr(path, "//")))
            abort();
        free(path);
    }
    free(copy);
}

/* Decodes in steps; the number of bytes, SIZE_MAX when refused; *ended whether the body ended. */
static size_t decode(const char *bytes, size_t size, size_t step, uint64_t *hash, int *ended) {
    struct http1_chunks chunks = {0};
    size_t total = 0;
    *ended = 0;
    *hash = 1;
    for (size_t at = 0; at < size && !*ended;) {
        size_t n = size - at < step ? size - at : step;
        while (n && !*ended) {
            const char *data, *what;
            size_t used, n_data;
            enum chunk_event event = http1_chunks_next(&chunks, bytes + at, n, &used, &data, &n_data, &what);
            if (used > n) abort();
            if (event == CHUNKS_BAD) return SIZE_MAX;
            if (event == CHUNKS_DATA) {
                for (size_t i = 0; i < n_data; i++) *hash = *hash * 31 + (uint8_t)data[i];
                total += n_data;
            }
            if (event == CHUNKS_END) *ended = 1;
            at += used;
            n -= used;
        }
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    uint64_t hashes[2];
    int ended[2];
    check_head((const char *)bytes, size);
    size_t whole = decode((const char *)bytes, size, size ? size : 1, &hashes[0], &ended[0]);
    size_t single = decode((const char *)bytes, size, 1, &hashes[1], &ended[1]);
    if (whole != single || ended[0] != ended[1] || (whole != SIZE_MAX && hashes[0] != hashes[1])) abort();
    return 0;
}
