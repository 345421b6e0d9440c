/* What the engine promises about one request: it depends on nothing but itself. The same ids, text and
 * log-probabilities, bit for bit, come out alone and in a crowd, for any chunking, number of threads, instruction set,
 * with and without cached prefixes, and when pages are so few that sequences have to start over. And the demo model
 * continues its reference prompts as the reference implementation does. */
#include "engine_run.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "kernels/kernels.h"
#include "temporary_folder.h"

#define N_PROMPT 75

static bn_model *model;

static int open_model(void **state) {
    (void)state;
    model = open_demo();
    return 0;
}

static int close_model(void **state) {
    (void)state;
    bn_model_close(model);
    return 0;
}

/* The request all engines below must answer alike. */
static bn_request_options standard_options(void) {
    bn_request_options options = sampled(40, 99);
    options.ignore_end = true;
    options.n_logprobs = 0;
    return options;
}

static void standard_answer(bn_engine *engine, struct answer *out) {
    int32_t prompt[N_PROMPT];
    bn_request_options options = standard_options();
    make_prompt(prompt, N_PROMPT, 1);
    ask(engine, prompt, N_PROMPT, &options, out);
}

static struct answer expected_answer(void) {
    struct answer expected;
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
    standard_answer(engine, &expected);
    assert_int_equal(expected.n_ids, 40);
    assert_int_equal(expected.finish, BN_FINISH_LENGTH);
    bn_engine_destroy(engine);
    return expected;
}

static void check_engine(const bn_engine_options *options, const struct answer *expected) {
    struct answer got;
    bn_engine *engine = make_engine(model, options);
    standard_answer(engine, &got);
    assert_same(&got, expected);
    bn_engine_destroy(engine);
}

static size_t read_ids(const json_t *array, int32_t *ids) {
    for (size_t i = 0; i < json_array_size(array); i++) ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return json_array_size(array);
}

/* How many of n tokens ours differ from the reference's where both continue the reference's. They may where the two
 * best logits are close, since the reference rounds activations to int8 after other float sums than ours. */
static size_t count_differences(bn_engine *engine, const int32_t *ids, size_t n_prompt, size_t n) {
    size_t n_different = 0;
    float logits[4096];
    for (size_t at = 0; at < n;) {
        struct answer got;
        bn_error err = {0};
        bn_request_options options = greedy(n - at);
        options.ignore_end = true;
        ask(engine, ids, n_prompt + at, &options, &got);
        assert_int_equal(got.n_ids, n - at);
        size_t i = 0;
        while (at < n && got.ids[i] == ids[n_prompt + at]) i++, at++;
        if (at == n) break;
        assert_ok(bn_engine_logits(engine, ids, n_prompt + at, true, logits, &err), err);
        float margin = logits[got.ids[i]] - logits[ids[n_prompt + at]];
        assert_true(margin >= 0 && margin < 0.1f);
        n_different++;
        at++;
    }
    return n_different;
}

static void test_greedy_is_the_references(void **state) {
    (void)state;
    json_t *prompts, *prompt;
    size_t i;
    bn_error err = {0};
    assert_ok(json_parse_file(TEST_DATA "/demo/prompts.json", 1 << 20, &prompts, &err), err);
    bn_engine *engine = make_engine(model, NULL);
    json_array_foreach(prompts, i, prompt) {
        int32_t ids[256];
        size_t n_prompt = read_ids(json_object_get(prompt, "tokens"), ids);
        size_t n = read_ids(json_object_get(prompt, "greedy"), ids + n_prompt);
        assert_int_equal(n, 64);
        assert_true(count_differences(engine, ids, n_prompt, n) <= 1);
    }
    json_decref(prompts);
    bn_engine_destroy(engine);
}

static void test_chunking_changes_nothing(void **state) {
    (void)state;
    struct answer expected = expected_answer();
    static const size_t sizes[] = {1, 3, 7, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_engine(&(bn_engine_options){.n_threads = 1, .batch_tokens = sizes[i]}, &expected);
}

static void test_threads_change_nothing(void **state) {
    (void)state;
    struct answer expected = expected_answer();
    static const size_t counts[] = {2, 3, 7};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        check_engine(&(bn_engine_options){.n_threads = counts[i]}, &expected);
}

static void test_instruction_sets_change_nothing(void **state) {
    (void)state;
    struct answer expected = expected_answer();
    for (size_t i = 0; kernels_name(i); i++)
        check_engine(&(bn_engine_options){.n_threads = 1, .isa = kernels_name(i)}, &expected);
}

static void test_strangers_change_nothing(void **state) {
    (void)state;
    struct answer expected = expected_answer(), got;
    enum { CROWD = 8 };
    bn_request *crowd[CROWD];
    int32_t prompt[200];
    bn_engine *engine =
        make_engine(model, &(bn_engine_options){.n_threads = 2, .max_sequences = 5, .batch_tokens = 48});
    bn_request *ours = NULL;
    for (uint32_t i = 0; i < CROWD; i++) {
        bn_request_options options = sampled(20 + 5 * i, i);
        options.priority = (int32_t)i % 3 - 1;
        options.n = 1 + i % 2;
        make_prompt(prompt, 20 * i + 3, i % 4 + 1); /* some begin as ours does */
        crowd[i] = submit(engine, prompt, 20 * i + 3, &options);
        if (i != CROWD / 2) continue;
        bn_request_options standard = standard_options();
        make_prompt(prompt, N_PROMPT, 1);
        ours = submit(engine, prompt, N_PROMPT, &standard);
    }
    finish(ours, &got);
    assert_same(&got, &expected);
    for (int i = 0; i < CROWD; i++) bn_request_release(crowd[i]);
    assert_int_equal(stats_of(engine).kv_pages_used, 0);
    bn_engine_destroy(engine);
}

static void test_cached_prefixes_change_nothing(void **state) {
    (void)state;
    struct answer expected = expected_answer(), got;
    static const size_t shared[] = {0, 5, 32, 33, 64, 70, 74, 75, 90};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        int32_t prompt[100];
        bn_engine *engine = make_engine(model, NULL);
        bn_request_options options = greedy(1), standard = standard_options();
        make_prompt(prompt, 100, 2);
        make_prompt(prompt, shared[i] < N_PROMPT ? shared[i] : N_PROMPT, 1);
        if (shared[i] < N_PROMPT) prompt[shared[i]] = 5; /* make_prompt never gives 5: here they part */
        ask(engine, prompt, 100, &options, &got);
        make_prompt(prompt, N_PROMPT, 1);
        bn_request *request = submit(engine, prompt, N_PROMPT, &standard);
        bn_usage usage = {.size = sizeof usage};
        bn_error err = {0};
        assert_ok(bn_request_wait(request, &err), err);
        bn_request_usage(request, &usage);
        assert_int_equal(usage.prompt_tokens, N_PROMPT);
        assert_int_equal(usage.cached_tokens, shared[i] < N_PROMPT ? shared[i] : N_PROMPT - 1);
        assert_int_equal(usage.output_tokens, 40);
        finish(request, &got);
        assert_same(&got, &expected);
        bn_engine_destroy(engine);
    }
}

/* Writes the small llama of the reference data with long and short position factors (longrope). */
static bool write_longrope_model(const struct temporary_folder *folder) {
    static const char rope[] = "{\"rope_type\":\"longrope\",\"rope_theta\":10000.0,\"factor\":4.0,"
                               "\"original_max_position_embeddings\":64,\"short_factor\":[1,1,1,1,1,1,1,1],"
                               "\"long_factor\":[1.5,2,2,3,3,4,4,4]}";
    json_t *config = json_load_file(SHARED_DATA "/models/llama/config.json", 0, NULL);
    json_t *scaling = json_loads(rope, 0, NULL);
    if (!config) {
        json_decref(scaling);
        return false;
    }
    json_object_set_new(config, "rope_parameters", scaling);
    assert_int_equal(json_dump_file(config, temporary_path(folder, "config.json"), 0), 0);
    json_decref(config);
    assert_int_equal(
        symlink(SHARED_DATA "/models/llama/model.safetensors", temporary_path(folder, "model.safetensors")), 0);
    return true;
}

/* A prompt whose output may become long has other keys than the same prompt with a short one: no sharing there. */
static void test_prefixes_respect_position_factors(void **state) {
    (void)state;
    int32_t prompt[50];
    struct answer expected[2], got;
    bn_model *longrope;
    bn_error err = {0};
    struct temporary_folder folder = temporary_folder_create();
    if (!write_longrope_model(&folder)) {
        print_message("no reference models: skipped\n");
        temporary_folder_remove(&folder);
        return;
    }
    make_prompt(prompt, 50, 1);
    assert_ok(bn_model_open(folder.path, &(bn_model_options){.size = sizeof(bn_model_options), .no_tokenizer = true},
                            &longrope, &err),
              err);
    bn_request_options options[2] = {sampled(10, 1), sampled(40, 1)}; /* at most 60, 90 positions; the limit is 64 */
    for (int i = 0; i < 2; i++) {
        bn_engine *alone = make_engine(longrope, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
        options[i].ignore_end = true;
        options[i].n_logprobs = 0;
        ask(alone, prompt, 50, &options[i], &expected[i]);
        bn_engine_destroy(alone);
    }
    assert_true(expected[0].logprobs[0] != expected[1].logprobs[0]); /* or this would test nothing */
    bn_engine *engine = make_engine(longrope, NULL);
    for (int i = 0; i < 4; i++) {
        ask(engine, prompt, 50, &options[i % 2], &got);
        assert_same(&got, &expected[i % 2]);
    }
    assert_int_equal(stats_of(engine).cached_tokens, 2 * 49);
    bn_engine_destroy(engine);
    bn_model_close(longrope);
    temporary_folder_remove(&folder);
}

/* With pages for one sequence only, several take turns, start over, and still say the same. */
static void test_few_pages_still_progress(void **state) {
    (void)state;
    struct answer expected = expected_answer(), got;
    enum { N = 6 };
    for (int cached = 0; cached <= 1; cached++) {
        bn_engine *probe = make_engine(model, NULL);
        bn_engine_stats full = stats_of(probe);
        bn_engine_destroy(probe);
        uint64_t page_bytes = full.kv_bytes / full.kv_pages_total;
        for (size_t pages = 4; pages <= 7; pages++) {
            bn_request *requests[N];
            int32_t prompt[N_PROMPT];
            bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1,
                                                                        .kv_type = BN_KV_F32,
                                                                        .kv_bytes = pages * page_bytes,
                                                                        .no_prefix_cache = !cached});
            assert_int_equal(stats_of(engine).kv_pages_total, pages);
            assert_int_equal(stats_of(engine).context_length, pages * 32);
            bn_request_options options = standard_options();
            for (uint32_t i = 0; i < N; i++) {
                make_prompt(prompt, N_PROMPT, i % 2 + 1);
                requests[i] = submit(engine, prompt, N_PROMPT, &options);
            }
            for (int i = 0; i < N; i++) {
                finish(requests[i], &got);
                if (i % 2 == 0)
                    assert_same(&got, &expected);
                else
                    assert_int_equal(got.n_ids, 40);
            }
            assert_int_equal(stats_of(engine).kv_pages_used, 0);
            bn_engine_destroy(engine);
        }
    }
}

static void test_f16_pages_agree_with_themselves(void **state) {
    (void)state;
    struct answer first, second;
    bn_engine *a = make_engine(model, &(bn_engine_options){.n_threads = 1, .kv_type = BN_KV_F16});
    bn_engine *b = make_engine(model, &(bn_engine_options){.n_threads = 3, .kv_type = BN_KV_F16, .batch_tokens = 5});
    assert_int_equal(stats_of(a).kv_type, BN_KV_F16);
    standard_answer(a, &first);
    standard_answer(b, &second);
    assert_same(&first, &second);
    bn_engine_destroy(a);
    bn_engine_destroy(b);
}

static void test_int8_pages_agree_with_themselves(void **state) {
    (void)state;
    struct answer first, second;
    bn_engine *a = make_engine(model, &(bn_engine_options){.n_threads = 1, .kv_type = BN_KV_Q8_0});
    bn_engine *b = make_engine(model, &(bn_engine_options){.n_threads = 3, .kv_type = BN_KV_Q8_0, .batch_tokens = 5});
    assert_int_equal(stats_of(a).kv_type, BN_KV_Q8_0);
    for (int round = 0; round < 2; round++) { /* the second time from the prefix cache */
        standard_answer(a, &first);
        standard_answer(b, &second);
        assert_same(&first, &second);
    }
    bn_engine_destroy(a);
    bn_engine_destroy(b);
}

/* Sinks and a window: the same answer whatever the chunks and however few pages there are; that of full attention as
 * long as everything is seen, another one beyond; and memory that doesn't grow with the text. */
static void test_streaming_attention(void **state) {
    (void)state;
    static const bn_engine_options engines[] = {
        {.n_threads = 1, .attention_sinks = 3, .attention_window = 50, .kv_type = BN_KV_F32},
        {.n_threads = 3, .attention_sinks = 3, .attention_window = 50, .kv_type = BN_KV_F32, .batch_tokens = 7},
        {.n_threads = 2, .attention_sinks = 3, .attention_window = 50, .kv_type = BN_KV_F32, .batch_tokens = 32},
    };
    struct answer expected, full, got;
    int32_t prompt[N_PROMPT];
    bn_request_options options = sampled(400, 5);
    options.ignore_end = true;
    make_prompt(prompt, N_PROMPT, 1);
    for (size_t i = 0; i < 3; i++) {
        bn_engine_options few = engines[i];
        bn_engine *engine = make_engine(model, &few);
        uint64_t page_bytes = stats_of(engine).kv_bytes / stats_of(engine).kv_pages_total;
        ask(engine, prompt, N_PROMPT, &options, &got);
        if (i == 0) expected = got;
        assert_same(&got, &expected);
        bn_engine_destroy(engine);
        few.kv_bytes = 7 * page_bytes; /* a sink's, three of the window and of a step's tokens, two more */
        few.batch_tokens = 32;
        engine = make_engine(model, &few);
        assert_int_equal(stats_of(engine).context_length, 512);
        bn_request *requests[3];
        for (int j = 0; j < 3; j++) requests[j] = submit(engine, prompt, N_PROMPT, &options);
        for (int j = 0; j < 3; j++) {
            finish(requests[j], &got);
            assert_same(&got, &expected);
        }
        assert_int_equal(stats_of(engine).kv_pages_used, 0);
        bn_engine_destroy(engine);
    }
    bn_engine *all = make_engine(model, &(bn_engine_options){.n_threads = 1, .kv_type = BN_KV_F32});
    ask(all, prompt, N_PROMPT, &options, &full);
    bn_engine_destroy(all);
    assert_memory_not_equal(full.ids, expected.ids, sizeof full.ids);
    bn_engine *wide = make_engine(
        model,
        &(bn_engine_options){.n_threads = 1, .kv_type = BN_KV_F32, .attention_sinks = 1, .attention_window = 512});
    ask(wide, prompt, N_PROMPT, &options, &got);
    assert_same(&got, &full);
    bn_engine_destroy(wide);
}

/* ---- logits ---- */

static void test_logits_are_the_same_rows(void **state) {
    (void)state;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t v = info.vocab_size;
    int32_t prompt[N_PROMPT];
    bn_error err = {0};
    make_prompt(prompt, N_PROMPT, 1);
    float *all = malloc(N_PROMPT * v * sizeof *all), *again = malloc(N_PROMPT * v * sizeof *again);
    float *last = malloc(v * sizeof *last);
    bn_engine *engine = make_engine(model, NULL);
    bn_engine *small = make_engine(model, &(bn_engine_options){.n_threads = 2, .batch_tokens = 13});
    assert_ok(bn_engine_logits(engine, prompt, N_PROMPT, false, all, &err), err);
    assert_ok(bn_engine_logits(small, prompt, N_PROMPT, false, again, &err), err);
    assert_memory_equal(all, again, N_PROMPT * v * sizeof *all);

    /* beside others, whose rows go through the engine's own buffer */
    bn_request_options options = sampled(30, 1);
    bn_request *beside = submit(engine, prompt, N_PROMPT, &options);
    memset(again, 0, N_PROMPT * v * sizeof *again);
    assert_ok(bn_engine_logits(engine, prompt, N_PROMPT, false, again, &err), err);
    assert_memory_equal(all, again, N_PROMPT * v * sizeof *all);
    for (size_t n = 1; n <= N_PROMPT; n += 37) {
        assert_ok(bn_engine_logits(engine, prompt, n, true, last, &err), err);
        assert_memory_equal(last, all + (n - 1) * v, v * sizeof *last);
    }
    bn_request_release(beside);
    bn_engine_destroy(engine);
    bn_engine_destroy(small);
    free(all);
    free(again);
    free(last);
}

static void check_log_softmax(float got, const float *row, size_t n, int32_t id) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)row[i]);
    assert_true(fabs((double)row[id] - log(sum) - (double)got) < 1e-5);
}

static void test_logprobs_of_prompt_and_output(void **state) {
    (void)state;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t v = info.vocab_size, n, n_all = N_PROMPT + 20;
    int32_t ids[N_PROMPT + 20];
    bn_error err = {0};
    struct answer got;
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .batch_tokens = 64});
    make_prompt(ids, N_PROMPT, 3);
    bn_request_options options = sampled(20, 5);
    options.echo_logprobs = true;
    options.n_logprobs = 3;
    options.ignore_end = true;
    options.sampling.top_k = 5;
    options.sampling.repetition_penalty = 1.3f; /* must not show in log-probabilities */
    bn_request *request = submit(engine, ids, N_PROMPT, &options);
    assert_null(bn_request_prompt_logprobs(request, &n));
    assert_ok(bn_request_wait(request, &err), err);
    read_choice(request, 0, &got);
    memcpy(ids + N_PROMPT, got.ids, 20 * sizeof *ids);

    float *rows = malloc(n_all * v * sizeof *rows);
    assert_ok(bn_engine_logits(engine, ids, n_all, false, rows, &err), err);
    const float *prompt = bn_request_prompt_logprobs(request, &n);
    assert_int_equal(n, N_PROMPT);
    assert_true(isnan(prompt[0]));
    for (size_t i = 1; i < N_PROMPT; i++) check_log_softmax(prompt[i], rows + (i - 1) * v, v, ids[i]);
    double sum = 0;
    for (size_t i = 0; i < 20; i++) {
        check_log_softmax(got.logprobs[i], rows + (N_PROMPT + i - 1) * v, v, got.ids[i]);
        sum += (double)got.logprobs[i];
    }
    assert_true(fabs(sum - got.sum_logprob) < 1e-9);
    free(rows);
    bn_request_release(request);
    bn_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_is_the_references),
        cmocka_unit_test(test_chunking_changes_nothing),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_instruction_sets_change_nothing),
        cmocka_unit_test(test_strangers_change_nothing),
        cmocka_unit_test(test_cached_prefixes_change_nothing),
        cmocka_unit_test(test_prefixes_respect_position_factors),
        cmocka_unit_test(test_few_pages_still_progress),
        cmocka_unit_test(test_f16_pages_agree_with_themselves),
        cmocka_unit_test(test_int8_pages_agree_with_themselves),
        cmocka_unit_test(test_streaming_attention),
        cmocka_unit_test(test_logits_are_the_same_rows),
        cmocka_unit_test(test_logprobs_of_prompt_and_output),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
