/* Attention against a brute-force computation in double precision, over random shapes, windows, soft caps, sinks and all
 * types of keys and values; and bit for bit the same however tokens are batched, chunked and shared out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/half.h"
#include "base/memory.h"
#include "model/attention.h"
#include "model/kv_layout.h"

/* One layer over one sequence; keys and values of all positions are stored. */
struct fixture {
    struct model_config config;
    struct layer layer;
    enum kv_type type;
    size_t n_positions, n_sinks, recent;
    float *q, *k, *v; /* [n_positions, H·D], [n_positions, K·D] */
    uint8_t **pages;
    struct batch_sequence sequence;
};

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static float *random_rows(size_t n, float size) {
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < 3; j++) sum += random_below(1 << 20) * 0x1p-19 - 1;
        x[i] = (float)sum * size;
    }
    return x;
}

static void fixture_init(struct fixture *f, size_t n_positions, size_t n_kv_heads, size_t group, size_t head_dim,
                         enum kv_type type) {
    *f = (struct fixture){.type = type, .n_positions = n_positions};
    f->config.n_layers = 1;
    f->config.n_kv_heads = n_kv_heads;
    f->config.n_heads = n_kv_heads * group;
    f->config.head_dim = head_dim;
    f->layer.attention_scale = 1.0f / sqrtf((float)head_dim);
    f->q = random_rows(n_positions * f->config.n_heads * head_dim, 2.0f);
    f->k = random_rows(n_positions * n_kv_heads * head_dim, 1.0f);
    f->v = random_rows(n_positions * n_kv_heads * head_dim, 1.0f);
    const struct bn_model model = {.config = f->config};
    size_t n_pages = (n_positions + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS, bytes = model_kv_page_bytes(&model, type);
    f->pages = calloc(n_pages, sizeof *f->pages);
    for (size_t i = 0; i < n_pages; i++) {
        f->pages[i] = mem_alloc_aligned(bytes);
        assert_non_null(f->pages[i]);
        memset(f->pages[i], 0xff, bytes); /* NaN: whatever is read before it was written shows */
    }
    f->sequence = (struct batch_sequence){.n_tokens = n_positions, .pages = f->pages};
}

static void fixture_release(struct fixture *f) {
    size_t n_pages = (f->n_positions + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS;
    for (size_t i = 0; i < n_pages; i++) mem_free_aligned(f->pages[i]);
    free(f->pages), free(f->q), free(f->k), free(f->v);
}

/* Stores and attends positions [0, n) in chunks; the results of all of them. skip > 1: only every skip-th position is
 * asked for (keep_wanted does that). */
static float *run(const struct fixture *f, const struct kernels *kernels, size_t n_threads, size_t chunk, size_t skip) {
    size_t row = f->config.n_heads * f->config.head_dim, kv_row = f->config.n_kv_heads * f->config.head_dim;
    float *out = calloc(f->n_positions * row, sizeof *out), *q = malloc(f->n_positions * row * sizeof *q);
    float *part = malloc(f->n_positions * row * sizeof *part);
    struct token_place *places = calloc(f->n_positions, sizeof *places);
    struct thread_pool *pool;
    struct attention_scratch scratch = {0};
    struct arena arena;
    arena_init(&arena);
    assert_int_equal(thread_pool_acquire(n_threads, &pool, NULL), BN_OK);
    assert_true(attention_scratch_init(&scratch, &f->config, chunk, f->n_positions, n_threads, &arena));
    for (size_t first = 0; first < f->n_positions; first += chunk) {
        size_t n = min_size(chunk, f->n_positions - first), kept = 0;
        struct attention a = {.kernels = kernels,
                              .pool = pool,
                              .config = &f->config,
                              .layer = &f->layer,
                              .kv_type = f->type,
                              .n_sinks = f->n_sinks,
                              .recent = f->recent,
                              .places = places,
                              .n_tokens = n,
                              .q = q,
                              .out = part,
                              .scratch = &scratch};
        for (size_t t = 0; t < n; t++) places[t] = (struct token_place){&f->sequence, first + t};
        kv_store(&a, f->k + first * kv_row, f->v + first * kv_row);
        for (size_t t = 0; t < n; t++) {
            if ((first + t) % skip) continue;
            places[kept].position = first + t;
            memcpy(q + kept++ * row, f->q + (first + t) * row, row * sizeof *q);
        }
        if (!(a.n_tokens = kept)) continue;
        attend(&a);
        for (size_t t = 0; t < kept; t++) memcpy(out + places[t].position * row, part + t * row, row * sizeof *out);
    }
    arena_release(&arena);
    thread_pool_release(pool);
    free(places), free(q), free(part);
    return out;
}

/* What the cache keeps of n numbers. */
static void round_row(const struct fixture *f, double *out, const float *x, size_t n) {
    float largest = 1e-5f;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    for (size_t i = 0; i < n; i++) {
        if (f->type == KV_F32) out[i] = (double)x[i];
        if (f->type == KV_F16) out[i] = (double)f16_to_f32(f32_to_f16(x[i]));
        if (f->type == KV_Q8) out[i] = (double)(rintf(x[i] * (127.0f / largest)) * (largest / 127.0f));
    }
}

static bool sees(const struct fixture *f, size_t position, size_t key) {
    if (key > position || (f->layer.window && key + f->layer.window <= position)) return false;
    return !f->recent || key + f->recent > position || key < f->n_sinks;
}

/* One head at one position, straight from the formula. */
static void brute_force(const struct fixture *f, size_t position, size_t head, double *out) {
    size_t D = f->config.head_dim, K = f->config.n_kv_heads, kv_head = head / (f->config.n_heads / K);
    double *weights = calloc(position + 1, sizeof *weights), *row = calloc(2 * D, sizeof *row), sum = 0, *q = row + D;
    const float *query = f->q + (position * f->config.n_heads + head) * D;
    if (f->type == KV_Q8)
        round_row(f, q, query, D);
    else
        for (size_t d = 0; d < D; d++) q[d] = (double)query[d];
    for (size_t j = 0; j <= position; j++) {
        if (!sees(f, position, j)) continue;
        round_row(f, row, f->k + (j * K + kv_head) * D, D);
        double score = 0, cap = (double)f->config.attention_softcap;
        for (size_t d = 0; d < D; d++) score += q[d] * row[d];
        score *= (double)f->layer.attention_scale;
        if (cap > 0) score = cap * tanh(score / cap);
        sum += weights[j] = exp(score);
    }
    memset(out, 0, D * sizeof *out);
    for (size_t j = 0; j <= position; j++) {
        if (weights[j] == 0) continue;
        round_row(f, row, f->v + (j * K + kv_head) * D, D);
        for (size_t d = 0; d < D; d++) out[d] += weights[j] / sum * row[d];
    }
    free(weights), free(row);
}

static void check_against_brute_force(const struct fixture *f, const float *out) {
    size_t D = f->config.head_dim, H = f->config.n_heads;
    double *expected = calloc(D, sizeof *expected);
    for (size_t p = 0; p < f->n_positions; p += p < 4 ? 1 : 1 + random_below((uint32_t)(f->n_positions / 12 + 1))) {
        size_t h = random_below((uint32_t)H);
        brute_force(f, p, h, expected);
        for (size_t d = 0; d < D; d++) {
            double difference = fabs(expected[d] - (double)out[(p * H + h) * D + d]);
            if (!(difference <= 1e-5))
                test_fail(
                    "%zu heads on %zu of %zu, type %d, window %zu, recent %zu, sinks %zu: head %zu at %zu is off by %g",
                    H, f->config.n_kv_heads, D, (int)f->type, f->layer.window, f->recent, f->n_sinks, h, p, difference);
        }
    }
    free(expected);
}

static void expect_same(const struct fixture *f, const float *a, float *b, size_t skip, const char *what) {
    size_t row = f->config.n_heads * f->config.head_dim;
    for (size_t p = 0; p < f->n_positions; p += skip)
        if (memcmp(a + p * row, b + p * row, row * sizeof *a))
            test_fail("%s changes position %zu: %zu heads on %zu of %zu, type %d", what, p, f->config.n_heads,
                      f->config.n_kv_heads, f->config.head_dim, (int)f->type);
    free(b);
}

static void check(const struct fixture *f) {
    const struct kernels *best = kernels_best();
    float *base = run(f, best, 1, f->n_positions, 1);
    check_against_brute_force(f, base);
    expect_same(f, base, run(f, best, 1, 1, 1), 1, "token by token");
    expect_same(f, base, run(f, best, 3, 1 + random_below(97), 1), 1, "a prompt in chunks, three threads,");
    expect_same(f, base, run(f, best, 2, f->n_positions, 5), 5, "asking for fewer positions");
    for (size_t i = 0; kernels_name(i); i++) {
        const struct kernels *kernels;
        assert_int_equal(kernels_select(kernels_name(i), &kernels, NULL), BN_OK);
        expect_same(f, base, run(f, kernels, 2, 40, 1), 1, kernels_name(i));
    }
    free(base);
}

static const enum kv_type types[] = {KV_F32, KV_F16, KV_Q8};

static void test_shapes(void **state) {
    (void)state;
    static const size_t head_dims[] = {32, 64, 80, 96, 128, 256, 1, 7, 34, 50}, groups[] = {1, 2, 4, 7, 8, 3, 71};
    for (size_t d = 0; d < sizeof head_dims / sizeof *head_dims; d++)
        for (int type = 0; type < 3; type++) {
            struct fixture f;
            size_t group = groups[(d + (size_t)type) % 7], kv_heads = group == 71 ? 1 : 1 + d % 3;
            fixture_init(&f, 60 + random_below(50), kv_heads, group, head_dims[d], types[type]);
            check(&f);
            fixture_release(&f);
        }
}

static void test_windows_and_caps(void **state) {
    (void)state;
    static const size_t windows[] = {1, 5, 31, 32, 33, 64, 100};
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        struct fixture f;
        fixture_init(&f, 170, 2, 2, 32, types[w % 3]);
        f.layer.window = windows[w];
        if (w % 2) f.config.attention_softcap = 1.5f;
        check(&f);
        fixture_release(&f);
    }
}

/* Attention sinks: the first N and the last W positions, also together with a window of the layer. */
static void test_sinks(void **state) {
    (void)state;
    static const size_t cases[][3] = {{4, 20, 0}, {1, 1, 0}, {33, 64, 0}, {40, 30, 100}, {100, 40, 0}, {0, 50, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        fixture_init(&f, 190, 1, 3, 48, types[i % 3]);
        f.n_sinks = cases[i][0], f.recent = cases[i][1], f.layer.window = cases[i][2];
        check(&f);
        fixture_release(&f);
    }
}

/* More than one split, so that partial sums are merged: by the thread that made them, or by another. */
static void test_splits(void **state) {
    (void)state;
    for (int type = 0; type < 3; type++) {
        struct fixture f;
        fixture_init(&f, 2100 + random_below(100), 1, 2, 16, types[type]);
        if (type == 1) f.n_sinks = 5, f.recent = 300;
        const struct kernels *best = kernels_best();
        float *base = run(&f, best, 1, f.n_positions, 1);
        check_against_brute_force(&f, base);
        expect_same(&f, base, run(&f, best, 4, 1, 1), 1, "token by token in four threads");
        expect_same(&f, base, run(&f, best, 2, 3, 1), 1, "three tokens at a time");
        expect_same(&f, base, run(&f, kernels_best(), 2, 700, 1), 1, "chunks of 700");
        free(base);
        fixture_release(&f);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_windows_and_caps),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
