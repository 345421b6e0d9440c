/* AVX-512: the float operations, one register to the 16 lanes, and the tables, each of which is the one before with
 * something faster in it. */
#include "kernels/x86/avx512_lanes.h"

#include "kernels/lanes_float.h"
#include "kernels/tables.h"
#include "kernels/x86/blocks.h"
#include "kernels/x86/screen.h"
#include "kernels/x86/ternary.h"

/* What the tables of this file share: each adds its ternary products. */
#define SHARED_KERNELS .screen_matmul = avx512_screen_matmul, .matmul_blocks = avx512_matmul_blocks, LANES_FLOAT_KERNELS

const struct kernels kernels_avx512 = {.name = "avx512",
                                       .ternary_matmul = avx512_ternary_matmul,
                                       .ternary_matmul_l12 = avx2_ternary_matmul_l12,
                                       SHARED_KERNELS};

const struct kernels kernels_avx512vbmi = {.name = "avx512vbmi",
                                           .ternary_matmul = avx512_ternary_matmul,
                                           .ternary_matmul_l12 = avx512vbmi_ternary_matmul_l12,
                                           SHARED_KERNELS};

const struct kernels kernels_amx = {.name = "amx",
                                    .ternary_matmul = amx_ternary_matmul,
                                    .ternary_matmul_l12 = avx512vbmi_ternary_matmul_l12,
                                    SHARED_KERNELS};
