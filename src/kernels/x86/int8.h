/* The products of int8 rows of the x86 tables; kernels.h has the contract. */
#ifndef KERNELS_X86_INT8_H
#define KERNELS_X86_INT8_H

#include "kernels/kernels.h"

void avx2_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                      const struct matmul_shape *shape);
void avx512_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape);

#endif
