/* The 16 lanes as four Advanced SIMD registers; the operations that lanes_float.h is written in. */
#ifndef KERNELS_ARM_NEON_LANES_H
#define KERNELS_ARM_NEON_LANES_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    float32x4_t a, b, c, d;
} f32x16;
typedef struct {
    int32x4_t a, b, c, d;
} i32x16;

/* Register tiles of a float product: 16 accumulators of the 32 registers. */
#define VECTOR_ROWS   4
#define TILE_ROWS     2
#define TILE_TOKENS   2
#define SCORE_ROWS    4
#define SCORE_VECTORS 1
#define VALUE_ROWS    2
#define VALUE_VECTORS 2

static inline f32x16 lanes_set(float x) {
    float32x4_t v = vdupq_n_f32(x);
    return (f32x16){v, v, v, v};
}

static inline f32x16 lanes_load(const float *x) {
    return (f32x16){vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)};
}

static inline void lanes_store(float *y, f32x16 v) {
    vst1q_f32(y, v.a);
    vst1q_f32(y + 4, v.b);
    vst1q_f32(y + 8, v.c);
    vst1q_f32(y + 12, v.d);
}

static inline f32x16 lanes_load_n(const float *x, size_t n) {
    float all[16] = {0};
    memcpy(all, x, n * sizeof *all);
    return lanes_load(all);
}

static inline void lanes_store_n(float *y, f32x16 v, size_t n) {
    float all[16];
    lanes_store(all, v);
    memcpy(y, all, n * sizeof *all);
}

/* The first n lanes of x, the others of y. */
static inline f32x16 lanes_first(size_t n, f32x16 x, f32x16 y) {
    float all[16];
    lanes_store(all, y);
    lanes_store_n(all, x, n);
    return lanes_load(all);
}

static inline f32x16 lanes_load_f16(const uint16_t *x) {
    float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(x)), high = vreinterpretq_f16_u16(vld1q_u16(x + 8));
    return (f32x16){vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
                    vcvt_high_f32_f16(high)};
}

static inline f32x16 lanes_load_i8(const int8_t *x) {
    int8x16_t bytes = vld1q_s8(x);
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    return (f32x16){vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                    vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))};
}

static inline f32x16 lanes_load_bf16(const uint16_t *x) {
    uint16x8_t low = vld1q_u16(x), high = vld1q_u16(x + 8);
    return (f32x16){
        vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(low), 16)), vreinterpretq_f32_u32(vshll_high_n_u16(low, 16)),
        vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(high), 16)), vreinterpretq_f32_u32(vshll_high_n_u16(high, 16))};
}

static inline void lanes_store_f16(uint16_t *y, f32x16 v) {
    vst1q_u16(y, vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.a), v.b)));
    vst1q_u16(y + 8, vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(v.c), v.d)));
}

static inline f32x16 lanes_from_i32(const int32_t *x) {
    return (f32x16){vcvtq_f32_s32(vld1q_s32(x)), vcvtq_f32_s32(vld1q_s32(x + 4)), vcvtq_f32_s32(vld1q_s32(x + 8)),
                    vcvtq_f32_s32(vld1q_s32(x + 12))};
}

static inline f32x16 lanes_fma(f32x16 x, f32x16 y, f32x16 z) {
    return (f32x16){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                    vfmaq_f32(z.d, x.d, y.d)};
}

/* lanes_NAME(x, y): one instruction per register. */
#define LANES_BINARY(name, instruction)                                                                                \
    static inline f32x16 lanes_##name(f32x16 x, f32x16 y) {                                                            \
        return (f32x16){instruction(x.a, y.a), instruction(x.b, y.b), instruction(x.c, y.c), instruction(x.d, y.d)};   \
    }

/* x > y ? x : y and x < y ? x : y as x86 has them; vmaxq treats NaN and signed zeros otherwise. */
static inline float32x4_t quad_max(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}

static inline float32x4_t quad_min(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcltq_f32(x, y), x, y);
}

/* |x| with the sign of y, for x ≥ 0. */
static inline float32x4_t quad_with_sign(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), y, x);
}

/* The larger of two non-negative values, NaN being the largest: compared as bits. */
static inline float32x4_t quad_max_bits(float32x4_t x, float32x4_t y) {
    return vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(x), vreinterpretq_s32_f32(y)));
}

LANES_BINARY(add, vaddq_f32)
LANES_BINARY(sub, vsubq_f32)
LANES_BINARY(mul, vmulq_f32)
LANES_BINARY(div, vdivq_f32)
LANES_BINARY(max, quad_max)
LANES_BINARY(min, quad_min)
LANES_BINARY(with_sign, quad_with_sign)
LANES_BINARY(max_bits, quad_max_bits)

/* x < y ? then : other */
static inline f32x16 lanes_if_less(f32x16 x, f32x16 y, f32x16 then, f32x16 other) {
    return (f32x16){vbslq_f32(vcltq_f32(x.a, y.a), then.a, other.a), vbslq_f32(vcltq_f32(x.b, y.b), then.b, other.b),
                    vbslq_f32(vcltq_f32(x.c, y.c), then.c, other.c), vbslq_f32(vcltq_f32(x.d, y.d), then.d, other.d)};
}

static inline f32x16 lanes_abs(f32x16 x) {
    return (f32x16){vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d)};
}

static inline f32x16 lanes_negate(f32x16 x) {
    return (f32x16){vnegq_f32(x.a), vnegq_f32(x.b), vnegq_f32(x.c), vnegq_f32(x.d)};
}

static inline float32x4_t quad_times_power(float32x4_t y, float32x4_t shifted, int32x4_t rounding_bits) {
    int32x4_t bias = vdupq_n_s32(127);
    int32x4_t k = vsubq_s32(vreinterpretq_s32_f32(shifted), rounding_bits);
    int32x4_t half = vshrq_n_s32(k, 1), rest = vsubq_s32(k, half);
    y = vmulq_f32(y, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(y, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}

/* y·2^k, k in the low bits of `shifted` above rounding_bits, by two multiplications. */
static inline f32x16 lanes_times_power(f32x16 y, f32x16 shifted, int rounding_bits) {
    int32x4_t bits = vdupq_n_s32(rounding_bits);
    return (f32x16){quad_times_power(y.a, shifted.a, bits), quad_times_power(y.b, shifted.b, bits),
                    quad_times_power(y.c, shifted.c, bits), quad_times_power(y.d, shifted.d, bits)};
}

/* lanes +8, +4, +2, +1 */
static inline float lanes_sum(f32x16 x) {
    float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static inline float lanes_highest(f32x16 x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}

static inline i32x16 lanes_zero_i32(void) {
    int32x4_t zero = vdupq_n_s32(0);
    return (i32x16){zero, zero, zero, zero};
}

static inline i32x16 lanes_add_i32(i32x16 x, i32x16 y) {
    return (i32x16){vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c), vaddq_s32(x.d, y.d)};
}

static inline int32_t lanes_sum_i32(i32x16 x) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}

static inline f32x16 lanes_to_float(i32x16 x) {
    return (f32x16){vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)};
}

/* Lane i += Σ of four products k[4i + j]·q[j], of signed bytes in ±127 that `lanes_load_fours` loads; q as one
 * int32. */
typedef struct {
    int8x16_t a, b, c, d;
} fours;
static inline fours lanes_load_fours(const int8_t *k) {
    return (fours){vld1q_s8(k), vld1q_s8(k + 16), vld1q_s8(k + 32), vld1q_s8(k + 48)};
}

static inline i32x16 lanes_dot_fours(i32x16 sum, fours k, int32_t q) {
    int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(q));
    return (i32x16){vdotq_s32(sum.a, k.a, four), vdotq_s32(sum.b, k.b, four), vdotq_s32(sum.c, k.c, four),
                    vdotq_s32(sum.d, k.d, four)};
}

/* The start of a sum over q[0 … n), n a multiple of 4. */
static inline i32x16 lanes_dot_start(const int8_t *q, size_t n) {
    (void)q, (void)n;
    return lanes_zero_i32();
}

/* To the nearest integer, ties to even. */
static inline i32x16 lanes_round(f32x16 x) {
    return (i32x16){vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c), vcvtnq_s32_f32(x.d)};
}

static inline void lanes_store_i8(int8_t *y, i32x16 v) {
    int16x8_t low = vcombine_s16(vqmovn_s32(v.a), vqmovn_s32(v.b));
    int16x8_t high = vcombine_s16(vqmovn_s32(v.c), vqmovn_s32(v.d));
    vst1q_s8(y, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
}

/* x[0 … 32) to its elements of even and of odd index, and back. */
static inline void lanes_load_pairs(const float *x, f32x16 *even, f32x16 *odd) {
    float32x4x2_t a = vld2q_f32(x), b = vld2q_f32(x + 8), c = vld2q_f32(x + 16), d = vld2q_f32(x + 24);
    *even = (f32x16){a.val[0], b.val[0], c.val[0], d.val[0]};
    *odd = (f32x16){a.val[1], b.val[1], c.val[1], d.val[1]};
}

static inline void lanes_store_pairs(float *x, f32x16 even, f32x16 odd) {
    vst2q_f32(x, (float32x4x2_t){{even.a, odd.a}});
    vst2q_f32(x + 8, (float32x4x2_t){{even.b, odd.b}});
    vst2q_f32(x + 16, (float32x4x2_t){{even.c, odd.c}});
    vst2q_f32(x + 24, (float32x4x2_t){{even.d, odd.d}});
}

#endif
