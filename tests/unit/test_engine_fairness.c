/* Who is served when. None of it changes an answer, which other tests hold; here it's the order that counts. */
#include "engine_run.h"

#include "engine/engine.h"

#include <stdlib.h>

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

/* Notes in which step tokens came. */
struct trace {
    size_t *step; /* the current one */
    size_t first, last, n_tokens, longest_wait;
};

static bool on_token(void *context, const bn_token_event *event) {
    struct trace *trace = context;
    if (event->id < 0) return true;
    if (trace->n_tokens++ == 0)
        trace->first = *trace->step;
    else if (*trace->step - trace->last > trace->longest_wait)
        trace->longest_wait = *trace->step - trace->last;
    trace->last = *trace->step;
    return true;
}

static bn_request *traced(bn_engine *engine, struct trace *trace, size_t n_prompt, uint32_t which, size_t n_tokens,
                          int32_t priority, uint64_t client) {
    int32_t prompt[500];
    bn_request_options options = greedy(n_tokens);
    options.ignore_end = true;
    options.priority = priority;
    options.client = client;
    options.on_token = on_token;
    options.on_token_context = trace;
    make_prompt(prompt, n_prompt, which);
    return submit(engine, prompt, n_prompt, &options);
}

static void run_all(bn_engine *engine, size_t *step, bn_request **requests, size_t n) {
    for (bool busy = true; busy; ++*step) assert_int_equal(bn_engine_step(engine, &busy, NULL), BN_OK);
    for (size_t i = 0; i < n; i++) {
        assert_true(bn_request_finished(requests[i]));
        bn_request_release(requests[i]);
    }
}

/* A client with many requests doesn't keep one with a single one out, which came last. */
static void test_clients_take_turns(void **state) {
    (void)state;
    enum { N = 12 };
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .max_sequences = 1});
    struct trace traces[N + 1] = {0};
    bn_request *requests[N + 1];
    size_t step = 0;
    for (size_t i = 0; i <= N; i++) {
        traces[i].step = &step;
        requests[i] = traced(engine, &traces[i], 5, 1, 2, 0, i < N ? 7 : 8);
    }
    run_all(engine, &step, requests, N + 1);
    size_t before = 0;
    for (size_t i = 0; i < N; i++) before += traces[i].first < traces[N].first;
    assert_true(before <= 1);
    for (size_t i = 1; i < N; i++) assert_true(traces[i].first > traces[i - 1].first);
    bn_engine_destroy(engine);
}

static void test_priority(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .max_sequences = 1});
    struct trace traces[3] = {0};
    bn_request *requests[3];
    size_t step = 0;
    for (size_t i = 0; i < 3; i++) {
        traces[i].step = &step;
        requests[i] = traced(engine, &traces[i], 5, 1, 2, (int32_t)i - 1, 0);
    }
    run_all(engine, &step, requests, 3);
    assert_true(traces[2].first < traces[1].first && traces[1].first < traces[0].first);
    bn_engine_destroy(engine);
}

/* While a long prompt is computed, others get a token in every step, and a short prompt doesn't wait for its end. */
static void test_long_prompt_stalls_nobody(void **state) {
    (void)state;
    bn_engine *engine =
        make_engine(model, &(bn_engine_options){.n_threads = 1, .batch_tokens = 16, .no_speculation = true});
    struct trace traces[3] = {0};
    bn_request *requests[3];
    size_t step = 0;
    bool busy;
    for (size_t i = 0; i < 3; i++) traces[i].step = &step;
    requests[0] = traced(engine, &traces[0], 5, 1, 60, 0, 0);
    for (; step < 3; step++) assert_int_equal(bn_engine_step(engine, &busy, NULL), BN_OK);
    requests[1] = traced(engine, &traces[1], 400, 2, 2, 0, 0); /* 27 steps on its own */
    requests[2] = traced(engine, &traces[2], 8, 3, 2, 0, 0);
    size_t submitted = step;
    run_all(engine, &step, requests, 3);
    assert_int_equal(traces[0].longest_wait, 1);
    assert_true(traces[2].first <= submitted + 3);
    assert_true(traces[1].first > submitted + 20);
    bn_engine_destroy(engine);
}

/* The number of steps until a prompt of 400 tokens has its first, on a machine that needs so long for one. */
static size_t steps_of_prompt(uint64_t token_ns, bool beside_a_stream) {
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_speculation = true});
    struct trace stream = {0}, prompt = {0};
    bn_request *requests[2];
    size_t step = 0, n = 0;
    bool busy;
    stream.step = prompt.step = &step;
    if (beside_a_stream) requests[n++] = traced(engine, &stream, 5, 1, 60, 0, 0);
    for (; step < 3; step++) assert_int_equal(bn_engine_step(engine, &busy, NULL), BN_OK);
    requests[n++] = traced(engine, &prompt, 400, 2, 1, 0, 0);
    for (; !bn_request_finished(requests[n - 1]); step++) {
        engine->token_ns = token_ns;
        assert_int_equal(bn_engine_step(engine, &busy, NULL), BN_OK);
    }
    run_all(engine, &step, requests, n);
    if (beside_a_stream) assert_int_equal(stream.longest_wait, 1);
    bn_engine_destroy(engine);
    return prompt.first - 2;
}

/* Where tokens are slow, those who wait for their next one get it between small pieces of a prompt. */
static void test_prompts_hold_streams_up_for_a_bounded_time(void **state) {
    (void)state;
    assert_int_equal(steps_of_prompt(10000, true), 2);
    assert_int_equal(steps_of_prompt(5000000, true), 8);     /* 50 tokens are a quarter of a second */
    assert_int_equal(steps_of_prompt(5000000000, true), 25); /* and the fewest are 16 */
    assert_int_equal(steps_of_prompt(5000000000, false), 2);
}

/* Half of a step is the first prompt's, however many short ones overtake those behind it. */
static void test_short_prompts_overtake_long_ones(void **state) {
    (void)state;
    enum { N = 12 };
    bn_engine *engine =
        make_engine(model, &(bn_engine_options){.n_threads = 1, .batch_tokens = 32, .no_speculation = true});
    struct trace traces[N] = {0};
    bn_request *requests[N];
    size_t step = 0;
    for (size_t i = 0; i < N; i++) {
        traces[i].step = &step;
        requests[i] = traced(engine, &traces[i], i < 2 ? 400 : 16, (uint32_t)i + 1, 1, 0, 0);
    }
    run_all(engine, &step, requests, N);
    for (size_t i = 2; i < N; i++) assert_int_equal(traces[i].first, i - 2); /* one a step, in the order they came */
    assert_int_equal(traces[0].first, 24);                                   /* 400 tokens, 16 a step */
    assert_int_equal(traces[1].first, 29); /* 16 a step from the tenth on, then all 32 */
    bn_engine_destroy(engine);
}

/* Prompts that begin alike still compute their beginning once. */
static void test_equal_beginnings_are_computed_once(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .batch_tokens = 64});
    struct trace traces[4] = {0};
    bn_request *requests[4];
    size_t step = 0;
    for (size_t i = 0; i < 4; i++) {
        traces[i].step = &step;
        requests[i] = traced(engine, &traces[i], 200, 5, 2, 0, 0);
    }
    run_all(engine, &step, requests, 4);
    bn_engine_stats stats = stats_of(engine);
    assert_true(stats.cached_tokens >= 3 * 180);
    bn_engine_destroy(engine);
}

/* Embeddings: the same in any company and chunking; those of the last token and the mean are what hidden states of
 * prefixes give. */
static void test_embeddings(void **state) {
    (void)state;
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    size_t n = info.hidden_size;
    int32_t a[40], b[7];
    make_prompt(a, 40, 1);
    make_prompt(b, 7, 2);
    const int32_t *ids[] = {a, b, a};
    const size_t sizes[] = {40, 7, 40};
    float *together = malloc(3 * n * sizeof *together), *alone = malloc(n * sizeof *alone);
    double *sum = calloc(n, sizeof *sum);
    bn_error err = {0};
    for (int pooling = BN_POOLING_LAST; pooling <= BN_POOLING_MEAN; pooling++) {
        bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1});
        bn_engine *chunks = make_engine(model, &(bn_engine_options){.n_threads = 2, .batch_tokens = 9});
        assert_ok(bn_engine_embed(engine, ids, sizes, 3, (bn_pooling)pooling, together, &err), err);
        for (size_t i = 0; i < 3; i++) {
            assert_ok(bn_engine_embed(chunks, &ids[i], &sizes[i], 1, (bn_pooling)pooling, alone, &err), err);
            assert_memory_equal(alone, together + i * n, n * sizeof *alone);
        }
        bn_engine_destroy(engine);
        bn_engine_destroy(chunks);
    }
    bn_engine *engine = make_engine(model, NULL);
    for (size_t k = 1; k <= 7; k++) {
        const int32_t *prefix = b;
        assert_ok(bn_engine_embed(engine, &prefix, &k, 1, BN_POOLING_LAST, alone, &err), err);
        for (size_t i = 0; i < n; i++) sum[i] += (double)alone[i];
    }
    for (size_t i = 0; i < n; i++) assert_true((float)(sum[i] / 7) == together[n + i]);
    size_t none = 0;
    assert_int_equal(bn_engine_embed(engine, ids, &none, 1, BN_POOLING_MEAN, alone, &err), BN_STATUS_BAD_ARGUMENT);
    bn_engine_destroy(engine);
    free(together);
    free(alone);
    free(sum);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_long_prompt_stalls_nobody),
        cmocka_unit_test(test_prompts_hold_streams_up_for_a_bounded_time),
        cmocka_unit_test(test_short_prompts_overtake_long_ones),
        cmocka_unit_test(test_equal_beginnings_are_computed_once),
        cmocka_unit_test(test_embeddings),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
