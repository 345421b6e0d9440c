/* limits.h: sdot and fmla on sixteen independent registers. */
#include <arm_neon.h>

#include "kernels/limits.h"

#define REGISTERS 16

double peak_int8_neon(size_t rounds) {
    int32x4_t sums[REGISTERS];
    int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
    for (int j = 0; j < REGISTERS; j++) sums[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < REGISTERS; j++) sums[j] = vdotq_s32(sums[j], a, b);
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "w"(sums[j]));
    return 2.0 * 16 * REGISTERS * (double)rounds;
}

double peak_float_neon(size_t rounds) {
    float32x4_t sums[REGISTERS], a = vdupq_n_f32(1.0f), b = vdupq_n_f32(0.5f);
    for (int j = 0; j < REGISTERS; j++) sums[j] = vdupq_n_f32(0.0f);
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < REGISTERS; j++) sums[j] = vfmaq_f32(sums[j], a, b);
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "w"(sums[j]));
    return 2.0 * 4 * REGISTERS * (double)rounds;
}
