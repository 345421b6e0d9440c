/* The head of an HTTP/1.x request, parsed as RFC 9112 has it and no looser: whatever two parsers could read differently
 * (bare LF, folded lines, a space before the colon, two lengths, a length beside Transfer-Encoding) is refused, since
 * such requests are how one is smuggled past a proxy. */
#ifndef SERVER_HTTP1_HEAD_H
#define SERVER_HTTP1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/exchange.h"

#define HTTP1_MAX_HEAD_BYTES ((size_t)64 << 10)
#define HTTP1_MAX_LINE_BYTES ((size_t)8 << 10)
#define HTTP_MAX_HEADERS     100

struct http1_head {
    const char *method, *target; /* NUL-terminated in the head's bytes */
    int minor;                   /* HTTP/1.minor: 0 or 1 */
    struct header headers[HTTP_MAX_HEADERS];
    size_t n_headers;
    bool chunked;
    bool has_length;
    uint64_t length;
    bool keep_alive;
    bool expects_continue;
};

/* What is wrong: the status to answer and a line for it; status 0: nothing. */
struct http1_problem {
    int status;
    const char *what;
};

/* Looks for the end of the head in bytes[0 … size), of which the first *scanned were looked at before. Returns the head's
 * length with its blank line, 0 if it hasn't all come. Refuses here what needs no more bytes to be wrong. */
size_t http1_head_length(const char *bytes, size_t size, size_t *scanned, struct http1_problem *problem);

/* Parses a whole head in place (line ends and colons become NULs, names lower case). The head points into the bytes. */
struct http1_problem http1_head_parse(char *bytes, size_t size, struct http1_head *head);

/* Character classes of RFC 9110. */
bool http_is_token(const char *text, size_t n);
/* A field value: no control characters but tab, no blanks at its ends. */
bool http_is_field_value(const char *text, size_t n);
/* True if a comma-separated list has the word, in any case. */
bool http_list_has(const char *list, const char *word);

#endif
