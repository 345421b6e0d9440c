/* Text of a request: whole characters, the tokenizer's own decoding of the ids, and stop strings found wherever they
 * lie across tokens, with never a byte shown that belongs to one. */
#include "engine_run.h"

#include "base/utf8.h"

#define N_PROMPT 20

static bn_model *model;
static const bn_tokenizer *tokenizer;

static int open_model(void **state) {
    (void)state;
    model = open_demo();
    tokenizer = bn_model_tokenizer(model);
    return tokenizer ? 0 : -1;
}

static int close_model(void **state) {
    (void)state;
    bn_model_close(model);
    return 0;
}

/* What the callback was given, piece by piece. */
struct shown {
    char text[8192];
    size_t size;
    size_t n_events;
    bool broken; /* some piece had part of a character */
};

static bool show(void *context, const bn_token_event *event) {
    struct shown *shown = context;
    shown->broken |= !utf8_valid(event->text, event->text_bytes);
    memcpy(shown->text + shown->size, event->text, event->text_bytes);
    shown->size += event->text_bytes;
    shown->text[shown->size] = '\0';
    shown->n_events++;
    return true;
}

static void check_decoding(const struct answer *answer, bool skip_special) {
    char *text;
    size_t n;
    bn_error err = {0};
    assert_ok(bn_tokenizer_decode(tokenizer, answer->ids, answer->n_ids, skip_special, &text, &n, &err), err);
    assert_string_equal(answer->text, text);
    bn_free(text);
}

/* Hot sampling strings bytes together that are no characters; still only whole ones come out. */
static void test_pieces_are_whole_characters(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT];
    bn_engine *engine = make_engine(model, NULL);
    make_prompt(prompt, N_PROMPT, 1);
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct shown shown = {0};
        struct answer got;
        bn_request_options options = sampled(60, seed);
        options.sampling.temperature = 5;
        options.on_token = show;
        options.on_token_context = &shown;
        ask(engine, prompt, N_PROMPT, &options, &got);
        assert_false(shown.broken);
        assert_true(utf8_valid(got.text, strlen(got.text)));
        assert_string_equal(shown.text, got.text);
        assert_int_equal(shown.n_events, got.n_ids + 1);
        check_decoding(&got, true);
    }
    bn_engine_destroy(engine);
}

static void ask_with_stops(bn_engine *engine, const char *const *stops, size_t n, struct answer *got,
                           struct shown *shown) {
    int32_t prompt[N_PROMPT];
    make_prompt(prompt, N_PROMPT, 1);
    bn_request_options options = greedy(40);
    options.ignore_end = true;
    options.stop = stops;
    options.n_stop = n;
    options.on_token = show;
    options.on_token_context = shown;
    *shown = (struct shown){0};
    ask(engine, prompt, N_PROMPT, &options, got);
}

static void check_stop(bn_engine *engine, const char *const *stops, size_t n, const char *whole) {
    struct answer got;
    struct shown shown;
    size_t begin = SIZE_MAX, end = SIZE_MAX; /* of the match that is complete first, the longer of equals */
    for (size_t i = 0; i < n; i++) {
        const char *at = strstr(whole, stops[i]);
        if (!at) continue;
        size_t from = (size_t)(at - whole), to = from + strlen(stops[i]);
        if (to < end || (to == end && from < begin)) begin = from, end = to;
    }
    ask_with_stops(engine, stops, n, &got, &shown);
    assert_int_equal(got.finish, begin == SIZE_MAX ? BN_FINISH_LENGTH : BN_FINISH_STOP);
    assert_int_equal(strlen(got.text), begin == SIZE_MAX ? strlen(whole) : begin);
    assert_memory_equal(got.text, whole, strlen(got.text));
    assert_string_equal(shown.text, got.text);
    assert_false(shown.broken);
}

static void test_stop_strings_across_tokens(void **state) {
    (void)state;
    struct answer free_run;
    struct shown shown;
    bn_engine *engine = make_engine(model, NULL);
    ask_with_stops(engine, NULL, 0, &free_run, &shown);
    const char *whole = free_run.text;
    size_t size = strlen(whole);
    assert_true(size > 60);
    for (size_t from = 0; from + 12 < size; from += 7) {
        for (size_t n = 1; n <= 12; n += 3) {
            char stop[16] = {0};
            memcpy(stop, whole + from, n);
            const char *const one[] = {stop}, *const two[] = {"\x01nowhere", stop};
            if (!utf8_valid(stop, n)) continue;
            check_stop(engine, one, 1, whole);
            check_stop(engine, two, 2, whole);
        }
    }
    bn_engine_destroy(engine);
}

static void test_overlapping_stop_strings(void **state) {
    (void)state;
    struct answer free_run;
    struct shown shown;
    bn_engine *engine = make_engine(model, NULL);
    ask_with_stops(engine, NULL, 0, &free_run, &shown);
    size_t middle = strlen(free_run.text) / 2;
    while ((free_run.text[middle] & 0xC0) == 0x80) middle++;
    char inner[8] = {0}, outer[16] = {0}, never[16] = {0};
    memcpy(inner, free_run.text + middle, 4);     /* ends within … */
    memcpy(outer, free_run.text + middle - 3, 9); /* … this one, so it is complete first */
    memcpy(never, free_run.text + middle - 3, 9); /* begins like the text but ends otherwise: only held back */
    never[9] = '\x01';
    if (utf8_valid(inner, 4) && utf8_valid(outer, 9)) {
        check_stop(engine, (const char *const[]){outer, inner}, 2, free_run.text);
        check_stop(engine, (const char *const[]){never}, 1, free_run.text);
    }
    bn_engine_destroy(engine);
}

static void test_end_token_is_counted_but_silent(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT], eos = bn_tokenizer_eos(tokenizer);
    struct answer got;
    assert_true(eos >= 0);
    make_prompt(prompt, N_PROMPT, 1);
    bn_engine *engine = make_engine(model, NULL);
    bn_logit_bias force = {eos, 100};
    bn_request_options options = greedy(5);
    options.sampling.logit_bias = &force;
    options.sampling.n_logit_bias = 1;
    ask(engine, prompt, N_PROMPT, &options, &got);
    assert_int_equal(got.finish, BN_FINISH_STOP);
    assert_int_equal(got.n_ids, 1);
    assert_int_equal(got.ids[0], eos);
    assert_string_equal(got.text, "");
    options.ignore_end = true;
    ask(engine, prompt, N_PROMPT, &options, &got);
    assert_int_equal(got.finish, BN_FINISH_LENGTH);
    assert_int_equal(got.n_ids, 5);
    assert_string_equal(got.text, "");
    options.ignore_end = false;
    options.keep_special = true;
    ask(engine, prompt, N_PROMPT, &options, &got);
    check_decoding(&got, false);
    assert_true(strlen(got.text) > 0);
    bn_engine_destroy(engine);
}

static void test_beams_have_text(void **state) {
    (void)state;
    int32_t prompt[N_PROMPT];
    struct shown shown = {0};
    struct answer got;
    make_prompt(prompt, N_PROMPT, 2);
    bn_engine *engine = make_engine(model, NULL);
    bn_request_options options = greedy(12);
    options.beams = 3;
    options.on_token = show;
    options.on_token_context = &shown;
    ask(engine, prompt, N_PROMPT, &options, &got);
    check_decoding(&got, true);
    assert_string_equal(shown.text, got.text);
    assert_int_equal(shown.n_events, 1);
    bn_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_whole_characters),
        cmocka_unit_test(test_stop_strings_across_tokens),
        cmocka_unit_test(test_overlapping_stop_strings),
        cmocka_unit_test(test_end_token_is_counted_but_silent),
        cmocka_unit_test(test_beams_have_text),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
