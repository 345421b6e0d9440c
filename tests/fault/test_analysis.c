/* Every allocation of looking at models refused in turn: each must end in BN_STATUS_NO_MEMORY with everything released
 * (LeakSanitizer checks that in the sanitizer build) and nothing half-written left. */
#include "test.h"

#include <dirent.h>

#include "analysis/optimization.h"
#include "analysis/tensor_comparison.h"
#include "analysis/verification.h"
#include "base/file.h"
#include "base/memory.h"
#include "temporary_folder.h"

#define FOLDER TEST_DATA "/models/made/bitnet-1bitllm"
#define GGUF   TEST_DATA "/models/bitnet-silu-tq1_0/bitnet-silu-tq1_0.gguf"

static void ignore(void *context, const char *check, enum check_verdict verdict, const char *detail) {
    (void)context, (void)check, (void)verdict, (void)detail;
}

static bn_status verify(const char *path, bn_error *err) {
    const struct verification_options options = {
        .path = path,
        .model = {.size = sizeof options.model, .n_threads = 1, .no_tokenizer = true},
        .engine = {.size = sizeof options.engine, .n_threads = 1},
        .report = ignore};
    return model_verify(&options, err);
}

static bn_status compare(const char *path, bn_error *err) {
    struct weights_view first = {0}, second = {0};
    struct tensor_comparison comparison = {0};
    bn_status status = weights_view_open(path, NULL, 1, &first, err);
    if (!status) status = weights_view_open(path, NULL, 1, &second, err);
    if (!status) status = tensors_compare(&first, &second, NULL, NULL, &comparison, err);
    if (!status && comparison.n_equal != comparison.n) test_fail("%s isn't itself", path);
    tensor_comparison_release(&comparison);
    weights_view_close(&first);
    weights_view_close(&second);
    return status;
}

static void refuse_each(const char *path, bn_status (*work)(const char *path, bn_error *err)) {
    for (long n = 0;; n++) {
        bn_error err = {0};
        mem_fail_after(n);
        bn_status status = work(path, &err);
        mem_fail_after(-1);
        if (status == BN_OK && n < 10) test_fail("%s: done with %ld allocations", path, n);
        if (status == BN_OK) return;
        if (status != BN_STATUS_NO_MEMORY) test_fail("%s, allocation %ld: %s", path, n, err.message);
    }
}

static void test_verify(void **state) {
    (void)state;
    refuse_each(FOLDER, verify);
    refuse_each(GGUF, verify);
}

static void test_compare(void **state) {
    (void)state;
    refuse_each(FOLDER, compare);
    refuse_each(GGUF, compare);
}

static struct temporary_folder folder;

static size_t files_in(const char *path) {
    size_t n = 0;
    DIR *entries = opendir(path);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));) n += entry->d_name[0] != '.';
    closedir(entries);
    return n;
}

static bn_status optimize(const char *path, bn_error *err) {
    struct optimization_report report = {0};
    const struct optimization_options options = {
        .source = path,
        .output = temporary_path(&folder, "out.gguf"),
        .model = {.size = sizeof options.model, .n_threads = 1, .no_tokenizer = true},
        .no_compare = true};
    bn_status status = optimize_model(&options, &report, err);
    optimization_report_release(&report);
    assert_int_equal(files_in(folder.path), status == BN_OK);
    return status;
}

static void test_optimize(void **state) {
    (void)state;
    folder = temporary_folder_create();
    refuse_each(FOLDER, optimize);
    temporary_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_optimize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
