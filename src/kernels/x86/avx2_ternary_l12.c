/* AVX2: ternary products of the L12 layout, five bits for three weights.
 *
 * There is no shuffle across 64 bytes here. Half a block, 20 bytes, becomes 32 codes in three steps: a shuffle puts the
 * two bytes that hold a code into a 16-bit lane, a multiplication by a power of two shifts each lane by its own
 * distance, and a shift right leaves the five bits. A digit of a code below 32 is two look-ups of 16 entries, each giving
 * zero for the other's codes. Then vpmaddubsw and int16 sums, as for L16. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096
#define TILE_STEPS     21 /* int16 holds 21 steps × 3 planes × 2·127·2 = 32004 */
#define TILE_TOKENS    4
#define PLANES         3
#define PADDED_BLOCK   64 /* a block is read up to byte 46 */

#define TWICE(...)                                                                                                     \
    { __VA_ARGS__, __VA_ARGS__ }
/* Codes 0–7 (and, in the high lane, 16–23) come from bytes 0–4 of the lane's ten, codes 8–15 from bytes 5–9. */
static const int8_t first_bytes[32] = TWICE(0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 3, 4, 3, 4, 4, -1);
static const int8_t second_bytes[32] = TWICE(5, 6, 5, 6, 6, 7, 6, 7, 7, 8, 8, 9, 8, 9, 9, -1);
/* Code i begins at bit 5·i mod 8 of its first byte: 2^(11 - that) lifts it to the top of 16 bits. */
static const int16_t lifts[16] = TWICE(1 << 11, 1 << 6, 1 << 9, 1 << 4, 1 << 7, 1 << 10, 1 << 5, 1 << 8);
static const int8_t low_digits[PLANES][32] = {TWICE(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0),
                                              TWICE(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2),
                                              TWICE(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1)};
static const int8_t high_digits[PLANES][32] = {TWICE(1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1),
                                               TWICE(2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1),
                                               TWICE(1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3)};

ALWAYS_INLINE __m256i table(const void *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

/* The 32 codes of 20 bytes; 26 are read. */
ALWAYS_INLINE __m256i codes_of(const uint8_t *packed) {
    __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)packed)),
                                            _mm_loadu_si128((const __m128i *)(packed + 10)), 1);
    __m256i first = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, table(first_bytes)), table(lifts));
    __m256i second = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, table(second_bytes)), table(lifts));
    return _mm256_packus_epi16(_mm256_srli_epi16(first, 11), _mm256_srli_epi16(second, 11));
}

/* An index with its highest bit set gives zero: codes from 16 on in the first table, below 16 in the second. */
ALWAYS_INLINE __m256i digits_of(__m256i codes, int plane) {
    __m256i low = _mm256_shuffle_epi8(table(low_digits[plane]), _mm256_add_epi8(codes, _mm256_set1_epi8(0x70)));
    __m256i high = _mm256_shuffle_epi8(table(high_digits[plane]), _mm256_sub_epi8(codes, _mm256_set1_epi8(16)));
    return _mm256_or_si256(low, high);
}

ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i codes, const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, _mm256_set1_epi32(four)));
    __asm__("" : "+x"(sum)); /* add at once: avx2_ternary.c */
    return sum;
}

/* One block into the int16 sums of rows 0–7 and 8–15 of each token. */
ALWAYS_INLINE void step(__m256i sums[][2], const uint8_t *packed, const int8_t *q, size_t stride, const int tokens) {
    UNROLL for (int half = 0; half < 2; half++) {
        __m256i codes = codes_of(packed + 20 * half);
        UNROLL for (int p = 0; p < PLANES; p++) {
            __m256i digits = digits_of(codes, p);
            UNROLL for (int t = 0; t < tokens; t++) sums[t][half] =
                add_products(sums[t][half], digits, q + (size_t)t * stride + 4 * p);
        }
    }
}

ALWAYS_INLINE void widen(__m256i totals[][2], __m256i sums[][2], const int tokens) {
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int half = 0; half < 2; half++) {
        totals[t][half] = _mm256_add_epi32(totals[t][half], _mm256_madd_epi16(sums[t][half], _mm256_set1_epi16(1)));
        sums[t][half] = _mm256_setzero_si256();
    }
}

ALWAYS_INLINE void group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape, size_t n, const int tokens) {
    __m256i totals[TILE_TOKENS][2], sums[TILE_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) {
        totals[t][0] = totals[t][1] = _mm256_set1_epi32(-q_sums[t]);
        sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    }
    size_t n_before_last = l12_steps(shape->n_cols) - 1;
    for (size_t i = 0; i < n_before_last;) {
        size_t end = min_size(i + TILE_STEPS, n_before_last);
        for (; i < end; i++, packed += L12_BLOCK_BYTES, q += L12_COLS) {
            _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
            step(sums, packed, q, shape->x_stride, tokens);
        }
        widen(totals, sums, tokens);
    }
    /* The last block from a copy: it's read beyond its end, and not all of its columns may exist. */
    uint8_t block[PADDED_BLOCK] = {0};
    int8_t rest[TILE_TOKENS * L12_COLS] = {0};
    memcpy(block, packed, L12_BLOCK_BYTES);
    for (int t = 0; t < tokens; t++)
        memcpy(rest + t * L12_COLS, q + (size_t)t * shape->x_stride, shape->n_cols - n_before_last * L12_COLS);
    step(sums, block, rest, L12_COLS, tokens);
    widen(totals, sums, tokens);
    for (int t = 0; t < tokens; t++) {
        int32_t rows[L12_ROWS];
        _mm256_storeu_si256((__m256i *)rows, totals[t][0]);
        _mm256_storeu_si256((__m256i *)(rows + 8), totals[t][1]);
        memcpy(y + (size_t)t * shape->y_stride, rows, n * sizeof *rows);
    }
}

void avx2_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                             const struct matmul_shape *shape) {
    size_t group_bytes = l12_steps(shape->n_cols) * L12_BLOCK_BYTES, stride = shape->x_stride;
    for (size_t row = 0; row < shape->n_rows; row += L12_ROWS, packed += group_bytes) {
        size_t n = min_size(L12_ROWS, shape->n_rows - row), t = 0;
        int32_t *out = y + row;
        for (; t + 4 <= shape->n_tokens; t += 4)
            group(out + t * shape->y_stride, packed, q + t * stride, q_sums + t, shape, n, 4);
        out += t * shape->y_stride;
        switch (shape->n_tokens - t) {
        case 3:
            group(out, packed, q + t * stride, q_sums + t, shape, n, 3);
            break;
        case 2:
            group(out, packed, q + t * stride, q_sums + t, shape, n, 2);
            break;
        case 1:
            group(out, packed, q + t * stride, q_sums + t, shape, n, 1);
            break;
        }
    }
}
