/* Calls of tools in the syntaxes of templates, and structural tags: what they accept and what is refused. */
#include "grammar_texts.h"

#include <stdio.h>

static void calls_of_tools(void **state) {
    (void)state;
    static const char json[] =
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":"
        "{\"x\":{\"$ref\":\"#/$defs/"
        "n\"}},\"required\":[\"x\"],\"$defs\":{\"n\":{\"type\":\"integer\"}}}}},{\"name\":\"g\"}]";
    bn_tools tools = {
        .size = sizeof tools, .json = json, .json_bytes = strlen(json), .syntax = bn_tool_syntax_find("hermes")};
    bn_grammar *grammar;
    bn_error err;
    assert_ok(bn_grammar_compile_tools(&tools, &grammar, &err), err);
    expect(grammar, "just text <tool", true);
    expect(grammar, "well: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>", true);
    expect(grammar, "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", false);
    expect(grammar, "<tool_call>{\"name\":\"h\",\"arguments\":{}}</tool_call>", false);
    bn_grammar_release(grammar);
    tools.required = true;
    tools.only = "g";
    tools.syntax = bn_tool_syntax_of_template("… [TOOL_CALLS] …");
    assert_ok(bn_grammar_compile_tools(&tools, &grammar, &err), err);
    expect(grammar, "text", false);
    expect(grammar, "[TOOL_CALLS] [{\"name\": \"g\", \"arguments\": {\"any\": []}}]", true);
    bn_grammar_release(grammar);
    tools.only = "h";
    assert_int_equal(bn_grammar_compile_tools(&tools, &grammar, NULL), BN_STATUS_BAD_ARGUMENT);
}

static bn_grammar *compile_tools(const bn_tools *tools) {
    bn_grammar *grammar;
    bn_error err;
    assert_ok(bn_grammar_compile_tools(tools, &grammar, &err), err);
    return grammar;
}

/* Where nothing stands before a call, it has begun once a tool is named: then its schema holds, and text otherwise. */
static void calls_without_a_mark(void **state) {
    (void)state;
    static const char json[] =
        "[{\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": "
        "\"integer\"}}, \"required\": [\"x\"], \"additionalProperties\": false}}, {\"name\": \"a.b\"}]";
    bn_tools tools = {.size = sizeof tools,
                      .json = json,
                      .json_bytes = strlen(json),
                      .syntax = bn_tool_syntax_of_template("\"parameters\": ")};
    bn_grammar *grammar = compile_tools(&tools);
    for (const char *const *text = TEXTS("", " ", " Once", "{\"answer\": 42}", "{\"name\": \"axb\", \"parameters\": 1}",
                                         "{", "{\"name\": \"f", "{\"name\": \"f\", \"parameters\": {\"x\": 1}}",
                                         " {\"name\":\"a.b\",\"parameters\":{\"any\":[]}}");
         *text; text++)
        expect(grammar, *text, true);
    for (const char *const *text = TEXTS("{\"name\": \"f\"", "{\"name\": \"f\", \"parameters\": {}}",
                                         "  {\n \"name\" : \"f\", \"parameters\": {\"x\": \"1\"}}",
                                         "{\"name\": \"f\", \"parameters\": {\"x\": 1}} and text");
         *text; text++)
        expect(grammar, *text, false);
    bn_grammar_release(grammar);
    tools.syntax = bn_tool_syntax_find("hermes");
    tools.required = true;
    grammar = compile_tools(&tools);
#define CALL "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</tool_call>"
    expect(grammar, CALL, true);
    expect(grammar, CALL "\n" CALL, false);
    bn_grammar_release(grammar);
    tools.parallel = true;
    grammar = compile_tools(&tools);
    expect(grammar, CALL "\n" CALL, true);
    expect(grammar, CALL "\n", false);
    bn_grammar_release(grammar);
    tools.required = false;
    tools.thoughts = true;
    grammar = compile_tools(&tools);
    for (const char *const *text = TEXTS("", "<thin", " text", "<think>in <tool_call> tags</think>",
                                         "\n<think></think> so: " CALL, "text <think> " CALL, CALL);
         *text; text++)
        expect(grammar, *text, true);
    expect(grammar, "<think>a", false);
    expect(grammar, "<think>" CALL, false);
    expect(grammar, "<think></think><tool_call>x", false);
    expect(grammar, "a <tool_call>x", false);
    bn_grammar_release(grammar);
}

static void structural_tags(void **state) {
    (void)state;
    static const char older[] = "{\"type\":\"structural_tag\",\"structures\":[{\"begin\":\"<f=a>\",\"schema\":{\"$"
                                "ref\":\"#/$defs/n\",\"$defs\":{\"n\":{"
                                "\"type\":\"integer\"}}},\"end\":\"</"
                                "f>\"},{\"begin\":\"<f=b>\",\"schema\":{\"enum\":[\"x\"]},\"end\":\"</f>\"}],"
                                "\"triggers\":[\"<f=\"]}";
    check(BN_GRAMMAR_STRUCTURAL_TAG, older,
          TEXTS("", "text <f", "<f=a>1</f>", "so <f=a>-12</f> and <f=b>\"x\"</f><f=a>0</f> end"),
          TEXTS("<f=", "<f=c>1</f>", "<f=a>\"x\"</f>", "<f=b>1</f>", "a <f=a>1 </f", "<f=a>1</f><f=a>"));
#define TAGS(more)                                                                                                     \
    "{\"format\":{\"type\":\"triggered_tags\",\"triggers\":[\"[\"],\"tags\":[{\"type\":\"tag\",\"begin\":\"[n:\","     \
    "\"content\":{"                                                                                                    \
    "\"type\":\"regex\",\"pattern\":\"[0-9]+\"},\"end\":\"]\"},{\"type\":\"tag\",\"begin\":\"[t:\",\"content\":{"      \
    "\"type\":"                                                                                                        \
    "\"any_text\"},\"end\":\"]\"}]" more "}}"
    check(BN_GRAMMAR_STRUCTURAL_TAG, TAGS(""), TEXTS("", "a [n:12] b [t:x [n:y] c", "[t:]"),
          TEXTS("[n:]", "[x]", "a ["));
    check(BN_GRAMMAR_STRUCTURAL_TAG, TAGS(",\"at_least_one\":true"), TEXTS("[n:1]", "a[t:]b[n:1]"), TEXTS("", "a"));
    check(BN_GRAMMAR_STRUCTURAL_TAG, TAGS(",\"stop_after_first\":true"), TEXTS("a", "a[n:1]"), TEXTS("[n:1]b"));
    check(BN_GRAMMAR_STRUCTURAL_TAG,
          "{\"format\":{\"type\":\"sequence\",\"elements\":[{\"type\":\"const_string\",\"value\":\"A:\"},{\"type\":"
          "\"or\","
          "\"elements\":[{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"boolean\"}},{\"type\":\"const_string\","
          "\"value\":"
          "\"no\"}]},{\"type\":\"tags_with_separator\",\"separator\":\",\",\"tags\":[{\"type\":\"tag\",\"begin\":\"(\","
          "\"content\":"
          "{\"type\":\"regex\",\"pattern\":\"x*\"},\"end\":\")\"}]}]}}",
          TEXTS("A:true", "A:no(x),()"), TEXTS("A:", "A:no,", "A:false(y)"));
    refused(BN_GRAMMAR_STRUCTURAL_TAG, "{\"format\":{\"type\":\"tune\"}}", BN_STATUS_UNSUPPORTED, "'tune'");
    refused(BN_GRAMMAR_STRUCTURAL_TAG, "{}", BN_STATUS_BAD_ARGUMENT, "must be an object");
    refused(BN_GRAMMAR_STRUCTURAL_TAG, "[", BN_STATUS_BAD_ARGUMENT, "structural tag");
    refused(BN_GRAMMAR_STRUCTURAL_TAG,
            "{\"structures\":[{\"begin\":\"<a>\",\"schema\":{},\"end\":\"\"}],\"triggers\":[\"<b\"]}",
            BN_STATUS_BAD_ARGUMENT, "begin with a trigger");
    refused(BN_GRAMMAR_STRUCTURAL_TAG,
            "{\"structures\":[{\"begin\":\"<a>\",\"schema\":{},\"end\":\"\"},{\"begin\":\"<a>\",\"schema\":{\"type\":"
            "\"string\","
            "\"pattern\":\"(a)\\\\1\"},\"end\":\"\"}],\"triggers\":[\"<a\"]}",
            BN_STATUS_UNSUPPORTED, "#/prefixItems/1");
}

/* Calls whose arguments are elements: strings as they are, anything else as JSON. */
static void calls_as_elements(void **state) {
    (void)state;
    static const char json[] = "[{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"s\":{\"type\":"
                               "\"string\"},\"n\":{\"type\":"
                               "\"integer\"},\"u\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\",\"minimum\":"
                               "100},{\"type\":\"array\"}]}},"
                               "\"required\":[\"s\"],\"additionalProperties\":false}},{\"name\":\"g\"}]";
    bn_tools tools = {.size = sizeof tools, .json = json, .json_bytes = strlen(json), .parallel = true};
    tools.syntax = bn_tool_syntax_of_template("… <tool_call>\n<function=x>\n<parameter=y> …");
    assert_string_equal(tools.syntax->name, "qwen_xml");
    bn_grammar *grammar = compile_tools(&tools);
#define QWEN(inside)           "<tool_call>\n<function=f>\n" inside "</function>\n</tool_call>"
#define PARAMETER(name, value) "<parameter=" name ">\n" value "\n</parameter>\n"
    for (const char *const *text =
             TEXTS("text <tool", "so: " QWEN(PARAMETER("s", "a <b> \"c\"\nd")), QWEN(PARAMETER("s", "12")),
                   QWEN(PARAMETER("s", "")) "\n" QWEN(PARAMETER("s", "x") PARAMETER("n", "-3")),
                   QWEN(PARAMETER("s", "") PARAMETER("u", "x1")), QWEN(PARAMETER("s", "") PARAMETER("u", "100")),
                   QWEN(PARAMETER("s", "") PARAMETER("u", "[\"a\"]")), "<tool_call><function=g></function></tool_call>",
                   "<tool_call><function=g><parameter=any thing>\n{\"a\": 1}\n</parameter></function></tool_call>");
         *text; text++)
        expect(grammar, *text, true);
    for (const char *const *text =
             TEXTS(QWEN(""), QWEN(PARAMETER("n", "1")), QWEN(PARAMETER("s", "") PARAMETER("n", "x")),
                   QWEN(PARAMETER("s", "") PARAMETER("u", "99")), QWEN(PARAMETER("s", "") PARAMETER("u", " [x")),
                   QWEN(PARAMETER("s", "") PARAMETER("x", "99")), QWEN(PARAMETER("s", "a</parameter>b")),
                   "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>",
                   "<tool_call><function=h></function></tool_call>");
         *text; text++)
        expect(grammar, *text, false);
    bn_grammar_release(grammar);
    static const struct {
        const char *mentioned, *good, *bad;
    } others[] = {
        {"<arg_key>",
         "<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>a b</arg_value>\n<arg_key>n</arg_key>\n<arg_value>1</"
         "arg_value>\n</tool_call>",
         "<tool_call>f\n<arg_key>n</arg_key><arg_value>1</arg_value></tool_call>"},
        {"<minimax:tool_call>",
         "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"s\">a b</parameter>\n</invoke>\n<invoke "
         "name=\"g\">\n</invoke>\n</minimax:tool_call>",
         "<minimax:tool_call></minimax:tool_call>"},
        {"<｜DSML｜function_calls>",
         "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"s\" "
         "string=\"true\">12</｜DSML｜parameter>\n<｜DSML｜parameter name=\"u\" "
         "string=\"true\">12</｜DSML｜parameter>\n"
         "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
         "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"s\" "
         "string=\"false\">12</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"},
        {"[TOOL_CALLS] … [ARGS]", "[TOOL_CALLS]f[ARGS]{\"s\": \"x\"}[TOOL_CALLS]g[ARGS]{}", "[TOOL_CALLS]f[ARGS]{}"},
    };
    tools.required = true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tools.syntax = bn_tool_syntax_of_template(others[i].mentioned);
        grammar = compile_tools(&tools);
        expect(grammar, others[i].good, true);
        expect(grammar, others[i].bad, false);
        expect(grammar, "text", false);
        bn_grammar_release(grammar);
    }
    tools.json =
        "[{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"(x)\\\\1\"}}}}]";
    tools.json_bytes = strlen(tools.json);
    for (size_t i = 0; i < 2; i++) {
        bn_error err;
        tools.syntax = bn_tool_syntax_find(i ? "hermes" : "glm_xml");
        assert_int_equal(bn_grammar_compile_tools(&tools, &grammar, &err), BN_STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, "at '#/$defs/f/properties/a/pattern'"));
    }
    static const char tag[] =
        "{\"format\":{\"type\":\"tag\",\"begin\":\"<function=f>\",\"end\":\"</function>\",\"content\":{"
        "\"type\":\"json_schema\",\"style\":\"%s\",\"json_schema\":{\"type\":\"object\","
        "\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]}}}}";
    char text[400];
    snprintf(text, sizeof text, tag, "qwen_xml");
    check(BN_GRAMMAR_STRUCTURAL_TAG, text, TEXTS("<function=f>\n<parameter=a>\n1\n</parameter>\n</function>"),
          TEXTS("<function=f></function>", "<function=f>{\"a\": 1}</function>"));
    snprintf(text, sizeof text, tag, "xml");
    check(BN_GRAMMAR_STRUCTURAL_TAG, text, TEXTS("<function=f><root><a>1</a></root></function>"),
          TEXTS("<function=f><root></root></function>"));
    snprintf(text, sizeof text, tag, "toml");
    refused(BN_GRAMMAR_STRUCTURAL_TAG, text, BN_STATUS_UNSUPPORTED, "structural tag: the style 'toml'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_tools),
        cmocka_unit_test(calls_without_a_mark),
        cmocka_unit_test(structural_tags),
        cmocka_unit_test(calls_as_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
