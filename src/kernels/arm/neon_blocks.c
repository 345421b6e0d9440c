/* NEON: products with quantised blocks. */
#include "kernels/arm/neon_lanes.h"

#include "kernels/arm/blocks.h"

/* Register tiles: 2 rows × 2 tokens, or rows with one token. */
#define BLOCKS_ACCUMULATORS 4
#define BLOCKS_TOKENS       2
#define BLOCKS_VECTOR_ROWS  4

static inline float lanes_widen(uint16_t half) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

static inline i32x16 lanes_load_u8(const uint8_t *x) {
    uint8x16_t bytes = vld1q_u8(x);
    uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
    return (i32x16){
        vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))),
        vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))), vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)))};
}

static inline i32x16 lanes_load_i32(const int32_t *x) {
    return (i32x16){vld1q_s32(x), vld1q_s32(x + 4), vld1q_s32(x + 8), vld1q_s32(x + 12)};
}

static inline i32x16 lanes_set_i32(int32_t x) {
    int32x4_t v = vdupq_n_s32(x);
    return (i32x16){v, v, v, v};
}

/* lanes_NAME(x, y): one instruction per register. */
#define LANES_INTEGER(name, instruction)                                                                               \
    static inline i32x16 lanes_##name(i32x16 x, i32x16 y) {                                                            \
        return (i32x16){instruction(x.a, y.a), instruction(x.b, y.b), instruction(x.c, y.c), instruction(x.d, y.d)};   \
    }
LANES_INTEGER(and_i32, vandq_s32)
LANES_INTEGER(or_i32, vorrq_s32)
LANES_INTEGER(sub_i32, vsubq_s32)
LANES_INTEGER(mul_u16, vmulq_s32)
LANES_INTEGER(shift, vshlq_s32)

static inline i32x16 lanes_right(i32x16 x, int n) {
    return lanes_shift(x, lanes_set_i32(-n));
}

static inline i32x16 lanes_left(i32x16 x, int n) {
    return lanes_shift(x, lanes_set_i32(n));
}

/* Lane j's lowest two bits: the j-th two of the word. */
static inline i32x16 lanes_spread_pairs(uint32_t word) {
    static const int32_t shifts[16] = {0, -2, -4, -6, -8, -10, -12, -14, -16, -18, -20, -22, -24, -26, -28, -30};
    return lanes_shift(lanes_set_i32((int32_t)word), lanes_load_i32(shifts));
}

/* Lane j's lowest byte: byte j mod 4 of the word. */
static inline i32x16 lanes_spread_bytes(uint32_t word) {
    static const int32_t shifts[16] = {0, -8, -16, -24, 0, -8, -16, -24, 0, -8, -16, -24, 0, -8, -16, -24};
    return lanes_shift(lanes_set_i32((int32_t)word), lanes_load_i32(shifts));
}

/* d·(code - 1) for the two lowest bits of each lane: as quick as a look-up here. */
static inline f32x16 lanes_choices(float d) {
    return lanes_set(d);
}

static inline f32x16 lanes_choose(i32x16 codes, f32x16 choices) {
    i32x16 values = lanes_sub_i32(lanes_and_i32(codes, lanes_set_i32(3)), lanes_set_i32(1));
    return lanes_mul(choices, lanes_to_float(values));
}

#include "kernels/lanes_blocks.h"

void neon_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                        const struct matmul_shape *shape) {
    matmul_blocks(y, w, type, x, shape);
}
