/* `bitnet bench plot`: results as an SVG drawing. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "bench/history.h"
#include "bench/svg_plot.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/terminal.h"

struct plot_settings {
    const char *output, *title, *test, *history;
};
#define FIELD(name) offsetof(struct plot_settings, name)

static const struct option options[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", 0, 0, "where the drawing goes (standard output)", NULL},
    {"title", 0, OPTION_TEXT, FIELD(title), "TEXT", 0, 0, "its title", NULL},
    {"test", 0, OPTION_TEXT, FIELD(test), "NAME", 0, 0, "from the history, only this test, such as pp512", NULL},
    {"history", 0, OPTION_TEXT, FIELD(history), "FILE", 0, 0, "the history's database (history.db in the data folder)",
     NULL},
    {0},
};
static const struct option_group groups[] = {{"Plot", options, 0}, {0}};

static bn_status rows_of_file(const char *path, json_t **out, bn_error *err) {
    struct buffer text;
    buffer_init(&text);
    bn_status status = read_file_or_stdin(path, &text, err);
    if (!status) status = json_parse(text.data ? text.data : "", text.size, path, out, err);
    buffer_release(&text);
    if (!status && !json_is_array(*out)) {
        json_decref(*out);
        *out = NULL;
        status = fail(err, BN_STATUS_BAD_FILE, "%s: not a list, which 'bitnet bench --json' prints", path);
    }
    return status;
}

static bn_status rows_of_history(const struct plot_settings *settings, json_t **out, bn_error *err) {
    struct history *history;
    bn_status status = history_open(settings->history, &history, err);
    if (status) return status;
    status = history_rows(history, 0, NULL, out, err);
    history_close(history);
    for (size_t i = status || !settings->test ? 0 : json_array_size(*out); i-- > 0;) {
        const char *name = json_string_value(json_object_get(json_array_get(*out, i), "name"));
        if (!name || strcmp(name, settings->test) != 0) json_array_remove(*out, i);
    }
    return status;
}

/* What the rows are about: bench has speeds, compare medians, goals measurements. */
static const char *value_key(const json_t *rows) {
    static const char *const keys[] = {"tokens_per_second", "median", "measured"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_is_number(json_object_get(json_array_get(rows, 0), keys[i]))) return keys[i];
    return "tokens_per_second";
}

static bn_status draw(FILE *stream, const struct invocation *invocation, const json_t *rows, bn_error *err) {
    const struct plot_settings *settings = invocation->settings;
    bool drawn;
    if (invocation->n_arguments)
        drawn = svg_bars(stream, settings->title ? settings->title : invocation->arguments[0], rows, value_key(rows));
    else
        drawn = svg_lines(stream, settings->title ? settings->title : "tokens per second", rows);
    return drawn ? BN_OK : fail(err, BN_STATUS_BAD_FILE, "there are no results to draw");
}

static bn_status draw_to_file(const char *path, const struct invocation *invocation, const json_t *rows,
                              bn_error *err) {
    struct atomic_file file;
    bn_status status = atomic_file_open(path, &file, err);
    if (status) return status;
    status = draw(file.stream, invocation, rows, err);
    if (!status) return atomic_file_commit(&file, err);
    atomic_file_abort(&file);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct plot_settings *settings = invocation->settings;
    json_t *rows = NULL;
    bn_error error = {0};
    bn_status status = invocation->n_arguments ? rows_of_file(invocation->arguments[0], &rows, &error)
                                               : rows_of_history(settings, &rows, &error);
    if (!status)
        status = settings->output ? draw_to_file(settings->output, invocation, rows, &error)
                                  : draw(stdout, invocation, rows, &error);
    json_decref(rows);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench_plot = {
    .name = "bench plot",
    .arguments = "[RESULTS.json]",
    .summary = "draw results as SVG",
    .description = "Draws bars of the results in a file that 'bitnet bench --json' (or bench compare, bench goals) "
                   "wrote, - for standard input; "
                   "without one, lines over the commits of the history.",
    .examples = "bitnet bench demo -p 32,64 -n 8 -r 2 --json | bitnet bench plot - -o speed.svg",
    .groups = groups,
    .settings_bytes = sizeof(struct plot_settings),
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run,
};
