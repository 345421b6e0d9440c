/* Products of float activations with weights in quantised blocks, decoded in registers: written once for all
 * instruction sets.
 *
 * What a product needs of a format is 16 consecutive values of a block as one vector of lanes, since value c of a row
 * belongs to lane c mod 16. NAME_vector(b, v) gives values 16·v … 16·v + 15 of the block at b, with the very bits of
 * blocks.c's decoder: where that multiplies and subtracts, so does this, in the same order. v is a constant once
 * unrolled, so scales that several vectors of a block share are computed once. So the result is matmul_f32's over decoded
 * rows, without the decoded rows.
 *
 * A file per instruction set includes its *_lanes.h, defines the integer operations used below, and includes this. */
#ifndef KERNELS_LANES_BLOCKS_H
#define KERNELS_LANES_BLOCKS_H

#include <string.h>

#include "base/half.h"
#include "kernels/kernels.h"
#include "kernels/unroll.h"

#define LANES          16
#define PREFETCH_BYTES 1024 /* ahead in each row */

ALWAYS_INLINE float load_f16(const uint8_t *b) {
    uint16_t half;
    memcpy(&half, b, sizeof half);
    return lanes_widen(half);
}

ALWAYS_INLINE uint32_t load_u32(const uint8_t *b) {
    uint32_t word;
    memcpy(&word, b, sizeof word);
    return word;
}

/* d·(code - offset) */
ALWAYS_INLINE f32x16 scaled(float d, i32x16 codes, int offset) {
    return lanes_mul(lanes_set(d), lanes_to_float(lanes_sub_i32(codes, lanes_set_i32(offset))));
}

/* ---- two bits and trits: a choice among -d, 0, d, 2·d ---- */

ALWAYS_INLINE f32x16 q2_0_vector(const uint8_t *b, const int v) {
    return lanes_choose(lanes_spread_pairs(load_u32(b + 2 + 4 * v)), lanes_choices(load_f16(b)));
}

/* PQ2_0 is Q2_0 with longer blocks. */
#define pq2_0_vector q2_0_vector

ALWAYS_INLINE f32x16 tq2_0_vector(const uint8_t *b, const int v) {
    i32x16 bytes = lanes_load_u8(b + 32 * (v / 8) + 16 * (v % 2));
    return lanes_choose(lanes_right(bytes, 2 * (v / 2 % 4)), lanes_choices(load_f16(b + 64)));
}

/* The digit at the top of byte · power mod 256. */
ALWAYS_INLINE i32x16 trits(i32x16 bytes, i32x16 powers) {
    i32x16 rest = lanes_and_i32(lanes_mul_u16(bytes, powers), lanes_set_i32(255));
    return lanes_right(lanes_mul_u16(rest, lanes_set_i32(3)), 8);
}

ALWAYS_INLINE f32x16 tq1_0_vector(const uint8_t *b, const int v) {
    static const int32_t powers[] = {1, 3, 9, 27, 81};
    static const int32_t last[LANES] = {1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27};
    i32x16 digits;
    if (v < 10) /* 32 bytes of five digits */
        digits = trits(lanes_load_u8(b + 16 * (v % 2)), lanes_set_i32(powers[v / 2 % 5]));
    else if (v < 15) /* 16 bytes of five */
        digits = trits(lanes_load_u8(b + 32), lanes_set_i32(powers[v % 5]));
    else /* 4 bytes of four */
        digits = trits(lanes_and_i32(lanes_spread_bytes(load_u32(b + 48)), lanes_set_i32(255)), lanes_load_i32(last));
    return lanes_choose(digits, lanes_choices(load_f16(b + 52)));
}

/* ---- four, six and eight bits ---- */

ALWAYS_INLINE i32x16 nibbles(const uint8_t *b, const int high) {
    i32x16 bytes = lanes_load_u8(b);
    return high ? lanes_right(bytes, 4) : lanes_and_i32(bytes, lanes_set_i32(15));
}

ALWAYS_INLINE f32x16 q4_0_vector(const uint8_t *b, const int v) {
    return scaled(load_f16(b), nibbles(b + 2, v), 8);
}

ALWAYS_INLINE f32x16 q8_0_vector(const uint8_t *b, const int v) {
    return lanes_mul(lanes_set(load_f16(b)), lanes_load_i8((const int8_t *)b + 2 + 16 * v));
}

ALWAYS_INLINE f32x16 q4_k_vector(const uint8_t *b, const int v) {
    const uint8_t *packed = b + 4;
    const int group = v / 2;
    int scale = packed[group] & 63, min = packed[group + 4] & 63;
    if (group >= 4) {
        scale = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
        min = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
    }
    f32x16 value = scaled(load_f16(b) * (float)scale, nibbles(b + 16 + 32 * (group / 2) + 16 * (v % 2), group % 2), 0);
    return lanes_sub(value, lanes_set(load_f16(b + 2) * (float)min));
}

ALWAYS_INLINE f32x16 q6_k_vector(const uint8_t *b, const int v) {
    const int half = v / 8, in_half = 16 * (v % 8);
    i32x16 low = nibbles(b + 64 * half + in_half % 64, in_half / 64);
    i32x16 high = lanes_right(lanes_load_u8(b + 128 + 32 * half + in_half % 32), 2 * (in_half / 32));
    i32x16 codes = lanes_or_i32(low, lanes_left(lanes_and_i32(high, lanes_set_i32(3)), 4));
    return scaled(load_f16(b + 208) * (float)(int8_t)b[192 + v], codes, 32);
}

/* ---- products ---- */

/* sums[r·tokens + t] for rows that lie row_bytes apart. */
#define BLOCKS_TILE(name, block, block_bytes)                                                                          \
    ALWAYS_INLINE void name##_tile(float *sums, const uint8_t *w, size_t row_bytes, const float *x, size_t x_stride,   \
                                   const int rows, const int tokens) {                                                 \
        f32x16 acc[BLOCKS_ACCUMULATORS];                                                                               \
        UNROLL for (int i = 0; i < rows * tokens; i++) acc[i] = lanes_set(0.0f);                                       \
        for (const uint8_t *end = w + row_bytes; w < end; w += (block_bytes), x += (block)) {                          \
            UNROLL for (int r = 0; r < rows; r++) __builtin_prefetch(w + (size_t)r * row_bytes + PREFETCH_BYTES);      \
            UNROLL for (int v = 0; v < (block) / LANES; v++) {                                                         \
                f32x16 inputs[BLOCKS_TOKENS];                                                                          \
                UNROLL for (int t = 0; t < tokens; t++) inputs[t] = lanes_load(x + (size_t)t * x_stride + LANES * v);  \
                UNROLL for (int r = 0; r < rows; r++) {                                                                \
                    f32x16 weights = name##_vector(w + (size_t)r * row_bytes, v);                                      \
                    UNROLL for (int t = 0; t < tokens; t++) acc[r * tokens + t] =                                      \
                        lanes_fma(weights, inputs[t], acc[r * tokens + t]);                                            \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        UNROLL for (int i = 0; i < rows * tokens; i++) sums[i] = lanes_sum(acc[i]);                                    \
    }                                                                                                                  \
    /* A tile of tokens with all rows. */                                                                              \
    ALWAYS_INLINE void name##_rows(float *y, const uint8_t *w, const float *x, const struct matmul_shape *s,           \
                                   const int rows, const int tokens) {                                                 \
        size_t row_bytes = s->n_cols / (block) * (block_bytes), row = 0;                                               \
        float sums[BLOCKS_ACCUMULATORS];                                                                               \
        for (; row + (size_t)rows <= s->n_rows; row += (size_t)rows) {                                                 \
            name##_tile(sums, w + row * row_bytes, row_bytes, x, s->x_stride, rows, tokens);                           \
            for (int i = 0; i < rows * tokens; i++)                                                                    \
                y[(size_t)(i % tokens) * s->y_stride + row + (size_t)(i / tokens)] = sums[i];                          \
        }                                                                                                              \
        for (; row < s->n_rows; row++) {                                                                               \
            name##_tile(sums, w + row * row_bytes, row_bytes, x, s->x_stride, 1, tokens);                              \
            for (int t = 0; t < tokens; t++) y[(size_t)t * s->y_stride + row] = sums[t];                               \
        }                                                                                                              \
    }                                                                                                                  \
    static void name##_product(float *y, const uint8_t *w, const float *x, const struct matmul_shape *s) {             \
        size_t t = 0;                                                                                                  \
        for (; t + BLOCKS_TOKENS <= s->n_tokens; t += BLOCKS_TOKENS)                                                   \
            name##_rows(y + t * s->y_stride, w, x + t * s->x_stride, s, BLOCKS_ACCUMULATORS / BLOCKS_TOKENS,           \
                        BLOCKS_TOKENS);                                                                                \
        for (; t < s->n_tokens; t++)                                                                                   \
            name##_rows(y + t * s->y_stride, w, x + t * s->x_stride, s, BLOCKS_VECTOR_ROWS, 1);                        \
    }

BLOCKS_TILE(q2_0, 64, 18)
BLOCKS_TILE(pq2_0, 128, 34)
BLOCKS_TILE(tq2_0, 256, 66)
BLOCKS_TILE(tq1_0, 256, 54)
BLOCKS_TILE(q4_0, 32, 18)
BLOCKS_TILE(q8_0, 32, 34)
BLOCKS_TILE(q4_k, 256, 144)
BLOCKS_TILE(q6_k, 256, 210)

static void matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                          const struct matmul_shape *shape) {
    switch (type) {
    case TYPE_Q2_0:
        q2_0_product(y, w, x, shape);
        break;
    case TYPE_PQ2_0:
        pq2_0_product(y, w, x, shape);
        break;
    case TYPE_TQ2_0:
        tq2_0_product(y, w, x, shape);
        break;
    case TYPE_TQ1_0:
        tq1_0_product(y, w, x, shape);
        break;
    case TYPE_Q4_0:
        q4_0_product(y, w, x, shape);
        break;
    case TYPE_Q8_0:
        q8_0_product(y, w, x, shape);
        break;
    case TYPE_Q4_K:
        q4_k_product(y, w, x, shape);
        break;
    case TYPE_Q6_K:
        q6_k_product(y, w, x, shape);
        break;
    default: /* tensor_type_has_product() says no */
        break;
    }
}

#endif
