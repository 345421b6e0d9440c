/* A request's limits, refusals, priority, cancellation and callbacks, on the demo model. */
#include "engine_run.h"

#include <pthread.h>
#include <stdlib.h>

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

/* ---- ends and limits ---- */

static void test_max_min_and_stop_ids(void **state) {
    (void)state;
    int32_t prompt[10];
    struct answer free_run, got;
    bn_engine *engine = make_engine(model, NULL);
    make_prompt(prompt, 10, 4);
    bn_request_options options = greedy(30);
    options.ignore_end = true;
    ask(engine, prompt, 10, &options, &free_run);
    int32_t stop = free_run.ids[12];
    size_t first = 0;
    while (free_run.ids[first] != stop) first++;
    options.stop_ids = &stop;
    options.n_stop_ids = 1;
    ask(engine, prompt, 10, &options, &got);
    assert_int_equal(got.finish, BN_FINISH_STOP);
    assert_int_equal(got.n_ids, first + 1);
    assert_memory_equal(got.ids, free_run.ids, got.n_ids * sizeof *got.ids);
    options.min_tokens = first + 3;
    ask(engine, prompt, 10, &options, &got);
    assert_true(got.n_ids >= first + 3);
    for (size_t i = 0; i < options.min_tokens; i++) assert_int_not_equal(got.ids[i], stop);
    bn_engine_destroy(engine);
}

static void test_context_overflow_says_both_numbers(void **state) {
    (void)state;
    int32_t prompt[64];
    struct answer got;
    bn_error err = {0};
    bn_request *request;
    float row[1];
    make_prompt(prompt, 64, 1);
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .context_length = 48});
    bn_request_options options = greedy(0);
    options.ignore_end = true;
    assert_int_equal(bn_engine_submit(engine, prompt, 48, &options, &request, &err), BN_STATUS_CONTEXT_OVERFLOW);
    assert_int_equal(err.status, BN_STATUS_CONTEXT_OVERFLOW);
    assert_non_null(strstr(err.message, "48"));
    assert_int_equal(bn_engine_submit(engine, prompt, 61, &options, &request, &err), BN_STATUS_CONTEXT_OVERFLOW);
    assert_non_null(strstr(err.message, "61"));
    assert_non_null(strstr(err.message, "48"));
    assert_int_equal(bn_engine_logits(engine, prompt, 49, true, row, &err), BN_STATUS_CONTEXT_OVERFLOW);
    ask(engine, prompt, 47, &options, &got);
    assert_int_equal(got.n_ids, 1);
    assert_int_equal(got.finish, BN_FINISH_LENGTH);
    ask(engine, prompt, 40, &options, &got);
    assert_int_equal(got.n_ids, 8);
    bn_engine_destroy(engine);
}

static void expect_refused(bn_engine *engine, const int32_t *prompt, size_t n, const bn_request_options *options,
                           const char *named) {
    bn_request *request;
    bn_error err = {0};
    bn_status status = bn_engine_submit(engine, prompt, n, options, &request, &err);
    assert_true(status == BN_STATUS_BAD_ARGUMENT || status == BN_STATUS_UNSUPPORTED);
    if (!strstr(err.message, named)) test_fail("'%s' doesn't name %s", err.message, named);
}

static void test_bad_requests_are_named(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, NULL);
    const int32_t good[] = {1, 2}, bad[] = {1, 1 << 30}, negative[] = {-1};
    const char *const invalid[] = {"\xff"};
    bn_request_options o = greedy(4);
    expect_refused(engine, good, 0, &o, "empty");
    expect_refused(engine, bad, 2, &o, "prompt[1]");
    expect_refused(engine, negative, 1, &o, "prompt[0]");
    o.n_logprobs = 65;
    expect_refused(engine, good, 2, &o, "n_logprobs");
    o = greedy(4), o.n = 3, o.best_of = 2;
    expect_refused(engine, good, 2, &o, "best_of");
    o = greedy(4), o.n = 3, o.beams = 2;
    expect_refused(engine, good, 2, &o, "beams");
    o = greedy(4), o.n = 100000;
    expect_refused(engine, good, 2, &o, "n is 100000");
    o = greedy(4), o.stop_ids = bad, o.n_stop_ids = 2;
    expect_refused(engine, good, 2, &o, "stop_ids[1]");
    o = greedy(4), o.stop = invalid, o.n_stop = 1;
    expect_refused(engine, good, 2, &o, "stop string");
    o = greedy(4), o.length_penalty = NAN;
    expect_refused(engine, good, 2, &o, "length_penalty");
    o = greedy(4), o.sampling.top_p = 2;
    expect_refused(engine, good, 2, &o, "top_p");
    assert_int_equal(stats_of(engine).requests_queued, 0);
    bn_engine_destroy(engine);
}

static void test_bad_engines_are_named(void **state) {
    (void)state;
    static const struct {
        bn_engine_options options;
        const char *named;
    } cases[] = {
        {{.context_length = 1 << 20}, "context_length is 1048576"},
        {{.max_sequences = 1 << 20}, "max_sequences is 1048576"},
        {{.batch_tokens = 1 << 20}, "batch_tokens is 1048576"},
        {{.kv_type = (bn_kv_type)9}, "kv_type 9"},
        {{.kv_bytes = 1}, "kv_bytes is 1,"},
        {{.attention_sinks = 4}, "attention_sinks is 4 without"},
        {{.isa = "abacus"}, "abacus"},
        {{.n_threads = 100000}, "100000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bn_engine *engine = NULL;
        bn_error err = {0};
        assert_int_not_equal(bn_engine_create(model, &cases[i].options, &engine, &err), BN_OK);
        assert_null(engine);
        if (!strstr(err.message, cases[i].named)) test_fail("'%s' doesn't say %s", err.message, cases[i].named);
    }
}

static void test_priority_goes_first(void **state) {
    (void)state;
    int32_t prompt[10];
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .max_sequences = 1});
    bn_request_options low = greedy(5), high = greedy(5);
    bn_error err = {0};
    low.ignore_end = high.ignore_end = true;
    high.priority = 7;
    make_prompt(prompt, 10, 1);
    bn_request *first = submit(engine, prompt, 10, &low), *second = submit(engine, prompt, 10, &high);
    assert_int_equal(stats_of(engine).requests_queued, 2);
    assert_ok(bn_request_wait(second, &err), err);
    assert_false(bn_request_finished(first));
    assert_int_equal(stats_of(engine).requests_queued, 1);
    assert_ok(bn_request_wait(first, &err), err);
    bn_request_release(first);
    bn_request_release(second);
    bn_engine_destroy(engine);
}

/* ---- cancelling ---- */

static void test_cancel_frees_pages(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT];
    bool busy;
    bn_error err = {0};
    struct answer got;
    make_prompt(prompt, N_PROMPT, 1);
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_prefix_cache = true});
    bn_request_options options = sampled(0, 1);
    options.ignore_end = true;
    bn_request *request = submit(engine, prompt, N_PROMPT, &options);
    for (int i = 0; i < 5; i++) assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK);
    assert_true(stats_of(engine).kv_pages_used >= 3);
    assert_int_equal(stats_of(engine).requests_running, 1);
    bn_request_cancel(request);
    uint64_t steps = stats_of(engine).steps;
    assert_int_equal(bn_request_wait(request, &err), BN_STATUS_CANCELLED);
    assert_int_equal(stats_of(engine).steps, steps); /* no more work was done for it */
    assert_int_equal(stats_of(engine).kv_pages_used, 0);
    assert_int_equal(stats_of(engine).requests_running, 0);
    read_choice(request, 0, &got);
    assert_int_equal(got.finish, BN_FINISH_CANCELLED);
    assert_int_equal(got.n_ids, 5);
    bn_request_release(request);
    assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK);
    assert_false(busy);
    bn_engine_destroy(engine);
}

/* ---- pausing ---- */

struct pauser {
    bn_request *request;
    size_t n_tokens, pause_at;
};

static bool pause_itself(void *context, const bn_token_event *event) {
    struct pauser *pauser = context;
    if (event->id >= 0 && ++pauser->n_tokens == pauser->pause_at) bn_request_pause(pauser->request, true);
    return true;
}

/* A request that is paused gives its place and its pages to others, keeps what it has, and goes on to the same end. */
static void test_paused_requests_stand_still(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT], other[10];
    struct answer expected, got;
    struct pauser pauser = {.pause_at = 5};
    bool busy = true;
    bn_error err = {0};
    make_prompt(prompt, N_PROMPT, 1);
    make_prompt(other, 10, 2);
    bn_engine *engine =
        make_engine(model, &(bn_engine_options){.n_threads = 1, .max_sequences = 1, .no_prefix_cache = true});
    bn_request_options options = sampled(30, 7), quick = greedy(5);
    options.ignore_end = quick.ignore_end = true;
    ask(engine, prompt, N_PROMPT, &options, &expected);
    options.on_token = pause_itself;
    options.on_token_context = &pauser;
    bn_request *request = pauser.request = submit(engine, prompt, N_PROMPT, &options);
    for (int i = 0; i < 100 && busy; i++) assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK);
    assert_false(busy);
    assert_in_range(pauser.n_tokens, 5, 5 + 12); /* guesses of that step may have come true */
    size_t before = pauser.n_tokens;
    ask(engine, other, 10, &quick, &got); /* the only place is free */
    assert_int_equal(pauser.n_tokens, before);
    bn_request_pause(request, false);
    assert_ok(bn_request_wait(request, &err), err);
    read_choice(request, 0, &got);
    assert_same(&got, &expected);
    bn_request_release(request);

    request = submit(engine, prompt, N_PROMPT, &options); /* before it begins; released while it stands still */
    bn_request_pause(request, true);
    assert_int_equal(bn_engine_step(engine, &busy, &err), BN_OK);
    assert_false(busy);
    assert_int_equal(stats_of(engine).kv_pages_used, 0);
    bn_request_release(request);
    bn_engine_destroy(engine);
}

static void *wait_for(void *request) {
    bn_error err = {0};
    return bn_request_wait(request, &err) == BN_OK ? request : NULL;
}

/* Who waits for a paused request sleeps until it is resumed, or cancelled. */
static void test_waiting_for_a_paused_request(void **state) {
    (void)state;
    int32_t prompt[10];
    make_prompt(prompt, 10, 1);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = greedy(5);
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        bn_request *request = submit(engine, prompt, 10, &options);
        pthread_t thread;
        void *result;
        bn_request_pause(request, true);
        assert_int_equal(pthread_create(&thread, NULL, wait_for, request), 0);
        if (cancelled)
            bn_request_cancel(request);
        else
            bn_request_pause(request, false);
        pthread_join(thread, &result);
        assert_ptr_equal(result, cancelled ? NULL : request);
        bn_request_release(request);
    }
    bn_engine_destroy(engine);
}

struct heard {
    size_t n_tokens, n_ends;
    int32_t ids[MAX_ANSWER];
    char text[4096];
    size_t text_bytes;
    bn_finish finish;
    size_t stop_after;
    bn_request *request;
};

static bool hear(void *context, const bn_token_event *event) {
    struct heard *heard = context;
    assert_int_equal(heard->n_ends, 0);
    memcpy(heard->text + heard->text_bytes, event->text, event->text_bytes);
    heard->text_bytes += event->text_bytes;
    if (event->id >= 0) heard->ids[heard->n_tokens++] = event->id;
    assert_true((event->finish != BN_FINISH_NONE) == (event->id < 0));
    heard->n_ends += event->finish != BN_FINISH_NONE;
    heard->finish = event->finish;
    if (heard->request) { /* the read-only functions work inside a callback */
        bn_choice choice = {.size = sizeof choice};
        assert_int_equal(bn_request_choice(heard->request, 0, &choice), BN_OK);
        assert_int_equal(choice.n_ids, heard->n_tokens);
    }
    return heard->n_tokens != heard->stop_after;
}

static void test_callbacks_hear_everything_once(void **state) {
    (void)state;
    int32_t prompt[10];
    struct answer got;
    struct heard heard = {0};
    bn_error err = {0};
    make_prompt(prompt, 10, 1);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = sampled(30, 3);
    options.on_token = hear;
    options.on_token_context = &heard;
    heard.request = submit(engine, prompt, 10, &options);
    assert_ok(bn_request_wait(heard.request, &err), err);
    read_choice(heard.request, 0, &got);
    assert_int_equal(heard.n_ends, 1);
    assert_int_equal(heard.finish, got.finish);
    assert_int_equal(heard.n_tokens, got.n_ids);
    assert_memory_equal(heard.ids, got.ids, got.n_ids * sizeof *got.ids);
    assert_int_equal(heard.text_bytes, strlen(got.text));
    assert_memory_equal(heard.text, got.text, heard.text_bytes);
    bn_request_release(heard.request);

    struct heard stopped = {.stop_after = 4}; /* false from the callback cancels */
    options.on_token_context = &stopped;
    options.ignore_end = true;
    bn_request *request = submit(engine, prompt, 10, &options);
    assert_int_equal(bn_request_wait(request, &err), BN_STATUS_CANCELLED);
    assert_int_equal(stopped.n_tokens, 4);
    assert_int_equal(stopped.finish, BN_FINISH_CANCELLED);
    bn_request_release(request);
    bn_engine_destroy(engine);
}

/* The top list of every event, against the rows it comes from; the drawn token's own value is in it if it is in the
 * list. */
static bool check_top(void *context, const bn_token_event *event) {
    size_t *n_events = context;
    if (event->id < 0) return true;
    assert_int_equal(event->n_top, 5);
    for (size_t i = 0; i < 5; i++) {
        if (i) assert_true(event->top[i].logprob <= event->top[i - 1].logprob);
        if (event->top[i].id == event->id) assert_true(event->top[i].logprob == event->logprob);
    }
    assert_true(event->logprob <= event->top[0].logprob);
    ++*n_events;
    return true;
}

static void test_top_lists(void **state) {
    (void)state;
    int32_t prompt[10];
    size_t n_events = 0;
    struct answer got;
    make_prompt(prompt, 10, 1);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = sampled(20, 3);
    options.ignore_end = true;
    options.n_logprobs = 5;
    options.n = 2;
    options.on_token = check_top;
    options.on_token_context = &n_events;
    ask(engine, prompt, 10, &options, &got);
    assert_int_equal(n_events, 40);
    bn_engine_destroy(engine);
}

/* Prompts that begin alike and come at once: what the first has computed the others take, as soon as it is there. */
static void test_equal_prompts_at_once_share(void **state) {
    (void)state;
    enum { N = 5, LENGTH = 200 };
    int32_t prompt[LENGTH];
    bn_request *requests[N];
    struct answer got;
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .batch_tokens = 64});
    bn_request_options options = greedy(2);
    make_prompt(prompt, LENGTH, 1);
    for (int i = 0; i < N; i++) requests[i] = submit(engine, prompt, LENGTH, &options);
    for (int i = 0; i < N; i++) finish(requests[i], &got);
    assert_true(stats_of(engine).prompt_tokens < LENGTH + N * 64);
    bn_engine_destroy(engine);
}

static ptrdiff_t choose_none(void *context, const bn_candidate *candidates, size_t n, const int32_t *history,
                             size_t n_history) {
    (void)context, (void)candidates, (void)n, (void)history;
    return n_history > 12 ? -1 : 0;
}

static void test_failure_stays_with_its_request(void **state) {
    (void)state;
    int32_t prompt[10];
    bn_error err = {0};
    struct answer expected, got;
    make_prompt(prompt, 10, 1);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = greedy(10), custom = greedy(10);
    options.ignore_end = custom.ignore_end = true;
    ask(engine, prompt, 10, &options, &expected);
    custom.sampling.custom = choose_none;
    bn_request *good = submit(engine, prompt, 10, &options), *bad = submit(engine, prompt, 10, &custom);
    assert_int_not_equal(bn_request_wait(bad, &err), BN_OK);
    assert_true(strlen(err.message) > 0);
    read_choice(bad, 0, &got);
    assert_int_equal(got.finish, BN_FINISH_ERROR);
    assert_int_equal(got.n_ids, 3);
    finish(good, &got);
    assert_same(&got, &expected);
    bn_request_release(bad);
    bn_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_min_and_stop_ids),
        cmocka_unit_test(test_context_overflow_says_both_numbers),
        cmocka_unit_test(test_bad_requests_are_named),
        cmocka_unit_test(test_bad_engines_are_named),
        cmocka_unit_test(test_priority_goes_first),
        cmocka_unit_test(test_cancel_frees_pages),
        cmocka_unit_test(test_paused_requests_stand_still),
        cmocka_unit_test(test_waiting_for_a_paused_request),
        cmocka_unit_test(test_callbacks_hear_everything_once),
        cmocka_unit_test(test_top_lists),
        cmocka_unit_test(test_equal_prompts_at_once_share),
        cmocka_unit_test(test_failure_stays_with_its_request),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
