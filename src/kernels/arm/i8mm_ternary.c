/* NEON with i8mm: ternary products of the L16 layout for several tokens.
 *
 * smmla multiplies 2 rows × 8 columns by 2 tokens × 8 columns and adds the 2 × 2 sums: twice what sdot does. A register
 * of an L16 plane holds 4 rows × 4 columns; the 32-bit lanes of two neighbouring planes, zipped, give 2 rows × 8 columns
 * and the next 2 rows. Two tokens' 8 activations are one register. The sums come out as 2 rows × 2 tokens and are
 * untangled at the end.
 *
 * Up to 4 pairs of tokens share the unpacked codes. A last odd token, and one token, are dotprod's. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/arm/ternary.h"
#include "kernels/layout.h"
#include "kernels/unroll.h"

#define PREFETCH_BYTES 4096 /* ahead in the stream of weights */
#define HALF_ROWS      8    /* of a group at a time: 4 pairs of rows × PAIRS registers of sums */
#define PAIRS          4    /* of tokens: 16 of the 32 registers are accumulators */

/* 8 activations of one token, 8 of the next. */
ALWAYS_INLINE int8x16_t two_tokens(const int8_t *q, size_t stride) {
    return vcombine_s8(vld1_s8(q), vld1_s8(q + stride));
}

/* Rows 2i and 2i + 1 × columns of planes p and p + 1, of the register of 4 rows whose planes are given. */
ALWAYS_INLINE int8x16_t pair_of_rows(uint8x16_t plane, uint8x16_t next, const int i) {
    uint32x4_t a = vreinterpretq_u32_u8(plane), b = vreinterpretq_u32_u8(next);
    return vreinterpretq_s8_u32(i ? vzip2q_u32(a, b) : vzip1q_u32(a, b));
}

/* 8 rows from `half` of a group with 2·pairs tokens; n of the group's rows exist. */
ALWAYS_INLINE void half_group(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                              const struct matmul_shape *shape, size_t n, const int pairs) {
    const uint8x16_t mask = vdupq_n_u8(3);
    size_t n_steps = l16_steps(shape->n_cols), stride = shape->x_stride;
    int32x4_t sums[PAIRS][4]; /* {row 2i token 0, row 2i token 1, row 2i+1 token 0, row 2i+1 token 1} */
    UNROLL for (int k = 0; k < pairs; k++) UNROLL for (int i = 0; i < 4; i++) sums[k][i] = vdupq_n_s32(0);
    for (size_t step = 0; step < n_steps; step++, packed += L16_BLOCK_BYTES, q += L16_COLS) {
        __builtin_prefetch(packed + PREFETCH_BYTES);
        uint8x16_t four[2] = {vld1q_u8(packed), vld1q_u8(packed + 16)};
        UNROLL for (int eight = 0; eight < 2; eight++) {
            int8x16_t codes[4];
            UNROLL for (int i = 0; i < 4; i++) {
                uint8x16_t shifted = eight ? vshrq_n_u8(four[i / 2], 4) : four[i / 2];
                codes[i] = pair_of_rows(vandq_u8(shifted, mask), vandq_u8(vshrq_n_u8(shifted, 2), mask), i % 2);
            }
            UNROLL for (int k = 0; k < pairs; k++) {
                int8x16_t x = two_tokens(q + (size_t)(2 * k) * stride + 8 * eight, stride);
                UNROLL for (int i = 0; i < 4; i++) sums[k][i] = vmmlaq_s32(sums[k][i], codes[i], x);
            }
        }
    }
    for (int k = 0; k < pairs; k++) {
        for (int token = 0; token < 2; token++) {
            int32_t rows[HALF_ROWS], *out = y + (size_t)(2 * k + token) * shape->y_stride;
            int32x4_t offset = vdupq_n_s32(q_sums[2 * k + token]);
            for (int i = 0; i < 2; i++) {
                int32x4_t a = sums[k][2 * i], b = sums[k][2 * i + 1];
                vst1q_s32(rows + 4 * i, vsubq_s32(token ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b), offset));
            }
            memcpy(out, rows, n * sizeof *rows);
        }
    }
}

static void pairs_of(size_t pairs, int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                     const struct matmul_shape *shape, size_t n) {
    switch (pairs) {
    case 1:
        half_group(y, packed, q, q_sums, shape, n, 1);
        break;
    case 2:
        half_group(y, packed, q, q_sums, shape, n, 2);
        break;
    case 3:
        half_group(y, packed, q, q_sums, shape, n, 3);
        break;
    default:
        half_group(y, packed, q, q_sums, shape, n, 4);
    }
}

void i8mm_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape) {
    size_t group_bytes = l16_steps(shape->n_cols) * L16_BLOCK_BYTES, n_pairs = shape->n_tokens / 2;
    for (size_t row = 0; n_pairs > 0 && row < shape->n_rows; row += HALF_ROWS) {
        const uint8_t *half = packed + row / L16_ROWS * group_bytes + row % L16_ROWS * 4;
        size_t n = min_size(HALF_ROWS, shape->n_rows - row);
        for (size_t k = 0, pairs; k < n_pairs; k += pairs) {
            pairs = even_share(n_pairs - k, PAIRS);
            pairs_of(pairs, y + 2 * k * shape->y_stride + row, half, q + 2 * k * shape->x_stride, q_sums + 2 * k, shape,
                     n);
        }
    }
    if (shape->n_tokens % 2 == 0) return;
    struct matmul_shape last = *shape;
    last.n_tokens = 1;
    neon_ternary_matmul(y + 2 * n_pairs * shape->y_stride, packed, q + 2 * n_pairs * shape->x_stride,
                        q_sums + 2 * n_pairs, &last);
}
