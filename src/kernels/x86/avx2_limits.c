/* limits.h: vpmaddubsw with the int16 addition behind it, as the ternary kernels sum, and vfmadd. */
#include <immintrin.h>

#include "kernels/limits.h"

#define REGISTERS 12
#define PAIRS     6

/* In assembly because the order matters: this one, all products before their additions, was the fastest of four. */
double peak_int8_avx2(size_t rounds) {
    for (size_t i = 0; i < rounds; i++)
        __asm__ volatile("vpmaddubsw %%ymm15, %%ymm14, %%ymm6\n"
                         "vpmaddubsw %%ymm15, %%ymm14, %%ymm7\n"
                         "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n"
                         "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n"
                         "vpmaddubsw %%ymm15, %%ymm14, %%ymm10\n"
                         "vpmaddubsw %%ymm15, %%ymm14, %%ymm11\n"
                         "vpaddw %%ymm6, %%ymm0, %%ymm0\n"
                         "vpaddw %%ymm7, %%ymm1, %%ymm1\n"
                         "vpaddw %%ymm8, %%ymm2, %%ymm2\n"
                         "vpaddw %%ymm9, %%ymm3, %%ymm3\n"
                         "vpaddw %%ymm10, %%ymm4, %%ymm4\n"
                         "vpaddw %%ymm11, %%ymm5, %%ymm5\n" ::
                             : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10",
                               "ymm11");
    return 2.0 * 32 * PAIRS * (double)rounds;
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
