/* The definition of every operation: plain loops, one element after the other, in the order that kernels.h fixes.
 *
 * Read this to know what an operation does; tests hold every other table to these bits. Nothing is tuned, but nothing
 * is slowed down either: it's what a machine without a better table runs. */
#include <string.h>

#include "kernels/functions.h"
#include "kernels/layout.h"
#include "kernels/tables.h"

#define LANES 16

/* l[i] += l[i+8], then +4, +2, +1. */
static float sum_lanes(float lanes[LANES]) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

static float dot_f32(const float *a, const float *b, size_t n) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] = fma_f32(a[i], b[i], lanes[i % LANES]);
    return sum_lanes(lanes);
}

static float dot_f16(const uint16_t *a, const float *b, size_t n) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] = fma_f32(f16_to_f32(a[i]), b[i], lanes[i % LANES]);
    return sum_lanes(lanes);
}

static float dot_bf16(const uint16_t *a, const float *b, size_t n) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] = fma_f32(bf16_to_f32(a[i]), b[i], lanes[i % LANES]);
    return sum_lanes(lanes);
}

/* One group: sums[r] = Σ u·q over all columns. */
static void ternary_group(int32_t sums[L16_ROWS], const uint8_t *packed, const int8_t *q, size_t n_steps) {
    for (size_t r = 0; r < L16_ROWS; r++) sums[r] = 0;
    for (size_t b = 0; b < n_steps; b++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        for (size_t r = 0; r < L16_ROWS; r++) {
            int32_t sum = 0;
            for (size_t p = 0; p < 4; p++)
                for (size_t j = 0; j < 4; j++) sum += (packed[4 * r + j] >> 2 * p & 3) * q[4 * p + j];
            sums[r] += sum;
        }
    }
}

static void ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += L16_ROWS, packed += n_steps * L16_BLOCK_BYTES) {
        size_t n = min_size(L16_ROWS, shape->n_rows - row);
        for (size_t t = 0; t < shape->n_tokens; t++) {
            int32_t sums[L16_ROWS];
            ternary_group(sums, packed, q + t * shape->x_stride, n_steps);
            for (size_t r = 0; r < n; r++) y[t * shape->y_stride + row + r] = sums[r] - q_sums[t];
        }
    }
}

/* One group of L12, the same sums. Powers of three of a code's digits are taken off from the top. */
static void ternary_group_l12(int32_t sums[L12_ROWS], const uint8_t *packed, const int8_t *q, size_t n_cols) {
    for (size_t r = 0; r < L12_ROWS; r++) sums[r] = 0;
    for (size_t c = 0; c < n_cols; c += L12_COLS, packed += L12_BLOCK_BYTES) {
        int8_t x[L12_COLS] = {0};
        memcpy(x, q + c, min_size(L12_COLS, n_cols - c));
        for (size_t at = 0; at < 64; at++) {
            uint64_t eight = 0;
            memcpy(&eight, packed + at / 8 * 5, 5);
            int code = (int)(eight >> 5 * (at % 8) & 31), j = (int)at % 4;
            sums[at / 4] += code / 9 * x[8 + j] + code / 3 % 3 * x[4 + j] + code % 3 * x[j];
        }
    }
}

void scalar_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                               const struct matmul_shape *shape) {
    size_t group_bytes = l12_steps(shape->n_cols) * L12_BLOCK_BYTES;
    for (size_t row = 0; row < shape->n_rows; row += L12_ROWS, packed += group_bytes) {
        size_t n = min_size(L12_ROWS, shape->n_rows - row);
        for (size_t t = 0; t < shape->n_tokens; t++) {
            int32_t sums[L12_ROWS];
            ternary_group_l12(sums, packed, q + t * shape->x_stride, shape->n_cols);
            for (size_t r = 0; r < n; r++) y[t * shape->y_stride + row + r] = sums[r] - q_sums[t];
        }
    }
}

static void ternary_scale(float *y, const int32_t *y_int, float x_scale, float w_scale, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)y_int[i] * x_scale * w_scale;
}

/* One row's span: packed and multipliers are those of its group's span. */
static float screen_span(float y, const uint8_t *packed, uint8_t multiplier, size_t r, const int8_t *high,
                         const int8_t *low) {
    int32_t sum = 0;
    for (size_t c = 0; c < S6_SPAN; c++) sum += s6_value(packed, r, c) * (256 * high[c] + low[c]);
    return fma_f32((float)sum, (float)multiplier, y);
}

static void screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                          const int32_t *q_sums, const struct matmul_shape *shape) {
    (void)q_sums; /* the values are signed here */
    size_t n_spans = s6_spans(shape->n_cols), q_bytes = n_spans * S6_SPAN;
    for (size_t row = 0; row < shape->n_rows; row++) {
        size_t first = row / S6_ROWS * n_spans, r = row % S6_ROWS;
        for (size_t t = 0; t < shape->n_tokens; t++) {
            const int8_t *high = q + 2 * t * q_bytes;
            float sum = 0;
            for (size_t s = 0; s < n_spans; s++)
                sum = screen_span(sum, packed + (first + s) * S6_SPAN_BYTES, multipliers[(first + s) * S6_ROWS + r], r,
                                  high + s * S6_SPAN, high + q_bytes + s * S6_SPAN);
            y[t * shape->y_stride + row] = sum;
        }
    }
}

/* The largest magnitude is taken among the bits, where NaN is larger than infinity: so NaN reaches the scale, and
 * through it the products. */
static void quantize_row(int8_t *q, float *scale, int32_t *sum, const float *x, size_t n) {
    uint32_t largest = f32_bits(QUANTIZE_FLOOR);
    for (size_t i = 0; i < n; i++) {
        uint32_t magnitude = f32_bits(x[i]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    float m = f32_from_bits(largest), factor = 127.0f / m;
    int32_t total = 0;
    for (size_t i = 0; i < n; i++) {
        float v = min_f32(max_f32(x[i] * factor, -127.0f), 127.0f);
        q[i] = (int8_t)(int32_t)(f32_bits(v + ROUNDING_MAGIC) - ROUNDING_BITS);
        total += q[i];
    }
    for (size_t i = n; i < round_up(n, L16_COLS); i++) q[i] = 0;
    *scale = m / 127.0f;
    *sum = total;
}

static void matmul_f32(float *y, const float *w, const float *x, const struct matmul_shape *shape) {
    for (size_t r = 0; r < shape->n_rows; r++)
        for (size_t t = 0; t < shape->n_tokens; t++)
            y[t * shape->y_stride + r] = dot_f32(w + r * shape->n_cols, x + t * shape->x_stride, shape->n_cols);
}

static void matmul_f16(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape) {
    for (size_t r = 0; r < shape->n_rows; r++)
        for (size_t t = 0; t < shape->n_tokens; t++)
            y[t * shape->y_stride + r] = dot_f16(w + r * shape->n_cols, x + t * shape->x_stride, shape->n_cols);
}

static void matmul_bf16(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape) {
    for (size_t r = 0; r < shape->n_rows; r++)
        for (size_t t = 0; t < shape->n_tokens; t++)
            y[t * shape->y_stride + r] = dot_bf16(w + r * shape->n_cols, x + t * shape->x_stride, shape->n_cols);
}

static void matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                          const struct matmul_shape *shape) {
    enum { VALUES = 256 }; /* whole blocks of every type */
    const struct tensor_type_info *info = tensor_type_find(type);
    size_t n_cols = shape->n_cols, row_bytes = n_cols / info->block * info->block_bytes;
    for (size_t r = 0; r < shape->n_rows; r++)
        for (size_t t = 0; t < shape->n_tokens; t++) {
            float lanes[LANES] = {0}, values[VALUES];
            for (size_t c = 0; c < n_cols; c += VALUES) {
                size_t n = min_size(VALUES, n_cols - c);
                tensor_decode(type, w + r * row_bytes + c / info->block * info->block_bytes, values, n);
                for (size_t i = 0; i < n; i++)
                    lanes[i % LANES] = fma_f32(values[i], x[t * shape->x_stride + c + i], lanes[i % LANES]);
            }
            y[t * shape->y_stride + r] = sum_lanes(lanes);
        }
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    float inverse = 1.0f / sqrtf(dot_f32(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = x[i] * inverse * w[i];
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n, float eps) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] += x[i];
    float mean = sum_lanes(lanes) / (float)n;
    for (size_t i = 0; i < LANES; i++) lanes[i] = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float d = x[i] - mean;
        lanes[i % LANES] = fma_f32(d, d, lanes[i % LANES]);
    }
    float inverse = 1.0f / sqrtf(sum_lanes(lanes) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float normed = (x[i] - mean) * inverse;
        if (w) normed = normed * w[i];
        y[i] = b ? normed + b[i] : normed;
    }
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(float *y, float a, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] *= a;
}

static void softcap(float *y, float cap, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = cap * tanh_f32(y[i] / cap);
}

static void softmax(float *x, size_t n) {
    float highest = x[0], lanes[LANES] = {0};
    for (size_t i = 1; i < n; i++) highest = max_f32(x[i], highest);
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_f32(x[i] - highest);
        lanes[i % LANES] += x[i];
    }
    float inverse = 1.0f / sum_lanes(lanes);
    for (size_t i = 0; i < n; i++) x[i] *= inverse;
}

/* y = f(gate) · up. Inlined into each of the functions below, f with it. */
static inline void activate(float *y, const float *gate, const float *up, size_t n, float (*f)(float)) {
    for (size_t i = 0; i < n; i++) {
        float value = f(gate[i]);
        y[i] = up ? value * up[i] : value;
    }
}

static void silu(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, silu_f32);
}
static void relu2(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, relu2_f32);
}
static void relu(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, relu_f32);
}
static void gelu_tanh(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, gelu_tanh_f32);
}
static void gelu_erf(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, gelu_erf_f32);
}
static void gelu_quick(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, gelu_quick_f32);
}

static void rotate(float *a, float *b, float cosine, float sine) {
    float a0 = *a, b0 = *b;
    *a = fma_f32(a0, cosine, -(b0 * sine));
    *b = fma_f32(b0, cosine, a0 * sine);
}

static void rope_half(float *x, const float *cosines, const float *sines, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs; i++) rotate(&x[i], &x[i + n_pairs], cosines[i], sines[i]);
}

static void rope_neighbours(float *x, const float *cosines, const float *sines, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs; i++) rotate(&x[2 * i], &x[2 * i + 1], cosines[i], sines[i]);
}

static void multiply(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] *= x[i];
}

/* Keys and values come as they lie in the cache; `widened` is one element of them. */
#define DEFINE_SCORES(suffix, element, widened)                                                                        \
    static void attention_scores_##suffix(float *scores, size_t score_stride, const float *q, size_t n_rows,           \
                                          const element *k, size_t head_dim, float factor, const void *next) {         \
        (void)next;                                                                                                    \
        for (size_t r = 0; r < n_rows; r++)                                                                            \
            for (size_t j = 0; j < KEY_BLOCK; j++) {                                                                   \
                float sum = 0.0f;                                                                                      \
                for (size_t d = 0; d < head_dim; d++)                                                                  \
                    sum = fma_f32(q[r * head_dim + d], widened(k[d * KEY_BLOCK + j]), sum);                            \
                scores[r * score_stride + j] = sum * factor;                                                           \
            }                                                                                                          \
    }
#define DEFINE_VALUES(suffix, element, widened)                                                                        \
    static void attention_values_##suffix(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,  \
                                          const element *v, size_t n_keys, size_t head_dim, const void *next) {        \
        (void)next;                                                                                                    \
        for (size_t r = 0; r < n_rows; r++)                                                                            \
            for (size_t d = 0; d < head_dim; d++) {                                                                    \
                float sum = out[r * head_dim + d] * c[r];                                                              \
                for (size_t j = 0; j < n_keys; j++)                                                                    \
                    sum = fma_f32(p[r * p_stride + j], widened(v[j * head_dim + d]), sum);                             \
                out[r * head_dim + d] = sum;                                                                           \
            }                                                                                                          \
    }
#define AS_IT_IS(x) (x)
#define FROM_INT(x) ((float)(x))
DEFINE_SCORES(f32, float, AS_IT_IS)
DEFINE_SCORES(f16, uint16_t, f16_to_f32)
DEFINE_VALUES(f32, float, AS_IT_IS)
DEFINE_VALUES(f16, uint16_t, f16_to_f32)
DEFINE_VALUES(i8, int8_t, FROM_INT)

static void attention_scores_q8(float *scores, size_t score_stride, const int8_t *q, const float *q_factors,
                                size_t n_rows, const int8_t *k, const float *k_scales, size_t head_dim,
                                const void *next) {
    (void)next;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < KEY_BLOCK; j++) {
            int32_t sum = 0;
            for (size_t d = 0; d < head_dim; d++) sum += q[r * head_dim + d] * k[d / 4 * 4 * KEY_BLOCK + 4 * j + d % 4];
            scores[r * score_stride + j] = (float)sum * k_scales[j] * q_factors[r];
        }
}

static float softmax_step(float *scores, size_t n, float *m, float *l) {
    float highest = *m, lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) highest = max_f32(scores[i], highest);
    for (size_t i = 0; i < n; i++) {
        scores[i] = exp_f32(scores[i] - highest);
        lanes[i % LANES] += scores[i];
    }
    float c = exp_f32(*m - highest);
    *l = fma_f32(*l, c, sum_lanes(lanes));
    *m = highest;
    return c;
}

static void row_to_f16(uint16_t *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = f32_to_f16(x[i]);
}

static void row_from_f16(float *y, const uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = f16_to_f32(x[i]);
}

static void row_from_bf16(float *y, const uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = bf16_to_f32(x[i]);
}

static void row_from_i8(float *y, const int8_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
}

const struct kernels kernels_scalar = {
    .name = "scalar",
    .ternary_matmul = ternary_matmul,
    .ternary_matmul_l12 = scalar_ternary_matmul_l12,
    .ternary_scale = ternary_scale,
    .screen_matmul = screen_matmul,
    .quantize_row = quantize_row,
    .matmul_f32 = matmul_f32,
    .matmul_f16 = matmul_f16,
    .matmul_bf16 = matmul_bf16,
    .matmul_blocks = matmul_blocks,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .add = add,
    .scale = scale,
    .softcap = softcap,
    .softmax = softmax,
    .silu = silu,
    .relu2 = relu2,
    .relu = relu,
    .gelu_tanh = gelu_tanh,
    .gelu_erf = gelu_erf,
    .gelu_quick = gelu_quick,
    .rope_half = rope_half,
    .rope_neighbours = rope_neighbours,
    .multiply = multiply,
    .attention_scores_f32 = attention_scores_f32,
    .attention_scores_f16 = attention_scores_f16,
    .attention_scores_q8 = attention_scores_q8,
    .softmax_step = softmax_step,
    .attention_values_f32 = attention_values_f32,
    .attention_values_f16 = attention_values_f16,
    .attention_values_i8 = attention_values_i8,
    .f32_to_f16 = row_to_f16,
    .f16_to_f32 = row_from_f16,
    .bf16_to_f32 = row_from_bf16,
    .i8_to_f32 = row_from_i8,
};
