/* The product of int8 rows of the NEON table; kernels.h has the contract. */
#ifndef KERNELS_ARM_INT8_H
#define KERNELS_ARM_INT8_H

#include "kernels/kernels.h"

void neon_int8_matmul(int32_t *y, const uint8_t *packed, const int16_t *q, const int32_t *q_sums,
                      const struct matmul_shape *shape);

#endif
