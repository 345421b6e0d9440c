#include "registry/database.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

enum { BUSY_TIMEOUT_MS = 60000 };

static bn_status failed(const struct database *database, bn_error *err) {
    int code = sqlite3_errcode(database->handle) & 0xff;
    bn_status status = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? BN_STATUS_BAD_FILE
                       : code == SQLITE_BUSY || code == SQLITE_LOCKED  ? BN_STATUS_BUSY
                       : code == SQLITE_NOMEM                          ? BN_STATUS_NO_MEMORY
                                                                       : BN_STATUS_IO;
    return fail(err, status, "%s: %s", database->path, sqlite3_errmsg(database->handle));
}

bn_status database_open(const char *path, struct database *out, bn_error *err) {
    *out = (struct database){.path = mem_strdup(path)};
    if (!out->path) return fail_no_memory(err, strlen(path) + 1);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool opened =
        sqlite3_open_v2(path, &out->handle, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(out->handle, BUSY_TIMEOUT_MS) == SQLITE_OK &&
        sqlite3_exec(out->handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
                     NULL, NULL, NULL) == SQLITE_OK;
    if (opened) return BN_OK;
    bn_status status = failed(out, err);
    database_close(out);
    return status;
}

void database_close(struct database *database) {
    sqlite3_close(database->handle);
    mem_free(database->path);
    *database = (struct database){0};
}

static bn_status query(struct database *database, sqlite3_stmt **out, bn_error *err, const char *sql, const char *types,
                       va_list values) {
    *out = NULL;
    if (sqlite3_prepare_v2(database->handle, sql, -1, out, NULL) != SQLITE_OK) return failed(database, err);
    int code = SQLITE_OK;
    for (int i = 0; types[i] && code == SQLITE_OK; i++)
        code = types[i] == 't' ? sqlite3_bind_text(*out, i + 1, va_arg(values, const char *), -1, SQLITE_TRANSIENT)
                               : sqlite3_bind_int64(*out, i + 1, va_arg(values, int64_t));
    if (code == SQLITE_OK) return BN_OK;
    bn_status status = failed(database, err);
    sqlite3_finalize(*out);
    *out = NULL;
    return status;
}

bn_status database_query(struct database *database, sqlite3_stmt **out, bn_error *err, const char *sql,
                         const char *types, ...) {
    va_list values;
    va_start(values, types);
    bn_status status = query(database, out, err, sql, types, values);
    va_end(values);
    return status;
}

bn_status database_step(struct database *database, sqlite3_stmt *statement, bool *row, bn_error *err) {
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    return *row || code == SQLITE_DONE ? BN_OK : failed(database, err);
}

bn_status database_run(struct database *database, bn_error *err, const char *sql, const char *types, ...) {
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement;
    bn_status status = query(database, &statement, err, sql, types, values);
    va_end(values);
    bool row = true;
    while (!status && row) status = database_step(database, statement, &row, err);
    sqlite3_finalize(statement);
    return status;
}

bn_status database_integer(struct database *database, int64_t *value, bool *found, bn_error *err, const char *sql,
                           const char *types, ...) {
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement;
    bn_status status = query(database, &statement, err, sql, types, values);
    va_end(values);
    *found = false;
    if (!status) status = database_step(database, statement, found, err);
    if (!status && *found) *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

const char *column_text(sqlite3_stmt *statement, int column) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}
