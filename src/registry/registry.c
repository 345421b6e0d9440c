/* Opening, the lock, and what makes a change whole: intentions noted in the database, carried out after the commit, and
 * by the next change if the process didn't live to do it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "registry/rebuild.h"
#include "registry/registry_parts.h"

static const char schema[] =
    "CREATE TABLE models(id INTEGER PRIMARY KEY, name TEXT NOT NULL, variant TEXT NOT NULL,"
    " current INTEGER NOT NULL, next INTEGER NOT NULL, UNIQUE(name, variant));"
    "CREATE TABLE versions(id TEXT PRIMARY KEY, model INTEGER NOT NULL REFERENCES models(id), number INTEGER NOT NULL,"
    " content TEXT NOT NULL, manifest TEXT NOT NULL, location TEXT, note TEXT NOT NULL, pinned INTEGER NOT NULL,"
    " UNIQUE(model, number));"
    "CREATE TABLE tags(model INTEGER NOT NULL REFERENCES models(id), tag TEXT NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY(model, tag));"
    "CREATE TABLE switches(id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models(id), at TEXT NOT NULL,"
    " number INTEGER NOT NULL);"
    "CREATE TABLE names_to_write(name TEXT NOT NULL, variant TEXT NOT NULL, PRIMARY KEY(name, variant));"
    "CREATE TABLE folders_to_remove(id TEXT PRIMARY KEY);"
    "PRAGMA user_version = 1;";
enum { SCHEMA_VERSION = 1, LOCK_TIMEOUT_MS = 60000, LOCK_PAUSE_MS = 5 };

char *store_path(const struct registry *registry, const char *format, ...) {
    char relative[1200];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(relative, sizeof relative, format, arguments);
    va_end(arguments);
    return n >= 0 && (size_t)n < sizeof relative ? path_join(registry->store, relative) : NULL;
}

const char *registry_home(const struct registry *registry) {
    return registry->home;
}

/* ---- the lock ---- */

bn_status registry_lock(struct registry *registry, bn_error *err) {
    char *path = path_join(registry->home, "registry.lock");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666) : -1;
    bn_status status = BN_OK;
    if (!path)
        status = fail_no_memory(err, strlen(registry->home));
    else if (fd < 0)
        status = fail(err, BN_STATUS_IO, "%s: can't open: %s", path, strerror(errno));
    for (unsigned waited = 0; !status && flock(fd, LOCK_EX | LOCK_NB); waited += LOCK_PAUSE_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            status = fail(err, BN_STATUS_IO, "%s: can't lock: %s", path, strerror(errno));
        else if (waited >= LOCK_TIMEOUT_MS)
            status = fail(err, BN_STATUS_BUSY, "%s: another process has been changing models for a minute", path);
        else
            nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    if (status && fd >= 0) close(fd);
    if (!status) registry->lock = fd;
    mem_free(path);
    return status;
}

void registry_unlock(struct registry *registry) {
    if (registry->lock >= 0) close(registry->lock);
    registry->lock = -1;
}

/* ---- opening ---- */

/* A database appears with its tables or not at all: it is made under another name. */
static bn_status create_database(struct registry *registry, const char *path, bn_error *err) {
    struct database fresh;
    char *draft = path_join(registry->home, "registry.db.new");
    if (!draft) return fail_no_memory(err, strlen(path));
    bn_status status = folder_remove(draft, err);
    if (!status) status = database_open(draft, &fresh, err);
    if (!status) {
        if (sqlite3_exec(fresh.handle, schema, NULL, NULL, NULL) != SQLITE_OK)
            status = fail(err, BN_STATUS_IO, "%s: %s", draft, sqlite3_errmsg(fresh.handle));
        database_close(&fresh); /* also moves its log into the file */
    }
    if (!status && rename(draft, path)) status = fail(err, BN_STATUS_IO, "%s: %s", path, strerror(errno));
    if (!status) status = folder_sync(registry->home, err);
    mem_free(draft);
    return status;
}

static bn_status make_folders(const struct registry *registry, bn_error *err) {
    static const char *const names[] = {"versions", "blobs", "names", "staging"};
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < sizeof names / sizeof *names; i++) {
        char *path = store_path(registry, "%s", names[i]);
        status = path ? folder_make_all(path, err) : fail_no_memory(err, strlen(names[i]));
        mem_free(path);
    }
    return status;
}

static bn_status check_schema(struct registry *registry, bn_error *err) {
    int64_t version = 0;
    bool found;
    bn_status status = database_integer(&registry->db, &version, &found, err, "PRAGMA user_version", "");
    if (!status && version != SCHEMA_VERSION)
        status = fail(err, BN_STATUS_UNSUPPORTED, "%s: written by another version of this program (%lld, expected %d)",
                      registry->db.path, (long long)version, SCHEMA_VERSION);
    return status;
}

/* A registry whose database was lost (but not its files) is made again from them. */
static bn_status create(struct registry *registry, const char *path, bn_error *err) {
    bn_status status = make_folders(registry, err);
    if (!status) status = registry_lock(registry, err);
    if (status) return status;
    if (!file_exists(path)) status = create_database(registry, path, err);
    bool fresh = false;
    if (!status) status = database_open(path, &registry->db, err);
    if (!status) {
        int64_t one;
        status = database_integer(&registry->db, &one, &fresh, err, "SELECT 1 FROM versions LIMIT 1", "");
        fresh = !fresh;
    }
    if (!status && fresh) status = registry_rebuild_locked(registry, NULL, err);
    registry_unlock(registry);
    return status;
}

static bn_status open_at(const char *home, bool may_create, struct registry **out, bn_error *err) {
    *out = NULL;
    struct registry *registry = mem_calloc(1, sizeof *registry);
    if (!registry) return fail_no_memory(err, sizeof *registry);
    registry->lock = -1;
    registry->home = home ? mem_strdup(home) : data_path("");
    char *path = registry->home ? path_join(registry->home, "registry.db") : NULL;
    registry->store = registry->home ? path_join(registry->home, "store") : NULL;
    bn_status status = BN_OK;
    bool there = false;
    if (!path || !registry->store) {
        status = fail(err, BN_STATUS_NOT_FOUND, "no place for models: HOME, XDG_DATA_HOME and BITNET_HOME are not set");
        if (!may_create) status = BN_OK;
    } else if ((there = file_exists(path))) {
        status = database_open(path, &registry->db, err);
    } else if (may_create || file_is_directory(registry->store)) {
        status = create(registry, path, err);
        there = true;
    }
    if (!status && there) status = check_schema(registry, err);
    if (status == BN_STATUS_BAD_FILE) error_prefix(err, "the registry is damaged ('bitnet model rebuild' mends it)");
    mem_free(path);
    if (status || !there)
        registry_close(registry);
    else
        *out = registry;
    return status;
}

bn_status registry_open(const char *home, struct registry **out, bn_error *err) {
    return open_at(home, true, out, err);
}

bn_status registry_open_existing(const char *home, struct registry **out, bn_error *err) {
    return open_at(home, false, out, err);
}

void registry_close(struct registry *registry) {
    if (!registry) return;
    registry_unlock(registry);
    database_close(&registry->db);
    mem_free(registry->home);
    mem_free(registry->store);
    mem_free(registry);
}

/* ---- changes ---- */

static bn_status begin(struct registry *registry, bn_error *err) {
    return database_run(&registry->db, err, "BEGIN IMMEDIATE", "");
}

bn_status change_begin(struct registry *registry, bn_error *err) {
    bn_status status = registry_lock(registry, err);
    if (status) return status;
    status = settle(registry, err);
    registry->freed_bytes = 0;
    if (!status) status = begin(registry, err);
    if (status) registry_unlock(registry);
    return status;
}

bn_status change_checkpoint(struct registry *registry, bn_error *err) {
    bn_status status = database_run(&registry->db, err, "COMMIT", "");
    return status ? status : begin(registry, err);
}

bn_status change_finish(struct registry *registry, bn_status status, bn_error *err) {
    if (!status) status = database_run(&registry->db, err, "COMMIT", "");
    if (status && !sqlite3_get_autocommit(registry->db.handle))
        sqlite3_exec(registry->db.handle, "ROLLBACK", NULL, NULL, NULL);
    bn_status settled = settle(registry, status ? NULL : err);
    registry_unlock(registry);
    if (!status && settled)
        error_prefix(err, "the change is made, but tidying up failed (the next change tries again)");
    return status ? status : settled;
}

bn_status note_name(struct registry *registry, const char *name, const char *variant, bn_error *err) {
    return database_run(&registry->db, err, "INSERT OR IGNORE INTO names_to_write VALUES(?, ?)", "tt", name, variant);
}

bn_status note_folder(struct registry *registry, const char *id, bn_error *err) {
    return database_run(&registry->db, err, "INSERT OR IGNORE INTO folders_to_remove VALUES(?)", "t", id);
}

/* ---- settling ---- */

/* The first row's one or two texts; *found says whether there is one. */
static bn_status first_row(struct registry *registry, const char *sql, char **a, char **b, bool *found, bn_error *err) {
    sqlite3_stmt *statement;
    *a = *b = NULL;
    bn_status status = database_query(&registry->db, &statement, err, sql, "");
    if (!status) status = database_step(&registry->db, statement, found, err);
    if (!status && *found) {
        *a = mem_strdup(column_text(statement, 0));
        *b = mem_strdup(column_text(statement, 1));
        if (!*a || !*b) status = fail_no_memory(err, SHA256_HEX_SIZE);
    }
    sqlite3_finalize(statement);
    return status;
}

static bn_status write_names(struct registry *registry, bn_error *err) {
    for (;;) {
        char *name, *variant;
        bool found = false;
        bn_status status =
            first_row(registry, "SELECT name, variant FROM names_to_write LIMIT 1", &name, &variant, &found, err);
        if (!status && found) status = name_file_write(registry, name, variant, err);
        if (!status && found)
            status = database_run(&registry->db, err, "DELETE FROM names_to_write WHERE name = ? AND variant = ?", "tt",
                                  name, variant);
        mem_free(name);
        mem_free(variant);
        if (status || !found) return status;
    }
}

static bn_status remove_folders(struct registry *registry, bn_error *err) {
    for (;;) {
        char *id, *kept;
        bool found = false;
        bn_status status = first_row(registry,
                                     "SELECT id, EXISTS(SELECT 1 FROM versions v WHERE v.id = f.id)"
                                     " FROM folders_to_remove f LIMIT 1",
                                     &id, &kept, &found, err);
        if (!status && found && *kept == '0') status = version_folder_remove(registry, id, err);
        if (!status && found)
            status = database_run(&registry->db, err, "DELETE FROM folders_to_remove WHERE id = ?", "t", id);
        mem_free(id);
        mem_free(kept);
        if (status || !found) return status;
    }
}

bn_status settle(struct registry *registry, bn_error *err) {
    bn_status status = write_names(registry, err);
    return status ? status : remove_folders(registry, err);
}
