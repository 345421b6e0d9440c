/* Two passes: manifests tell what versions there are, the names' files what they are called now, which is in use, tags,
 * notes and pins. A version that no name's file lists keeps the name it was made under. */
#include "registry/rebuild.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/registry_parts.h"

enum { NAME_FILE_MAX_BYTES = 64 << 20, LOCATION_MAX_BYTES = 4096 };

struct rebuilding {
    struct registry *registry;
    struct rebuild_report report;
};

/* ---- manifests ---- */

/* The manifest of a version's folder, checked against the folder's name. */
static bn_status read_manifest(const struct registry *registry, const char *id, char **text, struct manifest *manifest,
                               bn_error *err) {
    char *path = store_path(registry, "versions/%.64s/manifest.json", id), hex[SHA256_HEX_SIZE];
    size_t size;
    manifest_init(manifest);
    *text = NULL;
    if (!path) return fail_no_memory(err, SHA256_HEX_SIZE);
    bn_status status = file_read_all(path, MANIFEST_MAX_BYTES, text, &size, err);
    if (!status) status = sha256_of(*text, size, hex, err);
    if (!status && strcmp(hex, id) != 0)
        status = fail(err, BN_STATUS_BAD_FILE, "%s: doesn't match the name of its folder", path);
    if (!status) status = manifest_parse(*text, size, path, manifest, err);
    mem_free(path);
    return status;
}

/* NULL when the files lie in the version's folder. */
static char *read_location(const struct registry *registry, const char *id) {
    char *path = store_path(registry, "versions/%.64s/location", id), *text = NULL;
    size_t size;
    if (path && file_exists(path)) file_read_all(path, LOCATION_MAX_BYTES, &text, &size, NULL);
    mem_free(path);
    return text;
}

/* ---- one version under a name ---- */

struct naming {
    const char *name, *variant;
    size_t number;
    const char *note;
    bool pinned;
};

static bn_status insert(struct rebuilding *rebuilding, const char *id, const struct naming *naming, bn_error *err) {
    struct registry *registry = rebuilding->registry;
    struct manifest manifest;
    char *text;
    int64_t one;
    bool known;
    bn_status status =
        database_integer(&registry->db, &one, &known, err, "SELECT 1 FROM versions WHERE id = ?", "t", id);
    if (status || known) return status;
    if (read_manifest(registry, id, &text, &manifest, NULL)) {
        rebuilding->report.n_damaged += !naming; /* the pass over the folders sees all of them */
    } else {
        char *location = read_location(registry, id);
        if (naming) {
            manifest.name = naming->name;
            manifest.variant = naming->variant;
            manifest.version = naming->number;
        }
        status = insert_version(registry, &manifest, text, id, location, naming ? naming->note : NULL, err);
        if (!status && naming && naming->pinned)
            status = database_run(&registry->db, err, "UPDATE versions SET pinned = 1 WHERE id = ?", "t", id);
        rebuilding->report.n_versions++;
        mem_free(location);
    }
    manifest_release(&manifest);
    mem_free(text);
    return status;
}

/* ---- names ---- */

static bn_status read_named_version(struct rebuilding *rebuilding, const struct naming *model, const json_t *item,
                                    bn_error *err) {
    struct registry *registry = rebuilding->registry;
    struct naming naming = *model;
    const char *id = NULL;
    bn_status status = json_get_size(item, "number", 1, 999999999, &naming.number, err);
    if (!status) status = json_get_text(item, "id", &id, err);
    if (!status) status = json_get_text(item, "note", &naming.note, err);
    if (!status) status = json_get_bool(item, "pinned", &naming.pinned, err);
    if (!status && (!id || !sha256_valid(id) || !naming.number))
        status = fail(err, BN_STATUS_BAD_FILE, "a version needs id and number");
    if (status) return status;
    char *folder = store_path(registry, "versions/%s", id);
    bool there = folder && file_is_directory(folder);
    mem_free(folder);
    if (!there) {
        rebuilding->report.n_missing++;
        return BN_OK;
    }
    status = insert(rebuilding, id, &naming, err);
    const json_t *tags = json_object_get(item, "tags");
    for (size_t i = 0; !status && i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (tag && model_tag_valid(tag))
            status = database_run(&registry->db, err,
                                  "INSERT OR IGNORE INTO tags SELECT model, ?, number FROM versions WHERE id = ?", "tt",
                                  tag, id);
    }
    return status;
}

/* Which is in use, and which were. */
static bn_status read_switches(struct rebuilding *rebuilding, const struct naming *naming, const json_t *object,
                               bn_error *err) {
    struct registry *registry = rebuilding->registry;
    int64_t model;
    size_t current = 0, next = 1;
    bn_status status = find_model(registry, naming->name, naming->variant, &model, err);
    if (status || !model) return status;
    status = json_get_size(object, "current", 1, 999999999, &current, err);
    if (!status) status = json_get_size(object, "next", 1, 999999999, &next, err);
    if (!status) status = database_run(&registry->db, err, "DELETE FROM switches WHERE model = ?", "i", model);
    const json_t *switches = json_object_get(object, "switches");
    for (size_t i = 0; !status && i < json_array_size(switches); i++) {
        const json_t *item = json_array_get(switches, i);
        const char *at = json_string_value(json_object_get(item, "at"));
        int64_t number = json_integer_value(json_object_get(item, "number"));
        status = database_run(&registry->db, err,
                              "INSERT INTO switches(model, at, number) SELECT model, ?, number FROM versions"
                              " WHERE model = ? AND number = ?",
                              "tii", at ? at : "", model, number);
    }
    if (!status)
        status = database_run(&registry->db, err,
                              "UPDATE models SET next = max(next, ?1), current = coalesce((SELECT number FROM versions"
                              " WHERE model = ?2 AND number = ?3), (SELECT max(number) FROM versions WHERE model = ?2))"
                              " WHERE id = ?2",
                              "iii", (int64_t)next, model, (int64_t)current);
    return status;
}

static bn_status read_name(struct rebuilding *rebuilding, const json_t *object, bn_error *err) {
    struct naming naming = {.note = ""};
    bn_status status = json_get_text(object, "name", &naming.name, err);
    if (!status) status = json_get_text(object, "variant", &naming.variant, err);
    if (!status &&
        (!naming.name || !naming.variant || !model_name_valid(naming.name) || !model_word_valid(naming.variant)))
        status = fail(err, BN_STATUS_BAD_FILE, "needs name and variant");
    const json_t *versions = json_object_get(object, "versions");
    for (size_t i = 0; !status && i < json_array_size(versions); i++)
        status = read_named_version(rebuilding, &naming, json_array_get(versions, i), err);
    return status ? status : read_switches(rebuilding, &naming, object, err);
}

/* ---- folders ---- */

static bn_status read_name_file(struct rebuilding *rebuilding, const char *path, bn_error *err) {
    json_t *object;
    size_t n = strlen(path);
    if (n < 5 || strcmp(path + n - 5, ".json") != 0) return BN_OK; /* a draft that a killed process left */
    /* a file that can't be read doesn't stop the rest: its versions keep the names of their manifests */
    if (json_parse_file(path, NAME_FILE_MAX_BYTES, &object, NULL)) return BN_OK;
    bn_error problem;
    bn_status status = read_name(rebuilding, object, &problem);
    json_decref(object);
    if (status == BN_STATUS_BAD_FILE) return BN_OK;
    if (status) fail(err, status, "%s", problem.message);
    return status;
}

static bn_status each_entry(struct rebuilding *rebuilding, const char *folder, bool are_names, bn_error *err) {
    char *path = store_path(rebuilding->registry, "%s", folder);
    DIR *stream = path ? opendir(path) : NULL;
    bn_status status = BN_OK;
    if (!path)
        status = fail_no_memory(err, strlen(folder));
    else if (!stream && errno != ENOENT)
        status = fail(err, BN_STATUS_IO, "%s: can't read the folder: %s", path, strerror(errno));
    for (struct dirent *entry; stream && !status && (entry = readdir(stream));) {
        if (!are_names && sha256_valid(entry->d_name)) status = insert(rebuilding, entry->d_name, NULL, err);
        if (!are_names || entry->d_name[0] == '.') continue;
        char *file = path_join(path, entry->d_name);
        status = file ? read_name_file(rebuilding, file, err) : fail_no_memory(err, strlen(path));
        mem_free(file);
    }
    if (stream) closedir(stream);
    mem_free(path);
    return status;
}

static bn_status fill(struct rebuilding *rebuilding, bn_error *err) {
    struct database *db = &rebuilding->registry->db;
    int64_t n = 0;
    bool found;
    static const char *const tables[] = {"tags",   "switches",       "versions",
                                         "models", "names_to_write", "folders_to_remove"};
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < sizeof tables / sizeof *tables; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i]);
        status = database_run(db, err, sql, "");
    }
    if (!status) status = each_entry(rebuilding, "names", true, err);
    if (!status) status = each_entry(rebuilding, "versions", false, err);
    if (!status)
        status = database_run(db, err, "INSERT OR IGNORE INTO names_to_write SELECT name, variant FROM models", "");
    if (!status) status = database_integer(db, &n, &found, err, "SELECT count(*) FROM models", "");
    rebuilding->report.n_models = (size_t)n;
    return status;
}

bn_status registry_rebuild_locked(struct registry *registry, struct rebuild_report *report, bn_error *err) {
    struct rebuilding rebuilding = {.registry = registry};
    bn_status status = database_run(&registry->db, err, "BEGIN IMMEDIATE", "");
    if (status) return status;
    status = fill(&rebuilding, err);
    if (!status) status = database_run(&registry->db, err, "COMMIT", "");
    if (status)
        sqlite3_exec(registry->db.handle, "ROLLBACK", NULL, NULL, NULL);
    else
        status = settle(registry, err);
    if (report) *report = rebuilding.report;
    return status;
}

/* registry.db and what belongs to it get other names. */
static bn_status move_aside(const char *home, bn_error *err) {
    static const char *const endings[] = {"", "-wal", "-shm"};
    char *path = home ? path_join(home, "registry.db") : data_path("registry.db");
    bn_status status = path ? BN_OK : fail_no_memory(err, 1);
    for (size_t i = 0; !status && i < sizeof endings / sizeof *endings; i++) {
        char from[4096], to[4200];
        snprintf(from, sizeof from, "%s%s", path, endings[i]);
        snprintf(to, sizeof to, "%s.damaged-%lld%s", path, (long long)time(NULL), endings[i]);
        if (rename(from, to) && errno != ENOENT)
            status = fail(err, BN_STATUS_IO, "%s: can't be moved aside: %s", from, strerror(errno));
    }
    mem_free(path);
    return status;
}

bn_status registry_rebuild(const char *home, struct rebuild_report *report, bn_error *err) {
    struct registry *registry;
    *report = (struct rebuild_report){0};
    bn_status status = registry_open(home, &registry, err);
    if (status == BN_STATUS_BAD_FILE) {
        status = move_aside(home, err);
        if (!status) status = registry_open(home, &registry, err);
    }
    if (status) return status;
    status = registry_lock(registry, err);
    if (!status) status = registry_rebuild_locked(registry, report, err);
    registry_close(registry);
    return status;
}
