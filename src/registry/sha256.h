/* SHA-256 of bytes and files (OpenSSL beneath, which uses the CPU's own instructions). */
#ifndef REGISTRY_SHA256_H
#define REGISTRY_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SHA256_HEX_SIZE 65 /* with the NUL */

struct sha256; /* a running hash */

/* NULL when memory is out. */
struct sha256 *sha256_begin(void);
void sha256_add(struct sha256 *hash, const void *bytes, size_t n);
/* Ends the hash and writes it in lower-case hexadecimal. */
void sha256_end(struct sha256 *hash, char hex[SHA256_HEX_SIZE]);

bn_status sha256_of(const void *bytes, size_t n, char hex[SHA256_HEX_SIZE], bn_error *err);

/* Told how many bytes were done since the last call; false stops (BN_STATUS_CANCELLED). */
struct byte_progress {
    bool (*advance)(void *context, uint64_t n_bytes);
    void *context;
};

/* Hash and size of a regular file. With `to` ≥ 0 the bytes are also written there: a copy is hashed as it is made.
 * progress may be NULL. */
bn_status sha256_file(const char *path, int to, const struct byte_progress *progress, char hex[SHA256_HEX_SIZE],
                      uint64_t *size, bn_error *err);

/* write(2) until all is written; false with errno set. */
bool write_fully(int to, const void *bytes, size_t n);

#endif
