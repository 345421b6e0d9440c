/* The products with quantised blocks of the x86 tables; kernels.h has the contract. */
#ifndef KERNELS_X86_BLOCKS_H
#define KERNELS_X86_BLOCKS_H

#include "kernels/kernels.h"

void avx2_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                        const struct matmul_shape *shape);
void avx512_matmul_blocks(float *y, const uint8_t *w, enum tensor_type type, const float *x,
                          const struct matmul_shape *shape);

#endif
