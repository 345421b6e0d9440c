/* NEON: the float operations, four registers to the 16 lanes, and the tables. */
#include "kernels/arm/neon_lanes.h"

#include "kernels/arm/blocks.h"
#include "kernels/arm/screen.h"
#include "kernels/arm/ternary.h"
#include "kernels/lanes_float.h"
#include "kernels/tables.h"

/* What the tables of this file share: each adds its ternary products. */
#define SHARED_KERNELS .screen_matmul = neon_screen_matmul, .matmul_blocks = neon_matmul_blocks, LANES_FLOAT_KERNELS

const struct kernels kernels_neon = {.name = "neon",
                                     .ternary_matmul = neon_ternary_matmul,
                                     .ternary_matmul_l12 = scalar_ternary_matmul_l12,
                                     SHARED_KERNELS};

const struct kernels kernels_i8mm = {.name = "i8mm",
                                     .ternary_matmul = i8mm_ternary_matmul,
                                     .ternary_matmul_l12 = scalar_ternary_matmul_l12,
                                     SHARED_KERNELS};
