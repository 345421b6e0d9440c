/* `bitnet model compare`: models side by side. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/model_comparison.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_path.h"
#include "cli/rows.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { LISTED_TENSORS = 10 };

struct compare_settings {
    const char *text;
    size_t threads;
    bool speed;
};
#define FIELD(name) offsetof(struct compare_settings, name)

static const struct option options[] = {
    {"text", 0, OPTION_TEXT, FIELD(text), "FILE", 0, 0,
     "the text to predict, instead of a built-in page; -: standard input", NULL},
    {"speed", 0, OPTION_FLAG, FIELD(speed), NULL, 0, 0, "measure tokens per second, too", NULL},
    {"threads", 't', OPTION_SIZE, FIELD(threads), "N", 0, 256, "threads; 0: one per CPU this process may use", NULL},
    {0},
};
static const struct option_group groups[] = {{"Comparing", options, 0}, {0}};

/* ---- as text: properties are rows, models columns ---- */

struct table {
    json_t *rows;
    const json_t *models;
    struct column columns[COMPARISON_MAX_MODELS + 2];
    char keys[COMPARISON_MAX_MODELS][24];
};

static void table_init(struct table *table, const json_t *models) {
    *table = (struct table){.rows = json_array(), .models = models};
    table->columns[0] = (struct column){"property", "", 1, 0};
    for (size_t i = 0; i < json_array_size(models); i++) {
        snprintf(table->keys[i], sizeof table->keys[i], "%zu", i);
        const char *name = json_string_value(json_object_get(json_array_get(models, i), "name"));
        table->columns[i + 1] = (struct column){table->keys[i], name, 1, 0};
    }
}

/* A row of what `text` says about each model; "" leaves a cell empty, and a row of empty cells out. */
static void table_add(struct table *table, const char *property, const void *what,
                      void (*text)(const json_t *model, const void *what, char *out, size_t size)) {
    json_t *row = json_pack("{s:s}", "property", property);
    bool filled = false;
    for (size_t i = 0; i < json_array_size(table->models); i++) {
        char cell[100] = "";
        text(json_array_get(table->models, i), what, cell, sizeof cell);
        json_object_set_new(row, table->keys[i], json_text(cell, strlen(cell)));
        filled |= *cell != 0;
    }
    if (filled)
        json_array_append_new(table->rows, row);
    else
        json_decref(row);
}

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A number of a part of the report: "logits.mean_kl" times a factor. */
struct figure {
    const char *part, *key; /* part NULL: of the model itself */
    double factor;
    const char *format;
};

static void figure_text(const json_t *model, const void *what, char *out, size_t size) {
    const struct figure *figure = what;
    double value = number_at(figure->part ? json_object_get(model, figure->part) : model, figure->key);
    if (!isnan(value)) snprintf(out, size, figure->format, value * figure->factor);
}

static void member_text(const json_t *model, const void *what, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(model, what));
    if (text) snprintf(out, size, "%s", text);
}

static void configured_text(const json_t *model, const void *what, char *out, size_t size) {
    const json_t *value = json_object_get(json_object_get(model, "configuration"), what);
    if (json_is_string(value)) snprintf(out, size, "%s", json_string_value(value));
    if (json_is_integer(value)) snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value)) snprintf(out, size, "%.7g", json_real_value(value));
    if (json_is_boolean(value)) snprintf(out, size, "%s", json_is_true(value) ? "yes" : "no");
    if (!value || json_is_null(value)) snprintf(out, size, "none");
}

static void perplexity_text(const json_t *model, const void *what, char *out, size_t size) {
    (void)what;
    const json_t *p = json_object_get(model, "perplexity");
    if (json_is_object(p)) snprintf(out, size, "%.4g ± %.2g", number_at(p, "perplexity"), number_at(p, "error"));
}

static void tensors_text(const json_t *model, const void *what, char *out, size_t size) {
    (void)what;
    const json_t *t = json_object_get(model, "tensors");
    if (json_is_object(t))
        snprintf(out, size, "%.0f equal, %.0f differ, %.0f unmatched", number_at(t, "equal"), number_at(t, "differing"),
                 number_at(t, "unmatched"));
}

static void add_figures(struct table *table) {
    static const struct {
        const char *name;
        struct figure figure;
    } figures[] = {
        {"file MB", {NULL, "file_bytes", 1e-6, "%.1f"}},
        {"more in memory, MB", {NULL, "resident_bytes", 1e-6, "%.1f"}},
        {"parameters, million", {NULL, "parameters", 1e-6, "%.2f"}},
        {"bits per weight", {NULL, "bits_per_weight", 1, "%.2f"}},
        {"bits per byte of text", {"perplexity", "bits_per_byte", 1, "%.4f"}},
        {"prompt tokens/s", {"speed", "prompt_tokens_per_s", 1, "%.1f"}},
        {"output tokens/s", {"speed", "output_tokens_per_s", 1, "%.1f"}},
        {"KL from the first, nats", {"logits", "mean_kl", 1, "%.3g"}},
        {"same best token, %", {"logits", "top1_agreement", 100, "%.1f"}},
        {"largest logit difference", {"logits", "largest_logit_difference", 1, "%.3g"}},
        {"SQNR of all tensors, dB", {"tensors", "sqnr_db", 1, "%.2f"}},
    };
    table_add(table, "weights", "quantization", member_text);
    for (size_t i = 0; i < 4; i++) table_add(table, figures[i].name, &figures[i].figure, figure_text);
    table_add(table, "perplexity", NULL, perplexity_text);
    for (size_t i = 4; i < sizeof figures / sizeof *figures; i++)
        table_add(table, figures[i].name, &figures[i].figure, figure_text);
    table_add(table, "tensors", NULL, tensors_text);
}

static bn_status print_models(const json_t *report, bn_error *err) {
    struct table table;
    table_init(&table, json_object_get(report, "models"));
    const json_t *keys = json_object_get(report, "configuration_differences");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        table_add(&table, key, key, configured_text);
    }
    add_figures(&table);
    bn_status status = rows_write(stdout, "table", table.rows, table.columns, err);
    json_decref(table.rows);
    return status;
}

/* ---- tensors that aren't equal: the worst first, after those that have no counterpart ---- */

static const struct column tensor_columns[] = {
    {"name", "tensor", 1, 0},
    {"verdict", "", 1, 0},
    {"type", "type", 1, 0},
    {"other_type", "other type", 1, 0},
    {"sqnr_db", "SQNR dB", 1, 2},
    {"relative_error", "relative error", 1, 4},
    {0},
};

static int by_damage(const void *a, const void *b) {
    double x = number_at(*(json_t *const *)a, "sqnr_db"), y = number_at(*(json_t *const *)b, "sqnr_db");
    if (isnan(x) || isnan(y)) return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

static bn_status print_tensors(const struct invocation *invocation, const json_t *model, bn_error *err) {
    const json_t *list = json_object_get(json_object_get(model, "tensors"), "list");
    size_t n = 0, room = json_array_size(list);
    json_t **items = mem_alloc_array(max_size(room, 1), sizeof(json_t *)), *rows = json_array();
    if (!items) return fail_no_memory(err, room * sizeof(json_t *));
    for (size_t i = 0; i < room; i++) {
        json_t *item = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(item, "verdict")), "equal") != 0) items[n++] = item;
    }
    if (n) qsort(items, n, sizeof *items, by_damage);
    size_t shown = invocation->common.verbose ? n : min_size(n, LISTED_TENSORS);
    for (size_t i = 0; i < shown; i++) json_array_append(rows, items[i]);
    bn_status status = BN_OK;
    if (n) {
        printf("\n%s:\n", json_string_value(json_object_get(model, "name")));
        status = rows_write(stdout, "table", rows, tensor_columns, err);
        if (shown < n) printf("… and %zu more (--verbose lists all)\n", n - shown);
    }
    json_decref(rows);
    mem_free(items);
    return status;
}

static bn_status print_report(const struct invocation *invocation, const json_t *report, bn_error *err) {
    const json_t *models = json_object_get(report, "models"), *left_out = json_object_get(report, "not_compared");
    bn_status status = print_models(report, err);
    for (size_t i = 1; i < json_array_size(models) && !status; i++)
        status = print_tensors(invocation, json_array_get(models, i), err);
    for (size_t i = 0; i < json_array_size(left_out); i++) {
        const json_t *part = json_array_get(left_out, i);
        printf("%snot compared: %s of %s: %s\n", i ? "" : "\n", json_string_value(json_object_get(part, "part")),
               json_string_value(json_object_get(part, "model")), json_string_value(json_object_get(part, "why")));
    }
    return status;
}

/* ---- the command ---- */

static bool show_progress(void *context, const char *what, size_t done, size_t total) {
    progress_update(context, what, done, total);
    return !interrupted();
}

static bn_status compare(const struct invocation *invocation, const char *const *paths, json_t **report,
                         bn_error *err) {
    const struct compare_settings *settings = invocation->settings;
    struct buffer text;
    struct progress progress;
    buffer_init(&text);
    bn_status status = settings->text ? read_file_or_stdin(settings->text, &text, err) : BN_OK;
    const struct comparison_options comparing = {.names = invocation->arguments,
                                                 .paths = paths,
                                                 .n = invocation->n_arguments,
                                                 .text = text.data,
                                                 .text_bytes = text.size,
                                                 .n_threads = settings->threads,
                                                 .with_speed = settings->speed,
                                                 .progress = show_progress,
                                                 .context = &progress};
    progress_begin(&progress, invocation);
    if (!status) status = models_compare(&comparing, report, err);
    progress_end(&progress);
    buffer_release(&text);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    bn_error error = {0};
    char *paths[COMPARISON_MAX_MODELS] = {0};
    json_t *report = NULL;
    bn_status status = BN_OK;
    for (size_t i = 0; i < invocation->n_arguments && !status; i++)
        status = model_path_resolve(invocation->arguments[i], &paths[i], &error);
    if (!status) status = compare(invocation, (const char *const *)paths, &report, &error);
    if (!status)
        status = invocation->common.json ? json_write_line(stdout, json_incref(report), &error)
                                         : print_report(invocation, report, &error);
    json_decref(report);
    for (size_t i = 0; i < COMPARISON_MAX_MODELS; i++) mem_free(paths[i]);
    if (status == BN_STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_model_compare = {
    .name = "model compare",
    .arguments = "MODEL MODEL…",
    .summary = "models side by side",
    .description =
        "Puts models beside each other: configuration (what differs), sizes, bits per weight, how well each predicts a "
        "text (perplexity; bits per byte can be compared also where tokenizers differ), and, against the first model, "
        "how far predictions (KL, share of equal best tokens) and the values of tensors (SQNR) are apart. Tensors are "
        "matched by what they are for, so Hugging Face folders and GGUF files can be mixed.\n\n"
        "What can't be compared is left out and said: predictions of models with other vocabularies, tensors of "
        "another "
        "shape.",
    .examples = "bitnet model compare ./llama-1b llama-1b-q8_0.gguf llama-1b-q4_k.gguf\n"
                "bitnet model compare demo demo --speed --json",
    .groups = groups,
    .settings_bytes = sizeof(struct compare_settings),
    .min_arguments = 2,
    .max_arguments = COMPARISON_MAX_MODELS,
    .run = run,
};
