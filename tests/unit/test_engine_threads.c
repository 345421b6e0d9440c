/* Many threads on one engine: submitting, waiting, stepping, polling, cancelling and releasing at once. Meant for
 * ThreadSanitizer; and every answer must still be the one that a lonely request gets. */
#include "engine_run.h"

#include <pthread.h>

#define N_THREADS 6
#define N_ROUNDS  4

static bn_model *model;
static struct answer expected[N_THREADS];

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

static bn_request_options options_of(size_t thread) {
    bn_request_options options = sampled(12 + thread, thread);
    options.ignore_end = true;
    options.n = 1 + thread % 2;
    return options;
}

static size_t prompt_of(size_t thread, int32_t *ids) {
    size_t n = 10 + 17 * thread;
    make_prompt(ids, n, (uint32_t)(thread % 2 + 1));
    return n;
}

struct worker {
    bn_engine *engine;
    size_t index;
    bool wrong;
};

static bool count_token(void *context, const bn_token_event *event) {
    size_t *n = context;
    *n += event->id >= 0;
    return true;
}

static bool run_one(struct worker *worker, size_t *n_heard) {
    int32_t ids[200];
    size_t n = prompt_of(worker->index, ids);
    bn_request_options options = options_of(worker->index);
    bn_request *request;
    options.on_token = count_token;
    options.on_token_context = n_heard;
    if (bn_engine_submit(worker->engine, ids, n, &options, &request, NULL)) return false;
    bool right = bn_request_wait(request, NULL) == BN_OK;
    bn_choice choice = {.size = sizeof choice};
    right = right && bn_request_choice(request, 0, &choice) == BN_OK;
    right = right && choice.n_ids == expected[worker->index].n_ids;
    right = right && !memcmp(choice.ids, expected[worker->index].ids, choice.n_ids * sizeof *choice.ids);
    bn_request_release(request);
    return right;
}

/* Polls a request while others drive, then gives it up at some point. */
static bool abandon_one(struct worker *worker, size_t round) {
    int32_t ids[200];
    size_t n = prompt_of(worker->index, ids);
    bn_request_options options = options_of(worker->index);
    bn_request *request;
    bool busy;
    options.max_tokens = 0;
    if (bn_engine_submit(worker->engine, ids, n, &options, &request, NULL)) return false;
    for (size_t i = 0; i < round; i++) {
        bn_choice choice = {.size = sizeof choice};
        bn_usage usage = {.size = sizeof usage};
        bn_engine_step(worker->engine, &busy, NULL);
        if (bn_request_choice(request, options.n - 1, &choice)) return false;
        for (size_t j = 0; j < choice.n_ids; j++) {
            if (choice.ids[j] < 0) return false;
        }
        if (strlen(choice.text) != choice.text_bytes) return false;
        bn_request_usage(request, &usage);
        stats_of(worker->engine);
    }
    if (round % 2) {
        bn_request_cancel(request);
        if (bn_request_wait(request, NULL) != BN_STATUS_CANCELLED && !bn_request_finished(request)) return false;
    }
    bn_request_release(request);
    return true;
}

static void *work(void *context) {
    struct worker *worker = context;
    for (size_t round = 0; round < N_ROUNDS && !worker->wrong; round++) {
        size_t n_heard = 0;
        worker->wrong =
            !run_one(worker, &n_heard) || n_heard < expected[worker->index].n_ids || !abandon_one(worker, round);
    }
    return NULL;
}

static void run_all(const bn_engine_options *options) {
    pthread_t threads[N_THREADS];
    struct worker workers[N_THREADS];
    bn_engine *engine = make_engine(model, options);
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.engine = engine, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < N_THREADS; i++) assert_false(workers[i].wrong);
    bn_engine_stats stats = stats_of(engine);
    assert_int_equal(stats.requests_running + stats.requests_queued, 0);
    assert_int_equal(stats.kv_pages_used, 0);
    bn_engine_destroy(engine);
}

static void test_many_threads(void **state) {
    (void)state;
    bn_engine *alone = make_engine(model, NULL);
    for (size_t i = 0; i < N_THREADS; i++) {
        int32_t ids[200];
        size_t n = prompt_of(i, ids);
        bn_request_options options = options_of(i);
        ask(alone, ids, n, &options, &expected[i]);
    }
    bn_engine_stats full = stats_of(alone);
    bn_engine_destroy(alone);
    run_all(&(bn_engine_options){.n_threads = 2});
    run_all(&(bn_engine_options){.n_threads = 1,
                                 .max_sequences = 3,
                                 .batch_tokens = 16,
                                 .kv_type = full.kv_type,
                                 .kv_bytes = 16 * (full.kv_bytes / full.kv_pages_total),
                                 .context_length = 256});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_threads)};
    return cmocka_run_group_tests(tests, open_model, close_model);
}
