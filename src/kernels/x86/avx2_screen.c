/* AVX2: six-bit rows of the S6 layout times 16-bit activations.
 *
 * Half a block's three vectors, 8 rows × 16 columns, become four registers of codes: three by a mask, the fourth from
 * the bits that are left. vpmaddubsw multiplies them by the high and by the low bytes of the activations; the products
 * of two registers fit an int16 (2·2·63·128 = 32256), then vpmaddwd by ones folds them into the int32 lane of their row.
 * At the end of a span the lanes become floats. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/screen.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    3    /* × 2 bytes: 6 accumulators beside 4 registers of codes */

ALWAYS_INLINE __m256i broadcast4(const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_set1_epi32(four);
}

ALWAYS_INLINE __m256i load(const uint8_t *packed) {
    return _mm256_loadu_si256((const __m256i *)packed);
}

ALWAYS_INLINE void unpack(__m256i codes[4], const uint8_t *packed) {
    const __m256i mask = _mm256_set1_epi8(63);
    __m256i a = load(packed), b = load(packed + 64), c = load(packed + 128);
    codes[0] = _mm256_and_si256(a, mask);
    codes[1] = _mm256_and_si256(b, mask);
    codes[2] = _mm256_and_si256(c, mask);
    a = _mm256_and_si256(_mm256_srli_epi16(a, 2), _mm256_set1_epi8(0x30));
    b = _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(0x0c));
    c = _mm256_and_si256(_mm256_srli_epi16(c, 6), _mm256_set1_epi8(0x03));
    codes[3] = _mm256_or_si256(_mm256_or_si256(a, b), c);
}

/* sum + the codes times 16 bytes of activations. The empty statement keeps gcc from putting sums off and spilling. */
ALWAYS_INLINE __m256i add_products(__m256i sum, const __m256i codes[4], const int8_t *q) {
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLL for (int p = 0; p < 4; p += 2) {
        __m256i two = _mm256_add_epi16(_mm256_maddubs_epi16(codes[p], broadcast4(q + 4 * p)),
                                       _mm256_maddubs_epi16(codes[p + 1], broadcast4(q + 4 * p + 4)));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(two, ones));
        __asm__("" : "+x"(sum));
    }
    return sum;
}

/* The exact sums of 8 rows' span with `tokens` tokens. q: the first one's high bytes; q_bytes: of a row of bytes. */
ALWAYS_INLINE void span(__m256i *sums, const uint8_t *packed, const int8_t *q, size_t q_bytes, const int32_t *q_sums,
                        size_t n_spans, const int tokens) {
    __m256i high[TILE_TOKENS], low[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) high[t] = low[t] = _mm256_setzero_si256();
    for (size_t b = 0; b < S6_SPAN / S6_COLS; b++, packed += S6_BLOCK_BYTES, q += S6_COLS) {
        __m256i codes[4];
        unpack(codes, packed);
        UNROLL for (int t = 0; t < tokens; t++) {
            high[t] = add_products(high[t], codes, q + (size_t)(2 * t) * q_bytes);
            low[t] = add_products(low[t], codes, q + (size_t)(2 * t + 1) * q_bytes);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        __m256i offset = _mm256_set1_epi32(S6_OFFSET * q_sums[(size_t)t * n_spans]);
        sums[t] = _mm256_sub_epi32(_mm256_add_epi32(_mm256_slli_epi32(high[t], 8), low[t]), offset);
    }
}

ALWAYS_INLINE void group(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                         const int32_t *q_sums, const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_spans = s6_spans(shape->n_cols);
    __m256 totals[2][TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) totals[0][t] = totals[1][t] = _mm256_setzero_ps();
    for (size_t s = 0; s < n_spans; s++, packed += S6_SPAN_BYTES, multipliers += S6_ROWS, q += S6_SPAN, q_sums++) {
        for (int line = 0; line < S6_SPAN_BYTES; line += CACHE_LINE)
            _mm_prefetch((const char *)packed + PREFETCH_BYTES + line, _MM_HINT_T0);
        UNROLL for (int half = 0; half < 2; half++) {
            __m256i sums[TILE_TOKENS];
            span(sums, packed + 32 * half, q, n_spans * S6_SPAN, q_sums, n_spans, tokens);
            __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(multipliers + 8 * half)));
            __m256 factor = _mm256_cvtepi32_ps(eight);
            UNROLL for (int t = 0; t < tokens; t++) totals[half][t] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t]), factor, totals[half][t]);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        float rows[S6_ROWS];
        _mm256_storeu_ps(rows, totals[0][t]);
        _mm256_storeu_ps(rows + 8, totals[1][t]);
        memcpy(y + (size_t)t * shape->y_stride, rows, n * sizeof *rows);
    }
}

/* Groups outside, tokens inside: codes come from memory once and from the cache for further tiles. */
void avx2_screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                        const int32_t *q_sums, const struct matmul_shape *shape) {
    size_t n_spans = s6_spans(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += S6_ROWS) {
        size_t n = min_size(S6_ROWS, shape->n_rows - row);
        for (size_t t = 0, tokens; t < shape->n_tokens; t += tokens) {
            tokens = even_share(shape->n_tokens - t, TILE_TOKENS);
            float *out = y + t * shape->y_stride + row;
            const int8_t *x = q + 2 * t * n_spans * S6_SPAN;
            const int32_t *x_sums = q_sums + t * n_spans;
            switch (tokens) {
            case 1:
                group(out, packed, multipliers, x, x_sums, shape, n, 1);
                break;
            case 2:
                group(out, packed, multipliers, x, x_sums, shape, n, 2);
                break;
            default:
                group(out, packed, multipliers, x, x_sums, shape, n, 3);
            }
        }
        packed += n_spans * S6_SPAN_BYTES;
        multipliers += n_spans * S6_ROWS;
    }
}
