/* SQLite with errors as the rest of the project has them. A database belongs to one thread. */
#ifndef REGISTRY_DATABASE_H
#define REGISTRY_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/error.h"

struct database {
    sqlite3 *handle;
    char *path;
};

/* Opens or creates; write-ahead log, synchronous=FULL, waits up to a minute for other processes. BN_STATUS_BAD_FILE: the file
 * isn't a database. */
bn_status database_open(const char *path, struct database *out, bn_error *err);
void database_close(struct database *database);

/* Prepares a statement and binds its '?': `types` has a letter for each, t (const char *, NULL for none) or i
 * (int64_t). End it with sqlite3_finalize. */
bn_status database_query(struct database *database, sqlite3_stmt **out, bn_error *err, const char *sql,
                         const char *types, ...);
/* Steps to the next row; *row is false past the last. */
bn_status database_step(struct database *database, sqlite3_stmt *statement, bool *row, bn_error *err);
/* A statement without results, from start to end. */
bn_status database_run(struct database *database, bn_error *err, const char *sql, const char *types, ...);
/* The first column of the only row as an integer; *found is false (and *value unchanged) when there is no row. */
bn_status database_integer(struct database *database, int64_t *value, bool *found, bn_error *err, const char *sql,
                           const char *types, ...);

/* Column as text, "" for NULL; valid until the next step. */
const char *column_text(sqlite3_stmt *statement, int column);

#endif
