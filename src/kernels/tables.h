/* The tables that this build holds. Only dispatch.c picks among them. */
#ifndef KERNELS_TABLES_H
#define KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const struct kernels kernels_scalar;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;       /* AVX2, FMA, F16C */
extern const struct kernels kernels_avxvnni;    /* avx2 and AVX-VNNI */
extern const struct kernels kernels_avx512;     /* AVX-512 F, BW, DQ, VL, VNNI */
extern const struct kernels kernels_avx512vbmi; /* avx512 and VBMI */
extern const struct kernels kernels_amx;        /* avx512vbmi and AMX int8 */
#elif defined(__aarch64__)
extern const struct kernels kernels_neon; /* Advanced SIMD with dot products (Armv8.2) */
extern const struct kernels kernels_i8mm; /* neon and 8-bit matrix products (Armv8.6, optional from 8.2) */
#endif

/* The definition, for tables without a faster one. */
void scalar_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                               const struct matmul_shape *shape);

#endif
