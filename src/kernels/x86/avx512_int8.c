/* AVX-512 VNNI: int8 rows of the R16 layout times int16 activations.
 *
 * An activation is 256·high + low with both bytes signed, so vpdpbusd multiplies the codes by each byte, and
 * Σ code·q = 256·Σ code·high + Σ code·low. Four activations are broadcast as one 64-bit unit, and two byte shuffles
 * bring their high and their low bytes to every lane. All sums are modulo 2^32: what overflows on the way comes back,
 * since the result fits. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/int8.h"

#define PREFETCH_BYTES 4096 /* ahead in each stream of codes */
#define TILE_TOKENS    4    /* × 2 groups × 2 bytes: 16 of the 32 registers are accumulators */

/* Sums of one group and one token. */
struct sums {
    __m512i low, high;
};

/* 4 columns of `groups` (1 or 2) groups and `tokens` tokens. */
ALWAYS_INLINE void step(struct sums sums[TILE_TOKENS][2], const uint8_t *first, const uint8_t *second, const int16_t *q,
                        size_t stride, const int groups, const int tokens) {
    const __m512i low_bytes = _mm512_set1_epi32(0x06040200), high_bytes = _mm512_set1_epi32(0x07050301);
    const __m512i carry = _mm512_set1_epi16(128); /* into the high byte, where the low one is negative */
    __m512i a = _mm512_loadu_si512(first), b = a;
    _mm_prefetch((const char *)first + PREFETCH_BYTES, _MM_HINT_T0);
    if (groups == 2) {
        b = _mm512_loadu_si512(second);
        _mm_prefetch((const char *)second + PREFETCH_BYTES, _MM_HINT_T0);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        int64_t four;
        memcpy(&four, q + (size_t)t * stride, sizeof four);
        __m512i x = _mm512_set1_epi64(four);
        __m512i low = _mm512_shuffle_epi8(x, low_bytes);
        __m512i high = _mm512_shuffle_epi8(_mm512_add_epi16(x, carry), high_bytes);
        sums[t][0].low = _mm512_dpbusd_epi32(sums[t][0].low, a, low);
        sums[t][0].high = _mm512_dpbusd_epi32(sums[t][0].high, a, high);
        if (groups == 2) {
            sums[t][1].low = _mm512_dpbusd_epi32(sums[t][1].low, b, low);
            sums[t][1].high = _mm512_dpbusd_epi32(sums[t][1].high, b, high);
        }
    }
}

ALWAYS_INLINE void store_group(int32_t *y, struct sums sums, int32_t q_sum, size_t n) {
    __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(q_sum), 7); /* 128 · Σq */
    __m512i total = _mm512_add_epi32(_mm512_slli_epi32(sums.high, 8), sums.low);
    _mm512_mask_storeu_epi32(y, (__mmask16)((1u << n) - 1), _mm512_sub_epi32(total, offset));
}

ALWAYS_INLINE void tile(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape, size_t n, const int groups, const int tokens) {
    size_t n_steps = r16_steps(shape->n_cols);
    const uint8_t *second = packed + n_steps * R16_BLOCK_BYTES;
    struct sums sums[TILE_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int g = 0; g < 2; g++) sums[t][g] =
        (struct sums){_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t i = 0; i < n_steps; i++)
        step(sums, packed + i * R16_BLOCK_BYTES, second + i * R16_BLOCK_BYTES, q + i * R16_COLS, shape->x_stride,
             groups, tokens);
    UNROLL for (int t = 0; t < tokens; t++) {
        int32_t *out = y + (size_t)t * shape->y_stride;
        store_group(out, sums[t][0], q_sums[t], min_size(n, R16_ROWS));
        if (groups == 2) store_group(out + R16_ROWS, sums[t][1], q_sums[t], n - R16_ROWS);
    }
}

typedef void tile_function(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape, size_t n);

#define TILE(groups, tokens)                                                                                           \
    static void tile_##groups##x##tokens(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,   \
                                         const struct matmul_shape *shape, size_t n) {                                 \
        tile(y, packed, q, q_sums, shape, n, groups, tokens);                                                          \
    }
TILE(1, 1)
TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(2, 1) TILE(2, 2) TILE(2, 3) TILE(2, 4)

    static tile_function *const tiles[2][TILE_TOKENS] = {{tile_1x1, tile_1x2, tile_1x3, tile_1x4},
                                                         {tile_2x1, tile_2x2, tile_2x3, tile_2x4}};

/* Rows outside, tokens inside: codes come from memory once and from the cache for further tiles. */
void avx512_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape) {
    size_t pair_bytes = 2 * r16_group_bytes(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += 2 * R16_ROWS, packed += pair_bytes) {
        size_t n = min_size(2 * R16_ROWS, shape->n_rows - row);
        for (size_t t = 0; t < shape->n_tokens; t += TILE_TOKENS) {
            size_t tokens = min_size(TILE_TOKENS, shape->n_tokens - t);
            tiles[n > R16_ROWS][tokens - 1](y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums + t,
                                            shape, n);
        }
    }
}
