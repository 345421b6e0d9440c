#include "analysis/optimization.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/sample_text.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/work_folder.h"
#include "formats/detect.h"
#include "model/weights.h"

/* Rounding to int8 can go the other way when a sum's last bit does: a few positions of a ternary model then predict a little
 * differently (docs/models.md). Lost weights are orders of magnitude above this. */
#define LARGEST_MEAN_KL 1e-3

/* One optimization. */
struct optimization {
    const struct optimization_options *options;
    struct optimization_report *report;
    struct work_folder making;
    char *converted; /* files in it; NULL: none */
    char *written;
};

void optimization_report_release(struct optimization_report *report) {
    convert_report_release(&report->losses);
}

static bool is_lossy(const struct optimization_options *o) {
    return o->layers.given || o->head.given || o->embeddings.given;
}

static bn_status name_file(const struct optimization *job, const char *name, char **path, bn_error *err) {
    *path = path_join(job->making.path, name);
    return *path ? BN_OK : fail_no_memory(err, strlen(job->making.path));
}

/* ---- converting and writing ---- */

static bool tell(const struct optimization_options *o, const char *what, size_t done, size_t total) {
    return !o->progress || o->progress(o->context, what, done, total);
}

static bool conversion_progress(void *context, size_t done, size_t total) {
    const struct optimization *job = context;
    return tell(job->options, "bytes converted", done, total);
}

static bool writing_progress(void *context, size_t done, size_t total) {
    const struct optimization *job = context;
    return tell(job->options, "bytes", done, total);
}

static void conversion_notice(void *context, const char *line) {
    const struct optimization *job = context;
    if (job->options->notice) job->options->notice(job->options->context, line);
}

static bn_status convert(struct optimization *job, bn_error *err) {
    const struct optimization_options *o = job->options;
    bn_status status = name_file(job, "converted.gguf", &job->converted, err);
    const struct convert_options converting = {
        .source = o->source,
        .output = job->converted,
        .name = o->name,
        .target = CONVERT_TO_GGUF,
        .type = o->layers,
        .head_type = o->head,
        .embedding_type = o->embeddings,
        .n_threads = o->model.n_threads,
        .i2s_layout = o->model.i2s_layout,
        .card = o->card,
        .progress = conversion_progress,
        .notice = conversion_notice,
        .context = job,
    };
    job->report->converted = true;
    return status ? status : convert_model(&converting, &job->report->losses, err);
}

static bn_status write_optimized(struct optimization *job, bn_error *err) {
    const struct optimization_options *o = job->options;
    bn_model_options options = o->model;
    bn_model *model = NULL;
    if (job->converted) options.i2s_layout = NULL; /* it says itself how it is packed */
    bn_status status = name_file(job, "written.gguf", &job->written, err);
    if (!status) status = bn_model_open(job->converted ? job->converted : o->source, &options, &model, err);
    if (status) return status;
    job->report->written.layout = o->layout;
    job->report->written.progress = writing_progress;
    job->report->written.context = job;
    status = model_optimize(model, job->written, &job->report->written, err);
    bn_model_close(model);
    return status;
}

/* ---- comparing ---- */

/* What one of the two predicts. */
struct prediction {
    float *logits;
    size_t vocab_size;
};

static bn_status predict(const struct optimization *job, const char *path, const bn_model_options *options,
                         struct question *question, struct prediction *out, struct perplexity *perplexity,
                         bn_error *err) {
    bn_model *model = NULL;
    size_t n_threads = job->options->model.n_threads;
    bn_status status = bn_model_open(path, options, &model, err);
    if (status) return status;
    out->vocab_size = model->config.vocab_size;
    if (!question->n) status = question_make(model, sample_text, strlen(sample_text), question, err);
    if (!status) status = predictions_make(model, n_threads, question, &out->logits, err);
    if (!status && is_lossy(job->options) && bn_model_tokenizer(model))
        status = perplexity_of_model(model, n_threads, sample_text, strlen(sample_text), perplexity, err);
    bn_model_close(model);
    return status;
}

/* Without types nothing may be lost. */
static bn_status judge(const struct optimization *job, bn_error *err) {
    const struct prediction_difference *d = &job->report->difference;
    if (is_lossy(job->options)) return BN_OK;
    bool good = job->converted ? d->mean_kl <= LARGEST_MEAN_KL : d->largest_difference == 0;
    return good ? BN_OK
                : fail(err, BN_STATUS_INTERNAL,
                       "the optimized model doesn't predict what %s does (logits differ by up to %g, KL %g): it wasn't "
                       "written",
                       job->options->source, d->largest_difference, d->mean_kl);
}

static bn_status compare(struct optimization *job, bn_error *err) {
    struct question question = {.n = 0};
    struct prediction before = {0}, after = {0};
    bn_model_options of_result = {.size = sizeof of_result, .n_threads = job->options->model.n_threads};
    bn_status status = tell(job->options, "comparing", 0, 2) ? BN_OK : fail(err, BN_STATUS_CANCELLED, "interrupted");
    if (!status)
        status =
            predict(job, job->options->source, &job->options->model, &question, &before, &job->report->before, err);
    if (!status && !tell(job->options, "comparing", 1, 2)) status = fail(err, BN_STATUS_CANCELLED, "interrupted");
    if (!status) status = predict(job, job->written, &of_result, &question, &after, &job->report->after, err);
    if (!status && before.vocab_size != after.vocab_size)
        status = fail(err, BN_STATUS_INTERNAL, "the optimized model has another vocabulary");
    if (!status)
        status = predictions_compare(before.logits, after.logits, question.n, before.vocab_size,
                                     &job->report->difference, err);
    if (!status) status = judge(job, err);
    mem_free(before.logits);
    mem_free(after.logits);
    return status;
}

/* ---- all together ---- */

bn_status optimize_model(const struct optimization_options *options, struct optimization_report *report,
                         bn_error *err) {
    struct optimization job = {.options = options, .report = report};
    enum file_kind kind;
    bn_status status = file_kind_detect(options->source, &kind, err);
    if (!status) status = work_folder_create(options->output, &job.making, err);
    if (!status && (kind != FILE_GGUF || is_lossy(options))) status = convert(&job, err);
    if (!status) status = write_optimized(&job, err);
    if (!status && !options->no_compare) status = compare(&job, err);
    if (!status && rename(job.written, options->output) != 0)
        status = fail(err, BN_STATUS_IO, "%s: can't be written: %s", options->output, strerror(errno));
    work_folder_release(&job.making);
    mem_free(job.converted);
    mem_free(job.written);
    return status;
}
