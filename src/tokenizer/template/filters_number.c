/* Filters on numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

#define FILTER(name)                                                                                                   \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

static bool need_number(struct evaluator *ev, const char *filter, struct value v) {
    return is_number(v) || ev_fail(ev, "%s needs a number, not %s", filter, value_type_name(v));
}

FILTER(filter_abs) {
    (void)a, (void)call;
    if (!need_number(ev, "abs", self)) return false;
    if (self.type == V_FLOAT) {
        *out = value_float(fabs(self.as.number));
        return true;
    }
    if (integer_sign(self) < 0) return integer_negate(ev, self, out);
    return integer_add(ev, self, value_int(0), out);
}

/* int(text, base); else int(float(text)), so that '3.9' is 3; else the default. */
FILTER(filter_int) {
    (void)call;
    int64_t base = 10;
    double number = 0;
    bool ok = false;
    if (is_given(a[1]) && !argument_size(ev, a[1], "base", &base)) return false;
    if (is_integer(self)) return integer_add(ev, self, value_int(0), out);
    if (self.type == V_UNDEFINED) return ev_fail(ev, "int of an undefined value");
    if (self.type == V_FLOAT && !isnan(self.as.number)) return integer_from_double(ev, self.as.number, out);
    if (self.type == V_TEXT) {
        if (!parse_integer(ev, self.as.text, base, out, &ok)) return false;
        if (ok) return true;
        if (!parse_float(ev, self.as.text, &number, &ok)) return false;
        if (ok && isfinite(number)) return integer_from_double(ev, number, out);
    }
    *out = is_given(a[0]) ? a[0] : value_int(0);
    return true;
}

FILTER(filter_float) {
    (void)call;
    double number;
    bool ok = false;
    *out = is_given(a[0]) ? a[0] : value_float(0);
    if (self.type == V_UNDEFINED) return ev_fail(ev, "float of an undefined value");
    if (self.type == V_FLOAT) *out = self;
    if (is_integer(self)) {
        number = integer_to_double(self);
        if (isinf(number)) return ev_fail(ev, "int too large to convert to float");
        *out = value_float(number);
    }
    if (self.type != V_TEXT) return true;
    if (!parse_float(ev, self.as.text, &number, &ok)) return false;
    if (ok) *out = value_float(number);
    return true;
}

/* Half to even on the exact decimal value of the float, which is what printf rounds by. */
static double round_decimal(double f, int64_t precision) {
    char text[400];
    if (!isfinite(f) || precision > 330) return f;
    if (precision >= 0) {
        if (fabs(f) >= 1e17) return f; /* whole already */
        snprintf(text, sizeof text, "%.*f", (int)precision, f);
        return strtod(text, NULL);
    }
    if (precision < -308) return copysign(0.0, f);
    double unit = pow(10, (double)-precision);
    return nearbyint(f / unit) * unit;
}

static bool round_integer(struct evaluator *ev, struct value v, int64_t precision, struct value *out) {
    struct value unit, half, remainder, doubled;
    if (precision >= 0) return integer_add(ev, v, value_int(0), out);
    if (precision < -1000) {
        *out = value_int(0);
        return true;
    }
    if (!integer_power(ev, value_int(10), (uint64_t)-precision, &unit) ||
        !integer_divide(ev, v, unit, &half, &remainder) || !integer_multiply(ev, remainder, value_int(2), &doubled))
        return false;
    int order = integer_compare(doubled, unit);
    struct value odd;
    if (!integer_divide(ev, half, value_int(2), NULL, &odd)) return false;
    if ((order > 0 || (order == 0 && integer_sign(odd))) && !integer_add(ev, half, value_int(1), &half)) return false;
    return integer_multiply(ev, half, unit, out);
}

FILTER(filter_round) {
    (void)call;
    int64_t precision = 0;
    const struct text *method = NULL;
    if (!need_number(ev, "round", self)) return false;
    if (is_given(a[0]) && !argument_size(ev, a[0], "precision", &precision)) return false;
    if (is_given(a[1]) && !argument_text(ev, a[1], "method", &method)) return false;
    if (!method || text_is(method, "common")) {
        if (is_integer(self)) return round_integer(ev, self, precision, out);
        *out = value_float(round_decimal(self.as.number, precision));
        return true;
    }
    if (!text_is(method, "ceil") && !text_is(method, "floor"))
        return ev_fail(ev, "method must be common, ceil or floor");
    struct value scale, scaled, whole;
    if (!apply_binary(ev, OP_POW, value_int(10), value_int(precision), &scale) ||
        !apply_binary(ev, OP_MUL, self, scale, &scaled))
        return false;
    whole = scaled;
    if (scaled.type == V_FLOAT) {
        double f = text_is(method, "ceil") ? ceil(scaled.as.number) : floor(scaled.as.number);
        if (!integer_from_double(ev, f, &whole)) return false;
    }
    return apply_binary(ev, OP_DIV, whole, scale, out);
}

FILTER(filter_filesizeformat) {
    (void)call;
    static const char units[] = "kMGTPEZY";
    bool binary = is_given(a[0]) && value_truth(a[0]), ok = true;
    double bytes = 0, base = binary ? 1024 : 1000;
    char text[420];
    if (self.type == V_TEXT) {
        if (!parse_float(ev, self.as.text, &bytes, &ok)) return false;
    } else if (need_number(ev, "filesizeformat", self)) {
        bytes = self.type == V_FLOAT ? self.as.number : integer_to_double(self);
    } else {
        return false;
    }
    if (!ok || !isfinite(bytes)) return ev_fail(ev, "filesizeformat: not a finite number");
    if (bytes == 1) {
        snprintf(text, sizeof text, "1 Byte");
    } else if (bytes < base) {
        snprintf(text, sizeof text, "%.0f Bytes", trunc(bytes));
    } else {
        double unit = base * base;
        size_t i = 0;
        while (i < 7 && bytes >= unit) {
            unit *= base;
            i++;
        }
        char letter = binary && i == 0 ? 'K' : units[i];
        snprintf(text, sizeof text, "%.1f %c%sB", base * bytes / unit, letter, binary ? "i" : "");
    }
    struct writer w = {0};
    return write_text(ev, &w, text) && writer_value(ev, &w, out);
}

static const struct builtin filters[] = {
    {"abs", "", filter_abs},
    {"int", "default? base?", filter_int},
    {"float", "default?", filter_float},
    {"round", "precision? method?", filter_round},
    {"filesizeformat", "binary?", filter_filesizeformat},
};
const struct builtin_table number_filters = {filters, sizeof filters / sizeof filters[0]};
