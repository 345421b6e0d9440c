/* An engine over the demo model, and a request's whole result in one struct that can be compared. */
#ifndef SUPPORT_ENGINE_RUN_H
#define SUPPORT_ENGINE_RUN_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "test.h"

#define MAX_ANSWER 512

struct answer {
    int32_t ids[MAX_ANSWER];
    float logprobs[MAX_ANSWER]; /* zero unless asked for */
    size_t n_ids;
    char text[8192];
    double sum_logprob;
    bn_finish finish;
};

static inline bn_model *open_demo(void) {
    bn_model *model = NULL;
    bn_error err = {0};
    assert_ok(bn_model_open(DEMO_MODEL, NULL, &model, &err), err);
    return model;
}

/* options: NULL for one thread and defaults otherwise. */
static inline bn_engine *make_engine(bn_model *model, const bn_engine_options *options) {
    bn_engine_options own = {.size = sizeof own, .n_threads = 1};
    bn_engine *engine = NULL;
    bn_error err = {0};
    assert_ok(bn_engine_create(model, options ? options : &own, &engine, &err), err);
    return engine;
}

static inline bn_request_options greedy(size_t max_tokens) {
    bn_request_options options;
    bn_request_options_init(&options);
    options.sampling.temperature = 0;
    options.max_tokens = max_tokens;
    return options;
}

static inline bn_request_options sampled(size_t max_tokens, uint64_t seed) {
    bn_request_options options = greedy(max_tokens);
    options.sampling.temperature = 1;
    options.sampling.seed = seed;
    return options;
}

static inline bn_request *submit(bn_engine *engine, const int32_t *prompt, size_t n,
                                 const bn_request_options *options) {
    bn_request *request = NULL;
    bn_error err = {0};
    assert_ok(bn_engine_submit(engine, prompt, n, options, &request, &err), err);
    return request;
}

static inline void read_choice(const bn_request *request, size_t choice, struct answer *out) {
    bn_choice c = {.size = sizeof c};
    memset(out, 0, sizeof *out);
    assert_int_equal(bn_request_choice(request, choice, &c), BN_OK);
    assert_true(c.n_ids <= MAX_ANSWER && c.text_bytes < sizeof out->text);
    assert_int_equal(strlen(c.text), c.text_bytes);
    memcpy(out->ids, c.ids, c.n_ids * sizeof *c.ids);
    if (c.logprobs) memcpy(out->logprobs, c.logprobs, c.n_ids * sizeof *c.logprobs);
    memcpy(out->text, c.text, c.text_bytes);
    out->n_ids = c.n_ids;
    out->finish = c.finish;
    out->sum_logprob = isnan(c.sum_logprob) ? 0 : c.sum_logprob;
}

/* Waits for a request that must succeed, reads one choice and releases it. */
static inline void finish(bn_request *request, struct answer *out) {
    bn_error err = {0};
    assert_ok(bn_request_wait(request, &err), err);
    read_choice(request, 0, out);
    bn_request_release(request);
}

static inline void ask(bn_engine *engine, const int32_t *prompt, size_t n, const bn_request_options *options,
                       struct answer *out) {
    finish(submit(engine, prompt, n, options), out);
}

static inline void assert_same(const struct answer *a, const struct answer *b) {
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof *a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_ids * sizeof *a->logprobs);
    assert_string_equal(a->text, b->text);
    assert_true(a->sum_logprob == b->sum_logprob);
    assert_int_equal(a->finish, b->finish);
}

static inline bn_engine_stats stats_of(bn_engine *engine) {
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(engine, &stats);
    return stats;
}

/* A prompt of n ids that depends on `which` from its first id on; ids stay below the smallest vocabulary of tests. */
static inline void make_prompt(int32_t *ids, size_t n, uint32_t which) {
    uint32_t x = which * 2654435761u + 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)(10 + (x >> 16) % 40);
    }
}

#endif
