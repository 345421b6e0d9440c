/* Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11): a counter-based generator.
 * The n-th number of a stream is a pure function of (seed, stream, n), so parallel samples and batching never disturb
 * each other and nothing has to be stored to resume. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* One block of four 32-bit words for key = seed and a 128-bit counter. */
void philox4x32(const uint32_t counter[4], uint64_t seed, uint32_t out[4]);

/* Uniform double in [0, 1) with 53 bits: number `draw` at `position` of stream `stream`. */
double random_uniform(uint64_t seed, uint32_t stream, uint64_t position, uint32_t draw);

#endif
