/* DRY's sequence breakers, which need a tokenizer: one small enough to see every token. */
#include "test.h"

#include <string.h>

#include "base/memory.h"
#include "engine/sampler.h"
#include "tokenizer/tokenizer.h"

/* "ab" has no merge, so it's two tokens; "x\n" holds a newline among other text. */
static const char tokenizer_json[] =
    "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,"
    "\"decoder\":{\"type\":\"Fuse\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
    "{\"a\":0,\"b\":1,\"c\":2,\"x\\n\":3,\"\\n\":4,\"x\":5,\"y\":6,\"z\":7},\"merges\":[\"x \\n\"]}}";
enum { A, B, C, X_NEWLINE, NEWLINE, X, Y, Z, VOCAB };

static bn_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    (void)state;
    bn_error err;
    bn_status status = tokenizer_from_json(tokenizer_json, strlen(tokenizer_json), "test tokenizer", &tokenizer, &err);
    if (status != BN_OK) print_error("%s\n", err.message);
    return status == BN_OK ? 0 : -1;
}

static int close_tokenizer(void **state) {
    (void)state;
    bn_tokenizer_close(tokenizer);
    return 0;
}

static bn_sampling dry_options(const char *const *breakers, size_t n_breakers) {
    bn_sampling o;
    bn_sampling_init(&o);
    o.dry_multiplier = 1;
    o.dry_base = 2;
    o.dry_breakers = breakers;
    o.n_dry_breakers = n_breakers;
    return o;
}

struct breaker_case {
    const char *name;
    int32_t history[9];
    size_t n;
    const char *breakers[2]; /* none: the default ones */
    int32_t next;
    float penalty;
};

static void matches_end_at_breakers(void **state) {
    (void)state;
    static const struct breaker_case cases[] = {
        {"no breaker in the text", {A, Y, B, C, A, Y, B}, 7, {NULL}, C, 2},
        {"newline, by default", {A, NEWLINE, B, C, A, NEWLINE, B}, 7, {NULL}, C, 0},
        {"newline isn't among these", {A, NEWLINE, B, C, A, NEWLINE, B}, 7, {"q"}, C, 2},
        {"a token that contains one", {A, X_NEWLINE, B, C, A, X_NEWLINE, B}, 7, {NULL}, C, 0},
        {"matches after it count", {NEWLINE, A, B, C, X_NEWLINE, A, B}, 7, {NULL}, C, 1},
        {"a breaker of two tokens", {A, B, Y, C, A, B, Y}, 7, {"ab"}, C, 0},
        {"of two tokens, matches after it", {A, B, Y, Z, C, A, B, Y, Z}, 9, {"q", "ab"}, C, 1},
        {"half of it breaks nothing", {Y, B, Z, C, Y, B, Z}, 7, {"ab"}, C, 2},
        {"a breaker isn't penalised", {A, C, NEWLINE, A, C}, 5, {NULL}, NEWLINE, 0},
        {"any other is", {A, C, NEWLINE, A, C}, 5, {"q"}, NEWLINE, 1},
        {"the text ends with one", {A, B, NEWLINE, C, A, B, NEWLINE}, 7, {NULL}, C, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct breaker_case *t = &cases[i];
        size_t n_breakers = (t->breakers[0] != NULL) + (t->breakers[1] != NULL);
        bn_sampling o = dry_options(n_breakers ? t->breakers : NULL, n_breakers);
        struct sampler *sampler;
        bn_error err;
        assert_ok(sampler_create(&o, VOCAB, tokenizer, 0, &sampler, &err), err);
        float logits[VOCAB] = {0};
        struct sampler_input in = {.logits = logits, .history = t->history, .n_history = t->n};
        sampler_apply_penalties(sampler, &in);
        for (int32_t id = 0; id < VOCAB; id++) {
            float expected = id == t->next ? -t->penalty : 0;
            if (logits[id] != expected)
                test_fail("%s: logit %d is %g, expected %g", t->name, (int)id, (double)logits[id], (double)expected);
        }
        sampler_destroy(sampler);
    }
}

static void vocabularies_of_other_sizes_are_fine(void **state) {
    (void)state;
    static const size_t sizes[] = {1, VOCAB - 1, VOCAB + 100}; /* a padded head has more rows than the tokenizer ids */
    for (size_t i = 0; i < 3; i++) {
        bn_sampling o = dry_options(NULL, 0);
        struct sampler *sampler;
        bn_error err;
        assert_ok(sampler_create(&o, sizes[i], tokenizer, 0, &sampler, &err), err);
        float logits[VOCAB + 100] = {0};
        const int32_t history[] = {0, VOCAB + 50, 0, VOCAB + 50, 0, VOCAB + 50};
        sampler_apply_penalties(sampler, &(struct sampler_input){.logits = logits, .history = history, .n_history = 6});
        sampler_destroy(sampler);
    }
}

/* Every allocation in turn. How many there are isn't known before: the tokenizer remembers words that it has encoded, and
 * encodes them with fewer the next time. */
static void refused_memory_is_an_error(void **state) {
    (void)state;
    const char *const breakers[] = {"ab", "\n", "abc"};
    bn_sampling o = dry_options(breakers, 3);
    long n = 0;
    for (bool reached = true; reached; n++) {
        struct sampler *sampler;
        bn_error err;
        mem_allocations();
        mem_fail_after(n);
        bn_status status = sampler_create(&o, VOCAB, tokenizer, 0, &sampler, &err);
        mem_fail_after(-1);
        reached = mem_allocations() > n;
        if (status == BN_OK) sampler_destroy(sampler);
        if (status == BN_OK && reached) test_fail("allocation %ld was refused and nobody noticed", n);
        assert_int_equal(status, reached ? BN_STATUS_NO_MEMORY : BN_OK);
    }
    assert_true(n > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_end_at_breakers),
        cmocka_unit_test(vocabularies_of_other_sizes_are_fine),
        cmocka_unit_test(refused_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
