/* Grammars and the texts they are to accept and to refuse. */
#ifndef SUPPORT_GRAMMAR_TEXTS_H
#define SUPPORT_GRAMMAR_TEXTS_H

#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "test.h"

static inline bn_grammar *compile(bn_grammar_kind kind, const char *text, bool any_form) {
    bn_grammar *grammar;
    bn_error err;
    const bn_grammar_options options = {.size = sizeof options, .any_form = any_form};
    assert_ok(bn_grammar_compile(kind, text, strlen(text), &options, &grammar, &err), err);
    return grammar;
}

static inline void expect(bn_grammar *grammar, const char *text, bool wanted) {
    bool accepted;
    size_t at;
    bn_error err;
    assert_ok(bn_grammar_accepts(grammar, text, strlen(text), &accepted, &at, &err), err);
    if (accepted != wanted) test_fail("'%s' is %s, at byte %zu", text, accepted ? "accepted" : "refused", at);
    assert_true(at <= strlen(text));
}

/* good and bad texts, each list ended by NULL. */
static inline void check(bn_grammar_kind kind, const char *text, const char *const *good, const char *const *bad) {
    bn_grammar *grammar = compile(kind, text, true);
    for (; *good; good++) expect(grammar, *good, true);
    for (; *bad; bad++) expect(grammar, *bad, false);
    bn_grammar_release(grammar);
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* It isn't compiled, for a reason that has the part in its message. */
static inline void refused(bn_grammar_kind kind, const char *text, bn_status status, const char *part) {
    bn_grammar *grammar;
    bn_error err = {0};
    size_t n = strlen(text);
    char *exact = malloc(n); /* nothing behind it: the address sanitizer sees a byte too many */
    memcpy(exact, text, n);
    assert_int_equal(bn_grammar_compile(kind, exact, n, NULL, &grammar, &err), status);
    free(exact);
    if (!strstr(err.message, part)) test_fail("'%s' doesn't say '%s'", err.message, part);
}

#endif
