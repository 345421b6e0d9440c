/* AMX int8: ternary products of the L16 layout for 16 tokens and more.
 *
 * A tile product takes A, 16 rows of 64 bytes, and B, 16 rows of 16 groups of 4 bytes, and adds Σ A[i][4k + j] · B[k][4n +
 * j] to C[i][n]. With A the activations of 16 tokens as they lie (64 columns each) and B the codes of 16 rows of weights,
 * row k of B is exactly one plane of an L16 block shifted down: 32-bit lane r belongs to row r. So weights are unpacked
 * with masks and shifts into a panel in the L1 cache, and C is y as it lies, tokens by rows. Two groups of rows share
 * each tile of activations.
 *
 * What is left over (tokens beyond a multiple of 16, rows beyond a multiple of 32) is AVX-512's. */
#include <immintrin.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/unroll.h"
#include "kernels/x86/ternary.h"

#define TILE_TOKENS    16
#define TILE_COLS      64 /* columns of one tile product: 4 steps of L16 */
#define TILE_STEPS     (TILE_COLS / L16_COLS)
#define TILE_BYTES     1024
#define STRETCH_TILES  8 /* of two groups: a panel of 16 KiB */
#define PREFETCH_BYTES 4096

/* Tile loads and stores are assembly to gcc, which doesn't know that they touch memory: what was written must be in
 * memory before, what is read must come from there after. */
ALWAYS_INLINE void memory_barrier(void) {
    __asm__ volatile("" ::: "memory");
}

/* Tiles 0, 1: sums of two groups; 2: activations; 3, 4: codes. All are 16 rows of 64 bytes. */
static void configure_tiles(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 5; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    memory_barrier();
    _tile_loadconfig(&config);
}

/* Steps [from, to) of one group as B tiles; columns beyond them are zeros, whatever A has there. */
static void unpack(uint8_t *panel, const uint8_t *packed, size_t from, size_t to) {
    const __m512i mask = _mm512_set1_epi8(3);
    for (size_t step = from; step < to; step++) {
        __m512i block = _mm512_loadu_si512(packed + step * L16_BLOCK_BYTES);
        _mm_prefetch((const char *)packed + step * L16_BLOCK_BYTES + PREFETCH_BYTES, _MM_HINT_T0);
        UNROLL for (int plane = 0; plane < 4; plane++, panel += 64) {
            _mm512_store_si512(panel, _mm512_and_si512(block, mask));
            block = _mm512_srli_epi16(block, 2);
        }
    }
    for (size_t step = to; (step - from) % TILE_STEPS != 0; step++, panel += 4 * 64) memset(panel, 0, 4 * 64);
}

/* y += the stretch's products of 16 tokens with two groups. The last tile's activations come from a copy if their rows
 * don't have all its columns. */
static void multiply(int32_t *y, const struct matmul_shape *shape, const int8_t *q, size_t n_cols,
                     const uint8_t *low_panel, const uint8_t *high_panel) {
    size_t y_stride = shape->y_stride * sizeof *y;
    memory_barrier();
    _tile_loadd(0, y, y_stride);
    _tile_loadd(1, y + L16_ROWS, y_stride);
    for (size_t c = 0; c < n_cols; c += TILE_COLS, low_panel += TILE_BYTES, high_panel += TILE_BYTES) {
        int8_t rest[TILE_TOKENS * TILE_COLS];
        if (n_cols - c >= TILE_COLS) {
            _tile_loadd(2, q + c, shape->x_stride);
        } else {
            memset(rest, 0, sizeof rest);
            for (size_t t = 0; t < TILE_TOKENS; t++)
                memcpy(rest + t * TILE_COLS, q + t * shape->x_stride + c, n_cols - c);
            memory_barrier();
            _tile_loadd(2, rest, TILE_COLS);
        }
        _tile_loadd(3, low_panel, 64);
        _tile_loadd(4, high_panel, 64);
        _tile_dpbsud(0, 2, 3);
        _tile_dpbsud(1, 2, 4);
    }
    _tile_stored(0, y, y_stride);
    _tile_stored(1, y + L16_ROWS, y_stride);
    memory_barrier();
}

static void two_groups(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                       const struct matmul_shape *shape, size_t n_tokens) {
    _Alignas(64) uint8_t panels[2][STRETCH_TILES * TILE_BYTES];
    size_t n_steps = l16_steps(shape->n_cols), stretch = STRETCH_TILES * TILE_STEPS;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t r = 0; r < 2 * L16_ROWS; r++) y[t * shape->y_stride + r] = -q_sums[t];
    for (size_t from = 0; from < n_steps; from += stretch) {
        size_t to = min_size(from + stretch, n_steps);
        unpack(panels[0], packed, from, to);
        unpack(panels[1], packed + n_steps * L16_BLOCK_BYTES, from, to);
        for (size_t t = 0; t < n_tokens; t += TILE_TOKENS)
            multiply(y + t * shape->y_stride, shape, q + t * shape->x_stride + from * L16_COLS, (to - from) * L16_COLS,
                     panels[0], panels[1]);
    }
}

void amx_ternary_matmul(int32_t *y, const uint8_t *packed, const int8_t *q, const int32_t *q_sums,
                        const struct matmul_shape *shape) {
    size_t n_tokens = shape->n_tokens / TILE_TOKENS * TILE_TOKENS, n_rows = shape->n_rows / 32 * 32;
    size_t group_bytes = l16_steps(shape->n_cols) * L16_BLOCK_BYTES;
    if (n_tokens == 0) n_rows = 0;
    if (n_rows > 0) {
        configure_tiles();
        for (size_t row = 0; row < n_rows; row += 2 * L16_ROWS)
            two_groups(y + row, packed + row / L16_ROWS * group_bytes, q, q_sums, shape, n_tokens);
        _tile_release();
    }
    if (n_rows > 0 && n_tokens < shape->n_tokens) {
        struct matmul_shape rest = *shape;
        rest.n_rows = n_rows;
        rest.n_tokens = shape->n_tokens - n_tokens;
        avx512_ternary_matmul(y + n_tokens * shape->y_stride, packed, q + n_tokens * shape->x_stride, q_sums + n_tokens,
                              &rest);
    }
    if (n_rows < shape->n_rows) {
        struct matmul_shape rest = *shape;
        rest.n_rows = shape->n_rows - n_rows;
        avx512_ternary_matmul(y + n_rows, packed + n_rows / L16_ROWS * group_bytes, q, q_sums, &rest);
    }
}
