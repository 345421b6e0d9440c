/* Conversion held against what was there before: the logits of the Hugging Face implementation that the reference models
 * come with, and ternary codes bit for bit. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "convert/convert.h"
#include "formats/checkpoint.h"
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

/* To GGUF and from there to a folder again. */
static void checkpoints_become_gguf_and_back(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
        char source[600], back[64];
        bn_error err = {0};
        const char *output = temporary_path(&folder, "model.gguf");
        snprintf(source, sizeof source, MODELS "%s", checkpoints[i]);
        snprintf(back, sizeof back, "back-%zu", i);
        assert_ok(convert_to(source, output, CONVERT_TO_GGUF, &err), err);
        check_logits(output, checkpoints[i]);
        assert_ok(convert_to(output, temporary_path(&folder, back), CONVERT_TO_HF, &err), err);
        check_logits(temporary_path(&folder, back), checkpoints[i]);
    }
}

static void gguf_files_become_folders(void **state) {
    (void)state;
    static const char *const files[] = {"bitnet-b158-i2_s",
                                        "bitnet-b158-i2_s-rows4",
                                        "bitnet-relu2-scale-tq2_0",
                                        "bitnet-silu-tq1_0",
                                        "gemma2-q8_0",
                                        "llama3-q4_k_m",
                                        "phi3-q8_0",
                                        "qwen2-q8_0",
                                        "qwen3-q2_0"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char source[600], name[64];
        bn_error err = {0};
        const char *back = temporary_path(&folder, "back.gguf");
        snprintf(source, sizeof source, MODELS "%s/%s.gguf", files[i], files[i]);
        snprintf(name, sizeof name, "folder-%zu", i);
        assert_ok(convert_to(source, temporary_path(&folder, name), CONVERT_TO_HF, &err), err);
        check_logits(temporary_path(&folder, name), files[i]);
        assert_ok(convert_to(temporary_path(&folder, name), back, CONVERT_TO_GGUF, &err), err);
        check_logits(back, files[i]);
    }
}

/* Packed weights come back byte for byte, their scales with the same value. */
static void ternary_tensors_come_back_bit_for_bit(void **state) {
    (void)state;
    bn_error err = {0};
    const char *gguf = temporary_path(&folder, "packed.gguf"), *back = temporary_path(&folder, "packed");
    assert_ok(convert_to(MODELS "bitnet-packed", gguf, CONVERT_TO_GGUF, &err), err);
    assert_ok(convert_to(gguf, back, CONVERT_TO_HF, &err), err);
    struct tensor_set before, after;
    assert_ok(checkpoint_open(MODELS "bitnet-packed", &before, &err), err);
    assert_ok(checkpoint_open(back, &after, &err), err);
    size_t n_packed = 0;
    for (size_t i = 0; i < before.n_tensors; i++) {
        const struct tensor *was = &before.tensors[i], *is = tensor_set_find(&after, was->name);
        assert_non_null(is);
        if (was->type == TYPE_U8) {
            n_packed++;
            assert_int_equal(was->size_bytes, is->size_bytes);
            assert_memory_equal(was->data, is->data, was->size_bytes);
        } else if (strstr(was->name, "weight_scale")) {
            float scale_was, scale_is;
            assert_ok(tensor_decode_all(was, &scale_was, &err), err);
            assert_ok(tensor_decode_all(is, &scale_is, &err), err);
            assert_true(scale_was == scale_is);
        }
    }
    assert_int_equal(n_packed, 14);
    tensor_set_release(&before);
    tensor_set_release(&after);
}

/* Between Hugging Face forms every tensor stays what it is, packed codes with their scales and masters alike. */
static void folders_stay_what_they_are(void **state) {
    (void)state;
    static const char *const names[] = {"bitnet-packed", "bitnet-master", "llama-bitnet", "gpt2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char source[600], name[64];
        bn_error err = {0};
        struct tensor_set before, after;
        snprintf(source, sizeof source, MODELS "%s", names[i]);
        snprintf(name, sizeof name, "copy-%zu", i);
        const char *copy = temporary_path(&folder, name);
        assert_ok(convert_to(source, copy, CONVERT_TO_HF, &err), err);
        check_logits(copy, names[i]);
        assert_ok(checkpoint_open(source, &before, &err), err);
        assert_ok(checkpoint_open(copy, &after, &err), err);
        assert_int_equal(before.n_tensors, after.n_tensors);
        for (size_t k = 0; k < before.n_tensors; k++) {
            const struct tensor *was = &before.tensors[k], *is = tensor_set_find(&after, was->name);
            assert_non_null(is);
            assert_int_equal(was->size_bytes, is->size_bytes);
            assert_memory_equal(was->data, is->data, was->size_bytes);
        }
        tensor_set_release(&before);
        tensor_set_release(&after);
    }
}

static void folders_are_split_into_shards(void **state) {
    (void)state;
    bn_error err = {0};
    const char *output = temporary_path(&folder, "shards");
    struct convert_options options = {
        .source = MODELS "qwen2", .output = output, .target = CONVERT_TO_HF, .n_threads = 1, .max_shard_bytes = 100000};
    struct convert_report report = {0};
    assert_ok(convert_model(&options, &report, &err), err);
    assert_true(report.n_files > 2);
    assert_int_equal(report.n_qualities, 0);
    convert_report_release(&report);
    check_logits(output, "qwen2");
    assert_int_equal(convert_model(&options, &report, &err), BN_STATUS_IO); /* the folder isn't empty now */
    convert_report_release(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_become_gguf_and_back),      cmocka_unit_test(gguf_files_become_folders),
        cmocka_unit_test(ternary_tensors_come_back_bit_for_bit), cmocka_unit_test(folders_stay_what_they_are),
        cmocka_unit_test(folders_are_split_into_shards),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
