/* Methods of str, dict, list, tuple and cycler. Those that change their object exist in Python but not in the sandbox;
 * they are named here so that a key of the same name doesn't take their place. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"

#define METHOD(name)                                                                                                   \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

#define CASE_METHOD(name, mapping)                                                                                     \
    METHOD(name) {                                                                                                     \
        (void)a, (void)call;                                                                                           \
        return map_case(ev, self, mapping, out);                                                                       \
    }
CASE_METHOD(str_upper, CASE_UPPER)
CASE_METHOD(str_lower, CASE_LOWER)
CASE_METHOD(str_title, CASE_TITLE)
CASE_METHOD(str_capitalize, CASE_CAPITALIZE)
CASE_METHOD(str_swapcase, CASE_SWAP)
CASE_METHOD(str_casefold, CASE_FOLD)

METHOD(str_strip) {
    (void)call;
    return strip_text(ev, self, a[0], true, true, out);
}
METHOD(str_lstrip) {
    (void)call;
    return strip_text(ev, self, a[0], true, false, out);
}
METHOD(str_rstrip) {
    (void)call;
    return strip_text(ev, self, a[0], false, true, out);
}

static bool split_method(struct evaluator *ev, struct value self, const struct value *a, bool from_right,
                         struct value *out) {
    const struct text *separator = NULL;
    int64_t max = -1;
    if (is_given(a[0]) && a[0].type != V_NONE && !argument_text(ev, a[0], "the separator", &separator)) return false;
    if (is_given(a[1]) && !argument_size(ev, a[1], "maxsplit", &max)) return false;
    return split_text(ev, self.as.text, separator, max, from_right, out);
}
METHOD(str_split) {
    (void)call;
    return split_method(ev, self, a, false, out);
}
METHOD(str_rsplit) {
    (void)call;
    return split_method(ev, self, a, true, out);
}

METHOD(str_splitlines) {
    (void)call;
    return split_lines(ev, self.as.text, is_given(a[0]) && value_truth(a[0]), out);
}

/* A search's bounds: str.find(sub, start, end) in code points. */
struct search {
    const struct text *needle;
    struct text *window; /* the slice that is searched */
    size_t start;        /* where it begins */
    bool possible;       /* start isn't behind the end */
};

static bool search_bounds(struct evaluator *ev, const struct text *t, struct value start_value, struct value end_value,
                          struct search *s) {
    int64_t n = (int64_t)t->n_chars, start = 0, end = n;
    if (is_given(start_value) && start_value.type != V_NONE && !argument_size(ev, start_value, "start", &start))
        return false;
    if (is_given(end_value) && end_value.type != V_NONE && !argument_size(ev, end_value, "end", &end)) return false;
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (end < 0) end = end + n < 0 ? 0 : end + n;
    if (end > n) end = n;
    s->possible = start <= end;
    if (!s->possible) start = end;
    s->start = (size_t)start;
    return (s->window = text_slice(ev, t, s->start, (size_t)end)) != NULL;
}

static bool find_method_result(struct evaluator *ev, struct value self, const struct value *a, bool last, bool required,
                               struct value *out) {
    struct search s;
    if (!argument_text(ev, a[0], "the substring", &s.needle) || !search_bounds(ev, self.as.text, a[1], a[2], &s))
        return false;
    const char *at = NULL;
    if (s.possible && !find_text(ev, s.window->data, s.window->n_bytes, s.needle, last, &at)) return false;
    if (!at && required) return ev_fail(ev, "substring not found");
    *out = value_int(at ? (int64_t)(s.start + count_code_points(s.window->data, (size_t)(at - s.window->data))) : -1);
    return true;
}
METHOD(str_find) {
    (void)call;
    return find_method_result(ev, self, a, false, false, out);
}
METHOD(str_rfind) {
    (void)call;
    return find_method_result(ev, self, a, true, false, out);
}
METHOD(str_index) {
    (void)call;
    return find_method_result(ev, self, a, false, true, out);
}
METHOD(str_rindex) {
    (void)call;
    return find_method_result(ev, self, a, true, true, out);
}

METHOD(str_count) {
    (void)call;
    struct search s;
    if (!argument_text(ev, a[0], "the substring", &s.needle) || !search_bounds(ev, self.as.text, a[1], a[2], &s))
        return false;
    int64_t n = 0;
    if (!s.possible)
        n = 0;
    else if (s.needle->n_bytes == 0)
        n = (int64_t)s.window->n_chars + 1;
    else
        for (const char *p = s.window->data, *end = p + s.window->n_bytes;
             (p = find_bytes(p, (size_t)(end - p), s.needle->data, s.needle->n_bytes)); p += s.needle->n_bytes)
            n++;
    *out = value_int(n);
    return ev_spend_bytes(ev, s.window->n_bytes);
}

static bool matches_at_edge(const struct text *t, const struct text *edge, bool at_end) {
    if (edge->n_bytes > t->n_bytes) return false;
    return memcmp(t->data + (at_end ? t->n_bytes - edge->n_bytes : 0), edge->data, edge->n_bytes) == 0;
}

static bool edge_method(struct evaluator *ev, struct value self, const struct value *a, bool at_end,
                        struct value *out) {
    struct search s;
    bool found = false;
    if (!search_bounds(ev, self.as.text, a[1], a[2], &s)) return false;
    const struct value *candidates = a[0].type == V_TUPLE ? a[0].as.list->items : a;
    size_t n = a[0].type == V_TUPLE ? a[0].as.list->n : 1;
    for (size_t i = 0; i < n && !found; i++) {
        const struct text *edge;
        if (!argument_text(ev, candidates[i], "what a text starts or ends with", &edge)) return false;
        found = s.possible && matches_at_edge(s.window, edge, at_end);
    }
    *out = value_bool(found);
    return true;
}
METHOD(str_startswith) {
    (void)call;
    return edge_method(ev, self, a, false, out);
}
METHOD(str_endswith) {
    (void)call;
    return edge_method(ev, self, a, true, out);
}

static bool remove_edge(struct evaluator *ev, struct value self, const struct value *a, bool at_end,
                        struct value *out) {
    const struct text *edge, *t = self.as.text;
    if (!argument_text(ev, a[0], "what is removed", &edge)) return false;
    *out = self;
    if (!matches_at_edge(t, edge, at_end)) return true;
    out->as.text = text_wrap(ev, t->data + (at_end ? 0 : edge->n_bytes), t->n_bytes - edge->n_bytes);
    return out->as.text != NULL;
}
METHOD(str_removeprefix) {
    (void)call;
    return remove_edge(ev, self, a, false, out);
}
METHOD(str_removesuffix) {
    (void)call;
    return remove_edge(ev, self, a, true, out);
}

METHOD(str_replace) {
    (void)call;
    const struct text *old, *replacement;
    int64_t max = -1;
    if (!argument_text(ev, a[0], "what is replaced", &old) || !argument_text(ev, a[1], "the replacement", &replacement))
        return false;
    if (is_given(a[2]) && !argument_size(ev, a[2], "count", &max)) return false;
    bool ok = replace_text(ev, self.as.text, old, replacement, max, out);
    out->markup = self.markup;
    return ok;
}

static bool partition(struct evaluator *ev, struct value self, struct value separator_value, bool last,
                      struct value *out) {
    const struct text *separator, *t = self.as.text;
    if (!argument_text(ev, separator_value, "the separator", &separator)) return false;
    if (separator->n_bytes == 0) return ev_fail(ev, "empty separator");
    const char *at;
    if (!find_text(ev, t->data, t->n_bytes, separator, last, &at)) return false;
    struct value *parts = ev_alloc_array(ev, 3, sizeof *parts);
    struct text *nothing = text_wrap(ev, "", 0);
    if (!parts || !nothing) return false;
    parts[0] = parts[1] = parts[2] = value_text(nothing);
    if (!at) {
        parts[last ? 2 : 0] = value_text(t);
    } else {
        size_t before = (size_t)(at - t->data), after = before + separator->n_bytes;
        struct text *head = text_wrap(ev, t->data, before), *tail = text_wrap(ev, t->data + after, t->n_bytes - after);
        if (!head || !tail) return false;
        parts[0] = value_text(head);
        parts[1] = value_text(separator);
        parts[2] = value_text(tail);
    }
    return list_value(ev, V_TUPLE, parts, 3, out);
}
METHOD(str_partition) {
    (void)call;
    return partition(ev, self, a[0], false, out);
}
METHOD(str_rpartition) {
    (void)call;
    return partition(ev, self, a[0], true, out);
}

METHOD(str_join) {
    (void)call;
    struct writer w = {0};
    struct iterator *it;
    struct value item;
    bool more;
    if (!iterate(ev, a[0], &it)) return false;
    for (size_t i = 0;; i++) {
        if (!iterator_next(ev, it, &item, &more)) return false;
        if (!more) break;
        if (item.type != V_TEXT)
            return ev_fail(ev, "sequence item %zu: expected str instance, %s found", i, value_type_name(item));
        if ((i && !write_str(ev, &w, self)) || !write_str(ev, &w, item)) return false;
    }
    return writer_value(ev, &w, out);
}

static bool pad_method(struct evaluator *ev, struct value self, const struct value *a, int side, struct value *out) {
    int64_t width;
    const struct text *fill = NULL;
    if (!argument_size(ev, a[0], "the width", &width)) return false;
    if (is_given(a[1]) && !argument_text(ev, a[1], "the fill character", &fill)) return false;
    return pad_text(ev, self, width, fill, side, out);
}
METHOD(str_ljust) {
    (void)call;
    return pad_method(ev, self, a, -1, out);
}
METHOD(str_rjust) {
    (void)call;
    return pad_method(ev, self, a, 1, out);
}
METHOD(str_center) {
    (void)call;
    return pad_method(ev, self, a, 0, out);
}

METHOD(str_zfill) {
    (void)call;
    int64_t width;
    const struct text *t = self.as.text;
    struct writer w = {0};
    if (!argument_size(ev, a[0], "the width", &width)) return false;
    *out = self;
    if (width < 0 || (uint64_t)width <= t->n_chars) return true;
    size_t sign = t->n_bytes && (t->data[0] == '+' || t->data[0] == '-');
    if (!write_bytes(ev, &w, t->data, sign) || !write_repeated(ev, &w, "0", 1, (size_t)width - t->n_chars) ||
        !write_bytes(ev, &w, t->data + sign, t->n_bytes - sign))
        return false;
    return writer_value(ev, &w, out);
}

METHOD(str_expandtabs) {
    (void)call;
    int64_t size = 8;
    struct writer w = {0};
    size_t column = 0;
    if (is_given(a[0]) && !argument_size(ev, a[0], "tabsize", &size)) return false;
    for (const char *p = self.as.text->data, *end = p + self.as.text->n_bytes; p < end;) {
        const char *at = p;
        uint32_t c = next_code_point(&p);
        if (c == '\t') {
            size_t blanks = size > 0 ? (size_t)size - column % (size_t)size : 0;
            if (!write_repeated(ev, &w, " ", 1, blanks)) return false;
            column += blanks;
            continue;
        }
        column = c == '\n' || c == '\r' ? 0 : column + 1;
        if (!write_bytes(ev, &w, at, (size_t)(p - at))) return false;
    }
    return writer_value(ev, &w, out);
}

/* All characters have the property, and there is one. */
static bool all_are(struct evaluator *ev, const struct text *t, bool (*is)(uint32_t), bool if_empty,
                    struct value *out) {
    bool all = t->n_bytes > 0 || if_empty;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end && all;) all = is(next_code_point(&p));
    *out = value_bool(all);
    return ev_spend_bytes(ev, t->n_bytes);
}
static bool is_alphanumeric(uint32_t c) {
    return python_is_alpha(c) || python_is_numeric(c) || python_is_digit(c);
}
static bool is_ascii(uint32_t c) {
    return c < 0x80;
}
METHOD(str_isalpha) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_alpha, false, out);
}
METHOD(str_isalnum) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, is_alphanumeric, false, out);
}
METHOD(str_isdecimal) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_decimal, false, out);
}
METHOD(str_isdigit) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_digit, false, out);
}
METHOD(str_isnumeric) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_numeric, false, out);
}
METHOD(str_isspace) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_space, false, out);
}
METHOD(str_isprintable) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, python_is_printable, true, out);
}
METHOD(str_isascii) {
    (void)a, (void)call;
    return all_are(ev, self.as.text, is_ascii, true, out);
}

/* islower, isupper: no letter of the other cases, and one of this. */
static bool has_case(struct evaluator *ev, const struct text *t, bool lower, struct value *out) {
    bool seen = false, other = false;
    for (const char *p = t->data, *end = p + t->n_bytes; p < end && !other;) {
        uint32_t c = next_code_point(&p);
        other = python_is_title(c) || (lower ? python_is_upper(c) : python_is_lower(c));
        seen |= lower ? python_is_lower(c) : python_is_upper(c);
    }
    *out = value_bool(seen && !other);
    return ev_spend_bytes(ev, t->n_bytes);
}
METHOD(str_islower) {
    (void)a, (void)call;
    return has_case(ev, self.as.text, true, out);
}
METHOD(str_isupper) {
    (void)a, (void)call;
    return has_case(ev, self.as.text, false, out);
}

METHOD(str_istitle) {
    (void)a, (void)call;
    bool seen = false, ok = true, in_word = false;
    for (const char *p = self.as.text->data, *end = p + self.as.text->n_bytes; p < end && ok;) {
        uint32_t c = next_code_point(&p);
        bool begins = python_is_upper(c) || python_is_title(c), goes_on = !begins && python_is_lower(c);
        ok = begins ? !in_word : goes_on ? in_word : true;
        in_word = begins || goes_on;
        seen |= in_word;
    }
    *out = value_bool(seen && ok);
    return ev_spend_bytes(ev, self.as.text->n_bytes);
}

METHOD(str_isidentifier) {
    (void)ev, (void)a, (void)call;
    const char *p = self.as.text->data, *end = p + self.as.text->n_bytes;
    bool ok = p < end && python_is_identifier_start(next_code_point(&p));
    while (ok && p < end) ok = python_is_identifier_part(next_code_point(&p));
    *out = value_bool(ok);
    return true;
}

static const struct builtin str_methods[] = {
    {"upper", "", str_upper},
    {"lower", "", str_lower},
    {"title", "", str_title},
    {"capitalize", "", str_capitalize},
    {"swapcase", "", str_swapcase},
    {"casefold", "", str_casefold},
    {"strip", "/chars?", str_strip},
    {"lstrip", "/chars?", str_lstrip},
    {"rstrip", "/chars?", str_rstrip},
    {"split", "sep? maxsplit?", str_split},
    {"rsplit", "sep? maxsplit?", str_rsplit},
    {"splitlines", "keepends?", str_splitlines},
    {"find", "/sub start? end?", str_find},
    {"rfind", "/sub start? end?", str_rfind},
    {"index", "/sub start? end?", str_index},
    {"rindex", "/sub start? end?", str_rindex},
    {"count", "/sub start? end?", str_count},
    {"startswith", "/prefix start? end?", str_startswith},
    {"endswith", "/suffix start? end?", str_endswith},
    {"removeprefix", "/prefix", str_removeprefix},
    {"removesuffix", "/suffix", str_removesuffix},
    {"replace", "/old new count?", str_replace},
    {"partition", "/sep", str_partition},
    {"rpartition", "/sep", str_rpartition},
    {"join", "/iterable", str_join},
    {"ljust", "/width fillchar?", str_ljust},
    {"rjust", "/width fillchar?", str_rjust},
    {"center", "/width fillchar?", str_center},
    {"zfill", "/width", str_zfill},
    {"expandtabs", "tabsize?", str_expandtabs},
    {"format", "*", method_format},
    {"format_map", "/mapping", method_format_map},
    {"isalpha", "", str_isalpha},
    {"isalnum", "", str_isalnum},
    {"isdecimal", "", str_isdecimal},
    {"isdigit", "", str_isdigit},
    {"isnumeric", "", str_isnumeric},
    {"isspace", "", str_isspace},
    {"isprintable", "", str_isprintable},
    {"isascii", "", str_isascii},
    {"islower", "", str_islower},
    {"isupper", "", str_isupper},
    {"istitle", "", str_istitle},
    {"isidentifier", "", str_isidentifier},
};

static bool dict_view(struct evaluator *ev, struct value self, enum view_kind kind, struct value *out) {
    struct view *view = ev_alloc(ev, sizeof *view);
    if (!view) return false;
    *view = (struct view){self.as.dict, kind};
    *out = (struct value){.type = V_VIEW, .as.view = view};
    return true;
}
METHOD(dict_keys) {
    (void)a, (void)call;
    return dict_view(ev, self, VIEW_KEYS, out);
}
METHOD(dict_values) {
    (void)a, (void)call;
    return dict_view(ev, self, VIEW_VALUES, out);
}
METHOD(dict_items) {
    (void)a, (void)call;
    return dict_view(ev, self, VIEW_ITEMS, out);
}

METHOD(dict_get_method) {
    (void)call;
    const struct value *v;
    if (!dict_get(ev, self.as.dict, a[0], &v)) return false;
    *out = v ? *v : is_given(a[1]) ? a[1] : value_none();
    return true;
}

METHOD(dict_fromkeys) {
    const struct list *keys;
    struct dict *dict = dict_create(ev, 4);
    (void)self, (void)call;
    if (!dict || !to_list(ev, a[0], &keys)) return false;
    for (size_t i = 0; i < keys->n; i++)
        if (!dict_set(ev, dict, keys->items[i], is_given(a[1]) ? a[1] : value_none())) return false;
    *out = (struct value){.type = V_DICT, .as.dict = dict};
    return true;
}

METHOD(copy) { /* nothing can change, so a copy is the same */
    (void)ev, (void)a, (void)call;
    *out = self;
    return true;
}

static const struct builtin dict_methods[] = {
    {"keys", "", dict_keys},   {"values", "", dict_values},
    {"items", "", dict_items}, {"get", "/key default?", dict_get_method},
    {"copy", "", copy},        {"fromkeys", "/iterable value?", dict_fromkeys},
};
/* Of the class: dict.fromkeys(…). */
static const struct builtin dict_class_methods[] = {{"fromkeys", "/iterable value?", dict_fromkeys}};

METHOD(sequence_index) {
    (void)call;
    int64_t n, start = 0, stop = INT64_MAX;
    struct value item;
    size_t length;
    if (!value_length(self, &length)) return false;
    n = (int64_t)length;
    if (is_given(a[1]) && !argument_size(ev, a[1], "start", &start)) return false;
    if (is_given(a[2]) && !argument_size(ev, a[2], "stop", &stop)) return false;
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (stop < 0) stop += n;
    for (int64_t i = start; i < n && i < stop; i++) {
        bool equal;
        item = self.type == V_RANGE ? value_int(range_at(self.as.range, i)) : self.as.list->items[i];
        if (!value_equal(ev, item, a[0], &equal)) return false;
        if (equal) {
            *out = value_int(i);
            return true;
        }
    }
    return ev_fail(ev, "the value is not in the %s", value_type_name(self));
}

METHOD(sequence_count) {
    (void)call;
    int64_t n = 0;
    size_t length;
    if (!value_length(self, &length)) return false;
    for (size_t i = 0; i < length; i++) {
        bool equal;
        struct value item =
            self.type == V_RANGE ? value_int(range_at(self.as.range, (int64_t)i)) : self.as.list->items[i];
        if (!value_equal(ev, item, a[0], &equal)) return false;
        n += equal;
    }
    *out = value_int(n);
    return true;
}

static const struct builtin sequence_methods[] = {
    {"index", "/value start? stop?", sequence_index}, {"count", "/value", sequence_count}, {"copy", "", copy}};

METHOD(cycler_next) {
    (void)ev, (void)a, (void)call;
    struct cycler *cycler = self.as.cycler;
    *out = cycler->items->items[cycler->position];
    cycler->position = (cycler->position + 1) % cycler->items->n;
    return true;
}
METHOD(cycler_reset) {
    (void)ev, (void)a, (void)call;
    self.as.cycler->position = 0;
    *out = value_none();
    return true;
}
static const struct builtin cycler_methods[] = {{"next", "", cycler_next}, {"reset", "", cycler_reset}};

const struct builtin *find_in(const struct builtin *table, size_t table_size, const char *name, size_t n) {
    for (size_t i = 0; i < table_size; i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0) return &table[i];
    return NULL;
}

static bool is_one_of(const char *const *names, const struct text *name) {
    for (; *names; names++)
        if (text_is(name, *names)) return true;
    return false;
}

#define FIND_IN(table, name) find_in(table, sizeof table / sizeof table[0], (name)->data, (name)->n_bytes)

const struct builtin *find_method(struct value v, const struct text *name, bool *mutates) {
    static const char *const list_mutators[] = {"append", "clear",  "pop",    "reverse", "insert",
                                                "sort",   "extend", "remove", NULL};
    static const char *const dict_mutators[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
    *mutates =
        (v.type == V_LIST && is_one_of(list_mutators, name)) || (v.type == V_DICT && is_one_of(dict_mutators, name));
    if (*mutates) return NULL;
    switch (v.type) {
    case V_TEXT:
        return FIND_IN(str_methods, name);
    case V_DICT:
        return FIND_IN(dict_methods, name);
    case V_TUPLE:
    case V_RANGE:
        return text_is(name, "copy") ? NULL : FIND_IN(sequence_methods, name);
    case V_LIST:
        return FIND_IN(sequence_methods, name);
    case V_CYCLER:
        return FIND_IN(cycler_methods, name);
    case V_FUNCTION:
        return strcmp(v.as.function->name, "dict") == 0 ? FIND_IN(dict_class_methods, name) : NULL;
    default:
        return NULL;
    }
}
