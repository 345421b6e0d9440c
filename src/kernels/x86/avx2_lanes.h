/* The 16 lanes as two AVX2 registers; the operations that lanes_float.h is written in. FMA and F16C are assumed. */
#ifndef KERNELS_X86_AVX2_LANES_H
#define KERNELS_X86_AVX2_LANES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    __m256 a, b;
} f32x16;
typedef struct {
    __m256i a, b;
} i32x16;

/* Register tiles of a float product: 8 accumulators of the 16 registers hide the latency of an FMA, and 12 spare loads
 * besides. */
#define VECTOR_ROWS   4
#define TILE_ROWS     3
#define TILE_TOKENS   2
#define SCORE_ROWS    4
#define SCORE_VECTORS 1
#define VALUE_ROWS    2
#define VALUE_VECTORS 2

static inline f32x16 lanes_set(float x) {
    return (f32x16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline f32x16 lanes_load(const float *x) {
    return (f32x16){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}

static inline void lanes_store(float *y, f32x16 v) {
    _mm256_storeu_ps(y, v.a);
    _mm256_storeu_ps(y + 8, v.b);
}

/* All bits set in the first n < 16 lanes. */
static inline i32x16 lanes_mask(size_t n) {
    static const int32_t window[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *first = window + 16 - n;
    return (i32x16){_mm256_loadu_si256((const __m256i *)first), _mm256_loadu_si256((const __m256i *)(first + 8))};
}

static inline f32x16 lanes_load_n(const float *x, size_t n) {
    i32x16 mask = lanes_mask(n);
    __m256 b = n > 8 ? _mm256_maskload_ps(x + 8, mask.b) : _mm256_setzero_ps();
    return (f32x16){_mm256_maskload_ps(x, mask.a), b};
}

static inline void lanes_store_n(float *y, f32x16 v, size_t n) {
    i32x16 mask = lanes_mask(n);
    _mm256_maskstore_ps(y, mask.a, v.a);
    if (n > 8) _mm256_maskstore_ps(y + 8, mask.b, v.b);
}

/* The first n lanes of x, the others of y. */
static inline f32x16 lanes_first(size_t n, f32x16 x, f32x16 y) {
    i32x16 mask = lanes_mask(n);
    return (f32x16){_mm256_blendv_ps(y.a, x.a, _mm256_castsi256_ps(mask.a)),
                    _mm256_blendv_ps(y.b, x.b, _mm256_castsi256_ps(mask.b))};
}

static inline f32x16 lanes_load_f16(const uint16_t *x) {
    return (f32x16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)),
                    _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)))};
}

static inline f32x16 lanes_load_i8(const int8_t *x) {
    __m256i a = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)x));
    __m256i b = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(x + 8)));
    return (f32x16){_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)};
}

static inline f32x16 lanes_load_bf16(const uint16_t *x) {
    __m256i a = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
    __m256i b = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(x + 8)));
    return (f32x16){_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))};
}

static inline void lanes_store_f16(uint16_t *y, f32x16 v) {
    _mm_storeu_si128((__m128i *)y, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    _mm_storeu_si128((__m128i *)(y + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline f32x16 lanes_from_i32(const int32_t *x) {
    return (f32x16){_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)x)),
                    _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(x + 8)))};
}

static inline f32x16 lanes_fma(f32x16 x, f32x16 y, f32x16 z) {
    return (f32x16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

static inline f32x16 lanes_add(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static inline f32x16 lanes_sub(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline f32x16 lanes_mul(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static inline f32x16 lanes_div(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

/* x > y ? x : y and x < y ? x : y, which is what the instructions do. */
static inline f32x16 lanes_max(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

static inline f32x16 lanes_min(f32x16 x, f32x16 y) {
    return (f32x16){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

/* x < y ? then : other */
static inline f32x16 lanes_if_less(f32x16 x, f32x16 y, f32x16 then, f32x16 other) {
    return (f32x16){_mm256_blendv_ps(other.a, then.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
                    _mm256_blendv_ps(other.b, then.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}

static inline f32x16 lanes_abs(f32x16 x) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (f32x16){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

static inline f32x16 lanes_negate(f32x16 x) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (f32x16){_mm256_xor_ps(sign, x.a), _mm256_xor_ps(sign, x.b)};
}

/* |x| with the sign of y, for x ≥ 0. */
static inline f32x16 lanes_with_sign(f32x16 x, f32x16 y) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (f32x16){_mm256_or_ps(x.a, _mm256_and_ps(sign, y.a)), _mm256_or_ps(x.b, _mm256_and_ps(sign, y.b))};
}

/* The larger of two non-negative values, NaN being the largest: compared as bits. */
static inline f32x16 lanes_max_bits(f32x16 x, f32x16 y) {
    __m256i a = _mm256_max_epi32(_mm256_castps_si256(x.a), _mm256_castps_si256(y.a));
    __m256i b = _mm256_max_epi32(_mm256_castps_si256(x.b), _mm256_castps_si256(y.b));
    return (f32x16){_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)};
}

static inline __m256 half_times_power(__m256 y, __m256 shifted, int rounding_bits) {
    __m256i bias = _mm256_set1_epi32(127);
    __m256i k = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(rounding_bits));
    __m256i half = _mm256_srai_epi32(k, 1), rest = _mm256_sub_epi32(k, half);
    y = _mm256_mul_ps(y, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(y, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}

/* y·2^k, k in the low bits of `shifted` above rounding_bits, by two multiplications. */
static inline f32x16 lanes_times_power(f32x16 y, f32x16 shifted, int rounding_bits) {
    return (f32x16){half_times_power(y.a, shifted.a, rounding_bits), half_times_power(y.b, shifted.b, rounding_bits)};
}

/* lanes +8, +4, +2, +1 */
static inline float lanes_sum(f32x16 x) {
    __m256 eight = _mm256_add_ps(x.a, x.b);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest(f32x16 x) {
    __m256 eight = _mm256_max_ps(x.a, x.b);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline i32x16 lanes_zero_i32(void) {
    return (i32x16){_mm256_setzero_si256(), _mm256_setzero_si256()};
}

static inline i32x16 lanes_add_i32(i32x16 x, i32x16 y) {
    return (i32x16){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}

static inline int32_t lanes_sum_i32(i32x16 x) {
    __m256i eight = _mm256_add_epi32(x.a, x.b);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

static inline f32x16 lanes_to_float(i32x16 x) {
    return (f32x16){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

/* Lane i += Σ of four products k[4i + j]·q[j], of signed bytes in ±127 that `lanes_load_fours` loads; q as one
 * int32. |k| times q with the sign of k: two such products stay below 2^15. */
typedef i32x16 fours;
static inline fours lanes_load_fours(const int8_t *k) {
    return (fours){_mm256_loadu_si256((const __m256i *)k), _mm256_loadu_si256((const __m256i *)(k + 32))};
}

static inline __m256i half_dot_fours(__m256i k, __m256i q) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(k), _mm256_sign_epi8(q, k));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static inline i32x16 lanes_dot_fours(i32x16 sum, fours k, int32_t q) {
    __m256i four = _mm256_set1_epi32(q);
    return lanes_add_i32(sum, (i32x16){half_dot_fours(k.a, four), half_dot_fours(k.b, four)});
}

/* The start of a sum over q[0 … n), n a multiple of 4. */
static inline i32x16 lanes_dot_start(const int8_t *q, size_t n) {
    (void)q, (void)n;
    return lanes_zero_i32();
}

/* To the nearest integer, ties to even. */
static inline i32x16 lanes_round(f32x16 x) {
    return (i32x16){_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)};
}

static inline void lanes_store_i8(int8_t *y, i32x16 v) {
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.a, v.b), 0xd8);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)y, bytes);
}

/* x[0 … 32) to its elements of even and of odd index, and back. */
static inline void lanes_load_pairs(const float *x, f32x16 *even, f32x16 *odd) {
    const __m256i order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    f32x16 low = lanes_load(x), high = lanes_load(x + 16);
    __m256 even_a = _mm256_shuffle_ps(low.a, low.b, 0x88), odd_a = _mm256_shuffle_ps(low.a, low.b, 0xdd);
    __m256 even_b = _mm256_shuffle_ps(high.a, high.b, 0x88), odd_b = _mm256_shuffle_ps(high.a, high.b, 0xdd);
    *even = (f32x16){_mm256_permutevar8x32_ps(even_a, order), _mm256_permutevar8x32_ps(even_b, order)};
    *odd = (f32x16){_mm256_permutevar8x32_ps(odd_a, order), _mm256_permutevar8x32_ps(odd_b, order)};
}

static inline void half_store_pairs(float *x, __m256 even, __m256 odd) {
    __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(x, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(x + 8, _mm256_permute2f128_ps(low, high, 0x31));
}

static inline void lanes_store_pairs(float *x, f32x16 even, f32x16 odd) {
    half_store_pairs(x, even.a, odd.a);
    half_store_pairs(x + 16, even.b, odd.b);
}

#endif
