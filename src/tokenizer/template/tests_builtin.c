/* Jinja's tests: x is defined, x is divisibleby 3, … */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

#define TEST(name)                                                                                                     \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

/* Tests that only look at the value: the last line is the condition. */
#define SIMPLE_TEST(name, condition)                                                                                   \
    TEST(name) {                                                                                                       \
        (void)ev, (void)a, (void)call;                                                                                 \
        *out = value_bool(condition);                                                                                  \
        return true;                                                                                                   \
    }
SIMPLE_TEST(test_defined, self.type != V_UNDEFINED)
SIMPLE_TEST(test_undefined, self.type == V_UNDEFINED)
SIMPLE_TEST(test_none, self.type == V_NONE)
SIMPLE_TEST(test_boolean, self.type == V_BOOL)
SIMPLE_TEST(test_true, self.type == V_BOOL && self.as.boolean)
SIMPLE_TEST(test_false, self.type == V_BOOL && !self.as.boolean)
SIMPLE_TEST(test_integer, self.type == V_INT || self.type == V_BIG)
SIMPLE_TEST(test_float, self.type == V_FLOAT)
SIMPLE_TEST(test_number, is_number(self))
SIMPLE_TEST(test_string, self.type == V_TEXT)
SIMPLE_TEST(test_mapping, self.type == V_DICT)
SIMPLE_TEST(test_escaped, self.type == V_TEXT && self.markup)
SIMPLE_TEST(test_sequence, self.type == V_TEXT || self.type == V_LIST || self.type == V_TUPLE || self.type == V_DICT ||
                               self.type == V_RANGE || self.type == V_UNDEFINED)
SIMPLE_TEST(test_iterable, self.type == V_TEXT || self.type == V_LIST || self.type == V_TUPLE || self.type == V_DICT ||
                               self.type == V_RANGE || self.type == V_VIEW || self.type == V_ITERATOR ||
                               self.type == V_LOOP || self.type == V_UNDEFINED)
SIMPLE_TEST(test_callable, self.type == V_FUNCTION || self.type == V_METHOD || self.type == V_MACRO ||
                               self.type == V_LOOP || self.type == V_JOINER || self.type == V_UNDEFINED)

static bool remainder_is_zero(struct evaluator *ev, struct value self, struct value divisor, bool *zero) {
    struct value remainder;
    if (!apply_binary(ev, OP_MOD, self, divisor, &remainder)) return false;
    return value_equal(ev, remainder, value_int(0), zero);
}

TEST(test_even) {
    bool zero;
    (void)a, (void)call;
    return remainder_is_zero(ev, self, value_int(2), &zero) && (*out = value_bool(zero), true);
}
TEST(test_odd) {
    struct value remainder;
    bool one;
    (void)a, (void)call;
    return apply_binary(ev, OP_MOD, self, value_int(2), &remainder) && value_equal(ev, remainder, value_int(1), &one) &&
           (*out = value_bool(one), true);
}
TEST(test_divisibleby) {
    bool zero;
    (void)call;
    return remainder_is_zero(ev, self, a[0], &zero) && (*out = value_bool(zero), true);
}

static bool case_test(struct evaluator *ev, struct value self, const char *method_name, struct value *out) {
    bool mutates;
    const struct text *t = value_to_text(ev, self);
    if (!t) return false;
    struct text name = {.data = method_name, .n_bytes = strlen(method_name), .n_chars = strlen(method_name)};
    struct call none = {0};
    return call_builtin(ev, find_method(value_text(t), &name, &mutates), value_text(t), &none, out);
}
TEST(test_lower) {
    (void)a, (void)call;
    return case_test(ev, self, "islower", out);
}
TEST(test_upper) {
    (void)a, (void)call;
    return case_test(ev, self, "isupper", out);
}

/* Identity: of small values the value itself, of objects the object. */
TEST(test_sameas) {
    bool same = self.type == a[0].type;
    (void)call;
    if (same && (self.type == V_BOOL || self.type == V_INT || self.type == V_FLOAT || self.type == V_TEXT)) {
        if (!value_equal(ev, self, a[0], &same)) return false;
    } else if (same && self.type != V_NONE) {
        same = self.as.list == a[0].as.list;
    }
    *out = value_bool(same);
    return true;
}

#define COMPARE_TEST(name, op)                                                                                         \
    TEST(name) {                                                                                                       \
        bool holds;                                                                                                    \
        (void)call;                                                                                                    \
        return apply_compare(ev, op, self, a[0], &holds) && (*out = value_bool(holds), true);                          \
    }
COMPARE_TEST(test_eq, CMP_EQ)
COMPARE_TEST(test_ne, CMP_NE)
COMPARE_TEST(test_lt, CMP_LT)
COMPARE_TEST(test_le, CMP_LE)
COMPARE_TEST(test_gt, CMP_GT)
COMPARE_TEST(test_ge, CMP_GE)
COMPARE_TEST(test_in, CMP_IN)

SIMPLE_TEST(test_filter, self.type == V_TEXT && find_filter(self.as.text->data, self.as.text->n_bytes))
SIMPLE_TEST(test_test, self.type == V_TEXT && find_test(self.as.text->data, self.as.text->n_bytes))

static const struct builtin tests[] = {
    {"defined", "", test_defined},
    {"undefined", "", test_undefined},
    {"none", "", test_none},
    {"boolean", "", test_boolean},
    {"true", "", test_true},
    {"false", "", test_false},
    {"integer", "", test_integer},
    {"float", "", test_float},
    {"number", "", test_number},
    {"string", "", test_string},
    {"mapping", "", test_mapping},
    {"sequence", "", test_sequence},
    {"iterable", "", test_iterable},
    {"callable", "", test_callable},
    {"escaped", "", test_escaped},
    {"even", "", test_even},
    {"odd", "", test_odd},
    {"divisibleby", "num", test_divisibleby},
    {"lower", "", test_lower},
    {"upper", "", test_upper},
    {"sameas", "other", test_sameas},
    {"filter", "", test_filter},
    {"test", "", test_test},
    {"in", "seq", test_in},
    {"==", "other", test_eq},
    {"eq", "other", test_eq},
    {"equalto", "other", test_eq},
    {"!=", "other", test_ne},
    {"ne", "other", test_ne},
    {"<", "other", test_lt},
    {"lt", "other", test_lt},
    {"lessthan", "other", test_lt},
    {"<=", "other", test_le},
    {"le", "other", test_le},
    {">", "other", test_gt},
    {"gt", "other", test_gt},
    {"greaterthan", "other", test_gt},
    {">=", "other", test_ge},
    {"ge", "other", test_ge},
};

const struct builtin *find_test(const char *name, size_t n) {
    return find_in(tests, sizeof tests / sizeof tests[0], name, n);
}
