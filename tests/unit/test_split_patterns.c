/* Split patterns in Oniguruma's syntax against the reference: tests/data/tokenizers/patterns.jsonl, written by
 * tools/make_pattern_cases.py. And that no pattern takes more than its share of time or memory. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "test.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/regex_syntax.h"
#include "tokenizer/unicode.h"

/* The pieces, isolated, as a JSON array; NULL where matching is refused. */
static json_t *split(const struct regex *regex, const char *text, size_t n) {
    struct regex_search search;
    size_t gap = 0, begin, end;
    bool found;
    bn_error err;
    json_t *pieces = json_array();
    assert_int_equal(regex_search_begin(regex, &search, &err), BN_OK);
    bn_status status;
    while (!(status = regex_search_next(&search, text, n, gap, &found, &begin, &end, &err)) && found) {
        if (gap < begin) json_array_append_new(pieces, json_stringn_nocheck(text + gap, begin - gap));
        if (begin < end) json_array_append_new(pieces, json_stringn_nocheck(text + begin, end - begin));
        gap = end;
    }
    if (gap < n) json_array_append_new(pieces, json_stringn_nocheck(text + gap, n - gap));
    regex_search_end(&search);
    assert_int_equal(status, BN_OK);
    return pieces;
}

static size_t n_failures;

static void check_case(const json_t *test) {
    const json_t *pattern = json_object_get(test, "pattern"), *text = json_object_get(test, "text"),
                 *expected = json_object_get(test, "pieces");
    struct regex *regex;
    bn_error err = {0};
    bn_status status = regex_compile(json_string_value(pattern), json_string_length(pattern), REGEX_RUBY, &regex, &err);
    json_t *got = status ? json_null() : split(regex, json_string_value(text), json_string_length(text));
    if (json_is_null(expected)) { /* what the reference refuses may be accepted */
        json_decref(got);
        if (!status) regex_free(regex);
        return;
    }
    if (!json_equal(expected, got)) {
        char *line = json_dumps(test, 0), *found = json_dumps(got, JSON_ENCODE_ANY);
        print_error("%s\n  got %s %s\n", line, found, err.message);
        free(line);
        free(found);
    }
    n_failures += !json_equal(expected, got);
    json_decref(got);
    if (!status) regex_free(regex);
}

static void test_reference(void **state) {
    static const char path[] = TEST_DATA "/tokenizers/patterns.jsonl";
    char *text;
    size_t size, n_cases = 0;
    bn_error err;
    (void)state;
    assert_int_equal(file_read_all(path, 1 << 24, &text, &size, &err), BN_OK);
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        json_t *test;
        assert_int_equal(json_parse(at, (size_t)(end - at), path, &test, &err), BN_OK);
        check_case(test);
        json_decref(test);
        n_cases++;
    }
    assert_true(n_cases > 200);
    assert_int_equal(n_failures, 0);
    mem_free(text);
}

/* ---- scanners against the expressions they stand for ---- */

static bn_status write_piece(void *context, const struct text *text, struct piece piece, bn_error *err) {
    (void)err;
    buffer_append(context, text->bytes + piece.begin, piece.end - piece.begin);
    buffer_append_char(context, '|');
    return BN_OK;
}

/* The pieces of a text, a bar behind each. */
static void cut(const struct pretokenizer_step *step, const char *bytes, size_t n, struct buffer *out) {
    struct pretokenizer pretokenizer = {(struct pretokenizer_step *)step, 1};
    struct pretokenizer_scratch scratch = {0};
    struct text text = {.unaligned = true};
    struct pieces pieces = {0};
    bn_error err;
    buffer_clear(out);
    text_borrow(&text, bytes, 0, n);
    pieces_push(&pieces, 0, (uint32_t)n, -1);
    assert_ok(pretokenizer_apply(&pretokenizer, &text, &pieces, &scratch, &(struct piece_sink){write_piece, out}, &err),
              err);
    pretokenizer_scratch_release(&scratch);
    pieces_release(&pieces);
    text_release(&text);
}

/* The text must be cut in the same places, whatever becomes of the matches. */
static void check_scanner(struct pretokenizer_step *scanner, struct pretokenizer_step *expression, const char *text,
                          size_t n) {
    static struct buffer got, expected;
    for (int behavior = 0; behavior <= SPLIT_CONTIGUOUS; behavior++) {
        scanner->behavior = expression->behavior = (enum split_behavior)behavior;
        cut(scanner, text, n, &got);
        cut(expression, text, n, &expected);
        if (got.size == expected.size && (n == 0 || memcmp(got.data, expected.data, got.size) == 0)) continue;
        test_fail("behavior %d: got '%s', expected '%s'", behavior, got.data, expected.data);
    }
}

static void check_random_texts(struct pretokenizer_step *scanner, struct pretokenizer_step *expression) {
    static const char *const parts[] = {"1",
                                        "2",
                                        "\xd9\xa3",
                                        "\xc2\xb2",
                                        "\xc2\xbd",
                                        "\xe2\x85\xa3",
                                        "a",
                                        "\xc3\xa9",
                                        "_",
                                        "\xe2\x80\x8d",
                                        "\xe2\x80\x8c",
                                        "\xcc\x81",
                                        " ",
                                        "\xff",
                                        "\xc3",
                                        "-",
                                        "\xf0\x9d\x9f\x8e"};
    uint64_t random = 1;
    for (size_t i = 0; i < 20000; i++) {
        char text[128];
        size_t n = 0, n_parts = (random = random * UINT64_C(6364136223846793005) + 1442695040888963407) >> 60;
        for (size_t k = 0; k < n_parts; k++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            size_t choice = random >> 33 & 1 ? random >> 40 & 1 : (random >> 40) % (sizeof parts / sizeof *parts);
            memcpy(text + n, parts[choice], strlen(parts[choice]));
            n += strlen(parts[choice]);
        }
        check_scanner(scanner, expression, text, n);
    }
}

/* Every character before digits, behind them and between. */
static void check_characters(struct pretokenizer_step *scanner, struct pretokenizer_step *expression) {
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0x32000 && c < 0xe0000) continue; /* nothing there */
        char character[4], text[32];
        size_t size = unicode_put(c, character), n = 0;
        if (c >= 0xd800 && c < 0xe000) continue;
        for (size_t part = 0; part < 3; part++) {
            memcpy(text + n, "1234", part == 1 ? 4 : 2);
            n += part == 1 ? 4 : 2;
            memcpy(text + n, character, size);
            n += size;
        }
        scanner->behavior = expression->behavior = SPLIT_ISOLATED;
        static struct buffer got, expected;
        cut(scanner, text, n, &got);
        cut(expression, text, n, &expected);
        if (got.size != expected.size || memcmp(got.data, expected.data, got.size) != 0)
            test_fail("U+%04X: got '%s', expected '%s'", (unsigned)c, got.data, expected.data);
    }
}

static void test_digit_scanners(void **state) {
    static const char *const patterns[] = {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", "\\d{1,3}(?=(?:\\d{3})*\\b)",
                                           "(?=(\\d{3})+(?!\\d))"};
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct pretokenizer_step scanner = {.kind = PRETOKENIZE_SCANNER}, expression = {.kind = PRETOKENIZE_REGEX};
        bn_error err;
        scanner.scan = split_pattern_find(patterns[i], REGEX_RUBY);
        assert_true(scanner.scan != NULL);
        scanner.matches = split_pattern_matches(scanner.scan);
        assert_string_equal(split_pattern_regex(scanner.scan), patterns[i]);
        assert_ok(regex_compile(patterns[i], strlen(patterns[i]), REGEX_RUBY, &expression.regex, &err), err);
        check_random_texts(&scanner, &expression);
        check_characters(&scanner, &expression);
        regex_free(expression.regex);
    }
}

/* Rust's regex and fancy-regex: possessive intervals, $ only at the end, named groups with P. */
static void test_rust(void **state) {
    static const struct {
        const char *pattern, *text, *pieces;
    } cases[] = {
        {"\\d{1,3}+", "1234567", "[\"123\", \"456\", \"7\"]"},
        {"\\s++$|\\s", "a \n\nb \n", "[\"a\", \" \", \"\\n\", \"\\n\", \"b\", \" \\n\"]"},
        {"(?P<x>a)\\k<x>", "aab", "[\"aa\", \"b\"]"},
        {"[a-z&&[^aeiou]]+", "hello", "[\"h\", \"e\", \"ll\", \"o\"]"},
        {"\\w+", "a\u200db\u00b2", "[\"a\u200db\", \"\u00b2\"]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct regex *regex;
        bn_error err;
        json_t *expected = json_loads(cases[i].pieces, 0, NULL);
        assert_int_equal(regex_compile(cases[i].pattern, strlen(cases[i].pattern), REGEX_RUST, &regex, &err), BN_OK);
        json_t *got = split(regex, cases[i].text, strlen(cases[i].text));
        if (!json_equal(expected, got)) print_error("%s: %s\n", cases[i].pattern, json_dumps(got, 0));
        assert_true(json_equal(expected, got));
        json_decref(expected);
        json_decref(got);
        regex_free(regex);
    }
}

static struct buffer repeated(const char *before, const char *part, size_t n, const char *behind) {
    struct buffer out;
    buffer_init(&out);
    buffer_append_text(&out, before);
    for (size_t i = 0; i < n; i++) buffer_append_text(&out, part);
    buffer_append_text(&out, behind);
    return out;
}

/* Written out, a pattern may grow, but not without bound. */
static void test_hostile(void **state) {
    (void)state;
    struct regex *none;
    bn_error message;
    char broken[] = {'(', 'a', 'b'}; /* a pattern needs no NUL behind it, in messages either */
    assert_int_equal(regex_compile(broken, 2, REGEX_RUBY, &none, &message), BN_STATUS_BAD_FILE);
    assert_non_null(strstr(message.message, "'(a'"));
    static const struct {
        const char *before, *part, *behind;
    } cases[] = {
        {"", "[", ""}, {"", "[^", "a"},     {"", "\\p{L}", ""},        {"[", "\\p{L}&&", "]"}, {"", "[\\w", ""},
        {"", "(", ""}, {"", "a{1,2}+", ""}, {"[", "[^\\p{Han}]", "]"}, {"", "\\b", ""},        {"", "(?", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer pattern = repeated(cases[i].before, cases[i].part, 6000, cases[i].behind), translated;
        struct regex *regex;
        bn_error err;
        buffer_init(&translated);
        regex_translate(pattern.data, pattern.size, REGEX_RUBY, &translated);
        assert_in_range(translated.size, 0, 4 * (size_t)REGEX_TRANSLATED_MAX);
        if (!regex_compile(pattern.data, pattern.size, REGEX_RUBY, &regex, &err)) regex_free(regex);
        buffer_release(&translated);
        buffer_release(&pattern);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_rust),
                                       cmocka_unit_test(test_digit_scanners), cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
