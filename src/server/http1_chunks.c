#include "server/http1_chunks.h"

enum state {
    SIZE,      /* hexadecimal digits */
    EXTENSION, /* behind ';', up to CR */
    SIZE_LF,   /* the LF of the size's line */
    DATA,      /* the chunk */
    DATA_CR,   /* the CRLF behind it */
    DATA_LF,
    TRAILER, /* a trailer's line, or the blank one */
    TRAILER_LF,
    DONE,
};

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static const char *step_size(struct http1_chunks *chunks, char c) {
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++chunks->digits > 15) return "a chunk's size has more than 15 digits";
        chunks->left = chunks->left * 16 + (uint64_t)digit;
        return NULL;
    }
    if (chunks->digits == 0) return "a chunk has no size";
    if (c == ';')
        chunks->state = EXTENSION;
    else if (c == '\r')
        chunks->state = SIZE_LF;
    else
        return "a chunk's size isn't hexadecimal";
    return NULL;
}

static const char *step_extension(struct http1_chunks *chunks, char c) {
    if (c == '\r') {
        chunks->state = SIZE_LF;
        return NULL;
    }
    if ((c >= 0 && c < ' ' && c != '\t') || c == 0x7f) return "a chunk's extension has a control character";
    return ++chunks->extension_bytes > HTTP1_MAX_EXTENSION_BYTES ? "chunk extensions exceed 4 KiB" : NULL;
}

static const char *step_trailer(struct http1_chunks *chunks, char c) {
    if (c == '\r') {
        chunks->state = TRAILER_LF;
        return NULL;
    }
    if ((c >= 0 && c < ' ' && c != '\t') || c == 0x7f) return "a trailer has a control character";
    if (chunks->trailer_line_bytes == 0 && (c == ' ' || c == '\t' || c == ':')) return "a trailer has no name";
    chunks->trailer_line_bytes++;
    return ++chunks->trailer_bytes > HTTP1_MAX_TRAILER_BYTES ? "trailers exceed 8 KiB" : NULL;
}

/* Everything but the data itself, a character at a time. NULL: fine. */
static const char *step(struct http1_chunks *chunks, char c) {
    switch ((enum state)chunks->state) {
    case SIZE:
        return step_size(chunks, c);
    case EXTENSION:
        return step_extension(chunks, c);
    case SIZE_LF:
        if (c != '\n') return "a chunk's size must end with CRLF";
        chunks->state = chunks->left ? DATA : TRAILER;
        return NULL;
    case DATA_CR:
        if (c != '\r') return "a chunk must end with CRLF";
        chunks->state = DATA_LF;
        return NULL;
    case DATA_LF:
        if (c != '\n') return "a chunk must end with CRLF";
        chunks->state = SIZE;
        chunks->digits = 0;
        return NULL;
    case TRAILER:
        return step_trailer(chunks, c);
    case TRAILER_LF:
        if (c != '\n') return "a trailer must end with CRLF";
        chunks->state = chunks->trailer_line_bytes ? TRAILER : DONE;
        chunks->trailer_line_bytes = 0;
        return NULL;
    case DATA:
    case DONE:
        break;
    }
    return NULL;
}

enum chunk_event http1_chunks_next(struct http1_chunks *chunks, const char *bytes, size_t size, size_t *used,
                                   const char **data, size_t *n_data, const char **what) {
    *used = 0;
    while (chunks->state != DONE && *used < size) {
        if (chunks->state == DATA) {
            *data = bytes + *used;
            *n_data = chunks->left < size - *used ? (size_t)chunks->left : size - *used;
            *used += *n_data;
            chunks->left -= *n_data;
            if (!chunks->left) chunks->state = DATA_CR;
            return CHUNKS_DATA;
        }
        *what = step(chunks, bytes[(*used)++]);
        if (*what) return CHUNKS_BAD;
    }
    return chunks->state == DONE ? CHUNKS_END : CHUNKS_MORE;
}
