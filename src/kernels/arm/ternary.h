/* The ternary product of the ARM table; kernels.h has the contract. */
#ifndef KERNELS_ARM_TERNARY_H
#define KERNELS_ARM_TERNARY_H

#include "kernels/kernels.h"

void neon_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape);
void i8mm_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                         const struct matmul_shape *shape);

#endif
