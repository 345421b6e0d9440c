/* XML documents by a schema: what they accept, and schemas that no document can be written by. */
#include "grammar_texts.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xml_documents),
        cmocka_unit_test(xml_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
