/* The bounds of the screened head against brute force: every logit that the exact head computes lies between them, for
 * ordinary and for hostile rows and hidden states, on every instruction set. */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "base/random.h"
#include "kernels/layout.h"
#include "model/head_screen.h"

static uint32_t counter;

static double uniform(void) {
    return random_uniform(5, 0, counter++, 0);
}

static double normal(void) {
    return sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform());
}

enum kind { NORMAL, ZERO, CONSTANT, ONE_LARGE, TINY, LARGE, STEPS, ALTERNATING, N_KINDS };

static void fill(float *x, size_t n, enum kind kind) {
    for (size_t i = 0; i < n; i++) {
        double value = normal();
        switch (kind) {
        case ZERO:
            value = 0;
            break;
        case CONSTANT:
            value = 1.25;
            break;
        case ONE_LARGE: /* its scale leaves all others to the residual */
            value = i == n / 2 ? 1000 : value * 0.01;
            break;
        case TINY:
            value *= 1e-41;
            break;
        case LARGE:
            value *= 1e4;
            break;
        case STEPS: /* halfway between codes */
            value = (double)(i % 127) + 0.5;
            break;
        case ALTERNATING: /* cancels to nearly nothing: all error is of rounding */
            value = i % 2 ? 1 + 1e-7 * value : -1;
            break;
        default:
            break;
        }
        x[i] = (float)value;
    }
}

/* A head of V rows of every kind, row 2i + 1 nearly equal to row 2i. */
struct test_head {
    struct linear linear;
    uint8_t *bytes;
};

static struct test_head make_head(size_t n_rows, size_t n_cols, enum tensor_type type) {
    size_t item = type == TYPE_F32 ? 4 : 2;
    struct test_head head = {.linear = {.n_rows = n_rows, .n_cols = n_cols, .type = type, .scale = 1}};
    head.bytes = malloc(n_rows * n_cols * item);
    float *row = malloc(n_cols * sizeof *row);
    assert_true(head.bytes && row);
    for (size_t r = 0; r < n_rows; r++) {
        if (r % 2 == 0)
            fill(row, n_cols, (enum kind)(r / 2 % N_KINDS));
        else
            row[r % n_cols] = nextafterf(row[r % n_cols], 1e9f);
        for (size_t c = 0; c < n_cols; c++) {
            uint16_t half = type == TYPE_F16 ? f32_to_f16(row[c]) : f32_to_bf16(row[c]);
            memcpy(head.bytes + (r * n_cols + c) * item, item == 4 ? (void *)&row[c] : (void *)&half, item);
        }
    }
    free(row);
    head.linear.data = head.bytes;
    head.linear.row_bytes = n_cols * item;
    return head;
}

static struct thread_pool *pool;

static struct head_screen build(const struct linear *head, struct arena *arena) {
    struct head_screen screen;
    bn_error err = {0};
    arena_init(arena);
    assert_ok(head_screen_build(&screen, head, false, arena, pool, &err), err);
    return screen;
}

/* Residuals and norms in double precision, from the codes as they lie in memory. */
static void check_norms(const struct head_screen *screen, const struct linear *head) {
    size_t n_spans = s6_spans(head->n_cols);
    float *w = malloc(head->n_cols * sizeof *w);
    assert_non_null(w);
    for (size_t r = 0; r < head->n_rows; r++) {
        const uint8_t *group = screen->codes + r / S6_ROWS * s6_group_bytes(head->n_cols);
        const uint8_t *multipliers = screen->multipliers + r / S6_ROWS * n_spans * S6_ROWS + r % S6_ROWS;
        double residual = 0, norm = 0;
        linear_row(kernels_best(), head, r, w);
        for (size_t c = 0; c < head->n_cols; c++) {
            double step = (double)screen->scales[r] * multipliers[c / S6_SPAN * S6_ROWS];
            double value = step * s6_value(group, r % S6_ROWS, c);
            residual += ((double)w[c] - value) * ((double)w[c] - value);
            norm += value * value;
        }
        assert_true((double)screen->residuals[r] >= sqrt(residual) && (double)screen->norms[r] >= sqrt(norm));
        assert_true((double)screen->residuals[r] <= sqrt(residual) * 1.001 + 1e-6 * sqrt(norm) + 0x1p-59);
        assert_true((double)screen->norms[r] <= sqrt(norm) * 1.001);
        assert_true(screen->largest >= screen->residuals[r] + screen->norms[r]);
    }
    free(w);
}

/* All logits of n_inputs hidden states. */
static void check_bounds(const struct head_screen *screen, const struct linear *head, const struct kernels *kernels,
                         size_t n_inputs) {
    size_t V = head->n_rows, d = head->n_cols, n_spans = s6_spans(d);
    float *x = malloc(n_inputs * d * sizeof *x), *lower = malloc(n_inputs * V * sizeof *lower);
    float *upper = malloc(n_inputs * V * sizeof *upper);
    int8_t *q = malloc(n_inputs * 2 * n_spans * S6_SPAN);
    int32_t *sums = malloc(n_inputs * n_spans * sizeof *sums);
    struct screen_input inputs[SCREEN_INPUTS_MAX];
    assert_true(x && lower && upper && q && sums);
    for (size_t t = 0; t < n_inputs; t++) {
        fill(x + t * d, d, (enum kind)(counter % N_KINDS));
        inputs[t].q = q + t * 2 * n_spans * S6_SPAN;
        inputs[t].q_sums = sums + t * n_spans;
        assert_true(screen_input_init(&inputs[t], screen, x + t * d, d));
    }
    for (size_t row0 = 0; row0 < V; row0 += 48)
        head_screen_rows(screen, head, kernels, inputs, n_inputs, row0, min_size(48, V - row0), lower, upper);
    for (size_t t = 0; t < n_inputs; t++)
        for (size_t r = 0; r < V; r++) {
            float logit = linear_dot(kernels, head, r, x + t * d);
            if (!(lower[t * V + r] <= logit && logit <= upper[t * V + r]))
                test_fail("%s: row %zu of %zu x %zu: %a isn't in [%a, %a]", kernels->name, r, V, d, (double)logit,
                          (double)lower[t * V + r], (double)upper[t * V + r]);
        }
    free(x), free(lower), free(upper), free(q), free(sums);
}

static void test_bounds(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {15, 3}, {64, 16}, {65, 33}, {100, 256}, {48, 2560}, {33, 4099}};
    static const enum tensor_type types[] = {TYPE_F32, TYPE_F16, TYPE_BF16};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t type = 0; type < 3; type++) {
            struct test_head head = make_head(shapes[s][0], shapes[s][1], types[type]);
            struct arena arena;
            struct head_screen screen = build(&head.linear, &arena);
            assert_non_null(screen.codes);
            check_norms(&screen, &head.linear);
            for (size_t i = 0; kernels_name(i); i++) {
                const struct kernels *kernels;
                assert_int_equal(kernels_select(kernels_name(i), &kernels, NULL), BN_OK);
                for (size_t n = 1; n <= SCREEN_INPUTS_MAX; n++) check_bounds(&screen, &head.linear, kernels, n);
            }
            arena_release(&arena);
            free(head.bytes);
        }
}

/* The exact logits of single rows are those of the whole product. */
static void test_single_rows(void **state) {
    (void)state;
    struct test_head head = make_head(70, 130, TYPE_F16);
    float x[130], y[70];
    fill(x, 130, NORMAL);
    kernels_best()->matmul_f16(y, (const uint16_t *)(const void *)head.bytes, x,
                               &(struct matmul_shape){70, 130, 1, 130, 70});
    for (size_t r = 0; r < 70; r++) assert_true(linear_dot(kernels_best(), &head.linear, r, x) == y[r]);
    free(head.bytes);
}

/* Weights without a bound give no screen; hidden states without one say so. */
static void test_no_bounds(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
    for (size_t i = 0; i < 4; i++) {
        struct test_head head = make_head(40, 20, TYPE_F32);
        struct arena arena;
        memcpy(head.bytes + (size_t)(17 * 20 + 3) * 4, &bad[i], 4);
        assert_null(build(&head.linear, &arena).codes);
        arena_release(&arena);
        free(head.bytes);
    }
    struct test_head head = make_head(40, 20, TYPE_F32);
    struct arena arena;
    struct head_screen screen = build(&head.linear, &arena);
    static const float values[] = {NAN, INFINITY, FLT_MAX, 1e28f};
    for (size_t i = 0; i < 4; i++) {
        float x[20] = {1, 2, 3, values[i]};
        int8_t q[2 * S6_SPAN];
        int32_t sums[1];
        assert_false(screen_input_init(&(struct screen_input){.q = q, .q_sums = sums}, &screen, x, 20));
    }
    arena_release(&arena);
    free(head.bytes);
}

static void test_which_heads(void **state) {
    (void)state;
    struct linear head = {.n_rows = 32000, .n_cols = 1536, .type = TYPE_F16, .row_bytes = 3072, .scale = 1};
    assert_true(head_screen_applies(&head) && head_screen_pays(&head));
    head.n_rows = 2000;
    assert_true(head_screen_applies(&head) && !head_screen_pays(&head));
    float bias = 0;
    struct linear other = head;
    other.bias = &bias;
    assert_false(head_screen_applies(&other));
    other = head;
    other.type = TYPE_Q8_0;
    assert_false(head_screen_applies(&other));
    other = head;
    other.ternary = true;
    assert_false(head_screen_applies(&other));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_single_rows),
        cmocka_unit_test(test_no_bounds),
        cmocka_unit_test(test_which_heads),
    };
    if (thread_pool_acquire(2, &pool, NULL) != BN_OK) return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    thread_pool_release(pool);
    return failures;
}
