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

/* What is said, in pieces of every size. markup and functions: of TOOLS_MARKUP, else NULL. */
static void check_pieces(enum tool_syntax syntax, const bn_tool_syntax *markup, const json_t *functions,
                         const char *said, const char *expected) {
    size_t size = strlen(said);
    for (size_t piece = 1; piece <= size; piece++) {
        struct seen seen = {0};
        struct output_parser parser;
        output_parser_init(&parser, syntax, names, true, false, &events, &seen);
        if (markup) output_parser_mark(&parser, markup, functions);
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

static void check(enum tool_syntax syntax, const char *said, const char *expected) {
    check_pieces(syntax, NULL, NULL, said, expected);
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

/* Arguments as elements become JSON by the types that the schemas have for them. */
static void check_marked(const char *syntax, const char *said, const char *expected) {
    static const char tools[] =
        "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"},\"n\":{\"type\":"
        "\"integer\"},"
        "\"u\":{\"anyOf\":[{\"type\":\"string\"},{\"$ref\":\"#/$defs/l\"}]},\"b\":{\"enum\":[true,\"yes\"]}},"
        "\"$defs\":{\"l\":{\"type\":[\"array\",\"null\"]}}}}}]";
    json_t *functions = json_loads(tools, 0, NULL);
    const bn_tool_syntax *found = bn_tool_syntax_find(syntax);
    assert_int_equal(tool_syntax_of(found), TOOLS_MARKUP);
    check_pieces(TOOLS_MARKUP, found, functions, said, expected);
    json_decref(functions);
}

static void test_markup(void **state) {
    (void)state;
    check_marked("qwen_xml",
                 "Well.\n<tool_call>\n<function=f>\n<parameter=s>\n12\n<b> \"x\"\n</parameter>\n<parameter=n>\n12\n"
                 "</parameter>\n<parameter=u>\n[\"</parameter>\"]\n</parameter>\n</function>\n</tool_call>\nDone",
                 "t(Well.\n)c(f|{\"s\": \"12\\n<b> \\\"x\\\"\", \"n\": 12, \"u\": [\"</parameter>\"]})t(Done)");
    check_marked(
        "qwen_xml",
        "<tool_call><function=f><parameter=u>null</parameter><parameter=b>true</parameter></function></tool_call>"
        "\n<tool_call><function=f><parameter=b>yes</parameter><parameter=x>1e2</parameter></function></tool_call>",
        "c(f|{\"u\": null, \"b\": true})c(f|{\"b\": \"yes\", \"x\": 1e2})");
    check_marked("qwen_xml",
                 "<tool_call><function=f><parameter=s>\n\xe2\x82\xac\xe2<\n</parameter></function></tool_call>",
                 "c(f|{\"s\": \"\xe2\x82\xac\xef\xbf\xbd<\"})");
    check_marked("qwen_xml", "<tool_call>\n<function=f>\n</function>\n</tool_call>", "c(f|{})");
    check_marked("qwen_xml", "<tool_call>\n<function=f>\n<parameter=s>\nab", "c(f|{\"s\": \"ab)");
    check_marked("qwen_xml", "<tool_call>{\"name\"", "t(<tool_call>{\"name\")");
    check_marked("qwen_xml", "<tool_call>\n<function=f>\nno", "c(f|{})t(no)");
    check_marked("glm_xml",
                 "<tool_call>f\n<arg_key>u</arg_key>\n<arg_value>[1] x</arg_value>\n<arg_key>s</arg_key>\n<arg_value>"
                 "</arg_value>\n</tool_call> end",
                 "c(f|{\"u\": \"[1] x\", \"s\": \"\"})t(end)");
    check_marked("minimax_xml",
                 "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"n\">1</parameter>\n</invoke>\n<invoke "
                 "name=\"g\">\n</invoke>\n</minimax:tool_call>",
                 "c(f|{\"n\": 1})c(g|{})");
    check_marked("deepseek_xml",
                 "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"u\" "
                 "string=\"true\">[1]</｜DSML｜parameter>\n<｜DSML｜parameter name=\"n\" "
                 "string=\"false\">1</｜DSML｜parameter>\n"
                 "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
                 "c(f|{\"u\": \"[1]\", \"n\": 1})");
}

/* Text that is held to a format may have anything in it; a call that begins the answer is one. */
static void test_calls_first(void **state) {
    (void)state;
    static const struct {
        const char *said, *expected;
    } cases[] = {
        {"{\"a\": \"<tool_call>{}\"}", "t({\"a\": \"<tool_call>{}\"})"},
        {"<tool_call x", "t(<tool_call x)"},
        {"\n <tool_call>{\"name\":\"f\"}</tool_call>\n<tool_call>{\"name\":\"g\"}</tool_call>", "c(f|{})c(g|{})"},
        {"<think>so</think> <tool_call>{\"name\":\"f\"}</tool_call>", "r(so)c(f|{})"},
        {"<think>so</think>[1]", "r(so)t([1])"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1, size = strlen(cases[i].said); piece <= size; piece++) {
            struct seen seen = {0};
            struct output_parser parser;
            output_parser_init(&parser, TOOLS_HERMES, names, true, false, &events, &seen);
            parser.calls_first = true;
            for (size_t at = 0; at < size; at += piece)
                assert_true(output_parser_push(&parser, cases[i].said + at, size - at < piece ? size - at : piece));
            assert_true(output_parser_finish(&parser));
            if (seen.last) buffer_append_char(&seen.log, ')');
            assert_string_equal(seen.log.data, cases[i].expected);
            buffer_release(&seen.log);
            output_parser_release(&parser);
        }
}

static void test_syntax_of_templates(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum tool_syntax syntax;
    } cases[] = {{NULL, TOOLS_JSON},
                 {"{{ '<tool_call>' }}", TOOLS_HERMES},
                 {"{{ '[TOOL_CALLS]' }}", TOOLS_MISTRAL},
                 {"{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", TOOLS_MISTRAL},
                 {"{{ '<tool_call>\n<function=' }}", TOOLS_MARKUP},
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
        cmocka_unit_test(test_markup),
        cmocka_unit_test(test_calls_first),
        cmocka_unit_test(test_syntax_of_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
