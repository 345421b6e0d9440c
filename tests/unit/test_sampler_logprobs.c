/* Log-probabilities against long double, exact_math.h against libm's long double functions. */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "engine/exact_math.h"
#include "engine/sampler.h"

static double units_in_last_place(double value, long double truth) {
    double ulp = nextafter(fabs((double)truth), INFINITY) - fabs((double)truth);
    return (double)(fabsl((long double)value - truth) / (long double)ulp);
}

static double exp_of(double x) {
    exact_exp(&x, 1);
    return x;
}

static void exact_exp_within_two_ulp(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        double range = i % 2 ? 708 : 1, x = -range * random_uniform(1, 0, i, 0);
        worst = fmax(worst, units_in_last_place(exp_of(x), expl((long double)x)));
    }
    if (worst > 2) test_fail("exact_exp is off by %g units", worst);
    assert_true(exp_of(0) == 1 && exp_of(-0.0) == 1);
    assert_true(exp_of(-INFINITY) == 0 && exp_of(-1e300) == 0 && exp_of(-709) == 0);
    assert_true(exp_of(-708) > 0);
    assert_true(isnan(exp_of(NAN)));
}

static void exact_log_within_two_ulp(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        double u = random_uniform(2, 0, i, 0);
        double x = i % 3 == 0 ? 0.5 + u : i % 3 == 1 ? 1 + 3e5 * u : ldexp(1 + u, (int)(i % 2000) - 1000);
        worst = fmax(worst, units_in_last_place(exact_log(x), logl((long double)x)));
    }
    if (worst > 2) test_fail("exact_log is off by %g units", worst);
    assert_true(exact_log(1) == 0);
    assert_true(exact_log(2) == EXACT_LN2);
}

/* Fixed bits: what makes two machines agree. Computed once; a change here changes the text of every seed. */
static void exact_math_has_fixed_bits(void **state) {
    (void)state;
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < 10000; i++) {
        double u = random_uniform(3, 0, i, 0);
        hash = (hash ^ double_bits(exp_of(-50 * u))) * 1099511628211u;
        hash = (hash ^ double_bits(exact_log(1 + 1e5 * u))) * 1099511628211u;
    }
    if (hash != 0x1f6c20ac28e3d5fau) test_fail("bits of exp and log changed: 0x%llx", (unsigned long long)hash);
}

static float *random_logits(size_t n, uint64_t seed, bool ties) {
    float *logits = malloc(n * sizeof *logits);
    assert_non_null(logits);
    for (size_t i = 0; i < n; i++) {
        double x = 20 * random_uniform(seed, 0, i, 0) - 10;
        logits[i] = (float)(ties ? rint(x) : x);
    }
    return logits;
}

static void agrees_with_long_double(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 257, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = sizes[s];
        float *logits = random_logits(n, s, false);
        if (n > 16) logits[3] = -INFINITY;
        long double sum = 0;
        for (size_t i = 0; i < n; i++) sum += expl((long double)logits[i]);
        double *all = malloc(n * sizeof *all);
        logprobs_all(logits, n, all);
        for (size_t i = 0; i < n; i++) {
            long double truth = (long double)logits[i] - logl(sum);
            float one;
            logprobs_of(logits, n, (int32_t)i, &one, NULL, 0);
            assert_true(one == (float)all[i]);
            if (isinf(logits[i]))
                assert_true(all[i] == -INFINITY);
            else if (fabsl(truth - (long double)all[i]) > 1e-13L)
                test_fail("n %zu id %zu: %.17g, expected %.17Lg", n, i, all[i], truth);
        }
        free(all);
        free(logits);
    }
}

static int by_logit_then_id(const void *a, const void *b) {
    const bn_logprob *x = a, *y = b;
    if (x->logprob != y->logprob) return x->logprob > y->logprob ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static void top_list_is_sorted_with_lowest_ids_first(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 5, 64, 3000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = sizes[s], n_top = n < 64 ? n : 64;
        float *logits = random_logits(n, 77 + s, true);
        double *all = malloc(n * sizeof *all);
        bn_logprob *sorted = malloc(n * sizeof *sorted), top[64];
        logprobs_all(logits, n, all);
        for (size_t i = 0; i < n; i++) sorted[i] = (bn_logprob){(int32_t)i, logits[i]};
        qsort(sorted, n, sizeof *sorted, by_logit_then_id);
        float one;
        logprobs_of(logits, n, 0, &one, top, n_top);
        for (size_t i = 0; i < n_top; i++) {
            assert_int_equal(top[i].id, sorted[i].id);
            assert_true(top[i].logprob == (float)all[top[i].id]);
        }
        free(sorted);
        free(all);
        free(logits);
    }
}

static void top_list_longer_than_the_vocabulary(void **state) {
    (void)state;
    const float logits[] = {-INFINITY, 2, 2};
    bn_logprob top[5];
    float one;
    logprobs_of(logits, 3, 1, &one, top, 5);
    assert_true(fabs((double)one + 0.69314718) < 1e-6);
    const int32_t expected[] = {1, 2, 0, -1, -1};
    for (size_t i = 0; i < 5; i++) assert_int_equal(top[i].id, expected[i]);
    assert_true(top[2].logprob == -INFINITY);
}

static void nan_logits_give_nan(void **state) {
    (void)state;
    const float logits[] = {1, NAN, 3};
    float one;
    bn_logprob top[3];
    logprobs_of(logits, 3, 0, &one, top, 3);
    assert_true(isnan(one));
}

static void argmax_takes_the_lowest_id_and_nans_lose(void **state) {
    (void)state;
    float logits[100];
    for (int i = 0; i < 100; i++) logits[i] = (float)(i % 10);
    assert_int_equal(argmax_lowest(logits, 100), 9);
    logits[9] = NAN;
    assert_int_equal(argmax_lowest(logits, 100), 19);
    logits[97] = 50;
    assert_int_equal(argmax_lowest(logits, 100), 97);
    assert_int_equal(argmax_lowest((const float[]){NAN, -INFINITY, -INFINITY}, 3), 1);
    assert_int_equal(argmax_lowest((const float[]){NAN, NAN}, 2), 0);
    assert_int_equal(argmax_lowest((const float[]){-0.0f, 0.0f}, 2), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_exp_within_two_ulp),
        cmocka_unit_test(exact_log_within_two_ulp),
        cmocka_unit_test(exact_math_has_fixed_bits),
        cmocka_unit_test(agrees_with_long_double),
        cmocka_unit_test(top_list_is_sorted_with_lowest_ids_first),
        cmocka_unit_test(top_list_longer_than_the_vocabulary),
        cmocka_unit_test(nan_logits_give_nan),
        cmocka_unit_test(argmax_takes_the_lowest_id_and_nans_lose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
