/* AVX-512 VNNI: six-bit rows of the S6 layout times 16-bit activations.
 *
 * A vector of a block is one register. Three of a block's four registers of codes are a mask away, the fourth is put
 * together from the bits that are left; vpdpbusd multiplies them by the high and by the low bytes of the activations,
 * broadcast from memory on the way. At the end of a span the lanes, a row each, become floats. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/screen.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    4    /* × 2 bytes × 2: 16 of the 32 registers are accumulators */
#define MERGE          0xf8 /* of vpternlog: a | (b & c) */

ALWAYS_INLINE __m512i add_products(__m512i sum, __m512i codes, const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
}

ALWAYS_INLINE void unpack(__m512i codes[4], const uint8_t *packed) {
    const __m512i mask = _mm512_set1_epi8(63);
    __m512i a = _mm512_loadu_si512(packed), b = _mm512_loadu_si512(packed + 64), c = _mm512_loadu_si512(packed + 128);
    codes[0] = _mm512_and_si512(a, mask);
    codes[1] = _mm512_and_si512(b, mask);
    codes[2] = _mm512_and_si512(c, mask);
    a = _mm512_and_si512(_mm512_srli_epi16(a, 2), _mm512_set1_epi8(0x30));
    a = _mm512_ternarylogic_epi64(a, _mm512_srli_epi16(b, 4), _mm512_set1_epi8(0x0c), MERGE);
    codes[3] = _mm512_ternarylogic_epi64(a, _mm512_srli_epi16(c, 6), _mm512_set1_epi8(0x03), MERGE);
}

/* Even and odd registers of codes have accumulators of their own, to hide the latency of vpdpbusd. */
struct sums {
    __m512i high[2], low[2];
};

/* The exact sums of a span with `tokens` tokens. q: the first one's high bytes; q_bytes: of a row of bytes. */
ALWAYS_INLINE void span(__m512i *out, const uint8_t *packed, const int8_t *q, size_t q_bytes, const int32_t *q_sums,
                        size_t n_spans, const int tokens) {
    const __m512i zero = _mm512_setzero_si512();
    struct sums sums[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sums[t] = (struct sums){{zero, zero}, {zero, zero}};
    UNROLL for (int b = 0; b < S6_SPAN / S6_COLS; b++) {
        __m512i codes[4];
        unpack(codes, packed + b * S6_BLOCK_BYTES);
        UNROLL for (int i = 0; i < S6_BLOCK_BYTES; i += CACHE_LINE)
            _mm_prefetch((const char *)packed + PREFETCH_BYTES + b * S6_BLOCK_BYTES + i, _MM_HINT_T0);
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int p = 0; p < 4; p++) {
            const int8_t *x = q + (size_t)(2 * t) * q_bytes + b * S6_COLS + 4 * p;
            sums[t].high[p % 2] = add_products(sums[t].high[p % 2], codes[p], x);
            sums[t].low[p % 2] = add_products(sums[t].low[p % 2], codes[p], x + q_bytes);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        __m512i offset = _mm512_set1_epi32(S6_OFFSET * q_sums[(size_t)t * n_spans]);
        __m512i high = _mm512_slli_epi32(_mm512_add_epi32(sums[t].high[0], sums[t].high[1]), 8);
        __m512i low = _mm512_add_epi32(sums[t].low[0], sums[t].low[1]);
        out[t] = _mm512_sub_epi32(_mm512_add_epi32(high, low), offset);
    }
}

ALWAYS_INLINE void group(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                         const int32_t *q_sums, const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_spans = s6_spans(shape->n_cols);
    __m512 totals[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) totals[t] = _mm512_setzero_ps();
    for (size_t s = 0; s < n_spans; s++, packed += S6_SPAN_BYTES, multipliers += S6_ROWS, q += S6_SPAN, q_sums++) {
        __m512i sums[TILE_TOKENS];
        span(sums, packed, q, n_spans * S6_SPAN, q_sums, n_spans, tokens);
        __m512i sixteen = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)multipliers));
        __m512 factor = _mm512_cvtepi32_ps(sixteen);
        UNROLL for (int t = 0; t < tokens; t++) totals[t] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[t]), factor, totals[t]);
    }
    UNROLL for (int t = 0; t < tokens; t++)
        _mm512_mask_storeu_ps(y + (size_t)t * shape->y_stride, (__mmask16)((1u << n) - 1), totals[t]);
}

typedef void group_function(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                            const int32_t *q_sums, const struct matmul_shape *shape, size_t n);

#define GROUP(tokens)                                                                                                  \
    static void group_##tokens(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,           \
                               const int32_t *q_sums, const struct matmul_shape *shape, size_t n) {                    \
        group(y, packed, multipliers, q, q_sums, shape, n, tokens);                                                    \
    }
GROUP(1)
GROUP(2)
GROUP(3)
GROUP(4)
static group_function *const group_of[TILE_TOKENS] = {group_1, group_2, group_3, group_4};

/* Groups outside, tokens inside: codes come from memory once and from the cache for further tiles. */
void avx512_screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                          const int32_t *q_sums, const struct matmul_shape *shape) {
    size_t n_spans = s6_spans(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += S6_ROWS) {
        size_t n = min_size(S6_ROWS, shape->n_rows - row);
        for (size_t t = 0, tokens; t < shape->n_tokens; t += tokens) {
            tokens = even_share(shape->n_tokens - t, TILE_TOKENS);
            group_of[tokens - 1](y + t * shape->y_stride + row, packed, multipliers, q + 2 * t * n_spans * S6_SPAN,
                                 q_sums + t * n_spans, shape, n);
        }
        packed += n_spans * S6_SPAN_BYTES;
        multipliers += n_spans * S6_ROWS;
    }
}
