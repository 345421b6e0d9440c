/* limits.h: vpdpbusd and vfmadd on twelve independent registers, enough to hide their latency. */
#include <immintrin.h>

#include "kernels/limits.h"

#define REGISTERS 12

double peak_int8_avx512(size_t rounds) {
    __m512i sums[REGISTERS], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    for (int j = 0; j < REGISTERS; j++) sums[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < REGISTERS; j++) sums[j] = _mm512_dpbusd_epi32(sums[j], a, b);
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "v"(sums[j]));
    return 2.0 * 64 * REGISTERS * (double)rounds;
}

double peak_float_avx512(size_t rounds) {
    __m512 sums[REGISTERS], a = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(0.5f);
    for (int j = 0; j < REGISTERS; j++) sums[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < REGISTERS; j++) sums[j] = _mm512_fmadd_ps(a, b, sums[j]);
    }
    for (int j = 0; j < REGISTERS; j++) __asm__ volatile("" : : "v"(sums[j]));
    return 2.0 * 16 * REGISTERS * (double)rounds;
}
