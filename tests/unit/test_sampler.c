/* The sampler as its callers see it: options that are refused, greedy choices, draws held against inverse transform and
 * against their distribution, errors instead of wrong ids, refused memory. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/sampler.h"

static struct sampler *create(const bn_sampling *options, size_t vocab, uint32_t stream) {
    struct sampler *sampler;
    bn_error err;
    assert_ok(sampler_create(options, vocab, NULL, stream, &sampler, &err), err);
    return sampler;
}

/* Samples from a copy of the logits. */
static int32_t sample(struct sampler *sampler, const float *logits, size_t vocab, uint64_t position) {
    float *copy = malloc(vocab * sizeof *copy);
    memcpy(copy, logits, vocab * sizeof *copy);
    int32_t id = -1;
    bn_error err;
    assert_ok(sampler_sample(sampler, &(struct sampler_input){.logits = copy, .position = position}, &id, &err), err);
    free(copy);
    assert_true(id >= 0 && (size_t)id < vocab);
    return id;
}

/* One bad value per field. The message must begin with the field's name. */
#define BAD(field, bad_value)                                                                                          \
    do {                                                                                                               \
        bn_sampling o;                                                                                                 \
        bn_error err = {0};                                                                                            \
        bn_sampling_init(&o);                                                                                          \
        o.field = bad_value;                                                                                           \
        assert_int_equal(bn_sampling_check(&o, &err), BN_STATUS_BAD_ARGUMENT);                                         \
        if (strncmp(err.message, #field, strlen(#field)) != 0) test_fail("%s: %s", #field, err.message);               \
        struct sampler *sampler;                                                                                       \
        assert_int_equal(sampler_create(&o, 10, NULL, 0, &sampler, NULL), BN_STATUS_BAD_ARGUMENT);                     \
    } while (0)

static void options_out_of_range_are_named(void **state) {
    (void)state;
    BAD(temperature, NAN);
    BAD(temperature, INFINITY);
    BAD(top_k, -1);
    BAD(top_p, NAN);
    BAD(top_p, -0.1f);
    BAD(top_p, 1.1f);
    BAD(top_n_sigma, NAN);
    BAD(top_n_sigma, -1);
    BAD(min_p, NAN);
    BAD(min_p, -0.1f);
    BAD(min_p, 1.1f);
    BAD(typical_p, NAN);
    BAD(typical_p, -0.1f);
    BAD(typical_p, 1.1f);
    BAD(xtc_probability, NAN);
    BAD(xtc_probability, 1.1f);
    BAD(xtc_threshold, NAN);
    BAD(xtc_threshold, -1);
    BAD(mirostat, 1);
    BAD(mirostat, -1);
    BAD(mirostat_tau, NAN);
    BAD(mirostat_tau, -1);
    BAD(mirostat_eta, NAN);
    BAD(mirostat_eta, -1);
    BAD(repetition_penalty, 0);
    BAD(repetition_penalty, NAN);
    BAD(repetition_penalty, -1);
    BAD(presence_penalty, NAN);
    BAD(presence_penalty, INFINITY);
    BAD(frequency_penalty, NAN);
    BAD(frequency_penalty, -INFINITY);
    BAD(penalty_last_n, -2);
    BAD(dry_multiplier, NAN);
    BAD(dry_multiplier, -1);
    BAD(dry_base, NAN);
    BAD(dry_base, 0.9f);
    BAD(dry_allowed_length, 0);
    BAD(dry_last_n, -2);
    BAD(order, "top_k;sharpen");
    BAD(order, "top_k;top-k");
    BAD(order, "top_kk");
    BAD(order, "top_");
    BAD(dry_breakers, ((const char *const[]){NULL}); o.n_dry_breakers = 1);
    BAD(dry_breakers, ((const char *const[]){""}); o.n_dry_breakers = 1);
    BAD(dry_breakers, ((const char *const[]){"12345678901234567890123456789012345678901"}); o.n_dry_breakers = 1);
    BAD(dry_breakers, NULL; o.n_dry_breakers = 1);
    BAD(logit_bias, NULL; o.n_logit_bias = 1);
    BAD(logit_bias, ((const bn_logit_bias[]){{-1, 0}}); o.n_logit_bias = 1);
    BAD(logit_bias, ((const bn_logit_bias[]){{1, NAN}}); o.n_logit_bias = 1);
}

static void other_arguments_are_checked(void **state) {
    (void)state;
    bn_sampling o;
    bn_error err;
    struct sampler *sampler;
    bn_sampling_init(&o);
    assert_ok(bn_sampling_check(&o, &err), err);
    assert_int_equal(sampler_create(&o, 0, NULL, 0, &sampler, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(sampler_create(&o, (size_t)INT32_MAX + 1, NULL, 0, &sampler, &err), BN_STATUS_BAD_ARGUMENT);
    const bn_logit_bias outside = {10, 1};
    o.logit_bias = &outside;
    o.n_logit_bias = 1;
    assert_int_equal(sampler_create(&o, 10, NULL, 0, &sampler, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "id 10"));
    bn_sampling_init(&o);
    o.dry_multiplier = 1;
    o.dry_breakers = (const char *const[]){"x"};
    o.n_dry_breakers = 1;
    assert_int_equal(sampler_create(&o, 10, NULL, 0, &sampler, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "tokenizer"));
    bn_sampling_init(&o);
    o.size = 8;
    assert_int_equal(bn_sampling_check(&o, &err), BN_STATUS_BAD_ARGUMENT);
    assert_int_equal(bn_sampling_check(NULL, &err), BN_STATUS_BAD_ARGUMENT);
}

static void orders_of_others_are_understood(void **state) {
    (void)state;
    static const char *const orders[] = {
        "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature", /* llama.cpp's default */
        "temp, top-k, top-p, min-p, typical",
        "hf",
        "llama.cpp",
        "",
        ";;",
        "typical_p;nucleus"};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        bn_sampling o;
        bn_error err;
        bn_sampling_init(&o);
        o.order = orders[i];
        assert_ok(bn_sampling_check(&o, &err), err);
    }
}

static void greedy_takes_the_lowest_of_the_largest(void **state) {
    (void)state;
    const float logits[] = {1, 5, 5, 2};
    for (float temperature = 0; temperature >= -1; temperature -= 1) {
        bn_sampling o;
        bn_sampling_init(&o);
        o.temperature = temperature;
        o.xtc_probability = 1; /* filters don't matter */
        o.mirostat = 2;
        struct sampler *sampler = create(&o, 4, 0);
        for (uint64_t position = 0; position < 5; position++) assert_int_equal(sample(sampler, logits, 4, position), 1);
        sampler_destroy(sampler);
    }
}

static void greedy_sees_bias_penalties_and_forbidden_ids(void **state) {
    (void)state;
    const bn_logit_bias bias = {0, 3};
    const int32_t history[] = {1}, forbidden[] = {2};
    float logits[] = {1.5f, 5, 9, 4};
    bn_sampling o;
    bn_sampling_init(&o);
    o.temperature = 0;
    o.logit_bias = &bias;
    o.n_logit_bias = 1;
    o.repetition_penalty = 2;
    struct sampler *sampler = create(&o, 4, 0);
    struct sampler_input in = {
        .logits = logits, .history = history, .n_history = 1, .forbidden = forbidden, .n_forbidden = 1};
    int32_t id;
    bn_error err;
    assert_ok(sampler_sample(sampler, &in, &id, &err), err); /* 4.5, 2.5, −, 4 */
    assert_int_equal(id, 0);
    sampler_destroy(sampler);
}

/* Inverse transform over ascending ids with the documented random number. */
static void draws_are_inverse_transform(void **state) {
    (void)state;
    enum { N = 300 };
    for (uint32_t stream = 0; stream < 3; stream++) {
        bn_sampling o;
        bn_sampling_init(&o);
        o.seed = 1234567890123;
        struct sampler *sampler = create(&o, N, stream);
        for (uint64_t position = 0; position < 500; position++) {
            float logits[N];
            long double sum = 0, cumulated = 0;
            for (uint32_t i = 0; i < N; i++) logits[i] = (float)(12 * random_uniform(8, stream, position, i));
            for (size_t i = 0; i < N; i++) sum += expl((long double)logits[i]);
            long double u = (long double)random_uniform(o.seed, stream, position, 0);
            int32_t expected = 0;
            while ((cumulated += expl((long double)logits[expected]) / sum) <= u) expected++;
            assert_int_equal(sample(sampler, logits, N, position), expected);
        }
        sampler_destroy(sampler);
    }
}

/* χ² with 7 degrees of freedom: 24.3 is exceeded with probability 0.001; seeds are fixed. */
static void draws_follow_the_distribution(void **state) {
    (void)state;
    enum { N = 8, DRAWS = 40000 };
    const float logits[N] = {0, 1, -1, 0.5f, 2, -2, 1.5f, 0};
    for (uint64_t seed = 0; seed < 4; seed++) {
        bn_sampling o;
        bn_sampling_init(&o);
        o.seed = seed;
        o.temperature = 0.7f;
        struct sampler *sampler = create(&o, N, 0);
        int count[N] = {0};
        for (uint64_t position = 0; position < DRAWS; position++) count[sample(sampler, logits, N, position)]++;
        double sum = 0, chi = 0;
        for (int i = 0; i < N; i++) sum += exp((double)logits[i] / 0.7);
        for (int i = 0; i < N; i++) {
            double expected = DRAWS * exp((double)logits[i] / 0.7) / sum;
            chi += (count[i] - expected) * (count[i] - expected) / expected;
        }
        if (chi > 24.3) test_fail("seed %d: chi-square %g", (int)seed, chi);
        sampler_destroy(sampler);
    }
}

/* XTC fires with its probability, and whether it fires says nothing about the draw. */
static void xtc_fires_as_often_as_it_should(void **state) {
    (void)state;
    enum { DRAWS = 20000 };
    bn_sampling o;
    bn_sampling_init(&o);
    o.xtc_probability = 0.3f;
    o.xtc_threshold = 0.2f;
    struct sampler *sampler = create(&o, 2, 0);
    int zeros = 0; /* id 0 has p = ½ and is dropped when XTC fires: p = 0.7 · ½ */
    for (uint64_t position = 0; position < DRAWS; position++)
        zeros += sample(sampler, (const float[]){1, 1}, 2, position) == 0;
    sampler_destroy(sampler);
    double expected = 0.35 * DRAWS, deviation = sqrt(DRAWS * 0.35 * 0.65);
    if (fabs(zeros - expected) > 3.3 * deviation) test_fail("%d draws of id 0, expected about %g", zeros, expected);
}

static void damaged_logits_are_an_error(void **state) {
    (void)state;
    static const struct {
        float logits[3];
        bn_status status;
        const char *message;
    } cases[] = {
        {{1, NAN, 2}, BN_STATUS_BAD_FILE, "token 1"},
        {{1, 2, INFINITY}, BN_STATUS_BAD_FILE, "token 2"},
        {{-INFINITY, -INFINITY, -INFINITY}, BN_STATUS_BAD_ARGUMENT, "no token is possible"},
    };
    for (int greedy = 0; greedy < 2; greedy++)
        for (int mirostat = 0; mirostat <= 2; mirostat += 2)
            for (size_t i = 0; i < 3; i++) {
                bn_sampling o;
                bn_sampling_init(&o);
                o.temperature = greedy ? 0 : 0.8f;
                o.mirostat = mirostat;
                o.top_k = 2;
                o.typical_p = o.top_p = 0.9f;
                o.min_p = 0.1f;
                o.top_n_sigma = 1;
                o.xtc_probability = 1;
                struct sampler *sampler = create(&o, 3, 0);
                float logits[3];
                memcpy(logits, cases[i].logits, sizeof logits);
                int32_t id = 77;
                bn_error err;
                assert_int_equal(sampler_sample(sampler, &(struct sampler_input){.logits = logits}, &id, &err),
                                 cases[i].status);
                assert_non_null(strstr(err.message, cases[i].message));
                sampler_destroy(sampler);
            }
}

/* Returns what its context says. */
static ptrdiff_t obedient(void *context, const bn_candidate *candidates, size_t n, const int32_t *history, size_t m) {
    (void)candidates;
    assert_int_equal(m, 2);
    assert_int_equal(history[1], 9);
    return *(ptrdiff_t *)context == 100 ? (ptrdiff_t)n : *(ptrdiff_t *)context;
}

static void custom_sampler_chooses_or_fails(void **state) {
    (void)state;
    const int32_t history[] = {8, 9};
    static const struct {
        float temperature;
        ptrdiff_t answer;
        int32_t id; /* −1: an error */
    } cases[] = {{1, 0, 1},    {1, 1, 2}, {1, 2, -1}, {1, -1, -1}, {1, PTRDIFF_MIN, -1},
                 {1, 100, -1}, {0, 0, 2}, {0, 1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ptrdiff_t answer = cases[i].answer;
        bn_sampling o;
        bn_sampling_init(&o);
        o.temperature = cases[i].temperature;
        o.top_k = 2;
        o.custom = obedient;
        o.custom_context = &answer;
        struct sampler *sampler = create(&o, 4, 0);
        float logits[] = {0, 3, 4, 1};
        struct sampler_input in = {.logits = logits, .history = history, .n_history = 2};
        int32_t id = -1;
        bn_error err;
        bn_status status = sampler_sample(sampler, &in, &id, &err);
        assert_int_equal(status, cases[i].id < 0 ? BN_STATUS_BAD_ARGUMENT : BN_OK);
        if (status == BN_OK) assert_int_equal(id, cases[i].id);
        sampler_destroy(sampler);
    }
}

static void refused_memory_is_an_error(void **state) {
    (void)state;
    const bn_logit_bias bias = {0, 1};
    bn_sampling o;
    bn_sampling_init(&o);
    o.dry_multiplier = 1;
    o.logit_bias = &bias;
    o.n_logit_bias = 1;
    mem_allocations();
    struct sampler *sampler = create(&o, 100, 0);
    long allocations = mem_allocations();
    assert_true(allocations > 5);
    sampler_destroy(sampler);
    for (long n = 0; n < allocations; n++) {
        bn_error err;
        mem_fail_after(n);
        assert_int_equal(sampler_create(&o, 100, NULL, 0, &sampler, &err), BN_STATUS_NO_MEMORY);
        mem_fail_after(-1);
    }
}

static void sampling_allocates_nothing(void **state) {
    (void)state;
    enum { N = 2000 };
    float logits[N];
    for (uint32_t i = 0; i < N; i++) logits[i] = (float)random_uniform(1, 1, i, 1);
    const int32_t history[] = {1, 2, 1, 2, 1};
    bn_sampling o;
    bn_sampling_init(&o);
    o.dry_multiplier = o.presence_penalty = 1;
    o.top_k = 100;
    o.top_p = o.typical_p = 0.9f;
    struct sampler *sampler = create(&o, N, 0);
    mem_allocations();
    int32_t id;
    bn_error err;
    struct sampler_input in = {.logits = logits, .history = history, .n_history = 5};
    assert_ok(sampler_sample(sampler, &in, &id, &err), err);
    assert_int_equal(mem_allocations(), 0);
    sampler_destroy(sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_named),
        cmocka_unit_test(other_arguments_are_checked),
        cmocka_unit_test(orders_of_others_are_understood),
        cmocka_unit_test(greedy_takes_the_lowest_of_the_largest),
        cmocka_unit_test(greedy_sees_bias_penalties_and_forbidden_ids),
        cmocka_unit_test(draws_are_inverse_transform),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(xtc_fires_as_often_as_it_should),
        cmocka_unit_test(damaged_logits_are_an_error),
        cmocka_unit_test(custom_sampler_chooses_or_fails),
        cmocka_unit_test(refused_memory_is_an_error),
        cmocka_unit_test(sampling_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
