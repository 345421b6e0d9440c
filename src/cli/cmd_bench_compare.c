/* `bitnet bench compare`: this program beside others, in turns, on the same machine at the same time. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "bench/statistics.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/number_list.h"
#include "cli/peers.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { MAX_PEERS = 6, MAX_REPEATS = 100 };

struct compare_settings {
    const char *python, *transformers, *llama_bench, *bitnet_cpp, *peer_model, *format;
    const char *prompt, *output, *threads;
    size_t repeats, limit_s;
    bool no_start;
};
#define FIELD(name) offsetof(struct compare_settings, name)

static const struct option peer_options[] = {
    {"python", 0, OPTION_TEXT, FIELD(python), "PROGRAM", 0, 0, "a Python interpreter that has llama-cpp-python", NULL},
    {"transformers", 0, OPTION_TEXT, FIELD(transformers), "PROGRAM", 0, 0,
     "a Python interpreter that has transformers (MODEL is a folder)", NULL},
    {"llama-bench", 0, OPTION_TEXT, FIELD(llama_bench), "PROGRAM", 0, 0, "llama.cpp's llama-bench", NULL},
    {"bitnet-cpp", 0, OPTION_TEXT, FIELD(bitnet_cpp), "PROGRAM", 0, 0, "bitnet.cpp's llama-bench", NULL},
    {"peer-model", 0, OPTION_TEXT, FIELD(peer_model), "MODEL", 0, 0, "the model for the others, if it isn't MODEL",
     NULL},
    {0},
};
static const struct option test_options[] = {
    {"n-prompt", 'p', OPTION_TEXT, FIELD(prompt), "N,…", 0, 0, "prefill of N tokens (512; 0: none)", NULL},
    {"n-gen", 'n', OPTION_TEXT, FIELD(output), "N,…", 0, 0, "decode of N tokens (128; 0: none)", NULL},
    {"threads", 't', OPTION_TEXT, FIELD(threads), "N,…", 0, 0, "threads; 0: one per physical core (0)", NULL},
    {"repetitions", 'r', OPTION_SIZE, FIELD(repeats), "N", 1, MAX_REPEATS, "rounds (3)", NULL},
    {"no-start", 0, OPTION_FLAG, FIELD(no_start), NULL, 0, 0, "leave out the time from start to first token", NULL},
    {"limit", 0, OPTION_SIZE, FIELD(limit_s), "S", 1, 86400, "seconds that one measurement may take (900)", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"Peers", peer_options, 0}, {"Test", test_options, 0}, {0}};

static void set_defaults(void *settings) {
    struct compare_settings *compare = settings;
    compare->prompt = "512";
    compare->output = "128";
    compare->threads = "0";
    compare->repeats = 3;
    compare->limit_s = 900;
    compare->format = "table";
}

struct contest {
    const struct invocation *invocation;
    struct peer peers[MAX_PEERS];
    size_t n_peers;
    json_t *rows;
    size_t n_failed;
};

/* Speeds and memory of all peers in one test. */
struct round_results {
    double values[MAX_PEERS][MAX_REPEATS], memory[MAX_PEERS][MAX_REPEATS];
    size_t n[MAX_PEERS];
};

static void add_row(struct contest *contest, const char *name, size_t threads, const char *unit, size_t peer,
                    double values[MAX_PEERS][MAX_REPEATS], const size_t *n) {
    if (n[peer] == 0) return;
    struct summary own = summarize(values[peer], n[peer]);
    json_t *row =
        json_pack("{s:s, s:I, s:s, s:f, s:f, s:f, s:s}", "name", name, "threads", (json_int_t)threads, "engine",
                  contest->peers[peer].name, "median", own.median, "min", own.min, "max", own.max, "unit", unit);
    if (peer && n[0]) json_object_set_new(row, "ratio", json_real(summarize(values[0], n[0]).median / own.median));
    json_array_append_new(contest->rows, row);
}

static bn_status run_test(struct contest *contest, enum peer_test test, size_t n, size_t threads, bn_error *err) {
    const struct compare_settings *settings = contest->invocation->settings;
    struct round_results results = {0};
    char name[32];
    snprintf(name, sizeof name, test == PEER_PREFILL ? "pp%zu" : test == PEER_DECODE ? "tg%zu" : "start", n);
    for (size_t i = 0; i < settings->repeats * contest->n_peers; i++) {
        size_t p = i % contest->n_peers;
        struct peer_measurement measured;
        bn_error why = {0};
        if (interrupted()) return fail(err, BN_STATUS_CANCELLED, "interrupted");
        bn_status status =
            peer_measure(&contest->peers[p], test, n, threads, (double)settings->limit_s, &measured, &why);
        if (status == BN_STATUS_UNSUPPORTED) continue;
        if (status) {
            contest->n_failed++;
            say_error("%s", why.message);
            continue;
        }
        say_verbose(contest->invocation, "%s -t %zu %s: %.3f", name, threads, contest->peers[p].name, measured.value);
        results.values[p][results.n[p]] = measured.value;
        results.memory[p][results.n[p]++] = (double)measured.peak_bytes / (1 << 20);
    }
    for (size_t p = 0; p < contest->n_peers; p++)
        add_row(contest, name, threads, test == PEER_START ? "s" : "tokens/s", p, results.values, results.n);
    if (test != PEER_DECODE) return BN_OK;
    for (size_t p = 0; p < contest->n_peers; p++)
        add_row(contest, "memory", threads, "MiB", p, results.memory, results.n);
    return BN_OK;
}

static bn_status run_tests(struct contest *contest, bn_error *err) {
    const struct compare_settings *settings = contest->invocation->settings;
    struct number_list prompt, output, threads;
    bn_status status = number_list_parse(settings->prompt, 0, 1 << 24, "-p", &prompt, err);
    if (!status) status = number_list_parse(settings->output, 0, 1 << 24, "-n", &output, err);
    if (!status) status = number_list_parse(settings->threads, 0, 256, "-t", &threads, err);
    for (size_t t = 0; !status && t < threads.n; t++) {
        size_t n_threads = threads.values[t] ? threads.values[t] : cpu_count_physical();
        for (size_t i = 0; !status && i < prompt.n; i++)
            if (prompt.values[i]) status = run_test(contest, PEER_PREFILL, prompt.values[i], n_threads, err);
        for (size_t i = 0; !status && i < output.n; i++)
            if (output.values[i]) status = run_test(contest, PEER_DECODE, output.values[i], n_threads, err);
        if (!status && !settings->no_start) status = run_test(contest, PEER_START, 8, n_threads, err);
    }
    return status;
}

static void add_peer(struct contest *contest, enum peer_kind kind, const char *name, const char *path,
                     const char *model) {
    if (path) contest->peers[contest->n_peers++] = (struct peer){kind, name, path, model};
}

static const struct column columns[] = {
    {"name", "test", 1, 0},      {"threads", "threads", 1, 0}, {"engine", "engine", 1, 0},
    {"median", "median", 1, -1}, {"min", "min", 1, -1},        {"max", "max", 1, -1},
    {"unit", "unit", 1, 0},      {"ratio", "ours / it", 1, 2}, {0},
};

static enum exit_code run(struct invocation *invocation) {
    const struct compare_settings *settings = invocation->settings;
    struct contest contest = {.invocation = invocation, .rows = json_array()};
    char *model, *peer_model = NULL;
    bn_error error = {0};
    bn_status status = model_path_resolve(invocation->arguments[0], &model, &error);
    if (!status && settings->peer_model) status = model_path_resolve(settings->peer_model, &peer_model, &error);
    if (!status) {
        const char *theirs = peer_model ? peer_model : model;
        add_peer(&contest, PEER_OURS, "ours", "/proc/self/exe", model);
        add_peer(&contest, PEER_LLAMA_PYTHON, "llama-cpp-python", settings->python, theirs);
        add_peer(&contest, PEER_LLAMA_BENCH, "llama.cpp", settings->llama_bench, theirs);
        add_peer(&contest, PEER_LLAMA_BENCH, "bitnet.cpp", settings->bitnet_cpp, theirs);
        add_peer(&contest, PEER_TRANSFORMERS, "transformers", settings->transformers, theirs);
        status = run_tests(&contest, &error);
    }
    if (!status)
        status = rows_write(stdout, invocation->common.json ? "json" : settings->format, contest.rows, columns, &error);
    json_decref(contest.rows);
    mem_free(peer_model);
    if (model) mem_free(model);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    if (status) return say_failure(&error);
    return contest.n_failed ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_bench_compare = {
    .name = "bench compare",
    .arguments = "MODEL",
    .summary = "measure this program beside others",
    .description =
        "Measures prefill, decode, peak memory and the time from start to first token of this program and of others "
        "that are "
        "installed here. Every measurement is a process of its own, and the programs take turns, so that what else the "
        "machine does disturbs all of them alike. The last column is ours divided by theirs.\n\n"
        "Others run N random tokens through an empty cache and N tokens one by one without sampling, after a warm-up; "
        "ours "
        "goes through the engine, with drawing. start: 8 tokens in, one out; ours from the start of the process to its "
        "first output, a "
        "Python library from its load call. memory: the most the process had resident in the decode test, of a Python "
        "library without what "
        "its interpreter had before.",
    .examples = "bitnet bench compare demo -p 32 -n 8 -r 1",
    .groups = groups,
    .settings_bytes = sizeof(struct compare_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
