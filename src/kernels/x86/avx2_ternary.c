/* AVX2: ternary products of the L16 layout.
 *
 * vpmaddubsw multiplies 32 codes (0, 1, 2) by 32 activations and adds neighbours into 16-bit lanes, so a block of 64
 * bytes is two registers of 8 rows. The sums stay in int16 for as long as they fit (adding them up there instead of
 * widening each is worth 40 %), then vpmaddwd by ones folds them into the int32 lane of their row. What subtracts the
 * 1 in code = weight + 1 is Σq, once at the end.
 *
 * One token: the planes at bits 0 and 2 are used where they are, the second one four times too large, which a shift of
 * the final sum puts right: one shift per register instead of three. Several tokens: each plane is unpacked once for
 * all the tokens of a tile; columns are cut into stretches whose weights stay in the L1 cache for all tiles, and y holds
 * the sums in between. */
#include "kernels/x86/avx2_group.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights: what it took to reach the memory's full bandwidth */
#define VECTOR_STEPS   8    /* int16 holds 8 steps × 2 planes × 4·2·127·2 = 32512 */
#define TILE_STEPS     16   /* 16 steps × 4 planes × 2·127·2 = 32512 */
#define TILE_TOKENS    4    /* 8 int16 accumulators, leaving registers for the codes and one activation */
#define STRETCH_STEPS  192  /* 12 KiB of weights and as much of a tile's activations; a multiple of TILE_STEPS */

/* The empty statement makes the compiler add at once: left alone, gcc puts off the sums of an unrolled loop to its end
 * and spills the products until then. */
ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i codes, __m256i activations) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, activations));
    __asm__("" : "+x"(sum));
    return sum;
}

/* Adds the pairs of int16 in each int32 lane to it. */
ALWAYS_INLINE __m256i widen_add(__m256i total, __m256i sums) {
    return _mm256_add_epi32(total, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

ALWAYS_INLINE void add_to(int32_t *y, __m256i sums) {
    _mm256_storeu_si256((__m256i *)y, widen_add(_mm256_loadu_si256((const __m256i *)y), sums));
}

static void vector_group(int32_t *y, const uint8_t *packed, const int8_t *q, int32_t q_sum, size_t n_steps, size_t n) {
    const __m256i mask1 = _mm256_set1_epi8(3), mask4 = _mm256_set1_epi8(12);
    __m256i low1 = _mm256_setzero_si256(), low4 = low1, high1 = low1, high4 = low1;
    for (size_t step = 0; step < n_steps;) {
        size_t end = min_size(step + VECTOR_STEPS, n_steps);
        __m256i a1 = _mm256_setzero_si256(), a4 = a1, b1 = a1, b4 = a1;
        for (; step < end; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
            __m256i a = _mm256_loadu_si256((const __m256i *)packed);
            __m256i b = _mm256_loadu_si256((const __m256i *)(packed + 32));
            _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
            __m256i x = broadcast4(q);
            a1 = add_products(a1, _mm256_and_si256(a, mask1), x);
            b1 = add_products(b1, _mm256_and_si256(b, mask1), x);
            x = broadcast4(q + 4);
            a4 = add_products(a4, _mm256_and_si256(a, mask4), x);
            b4 = add_products(b4, _mm256_and_si256(b, mask4), x);
            a = _mm256_srli_epi16(a, 4);
            b = _mm256_srli_epi16(b, 4);
            x = broadcast4(q + 8);
            a1 = add_products(a1, _mm256_and_si256(a, mask1), x);
            b1 = add_products(b1, _mm256_and_si256(b, mask1), x);
            x = broadcast4(q + 12);
            a4 = add_products(a4, _mm256_and_si256(a, mask4), x);
            b4 = add_products(b4, _mm256_and_si256(b, mask4), x);
        }
        low1 = widen_add(low1, a1);
        low4 = widen_add(low4, a4);
        high1 = widen_add(high1, b1);
        high4 = widen_add(high4, b4);
    }
    store_group(y, _mm256_add_epi32(low1, _mm256_srai_epi32(low4, 2)),
                _mm256_add_epi32(high1, _mm256_srai_epi32(high4, 2)), q_sum, n);
}

/* y += the products of steps [from, to) of a group with `tokens` tokens. */
ALWAYS_INLINE void tile(int32_t *y, size_t y_stride, const uint8_t *packed, const int8_t *q, size_t stride,
                        size_t n_steps, const int tokens) {
    const __m256i mask = _mm256_set1_epi8(3);
    while (n_steps > 0) {
        size_t n = min_size(TILE_STEPS, n_steps);
        n_steps -= n;
        __m256i low[TILE_TOKENS], high[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) low[t] = high[t] = _mm256_setzero_si256();
        for (; n > 0; n--, packed += L16_BLOCK_BYTES, q += L16_COLS) {
            __m256i a = _mm256_loadu_si256((const __m256i *)packed);
            __m256i b = _mm256_loadu_si256((const __m256i *)(packed + 32));
            _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
            UNROLL for (int plane = 0; plane < 4; plane++) {
                __m256i a_codes = _mm256_and_si256(a, mask), b_codes = _mm256_and_si256(b, mask);
                UNROLL for (int t = 0; t < tokens; t++) {
                    __m256i x = broadcast4(q + (size_t)t * stride + 4 * plane);
                    low[t] = add_products(low[t], a_codes, x);
                    high[t] = add_products(high[t], b_codes, x);
                }
                a = _mm256_srli_epi16(a, 2);
                b = _mm256_srli_epi16(b, 2);
            }
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            add_to(y + (size_t)t * y_stride, low[t]);
            add_to(y + (size_t)t * y_stride + 8, high[t]);
        }
    }
}

static void tile_of(size_t tokens, int32_t *y, size_t y_stride, const uint8_t *packed, const int8_t *q, size_t stride,
                    size_t n_steps) {
    switch (tokens) {
    case 1:
        tile(y, y_stride, packed, q, stride, n_steps, 1);
        break;
    case 2:
        tile(y, y_stride, packed, q, stride, n_steps, 2);
        break;
    case 3:
        tile(y, y_stride, packed, q, stride, n_steps, 3);
        break;
    default:
        tile(y, y_stride, packed, q, stride, n_steps, 4);
    }
}

/* A whole group's products with several tokens. */
static void tiled_group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t t = 0; t < shape->n_tokens; t++)
        for (size_t r = 0; r < L16_ROWS; r++) y[t * shape->y_stride + r] = -q_sums[t];
    for (size_t from = 0; from < n_steps; from += STRETCH_STEPS) {
        size_t n = min_size(STRETCH_STEPS, n_steps - from);
        for (size_t t = 0; t < shape->n_tokens;) {
            size_t tokens = even_share(shape->n_tokens - t, TILE_TOKENS);
            tile_of(tokens, y + t * shape->y_stride, shape->y_stride, packed + from * L16_BLOCK_BYTES,
                    q + t * shape->x_stride + from * L16_COLS, shape->x_stride, n);
            t += tokens;
        }
    }
}

/* Whole groups go in tiles; one token, and the group that a matrix may end in, token by token. */
void avx2_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape) {
    size_t n_steps = l16_steps(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += L16_ROWS, packed += n_steps * L16_BLOCK_BYTES) {
        size_t n = min_size(L16_ROWS, shape->n_rows - row);
        if (shape->n_tokens > 1 && n == L16_ROWS) {
            tiled_group(y + row, packed, q, q_sums, shape);
            continue;
        }
        for (size_t t = 0; t < shape->n_tokens; t++)
            vector_group(y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums[t], n_steps, n);
    }
}
