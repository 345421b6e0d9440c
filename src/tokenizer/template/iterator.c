/* Going through values one by one. Filters such as map and select, and a for loop's condition, are lazy as in Python:
 * what they do happens when the item is asked for, which templates can see (a condition may read a namespace that the
 * loop's body sets). */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/characters.h"

enum iterator_kind { OVER_NOTHING, OVER_LIST, OVER_TEXT, OVER_DICT, OVER_RANGE, OVER_FUNCTION };

struct iterator {
    enum iterator_kind kind;
    size_t at, n;
    union {
        const struct value *items;
        const struct text *text;
        struct view view;
        const struct range *range;
        struct {
            struct value source;
            struct iterator *iterator; /* made when the first item is asked for */
            item_function function;
            void *context;
        } lazy;
    } as;
};

bool iterate(struct evaluator *ev, struct value v, struct iterator **out) {
    if (v.type == V_ITERATOR) {
        *out = v.as.iterator;
        return true;
    }
    struct iterator *it = ev_alloc(ev, sizeof *it);
    if (!it) return false;
    *out = it;
    value_length(v, &it->n);
    switch (v.type) {
    case V_UNDEFINED:
        it->kind = OVER_NOTHING;
        break;
    case V_LIST:
    case V_TUPLE:
        it->kind = OVER_LIST;
        it->as.items = v.as.list->items;
        break;
    case V_TEXT:
        it->kind = OVER_TEXT;
        it->as.text = v.as.text;
        break;
    case V_DICT:
        it->kind = OVER_DICT;
        it->as.view = (struct view){v.as.dict, VIEW_KEYS};
        break;
    case V_VIEW:
        it->kind = OVER_DICT;
        it->as.view = *v.as.view;
        break;
    case V_RANGE:
        it->kind = OVER_RANGE;
        it->as.range = v.as.range;
        break;
    default:
        return ev_fail(ev, "'%s' object is not iterable", value_type_name(v));
    }
    return true;
}

static bool next_lazy(struct evaluator *ev, struct iterator *it, struct value *out, bool *more) {
    if (!it->as.lazy.iterator && !iterate(ev, it->as.lazy.source, &it->as.lazy.iterator)) return false;
    for (;;) {
        struct value item;
        bool keep = true;
        if (!ev_spend(ev, 1) || !iterator_next(ev, it->as.lazy.iterator, &item, more)) return false;
        if (!*more) return true;
        *out = item;
        if (!it->as.lazy.function(ev, it->as.lazy.context, item, &keep, out)) return false;
        if (keep) return true;
    }
}

bool iterator_next(struct evaluator *ev, struct iterator *it, struct value *out, bool *more) {
    if (!ev_spend(ev, 1)) return false;
    if (it->kind == OVER_FUNCTION) {
        if (!ev_enter(ev)) return false;
        bool ok = next_lazy(ev, it, out, more);
        ev_leave(ev);
        return ok;
    }
    if (it->kind == OVER_TEXT) { /* `at` counts bytes */
        *more = it->at < it->as.text->n_bytes;
        if (!*more) return true;
        const char *begin = it->as.text->data + it->at, *p = begin;
        next_code_point(&p);
        struct text *one = text_wrap(ev, begin, (size_t)(p - begin));
        it->at += (size_t)(p - begin);
        *out = value_text(one);
        return one != NULL;
    }
    *more = it->at < it->n;
    if (!*more) return true;
    size_t i = it->at++;
    switch (it->kind) {
    case OVER_LIST:
        *out = it->as.items[i];
        return true;
    case OVER_DICT:
        return view_at(ev, it->as.view.dict, it->as.view.kind, i, out);
    case OVER_RANGE:
        *out = value_int(range_at(it->as.range, (int64_t)i));
        return true;
    default:
        return true;
    }
}

bool to_list(struct evaluator *ev, struct value v, const struct list **out) {
    if (v.type == V_LIST || v.type == V_TUPLE) {
        *out = v.as.list;
        return true;
    }
    struct iterator *it;
    struct list_builder items = {0};
    struct value item, list;
    if (!iterate(ev, v, &it)) return false;
    for (bool more;;) {
        if (!iterator_next(ev, it, &item, &more)) return false;
        if (!more) break;
        if (!list_builder_add(ev, &items, item)) return false;
    }
    if (!list_value(ev, V_LIST, items.items, items.n, &list)) return false;
    *out = list.as.list;
    return true;
}

bool lazy_iterator(struct evaluator *ev, struct value source, item_function function, void *context,
                   struct value *out) {
    struct iterator *it = ev_alloc(ev, sizeof *it);
    if (!it) return false;
    it->kind = OVER_FUNCTION;
    it->as.lazy.source = source;
    it->as.lazy.function = function;
    it->as.lazy.context = context;
    *out = (struct value){.type = V_ITERATOR, .as.iterator = it};
    return true;
}

bool list_iterator(struct evaluator *ev, const struct value *items, size_t n, struct value *out) {
    struct iterator *it = ev_alloc(ev, sizeof *it);
    if (!it) return false;
    *it = (struct iterator){.kind = OVER_LIST, .n = n, .as.items = items};
    *out = (struct value){.type = V_ITERATOR, .as.iterator = it};
    return true;
}
