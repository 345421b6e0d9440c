/* I2_S: two-bit codes (value + 1) of a whole tensor, then one f32 scale. One type number, five ways to lay the codes.
 *
 * The one idea: in every layout but the run layouts, the codes of neighbouring values of a row lie in neighbouring bytes at the
 * same bit position for a while (a run), so unpacking is one simple loop over runs, eight bytes at a time. */
#include <string.h>

#include "base/memory.h"
#include "kernels/layout.h"
#include "kernels/tensor_type.h"
#include "kernels/unroll.h"

#define EACH_BYTE(x) ((x)*UINT64_C(0x0101010101010101))

/* n codes at bits shift, shift+1 of consecutive bytes, eight at a time. Returns nonzero if a code was 3. */
ALWAYS_INLINE unsigned unpack_run(int8_t *out, const uint8_t *bytes, unsigned shift, size_t n) {
    uint64_t bad = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t codes;
        memcpy(&codes, bytes + i, sizeof codes);
        codes = codes >> shift & EACH_BYTE(3);
        bad |= codes & codes >> 1;
        codes = (codes + EACH_BYTE(0x7f)) ^ EACH_BYTE(0x80); /* less 1 in every byte */
        memcpy(out + i, &codes, sizeof codes);
    }
    for (; i < n; i++) {
        unsigned code = bytes[i] >> shift & 3u;
        bad |= code & code >> 1;
        out[i] = (int8_t)(code - 1);
    }
    return (bad & EACH_BYTE(1)) != 0;
}

/* Blocks of `block` values along the tensor: byte g of a block holds values g, block/4 + g, … from the highest bits
 * down. at: the first value's index in the tensor; a row may begin inside a block. Inlined, because divisions by a known
 * block are shifts: they took half the time. */
ALWAYS_INLINE unsigned unpack_blocks(int8_t *out, const uint8_t *packed, size_t block, size_t at, size_t n) {
    unsigned bad = 0;
    size_t quarter = block / 4;
    while (n > 0) {
        size_t in_block = at % block, plane = in_block / quarter, byte = in_block % quarter;
        size_t run = min_size(quarter - byte, n);
        bad |= unpack_run(out, packed + at / block * quarter + byte, (unsigned)(6 - 2 * plane), run);
        out += run;
        at += run;
        n -= run;
    }
    return bad;
}

static unsigned unpack_l16_row(int8_t *out, const uint8_t *packed, size_t row, size_t n_cols) {
    unsigned bad = 0;
    const uint8_t *lane = packed + row / L16_ROWS * l16_steps(n_cols) * L16_BLOCK_BYTES + row % L16_ROWS * 4;
    for (size_t col = 0; col < n_cols; col += L16_COLS, lane += L16_BLOCK_BYTES) {
        for (size_t i = 0; i < L16_COLS; i++) {
            unsigned code = lane[i % 4] >> (i / 4 * 2) & 3u;
            bad |= code & code >> 1;
            out[col + i] = (int8_t)(code - 1);
        }
    }
    return bad;
}

static unsigned unpack_l12_row(int8_t *out, const uint8_t *packed, size_t row, size_t n_cols) {
    static const unsigned powers[3] = {1, 3, 9};
    unsigned bad = 0;
    const uint8_t *eights = packed + row / L12_ROWS * l12_steps(n_cols) * L12_BLOCK_BYTES + row % L12_ROWS / 2 * 5;
    for (size_t col = 0; col < n_cols; col += L12_COLS, eights += L12_BLOCK_BYTES) {
        uint64_t codes = 0; /* of two rows */
        memcpy(&codes, eights, 5);
        codes >>= row % 2 * 20;
        for (size_t i = 0; i < min_size(L12_COLS, n_cols - col); i++) {
            unsigned code = (unsigned)(codes >> 5 * (i % 4)) & 31;
            bad |= code > 26;
            out[col + i] = (int8_t)(code > 26 ? 2 : (int)(code / powers[i / 4] % 3) - 1);
        }
    }
    return bad;
}

/* Whole blocks, whole groups of rows; L12 needs more bytes than there are for 16 columns. */
bool i2s_layout_fits(enum i2s_layout layout, size_t n_rows, size_t n_cols) {
    switch (layout) {
    case I2S_X86_128:
        return n_rows * n_cols % 128 == 0;
    case I2S_ARM_64:
        return n_rows * n_cols % 64 == 0;
    case I2S_ROWS_4:
        return n_rows % 4 == 0;
    case I2S_L16:
        return n_rows % L16_ROWS == 0 && n_cols % L16_COLS == 0;
    case I2S_L12:
        return n_rows % L16_ROWS == 0 && n_cols % L16_COLS == 0 && l12_bytes(n_rows, n_cols) <= n_rows * n_cols / 4;
    case I2S_UNKNOWN:
        break;
    }
    return false;
}

static const char *const layout_names[] = {"unknown", "x86-128", "arm-64", "rows-4", "l16", "l12"};

const char *i2s_layout_name(enum i2s_layout layout) {
    return layout_names[layout];
}

enum i2s_layout i2s_layout_by_name(const char *name, size_t name_bytes) {
    for (int layout = I2S_X86_128; layout <= I2S_L12; layout++) {
        const char *known = layout_names[layout];
        if (strlen(known) == name_bytes && memcmp(known, name, name_bytes) == 0) return (enum i2s_layout)layout;
    }
    return I2S_UNKNOWN;
}

bn_status i2s_unpack(const uint8_t *packed, enum i2s_layout layout, size_t n_rows, size_t n_cols, size_t row0,
                     size_t row1, int8_t *out, bn_error *err) {
    if (!i2s_layout_fits(layout, n_rows, n_cols)) {
        return fail(err, BN_STATUS_BAD_FILE, "I2_S layout %s can't hold a matrix of %zu × %zu", i2s_layout_name(layout),
                    n_rows, n_cols);
    }
    for (size_t row = row0; row < row1; row++, out += n_cols) {
        unsigned bad = 0;
        switch (layout) {
        case I2S_X86_128:
            bad = unpack_blocks(out, packed, 128, row * n_cols, n_cols);
            break;
        case I2S_ARM_64:
            bad = unpack_blocks(out, packed, 64, row * n_cols, n_cols);
            break;
        case I2S_ROWS_4:
            bad = unpack_run(out, packed + row / 4 * n_cols, (unsigned)(6 - 2 * (row % 4)), n_cols);
            break;
        case I2S_L16:
            bad = unpack_l16_row(out, packed, row, n_cols);
            break;
        case I2S_L12:
            bad = unpack_l12_row(out, packed, row, n_cols);
            break;
        case I2S_UNKNOWN:
            break;
        }
        if (bad) {
            const int8_t *first = memchr(out, 2, n_cols);
            return fail(err, BN_STATUS_BAD_FILE, "I2_S code 3 at row %zu, column %zu: only 0, 1 and 2 have a meaning",
                        row, (size_t)(first - out));
        }
    }
    return BN_OK;
}

float i2s_scale(const uint8_t *packed, size_t n_rows, size_t n_cols) {
    float scale;
    memcpy(&scale, packed + n_rows * n_cols / 4, sizeof scale);
    return scale;
}

void i2s_pack(const int8_t *codes, size_t n, uint8_t *packed) {
    for (; n >= 128; n -= 128, codes += 128, packed += 32)
        for (size_t i = 0; i < 32; i++)
            packed[i] = (uint8_t)((codes[i] + 1) << 6 | (codes[32 + i] + 1) << 4 | (codes[64 + i] + 1) << 2 |
                                  (codes[96 + i] + 1));
}
