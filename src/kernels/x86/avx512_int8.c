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
#define TILE_GROUPS    4
#define TILE_TOKENS    2 /* × 4 groups × 2 bytes: 16 of the 32 registers are accumulators */

/* Sums of one group and one token. */
struct sums {
    __m512i low, high;
};

ALWAYS_INLINE void store_group(int32_t *y, struct sums sums, int32_t q_sum, size_t n) {
    __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(q_sum), 7); /* 128 · Σq */
    __m512i total = _mm512_add_epi32(_mm512_slli_epi32(sums.high, 8), sums.low);
    _mm512_mask_storeu_epi32(y, (__mmask16)((1u << n) - 1), _mm512_sub_epi32(total, offset));
}

/* n rows of `groups` groups times `tokens` tokens. */
ALWAYS_INLINE void tile(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape, size_t n, const int groups, const int tokens) {
    const __m512i low_bytes = _mm512_set1_epi32(0x06040200), high_bytes = _mm512_set1_epi32(0x07050301);
    const __m512i carry = _mm512_set1_epi16(128); /* into the high byte, where the low one is negative */
    size_t group_bytes = r16_group_bytes(shape->n_cols);
    struct sums sums[TILE_TOKENS][TILE_GROUPS];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int g = 0; g < groups; g++) sums[t][g] =
        (struct sums){_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t at = 0; at < group_bytes; at += R16_BLOCK_BYTES, q += R16_COLS) {
        __m512i codes[TILE_GROUPS];
        UNROLL for (int g = 0; g < groups; g++) {
            const uint8_t *block = packed + (size_t)g * group_bytes + at;
            codes[g] = _mm512_loadu_si512(block);
            _mm_prefetch((const char *)block + PREFETCH_BYTES, _MM_HINT_T0);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            int64_t four;
            memcpy(&four, q + (size_t)t * shape->x_stride, sizeof four);
            __m512i x = _mm512_set1_epi64(four);
            __m512i low = _mm512_shuffle_epi8(x, low_bytes);
            __m512i high = _mm512_shuffle_epi8(_mm512_add_epi16(x, carry), high_bytes);
            UNROLL for (int g = 0; g < groups; g++) {
                sums[t][g].low = _mm512_dpbusd_epi32(sums[t][g].low, codes[g], low);
                sums[t][g].high = _mm512_dpbusd_epi32(sums[t][g].high, codes[g], high);
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int g = 0; g < groups; g++)
        store_group(y + (size_t)t * shape->y_stride + g * R16_ROWS, sums[t][g], q_sums[t], groups > 1 ? R16_ROWS : n);
}

/* `groups` whole groups, or one of which n rows exist. Tokens inside: codes come from memory once and from the cache
 * for further tiles. */
ALWAYS_INLINE void all_tokens(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                              const struct matmul_shape *shape, size_t n, const int groups) {
    size_t t = 0;
    for (; t + 2 <= shape->n_tokens; t += 2)
        tile(y + t * shape->y_stride, packed, q + t * shape->x_stride, q_sums + t, shape, n, groups, 2);
    if (t < shape->n_tokens)
        tile(y + t * shape->y_stride, packed, q + t * shape->x_stride, q_sums + t, shape, n, groups, 1);
}

void avx512_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape) {
    size_t row = 0, group_bytes = r16_group_bytes(shape->n_cols);
    for (; row + TILE_GROUPS * R16_ROWS <= shape->n_rows; row += TILE_GROUPS * R16_ROWS)
        all_tokens(y + row, packed + row / R16_ROWS * group_bytes, q, q_sums, shape, R16_ROWS, TILE_GROUPS);
    for (; row < shape->n_rows; row += R16_ROWS)
        all_tokens(y + row, packed + row / R16_ROWS * group_bytes, q, q_sums, shape,
                   min_size(R16_ROWS, shape->n_rows - row), 1);
}
