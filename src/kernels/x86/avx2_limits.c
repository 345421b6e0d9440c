/* limits.h: vpmaddubsw with the int16 addition behind it, as the ternary kernels sum, and vfmadd. */
#include <immintrin.h>

#include "kernels/limits.h"

#define REGISTERS 12

double peak_int8_avx2(size_t rounds) {
    __m256i sums[REGISTERS], a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
    for (int j = 0; j < REGISTERS; j++) sums[j] = _mm256_setzero_si256();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < REGISTERS; j++) {
            __asm__ volatile("" : "+x"(b)); /* a product for each sum, instead of one for all */
            sums[j] = _mm256_add_epi16(sums[j], _mm256_maddubs_epi16(a, b));
        }
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "x"(sums[j]));
    return 2.0 * 32 * REGISTERS * (double)rounds;
}

double peak_float_avx2(size_t rounds) {
    __m256 sums[REGISTERS], a = _mm256_set1_ps(1.0f), b = _mm256_set1_ps(0.5f);
    for (int j = 0; j < REGISTERS; j++) sums[j] = _mm256_setzero_ps();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < REGISTERS; j++) sums[j] = _mm256_fmadd_ps(a, b, sums[j]);
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "x"(sums[j]));
    return 2.0 * 8 * REGISTERS * (double)rounds;
}
