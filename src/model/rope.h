/* Rotary position embedding: the angles of every scaling rule. Rotating itself is a kernel. */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include <stddef.h>

#include "base/arena.h"
#include "model/config.h"

/* Frequencies ready for use. Where they depend on how long a sequence may become there are two sets. */
struct rope {
    const struct rope_config *config;
    size_t n_pairs;
    float *inverse_frequencies; /* [n_pairs] radians per position; of sequences up to original_positions */
    float *long_frequencies;    /* [n_pairs] of longer ones (longrope), or NULL */
    float attention_factor;     /* of both cos and sin */
};

bn_status rope_init(struct rope *rope, const struct rope_config *config, struct arena *arena, bn_error *err);

/* Frequencies for a sequence that may grow to reserved_length positions; `scratch` [n_pairs] is used where they
 * depend on that length (dynamic NTK). */
const float *rope_frequencies(const struct rope *rope, size_t reserved_length, float *scratch);

/* Sequences of the same class get the same frequencies: 0 the usual ones, 1 the long ones of longrope, else the length
 * that the base of dynamic NTK was made for. */
size_t rope_class(const struct rope *rope, size_t reserved_length);

/* cos and sin of position × frequency, times the attention factor. */
void rope_angles(const struct rope *rope, const float *frequencies, size_t position, float *cosines, float *sines);

/* "rope", "rope (llama3)", … */
const char *rope_type_name(const struct rope_config *config);

#endif
