#include "net/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { PIECE_BYTES = 1 << 20 };

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

void hex_text(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

void digest_finish(struct digest *digest, char hex[SHA256_HEX_SIZE]) {
    unsigned char bytes[EVP_MAX_MD_SIZE] = {0};
    unsigned n = 0;
    EVP_DigestFinal_ex(digest->context, bytes, &n);
    hex_text(bytes, n < SHA256_BYTES ? n : SHA256_BYTES, hex);
}

void digest_release(struct digest *digest) {
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

bn_status digest_update_file(struct digest *digest, int fd, uint64_t n, const char *path, bn_error *err) {
    char *piece = mem_alloc(PIECE_BYTES);
    if (!piece) return fail_no_memory(err, PIECE_BYTES);
    bn_status status = BN_OK;
    for (uint64_t done = 0; !status && done < n;) {
        size_t wanted = n - done < PIECE_BYTES ? (size_t)(n - done) : PIECE_BYTES;
        ssize_t got = pread(fd, piece, wanted, (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            status = fail(err, BN_STATUS_IO, "%s: can't read: %s", path, got ? strerror(errno) : "it became shorter");
        else
            digest_update(digest, piece, (size_t)got);
        done += got > 0 ? (uint64_t)got : 0;
    }
    mem_free(piece);
    return status;
}

bn_status sha256_of(const void *bytes, size_t n, char hex[SHA256_HEX_SIZE], bn_error *err) {
    struct digest digest = {0};
    bn_status status = digest_start(&digest, false, 0, err);
    if (!status) {
        digest_update(&digest, bytes, n);
        digest_finish(&digest, hex);
    }
    digest_release(&digest);
    return status;
}

bn_status hmac_sha256(const void *key, size_t key_bytes, const void *bytes, size_t n, uint8_t out[SHA256_BYTES],
                      bn_error *err) {
    return HMAC(EVP_sha256(), key, (int)key_bytes, bytes, n, out, NULL)
               ? BN_OK
               : fail(err, BN_STATUS_NO_MEMORY, "out of memory for a hash");
}

/* ---- files ---- */

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
                            struct digest *digest, char *piece, uint64_t *size, bn_error *err) {
    for (;;) {
        ssize_t n = read(from, piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(err, BN_STATUS_IO, "%s: can't read: %s", path, strerror(errno));
        if (n == 0) return BN_OK;
        digest_update(digest, piece, (size_t)n);
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
    struct digest digest = {0};
    char *piece = mem_alloc(PIECE_BYTES);
    *size = 0;
    bn_status status = piece ? digest_start(&digest, false, 0, err) : fail_no_memory(err, PIECE_BYTES);
    if (!status && (fstat(from, &info) || !S_ISREG(info.st_mode)))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not a regular file", path);
    if (!status) status = pass_bytes(from, to, path, progress, &digest, piece, size, err);
    if (!status) digest_finish(&digest, hex);
    digest_release(&digest);
    mem_free(piece);
    close(from);
    return status;
}
