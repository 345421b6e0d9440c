/* The elementary functions as polynomials: their coefficients, and the scalar definition of each.
 *
 * libm's exp and tanh differ between systems, so results could never be the same bits everywhere; these are the same
 * few multiply-adds on every machine. The coefficients are our own Chebyshev fits, rounded to float32. Every `fma`
 * rounds once. lanes_float.h says the same thing for 16 lanes at a time; change both or neither.
 *
 * Subnormal results are computed, not flushed (the caller hasn't set FTZ or DAZ). NaN gives NaN, infinities give the
 * limits: exp(-∞) = 0, f(-∞) = -0 and f(∞) = ∞ for the activations. */
#ifndef KERNELS_FUNCTIONS_H
#define KERNELS_FUNCTIONS_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "base/half.h"

/* exp(x) = 2^k · exp(r), k = rint(x/ln 2), |r| ≤ ln2/2, exp(r) = 1 + r + r²·P(r). P is within 0.2 of 2^-24. Beyond the
 * bounds the result is 0 or infinity anyway. Adding 1.5·2^23 rounds to an integer, ties to even, and leaves the
 * integer in the low bits. */
#define EXP_LOWEST     (-104.0f)
#define EXP_HIGHEST    89.0f
#define LOG2_E         0x1.715476p+0f
#define LN2_HIGH       0x1.62e43p-1f
#define LN2_LOW        (-0x1.05c61p-29f)
#define ROUNDING_MAGIC 0x1.8p+23f
#define ROUNDING_BITS  0x4b400000
#define EXP_TERMS      5
static const float EXP_POLYNOMIAL[EXP_TERMS] = {0x1p-1f, 0x1.5554dcp-3f, 0x1.555518p-5f, 0x1.120be2p-7f,
                                                0x1.6d117cp-10f};

/* tanh(x) = x + x·z·P(z), z = x², below the bound; 1 − 2/(exp(2|x|) + 1) with the sign of x above it. */
#define TANH_SMALL 0.625f
#define TANH_TERMS 5
static const float TANH_POLYNOMIAL[TANH_TERMS] = {-0x1.555552p-2f, 0x1.110e1cp-3f, -0x1.b9258ap-5f, 0x1.58048ep-6f,
                                                  -0x1.8f8de4p-8f};

/* The normal distribution's lower tail, Φ(-a) = ½·erfc(a/√2) = exp(-a²/2) · t·P(t), t = 1/(1 + c·a), for a ≥ 0: one
 * form without cancellation for the whole half line (after the shape of Hastings' approximations). */
#define TAIL_C     0x1.04aaf8p-2f
#define TAIL_TERMS 10
static const float TAIL_POLYNOMIAL[TAIL_TERMS] = {0x1.9ff738p-4f,  0x1.9ff7bap-4f, 0x1.84ef32p-4f,  0x1.505c18p-4f,
                                                  0x1.f1490ap-5f,  0x1.c4eecep-5f, -0x1.1f4a5ap-6f, 0x1.31f496p-4f,
                                                  -0x1.28e3f2p-4f, 0x1.39af42p-6f};

/* ½(1 + tanh(√(2/π)(x + 0.044715 x³))) = σ(x·(c1 + c3·x²)) with c1 = 2√(2/π), c3 = 0.044715·c1. */
#define GELU_C1    0x1.988454p+0f
#define GELU_C3    0x1.2444f2p-4f
#define QUICK_GELU 1.702f

static inline float fma_f32(float a, float b, float c) {
    return __builtin_fmaf(a, b, c);
}

/* As the CPUs have it: the second operand when either is NaN or both are equal. */
static inline float max_f32(float a, float b) {
    return a > b ? a : b;
}

static inline float min_f32(float a, float b) {
    return a < b ? a : b;
}

/* Horner's scheme, coefficients from the constant term up. */
static inline float polynomial_f32(const float *coefficients, int n_terms, float x) {
    float sum = coefficients[n_terms - 1];
    for (int i = n_terms - 2; i >= 0; i--) sum = fma_f32(sum, x, coefficients[i]);
    return sum;
}

/* 2^k for -126 ≤ k ≤ 127. */
static inline float power_of_two(int32_t k) {
    return f32_from_bits((uint32_t)(k + 127) << 23);
}

/* About 1 ulp for normal results. 2^k goes in as two factors so that neither leaves the range of float32. */
static inline float exp_f32(float x) {
    x = min_f32(EXP_HIGHEST, max_f32(EXP_LOWEST, x));
    float shifted = fma_f32(x, LOG2_E, ROUNDING_MAGIC);
    float whole = shifted - ROUNDING_MAGIC;
    float r = fma_f32(whole, -LN2_HIGH, x);
    r = fma_f32(whole, -LN2_LOW, r);
    float y = fma_f32(r * r, polynomial_f32(EXP_POLYNOMIAL, EXP_TERMS, r), r) + 1.0f;
    int32_t k = (int32_t)(f32_bits(shifted) - ROUNDING_BITS);
    if (x != x) return x;
    int32_t half = k >> 1;
    return y * power_of_two(half) * power_of_two(k - half);
}

static inline float tanh_f32(float x) {
    float magnitude = f32_from_bits(f32_bits(x) & 0x7fffffff);
    float z = x * x;
    float small = fma_f32(x * z, polynomial_f32(TANH_POLYNOMIAL, TANH_TERMS, z), x);
    float large = 1.0f - 2.0f / (exp_f32(magnitude + magnitude) + 1.0f);
    large = f32_from_bits(f32_bits(large) | (f32_bits(x) & 0x80000000));
    return magnitude < TANH_SMALL ? small : large;
}

/* x·σ(a). x is kept finite from below, so that -∞ gives 0 and not ∞/∞. */
static inline float times_sigmoid(float x, float a) {
    return max_f32(-FLT_MAX, x) / (1.0f + exp_f32(-a));
}

static inline float silu_f32(float x) {
    return times_sigmoid(x, x);
}

static inline float gelu_tanh_f32(float x) {
    return times_sigmoid(x, x * fma_f32(x * x, GELU_C3, GELU_C1));
}

static inline float gelu_quick_f32(float x) {
    return times_sigmoid(x, QUICK_GELU * x);
}

/* x·Φ(x). */
static inline float gelu_erf_f32(float x) {
    float magnitude = f32_from_bits(f32_bits(x) & 0x7fffffff);
    float t = 1.0f / fma_f32(TAIL_C, magnitude, 1.0f);
    float tail = exp_f32(-0.5f * (x * x)) * (t * polynomial_f32(TAIL_POLYNOMIAL, TAIL_TERMS, t));
    return max_f32(-FLT_MAX, x) * (x < 0.0f ? tail : 1.0f - tail);
}

/* Negative zero and NaN pass. */
static inline float relu_f32(float x) {
    return max_f32(0.0f, x);
}

static inline float relu2_f32(float x) {
    return relu_f32(x) * relu_f32(x);
}

#endif
