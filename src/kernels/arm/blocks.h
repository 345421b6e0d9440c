/* The products with quantised blocks of the ARM tables; kernels.h has the contract. */
#ifndef KERNELS_ARM_BLOCKS_H
#define KERNELS_ARM_BLOCKS_H

#include "kernels/kernels.h"

void neon_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                        const struct matmul_shape *shape);

#endif
