/* Results of benchmarks over time, in a SQLite database: what was measured, on which commit, machine and model. */
#ifndef BENCH_HISTORY_H
#define BENCH_HISTORY_H

#include "base/error.h"
#include "base/json.h"

struct history;

/* The commit this program was built from, "" where that isn't known. */
const char *build_commit(void);

/* Opens or creates the database; path NULL: history.db in the data folder (base/folders.h). BN_STATUS_UNSUPPORTED when
 * the program was built without SQLite. Close with history_close (NULL is fine). */
bn_status history_open(const char *path, struct history **out, bn_error *err);
void history_close(struct history *history);

/* Adds a run: rows as `bitnet bench --json` prints them. All or nothing. */
bn_status history_record(struct history *history, const char *commit, const char *machine, const char *model_id,
                         const json_t *rows, bn_error *err);

/* Runs, newest first: {"run", "date", "commit", "machine", "model", "results"}. */
bn_status history_list(struct history *history, size_t limit, json_t **out, bn_error *err);

/* Rows as they were recorded, with "run", "date", "commit", "machine" and "model_id" added, oldest first. run 0: of all runs;
 * commit NULL: of all commits; else of those whose name begins with it. */
bn_status history_rows(struct history *history, size_t run, const char *commit, json_t **out, bn_error *err);

/* Compares two sets of rows from history_rows, test by test: all samples of equal tests (name, settings, model, machine) come
 * together, and what has samples on both sides gives a row {"name", …, "before", "after", "ratio", "verdict"}; the verdict is
 * faster, slower or same (statistics.h says when a difference counts). *n_slower: how many were slower. */
json_t *history_compare(const json_t *before, const json_t *after, size_t *n_slower);

#endif
