/* store/names/NAME@VARIANT.json: what the database knows beyond the manifests, written after each change so that the
 * database can be made again from files.
 *
 *     {"format": "bitnet-name/1", "name": "owner/small", "variant": "default", "current": 2, "next": 4,
 *      "versions": [{"number": 2, "id": "<sha256>", "location": null, "note": "", "pinned": false, "tags": ["stable"]}],
 *      "switches": [{"at": "2026-01-31T12:00:00Z", "number": 2}]} */
#include <string.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/registry_parts.h"

/* "owner/small" and "q8" → store/names/owner--small@q8.json */
static char *name_file_path(const struct registry *registry, const char *name, const char *variant) {
    const char *slash = strchr(name, '/');
    int first = slash ? (int)(slash - name) : (int)strlen(name);
    return store_path(registry, "names/%.*s%s%s@%s.json", first, name, slash ? "--" : "", slash ? slash + 1 : "",
                      variant);
}

/* Each row of a query as an object that `row` makes. */
static bn_status collect(struct registry *registry, const char *sql, int64_t model, json_t *(*make)(sqlite3_stmt *row),
                         json_t **out, bn_error *err) {
    sqlite3_stmt *statement;
    bool row = true;
    *out = json_array();
    bn_status status = database_query(&registry->db, &statement, err, sql, "i", model);
    while (!status && !(status = database_step(&registry->db, statement, &row, err)) && row)
        if (json_array_append_new(*out, make(statement))) status = fail_no_memory(err, sizeof(json_t));
    sqlite3_finalize(statement);
    return status;
}

static json_t *switch_json(sqlite3_stmt *row) {
    return json_pack("{s:s, s:I}", "at", column_text(row, 0), "number", (json_int_t)sqlite3_column_int64(row, 1));
}

static json_t *version_json(sqlite3_stmt *row) {
    json_t *object = json_pack("{s:I, s:s, s:s, s:b}", "number", (json_int_t)sqlite3_column_int64(row, 0), "id",
                               column_text(row, 1), "note", column_text(row, 2), "pinned", sqlite3_column_int(row, 3));
    const char *location = column_text(row, 4);
    json_object_set_new(object, "location", *location ? json_string(location) : json_null());
    json_t *tags = json_array();
    for (const char *tag = column_text(row, 5); *tag;) {
        size_t n = strcspn(tag, " ");
        json_array_append_new(tags, json_stringn(tag, n));
        tag += n + (tag[n] == ' ');
    }
    json_object_set_new(object, "tags", tags);
    return object;
}

static bn_status describe(struct registry *registry, int64_t model, const char *name, const char *variant, json_t **out,
                          bn_error *err) {
    json_t *versions = NULL, *switches = NULL;
    int64_t current = 0, next = 0;
    bool found;
    bn_status status = collect(registry,
                               "SELECT number, id, note, pinned, location, (SELECT group_concat(tag, ' ') FROM tags t"
                               " WHERE t.model = v.model AND t.number = v.number)"
                               " FROM versions v WHERE model = ? ORDER BY number",
                               model, version_json, &versions, err);
    if (!status)
        status = collect(registry, "SELECT at, number FROM switches WHERE model = ? ORDER BY id", model, switch_json,
                         &switches, err);
    if (!status)
        status = database_integer(&registry->db, &current, &found, err, "SELECT current FROM models WHERE id = ?", "i",
                                  model);
    if (!status)
        status =
            database_integer(&registry->db, &next, &found, err, "SELECT next FROM models WHERE id = ?", "i", model);
    if (status) {
        json_decref(versions);
        json_decref(switches);
        return status;
    }
    *out =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "format", "bitnet-name/1", "name", name, "variant", variant,
                  "current", (json_int_t)current, "next", (json_int_t)next, "versions", versions, "switches", switches);
    return *out ? BN_OK : fail_no_memory(err, sizeof(json_t));
}

static bn_status write_json(const char *path, const json_t *value, bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    if (json_dumpf(value, file.stream, JSON_INDENT(1)) == 0 && fputc('\n', file.stream) != EOF)
        return atomic_file_commit(&file, err);
    atomic_file_abort(&file);
    return fail(err, BN_STATUS_IO, "%s: can't be written", path);
}

bn_status name_file_write(struct registry *registry, const char *name, const char *variant, bn_error *err) {
    char *path = name_file_path(registry, name, variant);
    if (!path) return fail_no_memory(err, strlen(name));
    int64_t model;
    json_t *object = NULL;
    bn_status status = find_model(registry, name, variant, &model, err);
    if (!status && !model) status = folder_remove(path, err);
    if (!status && model) status = describe(registry, model, name, variant, &object, err);
    if (!status && model) status = write_json(path, object, err);
    json_decref(object);
    mem_free(path);
    return status;
}
