/* Encoding into blocks: the inverse of blocks.c for the types that conversion writes.
 *
 * Q8_0, Q4_0, TQ1_0 and TQ2_0 follow the reference quantisers bit for bit (ggml's gguf-py); Q2_0 and PQ2_0 use the
 * rule of TQ2_0 on their own groups. So values that are 0 and ± one magnitude per block come back exactly, but for the
 * rounding of the magnitude to f16. NaN isn't a value: who encodes has checked. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/blocks.h"

static void store_f16(uint8_t *b, float x) {
    uint16_t u = f32_to_f16(x);
    memcpy(b, &u, sizeof u);
}

static float largest_magnitude(const float *x, size_t n) {
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    return largest;
}

void encode_f16(const float *x, uint8_t *b, size_t n) {
    for (size_t i = 0; i < n; i++) store_f16(b + 2 * i, x[i]);
}

void encode_bf16(const float *x, uint8_t *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t u = f32_to_bf16(x[i]);
        memcpy(b + 2 * i, &u, sizeof u);
    }
}

void encode_f32(const float *x, uint8_t *b, size_t n) {
    memcpy(b, x, n * sizeof *x);
}

/* d = max|x|/127; halves are rounded away from zero. */
void encode_q8_0(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 34, x += 32) {
        float d = largest_magnitude(x, 32) / 127, inverse = d != 0 ? 1 / d : 0;
        store_f16(b, d);
        for (int i = 0; i < 32; i++) b[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
    }
}

/* The value of largest magnitude becomes −8. */
void encode_q4_0(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 18, x += 32) {
        float extreme = x[0];
        for (int i = 1; i < 32; i++)
            if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
        float d = extreme / -8, inverse = d != 0 ? 1 / d : 0;
        store_f16(b, d);
        for (int i = 0; i < 16; i++) {
            int low = (int)(x[i] * inverse + 8.5f), high = (int)(x[i + 16] * inverse + 8.5f);
            b[2 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
        }
    }
}

/* ---- ternary: d = max|x|, codes round(x/d) + 1 ---- */

/* Codes 0, 1, 2 of n values; returns d. */
static float ternary_codes(const float *x, uint8_t *codes, size_t n) {
    float d = largest_magnitude(x, n), inverse = d != 0 ? 1 / d : 0;
    for (size_t i = 0; i < n; i++) {
        float scaled = x[i] * inverse;
        codes[i] = (uint8_t)(1 + (scaled >= 0.5f) - (scaled <= -0.5f));
    }
    return d;
}

void encode_tq2_0(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 66, x += 256) {
        uint8_t codes[256];
        store_f16(b + 64, ternary_codes(x, codes, 256));
        for (int half = 0; half < 2; half++) {
            const uint8_t *q = codes + 128 * half;
            for (int i = 0; i < 32; i++)
                b[32 * half + i] = (uint8_t)(q[i] | q[32 + i] << 2 | q[64 + i] << 4 | q[96 + i] << 6);
        }
    }
}

/* n_digits values, n_bytes apart, become one byte: a fraction of 256 whose ternary digits they are. */
static const uint8_t *encode_trits(const uint8_t *codes, uint8_t *b, size_t n_bytes, int n_digits) {
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned number = 0;
        for (int k = 0; k < 5; k++) number = 3 * number + (k < n_digits ? codes[i + n_bytes * (size_t)k] : 0);
        b[i] = (uint8_t)((number * 256 + 242) / 243);
    }
    return codes + n_bytes * (size_t)n_digits;
}

void encode_tq1_0(const float *x, uint8_t *b, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 54, x += 256) {
        uint8_t codes[256];
        store_f16(b + 52, ternary_codes(x, codes, 256));
        const uint8_t *rest = encode_trits(codes, b, 32, 5);
        rest = encode_trits(rest, b + 32, 16, 5);
        encode_trits(rest, b + 48, 4, 4);
    }
}

static void encode_two_bits(const float *x, uint8_t *b, size_t n_blocks, size_t n_bytes) {
    for (; n_blocks > 0; n_blocks--, b += 2 + n_bytes, x += 4 * n_bytes) {
        uint8_t codes[128];
        store_f16(b, ternary_codes(x, codes, 4 * n_bytes));
        for (size_t i = 0; i < n_bytes; i++) {
            const uint8_t *q = codes + 4 * i;
            b[2 + i] = (uint8_t)(q[0] | q[1] << 2 | q[2] << 4 | q[3] << 6);
        }
    }
}

void encode_q2_0(const float *x, uint8_t *b, size_t n_blocks) {
    encode_two_bits(x, b, n_blocks, 16);
}

void encode_pq2_0(const float *x, uint8_t *b, size_t n_blocks) {
    encode_two_bits(x, b, n_blocks, 32);
}
