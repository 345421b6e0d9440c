#include "analysis/model_comparison.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/configuration.h"
#include "analysis/perplexity.h"
#include "analysis/predictions.h"
#include "analysis/sample_text.h"
#include "analysis/tensor_comparison.h"
#include "base/memory.h"
#include "bench/speed.h"
#include "bench/statistics.h"

enum { SPEED_PROMPT = 128, SPEED_OUTPUT = 32, SPEED_REPEATS = 3 };

struct comparison {
    const struct comparison_options *options;
    const char *text;
    size_t text_bytes;
    struct question question; /* in the first model's tokens */
    float *logits;            /* the first model's */
    size_t vocab_size;
    json_t *models, *not_compared;
    size_t step, n_steps;
};

/* ---- progress, and what doesn't work out ---- */

static bn_status advance(struct comparison *c, const char *what, bn_error *err) {
    const struct comparison_options *o = c->options;
    c->step++;
    if (!o->progress || o->progress(o->context, what, c->step, c->n_steps)) return BN_OK;
    return fail(err, BN_STATUS_CANCELLED, "interrupted");
}

static void leave_out(struct comparison *c, size_t model, const char *part, const char *why) {
    json_array_append_new(c->not_compared, json_pack("{s:s, s:s, s:o}", "model", c->options->names[model], "part", part,
                                                     "why", json_text(why, strlen(why))));
}

/* A part that failed is left out; only running out of memory and interruption end the comparison. */
static bn_status accept(struct comparison *c, size_t model, const char *part, bn_status status, const bn_error *problem,
                        bn_error *err) {
    if (status == BN_STATUS_NO_MEMORY || status == BN_STATUS_CANCELLED)
        return fail(err, status, "%s: %s", c->options->names[model], problem->message);
    if (status) leave_out(c, model, part, problem->message);
    return BN_OK;
}

/* ---- what a model is ---- */

static json_t *describe(const struct comparison *c, size_t i, const bn_model *model) {
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    const struct tensor_set *set = model_tensors(model);
    size_t file_bytes = 0;
    for (size_t k = 0; k < set->n_files; k++) file_bytes += set->files[k].size;
    const char *name = c->options->names[i], *path = c->options->paths[i];
    double bits = info.n_parameters ? 8.0 * (double)info.weight_bytes / (double)info.n_parameters : 0;
    return json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:o, s:n, s:n, s:n, s:n}", "name",
                     json_text(name, strlen(name)), "path", json_text(path, strlen(path)), "architecture",
                     info.architecture, "quantization", info.quantization, "parameters", (json_int_t)info.n_parameters,
                     "file_bytes", (json_int_t)file_bytes, "weight_bytes", (json_int_t)info.weight_bytes,
                     "resident_bytes", (json_int_t)info.resident_bytes, "bits_per_weight", bits, "vocab_size",
                     (json_int_t)info.vocab_size, "configuration", configuration_json(model), "perplexity", "speed",
                     "logits", "tensors");
}

/* ---- perplexity ---- */

static json_t *perplexity_json(const struct perplexity *p, size_t context) {
    return json_pack("{s:o, s:o, s:o, s:I, s:I}", "perplexity", json_number(perplexity_value(p)), "error",
                     json_number(perplexity_error(p)), "bits_per_byte", json_number(perplexity_bits_per_byte(p)),
                     "scored_tokens", (json_int_t)p->n_scored, "context", (json_int_t)context);
}

static bn_status measure_perplexity(struct comparison *c, size_t i, bn_model *model, json_t *out, bn_error *err) {
    bn_error problem = {0};
    struct perplexity result;
    bn_status status = perplexity_of_model(model, c->options->n_threads, c->text, c->text_bytes, &result, &problem);
    if (!status)
        json_object_set_new(out, "perplexity",
                            perplexity_json(&result, min_size(PERPLEXITY_CONTEXT, model->config.context_length)));
    return accept(c, i, "perplexity", status, &problem, err);
}

/* ---- logits ---- */

static json_t *logits_json(const struct prediction_difference *d) {
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "tokens", (json_int_t)d->n_tokens, "mean_kl", json_number(d->mean_kl),
                     "largest_kl", json_number(d->largest_kl), "top1_agreement", json_number(d->same_best),
                     "largest_logit_difference", json_number(d->largest_difference));
}

/* Predictions can be put beside each other only for the same tokens of the same vocabulary. */
static bool same_question(struct comparison *c, size_t i, const bn_model *model) {
    struct question own;
    bn_error problem = {0};
    char why[200];
    bool has_tokenizer = bn_model_tokenizer(model) != NULL;
    if (model->config.vocab_size != c->vocab_size) {
        snprintf(why, sizeof why, "vocabularies of %zu and %zu tokens", c->vocab_size, model->config.vocab_size);
        leave_out(c, i, "logits", why);
        return false;
    }
    if (model->config.context_length < c->question.n) {
        snprintf(why, sizeof why, "a context of %zu tokens, and the text has %zu", model->config.context_length,
                 c->question.n);
        leave_out(c, i, "logits", why);
        return false;
    }
    if (!has_tokenizer) return true; /* asked in the first one's tokens */
    bn_status status = question_make(model, c->text, c->text_bytes, &own, &problem);
    bool same = !status && min_size(own.n, c->question.n) > 0 &&
                memcmp(own.ids, c->question.ids, min_size(own.n, c->question.n) * sizeof *own.ids) == 0;
    if (!same) leave_out(c, i, "logits", "another vocabulary: the text becomes other tokens");
    return same;
}

static bn_status measure_logits(struct comparison *c, size_t i, bn_model *model, json_t *out, bn_error *err) {
    bn_error problem = {0};
    bn_status status;
    if (i == 0) {
        c->vocab_size = model->config.vocab_size;
        status = question_make(model, c->text, c->text_bytes, &c->question, &problem);
        if (!status) status = predictions_make(model, c->options->n_threads, &c->question, &c->logits, &problem);
        return accept(c, i, "logits", status, &problem, err);
    }
    if (!c->logits || !same_question(c, i, model)) return BN_OK;
    struct prediction_difference difference;
    float *logits = NULL;
    status = predictions_make(model, c->options->n_threads, &c->question, &logits, &problem);
    if (!status) status = predictions_compare(c->logits, logits, c->question.n, c->vocab_size, &difference, &problem);
    if (!status) json_object_set_new(out, "logits", logits_json(&difference));
    mem_free(logits);
    return accept(c, i, "logits", status, &problem, err);
}

/* ---- speed ---- */

static bn_status median_speed(struct comparison *c, bn_model *model, const struct speed_test *test, double *out,
                              bn_error *err) {
    double speeds[SPEED_REPEATS];
    for (size_t i = 0; i < SPEED_REPEATS; i++) {
        struct speed_sample sample;
        bn_status status = speed_measure(model, test, NULL, &sample, err);
        if (!status && c->options->progress && !c->options->progress(c->options->context, "speed", c->step, c->n_steps))
            status = fail(err, BN_STATUS_CANCELLED, "interrupted");
        if (status) return status;
        speeds[i] = (double)sample.tokens / sample.seconds;
    }
    *out = summarize(speeds, SPEED_REPEATS).median;
    return BN_OK;
}

static bn_status measure_speed(struct comparison *c, size_t i, bn_model *model, json_t *out, bn_error *err) {
    bn_error problem = {0};
    size_t context = model->config.context_length, n_prompt = min_size(SPEED_PROMPT, context / 2);
    size_t n_output = min_size(SPEED_OUTPUT, context / 4);
    struct speed_test prompt = {.prompt = n_prompt, .streams = 1, .threads = c->options->n_threads};
    struct speed_test output = {.output = n_output, .streams = 1, .threads = c->options->n_threads};
    double prompt_speed = 0, output_speed = 0;
    bn_status status = median_speed(c, model, &prompt, &prompt_speed, &problem);
    if (!status) status = median_speed(c, model, &output, &output_speed, &problem);
    if (!status)
        json_object_set_new(out, "speed",
                            json_pack("{s:f, s:f, s:I, s:I}", "prompt_tokens_per_s", prompt_speed,
                                      "output_tokens_per_s", output_speed, "prompt_tokens", (json_int_t)n_prompt,
                                      "output_tokens", (json_int_t)n_output));
    return accept(c, i, "speed", status, &problem, err);
}

/* ---- tensors ---- */

static const char *const verdicts[] = {[TENSOR_EQUAL] = "equal",
                                       [TENSOR_DIFFERS] = "differs",
                                       [TENSOR_RESHAPED] = "other shape",
                                       [TENSOR_UNREADABLE] = "unreadable",
                                       [TENSOR_ONLY_FIRST] = "only in the first",
                                       [TENSOR_ONLY_SECOND] = "not in the first"};

static json_t *tensor_json(const struct tensor_difference *d) {
    json_t *out = json_pack("{s:o, s:s, s:s?, s:s?}", "name", json_text(d->name, strlen(d->name)), "verdict",
                            verdicts[d->verdict], "type", d->first ? viewed_type(d->first) : NULL, "other_type",
                            d->second ? viewed_type(d->second) : NULL);
    bool measured = d->verdict == TENSOR_DIFFERS;
    json_object_set_new(out, "sqnr_db", measured ? json_number(tensor_difference_sqnr(d)) : json_null());
    json_object_set_new(out, "relative_error",
                        measured && d->signal > 0 ? json_number(sqrt(d->error / d->signal)) : json_null());
    return out;
}

static json_t *tensors_json(const struct tensor_comparison *comparison) {
    struct tensor_difference all = {.verdict = TENSOR_EQUAL};
    json_t *list = json_array();
    for (size_t i = 0; i < comparison->n; i++) {
        const struct tensor_difference *d = &comparison->items[i];
        json_array_append_new(list, tensor_json(d));
        all.signal += d->signal;
        all.error += d->error;
        if (d->verdict == TENSOR_DIFFERS) all.verdict = TENSOR_DIFFERS;
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "equal", (json_int_t)comparison->n_equal, "differing",
                     (json_int_t)comparison->n_differing, "unmatched", (json_int_t)comparison->n_unmatched, "sqnr_db",
                     json_number(tensor_difference_sqnr(&all)), "list", list);
}

static bool tensor_done(void *context, size_t done, size_t total) {
    const struct comparison *c = context;
    return !c->options->progress || c->options->progress(c->options->context, "tensors", done, total);
}

static bn_status compare_tensors(struct comparison *c, struct weights_view *first, size_t i, bn_error *err) {
    bn_error problem = {0};
    struct weights_view second;
    struct tensor_comparison result = {0};
    bn_status status = weights_view_open(c->options->paths[i], NULL, c->options->n_threads, &second, &problem);
    if (!status) status = tensors_compare(first, &second, tensor_done, c, &result, &problem);
    if (!status) json_object_set_new(json_array_get(c->models, i), "tensors", tensors_json(&result));
    tensor_comparison_release(&result);
    weights_view_close(&second);
    return accept(c, i, "tensors", status, &problem, err);
}

static bn_status compare_all_tensors(struct comparison *c, bn_error *err) {
    bn_error problem = {0};
    struct weights_view first;
    bn_status status = weights_view_open(c->options->paths[0], NULL, c->options->n_threads, &first, &problem);
    bool opened = status == BN_OK;
    status = accept(c, 0, "tensors", status, &problem, err);
    for (size_t i = 1; opened && i < c->options->n && !status; i++) {
        status = advance(c, "tensors", err);
        if (!status) status = compare_tensors(c, &first, i, err);
    }
    weights_view_close(&first);
    return status;
}

/* ---- all together ---- */

static bn_status measure_model(struct comparison *c, size_t i, bn_error *err) {
    const struct comparison_options *o = c->options;
    bn_model *model = NULL;
    bn_model_options options = {.size = sizeof options, .n_threads = o->n_threads};
    bn_status status = advance(c, "models", err);
    if (!status) status = bn_model_open(o->paths[i], &options, &model, err);
    if (status) return status;
    json_t *out = describe(c, i, model);
    status = json_array_append_new(c->models, out) ? fail_no_memory(err, 0) : BN_OK;
    if (!status) status = measure_logits(c, i, model, out, err);
    if (!status) status = advance(c, "models", err);
    if (!status && !bn_model_tokenizer(model))
        leave_out(c, i, "perplexity", "it has no tokenizer");
    else if (!status)
        status = measure_perplexity(c, i, model, out, err);
    if (!status && o->with_speed) status = measure_speed(c, i, model, out, err);
    bn_model_close(model);
    return status;
}

static json_t *differences(const struct comparison *c) {
    json_t *configurations[COMPARISON_MAX_MODELS];
    size_t n = json_array_size(c->models);
    for (size_t i = 0; i < n; i++) configurations[i] = json_object_get(json_array_get(c->models, i), "configuration");
    return configuration_differences(configurations, n);
}

bn_status models_compare(const struct comparison_options *options, json_t **out, bn_error *err) {
    struct comparison c = {.options = options,
                           .text = options->text ? options->text : sample_text,
                           .text_bytes = options->text ? options->text_bytes : strlen(sample_text),
                           .models = json_array(),
                           .not_compared = json_array(),
                           .n_steps = 3 * options->n - 1};
    bn_status status = c.models && c.not_compared ? BN_OK : fail_no_memory(err, 0);
    for (size_t i = 0; i < options->n && !status; i++) status = measure_model(&c, i, err);
    if (!status) status = compare_all_tensors(&c, err);
    if (!status)
        *out = json_pack("{s:O, s:o, s:O}", "models", c.models, "configuration_differences", differences(&c),
                         "not_compared", c.not_compared);
    if (!status && !*out) status = fail_no_memory(err, 0);
    json_decref(c.models);
    json_decref(c.not_compared);
    mem_free(c.logits);
    return status;
}
