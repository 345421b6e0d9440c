/* What the machine could do at best: the speeds that kernels are measured against.
 *
 * Reading: plain loads over more memory than the caches hold. Arithmetic: the multiply-add instruction of an instruction
 * set's kernels over and over on registers, with nothing to load or store. Both are maxima of several passes, since
 * what disturbs a measurement only ever makes it slower. */
#ifndef KERNELS_LIMITS_H
#define KERNELS_LIMITS_H

#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"

struct machine_limits {
    size_t threads;
    double read_bytes_per_s;
    double int8_operations_per_s;  /* int8 × int8 products added up; a multiply-add is two operations */
    double float_operations_per_s; /* float32 fused multiply-adds, likewise */
};

/* Measures with all threads of the pool, for some 0.3 s. isa: a table's name ("avx2"). BN_STATUS_NO_MEMORY when there
 * aren't 256 MiB to read, BN_STATUS_BAD_ARGUMENT for an unknown name. */
bn_status limits_measure(struct thread_pool *pool, const char *isa, struct machine_limits *out, bn_error *err);

/* Reads memory as fast as one thread can, for those who time it between other things. Returns a sum, so that the loads
 * aren't left out. size: a multiple of 128. */
uint64_t limits_read(const void *bytes, size_t size);

/* The loops on registers: operations done in `rounds` rounds. */
typedef double (*peak_loop)(size_t rounds);
/* The int8 loop of a table's instruction set; NULL for an unknown name. */
peak_loop limits_peak_int8(const char *isa);
double peak_int8_avx2(size_t rounds), peak_float_avx2(size_t rounds);
double peak_int8_avx512(size_t rounds), peak_float_avx512(size_t rounds);
double peak_int8_neon(size_t rounds), peak_float_neon(size_t rounds);

#endif
