/* safetensors by its format text, stricter than the reference reader in three places (leading blanks, duplicate names,
 * exact integers). Every broken rule is a row; bytes lie in a block of exactly their size for AddressSanitizer. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "formats/safetensors.h"
#include "temporary_folder.h"

/* A file: header length, header, n bytes of data 0, 1, 2, … */
static void build(struct buffer *b, const char *header, uint64_t length, size_t n_data) {
    buffer_init(b);
    buffer_append(b, &length, sizeof length);
    buffer_append_text(b, header);
    for (size_t i = 0; i < n_data; i++) buffer_append_char(b, (char)i);
}

static bn_status parse_exact(const char *bytes, size_t n, struct tensor_set *set, bn_error *err) {
    uint8_t *copy = mem_alloc(n);
    if (n) memcpy(copy, bytes, n);
    bn_status status = safetensors_parse(copy, n, "built", set, err);
    if (!status) tensor_set_release(set);
    mem_free(copy);
    return status;
}

/* ---- good files ---- */

static void tensors_are_read(void **state) {
    (void)state;
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"},"
                         "\"second\":{\"dtype\":\"I16\",\"shape\":[2,3],\"data_offsets\":[8,20],\"extra\":[{}]},"
                         "\"first\":{\"shape\":[],\"data_offsets\":[0,8],\"dtype\":\"F64\"},"
                         "\"none\":{\"dtype\":\"BF16\",\"shape\":[0,7],\"data_offsets\":[20,20]}}  \n";
    struct buffer b;
    build(&b, header, strlen(header), 20);
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(safetensors_parse((const uint8_t *)b.data, b.size, "built", &set, &err), err);
    assert_int_equal(set.n_tensors, 3);
    const struct tensor *first = tensor_set_find(&set, "first"), *second = tensor_set_find(&set, "second");
    assert_ptr_equal(first, &set.tensors[0]); /* in the order of the data */
    assert_int_equal(first->type, TYPE_F64);
    assert_int_equal(first->n_dims, 0);
    assert_int_equal(tensor_rows(first) * tensor_cols(first), 1);
    assert_int_equal(second->type, TYPE_I16);
    assert_true(second->n_dims == 2 && second->shape[0] == 2 && second->shape[1] == 3);
    float values[6];
    assert_ok(tensor_decode_all(second, values, &err), err);
    assert_true(values[0] == 0x0908 && values[5] == 0x1312);
    assert_int_equal(tensor_set_find(&set, "none")->size_bytes, 0);
    tensor_set_release(&set);
    buffer_release(&b);
}

static void all_dtypes(void **state) {
    (void)state;
    static const struct {
        const char *dtype;
        enum tensor_type type;
        size_t bytes;
    } known[] = {{"BOOL", TYPE_BOOL, 1}, {"U8", TYPE_U8, 1},   {"I8", TYPE_I8, 1},     {"U16", TYPE_U16, 2},
                 {"I16", TYPE_I16, 2},   {"F16", TYPE_F16, 2}, {"BF16", TYPE_BF16, 2}, {"U32", TYPE_U32, 4},
                 {"I32", TYPE_I32, 4},   {"F32", TYPE_F32, 4}, {"U64", TYPE_U64, 8},   {"I64", TYPE_I64, 8},
                 {"F64", TYPE_F64, 8}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%zu]}}",
                 known[i].dtype, 3 * known[i].bytes);
        struct buffer b;
        build(&b, header, strlen(header), 3 * known[i].bytes);
        struct tensor_set set;
        bn_error err = {0};
        assert_ok(safetensors_parse((const uint8_t *)b.data, b.size, "built", &set, &err), err);
        assert_int_equal(set.tensors[0].type, known[i].type);
        tensor_set_release(&set);
        buffer_release(&b);
    }
}

/* ---- bad files: the header as text, its true length, data of 16 bytes ---- */

#define ENTRY(dtype, shape, offsets) "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define A                            "\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}"

static const struct {
    const char *what, *header;
    bn_status status;
    const char *says;
} bad_headers[] = {
    {"leading blank", " {}", BN_STATUS_BAD_FILE, "begin with '{'"},
    {"an array", "[]", BN_STATUS_BAD_FILE, "begin with '{'"},
    {"not JSON", "{\"a\":}", BN_STATUS_BAD_FILE, "JSON"},
    {"invalid UTF-8", "{\"\xff\":1}", BN_STATUS_BAD_FILE, "JSON"},
    {"trailing garbage", "{} x", BN_STATUS_BAD_FILE, "JSON"},
    {"two values", "{}{}", BN_STATUS_BAD_FILE, "JSON"},
    {"NUL in a name", "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", BN_STATUS_BAD_FILE,
     "JSON"},
    {"duplicate name", "{" A "," A "}", BN_STATUS_BAD_FILE, "uplicate"},
    {"duplicate field", "{\"t\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[16],\"data_offsets\":[0,16]}}",
     BN_STATUS_BAD_FILE, "uplicate"},
    {"entry is no object", "{\"t\":3}", BN_STATUS_BAD_FILE, "tensor 't': must be an object"},
    {"no dtype", "{\"t\":{\"shape\":[16],\"data_offsets\":[0,16]}}", BN_STATUS_BAD_FILE, "'dtype' must be a string"},
    {"dtype is a number", ENTRY("7", "[16]", "[0,16]"), BN_STATUS_BAD_FILE, "'dtype' must be a string"},
    {"unknown dtype", ENTRY("\"Q9\"", "[16]", "[0,16]"), BN_STATUS_BAD_FILE, "unknown dtype 'Q9'"},
    {"dtype with NUL", ENTRY("\"U8\\u0000\"", "[16]", "[0,16]"), BN_STATUS_BAD_FILE, "dtype"},
    {"dtype of 8 bits", ENTRY("\"F8_E4M3\"", "[16]", "[0,16]"), BN_STATUS_UNSUPPORTED, "F8_E4M3"},
    {"no shape", "{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,16]}}", BN_STATUS_BAD_FILE, "'shape' must be an array"},
    {"shape with a real", ENTRY("\"U8\"", "[16.0]", "[0,16]"), BN_STATUS_BAD_FILE, "'shape' must hold integers"},
    {"shape with a negative", ENTRY("\"U8\"", "[-16]", "[0,16]"), BN_STATUS_BAD_FILE, "'shape' must hold integers"},
    {"shape with text", ENTRY("\"U8\"", "[\"16\"]", "[0,16]"), BN_STATUS_BAD_FILE, "'shape' must hold integers"},
    {"shape of 2^64", ENTRY("\"U8\"", "[18446744073709551616]", "[0,16]"), BN_STATUS_BAD_FILE, "dtype and shape need"},
    {"shape overflows", ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,16]"), BN_STATUS_BAD_FILE, "'shape' overflows"},
    {"five dimensions", ENTRY("\"U8\"", "[1,1,1,1,16]", "[0,16]"), BN_STATUS_UNSUPPORTED, "5 dimensions"},
    {"no offsets", "{\"t\":{\"dtype\":\"U8\",\"shape\":[16]}}", BN_STATUS_BAD_FILE,
     "'data_offsets' must be two integers"},
    {"one offset", ENTRY("\"U8\"", "[16]", "[16]"), BN_STATUS_BAD_FILE, "'data_offsets' must be"},
    {"three offsets", ENTRY("\"U8\"", "[16]", "[0,16,16]"), BN_STATUS_BAD_FILE, "'data_offsets' must be"},
    {"offset as 1e1", ENTRY("\"U8\"", "[10]", "[0,1e1]"), BN_STATUS_BAD_FILE, "'data_offsets' must be"},
    {"negative offset", ENTRY("\"U8\"", "[16]", "[-16,0]"), BN_STATUS_BAD_FILE, "'data_offsets' must be"},
    {"begin > end", ENTRY("\"U8\"", "[16]", "[16,0]"), BN_STATUS_BAD_FILE, "'data_offsets' must be"},
    {"offset of 2^64", ENTRY("\"U8\"", "[16]", "[0,18446744073709551616]"), BN_STATUS_BAD_FILE, "data_offsets"},
    {"span differs", ENTRY("\"U8\"", "[15]", "[0,16]"), BN_STATUS_BAD_FILE,
     "span 16 bytes, but dtype and shape need 15"},
    {"beyond the data", ENTRY("\"U8\"", "[17]", "[0,17]"), BN_STATUS_BAD_FILE, "end at 17, but the file has 16"},
    {"data left over", ENTRY("\"U8\"", "[15]", "[0,15]"), BN_STATUS_BAD_FILE, "1 bytes behind the last tensor"},
    {"first doesn't begin at 0", ENTRY("\"U8\"", "[15]", "[1,16]"), BN_STATUS_BAD_FILE,
     "begin at 1, leaving a hole after"},
    {"hole", "{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[9,16]}}", BN_STATUS_BAD_FILE,
     "'b': 'data_offsets' begin at 9, leaving a hole"},
    {"overlap", "{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[7,16]}}", BN_STATUS_BAD_FILE,
     "'b': 'data_offsets' begin at 7, overlapping"},
    {"metadata is no object", "{\"__metadata__\":[]}", BN_STATUS_BAD_FILE, "'__metadata__' must be an object"},
    {"metadata value", "{\"__metadata__\":{\"k\":1}}", BN_STATUS_BAD_FILE, "the value of 'k' must be a string"},
    {"no tensor for the data", "{}", BN_STATUS_BAD_FILE, "16 bytes behind the last tensor"},
};

static void bad_headers_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
        struct buffer b;
        build(&b, bad_headers[i].header, strlen(bad_headers[i].header), 16);
        struct tensor_set set;
        bn_error err = {0};
        bn_status status = parse_exact(b.data, b.size, &set, &err);
        if (status != bad_headers[i].status || !strstr(err.message, bad_headers[i].says)) {
            test_fail("%s: got '%s': %s", bad_headers[i].what, bn_status_name(status), err.message);
        }
        buffer_release(&b);
    }
}

static void bad_lengths_are_refused(void **state) {
    (void)state;
    const char *header = "{}";
    static const uint64_t lengths[] = {0, 3, 100000001, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buffer b;
        build(&b, header, lengths[i], 0);
        struct tensor_set set;
        bn_error err = {0};
        assert_int_equal(parse_exact(b.data, b.size, &set, &err), BN_STATUS_BAD_FILE);
        assert_non_null(strstr(err.message, "header's length is"));
        buffer_release(&b);
    }
}

static void millions_of_values_are_refused(void **state) {
    (void)state;
    enum { N = 3000000 };
    char *header = mem_alloc(2 * N + 16);
    strcpy(header, "{\"a\":[");
    for (size_t i = 0; i < N; i++) memcpy(header + 6 + 2 * i, "0,", 2);
    strcpy(header + 6 + 2 * N, "0]}");
    struct buffer b;
    build(&b, header, strlen(header), 0);
    struct tensor_set set;
    bn_error err = {0};
    assert_int_equal(parse_exact(b.data, b.size, &set, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "more than 2000000 JSON values"));
    buffer_release(&b);
    mem_free(header);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    char *header = mem_alloc(2 * DEPTH + 16);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEPTH);
    memset(header + 5 + DEPTH, ']', DEPTH);
    strcpy(header + 5 + 2 * DEPTH, "}");
    struct buffer b;
    build(&b, header, strlen(header), 0);
    struct tensor_set set;
    bn_error err = {0};
    assert_int_equal(parse_exact(b.data, b.size, &set, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "depth"));
    buffer_release(&b);
    mem_free(header);
}

static void truncations_are_refused(void **state) {
    (void)state;
    const char *header = "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}}";
    struct buffer b;
    build(&b, header, strlen(header), 32);
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(parse_exact(b.data, b.size, &set, &err), err);
    for (size_t n = 0; n < b.size; n++) assert_int_equal(parse_exact(b.data, n, &set, &err), BN_STATUS_BAD_FILE);
    buffer_release(&b);
}

/* ---- shards ---- */

static void write_shard(const struct temporary_folder *folder, const char *file, const char *tensor) {
    char header[128];
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
    struct buffer b;
    build(&b, header, strlen(header), 1);
    write_file(temporary_path(folder, file), b.data, b.size);
    buffer_release(&b);
}

static bn_status open_index(const char *index, struct tensor_set *set, bn_error *err) {
    struct temporary_folder folder = temporary_folder_create();
    write_shard(&folder, "one.safetensors", "a");
    write_shard(&folder, "two.safetensors", "b");
    const char *path = temporary_path(&folder, "model.safetensors.index.json");
    write_file(path, index, strlen(index));
    bn_status status = safetensors_open(path, set, err);
    temporary_folder_remove(&folder); /* what is mapped stays */
    return status;
}

static void shards_open_as_one(void **state) {
    (void)state;
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(
        open_index(
            "{\"metadata\":{\"total_size\":2},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}",
            &set, &err),
        err);
    assert_int_equal(set.n_tensors, 2);
    assert_int_equal(set.n_files, 2);
    assert_non_null(tensor_set_find(&set, "b"));
    tensor_set_release(&set);
}

static void bad_indices_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *index;
        bn_status status;
        const char *says;
    } bad[] = {
        {"{}", BN_STATUS_BAD_FILE, "'weight_map' must be an object"},
        {"{\"weight_map\":{\"a\":", BN_STATUS_BAD_FILE, "JSON"},
        {"{\"weight_map\":{\"a\":3}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"..\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"..\\\\one.safetensors\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\\u0000x\"}}", BN_STATUS_BAD_FILE, "isn't the name of a file"},
        {"{\"weight_map\":{\"a\":\"three.safetensors\"}}", BN_STATUS_NOT_FOUND, "three.safetensors"},
        {"{\"weight_map\":{\"a\":\"model.safetensors.index.json\"}}", BN_STATUS_BAD_FILE,
         "model.safetensors.index.json"},
        {"{\"weight_map\":{\"c\":\"one.safetensors\"}}", BN_STATUS_BAD_FILE, "'a' is in one.safetensors"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\"}}", BN_STATUS_BAD_FILE,
         "'c' is missing"},
        {"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}", BN_STATUS_BAD_FILE,
         "but the index says"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tensor_set set;
        bn_error err = {0};
        bn_status status = open_index(bad[i].index, &set, &err);
        if (status != bad[i].status || !strstr(err.message, bad[i].says)) {
            test_fail("%s: got '%s': %s", bad[i].index, bn_status_name(status), err.message);
        }
    }
}

static void real_models(void **state) {
    (void)state;
    static const struct {
        const char *path;
        size_t n_tensors;
    } files[] = {
        {SHARED_DATA "/models/bitnet-packed/model.safetensors", 38},
        {SHARED_DATA "/models/llama3-rope/model.safetensors.index.json", 20},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!file_exists(files[i].path)) {
            print_message("skipped: %s isn't there\n", files[i].path);
            continue;
        }
        struct tensor_set set;
        bn_error err = {0};
        assert_ok(safetensors_open(files[i].path, &set, &err), err);
        assert_int_equal(set.n_tensors, files[i].n_tensors);
        tensor_set_release(&set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_read),        cmocka_unit_test(all_dtypes),
        cmocka_unit_test(bad_headers_are_refused), cmocka_unit_test(bad_lengths_are_refused),
        cmocka_unit_test(deep_nesting_is_refused), cmocka_unit_test(millions_of_values_are_refused),
        cmocka_unit_test(truncations_are_refused), cmocka_unit_test(shards_open_as_one),
        cmocka_unit_test(bad_indices_are_refused), cmocka_unit_test(real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
