/* Rotary position embedding (Su et al., "RoFormer", 2021) and the ways its frequencies are stretched for contexts
 * longer than those of training.
 *
 * Products are float32, as in the reference implementation: at positions beyond 10⁵ that rounding shows, and the
 * models were trained with it. cos and sin are taken in double and rounded once, so they don't depend on which libm
 * version or instruction set computes them. */
#include "model/rope.h"

#include <math.h>

#define PI 3.14159265358979323846

/* θ^(−2i/R) */
static float base_frequency(double theta, size_t pair, size_t n_dims) {
    float exponent = (float)(2 * pair) / (float)n_dims;
    return 1.0f / (float)pow(theta, (double)exponent);
}

/* YaRN (Peng et al., 2023): dimensions that turn more than beta_fast times within the original context stay, those
 * that turn less than beta_slow times are interpolated, and a linear ramp lies between. */
static void yarn_frequencies(const struct rope_config *c, float *out) {
    double scale = (double)c->n_dims / (2 * log(c->theta)), length = (double)c->original_positions / (2 * PI);
    double low = scale * log(length / c->beta_fast), high = scale * log(length / c->beta_slow);
    if (c->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)c->n_dims - 1);
    if (low == high) high += 0.001;
    for (size_t i = 0; i < c->n_dims / 2; i++) {
        float ramp = (float)fmin(fmax(((double)i - low) / (high - low), 0), 1);
        float extrapolated = base_frequency(c->theta, i, c->n_dims);
        float interpolated = extrapolated / (float)c->factor;
        out[i] = interpolated * ramp + extrapolated * (1 - ramp);
    }
}

/* Llama 3.1: long wavelengths are divided by the factor, short ones stay, and those between are blended. */
static float llama3_frequency(const struct rope_config *c, float frequency) {
    double wavelength = 2 * PI / (double)frequency, original = (double)c->original_positions;
    float scaled = frequency / (float)c->factor;
    if (wavelength < original / c->high_freq_factor) return frequency;
    if (wavelength > original / c->low_freq_factor) return scaled;
    float blend = (float)((original / wavelength - c->low_freq_factor) / (c->high_freq_factor - c->low_freq_factor));
    return (1 - blend) * scaled + blend * frequency;
}

/* Dynamic NTK: θ grows with the length of the sequence. */
static double dynamic_theta(const struct rope_config *c, size_t length) {
    double longest = (double)c->max_positions, n = fmax((double)length, longest), dims = (double)c->n_dims;
    return c->theta * pow(c->factor * n / longest - (c->factor - 1), dims / (dims - 2));
}

static float attention_factor(const struct rope_config *c) {
    if (c->type != ROPE_YARN && c->type != ROPE_LONGROPE) return 1;
    if (!isnan(c->attention_factor)) return (float)c->attention_factor;
    if (c->factor <= 1) return 1;
    if (c->type == ROPE_LONGROPE) return (float)sqrt(1 + log(c->factor) / log((double)c->original_positions));
    if (c->mscale > 0 && c->mscale_all_dim > 0)
        return (float)((0.1 * c->mscale * log(c->factor) + 1) / (0.1 * c->mscale_all_dim * log(c->factor) + 1));
    return (float)(0.1 * log(c->factor) + 1);
}

bn_status rope_init(struct rope *rope, const struct rope_config *config, struct arena *arena, bn_error *err) {
    size_t n = config->n_dims / 2;
    *rope = (struct rope){.config = config, .n_pairs = n, .attention_factor = attention_factor(config)};
    rope->inverse_frequencies = arena_alloc_array(arena, n, sizeof(float));
    if (config->type == ROPE_LONGROPE) rope->long_frequencies = arena_alloc_array(arena, n, sizeof(float));
    if (!rope->inverse_frequencies || (config->type == ROPE_LONGROPE && !rope->long_frequencies))
        return fail_no_memory(err, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        float frequency = base_frequency(config->theta, i, config->n_dims);
        switch (config->type) {
        case ROPE_DEFAULT:
        case ROPE_DYNAMIC:
        case ROPE_YARN:
            break;
        case ROPE_LINEAR:
            frequency /= (float)config->factor;
            break;
        case ROPE_LLAMA3:
            frequency = llama3_frequency(config, frequency);
            break;
        case ROPE_LONGROPE:
            /* The reference divides 1 by (factor · θ^…), not the frequency by the factor. */
            rope->long_frequencies[i] = 1.0f / (config->long_factors[i] * (1.0f / frequency));
            frequency = 1.0f / (config->short_factors[i] * (1.0f / frequency));
            break;
        }
        rope->inverse_frequencies[i] = frequency;
    }
    if (config->type == ROPE_YARN) yarn_frequencies(config, rope->inverse_frequencies);
    for (size_t i = 0; config->divisors && i < n; i++) rope->inverse_frequencies[i] /= config->divisors[i];
    return BN_OK;
}

const float *rope_frequencies(const struct rope *rope, size_t reserved_length, float *scratch) {
    const struct rope_config *c = rope->config;
    if (rope->long_frequencies && reserved_length > c->original_positions) return rope->long_frequencies;
    if (c->type != ROPE_DYNAMIC || reserved_length <= c->max_positions) return rope->inverse_frequencies;
    double theta = dynamic_theta(c, reserved_length);
    for (size_t i = 0; i < rope->n_pairs; i++) scratch[i] = base_frequency(theta, i, c->n_dims);
    return scratch;
}

size_t rope_class(const struct rope *rope, size_t reserved_length) {
    const struct rope_config *c = rope->config;
    if (!c) return 0;
    if (rope->long_frequencies && reserved_length > c->original_positions) return 1;
    return c->type == ROPE_DYNAMIC && reserved_length > c->max_positions ? reserved_length : 0;
}

void rope_angles(const struct rope *rope, const float *frequencies, size_t position, float *cosines, float *sines) {
    for (size_t i = 0; i < rope->n_pairs; i++) {
        float angle = (float)position * frequencies[i];
        cosines[i] = (float)cos((double)angle) * rope->attention_factor;
        sines[i] = (float)sin((double)angle) * rope->attention_factor;
    }
}

const char *rope_type_name(const struct rope_config *config) {
    static const char *const names[] = {"rope",        "rope (linear)", "rope (dynamic NTK)",
                                        "rope (yarn)", "rope (llama3)", "rope (longrope)"};
    return config->divisors ? "rope (llama3)" : names[config->type];
}
