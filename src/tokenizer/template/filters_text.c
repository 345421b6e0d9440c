/* Filters on texts. Most take any value and work on its text, as Jinja's soft_str does. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

#define FILTER(name)                                                                                                   \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

/* self as a text value (markup stays markup). */
static bool soft_text(struct evaluator *ev, struct value self, struct value *out) {
    if (self.type == V_TEXT) {
        *out = self;
        return true;
    }
    const struct text *t = value_to_text(ev, self);
    *out = value_text(t);
    return t != NULL;
}

static bool case_filter(struct evaluator *ev, struct value self, enum case_mapping mapping, struct value *out) {
    struct value t;
    return soft_text(ev, self, &t) && map_case(ev, t, mapping, out);
}
FILTER(filter_upper) {
    (void)a, (void)call;
    return case_filter(ev, self, CASE_UPPER, out);
}
FILTER(filter_lower) {
    (void)a, (void)call;
    return case_filter(ev, self, CASE_LOWER, out);
}
FILTER(filter_capitalize) {
    (void)a, (void)call;
    return case_filter(ev, self, CASE_CAPITALIZE, out);
}

static bool begins_word(uint32_t c) {
    return c == '-' || python_is_space(c) || c == '(' || c == '{' || c == '[' || c == '<';
}

/* Unlike str.title: words begin after blanks, hyphens and opening brackets only, so they're becomes They're. Each run
 * of such characters and each word is mapped by itself: first character upper, the rest lower. */
FILTER(filter_title) {
    (void)a, (void)call;
    struct value t, part;
    struct writer w = {0};
    if (!soft_text(ev, self, &t)) return false;
    for (const char *p = t.as.text->data, *end = p + t.as.text->n_bytes; p < end;) {
        const char *begin = p, *q = p;
        bool separators = begins_word(next_code_point(&q));
        const char *first_end = q;
        for (p = q; p < end && begins_word(next_code_point(&q)) == separators; p = q) continue;
        struct text *first = text_wrap(ev, begin, (size_t)(first_end - begin));
        struct text *rest = text_wrap(ev, first_end, (size_t)(p - first_end));
        if (!first || !rest || !map_case(ev, value_text(first), CASE_UPPER, &part) || !write_str(ev, &w, part) ||
            !map_case(ev, value_text(rest), CASE_LOWER, &part) || !write_str(ev, &w, part))
            return false;
    }
    return writer_value(ev, &w, out);
}

FILTER(filter_trim) {
    (void)call;
    struct value t;
    return soft_text(ev, self, &t) && strip_text(ev, t, a[0], true, true, out);
}

FILTER(filter_string) {
    (void)a, (void)call;
    return soft_text(ev, self, out);
}

FILTER(filter_replace) {
    (void)call;
    const struct text *t = value_to_text(ev, self), *old = t ? value_to_text(ev, a[0]) : NULL;
    const struct text *replacement = old ? value_to_text(ev, a[1]) : NULL;
    int64_t max = -1;
    if (!replacement) return false;
    if (is_given(a[2]) && a[2].type != V_NONE && !argument_size(ev, a[2], "count", &max)) return false;
    return replace_text(ev, t, old, replacement, max, out);
}

FILTER(filter_center) {
    (void)call;
    struct value t;
    int64_t width = 80;
    if (is_given(a[0]) && !argument_size(ev, a[0], "width", &width)) return false;
    return soft_text(ev, self, &t) && pad_text(ev, t, width, NULL, 0, out);
}

FILTER(filter_escape) {
    (void)a, (void)call;
    struct writer w = {0};
    if (self.type == V_TEXT && self.markup) {
        *out = self;
        return true;
    }
    const struct text *t = value_to_text(ev, self);
    if (!t || !write_escaped(ev, &w, t) || !writer_value(ev, &w, out)) return false;
    out->markup = true;
    return true;
}

FILTER(filter_forceescape) {
    self.markup = false;
    return filter_escape(ev, self, a, call, out);
}

FILTER(filter_safe) {
    (void)a, (void)call;
    if (!soft_text(ev, self, out)) return false;
    out->markup = true;
    return true;
}

/* Markup.striptags: comments and tags go, white space becomes single blanks, entities become characters. */
static bool write_unescaped(struct evaluator *ev, struct writer *w, const struct text *t) {
    static const struct {
        const char *entity, *text;
    } entities[] = {{"&lt;", "<"},  {"&gt;", ">"},   {"&amp;", "&"},      {"&quot;", "\""},
                    {"&#39;", "'"}, {"&#34;", "\""}, {"&nbsp;", "\u00a0"}};
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        size_t i = 0, n = sizeof entities / sizeof entities[0];
        for (; *p == '&' && i < n; i++)
            if ((size_t)(end - p) >= strlen(entities[i].entity) &&
                memcmp(p, entities[i].entity, strlen(entities[i].entity)) == 0)
                break;
        bool found = *p == '&' && i < n;
        if (found ? !write_text(ev, w, entities[i].text) : !write_char(ev, w, *p)) return false;
        p += found ? strlen(entities[i].entity) : 1;
    }
    return true;
}

static bool write_without_tags(struct evaluator *ev, struct writer *w, const struct text *t) {
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        size_t left = (size_t)(end - p);
        if (*p == '<') {
            bool comment = left >= 4 && memcmp(p, "<!--", 4) == 0;
            const char *close = comment ? memmem(p, left, "-->", 3) : memchr(p, '>', left);
            if (close) {
                p = close + (comment ? 3 : 1);
                continue;
            }
            return write_bytes(ev, w, p, left);
        }
        const char *tag = memchr(p, '<', left), *stop = tag ? tag : end;
        if (!write_bytes(ev, w, p, (size_t)(stop - p))) return false;
        p = stop;
    }
    return true;
}

FILTER(filter_striptags) {
    (void)a, (void)call;
    struct writer w = {0}, joined = {0}, unescaped = {0};
    struct value v;
    const struct text *t = value_to_text(ev, self);
    if (!t || !write_without_tags(ev, &w, t) || !writer_value(ev, &w, &v) ||
        !split_text(ev, v.as.text, NULL, -1, false, &v))
        return false;
    for (size_t i = 0; i < v.as.list->n; i++)
        if ((i && !write_char(ev, &joined, ' ')) || !write_str(ev, &joined, v.as.list->items[i])) return false;
    return writer_value(ev, &joined, &v) && write_unescaped(ev, &unescaped, v.as.text) &&
           writer_value(ev, &unescaped, out);
}

FILTER(filter_indent) {
    (void)call;
    struct writer unit = {0}, w = {0};
    struct value lines;
    int64_t width = 4;
    bool first = is_given(a[1]) && value_truth(a[1]), blank = is_given(a[2]) && value_truth(a[2]);
    const struct text *t;
    if (!argument_text(ev, self, "what is indented", &t)) return false;
    if (is_given(a[0]) && a[0].type == V_TEXT) {
        if (!write_str(ev, &unit, a[0])) return false;
    } else {
        if (is_given(a[0]) && !argument_size(ev, a[0], "width", &width)) return false;
        if (!write_repeated(ev, &unit, " ", 1, width > 0 ? (size_t)width : 0)) return false;
    }
    struct text *newline = text_wrap(ev, "\n", 1);
    if (!newline || !text_concat(ev, t, newline, &lines) || !split_lines(ev, lines.as.text, false, &lines))
        return false;
    if (first && !write_bytes(ev, &w, unit.data, unit.size)) return false;
    for (size_t i = 0; i < lines.as.list->n; i++) {
        const struct text *line = lines.as.list->items[i].as.text;
        if (i && !write_char(ev, &w, '\n')) return false;
        if (i && (blank || line->n_bytes) && !write_bytes(ev, &w, unit.data, unit.size)) return false;
        if (!write_bytes(ev, &w, line->data, line->n_bytes)) return false;
    }
    return writer_value(ev, &w, out);
}

FILTER(filter_truncate) {
    (void)call;
    int64_t length = 255, leeway = 5;
    const struct text *t, *end = text_wrap(ev, "...", 3);
    struct value kept;
    if (!end || (is_given(a[0]) && !argument_size(ev, a[0], "length", &length))) return false;
    if (is_given(a[2]) && !argument_text(ev, a[2], "end", &end)) return false;
    if (is_given(a[3]) && a[3].type != V_NONE && !argument_size(ev, a[3], "leeway", &leeway)) return false;
    if (length < (int64_t)end->n_chars || leeway < 0)
        return ev_fail(ev, "truncate: expected length >= %zu and leeway >= 0", end->n_chars);
    *out = self;
    if (self.type == V_UNDEFINED) return true;
    if (!argument_text(ev, self, "what is truncated", &t)) return false;
    if (t->n_chars <= (uint64_t)length + (uint64_t)leeway) return true;
    struct text *cut = text_slice(ev, t, 0, (size_t)length - end->n_chars);
    if (!cut) return false;
    if (!(is_given(a[1]) && value_truth(a[1]))) { /* drop the last, broken word */
        struct text *blank = text_wrap(ev, " ", 1);
        if (!blank || !split_text(ev, cut, blank, 1, true, &kept)) return false;
        return text_concat(ev, kept.as.list->items[0].as.text, end, out);
    }
    return text_concat(ev, cut, end, out);
}

FILTER(filter_wordcount) {
    (void)a, (void)call;
    const struct text *t = value_to_text(ev, self);
    int64_t n = 0;
    bool in_word = false;
    if (!t || !ev_spend_bytes(ev, t->n_bytes)) return false;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end;) {
        uint32_t c = next_code_point(&p);
        bool word = c == '_' || python_is_alpha(c) || python_is_numeric(c);
        n += word && !in_word;
        in_word = word;
    }
    *out = value_int(n);
    return true;
}

FILTER(filter_format) {
    (void)a;
    struct value t, arguments;
    if (call->n && call->n_named) return ev_fail(ev, "format: positional and keyword arguments can't be mixed");
    if (!soft_text(ev, self, &t)) return false;
    if (!call->n_named)
        return list_value(ev, V_TUPLE, call->positional, call->n, &arguments) && percent_format(ev, t, arguments, out);
    struct dict *named = dict_create(ev, call->n_named);
    if (!named) return false;
    for (size_t i = 0; i < call->n_named; i++)
        if (!dict_set(ev, named, value_text(call->named[i].name), call->named[i].value)) return false;
    return percent_format(ev, t, (struct value){.type = V_DICT, .as.dict = named}, out);
}

/* urllib.parse.quote; in a query a blank is '+' and '/' is quoted too. */
static bool write_quoted(struct evaluator *ev, struct writer *w, struct value v, bool query) {
    const struct text *t = value_to_text(ev, v);
    if (!t) return false;
    for (size_t i = 0; i < t->n_bytes; i++) {
        char c = t->data[i], escape[8];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.' || c == '-' || c == '~' || (c == '/' && !query);
        if (query && c == ' ') c = '+', plain = true;
        snprintf(escape, sizeof escape, "%%%02X", (unsigned char)c);
        if (plain ? !write_char(ev, w, c) : !write_text(ev, w, escape)) return false;
    }
    return true;
}

FILTER(filter_urlencode) {
    (void)a, (void)call;
    struct writer w = {0};
    size_t length;
    if (self.type == V_TEXT || (!value_length(self, &length) && self.type != V_ITERATOR))
        return write_quoted(ev, &w, self, false) && writer_value(ev, &w, out);
    const struct list *pairs;
    struct view items = {self.as.dict, VIEW_ITEMS};
    struct value source = self.type == V_DICT ? (struct value){.type = V_VIEW, .as.view = &items} : self;
    if (!to_list(ev, source, &pairs)) return false;
    for (size_t i = 0; i < pairs->n; i++) {
        const struct list *pair;
        if (!to_list(ev, pairs->items[i], &pair)) return false;
        if (pair->n != 2) return ev_fail(ev, "urlencode needs pairs");
        if ((i && !write_char(ev, &w, '&')) || !write_quoted(ev, &w, pair->items[0], true) ||
            !write_char(ev, &w, '=') || !write_quoted(ev, &w, pair->items[1], true))
            return false;
    }
    return writer_value(ev, &w, out);
}

FILTER(filter_xmlattr) {
    (void)call;
    struct writer w = {0};
    bool any = false, autospace = !is_given(a[0]) || value_truth(a[0]);
    if (self.type != V_DICT) return ev_fail(ev, "xmlattr needs a mapping");
    for (size_t i = 0; i < self.as.dict->n; i++) {
        struct value v = self.as.dict->entries[i].value;
        if (v.type == V_NONE || v.type == V_UNDEFINED) continue;
        const struct text *key, *t = value_to_text(ev, v);
        if (!t || !argument_text(ev, self.as.dict->entries[i].key, "an attribute's name", &key)) return false;
        for (size_t j = 0; j < key->n_bytes; j++)
            if (strchr(" \t\n\r\f\v/>=", key->data[j])) return ev_fail(ev, "invalid character in attribute name");
        if ((any || autospace) && !write_char(ev, &w, ' ')) return false;
        if (!write_escaped(ev, &w, key) || !write_text(ev, &w, "=\"") ||
            !(v.markup ? write_str(ev, &w, v) : write_escaped(ev, &w, t)) || !write_char(ev, &w, '"'))
            return false;
        any = true;
    }
    return writer_value(ev, &w, out);
}

static const struct builtin filters[] = {
    {"upper", "", filter_upper},
    {"lower", "", filter_lower},
    {"capitalize", "", filter_capitalize},
    {"title", "", filter_title},
    {"trim", "chars?", filter_trim},
    {"string", "", filter_string},
    {"replace", "old new count?", filter_replace},
    {"center", "width?", filter_center},
    {"e", "", filter_escape},
    {"escape", "", filter_escape},
    {"forceescape", "", filter_forceescape},
    {"safe", "", filter_safe},
    {"striptags", "", filter_striptags},
    {"indent", "width? first? blank?", filter_indent},
    {"truncate", "length? killwords? end? leeway?", filter_truncate},
    {"wordcount", "", filter_wordcount},
    {"wordwrap", "width? break_long_words? wrapstring? break_on_hyphens?", filter_wordwrap},
    {"format", "*", filter_format},
    {"urlencode", "", filter_urlencode},
    {"xmlattr", "autospace?", filter_xmlattr},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", filter_tojson},
};
const struct builtin_table text_filters = {filters, sizeof filters / sizeof filters[0]};
