/* AVX-512: the float operations, one register to the 16 lanes, and the table. */
#include "kernels/x86/avx512_lanes.h"

#include "kernels/lanes_float.h"
#include "kernels/tables.h"
#include "kernels/x86/ternary.h"

const struct kernels kernels_avx512 = {.name = "avx512", .ternary_matmul = avx512_ternary_matmul, LANES_FLOAT_KERNELS};
