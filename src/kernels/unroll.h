/* For register tiles: loops of constant length that must vanish, so that arrays of accumulators become registers. */
#ifndef KERNELS_UNROLL_H
#define KERNELS_UNROLL_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#endif
