/* A linear map y = x·Wᵀ (+ b) in one of the forms weights come in, and its product with a batch of activations. */
#ifndef MODEL_LINEAR_H
#define MODEL_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/layout.h"
#include "kernels/tensor_type.h"

struct tensor;

/* Ternary weights take int8 activations and lie as layout.h says; all others take float32 activations and are rows of
 * `type` blocks back to back. */
struct linear {
    size_t n_rows, n_cols; /* out, in */
    bool ternary;
    enum ternary_layout layout; /* when ternary */
    enum tensor_type type;      /* when not ternary */
    const uint8_t *data;        /* packed groups or rows; in the mapped file or in the model's arena */
    size_t row_bytes;           /* when not ternary */
    float scale;                /* of the product: mean|W| for ternary weights, 1 otherwise */
    bool int8_activations;      /* not ternary in form, but a BitNet's: activations are rounded as if it were */
    const float *bias;          /* [n_rows], or NULL */
    const float *input_norm;    /* [n_cols] RMS norm weight applied to the input first, or NULL */
    float input_norm_eps;
    const struct tensor *source; /* when ternary, of a GGUF file: these are its rows from source_row on */
    size_t source_row;
};

/* Input rows of one or several linears: x float32 [n_tokens, n_cols], quantised once when first needed. The steps that
 * come before a product (residual, norm, activation) run token by token, each followed at once by the rounding of its
 * row: `prepare` completes row `token` of x, on any thread. */
struct activations {
    const float *x;
    size_t n_tokens, n_cols;
    void (*prepare)(const void *context, size_t token); /* NULL: x is complete */
    const void *prepare_context;
    bool quantized; /* q, scales and sums are filled in */
};

/* What a product needs besides its operands: scratch memory sized by linear_scratch_bytes. */
struct linear_context {
    const struct kernels *kernels;
    struct thread_pool *pool;
    int8_t *q; /* [max_tokens][q_stride] */
    size_t q_stride;
    float *scales;    /* [max_tokens] */
    int32_t *sums;    /* [max_tokens] */
    float *rounded;   /* [max_tokens][max_cols] inputs after input_norm or rounding; NULL if never needed */
    uint8_t *scratch; /* [slots][scratch_bytes] */
    size_t scratch_bytes;
};

/* Scratch of one thread for products with matrices of up to max_cols columns. */
size_t linear_scratch_bytes(size_t max_cols);

struct projection {
    const struct linear *linear;
    float *y; /* [n_tokens, linear->n_rows] */
};

/* y = x·Wᵀ (+ b) for up to PROJECTIONS_MAX linears over the same activations, in one parallel pass. */
#define PROJECTIONS_MAX 3
void linear_project(struct linear_context *context, struct activations *input, const struct projection *projections,
                    size_t n_projections);

/* Row `row` as float32, for embeddings. Not for ternary form. */
void linear_row(const struct kernels *kernels, const struct linear *linear, size_t row, float *out);

/* Σ_c W[row][c]·x[c] of float32, binary16 or bfloat16 weights: the bits that linear_project gives it, scale and bias
 * apart. */
float linear_dot(const struct kernels *kernels, const struct linear *linear, size_t row, const float *x);

#endif
