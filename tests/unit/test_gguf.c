/* GGUF files that follow the rules, built byte by byte from the specification: metadata of every type, both versions,
 * any order of tensors, split files, a million tensors; and the published models' layout as it is in the wild. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "formats/gguf.h"
#include "gguf_builder.h"
#include "temporary_folder.h"

enum { F32 = 0, I2_S = 36, Q2_0 = 42 };

static struct gguf parse(const struct buffer *b) {
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_parse((const uint8_t *)b->data, b->size, "built", &gguf, &err), err);
    return gguf;
}

/* ---- metadata ---- */

static void put_every_type(struct buffer *b) {
    put_header(b, 3, 0, 16);
    put_key(b, "u8", 0), put_u8(b, 200);
    put_key(b, "i8", 1), put_u8(b, (uint8_t)-3);
    put_key(b, "u16", 2), buffer_append(b, &(uint16_t){60000}, 2);
    put_key(b, "i16", 3), buffer_append(b, &(int16_t){-300}, 2);
    put_key(b, "u32", 4), put_u32(b, 4000000000u);
    put_key(b, "i32", 5), put_u32(b, (uint32_t)-7);
    put_key(b, "f32", 6), put_f32(b, 0.1f);
    put_key(b, "bool", 7), put_u8(b, 1);
    put_key(b, "string", 8), put_bytes(b, "with\0NUL", 8);
    put_key(b, "u64", 10), put_u64(b, UINT64_MAX);
    put_key(b, "i64", 11), put_u64(b, (uint64_t)INT64_MIN);
    put_key(b, "f64", 12), buffer_append(b, &(double){0.1}, 8);
    put_array(b, "strings", 8, 3), put_text(b, "a"), put_text(b, ""), put_text(b, "ccc");
    put_array(b, "i16s", 3, 2), buffer_append(b, (int16_t[]){-1, 5}, 4);
    put_array(b, "f32s", 6, 2), put_f32(b, -1.5f), put_f32(b, 2);
    put_array(b, "none", 8, 0);
}

static void every_value_type_is_read(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b);
    put_every_type(&b);
    struct gguf gguf = parse(&b);
    assert_int_equal(gguf.n_values, 16);
    assert_int_equal(gguf.version, 3);
    assert_int_equal(gguf.alignment, 32);
    assert_string_equal(gguf.values[8].key, "string");
    assert_int_equal(gguf_find(&gguf, "u8")->u, 200);
    assert_int_equal(gguf_find(&gguf, "i8")->i, -3);
    assert_int_equal(gguf_find(&gguf, "u16")->u, 60000);
    assert_int_equal(gguf_find(&gguf, "i16")->i, -300);
    assert_int_equal(gguf_find(&gguf, "u32")->u, 4000000000u);
    assert_int_equal(gguf_find(&gguf, "i32")->i, -7);
    assert_true(gguf_find(&gguf, "f32")->f == (double)0.1f);
    assert_int_equal(gguf_find(&gguf, "bool")->u, 1);
    assert_true(gguf_find(&gguf, "u64")->u == UINT64_MAX);
    assert_true(gguf_find(&gguf, "i64")->i == INT64_MIN);
    assert_true(gguf_find(&gguf, "f64")->f == 0.1);
    assert_int_equal(gguf_find(&gguf, "string")->string.size, 8);
    assert_memory_equal(gguf_find(&gguf, "string")->string.text, "with\0NUL", 8);
    const struct gguf_value *strings = gguf_find(&gguf, "strings");
    static const char *const expected[] = {"a", "", "ccc"};
    for (size_t i = 0; i < 3; i++) {
        struct gguf_string text = gguf_array_string(strings, i);
        assert_int_equal(text.size, strlen(expected[i]));
        assert_memory_equal(text.text, expected[i], text.size);
    }
    assert_int_equal(gguf_array_integer(gguf_find(&gguf, "i16s"), 0), -1);
    assert_true(gguf_array_number(gguf_find(&gguf, "i16s"), 1) == 5);
    assert_true(gguf_array_number(gguf_find(&gguf, "f32s"), 0) == -1.5);
    assert_int_equal(gguf_find(&gguf, "none")->array.n, 0);
    assert_null(gguf_find(&gguf, "nothing"));
    gguf_close(&gguf);
    buffer_release(&b);
}

static void getters_check_type_and_range(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b);
    put_every_type(&b);
    struct gguf gguf = parse(&b);
    bn_error err = {0};
    size_t size = 42;
    double number = 42;
    bool flag = true;
    struct gguf_string text = {"x", 1};

    assert_int_equal(gguf_get_size(&gguf, "nothing", 0, 9, &size, &err), BN_OK);
    assert_int_equal(gguf_get_number(&gguf, "nothing", &number, &err), BN_OK);
    assert_int_equal(gguf_get_bool(&gguf, "nothing", &flag, &err), BN_OK);
    assert_int_equal(gguf_get_string(&gguf, "nothing", &text, &err), BN_OK);
    assert_true(size == 42 && number == 42 && flag && text.size == 1);

    assert_int_equal(gguf_get_size(&gguf, "u8", 0, 199, &size, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'u8' is 200, expected 0 to 199"));
    assert_int_equal(gguf_get_size(&gguf, "i8", 0, 9, &size, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'i8' is -3"));
    assert_int_equal(gguf_get_size(&gguf, "f32", 0, 9, &size, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'f32' has type f32, expected an integer"));
    assert_int_equal(gguf_get_number(&gguf, "string", &number, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(gguf_get_bool(&gguf, "u8", &flag, &err), BN_STATUS_BAD_FILE);
    assert_int_equal(gguf_get_string(&gguf, "strings", &text, &err), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(err.message, "'strings' has type array, expected a string"));
    assert_true(size == 42 && number == 42);

    assert_ok(gguf_get_size(&gguf, "u16", 0, SIZE_MAX, &size, &err), err);
    assert_ok(gguf_get_number(&gguf, "i16", &number, &err), err);
    assert_true(size == 60000 && number == -300);
    gguf_close(&gguf);
    buffer_release(&b);
}

/* ---- tensors ---- */

static void tensors_in_any_order(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        struct buffer b;
        buffer_init(&b);
        put_header(&b, version, 2, 1);
        put_value_u32(&b, "general.alignment", 64);
        put_tensor(&b, "late", 3, (uint64_t[]){4, 3, 2}, F32, 128);
        put_tensor(&b, "early", 1, (uint64_t[]){2}, F32, 0);
        pad_to(&b, 64);
        size_t data = b.size;
        put_f32(&b, 1), put_f32(&b, 2), put_zeros(&b, 120);
        for (int i = 0; i < 24; i++) put_f32(&b, (float)i);
        struct gguf gguf = parse(&b);
        assert_int_equal(gguf.alignment, 64);
        const struct tensor *late = tensor_set_find(&gguf.set, "late"), *early = tensor_set_find(&gguf.set, "early");
        assert_ptr_equal(late, &gguf.set.tensors[0]);
        assert_int_equal(late->n_dims, 3);
        assert_true(late->shape[0] == 2 && late->shape[1] == 3 && late->shape[2] == 4);
        assert_int_equal(tensor_rows(late), 6);
        assert_int_equal(tensor_cols(late), 4);
        assert_ptr_equal(late->data, (const uint8_t *)b.data + data + 128);
        assert_int_equal(early->size_bytes, 8);
        assert_int_equal(tensor_rows(early), 1);
        float values[24];
        bn_error err = {0};
        assert_ok(tensor_decode_all(late, values, &err), err);
        assert_true(values[23] == 23);
        assert_null(tensor_set_find(&gguf.set, "nothing"));
        gguf_close(&gguf);
        buffer_release(&b);
    }
}

/* Vocabulary-only files have no tensors and may end right behind the metadata. */
static void no_tensors(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 0, 1);
    put_value_u32(&b, "a", 1);
    struct gguf gguf = parse(&b);
    assert_int_equal(gguf.set.n_tensors, 0);
    assert_null(tensor_set_find(&gguf.set, "a"));
    gguf_close(&gguf);
    buffer_release(&b);
}

static enum i2s_layout layout_of(const char *name, uint64_t rows) {
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 1, name ? 1 : 0);
    if (name) put_value_text(&b, "bitnet.i2s.layout", name);
    put_matrix(&b, "t", 128, rows, I2_S, 0);
    pad_to(&b, 32);
    put_zeros(&b, 128 * rows / 4 + I2S_TAIL_BYTES);
    struct gguf gguf = parse(&b);
    enum i2s_layout layout = gguf.set.tensors[0].i2s_layout;
    assert_int_equal(gguf.set.tensors[0].size_bytes, 128 * rows / 4 + 32);
    gguf_close(&gguf);
    buffer_release(&b);
    return layout;
}

static void i2s_layout_comes_from_metadata(void **state) {
    (void)state;
    assert_int_equal(layout_of(NULL, 4), I2S_UNKNOWN);
    assert_int_equal(layout_of("x86-128", 4), I2S_X86_128);
    assert_int_equal(layout_of("arm-64", 4), I2S_ARM_64);
    assert_int_equal(layout_of("rows-4", 4), I2S_ROWS_4);
    assert_int_equal(layout_of("l16", 16), I2S_L16);
    assert_int_equal(layout_of("l16", 4), I2S_X86_128); /* L16 can't hold 4 rows */
    assert_int_equal(layout_of("l12", 16), I2S_L12);
    assert_int_equal(layout_of("l12", 8), I2S_X86_128);
}

/* Two tensors of 128·rows values; the room of the first is given. Returns the types found. */
static void types_of_42(uint64_t rows, uint64_t second_at, uint64_t data_bytes, enum tensor_type out[2]) {
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 2, 0);
    put_matrix(&b, "a", 128, rows, Q2_0, 0);
    put_matrix(&b, "b", 128, rows, Q2_0, second_at);
    pad_to(&b, 32);
    put_zeros(&b, data_bytes);
    struct gguf gguf = parse(&b);
    out[0] = gguf.set.tensors[0].type;
    out[1] = gguf.set.tensors[1].type;
    gguf_close(&gguf);
    buffer_release(&b);
}

/* As ggml defines it, 64 values in 18 bytes; early files wrote 128 values in 34 bytes under the same number. */
static void type_42_is_told_by_its_room(void **state) {
    (void)state;
    enum tensor_type types[2];
    types_of_42(16, 576, 576 + 576, types); /* 2048 values: 576 bytes or 544 */
    assert_true(types[0] == TYPE_Q2_0 && types[1] == TYPE_Q2_0);
    types_of_42(16, 544, 544 + 544, types);
    assert_true(types[0] == TYPE_PQ2_0 && types[1] == TYPE_PQ2_0);
    types_of_42(1, 64, 64 + 34, types); /* the first fits both (36 or 34 in 64), the last one's end decides */
    assert_true(types[0] == TYPE_PQ2_0 && types[1] == TYPE_PQ2_0);
    types_of_42(1, 64, 64 + 64, types); /* nothing decides: the type as ggml defines it */
    assert_true(types[0] == TYPE_Q2_0 && types[1] == TYPE_Q2_0);
}

/* Quadratic work anywhere would take hours here. */
static void a_million_tensors(void **state) {
    (void)state;
    enum { N = 1000000 };
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, N, 0);
    for (uint64_t i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", (unsigned)i);
        put_tensor(&b, name, 1, (uint64_t[]){8}, F32, 32 * (i * 7919 % N)); /* all places, in no order */
    }
    pad_to(&b, 32);
    size_t start = b.size;
    char *zeros = mem_calloc(N, 32);
    buffer_append(&b, zeros, (size_t)N * 32);
    mem_free(zeros);
    uint64_t began = clock_now_ns();
    struct gguf gguf = parse(&b);
    double seconds = (double)(clock_now_ns() - began) * 1e-9;
    assert_int_equal(gguf.set.n_tensors, N);
    assert_ptr_equal(tensor_set_find(&gguf.set, "t1")->data, (const uint8_t *)b.data + start + 32 * 7919);
    if (seconds > 20) test_fail("a million tensors took %.1f s", seconds);
    gguf_close(&gguf);
    buffer_release(&b);
}

/* ---- split files ---- */

struct part {
    uint32_t number, count, total;
    const char *tensor;
};

static void write_part(const struct temporary_folder *folder, const char *name, struct part part) {
    struct buffer b;
    buffer_init(&b);
    put_header(&b, 3, 1, part.number == 0 ? 4 : 3);
    if (part.number == 0) put_value_text(&b, "general.name", "split");
    put_key(&b, "split.no", 2), buffer_append(&b, &(uint16_t){(uint16_t)part.number}, 2);
    put_key(&b, "split.count", 2), buffer_append(&b, &(uint16_t){(uint16_t)part.count}, 2);
    put_key(&b, "split.tensors.count", 5), put_u32(&b, part.total);
    put_tensor(&b, part.tensor, 1, (uint64_t[]){1}, F32, 0);
    pad_to(&b, 32);
    put_f32(&b, (float)part.number);
    write_file(temporary_path(folder, name), b.data, b.size);
    buffer_release(&b);
}

static void split_files_open_as_one(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    write_part(&folder, "m-00001-of-00003.gguf", (struct part){0, 3, 3, "a"});
    write_part(&folder, "m-00002-of-00003.gguf", (struct part){1, 3, 3, "b"});
    write_part(&folder, "m-00003-of-00003.gguf", (struct part){2, 3, 3, "c"});
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_open(temporary_path(&folder, "m-00001-of-00003.gguf"), &gguf, &err), err);
    assert_int_equal(gguf.set.n_tensors, 3);
    assert_int_equal(gguf.set.n_files, 3);
    assert_non_null(gguf_find(&gguf, "general.name"));
    float value;
    assert_ok(tensor_decode_all(tensor_set_find(&gguf.set, "c"), &value, &err), err);
    assert_true(value == 2);
    gguf_close(&gguf);
    temporary_folder_remove(&folder);
}

static void bad_splits_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *what, *first_name;
        struct part first, second;
        bool second_missing;
        bn_status status;
        const char *says;
    } cases[] = {
        {"missing part",
         "m-00001-of-00002.gguf",
         {0, 2, 2, "a"},
         {1, 2, 2, "b"},
         true,
         BN_STATUS_NOT_FOUND,
         "m-00002-of-00002.gguf"},
        {"wrong number",
         "m-00001-of-00002.gguf",
         {0, 2, 2, "a"},
         {0, 2, 2, "b"},
         false,
         BN_STATUS_BAD_FILE,
         "says part 1 of 2, expected part 2 of 2"},
        {"wrong count",
         "m-00001-of-00002.gguf",
         {0, 2, 2, "a"},
         {1, 3, 2, "b"},
         false,
         BN_STATUS_BAD_FILE,
         "says part 2 of 3"},
        {"wrong total",
         "m-00001-of-00002.gguf",
         {0, 2, 5, "a"},
         {1, 2, 5, "b"},
         false,
         BN_STATUS_BAD_FILE,
         "'split.tensors.count' is 5"},
        {"same tensor",
         "m-00001-of-00002.gguf",
         {0, 2, 2, "a"},
         {1, 2, 2, "a"},
         false,
         BN_STATUS_BAD_FILE,
         "two tensors are named 'a'"},
        {"other name",
         "other.gguf",
         {0, 2, 2, "a"},
         {1, 2, 2, "b"},
         false,
         BN_STATUS_BAD_FILE,
         "name must end in '-00001-of-00002.gguf'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct temporary_folder folder = temporary_folder_create();
        write_part(&folder, cases[i].first_name, cases[i].first);
        if (!cases[i].second_missing) write_part(&folder, "m-00002-of-00002.gguf", cases[i].second);
        struct gguf gguf;
        bn_error err = {0};
        bn_status status = gguf_open(temporary_path(&folder, cases[i].first_name), &gguf, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].says)) {
            test_fail("%s: '%s': %s", cases[i].what, bn_status_name(status), err.message);
        }
        temporary_folder_remove(&folder);
    }
}

/* ---- files as converters write them ---- */

static void published_layout(void **state) {
    (void)state;
    const char *path = SHARED_DATA "/gguf/models/bitnet-b158-i2_s/bitnet-b158-i2_s.gguf";
    if (!file_exists(path)) {
        print_message("skipped: %s isn't there\n", path);
        return;
    }
    struct gguf gguf;
    bn_error err = {0};
    assert_ok(gguf_open(path, &gguf, &err), err);
    struct gguf_string architecture = {0};
    assert_ok(gguf_get_string(&gguf, "general.architecture", &architecture, &err), err);
    assert_memory_equal(architecture.text, "bitnet-b1.58", 12);
    const struct tensor *q = tensor_set_find(&gguf.set, "blk.0.attn_q.weight");
    assert_int_equal(q->type, TYPE_I2_S);
    assert_int_equal(q->i2s_layout, I2S_UNKNOWN);
    assert_int_equal(q->size_bytes, q->shape[0] * q->shape[1] / 4 + 32);
    gguf_close(&gguf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_type_is_read),
        cmocka_unit_test(getters_check_type_and_range),
        cmocka_unit_test(tensors_in_any_order),
        cmocka_unit_test(no_tensors),
        cmocka_unit_test(i2s_layout_comes_from_metadata),
        cmocka_unit_test(type_42_is_told_by_its_room),
        cmocka_unit_test(a_million_tensors),
        cmocka_unit_test(split_files_open_as_one),
        cmocka_unit_test(bad_splits_are_refused),
        cmocka_unit_test(published_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
