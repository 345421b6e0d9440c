#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "backup/backup_parts.h"
#include "backup/lock.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/transfer.h"

enum { MAX_FILES = 1 << 20 };

struct creation {
    struct vault *vault;
    struct backup_lock lock;
    const struct byte_progress *progress;
    struct backup_report *report;
    json_t *files;
    json_t *before;              /* path → file of the snapshot before */
    json_t *pieces;              /* of the file being read */
    uint64_t size;               /* and how long it was */
    const char *folder, *prefix; /* of the walk */
    bool data_folder;
};

/* ---- one file ---- */

static bn_status store_piece(void *context, const void *bytes, size_t n, bn_error *err) {
    struct creation *creation = context;
    char name[OBJECT_NAME_BYTES];
    size_t stored;
    bn_status status = vault_put_piece(creation->vault, bytes, n, name, &stored, err);
    if (!status) status = backup_lock_keep(&creation->lock, err);
    if (status) return status;
    creation->size += n;
    creation->report->stored_bytes += stored;
    creation->report->read_bytes += n;
    if (json_array_append_new(creation->pieces, json_string(name))) return fail_no_memory(err, sizeof name);
    if (creation->progress && !creation->progress->advance(creation->progress->context, n))
        return fail(err, BN_STATUS_CANCELLED, "interrupted");
    return BN_OK;
}

/* Takes the pieces that were stored. */
static bn_status append_file(struct creation *creation, const char *path, const struct stat *info, const char *identity,
                             bn_error *err) {
    creation->report->n_files++;
    creation->report->bytes += creation->size;
    json_t *file = json_pack("{s:s, s:I, s:i, s:I, s:s, s:O}", "path", path, "size", (json_int_t)creation->size, "mode",
                             info ? (int)(info->st_mode & 0777) : 0644, "mtime_ns",
                             info ? (json_int_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec : 0,
                             "identity", identity, "pieces", creation->pieces);
    return json_array_append_new(creation->files, file) ? fail(err, BN_STATUS_BAD_FILE, "'%s' isn't UTF-8", path)
                                                        : BN_OK;
}

static void begin_pieces(struct creation *creation) {
    json_decref(creation->pieces);
    creation->pieces = json_array();
    creation->size = 0;
}

static bn_status save_bytes(struct creation *creation, const char *path, const void *bytes, size_t n, bn_error *err) {
    begin_pieces(creation);
    bn_status status = pieces_of_bytes(creation->vault, bytes, n, store_piece, creation, err);
    return status ? status : append_file(creation, path, NULL, "", err);
}

/* Which state of the file this is: a backup that finds the same needn't read it again. */
static void identity_of(const struct stat *info, char out[100]) {
    snprintf(out, 100, "%llu:%llu:%lld.%09ld:%lld.%09ld", (unsigned long long)info->st_dev,
             (unsigned long long)info->st_ino, (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec,
             (long long)info->st_ctim.tv_sec, info->st_ctim.tv_nsec);
}

/* The pieces of the snapshot before, if the file is as it was then and they are all still stored. */
static bool unchanged(struct creation *creation, const char *path, const struct stat *info, const char *identity) {
    const json_t *file = json_object_get(creation->before, path);
    const char *then = json_string_value(json_object_get(file, "identity"));
    if (!then || strcmp(then, identity) || json_integer_value(json_object_get(file, "size")) != info->st_size)
        return false;
    json_t *pieces = json_object_get(file, "pieces");
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const char *name = json_string_value(json_array_get(pieces, i));
        uint32_t found;
        if (!string_map_find(&creation->vault->known, name, strlen(name), &found)) return false;
    }
    json_decref(creation->pieces);
    creation->pieces = json_incref(pieces);
    creation->size = (uint64_t)info->st_size;
    return true;
}

static bn_status save_file(struct creation *creation, const char *path, const char *source, bn_error *err) {
    struct stat info;
    char identity[100];
    if (stat(source, &info)) return fail(err, BN_STATUS_NOT_FOUND, "%s: is gone", source);
    identity_of(&info, identity);
    bn_status status = BN_OK;
    if (!unchanged(creation, path, &info, identity)) {
        begin_pieces(creation);
        status = pieces_of_file(creation->vault, source, store_piece, creation, err);
    }
    return status ? status : append_file(creation, path, &info, identity, err);
}

/* A database as of one moment, with what is only in its log yet. */
static bn_status save_database(struct creation *creation, const char *path, const char *source, bn_error *err) {
    sqlite3 *db = NULL;
    sqlite3_int64 size = 0;
    unsigned char *bytes = NULL;
    bn_status status = BN_OK;
    if (sqlite3_open_v2(source, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 10000);
        bytes = sqlite3_serialize(db, "main", &size, 0);
    }
    if (!bytes)
        status = fail(err, BN_STATUS_IO, "%s: %s", source, db ? sqlite3_errmsg(db) : "can't be opened");
    else
        status = save_bytes(creation, path, bytes, (size_t)size, err);
    sqlite3_free(bytes);
    sqlite3_close(db);
    return status;
}

/* ---- folders ---- */

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}
static bool ends(const char *text, const char *with) {
    size_t n = strlen(text), m = strlen(with);
    return n >= m && strcmp(text + n - m, with) == 0;
}

static bn_status save_in_folder(void *context, const char *relative, bn_error *err) {
    struct creation *creation = context;
    if (creation->data_folder && (begins(relative, "store/") || begins(relative, "models/") ||
                                  begins(relative, "registry.db") || strcmp(relative, "registry.lock") == 0))
        return BN_OK; /* saved as versions, names and models */
    if (ends(relative, ".db-wal") || ends(relative, ".db-shm")) return BN_OK;
    char *source = path_join(creation->folder, relative), *path = path_join(creation->prefix, relative);
    bn_status status = !source || !path        ? fail_no_memory(err, strlen(relative))
                       : ends(relative, ".db") ? save_database(creation, path, source, err)
                                               : save_file(creation, path, source, err);
    mem_free(source);
    mem_free(path);
    return status;
}

static bn_status save_folder(struct creation *creation, const char *prefix, const char *folder, bn_error *err) {
    if (!folder || !file_is_directory(folder)) return BN_OK;
    creation->folder = folder;
    creation->prefix = prefix;
    creation->data_folder = strcmp(prefix, "data") == 0;
    return folder_visit(folder, MAX_FILES, save_in_folder, creation, err);
}

/* ---- the registry ---- */

static bn_status save_version(struct creation *creation, struct registry *registry, const struct model_version *version,
                              bn_error *err) {
    char path[700], *text;
    size_t size;
    bn_status status = registry_manifest_text(registry, version->id, &text, &size, err);
    if (status) return status;
    snprintf(path, sizeof path, "versions/%s/manifest.json", version->id);
    status = save_bytes(creation, path, text, size, err);
    mem_free(text);
    for (size_t i = 0; !status && i < version->manifest.n_files; i++) {
        const struct version_file *file = &version->manifest.files[i];
        char *source = path_join(version->folder, file->path);
        snprintf(path, sizeof path, "versions/%s/files/%s", version->id, file->path);
        status = source ? save_file(creation, path, source, err) : fail_no_memory(err, strlen(path));
        if (!status && creation->size != file->size)
            status = fail(err, BN_STATUS_BAD_FILE, "%s: damaged: %llu bytes, the manifest says %llu", source,
                          (unsigned long long)creation->size, (unsigned long long)file->size);
        mem_free(source);
    }
    creation->report->n_versions++;
    return status;
}

static bn_status save_registry(struct creation *creation, const char *home, bn_error *err) {
    struct registry *registry;
    struct registry_hold hold = {0};
    bn_status status = registry_open_existing(home, &registry, err);
    if (status || !registry) return status;
    status = registry_hold(registry, &hold, err);
    for (size_t i = 0; !status && i < hold.versions.n; i++)
        status = save_version(creation, registry, &hold.versions.items[i], err);
    for (size_t i = 0; !status && i < hold.n_names; i++) {
        char path[300];
        snprintf(path, sizeof path, "names/%.280s", hold.names[i].file);
        status = save_bytes(creation, path, hold.names[i].text, hold.names[i].size, err);
    }
    registry_hold_release(&hold);
    registry_close(registry);
    return status;
}

/* ---- the whole ---- */

static bn_status read_before(struct creation *creation, bn_error *err) {
    json_t *snapshot;
    char name[64];
    bn_status status = backup_read(creation->vault, NULL, name, &snapshot, err);
    if (status == BN_STATUS_NOT_FOUND) return BN_OK; /* the first */
    const json_t *files = json_object_get(snapshot, "files");
    for (size_t i = 0; !status && i < json_array_size(files); i++) {
        json_t *file = json_array_get(files, i);
        json_object_set(creation->before, json_string_value(json_object_get(file, "path")), file);
    }
    json_decref(snapshot);
    return status;
}

static bn_status save_all(struct creation *creation, const struct backup_places *places, bn_error *err) {
    bn_status status = save_registry(creation, places->home, err);
    if (!status) status = save_folder(creation, "models", places->models, err);
    if (!status) status = save_folder(creation, "data", places->home, err);
    if (!status) status = save_folder(creation, "state", places->state, err);
    if (!status && places->config && file_exists(places->config))
        status = save_file(creation, "config/config.ini", places->config, err);
    return status;
}

/* Now, to the microsecond: names of snapshots begin with it, and the latest one is the last by name. */
static void moment_now(char text[32]) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, 32 - n, ".%06ldZ", now.tv_nsec / 1000);
}

static bn_status write_snapshot(struct creation *creation, bn_error *err) {
    char now[32], host[65] = "";
    size_t stored;
    moment_now(now);
    gethostname(host, sizeof host - 1);
    json_t *snapshot = json_pack("{s:s, s:s, s:s, s:O}", "format", SNAPSHOT_FORMAT, "created", now, "host", host,
                                 "files", creation->files);
    bn_status status = snapshot ? snapshot_write(creation->vault, snapshot, creation->report->snapshot, &stored, err)
                                : fail_no_memory(err, 1);
    creation->report->stored_bytes += status ? 0 : stored;
    json_decref(snapshot);
    return status;
}

bn_status backup_create(struct vault *vault, const struct backup_places *places, const struct byte_progress *progress,
                        struct backup_report *report, bn_error *err) {
    *report = (struct backup_report){0};
    struct creation creation = {.vault = vault,
                                .progress = progress,
                                .report = report,
                                .files = json_array(),
                                .before = json_object(),
                                .pieces = json_array()};
    bn_status status = backup_lock_take(vault, LOCK_ADDING, &creation.lock, err);
    if (!status) status = vault_load_names(vault, err);
    if (!status) status = read_before(&creation, err);
    if (!status) status = save_all(&creation, places, err);
    if (!status) status = backup_lock_check(&creation.lock, err);
    if (!status) status = write_snapshot(&creation, err);
    backup_lock_release(&creation.lock);
    json_decref(creation.files);
    json_decref(creation.before);
    json_decref(creation.pieces);
    return status;
}
