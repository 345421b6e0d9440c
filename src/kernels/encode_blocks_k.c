/* Encoding into the K-quants Q4_K and Q6_K.
 *
 * Scales are found by search: some candidates around max/levels, for each the codes that it gives and then the scale
 * (and minimum) that fit these codes best by least squares; the candidate with the smallest squared error stays. The
 * scales are then rounded to the block's own integers, and the codes are made anew for the rounded ones. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/blocks.h"

enum { N_CANDIDATES = 16 };

static float store_rounded_f16(uint8_t *b, float x) {
    uint16_t u = f32_to_f16(x);
    memcpy(b, &u, sizeof u);
    return f16_to_f32(u);
}

static float clampf(float x, float low, float high) {
    return fminf(fmaxf(x, low), high);
}

/* ---- Q4_K: x ≈ scale·q − minimum, q in 0 … 15, both ≥ 0 ---- */

struct affine {
    float scale, minimum;
};

/* Least squares of x over codes: slope and intercept from their sums. */
static struct affine fit_affine(const float *x, const float *codes, int n) {
    float sum_q = 0, sum_qq = 0, sum_x = 0, sum_qx = 0;
    for (int i = 0; i < n; i++) {
        sum_q += codes[i];
        sum_qq += codes[i] * codes[i];
        sum_x += x[i];
        sum_qx += codes[i] * x[i];
    }
    float determinant = (float)n * sum_qq - sum_q * sum_q;
    if (determinant <= 0) return (struct affine){0, fmaxf(-sum_x / (float)n, 0)};
    struct affine fit = {((float)n * sum_qx - sum_q * sum_x) / determinant,
                         -(sum_qq * sum_x - sum_q * sum_qx) / determinant};
    if (fit.minimum < 0) fit = (struct affine){sum_qx / sum_qq, 0};
    fit.scale = fmaxf(fit.scale, 0);
    return fit;
}

static float codes_of(const float *x, struct affine a, float *codes, int n) {
    float inverse = a.scale > 0 ? 1 / a.scale : 0, error = 0;
    for (int i = 0; i < n; i++) {
        codes[i] = clampf(rintf((x[i] + a.minimum) * inverse), 0, 15);
        float difference = x[i] - (a.scale * codes[i] - a.minimum);
        error += difference * difference;
    }
    return error;
}

static struct affine search_affine(const float *x, int n) {
    float low = 0, high = x[0], codes[32];
    for (int i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    struct affine best = {fmaxf(high - low, 0) / 15, -low};
    float least = codes_of(x, best, codes, n);
    for (int k = 0; k < N_CANDIDATES && high > low; k++) {
        struct affine start = {(high - low) / (13.5f + 0.2f * (float)k), -low};
        codes_of(x, start, codes, n);
        struct affine fit = fit_affine(x, codes, n);
        float error = codes_of(x, fit, codes, n);
        if (error >= least) continue;
        least = error;
        best = fit;
    }
    return best;
}

/* The twelve bytes of eight 6-bit scales and minima. */
static void store_scales(uint8_t *b, const uint8_t scales[8], const uint8_t minima[8]) {
    for (int j = 0; j < 4; j++) {
        b[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        b[j + 4] = (uint8_t)(minima[j] | minima[j + 4] >> 4 << 6);
        b[j + 8] = (uint8_t)((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
    }
}

static void encode_q4_k_block(const float *x, uint8_t *b) {
    struct affine fits[8];
    float largest_scale = 0, largest_minimum = 0;
    for (int j = 0; j < 8; j++) {
        fits[j] = search_affine(x + 32 * j, 32);
        largest_scale = fmaxf(largest_scale, fits[j].scale);
        largest_minimum = fmaxf(largest_minimum, fits[j].minimum);
    }
    float d = store_rounded_f16(b, largest_scale / 63), dmin = store_rounded_f16(b + 2, largest_minimum / 63);
    uint8_t scales[8], minima[8];
    for (int j = 0; j < 8; j++) {
        scales[j] = (uint8_t)(d > 0 ? clampf(rintf(fits[j].scale / d), 0, 63) : 0);
        minima[j] = (uint8_t)(dmin > 0 ? clampf(rintf(fits[j].minimum / dmin), 0, 63) : 0);
    }
    store_scales(b + 4, scales, minima);
    for (int j = 0; j < 8; j += 2) {
        float low[32], high[32];
        codes_of(x + 32 * j, (struct affine){d * (float)scales[j], dmin * (float)minima[j]}, low, 32);
        codes_of(x + 32 * j + 32, (struct affine){d * (float)scales[j + 1], dmin * (float)minima[j + 1]}, high, 32);
        for (int i = 0; i < 32; i++) b[16 + 16 * j + i] = (uint8_t)((int)low[i] | (int)high[i] << 4);
    }
}

void encode_q4_k(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 144, x += 256) encode_q4_k_block(x, b);
}

/* ---- Q6_K: x ≈ scale·q, q in −32 … 31 ---- */

static float codes_around_zero(const float *x, float scale, float *codes, int n) {
    float inverse = scale != 0 ? 1 / scale : 0, error = 0;
    for (int i = 0; i < n; i++) {
        codes[i] = clampf(rintf(x[i] * inverse), -32, 31);
        float difference = x[i] - scale * codes[i];
        error += difference * difference;
    }
    return error;
}

/* The value of largest magnitude begins as code −32 or near it, so the scale has the opposite sign of it. */
static float search_scale(const float *x, int n) {
    float extreme = x[0], codes[16];
    for (int i = 1; i < n; i++)
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    float best = -extreme / 32, least = codes_around_zero(x, best, codes, n);
    for (int k = 0; k < N_CANDIDATES && extreme != 0; k++) {
        codes_around_zero(x, -extreme / (31.2f + 0.1f * (float)k), codes, n);
        float sum_qq = 0, sum_qx = 0;
        for (int i = 0; i < n; i++) {
            sum_qq += codes[i] * codes[i];
            sum_qx += codes[i] * x[i];
        }
        float fit = sum_qq > 0 ? sum_qx / sum_qq : 0, error = codes_around_zero(x, fit, codes, n);
        if (error >= least) continue;
        least = error;
        best = fit;
    }
    return best;
}

static void encode_q6_k_block(const float *x, uint8_t *b) {
    float scales[16], extreme = 0;
    for (int j = 0; j < 16; j++) {
        scales[j] = search_scale(x + 16 * j, 16);
        if (fabsf(scales[j]) > fabsf(extreme)) extreme = scales[j];
    }
    memset(b, 0, 208);
    float d = store_rounded_f16(b + 208, -extreme / 128);
    for (int j = 0; j < 16; j++) {
        float codes[16];
        int scale = d != 0 ? (int)clampf(rintf(scales[j] / d), -128, 127) : 0;
        b[192 + j] = (uint8_t)(int8_t)scale;
        codes_around_zero(x + 16 * j, d * (float)scale, codes, 16);
        int half = j / 8, in_half = 16 * (j % 8);
        uint8_t *low = b + 64 * half + in_half % 64, *high = b + 128 + 32 * half + in_half % 32;
        for (int i = 0; i < 16; i++) {
            int code = (int)codes[i] + 32;
            low[i] |= (uint8_t)((code & 15) << 4 * (in_half / 64));
            high[i] |= (uint8_t)(code >> 4 << 2 * (in_half / 32));
        }
    }
}

void encode_q6_k(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 210, x += 256) encode_q6_k_block(x, b);
}
