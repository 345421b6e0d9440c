/* Decoding of every tensor type against reference values, bit for bit: tests/data/blocks has, per type, a GGUF file and
 * the float32 values of its tensors (block types: what gguf-py decodes; I2_S, Q2_0, PQ2_0 and PTQ1_0: their formulas in
 * docs/tensor-types.md worked out in numpy). Types without a file are held against their formula here. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "formats/gguf.h"

#define BLOCKS TEST_DATA "/blocks/"

static void expect_bits(const char *what, const float *got, const char *expected, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float want;
        memcpy(&want, expected + i * sizeof want, sizeof want);
        if (memcmp(&got[i], &want, sizeof want) != 0) {
            test_fail("%s: value %zu is %a, expected %a", what, i, (double)got[i], (double)want);
        }
    }
}

/* One entry of index.json: the tensors' shapes, sizes and types, and all their values. */
static void check_entry(const json_t *entry) {
    const char *name = json_string_value(json_object_get(entry, "name"));
    char path[512];
    bn_error err = {0};
    struct gguf gguf;
    snprintf(path, sizeof path, BLOCKS "%s/%s.gguf", name, name);
    assert_ok(gguf_open(path, &gguf, &err), err);
    char *expected;
    size_t expected_bytes, used = 0;
    snprintf(path, sizeof path, BLOCKS "%s/expected.f32", name);
    assert_ok(file_read_all(path, 1 << 20, &expected, &expected_bytes, &err), err);

    const json_t *tensors = json_object_get(entry, "tensors");
    assert_int_equal(gguf.set.n_tensors, json_array_size(tensors));
    for (size_t i = 0; i < gguf.set.n_tensors; i++) {
        const json_t *described = json_array_get(tensors, i);
        const struct tensor *tensor = &gguf.set.tensors[i];
        const json_t *shape = json_object_get(described, "shape");
        assert_string_equal(tensor->name, json_string_value(json_object_get(described, "name")));
        assert_int_equal(tensor->size_bytes, json_integer_value(json_object_get(described, "bytes")));
        assert_int_equal(tensor->n_dims, json_array_size(shape));
        for (size_t d = 0; d < tensor->n_dims; d++) {
            assert_int_equal(tensor->shape[d], json_integer_value(json_array_get(shape, d)));
        }
        assert_int_equal(tensor_type_find(tensor->type)->block, json_integer_value(json_object_get(entry, "block")));
        size_t n = tensor_rows(tensor) * tensor_cols(tensor);
        assert_true((used + n) * sizeof(float) <= expected_bytes);
        float *values = mem_alloc_array(n, sizeof *values);
        assert_ok(tensor_decode_all(tensor, values, &err), err);
        expect_bits(name, values, expected + used * sizeof(float), n);
        used += n;
        mem_free(values);
    }
    assert_int_equal(used * sizeof(float), expected_bytes);
    mem_free(expected);
    gguf_close(&gguf);
}

static void reference_files_bit_for_bit(void **state) {
    (void)state;
    json_t *index;
    bn_error err = {0};
    assert_ok(json_parse_file(BLOCKS "index.json", 1 << 20, &index, &err), err);
    assert_true(json_array_size(index) >= 30);
    for (size_t i = 0; i < json_array_size(index); i++) check_entry(json_array_get(index, i));
    json_decref(index);
}

/* Rows of a quantised tensor decode alone as they do together (forward passes look up single embedding rows). */
static void single_rows_equal_whole(void **state) {
    (void)state;
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_open(BLOCKS "q6_k/q6_k.gguf", &gguf, &err), err);
    const struct tensor *tensor = &gguf.set.tensors[0];
    size_t rows = tensor_rows(tensor), cols = tensor_cols(tensor), row_bytes = tensor->size_bytes / rows;
    float *whole = mem_alloc_array(rows * cols, sizeof(float)), *row = mem_alloc_array(cols, sizeof(float));
    assert_ok(tensor_decode_all(tensor, whole, &err), err);
    for (size_t r = 0; r < rows; r++) {
        tensor_decode(tensor->type, tensor->data + r * row_bytes, row, cols);
        assert_memory_equal(row, whole + r * cols, cols * sizeof(float));
    }
    mem_free(whole);
    mem_free(row);
    gguf_close(&gguf);
}

/* ---- types without a reference file ---- */

static void q1_0_is_sign_times_scale(void **state) {
    (void)state;
    uint8_t block[18] = {0x00, 0x3e}; /* f16 1.5 */
    for (int i = 0; i < 16; i++) block[2 + i] = (uint8_t)(37 * i + 11);
    float y[128];
    tensor_decode(TYPE_Q1_0, block, y, 128);
    for (int i = 0; i < 128; i++) assert_true(y[i] == (block[2 + i / 8] >> i % 8 & 1 ? 1.5f : -1.5f));
}

/* e4m3 codes by their definition: 2^(E-7)·(1 + M/8), subnormal 2^-6·M/8, no sign; the NaN code counts as 0. */
static void nvfp4_is_e2m1_times_e4m3(void **state) {
    (void)state;
    static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    for (int code = 0; code < 128; code += 4) {
        uint8_t block[36];
        for (int i = 0; i < 36; i++) block[i] = (uint8_t)(i * 73 + 5);
        for (int g = 0; g < 4; g++) block[g] = (uint8_t)(code + g);
        float y[64];
        tensor_decode(TYPE_NVFP4, block, y, 64);
        for (int i = 0; i < 64; i++) {
            int scale_code = code + i / 16, exponent = scale_code >> 3, mantissa = scale_code & 7;
            double scale = exponent ? ldexp(1 + mantissa / 8.0, exponent - 7) : ldexp(mantissa / 8.0, -6);
            if (scale_code == 0x7f) scale = 0;
            int nibble = block[4 + 8 * (i / 16) + i % 8] >> (i % 16 / 8 * 4) & 15;
            double want = scale * e2m1[nibble & 7] * (nibble & 8 ? -1 : 1);
            if ((double)y[i] != want) test_fail("code %d, value %d: %g, expected %g", code, i, (double)y[i], want);
        }
    }
}

static void integers_of_safetensors(void **state) {
    (void)state;
    float y[2];
    tensor_decode(TYPE_U8, (const uint8_t *)"\xff\x01", y, 2);
    assert_true(y[0] == 255 && y[1] == 1);
    tensor_decode(TYPE_BOOL, (const uint8_t *)"\x01\x00", y, 2);
    assert_true(y[0] == 1 && y[1] == 0);
    tensor_decode(TYPE_U16, (const uint8_t *)"\xff\xff\x00\x80", y, 2);
    assert_true(y[0] == 65535 && y[1] == 32768);
    tensor_decode(TYPE_U32, (const uint8_t *)"\xff\xff\xff\xff\x01\x00\x00\x01", y, 2);
    assert_true(y[0] == 0x1p32f && y[1] == 0x1p24f); /* 2^24 + 1 ties to even */
    tensor_decode(TYPE_U64, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0\0\0", y, 2);
    assert_true(y[0] == 0x1p64f && y[1] == 1);
}

/* ---- the table ---- */

static void table_is_consistent(void **state) {
    (void)state;
    for (uint32_t type = 0; type < 1100; type++) {
        const struct tensor_type_info *info = tensor_type_find(type);
        if (!info) continue;
        assert_int_equal(info->type, type);
        assert_ptr_equal(tensor_type_by_name(info->name), info);
    }
    assert_null(tensor_type_find(4));
    assert_null(tensor_type_by_name("Q9_9"));
}

static void sizes_are_checked(void **state) {
    (void)state;
    size_t bytes = 7;
    assert_true(tensor_type_bytes(TYPE_Q4_K, 3, 512, &bytes));
    assert_int_equal(bytes, 3 * 2 * 144);
    assert_true(tensor_type_bytes(TYPE_I2_S, 12, 128, &bytes));
    assert_int_equal(bytes, 12 * 128 / 4 + 32);
    assert_false(tensor_type_bytes(TYPE_Q4_K, 3, 500, &bytes));
    assert_false(tensor_type_bytes(TYPE_F64, SIZE_MAX / 8, 2, &bytes));
    assert_false(tensor_type_bytes(TYPE_I2_S, SIZE_MAX, 4, &bytes)); /* only the tail overflows */
    assert_int_equal(bytes, 12 * 128 / 4 + 32);
}

static void unsupported_types_say_so(void **state) {
    (void)state;
    uint8_t bytes[66] = {0};
    struct tensor tensor = {
        .name = "t", .type = TYPE_IQ2_XXS, .n_dims = 1, .shape = {256}, .data = bytes, .size_bytes = 66};
    float y[256];
    bn_error err = {0};
    assert_int_equal(tensor_decode_all(&tensor, y, &err), BN_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'t' is IQ2_XXS"));
}

/* ---- I2_S ---- */

/* Position of the code of (row, col) as docs/tensor-types.md describes each layout: byte and lowest bit. */
static void code_position(enum i2s_layout layout, size_t n_cols, size_t row, size_t col, size_t *byte, unsigned *bit) {
    size_t i = row * n_cols + col;
    if (layout == I2S_X86_128) {
        *byte = i / 128 * 32 + i % 32;
        *bit = (unsigned)(6 - 2 * (i % 128 / 32));
    } else if (layout == I2S_ARM_64) {
        *byte = i / 64 * 16 + i % 16;
        *bit = (unsigned)(6 - 2 * (i % 64 / 16));
    } else if (layout == I2S_ROWS_4) {
        *byte = row / 4 * n_cols + col;
        *bit = (unsigned)(6 - 2 * (row % 4));
    } else {
        size_t block = row / 16 * (n_cols / 16) + col / 16;
        *byte = block * 64 + row % 16 * 4 + col % 4;
        *bit = (unsigned)(2 * (col % 16 / 4));
    }
}

static void i2s_layouts(void **state) {
    (void)state;
    enum { ROWS = 32, COLS = 48 }; /* rows that end inside the blocks of 128 and 64 */
    for (enum i2s_layout layout = I2S_X86_128; layout <= I2S_L16; layout++) {
        uint8_t packed[ROWS * COLS / 4 + I2S_TAIL_BYTES] = {0};
        int8_t want[ROWS][COLS], got[ROWS][COLS];
        size_t byte;
        unsigned bit;
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLS; c++) {
                unsigned code = (unsigned)((r * 7 + c * c + r * c / 3) % 3);
                code_position(layout, COLS, r, c, &byte, &bit);
                assert_int_equal(packed[byte] >> bit & 3, 0); /* a layout holds every value once */
                packed[byte] |= (uint8_t)(code << bit);
                want[r][c] = (int8_t)(code - 1);
            }
        }
        bn_error err = {0};
        assert_ok(i2s_unpack(packed, layout, ROWS, COLS, 0, ROWS, &got[0][0], &err), err);
        assert_memory_equal(got, want, sizeof want);
        for (size_t r = 0; r < ROWS; r++) {
            assert_ok(i2s_unpack(packed, layout, ROWS, COLS, r, r + 1, got[0], &err), err);
            assert_memory_equal(got[0], want[r], COLS);
        }
        code_position(layout, COLS, 17, 29, &byte, &bit);
        packed[byte] |= (uint8_t)(3u << bit);
        assert_int_equal(i2s_unpack(packed, layout, ROWS, COLS, 0, ROWS, &got[0][0], &err), BN_STATUS_BAD_FILE);
        assert_non_null(strstr(err.message, "code 3 at row 17, column 29"));
        assert_ok(i2s_unpack(packed, layout, ROWS, COLS, 18, ROWS, &got[0][0], &err), err);
    }
}

static void i2s_shapes_that_dont_fit(void **state) {
    (void)state;
    static const struct {
        enum i2s_layout layout;
        size_t rows, cols;
    } bad[] = {{I2S_X86_128, 1, 64}, {I2S_ARM_64, 1, 32}, {I2S_ROWS_4, 6, 64}, {I2S_L16, 8, 16},      {I2S_L16, 16, 8},
               {I2S_L12, 8, 48},     {I2S_L12, 16, 16},   {I2S_L12, 16, 40},   {I2S_UNKNOWN, 64, 128}};
    uint8_t packed[64 * 128 / 4 + I2S_TAIL_BYTES] = {0};
    int8_t out[64 * 128];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bn_error err = {0};
        bn_status status = i2s_unpack(packed, bad[i].layout, bad[i].rows, bad[i].cols, 0, 1, out, &err);
        assert_int_equal(status, BN_STATUS_BAD_FILE);
        assert_non_null(strstr(err.message, "can't hold"));
    }
}

/* Five bits hold three weights here: code k of 16 · 4 in a block is t0 + 3·t1 + 9·t2 of columns 4 apart. */
static void i2s_dense_layout(void **state) {
    (void)state;
    enum { ROWS = 32, COLS = 64, STEPS = 6 }; /* columns that end inside a block */
    uint8_t packed[ROWS * COLS / 4 + I2S_TAIL_BYTES] = {0};
    int8_t want[ROWS][COLS], got[ROWS][COLS];
    static const unsigned powers[] = {1, 3, 9};
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLS; c++) want[r][c] = (int8_t)((r * 7 + c * c + r * c / 3) % 3) - 1;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t step = 0; step < STEPS; step++)
            for (size_t j = 0; j < 4; j++) {
                unsigned code = 0;
                for (size_t p = 0; p < 3; p++) {
                    size_t c = 12 * step + 4 * p + j;
                    code += powers[p] * (c < COLS ? (unsigned)(want[r][c] + 1) : 1);
                }
                for (size_t bit = 0; bit < 5; bit++) {
                    size_t at = (r / 16 * STEPS + step) * 320 + 5 * (4 * (r % 16) + j) + bit;
                    packed[at / 8] |= (uint8_t)((code >> bit & 1) << at % 8);
                }
            }
    bn_error err = {0};
    assert_ok(i2s_unpack(packed, I2S_L12, ROWS, COLS, 0, ROWS, &got[0][0], &err), err);
    assert_memory_equal(got, want, sizeof want);
    packed[40 * STEPS] |= 31; /* row 16, columns 0, 4 and 8 */
    assert_int_equal(i2s_unpack(packed, I2S_L12, ROWS, COLS, 0, ROWS, &got[0][0], &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "row 16, column 0"));
    assert_ok(i2s_unpack(packed, I2S_L12, ROWS, COLS, 17, ROWS, &got[0][0], &err), err);
}

static void i2s_layout_names(void **state) {
    (void)state;
    for (enum i2s_layout layout = I2S_X86_128; layout <= I2S_L12; layout++) {
        const char *name = i2s_layout_name(layout);
        assert_int_equal(i2s_layout_by_name(name, strlen(name)), layout);
    }
    assert_int_equal(i2s_layout_by_name("x86-1280", 8), I2S_UNKNOWN);
    assert_int_equal(i2s_layout_by_name("", 0), I2S_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_files_bit_for_bit),
        cmocka_unit_test(single_rows_equal_whole),
        cmocka_unit_test(q1_0_is_sign_times_scale),
        cmocka_unit_test(nvfp4_is_e2m1_times_e4m3),
        cmocka_unit_test(integers_of_safetensors),
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(unsupported_types_say_so),
        cmocka_unit_test(i2s_layouts),
        cmocka_unit_test(i2s_shapes_that_dont_fit),
        cmocka_unit_test(i2s_dense_layout),
        cmocka_unit_test(i2s_layout_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
