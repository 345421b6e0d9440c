/* The sampler on partial logits against itself on all of them: whatever list it is given, it chooses the same token or
 * says that it can't. And it can when the list has what it asked for. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/candidates.h"
#include "engine/sampler.h"

#define VOCAB 300

static uint32_t counter;

static double uniform(void) {
    return random_uniform(17, 0, counter++, 0);
}

static size_t below(size_t n) {
    return (size_t)(uniform() * (double)n);
}

/* Peaked, flat, with ties, or on a coarse grid. */
static void random_logits(float *logits) {
    size_t kind = below(5);
    double spread = kind == 1 ? 0.5 : kind == 2 ? 8 : 3;
    for (size_t i = 0; i < VOCAB; i++) {
        double value = spread * (uniform() + uniform() + uniform() - 1.5) * 2;
        if (kind == 3) value = floor(value);
        logits[i] = (float)value;
    }
    if (kind == 4)
        for (size_t i = 0; i < 20; i++) logits[below(VOCAB)] = logits[below(VOCAB)] + 6;
}

static void random_options(bn_sampling *o, bn_logit_bias *bias) {
    static const char *const orders[] = {NULL, "hf", "llama.cpp", "min_p;top_k;temperature", "top_p;penalties"};
    bn_sampling_init(o);
    o->temperature = (float[]){0, 0.3f, 0.7f, 1, 1.5f}[below(5)];
    if (below(2)) o->top_k = 1 + (int32_t)below(60);
    if (below(2)) o->top_p = (float)uniform();
    if (below(2)) o->min_p = (float)(uniform() * uniform());
    if (below(6) == 0) o->typical_p = 0.9f;
    if (below(6) == 0) o->top_n_sigma = 1;
    if (below(6) == 0) o->xtc_probability = 0.5f;
    if (below(3) == 0) o->repetition_penalty = below(2) ? 1.3f : 0.8f;
    if (below(3) == 0) o->presence_penalty = (float)uniform() * 4 - 2;
    if (below(3) == 0) o->frequency_penalty = (float)uniform() * 2 - 1;
    if (below(4) == 0) o->dry_multiplier = 0.8f;
    if (below(3) == 0) {
        static const float biases[] = {-200, -3, 2, 5, 200};
        o->n_logit_bias = 1 + below(3);
        for (size_t i = 0; i < o->n_logit_bias; i++)
            bias[i] = (bn_logit_bias){(int32_t)below(VOCAB), biases[below(i ? 4 : 5)]};
        o->logit_bias = bias;
    }
    o->order = orders[below(5)];
    o->seed = counter;
}

/* Bounds that hold: `width` to both sides, at random places in it. */
static void random_bounds(const float *logits, double width, float *lower, float *upper) {
    for (size_t i = 0; i < VOCAB; i++) {
        lower[i] = logits[i] - (float)(width * uniform());
        upper[i] = logits[i] + (float)(width * uniform());
    }
}

/* Lists what reaches the threshold, with the true logits, and adds up the tail of the rest. */
static void make_list(const float *logits, const float *upper, float threshold, double temperature, bn_candidate *items,
                      struct partial_logits *partial) {
    *partial = (struct partial_logits){.items = items, .floor = nextafterf(threshold, -INFINITY)};
    double tail = 0;
    for (size_t i = 0; i < VOCAB; i++) {
        if (upper[i] >= threshold)
            items[partial->n++] = (bn_candidate){(int32_t)i, logits[i]};
        else
            tail += exp((double)upper[i] / temperature * (1 + 1e-6));
    }
    partial->tail = tail * (1 + 1e-6);
}

static void test_same_or_undecided(void **state) {
    (void)state;
    float logits[VOCAB], copy[VOCAB], lower[VOCAB], upper[VOCAB];
    bn_candidate items[VOCAB];
    bn_logit_bias bias[3];
    int32_t history[40], forbidden[2];
    size_t n_decided = 0, n_screened = 0;
    for (size_t round = 0; round < 20000; round++) {
        bn_sampling options;
        random_options(&options, bias);
        random_logits(logits);
        for (size_t i = 0; i < 40; i++) history[i] = (int32_t)below(30);
        forbidden[0] = (int32_t)below(VOCAB), forbidden[1] = history[0];
        struct sampler *sampler;
        bn_error err;
        assert_ok(sampler_create(&options, VOCAB, NULL, 0, &sampler, &err), err);
        memcpy(copy, logits, sizeof copy);
        struct sampler_input input = {.logits = copy,
                                      .history = history,
                                      .n_history = below(41),
                                      .forbidden = forbidden,
                                      .n_forbidden = below(3),
                                      .position = round};
        int32_t expected, got;
        bn_status status = sampler_sample(sampler, &input, &expected, &err);

        struct screen_need need;
        bool screens = sampler_screens(sampler, &need);
        random_bounds(logits, below(2) ? 0.01 : 1, lower, upper);
        bool touched = below(8) != 0; /* forgotten, it must notice */
        if (touched) sampler_touch(sampler, &input, lower, upper);
        struct partial_logits partial;
        float threshold = logits[below(VOCAB)];
        if (below(2)) threshold = logits[argmax_lowest(logits, VOCAB)] - (float)(uniform() * 10);
        make_list(logits, upper, threshold, need.temperature, items, &partial);
        input.logits = NULL;
        input.partial = &partial;
        assert_ok(sampler_sample(sampler, &input, &got, &err), err);
        if (got != SAMPLER_UNDECIDED && (status != BN_OK || got != expected))
            test_fail("round %zu: token %d of a list, %d of all logits", round, (int)got, (int)expected);
        n_decided += got != SAMPLER_UNDECIDED;
        n_screened += screens;
        sampler_destroy(sampler);
    }
    assert_true(n_decided > 4000 && n_screened > 4000);
}

/* Given the k largest and what lies close to them, top-k and greedy always decide; given all above min_p, min_p does. */
static void test_enough(void **state) {
    (void)state;
    float logits[VOCAB], copy[VOCAB];
    bn_candidate items[VOCAB];
    for (size_t round = 0; round < 3000; round++) {
        bn_sampling options;
        bn_sampling_init(&options);
        options.temperature = round % 3 ? 0.8f : 0;
        if (round % 3 == 1) options.top_k = 20;
        if (round % 3 == 2) options.min_p = 0.1f;
        options.top_p = 0.95f;
        if (round % 3 == 2) options.top_p = 1;
        options.seed = round;
        struct sampler *sampler;
        struct screen_need need;
        bn_error err;
        assert_ok(sampler_create(&options, VOCAB, NULL, 0, &sampler, &err), err);
        assert_true(sampler_screens(sampler, &need));
        for (size_t i = 0; i < VOCAB; i++) {
            logits[i] = (float)(6 * uniform());
            items[i] = (bn_candidate){(int32_t)i, logits[i]};
        }
        float kth = candidates_kth_largest(items, VOCAB, need.k);
        struct partial_logits partial;
        make_list(logits, logits, kth - (float)need.depth, 1, items, &partial);
        memcpy(copy, logits, sizeof copy);
        int32_t expected, got;
        assert_ok(sampler_sample(sampler, &(struct sampler_input){.logits = copy}, &expected, &err), err);
        assert_ok(sampler_sample(sampler, &(struct sampler_input){.partial = &partial}, &got, &err), err);
        assert_int_equal(got, expected);
        sampler_destroy(sampler);
    }
}

static void test_what_is_needed(void **state) {
    (void)state;
    static const struct {
        const char *order;
        float temperature, top_p, min_p, typical_p;
        int32_t top_k;
        bool screens, mass;
        size_t k;
    } cases[] = {
        {NULL, 0, 0.5f, 0, 0.5f, 0, true, false, 1}, /* greedy: filters don't run */
        {NULL, 1, 1, 0, 1, 0, false, false, 1},      /* the whole distribution */
        {NULL, 0.8f, 0.95f, 0.05f, 1, 40, true, false, 40},
        {NULL, 1, 0.9f, 0, 1, 0, true, true, 1},
        {NULL, 1, 1, 0.1f, 1, 0, true, false, 1},
        {NULL, 1, 1, 0, 0.9f, 0, false, false, 1},
        {"typ_p;top_k", 1, 1, 0, 0.9f, 40, false, false, 1},
        {"top_k;typ_p", 1, 1, 0, 0.9f, 40, true, false, 40},
        {"temperature", 1, 1, 0, 1, 40, false, false, 1}, /* top_k doesn't run */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bn_sampling o;
        bn_sampling_init(&o);
        o.order = cases[i].order;
        o.temperature = cases[i].temperature;
        o.top_p = cases[i].top_p;
        o.min_p = cases[i].min_p;
        o.typical_p = cases[i].typical_p;
        o.top_k = cases[i].top_k;
        struct sampler *sampler;
        struct screen_need need;
        bn_error err;
        assert_ok(sampler_create(&o, VOCAB, NULL, 0, &sampler, &err), err);
        assert_int_equal(sampler_screens(sampler, &need), cases[i].screens);
        if (cases[i].screens) assert_true(need.k == cases[i].k && (need.left_out > 0) == cases[i].mass);
        sampler_destroy(sampler);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_or_undecided),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_what_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
