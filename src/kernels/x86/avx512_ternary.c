/* AVX-512 VNNI: ternary products of the L16 layout.
 *
 * vpdpbusd multiplies the 4 codes of each 32-bit lane by 4 activations and adds the sum to the lane, which is a row's:
 * a block is one register and needs no horizontal sums. What subtracts the 1 in code = weight + 1 is Σq, once at the
 * end.
 *
 * One token: the four planes are used where they are in the byte, without shifts, with an accumulator each; plane p's
 * sum is 4^p times too large and a multiple of that, so a shift at the end is exact. Several tokens: two groups at a
 * time, each plane shifted down once for all the tokens of a tile. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights: what it took to reach the memory's full bandwidth */
#define TILE_TOKENS    8    /* × 2 groups: 16 of the 32 registers are accumulators */

/* sum + codes·activations for the four activations at q. */
ALWAYS_INLINE __m512i add_products(__m512i sum, __m512i codes, const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
}

ALWAYS_INLINE void store_group(int32_t *y, __m512i sums, int32_t q_sum, size_t n) {
    _mm512_mask_storeu_epi32(y, (__mmask16)((1u << n) - 1), _mm512_sub_epi32(sums, _mm512_set1_epi32(q_sum)));
}

/* One block's four planes into their accumulators. */
ALWAYS_INLINE void vector_step(__m512i sums[4], const uint8_t *packed, const int8_t *q) {
    __m512i codes = _mm512_loadu_si512(packed);
    _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
    UNROLL for (int p = 0; p < 4; p++) sums[p] =
        add_products(sums[p], _mm512_and_si512(codes, _mm512_set1_epi8((char)(3 << 2 * p))), q + 4 * p);
}

/* Two steps at a time have eight independent sums, which hides the latency of vpdpbusd. */
static void vector_group(int32_t *y, const uint8_t *packed, const int8_t *q, int32_t q_sum, size_t n_steps, size_t n) {
    __m512i even[4], odd[4];
    UNROLL for (int p = 0; p < 4; p++) even[p] = odd[p] = _mm512_setzero_si512();
    size_t step = 0;
    for (; step + 2 <= n_steps; step += 2) {
        vector_step(even, packed + step * L16_BLOCK_BYTES, q + step * L16_COLS);
        vector_step(odd, packed + (step + 1) * L16_BLOCK_BYTES, q + (step + 1) * L16_COLS);
    }
    if (step < n_steps) vector_step(even, packed + step * L16_BLOCK_BYTES, q + step * L16_COLS);
    __m512i total = _mm512_setzero_si512();
    UNROLL for (unsigned p = 0; p < 4; p++) total =
        _mm512_add_epi32(total, _mm512_srai_epi32(_mm512_add_epi32(even[p], odd[p]), 2 * p));
    store_group(y, total, q_sum, n);
}

/* `groups` (1 or 2) groups' products with `tokens` tokens; n rows exist. */
ALWAYS_INLINE void tile(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape, size_t n, const int groups, const int tokens) {
    const __m512i mask = _mm512_set1_epi8(3);
    size_t n_steps = l16_steps(shape->n_cols), stride = shape->x_stride;
    const uint8_t *second = packed + n_steps * L16_BLOCK_BYTES;
    __m512i a_sums[TILE_TOKENS], b_sums[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) a_sums[t] = b_sums[t] = _mm512_setzero_si512();
    for (size_t step = 0; step < n_steps; step++, q += L16_COLS) {
        __m512i a = _mm512_loadu_si512(packed + step * L16_BLOCK_BYTES), b = a;
        _mm_prefetch((const char *)packed + step * L16_BLOCK_BYTES + PREFETCH_BYTES, _MM_HINT_T0);
        if (groups == 2) {
            b = _mm512_loadu_si512(second + step * L16_BLOCK_BYTES);
            _mm_prefetch((const char *)second + step * L16_BLOCK_BYTES + PREFETCH_BYTES, _MM_HINT_T0);
        }
        UNROLL for (int plane = 0; plane < 4; plane++) {
            __m512i a_codes = _mm512_and_si512(a, mask), b_codes = _mm512_and_si512(b, mask);
            UNROLL for (int t = 0; t < tokens; t++) {
                const int8_t *x = q + (size_t)t * stride + 4 * plane;
                a_sums[t] = add_products(a_sums[t], a_codes, x);
                if (groups == 2) b_sums[t] = add_products(b_sums[t], b_codes, x);
            }
            a = _mm512_srli_epi16(a, 2);
            b = _mm512_srli_epi16(b, 2);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        int32_t *out = y + (size_t)t * shape->y_stride;
        store_group(out, a_sums[t], q_sums[t], min_size(n, L16_ROWS));
        if (groups == 2) store_group(out + L16_ROWS, b_sums[t], q_sums[t], n - L16_ROWS);
    }
}

typedef void tile_function(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape, size_t n);

#define TILE(groups, tokens)                                                                                           \
    static void tile_##groups##x##tokens(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,    \
                                         const struct matmul_shape *shape, size_t n) {                                 \
        tile(y, packed, q, q_sums, shape, n, groups, tokens);                                                          \
    }
TILE(1, 1)
TILE(1, 2)
TILE(1, 3)
TILE(1, 4) TILE(1, 5) TILE(1, 6) TILE(1, 7) TILE(1, 8) TILE(2, 1) TILE(2, 2) TILE(2, 3) TILE(2, 4) TILE(2, 5) TILE(2, 6)
    TILE(2, 7) TILE(2, 8)

        static tile_function *const tiles[2][TILE_TOKENS] = {
            {tile_1x1, tile_1x2, tile_1x3, tile_1x4, tile_1x5, tile_1x6, tile_1x7, tile_1x8},
            {tile_2x1, tile_2x2, tile_2x3, tile_2x4, tile_2x5, tile_2x6, tile_2x7, tile_2x8},
};

static void vector_product(int32_t *y, const uint8_t *packed, const int8_t *q, int32_t q_sum,
                           const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += L16_ROWS, packed += n_steps * L16_BLOCK_BYTES)
        vector_group(y + row, packed, q, q_sum, n_steps, min_size(L16_ROWS, shape->n_rows - row));
}

/* Rows outside, tokens inside: weights come from memory once and from the L1 cache for further tiles. */
void avx512_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape) {
    if (shape->n_tokens == 1) {
        vector_product(y, packed, q, q_sums[0], shape);
        return;
    }
    size_t group_bytes = l16_steps(shape->n_cols) * L16_BLOCK_BYTES;
    for (size_t row = 0; row < shape->n_rows; row += 2 * L16_ROWS, packed += 2 * group_bytes) {
        size_t n = min_size(2 * L16_ROWS, shape->n_rows - row);
        for (size_t t = 0; t < shape->n_tokens; t += TILE_TOKENS) {
            size_t tokens = min_size(TILE_TOKENS, shape->n_tokens - t);
            tiles[n > L16_ROWS][tokens - 1](y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums + t,
                                            shape, n);
        }
    }
}
