/* Making versions: everything slow (copying, hashing, fsync) happens in staging without the lock; under the lock files are
 * linked and one folder is renamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "formats/detect.h"
#include "formats/gguf.h"
#include "registry/registry_parts.h"

/* ---- staging ---- */

bn_status staging_open(struct registry *registry, struct staging *out, bn_error *err) {
    *out = (struct staging){.root = store_path(registry, "staging/XXXXXX"), .lease = -1};
    if (!out->root) return fail_no_memory(err, strlen(registry->store));
    /* under the lock, so that whoever sweeps staging never sees a folder without its lease held */
    bn_status status = registry_lock(registry, err);
    if (status) {
        mem_free(out->root);
        out->root = NULL;
        return status;
    }
    bool made = mkdtemp(out->root) != NULL;
    char *lease = path_join(out->root, "lease");
    out->folder = path_join(out->root, "files");
    if (made && lease) out->lease = open(lease, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (!out->folder || !lease)
        status = fail_no_memory(err, strlen(out->root));
    else if (!made || out->lease < 0 || flock(out->lease, LOCK_EX | LOCK_NB) || chmod(out->root, 0755) ||
             mkdir(out->folder, 0777))
        status = fail(err, BN_STATUS_IO, "%s: can't make the folder: %s", out->root, strerror(errno));
    mem_free(lease);
    registry_unlock(registry);
    if (status) staging_discard(out);
    return status;
}

void staging_discard(struct staging *staging) {
    if (staging->root) folder_remove(staging->root, NULL); /* what is left, gc sweeps */
    if (staging->lease >= 0) close(staging->lease);
    mem_free(staging->root);
    mem_free(staging->folder);
    *staging = (struct staging){.lease = -1};
}

/* ---- describing files ---- */

struct gathering {
    struct manifest *manifest;
    const char *from, *to; /* to: where a copy goes, NULL: files are only hashed */
    const struct byte_progress *progress;
};

/* In a hub's cache large files are links to blobs that are named by their SHA-256 (checked when they came): their names
 * needn't be computed again. */
static bool hash_in_link(const char *path, char hex[SHA256_HEX_SIZE], uint64_t *size) {
    char target[1024];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = 0;
    const char *slash = strrchr(target, '/');
    struct stat info;
    if (!slash || slash - target < 5 || strncmp(slash - 5, "blobs", 5) != 0 || !sha256_valid(slash + 1)) return false;
    if (stat(path, &info)) return false;
    memcpy(hex, slash + 1, SHA256_HEX_SIZE);
    *size = (uint64_t)info.st_size;
    return true;
}

static bn_status copy_file(const struct gathering *gathering, const char *from, const char *relative,
                           char hex[SHA256_HEX_SIZE], uint64_t *size, bn_error *err) {
    char *to = path_join(gathering->to, relative);
    if (!to) return fail_no_memory(err, strlen(relative));
    folders_make(to);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bn_status status = fd < 0 ? fail(err, BN_STATUS_IO, "%s: can't write: %s", to, strerror(errno))
                              : sha256_file(from, fd, gathering->progress, hex, size, err);
    if (fd >= 0 && close(fd) && !status) status = fail(err, BN_STATUS_IO, "%s: can't write: %s", to, strerror(errno));
    mem_free(to);
    return status;
}

static bn_status gather_file(void *context, const char *relative, bn_error *err) {
    const struct gathering *gathering = context;
    char *path = path_join(gathering->from, relative), hex[SHA256_HEX_SIZE];
    uint64_t size;
    if (!path) return fail_no_memory(err, strlen(relative));
    bn_status status = BN_OK;
    if (!version_path_valid(relative))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not a file name that is accepted", path);
    else if (gathering->to)
        status = copy_file(gathering, path, relative, hex, &size, err);
    else if (!hash_in_link(path, hex, &size))
        status = sha256_file(path, -1, gathering->progress, hex, &size, err);
    if (!status) status = manifest_add_file(gathering->manifest, relative, hex, size, err);
    mem_free(path);
    return status;
}

/* The licence that a GGUF file names. */
static bn_status license_of(struct manifest *manifest, const char *folder, bn_error *err) {
    size_t n = strlen(manifest->entry);
    if (n < 5 || strcmp(manifest->entry + n - 5, ".gguf") != 0) return BN_OK;
    char *path = path_join(folder, manifest->entry);
    if (!path) return fail_no_memory(err, n);
    struct gguf gguf;
    bn_status status = gguf_open(path, &gguf, err);
    mem_free(path);
    if (status) return status;
    struct gguf_string text = {0};
    status = gguf_get_string(&gguf, "general.license", &text, err);
    if (!status && text.size) {
        manifest->license = arena_strndup(&manifest->arena, text.text, text.size);
        if (!manifest->license) status = fail_no_memory(err, text.size);
    }
    gguf_close(&gguf);
    return status;
}

static bn_status fill_facts(struct manifest *manifest, const struct version_facts *facts, const char *folder,
                            bn_error *err) {
    manifest->name = facts->name;
    manifest->variant = facts->variant ? facts->variant : DEFAULT_VARIANT;
    manifest->origin = facts->origin ? json_incref(facts->origin) : NULL;
    char now[32];
    utc_now(now);
    manifest->created = arena_strndup(&manifest->arena, now, strlen(now));
    if (!manifest->created) return fail_no_memory(err, sizeof now);
    bn_status status = manifest_complete(manifest, err);
    if (status || !facts->license) return status ? status : license_of(manifest, folder, err);
    manifest->license = facts->license;
    return BN_OK;
}

static bn_status check_facts(const struct version_facts *facts, bn_error *err) {
    if (!model_name_valid(facts->name) || (facts->variant && !model_word_valid(facts->variant)))
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "'%s%s%s' isn't a name for a model: one or two words (owner/name) of letters, digits and '._-'%s",
                    facts->name, facts->variant ? ":" : "", facts->variant ? facts->variant : "",
                    strcmp(facts->name, "demo") ? "" : "; demo is the one that ships");
    return BN_OK;
}

/* ---- blobs ---- */

/* Another link to `from` at `to`, in one step also when something is there. False: this file system can't. */
static bool link_over(const char *from, const char *to) {
    char draft[1400];
    if (snprintf(draft, sizeof draft, "%s.link", to) >= (int)sizeof draft) return false;
    unlink(draft);
    if (link(from, draft)) return false;
    if (rename(draft, to) == 0) {
        unlink(draft); /* rename does nothing where both are links to one file already */
        return true;
    }
    unlink(draft);
    return false;
}

/* Makes the file at `path` and the blob of its content one. Where no more links are possible the file stays a copy, which costs
 * space and nothing else. */
static bn_status share_blob(const struct registry *registry, const char *path, const struct version_file *file,
                            bn_error *err) {
    char *blob = store_path(registry, "blobs/%.2s/%s", file->sha256, file->sha256);
    if (!blob) return fail_no_memory(err, SHA256_HEX_SIZE);
    folders_make(blob);
    if (link(path, blob) && errno == EEXIST) link_over(blob, path);
    mem_free(blob);
    return BN_OK;
}

/* Before a blob takes the place of a file just written, it is read: damage on the disk must not spread. */
static bn_status check_blob(const struct registry *registry, const struct version_file *file, bn_error *err) {
    char *blob = store_path(registry, "blobs/%.2s/%s", file->sha256, file->sha256), hex[SHA256_HEX_SIZE];
    if (!blob) return fail_no_memory(err, SHA256_HEX_SIZE);
    uint64_t size;
    bn_status status = sha256_file(blob, -1, NULL, hex, &size, err);
    if (!status && strcmp(hex, file->sha256) != 0) unlink(blob); /* versions have links of their own */
    mem_free(blob);
    return status == BN_STATUS_NOT_FOUND ? BN_OK : status;
}

/* ---- committing ---- */

struct candidate {
    struct manifest manifest;
    const struct version_facts *facts;
    struct staging *staging;
    const char *location; /* of the files, when they aren't in staging */
};

/* All files read-only and on the disk, and their folders. */
static bn_status harden_file(void *context, const char *relative, bn_error *err) {
    char *path = path_join(context, relative);
    if (!path) return fail_no_memory(err, strlen(relative));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool done = fd >= 0 && fchmod(fd, 0444) == 0 && fsync(fd) == 0;
    bn_status status = done ? BN_OK : fail(err, BN_STATUS_IO, "%s: can't be stored: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    char *slash = strrchr(relative, '/') ? strrchr(path, '/') : NULL;
    if (!status && slash) {
        *slash = 0;
        status = folder_sync(path, err);
    }
    mem_free(path);
    return status;
}

bn_status staging_harden(struct staging *staging, bn_error *err) {
    bn_status status = folder_visit(staging->folder, VERSION_MAX_FILES, harden_file, staging->folder, err);
    return status ? status : folder_sync(staging->folder, err);
}

/* The version with the same content, if the model has one: it comes into use. */
static bn_status use_same(struct registry *registry, const struct manifest *manifest, int64_t *number, bool *found,
                          bn_error *err) {
    int64_t model;
    *found = false;
    bn_status status = find_model(registry, manifest->name, manifest->variant, &model, err);
    if (!status && model)
        status = database_integer(&registry->db, number, found, err,
                                  "SELECT number FROM versions WHERE model = ? AND content = ? ORDER BY number DESC",
                                  "it", model, manifest->content);
    return status || !*found ? status : set_current(registry, model, (size_t)*number, err);
}

static bn_status next_number(struct registry *registry, struct manifest *manifest, bn_error *err) {
    int64_t next = 1;
    bool found;
    bn_status status =
        database_integer(&registry->db, &next, &found, err, "SELECT next FROM models WHERE name = ? AND variant = ?",
                         "tt", manifest->name, manifest->variant);
    manifest->version = (size_t)next;
    return status;
}

bn_status staging_place(struct registry *registry, struct staging *staging, const struct manifest *manifest,
                        const char *id, bn_error *err) {
    char *target = store_path(registry, "versions/%s", id), *versions = store_path(registry, "versions");
    bn_status status = target && versions ? BN_OK : fail_no_memory(err, strlen(staging->root));
    for (size_t i = 0; !status && file_is_directory(staging->folder) && i < manifest->n_files; i++) {
        char *path = path_join(staging->folder, manifest->files[i].path);
        status = path ? share_blob(registry, path, &manifest->files[i], err) : fail_no_memory(err, 1);
        mem_free(path);
    }
    if (!status && rename(staging->root, target))
        status = fail(err, BN_STATUS_IO, "%s: can't be stored: %s", target, strerror(errno));
    if (!status) status = folder_sync(versions, err);
    mem_free(target);
    mem_free(versions);
    return status;
}

/* The staging folder becomes the version's. */
static bn_status place(struct registry *registry, struct candidate *candidate, const char *text, const char *id,
                       bn_error *err) {
    const struct staging *staging = candidate->staging;
    char *manifest = path_join(staging->root, "manifest.json"), *location = path_join(staging->root, "location");
    bn_status status = manifest && location ? BN_OK : fail_no_memory(err, strlen(staging->root));
    if (!status && candidate->location)
        status = file_write_all(location, candidate->location, strlen(candidate->location), err);
    if (!status) status = file_write_all(manifest, text, strlen(text), err);
    if (!status) status = staging_place(registry, candidate->staging, &candidate->manifest, id, err);
    mem_free(manifest);
    mem_free(location);
    return status;
}

/* Within a change. */
static bn_status commit_new(struct registry *registry, struct candidate *candidate, bn_error *err) {
    char *text, id[SHA256_HEX_SIZE];
    bn_status status = next_number(registry, &candidate->manifest, err);
    if (!status) status = manifest_text(&candidate->manifest, &text, id, err);
    if (status) return status;
    status = note_folder(registry, id, err);
    if (!status) status = change_checkpoint(registry, err);
    if (!status) status = place(registry, candidate, text, id, err);
    if (!status)
        status =
            insert_version(registry, &candidate->manifest, text, id, candidate->location, candidate->facts->note, err);
    mem_free(text);
    return status;
}

static bn_status commit(struct registry *registry, struct candidate *candidate, struct model_version *out, bool *added,
                        bn_error *err) {
    const struct manifest *manifest = &candidate->manifest;
    bn_status status = BN_OK;
    for (size_t i = 0; !status && !candidate->location && i < manifest->n_files; i++)
        status = check_blob(registry, &manifest->files[i], err);
    if (!status) status = change_begin(registry, err);
    if (status) return status;
    int64_t number = 0;
    bool same;
    status = use_same(registry, manifest, &number, &same, err);
    if (!status && !same) status = commit_new(registry, candidate, err);
    if (!status) {
        struct model_reference reference = {.version = same ? (size_t)number : manifest->version};
        snprintf(reference.name, sizeof reference.name, "%s", manifest->name);
        snprintf(reference.variant, sizeof reference.variant, "%s", manifest->variant);
        status = registry_find(registry, &reference, out, err);
    }
    *added = !same;
    status = change_finish(registry, status, err);
    if (status) model_version_release(out);
    return status;
}

bn_status staging_commit(struct registry *registry, struct staging *staging, const struct version_facts *facts,
                         const struct byte_progress *progress, struct model_version *out, bool *added, bn_error *err) {
    *out = (struct model_version){0};
    struct candidate candidate = {.facts = facts, .staging = staging};
    manifest_init(&candidate.manifest);
    struct gathering gathering = {&candidate.manifest, staging->folder, NULL, progress};
    bn_status status = check_facts(facts, err);
    if (!status) status = folder_visit(staging->folder, VERSION_MAX_FILES, gather_file, &gathering, err);
    if (!status) status = staging_harden(staging, err);
    if (!status) status = fill_facts(&candidate.manifest, facts, staging->folder, err);
    if (!status) status = commit(registry, &candidate, out, added, err);
    manifest_release(&candidate.manifest);
    return status;
}

/* ---- from elsewhere ---- */

struct sum {
    const char *folder;
    uint64_t bytes;
};

static bn_status count_bytes(void *context, const char *relative, bn_error *err) {
    struct sum *sum = context;
    char *path = path_join(sum->folder, relative);
    if (!path) return fail_no_memory(err, strlen(relative));
    sum->bytes += file_identify(path).size;
    mem_free(path);
    return BN_OK;
}

bn_status registry_check_space(const struct registry *registry, uint64_t bytes, bn_error *err) {
    struct statvfs disk;
    if (statvfs(registry->store, &disk)) return BN_OK; /* writing will tell */
    uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (bytes <= available) return BN_OK;
    return fail(err, BN_STATUS_IO, "%s: %llu MB are needed and %llu MB are free: make room ('bitnet model gc')",
                registry->store, (unsigned long long)(bytes / 1000000), (unsigned long long)(available / 1000000));
}

/* PATH is a folder, or one file. */
static bn_status gather(struct registry *registry, const char *path, struct gathering *gathering, bn_error *err) {
    if (file_is_directory(path)) {
        struct sum sum = {path, 0};
        gathering->from = path;
        bn_status status = folder_visit(path, VERSION_MAX_FILES, count_bytes, &sum, err);
        if (!status && gathering->to) status = registry_check_space(registry, sum.bytes, err);
        return status ? status : folder_visit(path, VERSION_MAX_FILES, gather_file, gathering, err);
    }
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    if (!folder) return fail_no_memory(err, strlen(path));
    gathering->from = folder;
    bn_status status = registry_check_space(registry, file_identify(path).size, err);
    if (!status) status = gather_file(gathering, slash ? slash + 1 : path, err);
    mem_free(folder);
    return status;
}

static bn_status add(struct registry *registry, const char *path, bool copy, const struct version_facts *facts,
                     const struct byte_progress *progress, struct model_version *out, bool *added, bn_error *err) {
    *out = (struct model_version){0};
    struct staging staging;
    bn_status status = check_facts(facts, err);
    if (!status) status = staging_open(registry, &staging, err);
    if (status) return status;
    struct candidate candidate = {.facts = facts, .staging = &staging, .location = copy ? NULL : path};
    manifest_init(&candidate.manifest);
    struct gathering gathering = {&candidate.manifest, NULL, copy ? staging.folder : NULL, progress};
    status = gather(registry, path, &gathering, err);
    if (!status && copy) status = staging_harden(&staging, err);
    if (!status) status = fill_facts(&candidate.manifest, facts, copy ? staging.folder : path, err);
    if (!status && !copy && rmdir(staging.folder))
        status = fail(err, BN_STATUS_IO, "%s: %s", staging.folder, strerror(errno));
    if (!status) status = commit(registry, &candidate, out, added, err);
    manifest_release(&candidate.manifest);
    staging_discard(&staging);
    return status;
}

bn_status registry_add_copy(struct registry *registry, const char *path, const struct version_facts *facts,
                            const struct byte_progress *progress, struct model_version *out, bool *added,
                            bn_error *err) {
    enum file_kind kind;
    bn_status status = file_kind_detect(path, &kind, err);
    return status ? status : add(registry, path, true, facts, progress, out, added, err);
}

bn_status registry_add_location(struct registry *registry, const char *folder, const struct version_facts *facts,
                                const struct byte_progress *progress, struct model_version *out, bool *added,
                                bn_error *err) {
    if (folder[0] != '/')
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: the path of a folder that stays must be absolute", folder);
    return add(registry, folder, false, facts, progress, out, added, err);
}

bn_status registry_add_snapshot(struct registry *registry, const struct hub_snapshot *snapshot, json_t *origin,
                                struct model_version *out, bn_error *err) {
    const char *slash = strrchr(snapshot->folder, '/');
    bool named = snapshot->variant && model_word_valid(snapshot->variant), added;
    *out = (struct model_version){0};
    const struct version_facts facts = {
        .name = snapshot->repository, .variant = named ? snapshot->variant : NULL, .origin = origin};
    json_object_set_new(origin, "revision", json_string(snapshot->revision));
    json_object_set_new(origin, "commit", json_string(slash ? slash + 1 : snapshot->folder));
    bn_status status = registry_add_location(registry, snapshot->folder, &facts, NULL, out, &added, err);
    if (status || !model_tag_valid(snapshot->revision)) return status;
    struct model_reference reference = {.version = out->number};
    struct model_version tagged = {0};
    snprintf(reference.name, sizeof reference.name, "%s", out->name);
    snprintf(reference.variant, sizeof reference.variant, "%s", out->variant);
    status = registry_tag(registry, &reference, snapshot->revision, false, &tagged, err);
    model_version_release(&tagged);
    return status;
}
