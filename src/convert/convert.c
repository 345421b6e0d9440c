/* From a source to a result: open, plan, write. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "convert/gguf_keys.h"
#include "convert/hf_folder.h"
#include "convert/plan.h"
#include "convert/stream.h"
#include "formats/gguf.h"
#include "model/open.h"

/* One conversion. */
struct conversion {
    const struct convert_options *options;
    struct convert_report *report;
    bn_model *model;
    struct thread_pool *pool;
    struct plan plan;
    struct tensor_stream stream;
};

double quality_sqnr(const struct tensor_quality *quality) {
    return quality->error > 0 ? 10 * log10(quality->signal / quality->error) : INFINITY;
}

void convert_report_release(struct convert_report *report) {
    if (report->memory) arena_release(report->memory);
    mem_free(report->memory);
    mem_free(report->qualities);
    *report = (struct convert_report){0};
}

/* ---- GGUF ---- */

struct gguf_item {
    struct conversion *conversion;
    const struct planned_tensor *tensor;
};

static bn_status emit_gguf(void *context, const void *bytes, size_t size, bn_error *err) {
    return gguf_writer_emit(context, bytes, size, err);
}

static bn_status write_gguf_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    const struct gguf_item *item = source->context;
    return stream_tensor(&item->conversion->stream, item->tensor, emit_gguf, writer, err);
}

/* The last part of a path without its ending. */
static void name_of_path(const char *path, char *out, size_t size) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/') start--;
    const char *dot = memrchr(path + start, '.', n - start);
    bool is_file = dot && dot > path + start &&
                   (strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".bin") == 0 || strcmp(dot, ".onnx") == 0 ||
                    strcmp(dot, ".gguf") == 0);
    if (is_file) n = (size_t)(dot - path);
    snprintf(out, size, "%.*s", (int)(n - start), path + start);
}

static const char *model_name(const struct conversion *c, char *scratch, size_t size) {
    if (*c->model->config.name) return c->model->config.name;
    if (c->options->name) return c->options->name;
    name_of_path(c->options->source, scratch, size);
    return scratch;
}

static bn_status add_gguf_tensors(struct conversion *c, struct gguf_writer *writer, struct gguf_item *items,
                                  bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < c->plan.n && !status; i++) {
        const struct planned_tensor *t = &c->plan.tensors[i];
        items[i] = (struct gguf_item){c, t};
        struct gguf_tensor_source source = {t->name, t->type, t->n_dims, {0}, write_gguf_tensor, &items[i]};
        memcpy(source.shape, t->shape, sizeof source.shape);
        status = gguf_writer_add_tensor(writer, &source, err);
    }
    return status;
}

static bn_status write_gguf(struct conversion *c, bn_error *err) {
    char scratch[256];
    struct gguf_writer *writer = NULL;
    struct gguf_item *items = NULL;
    bn_status status = gguf_writer_create(32, &writer, err);
    if (!status)
        status = c->model->config.is_gguf
                     ? gguf_keys_copy(&c->plan, writer, err)
                     : gguf_keys_set(&c->plan, model_name(c, scratch, sizeof scratch), writer, err);
    if (!status && !(items = mem_alloc_array(c->plan.n, sizeof *items))) status = fail_no_memory(err, c->plan.n);
    if (!status) status = add_gguf_tensors(c, writer, items, err);
    for (size_t i = 0; i < c->plan.n && !status; i++) c->stream.total += planned_bytes(&c->plan.tensors[i]);
    if (!status) status = gguf_writer_finish(writer, c->options->output, err);
    gguf_writer_destroy(writer);
    mem_free(items);
    c->report->n_files = 1;
    return status;
}

/* ---- Hugging Face ---- */

static bn_status write_hf(struct conversion *c, bn_error *err) {
    const char *source = c->options->source, *slash = strrchr(source, '/');
    if (c->options->target == CONVERT_TO_SAFETENSORS) return hf_write_file(&c->stream, c->options->output, err);
    if (c->model->config.is_gguf) return hf_write_folder(&c->stream, NULL, c->options->output, err);
    if (file_is_directory(source)) return hf_write_folder(&c->stream, source, c->options->output, err);
    char *folder = slash ? mem_strndup(source, (size_t)(slash - source) + (slash == source)) : mem_strdup(".");
    bn_status status =
        folder ? hf_write_folder(&c->stream, folder, c->options->output, err) : fail_no_memory(err, strlen(source));
    mem_free(folder);
    return status;
}

/* ---- all together ---- */

static bn_status check_options(const struct convert_options *o, bn_error *err) {
    if (o->type.given && !is_ternary_type(o->type.type) && o->granularity != TERNARY_PER_TENSOR)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "scales per row or group are for ternary types (tq1_0, tq2_0, q2_0, pq2_0)");
    if (o->type.given && o->type.type == TYPE_I2_S && o->granularity != TERNARY_PER_TENSOR)
        return fail(err, BN_STATUS_BAD_ARGUMENT,
                    "i2_s has one scale per tensor; tq2_0, tq1_0 and q2_0 have one per block");
    if ((o->head_type.given && is_ternary_type(o->head_type.type)) ||
        (o->embedding_type.given && is_ternary_type(o->embedding_type.type)))
        return fail(err, BN_STATUS_BAD_ARGUMENT, "embedding and head can't be made ternary");
    return BN_OK;
}

static bn_status open_source(struct conversion *c, bn_error *err) {
    bn_model_options options = {.size = sizeof options,
                                .no_tokenizer = c->options->no_tokenizer,
                                .notice = c->options->notice,
                                .notice_context = c->options->context};
    bn_status status = model_open_description(c->options->source, &options, &c->model, err);
    size_t n_threads = c->options->n_threads ? c->options->n_threads : cpu_count();
    return status ? status : thread_pool_acquire(n_threads, &c->pool, err);
}

static bn_status make_plan(struct conversion *c, bn_error *err) {
    struct arena *arena = mem_calloc(1, sizeof *arena);
    if (!arena) return fail_no_memory(err, sizeof *arena);
    arena_init(arena);
    c->report->memory = arena;
    c->plan = (struct plan){.options = c->options, .model = c->model, .pool = c->pool, .arena = arena};
    c->stream = (struct tensor_stream){.plan = &c->plan, .report = c->report};
    bn_status status = plan_make(&c->plan, err);
    if (status) error_prefix(err, "%s", c->options->source);
    return status;
}

static void fill_report(struct conversion *c) {
    c->report->architecture = c->model->config.arch->name;
    c->report->n_tensors = c->plan.n;
    c->report->n_ternary = c->plan.n_ternary;
    c->report->n_parameters = c->plan.n_parameters;
    c->report->bytes = c->stream.done;
}

static void say_fallbacks(const struct conversion *c) {
    char line[200];
    if (!c->options->notice || !c->plan.n_fallbacks) return;
    snprintf(line, sizeof line,
             "%zu matrices got another type, because their rows aren't whole blocks of the one asked for",
             c->plan.n_fallbacks);
    c->options->notice(c->options->context, line);
}

bn_status convert_model(const struct convert_options *options, struct convert_report *report, bn_error *err) {
    struct conversion c = {.options = options, .report = report};
    bn_status status = check_options(options, err);
    if (!status) status = open_source(&c, err);
    if (!status) status = make_plan(&c, err);
    if (!status) {
        say_fallbacks(&c);
        status = options->target == CONVERT_TO_GGUF ? write_gguf(&c, err) : write_hf(&c, err);
    }
    if (!status) fill_report(&c);
    plan_release(&c.plan);
    if (c.pool) thread_pool_release(c.pool);
    bn_model_close(c.model);
    return status;
}
