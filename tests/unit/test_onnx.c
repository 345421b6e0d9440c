/* ONNX graphs: names and values held against the weights that tests/data/onnx/make_files.py made them of. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"

#define FILES TEST_DATA "/onnx/"

/* The same tensors with the same values. */
static void expect_weights(const char *graph, const char *weights) {
    struct tensor_set expected, got;
    bn_error err = {0};
    assert_ok(safetensors_open(weights, &expected, &err), err);
    assert_ok(checkpoint_open(graph, &got, &err), err);
    assert_int_equal(got.n_tensors, expected.n_tensors);
    for (size_t i = 0; i < expected.n_tensors; i++) {
        const struct tensor *want = &expected.tensors[i], *is = tensor_set_find(&got, want->name);
        if (!is) test_fail("%s: '%s' is missing", graph, want->name);
        assert_int_equal(is->n_dims, want->n_dims);
        assert_memory_equal(is->shape, want->shape, want->n_dims * sizeof *want->shape);
        size_t n = tensor_rows(want) * tensor_cols(want);
        float *a = mem_alloc_array(n, sizeof *a), *b = mem_alloc_array(n, sizeof *b);
        assert_ok(tensor_decode_all(want, a, &err), err);
        assert_ok(tensor_decode_all(is, b, &err), err);
        if (memcmp(a, b, n * sizeof *a) != 0) test_fail("%s: '%s' has other values", graph, want->name);
        mem_free(a);
        mem_free(b);
    }
    tensor_set_release(&expected);
    tensor_set_release(&got);
}

static void weights_as_exporters_lay_them(void **state) {
    (void)state;
    expect_weights(FILES "exported.onnx", FILES "expected.safetensors");
    expect_weights(FILES "external.onnx", FILES "expected.safetensors");
    expect_weights(FILES "built.onnx", FILES "built-expected.safetensors");
    expect_weights(FILES "quantised.onnx", FILES "quantised-expected.safetensors");
    expect_weights(FILES "typed.onnx", FILES "typed-expected.safetensors");
}

static void expect_refused(const char *path, const char *says) {
    struct tensor_set set;
    bn_error err = {0};
    bn_status status = checkpoint_open(path, &set, &err);
    if (!status || !strstr(err.message, says)) test_fail("%s: %s", path, err.message);
}

static void data_outside_of_the_folder_is_refused(void **state) {
    (void)state;
    expect_refused(FILES "escaping.onnx", "isn't a file beside the graph");
    expect_refused(FILES "absolute.onnx", "isn't a file beside the graph");
    expect_refused(FILES "missing.onnx", "missing.data");
}

/* Cut off anywhere, a graph is refused or gives what is whole. */
static void cut_files_do_no_harm(void **state) {
    (void)state;
    struct mapped_file file;
    bn_error err = {0};
    assert_ok(mapped_file_open(FILES "typed.onnx", &file, &err), err);
    for (size_t n = 0; n < file.size; n += 7) {
        struct tensor_set set;
        uint8_t *bytes = mem_alloc(n + 1); /* of its own, so that reading beyond shows */
        memcpy(bytes, file.data, n);
        if (onnx_parse(bytes, n, "cut", &set, &err) == BN_OK) tensor_set_release(&set);
        mem_free(bytes);
    }
    mapped_file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_as_exporters_lay_them),
        cmocka_unit_test(data_outside_of_the_folder_is_refused),
        cmocka_unit_test(cut_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
