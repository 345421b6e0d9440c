/* Request targets and percent-encoding (RFC 3986). */
#ifndef SERVER_TARGET_H
#define SERVER_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes %XX from text[0 … n) to out, which has room for n bytes and a NUL; plus: '+' is a blank (queries). Returns false
 * for a broken escape and for %00. out may be text. */
bool percent_decode(const char *text, size_t n, bool plus, char *out);
/* A decoded path that can be matched: begins with '/', has no "." or ".." segments and no empty ones but at its end. */
bool path_is_plain(const char *path);

#endif
