/* `bitnet bench goals`: the figures this project sets itself, measured in one go. Every figure comes from a process of its
 * own: this program or a peer. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "bench/machine.h"
#include "bench/process.h"
#include "bench/statistics.h"
#include "bench/synthetic.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/peers.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"
#include "model/optimize.h"

enum { MAX_REPEATS = 20, LIMIT_S = 1800, MAX_WORDS = 20 };

struct goals_settings {
    const char *python, *format;
    size_t repeats;
    bool kernels_only;
};
#define FIELD(name) offsetof(struct goals_settings, name)

static const struct option options[] = {
    {"python", 0, OPTION_TEXT, FIELD(python), "PROGRAM", 0, 0,
     "a Python interpreter that has llama-cpp-python, to compare with; without it those rows stay empty", NULL},
    {"repetitions", 'r', OPTION_SIZE, FIELD(repeats), "N", 1, MAX_REPEATS, "rounds of each comparison (3)", NULL},
    {"kernels-only", 0, OPTION_FLAG, FIELD(kernels_only), NULL, 0, 0, "only what needs no model", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"Goals", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct goals_settings *goals = settings;
    goals->repeats = 3;
    goals->format = "table";
}

/* ---- rows ---- */

struct report {
    const struct invocation *invocation;
    char *model_f16, *model_q6k, *model_small; /* in the cache folder */
    char *model_ours;                          /* model_f16 optimized: what this program is given */
    json_t *rows;
};

/* measured NAN: it couldn't be measured, `why` not. Lower is better where stretch < must. */
static void add_row(struct report *report, const char *name, const char *unit, double must, double stretch,
                    double measured, const char *why) {
    bool lower = stretch < must, met = lower ? measured <= must : measured >= must;
    bool stretched = lower ? measured <= stretch : measured >= stretch;
    bool impossible =
        strcmp(unit, "%") == 0 && measured > 105; /* the limit was measured while something disturbed it */
    const char *verdict = isnan(measured) ? why
                          : impossible    ? "disturbed"
                          : stretched     ? "stretch"
                          : met           ? "ok"
                                          : "short";
    json_array_append_new(report->rows,
                          json_pack("{s:s, s:s, s:o, s:f, s:f, s:s}", "name", name, "unit", unit, "measured",
                                    json_number(measured), "must", must, "stretch", stretch, "verdict", verdict));
    if (isnan(measured))
        say(report->invocation, "%s: %s", name, why);
    else
        say(report->invocation, "%s: %.4g %s (%s)", name, measured, unit, verdict);
}

/* ---- figures of this program ---- */

/* Runs argv, reads its output as JSON: a list, an object, or objects line by line, always given back as a list. */
static json_t *run_json(char *const argv[], bn_error *err) {
    struct process_result result;
    if (process_run(argv, LIMIT_S, &result, err)) return NULL;
    json_t *rows = json_array();
    for (char *line = result.output; line && *line;) {
        char *newline = strchr(line, '\n');
        json_t *value = NULL;
        size_t size = newline ? (size_t)(newline - line) : strlen(line);
        if (json_parse(line, size, argv[0], &value, err)) {
            json_decref(rows);
            rows = NULL;
            break;
        }
        if (json_is_array(value))
            json_array_extend(rows, value);
        else
            json_array_append(rows, value);
        json_decref(value);
        line = newline ? newline + 1 : NULL;
    }
    mem_free(result.output);
    return rows;
}

/* `bitnet bench MODEL` and the words of `arguments`. */
static json_t *bench_json(const char *model, const char *arguments, bn_error *err) {
    char text[256], *argv[MAX_WORDS] = {(char *)"/proc/self/exe", (char *)"bench", (char *)model, (char *)"--json"};
    size_t n = 4;
    snprintf(text, sizeof text, "%s", arguments);
    for (char *rest, *at = strtok_r(text, " ", &rest); at && n + 1 < MAX_WORDS; at = strtok_r(NULL, " ", &rest))
        argv[n++] = at;
    argv[n] = NULL;
    return run_json(argv, err);
}

static double number_of(const json_t *rows, size_t index, const char *key) {
    const json_t *value = json_object_get(json_array_get(rows, index), key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void add_roofline(struct report *report, const char *name, const char *model, const char *arguments, double must,
                         double stretch) {
    bn_error why = {0};
    json_t *rows = bench_json(model, arguments, &why);
    add_row(report, name, "%", must, stretch, number_of(rows, 0, "roofline_percent"), why.message);
    json_decref(rows);
}

static void add_own_figures(struct report *report) {
    bn_error why = {0};
    add_roofline(report, "decode 128, 2 threads, of the roofline", report->model_ours, "-p 0 -n 128 -t 2 -r 3", 80, 88);
    json_t *rows = bench_json(report->model_ours, "-p 512 -n 0 -t 1,2 -r 3", &why);
    add_row(report, "prefill 512, 2 threads, of the roofline", "%", 75, 85, number_of(rows, 1, "roofline_percent"),
            why.message);
    add_row(report, "prefill 512, 2 threads over 1", "x", 1.8, 1.95,
            number_of(rows, 1, "tokens_per_second") / number_of(rows, 0, "tokens_per_second"), why.message);
    json_decref(rows);
    rows = bench_json(report->model_ours, "-p 0 -n 32 -t 2 -r 3 --streams 1,4,12", &why);
    double one = number_of(rows, 0, "tokens_per_second");
    add_row(report, "4 streams over one, all tokens", "x", 2.4, 2.8, number_of(rows, 1, "tokens_per_second") / one,
            why.message);
    add_row(report, "12 streams over one, all tokens", "x", 3, 4, number_of(rows, 2, "tokens_per_second") / one,
            why.message);
    json_decref(rows);
    add_roofline(report, "decode at 32768, 2 threads, of the roofline", report->model_ours,
                 "-p 0 -n 16 -d 32768 -t 2 -r 1", 70, 85);
    rows = bench_json(report->model_small, "-p 0 -n 128 -t 1 -r 5", &why);
    add_row(report, "8m shape, 1 thread, a token", "ms", 1, 0.3, 1e3 / number_of(rows, 0, "tokens_per_second"),
            why.message);
    json_decref(rows);
}

/* ---- kernels ---- */

/* `bitnet bench kernels NAME --isa ISA -t THREADS`; isa NULL: all. */
static json_t *kernels_json(const char *name, const char *isa, const char *threads, bn_error *err) {
    char *argv[] = {(char *)"/proc/self/exe",
                    (char *)"bench",
                    (char *)"kernels",
                    (char *)name,
                    (char *)"--json",
                    (char *)"-t",
                    (char *)threads,
                    (char *)(isa ? "--isa" : NULL),
                    (char *)isa,
                    NULL};
    return run_json(argv, err);
}

/* `key` of the row of this name, and the largest of several; NAN when there is none. */
static double figure_of(const json_t *rows, const char *name, const char *key) {
    double best = NAN;
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(rows, i), "name")), name) == 0)
            best = fmax(best, number_of(rows, i, key)); /* fmax prefers numbers to NAN */
    return best;
}

static void add_kernel_figures(struct report *report) {
    const char *isa = kernels_best()->name;
    bool vnni = strcmp(isa, "avx2") != 0;
    bn_error why = {.message = "not measured"};
    json_t *rows = kernels_json("roofline 2560x6912", isa, "1", &why);
    add_row(report, "mat-vec, 1 thread, of read bandwidth", "%", 90, 98,
            figure_of(rows, "roofline 2560x6912 l16, 1 token", "percent_of_reading"), why.message);
    add_row(report, "mat-mat, 1 thread, of int8 peak", "%", vnni ? 88 : 80, 94,
            figure_of(rows, "roofline 2560x6912 l16, 512 tokens", "percent_of_peak"), why.message);
    json_decref(rows);
    rows = kernels_json("bitlinear", isa, "2", &why);
    add_row(report, "BitLinear 1024x1024, 2 threads", "per s", vnni ? 300000 : 150000, vnni ? 400000 : 200000,
            figure_of(rows, "bitlinear 1024x1024", "per_second"), why.message);
    json_decref(rows);
    rows = kernels_json("ternary 2560x6912, 1 token", NULL, "1", &why);
    add_row(report, "SIMD over scalar, mat-vec", "x", 15, 30,
            figure_of(rows, "ternary 2560x6912, 1 token", "ratio_to_scalar"), why.message);
    json_decref(rows);
}

/* ---- peers ---- */

struct pair {
    double ours, theirs; /* medians */
    double our_memory, their_memory;
};

static bn_status measure_pair(const struct report *report, const char *their_model, enum peer_test test, size_t n,
                              size_t threads, struct pair *out, bn_error *err) {
    const struct goals_settings *settings = report->invocation->settings;
    const struct peer peers[2] = {{PEER_OURS, "ours", "/proc/self/exe", report->model_ours},
                                  {PEER_LLAMA_PYTHON, "llama-cpp-python", settings->python, their_model}};
    double values[2][MAX_REPEATS], memory[2][MAX_REPEATS];
    for (size_t i = 0; i < 2 * settings->repeats; i++) {
        struct peer_measurement measured;
        if (interrupted()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
        bn_status status = peer_measure(&peers[i % 2], test, n, threads, LIMIT_S, &measured, err);
        if (status) return status;
        values[i % 2][i / 2] = measured.value;
        memory[i % 2][i / 2] = (double)measured.peak_bytes;
    }
    *out =
        (struct pair){summarize(values[0], settings->repeats).median, summarize(values[1], settings->repeats).median,
                      summarize(memory[0], settings->repeats).median, summarize(memory[1], settings->repeats).median};
    return BN_OK;
}

static void add_peer_figures(struct report *report) {
    const struct goals_settings *settings = report->invocation->settings;
    bool vnni = strcmp(kernels_best()->name, "avx2") != 0;
    const struct {
        const char *name, *their_model; /* ours has the f16 head always: its results are exact */
        enum peer_test test;
        size_t n, threads;
        double must, stretch;
    } rows[] = {
        {"prefill 512, 2 threads, over llama.cpp", report->model_f16, PEER_PREFILL, 512, 2, vnni ? 3.5 : 2,
         vnni ? 4 : 2.4},
        {"decode 128, 2 threads, over llama.cpp, f16 head", report->model_f16, PEER_DECODE, 128, 2, 1.7, 2.2},
        {"decode 128, 1 thread, over llama.cpp, f16 head", report->model_f16, PEER_DECODE, 128, 1, 2, 2.5},
        {"decode 128, 2 threads, over llama.cpp with a Q6_K head", report->model_q6k, PEER_DECODE, 128, 2, 1.4, 1.8},
        {"start to first token, over llama.cpp", report->model_f16, PEER_START, 8, 2, 0.5, 0.3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair pair = {NAN, NAN, NAN, NAN};
        bn_error why = {.message = "no peer: --python PROGRAM"};
        if (settings->python)
            measure_pair(report, rows[i].their_model, rows[i].test, rows[i].n, rows[i].threads, &pair, &why);
        add_row(report, rows[i].name, "x", rows[i].must, rows[i].stretch, pair.ours / pair.theirs, why.message);
        if (i == 1)
            add_row(report, "peak memory of that, over llama.cpp", "x", 0.7, 0.6, pair.our_memory / pair.their_memory,
                    why.message);
    }
}

/* ---- all of it ---- */

/* The model's path in the cache folder, made when it isn't there. */
static bn_status find_model(const struct invocation *invocation, const char *shape, enum tensor_type head, char **out,
                            bn_error *err) {
    char name[64];
    snprintf(name, sizeof name, "synthetic-%s-long-%s.gguf", shape, head == TYPE_F16 ? "f16" : "q6_k");
    *out = cache_path(name);
    if (!*out) return fail(err, BN_STATUS_NOT_FOUND, "there is no cache folder: HOME and XDG_CACHE_HOME are not set");
    if (file_exists(*out)) return BN_OK;
    folders_make(*out);
    say(invocation, "writing %s", *out);
    return synthetic_write(synthetic_shape_find(shape), head, false, 1, *out, err);
}

/* Written again where the program is newer: another build may want another layout. */
static bn_status find_optimized(const struct report *report, char **out, bn_error *err) {
    *out = cache_path("synthetic-2b-long-f16-optimized.gguf");
    if (!*out) return fail_no_memory(err, 1);
    if (file_identify(*out).modified_ns > file_identify("/proc/self/exe").modified_ns) return BN_OK;
    say(report->invocation, "writing %s", *out);
    bn_model *model;
    bn_status status = bn_model_open(report->model_f16, NULL, &model, err);
    if (status) return status;
    status = model_optimize(model, *out, &(struct optimize_report){0}, err);
    bn_model_close(model);
    return status;
}

static const struct column columns[] = {
    {"name", "figure", 1, 0},
    {"measured", "measured", 1, -1},
    {"unit", "unit", 1, 0},
    {"must", "must", 1, -1},
    {"stretch", "stretch", 1, -1},
    {"verdict", "verdict", 1, 0},
    {0},
};

static enum exit_code run(struct invocation *invocation) {
    const struct goals_settings *settings = invocation->settings;
    struct report report = {.invocation = invocation, .rows = json_array()};
    bn_error error = {0};
    bn_status status = BN_OK;
    if (!settings->kernels_only) {
        status = find_model(invocation, "2b", TYPE_F16, &report.model_f16, &error);
        if (!status) status = find_model(invocation, "2b", TYPE_Q6_K, &report.model_q6k, &error);
        if (!status) status = find_model(invocation, "8m", TYPE_F16, &report.model_small, &error);
        if (!status) status = find_optimized(&report, &report.model_ours, &error);
    }
    if (!status && !settings->kernels_only) {
        add_peer_figures(&report);
        add_own_figures(&report);
    }
    if (!status) {
        add_kernel_figures(&report);
        status = rows_write(stdout, invocation->common.json ? "json" : settings->format, report.rows, columns, &error);
    }
    json_decref(report.rows);
    mem_free(report.model_f16);
    mem_free(report.model_q6k);
    mem_free(report.model_small);
    mem_free(report.model_ours);
    if (status) return say_failure(&error);
    return interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

const struct command command_bench_goals = {
    .name = "bench goals",
    .arguments = "",
    .summary = "measure the figures this project sets itself",
    .description =
        "One table of all figures that matter: speed and memory beside llama.cpp, how near the kernels and whole "
        "models come "
        "to this machine's limits, several sequences at once, long contexts, small models. Each has what it must reach "
        "and "
        "what it stretches for. The models are random ones of 2 billion and 8 million parameters, written to the cache "
        "folder (4 GB) when they aren't there. Takes about a quarter of an hour; run it on an idle machine.",
    .examples = "bitnet bench goals --kernels-only --json",
    .groups = groups,
    .settings_bytes = sizeof(struct goals_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run,
};
