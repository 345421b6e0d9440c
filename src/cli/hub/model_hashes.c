#include "cli/hub/model_hashes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "registry/registry.h"

enum { GIT_ID_DIGITS = 40, SHA256_DIGITS = 64, MAX_DEPTH = 8 };

static void note_wrong(struct hash_findings *out, const char *file, const char *what) {
    if (!*out->wrong) snprintf(out->wrong, sizeof out->wrong, "%s %s", file, what);
}

/* ---- the registry ---- */

static bn_status check_version(const struct model_version *version, const struct byte_progress *progress,
                               struct hash_findings *out, bn_error *err) {
    snprintf(out->source, sizeof out->source, "the manifest of version %zu", version->number);
    bn_status status = BN_OK;
    for (size_t i = 0; i < version->manifest.n_files && !status; i++) {
        const struct version_file *file = &version->manifest.files[i];
        char *path = path_join(version->folder, file->path), hex[SHA256_HEX_SIZE];
        uint64_t size = 0;
        if (!path) return fail_no_memory(err, strlen(file->path));
        if (!file_exists(path)) {
            note_wrong(out, file->path, "is missing");
        } else if (!(status = sha256_file(path, -1, progress, hex, &size, err))) {
            if (strcmp(hex, file->sha256) != 0) note_wrong(out, file->path, "has other content");
            out->n_bytes += size;
        }
        out->n_files++;
        mem_free(path);
    }
    return status;
}

/* *found: path is a version of the registry, and was checked. */
static bn_status check_registry(const char *name, const char *path, const struct byte_progress *progress,
                                struct hash_findings *out, bool *found, bn_error *err) {
    struct model_reference reference;
    struct registry *registry = NULL;
    struct model_version version = {0};
    *found = false;
    if (model_reference_parse(name, &reference, NULL)) return BN_OK;
    bn_status status = registry_open_existing(NULL, &registry, err);
    if (status || !registry) return status;
    if (registry_find(registry, &reference, &version, NULL) == BN_OK && strcmp(version.path, path) == 0) {
        *found = true;
        status = check_version(&version, progress, out, err);
    }
    model_version_release(&version);
    registry_close(registry);
    return status;
}

/* ---- a hub's cache ---- */

/* The digest that a link's blob is named by, or NULL. */
static const char *blob_name(const char *link, char target[PATH_MAX]) {
    ssize_t n = readlink(link, target, PATH_MAX - 1);
    if (n <= 0) return NULL;
    target[n] = 0;
    char *slash = strrchr(target, '/');
    if (!slash || slash - target < 5 || strncmp(slash - 5, "blobs", 5) != 0) return NULL;
    size_t digits = strspn(slash + 1, "0123456789abcdef");
    bool whole = slash[1 + digits] == 0 && (digits == GIT_ID_DIGITS || digits == SHA256_DIGITS);
    return whole ? slash + 1 : NULL;
}

static bn_status check_blob(const char *path, const char *expected, const struct byte_progress *progress,
                            struct hash_findings *out, bn_error *err) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    struct digest digest = {0};
    struct stat info;
    char hex[SHA256_HEX_SIZE];
    snprintf(out->source, sizeof out->source, "the names of the downloads");
    out->n_files++;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        note_wrong(out, file, "is missing");
        if (fd >= 0) close(fd);
        return BN_OK;
    }
    uint64_t size = (uint64_t)info.st_size;
    bn_status status = digest_start(&digest, strlen(expected) == GIT_ID_DIGITS, size, err);
    if (!status) status = digest_update_file(&digest, fd, size, path, err);
    if (!status) {
        digest_finish(&digest, hex);
        if (strcmp(hex, expected) != 0) note_wrong(out, file, "has other content");
        out->n_bytes += size;
        if (progress && !progress->advance(progress->context, size))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    digest_release(&digest);
    close(fd);
    return status;
}

static bn_status check_links(const char *path, int depth, const struct byte_progress *progress,
                             struct hash_findings *out, bn_error *err) {
    char target[PATH_MAX];
    const char *digest = blob_name(path, target);
    if (digest) return check_blob(path, digest, progress, out, err);
    DIR *entries = depth ? opendir(path) : NULL;
    bn_status status = BN_OK;
    for (struct dirent *entry; entries && !status && (entry = readdir(entries));) {
        if (entry->d_name[0] == '.') continue;
        char *inside = path_join(path, entry->d_name);
        status = inside ? check_links(inside, depth - 1, progress, out, err) : fail_no_memory(err, strlen(path));
        mem_free(inside);
    }
    if (entries) closedir(entries);
    return status;
}

bn_status model_hashes_check(const char *name, const char *path, const struct byte_progress *progress,
                             struct hash_findings *out, bn_error *err) {
    bool found;
    *out = (struct hash_findings){0};
    bn_status status = check_registry(name, path, progress, out, &found, err);
    return status || found ? status : check_links(path, MAX_DEPTH, progress, out, err);
}
