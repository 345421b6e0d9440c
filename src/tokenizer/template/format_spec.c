/* Numbers and texts laid out by a format specification: what '%5.2f' % x and '{:>8,}'.format(x) share.
 * Python's formatspec mini-language: [[fill]align][sign][#][0][width][grouping][.precision][type]. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

enum { MAX_PRECISION = 400, MAX_WIDTH = 1 << 24 };

/* Pads prefix + body to the width; '=' (and a leading 0) pads between them. */
static bool write_padded(struct evaluator *ev, struct writer *w, const char *prefix, const struct text *body,
                         const struct format_spec *spec, char default_align) {
    char align = spec->align ? spec->align : default_align;
    size_t n = strlen(prefix) + body->n_chars, pad = 0;
    if (spec->width > MAX_WIDTH) return ev_fail(ev, "the format's width is too large");
    if (spec->width > 0 && (size_t)spec->width > n) pad = (size_t)spec->width - n;
    const char *unit = spec->fill ? spec->fill->data : spec->zero ? "0" : " ";
    size_t unit_bytes = spec->fill ? spec->fill->n_bytes : 1;
    size_t before = align == '>' ? pad : align == '^' ? pad / 2 : 0, inside = align == '=' ? pad : 0;
    return write_repeated(ev, w, unit, unit_bytes, before) && write_text(ev, w, prefix) &&
           write_repeated(ev, w, unit, unit_bytes, inside) && write_bytes(ev, w, body->data, body->n_bytes) &&
           write_repeated(ev, w, unit, unit_bytes, pad - before - inside);
}

bool format_text(struct evaluator *ev, const struct text *t, const struct format_spec *spec, struct writer *w) {
    struct text *cut = NULL;
    if (spec->precision >= 0 && (size_t)spec->precision < t->n_chars &&
        !(cut = text_slice(ev, t, 0, (size_t)spec->precision)))
        return false;
    return write_padded(ev, w, "", cut ? cut : t, spec, '<');
}

/* Digits with a separator before every third (fourth for '_' with x, o, b) of the whole part. */
static bool write_grouped(struct evaluator *ev, struct writer *w, const struct text *digits, size_t n_whole,
                          char separator, size_t group) {
    for (size_t i = 0; i < n_whole; i++) {
        if (i && (n_whole - i) % group == 0 && !write_char(ev, w, separator)) return false;
        if (!write_char(ev, w, digits->data[i])) return false;
    }
    return write_bytes(ev, w, digits->data + n_whole, digits->n_bytes - n_whole);
}

static bool finish_number(struct evaluator *ev, struct writer *w, bool negative, const char *base_prefix,
                          const struct writer *digits, const struct format_spec *spec) {
    struct text body = {.data = digits->data, .n_bytes = digits->size, .n_chars = digits->size};
    struct writer grouped = {0};
    char prefix[4] = "";
    if (negative)
        strcat(prefix, "-");
    else if (spec->sign == '+' || spec->sign == ' ')
        strncat(prefix, &spec->sign, 1);
    strcat(prefix, base_prefix);
    if (spec->grouping) {
        size_t n_whole = 0, group = spec->grouping == '_' && spec->type && strchr("xXob", spec->type) ? 4 : 3;
        struct writer zeros = {0};
        while (n_whole < body.n_bytes && strchr("0123456789abcdefABCDEF", body.data[n_whole])) n_whole++;
        if (spec->zero && !spec->align && n_whole) { /* the zeros are grouped like the digits */
            size_t width = spec->width > 0 ? (size_t)spec->width : 0, n_zeros = 0;
            if (width > MAX_WIDTH) return ev_fail(ev, "the format's width is too large");
            size_t others = strlen(prefix) + body.n_bytes - n_whole;
            while (others + n_whole + n_zeros + (n_whole + n_zeros - 1) / group < width) n_zeros++;
            if (!write_repeated(ev, &zeros, "0", 1, n_zeros) || !write_bytes(ev, &zeros, body.data, body.n_bytes))
                return false;
            body = (struct text){.data = zeros.data, .n_bytes = zeros.size, .n_chars = zeros.size};
            n_whole += n_zeros;
        }
        if (!write_grouped(ev, &grouped, &body, n_whole, spec->grouping, group)) return false;
        body = (struct text){.data = grouped.data, .n_bytes = grouped.size, .n_chars = grouped.size};
    }
    return write_padded(ev, w, prefix, &body, spec, spec->zero ? '=' : '>');
}

static bool format_integer(struct evaluator *ev, struct value v, const struct format_spec *spec, struct writer *w) {
    struct writer digits = {0}, padded = {0};
    char type = spec->type ? spec->type : 'd';
    unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    if (!integer_write_magnitude(ev, &digits, v, base)) return false;
    for (size_t i = 0; type == 'X' && i < digits.size; i++)
        if (digits.data[i] >= 'a') digits.data[i] = (char)(digits.data[i] - 'a' + 'A');
    if (spec->precision > MAX_WIDTH) return ev_fail(ev, "the format's precision is too large");
    if (spec->precision > (int64_t)digits.size) { /* only % has it for integers: at least so many digits */
        if (!write_repeated(ev, &padded, "0", 1, (size_t)spec->precision - digits.size) ||
            !write_bytes(ev, &padded, digits.data, digits.size))
            return false;
        digits = padded;
    }
    const char *prefix = !spec->alternate ? ""
                         : type == 'x'    ? "0x"
                         : type == 'X'    ? "0X"
                         : type == 'o'    ? "0o"
                         : type == 'b'    ? "0b"
                                          : "";
    return finish_number(ev, w, integer_sign(v) < 0, prefix, &digits, spec);
}

static bool format_float(struct evaluator *ev, double f, const struct format_spec *spec, struct writer *w) {
    struct writer digits = {0};
    char type = spec->type ? spec->type : 'r', c_format[8] = "%";
    bool percent = type == '%', upper = type == 'E' || type == 'F' || type == 'G';
    if (spec->precision > MAX_PRECISION) return ev_fail(ev, "the format's precision is too large");
    int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    if (percent) f *= 100;
    if (percent) type = 'f';
    if (type == 'n') type = 'g';
    double magnitude = fabs(f);
    if (!isfinite(f)) {
        if (!write_text(ev, &digits, isnan(f) ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf")) return false;
    } else if (type == 'r' && spec->precision < 0) {
        if (!write_float(ev, &digits, magnitude)) return false;
    } else {
        char text[800];
        if (type == 'r') { /* no type but a precision: like g, except that a whole number keeps ".0" */
            snprintf(text, sizeof text, "%.*g", precision, magnitude);
            if (!strpbrk(text, ".e")) strcat(text, ".0");
        } else {
            if (spec->alternate) strcat(c_format, "#");
            strcat(c_format, ".*");
            strncat(c_format, &type, 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof text, c_format, precision, magnitude);
#pragma GCC diagnostic pop
        }
        if (!write_text(ev, &digits, text)) return false;
    }
    if (percent && !write_char(ev, &digits, '%')) return false;
    return finish_number(ev, w, !isnan(f) && signbit(f), "", &digits, spec);
}

bool format_number(struct evaluator *ev, struct value v, const struct format_spec *spec, struct writer *w) {
    char type = spec->type;
    if (is_integer(v) && (!type || strchr("dxXobn", type))) return format_integer(ev, v, spec, w);
    if (is_integer(v) && type == 'c') {
        struct writer one = {0};
        int64_t c = v.type == V_INT ? v.as.integer : -1;
        if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return ev_fail(ev, "%%c: not a character's number");
        if (!write_code_point(ev, &one, (uint32_t)c)) return false;
        struct text text = {.data = one.data, .n_bytes = one.size, .n_chars = 1};
        return write_padded(ev, w, "", &text, spec, '<');
    }
    if (type && !strchr("eEfFgGn%", type))
        return ev_fail(ev, "unknown format code '%c' for object of type '%s'", type, value_type_name(v));
    return format_float(ev, v.type == V_FLOAT ? v.as.number : integer_to_double(v), spec, w);
}

static void strip_bounds(const struct text *t, const char **begin, const char **end) {
    *begin = t->data;
    *end = t->data + t->n_bytes;
    while (*begin < *end && strchr(" \t\n\r\f\v", **begin) && **begin) (*begin)++;
    while (*end > *begin && strchr(" \t\n\r\f\v", (*end)[-1]) && (*end)[-1]) (*end)--;
}

static int digit_in(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

bool parse_integer(struct evaluator *ev, const struct text *t, int64_t base, struct value *out, bool *ok) {
    const char *p, *end;
    strip_bounds(t, &p, &end);
    *ok = false;
    if (base != 0 && (base < 2 || base > 36)) return true;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (end - p > 2 && p[0] == '0') {
        char kind = (char)(p[1] | 0x20);
        int64_t prefixed = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
        if (prefixed && (base == 0 || base == prefixed)) {
            base = prefixed;
            p += 2;
            if (*p == '_') p++;
        }
    }
    if (base == 0) base = 10;
    if (p == end) return true;
    for (const char *q = p; q < end; q++) {
        if (*q == '_' && (q == p || q + 1 == end || q[1] == '_')) return true;
        if (*q != '_' && digit_in(*q) >= base) return true;
    }
    *ok = true;
    return integer_from_digits(ev, p, (size_t)(end - p), (unsigned)base, negative, out);
}

bool parse_float(struct evaluator *ev, const struct text *t, double *out, bool *ok) {
    const char *p, *end;
    struct writer w = {0};
    strip_bounds(t, &p, &end);
    *ok = false;
    if (p == end) return true;
    for (const char *q = p; q < end; q++) {
        if (*q == '_') {
            if (q == p || q + 1 == end || digit_in(q[-1]) > 9 || digit_in(q[1]) > 9) return true;
            continue;
        }
        if (!*q || (unsigned char)*q >= 0x80 || *q == 'x' || *q == 'X' || *q == '(') return true; /* C's hex, nan(…) */
        if (!write_char(ev, &w, *q)) return false;
    }
    if (!write_char(ev, &w, 0)) return false;
    char *rest;
    *out = strtod(w.data, &rest);
    *ok = rest == w.data + w.size - 1 && rest != w.data && w.data[0] != ' ';
    return true;
}
