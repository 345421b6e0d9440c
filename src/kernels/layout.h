/* L16 and L12: how packed ternary weights lie in memory for every instruction set.
 *
 * L16, two bits a weight. Rows are taken in groups of 16, columns in steps of 16; one block of 64 bytes holds 16 rows × 16 columns:
 *     byte 4·r + j, bits 2p and 2p+1   =   1 + W[16·g + r][16·b + 4·p + j]        r < 16, j < 4, p < 4
 * so that 32-bit lane r belongs to row r alone ("one lane per row": no horizontal sums), the four bit planes are
 * unpacked with masks, and activations are consumed in natural order, four int8 per 32-bit broadcast. Blocks follow
 * each other along the columns, then groups along the rows: a matrix is read as one sequential stream.
 * Rows and columns beyond the matrix are stored as zero weights (code 1). Code 3 stands for nothing: what a product
 * makes of it is unspecified, though harmless. 512-bit VNNI reads a block as one vector,
 * AVX2 as two, NEON as four.
 *
 * L12, five bits for three weights (1.67 each), where memory is the limit and the CPU unpacks quickly. The same groups
 * of 16 rows, columns in steps of 12; one block of 40 bytes holds 64 codes of five bits, code 4·r + j being
 *     t0 + 3·t1 + 9·t2,   tp = 1 + W[16·g + r][12·b + 4·p + j]        r < 16, j < 4, p < 3
 * Eight codes fill five bytes, the first in the lowest bits of the first byte. Rows and columns beyond the matrix are
 * zero weights here too; codes 27 to 31 stand for nothing, likewise. */
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

#define L12_ROWS        16
#define L12_COLS        12
#define L12_BLOCK_BYTES 40

static inline size_t l12_steps(size_t n_cols) {
    return (n_cols + L12_COLS - 1) / L12_COLS;
}
static inline size_t l12_bytes(size_t n_rows, size_t n_cols) {
    return l16_groups(n_rows) * l12_steps(n_cols) * L12_BLOCK_BYTES;
}

enum ternary_layout { LAYOUT_L16, LAYOUT_L12, N_TERNARY_LAYOUTS };

static inline const char *ternary_layout_name(enum ternary_layout layout) {
    return layout == LAYOUT_L12 ? "l12" : "l16";
}

static inline size_t ternary_bytes(enum ternary_layout layout, size_t n_rows, size_t n_cols) {
    return layout == LAYOUT_L12 ? l12_bytes(n_rows, n_cols) : l16_bytes(n_rows, n_cols);
}

/* S6: rows of six bits a weight for screening, the same idea again: groups of 16 rows, and spans of 64 columns, which is
 * what a scale is shared by. A span of a group is four blocks of 192 bytes, 16 columns each: three vectors of 64 bytes.
 * With the code 32 + Q[16·g + r][c], Q in −32 … 31,
 *     byte 4·r + j of vector p, bits 0–5   =   code of column 4·p + j of the block           r < 16, j < 4, p < 3
 *     bits 6–7 of the three vectors        =   bits 4–5, 2–3 and 0–1 of the code of column 12 + j
 * so three codes of four take a mask and the fourth is put together from what the masks leave. Spans follow each other
 * along the columns, then groups along the rows. Rows and columns beyond the matrix are zeros (code 32).
 * The spans' multipliers, one byte for each row of a group, lie apart in the same order. */
#define S6_ROWS        16
#define S6_SPAN        64
#define S6_COLS        16 /* of a block */
#define S6_BLOCK_BYTES 192
#define S6_SPAN_BYTES  (S6_SPAN / S6_COLS * S6_BLOCK_BYTES)
#define S6_OFFSET      32

static inline size_t s6_groups(size_t n_rows) {
    return (n_rows + S6_ROWS - 1) / S6_ROWS;
}
static inline size_t s6_spans(size_t n_cols) {
    return (n_cols + S6_SPAN - 1) / S6_SPAN;
}
static inline size_t s6_group_bytes(size_t n_cols) {
    return s6_spans(n_cols) * S6_SPAN_BYTES;
}
/* Packs rows of `stride` ≥ 64·s6_spans(n_cols) int8, zero beyond n_cols, of which n_rows ≤ 16 exist, into one group. */
void s6_pack_group(uint8_t *out, const int8_t *rows, size_t stride, size_t n_rows, size_t n_cols);
/* Q[r][c] of a group. */
int s6_value(const uint8_t *packed, size_t r, size_t c);

/* Packs rows [16·group, 16·group + n_rows) (n_rows ≤ 16, the rest are zero rows) given as int8 -1/0/1, row after row,
 * into that group's l16_steps(n_cols) blocks at `out`. */
void l16_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols);
/* The inverse, for conversion and tests. */
void l16_unpack_group(int8_t *rows, const uint8_t *packed, size_t n_rows, size_t n_cols);
/* The same for L12. */
void l12_pack_group(uint8_t *out, const int8_t *rows, size_t n_rows, size_t n_cols);
void l12_unpack_group(int8_t *rows, const uint8_t *packed, size_t n_rows, size_t n_cols);

static inline void ternary_pack_group(enum ternary_layout layout, uint8_t *out, const int8_t *rows, size_t n_rows,
                                      size_t n_cols) {
    (layout == LAYOUT_L12 ? l12_pack_group : l16_pack_group)(out, rows, n_rows, n_cols);
}
static inline void ternary_unpack_group(enum ternary_layout layout, int8_t *rows, const uint8_t *packed, size_t n_rows,
                                        size_t n_cols) {
    (layout == LAYOUT_L12 ? l12_unpack_group : l16_unpack_group)(rows, packed, n_rows, n_cols);
}

#endif
