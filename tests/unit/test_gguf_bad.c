/* GGUF files that break the format's rules, one rule each: every one must be refused with the right status and a
 * message that names what is wrong, without reading a byte outside the file (the bytes lie in a block of exactly their size, so
 * that AddressSanitizer sees the first one too far). */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "formats/gguf.h"
#include "gguf_builder.h"

enum { F32 = 0, Q8_0 = 8, Q2_0 = 42 };

/* ---- header ---- */
static void empty(struct buffer *b) {
    (void)b;
}
static void wrong_magic(struct buffer *b) {
    buffer_append(b, "GGML\3\0\0\0", 8);
}
static void reversed_magic(struct buffer *b) {
    buffer_append(b, "FUGG\0\0\0\3", 8);
}
static void big_endian(struct buffer *b) {
    put_header(b, 0x03000000, 0, 0);
}
static void version_0(struct buffer *b) {
    put_header(b, 0, 0, 0);
}
static void version_1(struct buffer *b) {
    put_header(b, 1, 0, 0);
}
static void version_4(struct buffer *b) {
    put_header(b, 4, 0, 0);
}
static void version_huge(struct buffer *b) {
    put_header(b, 1u << 31, 0, 0);
}
static void tensors_2_63(struct buffer *b) {
    put_header(b, 3, 1ull << 63, 0);
}
static void tensors_max(struct buffer *b) {
    put_header(b, 3, UINT64_MAX, 0);
}
static void values_2_63(struct buffer *b) {
    put_header(b, 3, 0, 1ull << 63);
}
static void values_millions(struct buffer *b) {
    put_header(b, 3, 0, 1000001);
    put_zeros(b, 1000001 * 14);
}
static void values_one_too_many(struct buffer *b) {
    put_header(b, 3, 0, 2);
    put_value_u32(b, "a.key.of.some.length", 1);
}

/* ---- metadata ---- */
static void key_empty(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_value_u32(b, "", 1);
}
static void key_too_long(struct buffer *b) {
    static char key[65537];
    memset(key, 'k', 65536);
    put_header(b, 3, 0, 1);
    put_value_u32(b, key, 1);
}
static void key_past_end(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_u64(b, 1000);
    put_zeros(b, 20);
}
static void key_with_nul(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_bytes(b, "a\0b", 3);
    put_u32(b, 4);
    put_u32(b, 0);
}
static void key_not_utf8(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_value_u32(b, "a\xff", 1);
}
static void key_twice(struct buffer *b) {
    put_header(b, 3, 0, 2);
    put_value_u32(b, "twice", 1);
    put_value_u32(b, "twice", 1);
}
static void value_type_13(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_key(b, "the.key", 13);
    put_zeros(b, 8);
}
static void string_wraps(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_key(b, "the.key", 8);
    put_u64(b, UINT64_MAX - 7);
    put_zeros(b, 16);
}
static void bool_2(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_key(b, "the.key", 7);
    put_u8(b, 2);
}
static void bool_array_2(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 7, 3);
    buffer_append(b, "\1\0\2", 3);
}
static void array_of_arrays(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 9, 1);
    for (int depth = 0; depth < 1000; depth++) {
        put_u32(b, 9);
        put_u64(b, 1);
    }
}
static void array_type_13(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 13, 0);
}
static void array_type_255(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 255, 1);
    put_zeros(b, 64);
}
static void array_product_wraps(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 4, (1ull << 62) + 1);
    put_zeros(b, 16);
}
static void array_one_too_many(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 4, 5);
    put_zeros(b, 16);
}
static void string_array_too_many(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 8, 1ull << 60);
    put_zeros(b, 64);
}
static void string_array_element(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_array(b, "the.key", 8, 2);
    put_text(b, "first");
    put_u64(b, 10);
    put_zeros(b, 9);
}

static void alignment(struct buffer *b, uint32_t value) {
    put_header(b, 3, 0, 1);
    put_value_u32(b, "general.alignment", value);
}
static void alignment_0(struct buffer *b) {
    alignment(b, 0);
}
static void alignment_3(struct buffer *b) {
    alignment(b, 3);
}
static void alignment_2_30(struct buffer *b) {
    alignment(b, 1u << 30);
}
static void alignment_text(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_value_text(b, "general.alignment", "32");
}

/* ---- tensors ---- */
static void matrix(struct buffer *b, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset) {
    put_header(b, 3, 1, 0);
    put_matrix(b, "the.tensor", cols, rows, type, offset);
    pad_to(b, 32);
    put_zeros(b, 1024);
}
static void dims(struct buffer *b, uint32_t n_dims) {
    put_header(b, 3, 1, 0);
    put_text(b, "the.tensor");
    put_u32(b, n_dims);
    for (int i = 0; i < 8; i++) put_u64(b, 1);
    put_u32(b, F32);
    put_u64(b, 0);
    put_zeros(b, 1024);
}
static void dims_0(struct buffer *b) {
    dims(b, 0);
}
static void dims_5(struct buffer *b) {
    dims(b, 5);
}
static void dims_8(struct buffer *b) {
    dims(b, 8);
}
static void dims_max(struct buffer *b) {
    dims(b, UINT32_MAX);
}
static void dim_of_0(struct buffer *b) {
    matrix(b, 4, 0, F32, 0);
}
static void dims_product_wraps(struct buffer *b) {
    matrix(b, 1ull << 32, 1ull << 32, F32, 0);
}
static void dims_int64_max(struct buffer *b) {
    matrix(b, INT64_MAX, 4, F32, 0);
}
static void bytes_wrap(struct buffer *b) {
    matrix(b, 1ull << 31, 1ull << 32, 28, 0);
}
static void not_whole_blocks(struct buffer *b) {
    matrix(b, 40, 1, Q8_0, 0);
}
static void type_255(struct buffer *b) {
    matrix(b, 4, 4, 255, 0);
}
static void type_4(struct buffer *b) {
    matrix(b, 4, 4, 4, 0);
}
static void type_5(struct buffer *b) {
    matrix(b, 4, 4, 5, 0);
}
static void type_of_safetensors(struct buffer *b) {
    matrix(b, 4, 4, 1000, 0);
}
static void offset_unaligned(struct buffer *b) {
    matrix(b, 4, 4, F32, 16);
}
static void offset_past_end(struct buffer *b) {
    matrix(b, 4, 4, F32, 4096);
}
static void offset_2_63(struct buffer *b) {
    matrix(b, 4, 4, F32, 1ull << 63);
}
static void end_past_end(struct buffer *b) {
    matrix(b, 16, 16, F32, 32);
}
static void no_data_at_all(struct buffer *b) {
    put_header(b, 3, 1, 0);
    put_matrix(b, "the.tensor", 4, 4, F32, 0);
}
static void overlap(struct buffer *b) {
    put_header(b, 3, 2, 0);
    put_matrix(b, "first", 16, 1, F32, 32);
    put_matrix(b, "second", 16, 1, F32, 0);
    pad_to(b, 32);
    put_zeros(b, 128);
}
static void same_place(struct buffer *b) {
    put_header(b, 3, 2, 0);
    put_matrix(b, "first", 4, 1, F32, 0);
    put_matrix(b, "second", 4, 1, F32, 0);
    pad_to(b, 32);
    put_zeros(b, 128);
}
static void name_twice(struct buffer *b) {
    put_header(b, 3, 2, 0);
    put_matrix(b, "same", 4, 1, F32, 0);
    put_matrix(b, "same", 4, 1, F32, 32);
    pad_to(b, 32);
    put_zeros(b, 64);
}
static void name_empty(struct buffer *b) {
    put_header(b, 3, 1, 0);
    put_matrix(b, "", 4, 1, F32, 0);
    put_zeros(b, 128);
}
static void type_42_neither(struct buffer *b) { /* 1024 values: 288 bytes as Q2_0, 272 as PQ2_0, but room for 1024 */
    put_header(b, 3, 1, 0);
    put_matrix(b, "the.tensor", 128, 8, Q2_0, 0);
    pad_to(b, 32);
    put_zeros(b, 1024);
}
static void type_42_contradicts(struct buffer *b) { /* one tensor only fits blocks of 64, the other only of 128 */
    put_header(b, 3, 2, 0);
    put_matrix(b, "of.64", 128, 16, Q2_0, 0);
    put_matrix(b, "of.128", 128, 16, Q2_0, 576);
    pad_to(b, 32);
    put_zeros(b, 576 + 544);
}
static void unknown_i2s_layout(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_value_text(b, "bitnet.i2s.layout", "sideways");
}

/* ---- split files ---- */
static void second_part(struct buffer *b) {
    put_header(b, 3, 0, 2);
    put_value_u32(b, "split.count", 3);
    put_value_u32(b, "split.no", 1);
}
static void split_number_too_high(struct buffer *b) {
    put_header(b, 3, 0, 2);
    put_value_u32(b, "split.count", 3);
    put_value_u32(b, "split.no", 3);
}
static void split_count_huge(struct buffer *b) {
    put_header(b, 3, 0, 1);
    put_value_u32(b, "split.count", UINT32_MAX);
}

static const struct bad_file {
    const char *name;
    void (*build)(struct buffer *b);
    bn_status status;
    const char *says;
} bad_files[] = {
    {"empty", empty, BN_STATUS_BAD_FILE, "empty"},
    {"wrong magic", wrong_magic, BN_STATUS_BAD_FILE, "'GGUF'"},
    {"reversed magic", reversed_magic, BN_STATUS_BAD_FILE, "'GGUF'"},
    {"big endian", big_endian, BN_STATUS_UNSUPPORTED, "big-endian"},
    {"version 0", version_0, BN_STATUS_UNSUPPORTED, "version 0"},
    {"version 1", version_1, BN_STATUS_UNSUPPORTED, "version 1"},
    {"version 4", version_4, BN_STATUS_UNSUPPORTED, "version 4"},
    {"version 2^31", version_huge, BN_STATUS_UNSUPPORTED, "version 2147483648"},
    {"2^63 tensors", tensors_2_63, BN_STATUS_BAD_FILE, "tensor count 9223372036854775808"},
    {"2^64-1 tensors", tensors_max, BN_STATUS_BAD_FILE, "tensor count"},
    {"2^63 values", values_2_63, BN_STATUS_BAD_FILE, "metadata count 9223372036854775808"},
    {"a million and one values", values_millions, BN_STATUS_BAD_FILE, "metadata count 1000001: at most 1000000"},
    {"a value missing", values_one_too_many, BN_STATUS_BAD_FILE, "metadata"},
    {"empty key", key_empty, BN_STATUS_BAD_FILE, "metadata key at byte 24 has a length of 0"},
    {"key of 65536 bytes", key_too_long, BN_STATUS_BAD_FILE, "length of 65536"},
    {"key past the end", key_past_end, BN_STATUS_BAD_FILE, "metadata key"},
    {"NUL in a key", key_with_nul, BN_STATUS_BAD_FILE, "metadata key at byte 24 isn't UTF-8"},
    {"invalid UTF-8 in a key", key_not_utf8, BN_STATUS_BAD_FILE, "isn't UTF-8"},
    {"key twice", key_twice, BN_STATUS_BAD_FILE, "'twice' occurs twice"},
    {"value type 13", value_type_13, BN_STATUS_BAD_FILE, "'the.key' has the unknown value type 13"},
    {"string of 2^64-8 bytes", string_wraps, BN_STATUS_BAD_FILE, "a string at byte"},
    {"bool of 2", bool_2, BN_STATUS_BAD_FILE, "'the.key' has the bool 2"},
    {"bool of 2 in an array", bool_array_2, BN_STATUS_BAD_FILE, "'the.key' has the bool 2"},
    {"array of arrays", array_of_arrays, BN_STATUS_BAD_FILE, "'the.key' is an array of arrays"},
    {"array of type 13", array_type_13, BN_STATUS_BAD_FILE, "'the.key' is an array of the unknown type 13"},
    {"array of type 255", array_type_255, BN_STATUS_BAD_FILE, "unknown type 255"},
    {"array whose size wraps", array_product_wraps, BN_STATUS_BAD_FILE,
     "'the.key': 4611686018427387905 values of type u32"},
    {"array past the end", array_one_too_many, BN_STATUS_BAD_FILE, "'the.key': 5 values"},
    {"2^60 strings", string_array_too_many, BN_STATUS_BAD_FILE, "'the.key': 1152921504606846976 strings"},
    {"string in an array past the end", string_array_element, BN_STATUS_BAD_FILE, "a string at byte"},
    {"alignment 0", alignment_0, BN_STATUS_BAD_FILE, "'general.alignment' is 0"},
    {"alignment 3", alignment_3, BN_STATUS_BAD_FILE, "'general.alignment' is 3"},
    {"alignment 2^30", alignment_2_30, BN_STATUS_BAD_FILE, "'general.alignment' is 1073741824"},
    {"alignment as text", alignment_text, BN_STATUS_BAD_FILE, "'general.alignment' has type string"},
    {"0 dimensions", dims_0, BN_STATUS_BAD_FILE, "'the.tensor' has 0 dimensions"},
    {"5 dimensions", dims_5, BN_STATUS_BAD_FILE, "5 dimensions"},
    {"8 dimensions", dims_8, BN_STATUS_BAD_FILE, "8 dimensions"},
    {"2^32-1 dimensions", dims_max, BN_STATUS_BAD_FILE, "4294967295 dimensions"},
    {"dimension 0", dim_of_0, BN_STATUS_BAD_FILE, "'the.tensor' has a dimension of 0"},
    {"2^32 x 2^32", dims_product_wraps, BN_STATUS_BAD_FILE, "product of its dimensions overflows"},
    {"(2^63-1) x 4", dims_int64_max, BN_STATUS_BAD_FILE, "product of its dimensions overflows"},
    {"bytes wrap", bytes_wrap, BN_STATUS_BAD_FILE, "size in bytes overflows"},
    {"rows of no whole blocks", not_whole_blocks, BN_STATUS_BAD_FILE,
     "rows of 40 values, not a multiple of Q8_0's block of 32"},
    {"type 255", type_255, BN_STATUS_UNSUPPORTED, "'the.tensor' has type 255, which this build doesn't know"},
    {"type 4", type_4, BN_STATUS_UNSUPPORTED, "type 4, which ggml has retired"},
    {"type 5", type_5, BN_STATUS_UNSUPPORTED, "type 5, which ggml has retired"},
    {"a type GGUF doesn't have", type_of_safetensors, BN_STATUS_UNSUPPORTED, "type 1000"},
    {"offset unaligned", offset_unaligned, BN_STATUS_BAD_FILE, "offset 16, not a multiple of the alignment 32"},
    {"offset past the end", offset_past_end, BN_STATUS_BAD_FILE, "'the.tensor' at offset 4096"},
    {"offset 2^63", offset_2_63, BN_STATUS_BAD_FILE, "offset 9223372036854775808"},
    {"end past the end", end_past_end, BN_STATUS_BAD_FILE, "'the.tensor' at offset 32 with 1024 bytes"},
    {"no data", no_data_at_all, BN_STATUS_BAD_FILE, "beyond the data section (0 bytes)"},
    {"overlap", overlap, BN_STATUS_BAD_FILE, "'second' and 'first' overlap"},
    {"same place", same_place, BN_STATUS_BAD_FILE, "overlap"},
    {"name twice", name_twice, BN_STATUS_BAD_FILE, "two tensors are named 'same'"},
    {"name empty", name_empty, BN_STATUS_BAD_FILE, "tensor name"},
    {"type 42 of neither size", type_42_neither, BN_STATUS_BAD_FILE, "'the.tensor' of type 42"},
    {"type 42 of both sizes", type_42_contradicts, BN_STATUS_BAD_FILE, "type 42"},
    {"unknown I2_S layout", unknown_i2s_layout, BN_STATUS_UNSUPPORTED, "'bitnet.i2s.layout' is 'sideways'"},
    {"second part of a split file", second_part, BN_STATUS_UNSUPPORTED, "part 2 of a file split in 3"},
    {"split number too high", split_number_too_high, BN_STATUS_BAD_FILE, "'split.no' is 3"},
    {"split in 2^32-1", split_count_huge, BN_STATUS_BAD_FILE, "'split.count' is 4294967295"},
};

/* Parses a copy of exactly that size. */
static bn_status parse_exact(const char *bytes, size_t n, bn_error *err) {
    uint8_t *copy = mem_alloc(n);
    if (n) memcpy(copy, bytes, n);
    struct gguf gguf;
    bn_status status = gguf_parse(n ? copy : NULL, n, "bad.gguf", &gguf, err);
    if (!status) gguf_close(&gguf);
    mem_free(copy);
    return status;
}

static void bad_files_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        const struct bad_file *bad = &bad_files[i];
        struct buffer b;
        buffer_init(&b);
        bad->build(&b);
        bn_error err = {0};
        bn_status status = parse_exact(b.data, b.size, &err);
        if (status != bad->status || !strstr(err.message, bad->says) || strncmp(err.message, "bad.gguf: ", 10) != 0) {
            test_fail("%s: got '%s': %s; expected '%s' and \"%s\"", bad->name, bn_status_name(status), err.message,
                      bn_status_name(bad->status), bad->says);
        }
        buffer_release(&b);
    }
}

/* A real file cut at every length: refused until the last tensor is complete. */
static void truncations_are_refused(void **state) {
    (void)state;
    static const char *const files[] = {TEST_DATA "/blocks/q4_0/q4_0.gguf",
                                        TEST_DATA "/blocks/i2_s-rows-4/i2_s-rows-4.gguf",
                                        TEST_DATA "/blocks/q2_0/q2_0.gguf"};
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char *bytes;
        size_t size;
        bn_error err = {0};
        assert_ok(file_read_all(files[f], 1 << 20, &bytes, &size, &err), err);
        struct gguf gguf;
        assert_ok(gguf_parse((const uint8_t *)bytes, size, files[f], &gguf, &err), err);
        const struct tensor *last = &gguf.set.tensors[gguf.set.n_tensors - 1];
        size_t needed = (size_t)(last->data - (const uint8_t *)bytes) + last->size_bytes;
        gguf_close(&gguf);
        for (size_t n = 0; n < needed; n++) {
            if (parse_exact(bytes, n, &err) == BN_OK) test_fail("%s cut to %zu bytes was accepted", files[f], n);
        }
        for (size_t n = needed; n <= size; n++) assert_ok(parse_exact(bytes, n, &err), err);
        mem_free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(truncations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
