/* AVX-512 VNNI and VBMI: ternary products of the L12 layout, five bits for three weights.
 *
 * A block's 40 bytes are unpacked by byte shuffles: vpermb spreads five bytes to each 64-bit lane, vpmultishiftqb takes
 * eight 5-bit fields out of it, and three more vpermb look up the codes' three digits: five shuffles for 192 weights.
 * From there on it's the product of L16 with three planes: 32-bit lane r is row r. Shuffles and dot products compete
 * for ports, so one thread is faster with L16; where several wait for memory, 17 % fewer bytes win. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/ternary.h"

#define PREFETCH_BYTES 4096
#define TILE_TOKENS    12 /* an accumulator each; up to 4 tokens one per plane, or they would wait for each other */
#define PLANES         3
#define POINTERS       ((TILE_TOKENS + 2) / 3)

/* Byte 8·i + k of `spread`: where byte k of the i-th five lies; `fields`: the bit where field k begins. The tables'
 * index has a sixth bit, which is the next field's: their halves are equal. */
struct decoder {
    __m512i spread, fields, digits[PLANES];
};

ALWAYS_INLINE struct decoder decoder_of(void) {
    uint8_t spread[64], fields[64], digits[PLANES][64];
    for (int i = 0; i < 64; i++) {
        int code = i % 32;
        spread[i] = (uint8_t)(i % 8 < 5 ? i / 8 * 5 + i % 8 : 63);
        fields[i] = (uint8_t)(5 * (i % 8));
        digits[0][i] = (uint8_t)(code % 3);
        digits[1][i] = (uint8_t)(code / 3 % 3);
        digits[2][i] = (uint8_t)(code / 9);
    }
    return (struct decoder){
        _mm512_loadu_si512(spread),
        _mm512_loadu_si512(fields),
        {_mm512_loadu_si512(digits[0]), _mm512_loadu_si512(digits[1]), _mm512_loadu_si512(digits[2])}};
}

ALWAYS_INLINE __m512i add_products(__m512i sum, __m512i codes, const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
}

/* Where the tokens' activations are: token t at at[t / 3] + t mod 3 strides, which is an address the CPU computes; a
 * pointer each would take all its registers. */
struct inputs {
    const int8_t *at[POINTERS];
    size_t stride;
};

ALWAYS_INLINE struct inputs inputs_from(const int8_t *q, size_t stride, const int tokens) {
    struct inputs x = {.stride = stride};
    UNROLL for (int i = 0; i < POINTERS; i++) x.at[i] = 3 * i < tokens ? q + 3 * (size_t)i * stride : q;
    return x;
}

/* One block into sums[each·token + plane mod each], and x on to the next. Reads its 40 bytes and no more. */
ALWAYS_INLINE void step(__m512i *sums, const struct decoder *d, const uint8_t *packed, struct inputs *x,
                        const int tokens, const int each) {
    __m512i bytes = _mm512_maskz_loadu_epi8(((__mmask64)1 << L12_BLOCK_BYTES) - 1, packed);
    _mm_prefetch((const char *)packed + PREFETCH_BYTES, _MM_HINT_T0);
    __m512i codes = _mm512_multishift_epi64_epi8(d->fields, _mm512_permutexvar_epi8(d->spread, bytes));
    UNROLL for (int p = 0; p < PLANES; p++) {
        __m512i digits = _mm512_permutexvar_epi8(codes, d->digits[p]);
        UNROLL for (int t = 0; t < tokens; t++) sums[each * t + p % each] =
            add_products(sums[each * t + p % each], digits, x->at[t / 3] + (size_t)(t % 3) * x->stride + 4 * p);
    }
    UNROLL for (int i = 0; i < POINTERS; i++) x->at[i] += L12_COLS;
}

/* The last block, whose columns may not all exist: activations beyond are zeros. */
ALWAYS_INLINE void last_step(__m512i *sums, const struct decoder *d, const uint8_t *packed, const struct inputs *x,
                             size_t n, const int tokens, const int each) {
    int8_t rest[TILE_TOKENS * L12_COLS] = {0};
    for (int t = 0; t < tokens; t++) memcpy(rest + t * L12_COLS, x->at[t / 3] + (size_t)(t % 3) * x->stride, n);
    struct inputs last = inputs_from(rest, L12_COLS, tokens);
    step(sums, d, packed, &last, tokens, each);
}

ALWAYS_INLINE void group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape, size_t n, const int tokens, const int each) {
    const struct decoder d = decoder_of();
    const __m512i zero = _mm512_setzero_si512();
    struct inputs x = inputs_from(q, shape->x_stride, tokens);
    size_t whole = shape->n_cols / L12_COLS, rest = shape->n_cols % L12_COLS, b = 0;
    __m512i sums[TILE_TOKENS], others[PLANES] = {zero, zero, zero}; /* one token takes turns, to hide the latency */
    UNROLL for (int i = 0; i < each * tokens; i++) sums[i] = zero;
    if (tokens == 1)
        for (; b + 2 <= whole; b += 2, packed += 2 * L12_BLOCK_BYTES) {
            step(sums, &d, packed, &x, tokens, each);
            step(others, &d, packed + L12_BLOCK_BYTES, &x, tokens, each);
        }
    for (; b < whole; b++, packed += L12_BLOCK_BYTES) step(sums, &d, packed, &x, tokens, each);
    if (rest) last_step(sums, &d, packed, &x, rest, tokens, each);
    UNROLL for (int t = 0; t < tokens; t++) {
        __m512i total = _mm512_sub_epi32(sums[each * t], _mm512_set1_epi32(q_sums[t]));
        UNROLL for (int i = 1; i < each; i++) total = _mm512_add_epi32(total, sums[each * t + i]);
        UNROLL for (int i = 0; tokens == 1 && i < PLANES; i++) total = _mm512_add_epi32(total, others[i]);
        _mm512_mask_storeu_epi32(y + (size_t)t * shape->y_stride, (__mmask16)((1u << n) - 1), total);
    }
}

typedef void group_function(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                            const struct matmul_shape *shape, size_t n);

#define GROUP(tokens, each)                                                                                            \
    static void group_##tokens(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,              \
                               const struct matmul_shape *shape, size_t n) {                                           \
        group(y, packed, q, q_sums, shape, n, tokens, each);                                                           \
    }
GROUP(1, 3)
GROUP(2, 3)
GROUP(3, 3)
GROUP(4, 3)
GROUP(5, 1)
GROUP(6, 1)
GROUP(7, 1)
GROUP(8, 1)
GROUP(9, 1)
GROUP(10, 1)
GROUP(11, 1)
GROUP(12, 1)
static group_function *const group_of[TILE_TOKENS] = {group_1, group_2, group_3, group_4,  group_5,  group_6,
                                                      group_7, group_8, group_9, group_10, group_11, group_12};

void avx512vbmi_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                                   const struct matmul_shape *shape) {
    size_t group_bytes = l12_steps(shape->n_cols) * L12_BLOCK_BYTES;
    for (size_t row = 0; row < shape->n_rows; row += L12_ROWS, packed += group_bytes) {
        size_t n = min_size(L12_ROWS, shape->n_rows - row);
        for (size_t t = 0, tokens; t < shape->n_tokens; t += tokens) {
            tokens = even_share(shape->n_tokens - t, TILE_TOKENS);
            group_of[tokens - 1](y + t * shape->y_stride + row, packed, q + t * shape->x_stride, q_sums + t, shape, n);
        }
    }
}
