/* The filters against the definitions of docs/sampling.md, written out the slow way: sort everything, sum in long
 * double. Survivors are seen through a custom sampler. Then the boundary cases whose answers are known by hand. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/sampler.h"

/* The definition: one struct per token, sorted and cut stage by stage. */
struct token {
    int32_t id;
    float z;
    long double p, key;
};

struct reference {
    struct token *tokens; /* [n] */
    size_t n;
};

static int by_key(const void *a, const void *b) {
    const struct token *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_id(const void *a, const void *b) {
    const struct token *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* p of all tokens, and their order: descending, lowest id first. */
static void sort_by_probability(struct reference *r) {
    long double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < r->n; i++) max = fmaxl(max, (long double)r->tokens[i].z);
    for (size_t i = 0; i < r->n; i++) sum += expl((long double)r->tokens[i].z - max);
    for (size_t i = 0; i < r->n; i++) {
        r->tokens[i].p = expl((long double)r->tokens[i].z - max) / sum;
        r->tokens[i].key = -(long double)r->tokens[i].z;
    }
    qsort(r->tokens, r->n, sizeof *r->tokens, by_key);
}

static void cut_at_mass(struct reference *r, float limit) {
    long double before = 0;
    size_t kept = 0;
    while (kept < r->n && (kept == 0 || (float)before < limit)) before += r->tokens[kept++].p;
    r->n = kept;
}

static void drop_unlikely(struct reference *r, long double bound) {
    while (r->n > 1 && (float)r->tokens[r->n - 1].p < (float)bound) r->n--;
}

static void reference_stage(struct reference *r, const char *stage, const bn_sampling *o) {
    sort_by_probability(r);
    if (strcmp(stage, "temperature") == 0) {
        for (size_t i = 0; i < r->n; i++) r->tokens[i].z /= o->temperature;
    } else if (strcmp(stage, "top_k") == 0) {
        if (o->top_k > 0 && r->n > (size_t)o->top_k) r->n = (size_t)o->top_k;
    } else if (strcmp(stage, "top_p") == 0) {
        if (o->top_p < 1) cut_at_mass(r, o->top_p);
    } else if (strcmp(stage, "min_p") == 0) {
        long double largest = r->tokens[0].p;
        for (size_t i = 0; i < r->n; i++) r->tokens[i].p /= largest;
        drop_unlikely(r, (long double)o->min_p);
    } else if (strcmp(stage, "typ_p") == 0 && o->typical_p < 1) {
        long double entropy = 0;
        for (size_t i = 0; i < r->n; i++) entropy -= r->tokens[i].p * logl(r->tokens[i].p);
        for (size_t i = 0; i < r->n; i++) r->tokens[i].key = (long double)(float)fabsl(-logl(r->tokens[i].p) - entropy);
        qsort(r->tokens, r->n, sizeof *r->tokens, by_key);
        cut_at_mass(r, o->typical_p);
    } else if (strcmp(stage, "top_n_sigma") == 0 && o->top_n_sigma > 0) {
        long double mean = 0, variance = 0, max = (long double)r->tokens[0].z;
        for (size_t i = 0; i < r->n; i++) mean += (long double)r->tokens[i].z / (long double)r->n;
        for (size_t i = 0; i < r->n; i++) {
            long double d = (long double)r->tokens[i].z - mean;
            variance += d * d / (long double)r->n;
        }
        long double bound = -(long double)o->top_n_sigma * sqrtl(variance);
        while ((float)((long double)r->tokens[r->n - 1].z - max) < (float)bound) r->n--;
    } else if (strcmp(stage, "xtc") == 0 && o->xtc_probability > 0 && o->xtc_threshold <= 0.5f) {
        if ((float)random_uniform(o->seed, 0, 0, 1) > o->xtc_probability) return;
        size_t above = 0;
        while (above < r->n && (float)r->tokens[above].p >= o->xtc_threshold) above++;
        if (above < 2) return;
        memmove(r->tokens, r->tokens + above - 1, (r->n - above + 1) * sizeof *r->tokens);
        r->n -= above - 1;
    }
}

/* A custom sampler that records what is left. */
struct survivors {
    bn_candidate *items;
    size_t n;
};

static ptrdiff_t record(void *context, const bn_candidate *candidates, size_t n, const int32_t *history, size_t m) {
    (void)history;
    (void)m;
    struct survivors *s = context;
    memcpy(s->items, candidates, n * sizeof *candidates);
    s->n = n;
    return 0;
}

/* Runs the chain over a copy of the logits. */
static void survivors_of(const bn_sampling *options, const float *logits, size_t n, struct survivors *out) {
    bn_sampling with = *options;
    with.custom = record;
    with.custom_context = out;
    struct sampler *sampler;
    bn_error err;
    assert_ok(sampler_create(&with, n, NULL, 0, &sampler, &err), err);
    float *copy = malloc(n * sizeof *copy);
    memcpy(copy, logits, n * sizeof *copy);
    struct sampler_input input = {.logits = copy};
    int32_t id;
    assert_ok(sampler_sample(sampler, &input, &id, &err), err);
    free(copy);
    sampler_destroy(sampler);
}

static float random_between(uint32_t *counter, double least, double most) {
    return (float)(least + (most - least) * random_uniform(99, 0, (*counter)++, 0));
}

static float *random_logits(uint32_t *counter, size_t n) {
    float *logits = malloc(n * sizeof *logits);
    assert_non_null(logits);
    int kind = (int)random_between(counter, 0, 4);
    for (size_t i = 0; i < n; i++) {
        float x = random_between(counter, -8, 8);
        logits[i] = kind == 0 ? x : kind == 1 ? rintf(x / 4) : kind == 2 ? x * x * x / 20 : (i % 7 ? -INFINITY : x);
    }
    return logits;
}

/* Turns on each stage with probability ½ and shuffles them. */
static void random_options(uint32_t *c, size_t n, bn_sampling *o, const char *stages[7], char order[128]) {
    static const char *const all[] = {"temperature", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc"};
    bn_sampling_init(o);
    o->seed = *c;
    bool on[7];
    for (int i = 0; i < 7; i++) on[i] = random_between(c, 0, 1) < 0.5f;
    if (on[0]) o->temperature = random_between(c, 0.3, 2);
    if (on[1]) o->top_n_sigma = random_between(c, 0.2, 3);
    if (on[2]) o->top_k = 1 + (int32_t)(random_between(c, 0, 1) * random_between(c, 0, 1) * (float)n);
    if (on[3]) o->typical_p = random_between(c, 0, 1);
    if (on[4]) o->top_p = random_between(c, 0, 1);
    if (on[5]) o->min_p = random_between(c, 0, 0.5);
    if (on[6]) o->xtc_probability = random_between(c, 0, 2) > 1 ? 1 : 0.5f;
    if (on[6]) o->xtc_threshold = random_between(c, 0, 0.3);
    memcpy(stages, all, sizeof all);
    for (int i = 6; i > 0; i--) {
        int j = (int)(random_between(c, 0, 0.999) * (float)(i + 1));
        const char *swap = stages[i];
        stages[i] = stages[j];
        stages[j] = swap;
    }
    order[0] = 0;
    for (int i = 0; i < 7; i++) strcat(strcat(order, stages[i]), ";");
    o->order = order;
}

static void chains_in_any_order_keep_what_the_definitions_keep(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 33, 300, 5000};
    uint32_t counter = 0;
    for (int round = 0; round < 600; round++) {
        size_t n = sizes[round % 6];
        float *logits = random_logits(&counter, n);
        bn_sampling options;
        const char *stages[7];
        char order[128];
        random_options(&counter, n, &options, stages, order);

        struct survivors s = {malloc(n * sizeof *s.items), 0};
        survivors_of(&options, logits, n, &s);
        struct reference r = {malloc(n * sizeof *r.tokens), 0};
        for (size_t i = 0; i < n; i++)
            if (!isinf(logits[i])) r.tokens[r.n++] = (struct token){.id = (int32_t)i, .z = logits[i]};
        for (int i = 0; i < 7; i++) reference_stage(&r, stages[i], &options);
        qsort(r.tokens, r.n, sizeof *r.tokens, by_id);

        if (s.n != r.n) test_fail("round %d, n %zu, %s: %zu left, expected %zu", round, n, order, s.n, r.n);
        for (size_t i = 0; i < r.n; i++)
            if (s.items[i].id != r.tokens[i].id || s.items[i].logit != r.tokens[i].z)
                test_fail("round %d, n %zu, %s: survivor %zu is %d (%g), expected %d (%g)", round, n, order, i,
                          (int)s.items[i].id, (double)s.items[i].logit, (int)r.tokens[i].id, (double)r.tokens[i].z);
        free(r.tokens);
        free(s.items);
        free(logits);
    }
}

/* Small k in a long list takes a short cut over block maxima: for every k, with one peak per block, with the peaks side
 * by side, and with many equal. */
static void top_k_of_a_long_list(void **state) {
    (void)state;
    enum { N = 5003, MOST = 40 };
    static float logits[N];
    static bn_candidate items[N];
    static struct token tokens[N];
    for (int kind = 0; kind < 4; kind++) {
        for (uint32_t i = 0; i < N; i++) {
            float noise = (float)random_uniform(17, 0, i, 0);
            bool peak = kind == 0 ? i % 64 == 63 : i > 1000 && i < 1060;
            logits[i] = kind == 2 ? (float)(i % 5) : kind == 3 ? (i % 97 ? -INFINITY : noise) : noise + 5 * peak;
        }
        for (int32_t k = 1; k <= MOST; k++) {
            struct reference r = {tokens, 0};
            for (size_t i = 0; i < N; i++)
                if (!isinf(logits[i])) tokens[r.n++] = (struct token){.id = (int32_t)i, .z = logits[i]};
            bn_sampling o;
            bn_sampling_init(&o);
            o.top_k = k;
            reference_stage(&r, "top_k", &o);
            qsort(tokens, r.n, sizeof *tokens, by_id);
            struct survivors s = {items, 0};
            survivors_of(&o, logits, N, &s);
            assert_int_equal(s.n, r.n);
            for (size_t i = 0; i < r.n; i++) assert_int_equal(items[i].id, tokens[i].id);
        }
    }
}

/* Boundary cases by hand: probabilities in, ids out as text. */
struct boundary_case {
    const char *name;
    float p[6];
    size_t n;
    bn_sampling o; /* only the fields that aren't 0 are taken over */
    const char *left;
};

static void boundaries(void **state) {
    (void)state;
    static const struct boundary_case cases[] = {
        {"top-k keeps exactly k, lowest ids", {.2f, .2f, .2f, .2f, .2f}, 5, {.top_k = 2}, "0 1"},
        {"top-k of more than there are", {.5f, .5f}, 2, {.top_k = 9}, "0 1"},
        {"top-p: exactly the first mass keeps one", {.5f, .25f, .25f}, 3, {.top_p = .5f}, "0"},
        {"top-p: a little more keeps two", {.5f, .25f, .25f}, 3, {.top_p = .50001f}, "0 1"},
        {"top-p: four equal, half the mass: lowest ids", {.25f, .25f, .25f, .25f}, 4, {.top_p = .5f}, "0 1"},
        {"top-p: 0.9 = 0.5 + 0.3 + 0.1 keeps three", {.5f, .3f, .1f, .1f}, 4, {.top_p = .9f}, "0 1 2"},
        {"top-p: nearly 0 keeps one", {.1f, .2f, .3f, .4f}, 4, {.top_p = 1e-30f}, "3"},
        {"min-p is inclusive", {.5f, .25f, .125f, .125f}, 4, {.min_p = .5f}, "0 1"},
        {"min-p 1 keeps the ties of the maximum", {.4f, .1f, .4f, .1f}, 4, {.min_p = 1}, "0 2"},
        {"typical: uniform, mass exactly tau stops", {.25f, .25f, .25f, .25f}, 4, {.typical_p = .5f}, "0 1"},
        {"typical: the most probable isn't typical", {.34f, .11f, .11f, .11f, .11f, .22f}, 6, {.typical_p = .2f}, "5"},
        {"xtc: all above but the least",
         {.3f, .25f, .2f, .15f, .1f},
         5,
         {.xtc_probability = 1, .xtc_threshold = .2f},
         "2 3 4"},
        {"xtc: one above is none",
         {.6f, .1f, .1f, .1f, .1f},
         5,
         {.xtc_probability = 1, .xtc_threshold = .2f},
         "0 1 2 3 4"},
        {"xtc: ties keep the last", {.4f, .4f, .2f}, 3, {.xtc_probability = 1, .xtc_threshold = .3f}, "1 2"},
        {"xtc: off above one half", {.5f, .5f}, 2, {.xtc_probability = 1, .xtc_threshold = .51f}, "0 1"},
        {"xtc: one half is still on", {.5f, .5f}, 2, {.xtc_probability = 1, .xtc_threshold = .5f}, "1"},
        {"mirostat: -log2 p = mu stays", {.5f, .25f, .125f, .125f}, 4, {.mirostat = 2, .mirostat_tau = 1}, "0 1"},
        {"mirostat keeps one", {.25f, .25f, .5f}, 3, {.mirostat = 2, .mirostat_tau = .01f}, "2"},
        {"mirostat replaces top-k", {.25f, .25f, .5f}, 3, {.mirostat = 2, .mirostat_tau = 5, .top_k = 1}, "0 1 2"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const struct boundary_case *t = &cases[c];
        bn_sampling o;
        bn_sampling_init(&o);
        o.top_k = t->o.top_k;
        o.min_p = t->o.min_p;
        o.xtc_probability = t->o.xtc_probability;
        o.mirostat = t->o.mirostat;
        if (t->o.top_p > 0) o.top_p = t->o.top_p;
        if (t->o.typical_p > 0) o.typical_p = t->o.typical_p;
        if (t->o.xtc_threshold > 0) o.xtc_threshold = t->o.xtc_threshold;
        if (t->o.mirostat_tau > 0) o.mirostat_tau = t->o.mirostat_tau;
        float logits[6];
        for (size_t i = 0; i < t->n; i++) logits[i] = logf(t->p[i]);
        bn_candidate items[6];
        struct survivors s = {items, 0};
        survivors_of(&o, logits, t->n, &s);
        char left[64] = "";
        for (size_t i = 0; i < s.n; i++)
            snprintf(left + strlen(left), sizeof left - strlen(left), i ? " %d" : "%d", (int)items[i].id);
        if (strcmp(left, t->left) != 0) test_fail("%s: left are %s, expected %s", t->name, left, t->left);
    }
}

static void zero_masses_keep_one(void **state) {
    (void)state;
    bn_sampling o;
    bn_candidate items[4];
    struct survivors s = {items, 0};
    bn_sampling_init(&o);
    o.top_p = 0;
    survivors_of(&o, (const float[]){1, 2, 2, 0}, 4, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(items[0].id, 1);
    bn_sampling_init(&o);
    o.typical_p = 0;
    survivors_of(&o, (const float[]){1, 1, 1, 1}, 4, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(items[0].id, 0);
}

/* Temperature first or last changes which tokens top-p keeps. */
static void presets_differ_as_documented(void **state) {
    (void)state;
    const float logits[] = {logf(.5f), logf(.3f), logf(.2f)};
    bn_candidate items[3];
    struct survivors s = {items, 0};
    bn_sampling o;
    bn_sampling_init(&o);
    o.temperature = 0.25f;
    o.top_p = 0.6f;
    o.order = "hf"; /* sharpened to .87 .11 .02, then cut */
    survivors_of(&o, logits, 3, &s);
    assert_int_equal(s.n, 1);
    o.order = "llama.cpp"; /* cut, then sharpened */
    survivors_of(&o, logits, 3, &s);
    assert_int_equal(s.n, 2);
    assert_true(items[0].logit == logits[0] / 0.25f);
}

/* Huge logits over a small temperature overflow; the largest must win all the same. */
static void overflow_leaves_the_largest(void **state) {
    (void)state;
    bn_candidate items[4];
    struct survivors s = {items, 0};
    bn_sampling o;
    bn_sampling_init(&o);
    o.temperature = 1e-6f;
    o.top_n_sigma = 1;
    o.top_p = 0.9f;
    o.typical_p = 0.9f;
    o.min_p = 0.1f;
    survivors_of(&o, (const float[]){-3e38f, 3e38f, 0, 1}, 4, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(items[0].id, 1);
}

/* μ after each step, recomputed from the ids that were drawn. */
static void mirostat_steers_as_the_paper_says(void **state) {
    (void)state;
    enum { N = 50 };
    bn_sampling o;
    bn_sampling_init(&o);
    o.mirostat = 2;
    o.mirostat_tau = 3;
    o.seed = 5;
    struct sampler *sampler;
    bn_error err;
    assert_ok(sampler_create(&o, N, NULL, 0, &sampler, &err), err);
    long double mu = 6, mean = 0;
    for (uint32_t step = 0; step < 400; step++) {
        float logits[N];
        long double p[N], sum = 0, kept = 0;
        for (size_t i = 0; i < N; i++) logits[i] = (float)(6 * random_uniform(31, 1, step, (uint32_t)i));
        for (size_t i = 0; i < N; i++) sum += p[i] = expl((long double)logits[i]);
        size_t largest = (size_t)argmax_lowest(logits, N);
        for (size_t i = 0; i < N; i++) {
            if (-log2l(p[i] / sum) > mu && i != largest) p[i] = 0;
            kept += p[i];
        }
        int32_t id;
        assert_ok(sampler_sample(sampler, &(struct sampler_input){.logits = logits, .position = step}, &id, &err), err);
        assert_true(p[id] > 0);
        long double surprise = -log2l(p[id] / kept);
        mu -= (long double)o.mirostat_eta * (surprise - 3);
        mean += surprise / 400;
    }
    sampler_destroy(sampler);
    if (fabsl(mean - 3) > 0.15L) test_fail("mean surprise %Lg, aimed at 3", mean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_in_any_order_keep_what_the_definitions_keep),
        cmocka_unit_test(top_k_of_a_long_list),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(zero_masses_keep_one),
        cmocka_unit_test(presets_differ_as_documented),
        cmocka_unit_test(overflow_leaves_the_largest),
        cmocka_unit_test(mirostat_steers_as_the_paper_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
