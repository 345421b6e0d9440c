/* Any bytes as a form: what is found lies in the body, in order and apart, and ends in texts. The first line is the
 * Content-Type, the rest the body, in memory of its own so that a byte too far is seen. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MAX_PARTS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const uint8_t *line = memchr(bytes, '\n', size);
    size_t n_type = line ? (size_t)(line - bytes) : 0;
    if (!line || memchr(bytes, '\0', n_type)) return 0; /* a header has none */
    char *type = malloc(n_type + 1);
    struct form_part parts[MAX_PARTS];
    size_t n_body = size - n_type - 1, n = 0;
    const char *what = NULL;
    memcpy(type, bytes, n_type);
    type[n_type] = '\0';
    char *exact = malloc(n_body ? n_body : 1);
    if (n_body) memcpy(exact, line + 1, n_body);
    if (multipart_parse(type, exact, n_body, parts, MAX_PARTS, &n, &what)) {
        const char *at = exact;
        if (n > MAX_PARTS) abort();
        for (size_t i = 0; i < n; i++) {
            if (parts[i].bytes < at || parts[i].bytes + parts[i].size > exact + n_body) abort();
            if (!memchr(parts[i].name, '\0', sizeof parts[i].name)) abort();
            if (!memchr(parts[i].file_name, '\0', sizeof parts[i].file_name)) abort();
            at = parts[i].bytes + parts[i].size;
        }
    } else if (!what) {
        abort();
    }
    free(exact);
    free(type);
    return 0;
}
