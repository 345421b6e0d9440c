/* The output head: all logits of some hidden states, bounds of them, or the logits of a few tokens. */
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"
#include "model/workspace.h"

#define SCREEN_CHUNK  128 /* rows of the copy */
#define RESCORE_CHUNK 16

void model_logits(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                  const size_t *rows, size_t n, float *logits) {
    const struct model_config *c = &model->config;
    size_t d = c->hidden_size;
    const float *x = workspace->normed;
    if (rows) {
        for (size_t i = 0; i < n; i++) memcpy(workspace->out + i * d, x + rows[i] * d, d * sizeof *x);
        x = workspace->out;
    }
    workspace->linear.kernels = options->kernels;
    workspace->linear.pool = options->pool;
    struct activations in = {.x = x, .n_tokens = n, .n_cols = d};
    linear_project(&workspace->linear, &in, &(struct projection){&model->weights.head, logits}, 1);
    if (c->final_softcap > 0) options->kernels->softcap(logits, c->final_softcap, n * c->vocab_size);
}

const float *model_hidden(const struct bn_model *model, const struct workspace *workspace, size_t row) {
    return workspace->normed + row * model->config.hidden_size;
}

bool model_is_screened(const struct bn_model *model) {
    return model->weights.screen.codes != NULL;
}

/* ---- bounds ---- */

_Static_assert(MODEL_SCREEN_MAX == SCREEN_INPUTS_MAX, "one number under two names: what the engine may see, and all");

struct screening {
    const struct bn_model *model;
    const struct forward_options *options;
    const struct screen_input *inputs;
    size_t n_inputs;
    float *lower, *upper;
};

static void screen_chunk(void *context, size_t chunk, size_t slot) {
    (void)slot;
    const struct screening *job = context;
    const struct weights *weights = &job->model->weights;
    size_t row0 = chunk * SCREEN_CHUNK, n_rows = min_size(SCREEN_CHUNK, weights->head.n_rows - row0);
    head_screen_rows(&weights->screen, &weights->head, job->options->kernels, job->inputs, job->n_inputs, row0, n_rows,
                     job->lower, job->upper);
    float cap = job->model->config.final_softcap;
    for (size_t i = 0; i < job->n_inputs && cap > 0; i++) { /* monotone, its rounding included */
        job->options->kernels->softcap(job->lower + i * weights->head.n_rows + row0, cap, n_rows);
        job->options->kernels->softcap(job->upper + i * weights->head.n_rows + row0, cap, n_rows);
    }
}

void model_screen(const struct bn_model *model, struct workspace *workspace, const struct forward_options *options,
                  const size_t *rows, size_t n, float *lower, float *upper, bool *sound) {
    size_t d = model->config.hidden_size;
    struct screen_input inputs[SCREEN_INPUTS_MAX];
    for (size_t i = 0; i < n; i++) {
        inputs[i].q = workspace->screen_q + i * 2 * s6_spans(d) * S6_SPAN;
        inputs[i].q_sums = workspace->screen_sums + i * s6_spans(d);
        sound[i] = screen_input_init(&inputs[i], &model->weights.screen, workspace->normed + rows[i] * d, d);
    }
    struct screening job = {model, options, inputs, n, lower, upper};
    thread_pool_run(options->pool, screen_chunk, &job, (model->weights.head.n_rows + SCREEN_CHUNK - 1) / SCREEN_CHUNK);
}

void model_drop_head_pages(const struct bn_model *model) {
    const struct weights *weights = &model->weights;
    if (weights->head_is_mapped) head_drop_pages(&weights->head, 0, weights->head.n_rows);
}

/* ---- a few exact logits ---- */

struct rescoring {
    const struct bn_model *model;
    const struct workspace *workspace;
    const struct kernels *kernels;
    const float *x;
    bn_candidate *items;
    size_t n;
};

static void rescore_chunk(void *context, size_t chunk, size_t slot) {
    const struct rescoring *job = context;
    const struct weights *weights = &job->model->weights;
    uint8_t *buffer = job->workspace->linear.scratch + slot * job->workspace->linear.scratch_bytes;
    size_t end = min_size(job->n, (chunk + 1) * RESCORE_CHUNK);
    float cap = job->model->config.final_softcap;
    for (size_t i = chunk * RESCORE_CHUNK; i < end; i++) {
        struct linear row = row_file_take(&weights->head_rows, &weights->head, (size_t)job->items[i].id, buffer);
        float logit = linear_dot(job->kernels, &row, 0, job->x);
        if (cap > 0) job->kernels->softcap(&logit, cap, 1);
        job->items[i].logit = logit;
    }
}

void model_rescore(const struct bn_model *model, const struct workspace *workspace,
                   const struct forward_options *options, size_t row, bn_candidate *items, size_t n) {
    struct rescoring job = {model, workspace, options->kernels, workspace->normed + row * model->config.hidden_size,
                            items, n};
    thread_pool_run(options->pool, rescore_chunk, &job, (n + RESCORE_CHUNK - 1) / RESCORE_CHUNK);
}
