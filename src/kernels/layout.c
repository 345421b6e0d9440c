/* Packing and unpacking of L16 groups. Both walk the packed bytes in order, so that layout.h's formula can be read off
 * the loops; model conversion is bound by reading the file, not by this. */
#include "kernels/layout.h"

#include <stdint.h>

void l16_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols) {
    size_t n_steps = l16_steps(n_cols);
    for (size_t b = 0; b < n_steps; b++) {
        for (size_t r = 0; r < L16_ROWS; r++) {
            for (size_t j = 0; j < 4; j++) {
                unsigned byte = 0;
                for (size_t p = 0; p < 4; p++) {
                    size_t c = L16_COLS * b + 4 * p + j;
                    int weight = r < n_rows && c < n_cols ? rows[r * n_cols + c] : 0;
                    byte |= (unsigned)(weight + 1) << 2 * p;
                }
                *out++ = (uint8_t)byte;
            }
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
