/* The 16 lanes as one AVX-512 register; the operations that lanes_float.h is written in. */
#ifndef KERNELS_X86_AVX512_LANES_H
#define KERNELS_X86_AVX512_LANES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m512 f32x16;
typedef __m512i i32x16;

/* Register tiles of a float product: with 32 registers, 8 accumulators for one token and 16 for a tile. */
#define VECTOR_ROWS   8
#define TILE_ROWS     4
#define TILE_TOKENS   4
#define SCORE_ROWS    4
#define SCORE_VECTORS 2
#define VALUE_ROWS    4
#define VALUE_VECTORS 4

static inline f32x16 lanes_set(float x) {
    return _mm512_set1_ps(x);
}

static inline f32x16 lanes_load(const float *x) {
    return _mm512_loadu_ps(x);
}

static inline void lanes_store(float *y, f32x16 v) {
    _mm512_storeu_ps(y, v);
}

/* The first n < 16 lanes. */
static inline __mmask16 lanes_mask(size_t n) {
    return (__mmask16)((1u << n) - 1);
}

static inline f32x16 lanes_load_n(const float *x, size_t n) {
    return _mm512_maskz_loadu_ps(lanes_mask(n), x);
}

static inline void lanes_store_n(float *y, f32x16 v, size_t n) {
    _mm512_mask_storeu_ps(y, lanes_mask(n), v);
}

/* The first n lanes of x, the others of y. */
static inline f32x16 lanes_first(size_t n, f32x16 x, f32x16 y) {
    return _mm512_mask_blend_ps(lanes_mask(n), y, x);
}

static inline f32x16 lanes_load_f16(const uint16_t *x) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x));
}

static inline f32x16 lanes_load_i8(const int8_t *x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)x)));
}

static inline f32x16 lanes_load_bf16(const uint16_t *x) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline void lanes_store_f16(uint16_t *y, f32x16 v) {
    _mm256_storeu_si256((__m256i *)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline f32x16 lanes_from_i32(const int32_t *x) {
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(x));
}

static inline f32x16 lanes_fma(f32x16 x, f32x16 y, f32x16 z) {
    return _mm512_fmadd_ps(x, y, z);
}

static inline f32x16 lanes_add(f32x16 x, f32x16 y) {
    return _mm512_add_ps(x, y);
}

static inline f32x16 lanes_sub(f32x16 x, f32x16 y) {
    return _mm512_sub_ps(x, y);
}

static inline f32x16 lanes_mul(f32x16 x, f32x16 y) {
    return _mm512_mul_ps(x, y);
}

static inline f32x16 lanes_div(f32x16 x, f32x16 y) {
    return _mm512_div_ps(x, y);
}

/* x > y ? x : y and x < y ? x : y, which is what the instructions do. */
static inline f32x16 lanes_max(f32x16 x, f32x16 y) {
    return _mm512_max_ps(x, y);
}

static inline f32x16 lanes_min(f32x16 x, f32x16 y) {
    return _mm512_min_ps(x, y);
}

/* x < y ? then : other */
static inline f32x16 lanes_if_less(f32x16 x, f32x16 y, f32x16 then, f32x16 other) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), other, then);
}

static inline f32x16 lanes_abs(f32x16 x) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}

static inline f32x16 lanes_negate(f32x16 x) {
    return _mm512_xor_ps(_mm512_set1_ps(-0.0f), x);
}

/* |x| with the sign of y, for x ≥ 0. */
static inline f32x16 lanes_with_sign(f32x16 x, f32x16 y) {
    return _mm512_or_ps(x, _mm512_and_ps(_mm512_set1_ps(-0.0f), y));
}

/* The larger of two non-negative values, NaN being the largest: compared as bits. */
static inline f32x16 lanes_max_bits(f32x16 x, f32x16 y) {
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
}

/* y·2^k, k in the low bits of `shifted` above rounding_bits, by two multiplications. */
static inline f32x16 lanes_times_power(f32x16 y, f32x16 shifted, int rounding_bits) {
    __m512i bias = _mm512_set1_epi32(127);
    __m512i k = _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(rounding_bits));
    __m512i half = _mm512_srai_epi32(k, 1), rest = _mm512_sub_epi32(k, half);
    y = _mm512_mul_ps(y, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(half, bias), 23)));
    return _mm512_mul_ps(y, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(rest, bias), 23)));
}

/* lanes +8, +4, +2, +1 */
static inline float lanes_sum(f32x16 x) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest(f32x16 x) {
    return _mm512_reduce_max_ps(x);
}

static inline i32x16 lanes_zero_i32(void) {
    return _mm512_setzero_si512();
}

static inline i32x16 lanes_add_i32(i32x16 x, i32x16 y) {
    return _mm512_add_epi32(x, y);
}

static inline int32_t lanes_sum_i32(i32x16 x) {
    return _mm512_reduce_add_epi32(x);
}

static inline f32x16 lanes_to_float(i32x16 x) {
    return _mm512_cvtepi32_ps(x);
}

/* Lane i += Σ of four products k[4i + j]·q[j], of signed bytes in ±127 that `lanes_load_fours` loads; q as one
 * int32. VNNI multiplies unsigned by signed bytes, so keys have 128 added, and Σ 128·q is what a sum starts below. */
typedef __m512i fours;
static inline fours lanes_load_fours(const int8_t *k) {
    return _mm512_xor_si512(_mm512_loadu_si512(k), _mm512_set1_epi8(-128));
}

static inline i32x16 lanes_dot_fours(i32x16 sum, fours k, int32_t q) {
    return _mm512_dpbusd_epi32(sum, k, _mm512_set1_epi32(q));
}

/* The start of a sum over q[0 … n), n a multiple of 4. */
static inline i32x16 lanes_dot_start(const int8_t *q, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += q[i];
    return _mm512_set1_epi32(-128 * sum);
}

/* To the nearest integer, ties to even. */
static inline i32x16 lanes_round(f32x16 x) {
    return _mm512_cvtps_epi32(x);
}

static inline void lanes_store_i8(int8_t *y, i32x16 v) {
    _mm_storeu_si128((__m128i *)y, _mm512_cvtepi32_epi8(v));
}

/* x[0 … 32) to its elements of even and of odd index, and back. */
static inline void lanes_load_pairs(const float *x, f32x16 *even, f32x16 *odd) {
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
    *even = _mm512_permutex2var_ps(low, evens, high);
    *odd = _mm512_permutex2var_ps(low, _mm512_add_epi32(evens, _mm512_set1_epi32(1)), high);
}

static inline void lanes_store_pairs(float *x, f32x16 even, f32x16 odd) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_ps(x, _mm512_permutex2var_ps(even, low, odd));
    _mm512_storeu_ps(x + 16, _mm512_permutex2var_ps(even, high, odd));
}

#endif
