/* Bias, forbidden ids, penalties and DRY against counting and comparing the slow way. */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/sampler.h"

#define MAX_VOCAB 200

static uint32_t below(uint32_t *counter, uint32_t n) {
    return (uint32_t)(random_uniform(4, 0, (*counter)++, 0) * n);
}

static void apply(const bn_sampling *options, size_t vocab, const struct sampler_input *input) {
    struct sampler *sampler;
    bn_error err;
    assert_ok(sampler_create(options, vocab, NULL, 0, &sampler, &err), err);
    sampler_apply_penalties(sampler, input);
    sampler_destroy(sampler);
}

static void assert_logits(const char *what, const float *got, const float *expected, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (got[i] != expected[i])
            test_fail("%s: logit %zu is %.9g, expected %.9g", what, i, (double)got[i], (double)expected[i]);
}

/* Definitions: HF's repetition penalty, OpenAI's presence and frequency. */
static void reference_penalties(float *z, size_t vocab, const bn_sampling *o, const struct sampler_input *in) {
    size_t window = o->penalty_last_n < 0 ? in->n_history : (size_t)o->penalty_last_n;
    for (size_t v = 0; v < vocab; v++) {
        unsigned seen = 0, counted = 0;
        for (size_t i = 0; i < in->n_history; i++) {
            if (in->n_history - i > window || in->history[i] != (int32_t)v) continue;
            seen++;
            counted += !o->penalize_output_only || i >= in->n_prompt;
        }
        if (seen) z[v] = z[v] > 0 ? z[v] / o->repetition_penalty : z[v] * o->repetition_penalty;
        if (counted)
            z[v] = (float)((double)z[v] - (counted * (double)o->frequency_penalty + (double)o->presence_penalty));
    }
}

static void penalties_count_as_defined(void **state) {
    (void)state;
    uint32_t c = 0;
    for (int round = 0; round < 500; round++) {
        size_t vocab = 1 + below(&c, MAX_VOCAB), n = below(&c, 60);
        int32_t history[60];
        for (size_t i = 0; i < n; i++) history[i] = (int32_t)below(&c, (uint32_t)vocab);
        float logits[MAX_VOCAB], expected[MAX_VOCAB];
        for (size_t i = 0; i < vocab; i++) logits[i] = (float)below(&c, 2000) / 100 - 10;
        memcpy(expected, logits, sizeof expected);
        bn_sampling o;
        bn_sampling_init(&o);
        o.repetition_penalty = below(&c, 3) ? 0.5f + (float)below(&c, 100) / 80 : 1;
        o.presence_penalty = below(&c, 2) ? (float)below(&c, 400) / 100 - 2 : 0;
        o.frequency_penalty = below(&c, 2) ? (float)below(&c, 400) / 100 - 2 : 0;
        o.penalty_last_n = (int32_t)below(&c, 70) - 1;
        o.penalize_output_only = below(&c, 2);
        struct sampler_input in = {
            .logits = logits, .history = history, .n_history = n, .n_prompt = below(&c, (uint32_t)n + 1)};
        reference_penalties(expected, vocab, &o, &in);
        apply(&o, vocab, &in);
        assert_logits("penalties", logits, expected, vocab);
    }
}

/* Definition: every earlier position, compared backwards token by token. */
static void reference_dry(float *z, size_t vocab, const bn_sampling *o, const int32_t *h, size_t n) {
    size_t begin = o->dry_last_n >= 0 && n > (size_t)o->dry_last_n ? n - (size_t)o->dry_last_n : 0;
    size_t longest[MAX_VOCAB] = {0};
    for (size_t j = begin + 1; j < n; j++) { /* h[j] followed the text that ends before j */
        size_t length = 0;
        while (length < j - begin && h[j - 1 - length] == h[n - 1 - length]) length++;
        if (length > longest[h[j]]) longest[h[j]] = length;
    }
    for (size_t v = 0; v < vocab; v++) {
        if (longest[v] < (size_t)o->dry_allowed_length) continue;
        double growth = fmin(pow((double)o->dry_base, (double)(longest[v] - (size_t)o->dry_allowed_length)), FLT_MAX);
        double z_penalized = (double)z[v] - (double)o->dry_multiplier * growth;
        z[v] = (float)fmax(z_penalized, -(double)FLT_MAX);
    }
}

static void dry_finds_the_longest_matches(void **state) {
    (void)state;
    uint32_t c = 1000000;
    for (int round = 0; round < 400; round++) {
        size_t vocab = 1 + below(&c, 4), n = below(&c, 300);
        int32_t history[300];
        size_t period = 1 + below(&c, 40); /* repetitive text, with slips */
        for (size_t i = 0; i < n; i++)
            history[i] = i >= period && below(&c, 30) ? history[i - period] : (int32_t)below(&c, (uint32_t)vocab);
        float logits[MAX_VOCAB] = {0}, expected[MAX_VOCAB] = {0};
        bn_sampling o;
        bn_sampling_init(&o);
        o.dry_multiplier = 0.5f + (float)below(&c, 4);
        o.dry_base = below(&c, 4) ? 1 + (float)below(&c, 8) / 8 : 1; /* powers of these are exact for a while */
        o.dry_allowed_length = 1 + (int32_t)below(&c, 5);
        o.dry_last_n = below(&c, 3) ? -1 : (int32_t)below(&c, 310);
        reference_dry(expected, vocab, &o, history, n);
        apply(&o, vocab, &(struct sampler_input){.logits = logits, .history = history, .n_history = n});
        for (size_t v = 0; v < vocab; v++)
            if (fabsf(logits[v] - expected[v]) > 1e-6f * fabsf(expected[v]))
                test_fail("round %d: logit %zu is %g, expected %g", round, v, (double)logits[v], (double)expected[v]);
    }
}

static void dry_example_by_hand(void **state) {
    (void)state;
    /* "1 2 3 4 … 1 2 3" would go on with 4: the match has 3 tokens, so 1 · 2^(3−2). */
    const int32_t history[] = {1, 2, 3, 4, 5, 1, 2, 3};
    float logits[6] = {0};
    const float expected[6] = {0, 0, 0, 0, -2, 0};
    bn_sampling o;
    bn_sampling_init(&o);
    o.dry_multiplier = 1;
    o.dry_base = 2;
    apply(&o, 6, &(struct sampler_input){.logits = logits, .history = history, .n_history = 8});
    assert_logits("dry", logits, expected, 6);
}

/* The slow way would need 10^10 comparisons. */
static void dry_is_linear_in_the_history(void **state) {
    (void)state;
    enum { N = 100000 };
    int32_t *history = calloc(N, sizeof *history);
    float logits[2] = {0};
    bn_sampling o;
    bn_sampling_init(&o);
    o.dry_multiplier = 1;
    o.dry_base = 1.0001f;
    apply(&o, 2, &(struct sampler_input){.logits = logits, .history = history, .n_history = N});
    assert_true(logits[0] < -4 && logits[0] > -6); /* 1.0001^16382 */
    assert_true(logits[1] == 0);
    free(history);
}

static void penalties_never_forbid(void **state) {
    (void)state;
    const int32_t history[] = {0, 0, 0, 0, 0, 0, 1, 0, 1};
    float logits[2] = {3e38f, -3e38f};
    bn_sampling o;
    bn_sampling_init(&o);
    o.repetition_penalty = 1e6f;
    o.presence_penalty = 1e6f;
    o.dry_multiplier = 1e6f;
    o.dry_base = 1e6f;
    o.dry_allowed_length = 1;
    apply(&o, 2, &(struct sampler_input){.logits = logits, .history = history, .n_history = 9});
    assert_true(isfinite(logits[0]) && isfinite(logits[1]));
}

static void ids_outside_the_vocabulary_are_passed_over(void **state) {
    (void)state;
    const int32_t history[] = {-1, 7, INT32_MAX, INT32_MIN, 7, 7};
    const int32_t forbidden[] = {-5, 2, 99};
    float logits[2] = {1, 2};
    bn_sampling o;
    bn_sampling_init(&o);
    o.repetition_penalty = 2;
    o.frequency_penalty = 1;
    o.dry_multiplier = 1;
    apply(&o, 2,
          &(struct sampler_input){
              .logits = logits, .history = history, .n_history = 6, .forbidden = forbidden, .n_forbidden = 3});
    assert_logits("outside", logits, (const float[]){1, 2}, 2);
}

static void bias_adds_forbids_and_forces(void **state) {
    (void)state;
    bn_sampling o;
    bn_sampling_init(&o);
    struct sampler_input in = {0};

    const bn_logit_bias add[] = {{0, 1.5f}, {1, -2}, {1, -1}, {2, -100}};
    o.logit_bias = add;
    o.n_logit_bias = 4;
    float added[] = {1, 1, 1, 1};
    in.logits = added;
    apply(&o, 4, &in);
    assert_logits("add", added, (const float[]){2.5f, -2, -INFINITY, 1}, 4);

    const bn_logit_bias force[] = {{1, 100}, {3, 100}, {0, 5}};
    o.logit_bias = force;
    o.n_logit_bias = 3;
    float forced[] = {9, 1, 9, 2};
    in.logits = forced;
    apply(&o, 4, &in);
    assert_logits("force", forced, (const float[]){-INFINITY, 101, -INFINITY, 102}, 4);

    /* A forced id that must not come now doesn't force. */
    const int32_t forbidden[] = {1, 3};
    float both[] = {9, 1, 9, 2};
    in = (struct sampler_input){.logits = both, .forbidden = forbidden, .n_forbidden = 2};
    apply(&o, 4, &in);
    assert_logits("forbid", both, (const float[]){14, -INFINITY, 9, -INFINITY}, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_count_as_defined),   cmocka_unit_test(dry_finds_the_longest_matches),
        cmocka_unit_test(dry_example_by_hand),          cmocka_unit_test(dry_is_linear_in_the_history),
        cmocka_unit_test(penalties_never_forbid),       cmocka_unit_test(ids_outside_the_vocabulary_are_passed_over),
        cmocka_unit_test(bias_adds_forbids_and_forces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
