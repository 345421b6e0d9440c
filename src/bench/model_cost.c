#include "bench/model_cost.h"

#include "kernels/layout.h"
#include "model/weights.h"

void linear_work(const struct linear *linear, size_t n_tokens, struct model_work *work) {
    double weights = (double)linear->n_rows * (double)linear->n_cols * (double)n_tokens;
    if (linear->ternary) {
        work->bytes += (double)ternary_bytes(linear->layout, linear->n_rows, linear->n_cols);
        work->int8_operations += 2 * weights;
    } else {
        work->bytes += (double)linear->n_rows * (double)linear->row_bytes;
        work->float_operations += 2 * weights;
    }
}

void head_work(const bn_model *model, size_t n_tokens, struct model_work *work) {
    const struct linear *head = &model->weights.head;
    if (!model->weights.screen.codes) {
        linear_work(head, n_tokens, work);
        return;
    }
    /* codes and multipliers, a scale and two norms a row; two products of bytes a weight */
    size_t span_bytes = S6_SPAN_BYTES + S6_ROWS;
    work->bytes += (double)(s6_groups(head->n_rows) * s6_spans(head->n_cols) * span_bytes + 12 * head->n_rows);
    work->int8_operations += 4 * (double)head->n_rows * (double)head->n_cols * (double)n_tokens;
}

void model_cost(const bn_model *model, bn_kv_type kv_type, struct model_cost *out) {
    const struct model_config *c = &model->config;
    double element = kv_type == BN_KV_F32 ? 4 : kv_type == BN_KV_F16 ? 2 : 1 + 4.0 / (double)c->head_dim;
    *out = (struct model_cost){
        .embedding_row_bytes = (double)model->weights.embedding.row_bytes,
        .kv_bytes = 2 * element * (double)(c->n_kv_heads * c->head_dim),
        .attention_operations = 4 * (double)(c->n_heads * c->head_dim),
        .n_layers = c->n_layers,
        .window = c->sliding_window,
    };
    for (size_t i = 0; i < c->n_layers; i++) {
        const struct layer *layer = &model->weights.layers[i];
        const struct linear *linears[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                          &layer->gate, &layer->up, &layer->down};
        for (size_t j = 0; j < sizeof linears / sizeof *linears; j++) linear_work(linears[j], 1, &out->layers);
        out->n_windowed += layer->window != 0;
    }
    head_work(model, 1, &out->head);
}

/* Σ of min(p, limit) for p in (position, position + n]: what n tokens see together. limit 0: no limit. */
static double positions_seen(double position, double n, double limit) {
    if (limit == 0 || position + n <= limit) return n * position + n * (n + 1) / 2;
    if (position >= limit) return n * limit;
    double before = limit - position;
    return before * position + before * (before + 1) / 2 + (n - before) * limit;
}

/* Positions that some token of the step reads. */
static double positions_read(double position, double n, double limit) {
    return limit && position + 1 > limit ? limit + n - 1 : position + n;
}

void model_cost_step(const struct model_cost *cost, size_t streams, size_t position, size_t n_tokens, bool logits,
                     struct model_work *work) {
    double s = (double)streams, p = (double)position, n = (double)n_tokens, w = (double)cost->window;
    double full = (double)(cost->n_layers - cost->n_windowed), windowed = (double)cost->n_windowed;
    work->bytes += cost->layers.bytes + s * n * cost->embedding_row_bytes;
    work->int8_operations += s * n * cost->layers.int8_operations;
    work->float_operations += s * n * cost->layers.float_operations;
    if (logits) {
        work->bytes += cost->head.bytes;
        work->int8_operations += s * cost->head.int8_operations;
        work->float_operations += s * cost->head.float_operations;
    }
    double read = full * positions_read(p, n, 0) + windowed * positions_read(p, n, w);
    double written = (double)cost->n_layers * n;
    work->bytes += s * cost->kv_bytes * (read + written);
    work->float_operations +=
        s * cost->attention_operations * (full * positions_seen(p, n, 0) + windowed * positions_seen(p, n, w));
}

double roofline_seconds(const struct model_work *work, const struct machine_limits *limits, bool *memory_bound) {
    double memory = work->bytes / limits->read_bytes_per_s;
    double compute =
        work->int8_operations / limits->int8_operations_per_s + work->float_operations / limits->float_operations_per_s;
    if (memory_bound) *memory_bound = memory >= compute;
    return memory >= compute ? memory : compute;
}
