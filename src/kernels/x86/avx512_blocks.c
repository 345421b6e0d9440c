/* AVX-512: products with quantised blocks. */
#include "kernels/x86/avx512_lanes.h"

#include "kernels/x86/blocks.h"

/* Register tiles: 4 rows × 4 tokens, or rows with one token. */
#define BLOCKS_ACCUMULATORS 16
#define BLOCKS_TOKENS       4
#define BLOCKS_VECTOR_ROWS  4

static inline float lanes_widen(uint16_t half) {
    return _cvtsh_ss(half);
}

static inline i32x16 lanes_load_u8(const uint8_t *x) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)x));
}

static inline i32x16 lanes_load_i32(const int32_t *x) {
    return _mm512_loadu_si512(x);
}

static inline i32x16 lanes_set_i32(int32_t x) {
    return _mm512_set1_epi32(x);
}

static inline i32x16 lanes_and_i32(i32x16 x, i32x16 y) {
    return _mm512_and_si512(x, y);
}

static inline i32x16 lanes_or_i32(i32x16 x, i32x16 y) {
    return _mm512_or_si512(x, y);
}

static inline i32x16 lanes_sub_i32(i32x16 x, i32x16 y) {
    return _mm512_sub_epi32(x, y);
}

/* Of values below 2^16, modulo 2^16. */
static inline i32x16 lanes_mul_u16(i32x16 x, i32x16 y) {
    return _mm512_mullo_epi16(x, y);
}

static inline i32x16 lanes_right(i32x16 x, int n) {
    return _mm512_srli_epi32(x, (unsigned)n);
}

static inline i32x16 lanes_left(i32x16 x, int n) {
    return _mm512_slli_epi32(x, (unsigned)n);
}

/* Lane j's lowest two bits: the j-th two of the word. What is above them doesn't matter to lanes_choose. */
static inline i32x16 lanes_spread_pairs(uint32_t word) {
    const __m512i shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_srlv_epi32(_mm512_set1_epi32((int)word), shifts);
}

/* Lane j's lowest byte: byte j mod 4 of the word. */
static inline i32x16 lanes_spread_bytes(uint32_t word) {
    const __m512i shifts = _mm512_setr_epi32(0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24);
    return _mm512_srlv_epi32(_mm512_set1_epi32((int)word), shifts);
}

/* -d, 0, d, 2·d: the index of a choice has four bits, of which the upper two may be anything. */
static inline f32x16 lanes_choices(float d) {
    return _mm512_mul_ps(_mm512_set1_ps(d), _mm512_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2, -1, 0, 1, 2));
}

static inline f32x16 lanes_choose(i32x16 codes, f32x16 choices) {
    return _mm512_permutexvar_ps(codes, choices);
}

#include "kernels/lanes_blocks.h"

void avx512_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                          const struct matmul_shape *shape) {
    matmul_blocks(y, w, type, x, shape);
}
