/* Status codes and error messages.
 *
 * Every function of the library that can fail returns a bn_status and takes, as its last parameter, a pointer to a
 * caller-owned bn_error (NULL if the caller doesn't want the message). There is no global error state, so errors of
 * different threads never mix. On success the bn_error is left untouched. */
#ifndef BITNET_STATUS_H
#define BITNET_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BN_API __attribute__((visibility("default")))
#else
#define BN_API
#endif

typedef enum bn_status {
    BN_OK = 0,
    BN_STATUS_BAD_ARGUMENT, /* the caller passed something outside the documented range */
    BN_STATUS_NO_MEMORY,    /* an allocation failed; nothing was changed */
    BN_STATUS_IO,           /* the operating system refused: open, read, write, map, rename */
    BN_STATUS_NOT_FOUND,    /* no such file, model, tensor or token */
    BN_STATUS_BAD_FILE,     /* the content of a file breaks its format; the message names file, field and limit */
    BN_STATUS_UNSUPPORTED,  /* well-formed, but something this build doesn't do; the message says what to do instead */
    BN_STATUS_CONTEXT_OVERFLOW, /* a prompt doesn't fit the context; the message has both numbers */
    BN_STATUS_CANCELLED,        /* the request was cancelled by its owner */
    BN_STATUS_BUSY,             /* a bound (requests, memory) is reached; trying again later can help */
    BN_STATUS_INTERNAL          /* a bug in this library: please report it with the message */
} bn_status;

/* Message of a failure: one line, no newline at its end, always terminated. */
typedef struct bn_error {
    bn_status status;
    char message[500];
} bn_error;

/* The name of a status, such as "bad file". Static storage; never NULL. Thread-safe. */
BN_API const char *bn_status_name(bn_status status);

/* The version of the library, "major.minor.patch". Static storage. */
BN_API const char *bn_version(void);

#ifdef __cplusplus
}
#endif
#endif
