/* Values as Python prints them: str() and repr(). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

/* The shortest digits that read back as f, laid out as repr() does: an exponent below 1e-4 and from 1e16 on. */
bool write_float(struct evaluator *ev, struct writer *w, double f) {
    if (isnan(f)) return write_text(ev, w, "nan");
    if (isinf(f)) return write_text(ev, w, f < 0 ? "-inf" : "inf");
    char scientific[40], text[40];
    int precision = 0;
    do snprintf(scientific, sizeof scientific, "%.*e", precision, f);
    while (strtod(scientific, NULL) != f && ++precision < 17);
    int exponent = atoi(strchr(scientific, 'e') + 1);
    if (exponent < -4 || exponent >= 16) return write_text(ev, w, scientific);
    int decimals = precision - exponent;
    snprintf(text, sizeof text, "%.*f", decimals < 1 ? 1 : decimals, f);
    return write_text(ev, w, text);
}

static bool write_repr_char(struct evaluator *ev, struct writer *w, uint32_t c, char quote) {
    char escape[12];
    switch (c) {
    case '\n':
        return write_text(ev, w, "\\n");
    case '\r':
        return write_text(ev, w, "\\r");
    case '\t':
        return write_text(ev, w, "\\t");
    case '\\':
        return write_text(ev, w, "\\\\");
    default:
        break;
    }
    if (c == (unsigned char)quote) return write_char(ev, w, '\\') && write_char(ev, w, quote);
    if (python_is_printable(c)) return write_code_point(ev, w, c);
    snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    return write_text(ev, w, escape);
}

/* Python quotes with ' unless the text has one and no ". */
static bool write_text_repr(struct evaluator *ev, struct writer *w, const struct text *t) {
    bool has_single = memchr(t->data, '\'', t->n_bytes), has_double = memchr(t->data, '"', t->n_bytes);
    char quote = has_single && !has_double ? '"' : '\'';
    if (!write_char(ev, w, quote)) return false;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;)
        if (!write_repr_char(ev, w, next_code_point(&p), quote)) return false;
    return write_char(ev, w, quote);
}

static bool write_list_repr(struct evaluator *ev, struct writer *w, struct value v) {
    const struct list *list = v.as.list;
    bool is_tuple = v.type == V_TUPLE;
    if (!write_char(ev, w, is_tuple ? '(' : '[')) return false;
    for (size_t i = 0; i < list->n; i++)
        if ((i && !write_text(ev, w, ", ")) || !write_repr(ev, w, list->items[i])) return false;
    return write_text(ev, w, is_tuple ? (list->n == 1 ? ",)" : ")") : "]");
}

static bool write_dict_repr(struct evaluator *ev, struct writer *w, const struct dict *dict) {
    if (!write_char(ev, w, '{')) return false;
    for (size_t i = 0; i < dict->n; i++) {
        if (i && !write_text(ev, w, ", ")) return false;
        if (!write_repr(ev, w, dict->entries[i].key) || !write_text(ev, w, ": ") ||
            !write_repr(ev, w, dict->entries[i].value))
            return false;
    }
    return write_char(ev, w, '}');
}

static bool write_view_repr(struct evaluator *ev, struct writer *w, struct value v) {
    if (!write_text(ev, w, value_type_name(v)) || !write_text(ev, w, "([")) return false;
    for (size_t i = 0; i < v.as.view->dict->n; i++) {
        struct value item;
        if ((i && !write_text(ev, w, ", ")) || !view_at(ev, v.as.view->dict, v.as.view->kind, i, &item) ||
            !write_repr(ev, w, item))
            return false;
    }
    return write_text(ev, w, "])");
}

static bool write_range_repr(struct evaluator *ev, struct writer *w, const struct range *range) {
    char text[80];
    int n = snprintf(text, sizeof text, "range(%lld, %lld", (long long)range->start, (long long)range->stop);
    if (range->step != 1) n += snprintf(text + n, sizeof text - (size_t)n, ", %lld", (long long)range->step);
    return write_bytes(ev, w, text, (size_t)n) && write_char(ev, w, ')');
}

/* Objects without a text of their own: Python shows an address, which nothing sensible depends on. */
static bool write_object_repr(struct evaluator *ev, struct writer *w, struct value v) {
    if (v.type == V_NAMESPACE)
        return write_text(ev, w, "<Namespace ") && write_dict_repr(ev, w, &v.as.space->attributes) &&
               write_char(ev, w, '>');
    if (v.type == V_MACRO && v.as.macro->node->as.macro->name) {
        const struct text *name = &v.as.macro->node->as.macro->name->text;
        return write_text(ev, w, "<Macro ") && write_text_repr(ev, w, name) && write_char(ev, w, '>');
    }
    return write_char(ev, w, '<') && write_text(ev, w, value_type_name(v)) && write_text(ev, w, " object>");
}

static bool write_repr_inner(struct evaluator *ev, struct writer *w, struct value v) {
    switch (v.type) {
    case V_MISSING:
    case V_UNDEFINED:
        return write_text(ev, w, "Undefined");
    case V_NONE:
        return write_text(ev, w, "None");
    case V_BOOL:
        return write_text(ev, w, v.as.boolean ? "True" : "False");
    case V_INT:
    case V_BIG:
        return integer_write(ev, w, v);
    case V_FLOAT:
        return write_float(ev, w, v.as.number);
    case V_TEXT:
        if (!v.markup) return write_text_repr(ev, w, v.as.text);
        return write_text(ev, w, "Markup(") && write_text_repr(ev, w, v.as.text) && write_char(ev, w, ')');
    case V_LIST:
    case V_TUPLE:
        return write_list_repr(ev, w, v);
    case V_DICT:
        return write_dict_repr(ev, w, v.as.dict);
    case V_RANGE:
        return write_range_repr(ev, w, v.as.range);
    case V_VIEW:
        return write_view_repr(ev, w, v);
    default:
        return write_object_repr(ev, w, v);
    }
}

bool write_repr(struct evaluator *ev, struct writer *w, struct value v) {
    if (!ev_spend(ev, 1) || !ev_enter(ev)) return false;
    bool ok = write_repr_inner(ev, w, v);
    ev_leave(ev);
    return ok;
}

bool write_str(struct evaluator *ev, struct writer *w, struct value v) {
    if (v.type == V_TEXT) return write_bytes(ev, w, v.as.text->data, v.as.text->n_bytes);
    if (v.type == V_UNDEFINED || v.type == V_MISSING) return true;
    return write_repr(ev, w, v);
}

const struct text *value_to_text(struct evaluator *ev, struct value v) {
    if (v.type == V_TEXT) return v.as.text;
    struct writer w = {0};
    return write_str(ev, &w, v) ? text_wrap(ev, w.data ? w.data : "", w.size) : NULL;
}
