/* Which files a push sends. */
#include <string.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "hub/push.h"

enum { MAX_FILES = 10000 };

struct visit {
    const char *folder;
    struct hub_push_list *list;
};

void hub_push_list_release(struct hub_push_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        mem_free((void *)(uintptr_t)list->files[i].path);
        mem_free((void *)(uintptr_t)list->files[i].name);
    }
    mem_free(list->files);
    *list = (struct hub_push_list){0};
}

static bn_status append_file(struct hub_push_list *list, char *path, const char *name, bn_error *err) {
    struct hub_push_file *grown = mem_realloc_array(list->files, list->n + 1, sizeof *grown);
    char *copy = mem_strdup(name);
    if (grown) list->files = grown;
    if (!grown || !path || !copy) {
        mem_free(path);
        mem_free(copy);
        return fail_no_memory(err, sizeof *grown);
    }
    grown[list->n++] = (struct hub_push_file){.path = path, .name = copy};
    return BN_OK;
}

static bn_status append_visited(void *context, const char *relative, bn_error *err) {
    const struct visit *visit = context;
    return append_file(visit->list, path_join(visit->folder, relative), relative, err);
}

bn_status hub_push_list(const char *path, struct hub_push_list *list, bn_error *err) {
    const char *slash = strrchr(path, '/');
    struct visit visit = {path, list};
    bn_status status = file_is_directory(path) ? folder_visit(path, MAX_FILES, append_visited, &visit, err)
                                               : append_file(list, mem_strdup(path), slash ? slash + 1 : path, err);
    if (!status && !list->n) status = fail(err, BN_STATUS_NOT_FOUND, "%s has no files", path);
    return status;
}
