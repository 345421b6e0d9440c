/* GGUF models that break one rule each: a small file with one value changed must be refused with a message that names
 * what is wrong. And the choices that are made for files which don't say enough. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "kernels/layout.h"
#include "model/open.h"
#include "model_run.h"

#define I2S_MODEL TEST_DATA "/models/bitnet-b158-i2_s/bitnet-b158-i2_s.gguf"
#define TQ1_MODEL TEST_DATA "/models/bitnet-silu-tq1_0/bitnet-silu-tq1_0.gguf"
#define NEOX_LIKE TEST_DATA "/models/phi3-q8_0/phi3-q8_0.gguf"

struct file {
    char *bytes;
    size_t size;
};

static struct file load(const char *path) {
    struct file file;
    assert_int_equal(file_read_all(path, (size_t)1 << 26, &file.bytes, &file.size, NULL), BN_OK);
    return file;
}

/* Where the value of a key begins. */
static char *value_of(struct file *file, const char *key) {
    char *at = memmem(file->bytes, file->size, key, strlen(key));
    assert_non_null(at);
    return at + strlen(key) + 4;
}

/* Where a tensor's data begins. */
static char *data_of(struct file *file, const char *name, size_t *size) {
    struct gguf gguf;
    assert_int_equal(gguf_parse((const uint8_t *)file->bytes, file->size, "test", &gguf, NULL), BN_OK);
    const struct tensor *tensor = tensor_set_find(&gguf.set, name);
    assert_non_null(tensor);
    char *at = file->bytes + (tensor->data - (const uint8_t *)file->bytes);
    if (size) *size = tensor->size_bytes;
    gguf_close(&gguf);
    return at;
}

static void rename_text(struct file *file, const char *from, const char *to) {
    assert_int_equal(strlen(from), strlen(to));
    char *at = memmem(file->bytes, file->size, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static bn_status open_bytes(const struct file *file, const bn_model_options *options, bn_model **model, bn_error *err) {
    return model_open_gguf_bytes((const uint8_t *)file->bytes, file->size, options, model, err);
}

/* Opening must fail, with `expected` somewhere in the message. */
static void assert_refused(struct file *file, const char *expected) {
    bn_model *model = NULL;
    bn_error err = {0};
    bn_status status = open_bytes(file, NULL, &model, &err);
    if (status == BN_OK) test_fail("opened, although: %s", expected);
    if (!strstr(err.message, expected)) test_fail("the message is '%s', expected '%s' in it", err.message, expected);
    assert_true(status == BN_STATUS_BAD_FILE || status == BN_STATUS_UNSUPPORTED);
    mem_free(file->bytes);
}

static void test_bad_numbers(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
        const char *expected;
    } cases[] = {
        {"bitnet-b1.58.attention.head_count", 0, "'bitnet-b1.58.attention.head_count' is 0"},
        {"bitnet-b1.58.attention.head_count", 3, "not a multiple of the 2 key-value heads"},
        {"bitnet-b1.58.attention.head_count_kv", 3, "not a multiple of the 3 key-value heads"},
        {"bitnet-b1.58.attention.head_count_kv", 0, "'bitnet-b1.58.attention.head_count_kv' is 0"},
        {"bitnet-b1.58.context_length", 0, "'bitnet-b1.58.context_length' is 0"},
        {"bitnet-b1.58.context_length", 0x80000000u, "'bitnet-b1.58.context_length' is 2147483648"},
        {"bitnet-b1.58.block_count", 0, "'bitnet-b1.58.block_count' is 0"},
        {"bitnet-b1.58.block_count", 3, "missing: blk.2.attn_norm.weight, blk.2.attn_q.weight"},
        {"bitnet-b1.58.block_count", 0xffffffffu, "'bitnet-b1.58.block_count' is 4294967295"},
        {"bitnet-b1.58.embedding_length", 128, "'token_embd.weight' has shape [384, 256], expected [384, 128]"},
        {"bitnet-b1.58.embedding_length", 250, "250 isn't a multiple of the 4 attention heads"},
        {"bitnet-b1.58.feed_forward_length", 511, "'blk.0.ffn_gate.weight' has shape [512, 256], expected [511, 256]"},
        {"bitnet-b1.58.rope.freq_base", 0x7fc00000u, "'bitnet-b1.58.rope.freq_base' is nan"},
        {"bitnet-b1.58.rope.freq_base", 0, "'bitnet-b1.58.rope.freq_base' is 0"},
        {"attention.layer_norm_rms_epsilon", 0, "layer_norm_rms_epsilon' is 0"},
        {"attention.layer_norm_rms_epsilon", 0x7fc00000u, "layer_norm_rms_epsilon' is nan"},
        {"attention.layer_norm_rms_epsilon", 0xb727c5acu, "layer_norm_rms_epsilon' is -1"},
        {"attention.layer_norm_rms_epsilon", 0x40000000u, "norm eps is 2"},
        {"tokenizer.ggml.eos_token_id", 384, "eos_token_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct file file = load(I2S_MODEL);
        memcpy(value_of(&file, cases[i].key), &cases[i].value, 4);
        assert_refused(&file, cases[i].expected);
    }
}

static void test_bad_rope_dimensions(void **state) {
    (void)state;
    static const uint32_t values[] = {34, 31, 0};
    for (size_t i = 0; i < 3; i++) {
        struct file file = load(NEOX_LIKE);
        memcpy(value_of(&file, "phi3.rope.dimension_count"), &values[i], 4);
        assert_refused(&file, values[i] ? "rotary dimensions" : "'phi3.rope.dimension_count' is 0");
    }
}

static void test_unknown_names(void **state) {
    (void)state;
    struct file file = load(I2S_MODEL);
    rename_text(&file, "bitnet-b1.58", "bitnet-b9.99");
    assert_refused(&file, "architecture 'bitnet-b9.99' isn't supported; bitnet, llama,");
    file = load(I2S_MODEL);
    rename_text(&file, "general.architecture", "general.architectura");
    assert_refused(&file, "'general.architecture' is missing");
    file = load(I2S_MODEL);
    rename_text(&file, "bitnet-b1.58.block_count", "bitnet-b1.58.block_cound");
    assert_refused(&file, "'bitnet-b1.58.block_count' is missing");
    file = load(I2S_MODEL);
    rename_text(&file, "output_norm.weight", "output_norm.weighs");
    assert_refused(&file, "1 tensor is missing: output_norm.weight");
}

static void test_bad_data(void **state) {
    (void)state;
    float nan_value = NAN, infinite = INFINITY;
    size_t size;
    struct file file = load(I2S_MODEL);
    char *data = data_of(&file, "blk.1.ffn_up.weight", &size);
    data[77] = (char)0xff;
    assert_refused(&file, "'blk.1.ffn_up.weight' can't be unpacked: it holds the code 3");
    file = load(I2S_MODEL);
    data = data_of(&file, "blk.0.attn_q.weight", &size);
    memcpy(data + size - 32, &nan_value, 4);
    assert_refused(&file, "'blk.0.attn_q.weight' has the scale nan");
    file = load(I2S_MODEL);
    data = data_of(&file, "blk.0.attn_q.weight", &size);
    memcpy(data + size - 32, &infinite, 4);
    assert_refused(&file, "'blk.0.attn_q.weight' has the scale inf");
    file = load(TQ1_MODEL);
    data = data_of(&file, "blk.0.attn_v.weight", NULL);
    memcpy(data + 52, "\x00\x7e", 2); /* d of the first block: a half-precision NaN */
    assert_refused(&file, "'blk.0.attn_v.weight' holds NaN or infinite weights or scales");
}

/* ---- decisions ---- */

static bn_model *open_model(struct file *file, const bn_model_options *options) {
    bn_model *model = NULL;
    bn_error err;
    assert_ok(open_bytes(file, options, &model, &err), err);
    return model;
}

static void assert_activation(struct file file, const char *asked, const char *activation, const char *reason) {
    bn_model_options options = {.size = sizeof options, .hidden_act = asked, .no_tokenizer = true};
    bn_model *model = open_model(&file, &options);
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    assert_string_equal(info.hidden_act, activation);
    if (!strstr(info.hidden_act_reason, reason))
        test_fail("reason '%s', expected '%s'", info.hidden_act_reason, reason);
    bn_model_close(model);
    mem_free(file.bytes);
}

static void test_activation(void **state) {
    (void)state;
    assert_activation(load(I2S_MODEL), NULL, "relu2", "name");
    assert_activation(load(TQ1_MODEL), NULL, "silu", "SiLU");
    assert_activation(load(TEST_DATA "/models/bitnet-relu2-scale-tq2_0/bitnet-relu2-scale-tq2_0.gguf"), NULL, "relu2",
                      "key hidden_act");
    assert_activation(load(TQ1_MODEL), "relu2", "relu2", "caller");
    assert_activation(load(I2S_MODEL), "gelu_new", "gelu_tanh", "caller");
    struct file file = load(I2S_MODEL);
    bn_model_options options = {.size = sizeof options, .hidden_act = "sigmoid"};
    bn_model *model;
    bn_error err;
    assert_int_equal(open_bytes(&file, &options, &model, &err), BN_STATUS_UNSUPPORTED);
    mem_free(file.bytes);
}

static void remember(void *context, const char *line) {
    if (strstr(line, "I2_S")) snprintf(context, 300, "%s", line);
}

/* Weights as they come out of the packing: group `group` of layer 0's q. */
static void first_group(const bn_model *model, int8_t rows[16 * 256]) {
    const struct linear *q = &model->weights.layers[0].q;
    assert_true(q->ternary && q->n_cols == 256);
    l16_unpack_group(rows, q->data, 16, 256);
}

/* A file without bitnet.i2s.layout: with random weights no layout is better than chance, and the published one is
 * taken. The caller can name another, which reads other weights. */
static void test_layout(void **state) {
    (void)state;
    char line[300] = "";
    int8_t probed[16 * 256], x86[16 * 256], arm[16 * 256];
    bn_model_options options = {.size = sizeof options, .notice = remember, .notice_context = line};
    struct file file = load(I2S_MODEL);
    bn_model *model = open_model(&file, &options);
    assert_non_null(strstr(line, "I2_S layout x86-128: the file names none"));
    first_group(model, probed);
    bn_model_close(model);
    options.i2s_layout = "x86-128";
    model = open_model(&file, &options);
    first_group(model, x86);
    bn_model_close(model);
    options.i2s_layout = "arm-64";
    model = open_model(&file, &options);
    first_group(model, arm);
    bn_model_close(model);
    assert_memory_equal(probed, x86, sizeof x86);
    assert_memory_not_equal(arm, x86, sizeof x86);
    options.i2s_layout = "vax-11";
    bn_error err;
    assert_int_equal(open_bytes(&file, &options, &model, &err), BN_STATUS_BAD_ARGUMENT);
    mem_free(file.bytes);
}

/* A trained model whose layout key is lost is read in whichever layout it really has. */
static void check_probe(enum i2s_layout layout) {
    struct file file;
    char line[300] = "";
    if (!file_exists(DEMO_MODEL)) return;
    file = load(DEMO_MODEL);
    struct gguf gguf;
    assert_int_equal(gguf_parse((const uint8_t *)file.bytes, file.size, "test", &gguf, NULL), BN_OK);
    for (size_t i = 0; i < gguf.set.n_tensors; i++) {
        const struct tensor *t = &gguf.set.tensors[i];
        if (t->type != TYPE_I2_S) continue;
        size_t rows = tensor_rows(t), cols = tensor_cols(t);
        int8_t *values = malloc(rows * cols);
        assert_int_equal(i2s_unpack(t->data, t->i2s_layout, rows, cols, 0, rows, values, NULL), BN_OK);
        uint8_t *bytes = (uint8_t *)file.bytes + (t->data - (const uint8_t *)file.bytes);
        memset(bytes, 0, rows * cols / 4);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                unsigned code = (unsigned)(values[r * cols + c] + 1);
                size_t at = r * cols + c, block = layout == I2S_X86_128 ? 128 : 64;
                if (layout == I2S_ROWS_4)
                    bytes[r / 4 * cols + c] |= (uint8_t)(code << (6 - 2 * (r % 4)));
                else
                    bytes[at / block * (block / 4) + at % (block / 4)] |=
                        (uint8_t)(code << (6 - 2 * (at % block / (block / 4))));
            }
        free(values);
    }
    gguf_close(&gguf);
    rename_text(&file, "bitnet.i2s.layout", "bitnet.i2s.l@y@ut");
    bn_model_options options = {.size = sizeof options, .notice = remember, .notice_context = line};
    bn_model *model = open_model(&file, &options);
    char expected[64];
    snprintf(expected, sizeof expected, "I2_S layout %s:", i2s_layout_name(layout));
    if (!strstr(line, expected)) test_fail("'%s', expected '%s'", line, expected);
    bn_model_close(model);
    mem_free(file.bytes);
}

static void test_probe(void **state) {
    (void)state;
    check_probe(I2S_X86_128);
    check_probe(I2S_ARM_64);
    check_probe(I2S_ROWS_4);
}

static void test_info(void **state) {
    (void)state;
    struct file file = load(I2S_MODEL);
    bn_model *model = open_model(&file, NULL);
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    assert_string_equal(info.architecture, "bitnet");
    assert_string_equal(info.name, "Bitnet B158 I2_S");
    assert_string_equal(info.quantization, "ternary weights, int8 activations");
    assert_string_equal(info.position_encoding, "rope");
    assert_int_equal(info.head_dim, 64);
    assert_int_equal(info.n_parameters_embedding, 384 * 256);
    assert_int_equal(info.n_parameters_attention, 2 * (2 * 256 * 256 + 2 * 128 * 256));
    assert_int_equal(info.n_parameters_ffn, 2 * 3 * 512 * 256);
    assert_int_equal(info.n_parameters_norm, 2 * (3 * 256 + 512) + 256);
    assert_int_equal(info.n_parameters_head, 0);
    assert_int_equal(info.n_parameters_ternary, info.n_parameters_attention + info.n_parameters_ffn);
    assert_int_equal(info.kv_bytes_per_token_f16, 2 * 2 * 2 * 64 * 2);
    assert_true(info.tied_head);
    assert_true(info.weight_bytes > info.n_parameters_ternary / 4);
    bn_model_close(model);
    mem_free(file.bytes);
}

/* Logits of the last of a few tokens. */
static float *last_logits(const bn_model *model) {
    static const int32_t tokens[] = {0, 53, 259, 265, 80, 77};
    struct model_run run;
    float *logits = malloc(model_vocab_size(model) * sizeof *logits);
    assert_true(model_run_init(&run, model, 2, 8));
    model_run_append(&run, tokens, 6, false, logits);
    model_run_release(&run);
    return logits;
}

/* TQ2_0 blocks whose scales differ can't be one packed matrix. They are used as they are, with rounded activations all
 * the same: a scale changed in its last bit changes the logits a little, and nothing else. */
static void test_block_scales(void **state) {
    (void)state;
    const char *path = TEST_DATA "/models/bitnet-relu2-scale-tq2_0/bitnet-relu2-scale-tq2_0.gguf";
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.attn_output.weight", "blk.0.ffn_down.weight"};
    struct file file = load(path);
    bn_model *packed = open_model(&file, NULL);
    float *expected = last_logits(packed);
    assert_true(packed->weights.layers[0].q.ternary);
    for (size_t i = 0; i < 3; i++) {
        char *data = data_of(&file, names[i], NULL);
        assert_memory_equal(data + 64, "\x00\x3c", 2); /* d of the first block: 1 */
        data[64] = 1;
    }
    bn_model *mixed = open_model(&file, NULL);
    assert_false(mixed->weights.layers[0].q.ternary);
    assert_true(mixed->weights.layers[0].q.int8_activations && mixed->weights.layers[0].k.ternary);
    float *logits = last_logits(mixed);
    double worst = 0;
    for (size_t i = 0; i < 384; i++) worst = fmax(worst, fabs((double)logits[i] - (double)expected[i]));
    if (!(worst > 0 && worst < 0.05)) test_fail("logits moved by %g, expected a little", worst);
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(mixed, &info);
    assert_string_equal(info.quantization, "ternary weights, int8 activations");
    bn_model_close(packed);
    bn_model_close(mixed);
    free(expected);
    free(logits);
    mem_free(file.bytes);
}

/* A caller with an older, shorter idea of the structs gets no more than it has room for. */
static void test_struct_sizes(void **state) {
    (void)state;
    struct file file = load(I2S_MODEL);
    bn_model *model = open_model(&file, &(bn_model_options){.size = offsetof(bn_model_options, i2s_layout)});
    struct {
        bn_model_info info;
    } guarded;
    memset(&guarded, 0x5a, sizeof guarded);
    guarded.info.size = offsetof(bn_model_info, n_layers);
    bn_model_get_info(model, &guarded.info);
    assert_int_equal(guarded.info.vocab_size, 384);
    assert_int_equal(guarded.info.n_layers, (size_t)0x5a5a5a5a5a5a5a5aull);
    bn_model_close(model);
    bn_error err;
    assert_int_equal(open_bytes(&file, &(bn_model_options){.size = 1}, &model, &err), BN_STATUS_BAD_ARGUMENT);
    mem_free(file.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_numbers),   cmocka_unit_test(test_bad_rope_dimensions),
        cmocka_unit_test(test_unknown_names), cmocka_unit_test(test_bad_data),
        cmocka_unit_test(test_activation),    cmocka_unit_test(test_layout),
        cmocka_unit_test(test_probe),         cmocka_unit_test(test_info),
        cmocka_unit_test(test_struct_sizes),  cmocka_unit_test(test_block_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
