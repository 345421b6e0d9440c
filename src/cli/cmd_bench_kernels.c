/* `bitnet bench kernels`: each operation of each set of kernels by itself. */
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "bench/kernel_speed.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/number_list.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"

enum { MAX_THREADS = 256 };

struct kernels_settings {
    const char *isa, *threads, *format;
};
#define FIELD(name) offsetof(struct kernels_settings, name)

static const struct option options[] = {
    {"isa", 0, OPTION_TEXT, FIELD(isa), "NAME,…", 0, 0, "kernels: scalar, avx2, … (all that run here)", NULL},
    {"threads", 't', OPTION_TEXT, FIELD(threads), "N,…", 0, 0,
     "threads of the rooflines and of bitlinear (1 and one per core); other operations take one", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print results; --json: json", NULL},
    {0},
};
static const struct option_group groups[] = {{"Test", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct kernels_settings *kernels = settings;
    kernels->format = "table";
}

static const struct column columns[] = {
    {"name", "operation", 1, 0},
    {"isa", "kernels", 1, 0},
    {"threads", "threads", 1, 0},
    {"seconds", "µs", 1e6, 2},
    {"bytes_per_second", "GB/s", 1e-9, 1},
    {"operations_per_second", "GOP/s", 1e-9, 1},
    {"ratio_to_scalar", "x scalar", 1, 1},
    {"percent_of_reading", "% of reading", 1, 1},
    {"percent_of_peak", "% of peak", 1, 1},
    {"times_one_token", "x 1 token", 1, 2},
    {"per_second", "per s", 1, 0},
    {0},
};

struct measuring {
    json_t *rows;
    struct progress progress;
    size_t n_done; /* operations */
};

static void begin(void *context, const char *name) {
    struct measuring *measuring = context;
    progress_update(&measuring->progress, name, measuring->n_done++, 0);
}

static void take_row(void *context, json_t *row) {
    json_array_append_new(((struct measuring *)context)->rows, row);
}

/* What is asked for, or all there is. */
struct selection {
    char words[LIST_MAX_ITEMS][16];
    const char *isas[LIST_MAX_ITEMS];
    size_t n_isas;
    struct number_list threads;
};

static bn_status select_cases(const struct kernels_settings *settings, struct selection *out, bn_error *err) {
    size_t cores = cpu_count_physical();
    if (settings->isa) {
        while (out->n_isas < LIST_MAX_ITEMS && word_list_at(settings->isa, out->n_isas, out->words[out->n_isas], 16)) {
            out->isas[out->n_isas] = out->words[out->n_isas];
            out->n_isas++;
        }
    } else {
        for (; out->n_isas < LIST_MAX_ITEMS && kernels_name(out->n_isas); out->n_isas++)
            out->isas[out->n_isas] = kernels_name(out->n_isas);
    }
    if (settings->threads) return number_list_parse(settings->threads, 1, MAX_THREADS, "--threads", &out->threads, err);
    out->threads = (struct number_list){cores > 1 ? 2 : 1, {1, cores}};
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    const struct kernels_settings *settings = invocation->settings;
    struct measuring measuring = {.rows = json_array()};
    struct selection selection = {.n_isas = 0};
    bn_error error = {0};
    bn_status status = select_cases(settings, &selection, &error);
    const struct kernel_bench bench = {.words = (const char *const *)invocation->arguments,
                                       .n_words = invocation->n_arguments,
                                       .isas = selection.isas,
                                       .n_isas = selection.n_isas,
                                       .threads = selection.threads.values,
                                       .n_threads = selection.threads.n,
                                       .cancelled = interrupted,
                                       .begin = begin,
                                       .row = take_row,
                                       .context = &measuring};
    progress_begin(&measuring.progress, invocation);
    if (!status) status = kernel_speeds(&bench, &error);
    if (!status) status = kernel_rooflines(&bench, &error);
    progress_end(&measuring.progress);
    if (!status && json_array_size(measuring.rows) == 0)
        status = fail(&error, BN_STATUS_BAD_ARGUMENT, "no operation has such a name; without a NAME all are measured");
    if (!status)
        status =
            rows_write(stdout, invocation->common.json ? "json" : settings->format, measuring.rows, columns, &error);
    json_decref(measuring.rows);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench_kernels = {
    .name = "bench kernels",
    .arguments = "[NAME…]",
    .summary = "measure the kernels by themselves",
    .description = "Measures each operation of each set of kernels on random numbers (those whose name contains a "
                   "NAME): one thread, "
                   "medians, the sets taking turns, with the ratio to scalar. GB/s counts the bytes of weights or "
                   "keys, or of all inputs "
                   "and outputs of a row; a multiply-add is two operations. \"memory\" in a name: the weights come "
                   "from more copies than "
                   "the caches hold.\n\n"
                   "'roofline' measures ternary products of 1 to 512 tokens in turns with the machine's limits, which "
                   "the percentages "
                   "are of, in both layouts; 'bitlinear' steps of one layer that stays in the cache. Everything takes "
                   "a few minutes.",
    .examples = "# norms in all sets of kernels\n"
                "bitnet bench kernels norm\n"
                "# against the machine's limits, on one thread\n"
                "bitnet bench kernels \"roofline 640x2560\" -t 1",
    .groups = groups,
    .settings_bytes = sizeof(struct kernels_settings),
    .set_defaults = set_defaults,
    .max_arguments = 16,
    .run = run,
};
