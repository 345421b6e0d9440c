#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/store.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"

struct folder_store {
    char *path;
};

static char *object_path(const struct folder_store *store, const char *name) {
    return path_join(store->path, name);
}

static bn_status put(void *context, const char *name, const void *bytes, size_t n, bn_error *err) {
    char *path = object_path(context, name);
    if (!path) return fail_no_memory(err, strlen(name));
    folders_make(path);
    bn_status status = file_write_all(path, bytes, n, err);
    mem_free(path);
    return status;
}

/* A second name for a file is given only where there is none; file systems without such names (those of sticks) get to know
 * it by looking first. */
static bool name_first(const char *temporary, const char *path) {
    if (link(temporary, path) == 0 || errno == EEXIST) return true;
    if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP) return false;
    return file_exists(path) || rename(temporary, path) == 0;
}

static bn_status put_first(void *context, const char *name, const void *bytes, size_t n, bn_error *err) {
    struct folder_store *store = context;
    char unique[300];
    snprintf(unique, sizeof unique, "%.250s.%08x%08x.tmp", name, (unsigned)clock_now_ns(), (unsigned)getpid());
    char *path = object_path(store, name), *temporary = object_path(store, unique);
    bn_status status = path && temporary ? BN_OK : fail_no_memory(err, strlen(name));
    if (!status) folders_make(path);
    if (!status) status = file_write_all(temporary, bytes, n, err);
    if (!status && !name_first(temporary, path))
        status = fail(err, BN_STATUS_IO, "%s: can't be written: %s", path, strerror(errno));
    if (temporary) unlink(temporary);
    if (!status) status = folder_sync(store->path, err);
    mem_free(path);
    mem_free(temporary);
    return status;
}

static bn_status get(void *context, const char *name, size_t max_bytes, struct buffer *out, bn_error *err) {
    char *path = object_path(context, name), *bytes;
    size_t size;
    if (!path) return fail_no_memory(err, strlen(name));
    bn_status status = file_read_all(path, max_bytes, &bytes, &size, err);
    mem_free(path);
    if (status) return status;
    buffer_append(out, bytes, size);
    mem_free(bytes);
    return out->failed ? fail_no_memory(err, size) : BN_OK;
}

struct listing {
    const struct folder_store *store;
    const char *folder;
    store_visitor visit;
    void *visitor;
};

static bn_status visit_object(void *context, const char *relative, bn_error *err) {
    const struct listing *listing = context;
    size_t n = strlen(relative);
    if (n > 4 && strcmp(relative + n - 4, ".tmp") == 0) return BN_OK; /* what a killed process left */
    char *name = path_join(listing->folder, relative), *path = name ? object_path(listing->store, name) : NULL;
    struct stat info;
    bn_status status = BN_OK;
    if (!path)
        status = fail_no_memory(err, n);
    else if (stat(path, &info) == 0) /* else another process has just removed it */
        status = listing->visit(listing->visitor, name, (uint64_t)info.st_size, err);
    mem_free(name);
    mem_free(path);
    return status;
}

static bn_status list(void *context, const char *folder, store_visitor visit, void *visitor, bn_error *err) {
    struct listing listing = {context, folder, visit, visitor};
    char *path = object_path(context, folder);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_is_directory(path) ? folder_visit(path, SIZE_MAX, visit_object, &listing, err) : BN_OK;
    mem_free(path);
    return status;
}

static bn_status remove_object(void *context, const char *name, bn_error *err) {
    char *path = object_path(context, name);
    if (!path) return fail_no_memory(err, strlen(name));
    bn_status status = unlink(path) == 0 || errno == ENOENT
                           ? BN_OK
                           : fail(err, BN_STATUS_IO, "%s: can't be removed: %s", path, strerror(errno));
    mem_free(path);
    return status;
}

static void close_store(void *context) {
    struct folder_store *store = context;
    mem_free(store->path);
    mem_free(store);
}

bn_status folder_store_open(const char *path, bool create, struct backup_store *out, bn_error *err) {
    bn_status status = BN_OK;
    if (create)
        status = folder_make_all(path, err);
    else if (!file_is_directory(path))
        status = fail(err, BN_STATUS_NOT_FOUND, "%s: there is no such folder", path);
    if (status) return status;
    struct folder_store *store = mem_calloc(1, sizeof *store);
    if (!store || !(store->path = mem_strdup(path))) {
        mem_free(store);
        return fail_no_memory(err, strlen(path));
    }
    *out = (struct backup_store){store, put, put_first, get, list, remove_object, close_store};
    return BN_OK;
}
