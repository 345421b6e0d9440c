/* AVX2: products with quantised blocks. */
#include "kernels/x86/avx2_lanes.h"

#include "kernels/x86/blocks.h"

/* Register tiles: 2 rows × 2 tokens, or rows with one token. */
#define BLOCKS_ACCUMULATORS 4
#define BLOCKS_TOKENS       2
#define BLOCKS_VECTOR_ROWS  4

static inline float lanes_widen(uint16_t half) {
    return _cvtsh_ss(half);
}

static inline i32x16 lanes_load_u8(const uint8_t *x) {
    return (i32x16){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)x)),
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + 8)))};
}

static inline i32x16 lanes_load_i32(const int32_t *x) {
    return (i32x16){_mm256_loadu_si256((const __m256i *)x), _mm256_loadu_si256((const __m256i *)(x + 8))};
}

static inline i32x16 lanes_set_i32(int32_t x) {
    __m256i v = _mm256_set1_epi32(x);
    return (i32x16){v, v};
}

static inline i32x16 lanes_and_i32(i32x16 x, i32x16 y) {
    return (i32x16){_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}

static inline i32x16 lanes_or_i32(i32x16 x, i32x16 y) {
    return (i32x16){_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}

static inline i32x16 lanes_sub_i32(i32x16 x, i32x16 y) {
    return (i32x16){_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)};
}

/* Of values below 2^16, modulo 2^16. */
static inline i32x16 lanes_mul_u16(i32x16 x, i32x16 y) {
    return (i32x16){_mm256_mullo_epi16(x.a, y.a), _mm256_mullo_epi16(x.b, y.b)};
}

static inline i32x16 lanes_right(i32x16 x, int n) {
    return (i32x16){_mm256_srli_epi32(x.a, n), _mm256_srli_epi32(x.b, n)};
}

static inline i32x16 lanes_left(i32x16 x, int n) {
    return (i32x16){_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)};
}

/* Lane j's lowest two bits: the j-th two of the word. What is above them doesn't matter to lanes_choose. */
static inline i32x16 lanes_spread_pairs(uint32_t word) {
    __m256i all = _mm256_set1_epi32((int)word);
    return (i32x16){_mm256_srlv_epi32(all, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
                    _mm256_srlv_epi32(all, _mm256_setr_epi32(16, 18, 20, 22, 24, 26, 28, 30))};
}

/* Lane j's lowest byte: byte j mod 4 of the word. */
static inline i32x16 lanes_spread_bytes(uint32_t word) {
    __m256i v = _mm256_srlv_epi32(_mm256_set1_epi32((int)word), _mm256_setr_epi32(0, 8, 16, 24, 0, 8, 16, 24));
    return (i32x16){v, v};
}

/* -d, 0, d, 2·d: the index of a choice has three bits, of which the upper one may be anything. */
static inline f32x16 lanes_choices(float d) {
    __m256 v = _mm256_mul_ps(_mm256_set1_ps(d), _mm256_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2));
    return (f32x16){v, v};
}

static inline f32x16 lanes_choose(i32x16 codes, f32x16 choices) {
    return (f32x16){_mm256_permutevar8x32_ps(choices.a, codes.a), _mm256_permutevar8x32_ps(choices.b, codes.b)};
}

#include "kernels/lanes_blocks.h"

void avx2_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                        const struct matmul_shape *shape) {
    matmul_blocks(y, w, type, x, shape);
}
