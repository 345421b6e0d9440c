/* AVX2: six-bit rows of the S6 layout times 16-bit activations.
 *
 * A block's vectors are taken in halves, 8 rows × 16 columns, whose three registers become four of codes: three by a
 * mask, the fourth from the bits that are left. vpmaddubsw multiplies them by the high and by the low bytes of the
 * activations; the products of two registers fit an int16 (2·2·63·128 = 32256), then vpmaddwd by ones folds them into
 * the int32 lane of their row. At the end of a span the lanes become floats. */
#include "kernels/x86/avx2_group.h"
#include "kernels/x86/screen.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    2    /* × 2 bytes × 2 halves: 8 of the 16 registers are accumulators */
#define PAIRS          2    /* of registers of codes */

ALWAYS_INLINE __m256i load(const uint8_t *packed) {
    return _mm256_loadu_si256((const __m256i *)packed);
}

ALWAYS_INLINE __m256i mask_of(char bits) {
    return _mm256_set1_epi8(bits);
}

/* The codes of columns 0–3 and 4–7 of a block (pair 0), or of 8–11 and 12–15. */
ALWAYS_INLINE void unpack(__m256i codes[2], const uint8_t *packed, const int pair) {
    if (pair == 0) {
        codes[0] = _mm256_and_si256(load(packed), mask_of(0x3f));
        codes[1] = _mm256_and_si256(load(packed + 64), mask_of(0x3f));
        return;
    }
    __m256i a = load(packed), b = load(packed + 64), c = load(packed + 128);
    codes[0] = _mm256_and_si256(c, mask_of(0x3f));
    a = _mm256_and_si256(_mm256_srli_epi16(a, 2), mask_of(0x30));
    b = _mm256_and_si256(_mm256_srli_epi16(b, 4), mask_of(0x0c));
    c = _mm256_and_si256(_mm256_srli_epi16(c, 6), mask_of(0x03));
    codes[1] = _mm256_or_si256(_mm256_or_si256(a, b), c);
}

/* The empty statement keeps gcc from putting sums off and spilling the products. */
ALWAYS_INLINE __m256i add_products(__m256i sum, const __m256i codes[2], __m256i first, __m256i second) {
    __m256i two = _mm256_add_epi16(_mm256_maddubs_epi16(codes[0], first), _mm256_maddubs_epi16(codes[1], second));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
    __asm__("" : "+x"(sum));
    return sum;
}

/* Sums of the high or the low bytes of one token: of rows 0–7 and 8–15. */
struct halves {
    __m256i of[2];
};

/* Adds a block's products. q: the first token's high bytes; q_bytes: of a row of bytes. */
ALWAYS_INLINE void add_block(struct halves sums[][2], const uint8_t *packed, const int8_t *q, size_t q_bytes,
                             const int tokens) {
    UNROLL for (int pair = 0; pair < PAIRS; pair++) {
        __m256i codes[2][2];
        UNROLL for (int half = 0; half < 2; half++) unpack(codes[half], packed + 32 * half, pair);
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int byte = 0; byte < 2; byte++) {
            const int8_t *x = q + (size_t)(2 * t + byte) * q_bytes + 8 * pair;
            __m256i first = broadcast4(x), second = broadcast4(x + 4);
            UNROLL for (int half = 0; half < 2; half++) sums[t][byte].of[half] =
                add_products(sums[t][byte].of[half], codes[half], first, second);
        }
    }
}

ALWAYS_INLINE void group(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                         const int32_t *q_sums, const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_spans = s6_spans(shape->n_cols), q_bytes = n_spans * S6_SPAN;
    float totals[TILE_TOKENS][S6_ROWS] = {{0}};
    for (size_t s = 0; s < n_spans; s++, multipliers += S6_ROWS) {
        struct halves sums[TILE_TOKENS][2];
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) sums[t][i / 2].of[i % 2] =
            _mm256_setzero_si256();
        for (int b = 0; b < S6_SPAN / S6_COLS; b++, packed += S6_BLOCK_BYTES, q += S6_COLS) {
            UNROLL for (int i = 0; i < S6_BLOCK_BYTES; i += CACHE_LINE)
                _mm_prefetch((const char *)packed + PREFETCH_BYTES + i, _MM_HINT_T0);
            add_block(sums, packed, q, q_bytes, tokens);
        }
        UNROLL for (int half = 0; half < 2; half++) {
            __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(multipliers + 8 * half)));
            __m256 factor = _mm256_cvtepi32_ps(eight);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m256i offset = _mm256_set1_epi32(S6_OFFSET * q_sums[(size_t)t * n_spans + s]);
                __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(sums[t][0].of[half], 8), sums[t][1].of[half]);
                float *total = &totals[t][8 * half];
                __m256 whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, offset));
                _mm256_storeu_ps(total, _mm256_fmadd_ps(whole, factor, _mm256_loadu_ps(total)));
            }
        }
    }
    for (int t = 0; t < tokens; t++) memcpy(y + (size_t)t * shape->y_stride, totals[t], n * sizeof **totals);
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
            if (tokens == 1)
                group(out, packed, multipliers, x, x_sums, shape, n, 1);
            else
                group(out, packed, multipliers, x, x_sums, shape, n, 2);
        }
        packed += n_spans * S6_SPAN_BYTES;
        multipliers += n_spans * S6_ROWS;
    }
}
