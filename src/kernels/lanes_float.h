/* The float operations for 16 lanes at a time, written once for all instruction sets.
 *
 * A file per instruction set includes its own *_lanes.h, which gives the types f32x16 and i32x16 and the operations
 * lanes_*, and then this one, and puts LANES_FLOAT_KERNELS into its table. Since the 16 lanes are those of the
 * definition, the code here is scalar.c with "i mod 16" turned into a vector; only the register tiles of the products
 * (VECTOR_ROWS, TILE_ROWS, TILE_TOKENS, …) differ between them, and they don't show in the results.
 *
 * Tails: load_up_to fills the missing lanes with zeros, and `keep` leaves those lanes of an accumulator alone, since
 * even adding zero would turn a -0 there into +0. */
#ifndef KERNELS_LANES_FLOAT_H
#define KERNELS_LANES_FLOAT_H

#include "kernels/functions.h"
#include "kernels/kernels.h"
#include "kernels/layout.h"
#include "kernels/unroll.h"

#define LANES 16
enum element { ELEMENT_F32, ELEMENT_F16, ELEMENT_BF16, ELEMENT_I8 };

ALWAYS_INLINE f32x16 load_up_to(const float *x, size_t left) {
    return left >= LANES ? lanes_load(x) : lanes_load_n(x, left);
}

ALWAYS_INLINE void store_up_to(float *y, f32x16 v, size_t left) {
    if (left >= LANES)
        lanes_store(y, v);
    else
        lanes_store_n(y, v, left);
}

ALWAYS_INLINE f32x16 keep(size_t left, f32x16 changed, f32x16 old) {
    return left >= LANES ? changed : lanes_first(left, changed, old);
}

/* 16 elements of an array from index i on, widened. */
ALWAYS_INLINE f32x16 load_elements(const void *array, size_t i, enum element element) {
    if (element == ELEMENT_F32) return lanes_load((const float *)array + i);
    if (element == ELEMENT_F16) return lanes_load_f16((const uint16_t *)array + i);
    if (element == ELEMENT_I8) return lanes_load_i8((const int8_t *)array + i);
    return lanes_load_bf16((const uint16_t *)array + i);
}

ALWAYS_INLINE f32x16 load_elements_n(const void *array, size_t i, size_t n, enum element element) {
    if (element == ELEMENT_F32) return lanes_load_n((const float *)array + i, n);
    if (element == ELEMENT_I8) {
        int8_t bytes[LANES] = {0};
        memcpy(bytes, (const int8_t *)array + i, n);
        return lanes_load_i8(bytes);
    }
    uint16_t halves[LANES] = {0};
    memcpy(halves, (const uint16_t *)array + i, n * sizeof *halves);
    return load_elements(halves, 0, element);
}

/* ---- functions (functions.h for 16 lanes) ---- */

ALWAYS_INLINE f32x16 lanes_polynomial(const float *coefficients, int n_terms, f32x16 x) {
    f32x16 sum = lanes_set(coefficients[n_terms - 1]);
    UNROLL for (int i = n_terms - 2; i >= 0; i--) sum = lanes_fma(sum, x, lanes_set(coefficients[i]));
    return sum;
}

ALWAYS_INLINE f32x16 lanes_exp(f32x16 x) {
    x = lanes_min(lanes_set(EXP_HIGHEST), lanes_max(lanes_set(EXP_LOWEST), x));
    f32x16 shifted = lanes_fma(x, lanes_set(LOG2_E), lanes_set(ROUNDING_MAGIC));
    f32x16 whole = lanes_sub(shifted, lanes_set(ROUNDING_MAGIC));
    f32x16 r = lanes_fma(whole, lanes_set(-LN2_HIGH), x);
    r = lanes_fma(whole, lanes_set(-LN2_LOW), r);
    f32x16 p = lanes_polynomial(EXP_POLYNOMIAL, EXP_TERMS, r);
    f32x16 y = lanes_add(lanes_fma(lanes_mul(r, r), p, r), lanes_set(1.0f));
    return lanes_times_power(y, shifted, ROUNDING_BITS);
}

ALWAYS_INLINE f32x16 lanes_tanh(f32x16 x) {
    f32x16 one = lanes_set(1.0f), magnitude = lanes_abs(x), z = lanes_mul(x, x);
    f32x16 small = lanes_fma(lanes_mul(x, z), lanes_polynomial(TANH_POLYNOMIAL, TANH_TERMS, z), x);
    f32x16 grown = lanes_add(lanes_exp(lanes_add(magnitude, magnitude)), one);
    f32x16 large = lanes_sub(one, lanes_div(lanes_set(2.0f), grown));
    return lanes_if_less(magnitude, lanes_set(TANH_SMALL), small, lanes_with_sign(large, x));
}

ALWAYS_INLINE f32x16 lanes_times_sigmoid(f32x16 x, f32x16 a) {
    f32x16 finite = lanes_max(lanes_set(-FLT_MAX), x);
    return lanes_div(finite, lanes_add(lanes_set(1.0f), lanes_exp(lanes_negate(a))));
}

ALWAYS_INLINE f32x16 lanes_silu(f32x16 x) {
    return lanes_times_sigmoid(x, x);
}

ALWAYS_INLINE f32x16 lanes_gelu_tanh(f32x16 x) {
    f32x16 inner = lanes_fma(lanes_mul(x, x), lanes_set(GELU_C3), lanes_set(GELU_C1));
    return lanes_times_sigmoid(x, lanes_mul(x, inner));
}

ALWAYS_INLINE f32x16 lanes_gelu_quick(f32x16 x) {
    return lanes_times_sigmoid(x, lanes_mul(lanes_set(QUICK_GELU), x));
}

ALWAYS_INLINE f32x16 lanes_gelu_erf(f32x16 x) {
    f32x16 one = lanes_set(1.0f);
    f32x16 t = lanes_div(one, lanes_fma(lanes_set(TAIL_C), lanes_abs(x), one));
    f32x16 p = lanes_mul(t, lanes_polynomial(TAIL_POLYNOMIAL, TAIL_TERMS, t));
    f32x16 tail = lanes_mul(lanes_exp(lanes_mul(lanes_set(-0.5f), lanes_mul(x, x))), p);
    f32x16 share = lanes_if_less(x, lanes_set(0.0f), tail, lanes_sub(one, tail));
    return lanes_mul(lanes_max(lanes_set(-FLT_MAX), x), share);
}

ALWAYS_INLINE f32x16 lanes_relu(f32x16 x) {
    return lanes_max(lanes_set(0.0f), x);
}

ALWAYS_INLINE f32x16 lanes_relu2(f32x16 x) {
    return lanes_mul(lanes_relu(x), lanes_relu(x));
}

/* ---- products ---- */

/* sums[r·tokens + t] = Σ_c w[r][c]·x[t][c] for a tile whose accumulators stay in registers. */
ALWAYS_INLINE void dot_tile(float *sums, const void *w, size_t w_stride, const float *x, size_t x_stride, size_t n_cols,
                            enum element element, const int rows, const int tokens) {
    f32x16 acc[TILE_ROWS * TILE_TOKENS > VECTOR_ROWS ? TILE_ROWS * TILE_TOKENS : VECTOR_ROWS];
    UNROLL for (int i = 0; i < rows * tokens; i++) acc[i] = lanes_set(0.0f);
    size_t c = 0;
    for (; c + LANES <= n_cols; c += LANES) {
        f32x16 inputs[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) inputs[t] = lanes_load(x + (size_t)t * x_stride + c);
        UNROLL for (int r = 0; r < rows; r++) {
            f32x16 weights = load_elements(w, (size_t)r * w_stride + c, element);
            UNROLL for (int t = 0; t < tokens; t++) acc[r * tokens + t] =
                lanes_fma(weights, inputs[t], acc[r * tokens + t]);
        }
    }
    if (c < n_cols) {
        size_t left = n_cols - c;
        UNROLL for (int r = 0; r < rows; r++) {
            f32x16 weights = load_elements_n(w, (size_t)r * w_stride + c, left, element);
            UNROLL for (int t = 0; t < tokens; t++) {
                f32x16 *sum = &acc[r * tokens + t];
                f32x16 inputs = lanes_load_n(x + (size_t)t * x_stride + c, left);
                *sum = lanes_first(left, lanes_fma(weights, inputs, *sum), *sum);
            }
        }
    }
    UNROLL for (int i = 0; i < rows * tokens; i++) sums[i] = lanes_sum(acc[i]);
}

ALWAYS_INLINE size_t element_bytes(enum element element) {
    return element == ELEMENT_F32 ? sizeof(float) : element == ELEMENT_I8 ? sizeof(int8_t) : sizeof(uint16_t);
}

ALWAYS_INLINE const void *element_at(const void *array, size_t i, enum element element) {
    return (const char *)array + i * element_bytes(element);
}

/* Rows [row, row + rows) of a product, in tiles of tokens and then token by token. */
ALWAYS_INLINE void product_rows(float *y, const void *w, const float *x, const struct matmul_shape *s,
                                enum element element, size_t row, const int rows, const int tokens) {
    for (size_t t = 0; t + (size_t)tokens <= s->n_tokens; t += (size_t)tokens) {
        float sums[VECTOR_ROWS * TILE_TOKENS];
        dot_tile(sums, element_at(w, row * s->n_cols, element), s->n_cols, x + t * s->x_stride, s->x_stride, s->n_cols,
                 element, rows, tokens);
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < tokens; k++) y[(t + (size_t)k) * s->y_stride + row + (size_t)r] = sums[r * tokens + k];
    }
}

ALWAYS_INLINE void product(float *y, const void *w, const float *x, const struct matmul_shape *shape,
                           enum element element) {
    struct matmul_shape tiled = *shape, rest = *shape;
    rest.n_tokens = shape->n_tokens % TILE_TOKENS;
    tiled.n_tokens = shape->n_tokens - rest.n_tokens;
    size_t row = 0;
    for (; row + TILE_ROWS <= shape->n_rows; row += TILE_ROWS)
        product_rows(y, w, x, &tiled, element, row, TILE_ROWS, TILE_TOKENS);
    for (; row < shape->n_rows; row++) product_rows(y, w, x, &tiled, element, row, 1, TILE_TOKENS);

    y += tiled.n_tokens * shape->y_stride;
    x += tiled.n_tokens * shape->x_stride;
    for (row = 0; row + VECTOR_ROWS <= shape->n_rows; row += VECTOR_ROWS)
        product_rows(y, w, x, &rest, element, row, VECTOR_ROWS, 1);
    for (; row < shape->n_rows; row++) product_rows(y, w, x, &rest, element, row, 1, 1);
}

static void matmul_f32(float *y, const float *w, const float *x, const struct matmul_shape *shape) {
    product(y, w, x, shape, ELEMENT_F32);
}

static void matmul_f16(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape) {
    product(y, w, x, shape, ELEMENT_F16);
}

static void matmul_bf16(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape) {
    product(y, w, x, shape, ELEMENT_BF16);
}

/* ---- rows ---- */

static void ternary_scale(float *y, const int32_t *y_int, float x_scale, float w_scale, size_t n) {
    f32x16 first = lanes_set(x_scale), second = lanes_set(w_scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        lanes_store(y + i, lanes_mul(lanes_mul(lanes_from_i32(y_int + i), first), second));
    if (i == n) return;
    int32_t rest[LANES] = {0};
    memcpy(rest, y_int + i, (n - i) * sizeof *rest);
    lanes_store_n(y + i, lanes_mul(lanes_mul(lanes_from_i32(rest), first), second), n - i);
}

static void quantize_row(int8_t *q, float *scale, int32_t *sum, const float *x, size_t n) {
    f32x16 largest = lanes_set(QUANTIZE_FLOOR);
    for (size_t i = 0; i < n; i += LANES) largest = lanes_max_bits(largest, lanes_abs(load_up_to(x + i, n - i)));
    float parts[LANES], m = 0.0f;
    lanes_store(parts, largest);
    for (int i = 0; i < LANES; i++) m = f32_bits(parts[i]) > f32_bits(m) ? parts[i] : m;

    f32x16 factor = lanes_set(127.0f / m), low = lanes_set(-127.0f), high = lanes_set(127.0f);
    i32x16 total = lanes_zero_i32();
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 v = lanes_min(lanes_max(lanes_mul(load_up_to(x + i, n - i), factor), low), high);
        i32x16 rounded = lanes_round(keep(n - i, v, lanes_set(0.0f)));
        lanes_store_i8(q + i, rounded);
        total = lanes_add_i32(total, rounded);
    }
    *scale = m / 127.0f;
    *sum = lanes_sum_i32(total);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    f32x16 squares = lanes_set(0.0f);
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 v = load_up_to(x + i, n - i);
        squares = keep(n - i, lanes_fma(v, v, squares), squares);
    }
    f32x16 inverse = lanes_set(1.0f / sqrtf(lanes_sum(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 v = lanes_mul(load_up_to(x + i, n - i), inverse);
        store_up_to(y + i, lanes_mul(v, load_up_to(w + i, n - i)), n - i);
    }
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n, float eps) {
    f32x16 sum = lanes_set(0.0f), squares = sum;
    for (size_t i = 0; i < n; i += LANES) sum = keep(n - i, lanes_add(sum, load_up_to(x + i, n - i)), sum);
    f32x16 mean = lanes_set(lanes_sum(sum) / (float)n);
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 d = lanes_sub(load_up_to(x + i, n - i), mean);
        squares = keep(n - i, lanes_fma(d, d, squares), squares);
    }
    f32x16 inverse = lanes_set(1.0f / sqrtf(lanes_sum(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 v = lanes_mul(lanes_sub(load_up_to(x + i, n - i), mean), inverse);
        if (w) v = lanes_mul(v, load_up_to(w + i, n - i));
        if (b) v = lanes_add(v, load_up_to(b + i, n - i));
        store_up_to(y + i, v, n - i);
    }
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        store_up_to(y + i, lanes_add(load_up_to(y + i, n - i), load_up_to(x + i, n - i)), n - i);
}

static void multiply(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        store_up_to(y + i, lanes_mul(load_up_to(y + i, n - i), load_up_to(x + i, n - i)), n - i);
}

static void scale(float *y, float a, size_t n) {
    f32x16 factor = lanes_set(a);
    for (size_t i = 0; i < n; i += LANES) store_up_to(y + i, lanes_mul(load_up_to(y + i, n - i), factor), n - i);
}

static void softcap(float *y, float cap, size_t n) {
    f32x16 caps = lanes_set(cap);
    for (size_t i = 0; i < n; i += LANES)
        store_up_to(y + i, lanes_mul(caps, lanes_tanh(lanes_div(load_up_to(y + i, n - i), caps))), n - i);
}

static void softmax(float *x, size_t n) {
    f32x16 largest = lanes_set(x[0]), sum = lanes_set(0.0f);
    for (size_t i = 0; i < n; i += LANES) largest = keep(n - i, lanes_max(load_up_to(x + i, n - i), largest), largest);
    f32x16 highest = lanes_set(lanes_highest(largest));
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 e = lanes_exp(lanes_sub(load_up_to(x + i, n - i), highest));
        store_up_to(x + i, e, n - i);
        sum = keep(n - i, lanes_add(sum, e), sum);
    }
    scale(x, 1.0f / lanes_sum(sum), n);
}

#include "kernels/lanes_attention.h"

/* y = f(gate) · up, f inlined. */
ALWAYS_INLINE void activate(float *y, const float *gate, const float *up, size_t n, f32x16 (*f)(f32x16)) {
    for (size_t i = 0; i < n; i += LANES) {
        f32x16 value = f(load_up_to(gate + i, n - i));
        if (up) value = lanes_mul(value, load_up_to(up + i, n - i));
        store_up_to(y + i, value, n - i);
    }
}

static void silu(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_silu);
}

static void relu2(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_relu2);
}

static void relu(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_relu);
}

static void gelu_tanh(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_gelu_tanh);
}

static void gelu_erf(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_gelu_erf);
}

static void gelu_quick(float *y, const float *gate, const float *up, size_t n) {
    activate(y, gate, up, n, lanes_gelu_quick);
}

ALWAYS_INLINE void rotate(f32x16 *a, f32x16 *b, const float *cosines, const float *sines, size_t left) {
    f32x16 cosine = load_up_to(cosines, left), sine = load_up_to(sines, left), a0 = *a;
    *a = lanes_fma(a0, cosine, lanes_negate(lanes_mul(*b, sine)));
    *b = lanes_fma(*b, cosine, lanes_mul(a0, sine));
}

static void rope_half(float *x, const float *cosines, const float *sines, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs; i += LANES) {
        f32x16 a = load_up_to(x + i, n_pairs - i), b = load_up_to(x + n_pairs + i, n_pairs - i);
        rotate(&a, &b, cosines + i, sines + i, n_pairs - i);
        store_up_to(x + i, a, n_pairs - i);
        store_up_to(x + n_pairs + i, b, n_pairs - i);
    }
}

static void rope_neighbours(float *x, const float *cosines, const float *sines, size_t n_pairs) {
    f32x16 even, odd;
    size_t i = 0;
    for (; i + LANES <= n_pairs; i += LANES) {
        lanes_load_pairs(x + 2 * i, &even, &odd);
        rotate(&even, &odd, cosines + i, sines + i, LANES);
        lanes_store_pairs(x + 2 * i, even, odd);
    }
    if (i == n_pairs) return;
    float rest[2 * LANES] = {0};
    size_t left = n_pairs - i;
    memcpy(rest, x + 2 * i, 2 * left * sizeof *rest);
    lanes_load_pairs(rest, &even, &odd);
    rotate(&even, &odd, cosines + i, sines + i, left);
    lanes_store_pairs(rest, even, odd);
    memcpy(x + 2 * i, rest, 2 * left * sizeof *rest);
}

static void row_to_f16(uint16_t *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store_f16(y + i, lanes_load(x + i));
    if (i == n) return;
    uint16_t rest[LANES];
    lanes_store_f16(rest, lanes_load_n(x + i, n - i));
    memcpy(y + i, rest, (n - i) * sizeof *rest);
}

ALWAYS_INLINE void widen_row(float *y, const uint16_t *x, size_t n, enum element element) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store(y + i, load_elements(x, i, element));
    if (i < n) lanes_store_n(y + i, load_elements_n(x, i, n - i, element), n - i);
}

static void row_from_f16(float *y, const uint16_t *x, size_t n) {
    widen_row(y, x, n, ELEMENT_F16);
}

static void row_from_bf16(float *y, const uint16_t *x, size_t n) {
    widen_row(y, x, n, ELEMENT_BF16);
}

static void row_from_i8(float *y, const int8_t *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) lanes_store(y + i, load_elements(x, i, ELEMENT_I8));
    if (i < n) lanes_store_n(y + i, load_elements_n(x, i, n - i, ELEMENT_I8), n - i);
}

/* All of the table but the name and the integer products. */
#define LANES_FLOAT_KERNELS                                                                                            \
    .ternary_scale = ternary_scale, .quantize_row = quantize_row, .matmul_f32 = matmul_f32, .matmul_f16 = matmul_f16,  \
    .matmul_bf16 = matmul_bf16, .rms_norm = rms_norm, .layer_norm = layer_norm, .add = add, .scale = scale,            \
    .softcap = softcap, .softmax = softmax, .silu = silu, .relu2 = relu2, .relu = relu, .gelu_tanh = gelu_tanh,        \
    .gelu_erf = gelu_erf, .gelu_quick = gelu_quick, .rope_half = rope_half, .rope_neighbours = rope_neighbours,        \
    .multiply = multiply, .attention_scores_f32 = attention_scores_f32, .attention_scores_f16 = attention_scores_f16,  \
    .attention_scores_q8 = attention_scores_q8, .softmax_step = softmax_step,                                          \
    .attention_values_f32 = attention_values_f32, .attention_values_f16 = attention_values_f16,                        \
    .attention_values_i8 = attention_values_i8, .f32_to_f16 = row_to_f16, .f16_to_f32 = row_from_f16,                  \
    .bf16_to_f32 = row_from_bf16, .i8_to_f32 = row_from_i8

#endif
