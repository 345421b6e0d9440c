/* The element types of tensors: names, block sizes, and decoding to float32.
 *
 * Numbers below 1000 are GGUF's (ggml's) own; the ones from 1000 on are types that only other containers have.
 * "Block" means: `block` consecutive values of a row take `block_bytes` bytes. */
#ifndef KERNELS_TENSOR_TYPE_H
#define KERNELS_TENSOR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum tensor_type {
    TYPE_F32 = 0,
    TYPE_F16 = 1,
    TYPE_Q4_0 = 2,
    TYPE_Q4_1 = 3,
    TYPE_Q5_0 = 6,
    TYPE_Q5_1 = 7,
    TYPE_Q8_0 = 8,
    TYPE_Q2_K = 10,
    TYPE_Q3_K = 11,
    TYPE_Q4_K = 12,
    TYPE_Q5_K = 13,
    TYPE_Q6_K = 14,
    TYPE_IQ4_NL = 20,
    TYPE_IQ4_XS = 23,
    TYPE_I8 = 24,
    TYPE_I16 = 25,
    TYPE_I32 = 26,
    TYPE_I64 = 27,
    TYPE_F64 = 28,
    TYPE_BF16 = 30,
    TYPE_TQ1_0 = 34,
    TYPE_TQ2_0 = 35,
    TYPE_I2_S = 36,
    TYPE_MXFP4 = 39,
    TYPE_NVFP4 = 40,
    TYPE_Q1_0 = 41,
    TYPE_Q2_0 = 42,
    TYPE_PQ2_0 = 142,
    TYPE_PTQ1_0 = 143,
    /* known by name and size, not decodable: their grids of code points aren't built in */
    TYPE_IQ2_XXS = 16,
    TYPE_IQ2_XS = 17,
    TYPE_IQ3_XXS = 18,
    TYPE_IQ1_S = 19,
    TYPE_IQ3_S = 21,
    TYPE_IQ2_S = 22,
    TYPE_IQ1_M = 29,
    /* safetensors only */
    TYPE_U8 = 1000,
    TYPE_U16,
    TYPE_U32,
    TYPE_U64,
    TYPE_BOOL,
};

/* How I2_S packs its codes (value + 1, two bits each); the type number is the same for all. X86_128, ARM_64 and
 * ROWS_4 are what bitnet.cpp builds write (docs/tensor-types.md); L16 and L12 are this project's run layouts (layout.h),
 * in which a file's weights are used where they are mapped: they need rows and columns that are multiples of 16. Every
 * tensor takes n/4 bytes, of which L12 uses the first five sixths: the rest is zeros that nobody reads. */
enum i2s_layout { I2S_UNKNOWN, I2S_X86_128, I2S_ARM_64, I2S_ROWS_4, I2S_L16, I2S_L12 };
/* The layout's name in the metadata key `bitnet.i2s.layout`: "x86-128", "arm-64", "rows-4", "l16", "l12" ("unknown"),
 * and back: I2S_UNKNOWN when there is no such name. */
const char *i2s_layout_name(enum i2s_layout layout);
enum i2s_layout i2s_layout_by_name(const char *name, size_t name_bytes);
/* Can it hold a matrix of this shape? */
bool i2s_layout_fits(enum i2s_layout layout, size_t n_rows, size_t n_cols);
#define I2S_TAIL_BYTES 32 /* behind n/4 bytes of codes: one f32 scale, then padding */

struct tensor_type_info {
    enum tensor_type type;
    const char *name; /* "Q4_K" */
    size_t block;     /* values per block */
    size_t block_bytes;
};

/* NULL for a type that isn't known. */
const struct tensor_type_info *tensor_type_find(uint32_t type);
const struct tensor_type_info *tensor_type_by_name(const char *name);

/* Bytes of n_rows rows of n_cols values: false on overflow or when n_cols isn't a multiple of the block. I2_S counts
 * its tail once for the whole tensor. */
bool tensor_type_bytes(enum tensor_type type, size_t n_rows, size_t n_cols, size_t *bytes);
bool tensor_type_decodable(enum tensor_type type); /* tensor_decode below knows it */
/* Whether the kernels multiply by it as it is (matmul_blocks), without decoded rows in memory. */
bool tensor_type_has_product(enum tensor_type type);

/* Decodes n consecutive values (a multiple of the block) to float32, products rounded one by one in the order of the
 * formulas of docs/tensor-types.md. Integers convert (I64, U64, F64 round). I2_S isn't a type of blocks: use
 * i2s_unpack. The type must be decodable. */
void tensor_decode(enum tensor_type type, const uint8_t *blocks, float *out, size_t n);

/* Types that conversion writes, and their quantisers: n values (a multiple of the block, all finite) become blocks. */
bool tensor_type_encodable(enum tensor_type type);
void tensor_encode(enum tensor_type type, const float *values, uint8_t *blocks, size_t n);

/* Codes of an I2_S tensor as int8 values -1, 0, 1 of rows [row0, row1), row after row. Fails on code 3 (corrupt), on
 * shapes the packing can't hold, and on I2S_UNKNOWN. */
bn_status i2s_unpack(const uint8_t *packed, enum i2s_layout layout, size_t n_rows, size_t n_cols, size_t row0,
                     size_t row1, int8_t *out, bn_error *err);
float i2s_scale(const uint8_t *packed, size_t n_rows, size_t n_cols);
/* Packs n values -1, 0, 1 (a multiple of 128) in the layout x86-128, into n/4 bytes. The scale is the caller's to add. */
void i2s_pack(const int8_t *codes, size_t n, uint8_t *packed);

#endif
