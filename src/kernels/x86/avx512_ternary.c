/* AVX-512 VNNI: ternary products of the L16 layout.
 *
 * vpdpbusd multiplies the 4 codes of each 32-bit lane by 4 activations and adds the sum to the lane, which is a row's:
 * a block is one register and needs no horizontal sums. What subtracts the 1 in code = weight + 1 is Σq, once at the
 * end. The aim is that nothing but vpdpbusd takes time: activations are operands in memory, broadcast on the way.
 *
 * Up to 4 tokens ("planes"): the four planes of a block are used where they are in the byte, without shifts, with an
 * accumulator each; plane p's sum is 4^p times too large and a multiple of that, so a shift at the end is exact. One
 * group of rows at a time is one stream of memory. More tokens ("pair"): two groups at a time share each activation,
 * planes are shifted down, up to 12 tokens × 2 groups are 24 accumulators. Columns are cut into stretches whose weights
 * stay in the L1 cache for all tiles of tokens; y holds the sums in between. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights: what it took to reach the memory's full bandwidth */
#define PREFETCH_STEPS (PREFETCH_BYTES / L16_BLOCK_BYTES)
#define PLANES_TOKENS  4   /* × 4 planes: 16 of the 32 registers are accumulators */
#define PAIR_TOKENS    12  /* × 2 groups: likewise */
#define STRETCH_STEPS  128 /* of two groups: 16 KiB of weights */

/* sum + codes·activations for the four activations at q. */
ALWAYS_INLINE __m512i add_products(__m512i sum, __m512i codes, const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
}

ALWAYS_INLINE void store_group(int32_t *y, __m512i sums, int32_t q_sum, size_t n) {
    _mm512_mask_storeu_epi32(y, (__mmask16)((1u << n) - 1), _mm512_sub_epi32(sums, _mm512_set1_epi32(q_sum)));
}

/* ---- planes: one group, 1 to 4 tokens ---- */

/* One block's four planes into their accumulators, sums[4·token + plane]. */
ALWAYS_INLINE void planes_step(__m512i *sums, const uint8_t *packed, const int8_t *q, size_t stride, const int tokens) {
    __m512i block = _mm512_loadu_si512(packed);
    _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
    UNROLL for (int p = 0; p < 4; p++) {
        __m512i codes = _mm512_and_si512(block, _mm512_set1_epi8((char)(3 << 2 * p)));
        UNROLL for (int t = 0; t < tokens; t++) sums[4 * t + p] =
            add_products(sums[4 * t + p], codes, q + (size_t)t * stride + 4 * p);
    }
}

ALWAYS_INLINE __m512i planes_total(const __m512i sums[4]) {
    __m512i low = _mm512_add_epi32(sums[0], _mm512_srai_epi32(sums[1], 2));
    return _mm512_add_epi32(low, _mm512_add_epi32(_mm512_srai_epi32(sums[2], 4), _mm512_srai_epi32(sums[3], 6)));
}

ALWAYS_INLINE void planes(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                          const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_steps = l16_steps(shape->n_cols), stride = shape->x_stride;
    __m512i sums[4 * PLANES_TOKENS];
    UNROLL for (int i = 0; i < 4 * tokens; i++) sums[i] = _mm512_setzero_si512();
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS)
        planes_step(sums, packed, q, stride, tokens);
    UNROLL for (int t = 0; t < tokens; t++)
        store_group(y + (size_t)t * shape->y_stride, planes_total(sums + 4 * t), q_sums[t], n);
}

typedef void planes_function(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                             const struct matmul_shape *shape, size_t n);

/* One token, two steps at a time: eight independent sums hide the latency of vpdpbusd. */
static void planes_1(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                     const struct matmul_shape *shape, size_t n) {
    size_t n_steps = l16_steps(shape->n_cols), step = 0;
    __m512i even[4], odd[4];
    UNROLL for (int p = 0; p < 4; p++) even[p] = odd[p] = _mm512_setzero_si512();
    for (; step + 2 <= n_steps; step += 2) {
        planes_step(even, packed + step * L16_BLOCK_BYTES, q + step * L16_COLS, 0, 1);
        planes_step(odd, packed + (step + 1) * L16_BLOCK_BYTES, q + (step + 1) * L16_COLS, 0, 1);
    }
    if (step < n_steps) planes_step(even, packed + step * L16_BLOCK_BYTES, q + step * L16_COLS, 0, 1);
    UNROLL for (int p = 0; p < 4; p++) even[p] = _mm512_add_epi32(even[p], odd[p]);
    store_group(y, planes_total(even), q_sums[0], n);
}

#define PLANES(tokens)                                                                                                 \
    static void planes_##tokens(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,             \
                                const struct matmul_shape *shape, size_t n) {                                          \
        planes(y, packed, q, q_sums, shape, n, tokens);                                                                \
    }
PLANES(2)
PLANES(3)
PLANES(4)
static planes_function *const planes_of[PLANES_TOKENS] = {planes_1, planes_2, planes_3, planes_4};

/* A group's products with all tokens. */
static void planes_group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape, size_t n) {
    for (size_t t = 0; t < shape->n_tokens;) {
        size_t tokens = even_share(shape->n_tokens - t, PLANES_TOKENS);
        planes_of[tokens - 1](y + t * shape->y_stride, packed, q + t * shape->x_stride, q_sums + t, shape, n);
        t += tokens;
    }
}

/* ---- pair: two whole groups, more tokens ---- */

/* Adds the products of steps [from, to) to y, which the first stretch begins. */
ALWAYS_INLINE void pair(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape, size_t from, size_t to, const int tokens) {
    const __m512i mask = _mm512_set1_epi8(3);
    size_t n_steps = l16_steps(shape->n_cols), stride = shape->x_stride;
    const uint8_t *second = packed + n_steps * L16_BLOCK_BYTES;
    __m512i a_sums[PAIR_TOKENS], b_sums[PAIR_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) {
        const int32_t *old = y + (size_t)t * shape->y_stride;
        a_sums[t] = from ? _mm512_loadu_si512(old) : _mm512_set1_epi32(-q_sums[t]);
        b_sums[t] = from ? _mm512_loadu_si512(old + L16_ROWS) : a_sums[t];
    }
    q += from * L16_COLS;
    for (size_t step = from; step < to; step++, q += L16_COLS) {
        __m512i a = _mm512_loadu_si512(packed + step * L16_BLOCK_BYTES);
        __m512i b = _mm512_loadu_si512(second + step * L16_BLOCK_BYTES);
        size_t ahead = step + PREFETCH_STEPS; /* past the end of its row of blocks: in the next pair's */
        if (ahead >= n_steps) ahead += n_steps;
        _mm_prefetch((const char *)packed + ahead * L16_BLOCK_BYTES, _MM_HINT_T0);
        _mm_prefetch((const char *)second + ahead * L16_BLOCK_BYTES, _MM_HINT_T0);
        UNROLL for (int plane = 0; plane < 4; plane++) {
            __m512i a_codes = _mm512_and_si512(a, mask), b_codes = _mm512_and_si512(b, mask);
            UNROLL for (int t = 0; t < tokens; t++) {
                const int8_t *x = q + (size_t)t * stride + 4 * plane;
                a_sums[t] = add_products(a_sums[t], a_codes, x);
                b_sums[t] = add_products(b_sums[t], b_codes, x);
            }
            a = _mm512_srli_epi16(a, 2);
            b = _mm512_srli_epi16(b, 2);
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        _mm512_storeu_si512(y + (size_t)t * shape->y_stride, a_sums[t]);
        _mm512_storeu_si512(y + (size_t)t * shape->y_stride + L16_ROWS, b_sums[t]);
    }
}

typedef void pair_function(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape, size_t from, size_t to);

#define PAIR(tokens)                                                                                                   \
    static void pair_##tokens(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,               \
                              const struct matmul_shape *shape, size_t from, size_t to) {                              \
        pair(y, packed, q, q_sums, shape, from, to, tokens);                                                           \
    }

PAIR(5)
PAIR(6)
PAIR(7)
PAIR(8)
PAIR(9)
PAIR(10)
PAIR(11)
PAIR(12)
#define PAIR_LEAST 5 /* what a batch of more than PLANES_TOKENS is cut into at least */
static pair_function *const pair_of[] = {pair_5, pair_6, pair_7, pair_8, pair_9, pair_10, pair_11, pair_12};

static void pair_groups(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t from = 0; from < n_steps; from += STRETCH_STEPS) {
        size_t to = min_size(from + STRETCH_STEPS, n_steps);
        for (size_t t = 0; t < shape->n_tokens;) {
            size_t tokens = even_share(shape->n_tokens - t, PAIR_TOKENS);
            pair_of[tokens - PAIR_LEAST](y + t * shape->y_stride, packed, q + t * shape->x_stride, q_sums + t, shape,
                                         from, to);
            t += tokens;
        }
    }
}

void avx512_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape) {
    size_t group_bytes = l16_steps(shape->n_cols) * L16_BLOCK_BYTES, row = 0;
    if (shape->n_tokens > PLANES_TOKENS && shape->n_cols > 0)
        for (; row + 2 * L16_ROWS <= shape->n_rows; row += 2 * L16_ROWS, packed += 2 * group_bytes)
            pair_groups(y + row, packed, q, q_sums, shape);
    for (; row < shape->n_rows; row += L16_ROWS, packed += group_bytes)
        planes_group(y + row, packed, q, q_sums, shape, min_size(L16_ROWS, shape->n_rows - row));
}
