/* Encoding of every tensor type that conversion writes. Truth: the files of tests/data/blocks, whose tensors named
 * "quantised" went through the reference quantiser, so that encoding their values gives their bytes again; and, for the K-quants, how far
 * any value can be from what was encoded. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "formats/gguf.h"

#define BLOCKS TEST_DATA "/blocks/"

static void expect_same_bytes(const char *name) {
    char path[512];
    bn_error err = {0};
    struct gguf gguf;
    snprintf(path, sizeof path, BLOCKS "%s/%s.gguf", name, name);
    assert_ok(gguf_open(path, &gguf, &err), err);
    const struct tensor *tensor = tensor_set_find(&gguf.set, "quantised");
    assert_non_null(tensor);
    size_t n = tensor_rows(tensor) * tensor_cols(tensor);
    float *values = mem_alloc_array(n, sizeof *values);
    uint8_t *bytes = mem_alloc(tensor->size_bytes);
    assert_ok(tensor_decode_all(tensor, values, &err), err);
    tensor_encode(tensor->type, values, bytes, n);
    /* The first block is all zero, and came out as zeros with a sign or without. */
    for (size_t i = tensor_type_find(tensor->type)->block_bytes; i < tensor->size_bytes; i++)
        if (bytes[i] != tensor->data[i])
            test_fail("%s: byte %zu is %02x, expected %02x", name, i, bytes[i], tensor->data[i]);
    mem_free(values);
    mem_free(bytes);
    gguf_close(&gguf);
}

static void reference_quantisers_bit_for_bit(void **state) {
    (void)state;
    expect_same_bytes("q8_0");
    expect_same_bytes("q4_0");
    expect_same_bytes("tq1_0");
    expect_same_bytes("tq2_0");
}

/* Sum of 12 uniform numbers less 6: nearly normal, standard deviation 1. */
static float normal(uint64_t at) {
    double sum = -6;
    for (uint32_t i = 0; i < 12; i++) sum += random_uniform(7, 0, at, i);
    return (float)sum;
}

/* Signal-to-noise ratio in dB of n normal values through a type. */
static double signal_to_noise(enum tensor_type type, float offset) {
    enum { N = 1 << 14 };
    float *values = mem_alloc_array(N, sizeof *values), *decoded = mem_alloc_array(N, sizeof *decoded);
    size_t bytes_needed;
    assert_true(tensor_type_bytes(type, 1, N, &bytes_needed));
    uint8_t *bytes = mem_alloc(bytes_needed);
    for (size_t i = 0; i < N; i++) values[i] = normal(i) + offset;
    tensor_encode(type, values, bytes, N);
    tensor_decode(type, bytes, decoded, N);
    double signal = 0, noise = 0;
    for (size_t i = 0; i < N; i++) {
        double d = (double)values[i] - (double)decoded[i];
        signal += (double)values[i] * (double)values[i];
        noise += d * d;
    }
    mem_free(values);
    mem_free(decoded);
    mem_free(bytes);
    return 10 * log10(signal / noise);
}

/* For normal values an ideal uniform quantiser of b bits over ±max loses about 6 dB a bit; ggml's own quantisers reach 22.0 dB
 * (Q4_K) and 35.1 dB (Q6_K) on such values. */
static void k_quants_lose_little(void **state) {
    (void)state;
    assert_true(signal_to_noise(TYPE_Q4_K, 0) > 22.0);
    assert_true(signal_to_noise(TYPE_Q4_K, -3) > 30.0); /* values of one sign use the minimum */
    assert_true(signal_to_noise(TYPE_Q6_K, 0) > 35.0);
    assert_true(signal_to_noise(TYPE_Q8_0, 0) > 40.0);
}

static void zeros_and_extremes(void **state) {
    (void)state;
    static const enum tensor_type types[] = {TYPE_Q4_0,  TYPE_Q8_0,  TYPE_Q4_K, TYPE_Q6_K,
                                             TYPE_TQ1_0, TYPE_TQ2_0, TYPE_Q2_0, TYPE_PQ2_0};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        float values[256] = {0}, decoded[256];
        uint8_t bytes[512];
        tensor_encode(types[t], values, bytes, 256);
        tensor_decode(types[t], bytes, decoded, 256);
        for (size_t i = 0; i < 256; i++) assert_true(decoded[i] == 0);
        for (size_t i = 0; i < 256; i++) values[i] = i % 2 ? 1000.0f : -1000.0f;
        tensor_encode(types[t], values, bytes, 256);
        tensor_decode(types[t], bytes, decoded, 256);
        for (size_t i = 0; i < 256; i++) assert_true(fabsf(decoded[i] - values[i]) <= 150);
    }
}

static void ternary_codes_come_back(void **state) {
    (void)state;
    static const enum tensor_type types[] = {TYPE_TQ1_0, TYPE_TQ2_0, TYPE_Q2_0, TYPE_PQ2_0};
    float values[512], decoded[512];
    uint8_t bytes[1024];
    for (size_t i = 0; i < 512; i++) values[i] = 0.0421f * (float)((int)(random_uniform(3, 0, i, 0) * 3) - 1);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        tensor_encode(types[t], values, bytes, 512);
        tensor_decode(types[t], bytes, decoded, 512);
        for (size_t i = 0; i < 512; i++)
            assert_true((decoded[i] > 0) == (values[i] > 0) && (decoded[i] < 0) == (values[i] < 0));
    }
}

static void i2s_packs_what_it_unpacks(void **state) {
    (void)state;
    enum { ROWS = 6, COLS = 64 };
    int8_t codes[ROWS * COLS], back[ROWS * COLS];
    uint8_t packed[ROWS * COLS / 4];
    bn_error err = {0};
    for (size_t i = 0; i < sizeof codes; i++) codes[i] = (int8_t)((int)(random_uniform(5, 0, i, 0) * 3) - 1);
    i2s_pack(codes, sizeof codes, packed);
    assert_ok(i2s_unpack(packed, I2S_X86_128, ROWS, COLS, 0, ROWS, back, &err), err);
    assert_memory_equal(codes, back, sizeof codes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_quantisers_bit_for_bit),
        cmocka_unit_test(k_quants_lose_little),
        cmocka_unit_test(zeros_and_extremes),
        cmocka_unit_test(ternary_codes_come_back),
        cmocka_unit_test(i2s_packs_what_it_unpacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
