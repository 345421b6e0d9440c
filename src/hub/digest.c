#include "hub/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

bn_status digest_start(struct digest *digest, bool git, uint64_t size_bytes, bn_error *err) {
    if (!digest->context) digest->context = EVP_MD_CTX_new();
    if (!digest->context || EVP_DigestInit_ex(digest->context, git ? EVP_sha1() : EVP_sha256(), NULL) != 1)
        return fail(err, BN_STATUS_NO_MEMORY, "out of memory for a hash");
    if (!git) return BN_OK;
    char header[32];
    int n = snprintf(header, sizeof header, "blob %" PRIu64, size_bytes);
    digest_update(digest, header, (size_t)n + 1);
    return BN_OK;
}

void digest_update(struct digest *digest, const void *bytes, size_t n) {
    EVP_DigestUpdate(digest->context, bytes, n);
}

void digest_finish(struct digest *digest, char text[DIGEST_TEXT_BYTES]) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(digest->context, bytes, &n);
    text[0] = 0;
    for (unsigned i = 0; i < n && i < DIGEST_TEXT_BYTES / 2; i++) snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

void digest_release(struct digest *digest) {
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

bn_status digest_update_file(struct digest *digest, int fd, uint64_t n, const char *path, bn_error *err) {
    enum { CHUNK_BYTES = 1 << 20 };
    char *chunk = mem_alloc(CHUNK_BYTES);
    if (!chunk) return fail_no_memory(err, CHUNK_BYTES);
    bn_status status = BN_OK;
    for (uint64_t done = 0; !status && done < n;) {
        size_t wanted = n - done < CHUNK_BYTES ? (size_t)(n - done) : CHUNK_BYTES;
        ssize_t got = pread(fd, chunk, wanted, (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            status = fail(err, BN_STATUS_IO, "%s: can't read: %s", path, got ? strerror(errno) : "it became shorter");
        else
            digest_update(digest, chunk, (size_t)got);
        done += got > 0 ? (uint64_t)got : 0;
    }
    mem_free(chunk);
    return status;
}
