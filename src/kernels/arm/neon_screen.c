/* NEON with dot products: six-bit rows of the S6 layout times 16-bit activations.
 *
 * A quarter of a block, 4 rows × 16 columns, is three registers that become four of codes: three by a mask, the fourth
 * by two shifts that insert. Codes below 64 are signed as well as unsigned, so sdot multiplies them by the high and by
 * the low bytes of the activations, four from one lane of a register. At the end of a span the lanes become floats. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/arm/screen.h"
#include "kernels/layout.h"
#include "kernels/unroll.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    2    /* × 4 quarters × 2 bytes: 16 of the 32 registers are accumulators */

/* Bits 6–7 of a, b and c become bits 4–5, 2–3 and 0–1. */
ALWAYS_INLINE void unpack(int8x16_t codes[4], const uint8_t *packed) {
    const uint8x16_t mask = vdupq_n_u8(63);
    uint8x16_t a = vld1q_u8(packed), b = vld1q_u8(packed + 64), c = vld1q_u8(packed + 128);
    uint8x16_t left = vsliq_n_u8(vshrq_n_u8(b, 6), vshrq_n_u8(a, 6), 2);
    left = vsliq_n_u8(vshrq_n_u8(c, 6), left, 2);
    codes[0] = vreinterpretq_s8_u8(vandq_u8(a, mask));
    codes[1] = vreinterpretq_s8_u8(vandq_u8(b, mask));
    codes[2] = vreinterpretq_s8_u8(vandq_u8(c, mask));
    codes[3] = vreinterpretq_s8_u8(left);
}

ALWAYS_INLINE int32x4_t add_products(int32x4_t sum, const int8x16_t codes[4], int8x16_t x) {
    sum = vdotq_laneq_s32(sum, codes[0], x, 0);
    sum = vdotq_laneq_s32(sum, codes[1], x, 1);
    sum = vdotq_laneq_s32(sum, codes[2], x, 2);
    return vdotq_laneq_s32(sum, codes[3], x, 3);
}

/* The exact sums of a span, four rows a register, with `tokens` tokens. q: the first one's high bytes. */
ALWAYS_INLINE void span(int32x4_t sums[][4], const uint8_t *packed, const int8_t *q, size_t q_bytes,
                        const int32_t *q_sums, size_t n_spans, const int tokens) {
    int32x4_t high[TILE_TOKENS][4], low[TILE_TOKENS][4];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) high[t][i] = low[t][i] = vdupq_n_s32(0);
    for (size_t b = 0; b < S6_SPAN / S6_COLS; b++, packed += S6_BLOCK_BYTES, q += S6_COLS) {
        UNROLL for (int i = 0; i < S6_BLOCK_BYTES; i += CACHE_LINE) __builtin_prefetch(packed + PREFETCH_BYTES + i);
        UNROLL for (int i = 0; i < 4; i++) {
            int8x16_t codes[4];
            unpack(codes, packed + 16 * i);
            UNROLL for (int t = 0; t < tokens; t++) {
                high[t][i] = add_products(high[t][i], codes, vld1q_s8(q + (size_t)(2 * t) * q_bytes));
                low[t][i] = add_products(low[t][i], codes, vld1q_s8(q + (size_t)(2 * t + 1) * q_bytes));
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        int32x4_t offset = vdupq_n_s32(S6_OFFSET * q_sums[(size_t)t * n_spans]);
        UNROLL for (int i = 0; i < 4; i++) sums[t][i] =
            vsubq_s32(vaddq_s32(vshlq_n_s32(high[t][i], 8), low[t][i]), offset);
    }
}

ALWAYS_INLINE void group(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                         const int32_t *q_sums, const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_spans = s6_spans(shape->n_cols);
    float32x4_t totals[TILE_TOKENS][4];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) totals[t][i] = vdupq_n_f32(0);
    for (size_t s = 0; s < n_spans; s++, packed += S6_SPAN_BYTES, multipliers += S6_ROWS, q += S6_SPAN, q_sums++) {
        int32x4_t sums[TILE_TOKENS][4];
        span(sums, packed, q, n_spans * S6_SPAN, q_sums, n_spans, tokens);
        uint8x16_t bytes = vld1q_u8(multipliers);
        uint16x8_t first = vmovl_u8(vget_low_u8(bytes)), second = vmovl_high_u8(bytes);
        const uint32x4_t factors[4] = {vmovl_u16(vget_low_u16(first)), vmovl_high_u16(first),
                                       vmovl_u16(vget_low_u16(second)), vmovl_high_u16(second)};
        UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) totals[t][i] =
            vfmaq_f32(totals[t][i], vcvtq_f32_s32(sums[t][i]), vcvtq_f32_u32(factors[i]));
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        float rows[S6_ROWS];
        UNROLL for (int i = 0; i < 4; i++) vst1q_f32(rows + 4 * i, totals[t][i]);
        memcpy(y + (size_t)t * shape->y_stride, rows, n * sizeof *rows);
    }
}

/* Groups outside, tokens inside: codes come from memory once and from the cache for further tiles. */
void neon_screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                        const int32_t *q_sums, const struct matmul_shape *shape) {
    size_t n_spans = s6_spans(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += S6_ROWS) {
        size_t n = min_size(S6_ROWS, shape->n_rows - row), t = 0;
        for (; t + 2 <= shape->n_tokens; t += 2)
            group(y + t * shape->y_stride + row, packed, multipliers, q + 2 * t * n_spans * S6_SPAN,
                  q_sums + t * n_spans, shape, n, 2);
        if (t < shape->n_tokens)
            group(y + t * shape->y_stride + row, packed, multipliers, q + 2 * t * n_spans * S6_SPAN,
                  q_sums + t * n_spans, shape, n, 1);
        packed += n_spans * S6_SPAN_BYTES;
        multipliers += n_spans * S6_ROWS;
    }
}
