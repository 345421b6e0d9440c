/* `bitnet profile`: where a model's time goes, step by step, and what that suggests. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "bench/counters.h"
#include "bench/machine.h"
#include "bench/profile.h"
#include "cli/advice.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { DEFAULT_PROMPT = 256, DEFAULT_OUTPUT = 64, UNSET = 1 << 30 };

struct profile_settings {
    struct model_options model;
    size_t prompt, output, depth;
    bool layers;
    const char *trace, *folded, *format;
};
#define FIELD(name) offsetof(struct profile_settings, name)

static const struct option profile_options[] = {
    {"n-prompt", 'p', OPTION_SIZE, FIELD(prompt), "N", 0, 1 << 24,
     "prompt tokens (256, or half of a shorter context; 0: none)", NULL},
    {"n-gen", 'n', OPTION_SIZE, FIELD(output), "N", 0, 1 << 24,
     "tokens to decode (64, or a quarter of a shorter context; 0: none)", NULL},
    {"depth", 'd', OPTION_SIZE, FIELD(depth), "N", 0, 1 << 24, "with N tokens in the cache before (0)", "n-depth"},
    {"layers", 0, OPTION_FLAG, FIELD(layers), NULL, 0, 0, "a row for every step of every layer", NULL},
    {"trace", 0, OPTION_TEXT, FIELD(trace), "FILE", 0, 0, "write every step for Perfetto or chrome://tracing", NULL},
    {"folded", 0, OPTION_TEXT, FIELD(folded), "FILE", 0, 0, "write folded stacks for a flame graph", NULL},
    {"output", 'o', OPTION_CHOICE, FIELD(format), ROW_FORMATS, 0, 0,
     "how to print the steps; --json: one document with everything", NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Profile", profile_options, 0},
    {"Model", model_option_table, FIELD(model)},
    {0},
};

static void set_defaults(void *settings) {
    struct profile_settings *profile = settings;
    profile->prompt = profile->output = UNSET;
    profile->format = "table";
}

/* ---- measuring ---- */

/* A part of the run: prefill or decode. */
struct phase {
    const char *name;
    struct profile profile;
    struct machine_limits limits;
    double counters[N_COUNTERS]; /* NAN: not available */
    double watts;                /* NAN: not available */
};

struct session {
    struct phase phases[2];
    size_t n_phases;
    struct hardware_counters hardware;
    struct sensors sensors; /* at the end */
};

static bn_status run_phase(struct session *session, bn_model *model, const char *name, const struct speed_test *test,
                           bn_error *err) {
    struct phase *phase = &session->phases[session->n_phases++];
    struct machine machine;
    phase->name = name;
    struct sensors before = sensors_read();
    counters_reset(&session->hardware);
    bn_status status = profile_run(model, test, interrupted, &phase->profile, err);
    if (status) return status;
    for (size_t i = 0; i < N_COUNTERS; i++)
        if (!counters_read(&session->hardware, i, &phase->counters[i])) phase->counters[i] = NAN;
    session->sensors = sensors_read();
    double joules = session->sensors.energy_j - before.energy_j;
    phase->watts = joules > 0 ? joules / phase->profile.seconds : NAN;
    machine_describe(&machine);
    return machine_limits(&machine, phase->profile.sample.threads, phase->profile.sample.isa, false, &phase->limits,
                          err);
}

static bn_status run_phases(const struct invocation *invocation, struct session *session, bn_model *model,
                            bn_error *err) {
    const struct profile_settings *settings = invocation->settings;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    struct tuning tuning;
    bn_engine_options options = model_options_engine(&settings->model);
    model_options_tune(invocation, &settings->model, model, &tuning, &options);
    struct speed_test test = {
        .streams = 1,
        .depth = settings->depth,
        .threads = options.n_threads,
        .batch_tokens = options.batch_tokens,
        .context_length = options.context_length,
        .kv_type = options.kv_type,
        .isa = options.isa,
    };
    bn_status status = BN_OK;
    counters_open(&session->hardware);
    test.prompt = settings->prompt == UNSET ? min_size(DEFAULT_PROMPT, info.context_length / 2) : settings->prompt;
    if (test.prompt) status = run_phase(session, model, "prefill", &test, err);
    test.prompt = 0;
    test.output = settings->output == UNSET ? min_size(DEFAULT_OUTPUT, info.context_length / 4) : settings->output;
    if (!status && test.output) status = run_phase(session, model, "decode", &test, err);
    counters_close(&session->hardware);
    if (!status && session->n_phases == 0)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "-p 0 -n 0 leaves nothing to measure");
    return status;
}

/* ---- rows ---- */

static json_t *step_row(const struct phase *phase, enum forward_step step, int layer, const struct step_total *total) {
    bool memory_bound;
    double best = roofline_seconds(&total->work, &phase->limits, &memory_bound);
    double operations = total->work.int8_operations + total->work.float_operations;
    json_t *row = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "phase", phase->name, "step", step_name(step),
                            "calls", (json_int_t)total->calls, "seconds", total->seconds, "share_percent",
                            100 * total->seconds / phase->profile.seconds, "bytes", total->work.bytes, "operations",
                            operations, "ms_per_token", 1e3 * total->seconds / (double)phase->profile.n_tokens);
    if (layer >= 0) json_object_set_new(row, "layer", json_integer(layer));
    if (best > 0 && total->seconds > 0) {
        json_object_set_new(row, "bytes_per_second", json_real(total->work.bytes / total->seconds));
        json_object_set_new(row, "operations_per_second", json_real(operations / total->seconds));
        json_object_set_new(row, "roofline_percent", json_real(100 * best / total->seconds));
        json_object_set_new(row, "bound", json_string(memory_bound ? "memory" : "compute"));
    }
    return row;
}

static json_t *step_rows(const struct session *session, bool layers) {
    json_t *rows = json_array();
    for (size_t i = 0; i < session->n_phases; i++) {
        const struct phase *phase = &session->phases[i];
        for (enum forward_step step = 0; step < N_STEPS; step++)
            if (phase->profile.steps[step].calls)
                json_array_append_new(rows, step_row(phase, step, -1, &phase->profile.steps[step]));
        for (size_t j = 0; layers && j < phase->profile.n_layers * N_STEPS; j++)
            if (phase->profile.layers[j].calls)
                json_array_append_new(rows,
                                      step_row(phase, j % N_STEPS, (int)(j / N_STEPS), &phase->profile.layers[j]));
    }
    return rows;
}

static json_t *phases_json(const struct session *session) {
    json_t *array = json_array();
    for (size_t i = 0; i < session->n_phases; i++) {
        const struct phase *phase = &session->phases[i];
        const struct speed_sample *sample = &phase->profile.sample;
        json_t *counters = json_object();
        for (size_t j = 0; j < N_COUNTERS; j++)
            json_object_set_new(counters, counter_name(j), json_number(phase->counters[j]));
        json_array_append_new(
            array, json_pack("{s:s, s:I, s:f, s:f, s:I, s:I, s:s, s:s, s:o, s:o}", "name", phase->name, "tokens",
                             (json_int_t)sample->tokens, "seconds", sample->seconds, "tokens_per_second",
                             (double)sample->tokens / sample->seconds, "threads", (json_int_t)sample->threads,
                             "batch_tokens", (json_int_t)sample->batch_tokens, "kv_type", kv_type_name(sample->kv_type),
                             "isa", sample->isa, "counters", counters, "watts", json_number(phase->watts)));
    }
    return array;
}

/* ---- output ---- */

static const struct column columns[] = {
    {"phase", "phase", 1, 0},
    {"layer", "layer", 1, 0},
    {"step", "step", 1, 0},
    {"ms_per_token", "ms/token", 1, 4},
    {"share_percent", "% of time", 1, 1},
    {"bytes_per_second", "GB/s", 1e-9, 1},
    {"operations_per_second", "GOP/s", 1e-9, 0},
    {"roofline_percent", "% of limit", 1, 0},
    {"bound", "limit", 1, 0},
    {0},
};

static void print_counters(const struct session *session) {
    for (size_t i = 0; i < session->n_phases; i++) {
        const struct phase *phase = &session->phases[i];
        printf("%-9s%zu tokens in %.1f ms: %.2f tokens/s", phase->name, phase->profile.n_tokens,
               phase->profile.sample.seconds * 1e3, (double)phase->profile.n_tokens / phase->profile.sample.seconds);
        if (!isnan(phase->watts)) printf(", %.1f W", phase->watts);
        for (size_t j = 0; j < N_COUNTERS; j++)
            if (!isnan(phase->counters[j])) printf(", %.4g %s", phase->counters[j], counter_name(j));
        puts("");
    }
    if (session->hardware.unavailable[0]) printf("counters not available: %s\n", session->hardware.unavailable);
    printf("power    %s\n",
           isnan(session->sensors.energy_j) ? "not available: no RAPL under /sys/class/powercap" : "RAPL");
    if (isnan(session->sensors.temperature_c))
        puts("heat     not available: no /sys/class/thermal/thermal_zone*");
    else
        printf("heat     %.0f °C\n", session->sensors.temperature_c);
    if (isnan(session->sensors.frequency_hz))
        puts("clock    not available: no cpufreq under /sys/devices/system/cpu");
    else
        printf("clock    %.2f GHz\n", session->sensors.frequency_hz * 1e-9);
}

static void print_advice(const json_t *advice) {
    size_t index;
    json_t *entry;
    puts("");
    json_array_foreach(advice, index, entry) printf("- %s\n", json_string_value(entry));
    if (json_array_size(advice) == 0) puts("- nothing to suggest");
}

static bn_status print_report(const struct invocation *invocation, const struct session *session, const json_t *advice,
                              bn_error *err) {
    const struct profile_settings *settings = invocation->settings;
    json_t *rows = step_rows(session, settings->layers);
    bn_status status;
    if (invocation->common.json) {
        status = json_write_line(stdout,
                                 json_pack("{s:o, s:O, s:O, s:{s:s, s:o, s:o}}", "phases", phases_json(session),
                                           "steps", rows, "advice", advice, "hardware", "counters_unavailable",
                                           session->hardware.unavailable, "temperature_c",
                                           json_number(session->sensors.temperature_c), "frequency_hz",
                                           json_number(session->sensors.frequency_hz)),
                                 err);
    } else {
        status = rows_write(stdout, settings->format, rows, columns, err);
        if (!status && strcmp(settings->format, "table") == 0) {
            puts("");
            print_counters(session);
            print_advice(advice);
        }
    }
    json_decref(rows);
    return status;
}

typedef void (*profile_writer)(FILE *, const struct profile *const *, const char *const *, size_t);

static bn_status write_file(const struct session *session, const char *path, profile_writer write, bn_error *err) {
    const struct profile *profiles[2];
    const char *names[2];
    for (size_t i = 0; i < session->n_phases; i++) {
        profiles[i] = &session->phases[i].profile;
        names[i] = session->phases[i].name;
    }
    struct atomic_file file;
    bn_status status = path ? atomic_file_open(path, &file, err) : BN_OK;
    if (status || !path) return status;
    write(file.stream, profiles, names, session->n_phases);
    return atomic_file_commit(&file, err);
}

static json_t *advice_of(const struct session *session, const bn_model *model) {
    json_t *advice = json_array();
    for (size_t i = 0; i < session->n_phases; i++)
        advise(advice, model, &session->phases[i].profile, &session->phases[i].limits);
    return advice;
}

static enum exit_code run(struct invocation *invocation) {
    const struct profile_settings *settings = invocation->settings;
    struct session session = {0};
    bn_model *model = NULL;
    bn_error error = {0};
    bn_status status = model_options_open(invocation, &settings->model, &model, &error);
    if (!status) status = run_phases(invocation, &session, model, &error);
    if (!status) status = write_file(&session, settings->trace, profile_write_trace, &error);
    if (!status) status = write_file(&session, settings->folded, profile_write_folded, &error);
    json_t *advice = status ? NULL : advice_of(&session, model);
    if (!status) status = print_report(invocation, &session, advice, &error);
    json_decref(advice);
    for (size_t i = 0; i < session.n_phases; i++) profile_release(&session.phases[i].profile);
    if (model) bn_model_close(model);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_profile = {
    .name = "profile",
    .arguments = "MODEL",
    .summary = "show where a model's time goes",
    .description =
        "Runs a prompt and then single tokens, timing every step of every layer inside the engine. Each step has the "
        "time "
        "it took, the bytes and operations per second that it needed at least, and how much of the machine's limit "
        "that is "
        "(see 'bitnet bench machine'). Norms, rounding and activation functions belong to the product they precede. "
        "Event "
        "counters of the processor, power, temperature and clock rate are shown where the system shows them. Below the "
        "table stands what the figures suggest.\n\n"
        "--trace writes a file for https://ui.perfetto.dev or chrome://tracing, --folded one for flame graph programs.",
    .examples = "bitnet profile demo\n"
                "# only decode, every layer\n"
                "bitnet profile demo -p 0 -n 32 --layers\n"
                "# for Perfetto and for a flame graph\n"
                "bitnet profile demo --trace trace.json --folded stacks.txt --json",
    .groups = groups,
    .settings_bytes = sizeof(struct profile_settings),
    .set_defaults = set_defaults,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
