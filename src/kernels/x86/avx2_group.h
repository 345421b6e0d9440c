/* What the products with 256-bit registers share: activations for all rows at once, and the 16 rows of a group. */
#ifndef KERNELS_X86_AVX2_GROUP_H
#define KERNELS_X86_AVX2_GROUP_H

#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"

/* Four activations for every lane. */
ALWAYS_INLINE __m256i broadcast4(const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_set1_epi32(four);
}

/* Rows 0–7 and 8–15 of a group, less Σq; only the n first exist. */
ALWAYS_INLINE void store_group(int32_t *y, __m256i low, __m256i high, int32_t q_sum, size_t n) {
    __m256i offset = _mm256_set1_epi32(q_sum);
    int32_t rows[L16_ROWS], *out = n < L16_ROWS ? rows : y;
    _mm256_storeu_si256((__m256i *)out, _mm256_sub_epi32(low, offset));
    _mm256_storeu_si256((__m256i *)(out + 8), _mm256_sub_epi32(high, offset));
    if (n < L16_ROWS) memcpy(y, rows, n * sizeof *rows);
}

#endif
