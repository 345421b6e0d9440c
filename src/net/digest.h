/* The hashes by which contents are named: SHA-256, and git's blob id (SHA-1 over "blob SIZE\0" and the content), which hubs use
 * for small files. OpenSSL beneath, which uses the CPU's own instructions. */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SHA256_BYTES = 32 };
#define SHA256_HEX_SIZE 65 /* with the NUL; git's id is shorter */

struct digest {
    void *context; /* EVP_MD_CTX */
};

/* For a content of size_bytes (which only a git id needs to know); `git`: git's blob id, else SHA-256. Starting again drops what
 * was there. Release with digest_release. */
bn_status digest_start(struct digest *digest, bool git, uint64_t size_bytes, bn_error *err);
void digest_update(struct digest *digest, const void *bytes, size_t n);
/* Lower-case hexadecimal; the digest has to be started again before further use. */
void digest_finish(struct digest *digest, char hex[SHA256_HEX_SIZE]);
void digest_release(struct digest *digest);

/* The first n bytes of a file into the digest; BN_STATUS_IO if it is shorter. */
bn_status digest_update_file(struct digest *digest, int fd, uint64_t n, const char *path, bn_error *err);

/* SHA-256 of bytes that are there already. */
bn_status sha256_of(const void *bytes, size_t n, char hex[SHA256_HEX_SIZE], bn_error *err);
/* HMAC-SHA-256 (RFC 2104). */
bn_status hmac_sha256(const void *key, size_t key_bytes, const void *bytes, size_t n, uint8_t out[SHA256_BYTES],
                      bn_error *err);
/* Lower-case hexadecimal of n bytes, into 2n + 1. */
void hex_text(const uint8_t *bytes, size_t n, char *out);

/* Told how many bytes were done since the last call; false stops (BN_STATUS_CANCELLED). */
struct byte_progress {
    bool (*advance)(void *context, uint64_t n_bytes);
    void *context;
};

/* SHA-256 and size of a regular file. With `to` ≥ 0 the bytes are also written there: a copy is hashed as it is made.
 * progress may be NULL. */
bn_status sha256_file(const char *path, int to, const struct byte_progress *progress, char hex[SHA256_HEX_SIZE],
                      uint64_t *size, bn_error *err);

/* write(2) until all is written; false with errno set. */
bool write_fully(int to, const void *bytes, size_t n);

#endif
