/* NEON with dot products: int8 rows of the R16 layout times int16 activations.
 *
 * An activation is 256·high + low with both bytes signed. sdot multiplies the 4 weights of each 32-bit lane, a row's, by
 * the high and by the low bytes of 4 activations, taken from one lane of another register: 16 activations are split at
 * a time. Sums are modulo 2^32: what overflows on the way comes back, since the result fits. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/arm/int8.h"
#include "kernels/layout.h"
#include "kernels/unroll.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of codes */
#define TILE_TOKENS    2    /* × 4 registers of rows × 2 bytes: 16 of the 32 registers are accumulators */
#define STEPS          4    /* blocks whose 16 activations one load gives */

struct sums {
    int32x4_t low[4], high[4]; /* rows 0–3, 4–7, 8–11, 12–15 */
};

/* One block times lane `lane` of the split activations. */
#define ADD_BLOCK(lane)                                                                                                \
    do {                                                                                                               \
        const uint8_t *block = packed + (lane)*R16_BLOCK_BYTES;                                                        \
        UNROLL for (int i = 0; i < 4; i++) {                                                                           \
            int8x16_t weights = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(block + 16 * i), offset));                       \
            UNROLL for (int t = 0; t < tokens; t++) {                                                                  \
                sums[t].low[i] = vdotq_laneq_s32(sums[t].low[i], weights, low[t], lane);                               \
                sums[t].high[i] = vdotq_laneq_s32(sums[t].high[i], weights, high[t], lane);                            \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

ALWAYS_INLINE void group(int32_t *y, const uint8_t *packed, const int16_t *q, const struct matmul_shape *shape,
                         size_t n, const int tokens) {
    const uint8x16_t offset = vdupq_n_u8(R16_OFFSET);
    size_t n_steps = r16_steps(shape->n_cols);
    struct sums sums[TILE_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) sums[t].low[i] = sums[t].high[i] =
        vdupq_n_s32(0);
    for (size_t b = 0; b < n_steps; b += STEPS, packed += STEPS * R16_BLOCK_BYTES, q += STEPS * R16_COLS) {
        size_t left = n_steps - b;
        int8x16_t low[TILE_TOKENS], high[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) {
            int8_t bytes[STEPS * R16_COLS * 2] = {0};
            const int16_t *x = q + (size_t)t * shape->x_stride;
            memcpy(bytes, x, min_size(left, STEPS) * R16_COLS * sizeof *x);
            int8x16x2_t split = vld2q_s8(bytes);
            low[t] = split.val[0];
            high[t] = vsubq_s8(split.val[1], vshrq_n_s8(split.val[0], 7)); /* + 1 where the low byte is negative */
        }
        UNROLL for (int i = 0; i < STEPS; i++) __builtin_prefetch(packed + PREFETCH_BYTES + i * R16_BLOCK_BYTES);
        ADD_BLOCK(0);
        if (left > 1) ADD_BLOCK(1);
        if (left > 2) ADD_BLOCK(2);
        if (left > 3) ADD_BLOCK(3);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        int32_t rows[R16_ROWS];
        UNROLL for (int i = 0; i < 4; i++)
            vst1q_s32(rows + 4 * i, vaddq_s32(vshlq_n_s32(sums[t].high[i], 8), sums[t].low[i]));
        memcpy(y + (size_t)t * shape->y_stride, rows, n * sizeof *rows);
    }
}

/* Groups outside, tokens inside: codes come from memory once and from the cache for further tiles. The weights are
 * signed here, so the sums of the activations aren't needed. */
void neon_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                      const struct matmul_shape *shape) {
    (void)q_sums;
    size_t group_bytes = r16_group_bytes(shape->n_cols);
    for (size_t row = 0; row < shape->n_rows; row += R16_ROWS, packed += group_bytes) {
        size_t n = min_size(R16_ROWS, shape->n_rows - row), t = 0;
        for (; t + 2 <= shape->n_tokens; t += 2)
            group(y + t * shape->y_stride + row, packed, q + t * shape->x_stride, shape, n, 2);
        if (t < shape->n_tokens) group(y + t * shape->y_stride + row, packed, q + t * shape->x_stride, shape, n, 1);
    }
}
