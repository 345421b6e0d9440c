/* `bitnet tune`: finds the fastest settings for a model on this machine, and remembers them. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "bench/machine.h"
#include "bench/tuning.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "model/relayout.h"

struct tune_settings {
    struct model_options model;
    size_t prompt, output, repeats;
    bool kv_types, dry_run, show, clear;
};
#define FIELD(name) offsetof(struct tune_settings, name)

static const struct option options[] = {
    {"model", 'm', OPTION_TEXT, FIELD(model.model), "MODEL", 0, 0, "the model, where the MODEL argument is left out",
     NULL},
    {"n-prompt", 'p', OPTION_SIZE, FIELD(prompt), "N", 1, 1 << 20, "prompt tokens of what is timed (256)", NULL},
    {"n-gen", 'n', OPTION_SIZE, FIELD(output), "N", 1, 1 << 20, "output tokens of what is timed (32)", NULL},
    {"repetitions", 'r', OPTION_SIZE, FIELD(repeats), "N", 1, 1000, "measurements of each setting, in turns (5)", NULL},
    {"try-kv-types", 0, OPTION_FLAG, FIELD(kv_types), NULL, 0, 0,
     "also try types of the key-value cache, which changes results in their last bits", NULL},
    {"dry-run", 0, OPTION_FLAG, FIELD(dry_run), NULL, 0, 0, "measure and report, remember nothing", NULL},
    {"show", 0, OPTION_FLAG, FIELD(show), NULL, 0, 0, "show what is remembered for this machine", NULL},
    {"clear", 0, OPTION_FLAG, FIELD(clear), NULL, 0, 0,
     "forget the model's settings; without MODEL, all of this machine", NULL},
    {0},
};
static const struct option_group groups[] = {{"Tune", options, 0}, {0}};

static void set_defaults(void *settings) {
    struct tune_settings *tune = settings;
    tune->prompt = 256;
    tune->output = 32;
    tune->repeats = 5;
}

/* ---- what is remembered ---- */

static bn_status show(const struct invocation *invocation, bn_error *err) {
    static const struct column columns[] = {
        {"model", "model", 1, 0},         {"threads", "threads", 1, 0},
        {"batch_tokens", "batch", 1, 0},  {"isa", "isa", 1, 0},
        {"kv_type", "kv", 1, 0},          {"layout", "layout", 1, 0},
        {"prefill", "prefill t/s", 1, 1}, {"decode", "decode t/s", 1, 1},
        {"date", "tuned", 1, 0},          {0},
    };
    json_t *entries = tuning_entries(), *rows = json_array(), *entry;
    const char *id;
    json_object_foreach(entries, id, entry) {
        json_t *row = json_deep_copy(entry);
        json_object_set_new(row, "model_id", json_string(id));
        json_array_append_new(rows, row);
    }
    bn_status status = BN_OK;
    if (!invocation->common.json && json_array_size(rows) == 0)
        puts("nothing is tuned for this machine");
    else
        status = rows_write(stdout, invocation->common.json ? "json" : "table", rows, columns, err);
    json_decref(entries);
    json_decref(rows);
    return status;
}

static bn_status clear(const struct invocation *invocation, const bn_model *model, bn_error *err) {
    size_t n;
    bn_status status = tuning_forget(model, &n, err);
    if (!status && invocation->common.json)
        return json_write_line(stdout, json_pack("{s:I}", "forgotten", (json_int_t)n), err);
    if (!status) printf("forgot the settings of %zu model%s\n", n, n == 1 ? "" : "s");
    return status;
}

/* ---- the search ---- */

static json_t *candidate_json(const struct tuning_candidate *candidate) {
    const struct tuning *tuning = &candidate->tuning;
    json_t *row = json_object();
    json_object_set_new(row, "threads",
                        tuning->threads ? json_integer((json_int_t)tuning->threads) : json_string("default"));
    json_object_set_new(row, "batch_tokens",
                        tuning->batch_tokens ? json_integer((json_int_t)tuning->batch_tokens) : json_string("default"));
    json_object_set_new(row, "isa", json_string(tuning->isa[0] ? tuning->isa : "default"));
    json_object_set_new(row, "kv_type", json_string(kv_type_name(tuning->kv_type)));
    json_object_set_new(row, "layout", json_string(ternary_layout_name(tuning->layout)));
    json_object_set_new(row, "prefill", json_real(candidate->prefill));
    json_object_set_new(row, "decode", json_real(candidate->decode));
    json_object_set_new(row, "seconds", json_real(candidate->seconds));
    json_object_set_new(row, "chosen", json_boolean(candidate->chosen));
    return row;
}

static const struct tuning_candidate *last_chosen(const struct tuning_search *search) {
    size_t i = search->n_candidates;
    while (i > 1 && !search->candidates[i - 1].chosen) i--;
    return &search->candidates[i - 1];
}

static bn_status report(const struct invocation *invocation, const struct tuning_search *search, bn_error *err) {
    static const struct column columns[] = {
        {"threads", "threads", 1, 0},   {"batch_tokens", "batch", 1, 0},
        {"isa", "isa", 1, 0},           {"kv_type", "kv", 1, 0},
        {"layout", "layout", 1, 0},     {"prefill", "prefill t/s", 1, 1},
        {"decode", "decode t/s", 1, 1}, {"seconds", "ms", 1e3, 1},
        {"chosen", "chosen", 1, 0},     {0},
    };
    json_t *rows = json_array();
    for (size_t i = 0; i < search->n_candidates; i++)
        json_array_append_new(rows, candidate_json(&search->candidates[i]));
    bn_status status;
    if (invocation->common.json) {
        status = json_write_line(stdout,
                                 json_pack("{s:s, s:O, s:o, s:o}", "model", invocation->arguments[0], "candidates",
                                           rows, "default", candidate_json(&search->candidates[0]), "chosen",
                                           candidate_json(last_chosen(search))),
                                 err);
    } else {
        status = rows_write(stdout, "table", rows, columns, err);
    }
    json_decref(rows);
    return status;
}

static void show_progress(void *context, size_t done) {
    progress_update(context, "measurements", done, 0);
}

/* The model a second time, its ternary matrices in the other layout; NULL where there are none, or no memory for them. */
static bn_model *open_other_layout(const struct invocation *invocation, const bn_model *model) {
    const struct tune_settings *settings = invocation->settings;
    enum ternary_layout other = model_layout(model) == LAYOUT_L16 ? LAYOUT_L12 : LAYOUT_L16;
    size_t n_changed = 0;
    bn_model *second = NULL;
    bn_error error = {0};
    bn_status status = model_options_open(invocation, &settings->model, &second, &error);
    if (!status) status = model_relayout(second, other, &n_changed, &error);
    if (status) say(invocation, "the layout of ternary weights isn't tried: %s", error.message);
    if (!status && n_changed) return second;
    if (second) bn_model_close(second);
    return NULL;
}

/* What is remembered beside the settings. */
static json_t *about_tuning(const struct invocation *invocation, const struct tuning_candidate *best) {
    const char *name = invocation->arguments[0];
    char *path = NULL;
    json_t *about = json_pack("{s:o, s:f, s:f}", "model", json_text(name, strlen(name)), "prefill", best->prefill,
                              "decode", best->decode);
    if (model_path_resolve(name, &path, NULL) == BN_OK)
        json_object_set_new(about, "path", json_text(path, strlen(path)));
    mem_free(path);
    return about;
}

static bn_status tune(const struct invocation *invocation, bn_model *model, bn_error *err) {
    const struct tune_settings *settings = invocation->settings;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    struct progress progress;
    struct tuning_search search = {
        .prompt = min_size(settings->prompt, info.context_length / 2),
        .output = min_size(settings->output, info.context_length / 4),
        .repeats = settings->repeats,
        .kv_types = settings->kv_types,
        .other_layout = open_other_layout(invocation, model),
        .cancelled = interrupted,
        .progress = show_progress,
        .progress_context = &progress,
    };
    progress_begin(&progress, invocation);
    bn_status status = tuning_search(model, &search, err);
    progress_end(&progress);
    if (search.other_layout) bn_model_close(search.other_layout);
    if (!status) status = report(invocation, &search, err);
    if (status || settings->dry_run) return status;
    const struct tuning_candidate *best = last_chosen(&search);
    json_t *about = about_tuning(invocation, best);
    status = tuning_store(model, &search.best, about, err);
    json_decref(about);
    if (status) return status;
    say(invocation, "remembered: run, generate, batch and bench use it unless --no-tune is given");
    if (search.best.layout != model_layout(model))
        say(invocation, "'bitnet model optimize %s -o FILE' writes the faster layout, %s", invocation->arguments[0],
            ternary_layout_name(search.best.layout));
    return BN_OK;
}

static enum exit_code run(struct invocation *invocation) {
    const struct tune_settings *settings = invocation->settings;
    bn_model *model = NULL;
    bn_error error = {0};
    bn_status status = BN_OK;
    if (!settings->show && !settings->clear && invocation->n_arguments == 0)
        status = fail(&error, BN_STATUS_BAD_ARGUMENT, "an argument is missing; usage: bitnet tune MODEL");
    if (!status && invocation->n_arguments && !settings->show)
        status = model_options_open(invocation, &settings->model, &model, &error);
    if (!status && settings->show)
        status = show(invocation, &error);
    else if (!status && settings->clear)
        status = clear(invocation, model, &error);
    else if (!status)
        status = tune(invocation, model, &error);
    if (model) bn_model_close(model);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_tune = {
    .name = "tune",
    .arguments = "[MODEL]",
    .summary = "find the fastest settings for a model on this machine",
    .description =
        "Measures threads, tokens per engine step, kernels and the layout of ternary weights, one after the other, and "
        "remembers what is fastest in the cache folder, by the identities of model and machine. From then on run, "
        "generate, batch, eval and bench use it where no flag, environment variable or configuration file says "
        "otherwise, and 'model optimize' writes that layout; --no-tune leaves it out. These settings never change a "
        "result. A default stays unless something is more than 3 % faster beyond the spread of the measurements.",
    .examples = "bitnet tune demo -r 2\nbitnet tune --show\nbitnet tune --clear demo",
    .groups = groups,
    .settings_bytes = sizeof(struct tune_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run,
};
