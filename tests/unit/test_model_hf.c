/* Hugging Face folders: what config.json may say, in old and new spelling, and what must be refused. The weights are
 * those of small reference models; only config.json is written anew, with some keys changed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "model/weights.h"
#include "model_run.h"
#include "temporary_folder.h"

#define N_TOKENS 12

/* A copy of tests/data/models/NAME whose config.json has `changes` (a JSON object) merged in; null removes a key,
 * "null" as text sets it to null. */
static struct temporary_folder make_folder(const char *name, const char *changes) {
    static const char *const files[] = {"model.safetensors",
                                        "model.safetensors.index.json",
                                        "generation_config.json",
                                        "model-00001-of-00005.safetensors",
                                        "model-00002-of-00005.safetensors",
                                        "model-00003-of-00005.safetensors",
                                        "model-00004-of-00005.safetensors",
                                        "model-00005-of-00005.safetensors"};
    struct temporary_folder folder = temporary_folder_create();
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, TEST_DATA "/models/%s/%s", name, files[i]);
        if (file_exists(path)) assert_int_equal(symlink(path, temporary_path(&folder, files[i])), 0);
    }
    json_t *config = NULL, *edits = NULL, *value;
    const char *key;
    snprintf(path, sizeof path, TEST_DATA "/models/%s/config.json", name);
    assert_int_equal(json_parse_file(path, 1 << 20, &config, NULL), BN_OK);
    assert_int_equal(json_parse(changes, strlen(changes), "changes", &edits, NULL), BN_OK);
    json_object_foreach(edits, key, value) {
        if (json_is_null(value))
            json_object_del(config, key);
        else if (json_is_string(value) && strcmp(json_string_value(value), "null") == 0)
            json_object_set_new(config, key, json_null());
        else
            json_object_set(config, key, value);
    }
    assert_int_equal(json_dump_file(config, temporary_path(&folder, "config.json"), 0), 0);
    json_decref(config);
    json_decref(edits);
    return folder;
}

static bn_status open_changed(const char *name, const char *changes, bn_model **model, bn_error *err) {
    struct temporary_folder folder = make_folder(name, changes);
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true, .n_threads = 2};
    bn_status status = bn_model_open(folder.path, &options, model, err);
    temporary_folder_remove(&folder); /* mapped files stay readable */
    return status;
}

static void assert_refused(const char *name, const char *changes, const char *expected) {
    bn_model *model = NULL;
    bn_error err = {0};
    bn_status status = open_changed(name, changes, &model, &err);
    if (status == BN_OK) test_fail("%s with %s was opened", name, changes);
    if (!strstr(err.message, expected))
        test_fail("%s with %s: the message is '%s', expected '%s' in it", name, changes, err.message, expected);
}

/* Logits of all positions of a fixed prompt. */
static float *logits_of(const char *name, const char *changes, size_t *n) {
    bn_model *model = NULL;
    bn_error err;
    assert_ok(open_changed(name, changes, &model, &err), err);
    struct model_run run;
    int32_t tokens[N_TOKENS];
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = i * 31 % 384;
    *n = N_TOKENS * model_vocab_size(model);
    float *logits = malloc(*n * sizeof *logits);
    assert_true(model_run_init(&run, model, 1, N_TOKENS));
    model_run_append(&run, tokens, N_TOKENS, true, logits);
    model_run_release(&run);
    bn_model_close(model);
    return logits;
}

static double difference(const char *name, const char *a_changes, const char *b_changes) {
    size_t n;
    float *a = logits_of(name, a_changes, &n), *b = logits_of(name, b_changes, &n);
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    free(a);
    free(b);
    return worst;
}

static void assert_same(const char *name, const char *a, const char *b) {
    if (difference(name, a, b) != 0) test_fail("%s: %s and %s must mean the same", name, a, b);
}

static void assert_differs(const char *name, const char *a, const char *b) {
    if (difference(name, a, b) < 1e-4) test_fail("%s: %s and %s must differ", name, a, b);
}

static void test_spellings(void **state) {
    (void)state;
    assert_same("llama", "{}", "{\"rope_parameters\": null, \"rope_theta\": 10000.0}");
    assert_same("llama", "{}", "{\"rope_parameters\": null, \"head_dim\": null, \"mlp_bias\": null}");
    assert_same("llama", "{}", "{\"rope_parameters\": null, \"rope_theta\": 10000, \"rope_scaling\": \"null\"}");
    assert_same("llama3-rope", "{}",
                "{\"rope_parameters\": null, \"rope_theta\": 500000.0, \"rope_scaling\": {\"type\": \"llama3\", "
                "\"factor\": 8.0, \"high_freq_factor\": 4.0, \"low_freq_factor\": 1.0, "
                "\"original_max_position_embeddings\": 32}}");
    assert_same("gpt-neox", "{}", "{\"rope_parameters\": null, \"rotary_pct\": 0.25, \"rotary_emb_base\": 10000}");
    assert_same("gpt-neox", "{}", "{\"rope_parameters\": null, \"use_parallel_residual\": null}");
    assert_same("bitnet-packed", "{}", "{\"hidden_act\": null}");
    assert_same("gemma2", "{}", "{\"hidden_activation\": null, \"hidden_act\": \"gelu\"}");
    assert_same("gemma2", "{}", "{\"layer_types\": null}");
    assert_same("qwen2", "{}", "{\"sliding_window\": 4, \"layer_types\": null}");
    assert_same("mistral-window", "{\"sliding_window\": \"null\"}", "{\"sliding_window\": 4096}");
}

static void test_keys_that_matter(void **state) {
    (void)state;
    assert_differs("llama", "{}", "{\"rope_parameters\": {\"rope_theta\": 500.0}}");
    assert_differs("llama", "{}", "{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 4.0}}");
    assert_differs("llama", "{}", "{\"hidden_act\": \"gelu\"}");
    assert_differs("llama", "{}", "{\"rms_norm_eps\": 0.1}");
    assert_differs("mistral-window", "{}", "{\"sliding_window\": 3}");
    assert_differs("gemma2", "{}",
                   "{\"layer_types\": [\"full_attention\", \"full_attention\"], \"sliding_window\": 3, "
                   "\"attn_logit_softcapping\": \"null\"}");
    assert_differs("gemma2", "{\"sliding_window\": 3}",
                   "{\"sliding_window\": 3, \"layer_types\": [\"full_attention\", \"sliding_attention\"]}");
    assert_differs("gemma2", "{}", "{\"final_logit_softcapping\": 1.0}");
    assert_differs("gemma2", "{}", "{\"query_pre_attn_scalar\": 100}");
    assert_differs("gpt2", "{}", "{\"scale_attn_by_inverse_layer_idx\": true}");
    assert_differs("gpt2", "{}", "{\"scale_attn_weights\": false}");
    assert_differs("gpt-neox", "{}", "{\"use_parallel_residual\": false}");
    assert_differs("qwen2", "{}",
                   "{\"sliding_window\": 2, \"layer_types\": null, \"use_sliding_window\": true, "
                   "\"max_window_layers\": 1}");
}

/* linear_class decides what weight_scale means, and is bitlinear when absent; a list of modules replaces the rule that
 * keeps the head float. */
static void test_bitnet_keys(void **state) {
    (void)state;
    const char *quantization = "{\"quantization_config\": {\"quant_method\": \"bitnet\"%s}}";
    char changes[512], other[512];
    snprintf(changes, sizeof changes, quantization, "");
    snprintf(other, sizeof other, quantization,
             ", \"linear_class\": \"bitlinear\", \"quantization_mode\": \"offline\"");
    assert_same("bitnet-packed", changes, other);
    assert_differs("bitnet-packed", "{}", changes);
    snprintf(changes, sizeof changes, quantization,
             ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": \"online\"");
    assert_same("bitnet-master", "{}", changes);
    snprintf(other, sizeof other, quantization,
             ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": "
             "\"online\", \"modules_to_not_convert\": [\"lm_head\"]");
    assert_same("bitnet-master", changes, other);
    snprintf(other, sizeof other, quantization,
             ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": "
             "\"online\", \"modules_to_not_convert\": []");
    assert_differs("bitnet-master", changes, other);
    snprintf(other, sizeof other, quantization,
             ", \"linear_class\": \"autobitlinear\", \"quantization_mode\": "
             "\"online\", \"modules_to_not_convert\": [\"lm_head\", \"down_proj\"]");
    assert_differs("bitnet-master", changes, other);
    assert_differs("bitnet-master", "{}", "{\"quantization_config\": null}"); /* plain float */
    assert_refused("bitnet-packed", "{\"quantization_config\": null}",
                   "no quantization_config with quant_method bitnet");
    snprintf(changes, sizeof changes, quantization, ", \"use_rms_norm\": true");
    assert_refused("bitnet-packed", changes, "missing: model.layers.0.self_attn.q_proj.rms_norm.weight");
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *changes, *expected;
    } cases[] = {
        {"llama", "{\"num_attention_heads\": 0}", "'num_attention_heads' is 0"},
        {"llama", "{\"num_key_value_heads\": 3}", "not a multiple of the 3 key-value heads"},
        {"llama", "{\"num_key_value_heads\": null, \"num_attention_heads\": 4}", "self_attn.k_proj.weight"},
        {"llama", "{\"max_position_embeddings\": 2147483648}", "'max_position_embeddings' is 2147483648"},
        {"llama", "{\"rms_norm_eps\": 0}", "'rms_norm_eps' is 0"},
        {"llama", "{\"rms_norm_eps\": -1e-5}", "'rms_norm_eps' is -1e-05"},
        {"llama", "{\"rms_norm_eps\": \"small\"}", "'rms_norm_eps' must be a number"},
        {"llama", "{\"hidden_size\": null}", "the key 'hidden_size' is missing"},
        {"llama", "{\"hidden_size\": 63}", "expected [384, 63]"},
        {"llama", "{\"vocab_size\": 385}", "'model.embed_tokens.weight' has shape [384, 64], expected [385, 64]"},
        {"llama", "{\"num_hidden_layers\": 3}", "missing: model.layers.2.input_layernorm.weight"},
        {"llama", "{\"model_type\": \"t5\"}", "model_type 't5' isn't supported"},
        {"llama", "{\"model_type\": null}", "the key 'model_type' is missing"},
        {"llama", "{\"attention_bias\": true}", "missing: model.layers.0.self_attn.q_proj.bias"},
        {"llama", "{\"rope_parameters\": {\"rope_type\": \"spiral\"}}", "rope type 'spiral' isn't supported"},
        {"llama", "{\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": -8}}", "'factor' is -8"},
        {"llama", "{\"rope_parameters\": {\"rope_type\": \"longrope\"}}", "'short_factor' must be a list of 8 numbers"},
        {"llama", "{\"rope_parameters\": {\"partial_rotary_factor\": 1.5}}", "'partial_rotary_factor' is 1.5"},
        {"llama", "{\"quantization_config\": {\"quant_method\": \"gptq\"}}", "quantised by 'gptq'"},
        {"qwen3", "{\"layer_types\": [\"full_attention\"]}", "'layer_types' lists 1 layers, expected 2"},
        {"qwen3", "{\"layer_types\": [\"full_attention\", \"linear_attention\"]}", "'linear_attention'"},
        {"bitnet-packed", "{\"tie_word_embeddings\": false}", "1 tensor is missing: lm_head.weight"},
        {"bitnet-packed", "{\"intermediate_size\": 164}",
         "'model.layers.0.mlp.gate_proj.weight' has shape [40, 64], "
         "expected [41, 64]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(cases[i].name, cases[i].changes, cases[i].expected);
}

/* tie_word_embeddings: a stored head that differs from the embedding wins, as in transformers 5. */
static void test_tied_head(void **state) {
    (void)state;
    bn_model *model = NULL;
    bn_error err;
    assert_same("llama", "{}", "{\"tie_word_embeddings\": true}");
    assert_ok(open_changed("llama", "{\"tie_word_embeddings\": true}", &model, &err), err);
    assert_false(model->weights.tied);
    bn_model_close(model);
}

/* ---- other kinds of files ---- */

static void assert_open_fails(const char *path, bn_status expected, const char *message) {
    bn_model *model = NULL;
    bn_error err = {0};
    assert_int_equal(bn_model_open(path, NULL, &model, &err), expected);
    if (!strstr(err.message, message)) test_fail("the message is '%s', expected '%s' in it", err.message, message);
}

static void test_other_files(void **state) {
    (void)state;
    struct temporary_folder folder = temporary_folder_create();
    assert_open_fails(folder.path, BN_STATUS_BAD_FILE, "config.json");
    assert_open_fails(temporary_path(&folder, "nothing.gguf"), BN_STATUS_NOT_FOUND, "nothing.gguf");
    write_file(temporary_path(&folder, "empty.gguf"), "", 0);
    assert_open_fails(temporary_path(&folder, "empty.gguf"), BN_STATUS_BAD_FILE, "empty");
    write_file(temporary_path(&folder, "config.json"), "{\"model_type\": \"gpt2\"}", 22);
    write_file(temporary_path(&folder, "pytorch_model.bin"), "PK\3\4", 4);
    assert_open_fails(folder.path, BN_STATUS_BAD_FILE, "vocab_size");
    assert_open_fails(temporary_path(&folder, "pytorch_model.bin"), BN_STATUS_BAD_FILE, "not a model file");
    write_file(temporary_path(&folder, "pickle.pkl"), "\x80\4]\x94.", 5);
    assert_open_fails(temporary_path(&folder, "pickle.pkl"), BN_STATUS_UNSUPPORTED, "not one that torch.save wrote");
    temporary_folder_remove(&folder);
}

static void test_single_file(void **state) {
    (void)state;
    bn_model *model = NULL;
    bn_error err;
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true};
    assert_ok(bn_model_open(TEST_DATA "/models/llama/model.safetensors", &options, &model, &err), err);
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.quantization, "float");
    assert_null(bn_model_tokenizer(model));
    bn_model_close(model);
}

#define POOLING "1_%s%n_Pooling" /* names of folders are no formats */

/* Opens a folder of sentence-transformers with these files; "" is none. */
static bn_status open_embedder(const char *modules, const char *pooling, bn_model **model, bn_error *err) {
    struct temporary_folder folder = make_folder("llama", "{}");
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true};
    if (*modules) write_file(temporary_path(&folder, "modules.json"), modules, strlen(modules));
    assert_int_equal(mkdir(temporary_path(&folder, POOLING), 0700), 0);
    if (*pooling) write_file(temporary_path(&folder, POOLING "/config.json"), pooling, strlen(pooling));
    bn_status status = bn_model_open(folder.path, &options, model, err);
    unlink(temporary_path(&folder, POOLING "/config.json"));
    rmdir(temporary_path(&folder, POOLING));
    temporary_folder_remove(&folder);
    return status;
}

#define MODULE(path, type) "{\"path\": \"" path "\", \"type\": \"sentence_transformers.models." type "\"}"
#define POOLS_IN(path)                                                                                                 \
    "[" MODULE("", "Transformer") ", " MODULE(path, "Pooling") ", " MODULE("2_Normalize", "Normalize") "]"

static void test_pooling(void **state) {
    (void)state;
    static const struct {
        const char *modules, *pooling, *expected;
    } good[] = {
        {"", "", NULL},
        {"[" MODULE("", "Transformer") "]", "", NULL},
        {POOLS_IN(POOLING), "{\"pooling_mode_lasttoken\": true, \"pooling_mode_mean_tokens\": false}", "last"},
        {POOLS_IN(POOLING), "{\"pooling_mode_mean_tokens\": true, \"include_prompt\": true}", "mean"},
        {POOLS_IN(POOLING), "{\"pooling_mode\": \"lasttoken\"}", "last"},
    };
    static const struct {
        const char *modules, *pooling, *expected;
    } bad[] = {
        {POOLS_IN(POOLING), "{\"pooling_mode_cls_token\": true}", POOLING "/config.json: the Pooling module's mode"},
        {POOLS_IN(POOLING), "{\"pooling_mode_lasttoken\": true, \"pooling_mode_max_tokens\": true}",
         "mode isn't supported"},
        {POOLS_IN("../" POOLING), "{}", "must name a folder"},
        {POOLS_IN(POOLING), "", POOLING "/config.json"},
        {"[" MODULE("2_Dense", "Dense") "]", "", "'Dense' module"},
    };
    bn_model *model = NULL;
    bn_error err = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(open_embedder(good[i].modules, good[i].pooling, &model, &err), err);
        bn_model_info info = {.size = sizeof info};
        bn_model_get_info(model, &info);
        if (good[i].expected)
            assert_string_equal(info.pooling, good[i].expected);
        else
            assert_null(info.pooling);
        bn_model_close(model);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(open_embedder(bad[i].modules, bad[i].pooling, &model, &err), BN_OK);
        if (!strstr(err.message, bad[i].expected)) test_fail("%s: the message is '%s'", bad[i].modules, err.message);
    }
}

static void test_generation_defaults(void **state) {
    (void)state;
    struct temporary_folder folder = make_folder("llama", "{}");
    unlink(temporary_path(&folder, "generation_config.json"));
    const char *text = "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"eos_token_id\": [1, 7, 1]}";
    write_file(temporary_path(&folder, "generation_config.json"), text, strlen(text));
    bn_model *model = NULL;
    bn_error err;
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true};
    assert_ok(bn_model_open(folder.path, &options, &model, &err), err);
    bn_generation_defaults defaults = {.size = sizeof defaults};
    bn_model_get_generation_defaults(model, &defaults);
    assert_true(fabsf(defaults.temperature - 0.6f) < 1e-6f && fabsf(defaults.top_p - 0.9f) < 1e-6f);
    assert_true(isnan(defaults.min_p) && isnan(defaults.repetition_penalty));
    assert_int_equal(defaults.top_k, -1);
    assert_int_equal(defaults.do_sample, 1);
    assert_int_equal(defaults.n_eos, 2);
    assert_int_equal(defaults.eos[1], 7);
    bn_model_close(model);
    text = "{\"eos_token_id\": 384}";
    write_file(temporary_path(&folder, "generation_config.json"), text, strlen(text));
    assert_open_fails(folder.path, BN_STATUS_BAD_FILE, "'eos_token_id' is 384");
    text = "{\"temperature\": -1}";
    write_file(temporary_path(&folder, "generation_config.json"), text, strlen(text));
    assert_open_fails(folder.path, BN_STATUS_BAD_FILE, "'temperature' is -1");
    temporary_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),   cmocka_unit_test(test_keys_that_matter),
        cmocka_unit_test(test_bitnet_keys), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_tied_head),   cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_single_file), cmocka_unit_test(test_generation_defaults),
        cmocka_unit_test(test_pooling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
