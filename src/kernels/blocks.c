/* Decoding of quantised blocks: small formats of 32 to 128 values with one scale, and the ternary ones. The K-quants
 * with their two levels of scales are in blocks_k.c.
 *
 * Each function is the formula of docs/tensor-types.md in loop form. Products are rounded one by one in the order
 * written there (the build forbids contraction), so results equal the reference decoder's bit for bit. Nothing here can
 * fail: every byte pattern means something. */
#include "kernels/blocks.h"

#include <string.h>

#include "base/half.h"

static inline uint16_t load_u16(const uint8_t *b) {
    uint16_t u;
    memcpy(&u, b, sizeof u);
    return u;
}
static inline uint32_t load_u32(const uint8_t *b) {
    uint32_t u;
    memcpy(&u, b, sizeof u);
    return u;
}
static inline float load_f16(const uint8_t *b) {
    return f16_to_f32(load_u16(b));
}

/* ---- 32 values, 4, 5 or 8 bits: the low nibbles of 16 bytes are values 0-15, the high ones 16-31 ---- */

void decode_q4_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 18, y += 32) {
        float d = load_f16(b);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)((b[2 + i] & 15) - 8);
            y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
        }
    }
}

void decode_q4_1(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 20, y += 32) {
        float d = load_f16(b), m = load_f16(b + 2);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)(b[4 + i] & 15) + m;
            y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
        }
    }
}

void decode_q5_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 22, y += 32) {
        float d = load_f16(b);
        uint32_t high = load_u32(b + 2);
        for (int i = 0; i < 16; i++) {
            int low16 = (b[6 + i] & 15) | (int)(high >> i & 1) << 4;
            int high16 = b[6 + i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
            y[i] = d * (float)(low16 - 16);
            y[i + 16] = d * (float)(high16 - 16);
        }
    }
}

void decode_q5_1(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 24, y += 32) {
        float d = load_f16(b), m = load_f16(b + 2);
        uint32_t high = load_u32(b + 4);
        for (int i = 0; i < 16; i++) {
            int low16 = (b[8 + i] & 15) | (int)(high >> i & 1) << 4;
            int high16 = b[8 + i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
            y[i] = d * (float)low16 + m;
            y[i + 16] = d * (float)high16 + m;
        }
    }
}

void decode_q8_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 34, y += 32) {
        float d = load_f16(b);
        for (int i = 0; i < 32; i++) y[i] = d * (float)(int8_t)b[2 + i];
    }
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void decode_iq4_nl(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 18, y += 32) {
        float d = load_f16(b);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)iq4_values[b[2 + i] & 15];
            y[i + 16] = d * (float)iq4_values[b[2 + i] >> 4];
        }
    }
}

/* 256 values in eight groups of 32 nibbles like iq4_nl's, each group with a 6-bit scale in two pieces. */
void decode_iq4_xs(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 136) {
        float d = load_f16(b);
        unsigned high = load_u16(b + 2);
        const uint8_t *low = b + 4, *q = b + 8;
        for (int j = 0; j < 8; j++, q += 16, y += 32) {
            int scale = (low[j / 2] >> 4 * (j & 1) & 15) | (int)(high >> 2 * j & 3) << 4;
            float ds = d * (float)(scale - 32);
            for (int i = 0; i < 16; i++) {
                y[i] = ds * (float)iq4_values[q[i] & 15];
                y[i + 16] = ds * (float)iq4_values[q[i] >> 4];
            }
        }
    }
}

/* ---- 4-bit floats (e2m1, here doubled to be integers) ---- */

static const int8_t doubled_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* The shared exponent e is 2^(e-127) on e2m1, so 2^(e-128) on doubled values: subnormal for e = 0 and 1. */
void decode_mxfp4(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 17, y += 32) {
        uint32_t e = b[0];
        float d = f32_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
        for (int i = 0; i < 16; i++) {
            y[i] = d * (float)doubled_e2m1[b[1 + i] & 15];
            y[i + 16] = d * (float)doubled_e2m1[b[1 + i] >> 4];
        }
    }
}

/* Unsigned e4m3 (bias 7), halved because the values it scales are doubled; 0x7F, its NaN, counts as 0. */
static float half_ue4m3(uint8_t code) {
    if (code == 0x7f) return 0;
    int exponent = code >> 3 & 15, mantissa = code & 7;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return (float)(8 + mantissa) * f32_from_bits((uint32_t)(exponent - 11 + 127) << 23);
}

void decode_nvfp4(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 36) {
        for (int g = 0; g < 4; g++, y += 16) {
            float d = half_ue4m3(b[g]);
            const uint8_t *q = b + 4 + 8 * g;
            for (int i = 0; i < 8; i++) {
                y[i] = d * (float)doubled_e2m1[q[i] & 15];
                y[i + 8] = d * (float)doubled_e2m1[q[i] >> 4];
            }
        }
    }
}

/* ---- one and two bits ---- */

void decode_q1_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 18, y += 128) {
        float d = load_f16(b);
        for (int i = 0; i < 128; i++) y[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
    }
}

/* Codes 0, 1, 2, 3 mean -1, 0, 1 and 2: the lowest bits of a byte come first. */
static void decode_two_bits(const uint8_t *b, float *y, size_t n_blocks, size_t n_bytes) {
    for (; n_blocks > 0; n_blocks--, b += 2 + n_bytes) {
        float d = load_f16(b);
        for (size_t i = 0; i < n_bytes; i++, y += 4) {
            for (int k = 0; k < 4; k++) y[k] = d * (float)((b[2 + i] >> 2 * k & 3) - 1);
        }
    }
}

void decode_q2_0(const uint8_t *b, float *y, size_t n_blocks) {
    decode_two_bits(b, y, n_blocks, 16);
}

void decode_pq2_0(const uint8_t *b, float *y, size_t n_blocks) {
    decode_two_bits(b, y, n_blocks, 32);
}

void decode_tq2_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 66) {
        float d = load_f16(b + 64);
        for (int half = 0; half < 2; half++) {
            for (int shift = 0; shift < 8; shift += 2, y += 32) {
                for (int i = 0; i < 32; i++) y[i] = d * (float)((b[32 * half + i] >> shift & 3) - 1);
            }
        }
    }
}

/* Base three: a byte is a fraction of 256 whose ternary digits come out at the top when it is multiplied by 3 (modulo
 * 256 for what has been taken already). Digit k of the n_bytes bytes is value n_bytes·k + index of the byte. */
static float *decode_trits(const uint8_t *bytes, size_t n_bytes, int n_digits, float d, float *y) {
    unsigned power = 1;
    for (int k = 0; k < n_digits; k++, power *= 3, y += n_bytes) {
        for (size_t i = 0; i < n_bytes; i++) {
            unsigned rest = bytes[i] * power & 255;
            y[i] = d * (float)((int)(rest * 3 >> 8) - 1);
        }
    }
    return y;
}

void decode_tq1_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 54) {
        float d = load_f16(b + 52);
        y = decode_trits(b, 32, 5, d, y);
        y = decode_trits(b + 32, 16, 5, d, y);
        y = decode_trits(b + 48, 4, 4, d, y);
    }
}

void decode_ptq1_0(const uint8_t *b, float *y, size_t n_blocks) {
    for (; n_blocks > 0; n_blocks--, b += 28) {
        float d = load_f16(b + 26);
        y = decode_trits(b, 16, 5, d, y);
        y = decode_trits(b + 16, 8, 5, d, y);
        y = decode_trits(b + 24, 2, 4, d, y);
    }
}
