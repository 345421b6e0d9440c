/* The binary operators with Python's rules: integers of any length, true division, floor division and modulo with the
 * divisor's sign, sequences added and repeated, % on a string formats it. */
#include <math.h>
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

static const char *operator_text(enum binary_operator op) {
    static const char *const texts[] = {"+", "-", "*", "/", "//", "%", "**"};
    return texts[op];
}

static bool fail_operands(struct evaluator *ev, enum binary_operator op, struct value a, struct value b) {
    struct value undefined = a.type == V_UNDEFINED ? a : b;
    if (undefined.type == V_UNDEFINED && undefined.as.text)
        return ev_fail(ev, "%.*s", (int)undefined.as.text->n_bytes, undefined.as.text->data);
    return ev_fail(ev, "unsupported operand types for %s: '%s' and '%s'", operator_text(op), value_type_name(a),
                   value_type_name(b));
}

static double to_double(struct value v) {
    return v.type == V_FLOAT ? v.as.number : integer_to_double(v);
}

static double floor_modulo(double x, double y) {
    double remainder = fmod(x, y);
    if (remainder != 0 && (remainder < 0) != (y < 0)) remainder += y;
    return remainder == 0 ? copysign(0.0, y) : remainder;
}

static bool float_power(struct evaluator *ev, double x, double y, struct value *out) {
    if (x == 0 && y < 0) return ev_fail(ev, "0.0 cannot be raised to a negative power");
    if (x < 0 && isfinite(x) && isfinite(y) && y != trunc(y))
        return ev_fail(ev, "a negative number to a fractional power is complex");
    double result = pow(x, y);
    if (isinf(result) && isfinite(x) && isfinite(y)) return ev_fail(ev, "numerical result out of range");
    *out = value_float(result);
    return true;
}

static bool float_binary(struct evaluator *ev, enum binary_operator op, double x, double y, struct value *out) {
    switch (op) {
    case OP_ADD:
        *out = value_float(x + y);
        return true;
    case OP_SUB:
        *out = value_float(x - y);
        return true;
    case OP_MUL:
        *out = value_float(x * y);
        return true;
    case OP_POW:
        return float_power(ev, x, y, out);
    default:
        break;
    }
    if (y == 0) return ev_fail(ev, "division by zero");
    if (op == OP_DIV) {
        *out = value_float(x / y);
    } else if (op == OP_MOD) {
        *out = value_float(floor_modulo(x, y));
    } else { /* as CPython's float_divmod: exact through the modulo */
        double quotient = (x - floor_modulo(x, y)) / y;
        double whole = quotient == 0 ? copysign(0.0, x / y) : floor(quotient);
        if (quotient - whole > 0.5) whole += 1;
        *out = value_float(whole);
    }
    return true;
}

/* a / b correctly rounded while both fit in a double's 53 bits, and to within its rounding beyond. */
static bool integer_true_divide(struct evaluator *ev, struct value a, struct value b, struct value *out) {
    if (integer_sign(b) == 0) return ev_fail(ev, "division by zero");
    double x = integer_to_double(a), y = integer_to_double(b);
    if (isinf(x) || isinf(y)) return ev_fail(ev, "integer division result too large for a float");
    *out = value_float(x / y);
    return true;
}

static bool integer_binary(struct evaluator *ev, enum binary_operator op, struct value a, struct value b,
                           struct value *out) {
    switch (op) {
    case OP_ADD:
        return integer_add(ev, a, b, out);
    case OP_SUB:
        return integer_subtract(ev, a, b, out);
    case OP_MUL:
        return integer_multiply(ev, a, b, out);
    case OP_DIV:
        return integer_true_divide(ev, a, b, out);
    case OP_FLOOR_DIV:
        return integer_divide(ev, a, b, out, NULL);
    case OP_MOD:
        return integer_divide(ev, a, b, NULL, out);
    case OP_POW:
        if (integer_sign(b) < 0) return float_power(ev, integer_to_double(a), integer_to_double(b), out);
        if (b.type == V_BIG) return integer_power(ev, a, UINT64_MAX, out);
        return integer_power(ev, a, (uint64_t)(b.type == V_BOOL ? b.as.boolean : b.as.integer), out);
    }
    return false;
}

/* 'ab' * 3, [1] * 3; negative counts give nothing. */
static bool repeat(struct evaluator *ev, struct value sequence, struct value count_value, struct value *out) {
    if (count_value.type == V_BIG && integer_sign(count_value) > 0) return ev_fail(ev, "the result is too long");
    int64_t count = count_value.type == V_BIG    ? 0
                    : count_value.type == V_BOOL ? count_value.as.boolean
                                                 : count_value.as.integer;
    if (count < 0) count = 0;
    if (sequence.type == V_TEXT) {
        struct writer w = {0};
        const struct text *t = sequence.as.text;
        if (!write_repeated(ev, &w, t->data, t->n_bytes, (size_t)count)) return false;
        bool ok = writer_value(ev, &w, out);
        out->markup = sequence.markup;
        return ok;
    }
    const struct list *list = sequence.as.list;
    if (list->n == 0) count = 0;
    if ((uint64_t)count > SIZE_MAX / 2 / (list->n + 1)) return ev_fail(ev, "the result is too long");
    size_t n = list->n * (size_t)count;
    struct value *items = ev_alloc_array(ev, n, sizeof *items);
    if (!items || !ev_spend(ev, n)) return false;
    for (size_t i = 0; i < n; i += list->n) memcpy(items + i, list->items, list->n * sizeof *items);
    return list_value(ev, sequence.type, items, n, out);
}

static const struct text *escaped(struct evaluator *ev, struct value v) {
    struct writer w = {0};
    if (v.markup) return v.as.text;
    return write_escaped(ev, &w, v.as.text) ? text_wrap(ev, w.data ? w.data : "", w.size) : NULL;
}

static bool add_sequences(struct evaluator *ev, struct value a, struct value b, struct value *out) {
    if (a.type != V_TEXT) return list_concat(ev, a.type, a.as.list, b.as.list, out);
    if (!a.markup && !b.markup) return text_concat(ev, a.as.text, b.as.text, out);
    const struct text *x = escaped(ev, a), *y = x ? escaped(ev, b) : NULL;
    if (!y || !text_concat(ev, x, y, out)) return false;
    out->markup = true;
    return true;
}

static bool is_repeatable(struct value v) {
    return v.type == V_TEXT || v.type == V_LIST || v.type == V_TUPLE;
}

bool apply_binary(struct evaluator *ev, enum binary_operator op, struct value a, struct value b, struct value *out) {
    if (is_integer(a) && is_integer(b)) return integer_binary(ev, op, a, b, out);
    if (is_number(a) && is_number(b)) {
        double x = to_double(a), y = to_double(b);
        if ((isinf(x) && a.type == V_BIG) || (isinf(y) && b.type == V_BIG))
            return ev_fail(ev, "int too large to convert to float");
        return float_binary(ev, op, x, y, out);
    }
    if (op == OP_ADD && a.type == b.type && is_repeatable(a)) return add_sequences(ev, a, b, out);
    if (op == OP_MUL && is_repeatable(a) && is_integer(b)) return repeat(ev, a, b, out);
    if (op == OP_MUL && is_integer(a) && is_repeatable(b)) return repeat(ev, b, a, out);
    if (op == OP_MOD && a.type == V_TEXT) return percent_format(ev, a, b, out);
    return fail_operands(ev, op, a, b);
}

bool negate(struct evaluator *ev, struct value v, struct value *out) {
    if (is_integer(v)) return integer_negate(ev, v, out);
    if (v.type == V_FLOAT) {
        *out = value_float(-v.as.number);
        return true;
    }
    return fail_operands(ev, OP_SUB, v, v);
}

bool apply_compare(struct evaluator *ev, enum compare_operator op, struct value a, struct value b, bool *out) {
    int order;
    switch (op) {
    case CMP_EQ:
        return value_equal(ev, a, b, out);
    case CMP_NE:
        return value_equal(ev, a, b, out) && (*out = !*out, true);
    case CMP_IN:
        return value_contains(ev, b, a, out);
    case CMP_NOT_IN:
        return value_contains(ev, b, a, out) && (*out = !*out, true);
    default:
        break;
    }
    if (!value_compare(ev, a, b, &order)) return false;
    bool ordered = order >= -1 && order <= 1; /* NaN isn't */
    *out = ordered && (op == CMP_LT ? order < 0 : op == CMP_LE ? order <= 0 : op == CMP_GT ? order > 0 : order >= 0);
    return true;
}
