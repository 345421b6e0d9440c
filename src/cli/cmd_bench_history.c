/* `bitnet bench history`: recorded results, and what has become slower since. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/history.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/rows.h"
#include "cli/terminal.h"

struct history_settings {
    const char *path, *format;
    size_t limit;
    bool gate;
};
#define FIELD(name) offsetof(struct history_settings, name)

static const struct option options[] = {
    {"history", 0, OPTION_TEXT, FIELD(path), "FILE", 0, 0, "the database (history.db in the data folder)", NULL},
    {"limit", 0, OPTION_SIZE, FIELD(limit), "N", 1, 1e9, "list: the last N runs (20)", NULL},
    {"gate", 0, OPTION_FLAG, FIELD(gate), NULL, 0, 0, "compare: exit with 1 if something became slower", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"History", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct history_settings *history = settings;
    history->limit = 20;
    history->format = "table";
}

static bn_status print_rows(const struct invocation *invocation, const json_t *rows, const struct column *columns,
                            bn_error *err) {
    const struct history_settings *settings = invocation->settings;
    return rows_write(stdout, invocation->common.json ? "json" : settings->format, rows, columns, err);
}

static bn_status list(const struct invocation *invocation, struct history *history, bn_error *err) {
    static const struct column columns[] = {
        {"run", "run", 1, 0},
        {"date", "date", 1, 0},
        {"commit", "commit", 1, 0},
        {"machine", "machine", 1, 0},
        {"model", "model", 1, 0},
        {"results", "results", 1, 0},
        {0},
    };
    const struct history_settings *settings = invocation->settings;
    json_t *rows;
    bn_status status = history_list(history, settings->limit, &rows, err);
    if (status) return status;
    status = print_rows(invocation, rows, columns, err);
    json_decref(rows);
    return status;
}

static bn_status show(const struct invocation *invocation, struct history *history, bn_error *err) {
    static const struct column columns[] = {
        {"run", "run", 1, 0},
        {"commit", "commit", 1, 0},
        {"model", "model", 1, 0},
        {"name", "test", 1, 0},
        {"threads", "threads", 1, 0},
        {"isa", "isa", 1, 0},
        {"tokens_per_second", "tokens/s", 1, 2},
        {"deviation", "±", 1, 2},
        {"roofline_percent", "% of limit", 1, 0},
        {0},
    };
    const char *text = invocation->n_arguments > 1 ? invocation->arguments[1] : "";
    char *end;
    errno = 0;
    unsigned long long run = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || run == 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "show needs the number of a run (see 'bitnet bench history list')");
    json_t *rows;
    bn_status status = history_rows(history, (size_t)run, NULL, &rows, err);
    if (status) return status;
    if (json_array_size(rows) == 0)
        status = fail(err, BN_STATUS_NOT_FOUND, "there is no run %llu (see 'bitnet bench history list')", run);
    if (!status) status = print_rows(invocation, rows, columns, err);
    json_decref(rows);
    return status;
}

static bn_status rows_of_commit(struct history *history, const char *commit, json_t **rows, bn_error *err) {
    bn_status status = history_rows(history, 0, commit, rows, err);
    if (status || json_array_size(*rows)) return status;
    json_decref(*rows);
    *rows = NULL;
    return fail(err, BN_STATUS_NOT_FOUND, "nothing is recorded for commit '%s' (see 'bitnet bench history list')",
                commit);
}

/* COMMIT against a second one, or against this program's own. */
static bn_status compare(const struct invocation *invocation, struct history *history, size_t *n_slower,
                         bn_error *err) {
    static const struct column columns[] = {
        {"name", "test", 1, 0},       {"threads", "threads", 1, 0},
        {"isa", "isa", 1, 0},         {"model", "model", 1, 0},
        {"machine", "machine", 1, 0}, {"before", "before", 1, 2},
        {"after", "after", 1, 2},     {"ratio", "ratio", 1, 3},
        {"verdict", "verdict", 1, 0}, {0},
    };
    if (invocation->n_arguments < 2)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "compare needs a commit: bitnet bench history compare COMMIT [COMMIT]");
    json_t *before = NULL, *after = NULL;
    const char *now = invocation->n_arguments > 2 ? invocation->arguments[2] : build_commit();
    bn_status status = rows_of_commit(history, invocation->arguments[1], &before, err);
    if (!status) status = rows_of_commit(history, now, &after, err);
    if (!status) {
        json_t *report = history_compare(before, after, n_slower);
        if (json_array_size(report) == 0)
            status =
                fail(err, BN_STATUS_NOT_FOUND, "'%s' and '%s' have no test in common", invocation->arguments[1], now);
        else
            status = print_rows(invocation, report, columns, err);
        json_decref(report);
    }
    json_decref(before);
    json_decref(after);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct history_settings *settings = invocation->settings;
    const char *verb = invocation->n_arguments ? invocation->arguments[0] : "list";
    struct history *history = NULL;
    bn_error error = {0};
    size_t n_slower = 0;
    bn_status status = BN_OK;
    if (strcmp(verb, "list") != 0 && strcmp(verb, "show") != 0 && strcmp(verb, "compare") != 0)
        status = fail(&error, BN_STATUS_BAD_ARGUMENT, "'%s' isn't list, show or compare", verb);
    if (!status) status = history_open(settings->path, &history, &error);
    if (!status && verb[0] == 'l') status = list(invocation, history, &error);
    if (!status && verb[0] == 's') status = show(invocation, history, &error);
    if (!status && verb[0] == 'c') status = compare(invocation, history, &n_slower, &error);
    history_close(history);
    if (status) return say_failure(&error);
    if (!settings->gate || n_slower == 0) return EXIT_DONE;
    say_error("%zu test%s became slower", n_slower, n_slower == 1 ? "" : "s");
    return EXIT_FAILED;
}

const struct command command_bench_history = {
    .name = "bench history",
    .arguments = "[list | show RUN | compare COMMIT [COMMIT]]",
    .summary = "recorded results, and what became slower",
    .description =
        "'bitnet bench … --record' keeps its results in a SQLite database with the commit the program was built from, "
        "machine, model and date. list: the last runs; show: the results of one; compare: a commit (its first "
        "characters are enough) "
        "against another or against this program's own, test by test.\n\n"
        "compare puts the samples of equal tests together and calls a difference faster or slower when the middle "
        "halves "
        "of the samples (between the quartiles) don't touch and the medians differ by more than 2 %.",
    .examples = "bitnet bench demo -p 32 -n 8 --record\nbitnet bench history\nbitnet bench history show 1 --json",
    .groups = groups,
    .settings_bytes = sizeof(struct history_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 3,
    .run = run,
};
