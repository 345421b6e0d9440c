/* Models that are broken in one place each: the check of that name says so, and those before it don't. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/verification.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "temporary_folder.h"

#define MODELS TEST_DATA "/models/"

static struct temporary_folder folder;

/* ---- what the checks say ---- */

struct findings {
    char names[12][24];
    enum check_verdict verdicts[12];
    char details[12][1000];
    size_t n;
};

static void keep(void *context, const char *check, enum check_verdict verdict, const char *detail) {
    struct findings *findings = context;
    assert_true(findings->n < 12);
    snprintf(findings->names[findings->n], sizeof findings->names[0], "%s", check);
    snprintf(findings->details[findings->n], sizeof findings->details[0], "%s", detail);
    findings->verdicts[findings->n++] = verdict;
}

static struct findings verify(const char *path) {
    static struct findings findings;
    const struct verification_options options = {.path = path,
                                                 .model = {.size = sizeof options.model, .n_threads = 2},
                                                 .engine = {.size = sizeof options.engine, .n_threads = 2},
                                                 .report = keep,
                                                 .context = &findings};
    bn_error err = {0};
    findings.n = 0;
    assert_ok(model_verify(&options, &err), err);
    assert_int_equal(findings.n, 9); /* each check once, whatever happens */
    return findings;
}

/* `check` has this verdict with these words, and every check before it is fine. */
static void expect(const char *path, const char *check, enum check_verdict verdict, const char *words) {
    struct findings f = verify(path);
    for (size_t i = 0; i < f.n; i++) {
        if (strcmp(f.names[i], check) == 0) {
            if (f.verdicts[i] != verdict || !strstr(f.details[i], words))
                test_fail("%s: %s says %d, %s", path, check, (int)f.verdicts[i], f.details[i]);
            return;
        }
        if (f.verdicts[i] == CHECK_FAILED) test_fail("%s: %s failed: %s", path, f.names[i], f.details[i]);
    }
    test_fail("%s: no check '%s'", path, check);
}

/* ---- copies to break ---- */

static const char *copy_model(const char *name) {
    static char copy[512];
    char command[1200];
    snprintf(copy, sizeof copy, "%s", temporary_path(&folder, "broken"));
    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '" MODELS "%s' '%s'", copy, name, copy);
    assert_int_equal(system(command), 0);
    return copy;
}

static const char *in_copy(const char *file) {
    char name[64];
    snprintf(name, sizeof name, "broken/%s", file);
    return temporary_path(&folder, name);
}

static void overwrite(const char *path, size_t at, const void *bytes, size_t n) {
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, stream), n);
    assert_int_equal(fclose(stream), 0);
}

/* Where a tensor's bytes are in its file. */
static size_t place_of(const char *tensor, size_t *bytes) {
    struct tensor_set set;
    bn_error err = {0};
    assert_ok(checkpoint_open(temporary_path(&folder, "broken"), &set, &err), err);
    const struct tensor *found = tensor_set_find(&set, tensor);
    assert_non_null(found);
    size_t at = (size_t)(found->data - set.files[0].data);
    *bytes = found->size_bytes;
    tensor_set_release(&set);
    return at;
}

static json_t *read_json(const char *file) {
    json_t *root;
    bn_error err = {0};
    assert_ok(json_parse_file(in_copy(file), 1 << 24, &root, &err), err);
    return root;
}

static void write_json(const char *file, json_t *root) {
    assert_int_equal(json_dump_file(root, in_copy(file), 0), 0);
    json_decref(root);
}

/* ---- the cases ---- */

static void whole_models_pass(void **state) {
    (void)state;
    static const char *const paths[] = {MODELS "qwen2",
                                        MODELS "bitnet-packed",
                                        MODELS "gpt2",
                                        MODELS "made/llama-bitlinear-rms",
                                        MODELS "made/llama-autobitlinear-head",
                                        MODELS "gemma2-q8_0/gemma2-q8_0.gguf",
                                        DEMO_MODEL};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct findings f = verify(paths[i]);
        for (size_t k = 0; k < f.n; k++)
            if (f.verdicts[k] == CHECK_FAILED) test_fail("%s: %s: %s", paths[i], f.names[k], f.details[k]);
    }
}

static void a_cut_file(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    char command[700];
    snprintf(command, sizeof command, "truncate -s -100 '%s'", in_copy("model.safetensors"));
    assert_int_equal(system(command), 0);
    expect(path, "format", CHECK_FAILED, "model.safetensors");
}

static void a_value_that_is_no_number(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    size_t bytes, at = place_of("model.layers.1.mlp.up_proj.weight", &bytes);
    static const uint8_t nan_of_any_float_type[4] = {0xff, 0xff, 0xff, 0xff};
    overwrite(in_copy("model.safetensors"), at, nan_of_any_float_type, 4);
    expect(path, "values", CHECK_FAILED, "model.layers.1.mlp.up_proj.weight' are NaN");
    struct findings f = verify(path);
    assert_int_equal(f.verdicts[8], CHECK_FAILED); /* and it reaches the logits */
    assert_string_equal(f.names[8], "forward");
}

static void an_infinite_scale(void **state) {
    (void)state;
    const char *path = copy_model("bitnet-packed");
    size_t bytes, at = place_of("model.layers.0.mlp.down_proj.weight_scale", &bytes);
    static const float infinite = INFINITY;
    static const uint8_t infinite_bf16[2] = {0x80, 0x7f};
    overwrite(in_copy("model.safetensors"), at, bytes == 4 ? (const void *)&infinite : infinite_bf16, bytes);
    expect(path, "values", CHECK_FAILED, "down_proj.weight_scale' are NaN or infinite");
}

static void a_configuration_that_cant_be(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    json_t *config = read_json("config.json");
    json_object_set_new(config, "num_attention_heads", json_integer(0));
    write_json("config.json", config);
    expect(path, "configuration", CHECK_FAILED, "num_attention_heads");
}

static void a_tensor_that_is_missing_or_misshapen(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    json_t *config = read_json("config.json");
    size_t n_layers = (size_t)json_integer_value(json_object_get(config, "num_hidden_layers"));
    size_t ffn = (size_t)json_integer_value(json_object_get(config, "intermediate_size"));
    json_object_set_new(config, "num_hidden_layers", json_integer((json_int_t)n_layers + 1));
    json_object_del(config, "layer_types");
    write_json("config.json", config);
    expect(path, "shapes", CHECK_FAILED, "missing");
    path = copy_model("qwen2");
    config = read_json("config.json");
    json_object_set_new(config, "intermediate_size", json_integer((json_int_t)ffn + 8));
    write_json("config.json", config);
    expect(path, "shapes", CHECK_FAILED, "has shape");
}

static void rows_of_zeros(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    json_t *config = read_json("config.json");
    size_t ffn = (size_t)json_integer_value(json_object_get(config, "intermediate_size"));
    json_decref(config);
    size_t bytes, at = place_of("model.layers.0.mlp.gate_proj.weight", &bytes), row = bytes / ffn;
    char zeros[8192] = {0};
    assert_true(3 * row <= sizeof zeros);
    overwrite(in_copy("model.safetensors"), at + 5 * row, zeros, 3 * row);
    expect(path, "rows", CHECK_WARNING, "3 of 'blk.0.ffn_gate.weight'");
}

/* A run layout is trusted when it is opened, so only here the code is seen that no packer writes. */
static void a_ternary_code_that_isnt(void **state) {
    (void)state;
    const char *path = temporary_path(&folder, "code.gguf");
    char command[900];
    struct gguf gguf;
    bn_error err = {0};
    snprintf(command, sizeof command, "cp '%s' '%s'", DEMO_MODEL, path);
    assert_int_equal(system(command), 0);
    assert_ok(gguf_open(path, &gguf, &err), err);
    const struct tensor *tensor = tensor_set_find(&gguf.set, "blk.2.ffn_down.weight");
    assert_non_null(tensor);
    assert_int_equal(tensor->type, TYPE_I2_S);
    size_t at = (size_t)(tensor->data - gguf.set.files[0].data);
    gguf_close(&gguf);
    overwrite(path, at + 40, "\xff", 1);
    struct findings f = verify(path);
    bool found = false;
    for (size_t i = 0; i < f.n; i++)
        found |= f.verdicts[i] == CHECK_FAILED && strstr(f.details[i], "blk.2.ffn_down.weight") != NULL;
    assert_true(found);
}

static void a_special_token_without_a_row(void **state) {
    (void)state;
    const char *path = copy_model("qwen2");
    json_t *config = read_json("config.json"), *tokenizer = read_json("tokenizer.json");
    json_t *roles = read_json("tokenizer_config.json");
    json_int_t n_rows = json_integer_value(json_object_get(config, "vocab_size"));
    json_t *added = json_object_get(tokenizer, "added_tokens");
    size_t n = json_array_size(json_object_get(tokenizer, "added_tokens"));
    assert_true(json_is_array(added) && n < 100);
    for (json_int_t id = n_rows; id < n_rows + 3; id++) {
        char text[16];
        snprintf(text, sizeof text, "<far%d>", (int)(id - n_rows));
        json_array_append_new(added,
                              json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", text, "single_word",
                                        0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    }
    json_object_set_new(roles, "eos_token", json_string("<far2>"));
    write_json("tokenizer.json", tokenizer);
    write_json("tokenizer_config.json", roles);
    json_decref(config);
    expect(path, "vocabulary", CHECK_FAILED, "EOS token is");
}

static void check_template(const char *source, enum check_verdict verdict, const char *words) {
    const char *path = copy_model("qwen2");
    json_t *roles = read_json("tokenizer_config.json");
    json_object_set_new(roles, "chat_template", json_string(source));
    write_json("tokenizer_config.json", roles);
    expect(path, "template", verdict, words);
}

static void templates_that_dont_render(void **state) {
    (void)state;
    check_template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", CHECK_OK, "two messages");
    check_template("{% for m in messages %}{{ m.content }}", CHECK_FAILED, "line 1");
    check_template("{{ raise_exception('never') }}", CHECK_FAILED, "never");
    check_template("{% for m in messages %}{{ m.role }}{% endfor %}", CHECK_FAILED, "doesn't contain what was said");
}

static bool stop(void *context, const char *what, size_t done, size_t total) {
    (void)context, (void)what, (void)done, (void)total;
    return false;
}

static void it_can_be_stopped(void **state) {
    (void)state;
    struct findings findings = {.n = 0};
    const struct verification_options options = {.path = MODELS "qwen2",
                                                 .model = {.size = sizeof options.model},
                                                 .engine = {.size = sizeof options.engine},
                                                 .report = keep,
                                                 .progress = stop,
                                                 .context = &findings};
    bn_error err = {0};
    assert_int_equal(model_verify(&options, &err), BN_STATUS_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_models_pass),
        cmocka_unit_test(a_cut_file),
        cmocka_unit_test(a_value_that_is_no_number),
        cmocka_unit_test(an_infinite_scale),
        cmocka_unit_test(a_configuration_that_cant_be),
        cmocka_unit_test(a_tensor_that_is_missing_or_misshapen),
        cmocka_unit_test(rows_of_zeros),
        cmocka_unit_test(a_ternary_code_that_isnt),
        cmocka_unit_test(a_special_token_without_a_row),
        cmocka_unit_test(templates_that_dont_render),
        cmocka_unit_test(it_can_be_stopped),
    };
    folder = temporary_folder_create();
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    temporary_folder_remove(&folder);
    return failures;
}
