/* Packing and unpacking of groups in the layouts L16, L12 and S6. Packing L16 is what loading a model in another packing
 * waits for, so it takes 16 weights at a time; the others walk the packed bytes as layout.h's formulas have them. */
#include "kernels/layout.h"

#include <stdint.h>
#include <string.h>

/* Eight int8 -1/0/1 as codes 0/1/2. */
static uint64_t codes_of(const int8_t *weights) {
    uint64_t bytes;
    memcpy(&bytes, weights, sizeof bytes);
    /* + 1 in every byte: the highest bit apart, so that nothing carries into the next */
    return ((bytes & 0x7f7f7f7f7f7f7f7f) + 0x0101010101010101) ^ (bytes & 0x8080808080808080);
}

/* 16 weights of a row as its lane of a block: plane p's codes two bits higher than plane p - 1's. */
static uint32_t lane_of(const int8_t *weights) {
    uint64_t planes = codes_of(weights) | codes_of(weights + 8) << 4;
    return (uint32_t)planes | (uint32_t)(planes >> 32) << 2;
}

#define LANE_OF_ZEROS 0x55555555u

void l16_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols) {
    size_t n_steps = l16_steps(n_cols), whole = n_cols / L16_COLS;
    for (size_t r = 0; r < L16_ROWS; r++) {
        const int8_t *row = rows + r * n_cols;
        uint8_t *lanes = out + r * sizeof(uint32_t);
        for (size_t b = 0; b < n_steps; b++) {
            uint32_t lane = LANE_OF_ZEROS;
            if (r < n_rows && b < whole) {
                lane = lane_of(row + b * L16_COLS);
            } else if (r < n_rows) {
                int8_t rest[L16_COLS] = {0};
                memcpy(rest, row + b * L16_COLS, n_cols - b * L16_COLS);
                lane = lane_of(rest);
            }
            memcpy(lanes + b * L16_BLOCK_BYTES, &lane, sizeof lane);
        }
    }
}

void l16_unpack_group(int8_t *rows, const uint8_t *packed, size_t n_rows, size_t n_cols) {
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_cols; c++) {
            size_t b = c / L16_COLS, p = c / 4 % 4, j = c % 4;
            unsigned byte = packed[b * L16_BLOCK_BYTES + 4 * r + j];
            rows[r * n_cols + c] = (int8_t)((int)(byte >> 2 * p & 3) - 1);
        }
    }
}

void l12_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols) {
    size_t n_steps = l12_steps(n_cols);
    for (size_t b = 0; b < n_steps; b++) {
        for (size_t eight = 0; eight < 8; eight++, out += 5) {
            uint64_t packed = 0;
            for (size_t i = 0; i < 8; i++) {
                size_t r = (8 * eight + i) / 4, j = i % 4;
                unsigned code = 0;
                for (size_t p = 3; p-- > 0;) {
                    size_t c = L12_COLS * b + 4 * p + j;
                    int weight = r < n_rows && c < n_cols ? rows[r * n_cols + c] : 0;
                    code = 3 * code + (unsigned)(weight + 1);
                }
                packed |= (uint64_t)code << 5 * i;
            }
            memcpy(out, &packed, 5);
        }
    }
}

void l12_unpack_group(int8_t *rows, const uint8_t *packed, size_t n_rows, size_t n_cols) {
    static const unsigned powers[3] = {1, 3, 9};
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_cols; c++) {
            size_t b = c / L12_COLS, p = c % L12_COLS / 4, at = 4 * r + c % 4;
            uint64_t eight = 0;
            memcpy(&eight, packed + b * L12_BLOCK_BYTES + at / 8 * 5, 5);
            unsigned code = (unsigned)(eight >> 5 * (at % 8)) & 31;
            rows[r * n_cols + c] = (int8_t)((int)(code / powers[p] % 3) - 1);
        }
    }
}

static unsigned s6_code(int8_t value) {
    return (unsigned)(value + S6_OFFSET);
}

void s6_pack_group(uint8_t *out, const int8_t *rows, size_t stride, size_t n_rows, size_t n_cols) {
    static const int8_t zeros[S6_COLS];
    for (size_t c = 0; c < s6_spans(n_cols) * S6_SPAN; c += S6_COLS, out += S6_BLOCK_BYTES) {
        for (size_t r = 0; r < S6_ROWS; r++) {
            const int8_t *values = r < n_rows ? rows + r * stride + c : zeros;
            for (size_t j = 0; j < 4; j++) {
                unsigned fourth = s6_code(values[12 + j]);
                for (size_t p = 0; p < 3; p++)
                    out[64 * p + 4 * r + j] = (uint8_t)(s6_code(values[4 * p + j]) | (fourth >> (4 - 2 * p) & 3) << 6);
            }
        }
    }
}

int s6_value(const uint8_t *packed, size_t r, size_t c) {
    const uint8_t *byte = packed + c / S6_COLS * S6_BLOCK_BYTES + 4 * r + c % 4;
    size_t p = c % S6_COLS / 4;
    int code = p < 3 ? byte[64 * p] & 63 : (byte[0] >> 6) << 4 | (byte[64] >> 6) << 2 | byte[128] >> 6;
    return code - S6_OFFSET;
}
