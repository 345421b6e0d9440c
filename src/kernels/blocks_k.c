/* Decoding of the K-quants: 256 values in groups of 16 or 32, whose scales (and minima) are small integers times one
 * or two f16 scales of the block. Products are rounded one by one: (d · scale) first, then · q, then − (dmin · min). */
#include "kernels/blocks.h"

#include <string.h>

#include "base/half.h"

static inline float load_f16(const uint8_t *b) {
    uint16_t u;
    memcpy(&u, b, sizeof u);
    return f16_to_f32(u);
}

/* Two-bit codes of Q2_K and Q3_K: 64 bytes; byte r of each half holds values r, 32 + r, 64 + r, 96 + r of its 128. */
void decode_q2_k(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 84) {
        const uint8_t *scales = b, *q = b + 16;
        float d = load_f16(b + 80), dmin = load_f16(b + 82);
        for (int j = 0; j < 16; j++, y += 16) {
            const uint8_t *codes = q + 32 * (j / 8) + 16 * (j & 1);
            int shift = 2 * (j % 8 / 2);
            float ds = d * (float)(scales[j] & 15), m = dmin * (float)(scales[j] >> 4);
            for (int i = 0; i < 16; i++) y[i] = ds * (float)(codes[i] >> shift & 3) - m;
        }
    }
}

/* The third bit of Q3_K is stored inverted: 1 means "don't subtract 4". */
void decode_q3_k(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 110) {
        const uint8_t *high = b, *q = b + 32, *scales = b + 96;
        float d = load_f16(b + 108);
        for (int j = 0; j < 16; j++, y += 16) {
            int scale = (scales[j % 8] >> 4 * (j / 8) & 15) | (scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
            float ds = d * (float)(scale - 32);
            const uint8_t *codes = q + 32 * (j / 8) + 16 * (j & 1), *bits = high + 16 * (j & 1);
            int shift = 2 * (j % 8 / 2);
            for (int i = 0; i < 16; i++) {
                int low = codes[i] >> shift & 3;
                y[i] = ds * (float)(bits[i] >> j / 2 & 1 ? low : low - 4);
            }
        }
    }
}

/* Scale and minimum of group j of Q4_K and Q5_K: eight pairs of 6-bit numbers in 12 bytes. */
static void scale_and_min(const uint8_t *packed, int j, int *scale, int *min) {
    if (j < 4) {
        *scale = packed[j] & 63;
        *min = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
        *min = packed[j + 4] >> 4 | packed[j] >> 6 << 4;
    }
}

void decode_q4_k(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 144) {
        float d = load_f16(b), dmin = load_f16(b + 2);
        for (int j = 0; j < 8; j++, y += 32) {
            const uint8_t *q = b + 16 + 32 * (j / 2);
            int shift = 4 * (j & 1), scale, min;
            scale_and_min(b + 4, j, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            for (int i = 0; i < 32; i++) y[i] = ds * (float)(q[i] >> shift & 15) - m;
        }
    }
}

void decode_q5_k(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 176) {
        const uint8_t *high = b + 16;
        float d = load_f16(b), dmin = load_f16(b + 2);
        for (int j = 0; j < 8; j++, y += 32) {
            const uint8_t *q = b + 48 + 32 * (j / 2);
            int shift = 4 * (j & 1), scale, min;
            scale_and_min(b + 4, j, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            for (int i = 0; i < 32; i++) {
                int code = (q[i] >> shift & 15) | (high[i] >> j & 1) << 4;
                y[i] = ds * (float)code - m;
            }
        }
    }
}

void decode_q6_k(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 210) {
        float d = load_f16(b + 208);
        for (int j = 0; j < 16; j++, y += 16) { /* 16 values with one scale */
            int half = j / 8, in_half = 16 * (j % 8);
            const uint8_t *low = b + 64 * half + in_half % 64, *high = b + 128 + 32 * half + in_half % 32;
            int low_shift = 4 * (in_half / 64), high_shift = 2 * (in_half / 32);
            float ds = d * (float)(int8_t)b[192 + j];
            for (int i = 0; i < 16; i++) {
                int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
                y[i] = ds * (float)(code - 32);
            }
        }
    }
}
