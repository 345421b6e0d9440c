/* The scalar table, which defines all others, against the mathematics: double precision functions of libm, naive sums
 * over unpacked weights, and a fingerprint of its bits that every machine and compiler must reproduce. */
#include "test.h"

#include "inputs.h"

static const struct kernels *scalar;

static double relative(double value, double expected) {
    return expected == 0 ? fabs(value) : fabs(value - expected) / fabs(expected);
}

static float apply(void (*f)(float *y, const float *gate, const float *up, size_t n), float x) {
    float y;
    f(&y, &x, NULL, 1);
    return y;
}

/* Calls visit for floats of all magnitudes below 2^high, both signs: about 400 of each power of two. */
static void sweep(int high, void (*visit)(float x)) {
    for (uint32_t bits = 0; bits < (uint32_t)(127 + high) << 23; bits += 20947) {
        visit(f32_from_bits(bits));
        visit(f32_from_bits(bits | 0x80000000u));
    }
}

/* softmax of {0, x} is exp(x)/(1 + exp(x)); exp alone isn't in the table, so it's seen through silu and softmax. */
static void visit_softmax(float x) {
    float y[2] = {0, x};
    scalar->softmax(y, 2);
    double highest = fmax(0, (double)x), e0 = exp(0 - highest), e1 = exp((double)x - highest);
    assert_true(fabs(y[0] - e0 / (e0 + e1)) <= 2.5e-7 * e0 / (e0 + e1) + 1e-44);
    assert_true(fabs(y[1] - e1 / (e0 + e1)) <= 2.5e-7 * e1 / (e0 + e1) + 1e-44);
}

/* exp's argument carries a rounding error of half an ulp, which grows with it: hence the term in |x|. Below -87 the
 * result is tiny, and 0 is good enough. */
static void visit_silu(float x) {
    double expected = x / (1 + exp(-(double)x));
    assert_true(relative(apply(scalar->silu, x), expected) <= 3e-7 || fabs(expected) < 1e-35);
    expected = x / (1 + exp(-1.702 * x));
    double bound = 3e-7 + 2e-7 * fabs((double)x);
    assert_true(relative(apply(scalar->gelu_quick, x), expected) <= bound || fabs(expected) < 1e-35);
}

static void visit_gelu(float x) {
    double d = x, bound = 6e-7 + 1.2e-7 * d * d;
    double tanh_form = d / (1 + exp(-2 * sqrt(2 / M_PI) * (d + 0.044715 * d * d * d)));
    double erf_form = 0.5 * d * erfc(-d / sqrt(2));
    double cubic = 6e-7 + 1.2e-7 * fabs(d * d * d);
    assert_true(relative(apply(scalar->gelu_tanh, x), tanh_form) <= cubic || fabs(tanh_form) < 1e-35);
    assert_true(relative(apply(scalar->gelu_erf, x), erf_form) <= bound || fabs(erf_form) < 1e-35);
    if (x > -3) { /* where it matters: as close as float32 implementations are to each other */
        assert_true(fabs(apply(scalar->gelu_tanh, x) - tanh_form) <= 1e-6 * fmax(fabs(tanh_form), 1e-2));
        assert_true(fabs(apply(scalar->gelu_erf, x) - erf_form) <= 1e-6 * fmax(fabs(erf_form), 1e-2));
    }
}

static void visit_softcap(float x) {
    float y = x, one = x;
    scalar->softcap(&y, 30.0f, 1);
    assert_true(relative(y, 30 * tanh((double)x / 30)) <= 4e-7 || fabs((double)x) < 1e-36);
    scalar->softcap(&one, 1.0f, 1);
    assert_true(relative(one, tanh((double)x)) <= 3e-7);
}

static void test_functions_over_all_magnitudes(void **state) {
    (void)state;
    sweep(6, visit_softmax);
    sweep(6, visit_silu);
    sweep(5, visit_gelu);
    sweep(30, visit_softcap);
}

static void test_functions_densely(void **state) {
    (void)state;
    for (int i = -200000; i <= 200000; i++) {
        float x = (float)i * 1e-4f;
        visit_softmax(x);
        visit_silu(x);
        visit_gelu(x);
        visit_softcap(x);
    }
}

static void test_limits(void **state) {
    (void)state;
    void (*const activations[])(float *, const float *, const float *, size_t) = {
        scalar->silu, scalar->gelu_tanh, scalar->gelu_erf, scalar->gelu_quick, scalar->relu, scalar->relu2};
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        assert_true(apply(activations[i], -INFINITY) == 0);
        assert_true(apply(activations[i], -3e38f) == 0);
        assert_true(apply(activations[i], 0) == 0);
        assert_true(apply(activations[i], INFINITY) == INFINITY);
        assert_true(i == 5 || apply(activations[i], 3e38f) == 3e38f);
        assert_true(isnan(apply(activations[i], NAN)));
    }
    float y[] = {INFINITY, -INFINITY, 3e38f, -3e38f, NAN};
    scalar->softcap(y, 50.0f, 5);
    assert_true(y[0] == 50 && y[1] == -50 && y[2] == 50 && y[3] == -50 && isnan(y[4]));
    float scores[] = {-INFINITY, 1e30f, -1e30f, 1e30f};
    scalar->softmax(scores, 4);
    assert_true(scores[0] == 0 && scores[1] == 0.5f && scores[2] == 0 && scores[3] == 0.5f);
}

static void test_softmax_sums_to_one(void **state) {
    (void)state;
    for (size_t n = 1; n < 3000; n = n * 2 + 1) {
        struct array x = random_floats(n, VALUES_NORMAL);
        float *y = x.data;
        scalar->softmax(y, n);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)y[i];
        assert_true(fabs(sum - 1) < 1e-6);
        array_free(&x);
    }
}

static void test_norms(void **state) {
    (void)state;
    for (size_t n = 1; n < 3000; n = n * 2 + 1) {
        struct array xs = random_floats(n, VALUES_NORMAL), ws = random_floats(n, VALUES_NORMAL), ys = array_of(n, 4);
        const float *x = xs.data, *w = ws.data;
        float *y = ys.data;
        double squares = 0, mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i], mean += (double)x[i] / (double)n;
        for (size_t i = 0; i < n; i++) variance += pow((double)x[i] - mean, 2) / (double)n;
        scalar->rms_norm(y, x, w, n, 1e-5f);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs((double)y[i] - (double)x[i] / sqrt(squares / (double)n + 1e-5) * (double)w[i]) < 4e-6);
        scalar->layer_norm(y, x, w, x, n, 1e-5f);
        for (size_t i = 0; i < n; i++) {
            double normed = ((double)x[i] - mean) / sqrt(variance + 1e-5);
            assert_true(fabs((double)y[i] - (normed * (double)w[i] + (double)x[i])) < 1e-5);
        }
        array_free(&xs), array_free(&ws), array_free(&ys);
    }
}

static void test_quantize_row(void **state) {
    (void)state;
    for (size_t n = 1; n < 3000; n = n * 2 + 1) {
        struct array xs = random_floats(n, VALUES_MIXED);
        const float *x = xs.data;
        int8_t q[4096];
        float scale, m = 1e-5f;
        int32_t sum, expected_sum = 0;
        for (size_t i = 0; i < n; i++) m = fmaxf(m, fabsf(x[i]));
        scalar->quantize_row(q, &scale, &sum, x, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(q[i], (int)nearbyint((double)(x[i] * (127.0f / m))));
            assert_true(fabs((double)q[i] * (double)scale - (double)x[i]) <= 0.51 * (double)scale);
            expected_sum += q[i];
        }
        for (size_t i = n; i < round_up(n, 16); i++) assert_int_equal(q[i], 0);
        assert_int_equal(sum, expected_sum);
        assert_true(scale == m / 127.0f);
        array_free(&xs);
    }
}

/* Ties to even: 127/m is exact for m = 127, so x stays what it is. */
static void test_quantize_ties(void **state) {
    (void)state;
    static const float x[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f, -127};
    static const int8_t expected[] = {127, 0, 2, 2, 0, -2, -2, 126, -126, -127};
    int8_t q[16];
    float scale;
    int32_t sum;
    scalar->quantize_row(q, &scale, &sum, x, 10);
    assert_memory_equal(q, expected, sizeof expected);
    assert_true(scale == 1.0f);
    scalar->quantize_row(q, &scale, &sum, (const float[]){1e-7f, -3e-6f}, 2); /* below the floor of 1e-5 */
    assert_int_equal(q[0], 1);
    assert_int_equal(q[1], -38);
}

static void check_ternary(size_t n_rows, size_t n_cols, size_t n_tokens, enum weights weights, bool extreme) {
    size_t stride = round_up(n_cols, 16);
    int32_t sums[16];
    int8_t *w = random_weights(n_rows * n_cols, weights);
    uint8_t *packed = pack_l16(w, n_rows, n_cols), *dense = pack_l12(w, n_rows, n_cols);
    int8_t *q = random_activations(n_tokens, n_cols, stride, extreme, sums);
    struct array y = array_of(n_tokens * n_rows, 4), from_dense = array_of(n_tokens * n_rows, 4);
    struct matmul_shape shape = {n_rows, n_cols, n_tokens, stride, n_rows};
    scalar->ternary_matmul(y.data, packed, q, sums, &shape);
    scalar->ternary_matmul_l12(from_dense.data, dense, q, sums, &shape);
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t r = 0; r < n_rows; r++) {
            int64_t expected = 0;
            for (size_t c = 0; c < n_cols; c++) expected += w[r * n_cols + c] * q[t * stride + c];
            assert_int_equal(((int32_t *)y.data)[t * n_rows + r], expected);
            assert_int_equal(((int32_t *)from_dense.data)[t * n_rows + r], expected);
        }
    assert_true(array_guarded(&y) && array_guarded(&from_dense));
    array_free(&y), array_free(&from_dense);
    free(w), fenced_free(packed), fenced_free(dense), fenced_free(q);
}

static void test_ternary_matmul(void **state) {
    (void)state;
    for (size_t n_cols = 1; n_cols <= 70; n_cols++)
        check_ternary(1 + n_cols % 37, n_cols, 1 + n_cols % 5, WEIGHTS_RANDOM, false);
    check_ternary(17, 6912, 2, WEIGHTS_ONES, true);
    check_ternary(17, 6913, 2, WEIGHTS_MINUS_ONES, true);
}

/* layout.h's formula, bit by bit, and back. */
static void test_layout(void **state) {
    (void)state;
    for (size_t n_cols = 1; n_cols <= 50; n_cols += 7) {
        for (size_t n_rows = 1; n_rows <= 16; n_rows += 5) {
            int8_t *w = random_weights(n_rows * n_cols, WEIGHTS_RANDOM), back[16 * 64];
            uint8_t *packed = pack_l16(w, n_rows, n_cols);
            for (size_t r = 0; r < 16; r++)
                for (size_t c = 0; c < round_up(n_cols, 16); c++) {
                    unsigned byte = packed[c / 16 * 64 + 4 * r + c % 4];
                    int expected = r < n_rows && c < n_cols ? w[r * n_cols + c] + 1 : 1;
                    assert_int_equal(byte >> (2 * (c % 16 / 4)) & 3, expected);
                }
            l16_unpack_group(back, packed, n_rows, n_cols);
            assert_memory_equal(back, w, n_rows * n_cols);
            free(w), fenced_free(packed);
        }
    }
    assert_int_equal(l16_bytes(17, 33), 2 * 3 * 64);
}

static void test_dense_layout(void **state) {
    (void)state;
    static const unsigned powers[] = {1, 3, 9};
    for (size_t n_cols = 1; n_cols <= 50; n_cols += 7) {
        for (size_t n_rows = 1; n_rows <= 16; n_rows += 5) {
            int8_t *w = random_weights(n_rows * n_cols, WEIGHTS_RANDOM), back[16 * 64];
            uint8_t *packed = pack_l12(w, n_rows, n_cols);
            for (size_t r = 0; r < 16; r++)
                for (size_t c = 0; c < round_up(n_cols, 12); c++) {
                    const uint8_t *block = packed + c / 12 * 40;
                    unsigned code = 0;
                    for (size_t bit = 0; bit < 5; bit++) { /* bit b of eight codes is bit b mod 8 of byte b/8 */
                        size_t at = 5 * (4 * r + c % 4) + bit;
                        code |= (block[at / 8] >> at % 8 & 1u) << bit;
                    }
                    int expected = r < n_rows && c < n_cols ? w[r * n_cols + c] + 1 : 1;
                    assert_int_equal(code / powers[c % 12 / 4] % 3, expected);
                    assert_true(code < 27);
                }
            l12_unpack_group(back, packed, n_rows, n_cols);
            assert_memory_equal(back, w, n_rows * n_cols);
            free(w), fenced_free(packed);
        }
    }
    assert_int_equal(l12_bytes(17, 25), 2 * 3 * 40);
}

static void test_products(void **state) {
    (void)state;
    for (size_t n = 1; n < 600; n = n * 2 + 1) {
        enum { ROWS = 5 };
        struct array ws = random_floats(ROWS * n, VALUES_NORMAL), xs = random_floats(n, VALUES_NORMAL);
        const float *w = ws.data, *x = xs.data;
        float y[ROWS];
        scalar->matmul_f32(y, w, x, &(struct matmul_shape){ROWS, n, 1, n, ROWS});
        for (size_t r = 0; r < ROWS; r++) {
            double sum = 0, size = 0;
            for (size_t c = 0; c < n; c++) {
                double product = (double)w[r * n + c] * (double)x[c];
                sum += product;
                size += fabs(product);
            }
            assert_true(fabs((double)y[r] - sum) <= 1e-6 * size);
        }
        array_free(&ws), array_free(&xs);
    }
}

static void test_rope(void **state) {
    (void)state;
    enum { PAIRS = 21 };
    float cosines[PAIRS], sines[PAIRS], halves[2 * PAIRS], neighbours[2 * PAIRS], x[2 * PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        cosines[i] = (float)cos(0.3 * i);
        sines[i] = (float)sin(0.3 * i);
    }
    for (int i = 0; i < 2 * PAIRS; i++) x[i] = halves[i] = neighbours[i] = random_float();
    scalar->rope_half(halves, cosines, sines, PAIRS);
    scalar->rope_neighbours(neighbours, cosines, sines, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        double c = cos(0.3 * i), s = sin(0.3 * i);
        double a = (double)x[i], b = (double)x[i + PAIRS];
        assert_true(fabs((double)halves[i] - (a * c - b * s)) < 1e-6);
        assert_true(fabs((double)halves[i + PAIRS] - (b * c + a * s)) < 1e-6);
        a = (double)x[2 * i], b = (double)x[2 * i + 1];
        assert_true(fabs((double)neighbours[2 * i] - (a * c - b * s)) < 1e-6);
        assert_true(fabs((double)neighbours[2 * i + 1] - (b * c + a * s)) < 1e-6);
    }
}

/* FNV-1a over the bits of every float operation's results. */
static uint64_t fingerprint(void) {
    enum { N = 997 };
    struct array a = random_floats(N, VALUES_NORMAL), b = random_floats(N, VALUES_MIXED), out = array_copy(&b);
    float *x = a.data, *w = b.data, *y = out.data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int step = 0; step < 13; step++) {
        switch (step) {
        case 0:
            scalar->rms_norm(y, x, w, N, 1e-5f);
            break;
        case 1:
            scalar->layer_norm(y, x, w, x, N, 1e-5f);
            break;
        case 2:
            scalar->softcap(y, 3.0f, N);
            break;
        case 3:
            scalar->softmax(y, N);
            break;
        case 4:
            scalar->silu(y, x, w, N);
            break;
        case 5:
            scalar->gelu_tanh(y, x, w, N);
            break;
        case 6:
            scalar->gelu_erf(y, x, x, N);
            break;
        case 7:
            scalar->gelu_quick(y, x, NULL, N);
            break;
        case 8:
            scalar->rope_half(y, x, w, N / 2);
            break;
        case 9:
            scalar->matmul_f32(y, x, w, &(struct matmul_shape){7, 99, 5, 99, 7});
            break;
        case 10:
            scalar->attention_values_f32(y, x, x, 99, 2, w, 9, 99, NULL);
            break;
        case 11:
            scalar->attention_scores_f32(y, 40, x, 20, w, 31, 0.1f, NULL);
            break;
        default:
            y[0] = scalar->softmax_step(y, 99, &x[5], &x[6]);
        }
        for (size_t i = 0; i < N; i++) hash = (hash ^ f32_bits(y[i])) * 0x100000001b3u;
    }
    array_free(&a), array_free(&b), array_free(&out);
    return hash;
}

/* The same on x86-64 and ARM, from gcc and clang, optimised or not. A change here changes every model's output. */
static void test_same_bits_everywhere(void **state) {
    (void)state;
    random_state = 1;
    uint64_t hash = fingerprint();
    if (hash != 0x1b07fd1300191c49u) test_fail("fingerprint %#llx", (unsigned long long)hash);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_over_all_magnitudes),
        cmocka_unit_test(test_functions_densely),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_softmax_sums_to_one),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_quantize_row),
        cmocka_unit_test(test_quantize_ties),
        cmocka_unit_test(test_ternary_matmul),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_dense_layout),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_same_bits_everywhere),
    };
    if (kernels_select("scalar", &scalar, NULL) != BN_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
