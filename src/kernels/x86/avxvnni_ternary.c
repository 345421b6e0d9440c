/* AVX-VNNI: ternary products of the L16 layout with 256-bit vpdpbusd, for CPUs that have it but not AVX-512.
 *
 * What vpdpbusd does for a row's four codes and four activations is as in avx512_ternary.c; a block is two registers of 8
 * rows, as in avx2_ternary.c, but sums are int32 from the start. One token: the four planes where they are in the byte,
 * an accumulator each. Several tokens: each plane is shifted down once for all the tokens of a tile. */
#include "kernels/x86/avx2_group.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights */
#define TILE_TOKENS    4    /* 8 accumulators, enough to hide the latency, in 16 registers */

static void vector_group(int32_t *y, const uint8_t *packed, const int8_t *q, int32_t q_sum, size_t n_steps, size_t n) {
    __m256i low[4], high[4];
    UNROLL for (int p = 0; p < 4; p++) low[p] = high[p] = _mm256_setzero_si256();
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        __m256i a = _mm256_loadu_si256((const __m256i *)packed);
        __m256i b = _mm256_loadu_si256((const __m256i *)(packed + 32));
        _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
        UNROLL for (int p = 0; p < 4; p++) {
            const __m256i mask = _mm256_set1_epi8((char)(3 << 2 * p)), x = broadcast4(q + 4 * p);
            low[p] = _mm256_dpbusd_avx_epi32(low[p], _mm256_and_si256(a, mask), x);
            high[p] = _mm256_dpbusd_avx_epi32(high[p], _mm256_and_si256(b, mask), x);
        }
    }
    __m256i low_total = low[0], high_total = high[0];
    UNROLL for (int p = 1; p < 4; p++) {
        low_total = _mm256_add_epi32(low_total, _mm256_srai_epi32(low[p], 2 * p));
        high_total = _mm256_add_epi32(high_total, _mm256_srai_epi32(high[p], 2 * p));
    }
    store_group(y, low_total, high_total, q_sum, n);
}

/* A group's products with `tokens` tokens; n rows exist. */
ALWAYS_INLINE void tile(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape, size_t n, const int tokens) {
    const __m256i mask = _mm256_set1_epi8(3);
    size_t n_steps = l16_steps(shape->n_cols), stride = shape->x_stride;
    __m256i low[TILE_TOKENS], high[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) low[t] = high[t] = _mm256_setzero_si256();
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        __m256i a = _mm256_loadu_si256((const __m256i *)packed);
        __m256i b = _mm256_loadu_si256((const __m256i *)(packed + 32));
        _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
        UNROLL for (int plane = 0; plane < 4; plane++) {
            __m256i a_codes = _mm256_and_si256(a, mask), b_codes = _mm256_and_si256(b, mask);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m256i x = broadcast4(q + (size_t)t * stride + 4 * plane);
                low[t] = _mm256_dpbusd_avx_epi32(low[t], a_codes, x);
                high[t] = _mm256_dpbusd_avx_epi32(high[t], b_codes, x);
            }
            a = _mm256_srli_epi16(a, 2);
            b = _mm256_srli_epi16(b, 2);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) store_group(y + (size_t)t * shape->y_stride, low[t], high[t], q_sums[t], n);
}

/* Groups outside, tokens inside: a group's weights come from memory once and from the cache for further tiles. */
void avxvnni_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                            const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += L16_ROWS, packed += n_steps * L16_BLOCK_BYTES) {
        size_t n = min_size(L16_ROWS, shape->n_rows - row);
        for (size_t t = 0, tokens; t < shape->n_tokens; t += tokens) {
            tokens = even_share(shape->n_tokens - t, TILE_TOKENS);
            int32_t *out = y + t * shape->y_stride + row;
            const int8_t *x = q + t * shape->x_stride;
            switch (tokens) {
            case 1:
                vector_group(out, packed, x, q_sums[t], n_steps, n);
                break;
            case 2:
                tile(out, packed, x, q_sums + t, shape, n, 2);
                break;
            case 3:
                tile(out, packed, x, q_sums + t, shape, n, 3);
                break;
            default:
                tile(out, packed, x, q_sums + t, shape, n, 4);
            }
        }
    }
}
