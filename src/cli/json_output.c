#include "cli/json_output.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Writes JSON text, in which some readers of lines would see the end of one at U+0085, U+2028 and U+2029: these are
 * escaped (they can only stand inside strings). */
static void write_as_one_line(FILE *stream, const char *text) {
    const char *from = text, *at = text;
    for (; *at; at++) {
        const char *escape = NULL;
        size_t n = 3;
        if (strncmp(at, "\xe2\x80\xa8", 3) == 0) escape = "\\u2028";
        if (strncmp(at, "\xe2\x80\xa9", 3) == 0) escape = "\\u2029";
        if (at[0] == '\xc2' && at[1] == '\x85') escape = "\\u0085", n = 2;
        if (!escape) continue;
        fwrite(from, 1, (size_t)(at - from), stream);
        fputs(escape, stream);
        at += n - 1;
        from = at + 1;
    }
    fwrite(from, 1, (size_t)(at - from), stream);
    fputc('\n', stream);
}

bn_status json_write_line(FILE *stream, json_t *value, bn_error *err) {
    char *line = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(value);
    if (!line) return fail(err, BN_STATUS_NO_MEMORY, "out of memory while writing JSON");
    write_as_one_line(stream, line);
    free(line); /* jansson's own memory */
    return BN_OK;
}
