/* Texts, lists and what all values have: a type's name, truth, length. */
#include "tokenizer/template/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tokenizer/template/evaluator.h"

const char *value_type_name(struct value v) {
    switch (v.type) {
    case V_MISSING:
    case V_UNDEFINED:
        return "Undefined";
    case V_NONE:
        return "NoneType";
    case V_BOOL:
        return "bool";
    case V_INT:
    case V_BIG:
        return "int";
    case V_FLOAT:
        return "float";
    case V_TEXT:
        return v.markup ? "Markup" : "str";
    case V_LIST:
        return "list";
    case V_TUPLE:
        return "tuple";
    case V_DICT:
        return "dict";
    case V_RANGE:
        return "range";
    case V_VIEW:
        return v.as.view->kind == VIEW_KEYS     ? "dict_keys"
               : v.as.view->kind == VIEW_VALUES ? "dict_values"
                                                : "dict_items";
    case V_ITERATOR:
        return "generator";
    case V_NAMESPACE:
        return "Namespace";
    case V_CYCLER:
        return "Cycler";
    case V_JOINER:
        return "Joiner";
    case V_LOOP:
        return "LoopContext";
    case V_MACRO:
        return "Macro";
    case V_FUNCTION:
        return "function";
    case V_METHOD:
        return "method";
    }
    return "object";
}

bool value_truth(struct value v) {
    size_t n;
    switch (v.type) {
    case V_MISSING:
    case V_UNDEFINED:
    case V_NONE:
        return false;
    case V_BOOL:
        return v.as.boolean;
    case V_INT:
        return v.as.integer != 0;
    case V_FLOAT:
        return v.as.number != 0;
    case V_TEXT:
        return v.as.text->n_bytes != 0;
    case V_LIST:
    case V_TUPLE:
    case V_DICT:
    case V_RANGE:
    case V_VIEW:
        return value_length(v, &n) && n != 0;
    default:
        return true;
    }
}

bool value_length(struct value v, size_t *n) {
    switch (v.type) {
    case V_UNDEFINED:
        *n = 0;
        return true;
    case V_TEXT:
        *n = v.as.text->n_chars;
        return true;
    case V_LIST:
    case V_TUPLE:
        *n = v.as.list->n;
        return true;
    case V_DICT:
        *n = v.as.dict->n;
        return true;
    case V_RANGE:
        *n = v.as.range->n;
        return true;
    case V_VIEW:
        *n = v.as.view->dict->n;
        return true;
    default:
        return false;
    }
}

bool value_undefined(struct evaluator *ev, struct value *out, const char *format, ...) {
    char message[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct text *text = text_copy(ev, message, strlen(message));
    *out = (struct value){.type = V_UNDEFINED, .as.text = text};
    return text != NULL;
}

size_t count_code_points(const char *data, size_t n_bytes) {
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) n += ((unsigned char)data[i] & 0xc0) != 0x80;
    return n;
}

struct text *text_wrap(struct evaluator *ev, const char *data, size_t n_bytes) {
    if (!ev_spend_bytes(ev, n_bytes)) return NULL;
    struct text *text = ev_alloc(ev, sizeof *text);
    if (text) *text = (struct text){.data = data, .n_bytes = n_bytes, .n_chars = count_code_points(data, n_bytes)};
    return text;
}

struct text *text_copy(struct evaluator *ev, const char *data, size_t n_bytes) {
    char *copy = ev_alloc(ev, n_bytes + 1);
    if (!copy) return NULL;
    if (n_bytes) memcpy(copy, data, n_bytes);
    return text_wrap(ev, copy, n_bytes);
}

bool text_is(const struct text *t, const char *literal) {
    return t->n_bytes == strlen(literal) && memcmp(t->data, literal, t->n_bytes) == 0;
}

bool text_equal(const struct text *a, const struct text *b) {
    return a->n_bytes == b->n_bytes && (a->data == b->data || memcmp(a->data, b->data, a->n_bytes) == 0);
}

size_t text_offset(const struct text *t, size_t index) {
    if (t->n_chars == t->n_bytes) return index;
    if (index == t->n_chars) return t->n_bytes;
    size_t at = 0;
    for (size_t seen = 0; at < t->n_bytes; at++)
        if (((unsigned char)t->data[at] & 0xc0) != 0x80 && seen++ == index) break;
    return at;
}

struct text *text_slice(struct evaluator *ev, const struct text *t, size_t from, size_t to) {
    if (!ev_spend_bytes(ev, t->n_chars == t->n_bytes ? 0 : t->n_bytes)) return NULL;
    size_t begin = text_offset(t, from), end = text_offset(t, to);
    struct text *slice = ev_alloc(ev, sizeof *slice);
    if (slice) *slice = (struct text){.data = t->data + begin, .n_bytes = end - begin, .n_chars = to - from};
    return slice;
}

/* Short texts are copied plainly; a longer one gets as much room again, for the next append. */
bool text_concat(struct evaluator *ev, const struct text *a, const struct text *b, struct value *out) {
    size_t n = a->n_bytes + b->n_bytes;
    struct text *joined = ev_alloc(ev, sizeof *joined);
    if (!joined || !ev_spend_bytes(ev, b->n_bytes)) return false;
    *joined = (struct text){.n_bytes = n, .n_chars = a->n_chars + b->n_chars};
    if (a->room && a->room->used == a->n_bytes && b->n_bytes <= a->room->capacity - a->room->used) {
        joined->data = a->data;
        joined->room = a->room;
        if (b->n_bytes) memcpy((char *)(uintptr_t)a->data + a->n_bytes, b->data, b->n_bytes);
        a->room->used = n;
    } else {
        size_t capacity = n < 256 ? n : 2 * n;
        char *data = ev_alloc(ev, capacity);
        if (!data) return false;
        if (a->n_bytes) memcpy(data, a->data, a->n_bytes);
        if (b->n_bytes) memcpy(data + a->n_bytes, b->data, b->n_bytes);
        joined->data = data;
        if (capacity > n) {
            joined->room = ev_alloc(ev, sizeof *joined->room);
            if (!joined->room) return false;
            *joined->room = (struct room){.used = n, .capacity = capacity};
        }
    }
    *out = value_text(joined);
    return true;
}

bool list_value(struct evaluator *ev, enum value_type type, const struct value *items, size_t n, struct value *out) {
    struct list *list = ev_alloc(ev, sizeof *list);
    if (!list) return false;
    *list = (struct list){.items = items, .n = n};
    *out = (struct value){.type = type, .as.list = list};
    return true;
}

bool list_concat(struct evaluator *ev, enum value_type type, const struct list *a, const struct list *b,
                 struct value *out) {
    size_t n = a->n + b->n;
    struct list *joined = ev_alloc(ev, sizeof *joined);
    if (!joined || !ev_spend(ev, 1 + b->n)) return false;
    joined->n = n;
    if (a->room && a->room->used == a->n && b->n <= a->room->capacity - a->room->used) {
        joined->items = a->items;
        joined->room = a->room;
        if (b->n) memcpy((struct value *)(uintptr_t)a->items + a->n, b->items, b->n * sizeof b->items[0]);
        a->room->used = n;
    } else {
        struct value *items = ev_alloc_array(ev, 2 * n, sizeof *items);
        joined->room = ev_alloc(ev, sizeof *joined->room);
        if (!items || !joined->room) return false;
        if (a->n) memcpy(items, a->items, a->n * sizeof *items);
        if (b->n) memcpy(items + a->n, b->items, b->n * sizeof *items);
        joined->items = items;
        *joined->room = (struct room){.used = n, .capacity = 2 * n};
    }
    *out = (struct value){.type = type, .as.list = joined};
    return true;
}

bool list_builder_add(struct evaluator *ev, struct list_builder *builder, struct value v) {
    if (!ev_spend(ev, 1)) return false;
    if (builder->n == builder->capacity) {
        size_t capacity = builder->capacity ? 2 * builder->capacity : 8;
        struct value *items = ev_alloc_array(ev, capacity, sizeof *items);
        if (!items) return false;
        if (builder->n) memcpy(items, builder->items, builder->n * sizeof *items);
        builder->items = items;
        builder->capacity = capacity;
    }
    builder->items[builder->n++] = v;
    return true;
}
