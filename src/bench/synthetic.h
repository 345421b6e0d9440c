/* Models of random weights in the shapes of real ones: for measuring speed, and for nothing else. */
#ifndef BENCH_SYNTHETIC_H
#define BENCH_SYNTHETIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/tensor_type.h"

struct synthetic_shape {
    const char *name, *summary;
    size_t n_layers, hidden_size, intermediate_size, n_heads, n_kv_heads, vocab_size, context_length;
    float rope_theta;
};

/* NULL past the end. */
const struct synthetic_shape *synthetic_shape_at(size_t index);
const struct synthetic_shape *synthetic_shape_find(const char *name);

/* Writes a BitNet model of this shape as GGUF: ternary weights as TQ2_0, head (tied to the embedding) as TYPE_F16 or
 * TYPE_Q6_K; with a vocabulary of bytes and made-up words, so that it can be served, or with none. Tensors are made piece by piece: little memory whatever the size. The same seed gives the same
 * bytes. */
bn_status synthetic_write(const struct synthetic_shape *shape, enum tensor_type head, bool vocabulary, uint64_t seed,
                          const char *path, bn_error *err);

#endif
