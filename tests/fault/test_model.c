/* Every allocation of opening models refused in turn: each must end in BN_STATUS_NO_MEMORY with everything released
 * (LeakSanitizer checks that in the sanitizer build). One model for each way weights get into memory. */
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "model/optimize.h"
#include "model_run.h"
#include "temporary_folder.h"

static void refuse_each(const char *path, const bn_model_options *options) {
    for (long n = 0;; n++) {
        bn_model *model = NULL;
        bn_error err = {0};
        mem_fail_after(n);
        bn_status status = bn_model_open(path, options, &model, &err);
        mem_fail_after(-1);
        if (status == BN_OK) {
            bn_model_close(model);
            if (n < 10) test_fail("%s: opened with %ld allocations", path, n);
            return;
        }
        if (status != BN_STATUS_NO_MEMORY) test_fail("%s, allocation %ld: %s", path, n, err.message);
        assert_null(model);
    }
}

static void test_open(void **state) {
    (void)state;
    static const char *const paths[] = {
        TEST_DATA "/models/made/llama-bitlinear-rms",
        TEST_DATA "/models/made/bitnet-1bitllm",
        TEST_DATA "/models/made/gpt-neox-serial",
        TEST_DATA "/models/made/gpt2-inverse",
        TEST_DATA "/models/made/phi3-longrope",
        TEST_DATA "/models/made/gemma3",
        TEST_DATA "/models/bitnet-b158-i2_s-rows4/bitnet-b158-i2_s-rows4.gguf",
        TEST_DATA "/models/bitnet-silu-tq1_0/bitnet-silu-tq1_0.gguf",
        TEST_DATA "/models/qwen3-q2_0/qwen3-q2_0.gguf",
    };
    bn_model_options options = {.size = sizeof options, .n_threads = 1, .no_tokenizer = true, .head = BN_HEAD_SCREEN};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) refuse_each(paths[i], &options);
}

static void test_optimize(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    const char *path = temporary_path(&folder, "out.gguf");
    bn_model *model = NULL;
    bn_error err = {0};
    bn_model_options options = {.size = sizeof options, .n_threads = 1, .no_tokenizer = true, .head = BN_HEAD_SCREEN};
    assert_ok(bn_model_open(TEST_DATA "/models/bitnet-silu-tq1_0/bitnet-silu-tq1_0.gguf", &options, &model, &err), err);
    for (long n = 0;; n++) {
        mem_fail_after(n);
        bn_status status = model_optimize(model, path, &(struct optimize_report){0}, &err);
        mem_fail_after(-1);
        if (status == BN_OK) break;
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
        assert_false(file_exists(path));
    }
    bn_model_close(model);
    refuse_each(path, &options); /* a file with a copy of the head */
    temporary_folder_remove(&folder);
}

static void test_workspace(void **state) {
    (void)state;
    bn_model *model = NULL;
    bn_error err;
    struct thread_pool *pool;
    bn_model_options options = {.size = sizeof options, .n_threads = 1, .no_tokenizer = true, .head = BN_HEAD_SCREEN};
    assert_ok(bn_model_open(TEST_DATA "/models/made/llama-bitlinear-rms", &options, &model, &err), err);
    assert_ok(thread_pool_acquire(2, &pool, &err), err);
    for (long n = 0;; n++) {
        struct workspace *workspace = NULL;
        mem_fail_after(n);
        bn_status status = workspace_create(model, 64, 128, pool, &workspace, &err);
        mem_fail_after(-1);
        workspace_destroy(workspace);
        if (status == BN_OK) break;
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
    }
    /* A size that can't be is refused, too. */
    struct workspace *workspace = NULL;
    assert_int_equal(workspace_create(model, SIZE_MAX / 8, 128, pool, &workspace, &err), BN_STATUS_NO_MEMORY);
    thread_pool_release(pool);
    bn_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_optimize),
        cmocka_unit_test(test_workspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
