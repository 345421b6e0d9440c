/* Decoding a chunked body (RFC 9112, 7.1), strictly, a piece at a time. Extensions and trailers are read, bounded, and
 * dropped. */
#ifndef SERVER_HTTP1_CHUNKS_H
#define SERVER_HTTP1_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

struct http1_chunks { /* zeroed to begin */
    int state;
    uint64_t left;          /* bytes of the chunk to come */
    unsigned digits;        /* of the size */
    size_t extension_bytes; /* over all chunks */
    size_t trailer_bytes;   /* over all trailers */
    size_t trailer_line_bytes;
};

#define HTTP1_MAX_EXTENSION_BYTES ((size_t)4 << 10)
#define HTTP1_MAX_TRAILER_BYTES   ((size_t)8 << 10)

enum chunk_event {
    CHUNKS_MORE, /* everything was used, more has to come */
    CHUNKS_DATA, /* *data, *n_data is the next piece of the body */
    CHUNKS_END,  /* the body and its trailers are over */
    CHUNKS_BAD,  /* *what says why */
};
/* Takes bytes from bytes[0 … size); *used is how many. */
enum chunk_event http1_chunks_next(struct http1_chunks *chunks, const char *bytes, size_t size, size_t *used,
                                   const char **data, size_t *n_data, const char **what);

#endif
