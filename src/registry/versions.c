/* Finding versions, and holding on to them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "registry/registry_parts.h"

enum { TAKE_ATTEMPTS = 200, TAKE_PAUSE_MS = 5 };

#define VERSION_COLUMNS                                                                                                \
    "m.name, m.variant, v.number, v.id, v.number = m.current, v.pinned, v.note, v.manifest, v.location,"               \
    " (SELECT group_concat(tag, ' ') FROM (SELECT tag FROM tags t WHERE t.model = m.id AND t.number = v.number"        \
    " ORDER BY tag))"
#define VERSION_TABLES " FROM versions v JOIN models m ON m.id = v.model "

void model_version_release(struct model_version *version) {
    manifest_release(&version->manifest);
    mem_free(version->name);
    mem_free(version->variant);
    mem_free(version->note);
    mem_free(version->tags);
    mem_free(version->folder);
    mem_free(version->path);
    *version = (struct model_version){0};
}

static bn_status read_version(const struct registry *registry, sqlite3_stmt *row, struct model_version *out,
                              bn_error *err) {
    const char *id = column_text(row, 3), *manifest = column_text(row, 7), *location = column_text(row, 8);
    *out = (struct model_version){
        .name = mem_strdup(column_text(row, 0)),
        .variant = mem_strdup(column_text(row, 1)),
        .number = (size_t)sqlite3_column_int64(row, 2),
        .in_use = sqlite3_column_int(row, 4),
        .pinned = sqlite3_column_int(row, 5),
        .note = mem_strdup(column_text(row, 6)),
        .tags = mem_strdup(column_text(row, 9)),
        .external = *location,
        .folder = *location ? mem_strdup(location) : store_path(registry, "versions/%.64s/files", id),
    };
    memcpy(out->id, id, min_size(strlen(id), sizeof out->id - 1));
    bn_status status = manifest_parse(manifest, strlen(manifest), "manifest", &out->manifest, err);
    if (!status && out->folder)
        out->path = *out->manifest.entry ? path_join(out->folder, out->manifest.entry) : mem_strdup(out->folder);
    if (!status && !(out->name && out->variant && out->note && out->tags && out->path))
        status = fail_no_memory(err, strlen(manifest));
    return status;
}

/* ---- finding ---- */

bn_status find_model(struct registry *registry, const char *name, const char *variant, int64_t *model, bn_error *err) {
    bool found;
    *model = 0;
    return database_integer(&registry->db, model, &found, err, "SELECT id FROM models WHERE name = ? AND variant = ?",
                            "tt", name, variant);
}

/* The variants of a name, for messages: "default, q8". *only is one of them; *n how many. */
static bn_status list_variants(struct registry *registry, const char *name, struct buffer *list, char *only, size_t *n,
                               bn_error *err) {
    sqlite3_stmt *statement;
    bool row = true;
    *n = 0;
    bn_status status = database_query(&registry->db, &statement, err,
                                      "SELECT variant FROM models WHERE name = ? ORDER BY variant", "t", name);
    while (!status && !(status = database_step(&registry->db, statement, &row, err)) && row) {
        const char *variant = column_text(statement, 0);
        buffer_printf(list, "%s%s", (*n)++ ? ", " : "", variant);
        snprintf(only, WORD_MAX + 1, "%s", variant);
    }
    sqlite3_finalize(statement);
    return status;
}

/* Which variant a reference means, and its row. */
static bn_status resolve_model(struct registry *registry, const struct model_reference *reference, int64_t *model,
                               bn_error *err) {
    const char *variant = *reference->variant ? reference->variant : DEFAULT_VARIANT;
    bn_status status = find_model(registry, reference->name, variant, model, err);
    if (status || *model) return status;
    struct buffer list;
    char only[WORD_MAX + 1] = "";
    size_t n;
    buffer_init(&list);
    status = list_variants(registry, reference->name, &list, only, &n, err);
    if (!status && n == 0)
        status = fail(err, BN_STATUS_NOT_FOUND, "there is no model '%s'", reference->name);
    else if (!status && (*reference->variant || n > 1))
        status = fail(err, BN_STATUS_NOT_FOUND, "'%s' has no variant '%s': it has %s", reference->name, variant,
                      list.data ? list.data : "none");
    else if (!status)
        status = find_model(registry, reference->name, only, model, err);
    buffer_release(&list);
    return status;
}

static bn_status no_version(struct registry *registry, int64_t model, const struct model_reference *reference,
                            bn_error *err) {
    int64_t lowest = 0, highest = 0;
    bool found;
    if (reference->tag[0])
        return fail(err, BN_STATUS_NOT_FOUND, "'%s' has no version with the tag '%s'", reference->name, reference->tag);
    database_integer(&registry->db, &lowest, &found, NULL, "SELECT min(number) FROM versions WHERE model = ?", "i",
                     model);
    database_integer(&registry->db, &highest, &found, NULL, "SELECT max(number) FROM versions WHERE model = ?", "i",
                     model);
    return fail(err, BN_STATUS_NOT_FOUND, "'%s' has no version %zu: it has %lld to %lld ('bitnet model history %s')",
                reference->name, reference->version, (long long)lowest, (long long)highest, reference->name);
}

static bn_status find_in_model(struct registry *registry, int64_t model, const struct model_reference *reference,
                               struct model_version *out, bn_error *err) {
    sqlite3_stmt *statement;
    bool row = false;
    const char *sql = reference->version ? "SELECT " VERSION_COLUMNS VERSION_TABLES "WHERE m.id = ? AND v.number = ?"
                      : *reference->tag
                          ? "SELECT " VERSION_COLUMNS VERSION_TABLES
                            "JOIN tags g ON g.model = m.id AND g.number = v.number WHERE m.id = ? AND g.tag = ?"
                          : "SELECT " VERSION_COLUMNS VERSION_TABLES "WHERE m.id = ? AND v.number = m.current";
    bn_status status =
        reference->version
            ? database_query(&registry->db, &statement, err, sql, "ii", model, (int64_t)reference->version)
        : *reference->tag ? database_query(&registry->db, &statement, err, sql, "it", model, reference->tag)
                          : database_query(&registry->db, &statement, err, sql, "i", model);
    if (!status) status = database_step(&registry->db, statement, &row, err);
    if (!status && row) status = read_version(registry, statement, out, err);
    sqlite3_finalize(statement);
    if (!status && !row) status = no_version(registry, model, reference, err);
    return status;
}

bn_status registry_find(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                        bn_error *err) {
    *out = (struct model_version){0};
    /* inside a change there is a transaction already; outside, one makes the statements see one state */
    bool own = sqlite3_get_autocommit(registry->db.handle);
    int64_t model = 0;
    bn_status status = own ? database_run(&registry->db, err, "BEGIN", "") : BN_OK;
    if (!status) status = resolve_model(registry, reference, &model, err);
    if (!status) status = find_in_model(registry, model, reference, out, err);
    if (own) sqlite3_exec(registry->db.handle, "COMMIT", NULL, NULL, NULL);
    if (status) model_version_release(out);
    return status;
}

void version_list_release(struct version_list *list) {
    for (size_t i = 0; i < list->n; i++) model_version_release(&list->items[i]);
    mem_free(list->items);
    *list = (struct version_list){0};
}

static bn_status append_version(struct registry *registry, sqlite3_stmt *row, struct version_list *list,
                                bn_error *err) {
    struct model_version *items = mem_realloc_array(list->items, list->n + 1, sizeof *items);
    if (!items) return fail_no_memory(err, (list->n + 1) * sizeof *items);
    list->items = items;
    return read_version(registry, row, &items[list->n++], err);
}

bn_status registry_list(struct registry *registry, const char *name, const char *variant, struct version_list *out,
                        bn_error *err) {
    sqlite3_stmt *statement;
    bool row = true;
    *out = (struct version_list){0};
    bn_status status = database_query(&registry->db, &statement, err,
                                      "SELECT " VERSION_COLUMNS VERSION_TABLES
                                      "WHERE (?1 IS NULL OR m.name = ?1) AND (?2 IS NULL OR m.variant = ?2)"
                                      " ORDER BY m.name, m.variant, v.number",
                                      "tt", name, variant);
    while (!status && !(status = database_step(&registry->db, statement, &row, err)) && row)
        status = append_version(registry, statement, out, err);
    sqlite3_finalize(statement);
    return status;
}

/* ---- leases ---- */

void lease_take(const struct registry *registry, const char *id, enum lease_kind kind, int *lease) {
    *lease = -1;
    char *path = store_path(registry, "versions/%.64s/lease", id);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    mem_free(path);
    if (fd < 0) return;
    struct stat info;
    bool held = flock(fd, (kind == LEASE_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
    if (held && fstat(fd, &info) == 0 && info.st_nlink > 0)
        *lease = fd;
    else
        close(fd);
}

static bool has_row(struct registry *registry, const char *id) {
    int64_t one;
    bool found = false;
    return !database_integer(&registry->db, &one, &found, NULL, "SELECT 1 FROM versions WHERE id = ?", "t", id) &&
           found;
}

bn_status registry_take(struct registry *registry, const struct model_reference *reference, struct model_version *out,
                        int *lease, bn_error *err) {
    *lease = -1;
    for (int attempt = 0; attempt < TAKE_ATTEMPTS; attempt++) {
        bn_status status = registry_find(registry, reference, out, err);
        if (status) return status;
        lease_take(registry, out->id, LEASE_SHARED, lease);
        /* whoever removes it takes the row away first: with the row still there, nobody will */
        if (*lease >= 0 && has_row(registry, out->id)) {
            (void)futimens(*lease, NULL); /* the last use; on a read-only disk nothing is ever unused */
            if (file_exists(out->path)) return BN_OK;
            status = fail(err, BN_STATUS_NOT_FOUND, "%s@%zu: its files in %s are gone%s", out->name, out->number,
                          out->folder, out->external ? " (a hub's cache was emptied): download it again" : "");
        }
        if (*lease >= 0) close(*lease);
        *lease = -1;
        if (status || attempt + 1 == TAKE_ATTEMPTS) {
            if (!status) status = fail(err, BN_STATUS_BUSY, "%s@%zu is being removed", out->name, out->number);
            model_version_release(out);
            return status;
        }
        model_version_release(out);
        nanosleep(&(struct timespec){.tv_nsec = TAKE_PAUSE_MS * 1000000L}, NULL);
    }
    return fail(err, BN_STATUS_INTERNAL, "unreachable");
}

int64_t model_version_last_use(const struct registry *registry, const char *id) {
    char *path = store_path(registry, "versions/%.64s/lease", id);
    struct stat info;
    int64_t at = path && stat(path, &info) == 0 ? (int64_t)info.st_mtime : 0;
    mem_free(path);
    return at;
}
