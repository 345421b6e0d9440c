/* `bitnet bench load`: what lies between starting the program and the first token. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "bench/statistics.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/peers.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { MAX_REPEATS = 1000 };

struct load_settings {
    struct model_options model;
    size_t repeats;
    const char *format;
};
#define FIELD(name) offsetof(struct load_settings, name)

static const struct option options[] = {
    {"repetitions", 'r', OPTION_SIZE, FIELD(repeats), "N", 1, MAX_REPEATS, "measurements (10)", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"Test", options, 0}, {"Model", model_option_table, FIELD(model)}, {0}};

static void set_defaults(void *settings) {
    struct load_settings *load = settings;
    load->repeats = 10;
    load->format = "table";
}

struct times {
    double start[MAX_REPEATS], open[MAX_REPEATS], engine[MAX_REPEATS], peak[MAX_REPEATS];
};

/* Inside this process: opening, and an engine. */
static bn_status open_once(const struct invocation *invocation, struct times *times, size_t i, bn_error *err) {
    const struct load_settings *settings = invocation->settings;
    struct loaded_model loaded = {0};
    uint64_t start = clock_now_ns();
    bn_status status = model_options_open(invocation, &settings->model, &loaded.model, err);
    uint64_t opened = clock_now_ns();
    bn_engine_options engine_options = model_options_engine(&settings->model);
    if (!status) status = bn_engine_create(loaded.model, &engine_options, &loaded.engine, err);
    times->open[i] = (double)(opened - start) * 1e-6;
    times->engine[i] = (double)(clock_now_ns() - opened) * 1e-6;
    loaded_model_release(&loaded);
    return status;
}

static void add_row(json_t *rows, const char *name, double *values, size_t n, const char *unit) {
    struct summary s = summarize(values, n);
    json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:f, s:f, s:s, s:I}", "name", name, "median", s.median,
                                          "min", s.min, "max", s.max, "deviation", s.deviation, "unit", unit, "runs",
                                          (json_int_t)n));
}

static bn_status measure(const struct invocation *invocation, struct times *times, json_t *rows, bn_error *err) {
    const struct load_settings *settings = invocation->settings;
    size_t n = settings->repeats, threads = settings->model.threads ? settings->model.threads : cpu_count_physical();
    const struct peer self = {PEER_OURS, "bitnet", "/proc/self/exe", invocation->arguments[0]};
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < n; i++) {
        struct peer_measurement measured;
        if (interrupted()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
        status = open_once(invocation, times, i, err);
        if (!status) status = peer_measure(&self, PEER_START, 8, threads, 600, &measured, err);
        times->start[i] = measured.value * 1e3;
        times->peak[i] = (double)measured.peak_bytes / (1 << 20);
    }
    if (status) return status;
    add_row(rows, "start to first token", times->start, n, "ms");
    add_row(rows, "opening the model", times->open, n, "ms");
    add_row(rows, "making an engine", times->engine, n, "ms");
    add_row(rows, "peak memory", times->peak, n, "MiB");
    return BN_OK;
}

static const struct column columns[] = {
    {"name", "what", 1, 0},
    {"median", "median", 1, 2},
    {"min", "min", 1, 2},
    {"max", "max", 1, 2},
    {"deviation", "±", 1, 2},
    {"unit", "unit", 1, 0},
    {0},
};

static enum exit_code run(struct invocation *invocation) {
    const struct load_settings *settings = invocation->settings;
    struct times *times = mem_calloc(1, sizeof *times);
    json_t *rows = json_array();
    bn_error error = {0};
    bn_status status = times ? measure(invocation, times, rows, &error) : fail_no_memory(&error, sizeof *times);
    if (!status)
        status = rows_write(stdout, invocation->common.json ? "json" : settings->format, rows, columns, &error);
    json_decref(rows);
    mem_free(times);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench_load = {
    .name = "bench load",
    .arguments = "MODEL",
    .summary = "measure the time to the first token",
    .description = "Starts the program again and again (generate, 8 tokens in, one out) and measures the time to its "
                   "first output and its "
                   "peak memory, which counts the pages of the mapped model that were touched; and, inside this "
                   "process, opening the model and "
                   "making an engine. The model's file is in the page cache after the first time.",
    .examples = "bitnet bench load demo -r 3",
    .groups = groups,
    .settings_bytes = sizeof(struct load_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
