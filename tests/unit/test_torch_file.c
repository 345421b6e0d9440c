/* PyTorch's files: values held against what torch itself reads (tests/data/torch), and pickles and archives that are after something
 * else. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"

#define FILES TEST_DATA "/torch/"

/* Every tensor of `path` has the type, shape and bytes that the safetensors file says. */
static void expect_kinds(const char *path) {
    struct tensor_set expected, got;
    bn_error err = {0};
    assert_ok(safetensors_open(FILES "kinds.safetensors", &expected, &err), err);
    assert_ok(checkpoint_open(path, &got, &err), err);
    assert_int_equal(got.n_tensors, expected.n_tensors);
    size_t n_views = 0;
    for (size_t i = 0; i < got.n_tensors; i++) n_views += got.tensors[i].view != NULL;
    assert_true(n_views >= 6); /* shown where they lie */
    float row[64], all[64];
    for (size_t i = 0; i < got.n_tensors; i++) { /* values through views … */
        const struct tensor *tensor = &got.tensors[i];
        if (tensor->type != TYPE_F32 || tensor->size_bytes == 0) continue;
        assert_ok(tensor_decode_all(tensor, all, &err), err);
        assert_memory_equal(all, tensor_set_find(&expected, tensor->name)->data, tensor->size_bytes);
        tensor_decode_row(tensor, tensor_rows(tensor) - 1, row);
        assert_memory_equal(row, all + (tensor_rows(tensor) - 1) * tensor_cols(tensor), tensor_cols(tensor) * 4);
    }
    assert_ok(tensor_set_materialize(&got, &err), err); /* … and bytes without */
    for (size_t i = 0; i < expected.n_tensors; i++) {
        const struct tensor *want = &expected.tensors[i], *is = tensor_set_find(&got, want->name);
        if (!is) test_fail("%s: '%s' is missing", path, want->name);
        assert_int_equal(is->type, want->type);
        assert_int_equal(is->n_dims, want->n_dims);
        assert_memory_equal(is->shape, want->shape, want->n_dims * sizeof *want->shape);
        assert_int_equal(is->size_bytes, want->size_bytes);
        if (memcmp(is->data, want->data, want->size_bytes) != 0)
            test_fail("%s: '%s' has other values", path, want->name);
    }
    tensor_set_release(&expected);
    tensor_set_release(&got);
}

static void values_as_torch_reads_them(void **state) {
    (void)state;
    expect_kinds(FILES "kinds.bin");
    expect_kinds(FILES "kinds-protocol4.bin");
    expect_kinds(FILES "kinds-legacy.bin");
    expect_kinds(FILES "checkpoint.bin");
    expect_kinds(FILES "pytorch_model.bin.index.json");
}

static void transposing_a_view_gives_the_original(void **state) {
    (void)state;
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(checkpoint_open(FILES "kinds.bin", &set, &err), err);
    struct tensor back;
    struct tensor_view view;
    float values[48], expected[48];
    tensor_transpose(tensor_set_find(&set, "transposed"), &view, &back);
    assert_ok(tensor_decode_all(&back, values, &err), err);
    assert_ok(tensor_decode_all(tensor_set_find(&set, "f32"), expected, &err), err);
    assert_memory_equal(values, expected, sizeof values);
    tensor_set_release(&set);
}

static void misused_archives_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"traversal.zip", "could lead out of its folder"},
        {"absolute.zip", "could lead out of its folder"},
        {"backslash.zip", "could lead out of its folder"},
        {"symlink.zip", "is a symbolic link"},
        {"bomb.zip", "is compressed"},
        {"encrypted.zip", "is encrypted"},
        {"twice.zip", "two entries are named"},
        {"shared.zip", "share bytes"},
        {"other-name.zip", "has another name"},
        {"too-long.zip", "aren't in the file"},
        {"many-entries.zip", "isn't in the file"},
        {"no-pickle.zip", "without data.pkl"},
        {"script.zip", "TorchScript"},
    };
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(checkpoint_open(FILES "good.zip", &set, &err), err);
    tensor_set_release(&set);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        snprintf(path, sizeof path, FILES "%s", cases[i].file);
        bn_status status = checkpoint_open(path, &set, &err);
        if (!status || !strstr(err.message, cases[i].says)) test_fail("%s: %s", cases[i].file, err.message);
    }
}

/* ---- pickles ---- */

static const struct pickle_global allowed[] = {{"collections", "OrderedDict"}};

static void expect_pickle(const char *bytes, size_t n, const char *says) {
    struct arena arena;
    const struct pickle_value *root = NULL;
    size_t consumed;
    bn_error err = {0};
    arena_init(&arena);
    bn_status status = pickle_parse((const uint8_t *)bytes, n, allowed, 1, &arena, &root, &consumed, &err);
    if (says ? !status || !strstr(err.message, says) : status != BN_OK) test_fail("%s", err.message);
    arena_release(&arena);
}
#define PICKLE(text, says) expect_pickle(text, sizeof text - 1, says)

static void pickles_that_call_are_refused_by_name(void **state) {
    (void)state;
    PICKLE("\x80\x02"
           "cposix\nsystem\nX\2\0\0\0id\x85R.",
           "'posix.system'");
    PICKLE("\x80\x02"
           "cbuiltins\neval\n(X\1\0\0\0"
           "1tR.",
           "'builtins.eval'");
    PICKLE("\x80\x04\x8c\2os\x8c\6system\x93.", "'os.system'");
    PICKLE("\x80\x02"
           "ccollections\nOrderedDict\nq\0X\2\0\0\0id\x85R.",
           NULL); /* a node, nothing runs */
    PICKLE("\x80\x02"
           "ccollections\nUserDict\n.",
           "'collections.UserDict'");
    PICKLE("\x80\x02"
           "ccollections.abc\nOrderedDict\n.",
           "'collections.abc.OrderedDict'");
    PICKLE("(iposix\nsystem\n.", "INST");
    PICKLE("(o.", "OBJ");
    PICKLE("\x80\x02\x82\1.", "EXT1");
    PICKLE("\x80\x02)}\x92.", "NEWOBJ_EX");
    PICKLE("\x80\x05\x97.", "NEXT_BUFFER");
    PICKLE("Pid\n.", "PERSID");
    PICKLE("\x80\x02X\1\0\0\0a)R.", "a call isn't one of a named function");
}

static void broken_pickles_are_refused(void **state) {
    (void)state;
    PICKLE("", "ends in the middle");
    PICKLE("\x80\x02}", "ends in the middle");
    PICKLE("\x80\x06.", "protocol beyond 5");
    PICKLE(".", "stack is empty");
    PICKLE("(.", "stack is empty");
    PICKLE("t.", "mark is missing");
    PICKLE("(K\1d.", "key without a value");
    PICKLE("K\1K\2a.", "isn't a list");
    PICKLE("]K\1K\2s.", "isn't a dict");
    PICKLE("h\5.", "never set");
    PICKLE("Nr\xff\xff\xff\xff.", "memo's number is too large");
    PICKLE("X\xff\xff\xff\x7f"
           "a",
           "ends in the middle of a string");
    PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
           "a",
           "ends in the middle of a string");
    PICKLE("I12x\n.", "number isn't one");
    PICKLE("S'a\\n'\n.", "with escapes");
    PICKLE("K\1\x85\x85\xfe.", "fe is no opcode");
}

/* What a few bytes can ask for is bounded: a list that is appended to itself again and again, marks without end. */
static void memory_is_bounded(void **state) {
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes);
    buffer_append_text(&bytes, "]q");
    buffer_append_char(&bytes, 0);
    for (int i = 0; i < 3000000; i++) buffer_append(&bytes, "h\0a", 3);
    buffer_append_char(&bytes, '.');
    expect_pickle(bytes.data, bytes.size, "more than 2 million values");
    buffer_clear(&bytes);
    for (int i = 0; i < 3000000; i++) buffer_append_char(&bytes, '(');
    expect_pickle(bytes.data, bytes.size, "too many marks");
    buffer_release(&bytes);
}

static void values_of_all_protocols(void **state) {
    (void)state;
    static const char text[] = "(dI7\nL-8L\nsS'k'\nF2.5\nsVu\nI01\nsX\1\0\0\0b\x8a\2\xff\xffs\x8c\1g"
                               "G\x3f\xf8\0\0\0\0\0\0s\x8c\1n](NK\3es.";
    struct arena arena;
    const struct pickle_value *root = NULL;
    size_t consumed;
    bn_error err = {0};
    arena_init(&arena);
    assert_ok(pickle_parse((const uint8_t *)text, sizeof text - 1, NULL, 0, &arena, &root, &consumed, &err), err);
    assert_int_equal(consumed, sizeof text - 1);
    assert_int_equal(root->kind, PICKLE_DICT);
    assert_int_equal(root->n_items, 12);
    assert_int_equal(root->items[0]->integer, 7);
    assert_int_equal(root->items[1]->integer, -8);
    assert_true(pickle_get(root, "k")->number == 2.5);
    assert_true(pickle_get(root, "u")->truth);
    assert_int_equal(pickle_get(root, "b")->integer, -1);
    assert_true(pickle_get(root, "g")->number == 1.5);
    assert_int_equal(pickle_get(root, "n")->n_items, 2);
    assert_null(pickle_get(root, "x"));
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_as_torch_reads_them),   cmocka_unit_test(transposing_a_view_gives_the_original),
        cmocka_unit_test(misused_archives_are_refused), cmocka_unit_test(pickles_that_call_are_refused_by_name),
        cmocka_unit_test(broken_pickles_are_refused),   cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(values_of_all_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
