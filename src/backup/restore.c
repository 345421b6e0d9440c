/* Putting a snapshot back: first every conflict is looked for, then versions are laid out in staging and adopted, other
 * files written whole, and the registry is made again from the files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup_parts.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/rebuild.h"
#include "registry/transfer.h"

struct restoration {
    struct vault *vault;
    const struct backup_places *places;
    const struct byte_progress *progress;
    struct backup_report *report;
    struct registry *registry;
    struct staging staging;   /* of the version being laid out */
    char id[SHA256_HEX_SIZE]; /* its id, "" for none */
    bool skipped;             /* it is there already */
};

static const char *text_of(const json_t *file, const char *key) {
    return json_string_value(json_object_get(file, key));
}

/* ---- where files go ---- */

/* The rest of path behind "folder/", or NULL. */
static const char *behind(const char *path, const char *folder) {
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* Where a file goes that isn't of a version; NULL (and BN_OK) for what has no place here. */
static bn_status target_of(const struct restoration *restoration, const char *path, char **target, bn_error *err) {
    const struct backup_places *places = restoration->places;
    const char *rest;
    *target = NULL;
    bool known = true;
    if ((rest = behind(path, "names")) && !strchr(rest, '/'))
        *target = registry_name_path(restoration->registry, rest);
    else if ((rest = behind(path, "data")))
        *target = path_join(places->home, rest);
    else if ((rest = behind(path, "models")) && places->models)
        *target = path_join(places->models, rest);
    else if ((rest = behind(path, "state")) && places->state)
        *target = path_join(places->state, rest);
    else if (strcmp(path, "config/config.ini") == 0 && places->config)
        *target = mem_strdup(places->config);
    else
        known = false;
    return known && !*target ? fail_no_memory(err, strlen(path)) : BN_OK;
}

/* ---- conflicts ---- */

struct comparison {
    const struct vault *vault;
    const json_t *pieces;
    size_t at;
    bool same;
};

static bn_status compare_piece(void *context, const void *bytes, size_t n, bn_error *err) {
    (void)err;
    struct comparison *comparison = context;
    char name[OBJECT_NAME_BYTES];
    vault_name(comparison->vault, bytes, n, name);
    const char *expected = json_string_value(json_array_get(comparison->pieces, comparison->at++));
    comparison->same = comparison->same && expected && strcmp(name, expected) == 0;
    return BN_OK;
}

static bn_status check_conflict(struct restoration *restoration, const json_t *file, size_t *n, char first[300],
                                bn_error *err) {
    char *target;
    const char *path = text_of(file, "path");
    if (behind(path, "versions")) return BN_OK;
    bn_status status = target_of(restoration, path, &target, err);
    if (!status && target && file_exists(target)) {
        struct comparison comparison = {restoration->vault, json_object_get(file, "pieces"), 0, true};
        status = pieces_of_file(restoration->vault, target, compare_piece, &comparison, err);
        if (!comparison.same || comparison.at != json_array_size(comparison.pieces))
            if ((*n)++ == 0) snprintf(first, 300, "%s", target);
    }
    mem_free(target);
    return status;
}

static bn_status check_conflicts(struct restoration *restoration, const json_t *files, bn_error *err) {
    char first[300] = "";
    size_t n = 0;
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < json_array_size(files); i++)
        status = check_conflict(restoration, json_array_get(files, i), &n, first, err);
    if (!status && n)
        status = fail(
            err, BN_STATUS_BAD_ARGUMENT,
            "%zu files are here with another content (%s): --overwrite replaces them, --to FOLDER puts all elsewhere",
            n, first);
    return status;
}

/* ---- writing ---- */

static bn_status write_pieces(struct restoration *restoration, const json_t *file, FILE *out, bn_error *err) {
    const json_t *pieces = json_object_get(file, "pieces");
    uint64_t size = 0;
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < json_array_size(pieces); i++) {
        struct buffer bytes;
        buffer_init(&bytes);
        status = vault_get_piece(restoration->vault, json_string_value(json_array_get(pieces, i)), &bytes, err);
        if (!status && fwrite(bytes.data, 1, bytes.size, out) != bytes.size)
            status = fail(err, BN_STATUS_IO, "%s: can't be written: %s", text_of(file, "path"), strerror(errno));
        size += bytes.size;
        if (!status && restoration->progress &&
            !restoration->progress->advance(restoration->progress->context, bytes.size))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
        buffer_release(&bytes);
    }
    if (!status && size != (uint64_t)json_integer_value(json_object_get(file, "size")))
        status = fail(err, BN_STATUS_BAD_FILE, "%s: the pieces are of another length", text_of(file, "path"));
    restoration->report->n_files++;
    restoration->report->bytes += size;
    return status;
}

static bn_status write_file(struct restoration *restoration, const json_t *file, const char *target, bn_error *err) {
    struct atomic_file out;
    char *folders = mem_strdup(target);
    if (!folders) return fail_no_memory(err, strlen(target));
    folders_make(folders);
    mem_free(folders);
    bn_status status = atomic_file_open(target, &out, err);
    if (status) return status;
    status = write_pieces(restoration, file, out.stream, err);
    mode_t mode = (mode_t)json_integer_value(json_object_get(file, "mode")) & 0777;
    json_int_t mtime = json_integer_value(json_object_get(file, "mtime_ns"));
    if (!status && fchmod(fileno(out.stream), mode | S_IRUSR))
        status = fail(err, BN_STATUS_IO, "%s: can't be written: %s", target, strerror(errno));
    if (!status) fflush(out.stream);
    if (!status && mtime > 0) {
        const struct timespec at = {.tv_sec = mtime / 1000000000, .tv_nsec = mtime % 1000000000};
        (void)futimens(fileno(out.stream), (const struct timespec[2]){at, at}); /* a time is nothing to fail for */
    }
    if (!status) return atomic_file_commit(&out, err);
    atomic_file_abort(&out);
    return status;
}

/* ---- versions ---- */

static bn_status end_version(struct restoration *restoration, bn_error *err) {
    bn_status status = BN_OK;
    if (*restoration->id && !restoration->skipped) {
        status = registry_adopt(restoration->registry, &restoration->staging, restoration->id, err);
        staging_discard(&restoration->staging);
        restoration->report->n_versions++;
    }
    restoration->id[0] = 0;
    return status;
}

static bn_status begin_version(struct restoration *restoration, const char *id, bn_error *err) {
    bn_status status = end_version(restoration, err);
    if (status) return status;
    snprintf(restoration->id, sizeof restoration->id, "%.64s", id);
    restoration->skipped = registry_has_version(restoration->registry, restoration->id);
    if (!restoration->skipped) status = staging_open(restoration->registry, &restoration->staging, err);
    if (status) restoration->id[0] = 0;
    return status;
}

static bn_status restore_version_file(struct restoration *restoration, const json_t *file, const char *rest,
                                      bn_error *err) {
    size_t n = strcspn(rest, "/");
    bn_status status = BN_OK;
    if (n != SHA256_HEX_SIZE - 1 || !rest[n]) return fail(err, BN_STATUS_BAD_FILE, "versions/%s: not a version", rest);
    if (strncmp(restoration->id, rest, n) != 0) status = begin_version(restoration, rest, err);
    if (status || restoration->skipped) return status;
    const char *inside = rest + n + 1, *path = behind(inside, "files");
    if (!path && strcmp(inside, "manifest.json") != 0)
        return fail(err, BN_STATUS_BAD_FILE, "versions/%s: not a file of a version", rest);
    char *target =
        path ? path_join(restoration->staging.folder, path) : path_join(restoration->staging.root, "manifest.json");
    status = target ? write_file(restoration, file, target, err) : fail_no_memory(err, n);
    mem_free(target);
    return status;
}

static bn_status restore_file(struct restoration *restoration, const json_t *file, bn_error *err) {
    const char *path = text_of(file, "path"), *rest = behind(path, "versions");
    if (rest) return restore_version_file(restoration, file, rest, err);
    char *target;
    bn_status status = end_version(restoration, err);
    if (!status) status = target_of(restoration, path, &target, err);
    if (status) return status;
    if (target) status = write_file(restoration, file, target, err);
    mem_free(target);
    return status;
}

bn_status backup_restore(struct vault *vault, const char *name, const struct backup_places *places, bool overwrite,
                         const struct byte_progress *progress, struct backup_report *report, bn_error *err) {
    *report = (struct backup_report){0};
    struct restoration restoration = {
        .vault = vault, .places = places, .progress = progress, .report = report, .staging = {.lease = -1}};
    struct rebuild_report rebuilt;
    json_t *snapshot;
    bn_status status = backup_read(vault, name, report->snapshot, &snapshot, err);
    if (status) return status;
    const json_t *files = json_object_get(snapshot, "files");
    status = registry_open(places->home, &restoration.registry, err);
    if (!status && !overwrite) status = check_conflicts(&restoration, files, err);
    for (size_t i = 0; !status && i < json_array_size(files); i++)
        status = restore_file(&restoration, json_array_get(files, i), err);
    if (!status) status = end_version(&restoration, err);
    if (*restoration.id && !restoration.skipped) staging_discard(&restoration.staging);
    registry_close(restoration.registry);
    if (!status) status = registry_rebuild(places->home, &rebuilt, err);
    json_decref(snapshot);
    return status;
}
