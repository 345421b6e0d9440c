/* 'text %s' % values: printf-style formatting as Python does it. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

struct percent {
    struct evaluator *ev;
    const char *p, *end;
    struct value arguments;
    size_t next; /* of a tuple; a single value is taken once */
    bool used_mapping;
    bool markup; /* texts are escaped */
    struct writer out;
};

static bool take_argument(struct percent *f, struct value *out) {
    size_t n = f->arguments.type == V_TUPLE ? f->arguments.as.list->n : 1;
    if (f->next >= n) return ev_fail(f->ev, "not enough arguments for format string");
    *out = f->arguments.type == V_TUPLE ? f->arguments.as.list->items[f->next] : f->arguments;
    f->next++;
    return true;
}

/* A number or '*'. */
static bool parse_count(struct percent *f, int64_t *out) {
    if (f->p < f->end && *f->p == '*') {
        struct value v;
        f->p++;
        return take_argument(f, &v) && argument_size(f->ev, v, "'*'", out);
    }
    if (f->p < f->end && *f->p >= '0' && *f->p <= '9') *out = 0;
    for (; f->p < f->end && *f->p >= '0' && *f->p <= '9'; f->p++)
        if (*out < INT64_MAX / 100) *out = *out * 10 + (*f->p - '0');
    return true;
}

/* %(name)s */
static bool parse_mapping_key(struct percent *f, struct value *v) {
    const char *begin = ++f->p;
    int depth = 1;
    for (; f->p < f->end; f->p++) {
        if (*f->p == '(') depth++;
        if (*f->p == ')' && --depth == 0) break;
    }
    if (f->p == f->end) return ev_fail(f->ev, "incomplete format key");
    if (f->arguments.type != V_DICT) return ev_fail(f->ev, "format requires a mapping");
    const struct value *found = dict_get_text(f->arguments.as.dict, begin, (size_t)(f->p - begin));
    if (!found) return ev_fail(f->ev, "the format's key '%.*s' is not there", (int)(f->p - begin), begin);
    f->p++;
    f->used_mapping = true;
    *v = *found;
    return true;
}

static bool format_as_text(struct percent *f, struct value v, char conversion, const struct format_spec *spec) {
    struct writer w = {0};
    struct text *text;
    bool repr = conversion != 's';
    if (!(repr ? write_repr(f->ev, &w, v) : write_str(f->ev, &w, v))) return false;
    if (!(text = text_wrap(f->ev, w.data ? w.data : "", w.size))) return false;
    if (f->markup && !v.markup) {
        struct writer escaped = {0};
        if (!write_escaped(f->ev, &escaped, text)) return false;
        if (!(text = text_wrap(f->ev, escaped.data ? escaped.data : "", escaped.size))) return false;
    }
    return format_text(f->ev, text, spec, &f->out);
}

static bool format_conversion(struct percent *f, struct value v, char conversion, struct format_spec *spec) {
    struct evaluator *ev = f->ev;
    if (conversion == 's' || conversion == 'r' || conversion == 'a') {
        spec->zero = false; /* a flag for numbers */
        return format_as_text(f, v, conversion, spec);
    }
    if (conversion == 'c' && v.type == V_TEXT) {
        if (v.as.text->n_chars != 1) return ev_fail(ev, "%%c requires int or char");
        return format_text(ev, v.as.text, spec, &f->out);
    }
    if (!is_number(v)) return ev_fail(ev, "%%%c format: a number is required, not %s", conversion, value_type_name(v));
    if (strchr("diu", conversion)) {
        spec->type = 'd';
        if (v.type == V_FLOAT && !integer_from_double(ev, v.as.number, &v)) return false;
    } else if (strchr("xXoc", conversion)) {
        spec->type = conversion;
        if (!is_integer(v)) return ev_fail(ev, "%%%c format: an integer is required, not float", conversion);
    } else if (strchr("eEfFgG", conversion)) {
        spec->type = conversion;
    } else {
        return ev_fail(ev, "unsupported format character '%c'", conversion);
    }
    return format_number(ev, v, spec, &f->out);
}

static bool parse_flags(struct percent *f, struct format_spec *spec) {
    bool left = false;
    for (; f->p < f->end && *f->p && strchr("-+ #0", *f->p); f->p++) {
        if (*f->p == '-')
            left = true;
        else if (*f->p == '+')
            spec->sign = '+';
        else if (*f->p == ' ' && !spec->sign)
            spec->sign = ' ';
        else if (*f->p == '#')
            spec->alternate = true;
        else if (*f->p == '0')
            spec->zero = true;
    }
    int64_t width = -1;
    if (!parse_count(f, &width)) return false;
    if (width < -1) {
        left = true;
        width = -width;
    }
    spec->width = width;
    if (left) spec->zero = false;
    spec->align = left ? '<' : spec->zero ? 0 : '>';
    if (f->p < f->end && *f->p == '.') {
        f->p++;
        spec->precision = 0;
        if (!parse_count(f, &spec->precision)) return false;
        if (spec->precision < 0) spec->precision = 0;
    }
    while (f->p < f->end && *f->p && strchr("hlL", *f->p)) f->p++;
    return true;
}

static bool format_directive(struct percent *f) {
    struct format_spec spec = {.width = -1, .precision = -1};
    struct value v = value_missing();
    const char *begin = f->p;
    if (f->p < f->end && *f->p == '(' && !parse_mapping_key(f, &v)) return false;
    if (!parse_flags(f, &spec)) return false;
    if (f->p == f->end) return ev_fail(f->ev, "incomplete format");
    char conversion = *f->p++;
    if (conversion == '%' && f->p == begin + 1) return write_char(f->ev, &f->out, '%');
    if (!conversion || !strchr("diouxXeEfFgGcrsa", conversion)) return ev_fail(f->ev, "unsupported format character");
    if (!is_given(v) && !take_argument(f, &v)) return false;
    if (spec.zero && (conversion == 's' || conversion == 'r' || conversion == 'a' || conversion == 'c'))
        spec.align = '>';
    return format_conversion(f, v, conversion, &spec);
}

bool percent_format(struct evaluator *ev, struct value format, struct value arguments, struct value *out) {
    const struct text *t = format.as.text;
    struct percent f = {
        .ev = ev, .p = t->data, .end = t->data + t->n_bytes, .arguments = arguments, .markup = format.markup};
    while (f.p < f.end) {
        const char *percent = memchr(f.p, '%', (size_t)(f.end - f.p));
        const char *stop = percent ? percent : f.end;
        if (!write_bytes(ev, &f.out, f.p, (size_t)(stop - f.p))) return false;
        if (!percent) break;
        f.p = percent + 1;
        if (!format_directive(&f)) return false;
    }
    /* What is left over is an error, except that one mapping or list may go unused, as in Python. */
    size_t n = arguments.type == V_TUPLE ? arguments.as.list->n : 1;
    bool may_be_unused =
        f.used_mapping || arguments.type == V_DICT || arguments.type == V_LIST || arguments.type == V_RANGE;
    if (f.next < n && !(arguments.type != V_TUPLE && may_be_unused))
        return ev_fail(ev, "not all arguments converted during string formatting");
    if (!writer_value(ev, &f.out, out)) return false;
    out->markup = format.markup;
    return true;
}
