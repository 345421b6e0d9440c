/* The machine that measures, and what it could do at best. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "kernels/limits.h"

struct machine {
    char id[17];                /* hexadecimal: equal for equal processors, core counts and memory sizes */
    char cpu[100];              /* "AMD EPYC 9654" */
    const char *features, *isa; /* static: what the kernels can use, and the best of them */
    size_t n_cpus, n_cores;     /* for this process */
    uint64_t memory_bytes;
    size_t l1d_bytes, l2_bytes, l3_bytes; /* of one core; 0: unknown */
};

void machine_describe(struct machine *machine);

/* {"id", "cpu", "features", …} */
/* 16 hexadecimal digits that tell one text from another (FNV-1a: an identity, not a secret). */
void identity_hash(const char *text, char out[17]);

json_t *machine_json(const struct machine *machine);

/* $XDG_CACHE_HOME/bitnet/NAME, else ~/.cache/bitnet/NAME; newly allocated, NULL without a home. cache_file_write makes the folders. */
char *cache_path(const char *name);
bn_status cache_file_write(const char *name, const json_t *value, bn_error *err);

/* Limits for `threads` threads and kernels `isa`: those stored for this machine in the cache folder, or, if there are none or
 * `fresh`, measured now and stored (a cache that can't be written is no error). */
bn_status machine_limits(const struct machine *machine, size_t threads, const char *isa, bool fresh,
                         struct machine_limits *out, bn_error *err);
/* Those stored; false when there are none. */
bool machine_limits_stored(const struct machine *machine, size_t threads, const char *isa, struct machine_limits *out);

#endif
