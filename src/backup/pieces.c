#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup_parts.h"
#include "base/memory.h"

enum { WINDOW_BYTES = 2 * CHUNK_MAX_BYTES };

typedef bn_status (*piece_visitor)(void *context, const void *bytes, size_t n, bn_error *err);

bn_status pieces_of_bytes(const struct vault *vault, const void *bytes, size_t size, piece_visitor visit, void *context,
                          bn_error *err) {
    const uint8_t *at = bytes;
    bn_status status = BN_OK;
    for (size_t left = size; left && !status;) {
        size_t n = chunker_cut(&vault->chunker, at, left);
        status = visit(context, at, n, err);
        at += n;
        left -= n;
    }
    return status;
}

/* Fills the window up; *n is what it holds. */
static bn_status fill(int fd, uint8_t *window, size_t *n, bool *ended, const char *path, bn_error *err) {
    while (*n < WINDOW_BYTES && !*ended) {
        ssize_t got = read(fd, window + *n, WINDOW_BYTES - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(err, BN_STATUS_IO, "%s: can't read: %s", path, strerror(errno));
        *ended = got == 0;
        *n += (size_t)got;
    }
    return BN_OK;
}

bn_status pieces_of_file(const struct vault *vault, const char *path, piece_visitor visit, void *context,
                         bn_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return fail(err, BN_STATUS_NOT_FOUND, "%s: can't open: %s", path, strerror(errno));
    struct stat info;
    uint8_t *window = mem_alloc(WINDOW_BYTES);
    size_t n = 0;
    bool ended = false;
    bn_status status = !window ? fail_no_memory(err, WINDOW_BYTES)
                       : fstat(fd, &info) || !S_ISREG(info.st_mode)
                           ? fail(err, BN_STATUS_BAD_FILE, "%s: not a regular file", path)
                           : BN_OK;
    while (!status && !(status = fill(fd, window, &n, &ended, path, err)) && n) {
        size_t used = 0;
        while (!status && used < n && (ended || n - used >= CHUNK_MAX_BYTES)) {
            size_t cut = chunker_cut(&vault->chunker, window + used, n - used);
            status = visit(context, window + used, cut, err);
            used += cut;
        }
        memmove(window, window + used, n - used);
        n -= used;
    }
    mem_free(window);
    close(fd);
    return status;
}
