/* The largest of many floats. */
#ifndef ENGINE_ARGMAX_H
#define ENGINE_ARGMAX_H

#include <stddef.h>

/* NaNs lose every comparison; −infinity for none. (argmax_lowest is in sampler.h.) */
float max_of(const float *x, size_t n);

#endif
