/* AVX2: int8 rows of the R16 layout times int16 activations.
 *
 * A quarter of a block is 4 rows × 4 columns; widened to 16 bits it fills a register, and vpmaddwd multiplies it by
 * four activations repeated four times. That leaves two int32 a row, which are added up at the end. Sums are modulo
 * 2^32: what overflows on the way comes back, since the result fits. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/int8.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    2    /* × 4 quarters: 8 of the 16 registers are accumulators */

/* Two int32 a row, of rows 0–3 and of rows 4–7 → their sums, less the offset. */
ALWAYS_INLINE __m256i sum_rows(__m256i first, __m256i second, __m256i offset) {
    __m256i sums = _mm256_hadd_epi32(first, second); /* rows 0 1 4 5 | 2 3 6 7 */
    return _mm256_sub_epi32(_mm256_permute4x64_epi64(sums, 0xd8), offset);
}

ALWAYS_INLINE void store_group(int32_t *y, const __m256i sums[4], int32_t q_sum, size_t n) {
    __m256i offset = _mm256_slli_epi32(_mm256_set1_epi32(q_sum), 7); /* 128 · Σq */
    int32_t rows[R16_ROWS], *out = n < R16_ROWS ? rows : y;
    _mm256_storeu_si256((__m256i *)out, sum_rows(sums[0], sums[1], offset));
    _mm256_storeu_si256((__m256i *)(out + 8), sum_rows(sums[2], sums[3], offset));
    if (n < R16_ROWS) memcpy(y, rows, n * sizeof *rows);
}

/* The empty statement keeps gcc from putting the sums of an unrolled loop off and spilling the products. */
ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i codes, __m256i activations) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes, activations));
    __asm__("" : "+x"(sum));
    return sum;
}

ALWAYS_INLINE void group(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_steps = r16_steps(shape->n_cols);
    __m256i sums[TILE_TOKENS][4];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) sums[t][i] = _mm256_setzero_si256();
    for (size_t b = 0; b < n_steps; b++, packed += R16_BLOCK_BYTES, q += R16_COLS) {
        __m256i x[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) {
            int64_t four;
            memcpy(&four, q + (size_t)t * shape->x_stride, sizeof four);
            x[t] = _mm256_set1_epi64x(four);
        }
        _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
        UNROLL for (int i = 0; i < 4; i++) {
            __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(packed + 16 * i)));
            UNROLL for (int t = 0; t < tokens; t++) sums[t][i] = add_products(sums[t][i], codes, x[t]);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) store_group(y + (size_t)t * shape->y_stride, sums[t], q_sums[t], n);
}

/* Groups outside, tokens inside: codes come from memory once and from the cache for further tiles. */
void avx2_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                      const struct matmul_shape *shape) {
    size_t group_bytes = r16_group_bytes(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += R16_ROWS, packed += group_bytes) {
        size_t n = min_size(R16_ROWS, shape->n_rows - row), t = 0;
        for (; t + 2 <= shape->n_tokens; t += 2)
            group(y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums + t, shape, n, 2);
        if (t < shape->n_tokens)
            group(y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums + t, shape, n, 1);
    }
}
