/* The products of six-bit rows of the ARM tables; kernels.h has the contract. */
#ifndef KERNELS_ARM_SCREEN_H
#define KERNELS_ARM_SCREEN_H

#include "kernels/kernels.h"

void neon_screen_matmul(float *y, const uint8_t *packed, const uint8_t *multipliers, const int8_t *q,
                        const int32_t *q_sums, const struct matmul_shape *shape);

#endif
