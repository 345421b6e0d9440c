/* What models say is taken apart the same way however it is cut into pieces, and nothing gets lost: what isn't a call is
 * text, byte for byte. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "server/output_parser.h"

struct seen {
    struct buffer log; /* "t(text)", "r(thoughts)", "c(name|arguments)" in order; neighbours of one kind are joined */
    char last;
};

static void add(struct seen *seen, char kind, const char *text, size_t n) {
    if (seen->last != kind) {
        if (seen->last) buffer_append_char(&seen->log, ')');
        buffer_append_char(&seen->log, kind);
        buffer_append_char(&seen->log, '(');
        seen->last = kind;
    }
    buffer_append(&seen->log, text, n);
}

static void on_text(void *context, const char *text, size_t n) {
    add(context, 't', text, n);
}
static void on_reasoning(void *context, const char *text, size_t n) {
    add(context, 'r', text, n);
}
static void on_begin(void *context, const char *name, size_t n) {
    struct seen *seen = context;
    add(seen, 'c', name, n);
    buffer_append_char(&seen->log, '|');
}
static void on_arguments(void *context, const char *text, size_t n) {
    add(context, 'c', text, n);
}
static void on_end(void *context) {
    struct seen *seen = context;
    assert_int_equal(seen->last, 'c');
    buffer_append_char(&seen->log, ')');
    seen->last = 0;
}
static const struct output_events events = {on_text, on_reasoning, on_begin, on_arguments, on_end};
static const char *const names[] = {"get_weather", "f", NULL};

static void check(enum tool_syntax syntax, const char *said, const char *expected) {
    size_t size = strlen(said);
    for (size_t piece = 1; piece <= size; piece++) {
        struct seen seen = {0};
        struct output_parser parser;
        output_parser_init(&parser, syntax, names, true, false, &events, &seen);
        for (size_t at = 0; at < size; at += piece)
            assert_true(output_parser_push(&parser, said + at, size - at < piece ? size - at : piece));
        assert_true(output_parser_finish(&parser));
        if (seen.last) buffer_append_char(&seen.log, ')');
        if (strcmp(seen.log.data ? seen.log.data : "", expected) != 0)
            test_fail("pieces of %zu of '%s':\n  got      %s\n  expected %s", piece, said, seen.log.data, expected);
        buffer_release(&seen.log);
        output_parser_release(&parser);
    }
}

static void test_text_and_thoughts(void **state) {
    (void)state;
    check(TOOLS_NONE, "Hello <tool_call> {x", "t(Hello <tool_call> {x)");
    check(TOOLS_NONE, "<think>so <b>\n</think>\n\nHi < there", "r(so <b>\n)t(Hi < there)");
    check(TOOLS_NONE, "\n<think>so", "r(so)");
    check(TOOLS_NONE, "<thin air", "t(<thin air)");
    check(TOOLS_NONE, "no <think>later</think>", "t(no <think>later</think>)");
    check(TOOLS_NONE, "  \xc3\xa4\xe2\x82\xac", "t(  \xc3\xa4\xe2\x82\xac)");
}

static void test_hermes(void **state) {
    (void)state;
    check(TOOLS_HERMES, "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"}{\\\"\"}}\n</tool_call>",
          "c(get_weather|{\"city\": \"}{\\\"\"})");
    check(TOOLS_HERMES,
          "Well.\n<tool_call>{\"arguments\":{\"a\":[1,{}]},\"name\":\"f\"}</tool_call>\n<tool_call>{\"name\":\"g\"}"
          "</tool_call>\nDone",
          "t(Well.\n)c(f|{\"a\":[1,{}]})c(g|{})t(Done)");
    check(TOOLS_HERMES, "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>", "c(f|{\"a\": 1})");
    check(TOOLS_HERMES, "a <tool_cal b", "t(a <tool_cal b)");
    check(TOOLS_HERMES, "<tool_call>nothing</tool_call>", "t(<tool_call>nothing</tool_call>)");
    check(TOOLS_HERMES, "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":", "c(f|{\"a\":)");
    check(TOOLS_HERMES, "<tool_call>{\"name\":\"f\"}</tool_call><tool_call>x", "c(f|{})t(<tool_call>x)");
    check(TOOLS_HERMES, "<tool_call>{\"nam", "t(<tool_call>{\"nam)");
}

static void test_json(void **state) {
    (void)state;
    check(TOOLS_JSON, "{\"name\": \"f\", \"parameters\": {\"x\": null}}", "c(f|{\"x\": null})");
    check(TOOLS_JSON, " {\"name\":\"f\",\"parameters\":{}}; {\"name\":\"get_weather\",\"parameters\":{\"a\":1}}",
          "c(f|{})c(get_weather|{\"a\":1})");
    check(TOOLS_JSON, "<|python_tag|>{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}", "c(f|{})");
    check(TOOLS_JSON, "{\"name\": \"stranger\", \"arguments\": {}}", "t({\"name\": \"stranger\", \"arguments\": {}})");
    check(TOOLS_JSON, "{\"answer\": 42}", "t({\"answer\": 42})");
    check(TOOLS_JSON, "{not json", "t({not json)");
    check(TOOLS_JSON, "{\"\\u006eame\": \"\\u0066\", \"argument\\u0073\":\n{\"a\": 1}}", "c(f|{\"a\": 1})");
    check(TOOLS_JSON, "{\"na\\qme\": 1}", "t({\"na\\qme\": 1})");
}

static void test_mistral(void **state) {
    (void)state;
    check(TOOLS_MISTRAL,
          "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]",
          "c(f|{\"a\": 1})c(g|{})");
    check(TOOLS_MISTRAL, "[TOOL_CALLS]f[ARGS]{\"a\": {\"b\": \"}\"}}", "c(f|{\"a\": {\"b\": \"}\"}})");
    check(TOOLS_MISTRAL, "[TOOL_CALLS]f{\"a\": 1}[TOOL_CALLS]g{}", "c(f|{\"a\": 1})c(g|{})");
    check(TOOLS_MISTRAL, "plain [TOOL text", "t(plain [TOOL text)");
}

static void test_syntax_of_templates(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum tool_syntax syntax;
    } cases[] = {{NULL, TOOLS_JSON},
                 {"{{ '<tool_call>' }}", TOOLS_HERMES},
                 {"{{ '[TOOL_CALLS]' }}", TOOLS_MISTRAL},
                 {"{{ messages }}", TOOLS_JSON}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tool_syntax_of(bn_tool_syntax_of_template(cases[i].text)), cases[i].syntax);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_thoughts),
        cmocka_unit_test(test_hermes),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_mistral),
        cmocka_unit_test(test_syntax_of_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
