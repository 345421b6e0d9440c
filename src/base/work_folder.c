#include "base/work_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"

enum { SUFFIX_BYTES = sizeof ".01234567.part" - 1, ATTEMPTS = 100 };

/* The folder open and locked; -1 if another has the lock, or the folder isn't there any more. */
static int lock_folder(const char *path) {
    struct stat opened, named;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
        opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
        return fd;
    close(fd);
    return -1;
}

static bool is_work_folder(const char *entry, const char *name) {
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && strlen(entry) == n + SUFFIX_BYTES && entry[n] == '.' &&
           strspn(entry + n + 1, "0123456789abcdef") == 8 && strcmp(entry + n + 9, ".part") == 0;
}

static void remove_if_left(const char *path) {
    int lock = lock_folder(path);
    if (lock < 0) return;
    folder_remove(path, NULL); /* what stays, the next sweeps */
    close(lock);
}

/* Removes those that were left behind. */
static bn_status sweep(const char *target, bn_error *err) {
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    char *parent = slash == target ? mem_strdup("/")
                   : slash         ? mem_strndup(target, (size_t)(slash - target))
                                   : mem_strdup(".");
    DIR *entries = parent ? opendir(parent) : NULL;
    bn_status status = parent ? BN_OK : fail_no_memory(err, strlen(target));
    for (struct dirent *entry; !status && entries && (entry = readdir(entries));) {
        if (!is_work_folder(entry->d_name, name)) continue;
        char *path = path_join(parent, entry->d_name);
        if (path)
            remove_if_left(path);
        else
            status = fail_no_memory(err, strlen(parent));
        mem_free(path);
    }
    if (entries) closedir(entries);
    mem_free(parent);
    return status;
}

bn_status work_folder_create(const char *target, struct work_folder *out, bn_error *err) {
    size_t n = strlen(target);
    *out = (struct work_folder){mem_alloc(n + SUFFIX_BYTES + 1), -1};
    if (!out->path) return fail_no_memory(err, n);
    bn_status status = sweep(target, err);
    for (int attempt = 0; !status && out->lock < 0 && attempt < ATTEMPTS; attempt++) {
        unsigned unique = (unsigned)(clock_now_ns() * 2654435761u) ^ (unsigned)getpid();
        snprintf(out->path, n + SUFFIX_BYTES + 1, "%s.%08x.part", target, unique);
        if (mkdir(out->path, 0777) == 0)
            out->lock = lock_folder(out->path); /* not if another's sweep was faster */
        else if (errno != EEXIST)
            break;
    }
    if (out->lock >= 0) return BN_OK;
    if (!status) status = fail(err, BN_STATUS_IO, "%s: can't be written: %s", target, strerror(errno));
    mem_free(out->path);
    *out = (struct work_folder){NULL, -1};
    return status;
}

void work_folder_release(struct work_folder *folder) {
    if (!folder->path) return;
    folder_remove(folder->path, NULL);
    close(folder->lock);
    mem_free(folder->path);
    *folder = (struct work_folder){NULL, -1};
}
