/* Benchmarks' arithmetic, held against numbers worked out by hand: quartiles, costs of a model, rooflines. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "bench/model_cost.h"
#include "bench/process.h"
#include "bench/speed.h"
#include "bench/statistics.h"
#include "test.h"

static void close_to(double got, double expected) {
    if (fabs(got - expected) > 1e-9 * fabs(expected)) test_fail("got %.15g, expected %.15g", got, expected);
}

static void test_summary(void **state) {
    (void)state;
    double values[] = {7, 1, 3, 9, 5};
    struct summary s = summarize(values, 5);
    close_to(s.median, 5);
    close_to(s.min, 1);
    close_to(s.max, 9);
    close_to(s.mean, 5);
    close_to(s.deviation, sqrt(10)); /* (16 + 4 + 0 + 4 + 16) / 4 */
    close_to(s.low, 3);
    close_to(s.high, 7);
    double four[] = {4, 1, 2, 3}; /* R: quantile(1:4) gives 1.75, 2.5, 3.25 */
    s = summarize(four, 4);
    close_to(s.low, 1.75);
    close_to(s.median, 2.5);
    close_to(s.high, 3.25);
    double one[] = {42};
    s = summarize(one, 1);
    close_to(s.median, 42);
    assert_true(s.deviation == 0 && s.low == 42 && s.high == 42);
}

static bool differ(double *before, double *after, size_t n) {
    struct summary a = summarize(before, n), b = summarize(after, n);
    return differ_significantly(&a, &b, 0.03);
}

static void test_significance(void **state) {
    (void)state;
    assert_true(differ((double[]){100, 101, 99, 100, 102}, (double[]){90, 91, 89, 90, 92}, 5));
    assert_false(
        differ((double[]){100, 80, 120, 90, 110}, (double[]){90, 75, 115, 85, 105}, 5)); /* wide and overlapping */
    assert_false(differ((double[]){100, 100, 100}, (double[]){101, 101, 101}, 3));       /* apart, but by 1 % */
    assert_true(differ((double[]){100, 101, 99, 100, 20}, (double[]){90, 91, 89, 90, 10}, 5)); /* an outlier each */
}

/* 3 layers, the last of which sees 4 positions; 10 bytes of keys and values a position and layer. */
static const struct model_cost small = {
    .layers = {.bytes = 1000, .int8_operations = 8000, .float_operations = 100},
    .head = {.bytes = 500, .float_operations = 600},
    .embedding_row_bytes = 20,
    .kv_bytes = 10,
    .attention_operations = 7,
    .n_layers = 3,
    .n_windowed = 1,
    .window = 4,
};

static void test_cost_of_steps(void **state) {
    (void)state;
    struct model_work work = {0};
    /* one token at position 9: two layers read 10 positions, one reads 4; each writes 1 */
    model_cost_step(&small, 1, 9, 1, true, &work);
    close_to(work.bytes, 1000 + 500 + 20 + 10 * (2 * 10 + 4 + 3));
    close_to(work.int8_operations, 8000);
    close_to(work.float_operations, 100 + 600 + 7 * (2 * 10 + 4));
    /* six tokens from the start: they see 1 + 2 + … + 6 = 21 positions, or 1 + 2 + 3 + 4 + 4 + 4 = 18 */
    work = (struct model_work){0};
    model_cost_step(&small, 1, 0, 6, false, &work);
    close_to(work.bytes, 1000 + 6 * 20 + 10 * (2 * 6 + 6 + 3 * 6));
    close_to(work.int8_operations, 6 * 8000);
    close_to(work.float_operations, 6 * 100 + 7 * (2 * 21 + 18));
    /* three sequences share the weights and nothing else */
    work = (struct model_work){0};
    model_cost_step(&small, 3, 9, 1, true, &work);
    close_to(work.bytes, 1000 + 500 + 3 * (20 + 10 * (2 * 10 + 4 + 3)));
    close_to(work.int8_operations, 3 * 8000);
    close_to(work.float_operations, 3 * (100 + 600 + 7 * (2 * 10 + 4)));
}

static void test_roofline(void **state) {
    (void)state;
    const struct machine_limits limits = {1, 10e9, 400e9, 100e9};
    bool memory_bound;
    close_to(roofline_seconds(&(struct model_work){20e9, 100e9, 25e9}, &limits, &memory_bound), 2);
    assert_true(memory_bound);
    close_to(roofline_seconds(&(struct model_work){1e9, 100e9, 25e9}, &limits, &memory_bound), 0.5);
    assert_false(memory_bound);
}

/* The demo model: 6 layers of 256, FFN 768, 8 heads on 4 of keys and values, 2048 words, head in f16. */
static void test_cost_of_demo(void **state) {
    (void)state;
    bn_model *model;
    struct model_cost cost;
    assert_int_equal(bn_model_open(DEMO_MODEL, NULL, &model, NULL), BN_OK);
    double weights = 6 * (256 * 256 * 2 + 256 * 128 * 2 + 256 * 768 * 3);
    model_cost(model, BN_KV_F16, &cost);
    close_to(cost.layers.bytes, weights / 4);
    close_to(cost.layers.int8_operations, weights * 2);
    close_to(cost.head.bytes, 2048 * 256 * 2);
    close_to(cost.head.float_operations, 2048 * 256 * 2);
    close_to(cost.kv_bytes, 2 * 128 * 2);
    close_to(cost.attention_operations, 4 * 256);
    /* what a measurement of four tokens behind a prompt of one reads: positions 1 … 4, so 2 + 3 + 4 + 5 of them */
    struct speed_test test = {.output = 4, .streams = 1};
    struct speed_sample sample = {.batch_tokens = 256, .kv_type = BN_KV_F16};
    struct model_work work = speed_work(model, &test, &sample);
    close_to(work.bytes, 4 * (weights / 4 + 2048 * 256 * 2 + 512) + 512 * 6 * (14 + 4));
    bn_model_close(model);
}

static void test_names(void **state) {
    (void)state;
    char name[64];
    speed_test_name(&(struct speed_test){.prompt = 512, .streams = 1}, name, sizeof name);
    assert_string_equal(name, "pp512");
    speed_test_name(&(struct speed_test){.prompt = 64, .output = 16, .depth = 4096, .streams = 12}, name, sizeof name);
    assert_string_equal(name, "pp64+tg16@d4096x12");
}

/* What this process once held isn't its children's. */
static void test_peak_of_children(void **state) {
    (void)state;
    enum { HELD = 256 << 20 };
    char *held = mem_map(HELD);
    assert_non_null(held);
    memset(held, 1, HELD);
    mem_unmap(held, HELD);
    struct process_result result;
    bn_error error;
    assert_int_equal(process_run((char *[]){(char *)"true", NULL}, 10, &result, &error), BN_OK);
    mem_free(result.output);
    if (result.peak_bytes >= HELD) test_fail("'true' took %zu bytes", result.peak_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),          cmocka_unit_test(test_significance),
        cmocka_unit_test(test_cost_of_steps),    cmocka_unit_test(test_roofline),
        cmocka_unit_test(test_cost_of_demo),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_peak_of_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
