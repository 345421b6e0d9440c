/* Ternary matrices out of files, repacked into the run layout (kernels/layout.h). */
#ifndef MODEL_TERNARY_H
#define MODEL_TERNARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "formats/tensor_file.h"

/* Which rows of a tensor make up a matrix: row r is row first + (r / block) · stride + r mod block of the tensor. The
 * query part of a matrix that is fused head by head, for instance, has block = head_dim and stride = 3·head_dim. */
struct row_map {
    size_t first, block, stride;
};
static inline size_t row_map_at(const struct row_map *map, size_t row) {
    return map->first + row / map->block * map->stride + row % map->block;
}

enum ternary_form {
    TERNARY_HF_PACKED, /* byte [r, c] holds rows r, r + P, r + 2P, r + 3P, P = ceil(rows/4), lowest bits first; code 0 = -1 */
    TERNARY_I2S,
    TERNARY_VALUES,  /* any decodable type whose values are all 0 or ± one magnitude */
    TERNARY_MASTERS, /* float weights, to be rounded to -1, 0, 1 times their mean magnitude */
};

struct ternary_source {
    const struct tensor *tensor;
    enum ternary_form form;
    enum i2s_layout layout;     /* TERNARY_I2S */
    size_t tensor_rows, n_cols; /* logical shape of the whole tensor */
    float magnitude;            /* VALUES: the one magnitude; MASTERS: mean|W| */
    struct row_map map;
    size_t n_rows; /* of the matrix */
};

/* One row of the tensor (not of the matrix) as -1, 0, 1. values: room for n_cols floats. Thread-safe. */
enum ternary_row_result { TERNARY_ROW_GOOD, TERNARY_ROW_BAD_CODE, TERNARY_ROW_OTHER_VALUES };
enum ternary_row_result ternary_unpack_row(const struct ternary_source *source, size_t row, float *values, int8_t *out);

/* Mean of |W| over a whole float tensor: double sums of rows, added in the order of rows. */
bn_status ternary_mean_magnitude(struct thread_pool *pool, const struct tensor *tensor, float *mean, bn_error *err);
/* Whether the tensor looks like 0 and ± one magnitude, by its first row that isn't all zero. */
bn_status ternary_guess_magnitude(const struct tensor *tensor, float *magnitude, bool *uniform, bn_error *err);
/* Fills out[l16_bytes(n_rows, n_cols)]. BN_STATUS_BAD_FILE when the data holds the code 3, which no ternary value has.
 * *uniform (of TERNARY_VALUES; else may be NULL) is false when there were values other than 0 and ± the magnitude. */
bn_status ternary_pack(struct thread_pool *pool, const struct ternary_source *source, uint8_t *out, bool *uniform,
                       bn_error *err);

#endif
