/* The same tokens give the same bits: whatever the number of threads, the chunks a prompt came in, the strangers in the
 * batch, the place of its pages and the instruction set. Checked by memcmp over logits of whole prompts. */
#include <stdio.h>

#include "test.h"

#include "base/file.h"
#include "model_run.h"

#define N_TOKENS 75 /* three pages, the last one partly filled; longer than the windows of the models below */

static const char *const paths[] = {
    TEST_DATA "/models/bitnet-packed",
    TEST_DATA "/models/mistral-window",
    TEST_DATA "/models/gemma2",
    TEST_DATA "/models/gpt-neox",
    TEST_DATA "/models/gpt2",
    TEST_DATA "/models/qwen3-q2_0/qwen3-q2_0.gguf",
    DEMO_MODEL,
};
#define N_PATHS (sizeof paths / sizeof paths[0])

static bn_model *open_model(const char *path) {
    bn_model *model = NULL;
    bn_error err;
    bn_model_options options = {.size = sizeof options, .no_tokenizer = true, .n_threads = 2};
    assert_ok(bn_model_open(path, &options, &model, &err), err);
    return model;
}

/* Ids without structure, the same for every call with the same seed. */
static void make_tokens(const bn_model *model, int32_t *tokens, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        tokens[i] = (int32_t)((seed >> 8) % model_vocab_size(model));
    }
}

/* Logits of all positions in chunks of chunk_tokens. */
static float *all_logits(const bn_model *model, const int32_t *tokens, size_t n_threads, size_t chunk_tokens,
                         const struct kernels *kernels, enum kv_type kv_type, bool shuffle_pages) {
    struct model_run run;
    float *logits = malloc(N_TOKENS * model_vocab_size(model) * sizeof *logits);
    assert_true(model_run_init(&run, model, n_threads, N_TOKENS));
    if (kernels) run.kernels = kernels;
    run.kv_type = kv_type;
    if (shuffle_pages) {
        uint8_t *first = run.pages[0];
        run.pages[0] = run.pages[2];
        run.pages[2] = run.pages[1];
        run.pages[1] = first;
    }
    for (size_t t = 0; t < N_TOKENS;) {
        size_t n = min_size(chunk_tokens, N_TOKENS - t);
        model_run_append(&run, tokens + t, n, true, logits + t * model_vocab_size(model));
        t += n;
    }
    model_run_release(&run);
    return logits;
}

static void assert_same(const bn_model *model, const float *a, float *b, const char *path, const char *what) {
    for (size_t t = 0; t < N_TOKENS; t++)
        if (memcmp(a + t * model_vocab_size(model), b + t * model_vocab_size(model),
                   model_vocab_size(model) * sizeof *a) != 0)
            test_fail("%s: %s changes the logits of position %zu", path, what, t);
    free(b);
}

static void check_model(const char *path, enum kv_type kv_type) {
    static const size_t threads[] = {2, 3, 7}, chunks[] = {1, 5, 33};
    bn_model *model = open_model(path);
    int32_t tokens[N_TOKENS];
    char what[64];
    make_tokens(model, tokens, N_TOKENS, 1);
    float *base = all_logits(model, tokens, 1, N_TOKENS, NULL, kv_type, false);
    for (size_t i = 0; i < 3; i++) {
        snprintf(what, sizeof what, "running with %zu threads", threads[i]);
        assert_same(model, base, all_logits(model, tokens, threads[i], N_TOKENS, NULL, kv_type, false), path, what);
        snprintf(what, sizeof what, "a prompt in chunks of %zu", chunks[i]);
        assert_same(model, base, all_logits(model, tokens, 2, chunks[i], NULL, kv_type, false), path, what);
    }
    assert_same(model, base, all_logits(model, tokens, 1, N_TOKENS, NULL, kv_type, true), path, "the order of pages");
    for (size_t i = 0; kernels_name(i); i++) {
        const struct kernels *kernels;
        assert_int_equal(kernels_select(kernels_name(i), &kernels, NULL), BN_OK);
        snprintf(what, sizeof what, "the instruction set %s", kernels_name(i));
        assert_same(model, base, all_logits(model, tokens, 2, 20, kernels, kv_type, false), path, what);
    }
    free(base);
    bn_model_close(model);
}

static void test_f32(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PATHS; i++)
        if (file_exists(paths[i])) check_model(paths[i], KV_F32);
}

static void test_f16(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PATHS; i += 2)
        if (file_exists(paths[i])) check_model(paths[i], KV_F16);
}

static void test_q8(void **state) {
    (void)state;
    for (size_t i = 1; i < N_PATHS; i += 2)
        if (file_exists(paths[i])) check_model(paths[i], KV_Q8);
}

/* A sequence decoding one token beside another's prompt chunk and a third's last token, against each alone; and rows
 * that nobody wants don't disturb the ones somebody does. */
static void check_batch(const char *path) {
    enum { N = 3 };
    static const size_t lengths[N] = {40, 23, 34}, news[N] = {1, 23, 2};
    bn_model *model = open_model(path);
    size_t vocab = model_vocab_size(model), n = 0;
    int32_t tokens[N][64], batch_tokens[64];
    struct model_run alone[N], together[N];
    struct batch_sequence sequences[N];
    float *expected = malloc(N * vocab * sizeof *expected), *logits = malloc(N * vocab * sizeof *logits);
    float *ignored = malloc(64 * vocab * sizeof *ignored);
    uint8_t want[64] = {0};
    for (size_t s = 0; s < N; s++) {
        size_t old = lengths[s] - news[s];
        make_tokens(model, tokens[s], lengths[s], 7 + (uint32_t)s);
        assert_true(model_run_init(&alone[s], model, 2, 64) && model_run_init(&together[s], model, 2, 64));
        model_run_append(&alone[s], tokens[s], lengths[s], true, ignored);
        memcpy(expected + s * vocab, ignored + (lengths[s] - 1) * vocab, vocab * sizeof *expected);
        if (old) model_run_append(&together[s], tokens[s], old, false, ignored);
        sequences[s] = (struct batch_sequence){news[s], old, together[s].pages, 64};
        memcpy(batch_tokens + n, tokens[s] + old, news[s] * sizeof *batch_tokens);
        n += news[s];
        want[n - 1] = 1;
    }
    struct batch batch = {batch_tokens, want, n, sequences, N};
    struct forward_options options = {.kernels = together[0].kernels, .pool = together[0].pool, .kv_type = KV_F32};
    model_forward(model, together[0].workspace, &options, &batch, logits);
    for (size_t s = 0; s < N; s++)
        if (memcmp(logits + s * vocab, expected + s * vocab, vocab * sizeof *logits) != 0)
            test_fail("%s: sequence %zu differs in a batch from itself alone", path, s);
    for (size_t s = 0; s < N; s++) {
        model_run_release(&alone[s]);
        model_run_release(&together[s]);
    }
    free(expected);
    free(logits);
    free(ignored);
    bn_model_close(model);
}

static void test_batch(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PATHS; i++)
        if (file_exists(paths[i])) check_batch(paths[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_q8),
        cmocka_unit_test(test_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
