#include "server/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_BOUNDARY     70
#define MAX_PART_HEADERS 4096

/* The value of NAME=value or NAME="value" among the parameters of a header. */
static bool parameter(const char *header, size_t n, const char *name, char *out, size_t size) {
    size_t n_name = strlen(name);
    for (size_t i = 0; i + n_name + 1 < n; i++) {
        bool begins = i == 0 || header[i - 1] == ';' || header[i - 1] == ' ';
        if (!begins || strncasecmp(header + i, name, n_name) != 0 || header[i + n_name] != '=') continue;
        size_t at = i + n_name + 1, length = 0;
        bool quoted = header[at] == '"';
        at += quoted;
        while (at < n && (quoted ? header[at] != '"' : header[at] != ';' && header[at] != ' ')) {
            if (length + 1 >= size) return false;
            out[length++] = header[at++];
        }
        out[length] = '\0';
        return true;
    }
    out[0] = '\0';
    return false;
}

static bool read_headers(const char *headers, size_t n, struct form_part *part) {
    static const char disposition[] = "content-disposition:";
    for (size_t at = 0; at < n;) {
        const char *end = memmem(headers + at, n - at, "\r\n", 2);
        size_t length = end ? (size_t)(end - headers) - at : n - at;
        if (length > sizeof disposition && strncasecmp(headers + at, disposition, sizeof disposition - 1) == 0) {
            const char *value = headers + at + sizeof disposition - 1;
            size_t n_value = length - (sizeof disposition - 1);
            parameter(value, n_value, "filename", part->file_name, sizeof part->file_name);
            return parameter(value, n_value, "name", part->name, sizeof part->name);
        }
        at += length + 2;
    }
    return false;
}

bool multipart_parse(const char *content_type, const char *body, size_t size, struct form_part *parts, size_t max_parts,
                     size_t *n, const char **what) {
    char boundary[MAX_BOUNDARY + 1], mark[MAX_BOUNDARY + 5];
    *n = 0;
    *what = "the Content-Type must be multipart/form-data with a boundary";
    if (!content_type || strncasecmp(content_type, "multipart/form-data", 19) != 0 ||
        !parameter(content_type, strlen(content_type), "boundary", boundary, sizeof boundary) || !*boundary)
        return false;
    size_t n_mark = (size_t)snprintf(mark, sizeof mark, "\r\n--%s", boundary);
    *what = "the multipart body is not well-formed";
    /* the first boundary may lack its line end */
    const char *at = body, *end = body + size;
    if (size < n_mark - 2 || memcmp(body, mark + 2, n_mark - 2) != 0) return false;
    at += n_mark - 2;
    while (end - at >= 2 && memcmp(at, "--", 2) != 0) {
        if (memcmp(at, "\r\n", 2) != 0 || *n == max_parts) return false;
        const char *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        if (!blank || blank - at > MAX_PART_HEADERS) return false;
        struct form_part *part = &parts[(*n)++];
        *part = (struct form_part){0};
        if (blank > at && !read_headers(at + 2, (size_t)(blank - at) - (blank > at + 1 ? 2 : 0), part)) return false;
        part->bytes = blank + 4;
        const char *next = memmem(blank + 2, (size_t)(end - blank) - 2, mark, n_mark);
        if (!next) return false;
        part->size = next > part->bytes ? (size_t)(next - part->bytes) : 0;
        at = next + n_mark;
    }
    return end - at >= 2;
}
