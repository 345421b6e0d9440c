/* Token healing against brute force over the demo vocabulary: what is taken back, which tokens may follow, which one the
 * engine takes, and the text. */
#include <stdlib.h>

#include "base/utf8.h"
#include "engine_run.h"

enum { MOST_TAKEN = 8, N_OUTPUT = 12 };

static bn_model *model;
static const bn_tokenizer *tokenizer;
static bn_token_bytes *table;
static size_t vocab_size;

static int open_model(void **state) {
    (void)state;
    bn_error err;
    model = open_demo();
    tokenizer = bn_model_tokenizer(model);
    vocab_size = bn_tokenizer_vocab_size(tokenizer);
    return bn_token_bytes_create(tokenizer, &table, &err) == BN_OK ? 0 : -1;
}

static int close_model(void **state) {
    (void)state;
    bn_token_bytes_destroy(table);
    bn_model_close(model);
    return 0;
}

static size_t bytes_of(const int32_t *ids, size_t n_ids, char *out) {
    size_t n = 0, size;
    for (size_t i = 0; i < n_ids; i++) {
        const char *bytes = bn_token_bytes_get(table, ids[i], &size);
        memcpy(out + n, bytes, size);
        n += size;
    }
    return n;
}

/* How many tokens to take back: the most after whose bytes some token goes on. */
static size_t tokens_to_take(const int32_t *prompt, size_t n, char *prefix, size_t *n_prefix) {
    size_t take = 0;
    *n_prefix = 0;
    for (size_t back = 1; back <= MOST_TAKEN && back < n; back++) {
        char tail[512];
        size_t size, n_tail = bytes_of(prompt + n - back, back, tail);
        bn_token_bytes_get(table, prompt[n - back], &size);
        if (size == 0) break;
        for (size_t id = 0; id < vocab_size; id++) {
            const char *bytes = bn_token_bytes_get(table, (int32_t)id, &size);
            if (size <= n_tail || memcmp(bytes, tail, n_tail) != 0) continue;
            take = back;
            memcpy(prefix, tail, *n_prefix = n_tail);
        }
    }
    return take;
}

/* Can the bytes be spelled, the last token maybe going beyond them? By trying all. */
static bool can_spell(const char *bytes, size_t n) {
    if (n == 0) return true;
    for (size_t id = 0; id < vocab_size; id++) {
        size_t size;
        const char *token = bn_token_bytes_get(table, (int32_t)id, &size);
        if (size == 0 || memcmp(token, bytes, size < n ? size : n) != 0) continue;
        if (size >= n || can_spell(bytes + size, n - size)) return true;
    }
    return false;
}

static bool may_come(int32_t id, const char *left, size_t n_left) {
    size_t size;
    const char *token = bn_token_bytes_get(table, id, &size);
    if (n_left == 0) return true;
    if (size == 0 || memcmp(token, left, size < n_left ? size : n_left) != 0) return false;
    return size >= n_left || can_spell(left + size, n_left - size);
}

/* The most likely ids one by one, from all logits. */
static size_t expected_ids(bn_engine *engine, const int32_t *kept, size_t n_kept, const char *prefix, size_t n_prefix,
                           int32_t *out) {
    static float logits[1 << 17];
    int32_t ids[256];
    bn_error err;
    memcpy(ids, kept, n_kept * sizeof *ids);
    for (size_t n = 0, size; n < N_OUTPUT; n++) {
        size_t best = SIZE_MAX;
        assert_ok(bn_engine_logits(engine, ids, n_kept + n, true, logits, &err), err);
        for (size_t id = 0; id < vocab_size; id++)
            if (may_come((int32_t)id, prefix, n_prefix) && (best == SIZE_MAX || logits[id] > logits[best])) best = id;
        assert_true(best != SIZE_MAX);
        ids[n_kept + n] = out[n] = (int32_t)best;
        bn_token_bytes_get(table, out[n], &size);
        prefix += size < n_prefix ? size : n_prefix;
        n_prefix -= size < n_prefix ? size : n_prefix;
        if (bn_tokenizer_is_end(tokenizer, out[n])) return n + 1;
    }
    return N_OUTPUT;
}

static const char *const prompts[] = {"Once upon a ti",    "The little ca",           "Once upon a time",
                                      "She said \"Hel",    "He was very hap",         "a",
                                      "One day, Lily wen", "They went to the p",      "caf\xc3\xa9 \xe2\x80",
                                      "Tim and Sue walk ", "The dog ran, ran, ran, r"};

static void check_prompt_healed(bn_engine *engine, const char *text) {
    int32_t *prompt, expected[N_OUTPUT];
    size_t n, n_prefix, n_whole, n_before;
    char prefix[512], *whole, *before;
    bn_error err;
    struct answer answer;
    assert_ok(bn_tokenizer_encode(tokenizer, text, strlen(text), NULL, &prompt, &n, &err), err);
    size_t n_kept = n - tokens_to_take(prompt, n, prefix, &n_prefix);
    size_t n_expected = expected_ids(engine, prompt, n_kept, prefix, n_prefix, expected);
    bn_request_options options = greedy(N_OUTPUT);
    options.heal = true;
    ask(engine, prompt, n, &options, &answer);
    assert_int_equal(answer.n_ids, n_expected);
    assert_memory_equal(answer.ids, expected, n_expected * sizeof *expected);

    int32_t all[256];
    memcpy(all, prompt, n_kept * sizeof *all);
    memcpy(all + n_kept, expected, n_expected * sizeof *all);
    assert_ok(bn_tokenizer_decode(tokenizer, all, n_kept + n_expected, true, &whole, &n_whole, &err), err);
    assert_ok(bn_tokenizer_decode(tokenizer, prompt, n, true, &before, &n_before, &err), err);
    if (utf8_valid(text, strlen(text))) { /* otherwise `before` ends in U+FFFD for what the output completes */
        assert_memory_equal(whole, before, n_before);
        assert_string_equal(answer.text, whole + n_before);
    }
    bn_free(before);
    bn_free(whole);
    bn_free(prompt);
}

static void greedy_output_is_the_most_likely_spelling(void **state) {
    (void)state;
    for (int speculation = 0; speculation < 2; speculation++) {
        bn_engine_options options = {.size = sizeof options, .n_threads = 1, .no_speculation = !speculation};
        bn_engine *engine = make_engine(model, &options);
        for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) check_prompt_healed(engine, prompts[i]);
        bn_engine_destroy(engine);
    }
}

/* Samples, all choices of a request and beams spell the prompt again, too; and some not as it was. */
static void every_choice_spells_the_prompt(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, NULL);
    size_t n_prefix, n_other = 0;
    char prefix[512];
    int32_t *prompt;
    bn_error err;
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        size_t n, size;
        assert_ok(bn_tokenizer_encode(tokenizer, prompts[i], strlen(prompts[i]), NULL, &prompt, &n, &err), err);
        size_t n_kept = n - tokens_to_take(prompt, n, prefix, &n_prefix);
        for (int beams = 0; beams < 2; beams++) {
            bn_request_options options = sampled(N_OUTPUT, 5);
            options.n = 4;
            options.beams = beams ? 4 : 0;
            options.heal = true;
            bn_request *request = submit(engine, prompt, n, &options);
            assert_ok(bn_request_wait(request, &err), err);
            for (size_t k = 0; k < bn_request_n_choices(request); k++) {
                struct answer answer;
                char bytes[4096];
                read_choice(request, k, &answer);
                size = bytes_of(answer.ids, answer.n_ids, bytes);
                assert_true(size >= n_prefix && memcmp(bytes, prefix, n_prefix) == 0);
                n_other += n_kept < n && answer.ids[0] != prompt[n_kept];
            }
            bn_request_release(request);
        }
        bn_free(prompt);
    }
    assert_true(n_other > 0);
    bn_engine_destroy(engine);
}

/* Where no token goes on from the prompt's last ones, or nobody asks, nothing changes. */
static void nothing_to_heal_changes_nothing(void **state) {
    (void)state;
    bn_engine *engine = make_engine(model, NULL);
    int32_t prompt[3] = {bn_tokenizer_eos(tokenizer), bn_tokenizer_eos(tokenizer), bn_tokenizer_eos(tokenizer)};
    struct answer plain, healed;
    bn_request_options options = greedy(N_OUTPUT);
    ask(engine, prompt, 3, &options, &plain);
    options.heal = true;
    ask(engine, prompt, 3, &options, &healed);
    assert_same(&plain, &healed);
    bn_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy_output_is_the_most_likely_spelling),
                                       cmocka_unit_test(every_choice_spells_the_prompt),
                                       cmocka_unit_test(nothing_to_heal_changes_nothing)};
    return cmocka_run_group_tests(tests, open_model, close_model);
}
