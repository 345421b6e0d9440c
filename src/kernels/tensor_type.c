/* The table of tensor types: what each is called, how big its blocks are, who decodes and encodes them. A new type is a row
 * here, a decoder in blocks.c and a reference file for tests/unit/test_blocks.c. */
#include "kernels/tensor_type.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "kernels/blocks.h"

/* ---- types of one value per block: plain conversion ---- */

#define DECODE_PLAIN(name, type, convert)                                                                              \
    static void name(const uint8_t *b, float *y, size_t n) {                                                           \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type value;                                                                                                \
            memcpy(&value, b + i * sizeof value, sizeof value);                                                        \
            y[i] = convert(value);                                                                                     \
        }                                                                                                              \
    }
DECODE_PLAIN(decode_f16, uint16_t, f16_to_f32)
DECODE_PLAIN(decode_bf16, uint16_t, bf16_to_f32)
DECODE_PLAIN(decode_f64, double, (float))
DECODE_PLAIN(decode_i8, int8_t, (float))
DECODE_PLAIN(decode_i16, int16_t, (float))
DECODE_PLAIN(decode_i32, int32_t, (float))
DECODE_PLAIN(decode_i64, int64_t, (float))
DECODE_PLAIN(decode_u8, uint8_t, (float))
DECODE_PLAIN(decode_u16, uint16_t, (float))
DECODE_PLAIN(decode_u32, uint32_t, (float))
DECODE_PLAIN(decode_u64, uint64_t, (float))
#undef DECODE_PLAIN

static void decode_f32(const uint8_t *b, float *y, size_t n) {
    memcpy(y, b, n * sizeof *y);
}

static const struct type_row {
    struct tensor_type_info info;
    block_decoder *decode; /* NULL: known by name and size only */
    block_encoder *encode; /* NULL: not written */
} types[] = {
    {{TYPE_F32, "F32", 1, 4}, decode_f32, encode_f32},
    {{TYPE_F16, "F16", 1, 2}, decode_f16, encode_f16},
    {{TYPE_Q4_0, "Q4_0", 32, 18}, decode_q4_0, encode_q4_0},
    {{TYPE_Q4_1, "Q4_1", 32, 20}, decode_q4_1, NULL},
    {{TYPE_Q5_0, "Q5_0", 32, 22}, decode_q5_0, NULL},
    {{TYPE_Q5_1, "Q5_1", 32, 24}, decode_q5_1, NULL},
    {{TYPE_Q8_0, "Q8_0", 32, 34}, decode_q8_0, encode_q8_0},
    {{TYPE_Q2_K, "Q2_K", 256, 84}, decode_q2_k, NULL},
    {{TYPE_Q3_K, "Q3_K", 256, 110}, decode_q3_k, NULL},
    {{TYPE_Q4_K, "Q4_K", 256, 144}, decode_q4_k, encode_q4_k},
    {{TYPE_Q5_K, "Q5_K", 256, 176}, decode_q5_k, NULL},
    {{TYPE_Q6_K, "Q6_K", 256, 210}, decode_q6_k, encode_q6_k},
    {{TYPE_IQ2_XXS, "IQ2_XXS", 256, 66}, NULL, NULL},
    {{TYPE_IQ2_XS, "IQ2_XS", 256, 74}, NULL, NULL},
    {{TYPE_IQ3_XXS, "IQ3_XXS", 256, 98}, NULL, NULL},
    {{TYPE_IQ1_S, "IQ1_S", 256, 50}, NULL, NULL},
    {{TYPE_IQ4_NL, "IQ4_NL", 32, 18}, decode_iq4_nl, NULL},
    {{TYPE_IQ3_S, "IQ3_S", 256, 110}, NULL, NULL},
    {{TYPE_IQ2_S, "IQ2_S", 256, 82}, NULL, NULL},
    {{TYPE_IQ4_XS, "IQ4_XS", 256, 136}, decode_iq4_xs, NULL},
    {{TYPE_I8, "I8", 1, 1}, decode_i8, NULL},
    {{TYPE_I16, "I16", 1, 2}, decode_i16, NULL},
    {{TYPE_I32, "I32", 1, 4}, decode_i32, NULL},
    {{TYPE_I64, "I64", 1, 8}, decode_i64, NULL},
    {{TYPE_F64, "F64", 1, 8}, decode_f64, NULL},
    {{TYPE_IQ1_M, "IQ1_M", 256, 56}, NULL, NULL},
    {{TYPE_BF16, "BF16", 1, 2}, decode_bf16, encode_bf16},
    {{TYPE_TQ1_0, "TQ1_0", 256, 54}, decode_tq1_0, encode_tq1_0},
    {{TYPE_TQ2_0, "TQ2_0", 256, 66}, decode_tq2_0, encode_tq2_0},
    {{TYPE_I2_S, "I2_S", 4, 1}, NULL, NULL},
    {{TYPE_MXFP4, "MXFP4", 32, 17}, decode_mxfp4, NULL},
    {{TYPE_NVFP4, "NVFP4", 64, 36}, decode_nvfp4, NULL},
    {{TYPE_Q1_0, "Q1_0", 128, 18}, decode_q1_0, NULL},
    {{TYPE_Q2_0, "Q2_0", 64, 18}, decode_q2_0, encode_q2_0},
    {{TYPE_PQ2_0, "PQ2_0", 128, 34}, decode_pq2_0, encode_pq2_0},
    {{TYPE_PTQ1_0, "PTQ1_0", 128, 28}, decode_ptq1_0, NULL},
    {{TYPE_U8, "U8", 1, 1}, decode_u8, NULL},
    {{TYPE_U16, "U16", 1, 2}, decode_u16, NULL},
    {{TYPE_U32, "U32", 1, 4}, decode_u32, NULL},
    {{TYPE_U64, "U64", 1, 8}, decode_u64, NULL},
    {{TYPE_BOOL, "BOOL", 1, 1}, decode_u8, NULL},
};
#define N_TYPES (sizeof types / sizeof types[0])

static const struct type_row *find_row(uint32_t type) {
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].info.type == type) return &types[i];
    }
    return NULL;
}

const struct tensor_type_info *tensor_type_find(uint32_t type) {
    const struct type_row *row = find_row(type);
    return row ? &row->info : NULL;
}

const struct tensor_type_info *tensor_type_by_name(const char *name) {
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strcmp(types[i].info.name, name) == 0) return &types[i].info;
    }
    return NULL;
}

bool tensor_type_bytes(enum tensor_type type, size_t n_rows, size_t n_cols, size_t *bytes) {
    const struct tensor_type_info *info = tensor_type_find(type);
    size_t n_blocks, total;
    if (!info || n_cols % info->block != 0) return false;
    if (!mul_size(n_rows, n_cols / info->block, &n_blocks) || !mul_size(n_blocks, info->block_bytes, &total))
        return false;
    return add_size(total, type == TYPE_I2_S ? I2S_TAIL_BYTES : 0, bytes);
}

bool tensor_type_decodable(enum tensor_type type) {
    const struct type_row *row = find_row(type);
    return row && row->decode;
}

bool tensor_type_has_product(enum tensor_type type) {
    static const enum tensor_type with_product[] = {TYPE_Q2_0, TYPE_PQ2_0, TYPE_TQ2_0, TYPE_TQ1_0,
                                                    TYPE_Q4_0, TYPE_Q8_0,  TYPE_Q4_K,  TYPE_Q6_K};
    for (size_t i = 0; i < sizeof with_product / sizeof *with_product; i++)
        if (with_product[i] == type) return true;
    return false;
}

void tensor_decode(enum tensor_type type, const uint8_t *blocks, float *out, size_t n) {
    const struct type_row *row = find_row(type);
    row->decode(blocks, out, n / row->info.block);
}

bool tensor_type_encodable(enum tensor_type type) {
    const struct type_row *row = find_row(type);
    return row && row->encode;
}

void tensor_encode(enum tensor_type type, const float *values, uint8_t *blocks, size_t n) {
    const struct type_row *row = find_row(type);
    row->encode(values, blocks, n / row->info.block);
}
