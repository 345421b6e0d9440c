#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/bundle.h"
#include "registry/registry_parts.h"

enum { PIECE_BYTES = 1 << 20, READ_BYTES = 1 << 18, HEAD_MAX_BYTES = 64 << 10 };

struct bundle {
    struct archive *archive;
    const char *folder; /* where files go, NULL: nowhere */
    const struct byte_progress *progress;
    json_t *head;
    struct manifest manifest;
    bool *seen; /* by index of the manifest's files */
    void *piece;
};

static bn_status unreadable(struct bundle *bundle, bn_error *err) {
    const char *why = archive_error_string(bundle->archive);
    return fail(err, BN_STATUS_BAD_FILE, "not a whole bundle: %s", why ? why : "it ends early");
}

/* ---- members ---- */

/* The next member, which must be a plain file. *entry is NULL at the end. */
static bn_status next_member(struct bundle *bundle, struct archive_entry **entry, const char **name, bn_error *err) {
    int code = archive_read_next_header(bundle->archive, entry);
    if (code == ARCHIVE_EOF) {
        *entry = NULL;
        return BN_OK;
    }
    if (code != ARCHIVE_OK) return unreadable(bundle, err);
    *name = archive_entry_pathname_utf8(*entry);
    if (!*name) return fail(err, BN_STATUS_BAD_FILE, "a member without a name in UTF-8");
    if (archive_entry_filetype(*entry) != AE_IFREG || archive_entry_hardlink(*entry) || archive_entry_symlink(*entry))
        return fail(err, BN_STATUS_BAD_FILE, "member '%s' isn't a plain file: links, folders and devices are refused",
                    *name);
    if (!archive_entry_size_is_set(*entry) || archive_entry_size(*entry) < 0)
        return fail(err, BN_STATUS_BAD_FILE, "member '%s' has no size", *name);
    return BN_OK;
}

/* The next member, which must be `name`, as text. */
static bn_status read_text(struct bundle *bundle, const char *name, size_t max_bytes, char **text, size_t *size,
                           bn_error *err) {
    struct archive_entry *entry;
    const char *found;
    *text = NULL;
    *size = 0;
    bn_status status = next_member(bundle, &entry, &found, err);
    if (status) return status;
    if (!entry || strcmp(found, name) != 0)
        return fail(err, BN_STATUS_BAD_FILE, "not a bundle: '%s' is expected, not '%s'", name,
                    entry ? found : "the end");
    *size = (size_t)archive_entry_size(entry);
    if (*size > max_bytes)
        return fail(err, BN_STATUS_BAD_FILE, "%s: %zu bytes, at most %zu are accepted", name, *size, max_bytes);
    *text = mem_alloc(*size + 1);
    if (!*text) return fail_no_memory(err, *size + 1);
    for (size_t done = 0; done < *size;) {
        la_ssize_t n = archive_read_data(bundle->archive, *text + done, *size - done);
        if (n <= 0) return unreadable(bundle, err);
        done += (size_t)n;
    }
    (*text)[*size] = 0;
    return BN_OK;
}

static bn_status read_head(struct bundle *bundle, bn_error *err) {
    char *text;
    size_t size;
    const char *format = NULL;
    bn_status status = read_text(bundle, "bundle.json", HEAD_MAX_BYTES, &text, &size, err);
    if (!status) status = json_parse(text, size, "bundle.json", &bundle->head, err);
    if (!status) status = json_get_text(bundle->head, "format", &format, err);
    if (!status && (!format || strcmp(format, "bitnet-bundle/1") != 0))
        status = fail(err, BN_STATUS_UNSUPPORTED, "bundle.json: not of format bitnet-bundle/1");
    mem_free(text);
    return status;
}

static bn_status read_manifest(struct bundle *bundle, bn_error *err) {
    char *text, hex[SHA256_HEX_SIZE];
    size_t size;
    const char *id = NULL;
    bn_status status = read_text(bundle, "manifest.json", MANIFEST_MAX_BYTES, &text, &size, err);
    if (!status) status = json_get_text(bundle->head, "id", &id, err);
    if (!status) status = sha256_of(text, size, hex, err);
    if (!status && (!id || strcmp(id, hex) != 0))
        status = fail(err, BN_STATUS_BAD_FILE, "manifest.json isn't the one that bundle.json names");
    if (!status) {
        manifest_release(&bundle->manifest);
        status = manifest_parse(text, size, "manifest.json", &bundle->manifest, err);
    }
    mem_free(text);
    return status;
}

/* ---- files ---- */

static bn_status find_file(struct bundle *bundle, const char *name, size_t *index, bn_error *err) {
    const struct manifest *manifest = &bundle->manifest;
    const char *path = strncmp(name, "files/", 6) == 0 ? name + 6 : "";
    for (*index = 0; *index < manifest->n_files; ++*index)
        if (strcmp(manifest->files[*index].path, path) == 0) break;
    if (*index == manifest->n_files) return fail(err, BN_STATUS_BAD_FILE, "member '%s' isn't in the manifest", name);
    if (bundle->seen[*index]) return fail(err, BN_STATUS_BAD_FILE, "member '%s' is there twice", name);
    bundle->seen[*index] = true;
    return BN_OK;
}

static bn_status copy_bytes(struct bundle *bundle, const struct version_file *file, int fd, bn_error *err) {
    struct digest digest = {0};
    char hex[SHA256_HEX_SIZE];
    uint64_t size = 0;
    bn_status status = digest_start(&digest, false, 0, err);
    while (!status) {
        la_ssize_t n = archive_read_data(bundle->archive, bundle->piece, PIECE_BYTES);
        if (n < 0) status = unreadable(bundle, err);
        if (n <= 0) break;
        digest_update(&digest, bundle->piece, (size_t)n);
        size += (uint64_t)n;
        if (size > file->size)
            status = fail(err, BN_STATUS_BAD_FILE, "'%s' is longer than the manifest says", file->path);
        else if (fd >= 0 && !write_fully(fd, bundle->piece, (size_t)n))
            status = fail(err, BN_STATUS_IO, "'%s' can't be written: %s", file->path, strerror(errno));
        else if (bundle->progress && !bundle->progress->advance(bundle->progress->context, (uint64_t)n))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    if (!status) digest_finish(&digest, hex);
    digest_release(&digest);
    if (!status && (size != file->size || strcmp(hex, file->sha256) != 0))
        status = fail(err, BN_STATUS_BAD_FILE, "'%s' isn't what the manifest says: its hash is another", file->path);
    return status;
}

static bn_status read_file(struct bundle *bundle, struct archive_entry *entry, const char *name, bn_error *err) {
    size_t index;
    bn_status status = find_file(bundle, name, &index, err);
    if (status) return status;
    const struct version_file *file = &bundle->manifest.files[index];
    if ((uint64_t)archive_entry_size(entry) != file->size)
        return fail(err, BN_STATUS_BAD_FILE, "'%s' has another size than the manifest says", file->path);
    if (!bundle->folder) return copy_bytes(bundle, file, -1, err);
    char *path = path_join(bundle->folder, file->path);
    if (!path) return fail_no_memory(err, strlen(file->path));
    folders_make(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    status = fd < 0 ? fail(err, BN_STATUS_IO, "%s: can't be written: %s", path, strerror(errno))
                    : copy_bytes(bundle, file, fd, err);
    if (fd >= 0 && close(fd) && !status) status = fail(err, BN_STATUS_IO, "%s: %s", path, strerror(errno));
    mem_free(path);
    return status;
}

static bn_status read_files(struct bundle *bundle, bn_error *err) {
    struct archive_entry *entry = NULL;
    const char *name;
    bn_status status;
    while (!(status = next_member(bundle, &entry, &name, err)) && entry) {
        status = read_file(bundle, entry, name, err);
        if (status) return status;
    }
    for (size_t i = 0; !status && i < bundle->manifest.n_files; i++)
        if (!bundle->seen[i]) status = fail(err, BN_STATUS_BAD_FILE, "'%s' is missing", bundle->manifest.files[i].path);
    return status;
}

/* ---- the whole ---- */

static bn_status bundle_begin(struct bundle *bundle, bn_error *err) {
    manifest_init(&bundle->manifest);
    bundle->archive = archive_read_new();
    bundle->piece = mem_alloc(PIECE_BYTES);
    if (!bundle->archive || !bundle->piece) return fail_no_memory(err, PIECE_BYTES);
    if (archive_read_support_filter_zstd(bundle->archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(bundle->archive) != ARCHIVE_OK)
        return unreadable(bundle, err);
    return BN_OK;
}

static bn_status read_manifests(struct bundle *bundle, bn_error *err) {
    bn_status status = read_head(bundle, err);
    if (!status) status = read_manifest(bundle, err);
    if (!status && !(bundle->seen = mem_calloc(bundle->manifest.n_files + 1, sizeof *bundle->seen)))
        status = fail_no_memory(err, bundle->manifest.n_files);
    return status;
}

static void bundle_end(struct bundle *bundle) {
    archive_read_free(bundle->archive);
    manifest_release(&bundle->manifest);
    json_decref(bundle->head);
    mem_free(bundle->seen);
    mem_free(bundle->piece);
}

bn_status bundle_check(const void *bytes, size_t size, bn_error *err) {
    struct bundle bundle = {0};
    bn_status status = bundle_begin(&bundle, err);
    if (!status && archive_read_open_memory(bundle.archive, bytes, size) != ARCHIVE_OK)
        status = unreadable(&bundle, err);
    if (!status) status = read_manifests(&bundle, err);
    if (!status) status = read_files(&bundle, err);
    bundle_end(&bundle);
    return status;
}

/* What the bundle says of where the model is from, and that it came in this way. */
static json_t *import_origin(const struct bundle *bundle, const char *path) {
    char *absolute = realpath(path, NULL);
    json_t *origin = json_copy(bundle->manifest.origin);
    const char *kind = json_string_value(json_object_get(origin, "kind"));
    if (!kind) json_object_set_new(origin, "kind", json_string("import"));
    json_object_set_new(origin, "imported_from", json_string(absolute ? absolute : path));
    json_object_set_new(origin, "imported_id", json_string(json_string_value(json_object_get(bundle->head, "id"))));
    free(absolute);
    return origin;
}

static bn_status commit(struct registry *registry, struct bundle *bundle, struct staging *staging, const char *path,
                        const char *name, const char *variant, struct model_version *out, bool *added, bn_error *err) {
    const char *own_name = NULL, *own_variant = NULL, *note = NULL;
    bn_status status = json_get_text(bundle->head, "name", &own_name, err);
    if (!status) status = json_get_text(bundle->head, "variant", &own_variant, err);
    if (!status) status = json_get_text(bundle->head, "note", &note, err);
    if (status) return status;
    json_t *origin = import_origin(bundle, path);
    const struct version_facts facts = {.name = name       ? name
                                                : own_name ? own_name
                                                           : bundle->manifest.name,
                                        .variant = name ? variant : own_variant,
                                        .license = bundle->manifest.license,
                                        .note = note,
                                        .origin = origin};
    status = staging_commit(registry, staging, &facts, NULL, out, added, err);
    json_decref(origin);
    return status;
}

static bn_status import(struct registry *registry, struct bundle *bundle, const char *path, const char *name,
                        const char *variant, struct model_version *out, bool *added, bn_error *err) {
    struct staging staging;
    bn_status status = read_manifests(bundle, err);
    if (!status) status = registry_check_space(registry, manifest_bytes(&bundle->manifest), err);
    if (!status) status = staging_open(registry, &staging, err);
    if (status) return status;
    bundle->folder = staging.folder;
    status = read_files(bundle, err);
    if (!status) status = commit(registry, bundle, &staging, path, name, variant, out, added, err);
    staging_discard(&staging);
    return status;
}

bn_status bundle_import(struct registry *registry, const char *path, const char *name, const char *variant,
                        const struct byte_progress *progress, struct model_version *out, bool *added, bn_error *err) {
    struct bundle bundle = {.progress = progress};
    *out = (struct model_version){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (fd < 0) return fail(err, BN_STATUS_NOT_FOUND, "%s: can't open: %s", path, strerror(errno));
    bn_status status = fstat(fd, &info) || !S_ISREG(info.st_mode) ? fail(err, BN_STATUS_BAD_FILE, "not a regular file")
                                                                  : bundle_begin(&bundle, err);
    if (!status && archive_read_open_fd(bundle.archive, fd, READ_BYTES) != ARCHIVE_OK)
        status = unreadable(&bundle, err);
    if (!status) status = import(registry, &bundle, path, name, variant, out, added, err);
    bundle_end(&bundle);
    close(fd);
    if (status && status != BN_STATUS_CANCELLED) error_prefix(err, "%s", path);
    return status;
}
