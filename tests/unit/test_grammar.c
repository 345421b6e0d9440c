/* Regular expressions, choices and grammars of rules as their callers see them: which texts they accept, what is refused and how it is called. */
#include "grammar_texts.h"

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
    refused(BN_GRAMMAR_GBNF, "root ::= foo", BN_STATUS_BAD_ARGUMENT, "line 1: the rule 'foo' isn't defined");
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_expressions),
        cmocka_unit_test(assertions_in_regular_expressions),
        cmocka_unit_test(choices),
        cmocka_unit_test(grammars_of_rules),
        cmocka_unit_test(free_text_before_a_grammar),
        cmocka_unit_test(languages_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
