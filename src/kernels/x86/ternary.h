/* The ternary products of the x86 tables; kernels.h has the contract. */
#ifndef KERNELS_X86_TERNARY_H
#define KERNELS_X86_TERNARY_H

#include "kernels/kernels.h"

void avx2_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape);
void avx512_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                           const struct matmul_shape *shape);
void avxvnni_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                            const struct matmul_shape *shape);
void amx_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape);
void avx2_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                             const struct matmul_shape *shape);
void avx512vbmi_ternary_matmul_l12(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                                   const struct matmul_shape *shape);

#endif
