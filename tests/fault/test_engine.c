/* Every allocation of creating an engine, submitting and stepping refused in turn: a clean error, nothing lost (run
 * this with AddressSanitizer), and the engine answers as ever afterwards. */
#include "engine_run.h"

#include "base/memory.h"

#define N_PROMPT 50
#define MANY     2000

static bn_model *model;
static struct answer expected;

static int close_model(void **state) {
    (void)state;
    bn_model_close(model);
    return 0;
}

static bn_request_options busy_options(void) {
    bn_request_options options = sampled(40, 2);
    static const char *const stops[] = {"never said: \xe2\x82\xac"};
    options.ignore_end = true;
    options.n = 2;
    options.n_logprobs = 2;
    options.echo_logprobs = true;
    if (bn_model_tokenizer(model)) {
        options.stop = stops;
        options.n_stop = 1;
    }
    return options;
}

static int open_model(void **state) {
    (void)state;
    bn_error err = {0};
    bn_model_options model_options = {.size = sizeof model_options, .head = BN_HEAD_SCREEN};
    assert_ok(bn_model_open(DEMO_MODEL, &model_options, &model, &err), err);
    int32_t prompt[N_PROMPT];
    bn_request_options options = busy_options();
    bn_engine *engine = make_engine(model, NULL);
    make_prompt(prompt, N_PROMPT, 1);
    ask(engine, prompt, N_PROMPT, &options, &expected);
    bn_engine_destroy(engine);
    return 0;
}

static void check_still_answers(bn_engine *engine) {
    int32_t prompt[N_PROMPT];
    struct answer got;
    bn_request_options options = busy_options();
    make_prompt(prompt, N_PROMPT, 1);
    ask(engine, prompt, N_PROMPT, &options, &got);
    assert_same(&got, &expected);
    assert_int_equal(stats_of(engine).kv_pages_used, 0);
    assert_int_equal(stats_of(engine).requests_running + stats_of(engine).requests_queued, 0);
}

static void refuse_in_create(const bn_engine_options *options) {
    for (long n = 0;; n++) {
        bn_engine *engine = NULL;
        bn_error err = {0};
        assert_true(n < MANY);
        mem_fail_after(n);
        bn_status status = bn_engine_create(model, options, &engine, &err);
        mem_fail_after(-1);
        if (status == BN_OK) {
            bn_engine_destroy(engine);
            return;
        }
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
        assert_true(err.message[0] != '\0');
        assert_null(engine);
    }
}

static void test_create(void **state) {
    (void)state;
    refuse_in_create(&(bn_engine_options){.n_threads = 1});
    refuse_in_create(&(bn_engine_options){.n_threads = 1, .draft_model = model});
}

static void refuse_in_submit(const bn_request_options *options) {
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, N_PROMPT, 1);
    struct answer first;
    bn_engine *engine = make_engine(model, NULL);
    ask(engine, prompt, N_PROMPT, options,
        &first); /* what is made once, for healing thousands of small pieces, is there */
    for (long n = 0;; n++) {
        bn_request *request = NULL;
        bn_error err = {0};
        assert_true(n < MANY);
        mem_fail_after(n);
        bn_status status = bn_engine_submit(engine, prompt, N_PROMPT, options, &request, &err);
        mem_fail_after(-1);
        if (status == BN_OK) {
            bn_request_release(request);
            break;
        }
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
        assert_null(request);
    }
    check_still_answers(engine);
    bn_engine_destroy(engine);
}

static void test_submit(void **state) {
    (void)state;
    bn_request_options options = busy_options(), beams = greedy(10), healed = greedy(10);
    beams.beams = 3;
    healed.heal = true;
    refuse_in_submit(&options);
    refuse_in_submit(&beams);
    refuse_in_submit(&healed);
}

/* A failure while running either is the request's error or costs nothing but a page in the prefix cache. */
static void refuse_in_steps(bn_engine *engine, bn_request_options options, const struct answer *whole) {
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, N_PROMPT, 1);
    for (long n = 0;; n++) {
        bn_request *request;
        struct answer got;
        bn_error err = {0};
        assert_true(n < MANY);
        request = submit(engine, prompt, N_PROMPT, &options);
        mem_allocations();
        mem_fail_after(n);
        bn_status status = bn_request_wait(request, &err);
        mem_fail_after(-1);
        bool untouched = mem_allocations() <= n;
        if (status == BN_OK) {
            read_choice(request, 0, &got);
            assert_same(&got, whole);
        } else {
            assert_int_equal(status, BN_STATUS_NO_MEMORY);
            assert_true(err.message[0] != '\0');
        }
        bn_request_release(request);
        if (status == BN_OK && untouched) return;
        if (n % 8 == 0) check_still_answers(engine);
    }
}

static void test_steps(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, NULL);
    refuse_in_steps(engine, busy_options(), &expected);
    bn_engine_destroy(engine);
    engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .draft_model = model});
    refuse_in_steps(engine, busy_options(), &expected);
    bn_engine_destroy(engine);

    struct answer whole;
    int32_t prompt[N_PROMPT];
    bn_request_options beams = greedy(12);
    beams.ignore_end = true;
    beams.beams = 3;
    make_prompt(prompt, N_PROMPT, 1);
    engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
    ask(engine, prompt, N_PROMPT, &beams, &whole);
    bn_engine_destroy(engine);
    engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
    refuse_in_steps(engine, beams, &whole);
    bn_engine_destroy(engine);
}

static void test_logits(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT];
    bn_model_info info = {.size = sizeof info};
    bn_model_get_info(model, &info);
    float *row = mem_alloc_array(info.vocab_size, sizeof *row);
    assert_non_null(row);
    make_prompt(prompt, N_PROMPT, 1);
    bn_engine *engine = make_engine(model, NULL);
    for (long n = 0;; n++) {
        bn_error err = {0};
        assert_true(n < MANY);
        mem_allocations();
        mem_fail_after(n);
        bn_status status = bn_engine_logits(engine, prompt, N_PROMPT, true, row, &err);
        mem_fail_after(-1);
        if (status == BN_OK && mem_allocations() <= n) break;
        assert_true(status == BN_OK || status == BN_STATUS_NO_MEMORY);
    }
    check_still_answers(engine);
    bn_engine_destroy(engine);
    mem_free(row);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_logits),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
