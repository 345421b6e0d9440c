/* Removing versions: the row goes in a transaction, then the folder, then blobs that nothing else links to. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/registry_parts.h"

/* ---- folders and blobs ---- */

/* Removes the blob of a content when no version has it. Without a blob (no hard links here) the copy that went with its folder
 * counts. */
static void drop_blob(struct registry *registry, const struct version_file *file) {
    char *blob = store_path(registry, "blobs/%.2s/%s", file->sha256, file->sha256);
    struct stat info;
    bool gone = !blob || stat(blob, &info) || (info.st_nlink == 1 && unlink(blob) == 0);
    if (gone) registry->freed_bytes += file->size;
    mem_free(blob);
}

bn_status version_folder_remove(struct registry *registry, const char *id, bn_error *err) {
    char *folder = store_path(registry, "versions/%.64s", id),
         *path = folder ? path_join(folder, "manifest.json") : NULL;
    char *location = folder ? path_join(folder, "location") : NULL, *text = NULL;
    size_t size = 0;
    struct manifest manifest;
    manifest_init(&manifest);
    bn_status status = folder && path && location ? BN_OK : fail_no_memory(err, SHA256_HEX_SIZE);
    /* a folder that never was complete has no manifest: gc finds its blobs */
    bool known = !status && !file_exists(location) && !file_read_all(path, MANIFEST_MAX_BYTES, &text, &size, NULL) &&
                 !manifest_parse(text, size, path, &manifest, NULL);
    if (!status) status = folder_remove(folder, err);
    for (size_t i = 0; !status && known && i < manifest.n_files; i++) drop_blob(registry, &manifest.files[i]);
    manifest_release(&manifest);
    mem_free(text);
    mem_free(folder);
    mem_free(path);
    mem_free(location);
    return status;
}

/* ---- rows ---- */

static bn_status drop_empty_model(struct registry *registry, int64_t model, bn_error *err) {
    int64_t one;
    bool found;
    bn_status status = database_integer(&registry->db, &one, &found, err,
                                        "SELECT 1 FROM versions WHERE model = ? LIMIT 1", "i", model);
    if (status || found) return status;
    status = database_run(&registry->db, err, "DELETE FROM switches WHERE model = ?", "i", model);
    return status ? status : database_run(&registry->db, err, "DELETE FROM models WHERE id = ?", "i", model);
}

static bn_status drop_rows(struct registry *registry, const struct model_version *version, bn_error *err) {
    int64_t model, number = (int64_t)version->number;
    bn_status status = find_model(registry, version->name, version->variant, &model, err);
    if (!status) status = note_name(registry, version->name, version->variant, err);
    if (!status) status = note_folder(registry, version->id, err);
    if (!status)
        status =
            database_run(&registry->db, err, "DELETE FROM tags WHERE model = ? AND number = ?", "ii", model, number);
    if (!status)
        status = database_run(&registry->db, err, "DELETE FROM switches WHERE model = ? AND number = ?", "ii", model,
                              number);
    if (!status) status = database_run(&registry->db, err, "DELETE FROM versions WHERE id = ?", "t", version->id);
    return status ? status : drop_empty_model(registry, model, err);
}

bn_status removal_add(struct registry *registry, struct removal *removal, const struct model_version *version,
                      bool *busy, bn_error *err) {
    int *leases = mem_realloc_array(removal->leases, removal->n + 1, sizeof *leases);
    if (!leases) return fail_no_memory(err, (removal->n + 1) * sizeof *leases);
    removal->leases = leases;
    lease_take(registry, version->id, LEASE_EXCLUSIVE, &leases[removal->n]);
    char *folder = store_path(registry, "versions/%s", version->id);
    *busy = leases[removal->n] < 0 && folder && file_is_directory(folder);
    mem_free(folder);
    if (*busy) return BN_OK;
    removal->n++;
    return drop_rows(registry, version, err);
}

void removal_release(struct removal *removal) {
    for (size_t i = 0; i < removal->n; i++)
        if (removal->leases[i] >= 0) close(removal->leases[i]);
    mem_free(removal->leases);
    *removal = (struct removal){0};
}

/* ---- by a person ---- */

/* Whether a version may go; n_others: how many of its model stay. */
static bn_status check_removable(const struct model_version *version, size_t n_others, bn_error *err) {
    if (version->pinned)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s@%zu is pinned ('bitnet model unpin %s@%zu')", version->name,
                    version->number, version->name, version->number);
    if (version->in_use && n_others)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "%s@%zu is the version in use: use another first, or remove '%s' with all its versions",
                    version->name, version->number, version->name);
    return BN_OK;
}

static bn_status remove_version(struct registry *registry, struct removal *removal, const struct model_version *version,
                                size_t n_others, bn_error *err) {
    bool busy = false;
    bn_status status = check_removable(version, n_others, err);
    if (!status) status = removal_add(registry, removal, version, &busy, err);
    if (!status && busy)
        status = fail(err, BN_STATUS_BUSY, "%s@%zu is open in a running process", version->name, version->number);
    return status;
}

static bn_status remove_meant(struct registry *registry, struct removal *removal,
                              const struct model_reference *reference, bn_error *err) {
    struct model_version meant;
    struct version_list list = {0};
    bool whole = !reference->version && !*reference->tag;
    bn_status status = registry_find(registry, reference, &meant, err);
    if (!status) status = registry_list(registry, meant.name, meant.variant, &list, err);
    for (size_t i = 0; !status && i < list.n; i++)
        if (whole || list.items[i].number == meant.number)
            status = remove_version(registry, removal, &list.items[i], whole ? 0 : list.n - 1, err);
    version_list_release(&list);
    model_version_release(&meant);
    return status;
}

bn_status registry_remove(struct registry *registry, const struct model_reference *reference, size_t *n_versions,
                          uint64_t *freed_bytes, bn_error *err) {
    struct removal removal = {0};
    bn_status status = change_begin(registry, err);
    if (status) return status;
    status = change_finish(registry, remove_meant(registry, &removal, reference, err), err);
    *n_versions = removal.n;
    *freed_bytes = registry->freed_bytes;
    removal_release(&removal);
    return status;
}
