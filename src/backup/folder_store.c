#include <string.h>

#include "backup/store.h"
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
    const char *folder;
    bn_status (*visit)(void *visitor, const char *name, bn_error *err);
    void *visitor;
};

static bn_status visit_object(void *context, const char *relative, bn_error *err) {
    const struct listing *listing = context;
    size_t n = strlen(relative);
    if (n > 4 && strcmp(relative + n - 4, ".tmp") == 0) return BN_OK; /* what a killed process left */
    char *name = path_join(listing->folder, relative);
    bn_status status = name ? listing->visit(listing->visitor, name, err) : fail_no_memory(err, n);
    mem_free(name);
    return status;
}

static bn_status list(void *context, const char *folder,
                      bn_status (*visit)(void *visitor, const char *name, bn_error *err), void *visitor,
                      bn_error *err) {
    struct listing listing = {folder, visit, visitor};
    char *path = object_path(context, folder);
    if (!path) return fail_no_memory(err, strlen(folder));
    bn_status status = file_is_directory(path) ? folder_visit(path, SIZE_MAX, visit_object, &listing, err) : BN_OK;
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
    *out = (struct backup_store){store, put, get, list, close_store};
    return BN_OK;
}
