/* The writer against the reader: what goes in comes out, byte for byte, and the file keeps the stricter rules that
 * llama.cpp has (tensors in table order, each at the padded end of the previous one). A failure leaves no file. */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "formats/gguf.h"
#include "temporary_folder.h"

/* A source that emits the tensor in its context in pieces of 7 bytes. */
static bn_status emit_pieces(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    const struct tensor *tensor = source->context;
    bn_status status = BN_OK;
    for (size_t at = 0; at < tensor->size_bytes && !status; at += 7) {
        status = gguf_writer_emit(writer, tensor->data + at, min_size(7, tensor->size_bytes - at), err);
    }
    return status;
}

static struct gguf_tensor_source source_of(const struct tensor *tensor) {
    struct gguf_tensor_source source = {
        .name = tensor->name, .type = tensor->type, .n_dims = tensor->n_dims, .write = emit_pieces, .context = tensor};
    memcpy(source.shape, tensor->shape, sizeof source.shape);
    return source;
}

static void same_value(const struct gguf_value *a, const struct gguf_value *b) {
    assert_string_equal(a->key, b->key);
    assert_int_equal(a->type, b->type);
    if (a->type == GGUF_STRING) {
        assert_int_equal(a->string.size, b->string.size);
        assert_memory_equal(a->string.text, b->string.text, a->string.size);
    } else if (a->type == GGUF_ARRAY) {
        assert_int_equal(a->array.type, b->array.type);
        assert_int_equal(a->array.n, b->array.n);
        assert_int_equal(a->array.size_bytes, b->array.size_bytes);
        if (a->array.size_bytes) assert_memory_equal(a->array.bytes, b->array.bytes, a->array.size_bytes);
    } else {
        assert_true(a->u == b->u);
    }
}

static void same_tensor(const struct tensor *a, const struct tensor *b) {
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->n_dims, b->n_dims);
    assert_memory_equal(a->shape, b->shape, a->n_dims * sizeof a->shape[0]);
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_memory_equal(a->data, b->data, a->size_bytes);
}

static void expect_strict_layout(const struct gguf *gguf) {
    const struct mapped_file *file = &gguf->set.files[0];
    const uint8_t *at = gguf->set.tensors[0].data;
    for (size_t i = 0; i < gguf->set.n_tensors; i++) {
        assert_ptr_equal(gguf->set.tensors[i].data, at);
        assert_int_equal((size_t)(at - file->data) % gguf->alignment, 0);
        at += round_up(gguf->set.tensors[i].size_bytes, gguf->alignment);
    }
    assert_ptr_equal(at, file->data + file->size);
}

static void write_copy(const struct gguf *original, const char *path, size_t alignment) {
    struct gguf_writer *writer;
    bn_error err = {0};
    assert_ok(gguf_writer_create(alignment, &writer, &err), err);
    for (size_t i = 0; i < original->n_values; i++)
        assert_ok(gguf_writer_copy(writer, &original->values[i], &err), err);
    for (size_t i = 0; i < original->set.n_tensors; i++) {
        struct gguf_tensor_source source = source_of(&original->set.tensors[i]);
        assert_ok(gguf_writer_add_tensor(writer, &source, &err), err);
    }
    assert_ok(gguf_writer_finish(writer, path, &err), err);
    gguf_writer_destroy(writer);
}

/* Copies a whole file through the writer and compares everything. */
static void copy_and_compare(const char *path, const char *copy_path, size_t alignment) {
    struct gguf original, copy;
    bn_error err = {0};
    assert_ok(gguf_open(path, &original, &err), err);
    write_copy(&original, copy_path, alignment);
    assert_ok(gguf_open(copy_path, &copy, &err), err);
    assert_int_equal(copy.version, 3);
    assert_int_equal(copy.alignment, alignment);
    for (size_t i = 0; i < original.n_values; i++) {
        const struct gguf_value *value = &original.values[i], *same = gguf_find(&copy, value->key);
        if (strcmp(value->key, "general.alignment") == 0) continue;
        assert_non_null(same);
        same_value(value, same);
    }
    assert_int_equal(copy.set.n_tensors, original.set.n_tensors);
    for (size_t i = 0; i < copy.set.n_tensors; i++) same_tensor(&copy.set.tensors[i], &original.set.tensors[i]);
    expect_strict_layout(&copy);
    gguf_close(&original);
    gguf_close(&copy);
}

static void copies_equal_originals(void **state) {
    (void)state;
    static const char *const paths[] = {
        TEST_DATA "/blocks/f32/f32.gguf",
        TEST_DATA "/blocks/i2_s-rows-4/i2_s-rows-4.gguf",
        TEST_DATA "/blocks/q6_k/q6_k.gguf",
        TEST_DATA "/blocks/q2_0-group128/q2_0-group128.gguf",
        SHARED_DATA "/gguf/models/bitnet-b158-i2_s/bitnet-b158-i2_s.gguf",
        SHARED_DATA "/gguf/models/llama3-q4_k_m/llama3-q4_k_m.gguf",
    };
    struct temporary_folder folder = temporary_folder_create();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!file_exists(paths[i])) {
            print_message("skipped: %s isn't there\n", paths[i]);
            continue;
        }
        copy_and_compare(paths[i], temporary_path(&folder, "copy.gguf"), 32);
        copy_and_compare(paths[i], temporary_path(&folder, "copy.gguf"), 64);
    }
    temporary_folder_remove(&folder);
}

static void every_setter(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    struct gguf_writer *writer;
    bn_error err = {0};
    assert_ok(gguf_writer_create(32, &writer, &err), err);
    assert_ok(gguf_writer_set_u32(writer, "u32", 4000000000u, &err), err);
    assert_ok(gguf_writer_set_f32(writer, "f32", 0.1f, &err), err);
    assert_ok(gguf_writer_set_bool(writer, "bool", true, &err), err);
    assert_ok(gguf_writer_set_string(writer, "string", "a\0b", 3, &err), err);
    const struct gguf_string items[] = {{"x", 1}, {"", 0}, {"zz", 2}};
    assert_ok(gguf_writer_set_strings(writer, "strings", items, 3, &err), err);
    assert_ok(gguf_writer_set_array(writer, "array", GGUF_I32, (int32_t[]){-1, 2}, 2, &err), err);
    assert_ok(gguf_writer_set_array(writer, "empty", GGUF_F32, NULL, 0, &err), err);
    const char *path = temporary_path(&folder, "a.gguf");
    assert_ok(gguf_writer_finish(writer, path, &err), err);
    gguf_writer_destroy(writer);

    struct gguf gguf;
    assert_ok(gguf_open(path, &gguf, &err), err);
    assert_int_equal(gguf.n_values, 7);
    assert_int_equal(gguf_find(&gguf, "u32")->u, 4000000000u);
    assert_true(gguf_find(&gguf, "f32")->f == (double)0.1f);
    assert_int_equal(gguf_find(&gguf, "bool")->u, 1);
    assert_memory_equal(gguf_find(&gguf, "string")->string.text, "a\0b", 3);
    assert_int_equal(gguf_array_string(gguf_find(&gguf, "strings"), 2).size, 2);
    assert_int_equal(gguf_array_integer(gguf_find(&gguf, "array"), 0), -1);
    assert_int_equal(gguf_find(&gguf, "empty")->array.n, 0);
    gguf_close(&gguf);
    temporary_folder_remove(&folder);
}

static void misused_keys_are_refused(void **state) {
    (void)state;
    struct gguf_writer *writer;
    bn_error err = {0};
    assert_int_equal(gguf_writer_create(3, &writer, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(gguf_writer_create(1 << 30, &writer, &err), BN_STATUS_BAD_ARGUMENT);
    assert_ok(gguf_writer_create(32, &writer, &err), err);
    assert_ok(gguf_writer_set_u32(writer, "key", 1, &err), err);
    assert_int_equal(gguf_writer_set_bool(writer, "key", true, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "'key' is there already"));
    assert_int_equal(gguf_writer_set_u32(writer, "", 1, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(gguf_writer_set_u32(writer, "\xff", 1, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(gguf_writer_set_u32(writer, "general.alignment", 64, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(gguf_writer_set_array(writer, "a", GGUF_STRING, NULL, 0, &err), BN_STATUS_BAD_ARGUMENT);
    gguf_writer_destroy(writer);
    gguf_writer_destroy(NULL);
}

static void misused_tensors_are_refused(void **state) {
    (void)state;
    const struct gguf_tensor_source good = {.name = "t", .type = TYPE_Q8_0, .n_dims = 2, .shape = {2, 32}};
    const struct gguf_tensor_source bad[] = {
        good, /* the second of that name */
        {.name = "", .type = TYPE_Q8_0, .n_dims = 2, .shape = {2, 32}},
        {.name = "0123456789012345678901234567890123456789012345678901234567890123", .n_dims = 1, .shape = {1}},
        {.name = "part of a block", .type = TYPE_Q8_0, .n_dims = 2, .shape = {2, 33}},
        {.name = "no dimensions", .type = TYPE_F32, .n_dims = 0},
        {.name = "dimension 0", .type = TYPE_F32, .n_dims = 2, .shape = {0, 4}},
        {.name = "too large", .type = TYPE_F32, .n_dims = 2, .shape = {SIZE_MAX, 4}},
        {.name = "not GGUF's", .type = TYPE_U8, .n_dims = 1, .shape = {4}},
    };
    struct gguf_writer *writer;
    bn_error err = {0};
    assert_ok(gguf_writer_create(32, &writer, &err), err);
    assert_ok(gguf_writer_add_tensor(writer, &good, &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (gguf_writer_add_tensor(writer, &bad[i], &err) != BN_STATUS_BAD_ARGUMENT) {
            test_fail("tensor '%s' was accepted", bad[i].name);
        }
    }
    gguf_writer_destroy(writer);
}

static bn_status emit_too_much(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    (void)source;
    bn_status status = gguf_writer_emit(writer, "1234", 4, err);
    return status ? status : gguf_writer_emit(writer, "5", 1, err);
}
static bn_status emit_too_little(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    (void)source;
    return gguf_writer_emit(writer, "123", 3, err);
}
static bn_status emit_error(struct gguf_writer *writer, const struct gguf_tensor_source *source, bn_error *err) {
    (void)writer;
    (void)source;
    return fail(err, BN_STATUS_CANCELLED, "stopped");
}

static void expect_only_old_file(const struct temporary_folder *folder, const char *path) {
    char *bytes;
    size_t size;
    bn_error err = {0};
    assert_ok(file_read_all(path, 100, &bytes, &size, &err), err);
    assert_string_equal(bytes, "old");
    mem_free(bytes);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder->path), 0); /* fails if a temporary file is left */
}

/* Whatever goes wrong while writing, the file that was there stays and nothing else is left in the folder. */
static void failures_leave_the_old_file(void **state) {
    (void)state;
    static const struct {
        bn_status (*write)(struct gguf_writer *, const struct gguf_tensor_source *, bn_error *);
        bn_status status;
        const char *says;
    } cases[] = {
        {emit_too_much, BN_STATUS_INTERNAL, "more bytes"},
        {emit_too_little, BN_STATUS_INTERNAL, "gave 3 bytes, expected 4"},
        {emit_error, BN_STATUS_CANCELLED, "tensor 't': stopped"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct temporary_folder folder = temporary_folder_create();
        const char *path = temporary_path(&folder, "old.gguf");
        write_file(path, "old", 3);
        struct gguf_writer *writer;
        bn_error err = {0};
        assert_ok(gguf_writer_create(32, &writer, &err), err);
        struct gguf_tensor_source source = {
            .name = "t", .type = TYPE_F32, .n_dims = 1, .shape = {1}, .write = cases[i].write};
        assert_ok(gguf_writer_add_tensor(writer, &source, &err), err);
        assert_int_equal(gguf_writer_finish(writer, path, &err), cases[i].status);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_non_null(strstr(err.message, path));
        gguf_writer_destroy(writer);
        expect_only_old_file(&folder, path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_equal_originals),      cmocka_unit_test(every_setter),
        cmocka_unit_test(misused_keys_are_refused),    cmocka_unit_test(misused_tensors_are_refused),
        cmocka_unit_test(failures_leave_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
