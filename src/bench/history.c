#include "bench/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/folders.h"
#include "base/memory.h"
#include "bench/machine.h"
#include "commit.h"

const char *build_commit(void) {
    return BITNET_COMMIT;
}

#ifdef HAVE_SQLITE

#include <sqlite3.h>

struct history {
    sqlite3 *db;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY, date TEXT NOT NULL, commit_name TEXT NOT NULL,"
    " machine TEXT NOT NULL, model_id TEXT NOT NULL, model TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS results(run INTEGER NOT NULL REFERENCES runs(id), name TEXT NOT NULL,"
    " tokens_per_second REAL NOT NULL, row TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS results_run ON results(run);"
    "PRAGMA user_version = 1;";

static bn_status failed(struct history *history, const char *what, bn_error *err) {
    return fail(err, BN_STATUS_IO, "history: %s: %s", what, sqlite3_errmsg(history->db));
}

static bn_status open_database(struct history *history, const char *path, bn_error *err) {
    if (sqlite3_open(path, &history->db) != SQLITE_OK) {
        bn_status status = fail(err, BN_STATUS_IO, "%s: %s", path, sqlite3_errmsg(history->db));
        return status;
    }
    sqlite3_busy_timeout(history->db, 5000);
    if (sqlite3_exec(history->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(err, BN_STATUS_BAD_FILE, "%s: %s", path, sqlite3_errmsg(history->db));
    return BN_OK;
}

bn_status history_open(const char *path, struct history **out, bn_error *err) {
    char *own = path ? mem_strdup(path) : data_path("history.db");
    struct history *history = mem_calloc(1, sizeof *history);
    bn_status status = BN_OK;
    if (!history)
        status = fail_no_memory(err, sizeof *history);
    else if (!own)
        status = fail(err, BN_STATUS_NOT_FOUND, "no place for the history: HOME and XDG_DATA_HOME are not set");
    if (!status && !path) folders_make(own);
    if (!status) status = open_database(history, own, err);
    mem_free(own);
    if (status)
        history_close(history);
    else
        *out = history;
    return status;
}

void history_close(struct history *history) {
    if (!history) return;
    sqlite3_close(history->db);
    mem_free(history);
}

/* ---- statements ---- */

/* Prepares and binds texts to ?1, ?2, …; NULL when something is wrong (sqlite3_errmsg has it). */
static sqlite3_stmt *prepare(struct history *history, const char *sql, const char *const *texts, int n) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(history->db, sql, -1, &statement, NULL) != SQLITE_OK) return NULL;
    for (int i = 0; i < n; i++)
        if (sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_TRANSIENT) != SQLITE_OK) {
            sqlite3_finalize(statement);
            return NULL;
        }
    return statement;
}

static bool execute(struct history *history, const char *sql, const char *const *texts, int n) {
    sqlite3_stmt *statement = prepare(history, sql, texts, n);
    bool done = statement && sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_finalize(statement) == SQLITE_OK && done;
}

static bool insert_result(struct history *history, sqlite3_int64 run, const json_t *row) {
    char *text = json_dumps(row, JSON_COMPACT), id[32], speed[32];
    snprintf(id, sizeof id, "%lld", (long long)run);
    snprintf(speed, sizeof speed, "%.17g", json_number_value(json_object_get(row, "tokens_per_second")));
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *const texts[] = {id, name, speed, text};
    bool done = text && name &&
                execute(history, "INSERT INTO results VALUES(CAST(?1 AS INTEGER), ?2, CAST(?3 AS REAL), ?4)", texts, 4);
    free(text); /* jansson's own memory */
    return done;
}

bn_status history_record(struct history *history, const char *commit, const char *machine, const char *model_id,
                         const json_t *rows, bn_error *err) {
    char date[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    const char *model = json_string_value(json_object_get(json_array_get(rows, 0), "model"));
    const char *const texts[] = {date, commit, machine, model_id, model ? model : ""};
    if (sqlite3_exec(history->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return failed(history, "writing", err);
    bool done = execute(
        history, "INSERT INTO runs(date, commit_name, machine, model_id, model) VALUES(?1, ?2, ?3, ?4, ?5)", texts, 5);
    sqlite3_int64 run = sqlite3_last_insert_rowid(history->db);
    for (size_t i = 0; done && i < json_array_size(rows); i++)
        done = insert_result(history, run, json_array_get(rows, i));
    if (done && sqlite3_exec(history->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) return BN_OK;
    bn_status status = failed(history, "writing", err);
    sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static const char *text_at(sqlite3_stmt *statement, int column) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

bn_status history_list(struct history *history, size_t limit, json_t **out, bn_error *err) {
    char n[32];
    snprintf(n, sizeof n, "%zu", limit);
    const char *const texts[] = {n};
    sqlite3_stmt *statement =
        prepare(history,
                "SELECT id, date, commit_name, machine, model, (SELECT count(*) FROM results WHERE run = id)"
                " FROM runs ORDER BY id DESC LIMIT CAST(?1 AS INTEGER)",
                texts, 1);
    if (!statement) return failed(history, "reading", err);
    json_t *rows = json_array();
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        json_array_append_new(rows, json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "run",
                                              (json_int_t)sqlite3_column_int64(statement, 0), "date",
                                              text_at(statement, 1), "commit", text_at(statement, 2), "machine",
                                              text_at(statement, 3), "model", text_at(statement, 4), "results",
                                              (json_int_t)sqlite3_column_int64(statement, 5)));
    sqlite3_finalize(statement);
    *out = rows;
    if (code == SQLITE_DONE) return BN_OK;
    json_decref(rows);
    return failed(history, "reading", err);
}

bn_status history_rows(struct history *history, size_t run, const char *commit, json_t **out, bn_error *err) {
    char id[32], pattern[100];
    snprintf(id, sizeof id, "%zu", run);
    snprintf(pattern, sizeof pattern, "%.90s", commit ? commit : "");
    const char *const texts[] = {id, pattern};
    sqlite3_stmt *statement =
        prepare(history,
                "SELECT id, date, commit_name, machine, model_id, row FROM results JOIN runs ON run = id"
                " WHERE (?1 = '0' OR id = CAST(?1 AS INTEGER)) AND substr(commit_name, 1, length(?2)) = ?2"
                " ORDER BY id, results.rowid",
                texts, 2);
    if (!statement) return failed(history, "reading", err);
    json_t *rows = json_array();
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        json_t *row = json_loads(text_at(statement, 5), 0, NULL);
        if (!json_is_object(row)) {
            json_decref(row);
            continue;
        }
        json_object_set_new(row, "run", json_integer(sqlite3_column_int64(statement, 0)));
        json_object_set_new(row, "date", json_string(text_at(statement, 1)));
        json_object_set_new(row, "commit", json_string(text_at(statement, 2)));
        json_object_set_new(row, "machine", json_string(text_at(statement, 3)));
        json_object_set_new(row, "model_id", json_string(text_at(statement, 4)));
        json_array_append_new(rows, row);
    }
    sqlite3_finalize(statement);
    *out = rows;
    if (code == SQLITE_DONE) return BN_OK;
    json_decref(rows);
    return failed(history, "reading", err);
}

#else

static bn_status without_sqlite(bn_error *err) {
    return fail(
        err, BN_STATUS_UNSUPPORTED,
        "this program was built without SQLite, which keeps the history: install libsqlite3-dev and configure again");
}

bn_status history_open(const char *path, struct history **out, bn_error *err) {
    (void)path, (void)out;
    return without_sqlite(err);
}
void history_close(struct history *history) {
    (void)history;
}
bn_status history_record(struct history *history, const char *commit, const char *machine, const char *model_id,
                         const json_t *rows, bn_error *err) {
    (void)history, (void)commit, (void)machine, (void)model_id, (void)rows;
    return without_sqlite(err);
}
bn_status history_list(struct history *history, size_t limit, json_t **out, bn_error *err) {
    (void)history, (void)limit, (void)out;
    return without_sqlite(err);
}
bn_status history_rows(struct history *history, size_t run, const char *commit, json_t **out, bn_error *err) {
    (void)history, (void)run, (void)commit, (void)out;
    return without_sqlite(err);
}

#endif
