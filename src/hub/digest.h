/* The two hashes by which a hub names contents: sha256 of large files, git's blob id (sha1 over "blob SIZE\0" and the
 * content) of small ones. */
#ifndef HUB_DIGEST_H
#define HUB_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { DIGEST_TEXT_BYTES = 65 };

struct digest {
    void *context; /* EVP_MD_CTX */
};

/* For a content of size_bytes (which a git id needs to know); `git`: git's blob id, else sha256. Starting again drops what
 * was there. Release with digest_release. */
bn_status digest_start(struct digest *digest, bool git, uint64_t size_bytes, bn_error *err);
void digest_update(struct digest *digest, const void *bytes, size_t n);
/* Lower-case hexadecimal; the digest has to be started again before further use. */
void digest_finish(struct digest *digest, char text[DIGEST_TEXT_BYTES]);
void digest_release(struct digest *digest);

/* The first n bytes of a file into the digest; BN_STATUS_IO if it is shorter. */
bn_status digest_update_file(struct digest *digest, int fd, uint64_t n, const char *path, bn_error *err);

#endif
