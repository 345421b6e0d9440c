/* The table of operations that the forward pass is made of.
 *
 * scalar.c defines each one; the files per instruction set override what they do faster and must give THE SAME BITS.
 * That works because the order of every float operation is part of the definition:
 *
 *   - Ternary products are exact int32 sums, so any order will do.
 *   - A float reduction over n elements uses 16 virtual lanes: element i goes to lane i mod 16 by one fused
 *     multiply-add, in order of i; then lanes are combined l[i] += l[i+8], then +4, +2, +1. The tail of n mod 16
 *     elements touches only its lanes.
 *   - Element-wise functions are fixed polynomials evaluated with fused multiply-adds (functions.h has them).
 *   - `x ≥ …` and max are the only other operations; max of equal values, signed zeros included, never shows outside.
 *
 * So results are independent of instruction set, thread count, batch, and of how rows are cut into chunks. Inputs are
 * finite unless said otherwise (a model with NaN weights gives NaN, not a crash; which NaN is left open). The floating
 * point environment is C's default: round to nearest, subnormals kept. Pointers need no alignment unless
 * said otherwise. All functions are thread-safe; outputs must not overlap inputs unless said. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/tensor_type.h"

#define QUANTIZE_FLOOR 1e-5f
#define KEY_BLOCK      32 /* keys that lie side by side in the KV cache */

/* y[t·y_stride + r] of a product of weights [n_rows, n_cols] with n_tokens input rows. Strides count elements. */
struct matmul_shape {
    size_t n_rows, n_cols, n_tokens;
    size_t x_stride, y_stride;
};

struct kernels {
    const char *name; /* "scalar", "avx2", "avx512", "neon" */

    /* Ternary (L16, layout.h): y[t][r] = Σ_c W[r][c]·q[t][c], exactly, for rows of whole groups: `packed` points at
     * the first group, y and n_rows count from its first row (n_rows needn't be a multiple of 16: nothing is written
     * beyond). q: int8 rows of x_stride ≥ 16·ceil(n_cols/16) bytes, 4-byte aligned, zero beyond n_cols, values in
     * ±127. q_sums[t] = Σ_c q[t][c]. n_cols ≤ 500 000, so that no int32 overflows on the way. */
    void (*ternary_matmul)(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape);
    /* The same for weights in the layout L12. Of q nothing beyond n_cols matters. */
    void (*ternary_matmul_l12)(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                               const struct matmul_shape *shape);
    /* y[t][r] = (float)y_int · x_scales[t] · w_scale, in that order: the step after ternary_matmul. */
    void (*ternary_scale)(float *y, const int32_t *y_int, float x_scale, float w_scale, size_t n);
    /* One token's activations to int8: m = max(max|x|, QUANTIZE_FLOOR), q = rint(x · (127/m)) (ties to even) clamped
     * to ±127; q[n … 16·ceil(n/16)) = 0. *scale = m/127, *sum = Σq. A NaN among x gives a NaN scale. */
    void (*quantize_row)(int8_t *q, float *scale, int32_t *sum, const float *x, size_t n);

    /* Six-bit rows (S6, layout.h) times 16-bit activations, a multiplier each row and span: with the exact sums
     * I = Σ_c Q[r][c]·q[t][c] over the columns c of a span,
     *     y[t][r] = fma((float)I, multiplier, y[t][r])       from 0, span after span,
     * for rows of whole groups as in ternary_matmul; `multipliers` points at the first group's. An activation is
     * 256·high + low in −32639 … 32639, low in −128 … 127: q has rows of 64·s6_spans(n_cols) bytes, token t's high
     * bytes in row 2t, its low ones in row 2t + 1, zero beyond n_cols. q_sums[t·s6_spans(n_cols) + s] = Σ q[t][c] over
     * span s. x_stride isn't used. */
    void (*screen_matmul)(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                          const int32_t *q_sums, const struct matmul_shape *shape);

    /* y[t][r] = Σ_c w[r][c]·x[t][c]: 16 lanes. The weights' rows lie back to back. f16/bf16 widen exactly. */
    void (*matmul_f32)(float *y, const float *w, const float *x, const struct matmul_shape *shape);
    void (*matmul_f16)(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape);
    void (*matmul_bf16)(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape);
    /* The same for rows of quantised blocks of `type`, one that tensor_type_has_product() names: the bits of matmul_f32
     * over the values of tensor_decode. n_cols is a
     * multiple of the block. Every tile of tokens decodes again, so this is for few of them. */
    void (*matmul_blocks)(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                          const struct matmul_shape *shape);

    /* y = x · (1/sqrt(mean(x²) + eps)) · w, multiplied in that order. y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y = (x − mean) · (1/sqrt(variance + eps)) · w + b (biased variance of the differences, second pass), each
     * operation rounded by itself. w, b may be NULL (left out). y may be x. */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n, float eps);

    void (*add)(float *y, const float *x, size_t n); /* y += x */
    void (*scale)(float *y, float a, size_t n);      /* y *= a */
    void (*softcap)(float *y, float cap, size_t n);  /* y = cap · tanh(y / cap) */
    /* x = exp(x − max) / Σ over n ≥ 1 elements; −inf gives 0 (all of them −inf: NaN). Sum in 16 lanes, then one
     * multiplication by 1/Σ. */
    void (*softmax)(float *x, size_t n);

    /* Activations, gate → y; then y = f(gate) · up with up, y = f(gate) when up is NULL. y may be gate. */
    void (*silu)(float *y, const float *gate, const float *up, size_t n);
    void (*relu2)(float *y, const float *gate, const float *up, size_t n);
    void (*relu)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_tanh)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_erf)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_quick)(float *y, const float *gate, const float *up, size_t n);

    /* Rotation of one head in place by angles whose cos/sin are given for n_pairs pairs: half-split pairs
     * (x[i], x[i+n_pairs]), or neighbours (x[2i], x[2i+1]). a·cos − b·sin = fma(a, cos, −(b·sin)) and
     * fma(b, cos, a·sin). */
    void (*rope_half)(float *x, const float *cosines, const float *sines, size_t n_pairs);
    void (*rope_neighbours)(float *x, const float *cosines, const float *sines, size_t n_pairs);

    /* y = x·y, element by element. */
    void (*multiply)(float *y, const float *x, size_t n);

    /* Attention, for n_rows query rows (heads of a group, tokens of a block) that share keys and values; the whole of
     * it is put together in model/attention.c. Keys lie dimension by dimension, k[d·KEY_BLOCK + j], so that a lane is
     * a key and no sum is horizontal; values lie key by key, v[j·head_dim + d].
     *
     * Scores of the KEY_BLOCK keys of one block: scores[r·score_stride + j] = (Σ_d q[r·head_dim + d]·k[d][j])·factor,
     * the sum by one fused multiply-add after the other in order of d. Keys that aren't there cost nothing but their
     * own score. `next`, here and below: what will be read after this, which is fetched into the caches meanwhile, as
     * many bytes as k or v has; it need not be readable. */
    void (*attention_scores_f32)(float *scores, size_t score_stride, const float *q, size_t n_rows, const float *k,
                                 size_t head_dim, float factor, const void *next);
    void (*attention_scores_f16)(float *scores, size_t score_stride, const float *q, size_t n_rows, const uint16_t *k,
                                 size_t head_dim, float factor, const void *next);
    /* The same of int8 by exact sums: scores[r][j] = (float)(Σ_d q[r][d]·k[d][j]) · k_scales[j] · q_factors[r], in that
     * order. Four dimensions of a key are neighbours, k[(d/4)·4·KEY_BLOCK + 4·j + d%4]; head_dim is a multiple of 4 (the
     * rest filled with zeros), values are in ±127. */
    void (*attention_scores_q8)(float *scores, size_t score_stride, const int8_t *q, const float *q_factors,
                                size_t n_rows, const int8_t *k, const float *k_scales, size_t head_dim,
                                const void *next);
    /* One step of the online softmax over n ≥ 1 more scores: m' = max(*m, max of them), each becomes exp(score − m'),
     * c = exp(*m − m'), *l = fma(*l, c, Σ of them in 16 lanes), *m = m'. Returns c, by which what was summed up so far
     * has to be multiplied. Starts from *m = −∞, *l = 0. */
    float (*softmax_step)(float *scores, size_t n, float *m, float *l);
    /* out[r·head_dim + d] = c[r]·out[r·head_dim + d], then fma(p[r·p_stride + j], v[j·head_dim + d], ·) for n_keys keys
     * in order of j. */
    void (*attention_values_f32)(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                 const float *v, size_t n_keys, size_t head_dim, const void *next);
    void (*attention_values_f16)(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                 const uint16_t *v, size_t n_keys, size_t head_dim, const void *next);
    void (*attention_values_i8)(float *out, const float *c, const float *p, size_t p_stride, size_t n_rows,
                                const int8_t *v, size_t n_keys, size_t head_dim, const void *next);

    void (*f32_to_f16)(uint16_t *y, const float *x, size_t n); /* nearest even; too large becomes infinity */
    void (*f16_to_f32)(float *y, const uint16_t *x, size_t n);
    void (*bf16_to_f32)(float *y, const uint16_t *x, size_t n);
    void (*i8_to_f32)(float *y, const int8_t *x, size_t n);
};

/* The best table this CPU runs, chosen once. The environment variable BITNET_ISA=scalar|avx2|avx512|neon overrides
 * (a name that the CPU lacks is ignored here and reported by kernels_select). Thread-safe. */
const struct kernels *kernels_best(void);
/* The table of that name; BN_STATUS_UNSUPPORTED when this CPU or build lacks it, BN_STATUS_BAD_ARGUMENT for no name. */
bn_status kernels_select(const char *name, const struct kernels **out, bn_error *err);
/* Names of all tables this CPU runs, scalar first; NULL past the last. */
const char *kernels_name(size_t index);
/* What the CPU says about itself, such as "AVX2 FMA F16C AVX512F … VNNI", for `doctor`. Static storage. */
const char *kernels_cpu_features(void);

#endif
