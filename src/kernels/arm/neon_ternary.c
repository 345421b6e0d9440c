/* NEON with dot products: ternary products of the L16 layout.
 *
 * sdot multiplies the 4 codes of each 32-bit lane, a row's, by 4 activations and adds them to the lane; by element it
 * takes those activations from one lane of another register, so the 16 activations of a block are loaded once and
 * nothing is broadcast. A block is four registers of 4 rows × 4 planes: 16 dot products per token. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/arm/ternary.h"
#include "kernels/layout.h"
#include "kernels/unroll.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights */
#define TILE_TOKENS    4    /* × 4 registers of rows: 16 of the 32 registers are accumulators */

ALWAYS_INLINE void store_group(int32_t *y, const int32x4_t sums[4], int32_t q_sum, size_t n) {
    int32_t rows[L16_ROWS], *out = n < L16_ROWS ? rows : y;
    for (int i = 0; i < 4; i++) vst1q_s32(out + 4 * i, vsubq_s32(sums[i], vdupq_n_s32(q_sum)));
    if (n < L16_ROWS) memcpy(y, rows, n * sizeof *rows);
}

/* The four planes of 4 rows × 16 columns. */
struct planes {
    int8x16_t p0, p1, p2, p3;
};

ALWAYS_INLINE struct planes unpack(const uint8_t *packed) {
    const uint8x16_t mask = vdupq_n_u8(3);
    uint8x16_t block = vld1q_u8(packed);
    return (struct planes){
        vreinterpretq_s8_u8(vandq_u8(block, mask)), vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(block, 2), mask)),
        vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(block, 4), mask)), vreinterpretq_s8_u8(vshrq_n_u8(block, 6))};
}

/* A group's products with one token: an accumulator per plane, since four chains wouldn't hide the latency of sdot. */
static void vector_group(int32_t *y, const uint8_t *packed, const int8_t *q, int32_t q_sum, size_t n_steps, size_t n) {
    int32x4_t sums[4][4], totals[4];
    UNROLL for (int i = 0; i < 4; i++) sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = vdupq_n_s32(0);
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        int8x16_t x = vld1q_s8(q);
        __builtin_prefetch(packed + PREFETCH_BYTES);
        UNROLL for (int i = 0; i < 4; i++) {
            struct planes codes = unpack(packed + 16 * i);
            sums[i][0] = vdotq_laneq_s32(sums[i][0], codes.p0, x, 0);
            sums[i][1] = vdotq_laneq_s32(sums[i][1], codes.p1, x, 1);
            sums[i][2] = vdotq_laneq_s32(sums[i][2], codes.p2, x, 2);
            sums[i][3] = vdotq_laneq_s32(sums[i][3], codes.p3, x, 3);
        }
    }
    UNROLL for (int i = 0; i < 4; i++) totals[i] =
        vaddq_s32(vaddq_s32(sums[i][0], sums[i][1]), vaddq_s32(sums[i][2], sums[i][3]));
    store_group(y, totals, q_sum, n);
}

/* A group's products with `tokens` tokens; n rows exist. */
ALWAYS_INLINE void tile_group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                              const struct matmul_shape *shape, size_t n, const int tokens) {
    size_t n_steps = l16_steps(shape->n_cols);
    int32x4_t sums[TILE_TOKENS][4];
    UNROLL for (int t = 0; t < tokens; t++) UNROLL for (int i = 0; i < 4; i++) sums[t][i] = vdupq_n_s32(0);
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        int8x16_t x[TILE_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) x[t] = vld1q_s8(q + (size_t)t * shape->x_stride);
        UNROLL for (int i = 0; i < 4; i++) {
            struct planes codes = unpack(packed + 16 * i);
            UNROLL for (int t = 0; t < tokens; t++) {
                int32x4_t sum = vdotq_laneq_s32(sums[t][i], codes.p0, x[t], 0);
                sum = vdotq_laneq_s32(sum, codes.p1, x[t], 1);
                sum = vdotq_laneq_s32(sum, codes.p2, x[t], 2);
                sums[t][i] = vdotq_laneq_s32(sum, codes.p3, x[t], 3);
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) store_group(y + (size_t)t * shape->y_stride, sums[t], q_sums[t], n);
}

/* Groups outside, tokens inside: a group's weights come from memory once and from the cache for further tiles. */
void neon_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape) {
    size_t group_bytes = l16_steps(shape->n_cols) * L16_BLOCK_BYTES;
    for (size_t row = 0; row < shape->n_rows; row += L16_ROWS, packed += group_bytes) {
        size_t n = min_size(L16_ROWS, shape->n_rows - row);
        for (size_t t = 0; t < shape->n_tokens;) {
            int32_t *out = y + t * shape->y_stride + row;
            const int8_t *x = q + t * shape->x_stride;
            size_t tokens = min_size(shape->n_tokens - t, TILE_TOKENS);
            switch (tokens) {
            case 1:
                vector_group(out, packed, x, q_sums[t], l16_steps(shape->n_cols), n);
                break;
            case 2:
                tile_group(out, packed, x, q_sums + t, shape, n, 2);
                break;
            case 3:
                tile_group(out, packed, x, q_sums + t, shape, n, 3);
                break;
            default:
                tile_group(out, packed, x, q_sums + t, shape, n, 4);
            }
            t += tokens;
        }
    }
}
