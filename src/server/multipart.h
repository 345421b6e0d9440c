/* multipart/form-data (RFC 7578), of a body that is there as a whole. */
#ifndef SERVER_MULTIPART_H
#define SERVER_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

struct form_part {
    char name[64], file_name[256]; /* file_name "": none */
    const char *bytes;             /* in the body */
    size_t size;
};

/* Finds the parts of a body by its Content-Type; at most max_parts. False: not well-formed, or more of them; *what says
 * why. */
bool multipart_parse(const char *content_type, const char *body, size_t size, struct form_part *parts, size_t max_parts,
                     size_t *n, const char **what);

#endif
