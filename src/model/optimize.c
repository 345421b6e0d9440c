/* An opened model has its ternary matrices in the run layout and the screen's copy of its head in memory. So optimizing
 * a file means to write these instead of the tensors that they were made of, and to copy the rest. */
#include "model/optimize.h"

#include <string.h>

#include "base/memory.h"
#include "model/head_screen_file.h"
#include "model/relayout.h"
#include "model/weights.h"
#include "tokenizer/compiled.h"

#define ALIGNMENT   CACHE_LINE
#define PIECE_BYTES ((size_t)8 << 20)
#define MAX_PARTS   3 /* q, k and v in one tensor */
#define LAYOUT_KEY  "bitnet.i2s.layout"

struct job;

/* A tensor of the source or the screen, and the matrices in memory that are its rows. */
struct plan {
    const struct tensor *tensor;
    const struct linear *parts[MAX_PARTS];
    size_t n_parts;
    bool ternary, dropped;
    struct job *job;
};

struct job {
    const bn_model *model;
    struct plan *plans; /* [n] as the source's tensors, then those of the screen */
    size_t n;
    struct tensor screen[SCREEN_TENSORS];
    struct gguf_writer *writer;
    struct optimize_report *report;
    size_t done, total;
};

/* ---- what becomes of each tensor ---- */

static void add_part(struct job *job, const struct linear *linear) {
    if (!linear->ternary) return;
    struct plan *plan = &job->plans[linear->source - model_tensors(job->model)->tensors];
    if (plan->n_parts < MAX_PARTS) plan->parts[plan->n_parts++] = linear;
}

static enum i2s_layout i2s_layout_of(enum ternary_layout layout) {
    return layout == LAYOUT_L12 ? I2S_L12 : I2S_L16;
}

static bool fits_run_layout(const struct job *job, const struct tensor *tensor) {
    return i2s_layout_fits(i2s_layout_of(job->report->layout), tensor_rows(tensor), tensor_cols(tensor));
}

/* Its parts are all of the tensor, one after the other, in whole groups of rows. */
static bool becomes_ternary(const struct plan *plan) {
    size_t row = 0;
    for (size_t i = 0; i < plan->n_parts; i++) {
        const struct linear *part = plan->parts[i];
        bool follows = part->source_row == row && part->n_rows % L16_ROWS == 0;
        if (!follows || part->scale != plan->parts[0]->scale) return false;
        row += part->n_rows;
    }
    return row > 0 && row == tensor_rows(plan->tensor) && fits_run_layout(plan->job, plan->tensor);
}

/* I2_S beside a run layout is read as x86-128 if that can't hold it, and as the run layout if it can. */
static bn_status check_kept(const struct job *job, const struct tensor *tensor, bn_error *err) {
    enum i2s_layout run_layout = i2s_layout_of(job->report->layout);
    if (tensor->type != TYPE_I2_S || tensor->i2s_layout == run_layout) return BN_OK;
    enum i2s_layout layout = job->model->i2s_layout != I2S_UNKNOWN ? job->model->i2s_layout : tensor->i2s_layout;
    if (layout == I2S_X86_128 && !fits_run_layout(job, tensor)) return BN_OK;
    return fail(err, BN_STATUS_UNSUPPORTED,
                "tensor '%s' (%zu × %zu) can't be put into layout %s, and in its own layout (%s) it can't stand beside "
                "others that are",
                tensor->name, tensor_rows(tensor), tensor_cols(tensor), i2s_layout_name(run_layout),
                i2s_layout_name(layout));
}

/* A ".scale" is part of the matrix once that is I2_S. */
static bool is_scale_of_ternary(const struct job *job, const char *name) {
    char weight[128];
    size_t n = strlen(name);
    if (n < 6 || n > 100 || strcmp(name + n - 6, ".scale") != 0) return false;
    memcpy(weight, name, n - 5);
    strcpy(weight + n - 5, "weight");
    const struct tensor_set *set = model_tensors(job->model);
    const struct tensor *tensor = tensor_set_find(set, weight);
    return tensor && job->plans[tensor - set->tensors].ternary;
}

static bn_status list_tensors(struct job *job, bn_error *err) {
    const struct tensor_set *set = model_tensors(job->model);
    const struct weights *w = &job->model->weights;
    job->report->has_screen = w->screen.codes != NULL;
    job->plans = mem_calloc(set->n_tensors + SCREEN_TENSORS, sizeof *job->plans);
    if (!job->plans) return fail_no_memory(err, set->n_tensors * sizeof *job->plans);
    for (size_t i = 0; i < set->n_tensors; i++) job->plans[job->n++] = (struct plan){.tensor = &set->tensors[i]};
    head_screen_tensors(&w->screen, &w->head, job->screen);
    for (size_t i = 0; i < SCREEN_TENSORS && job->report->has_screen; i++)
        job->plans[job->n++] = (struct plan){.tensor = &job->screen[i]};
    for (size_t i = 0; i < job->n; i++) job->plans[i].job = job;
    return BN_OK;
}

static bn_status plan_tensors(struct job *job, bn_error *err) {
    const struct tensor_set *set = model_tensors(job->model);
    const struct weights *w = &job->model->weights;
    for (size_t i = 0; i < job->model->config.n_layers; i++) {
        const struct layer *l = &w->layers[i];
        const struct linear *const linears[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t k = 0; k < sizeof linears / sizeof *linears; k++) add_part(job, linears[k]);
    }
    for (size_t i = 0; i < set->n_tensors; i++) {
        job->plans[i].ternary = becomes_ternary(&job->plans[i]);
        job->report->n_ternary += job->plans[i].ternary;
    }
    for (size_t i = 0; i < set->n_tensors; i++) {
        struct plan *plan = &job->plans[i];
        plan->dropped = head_screen_owns(plan->tensor->name) || is_scale_of_ternary(job, plan->tensor->name);
        if (plan->ternary || plan->dropped || job->report->n_ternary == 0) continue;
        bn_status status = check_kept(job, plan->tensor, err);
        if (status != BN_OK) return status;
    }
    return BN_OK;
}

/* ---- writing ---- */

static bn_status emit(struct job *job, const void *data, size_t size, bn_error *err) {
    const uint8_t *bytes = data;
    const struct optimize_report *report = job->report;
    for (size_t at = 0; at < size; at += PIECE_BYTES) {
        size_t n = min_size(PIECE_BYTES, size - at);
        bn_status status = gguf_writer_emit(job->writer, bytes + at, n, err);
        if (status != BN_OK) return status;
        job->done += n;
        if (report->progress && !report->progress(report->context, job->done, job->total))
            return fail(err, BN_STATUS_CANCELLED, "interrupted");
    }
    return BN_OK;
}

/* The matrix in the layout that is written. *own: memory to free, or NULL where it is that already. */
static bn_status in_layout(const struct linear *part, enum ternary_layout layout, const uint8_t **data, uint8_t **own,
                           bn_error *err) {
    *data = part->data;
    *own = NULL;
    if (part->layout == layout) return BN_OK;
    size_t bytes = ternary_bytes(layout, part->n_rows, part->n_cols);
    uint8_t *packed = mem_alloc_array(bytes, 1);
    if (!packed) return fail_no_memory(err, bytes);
    *data = *own = packed;
    return linear_relayout(part, layout, packed, err);
}

/* Nothing, for L16: its bytes are as many as an I2_S tensor has. */
static bn_status emit_unused(struct job *job, const struct tensor *tensor, bn_error *err) {
    size_t n_rows = tensor_rows(tensor), n_cols = tensor_cols(tensor);
    size_t unused = n_rows * n_cols / 4 - ternary_bytes(job->report->layout, n_rows, n_cols);
    uint8_t *zeros = unused ? mem_calloc(unused, 1) : NULL;
    if (unused && !zeros) return fail_no_memory(err, unused);
    bn_status status = emit(job, zeros, unused, err);
    mem_free(zeros);
    return status;
}

static bn_status write_tensor(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    (void)writer;
    const struct plan *plan = source->context;
    if (!plan->ternary) return emit(plan->job, plan->tensor->data, plan->tensor->size_bytes, err);
    enum ternary_layout layout = plan->job->report->layout;
    bn_status status = BN_OK;
    for (size_t i = 0; i < plan->n_parts && status == BN_OK; i++) {
        const struct linear *part = plan->parts[i];
        const uint8_t *data;
        uint8_t *own;
        status = in_layout(part, layout, &data, &own, err);
        if (status == BN_OK) status = emit(plan->job, data, ternary_bytes(layout, part->n_rows, part->n_cols), err);
        mem_free(own);
    }
    if (status == BN_OK) status = emit_unused(plan->job, plan->tensor, err);
    uint8_t tail[I2S_TAIL_BYTES] = {0};
    memcpy(tail, &plan->parts[0]->scale, sizeof(float));
    return status == BN_OK ? emit(plan->job, tail, sizeof tail, err) : status;
}

static bn_status add_tensors(struct job *job, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < job->n && status == BN_OK; i++) {
        const struct plan *plan = &job->plans[i];
        const struct tensor *tensor = plan->tensor;
        if (plan->dropped) continue;
        struct gguf_tensor_source source = {.name = tensor->name,
                                            .type = plan->ternary ? TYPE_I2_S : tensor->type,
                                            .n_dims = tensor->n_dims,
                                            .write = write_tensor,
                                            .context = plan};
        memcpy(source.shape, tensor->shape, sizeof source.shape);
        size_t bytes = tensor->size_bytes;
        if (plan->ternary) tensor_type_bytes(TYPE_I2_S, tensor_rows(tensor), tensor_cols(tensor), &bytes);
        job->total += bytes;
        job->report->n_tensors++;
        status = gguf_writer_add_tensor(job->writer, &source, err);
    }
    return status;
}

static bn_status set_metadata(struct job *job, bn_error *err) {
    const struct gguf *gguf = &job->model->gguf;
    bn_status status = BN_OK;
    bool layout_changes = job->report->n_ternary > 0;
    const char *layout = i2s_layout_name(i2s_layout_of(job->report->layout));
    if (layout_changes) status = gguf_writer_set_string(job->writer, LAYOUT_KEY, layout, strlen(layout), err);
    if (status == BN_OK && job->model->tokenizer) {
        status = tokenizer_compile_into_gguf(job->model->tokenizer, gguf, job->writer, err);
        job->report->has_tokenizer = true;
    }
    for (size_t i = 0; i < gguf->n_values && status == BN_OK; i++) {
        const char *key = gguf->values[i].key;
        bool replaced = strcmp(key, COMPILED_GGUF_KEY) == 0 || (layout_changes && strcmp(key, LAYOUT_KEY) == 0);
        if (!replaced) status = gguf_writer_copy(job->writer, &gguf->values[i], err);
    }
    return status;
}

bn_status model_optimize(const bn_model *model, const char *path, struct optimize_report *report, bn_error *err) {
    if (!model->config.is_gguf)
        return fail(err, BN_STATUS_UNSUPPORTED, "only GGUF files can be optimized, and this is a Hugging Face model");
    struct job job = {.model = model, .report = report};
    report->n_tensors = report->n_ternary = 0;
    report->has_tokenizer = false;
    bn_status status = list_tensors(&job, err);
    if (status == BN_OK) status = plan_tensors(&job, err);
    if (status == BN_OK) status = gguf_writer_create(ALIGNMENT, &job.writer, err);
    if (status == BN_OK) status = set_metadata(&job, err);
    if (status == BN_OK) status = add_tensors(&job, err);
    if (status == BN_OK) status = gguf_writer_finish(job.writer, path, err);
    gguf_writer_destroy(job.writer);
    mem_free(job.plans);
    return status;
}
