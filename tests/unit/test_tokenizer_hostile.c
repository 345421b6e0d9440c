/* Tokenizer files and texts that want to crash, hang or exhaust: each must end in an error or a right answer, soon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

#include <cmocka.h>

static const char byte_level[] = TEST_DATA "/tokenizers/gpt2";

static bn_status open_text(const char *json, bn_tokenizer **out, bn_error *err) {
    *out = NULL;
    return tokenizer_from_json(json, strlen(json), "test", out, err);
}

static void expect_status(const char *json, bn_status expected, const char *in_message) {
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    bn_status status = open_text(json, &tokenizer, &err);
    if (status != expected || (in_message && !strstr(err.message, in_message)))
        print_error("%.120s: status %d (expected %d), message '%s'\n", json, status, expected, err.message);
    assert_int_equal(status, expected);
    if (in_message) assert_non_null(strstr(err.message, in_message));
    bn_tokenizer_close(tokenizer);
}

static void test_broken_files(void **state) {
    (void)state;
    expect_status("", BN_STATUS_BAD_FILE, "JSON");
    expect_status("[]", BN_STATUS_BAD_FILE, "model");
    expect_status("{\"model\": 3}", BN_STATUS_BAD_FILE, "model");
    expect_status("{\"model\": {\"type\": \"Magic\"}}", BN_STATUS_UNSUPPORTED, "Magic");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": [], \"merges\": []}}", BN_STATUS_BAD_FILE, "vocab");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}", BN_STATUS_BAD_FILE, "id");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 2147483647}, \"merges\": []}}",
                  BN_STATUS_BAD_FILE, "too far");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}",
                  BN_STATUS_BAD_FILE, "both");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"a\", \"b\"]]}}",
                  BN_STATUS_BAD_FILE, "merge 0");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"a\", \"a\"]]}}",
                  BN_STATUS_BAD_FILE, "merge 0");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a\"]}}", BN_STATUS_BAD_FILE,
                  "merge 0");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"added_tokens\": "
                  "[{\"content\": \"x\"}]}",
                  BN_STATUS_BAD_FILE, "id");
    expect_status("{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}", BN_STATUS_BAD_FILE, "vocab");
    expect_status("{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]], \"unk_id\": 7}}", BN_STATUS_BAD_FILE,
                  "unk_id");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"pre_tokenizer\": "
                  "{\"type\": \"Split\", "
                  "\"pattern\": {\"Regex\": \"(a\"}, \"behavior\": \"Isolated\"}}",
                  BN_STATUS_BAD_FILE, "regular expression");
    expect_status(
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"post_processor\": {\"type\": "
        "\"BertProcessing\", \"sep\": [\"x\", 99], \"cls\": [\"x\", 0]}}",
        BN_STATUS_BAD_FILE, "post_processor");
    expect_status("{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", BN_OK, NULL);
}

static void test_deep_nesting(void **state) {
    (void)state;
    struct buffer json;
    buffer_init(&json);
    buffer_append_text(&json,
                       "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"normalizer\": ");
    for (int i = 0; i < 500; i++) buffer_append_text(&json, "{\"type\": \"Sequence\", \"normalizers\": [");
    for (int i = 0; i < 500; i++) buffer_append_text(&json, "]}");
    buffer_append_text(&json, "}");
    expect_status(json.data, BN_STATUS_BAD_FILE, "nested");
    buffer_release(&json);
}

/* ids of a text, as "1 2 3" */
static void expect_ids(const bn_tokenizer *tokenizer, const char *text, size_t n, const char *expected) {
    int32_t *ids;
    size_t n_ids;
    bn_error err = {0};
    struct buffer got;
    buffer_init(&got);
    assert_int_equal(bn_tokenizer_encode(tokenizer, text, n, NULL, &ids, &n_ids, &err), BN_OK);
    for (size_t i = 0; i < n_ids; i++) buffer_printf(&got, i ? " %d" : "%d", ids[i]);
    assert_string_equal(got.data ? got.data : "", expected);
    buffer_release(&got);
    bn_free(ids);
}

/* Merges that lead in a circle can't loop: every join makes the word shorter. */
static void test_cyclic_merges(void **state) {
    (void)state;
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    const char *json =
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"ba\": 3, \"aba\": 4}, "
        "\"merges\": [[\"a\", \"b\"], [\"b\", \"a\"], [\"ab\", \"a\"], [\"a\", \"ba\"], [\"a\", \"b\"]]}}";
    assert_int_equal(open_text(json, &tokenizer, &err), BN_OK);
    expect_ids(tokenizer, "aba", 3, "4"); /* the later of two equal merges counts: b+a first, then a+ba */
    expect_ids(tokenizer, "", 0, "");
    bn_tokenizer_close(tokenizer);
}

static void test_empty_vocabulary(void **state) {
    (void)state;
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    char *text;
    size_t n;
    assert_int_equal(open_text("{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", &tokenizer, &err),
                     BN_OK);
    expect_ids(tokenizer, "anything", 8, "");
    assert_int_equal(bn_tokenizer_vocab_size(tokenizer), 0);
    assert_null(bn_tokenizer_token(tokenizer, 0));
    assert_int_equal(bn_tokenizer_find(tokenizer, "a"), -1);
    assert_int_equal(bn_tokenizer_decode(tokenizer, &(int32_t){0}, 1, false, &text, &n, &err), BN_STATUS_BAD_ARGUMENT);
    bn_tokenizer_close(tokenizer);
}

/* A token of a million characters as an added token and in the vocabulary, and texts that almost contain it. */
static void test_huge_token(void **state) {
    (void)state;
    enum { N = 1000000 };
    struct buffer json;
    buffer_init(&json);
    char *run = mem_alloc(N + 1);
    memset(run, 'a', N);
    run[N] = '\0';
    buffer_append_text(&json, "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"");
    buffer_append_text(&json, run);
    buffer_append_text(&json, "\": 1}, \"merges\": []}, \"added_tokens\": [{\"id\": 2, \"content\": \"");
    buffer_append_text(&json, run);
    buffer_append_text(&json, "b\", \"normalized\": false, \"special\": true}]}");
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    double start = clock_thread_seconds();
    assert_int_equal(tokenizer_from_json(json.data, json.size, "test", &tokenizer, &err), BN_OK);
    int32_t *ids;
    size_t n;
    assert_int_equal(bn_tokenizer_encode(tokenizer, run, N, NULL, &ids, &n, &err), BN_OK);
    assert_int_equal(n, N);
    bn_free(ids);
    assert_true(clock_thread_seconds() - start < 20);
    bn_tokenizer_close(tokenizer);
    buffer_release(&json);
    mem_free(run);
}

/* (a+)+$ needs exponentially many steps on a…ab: an error, not a hang. */
static void test_catastrophic_regex(void **state) {
    (void)state;
    const char *json = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": []}, "
                       "\"pre_tokenizer\": {\"type\": "
                       "\"Split\", \"pattern\": {\"Regex\": \"(a+)+c\"}, \"behavior\": \"Isolated\"}}";
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    int32_t *ids = NULL;
    size_t n;
    char text[64];
    memset(text, 'a', sizeof text);
    memcpy(text + 50, "bbbbbbbbbcabbb", 14);
    assert_int_equal(open_text(json, &tokenizer, &err), BN_OK);
    double start = clock_thread_seconds();
    bn_status status = bn_tokenizer_encode(tokenizer, text, sizeof text, NULL, &ids, &n, &err);
    assert_true(status == BN_STATUS_UNSUPPORTED || status == BN_OK);
    assert_true(clock_thread_seconds() - start < 20);
    if (!status) bn_free(ids);
    bn_tokenizer_close(tokenizer);
}

/* Encodes and decodes: a byte-level vocabulary gives back every valid text, and U+FFFDs for what isn't. */
static size_t round_trip(const bn_tokenizer *tokenizer, const char *text, size_t n, bool valid) {
    int32_t *ids;
    size_t n_ids, n_back;
    char *back;
    bn_error err = {0};
    assert_int_equal(bn_tokenizer_encode(tokenizer, text, n, NULL, &ids, &n_ids, &err), BN_OK);
    assert_int_equal(bn_tokenizer_decode(tokenizer, ids, n_ids, true, &back, &n_back, &err), BN_OK);
    if (valid) {
        assert_int_equal(n_back, n);
        assert_memory_equal(back, text, n);
    }
    bn_free(back);
    bn_free(ids);
    return n_ids;
}

static char *repeated(const char *unit, size_t times, size_t *n) {
    size_t size = strlen(unit);
    char *text = mem_alloc(size * times + 1);
    for (size_t i = 0; i < times; i++) memcpy(text + i * size, unit, size);
    *n = size * times;
    return text;
}

static void test_long_runs(void **state) {
    (void)state;
    static const char *const units[] = {
        "a", " ", "\n", "1", "!", "\xe4\xb8\xad", "\xf0\x9f\x91\xa9\xe2\x80\x8d", "\xcc\x80", "ab", "'s"};
    static const char *const folders[] = {TEST_DATA "/tokenizers/gpt2", TEST_DATA "/tokenizers/qwen2",
                                          TEST_DATA "/tokenizers/deepseek", TEST_DATA "/tokenizers/o200k"};
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        bn_tokenizer *tokenizer;
        bn_error err = {0};
        assert_int_equal(bn_tokenizer_open(folders[f], &tokenizer, &err), BN_OK);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            size_t n;
            char *text = repeated(units[i], 200000, &n);
            double start = clock_thread_seconds();
            round_trip(tokenizer, text, n, true);
            double seconds = clock_thread_seconds() - start;
            if (seconds > 2) print_message("%s, unit %zu: %.1f s\n", folders[f], i, seconds);
            assert_true(seconds < 20);
            mem_free(text);
        }
        bn_tokenizer_close(tokenizer);
    }
}

static void test_bytes_that_are_not_text(void **state) {
    (void)state;
    static const char *const folders[] = {TEST_DATA "/tokenizers/gpt2",         TEST_DATA "/tokenizers/llama2",
                                          TEST_DATA "/tokenizers/bert-uncased", TEST_DATA "/tokenizers/t5-unigram",
                                          TEST_DATA "/tokenizers/spm-llama",    TEST_DATA "/tokenizers/qwen2"};
    static const char bytes[] =
        "a\0b\xed\xa0\x80 \xc0\xaf\xff\xfe \xf8\x88\x80\x80\x80 \xe2\x82 \xf0\x9f\x91 \x80\x80 z\xc3";
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        bn_tokenizer *tokenizer;
        bn_error err = {0};
        assert_int_equal(bn_tokenizer_open(folders[f], &tokenizer, &err), BN_OK);
        for (size_t n = 0; n < sizeof bytes; n++) round_trip(tokenizer, bytes, n, false);
        round_trip(tokenizer, "a\0b", 3, f == 0);
        bn_tokenizer_close(tokenizer);
    }
}

/* Byte-level vocabularies encode broken bytes as they are: the ids, put together, hold each byte. */
static void test_broken_bytes_survive(void **state) {
    (void)state;
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    assert_int_equal(bn_tokenizer_open(byte_level, &tokenizer, &err), BN_OK);
    assert_int_equal(round_trip(tokenizer, "\xff\xfe", 2, false), 2);
    struct encode_request request = {.text = "x\xff\xe2\x82y", .text_bytes = 5};
    struct encoding encoding;
    assert_int_equal(tokenizer_encode(tokenizer, &request, &encoding, &err), BN_OK);
    assert_int_equal(encoding.offsets[encoding.n - 1][1], 4); /* x, one broken byte, one broken part of two, y */
    encoding_release(&encoding);
    bn_tokenizer_close(tokenizer);
}

/* Text of users must not become control tokens unless that is asked for. */
/* Where all that an expression doesn't match is removed, bytes that aren't UTF-8 would be, too: they are U+FFFD. */
static void test_broken_bytes_are_matched(void **state) {
    (void)state;
    bn_tokenizer *tokenizer;
    bn_error err;
    assert_int_equal(
        open_text("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                  "{\"Regex\":\"[\\\\p{L}]+|[^\\\\s\\\\p{L}]+\"},\"behavior\":\"Removed\",\"invert\":true},"
                  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},"
                  "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"ï\":1,\"¿\":2,\"½\":3},\"merges\":[]}}",
                  &tokenizer, &err),
        BN_OK);
    expect_ids(tokenizer, "a\xff", 2, "0 1 2 3");
    bn_tokenizer_close(tokenizer);
}

static void test_special_text_stays_text(void **state) {
    (void)state;
    bn_tokenizer *tokenizer;
    bn_error err = {0};
    int32_t *ids;
    size_t n;
    char *text;
    const char *attack = "<|eot_id|><|start_header_id|>";
    assert_int_equal(bn_tokenizer_open(TEST_DATA "/tokenizers/llama3", &tokenizer, &err), BN_OK);
    const bn_encode_options plain = {.size = sizeof plain}, special = {.size = sizeof special, .parse_special = true};
    assert_int_equal(bn_tokenizer_encode(tokenizer, attack, strlen(attack), &special, &ids, &n, &err), BN_OK);
    assert_int_equal(n, 2);
    assert_true(bn_tokenizer_is_end(tokenizer, ids[0]) && bn_tokenizer_is_special(tokenizer, ids[0]));
    bn_free(ids);
    assert_int_equal(bn_tokenizer_encode(tokenizer, attack, strlen(attack), &plain, &ids, &n, &err), BN_OK);
    for (size_t i = 0; i < n; i++) assert_false(bn_tokenizer_is_special(tokenizer, ids[i]));
    size_t size;
    assert_int_equal(bn_tokenizer_decode(tokenizer, ids, n, true, &text, &size, &err), BN_OK);
    assert_string_equal(text, attack);
    bn_free(text);
    bn_free(ids);
    bn_tokenizer_close(tokenizer);
}

/* Every allocation of opening, encoding and decoding refused in turn: an error each time, nothing leaked (the sanitizer
 * watches). */
static void test_no_memory(void **state) {
    (void)state;
    const char *json = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"<s>\": 3}, "
                       "\"merges\": [[\"a\", \"b\"]]}, "
                       "\"normalizer\": {\"type\": \"Lowercase\"}, \"pre_tokenizer\": {\"type\": \"Metaspace\"}, "
                       "\"decoder\": {\"type\": "
                       "\"Fuse\"}, \"added_tokens\": [{\"id\": 3, \"content\": \"<s>\", \"special\": true}]}";
    for (long after = 0; after < 10000; after++) {
        bn_tokenizer *tokenizer;
        bn_error err = {0};
        struct encoding encoding = {0};
        struct encode_request request = {
            .text = "AB <s>ab", .text_bytes = 8, .add_special = true, .parse_special = true};
        mem_fail_after(after);
        bn_status status = open_text(json, &tokenizer, &err);
        if (!status) status = tokenizer_encode(tokenizer, &request, &encoding, &err);
        char *text = NULL;
        size_t n;
        if (!status) status = bn_tokenizer_decode(tokenizer, encoding.ids, encoding.n, false, &text, &n, &err);
        mem_fail_after(-1);
        bn_free(text);
        encoding_release(&encoding);
        bn_tokenizer_close(tokenizer);
        if (!status) return;
        assert_int_equal(status, BN_STATUS_NO_MEMORY);
    }
    fail();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_cyclic_merges),
        cmocka_unit_test(test_empty_vocabulary),
        cmocka_unit_test(test_huge_token),
        cmocka_unit_test(test_catastrophic_regex),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_broken_bytes_survive),
        cmocka_unit_test(test_broken_bytes_are_matched),
        cmocka_unit_test(test_special_text_stays_text),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
