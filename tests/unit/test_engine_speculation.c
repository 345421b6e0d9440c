/* Speculative decoding gives what decoding token by token gives: ids, text, log-probabilities, ends and what callbacks
 * see, greedy and sampled, whoever guesses and however well. */
#include "engine_run.h"

#include "engine/speculation.h"

#define N_TOKENS 48

static bn_model *model, *drafter, *screened;

static int open_models(void **state) {
    (void)state;
    model = open_demo();
    drafter = open_demo();
    bn_error err = {0};
    const bn_model_options options = {.size = sizeof options, .head = BN_HEAD_SCREEN};
    assert_ok(bn_model_open(DEMO_MODEL, &options, &screened, &err), err);
    return 0;
}

static int close_models(void **state) {
    (void)state;
    bn_model_close(screened);
    bn_model_close(drafter);
    bn_model_close(model);
    return 0;
}

/* A text that repeats itself, so that there is something to look up. */
static size_t repetitive_prompt(int32_t *prompt) {
    int32_t part[12];
    make_prompt(part, 12, 5);
    for (size_t i = 0; i < 60; i++) prompt[i] = part[i % 12];
    return 60;
}

/* Kinds of requests whose outputs must not change. */
static bn_request_options request_kind(size_t kind) {
    static const char *const stop[] = {"the", "."};
    bn_request_options o = kind % 2 ? sampled(N_TOKENS, 7 + kind) : greedy(N_TOKENS);
    o.ignore_end = kind != 5;
    o.n_logprobs = kind == 2 || kind == 3 ? 3 : -1;
    if (kind == 3) o.sampling.repetition_penalty = 1.3f;
    if (kind == 4) o.stop = stop, o.n_stop = 2;
    if (kind == 5) o.sampling.temperature = 0.3f;
    if (kind == 7) o.sampling.mirostat = 2;
    return o;
}
#define N_KINDS 8

static void check_all_kinds_of(bn_model *guessed, const bn_engine_options *options, bool must_accept) {
    int32_t prompt[60];
    size_t n = repetitive_prompt(prompt);
    bn_engine_options single = {.n_threads = 1, .no_speculation = true, .kv_type = options->kv_type};
    bn_engine *plain = make_engine(model, &single);
    bn_engine *guessing = make_engine(guessed, options);
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        struct answer expected, got;
        bn_request_options o = request_kind(kind);
        ask(plain, prompt, n, &o, &expected);
        ask(guessing, prompt, n, &o, &got);
        assert_same(&got, &expected);
    }
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(plain, &stats);
    assert_int_equal(stats.draft_tokens, 0);
    bn_engine_get_stats(guessing, &stats);
    assert_true(stats.draft_tokens >= stats.draft_tokens_accepted);
    if (must_accept) assert_true(stats.draft_tokens_accepted > 0);
    bn_engine_destroy(plain);
    bn_engine_destroy(guessing);
}

static void check_all_kinds(const bn_engine_options *options, bool must_accept) {
    check_all_kinds_of(model, options, must_accept);
}

/* Rows of guesses in the tiles of a screened head, some of them undecided. */
static void a_screened_head_follows_guesses(void **state) {
    (void)state;
    check_all_kinds_of(screened, &(bn_engine_options){.n_threads = 1}, true);
    check_all_kinds_of(screened, &(bn_engine_options){.n_threads = 2, .max_drafts = MAX_DRAFTS}, false);
    check_all_kinds_of(screened, &(bn_engine_options){.n_threads = 1, .draft_model = drafter}, true);
}

static void lookups_change_nothing(void **state) {
    (void)state;
    static const size_t drafts[] = {1, 3, MAX_DRAFTS};
    for (size_t i = 0; i < 3; i++)
        check_all_kinds(&(bn_engine_options){.n_threads = 1, .max_drafts = drafts[i]}, i == 0);
    check_all_kinds(&(bn_engine_options){.n_threads = 2, .batch_tokens = 5}, false);
    check_all_kinds(&(bn_engine_options){.n_threads = 1, .kv_bytes = 1 << 20, .no_prefix_cache = true}, false);
}

/* What a grammar leaves no choice about is guessed, as the tokenizer would write it; whatever is drawn stays the same. */
static void forced_text_changes_nothing(void **state) {
    (void)state;
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"temperature\":{\"enum\":[20,30]},\"the little "
                                 "house\":{\"type\":\"boolean\"},\"once upon a time\":{\"const\":\"there was a "
                                 "girl\"}},\"required\":[\"temperature\",\"the little house\",\"once upon a "
                                 "time\"],\"additionalProperties\":false}";
    bn_grammar *grammar;
    bn_error err = {0};
    int32_t prompt[8];
    make_prompt(prompt, 8, 3);
    assert_ok(bn_grammar_compile(BN_GRAMMAR_JSON_SCHEMA, schema, strlen(schema), NULL, &grammar, &err), err);
    bn_engine *plain = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_speculation = true});
    bn_engine *guessing = make_engine(model, &(bn_engine_options){.n_threads = 1});
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct answer expected, got;
        bn_request_options o = seed ? sampled(200, seed) : greedy(200);
        o.sampling.temperature = (float)(seed % 4) / 2;
        o.grammar = grammar;
        ask(plain, prompt, 8, &o, &expected);
        ask(guessing, prompt, 8, &o, &got);
        assert_same(&got, &expected);
    }
    bn_engine_stats before = stats_of(plain), after = stats_of(guessing);
    /* How many are worth their time is measured, and on a busy machine few are. */
    assert_true(after.draft_tokens_accepted > 0);
    assert_true(after.steps < before.steps);
    bn_grammar_release(grammar);
    bn_engine_destroy(plain);
    bn_engine_destroy(guessing);
}

/* A drafter that is always right about greedy tokens, and the same one in float16, which sometimes isn't. */
static void a_draft_model_changes_nothing(void **state) {
    (void)state;
    check_all_kinds(&(bn_engine_options){.n_threads = 1, .draft_model = drafter, .kv_type = BN_KV_F16}, true);
    check_all_kinds(&(bn_engine_options){.n_threads = 2, .draft_model = drafter, .max_drafts = 5}, true);
    check_all_kinds(&(bn_engine_options){.n_threads = 1, .draft_model = drafter, .batch_tokens = 7}, false);
}

/* Choices and strangers in one batch, with few pages: sequences are preempted and start over. */
static void a_crowd_changes_nothing(void **state) {
    (void)state;
    int32_t prompt[60];
    size_t n = repetitive_prompt(prompt);
    for (size_t with_model = 0; with_model < 2; with_model++) {
        bn_engine *plain = make_engine(model, &(bn_engine_options){.n_threads = 1, .no_speculation = true});
        bn_engine *guessing = make_engine(model, &(bn_engine_options){.n_threads = 2,
                                                                      .kv_bytes = 3 << 20,
                                                                      .context_length = 256,
                                                                      .max_sequences = 6,
                                                                      .draft_model = with_model ? drafter : NULL});
        bn_request *requests[6];
        for (size_t i = 0; i < 6; i++) {
            bn_request_options o = request_kind(i);
            o.n = i == 1 ? 3 : 1;
            requests[i] = submit(guessing, prompt, n - i, &o);
        }
        for (size_t i = 0; i < 6; i++) {
            bn_error err = {0};
            bn_request_options o = request_kind(i);
            o.n = i == 1 ? 3 : 1;
            bn_request *alone = submit(plain, prompt, n - i, &o);
            assert_ok(bn_request_wait(alone, &err), err);
            assert_ok(bn_request_wait(requests[i], &err), err);
            for (size_t choice = 0; choice < o.n; choice++) {
                struct answer expected, got;
                read_choice(alone, choice, &expected);
                read_choice(requests[i], choice, &got);
                assert_same(&got, &expected);
            }
            bn_request_release(alone);
            bn_request_release(requests[i]);
        }
        bn_engine_destroy(plain);
        bn_engine_destroy(guessing);
    }
}

struct listener {
    int32_t ids[N_TOKENS];
    char text[4096];
    size_t n_ids, n_text, stop_after;
};

static bool listen(void *context, const bn_token_event *event) {
    struct listener *l = context;
    assert_true(l->n_text + event->text_bytes < sizeof l->text);
    memcpy(l->text + l->n_text, event->text, event->text_bytes);
    l->n_text += event->text_bytes;
    if (event->id >= 0) l->ids[l->n_ids++] = event->id;
    return l->n_ids < l->stop_after;
}

/* One event a token, in order; and who cancels after k tokens gets k tokens, however many the step had. */
static void callbacks_see_single_tokens(void **state) {
    (void)state;
    int32_t prompt[60];
    struct answer whole, cut;
    size_t n = repetitive_prompt(prompt);
    bn_engine *engine = make_engine(model, &(bn_engine_options){.n_threads = 1, .draft_model = drafter});
    for (size_t k = 1; k <= N_TOKENS; k += 5) {
        struct listener listener = {.stop_after = k};
        bn_request_options o = request_kind(0);
        ask(engine, prompt, n, &o, &whole);
        o.on_token = listen;
        o.on_token_context = &listener;
        bn_request *request = submit(engine, prompt, n, &o);
        bn_error err = {0};
        bn_status status = bn_request_wait(request, &err);
        read_choice(request, 0, &cut);
        assert_int_equal(status, BN_STATUS_CANCELLED);
        assert_int_equal(listener.n_ids, k);
        assert_int_equal(cut.n_ids, k);
        assert_memory_equal(cut.ids, whole.ids, k * sizeof *cut.ids);
        assert_memory_equal(listener.ids, whole.ids, k * sizeof *cut.ids);
        assert_int_equal(listener.n_text, strlen(cut.text));
        assert_memory_equal(listener.text, cut.text, listener.n_text);
        bn_request_release(request);
    }
    bn_engine_destroy(engine);
}

static void other_vocabularies_are_refused(void **state) {
    (void)state;
    bn_model *other = NULL;
    bn_engine *engine = NULL;
    bn_error err = {0};
    bn_engine_options o = {.size = sizeof o, .n_threads = 1, .max_drafts = MAX_DRAFTS + 1};
    assert_int_equal(bn_engine_create(model, &o, &engine, &err), BN_STATUS_BAD_ARGUMENT);
    assert_ok(bn_model_open(TEST_DATA "/models/bitnet-packed", NULL, &other, &err), err);
    o.max_drafts = 0;
    o.draft_model = other;
    assert_int_equal(bn_engine_create(model, &o, &engine, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "vocabulary"));
    bn_model_close(other);
}

/* Literally: every earlier end, the longest match wins, then the latest. */
static size_t search_literally(const int32_t *tokens, size_t n, size_t *from) {
    size_t best = 0;
    for (size_t end = 1; end < n; end++) {
        size_t length = 0;
        while (length < 16 && length < end && tokens[end - 1 - length] == tokens[n - 1 - length]) length++;
        if (length >= 2 && length >= best) {
            best = length;
            *from = end;
        }
    }
    return best;
}

static void lookups_find_the_longest_match(void **state) {
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 3000; round++) {
        int32_t tokens[80], drafts[MAX_DRAFTS];
        size_t n = round % 64, matched, expected_from = 0;
        for (size_t i = 0; i < n; i++) tokens[i] = (int32_t)((random = random * 1664525u + 1013904223u) >> 30);
        size_t expected = search_literally(tokens, n, &expected_from);
        size_t got = lookup_drafts(tokens, n, drafts, MAX_DRAFTS, &matched);
        assert_int_equal(matched, expected);
        assert_int_equal(got, expected ? MAX_DRAFTS : 0);
        for (size_t i = 0; i < got && expected_from + i < n; i++)
            assert_int_equal(drafts[i], tokens[expected_from + i]);
    }
}

/* Two tokens that take 1 + 0.1 (n − 1): a third one adds a tenth of the first's time. */
static void the_price_of_a_token_is_measured(void **state) {
    (void)state;
    struct speculation s = {0};
    double prior = step_cost_of_token(&s.cost, 1);
    assert_true(prior > 0 && prior < 0.5);
    for (size_t n = 1; n <= 8; n++) speculation_note_step(&s, n, 1000000 + 100000 * (n - 1));
    assert_true(fabs(step_cost_of_token(&s.cost, 1) - 0.1) < 1e-6);
    assert_true(fabs(step_cost_of_token(&s.cost, 4) - 0.4 / 1.3) < 1e-6);
    for (size_t i = 0; i < 500; i++) speculation_note_step(&s, 1 + i % 8, 1000000 * (1 + i % 8));
    assert_true(step_cost_of_token(&s.cost, 1) > 0.99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_change_nothing),           cmocka_unit_test(forced_text_changes_nothing),
        cmocka_unit_test(a_draft_model_changes_nothing),    cmocka_unit_test(a_screened_head_follows_guesses),
        cmocka_unit_test(a_crowd_changes_nothing),          cmocka_unit_test(callbacks_see_single_tokens),
        cmocka_unit_test(other_vocabularies_are_refused),   cmocka_unit_test(lookups_find_the_longest_match),
        cmocka_unit_test(the_price_of_a_token_is_measured),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
