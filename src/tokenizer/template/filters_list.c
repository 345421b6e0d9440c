/* Filters on sequences and mappings: first, sort, join, groupby, … */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"
#include "tokenizer/template/integer.h"

#define FILTER(name)                                                                                                   \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out)

static bool is_true(struct value v) {
    return is_given(v) && value_truth(v);
}

/* "a.b.0": items by key, numbers by index; an integer is one index; none leaves the object as it is. */
bool get_path(struct evaluator *ev, struct value object, struct value path, struct value if_undefined,
              struct value *out) {
    *out = object;
    if (!is_given(path) || path.type == V_NONE) return true;
    if (path.type != V_TEXT) return get_item(ev, object, path, out);
    const char *p = path.as.text->data, *end = p + path.as.text->n_bytes;
    for (;;) {
        const char *dot = memchr(p, '.', (size_t)(end - p)), *stop = dot ? dot : end;
        bool is_index = stop > p;
        for (const char *q = p; q < stop; q++) is_index &= *q >= '0' && *q <= '9';
        struct text *name = text_wrap(ev, p, (size_t)(stop - p));
        if (!name) return false;
        struct value key = value_text(name);
        if (is_index && !integer_from_digits(ev, p, (size_t)(stop - p), 10, false, &key)) return false;
        if (!get_item(ev, *out, key, out)) return false;
        if (out->type == V_UNDEFINED && is_given(if_undefined) && if_undefined.type != V_NONE) *out = if_undefined;
        if (!dot) return true;
        p = dot + 1;
    }
}

static bool fold_key(struct evaluator *ev, struct value v, bool case_sensitive, struct value *out) {
    *out = v;
    return case_sensitive || v.type != V_TEXT || map_case(ev, v, CASE_LOWER, out);
}

/* A key for each item: its attribute, texts in lower case unless case counts. */
static bool item_keys(struct evaluator *ev, const struct list *list, struct value attribute, struct value if_undefined,
                      bool case_sensitive, struct value **out) {
    struct value *keys = ev_alloc_array(ev, list->n, sizeof *keys);
    if (!keys) return false;
    for (size_t i = 0; i < list->n; i++)
        if (!get_path(ev, list->items[i], attribute, if_undefined, &keys[i]) ||
            !fold_key(ev, keys[i], case_sensitive, &keys[i]))
            return false;
    *out = keys;
    return true;
}

static bool merge_runs(struct evaluator *ev, const struct value *keys, const size_t *from, size_t *to, size_t low,
                       size_t middle, size_t high, bool reverse) {
    size_t left = low, right = middle;
    for (size_t i = low; i < high; i++) {
        bool take_right = left == middle;
        if (left < middle && right < high) { /* Python asks `right < left` only, which keeps equal items in order */
            int order;
            if (!value_compare(ev, keys[from[right]], keys[from[left]], &order)) return false;
            take_right = reverse ? order == 1 : order == -1;
        }
        to[i] = take_right ? from[right++] : from[left++];
    }
    return true;
}

bool sort_order(struct evaluator *ev, const struct value *keys, size_t n, bool reverse, size_t **out) {
    size_t *order = ev_alloc_array(ev, n, sizeof *order), *other = ev_alloc_array(ev, n, sizeof *other);
    if (!order || !other) return false;
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n, high = middle + width < n ? middle + width : n;
            if (!merge_runs(ev, keys, order, other, low, middle, high, reverse)) return false;
        }
        size_t *swap = order;
        order = other;
        other = swap;
    }
    *out = order;
    return true;
}

static bool pick(struct evaluator *ev, const struct value *items, const size_t *order, size_t n, struct value *out) {
    struct value *picked = ev_alloc_array(ev, n, sizeof *picked);
    if (!picked) return false;
    for (size_t i = 0; i < n; i++) picked[i] = items[order[i]];
    return list_value(ev, V_LIST, picked, n, out);
}

/* attribute='a,b' sorts by a, then b: the key is the list of both. It is a list also for one attribute or none, which
 * shows in items that are equal but have no order. */
static bool list_keys(struct evaluator *ev, const struct list *list, struct value attribute, bool case_sensitive,
                      struct value **out) {
    struct value paths;
    struct text *comma = text_wrap(ev, ",", 1);
    if (!comma) return false;
    if (attribute.type == V_TEXT ? !split_text(ev, attribute.as.text, comma, -1, false, &paths)
                                 : !list_value(ev, V_LIST, &attribute, 1, &paths))
        return false;
    size_t n_paths = paths.as.list->n;
    *out = ev_alloc_array(ev, list->n, sizeof **out);
    if (!*out) return false;
    for (size_t i = 0; i < list->n; i++) {
        struct value *parts = ev_alloc_array(ev, n_paths, sizeof *parts);
        if (!parts) return false;
        for (size_t j = 0; j < n_paths; j++)
            if (!get_path(ev, list->items[i], paths.as.list->items[j], value_missing(), &parts[j]) ||
                !fold_key(ev, parts[j], case_sensitive, &parts[j]))
                return false;
        if (!list_value(ev, V_LIST, parts, n_paths, &(*out)[i])) return false;
    }
    return true;
}

FILTER(filter_sort) {
    (void)call;
    const struct list *list;
    struct value *keys;
    size_t *order;
    if (!to_list(ev, self, &list)) return false;
    if (!list_keys(ev, list, a[2], is_true(a[1]), &keys)) return false;
    return sort_order(ev, keys, list->n, is_true(a[0]), &order) && pick(ev, list->items, order, list->n, out);
}

FILTER(filter_dictsort) {
    (void)call;
    bool by_value = false;
    if (self.type != V_DICT) return ev_fail(ev, "dictsort needs a mapping, not %s", value_type_name(self));
    if (is_given(a[1])) {
        const struct text *by;
        if (!argument_text(ev, a[1], "by", &by)) return false;
        by_value = text_is(by, "value");
        if (!by_value && !text_is(by, "key")) return ev_fail(ev, "you can only sort by either \"key\" or \"value\"");
    }
    size_t n = self.as.dict->n, *order;
    struct value *keys = ev_alloc_array(ev, n, sizeof *keys), *items = ev_alloc_array(ev, n, sizeof *items);
    if (!keys || !items) return false;
    for (size_t i = 0; i < n; i++) {
        const struct dict_entry *entry = &self.as.dict->entries[i];
        if (!fold_key(ev, by_value ? entry->value : entry->key, is_true(a[0]), &keys[i]) ||
            !view_at(ev, self.as.dict, VIEW_ITEMS, i, &items[i]))
            return false;
    }
    return sort_order(ev, keys, n, is_true(a[2]), &order) && pick(ev, items, order, n, out);
}

FILTER(filter_groupby) {
    (void)call;
    const struct list *list;
    struct value *keys, sorted;
    size_t *order;
    struct list_builder groups = {0};
    if (!to_list(ev, self, &list) || !item_keys(ev, list, a[0], a[1], is_true(a[2]), &keys) ||
        !sort_order(ev, keys, list->n, false, &order) || !pick(ev, list->items, order, list->n, &sorted))
        return false;
    for (size_t from = 0, to; from < list->n; from = to) {
        bool equal = true;
        for (to = from + 1; to < list->n && equal; to += equal)
            if (!value_equal(ev, keys[order[from]], keys[order[to]], &equal)) return false;
        struct value *pair = ev_alloc_array(ev, 2, sizeof *pair), group;
        if (!pair || !get_path(ev, sorted.as.list->items[from], a[0], a[1], &pair[0]) ||
            !list_value(ev, V_LIST, sorted.as.list->items + from, to - from, &pair[1]) ||
            !list_value(ev, V_TUPLE, pair, 2, &group))
            return false;
        group.grouped = true;
        if (!list_builder_add(ev, &groups, group)) return false;
    }
    return list_value(ev, V_LIST, groups.items, groups.n, out);
}

FILTER(filter_unique) {
    (void)call;
    const struct list *list;
    struct value *keys;
    struct list_builder kept = {0};
    struct dict *seen = dict_create(ev, 8);
    if (!seen || !to_list(ev, self, &list) || !item_keys(ev, list, a[1], value_missing(), is_true(a[0]), &keys))
        return false;
    for (size_t i = 0; i < list->n; i++) {
        size_t before = seen->n;
        if (!dict_set(ev, seen, keys[i], value_none())) return false;
        if (seen->n > before && !list_builder_add(ev, &kept, list->items[i])) return false;
    }
    return list_iterator(ev, kept.items, kept.n, out);
}

static bool extreme(struct evaluator *ev, struct value self, const struct value *a, int wanted, struct value *out) {
    const struct list *list;
    struct value *keys;
    size_t best = 0;
    if (!to_list(ev, self, &list)) return false;
    if (list->n == 0) return value_undefined(ev, out, "no aggregated item, sequence was empty");
    if (!item_keys(ev, list, a[1], value_missing(), is_true(a[0]), &keys)) return false;
    for (size_t i = 1; i < list->n; i++) {
        int order;
        if (!value_compare(ev, keys[i], keys[best], &order)) return false;
        if (order == wanted) best = i;
    }
    *out = list->items[best];
    return true;
}
FILTER(filter_min) {
    (void)call;
    return extreme(ev, self, a, -1, out);
}
FILTER(filter_max) {
    (void)call;
    return extreme(ev, self, a, 1, out);
}

FILTER(filter_sum) {
    (void)call;
    const struct list *list;
    *out = is_given(a[1]) ? a[1] : value_int(0);
    if (out->type == V_TEXT) return ev_fail(ev, "sum() can't sum strings; use join");
    if (!to_list(ev, self, &list)) return false;
    for (size_t i = 0; i < list->n; i++) {
        struct value item;
        if (!get_path(ev, list->items[i], a[0], value_missing(), &item) || !apply_binary(ev, OP_ADD, *out, item, out))
            return false;
    }
    return true;
}

FILTER(filter_join) {
    (void)call;
    struct writer w = {0};
    struct iterator *it;
    struct value item;
    bool more;
    const struct text *separator = is_given(a[0]) ? value_to_text(ev, a[0]) : text_wrap(ev, "", 0);
    if (!separator || !iterate(ev, self, &it)) return false;
    for (bool first = true;; first = false) {
        if (!iterator_next(ev, it, &item, &more)) return false;
        if (!more) break;
        if (!first && !write_bytes(ev, &w, separator->data, separator->n_bytes)) return false;
        if (!get_path(ev, item, a[1], value_missing(), &item) || !write_str(ev, &w, item)) return false;
    }
    return writer_value(ev, &w, out);
}

FILTER(filter_length) {
    (void)a, (void)call;
    size_t n;
    if (!value_length(self, &n)) return ev_fail(ev, "object of type '%s' has no len()", value_type_name(self));
    *out = value_int((int64_t)n);
    return true;
}

FILTER(filter_first) {
    (void)a, (void)call;
    struct iterator *it;
    bool more;
    if (!iterate(ev, self, &it) || !iterator_next(ev, it, out, &more)) return false;
    return more || value_undefined(ev, out, "no first item, sequence was empty");
}

FILTER(filter_last) {
    (void)a, (void)call;
    const struct list *list;
    if (self.type == V_ITERATOR) return ev_fail(ev, "a generator has no last item; make it a list first");
    if (self.type == V_TEXT && self.as.text->n_chars) return get_item(ev, self, value_int(-1), out);
    if (!to_list(ev, self, &list)) return false;
    if (list->n == 0) return value_undefined(ev, out, "no last item, sequence was empty");
    *out = list->items[list->n - 1];
    return true;
}

FILTER(filter_list) {
    (void)a, (void)call;
    const struct list *list;
    return to_list(ev, self, &list) && list_value(ev, V_LIST, list->items, list->n, out);
}

FILTER(filter_items) {
    (void)a, (void)call;
    const struct list *list;
    if (self.type == V_UNDEFINED) return list_iterator(ev, NULL, 0, out);
    if (self.type != V_DICT)
        return ev_fail(ev, "can only get item pairs from a mapping, not %s", value_type_name(self));
    struct view view = {self.as.dict, VIEW_ITEMS};
    struct value items = {.type = V_VIEW, .as.view = &view};
    return to_list(ev, items, &list) && list_iterator(ev, list->items, list->n, out);
}

FILTER(filter_reverse) {
    (void)a, (void)call;
    const struct list *list;
    if (self.type == V_TEXT) return get_slice(ev, self, value_none(), value_none(), value_int(-1), out);
    if (!to_list(ev, self, &list)) return false;
    struct value *items = ev_alloc_array(ev, list->n, sizeof *items);
    if (!items) return false;
    for (size_t i = 0; i < list->n; i++) items[i] = list->items[list->n - 1 - i];
    if (self.type == V_ITERATOR) return list_value(ev, V_LIST, items, list->n, out);
    return list_iterator(ev, items, list->n, out);
}

/* Rows of `count` items, the last one filled up. */
FILTER(filter_batch) {
    (void)call;
    int64_t count;
    const struct list *list;
    struct list_builder rows = {0};
    bool fill = is_given(a[1]) && a[1].type != V_NONE;
    if (!argument_size(ev, a[0], "linecount", &count) || !to_list(ev, self, &list)) return false;
    size_t width = count > 0 ? (size_t)count : list->n + 1;
    struct value none;
    if (count == 0 && list->n && (!list_value(ev, V_LIST, NULL, 0, &none) || !list_builder_add(ev, &rows, none)))
        return false;
    for (size_t from = 0; from < list->n; from += width) {
        struct value row;
        size_t n = list->n - from < width ? list->n - from : width;
        if (!list_value(ev, V_LIST, list->items + from, n, &row)) return false;
        if (fill && count > 0 && n < width) {
            struct value *filled = ev_alloc_array(ev, width, sizeof *filled);
            if (!filled || !ev_spend(ev, width)) return false;
            for (size_t i = 0; i < width; i++) filled[i] = i < n ? list->items[from + i] : a[1];
            if (!list_value(ev, V_LIST, filled, width, &row)) return false;
        }
        if (!list_builder_add(ev, &rows, row)) return false;
        if (width > list->n) break;
    }
    return list_iterator(ev, rows.items, rows.n, out);
}

/* `count` columns of nearly equal length; the shorter ones get the filler. */
FILTER(filter_slice) {
    (void)call;
    int64_t count;
    const struct list *list;
    struct list_builder columns = {0};
    bool fill = is_given(a[1]) && a[1].type != V_NONE;
    if (!argument_size(ev, a[0], "slices", &count) || !to_list(ev, self, &list)) return false;
    if (count == 0) return ev_fail(ev, "integer division or modulo by zero");
    size_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        size_t n = list->n / (size_t)count, extra = (size_t)i < list->n % (size_t)count;
        struct value *items = ev_alloc_array(ev, n + 1, sizeof *items), column;
        if (!items || !ev_spend(ev, n + 1)) return false;
        memcpy(items, list->items ? list->items + at : items, (n + extra) * sizeof *items);
        at += n + extra;
        if (fill && !extra) items[n] = a[1];
        if (!list_value(ev, V_LIST, items, n + (extra || fill), &column) || !list_builder_add(ev, &columns, column))
            return false;
    }
    return list_iterator(ev, columns.items, columns.n, out);
}

FILTER(filter_default) {
    (void)call;
    if (self.type != V_UNDEFINED && !(is_true(a[1]) && !value_truth(self))) {
        *out = self;
        return true;
    }
    struct text *nothing = text_wrap(ev, "", 0);
    *out = is_given(a[0]) ? a[0] : value_text(nothing);
    return nothing != NULL;
}

FILTER(filter_attr) {
    (void)call;
    const struct text *name;
    bool found;
    if (!argument_text(ev, a[0], "an attribute's name", &name)) return false;
    if (self.type == V_UNDEFINED) return get_attribute(ev, self, name, out);
    if (!own_attribute(ev, self, name, out, &found)) return false;
    return found || value_undefined(ev, out, "no such attribute");
}

static const struct builtin filters[] = {
    {"sort", "reverse? case_sensitive? attribute?", filter_sort},
    {"dictsort", "case_sensitive? by? reverse?", filter_dictsort},
    {"groupby", "attribute default? case_sensitive?", filter_groupby},
    {"unique", "case_sensitive? attribute?", filter_unique},
    {"min", "case_sensitive? attribute?", filter_min},
    {"max", "case_sensitive? attribute?", filter_max},
    {"sum", "attribute? start?", filter_sum},
    {"join", "d? attribute?", filter_join},
    {"length", "", filter_length},
    {"count", "", filter_length},
    {"first", "", filter_first},
    {"last", "", filter_last},
    {"list", "", filter_list},
    {"items", "", filter_items},
    {"reverse", "", filter_reverse},
    {"batch", "linecount fill_with?", filter_batch},
    {"slice", "slices fill_with?", filter_slice},
    {"default", "default_value? boolean?", filter_default},
    {"d", "default_value? boolean?", filter_default},
    {"attr", "name", filter_attr},
};
const struct builtin_table list_filters = {filters, sizeof filters / sizeof filters[0]};
