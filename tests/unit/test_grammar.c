/* Grammars as their callers see them: which texts they accept, what is refused and how it is called, and that masks allow
 * exactly the tokens after which a text can go on. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "engine/grammar/matcher.h"

static bn_grammar *compile(bn_grammar_kind kind, const char *text, bool any_form) {
    bn_grammar *grammar;
    bn_error err;
    const bn_grammar_options options = {.size = sizeof options, .any_form = any_form};
    assert_ok(bn_grammar_compile(kind, text, strlen(text), &options, &grammar, &err), err);
    return grammar;
}

static void expect(bn_grammar *grammar, const char *text, bool wanted) {
    bool accepted;
    size_t at;
    bn_error err;
    assert_ok(bn_grammar_accepts(grammar, text, strlen(text), &accepted, &at, &err), err);
    if (accepted != wanted) test_fail("'%s' is %s, at byte %zu", text, accepted ? "accepted" : "refused", at);
    assert_true(at <= strlen(text));
}

/* good and bad texts, each list ended by NULL. */
static void check(bn_grammar_kind kind, const char *text, const char *const *good, const char *const *bad) {
    bn_grammar *grammar = compile(kind, text, true);
    for (; *good; good++) expect(grammar, *good, true);
    for (; *bad; bad++) expect(grammar, *bad, false);
    bn_grammar_release(grammar);
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void refused(bn_grammar_kind kind, const char *text, bn_status status, const char *part) {
    bn_grammar *grammar;
    bn_error err = {0};
    size_t n = strlen(text);
    char *exact = malloc(n); /* nothing behind it: the address sanitizer sees a byte too many */
    memcpy(exact, text, n);
    assert_int_equal(bn_grammar_compile(kind, exact, n, NULL, &grammar, &err), status);
    free(exact);
    if (!strstr(err.message, part)) test_fail("'%s' doesn't say '%s'", err.message, part);
}

static void regular_expressions(void **state) {
    (void)state;
    check(BN_GRAMMAR_REGEX, "(a|b){2,4}c?", TEXTS("ab", "abab", "abc"), TEXTS("a", "ababa", ""));
    check(BN_GRAMMAR_REGEX, "^(?!foo)[a-z]+$", TEXTS("bar", "fo"), TEXTS("foo", "foobar", ""));
    check(BN_GRAMMAR_REGEX, "\\d{2,}(?=z)[a-z]", TEXTS("12z"), TEXTS("12a", "1z"));
    check(BN_GRAMMAR_REGEX, "[^\\x00-\\x7f]\\u{1f600}?", TEXTS("é", "é😀"), TEXTS("e", "é😁", "\xc3"));
    check(BN_GRAMMAR_REGEX, "(a?){20}a{20}", TEXTS("aaaaaaaaaaaaaaaaaaaa"), TEXTS("aaaaaaaaaaaaaaaaaaa"));
    refused(BN_GRAMMAR_REGEX, "(a", BN_STATUS_BAD_ARGUMENT, "group");
    refused(BN_GRAMMAR_REGEX, "(a)\\1", BN_STATUS_UNSUPPORTED, "back-reference");
    refused(BN_GRAMMAR_REGEX, "a++", BN_STATUS_UNSUPPORTED, "possessive");
    refused(BN_GRAMMAR_REGEX, "(x{1000}){1000}", BN_STATUS_UNSUPPORTED, "too large");
    refused(BN_GRAMMAR_REGEX, "(((((((a?){8}b?){8}c?){8})?){8}d?){8}e?){4}", BN_STATUS_UNSUPPORTED, "too many steps");
    refused(BN_GRAMMAR_REGEX, "a(?!a)a", BN_STATUS_UNSUPPORTED, "no text satisfies");
}

static void assertions_in_regular_expressions(void **state) {
    (void)state;
    check(BN_GRAMMAR_REGEX, "((?!foo).)*", TEXTS("", "fo", "bar", "f oo"), TEXTS("foo", "afoo", "xfoox"));
    check(BN_GRAMMAR_REGEX, "(a(?=b)|b(?!b))+", TEXTS("ab", "abab", "b"), TEXTS("a", "abb", "ba"));
    check(BN_GRAMMAR_REGEX, "\\w+(-\\w+)*(?<![_-])", TEXTS("a", "a-b", "a_b"), TEXTS("a_", "a-_", "-"));
    check(BN_GRAMMAR_REGEX, "(?<!x)[a-z]+(?<!end)", TEXTS("xy", "ende"), TEXTS("end", "bend", ""));
    check(BN_GRAMMAR_REGEX, ".*\\bfoo\\b.*", TEXTS("foo", "a foo!", "foo-foo"), TEXTS("food", "afoo", "_foo"));
    check(BN_GRAMMAR_REGEX, ".\\B.\\B.", TEXTS("abc", "-.-"), TEXTS("a.b", "ab.", "-ab"));
    check(BN_GRAMMAR_REGEX, "(?=.*\\d)(?!.*\\bno\\b)[a-z\\d ]{3,6}", TEXTS("a1b", "nose 1"),
          TEXTS("abc", "no 1", "1 no", "a1"));
    check(BN_GRAMMAR_REGEX, "(?i)stra\\u00dfe|[a-c]x(?-i:y)", TEXTS("STRAße", "Bxy", "bXy"), TEXTS("bxY", "dxy"));
    check(BN_GRAMMAR_REGEX, "(?s)a.b", TEXTS("a\nb", "a.b"), TEXTS("ab"));
    check(BN_GRAMMAR_REGEX, "a(?s:.)b.c", TEXTS("a\nb.c"), TEXTS("a\nb\nc"));
    refused(BN_GRAMMAR_REGEX, "(?<=a(?=b))b", BN_STATUS_UNSUPPORTED, "isn't supported here");
    refused(BN_GRAMMAR_REGEX, "a(?<!1|b$)", BN_STATUS_UNSUPPORTED, "$ in look-behind");
    refused(BN_GRAMMAR_REGEX, "(?i)[^a\xd0", BN_STATUS_BAD_ARGUMENT, "invalid UTF-8");
}

static void choices(void **state) {
    (void)state;
    const char *const texts[] = {"cat", "catalogue", "dog"};
    bn_grammar *grammar;
    bn_error err;
    assert_ok(bn_grammar_compile_choices(texts, NULL, 3, &grammar, &err), err);
    expect(grammar, "cat", true);
    expect(grammar, "catalogue", true);
    expect(grammar, "cata", false);
    bn_grammar_release(grammar);
}

static void schemas(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":-5,\"maximum\":120,"
          "\"multipleOf\":3},"
          "\"s\":{\"type\":\"string\",\"maxLength\":2}},\"required\":[\"n\"],\"additionalProperties\":false}",
          TEXTS("{\"n\":3}", " {\"s\" : \"\\u00e9x\",\n\"n\":-3.0 }", "{\"\\u006e\":120}"),
          TEXTS("{}", "{\"n\":4}", "{\"n\":123}", "{\"n\":-6}", "{\"n\":3,\"s\":\"abc\"}", "{\"n\":3,\"x\":1}",
                "{\"n\":3,\"n\":3}"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}],\"type\":\"object\"}",
          TEXTS("{\"a\":1}", "{\"c\":0,\"b\":[]}"), TEXTS("{}", "{\"a\":1,\"b\":2}"));
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"not\":{\"type\":[\"object\",\"string\"]},\"enum\":[1.5,\"a\",{\"x\":[null]},false]}",
          TEXTS("1.5", "1.50", "false"), TEXTS("\"a\"", "{\"x\":[null]}", "1", "true"));
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"type\":\"array\",\"prefixItems\":[{\"const\":\"a\"}],\"contains\":{\"type\":\"null\"},\"maxContains\":1}",
          TEXTS("[\"a\",null]", "[\"a\",1,null,2]"), TEXTS("[\"a\"]", "[\"a\",null,null]", "[1,null]"));
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}},\"$ref\":\"#/$defs/t\"}",
          TEXTS("[]", "[[[]],[]]"), TEXTS("[1]", "[[]"));
    /* four labels of 63 characters are 255 with their dots, two more than a name may have */
    static const char label[] = "a23456789012345678901234567890123456789012345678901234567890123";
    char longest[300], too_long[300];
    snprintf(longest, sizeof longest, "\"%s.%s.%s.%s\"", label, label, label, label + 2);
    snprintf(too_long, sizeof too_long, "\"%s.%s.%s.%s\"", label, label, label, label + 1);
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"string\",\"format\":\"hostname\"}", TEXTS("\"a-b.example\"", longest),
          TEXTS("\"-a\"", too_long));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"string\",\"format\":\"date\"}", TEXTS("\"2024-02-29\""),
          TEXTS("\"2023-02-29\"", "\"2023-04-31\""));
}

static void numbers_with_exponents(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"number\",\"minimum\":1e-7,\"maximum\":2000}",
          TEXTS("1e-7", "0.0000001", "2e3", "1E+2"),
          TEXTS("9.99e-8", "2001", "2000.0000000000000000000000000000000000000001", "-1", "1e"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"integer\",\"minimum\":5,\"multipleOf\":5}",
          TEXTS("1e1", "5.0", "1.5e1", "50e-1", "1e400"), TEXTS("12", "15e-1", "-5"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"type\":\"integer\"}",
          TEXTS("1"), TEXTS("1.0", "1e2"));
    /* what is written has a length, bounds or not */
    bn_grammar *written =
        compile(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"integer\",\"multipleOf\":10,\"minimum\":0}", false);
    expect(written, "1234567890123450", true);
    expect(written, "12345678901234560", false);
    bn_grammar_release(written);
}

/* Alternatives that exclude each other, however many there are and wherever they lead. */
static void alternatives(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"integer\"}}},"
          "{\"type\":\"object\",\"properties\":{\"c\":{\"type\":\"string\"},\"d\":{\"type\":\"integer\"}}},"
          "{\"type\":\"object\",\"properties\":{\"e\":{\"type\":\"string\"},\"f\":{\"type\":\"integer\"}},\"required\":"
          "[\"e\"]}]}",
          TEXTS("{\"a\":1}", "{\"d\":\"\",\"a\":\"\"}", "{\"a\":1,\"c\":1,\"e\":\"\"}"),
          TEXTS("{}", "{\"a\":\"\",\"c\":\"\"}", "{\"a\":1,\"c\":1}", "{\"b\":\"\",\"e\":\"\"}"));
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"definitions\":{\"e\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"l\":{\"$"
          "ref\":\"#/definitions/e\"}},"
          "\"required\":[\"l\"]},{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/definitions/"
          "e\"}},\"required\":[\"n\"]}]}},"
          "\"$ref\":\"#/definitions/e\"}",
          TEXTS("\"x\"", "{\"l\":{\"n\":\"x\"}}", "{\"l\":\"x\",\"n\":1}"),
          TEXTS("{}", "{\"l\":1}", "{\"l\":\"x\",\"n\":\"x\"}"));
}

static void items_that_must_differ(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"array\",\"uniqueItems\":true}",
          TEXTS("[1,2]", "[true,1]", "[[1],[1,2]]", "[1,10,100]", "[\"a\",\"A\",\"\\u0061b\"]", "[[1,{}],[{},1]]"),
          TEXTS("[1,1.0]", " [ 1 , 10e-1 ]", "[\"a\",\"\\u0061\"]", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]",
                "[[1],[1]]", "[null,null]", "[\"\\ud83d\\ude00\",\"😀\"]"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"not\":{\"uniqueItems\":true}}", TEXTS("[1,2,1.0]"),
          TEXTS("[1,2]", "1", "[[1,1]]"));
    /* where it is written, nothing is begun that would repeat an item */
    bn_grammar *grammar = compile(
        BN_GRAMMAR_JSON_SCHEMA,
        "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"ab\",\"b\"]},\"uniqueItems\":true,\"minItems\":2}", false);
    expect(grammar, "[\"ab\",\"a\",\"b\"]", true);
    expect(grammar, "[\"a\",\"b\",\"ab\"]", true);
    expect(grammar, "[\"ab\"]", false);
    bool accepted;
    size_t at;
    bn_error err;
    assert_ok(bn_grammar_accepts(grammar, "[\"b\",\"a\",\"b\"]", 11, &accepted, &at, &err), err);
    assert_false(accepted);
    assert_int_equal(at, 10);
    bn_grammar_release(grammar);
    refused(BN_GRAMMAR_JSON_SCHEMA,
            "{\"type\":\"array\",\"items\":{\"enum\":[\"a\"]},\"uniqueItems\":true,\"minItems\":2}",
            BN_STATUS_UNSUPPORTED, "no text");
}

static void formats_are_compiled_once(void **state) {
    (void)state;
    static char text[40000];
    for (int n = 40; n <= 400; n *= 10) {
        size_t size = (size_t)snprintf(text, sizeof text, "{\"properties\":{");
        for (int i = 0; i < n; i++)
            size += (size_t)snprintf(text + size, sizeof text - size,
                                     "%s\"f%d\":{\"type\":\"string\",\"format\":\"hostname\",\"maxLength\":%d}",
                                     i ? "," : "", i, 100 + i);
        snprintf(text + size, sizeof text - size, "}}");
        check(BN_GRAMMAR_JSON_SCHEMA, text, TEXTS("{\"f1\":\"example.org\"}"), TEXTS("{\"f39\":\"-\"}"));
    }
}

static void what_schemas_ask_in_vain_is_named(void **state) {
    (void)state;
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"properties\":{\"a/b\":{\"pattern\":\"(\"}}}", BN_STATUS_BAD_ARGUMENT,
            "'#/properties/a~1b/pattern'");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"items\":{\"$ref\":\"https://example.org/x\"}}", BN_STATUS_UNSUPPORTED,
            "'#/items/$ref'");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", BN_STATUS_UNSUPPORTED,
            "no text");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"allOf\":[{\"$ref\":\"#\"}]}", BN_STATUS_UNSUPPORTED, "refers to itself");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"thing\"}", BN_STATUS_BAD_ARGUMENT, "'#/type'");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{", BN_STATUS_BAD_ARGUMENT, "not valid JSON");
}

static void grammars_of_rules(void **state) {
    (void)state;
    check(BN_GRAMMAR_GBNF,
          "root ::= expr \"\\n\" # sums\nexpr ::= term ([-+*/] term)*\nterm ::= [0-9]+ | \"(\" expr \")\"",
          TEXTS("1+2\n", "(1+(2*3))-4\n"), TEXTS("1+\n", "1", "(1\n"));
    check(BN_GRAMMAR_GBNF, "root ::= \"a\" root \"b\" | \"\"", TEXTS("", "aabb"), TEXTS("aab", "ba"));
    check(BN_GRAMMAR_GBNF, "root ::= root \"a\" | \"b\"", TEXTS("b", "baa"), TEXTS("a", "ab"));
    check(BN_GRAMMAR_LARK,
          "start: sum\n?sum: product | sum \"+\" product\n?product: atom\n     | product \"*\" atom\n"
          "?atom: NUMBER -> number | \"(\" sum \")\"\n%import common.NUMBER\n%ignore /[ \\n]+/\n",
          TEXTS("1 + 2*3", " ( 1.5 )* 4 "), TEXTS("1 +", "1 2", "()"));
    refused(BN_GRAMMAR_GBNF, "root ::= a\na ::= b \"x\"\nb ::= a \"y\" | \"z\"", BN_STATUS_UNSUPPORTED,
            "begins with itself");
    refused(BN_GRAMMAR_GBNF, "root ::= foo", BN_STATUS_BAD_ARGUMENT, "'foo' isn't defined");
    refused(BN_GRAMMAR_GBNF, "root ::= root", BN_STATUS_UNSUPPORTED, "begins with itself");
    refused(BN_GRAMMAR_LARK, "start: \"a", BN_STATUS_BAD_ARGUMENT, "line 1");
    /* texts that end where an escape or the rest of a name should come */
    refused(BN_GRAMMAR_LARK, "start: \"\\", BN_STATUS_BAD_ARGUMENT, "line 1");
    refused(BN_GRAMMAR_LARK, "start: /\\", BN_STATUS_BAD_ARGUMENT, "line 1");
    refused(BN_GRAMMAR_LARK, "_", BN_STATUS_BAD_ARGUMENT, "line 1");
    char deep[4000] = "root ::= ";
    memset(deep + 9, '(', sizeof deep - 10);
    refused(BN_GRAMMAR_GBNF, deep, BN_STATUS_UNSUPPORTED, "nested deeper");
}

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

/* Elements by the names of properties, in order; arrays as repeated elements; texts escaped. */
static void xml_documents(void **state) {
    (void)state;
    static const char person[] =
        "{\"title\":\"person\",\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1},"
        "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150},\"tags\":{\"type\":\"array\",\"maxItems\":2,"
        "\"items\":{\"enum\":[\"a\",\"b<c\"]}},\"well\":{\"type\":[\"boolean\",\"null\"]}},\"required\":[\"name\","
        "\"well\"]}";
    check(BN_GRAMMAR_XML, person,
          TEXTS("<person><name>x</name><well>true</well></person>",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<person>\n  <name>\xc3\xa9 &lt;&amp;&gt;\"' \n</name>\n  "
                "<age>150</age>\n  <tags>a</tags><tags>b&lt;c</tags>\n  <well></well>\n</person>"),
          TEXTS("<person><well>true</well></person>", "<person><name></name><well>true</well></person>",
                "<person><well>true</well><name>x</name></person>", "<person><name>a&b</name><well></well></person>",
                "<person><name>a<b</name><well></well></person>", "<person><name>&#13</name><well></well></person>",
                "<person><name>x</name><age>151</age><well></well></person>", "<root></root>",
                "<person><name>x</name><tags>c</tags><well></well></person>",
                "<person><name>x</name><tags>a</tags><tags>a</tags><tags>a</tags><well></well></person>",
                "<person><name>x</name><well>1</well></person>", "<person><name>\x01</name><well></well></person>",
                "<person><name>x</name><well></well></person> "));
    check(BN_GRAMMAR_XML,
          "{\"type\":\"object\",\"xml\":{\"name\":\"pet\",\"namespace\":\"http://e.org/?a&b\",\"prefix\":\"p\"},"
          "\"required\":[\"id\",\"names\"],\"properties\":{\"id\":{\"type\":\"string\",\"xml\":{\"attribute\":true}},"
          "\"kind\":{\"enum\":[1,true],\"xml\":{\"attribute\":true,\"name\":\"k\"}},\"names\":{\"type\":\"array\","
          "\"minItems\":1,\"xml\":{\"wrapped\":true},\"items\":{\"type\":\"string\",\"xml\":{\"name\":\"n\"}}}}}",
          TEXTS("<p:pet xmlns:p=\"http://e.org/?a&amp;b\" id=\"&quot;&#9;\" k=\"1\"><names><n>x</n>\n </names></p:pet>",
                "<p:pet xmlns:p=\"http://e.org/?a&amp;b\" id=\"\">\n<names>\n<n></n>\n<n>y</n></names></p:pet>"),
          TEXTS("<p:pet xmlns:p=\"http://e.org/?a&amp;b\"><names><n>x</n></names></p:pet>",
                "<p:pet xmlns:p=\"http://e.org/?a&amp;b\" id=\"a\nb\"><names><n>x</n></names></p:pet>",
                "<p:pet xmlns:p=\"http://e.org/?a&amp;b\" id=\"\"><names></names></p:pet>",
                "<p:pet xmlns:p=\"http://e.org/?a&amp;b\" id=\"\" k=\"2\"><names><n>x</n></names></p:pet>"));
    /* a union whose members tell each other apart, recursion, and what depends on what */
    check(BN_GRAMMAR_XML,
          "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"oneOf\":[{\"type\":\"object\",\"required\":[\"k\",\"sub\"],"
          "\"properties\":{\"k\":{\"const\":\"n\"},\"sub\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}}},"
          "{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"l\"},\"v\":{\"type\":"
          "\"number\"}}}]}}}",
          TEXTS("<root><k>l</k></root>",
                "<root><k>n</k><sub><k>l</k><v>-1.5</v></sub><sub><k>n</k><sub><k>l</k></sub></sub></root>"),
          TEXTS("<root><k>n</k><v>1</v></root>", "<root><k>l</k><sub><k>l</k></sub></root>"));
    check(BN_GRAMMAR_XML,
          "{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2},\"c\":{\"const\":3}},"
          "\"dependentRequired\":{\"a\":[\"c\"]},\"minProperties\":1,\"maxProperties\":2}",
          TEXTS("<root><b>2</b></root>", "<root><a>1</a><c>3</c></root>", "<root><b>2</b><c>3</c></root>"),
          TEXTS("<root></root>", "<root><a>1</a></root>", "<root><a>1</a><b>2</b></root>",
                "<root><a>1</a><b>2</b><c>3</c></root>"));
    /* an object that only members without a known name could make valid is never written */
    check(BN_GRAMMAR_XML,
          "{\"type\":\"object\",\"properties\":{\"o\":{\"type\":\"object\",\"minProperties\":1},\"n\":{\"const\":1}}}",
          TEXTS("<root><n>1</n></root>", "<root></root>"), TEXTS("<root><o></o></root>"));
    check(BN_GRAMMAR_XML,
          "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"maxItems\":2}",
          TEXTS("<root></root>", "<root><item><item>1</item></item><item></item></root>"),
          TEXTS("<root><item>1</item></root>", "<root><item></item><item></item><item></item></root>"));
    check(BN_GRAMMAR_XML,
          "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"pattern\":\"^<.$\",\"maxLength\":2}]}",
          TEXTS("<root>12</root>", "<root>&lt;x</root>", "<root>&lt;&lt;</root>"),
          TEXTS("<root>x</root>", "<root><x</root>"));
}

static void xml_that_cannot_be_written(void **state) {
    (void)state;
    static const struct {
        const char *schema, *part;
    } cases[] = {
        {"{\"properties\":{\"a b\":{}}}", "'a b'"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}", "additionalProperties"},
        {"{\"type\":\"object\",\"patternProperties\":{\"^x\":{}}}", "patternProperties"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"array\","
         "\"contains\":{\"const\":1}}}}}}",
         "contains"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true,\"minItems\":2}", "uniqueItems"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"xml\":{\"attribute\":true}}}}", "attribute"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"xml\":{\"name\":\"c\"}},\"b\":{\"xml\":{\"name\":\"c\"}}}}",
         "two properties become 'c'"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"xml\":{\"prefix\":\"c\"}}}}", "prefix"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"xml\":{\"nodeType\":\"text\"}}}}", "'nodeType'"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/properties/a/properties/b\",\"properties\":{\"b\":{"
         "\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}}}}}",
         "at '#"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(BN_GRAMMAR_XML, cases[i].schema, BN_STATUS_UNSUPPORTED, cases[i].part);
    refused(BN_GRAMMAR_XML,
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b c\":{}}}}}",
            BN_STATUS_UNSUPPORTED, "#/properties/a");
    refused(BN_GRAMMAR_XML, "{\"xml\":{\"name\":1}}", BN_STATUS_BAD_ARGUMENT, "'name'");
    refused(BN_GRAMMAR_XML, "{\"type\":\"string\",\"const\":\"\\u0001\"}", BN_STATUS_UNSUPPORTED, "no text satisfies");
    refused(BN_GRAMMAR_XML, "{", BN_STATUS_BAD_ARGUMENT, "schema");
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

static void free_text_before_a_grammar(void **state) {
    (void)state;
    bn_grammar *inner = compile(BN_GRAMMAR_REGEX, "[0-9]+", false), *grammar, *twice;
    bn_error err;
    size_t alone = bn_grammar_memory(inner);
    assert_ok(bn_grammar_after("</think>", inner, &grammar, &err), err);
    bn_grammar_release(inner);
    expect(grammar, "well </think </think>12", true);
    expect(grammar, "</think>1", true);
    expect(grammar, "12", false);
    expect(grammar, "a</think>", false);
    expect(grammar, "a</think>b</think>12", false);
    assert_true(bn_grammar_memory(grammar) > 0 && alone > 0);
    assert_int_equal(bn_grammar_after("x", grammar, &twice, NULL), BN_STATUS_BAD_ARGUMENT);
    bn_grammar_release(grammar);
}

static void languages_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bn_grammar_kind kind;
    } cases[] = {{"root ::= \"a\"", BN_GRAMMAR_GBNF},
                 {"# start: x\nroot ::= \":\"", BN_GRAMMAR_GBNF},
                 {"start: \"::=\"", BN_GRAMMAR_LARK},
                 {"// a ::= b\n%import common.WS\n%ignore \" :\"\n?start : x", BN_GRAMMAR_LARK},
                 {"", BN_GRAMMAR_GBNF}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(bn_grammar_language(cases[i].text, strlen(cases[i].text)), cases[i].kind);
}

/* ---- masks ---- */

struct vocabulary {
    bn_tokenizer *tokenizer;
    bn_token_bytes *bytes;
    struct token_trie *trie;
};

static void open_vocabulary(struct vocabulary *v) {
    bn_error err;
    assert_ok(bn_tokenizer_open(DEMO_MODEL, &v->tokenizer, &err), err);
    assert_ok(bn_token_bytes_create(v->tokenizer, &v->bytes, &err), err);
    assert_ok(token_trie_create(v->tokenizer, v->bytes, bn_tokenizer_vocab_size(v->tokenizer), &v->trie, &err), err);
}

static void close_vocabulary(struct vocabulary *v) {
    token_trie_destroy(v->trie);
    bn_token_bytes_destroy(v->bytes);
    bn_tokenizer_close(v->tokenizer);
}

/* Walks at random through what masks allow; each mask is held against reading every token's bytes alone. */
static void masks_allow_exactly_what_can_follow(void **state) {
    (void)state;
    struct vocabulary v;
    open_vocabulary(&v);
    bn_error err;
    bn_grammar *grammar =
        compile(BN_GRAMMAR_JSON_SCHEMA,
                "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[\"x\",\"xy\",7]},\"b\":{\"type\":\"string\","
                "\"maxLength\":4},\"c\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"maximum\":40,"
                "\"minimum\":0}}},\"required\":[\"a\"]}",
                false);
    enum { LENGTH = 40 };
    for (uint32_t seed = 1; seed <= 4; seed++) {
        struct matcher *matcher;
        int32_t ids[LENGTH];
        char text[LENGTH * 64] = "";
        size_t n_text = 0, n_ids = 0;
        uint32_t random = seed;
        assert_ok(matcher_create(grammar, v.trie, 1000, &matcher, &err), err);
        while (n_ids < LENGTH && !matcher_is_complete(matcher, ids, n_ids)) {
            const uint64_t *bits;
            int32_t allowed[4096], chosen;
            size_t n_allowed = 0, size;
            assert_ok(matcher_allowed(matcher, ids, n_ids, NULL, 0, &bits, &err), err);
            for (int32_t id = 0; (size_t)id < v.trie->vocab_size; id++) {
                const char *bytes = bn_token_bytes_get(v.bytes, id, &size);
                bool may = bits[id / 64] >> id % 64 & 1, accepted;
                size_t at = 0;
                if (may && n_allowed < 4096) allowed[n_allowed++] = id;
                if (n_ids % 4 || n_text + size > sizeof text) continue; /* every fourth: it takes long */
                memcpy(text + n_text, bytes, size);
                assert_ok(bn_grammar_accepts(grammar, text, n_text + size, &accepted, &at, &err), err);
                if (may != (size > 0 && at == n_text + size))
                    test_fail("token %d after '%.*s'", (int)id, (int)n_text, text);
            }
            assert_true(n_allowed > 0);
            random = random * 1664525 + 1013904223;
            ids[n_ids++] = chosen = allowed[(random >> 8) % n_allowed];
            const char *bytes = bn_token_bytes_get(v.bytes, chosen, &size);
            assert_true(n_text + size <= sizeof text);
            memcpy(text + n_text, bytes, size);
            n_text += size;
        }
        matcher_destroy(matcher);
    }
    bn_grammar_release(grammar);
    close_vocabulary(&v);
}

/* An output that must be short ends in time, whatever is chosen. */
static void outputs_are_completed_before_their_capacity(void **state) {
    (void)state;
    struct vocabulary v;
    open_vocabulary(&v);
    bn_error err;
    bn_grammar *grammar =
        compile(BN_GRAMMAR_JSON_SCHEMA,
                "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\"},\"t\":{\"type\":\"array\",\"items\":"
                "{\"$ref\":\"#\"}}},\"required\":[\"s\",\"t\"],\"additionalProperties\":{\"$ref\":\"#\"}}",
                false);
    enum { CAPACITY = 120 };
    for (uint32_t seed = 1; seed <= 10; seed++) {
        struct matcher *matcher;
        int32_t ids[CAPACITY];
        size_t n_ids = 0;
        uint32_t random = seed;
        assert_ok(matcher_create(grammar, v.trie, CAPACITY, &matcher, &err), err);
        for (; n_ids < CAPACITY && !matcher_is_complete(matcher, ids, n_ids); n_ids++) {
            const uint64_t *bits;
            assert_ok(matcher_allowed(matcher, ids, n_ids, NULL, 0, &bits, &err), err);
            size_t skip, n_allowed = 0;
            int32_t id = 0;
            for (size_t w = 0; w < v.trie->mask_words; w++) n_allowed += (size_t)__builtin_popcountll(bits[w]);
            assert_true(n_allowed > 0);
            random = random * 1664525 + 1013904223;
            for (skip = (random >> 8) % n_allowed; !(bits[id / 64] >> id % 64 & 1) || skip-- > 0;) id++;
            ids[n_ids] = id;
        }
        assert_true(matcher_is_complete(matcher, ids, n_ids));
        matcher_destroy(matcher);
    }
    bn_grammar_release(grammar);
    close_vocabulary(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_expressions),
        cmocka_unit_test(assertions_in_regular_expressions),
        cmocka_unit_test(choices),
        cmocka_unit_test(schemas),
        cmocka_unit_test(numbers_with_exponents),
        cmocka_unit_test(alternatives),
        cmocka_unit_test(items_that_must_differ),
        cmocka_unit_test(formats_are_compiled_once),
        cmocka_unit_test(what_schemas_ask_in_vain_is_named),
        cmocka_unit_test(grammars_of_rules),
        cmocka_unit_test(calls_of_tools),
        cmocka_unit_test(calls_without_a_mark),
        cmocka_unit_test(structural_tags),
        cmocka_unit_test(xml_documents),
        cmocka_unit_test(xml_that_cannot_be_written),
        cmocka_unit_test(calls_as_elements),
        cmocka_unit_test(free_text_before_a_grammar),
        cmocka_unit_test(languages_are_told_apart),
        cmocka_unit_test(masks_allow_exactly_what_can_follow),
        cmocka_unit_test(outputs_are_completed_before_their_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
