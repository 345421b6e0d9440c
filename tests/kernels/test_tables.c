/* Every table of operations against the scalar one: the same bits for random and hostile values, at every length
 * around the width of the vectors, with guard bytes around every output. test_scalar.c holds the scalar one against
 * the mathematics. */
#include "test.h"

#include "inputs.h"

static const size_t lengths[] = {1,  2,  3,  4,  5,  7,  8,  9,  11, 12,  15,  16,  17,  19,  23,  24,   25,   31,  32,
                                 33, 40, 47, 48, 49, 63, 64, 65, 70, 100, 127, 128, 129, 255, 256, 2559, 2560, 2561};
#define N_LENGTHS (sizeof lengths / sizeof *lengths)

static const struct kernels *scalar, *table; /* the reference and the one under test */

/* Equal bits, or both NaN: which NaN an operation makes is the CPU's business. */
static bool same_floats(const struct array *a, const struct array *b) {
    const float *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->bytes / sizeof(float); i++)
        if (f32_bits(x[i]) != f32_bits(y[i]) && !(isnan(x[i]) && isnan(y[i]))) {
            print_error("element %zu: %a, expected %a\n", i, (double)y[i], (double)x[i]);
            return false;
        }
    return true;
}

static void expect_same_floats(const char *what, size_t n, int kind, const struct array *a, const struct array *b) {
    if (same_floats(a, b) && array_guarded(a) && array_guarded(b)) return;
    test_fail("%s differs from scalar in %s: n = %zu, values %d%s", table->name, what, n, kind,
              array_guarded(b) ? "" : ", and wrote outside");
}

/* An operation as the tests below see it: result in y (n floats, filled beforehand), inputs a, b (n floats each). */
typedef void operation(const struct kernels *k, float *y, const float *a, const float *b, size_t n);

static void check_operation(const char *what, operation *run) {
    for (size_t l = 0; l < N_LENGTHS; l++) {
        for (int kind = 0; kind < N_VALUES; kind++) {
            size_t n = lengths[l];
            struct array a = random_floats(n, kind), b = random_floats(n, kind), y = random_floats(n, kind);
            struct array other = array_copy(&y);
            run(scalar, y.data, a.data, b.data, n);
            run(table, other.data, a.data, b.data, n);
            expect_same_floats(what, n, kind, &y, &other);
            array_free(&a), array_free(&b), array_free(&y), array_free(&other);
        }
    }
}

#define OPERATION(name, call)                                                                                          \
    static void name(const struct kernels *k, float *y, const float *a, const float *b, size_t n) {                    \
        (void)a, (void)b;                                                                                              \
        call;                                                                                                          \
    }
OPERATION(rms_norm, k->rms_norm(y, a, b, n, 1e-5f))
OPERATION(multiply, k->multiply(y, a, n))
OPERATION(rms_norm_in_place, k->rms_norm(y, y, b, n, 1e-6f))
OPERATION(layer_norm, k->layer_norm(y, a, b, a, n, 1e-5f))
OPERATION(layer_norm_weight, k->layer_norm(y, a, b, NULL, n, 1e-5f))
OPERATION(layer_norm_bias, k->layer_norm(y, a, NULL, b, n, 1e-5f))
OPERATION(layer_norm_plain, k->layer_norm(y, y, NULL, NULL, n, 1e-5f))
OPERATION(add, k->add(y, a, n))
OPERATION(scale, k->scale(y, 0.3f, n))
OPERATION(softcap, k->softcap(y, 30.0f, n))
OPERATION(softmax, k->softmax(y, n))
OPERATION(silu, k->silu(y, a, b, n))
OPERATION(relu2, k->relu2(y, a, b, n))
OPERATION(relu, k->relu(y, a, NULL, n))
OPERATION(gelu_tanh, k->gelu_tanh(y, a, b, n))
OPERATION(gelu_erf, k->gelu_erf(y, a, b, n))
OPERATION(gelu_quick, k->gelu_quick(y, y, NULL, n))
OPERATION(rope_half, k->rope_half(y, a, b, n / 2))
OPERATION(rope_neighbours, k->rope_neighbours(y, a, b, n / 2))

static void test_operations(void **state) {
    (void)state;
    check_operation("rms_norm", rms_norm);
    check_operation("multiply", multiply);
    check_operation("rms_norm in place", rms_norm_in_place);
    check_operation("layer_norm", layer_norm);
    check_operation("layer_norm without bias", layer_norm_weight);
    check_operation("layer_norm without weight", layer_norm_bias);
    check_operation("layer_norm in place", layer_norm_plain);
    check_operation("add", add);
    check_operation("scale", scale);
    check_operation("softcap", softcap);
    check_operation("softmax", softmax);
    check_operation("silu", silu);
    check_operation("relu2", relu2);
    check_operation("relu", relu);
    check_operation("gelu_tanh", gelu_tanh);
    check_operation("gelu_erf", gelu_erf);
    check_operation("gelu_quick in place", gelu_quick);
    check_operation("rope_half", rope_half);
    check_operation("rope_neighbours", rope_neighbours);
}

/* Infinities, NaN, the edges of exp, and a sweep over all exponents, through every function. */
static void test_special_values(void **state) {
    (void)state;
    static operation *const functions[] = {softcap, silu, relu2, relu, gelu_tanh, gelu_erf, gelu_quick};
    static const float edges[] = {INFINITY, -INFINITY, NAN,     3e38f,  -3e38f, 0.0f, -0.0f,  88.7f,   88.8f,
                                  89.5f,    -87.4f,    -103.9f, -104.f, 0.625f, -1.f, 1e-45f, -1e-38f, 0.62499f};
    enum { N_EDGES = sizeof edges / sizeof *edges, N = N_EDGES + 4096 };
    struct array a = random_floats(N, VALUES_NORMAL), ones = random_floats(N, VALUES_NORMAL);
    float *x = a.data, *one = ones.data;
    memcpy(x, edges, sizeof edges);
    for (size_t i = 0; i < N; i++) one[i] = 1.0f;
    for (uint32_t i = 0; i < 4096; i++) x[N_EDGES + i] = f32_from_bits(i << 20 | (random_u32() & 0xfffff));
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        struct array y = array_copy(&a), other = array_copy(&a);
        functions[f](scalar, y.data, a.data, ones.data, N);
        functions[f](table, other.data, a.data, ones.data, N);
        expect_same_floats("a function of special values", N, (int)f, &y, &other);
        array_free(&y), array_free(&other);
    }
    array_free(&a), array_free(&ones);
}

static void test_softmax_with_masked_scores(void **state) {
    (void)state;
    for (size_t n = 1; n <= 70; n++) {
        struct array y = random_floats(n, VALUES_NORMAL);
        float *scores = y.data;
        for (size_t i = 0; i < n; i++)
            if (i != n / 2 && random_u32() % 3 == 0) scores[i] = -INFINITY;
        struct array other = array_copy(&y);
        scalar->softmax(y.data, n);
        table->softmax(other.data, n);
        expect_same_floats("softmax with -inf", n, 0, &y, &other);
        array_free(&y), array_free(&other);
    }
}

static void test_quantize_row(void **state) {
    (void)state;
    for (size_t l = 0; l < N_LENGTHS; l++) {
        for (int kind = 0; kind <= N_VALUES; kind++) {
            size_t n = lengths[l], padded = round_up(n, L16_COLS);
            struct array x = random_floats(n, kind % N_VALUES), q = array_of(padded, 1), other = array_of(padded, 1);
            if (kind == N_VALUES) ((float *)x.data)[n / 2] = NAN;
            float scales[2];
            int32_t sums[2];
            scalar->quantize_row(q.data, &scales[0], &sums[0], x.data, n);
            table->quantize_row(other.data, &scales[1], &sums[1], x.data, n);
            assert_memory_equal(q.data, other.data, padded);
            assert_true(f32_bits(scales[0]) == f32_bits(scales[1]) || kind == N_VALUES);
            assert_int_equal(isnan(scales[1]) != 0, kind == N_VALUES);
            assert_int_equal(sums[0], sums[1]);
            assert_true(array_guarded(&q) && array_guarded(&other));
            array_free(&x), array_free(&q), array_free(&other);
        }
    }
}

static void test_ternary_scale(void **state) {
    (void)state;
    for (size_t n = 1; n <= 70; n++) {
        struct array integers = array_of(n, 4), y = array_of(n, 4), other = array_of(n, 4);
        for (size_t i = 0; i < n; i++) ((int32_t *)integers.data)[i] = (int32_t)random_u32() >> random_u32() % 31;
        scalar->ternary_scale(y.data, integers.data, 0.0123f, 1.7f, n);
        table->ternary_scale(other.data, integers.data, 0.0123f, 1.7f, n);
        expect_same_floats("ternary_scale", n, 0, &y, &other);
        array_free(&integers), array_free(&y), array_free(&other);
    }
}

static void check_ternary(size_t n_rows, size_t n_cols, size_t n_tokens, enum weights weights, bool extreme) {
    size_t stride = round_up(n_cols, L16_COLS) + 16 * (n_tokens % 2), y_stride = n_rows + 3;
    int32_t sums[64];
    int8_t *w = random_weights(n_rows * n_cols, weights);
    uint8_t *packed = pack_l16(w, n_rows, n_cols), *dense = pack_l12(w, n_rows, n_cols);
    int8_t *q = random_activations(n_tokens, n_cols, stride, extreme, sums);
    struct array y = array_of(n_tokens * y_stride, 4), other = array_of(n_tokens * y_stride, 4);
    struct matmul_shape shape = {n_rows, n_cols, n_tokens, stride, y_stride};
    scalar->ternary_matmul(y.data, packed, q, sums, &shape);
    table->ternary_matmul(other.data, packed, q, sums, &shape);
    if (memcmp(y.data, other.data, y.bytes) != 0 || !array_guarded(&other)) /* what lies between rows is GUARD too */
        test_fail("%s differs from scalar in ternary_matmul: %zu rows, %zu columns, %zu tokens", table->name, n_rows,
                  n_cols, n_tokens);
    memset(other.data, GUARD, other.bytes);
    table->ternary_matmul_l12(other.data, dense, q, sums, &shape);
    if (memcmp(y.data, other.data, y.bytes) != 0 || !array_guarded(&other))
        test_fail("%s differs from scalar in ternary_matmul_l12: %zu rows, %zu columns, %zu tokens", table->name,
                  n_rows, n_cols, n_tokens);
    array_free(&y), array_free(&other);
    free(w), fenced_free(packed), fenced_free(dense), fenced_free(q);
}

static void test_ternary_matmul(void **state) {
    (void)state;
    static const size_t cols[] = {1, 4, 15, 16, 17, 31, 32, 33, 48, 100, 128, 144, 256, 257, 400, 640};
    for (size_t n_rows = 1; n_rows <= 40; n_rows++)
        check_ternary(n_rows, 1 + random_u32() % 300, 1 + n_rows % 13, WEIGHTS_RANDOM, false);
    for (size_t n_tokens = 1; n_tokens <= 13; n_tokens++)
        for (size_t c = 0; c < sizeof cols / sizeof *cols; c++)
            check_ternary(33, cols[c], n_tokens, WEIGHTS_RANDOM, false);
    static const size_t batches[] = {16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 64};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        check_ternary(48, 2560, batches[b], WEIGHTS_RANDOM, false);
        check_ternary(81, 400, batches[b], WEIGHTS_RANDOM, true);
    }
}

/* All products at their largest: what would overflow an int16 sum, or the ×64 plane of an int32 one. */
static void test_ternary_extremes(void **state) {
    (void)state;
    for (size_t n_tokens = 1; n_tokens <= 9; n_tokens++) {
        check_ternary(17, 6912, n_tokens, WEIGHTS_ONES, true);
        check_ternary(32, 2561, n_tokens, WEIGHTS_MINUS_ONES, true);
    }
    check_ternary(16, 65536, 1, WEIGHTS_ONES, true);
    check_ternary(16, 65536, 2, WEIGHTS_ONES, true);
}

/* An activation of ±32639 as its high and its low byte. */
static int16_t split_activation(bool extreme, size_t i, int8_t *high, int8_t *low) {
    int any = (int)(random_u32() % (2 * 32639 + 1)) - 32639, most = i % 2 ? -32639 : 32639;
    int q = extreme ? most : any;
    *low = (int8_t)((q + 128) % 256 + (q + 128 < 0 && (q + 128) % 256 ? 256 : 0) - 128);
    *high = (int8_t)((q - *low) / 256);
    assert_int_equal(256 * *high + *low, q);
    return (int16_t)q;
}

/* Six-bit rows times 16-bit activations; extreme: all products at their largest. Scalar is held against plain sums. */
static void check_screen(size_t n_rows, size_t n_cols, size_t n_tokens, bool extreme) {
    size_t n_spans = s6_spans(n_cols), padded = n_spans * S6_SPAN, groups = s6_groups(n_rows), y_stride = n_rows + 3;
    int8_t *rows = calloc(groups * S6_ROWS, padded), *q = fenced_zeros(2 * n_tokens * padded);
    uint8_t *packed = fenced(groups * s6_group_bytes(n_cols)), *multipliers = fenced(groups * n_spans * S6_ROWS);
    int16_t *whole = calloc(n_tokens, padded * sizeof *whole);
    int32_t *sums = fenced_zeros(n_tokens * n_spans * sizeof *sums);
    assert_true(rows && whole);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            rows[r * padded + c] = (int8_t)(extreme ? (r % 2 ? 31 : -32) : (int)(random_u32() % 64) - 32);
    for (size_t i = 0; i < groups * n_spans * S6_ROWS; i++) multipliers[i] = (uint8_t)random_u32();
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t c = 0; c < n_cols; c++) {
            int8_t *high = q + 2 * t * padded + c;
            whole[t * padded + c] = split_activation(extreme, t, high, high + padded);
            sums[t * n_spans + c / S6_SPAN] += whole[t * padded + c];
        }
    for (size_t g = 0; g < groups; g++) {
        size_t n = min_size(S6_ROWS, n_rows - g * S6_ROWS);
        s6_pack_group(packed + g * s6_group_bytes(n_cols), rows + g * S6_ROWS * padded, padded, n, n_cols);
        for (size_t r = 0; r < S6_ROWS; r++)
            for (size_t c = 0; c < padded; c++)
                assert_int_equal(s6_value(packed + g * s6_group_bytes(n_cols), r, c),
                                 r < n ? rows[(g * S6_ROWS + r) * padded + c] : 0);
    }
    struct array y = array_of(n_tokens * y_stride, 4), other = array_of(n_tokens * y_stride, 4);
    struct matmul_shape shape = {n_rows, n_cols, n_tokens, 0, y_stride};
    scalar->screen_matmul(y.data, packed, multipliers, q, sums, &shape);
    table->screen_matmul(other.data, packed, multipliers, q, sums, &shape);
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t r = 0; r < n_rows; r++) {
            double sum = 0, magnitude = 0;
            for (size_t c = 0; c < padded; c++) {
                size_t at = (r / S6_ROWS * n_spans + c / S6_SPAN) * S6_ROWS + r % S6_ROWS;
                double product = (double)multipliers[at] * rows[r * padded + c] * whole[t * padded + c];
                sum += product;
                magnitude += fabs(product);
            }
            assert_true(fabs((double)((float *)y.data)[t * y_stride + r] - sum) <=
                        magnitude * (double)(n_spans + 1) * 0x1p-24);
        }
    if (memcmp(y.data, other.data, y.bytes) != 0 || !array_guarded(&other))
        test_fail("%s differs from scalar in screen_matmul: %zu rows, %zu columns, %zu tokens", table->name, n_rows,
                  n_cols, n_tokens);
    array_free(&y), array_free(&other);
    free(rows), fenced_free(packed), fenced_free(multipliers), fenced_free(q), free(whole), fenced_free(sums);
}

static void test_screen_matmul(void **state) {
    (void)state;
    static const size_t cols[] = {1, 3, 4, 15, 16, 17, 33, 63, 64, 65, 100, 128, 517};
    for (size_t n_rows = 1; n_rows <= 40; n_rows++) check_screen(n_rows, 1 + random_u32() % 200, 1 + n_rows % 9, false);
    for (size_t n_tokens = 1; n_tokens <= 9; n_tokens++)
        for (size_t c = 0; c < sizeof cols / sizeof *cols; c++) check_screen(35, cols[c], n_tokens, c % 3 == 0);
    check_screen(33, 2560, 5, true);
    check_screen(17, 4096, 2, true);
    check_screen(17, 5200, 3, true);   /* many tokens take columns in parts, and */
    check_screen(35, 2624, 33, false); /* tokens, too */
}

typedef void half_matmul(float *y, const uint16_t *w, const float *x, const struct matmul_shape *shape);

static void check_matmul(size_t n_rows, size_t n_cols, size_t n_tokens, enum values kind) {
    struct matmul_shape shape = {n_rows, n_cols, n_tokens, n_cols + 5, n_rows + 2};
    size_t n_outputs = n_tokens * shape.y_stride;
    struct array x = random_floats(n_tokens * shape.x_stride, kind), w = random_floats(n_rows * n_cols, kind);
    struct array y = array_of(n_outputs, 4), other = array_of(n_outputs, 4);
    scalar->matmul_f32(y.data, w.data, x.data, &shape);
    table->matmul_f32(other.data, w.data, x.data, &shape);
    expect_same_floats("matmul_f32", n_cols, kind, &y, &other);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        struct array halves = random_halves(n_rows * n_cols, bf16, kind);
        half_matmul *definition = bf16 ? scalar->matmul_bf16 : scalar->matmul_f16;
        half_matmul *tested = bf16 ? table->matmul_bf16 : table->matmul_f16;
        definition(y.data, halves.data, x.data, &shape);
        tested(other.data, halves.data, x.data, &shape);
        expect_same_floats(bf16 ? "matmul_bf16" : "matmul_f16", n_cols, kind, &y, &other);
        array_free(&halves);
    }
    array_free(&x), array_free(&w), array_free(&y), array_free(&other);
}

static void test_matmul(void **state) {
    (void)state;
    for (size_t n_cols = 1; n_cols <= 70; n_cols++)
        check_matmul(1 + n_cols % 11, n_cols, 1 + n_cols % 7, (enum values)(n_cols % N_VALUES));
    for (size_t n_rows = 1; n_rows <= 20; n_rows++)
        for (size_t n_tokens = 1; n_tokens <= 9; n_tokens++) check_matmul(n_rows, 37, n_tokens, VALUES_NORMAL);
    check_matmul(3, 2560, 2, VALUES_NORMAL);
    check_matmul(9, 2561, 5, VALUES_MIXED);
}

static struct array random_bytes(size_t n) {
    struct array a = array_of(n, 1);
    for (size_t i = 0; i < n; i++) ((int8_t *)a.data)[i] = (int8_t)((int)(random_u32() % 255) - 127);
    return a;
}

static void check_scores(size_t head_dim, size_t n_rows) {
    size_t stride = KEY_BLOCK + 3, padded = round_up(head_dim, 4), n = n_rows * stride;
    struct array q = random_floats(n_rows * head_dim, VALUES_NORMAL),
                 k = random_floats(KEY_BLOCK * head_dim, VALUES_MIXED);
    struct array k16 = random_halves(KEY_BLOCK * head_dim, false, 0), y = random_floats(n, VALUES_NORMAL);
    struct array q8 = random_bytes(n_rows * padded), k8 = random_bytes(KEY_BLOCK * padded), other = array_copy(&y);
    struct array scales = random_floats(KEY_BLOCK, VALUES_NORMAL), factors = random_floats(n_rows, VALUES_NORMAL);
    scalar->attention_scores_f32(y.data, stride, q.data, n_rows, k.data, head_dim, 0.125f, NULL);
    table->attention_scores_f32(other.data, stride, q.data, n_rows, k.data, head_dim, 0.125f, NULL);
    expect_same_floats("attention_scores_f32", head_dim, (int)n_rows, &y, &other);
    scalar->attention_scores_f16(y.data, stride, q.data, n_rows, k16.data, head_dim, 0.125f, NULL);
    table->attention_scores_f16(other.data, stride, q.data, n_rows, k16.data, head_dim, 0.125f, NULL);
    expect_same_floats("attention_scores_f16", head_dim, (int)n_rows, &y, &other);
    scalar->attention_scores_q8(y.data, stride, q8.data, factors.data, n_rows, k8.data, scales.data, padded, NULL);
    table->attention_scores_q8(other.data, stride, q8.data, factors.data, n_rows, k8.data, scales.data, padded, NULL);
    expect_same_floats("attention_scores_q8", head_dim, (int)n_rows, &y, &other);
    array_free(&q), array_free(&k), array_free(&k16), array_free(&y), array_free(&other);
    array_free(&q8), array_free(&k8), array_free(&scales), array_free(&factors);
}

static void check_values(size_t head_dim, size_t n_rows, size_t n_keys) {
    size_t stride = n_keys + 5;
    struct array p = random_floats(n_rows * stride, VALUES_NORMAL), c = random_floats(n_rows, VALUES_NORMAL);
    struct array v = random_floats(n_keys * head_dim, VALUES_MIXED), v16 = random_halves(n_keys * head_dim, false, 0);
    struct array v8 = random_bytes(n_keys * head_dim), y = random_floats(n_rows * head_dim, VALUES_NORMAL);
    struct array other = array_copy(&y);
    scalar->attention_values_f32(y.data, c.data, p.data, stride, n_rows, v.data, n_keys, head_dim, NULL);
    table->attention_values_f32(other.data, c.data, p.data, stride, n_rows, v.data, n_keys, head_dim, NULL);
    expect_same_floats("attention_values_f32", head_dim, (int)n_rows, &y, &other);
    scalar->attention_values_f16(y.data, c.data, p.data, stride, n_rows, v16.data, n_keys, head_dim, NULL);
    table->attention_values_f16(other.data, c.data, p.data, stride, n_rows, v16.data, n_keys, head_dim, NULL);
    expect_same_floats("attention_values_f16", head_dim, (int)n_rows, &y, &other);
    scalar->attention_values_i8(y.data, c.data, p.data, stride, n_rows, v8.data, n_keys, head_dim, NULL);
    table->attention_values_i8(other.data, c.data, p.data, stride, n_rows, v8.data, n_keys, head_dim, NULL);
    expect_same_floats("attention_values_i8", head_dim, (int)n_rows, &y, &other);
    array_free(&p), array_free(&c), array_free(&v), array_free(&v16), array_free(&v8), array_free(&y);
    array_free(&other);
}

static void test_attention(void **state) {
    (void)state;
    static const size_t head_dims[] = {1, 7, 16, 31, 32, 48, 64, 65, 80, 96, 127, 128, 256};
    for (size_t d = 0; d < sizeof head_dims / sizeof *head_dims; d++)
        for (size_t n = 1; n <= 13; n += d % 3 + 1) {
            check_scores(head_dims[d], n);
            check_values(head_dims[d], n, 1 + (n * 7 + d) % 32);
        }
}

/* Step after step over the same running m and l. */
static void test_softmax_step(void **state) {
    (void)state;
    for (int kind = 0; kind < N_VALUES; kind++) {
        float m = -INFINITY, l = 0, m_other = -INFINITY, l_other = 0;
        for (size_t n = 1; n <= 70; n += 3) {
            struct array y = random_floats(n, (enum values)kind), other = array_copy(&y);
            float c = scalar->softmax_step(y.data, n, &m, &l),
                  d = table->softmax_step(other.data, n, &m_other, &l_other);
            expect_same_floats("softmax_step", n, kind, &y, &other);
            if (c != d || m != m_other || f32_bits(l) != f32_bits(l_other)) test_fail("softmax_step's sums differ");
            array_free(&y), array_free(&other);
        }
    }
}

/* All 65536 halves, and floats of all exponents, at the ties between halves and beside them. */
static void test_conversions(void **state) {
    (void)state;
    enum { N = 65536 };
    struct array halves = array_of(N, 2), y = array_of(N, 4), other = array_of(N, 4);
    struct array back = array_of(N, 2), back_other = array_of(N, 2);
    for (uint32_t i = 0; i < N; i++) ((uint16_t *)halves.data)[i] = (uint16_t)i;
    scalar->f16_to_f32(y.data, halves.data, N);
    table->f16_to_f32(other.data, halves.data, N);
    assert_memory_equal(y.data, other.data, y.bytes);
    scalar->bf16_to_f32(y.data, halves.data, N);
    table->bf16_to_f32(other.data, halves.data, N);
    assert_memory_equal(y.data, other.data, y.bytes);
    scalar->i8_to_f32(y.data, halves.data, N);
    table->i8_to_f32(other.data, halves.data, N);
    assert_memory_equal(y.data, other.data, y.bytes);
    for (uint32_t round = 0; round < 8; round++) {
        static const uint32_t lows[8] = {0, 1, 0xfff, 0x1000, 0x1001, 0x2fff, 0x3000, 0xf001};
        for (uint32_t i = 0; i < N; i++) ((uint32_t *)y.data)[i] = i << 16 | lows[round];
        scalar->f32_to_f16(back.data, y.data, N);
        table->f32_to_f16(back_other.data, y.data, N);
        assert_memory_equal(back.data, back_other.data, back.bytes);
    }
    for (size_t n = 1; n <= 40; n++) {
        struct array narrow = array_of(n, 2), wide = array_of(n, 4);
        table->f32_to_f16(narrow.data, y.data, n);
        assert_memory_equal(narrow.data, back.data, n * 2);
        table->f16_to_f32(wide.data, halves.data, n);
        table->bf16_to_f32(wide.data, halves.data, n);
        table->i8_to_f32(wide.data, halves.data, n);
        assert_true(array_guarded(&narrow) && array_guarded(&wide));
        array_free(&narrow), array_free(&wide);
    }
    array_free(&halves), array_free(&y), array_free(&other), array_free(&back), array_free(&back_other);
}

/* Random bytes as blocks, with scales that are finite: an f16 stands at one of these places in every type. */
static uint8_t *random_blocks(enum tensor_type type, size_t n_blocks) {
    const struct tensor_type_info *info = tensor_type_find(type);
    uint8_t *blocks = fenced(n_blocks * info->block_bytes);
    for (size_t i = 0; i < n_blocks * info->block_bytes; i++) blocks[i] = (uint8_t)random_u32();
    for (size_t i = 0; i < n_blocks; i++) {
        uint16_t d = f32_to_f16(random_float() * 0.1f), min = f32_to_f16(random_float());
        uint8_t *block = blocks + i * info->block_bytes, *last = block + info->block_bytes - sizeof d;
        bool at_end = type == TYPE_TQ1_0 || type == TYPE_TQ2_0 || type == TYPE_Q6_K;
        memcpy(at_end ? last : block, &d, sizeof d);
        if (type == TYPE_Q4_K) memcpy(block + sizeof d, &min, sizeof min);
    }
    return blocks;
}

static void check_blocks(enum tensor_type type, size_t n_rows, size_t n_cols, size_t n_tokens) {
    const struct tensor_type_info *info = tensor_type_find(type);
    struct matmul_shape shape = {n_rows, n_cols, n_tokens, n_cols + 3, n_rows + 2};
    size_t n_outputs = n_tokens * shape.y_stride;
    uint8_t *blocks = random_blocks(type, n_rows * n_cols / info->block);
    float *decoded = malloc(n_rows * n_cols * sizeof *decoded);
    if (!decoded) abort();
    struct array x = random_floats(n_tokens * shape.x_stride, VALUES_NORMAL);
    struct array y = array_of(n_outputs, 4), by_scalar = array_of(n_outputs, 4), by_table = array_of(n_outputs, 4);
    tensor_decode(type, blocks, decoded, n_rows * n_cols);
    scalar->matmul_f32(y.data, decoded, x.data, &shape);
    scalar->matmul_blocks(by_scalar.data, blocks, type, x.data, &shape);
    table->matmul_blocks(by_table.data, blocks, type, x.data, &shape);
    expect_same_floats(info->name, n_cols, 0, &y, &by_scalar);
    expect_same_floats(info->name, n_cols, 0, &y, &by_table);
    array_free(&x), array_free(&y), array_free(&by_scalar), array_free(&by_table);
    fenced_free(blocks), free(decoded);
}

static void test_matmul_blocks(void **state) {
    (void)state;
    size_t n_types = 0;
    for (uint32_t type = 0; type < 200; type++) {
        if (!tensor_type_has_product(type)) continue;
        n_types++;
        size_t block = tensor_type_find(type)->block;
        for (size_t n_tokens = 1; n_tokens <= 5; n_tokens++)
            for (size_t n_rows = 1; n_rows <= 11; n_rows += 2)
                check_blocks(type, n_rows, block * (1 + n_rows % 3), n_tokens);
        check_blocks(type, 9, 2560, 1);
    }
    assert_int_equal(n_types, 8);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_softmax_with_masked_scores),
        cmocka_unit_test(test_quantize_row),
        cmocka_unit_test(test_ternary_scale),
        cmocka_unit_test(test_ternary_matmul),
        cmocka_unit_test(test_ternary_extremes),
        cmocka_unit_test(test_screen_matmul),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_matmul_blocks),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_softmax_step),
        cmocka_unit_test(test_conversions),
    };
    int failures = 0;
    if (kernels_select("scalar", &scalar, NULL) != BN_OK) return 1;
    for (size_t i = 1; kernels_name(i); i++) {
        if (kernels_select(kernels_name(i), &table, NULL) != BN_OK) return 1;
        failures += cmocka_run_group_tests_name(table->name, tests, NULL, NULL);
    }
    if (!kernels_name(1)) printf("SKIP: this machine runs the scalar table only\n");
    return failures;
}
