/* Schemas as their callers see them: which texts they accept, what is refused and how it is called. */
#include "grammar_texts.h"

#include <stdio.h>

#include "base/buffer.h"

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
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"oneOf\":[{\"const\":false},{\"enum\":[false,\"a\"]},{\"const\":true}]}",
          TEXTS("true", "\"a\""), TEXTS("false", "null"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"oneOf\":[{\"type\":\"boolean\"},{\"enum\":[true,\"a\"]},{\"const\":true}]}",
          TEXTS("false", "\"a\""), TEXTS("true", "1"));
}

static void items_that_must_differ(void **state) {
    (void)state;
    check(
        BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"array\",\"uniqueItems\":true}",
        TEXTS("[]", "[1,2]", "[true,1]", "[[1],[1,2]]", "[1,10,100]", "[\"a\",\"A\",\"\\u0061b\"]", "[[1,{}],[{},1]]"),
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

/* Which draft is meant decides what counts; where nobody says so, all that any of them has does. */
static void dialects(void **state) {
    (void)state;
#define BESIDE(dialect)                                                                                                \
    "{\"$schema\":\"" dialect "\",\"definitions\":{\"t\":{\"type\":\"string\"}},\"properties\":{\"a\":{\"$ref\":"      \
    "\"#/definitions/t\",\"maxLength\":1}},\"dependencies\":{\"b\":[\"a\"]}}"
    check(BN_GRAMMAR_JSON_SCHEMA, BESIDE("http://json-schema.org/draft-07/schema#"), TEXTS("{\"a\":\"xy\",\"b\":1}"),
          TEXTS("{\"a\":1}", "{\"b\":1}"));
    check(BN_GRAMMAR_JSON_SCHEMA, BESIDE("https://json-schema.org/draft/2020-12/schema"),
          TEXTS("{\"a\":\"x\"}", "{\"b\":1}"), TEXTS("{\"a\":\"xy\"}"));
    check(BN_GRAMMAR_JSON_SCHEMA, BESIDE("http://json-schema.org/schema#"), TEXTS("{\"a\":\"x\",\"b\":1}"),
          TEXTS("{\"a\":\"xy\"}", "{\"b\":1}"));
    check(BN_GRAMMAR_JSON_SCHEMA, BESIDE("./mine.json"), TEXTS("{\"a\":\"x\"}"), TEXTS("{\"a\":\"xy\"}", "{\"b\":1}"));
    refused(BN_GRAMMAR_JSON_SCHEMA, BESIDE("https://example.org/draft2020-12/mine"), BN_STATUS_UNSUPPORTED,
            "unknown dialect");
#undef BESIDE
}

static void references_to_schemas_of_schemas(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}",
          TEXTS("true", "{\"items\":{\"minLength\":0},\"if\":false}", "{\"type\":[\"null\",\"array\"],\"x\":1}"),
          TEXTS("1", "{\"items\":{\"minLength\":-1}}", "{\"type\":[\"nil\"]}", "{\"properties\":{\"a\":{\"not\":0}}}"));
    check(BN_GRAMMAR_JSON_SCHEMA,
          "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"properties\":{\"a\":{\"$ref\":"
          "\"http://json-schema.org/draft-04/schema\"},\"b\":{\"$ref\":\"http://json-schema.org/draft-04/schema#/"
          "definitions/"
          "positiveInteger\"}}}",
          TEXTS("{\"a\":{\"minimum\":1,\"exclusiveMinimum\":true},\"b\":0}"),
          TEXTS("{\"a\":true}", "{\"a\":{\"exclusiveMinimum\":true}}", "{\"a\":{\"multipleOf\":0}}", "{\"b\":-1}"));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"$ref\":\"http://json-schema.org/draft-06/schema#\"}",
          TEXTS("{\"exclusiveMinimum\":1}", "{\"if\":0}"), TEXTS("{\"exclusiveMinimum\":true}", "{\"contains\":1}"));
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"$ref\":\"http://json-schema.org/draft-04/schema#/definitions/none\"}",
            BN_STATUS_BAD_ARGUMENT, "leads nowhere");
}

static void recursive_references(void **state) {
    (void)state;
#define DRAFT "{\"$schema\":\"https://json-schema.org/draft/2019-09/schema\","
    check(BN_GRAMMAR_JSON_SCHEMA,
          DRAFT "\"$recursiveAnchor\":true,\"type\":\"object\",\"additionalProperties\":{\"$recursiveRef\":\"#\"}}",
          TEXTS("{}", "{\"a\":{\"b\":{}}}"), TEXTS("{\"a\":1}", "{\"a\":{\"b\":[]}}"));
    check(
        BN_GRAMMAR_JSON_SCHEMA,
        DRAFT
        "\"properties\":{\"a\":{\"type\":\"string\"},\"n\":{\"$recursiveRef\":\"#\",\"unevaluatedProperties\":false}}}",
        TEXTS("{\"n\":{\"a\":\"\"},\"x\":1}"), TEXTS("{\"n\":{\"x\":1}}", "{\"n\":{\"a\":1}}"));
    refused(BN_GRAMMAR_JSON_SCHEMA,
            DRAFT "\"$id\":\"http://example.org/"
                  "a\",\"$recursiveAnchor\":true,\"$defs\":{\"b\":{\"$id\":\"b\",\"$recursiveAnchor\":true,"
                  "\"items\":{\"$recursiveRef\":\"#\"}}},\"$ref\":\"b\"}",
            BN_STATUS_UNSUPPORTED, "more than one $recursiveAnchor");
#undef DRAFT
}

/* Records told apart by a constant, each of which may contain any other. */
static void many_alternatives(void **state) {
    (void)state;
    struct buffer schema = {0};
    buffer_printf(&schema,
                  "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"definitions\":{\"any\":{\"oneOf\":[");
    for (int i = 0; i < 150; i++) buffer_printf(&schema, "%s{\"$ref\":\"#/definitions/k%d\"}", i ? "," : "", i);
    buffer_printf(&schema, "]}");
    for (int i = 0; i < 150; i++) {
        buffer_printf(&schema,
                      ",\"k%d\":{\"additionalProperties\":false,\"required\":[\"kind\"],\"properties\":{\"kind\":{"
                      "\"const\":\"k%d\"}",
                      i, i);
        for (int j = 0; j < 40; j++)
            buffer_printf(&schema, ",\"p%d\":{\"$ref\":\"#/definitions/%s%.*d\"}", j, j % 9 ? "k" : "any",
                          j % 9 ? 1 : 0, j % 9 ? (i + 7 * j) % 150 : 0);
        buffer_printf(&schema, "}}");
    }
    buffer_printf(&schema, "},\"$ref\":\"#/definitions/any\"}");
    check(BN_GRAMMAR_JSON_SCHEMA, schema.data,
          TEXTS("{\"kind\":\"k149\"}", "{\"p0\":{\"kind\":\"k7\"},\"kind\":\"k3\",\"p1\":{\"kind\":\"k10\"}}"),
          TEXTS("{}", "{\"kind\":\"k150\"}", "{\"kind\":\"k3\",\"p1\":{\"kind\":\"k11\"}}"));
    buffer_release(&schema);
}

/* All of them required, in an order that isn't the schema's. */
static void many_members(void **state) {
    (void)state;
    struct buffer schema = {0}, text = {0};
    buffer_printf(&schema, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 300; i++) buffer_printf(&schema, "%s\"member-%d\":{\"type\":\"integer\"}", i ? "," : "", i);
    buffer_printf(&schema, "},\"required\":[");
    for (int i = 0; i < 300; i++) buffer_printf(&schema, "%s\"member-%d\"", i ? "," : "", i);
    buffer_printf(&schema, "]}");
    for (int i = 0; i < 300; i++) buffer_printf(&text, "%s\"member-%d\":%d", i ? "," : "{", (7 * i + 5) % 300, i);
    buffer_append_text(&text, "}");
    check(BN_GRAMMAR_JSON_SCHEMA, schema.data, TEXTS(text.data), TEXTS("{\"member-1\":1}"));
    buffer_release(&schema);
    buffer_release(&text);
}

/* A class that is counted is counted apart from the pattern. */
static void counted_classes(void **state) {
    (void)state;
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^[a-c\\\\]]{2,3}$\",\"type\":\"string\"}", TEXTS("\"a]\"", "\"abc\""),
          TEXTS("\"a\"", "\"abca\"", "\"ad\"", "\"\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^.{2}$\",\"type\":\"string\"}", TEXTS("\"é😀\""),
          TEXTS("\"é\"", "\"abc\"", "\"a\\n\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^\\\\d{2,}$\",\"maxLength\":3}", TEXTS("\"12\"", "\"123\"", "1"),
          TEXTS("\"1\"", "\"1234\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^[^]{0,70000}$\",\"minLength\":1}", TEXTS("\"x\\n\""), TEXTS("\"\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"not\":{\"pattern\":\"^[ab]{1,2}$\"},\"type\":\"string\"}",
          TEXTS("\"\"", "\"aba\"", "\"c\""), TEXTS("\"ab\"", "\"a\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^a\\\\{1,2\\\\}$\",\"type\":\"string\"}", TEXTS("\"a{1,2}\""),
          TEXTS("\"a\""));
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^[a][b]{1,2}$\",\"type\":\"string\"}", TEXTS("\"abb\""),
          TEXTS("\"bb\"", "\"aa\""));
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"pattern\":\"^[a]{3,2}$\"}", BN_STATUS_BAD_ARGUMENT, "'#/pattern'");
}

static void many_definitions(void **state) {
    (void)state;
    struct buffer schema = {0};
    buffer_printf(&schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{\"d3000\":{\"type\":\"null\"}");
    for (int i = 0; i < 3000; i++)
        buffer_printf(&schema, ",\"d%d\":{\"type\":\"object\",\"properties\":{\"d\":{\"$ref\":\"#/$defs/d%d\"}}}", i,
                      i + 1);
    buffer_printf(&schema, "}}");
    check(BN_GRAMMAR_JSON_SCHEMA, schema.data, TEXTS("{\"d\":{\"d\":{\"e\":1}}}"), TEXTS("{\"d\":{\"d\":1}}"));
    buffer_release(&schema);
}

static void many_values(void **state) {
    (void)state;
    struct buffer values = {0}, constants = {0};
    buffer_printf(&values, "{\"enum\":[\"\"");
    buffer_printf(&constants, "{\"oneOf\":[{\"const\":\"\"}");
    for (int i = 0; i < 12000; i++) buffer_printf(&values, ",\"symbol-%x-outlined-%d\"", i * 2654435761u, i);
    for (int i = 0; i < 1500; i++)
        buffer_printf(&constants, ",{\"const\":\"symbol-%x-outlined-%d\",\"title\":\"one\"}", i * 2654435761u, i);
    buffer_printf(&values, "]}");
    buffer_printf(&constants, "]}");
    const char *const texts[] = {values.data, constants.data};
    for (int i = 0; i < 2; i++)
        check(BN_GRAMMAR_JSON_SCHEMA, texts[i],
              TEXTS("\"\"", "\"symbol-0-outlined-0\"", "\"symbol-9e3779b1-outlined-1\""),
              TEXTS("\"symbol-0-outlined-1\"", "\"symbol-0-outlined-\"", "\"symbol-0-outlined-00\"", "\"x\""));
    buffer_release(&values);
    buffer_release(&constants);
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
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"type\":\"thing\"}", BN_STATUS_BAD_ARGUMENT, "'#/type': unknown type 'thing'");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{", BN_STATUS_BAD_ARGUMENT, "not valid JSON");
    /* a bound is clipped to what is computed with, but only to the inside */
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"minimum\":99999999999999999999}", BN_STATUS_UNSUPPORTED,
            "'#/minimum': an integer");
    refused(BN_GRAMMAR_JSON_SCHEMA, "{\"multipleOf\":99999999999999999999}", BN_STATUS_UNSUPPORTED, "'#/multipleOf'");
    check(BN_GRAMMAR_JSON_SCHEMA, "{\"maximum\":99999999999999999999,\"minimum\":-99999999999999999999}",
          TEXTS("9e18", "-9e18"), TEXTS("1e21", "-1e21"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas),
        cmocka_unit_test(numbers_with_exponents),
        cmocka_unit_test(alternatives),
        cmocka_unit_test(items_that_must_differ),
        cmocka_unit_test(formats_are_compiled_once),
        cmocka_unit_test(dialects),
        cmocka_unit_test(references_to_schemas_of_schemas),
        cmocka_unit_test(recursive_references),
        cmocka_unit_test(many_alternatives),
        cmocka_unit_test(many_members),
        cmocka_unit_test(counted_classes),
        cmocka_unit_test(many_definitions),
        cmocka_unit_test(many_values),
        cmocka_unit_test(what_schemas_ask_in_vain_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
