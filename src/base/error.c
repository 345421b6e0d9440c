/* Status names and the one place where error messages are formatted. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *bn_status_name(bn_status status) {
    static const char *const names[] = {
        [BN_OK] = "ok",
        [BN_STATUS_BAD_ARGUMENT] = "bad argument",
        [BN_STATUS_NO_MEMORY] = "out of memory",
        [BN_STATUS_IO] = "input/output error",
        [BN_STATUS_NOT_FOUND] = "not found",
        [BN_STATUS_BAD_FILE] = "bad file",
        [BN_STATUS_UNSUPPORTED] = "unsupported",
        [BN_STATUS_CONTEXT_OVERFLOW] = "context overflow",
        [BN_STATUS_CANCELLED] = "cancelled",
        [BN_STATUS_BUSY] = "busy",
        [BN_STATUS_INTERNAL] = "internal error",
    };
    size_t index = (size_t)status;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown status";
}

const char *bn_version(void) {
    return BITNET_VERSION;
}

/* Names out of untrusted files reach messages: no control characters (a terminal would obey them), nothing but UTF-8. */
static void make_printable(char *text) {
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t code_point;
        int length = utf8_decode(text + i, n - i, &code_point);
        if (length < 0 || code_point < 0x20 || code_point == 0x7f) {
            size_t bad = length < 0 ? (size_t)-length : 1;
            bool cut_at_end = length < 0 && i + bad == n;
            if (cut_at_end) {
                text[i] = 0;
                return;
            }
            memset(text + i, '?', bad);
            i += bad;
        } else {
            i += (size_t)length;
        }
    }
}

bn_status fail(bn_error *err, bn_status status, const char *format, ...) {
    if (!err) return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    make_printable(err->message);
    err->status = status;
    return status;
}

void error_prefix(bn_error *err, const char *format, ...) {
    if (!err) return;
    char old[sizeof err->message], prefix[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    size_t used = strnlen(prefix, sizeof prefix - 1);
    memcpy(err->message, prefix, used);
    snprintf(err->message + used, sizeof err->message - used, ": %s", old);
    make_printable(err->message);
}

bn_status fail_no_memory(bn_error *err, size_t size_bytes) {
    return fail(err, BN_STATUS_NO_MEMORY, "out of memory: %zu bytes were refused", size_bytes);
}
