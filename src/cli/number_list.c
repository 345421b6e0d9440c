#include "cli/number_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bn_status number_list_parse(const char *text, size_t min, size_t max, const char *origin, struct number_list *out,
                            bn_error *err) {
    out->n = 0;
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        unsigned long long value = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || (*end && *end != ',') || value < min || value > max)
            return fail(err, BN_STATUS_BAD_ARGUMENT,
                        "%s: '%s' isn't a list of whole numbers from %zu to %zu such as 1,2,4", origin, text, min, max);
        if (out->n == LIST_MAX_ITEMS)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: '%s' has more than %d numbers", origin, text, LIST_MAX_ITEMS);
        out->values[out->n++] = (size_t)value;
        if (!*end) return BN_OK;
        at = end;
    }
}

bool word_list_at(const char *text, size_t index, char *out, size_t size) {
    for (; index; index--) {
        text = strchr(text, ',');
        if (!text) return false;
        text++;
    }
    size_t n = min_size(strcspn(text, ","), size - 1);
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}
