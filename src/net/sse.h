/* Server-sent events (WHATWG HTML, section 9.2): bytes as they arrive become events. Lines end in LF, CR or CRLF, however the
 * bytes are cut; comments and the fields id and retry are dropped; an event that no blank line ended never comes.
 *
 * For bytes that nobody vouches for: an event larger than the limit is an error, and so is whatever comes after it. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include "base/buffer.h"

struct sse_parser {
    size_t max_event_bytes; /* of the data of an event, and of one line */
    struct buffer line, data, name;
    bool has_data;    /* the event has a data field, maybe an empty one */
    bool after_cr;    /* an LF that comes next belongs to the last line's end */
    bool begun;       /* behind the byte order mark that may come first */
    bn_status status; /* sticky */
};

/* name: "message" where the stream gives none. data: the event's data lines joined by LF, NUL-terminated. A status other
 * than BN_OK ends the parsing. */
typedef bn_status (*sse_handler)(void *context, const char *name, const char *data, size_t n, bn_error *err);

/* max_event_bytes 0: 1 MiB. */
void sse_init(struct sse_parser *parser, size_t max_event_bytes);
void sse_release(struct sse_parser *parser);
/* The next n bytes. BN_STATUS_BAD_FILE for an event that is too large, BN_STATUS_NO_MEMORY, or what the handler said. */
bn_status sse_push(struct sse_parser *parser, const char *bytes, size_t n, sse_handler handler, void *context,
                   bn_error *err);

#endif
