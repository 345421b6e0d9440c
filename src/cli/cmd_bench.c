/* `bitnet bench`: tokens per second of a model, in the manner of llama-bench: lists of values give all combinations. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "bench/history.h"
#include "bench/machine.h"
#include "bench/speed.h"
#include "bench/statistics.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/number_list.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { MAX_TESTS = 1024, MAX_REPEATS = 1000, DEFAULT_PROMPT = 512, DEFAULT_OUTPUT = 128 };

struct bench_settings {
    struct model_options model;
    const char *prompt, *output, *depth, *streams, *threads, *batch_tokens, *kv_type, *isa, *format;
    const char *history, *commit;
    bool record;
    struct text_list both;
    size_t repeats;
};
#define FIELD(name) offsetof(struct bench_settings, name)

static const struct option test_options[] = {
    {"n-prompt", 'p', OPTION_TEXT, FIELD(prompt), "N,…", 0, 0,
     "prefill: N prompt tokens through an empty cache (512, or half of a shorter context; 0: none)", NULL},
    {"n-gen", 'n', OPTION_TEXT, FIELD(output), "N,…", 0, 0,
     "decode: N tokens, one by one (128, or a quarter of a shorter context; 0: none)", NULL},
    {"pg", 0, OPTION_LIST, FIELD(both), "P,N", 0, 0, "both in one: P prompt tokens, then N; may be given several times",
     NULL},
    {"depth", 'd', OPTION_TEXT, FIELD(depth), "N,…", 0, 0, "with N tokens in the cache before (0)", "n-depth"},
    {"streams", 's', OPTION_TEXT, FIELD(streams), "N,…", 0, 0, "sequences side by side; tokens per second of all (1)",
     "batch parallel"},
    {"repetitions", 'r', OPTION_SIZE, FIELD(repeats), "N", 1, MAX_REPEATS,
     "measurements of each test, in turns; the median is reported (5)", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0, "how to print results; --json: json", NULL},
    {"record", 0, OPTION_FLAG, FIELD(record), NULL, 0, 0, "keep the results in the history (bitnet bench history)",
     NULL},
    {"history", 0, OPTION_TEXT, FIELD(history), "FILE", 0, 0, "the history's database (history.db in the data folder)",
     NULL},
    {"commit", 0, OPTION_TEXT, FIELD(commit), "NAME", 0, 0,
     "record under this name (the commit this program was built from)", NULL},
    {0},
};
static const struct option engine_options[] = {
    {"model", 'm', OPTION_TEXT, FIELD(model.model), "MODEL", 0, 0, "the model, where the MODEL argument is left out",
     NULL},
    HUB_MODEL_OPTIONS(FIELD(model)){"threads", 't', OPTION_TEXT, FIELD(threads), "N,…", 0, 0,
                                    "threads; 0: one per physical core", NULL},
    {"batch-size", 'b', OPTION_TEXT, FIELD(batch_tokens), "N,…", 0, 0, "tokens per step of the engine; 0: 256", NULL},
    {"kv-type", 0, OPTION_TEXT, FIELD(kv_type), "TYPE,…", 0, 0, "numbers in the key-value cache: auto, f16, f32, q8_0",
     "ctk cache-type-k"},
    {"head", 0, OPTION_CHOICE, FIELD(model.head), "auto|exact|screen", 0, 0, "how the output head is computed", NULL},
    {"isa", 0, OPTION_TEXT, FIELD(isa), "NAME,…", 0, 0, "kernels: scalar, avx2, … (the best)", NULL},
    {"ctx-size", 'c', OPTION_SIZE, FIELD(model.context), "N", 0, 0x1p31,
     "longest sequence in tokens; 0: the model's own", "context ctx"},
    {"i2s-layout", 0, OPTION_CHOICE, FIELD(model.i2s_layout), "x86-128|arm-64|rows-4|l16", 0, 0,
     "how I2_S tensors are packed, where the file doesn't say and the probe is wrong", NULL},
    {"no-tune", 0, OPTION_FLAG, FIELD(model.no_tune), NULL, 0, 0, "don't use what 'bitnet tune' found for this model",
     NULL},
    {"hidden-act", 0, OPTION_TEXT, FIELD(model.hidden_act), "NAME", 0, 0, "activation function instead of the file's",
     NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Test", test_options, 0},
    {"Engine", engine_options, 0},
    {0},
};

static void set_defaults(void *settings) {
    struct bench_settings *bench = settings;
    bench->depth = "0";
    bench->streams = "1";
    bench->threads = "0";
    bench->batch_tokens = "0";
    bench->kv_type = "auto";
    bench->isa = "";
    bench->repeats = 5;
    bench->format = "table";
}

/* ---- which tests ---- */

struct case_results {
    struct speed_test test;
    struct speed_sample sample; /* the last: what the engine chose */
    double *speeds;             /* [repeats] tokens per second */
};

struct plan {
    struct case_results *cases;
    size_t n_cases;
    size_t repeats;
    char isa_names[LIST_MAX_ITEMS][16];
    struct tuning tuning; /* what tests that leave a setting open use */
};

struct dimensions {
    struct number_list prompt, output, depth, streams, threads, batch_tokens;
    struct number_list both[LIST_MAX_ITEMS];
    bn_kv_type kv_types[LIST_MAX_ITEMS];
    size_t n_both, n_kv_types, n_isa;
};

static bn_status parse_words(const struct bench_settings *settings, struct dimensions *d, struct plan *plan,
                             bn_error *err) {
    char word[16];
    for (; d->n_kv_types < LIST_MAX_ITEMS && word_list_at(settings->kv_type, d->n_kv_types, word, sizeof word);
         d->n_kv_types++) {
        bn_kv_type type = kv_type_by_name(word);
        if (type == BN_KV_AUTO && strcmp(word, "auto") != 0)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "--kv-type: '%s' isn't one of auto, f16, f32, q8_0", word);
        d->kv_types[d->n_kv_types] = type;
    }
    while (d->n_isa < LIST_MAX_ITEMS && word_list_at(settings->isa, d->n_isa, plan->isa_names[d->n_isa], 16))
        d->n_isa++;
    return BN_OK;
}

static bn_status parse_dimensions(const struct bench_settings *settings, size_t context_length, struct dimensions *d,
                                  struct plan *plan, bn_error *err) {
    bn_status status = BN_OK;
    d->prompt = (struct number_list){1, {min_size(DEFAULT_PROMPT, context_length / 2)}};
    d->output = (struct number_list){1, {min_size(DEFAULT_OUTPUT, context_length / 4)}};
    if (settings->prompt) status = number_list_parse(settings->prompt, 0, 1 << 24, "-p", &d->prompt, err);
    if (!status && settings->output) status = number_list_parse(settings->output, 0, 1 << 24, "-n", &d->output, err);
    if (!status) status = number_list_parse(settings->depth, 0, 1 << 24, "-d", &d->depth, err);
    if (!status) status = number_list_parse(settings->streams, 1, 4096, "--streams", &d->streams, err);
    if (!status) status = number_list_parse(settings->threads, 0, 256, "-t", &d->threads, err);
    if (!status) status = number_list_parse(settings->batch_tokens, 0, 65536, "-b", &d->batch_tokens, err);
    for (size_t i = 0; !status && i < settings->both.n; i++) {
        if (i == LIST_MAX_ITEMS)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "--pg is given more than %d times", LIST_MAX_ITEMS);
        struct number_list *pair = &d->both[d->n_both++];
        status = number_list_parse(settings->both.items[i], 1, 1 << 24, "--pg", pair, err);
        if (!status && pair->n != 2)
            return fail(err, BN_STATUS_BAD_ARGUMENT, "--pg: '%s' isn't two numbers, P,N", settings->both.items[i]);
    }
    return status ? status : parse_words(settings, d, plan, err);
}

static bn_status add_case(struct plan *plan, const struct speed_test *test, bn_error *err) {
    if (plan->n_cases == MAX_TESTS)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "these lists make more than %d tests", MAX_TESTS);
    struct case_results *c = &plan->cases[plan->n_cases++];
    *c = (struct case_results){.test = *test, .speeds = mem_calloc(plan->repeats, sizeof(double))};
    return c->speeds ? BN_OK : fail_no_memory(err, plan->repeats * sizeof(double));
}

/* All prompt, output and combined tests of one setting of everything else. */
static bn_status add_tests(struct plan *plan, const struct dimensions *d, struct speed_test test, bn_error *err) {
    bn_status status = BN_OK;
    test.output = 0;
    for (size_t i = 0; !status && i < d->prompt.n; i++)
        if ((test.prompt = d->prompt.values[i])) status = add_case(plan, &test, err);
    test.prompt = 0;
    for (size_t i = 0; !status && i < d->output.n; i++)
        if ((test.output = d->output.values[i])) status = add_case(plan, &test, err);
    for (size_t i = 0; !status && i < d->n_both; i++) {
        test.prompt = d->both[i].values[0];
        test.output = d->both[i].values[1];
        status = add_case(plan, &test, err);
    }
    return status;
}

/* What the test leaves open is as 'bitnet tune' found it. */
static void tune_test(const struct plan *plan, struct speed_test *test) {
    bn_engine_options options = {
        .n_threads = test->threads, .batch_tokens = test->batch_tokens, .kv_type = test->kv_type, .isa = test->isa};
    tuning_apply(&plan->tuning, &options);
    test->threads = options.n_threads;
    test->batch_tokens = options.batch_tokens;
    test->kv_type = options.kv_type;
    test->isa = options.isa;
}

/* Digit by digit through the dimensions' lengths: index is what is left for the dimensions to come. */
static size_t pick(size_t *index, size_t n) {
    size_t digit = *index % n;
    *index /= n;
    return digit;
}

/* The cross product of all lists. */
static bn_status make_plan(const struct bench_settings *settings, size_t context_length, struct plan *plan,
                           bn_error *err) {
    struct dimensions d = {0};
    plan->repeats = settings->repeats;
    plan->cases = mem_calloc(MAX_TESTS, sizeof *plan->cases);
    if (!plan->cases) return fail_no_memory(err, MAX_TESTS * sizeof *plan->cases);
    bn_status status = parse_dimensions(settings, context_length, &d, plan, err);
    if (status) return status;
    size_t n = d.threads.n * d.batch_tokens.n * d.n_kv_types * d.n_isa * d.streams.n * d.depth.n;
    for (size_t i = 0; !status && i < n; i++) {
        size_t rest = i;
        struct speed_test test = {.context_length = settings->model.context};
        test.threads = d.threads.values[pick(&rest, d.threads.n)];
        test.batch_tokens = d.batch_tokens.values[pick(&rest, d.batch_tokens.n)];
        test.kv_type = d.kv_types[pick(&rest, d.n_kv_types)];
        const char *isa = plan->isa_names[pick(&rest, d.n_isa)];
        test.isa = *isa ? isa : NULL;
        test.streams = d.streams.values[pick(&rest, d.streams.n)];
        test.depth = d.depth.values[pick(&rest, d.depth.n)];
        tune_test(plan, &test);
        status = add_tests(plan, &d, test, err);
    }
    if (!status && !plan->n_cases) return fail(err, BN_STATUS_BAD_ARGUMENT, "-p 0 -n 0 leaves nothing to measure");
    return status;
}

static void plan_release(struct plan *plan) {
    for (size_t i = 0; i < plan->n_cases; i++) mem_free(plan->cases[i].speeds);
    mem_free(plan->cases);
}

/* ---- measuring ---- */

/* Round by round, all tests in each, so that what else the machine does hits all of them alike. */
static bn_status measure(const struct invocation *invocation, bn_model *model, struct plan *plan, bn_error *err) {
    struct progress progress;
    bn_status status = BN_OK;
    progress_begin(&progress, invocation);
    for (size_t i = 0; !status && i < plan->repeats * plan->n_cases; i++) {
        struct case_results *c = &plan->cases[i % plan->n_cases];
        progress_update(&progress, "measurements", i, plan->repeats * plan->n_cases);
        status = speed_measure(model, &c->test, interrupted, &c->sample, err);
        if (!status) c->speeds[i / plan->n_cases] = (double)c->sample.tokens / c->sample.seconds;
    }
    progress_end(&progress);
    return status;
}

static json_t *samples_json(const double *values, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, json_real(values[i]));
    return array;
}

/* Bytes and operations per second, and how near that is to the machine's limits. */
static bn_status add_roofline(json_t *row, const bn_model *model, const struct case_results *c,
                              const struct machine *machine, bn_error *err) {
    struct machine_limits limits;
    bn_status status = machine_limits(machine, c->sample.threads, c->sample.isa, false, &limits, err);
    if (status) return status;
    struct model_work work = speed_work(model, &c->test, &c->sample);
    double seconds = (double)c->sample.tokens / json_number_value(json_object_get(row, "tokens_per_second"));
    bool memory_bound;
    double best = roofline_seconds(&work, &limits, &memory_bound);
    json_object_set_new(row, "bytes_per_second", json_real(work.bytes / seconds));
    json_object_set_new(row, "operations_per_second",
                        json_real((work.int8_operations + work.float_operations) / seconds));
    json_object_set_new(row, "roofline_percent", json_real(100 * best / seconds));
    json_object_set_new(row, "bound", json_string(memory_bound ? "memory" : "compute"));
    return BN_OK;
}

static json_t *case_json(struct case_results *c, size_t repeats, const char *model) {
    struct speed_test named = c->test;
    char name[128];
    json_t *samples = samples_json(c->speeds, repeats); /* in the order they were taken */
    struct summary speed = summarize(c->speeds, repeats);
    named.depth = c->sample.depth;
    speed_test_name(&named, name, sizeof name);
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "name",
                     name, "threads", (json_int_t)c->sample.threads, "tokens_per_second", speed.median, "min",
                     speed.min, "max", speed.max, "deviation", speed.deviation, "low", speed.low, "high", speed.high,
                     "prompt_tokens", (json_int_t)c->test.prompt, "output_tokens", (json_int_t)c->test.output, "depth",
                     (json_int_t)c->sample.depth, "streams", (json_int_t)c->test.streams, "batch_tokens",
                     (json_int_t)c->sample.batch_tokens, "kv_type", kv_type_name(c->sample.kv_type), "isa",
                     c->sample.isa, "model", json_text(model, strlen(model)), "samples", samples);
}

static const struct column columns[] = {
    {"name", "test", 1, 0},
    {"threads", "threads", 1, 0},
    {"batch_tokens", "batch", 1, 0},
    {"kv_type", "kv", 1, 0},
    {"isa", "isa", 1, 0},
    {"tokens_per_second", "tokens/s", 1, 2},
    {"deviation", "±", 1, 2},
    {"min", "min", 1, 2},
    {"max", "max", 1, 2},
    {"bytes_per_second", "GB/s", 1e-9, 1},
    {"operations_per_second", "GOP/s", 1e-9, 0},
    {"roofline_percent", "% of limit", 1, 0},
    {"bound", "limit", 1, 0},
    {0},
};

static bn_status make_rows(const struct invocation *invocation, const bn_model *model, const struct plan *plan,
                           json_t *rows, bn_error *err) {
    struct machine machine;
    machine_describe(&machine);
    bn_status status = BN_OK;
    for (size_t i = 0; !status && i < plan->n_cases; i++) {
        json_t *row = case_json(&plan->cases[i], plan->repeats, invocation->arguments[0]);
        if (!row) return fail_no_memory(err, sizeof machine);
        status = add_roofline(row, model, &plan->cases[i], &machine, err);
        json_array_append_new(rows, row);
    }
    return status;
}

static bn_status record(const struct bench_settings *settings, const bn_model *model, const json_t *rows,
                        bn_error *err) {
    struct machine machine;
    struct history *history;
    char id[17];
    machine_describe(&machine);
    model_identity(model, id);
    bn_status status = history_open(settings->history, &history, err);
    if (status) return status;
    status = history_record(history, settings->commit ? settings->commit : build_commit(), machine.id, id, rows, err);
    history_close(history);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct bench_settings *settings = invocation->settings;
    struct plan plan = {0};
    bn_model *model = NULL;
    bn_error error = {0};
    bn_model_info info = {.size = sizeof info};
    bn_status status = model_options_open(invocation, &settings->model, &model, &error);
    if (!status) {
        bn_model_get_info(model, &info);
        if (!settings->model.no_tune) tuning_find(model, &plan.tuning);
        status = make_plan(settings, info.context_length, &plan, &error);
    }
    if (!status) status = measure(invocation, model, &plan, &error);
    json_t *rows = json_array();
    if (!status) status = make_rows(invocation, model, &plan, rows, &error);
    if (!status)
        status = rows_write(stdout, invocation->common.json ? "json" : settings->format, rows, columns, &error);
    if (!status && settings->record) status = record(settings, model, rows, &error);
    json_decref(rows);
    if (model) bn_model_close(model);
    plan_release(&plan);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_bench = {
    .name = "bench",
    .arguments = "MODEL",
    .summary = "measure the speed of a model",
    .description =
        "Measures prefill (ppN: N prompt tokens through an empty cache) and decode (tgN: N tokens one by one, "
        "greedily) "
        "through the engine, as every other command uses it, with the prefix cache off and after a warm-up. Lists of "
        "values give all combinations; measurements go round by round through all tests, and the median of the rounds "
        "is reported.\n\n"
        "With --json, a list of objects: name, threads, tokens_per_second, min, max, deviation, low and high "
        "(quartiles), "
        "samples and the settings.",
    .examples = "# prefill of 512 and decode of 128 tokens\n"
                "bitnet bench demo\n"
                "# one and two threads, as JSON\n"
                "bitnet bench demo -p 64 -n 32 -t 1,2 -r 3 --json\n"
                "# decode with 1, 4 and 12 sequences side by side\n"
                "bitnet bench demo -p 0 -n 16 --streams 1,4,12 -r 3",
    .groups = groups,
    .settings_bytes = sizeof(struct bench_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
