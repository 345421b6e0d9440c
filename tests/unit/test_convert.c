/* Conversion held against what was there before: the logits of the Hugging Face implementation that the reference models
 * come with, and ternary codes bit for bit. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "convert/convert.h"
#include "model_run.h"
#include "temporary_folder.h"

#define MODELS  TEST_DATA "/models/"
#define EXACT   5e-5 /* as in tests/parity */
#define MAX_IDS 256

static struct temporary_folder folder;

static int set_up(void **state) {
    (void)state;
    folder = temporary_folder_create();
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    temporary_folder_remove(&folder);
    return 0;
}

static bn_status convert_to(const char *source, const char *output, enum convert_target target, bn_error *err) {
    struct convert_options options = {.source = source, .output = output, .target = target, .n_threads = 2};
    struct convert_report report = {0};
    bn_status status = convert_model(&options, &report, err);
    convert_report_release(&report);
    return status;
}

/* Largest difference of a model's logits from those of a file. */
static double difference_from(const bn_model *model, const int32_t *ids, size_t n, const char *path) {
    struct model_run run;
    bn_error err = {0};
    char *expected;
    size_t size, vocab = model_vocab_size(model);
    assert_ok(file_read_all(path, 1 << 24, &expected, &size, &err), err);
    assert_int_equal(size, n * vocab * sizeof(float));
    assert_true(model_run_init(&run, model, 2, n));
    float *logits = malloc(size), want;
    model_run_append(&run, ids, n, true, logits);
    double worst = 0;
    for (size_t i = 0; i < n * vocab; i++) {
        memcpy(&want, expected + i * sizeof want, sizeof want);
        double difference = fabs((double)logits[i] - (double)want);
        if (!(difference <= worst)) worst = difference;
    }
    model_run_release(&run);
    free(logits);
    mem_free(expected);
    return worst;
}

/* The model at `path` computes what the reference of `name` says. */
static void check_logits(const char *path, const char *name) {
    char file[600];
    bn_error err = {0};
    json_t *prompts;
    bn_model *model;
    snprintf(file, sizeof file, MODELS "%s/reference/prompts.json", name);
    assert_ok(json_parse_file(file, 1 << 20, &prompts, &err), err);
    assert_ok(bn_model_open(path, NULL, &model, &err), err);
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        const json_t *prompt = json_array_get(prompts, i), *tokens = json_object_get(prompt, "tokens");
        int32_t ids[MAX_IDS];
        size_t n = json_array_size(tokens);
        assert_true(n <= MAX_IDS);
        for (size_t k = 0; k < n; k++) ids[k] = (int32_t)json_integer_value(json_array_get(tokens, k));
        snprintf(file, sizeof file, MODELS "%s/reference/%s", name,
                 json_string_value(json_object_get(prompt, "logits")));
        if (!file_exists(file)) continue; /* the small copies leave the longest prompt's logits out */
        double difference = difference_from(model, ids, n, file);
        if (!(difference <= EXACT)) test_fail("%s from %s: logits differ by %g", path, name, difference);
    }
    bn_model_close(model);
    json_decref(prompts);
}

static const char *const checkpoints[] = {"bitnet-master",  "bitnet-packed", "gemma2",       "gpt-neox",
                                          "gpt2",           "llama",         "llama-bitnet", "llama3-rope",
                                          "mistral-window", "qwen2",         "qwen3"};

static void checkpoints_become_gguf(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
        char source[600];
        bn_error err = {0};
        const char *output = temporary_path(&folder, "model.gguf");
        snprintf(source, sizeof source, MODELS "%s", checkpoints[i]);
        assert_ok(convert_to(source, output, CONVERT_TO_GGUF, &err), err);
        check_logits(output, checkpoints[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_become_gguf),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
