/* AVX2: the float operations, two registers to the 16 lanes, and the tables. */
#include "kernels/x86/avx2_lanes.h"

#include "kernels/lanes_float.h"
#include "kernels/tables.h"
#include "kernels/x86/blocks.h"
#include "kernels/x86/screen.h"
#include "kernels/x86/ternary.h"

/* What the tables of this file share: each adds its ternary products. */
#define SHARED_KERNELS .screen_matmul = avx2_screen_matmul, .matmul_blocks = avx2_matmul_blocks, LANES_FLOAT_KERNELS

const struct kernels kernels_avx2 = {.name = "avx2",
                                     .ternary_matmul = avx2_ternary_matmul,
                                     .ternary_matmul_l12 = avx2_ternary_matmul_l12,
                                     SHARED_KERNELS};

const struct kernels kernels_avxvnni = {.name = "avxvnni",
                                        .ternary_matmul = avxvnni_ternary_matmul,
                                        .ternary_matmul_l12 = avx2_ternary_matmul_l12,
                                        SHARED_KERNELS};
