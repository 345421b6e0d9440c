/* Products of weights with activations.
 *
 * Rows are cut into chunks that threads take; every row's sum is made in one fixed order inside a kernel, so results
 * depend neither on chunks nor on threads. Ternary weights: int8 activations, exact integer sums, then two scales.
 * Quantised blocks (Q8_0, Q4_K, TQ2_0, …) are decoded in registers for a few tokens; for more, and for types without
 * such a kernel, a tile of rows at a time into memory that stays in the cache. Either way the product is that of the
 * exact decoded weights as float32. */
#include "model/linear.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"

#define CHUNK_ROWS         64 /* a multiple of L16_ROWS */
#define TOKEN_TILE         48 /* tokens whose int32 sums of one chunk stay in the L1 cache: whole tiles of the kernels */
#define DECODE_TILE_FLOATS 16384
#define FEW_TOKENS         16 /* so few that decoding in registers again for each tile is quicker than through memory */

size_t linear_scratch_bytes(size_t max_cols) {
    size_t sums = CHUNK_ROWS * TOKEN_TILE * sizeof(int32_t);
    size_t tile = max_size(DECODE_TILE_FLOATS, max_cols) * sizeof(float);
    return round_up(max_size(sums, tile), CACHE_LINE);
}

/* One token's input on its way into the products, while it is in the cache: made ready by whoever asks for them, then
 * an optional norm and int8 codes; or the codes' values back in float for linears that aren't packed. */
struct preparation {
    struct linear_context *context;
    const struct activations *input;
    const struct linear *linear;
    bool rounds, back_to_float;
};

static void prepare_token(void *argument, size_t token, size_t slot) {
    (void)slot;
    const struct preparation *job = argument;
    const struct activations *input = job->input;
    struct linear_context *c = job->context;
    size_t n = input->n_cols;
    const float *x = input->x + token * n;
    if (input->prepare) input->prepare(input->prepare_context, token);
    if (!job->rounds) return;
    int8_t *q = c->q + token * c->q_stride;
    if (job->linear->input_norm) {
        float *normed = c->rounded + token * n;
        c->kernels->rms_norm(normed, x, job->linear->input_norm, n, job->linear->input_norm_eps);
        x = normed;
    }
    c->kernels->quantize_row(q, &c->scales[token], &c->sums[token], x, n);
    if (job->back_to_float)
        for (size_t i = 0; i < n; i++) c->rounded[token * n + i] = (float)q[i] * c->scales[token];
}

/* The input as `linear` takes it, unless it is there already. */
static void prepare_input(struct linear_context *context, struct activations *input, const struct linear *linear) {
    bool rounds = linear->ternary || linear->int8_activations;
    if (rounds && linear->ternary && !linear->input_norm && input->quantized) rounds = false;
    if (!rounds && !input->prepare) return;
    struct preparation job = {context, input, linear, rounds, rounds && !linear->ternary};
    if (input->n_tokens * input->n_cols < 32768) /* less work than waking a thread */
        for (size_t t = 0; t < input->n_tokens; t++) prepare_token(&job, t, 0);
    else
        thread_pool_run(context->pool, prepare_token, &job, input->n_tokens);
    input->prepare = NULL;
    if (rounds) input->quantized = !linear->input_norm;
}

static void ternary_rows(const struct linear_context *c, const struct activations *input, const struct projection *p,
                         size_t row0, size_t n_rows, int32_t *sums) {
    const struct linear *w = p->linear;
    const uint8_t *packed = w->data + ternary_bytes(w->layout, row0, w->n_cols);
    bool dense = w->layout == LAYOUT_L12;
    for (size_t t0 = 0; t0 < input->n_tokens; t0 += TOKEN_TILE) {
        size_t n_tokens = min_size(TOKEN_TILE, input->n_tokens - t0);
        struct matmul_shape shape = {n_rows, w->n_cols, n_tokens, c->q_stride, CHUNK_ROWS};
        (dense ? c->kernels->ternary_matmul_l12 : c->kernels->ternary_matmul)(sums, packed, c->q + t0 * c->q_stride,
                                                                              c->sums + t0, &shape);
        for (size_t t = 0; t < n_tokens; t++)
            c->kernels->ternary_scale(p->y + (t0 + t) * w->n_rows + row0, sums + t * CHUNK_ROWS, c->scales[t0 + t],
                                      w->scale, n_rows);
    }
}

/* Products of rows that a kernel takes as they are; false for other types. */
static bool multiply_rows(const struct kernels *kernels, const struct linear *w, const uint8_t *rows, float *y,
                          const float *x, const struct matmul_shape *shape) {
    switch (w->type) {
    case TYPE_F32:
        kernels->matmul_f32(y, (const float *)(const void *)rows, x, shape);
        return true;
    case TYPE_F16:
        kernels->matmul_f16(y, (const uint16_t *)(const void *)rows, x, shape);
        return true;
    case TYPE_BF16:
        kernels->matmul_bf16(y, (const uint16_t *)(const void *)rows, x, shape);
        return true;
    default:
        if (shape->n_tokens > FEW_TOKENS || !tensor_type_has_product(w->type)) return false;
        kernels->matmul_blocks(y, rows, w->type, x, shape);
        return true;
    }
}

static void float_rows(const struct linear_context *c, const float *x, size_t n_tokens, const struct projection *p,
                       size_t row0, size_t n_rows, float *tile) {
    const struct linear *w = p->linear;
    struct matmul_shape shape = {n_rows, w->n_cols, n_tokens, w->n_cols, w->n_rows};
    const uint8_t *rows = w->data + row0 * w->row_bytes;
    float *y = p->y + row0;
    if (multiply_rows(c->kernels, w, rows, y, x, &shape)) return;
    size_t tile_rows = max_size(1, DECODE_TILE_FLOATS / w->n_cols);
    for (size_t r = 0; r < n_rows; r += tile_rows) {
        shape.n_rows = min_size(tile_rows, n_rows - r);
        tensor_decode(w->type, rows + r * w->row_bytes, tile, shape.n_rows * w->n_cols);
        c->kernels->matmul_f32(y + r, tile, x, &shape);
    }
}

struct product {
    struct linear_context *context;
    const struct activations *input;
    const struct projection *projections;
};

static void product_chunk(void *argument, size_t chunk, size_t slot) {
    const struct product *job = argument;
    const struct linear_context *c = job->context;
    const struct projection *p = job->projections;
    for (size_t n; chunk >= (n = (p->linear->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS); p++) chunk -= n;
    const struct linear *w = p->linear;
    size_t row0 = chunk * CHUNK_ROWS, n_rows = min_size(CHUNK_ROWS, w->n_rows - row0);
    void *scratch = c->scratch + slot * c->scratch_bytes;
    if (w->ternary) {
        ternary_rows(c, job->input, p, row0, n_rows, scratch);
    } else {
        float_rows(c, w->int8_activations ? c->rounded : job->input->x, job->input->n_tokens, p, row0, n_rows, scratch);
        if (w->scale != 1)
            for (size_t t = 0; t < job->input->n_tokens; t++)
                c->kernels->scale(p->y + t * w->n_rows + row0, w->scale, n_rows);
    }
    if (w->bias)
        for (size_t t = 0; t < job->input->n_tokens; t++)
            c->kernels->add(p->y + t * w->n_rows + row0, w->bias + row0, n_rows);
}

void linear_project(struct linear_context *context, struct activations *input, const struct projection *projections,
                    size_t n_projections) {
    /* Linears that see the same rounded input go together; one with a norm of its own goes alone. */
    for (size_t i = 0; i < n_projections;) {
        const struct linear *first = projections[i].linear;
        size_t n = 1, n_chunks = (first->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
        for (; i + n < n_projections; n++) {
            const struct linear *next = projections[i + n].linear;
            if (first->input_norm || next->input_norm || first->int8_activations != next->int8_activations ||
                first->ternary != next->ternary)
                break;
            n_chunks += (next->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
        }
        prepare_input(context, input, first);
        struct product job = {context, input, projections + i};
        thread_pool_run(context->pool, product_chunk, &job, n_chunks);
        i += n;
    }
}

void linear_row(const struct kernels *kernels, const struct linear *linear, size_t row, float *out) {
    const uint8_t *bytes = linear->data + row * linear->row_bytes;
    switch (linear->type) {
    case TYPE_F32:
        memcpy(out, bytes, linear->n_cols * sizeof(float));
        break;
    case TYPE_F16:
        kernels->f16_to_f32(out, (const uint16_t *)(const void *)bytes, linear->n_cols);
        break;
    case TYPE_BF16:
        kernels->bf16_to_f32(out, (const uint16_t *)(const void *)bytes, linear->n_cols);
        break;
    default:
        tensor_decode(linear->type, bytes, out, linear->n_cols);
    }
}

float linear_dot(const struct kernels *kernels, const struct linear *linear, size_t row, const float *x) {
    float y = 0;
    multiply_rows(kernels, linear, linear->data + row * linear->row_bytes, &y, x,
                  &(struct matmul_shape){1, linear->n_cols, 1, linear->n_cols, 1});
    return y;
}
