/* For register tiles: loops of constant length that must vanish, so that arrays of accumulators become registers. Not
 * under a sanitizer, whose checks would be multiplied as well: compiling them took minutes. */
#ifndef KERNELS_UNROLL_H
#define KERNELS_UNROLL_H

#include <stddef.h>

#ifdef BITNET_SANITIZED
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* How many of `left` items the next tile takes: all tiles of at most `most`, and as equal as can be. */
static inline size_t even_share(size_t left, size_t most) {
    size_t n_tiles = (left + most - 1) / most;
    return (left + n_tiles - 1) / n_tiles;
}

#endif
