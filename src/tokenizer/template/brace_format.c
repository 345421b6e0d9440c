/* '{} {0.name[key]!r:>8}'.format(…): str.format with the sandbox's lookups for the fields. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

struct formatter {
    struct evaluator *ev;
    const struct call *call;    /* positional and named arguments */
    const struct dict *mapping; /* of format_map, instead */
    size_t next;                /* of the automatic numbering */
    bool numbered;              /* some field had a number of its own */
};

static bool all_digits(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] < '0' || p[i] > '9') return false;
    return n > 0;
}

static bool named_argument(struct formatter *f, const char *name, size_t n, struct value *out) {
    if (f->mapping) {
        const struct value *v = dict_get_text(f->mapping, name, n);
        if (v) *out = *v;
        return v || ev_fail(f->ev, "format: no key '%.*s'", (int)n, name);
    }
    for (size_t i = 0; i < f->call->n_named; i++) {
        const struct text *keyword = f->call->named[i].name;
        if (keyword->n_bytes == n && memcmp(keyword->data, name, n) == 0) {
            *out = f->call->named[i].value;
            return true;
        }
    }
    return ev_fail(f->ev, "format: no argument '%.*s'", (int)n, name);
}

static bool first_argument(struct formatter *f, const char *name, size_t n, struct value *out) {
    size_t index = 0;
    if (n && !all_digits(name, n)) return named_argument(f, name, n, out);
    if (n > 9) return ev_fail(f->ev, "format: too many decimal digits in format string");
    for (size_t i = 0; i < n; i++) index = index * 10 + (size_t)(name[i] - '0');
    if (n ? f->next > 0 : f->numbered)
        return ev_fail(f->ev, "format: cannot switch between automatic and manual field numbering");
    if (n)
        f->numbered = true;
    else
        index = f->next++;
    if (f->mapping || index >= f->call->n) return ev_fail(f->ev, "format: replacement index %zu out of range", index);
    *out = f->call->positional[index];
    return true;
}

/* first.attribute[item]… */
static bool field_value(struct formatter *f, const char *p, const char *end, struct value *out) {
    const char *begin = p;
    while (p < end && *p != '.' && *p != '[') p++;
    if (!first_argument(f, begin, (size_t)(p - begin), out)) return false;
    while (p < end) {
        bool is_item = *p++ == '[';
        begin = p;
        while (p < end && (is_item ? *p != ']' : *p != '.' && *p != '[')) p++;
        size_t n = (size_t)(p - begin);
        if (n == 0) return ev_fail(f->ev, "format: empty attribute in format string");
        struct text *name = text_wrap(f->ev, begin, n);
        if (!name) return false;
        if (!is_item) {
            if (!get_attribute(f->ev, *out, name, out)) return false;
            continue;
        }
        if (p++ == end) return ev_fail(f->ev, "format: missing ']' in format string");
        struct value key = value_text(name);
        if (all_digits(begin, n) && !integer_from_digits(f->ev, begin, n, 10, false, &key)) return false;
        if (!get_item(f->ev, *out, key, out)) return false;
        if (p < end && *p != '.' && *p != '[')
            return ev_fail(f->ev, "format: only '.' or '[' may follow ']' in format field specifier");
    }
    return true;
}

static bool parse_number(const char **p, const char *end, int64_t *out) {
    if (*p == end || **p < '0' || **p > '9') return false;
    for (*out = 0; *p < end && **p >= '0' && **p <= '9'; (*p)++)
        if (*out < INT64_MAX / 100) *out = *out * 10 + (**p - '0');
    return true;
}

static bool parse_spec(struct evaluator *ev, const struct text *t, struct format_spec *spec) {
    const char *p = t->data, *end = p + t->n_bytes, *second = p;
    *spec = (struct format_spec){.width = -1, .precision = -1};
    if (p < end) next_code_point(&second);
    if (second < end && *second && strchr("<>^=", *second) && second > p) {
        if (!(spec->fill = text_wrap(ev, p, (size_t)(second - p)))) return false;
        spec->align = *second;
        p = second + 1;
    } else if (p < end && *p && strchr("<>^=", *p)) {
        spec->align = *p++;
    }
    if (p < end && *p && strchr("+- ", *p)) spec->sign = *p++;
    if (p < end && *p == '#') spec->alternate = true, p++;
    if (p < end && *p == '0') spec->zero = true, p++;
    parse_number(&p, end, &spec->width);
    if (p < end && (*p == ',' || *p == '_')) spec->grouping = *p++;
    if (p < end && *p == '.') {
        p++;
        if (!parse_number(&p, end, &spec->precision)) return ev_fail(ev, "format specifier missing precision");
    }
    if (p < end) spec->type = *p++;
    return p == end || ev_fail(ev, "invalid format specifier");
}

static bool format_value(struct formatter *f, struct value v, char conversion, const struct text *spec_text,
                         struct writer *w) {
    struct evaluator *ev = f->ev;
    struct format_spec spec;
    if (!parse_spec(ev, spec_text, &spec)) return false;
    if (conversion) {
        struct writer text = {0};
        if (!(conversion == 's' ? write_str(ev, &text, v) : write_repr(ev, &text, v)) || !writer_value(ev, &text, &v))
            return false;
    }
    if (spec_text->n_bytes == 0) return write_str(ev, w, v);
    if (v.type == V_TEXT) {
        if (spec.grouping) return ev_fail(ev, "cannot specify '%c' with 's'", spec.grouping);
        if (spec.type && spec.type != 's')
            return ev_fail(ev, "unknown format code '%c' for object of type 'str'", spec.type);
        if (spec.align == '=' || spec.sign) return ev_fail(ev, "'=' and signs are not allowed in a string format");
        return format_text(ev, v.as.text, &spec, w);
    }
    if (!is_number(v)) return ev_fail(ev, "unsupported format string passed to %s", value_type_name(v));
    if (is_integer(v) && spec.precision >= 0 && (!spec.type || strchr("dxXobcn", spec.type)))
        return ev_fail(ev, "precision not allowed in integer format specifier");
    return format_number(ev, v, &spec, w);
}

static bool format_template(struct formatter *f, const struct text *t, struct writer *w);

/* One replacement field, from behind '{' to its '}'. */
static bool format_field(struct formatter *f, const char **p, const char *end, struct writer *w) {
    const char *begin = *p, *q = begin;
    size_t depth = 0;
    char conversion = 0;
    struct value v, spec_value;
    while (q < end && *q != '!' && *q != ':' && *q != '}' && *q != '{') {
        if (*q == '[')
            while (q < end && *q != ']') q++;
        if (q < end) q++;
    }
    if (!field_value(f, begin, q, &v)) return false;
    if (q < end && *q == '!') {
        if (end - q < 3 || !strchr("rsa", q[1]) || (q[2] != ':' && q[2] != '}'))
            return ev_fail(f->ev, "format: bad conversion");
        conversion = q[1];
        q += 2;
    }
    const char *spec = q;
    if (q < end && *q == ':') {
        spec = ++q;
        for (; q < end && (*q != '}' || depth); q++) depth += (size_t)(*q == '{') - (size_t)(*q == '}');
    }
    if (q >= end || *q != '}') return ev_fail(f->ev, "format: expected '}' before end of string");
    *p = q + 1;
    struct text *spec_text = text_wrap(f->ev, spec, (size_t)(q - spec));
    struct writer inner = {0};
    if (!spec_text || !ev_enter(f->ev)) return false;
    bool ok = format_template(f, spec_text, &inner) && writer_value(f->ev, &inner, &spec_value);
    ev_leave(f->ev);
    return ok && format_value(f, v, conversion, spec_value.as.text, w);
}

static bool format_template(struct formatter *f, const struct text *t, struct writer *w) {
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        char c = *p;
        if ((c == '{' || c == '}') && p + 1 < end && p[1] == c) {
            p += 2;
        } else if (c == '}') {
            return ev_fail(f->ev, "format: single '}' encountered in format string");
        } else if (c == '{') {
            p++;
            if (!format_field(f, &p, end, w)) return false;
            continue;
        } else {
            p++;
        }
        if (!write_char(f->ev, w, c)) return false;
    }
    return true;
}

bool method_format(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                   struct value *out) {
    struct formatter f = {.ev = ev, .call = call};
    struct writer w = {0};
    (void)a;
    return format_template(&f, self.as.text, &w) && writer_value(ev, &w, out);
}

bool method_format_map(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                       struct value *out) {
    struct formatter f = {.ev = ev, .call = call};
    struct writer w = {0};
    if (a[0].type != V_DICT) return ev_fail(ev, "format_map() needs a mapping");
    f.mapping = a[0].as.dict;
    return format_template(&f, self.as.text, &w) && writer_value(ev, &w, out);
}
