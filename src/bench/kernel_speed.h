/* How fast kernels are by themselves: each operation of each table on random numbers, and the ternary products against what
 * the machine can do. */
#ifndef BENCH_KERNEL_SPEED_H
#define BENCH_KERNEL_SPEED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

/* What is measured, and who gets the rows. A row: {"name", "isa", "threads", "seconds" of one call, "bytes_per_second",
 * "operations_per_second", "ratio_to_scalar", "percent_of_reading", "percent_of_peak", "times_one_token", "per_second"},
 * null where a figure has no meaning. A multiply-add counts as two operations. */
struct kernel_bench {
    const char *const *words; /* [n_words]: only operations whose name contains one of them; none: all */
    size_t n_words;
    const char *const *isas; /* [n_isas], names of kernels.h */
    size_t n_isas;
    const size_t *threads; /* [n_threads] */
    size_t n_threads;
    bool (*cancelled)(void);                        /* asked between measurements */
    void (*begin)(void *context, const char *name); /* is measured next */
    void (*row)(void *context, json_t *row);        /* is the callee's */
    void *context;
};

/* Each operation, one thread by its own CPU clock, medians of samples in which the tables take turns. "memory" in a name:
 * the weights are read from more copies than the caches hold. BN_STATUS_NO_MEMORY, BN_STATUS_CANCELLED,
 * BN_STATUS_BAD_ARGUMENT for a name that no table here has. */
bn_status kernel_speeds(const struct kernel_bench *bench, bn_error *err);

/* "roofline ROWSxCOLS LAYOUT, N tokens": ternary products as a model calls them, in chunks that threads take, in turns with
 * the limits. "bitlinear 1024x1024": steps of one layer that stays in the cache. `scalar` is left out. Errors as above. */
bn_status kernel_rooflines(const struct kernel_bench *bench, bn_error *err);

/* For both: does the selection name this? */
bool kernel_bench_wants(const struct kernel_bench *bench, const char *name);

/* Figures of one row; NAN: none. */
struct kernel_figures {
    double seconds, bytes, operations; /* per call */
    double ratio_to_scalar, percent_of_reading, percent_of_peak, times_one_token, per_second;
};
void kernel_bench_emit(const struct kernel_bench *bench, const char *name, const char *isa, size_t threads,
                       const struct kernel_figures *figures);

#endif
