#include "registry/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/registry_parts.h"

enum { NAME_FILE_MAX_BYTES = 64 << 20 };

/* ---- out ---- */

static bn_status hold_versions(struct registry *registry, struct registry_hold *hold, bn_error *err) {
    bn_status status = registry_list(registry, NULL, NULL, &hold->versions, err);
    if (status) return status;
    hold->leases = mem_alloc_array(hold->versions.n, sizeof *hold->leases);
    if (!hold->leases) return fail_no_memory(err, hold->versions.n);
    for (size_t i = 0; i < hold->versions.n; i++) hold->leases[i] = -1;
    for (size_t i = 0; i < hold->versions.n; i++) {
        lease_take(registry, hold->versions.items[i].id, LEASE_SHARED, &hold->leases[i]);
        if (hold->leases[i] < 0)
            return fail(err, BN_STATUS_BUSY, "%s@%zu can't be held: it is being removed, or too many files are open",
                        hold->versions.items[i].name, hold->versions.items[i].number);
    }
    return BN_OK;
}

static bn_status hold_name(struct registry_hold *hold, const char *folder, const char *file, bn_error *err) {
    size_t n = strlen(file);
    if (n < 5 || strcmp(file + n - 5, ".json") != 0) return BN_OK;
    struct held_name *names = mem_realloc_array(hold->names, hold->n_names + 1, sizeof *names);
    if (!names) return fail_no_memory(err, hold->n_names);
    hold->names = names;
    struct held_name *name = &names[hold->n_names];
    *name = (struct held_name){.file = mem_strdup(file)};
    hold->n_names++;
    char *path = path_join(folder, file);
    bn_status status = path && name->file ? file_read_all(path, NAME_FILE_MAX_BYTES, &name->text, &name->size, err)
                                          : fail_no_memory(err, n);
    mem_free(path);
    return status;
}

static bn_status hold_names(struct registry *registry, struct registry_hold *hold, bn_error *err) {
    char *folder = store_path(registry, "names");
    DIR *stream = folder ? opendir(folder) : NULL;
    bn_status status = BN_OK;
    if (!stream) status = fail(err, BN_STATUS_IO, "%s: can't be read: %s", registry->store, strerror(errno));
    for (struct dirent *entry; !status && (entry = readdir(stream));)
        if (entry->d_name[0] != '.') status = hold_name(hold, folder, entry->d_name, err);
    if (stream) closedir(stream);
    mem_free(folder);
    return status;
}

bn_status registry_hold(struct registry *registry, struct registry_hold *out, bn_error *err) {
    *out = (struct registry_hold){0};
    bn_status status = change_begin(registry, err); /* so that the names' files say what the database does */
    if (status) return status;
    status = hold_versions(registry, out, err);
    if (!status) status = hold_names(registry, out, err);
    return change_finish(registry, status, err);
}

void registry_hold_release(struct registry_hold *hold) {
    for (size_t i = 0; hold->leases && i < hold->versions.n; i++)
        if (hold->leases[i] >= 0) close(hold->leases[i]);
    for (size_t i = 0; i < hold->n_names; i++) {
        mem_free(hold->names[i].file);
        mem_free(hold->names[i].text);
    }
    mem_free(hold->leases);
    mem_free(hold->names);
    version_list_release(&hold->versions);
    *hold = (struct registry_hold){0};
}

bn_status registry_manifest_text(struct registry *registry, const char *id, char **text, size_t *size, bn_error *err) {
    char *path = store_path(registry, "versions/%.64s/manifest.json", id);
    bn_status status =
        path ? file_read_all(path, MANIFEST_MAX_BYTES, text, size, err) : fail_no_memory(err, SHA256_HEX_SIZE);
    mem_free(path);
    return status;
}

/* ---- in ---- */

bool registry_has_version(struct registry *registry, const char *id) {
    char *path = store_path(registry, "versions/%.64s", id);
    bool there = path && file_is_directory(path);
    mem_free(path);
    return there;
}

char *registry_name_path(const struct registry *registry, const char *file) {
    return store_path(registry, "names/%s", file);
}

static bn_status check_file(const struct staging *staging, const struct version_file *file, bn_error *err) {
    char *path = path_join(staging->folder, file->path), hex[SHA256_HEX_SIZE];
    uint64_t size;
    bn_status status = path ? sha256_file(path, -1, NULL, hex, &size, err) : fail_no_memory(err, strlen(file->path));
    if (!status && (size != file->size || strcmp(hex, file->sha256) != 0))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not what the manifest says", path);
    mem_free(path);
    return status;
}

static bn_status check_staged(const struct staging *staging, const char *id, struct manifest *manifest, bn_error *err) {
    char *path = path_join(staging->root, "manifest.json"), *text = NULL, hex[SHA256_HEX_SIZE];
    size_t size;
    bn_status status = path ? file_read_all(path, MANIFEST_MAX_BYTES, &text, &size, err) : fail_no_memory(err, 1);
    if (!status) status = sha256_of(text, size, hex, err);
    if (!status && strcmp(hex, id) != 0)
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not the manifest of version %s", path, id);
    if (!status) status = manifest_parse(text, size, path, manifest, err);
    for (size_t i = 0; !status && i < manifest->n_files; i++) status = check_file(staging, &manifest->files[i], err);
    mem_free(text);
    mem_free(path);
    return status;
}

bn_status registry_adopt(struct registry *registry, struct staging *staging, const char *id, bn_error *err) {
    struct manifest manifest;
    manifest_init(&manifest);
    bn_status status = check_staged(staging, id, &manifest, err);
    if (!status) status = staging_harden(staging, err);
    if (!status) status = registry_lock(registry, err);
    if (!status) {
        if (!registry_has_version(registry, id)) status = staging_place(registry, staging, &manifest, id, err);
        registry_unlock(registry);
    }
    manifest_release(&manifest);
    return status;
}
