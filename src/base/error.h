/* Filling in a bn_error. The idiom: `return fail(err, BN_STATUS_BAD_FILE, "%s: …", path);` */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "bitnet/status.h"

#if defined(__GNUC__)
#define PRINTF_LIKE(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define PRINTF_LIKE(format_index, first_argument)
#endif

/* Writes status and the formatted message to err (may be NULL) and returns status. Control characters in the
 * arguments (names out of untrusted files) come out as '?', a message too long for the buffer is cut at a whole
 * UTF-8 character. */
bn_status fail(bn_error *err, bn_status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts `context: ` in front of the message in err (may be NULL), e.g. a file's path in front of what a parser said. */
void error_prefix(bn_error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* fail() for an allocation of size_bytes that was refused. */
bn_status fail_no_memory(bn_error *err, size_t size_bytes);

#endif
