/* The largest of many floats, in 16 lanes so that it vectorises: a maximum doesn't depend on the order. */
#include "engine/argmax.h"

#include <math.h>

#include "engine/sampler.h"

#define LANES 16

float max_of(const float *x, size_t n) {
    float lane[LANES];
    for (size_t j = 0; j < LANES; j++) lane[j] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    float max = -INFINITY;
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    for (size_t j = 0; j < LANES; j++) max = lane[j] > max ? lane[j] : max;
    return max;
}

int32_t argmax_lowest(const float *logits, size_t n) {
    float max = max_of(logits, n);
    for (size_t id = 0; id < n; id++)
        if (logits[id] == max) return (int32_t)id;
    return 0; /* only NaNs */
}
