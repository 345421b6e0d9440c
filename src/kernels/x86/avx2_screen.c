/* AVX2: six-bit rows of the S6 layout times 16-bit activations. One or two tokens wait for memory, more of them multiply.
 *
 * A block's vectors are taken in halves, 8 rows × 16 columns, whose three registers become four of codes: three by a
 * mask, the fourth from the bits that are left.
 *
 * Few tokens: vpmaddubsw multiplies codes as they are by the high and by the low bytes of the activations; the products of
 * two registers fit an int16 (2·2·63·128 = 32256), then vpmaddwd by ones folds them into the int32 lane of their row.
 *
 * Many tokens: codes become int16 once for all of them, columns j and j + 2 of four side by side, which takes a mask or a
 * shift, and vpmaddwd multiplies them by whole activations, in tiles of 16 rows × 4 tokens. An int32 lane holds a span's
 * sum: 64·63·32639 < 2^28.
 *
 * Either way the lanes become floats at the end of a span. */
#include "kernels/x86/avx2_group.h"
#include "kernels/x86/screen.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define FEW_TOKENS     2    /* × 2 bytes × 2 halves: 8 of the 16 registers are accumulators */
#define TILE_TOKENS    4    /* × 2 halves: 8 accumulators */
#define HALVES         2    /* of a group: rows 0–7 and 8–15 */
#define HALF_ROWS      8
#define SPAN_BLOCKS    (S6_SPAN / S6_COLS)

ALWAYS_INLINE __m256i load(const void *at) {
    return _mm256_loadu_si256(at);
}

ALWAYS_INLINE __m256i masked(__m256i vector, char bits) {
    return _mm256_and_si256(vector, _mm256_set1_epi8(bits));
}

/* The codes of columns 0–3 and 4–7 of half a block (pair 0), or of 8–11 and 12–15. */
ALWAYS_INLINE void unpack(__m256i codes[2], const uint8_t *packed, const int pair) {
    if (pair == 0) {
        codes[0] = masked(load(packed), 0x3f);
        codes[1] = masked(load(packed + 64), 0x3f);
        return;
    }
    __m256i a = load(packed), b = load(packed + 64), c = load(packed + 128);
    codes[0] = masked(c, 0x3f);
    a = masked(_mm256_srli_epi16(a, 2), 0x30);
    b = masked(_mm256_srli_epi16(b, 4), 0x0c);
    c = masked(_mm256_srli_epi16(c, 6), 0x03);
    codes[1] = _mm256_or_si256(_mm256_or_si256(a, b), c);
}

/* totals of 8 rows += a span's sums · multipliers */
ALWAYS_INLINE void add_span(float *totals, __m256i sums, const uint8_t *multipliers) {
    __m256 factors = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)multipliers)));
    _mm256_storeu_ps(totals, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), factors, _mm256_loadu_ps(totals)));
}

/* ---- few tokens ---- */

/* The empty statement keeps gcc from putting sums off and spilling the products. */
ALWAYS_INLINE __m256i add_products(__m256i sum, const __m256i codes[2], __m256i first, __m256i second) {
    __m256i two = _mm256_add_epi16(_mm256_maddubs_epi16(codes[0], first), _mm256_maddubs_epi16(codes[1], second));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
    __asm__("" : "+x"(sum));
    return sum;
}

/* Sums of the high or the low bytes of one token. */
struct halves {
    __m256i of[HALVES];
};

/* Adds a block's products. q: the first token's high bytes; q_bytes: of a row of bytes. */
ALWAYS_INLINE void add_block(struct halves sums[][2], const uint8_t *packed, const int8_t *q, size_t q_bytes,
                             const int tokens) {
    UNROLL for (int pair = 0; pair < 2; pair++) {
        __m256i codes[HALVES][2];
        UNROLL for (int half = 0; half < HALVES; half++) unpack(codes[half], packed + 32 * half, pair);
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int byte = 0; byte < 2; byte++) {
            const int8_t *x = q + (size_t)(2 * t + byte) * q_bytes + 8 * pair;
            __m256i first = broadcast4(x), second = broadcast4(x + 4);
            UNROLL for (int half = 0; half < HALVES; half++) sums[t][byte].of[half] =
                add_products(sums[t][byte].of[half], codes[half], first, second);
        }
    }
}

ALWAYS_INLINE void group_few(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                             const int32_t *q_sums, const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_spans = s6_spans(shape->n_cols), q_bytes = n_spans * S6_SPAN;
    float totals[FEW_TOKENS][S6_ROWS] = {{0}};
    for (size_t s = 0; s < n_spans; s++, multipliers += S6_ROWS) {
        struct halves sums[FEW_TOKENS][2];
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) sums[t][i / 2].of[i % 2] =
            _mm256_setzero_si256();
        for (int b = 0; b < SPAN_BLOCKS; b++, packed += S6_BLOCK_BYTES, q += S6_COLS) {
            UNROLL for (int i = 0; i < S6_BLOCK_BYTES; i += CACHE_LINE)
                _mm_prefetch((const char *)packed + PREFETCH_BYTES + i, _MM_HINT_T0);
            add_block(sums, packed, q, q_bytes, tokens);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            __m256i offset = _mm256_set1_epi32(S6_OFFSET * q_sums[(size_t)t * n_spans + s]);
            UNROLL for (int half = 0; half < HALVES; half++) {
                __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(sums[t][0].of[half], 8), sums[t][1].of[half]);
                add_span(totals[t] + HALF_ROWS * half, _mm256_sub_epi32(sum, offset), multipliers + HALF_ROWS * half);
            }
        }
    }
    for (int t = 0; t < tokens; t++) memcpy(y + (size_t)t * shape->y_stride, totals[t], n * sizeof **totals);
}

static void matmul_few(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                       const int32_t *q_sums, const struct matmul_shape *shape) {
    size_t n_spans = s6_spans(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += S6_ROWS) {
        size_t n = min_size(S6_ROWS, shape->n_rows - row);
        if (shape->n_tokens == 1)
            group_few(y + row, packed, multipliers, q, q_sums, shape, n, 1);
        else
            group_few(y + row, packed, multipliers, q, q_sums, shape, n, 2);
        packed += n_spans * S6_SPAN_BYTES;
        multipliers += n_spans * S6_ROWS;
    }
}

/* ---- many tokens ---- */

#define STEP_COLS   2 /* columns that one vpmaddwd multiplies: j and j + 2 of four */
#define SPAN_STEPS  (S6_SPAN / STEP_COLS)
#define PASS_TOKENS 16
#define PASS_SPANS  40 /* 2560 columns: activations of a pass are 80 KiB */

/* A span's codes as int16, [step][half]. */
typedef __m256i span_codes[SPAN_STEPS][HALVES];

ALWAYS_INLINE void widen(__m256i out[][HALVES], int half, __m256i four_columns) {
    out[0][half] = _mm256_and_si256(four_columns, _mm256_set1_epi16(0xff));
    out[1][half] = _mm256_srli_epi16(four_columns, 8);
}

static void widen_span(span_codes out, const uint8_t *packed) {
    for (int b = 0; b < SPAN_BLOCKS; b++, packed += S6_BLOCK_BYTES) {
        UNROLL for (int i = 0; i < S6_BLOCK_BYTES; i += CACHE_LINE)
            _mm_prefetch((const char *)packed + PREFETCH_BYTES + i, _MM_HINT_T0);
        UNROLL for (int half = 0; half < HALVES; half++) UNROLL for (int pair = 0; pair < 2; pair++) {
            __m256i codes[2];
            unpack(codes, packed + 32 * half, pair);
            widen(out + 8 * b + 4 * pair, half, codes[0]);
            widen(out + 8 * b + 4 * pair + 2, half, codes[1]);
        }
    }
}

/* A span of one token, in steps: two int16 each. */
typedef int32_t span_steps[SPAN_STEPS];

static void join_span(span_steps out, const int8_t *high, const int8_t *low) {
    const __m256i middle_swapped = _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2,
                                                    3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
    for (int c = 0; c < S6_SPAN; c += 16) {
        __m256i upper = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(high + c)));
        __m256i lower = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(low + c)));
        __m256i joined = _mm256_add_epi16(_mm256_slli_epi16(upper, 8), lower);
        _mm256_storeu_si256((__m256i *)(out + c / STEP_COLS), _mm256_shuffle_epi8(joined, middle_swapped));
    }
}

/* totals += 16 rows' span times that of `tokens` tokens, which lie x_stride and sums_stride apart. The empty statement keeps
 * gcc from copying accumulators. */
ALWAYS_INLINE void tile(float totals[][S6_ROWS], span_codes codes, const uint8_t *multipliers, const span_steps *x,
                        size_t x_stride, const int32_t *q_sums, size_t sums_stride, const int tokens) {
    __m256i sums[TILE_TOKENS][HALVES];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int half = 0; half < HALVES; half++) sums[t][half] =
        _mm256_set1_epi32(-S6_OFFSET * q_sums[(size_t)t * sums_stride]);
    for (int step = 0; step < SPAN_STEPS; step++) {
        UNROLL for (int t = 0; t < tokens; t++) {
            __m256i two = _mm256_set1_epi32(x[(size_t)t * x_stride][step]);
            UNROLL for (int half = 0; half < HALVES; half++) {
                sums[t][half] = _mm256_add_epi32(sums[t][half], _mm256_madd_epi16(codes[step][half], two));
                __asm__("" : "+x"(sums[t][half]));
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int half = 0; half < HALVES; half++)
        add_span(totals[t] + HALF_ROWS * half, sums[t][half], multipliers + HALF_ROWS * half);
}

static void group_many(float totals[][S6_ROWS], const uint8_t *packed, const uint8_t *multipliers, const span_steps *x,
                       size_t x_stride, const int32_t *q_sums, size_t sums_stride, size_t n_spans, size_t n_tokens) {
    for (size_t s = 0; s < n_spans; s++, packed += S6_SPAN_BYTES, multipliers += S6_ROWS) {
        span_codes codes;
        widen_span(codes, packed);
        for (size_t t = 0, tokens; t < n_tokens; t += tokens) {
            const span_steps *tile_x = x + t * x_stride + s;
            const int32_t *tile_sums = q_sums + t * sums_stride + s;
            tokens = even_share(n_tokens - t, TILE_TOKENS);
            if (tokens == 4)
                tile(totals + t, codes, multipliers, tile_x, x_stride, tile_sums, sums_stride, 4);
            else if (tokens == 3)
                tile(totals + t, codes, multipliers, tile_x, x_stride, tile_sums, sums_stride, 3);
            else if (tokens == 2)
                tile(totals + t, codes, multipliers, tile_x, x_stride, tile_sums, sums_stride, 2);
            else
                tile(totals + t, codes, multipliers, tile_x, x_stride, tile_sums, sums_stride, 1);
        }
    }
}

/* All rows times spans [first, first + n_spans) of n_tokens: y is continued unless they are the first. */
static void pass(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q, const int32_t *q_sums,
                 const struct matmul_shape *shape, size_t first, size_t n_spans, size_t n_tokens) {
    span_steps x[PASS_TOKENS][PASS_SPANS];
    size_t all_spans = s6_spans(shape->n_cols), q_bytes = all_spans * S6_SPAN;
    for (size_t t = 0; t < n_tokens; t++) {
        const int8_t *high = q + 2 * t * q_bytes + first * S6_SPAN;
        for (size_t s = 0; s < n_spans; s++) join_span(x[t][s], high + s * S6_SPAN, high + q_bytes + s * S6_SPAN);
    }
    for (size_t row = 0; row < shape->n_rows; row += S6_ROWS) {
        size_t n = min_size(S6_ROWS, shape->n_rows - row), span = row / S6_ROWS * all_spans + first;
        float totals[PASS_TOKENS][S6_ROWS] = {{0}};
        for (size_t t = 0; t < n_tokens && first > 0; t++)
            memcpy(totals[t], y + t * shape->y_stride + row, n * sizeof **totals);
        group_many(totals, packed + span * S6_SPAN_BYTES, multipliers + span * S6_ROWS, x[0], PASS_SPANS,
                   q_sums + first, all_spans, n_spans, n_tokens);
        for (size_t t = 0; t < n_tokens; t++) memcpy(y + t * shape->y_stride + row, totals[t], n * sizeof **totals);
    }
}

/* Passes are parts of columns that follow each other, inside of parts of tokens. */
static void matmul_many(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                        const int32_t *q_sums, const struct matmul_shape *shape) {
    size_t all_spans = s6_spans(shape->n_cols);
    for (size_t t = 0, tokens; t < shape->n_tokens; t += tokens) {
        tokens = even_share(shape->n_tokens - t, PASS_TOKENS);
        for (size_t first = 0, n_spans; first < all_spans; first += n_spans) {
            n_spans = even_share(all_spans - first, PASS_SPANS);
            pass(y + t * shape->y_stride, packed, multipliers, q + 2 * t * all_spans * S6_SPAN, q_sums + t * all_spans,
                 shape, first, n_spans, tokens);
        }
    }
}

void avx2_screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                        const int32_t *q_sums, const struct matmul_shape *shape) {
    (shape->n_tokens <= FEW_TOKENS ? matmul_few : matmul_many)(y, packed, multipliers, q, q_sums, shape);
}
