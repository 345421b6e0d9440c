#include "registry/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/memory.h"

enum { PIECE_BYTES = 1 << 20 };

struct sha256 {
    EVP_MD_CTX *state;
};

struct sha256 *sha256_begin(void) {
    struct sha256 *hash = mem_alloc(sizeof *hash);
    if (!hash) return NULL;
    hash->state = EVP_MD_CTX_new();
    if (hash->state && EVP_DigestInit_ex(hash->state, EVP_sha256(), NULL)) return hash;
    EVP_MD_CTX_free(hash->state);
    mem_free(hash);
    return NULL;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t n) {
    EVP_DigestUpdate(hash->state, bytes, n);
}

void sha256_end(struct sha256 *hash, char hex[SHA256_HEX_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[32] = {0};
    EVP_DigestFinal_ex(hash->state, sum, NULL);
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[2 * sizeof sum] = 0;
    EVP_MD_CTX_free(hash->state);
    mem_free(hash);
}

bn_status sha256_of(const void *bytes, size_t n, char hex[SHA256_HEX_SIZE], bn_error *err) {
    struct sha256 *hash = sha256_begin();
    if (!hash) return fail_no_memory(err, sizeof *hash);
    sha256_add(hash, bytes, n);
    sha256_end(hash, hex);
    return BN_OK;
}

bool write_fully(int to, const void *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t written = write(to, (const char *)bytes + done, n - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        done += (size_t)written;
    }
    return true;
}

static bn_status pass_bytes(int from, int to, const char *path, const struct byte_progress *progress,
                            struct sha256 *hash, char *piece, uint64_t *size, bn_error *err) {
    for (;;) {
        ssize_t n = read(from, piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(err, BN_STATUS_IO, "%s: can't read: %s", path, strerror(errno));
        if (n == 0) return BN_OK;
        sha256_add(hash, piece, (size_t)n);
        if (to >= 0 && !write_fully(to, piece, (size_t)n))
            return fail(err, BN_STATUS_IO, "%s: can't be copied: %s", path, strerror(errno));
        *size += (uint64_t)n;
        if (progress && !progress->advance(progress->context, (uint64_t)n))
            return fail(err, BN_STATUS_CANCELLED, "%s: interrupted", path);
    }
}

bn_status sha256_file(const char *path, int to, const struct byte_progress *progress, char hex[SHA256_HEX_SIZE],
                      uint64_t *size, bn_error *err) {
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (from < 0)
        return fail(err, errno == ENOENT ? BN_STATUS_NOT_FOUND : BN_STATUS_IO, "%s: can't open: %s", path,
                    strerror(errno));
    struct stat info;
    struct sha256 *hash = sha256_begin();
    char *piece = mem_alloc(PIECE_BYTES);
    *size = 0;
    bn_status status = !hash || !piece ? fail_no_memory(err, PIECE_BYTES)
                       : fstat(from, &info) || !S_ISREG(info.st_mode)
                           ? fail(err, BN_STATUS_BAD_FILE, "%s: not a regular file", path)
                           : pass_bytes(from, to, path, progress, hash, piece, size, err);
    if (hash) sha256_end(hash, hex);
    mem_free(piece);
    close(from);
    return status;
}
