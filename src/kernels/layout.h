/* L16: how packed ternary weights lie in memory for every instruction set.
 *
 * Rows are taken in groups of 16, columns in steps of 16; one block of 64 bytes holds 16 rows × 16 columns:
 *     byte 4·r + j, bits 2p and 2p+1   =   1 + W[16·g + r][16·b + 4·p + j]        r < 16, j < 4, p < 4
 * so that 32-bit lane r belongs to row r alone ("one lane per row": no horizontal sums), the four bit planes are
 * unpacked with masks, and activations are consumed in natural order, four int8 per 32-bit broadcast. Blocks follow
 * each other along the columns, then groups along the rows: a matrix is read as one sequential stream.
 * Rows and columns beyond the matrix are stored as zero weights (code 1). Code 3 stands for nothing: what a product
 * makes of it is unspecified, though harmless. 512-bit VNNI reads a block as one vector,
 * AVX2 as two, NEON as four. */
#ifndef KERNELS_LAYOUT_H
#define KERNELS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

#define L16_ROWS        16
#define L16_COLS        16
#define L16_BLOCK_BYTES 64

static inline size_t l16_groups(size_t n_rows) {
    return (n_rows + L16_ROWS - 1) / L16_ROWS;
}
static inline size_t l16_steps(size_t n_cols) {
    return (n_cols + L16_COLS - 1) / L16_COLS;
}
static inline size_t l16_bytes(size_t n_rows, size_t n_cols) {
    return l16_groups(n_rows) * l16_steps(n_cols) * L16_BLOCK_BYTES;
}

/* Packs rows [16·group, 16·group + n_rows) (n_rows ≤ 16, the rest are zero rows) given as int8 -1/0/1, row after row,
 * into that group's l16_steps(n_cols) blocks at `out`. */
void l16_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols);
/* The inverse, for conversion and tests. */
void l16_unpack_group(int8_t *rows, const uint8_t *packed, size_t n_rows, size_t n_cols);

#endif
