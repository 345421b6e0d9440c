/* Equality, order, membership and hashing of values as Python defines them, and the dict that rests on them. */
#include <math.h>
#include <string.h>

#include "tokenizer/template/evaluator.h"
#include "tokenizer/template/integer.h"

enum { SMALL_DICT = 8, UNORDERED = 2 };

/* Exact for integers against floats: the float is compared with the integer, not with its rounding. */
static bool compare_numbers(struct evaluator *ev, struct value a, struct value b, int *order) {
    if (is_integer(a) && is_integer(b)) {
        *order = integer_compare(a, b);
        return true;
    }
    if (a.type == V_FLOAT && b.type == V_FLOAT) {
        double x = a.as.number, y = b.as.number;
        *order = x < y ? -1 : x > y ? 1 : x == y ? 0 : UNORDERED;
        return true;
    }
    if (a.type == V_FLOAT) {
        if (!compare_numbers(ev, b, a, order)) return false;
        if (*order != UNORDERED) *order = -*order;
        return true;
    }
    double f = b.as.number;
    if (!isfinite(f)) {
        *order = isnan(f) ? UNORDERED : f > 0 ? -1 : 1;
        return true;
    }
    double whole = trunc(f);
    struct value integer;
    if (fabs(whole) > 1e300) { /* beyond the integers of this engine, or nearly */
        *order = whole > 0 ? -1 : 1;
        return true;
    }
    if (!integer_from_double(ev, whole, &integer)) return false;
    *order = integer_compare(a, integer);
    if (*order == 0) *order = f > whole ? -1 : f < whole;
    return true;
}

static bool dict_equal(struct evaluator *ev, const struct dict *a, const struct dict *b, bool *equal) {
    *equal = a->n == b->n;
    for (size_t i = 0; *equal && i < a->n; i++) {
        const struct value *other;
        if (!dict_get(ev, b, a->entries[i].key, &other)) return false;
        *equal = other != NULL;
        if (other && !value_equal(ev, a->entries[i].value, *other, equal)) return false;
    }
    return true;
}

static bool equal_contents(struct evaluator *ev, struct value a, struct value b, bool *equal) {
    if (a.type == V_DICT) return dict_equal(ev, a.as.dict, b.as.dict, equal);
    if (a.type == V_RANGE) {
        const struct range *x = a.as.range, *y = b.as.range;
        *equal = x->n == y->n && (x->n == 0 || (x->start == y->start && (x->n == 1 || x->step == y->step)));
        return true;
    }
    const struct list *x = a.as.list, *y = b.as.list;
    *equal = x->n == y->n;
    for (size_t i = 0; *equal && x->items != y->items && i < x->n; i++)
        if (!value_equal(ev, x->items[i], y->items[i], equal)) return false;
    return true;
}

/* Keys and items are sets to Python; values are nothing but themselves. */
static bool is_set(struct value v) {
    return v.type == V_VIEW && v.as.view->kind != VIEW_VALUES;
}

static bool is_subset(struct evaluator *ev, struct value a, struct value b, bool *subset) {
    const struct dict *dict = a.as.view->dict;
    *subset = true;
    for (size_t i = 0; *subset && i < dict->n; i++) {
        struct value item;
        if (!view_at(ev, dict, a.as.view->kind, i, &item) || !value_contains(ev, b, item, subset)) return false;
    }
    return true;
}

/* *order as for value_compare: subsets are less. */
static bool compare_sets(struct evaluator *ev, struct value a, struct value b, int *order) {
    size_t n_a = a.as.view->dict->n, n_b = b.as.view->dict->n;
    bool subset;
    if (!ev_enter(ev)) return false;
    bool ok = n_a <= n_b ? is_subset(ev, a, b, &subset) : is_subset(ev, b, a, &subset);
    ev_leave(ev);
    if (ok) *order = !subset ? UNORDERED : n_a < n_b ? -1 : n_a > n_b;
    return ok;
}

bool value_equal(struct evaluator *ev, struct value a, struct value b, bool *equal) {
    *equal = false;
    if (!ev_spend(ev, 1)) return false;
    if (is_number(a) && is_number(b)) {
        int order;
        if (!compare_numbers(ev, a, b, &order)) return false;
        *equal = order == 0;
        return true;
    }
    if (a.type != b.type) return true;
    if (is_set(a) && is_set(b)) {
        int order;
        if (a.as.view->dict->n != b.as.view->dict->n) return true;
        if (!compare_sets(ev, a, b, &order)) return false;
        *equal = order == 0;
        return true;
    }
    switch (a.type) {
    case V_UNDEFINED:
    case V_NONE:
        *equal = true;
        return true;
    case V_TEXT:
        *equal = text_equal(a.as.text, b.as.text);
        return ev_spend_bytes(ev, a.as.text->n_bytes == b.as.text->n_bytes ? a.as.text->n_bytes : 0);
    case V_LIST:
    case V_TUPLE:
    case V_DICT:
    case V_RANGE: {
        if (!ev_enter(ev)) return false;
        bool ok = equal_contents(ev, a, b, equal);
        ev_leave(ev);
        return ok;
    }
    default:
        *equal = (const void *)a.as.list == (const void *)b.as.list;
        return true;
    }
}

static int compare_texts(const struct text *a, const struct text *b) {
    size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    int order = n ? memcmp(a->data, b->data, n) : 0; /* UTF-8 sorts as code points do */
    if (order == 0 && a->n_bytes != b->n_bytes) order = a->n_bytes < b->n_bytes ? -1 : 1;
    return order < 0 ? -1 : order > 0;
}

static bool compare_lists(struct evaluator *ev, const struct list *a, const struct list *b, int *order) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool equal;
        if (!value_equal(ev, a->items[i], b->items[i], &equal)) return false;
        if (!equal) return value_compare(ev, a->items[i], b->items[i], order);
    }
    *order = a->n < b->n ? -1 : a->n > b->n;
    return true;
}

bool value_compare(struct evaluator *ev, struct value a, struct value b, int *order) {
    if (!ev_spend(ev, 1)) return false;
    if (is_number(a) && is_number(b)) return compare_numbers(ev, a, b, order);
    if (a.type == V_TEXT && b.type == V_TEXT) {
        *order = compare_texts(a.as.text, b.as.text);
        return ev_spend_bytes(ev, a.as.text->n_bytes);
    }
    if (a.type == b.type && (a.type == V_LIST || a.type == V_TUPLE)) {
        if (!ev_enter(ev)) return false;
        bool ok = compare_lists(ev, a.as.list, b.as.list, order);
        ev_leave(ev);
        return ok;
    }
    if (is_set(a) && is_set(b)) return compare_sets(ev, a, b, order);
    if (a.type == V_UNDEFINED || b.type == V_UNDEFINED) {
        const struct text *why = a.type == V_UNDEFINED ? a.as.text : b.as.text;
        return ev_fail(ev, "%.*s", why ? (int)why->n_bytes : 9, why ? why->data : "undefined");
    }
    return ev_fail(ev, "can't order '%s' and '%s'", value_type_name(a), value_type_name(b));
}

bool value_contains(struct evaluator *ev, struct value haystack, struct value needle, bool *found) {
    *found = false;
    if (haystack.type == V_TEXT) {
        if (needle.type != V_TEXT)
            return ev_fail(ev, "'in <string>' requires string as left operand, not %s", value_type_name(needle));
        const struct text *h = haystack.as.text, *n = needle.as.text;
        *found = n->n_bytes == 0 || memmem(h->data, h->n_bytes, n->data, n->n_bytes) != NULL;
        return ev_spend_bytes(ev, h->n_bytes);
    }
    if (haystack.type == V_DICT || (haystack.type == V_VIEW && haystack.as.view->kind == VIEW_KEYS)) {
        const struct value *v;
        if (!dict_get(ev, haystack.type == V_DICT ? haystack.as.dict : haystack.as.view->dict, needle, &v))
            return false;
        *found = v != NULL;
        return true;
    }
    if (is_set(haystack)) { /* items */
        const struct value *v;
        if (needle.type != V_TUPLE || needle.as.list->n != 2) return true;
        if (!dict_get(ev, haystack.as.view->dict, needle.as.list->items[0], &v)) return false;
        return !v || value_equal(ev, *v, needle.as.list->items[1], found);
    }
    struct iterator *iterator;
    if (!iterate(ev, haystack, &iterator)) return false;
    for (bool more; !*found;) {
        struct value item;
        if (!iterator_next(ev, iterator, &item, &more)) return false;
        if (!more) break;
        if (!value_equal(ev, item, needle, found)) return false;
    }
    return true;
}

bool value_is_hashable(struct value v) {
    if (v.type == V_LIST || v.type == V_DICT || is_set(v)) return false;
    if (v.type != V_TUPLE) return true;
    for (size_t i = 0; i < v.as.list->n; i++) {
        struct value item = v.as.list->items[i];
        if (item.type == V_TUPLE || !value_is_hashable(item)) return false; /* tuples in tuples are keys nowhere */
    }
    return true;
}

static uint32_t hash_bytes(const char *data, size_t n) { /* FNV-1a; small dicts never use it */
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)data[i]) * 16777619u;
    return hash;
}

/* Equal values of different types hash alike: 1, 1.0 and true. */
static uint32_t hash_value(struct value v) {
    switch (v.type) {
    case V_TEXT:
        return hash_bytes(v.as.text->data, v.as.text->n_bytes);
    case V_BOOL:
    case V_INT:
    case V_BIG:
        return integer_hash(v);
    case V_FLOAT:
        if (v.as.number == trunc(v.as.number) && fabs(v.as.number) < 9e18)
            return integer_hash(value_int((int64_t)v.as.number));
        return fabs(v.as.number) < 9e18 ? hash_bytes((const char *)&v.as.number, sizeof v.as.number) : 1;
    case V_TUPLE: {
        uint32_t hash = 17;
        for (size_t i = 0; i < v.as.list->n; i++) hash = hash * 31 + hash_value(v.as.list->items[i]);
        return hash;
    }
    default:
        return 1;
    }
}

struct dict *dict_create(struct evaluator *ev, size_t expected) {
    struct dict *dict = ev_alloc(ev, sizeof *dict);
    if (!dict) return NULL;
    dict->capacity = expected ? expected : 4;
    dict->entries = ev_alloc_array(ev, dict->capacity, sizeof *dict->entries);
    return dict->entries ? dict : NULL;
}

/* The entry with this key, or NULL. */
static bool find_entry(struct evaluator *ev, const struct dict *dict, struct value key, uint32_t hash,
                       struct dict_entry **found) {
    *found = NULL;
    if (!dict->slots) {
        for (size_t i = 0; i < dict->n; i++) {
            bool equal;
            if (!value_equal(ev, dict->entries[i].key, key, &equal)) return false;
            if (equal) {
                *found = &dict->entries[i];
                return true;
            }
        }
        return true;
    }
    for (size_t slot = hash & (dict->n_slots - 1); dict->slots[slot]; slot = (slot + 1) & (dict->n_slots - 1)) {
        struct dict_entry *entry = &dict->entries[dict->slots[slot] - 1];
        bool equal = false;
        if (entry->hash == hash && !value_equal(ev, entry->key, key, &equal)) return false;
        if (!ev_spend(ev, 1)) return false;
        if (equal) {
            *found = entry;
            return true;
        }
    }
    return true;
}

static bool rebuild_slots(struct evaluator *ev, struct dict *dict) {
    size_t n_slots = 32;
    while (n_slots < 4 * dict->n) n_slots *= 2;
    uint32_t *slots = ev_alloc_array(ev, n_slots, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < dict->n; i++) {
        if (!dict->slots) dict->entries[i].hash = hash_value(dict->entries[i].key);
        size_t slot = dict->entries[i].hash & (n_slots - 1);
        while (slots[slot]) slot = (slot + 1) & (n_slots - 1);
        slots[slot] = (uint32_t)i + 1;
    }
    dict->slots = slots;
    dict->n_slots = n_slots;
    return true;
}

bool dict_set(struct evaluator *ev, struct dict *dict, struct value key, struct value v) {
    if (!value_is_hashable(key)) return ev_fail(ev, "unhashable type: '%s'", value_type_name(key));
    uint32_t hash = dict->slots ? hash_value(key) : 0;
    struct dict_entry *entry;
    if (!find_entry(ev, dict, key, hash, &entry)) return false;
    if (entry) {
        entry->value = v;
        return true;
    }
    if (dict->n == dict->capacity) {
        struct dict_entry *entries = ev_alloc_array(ev, 2 * dict->capacity, sizeof *entries);
        if (!entries) return false;
        memcpy(entries, dict->entries, dict->n * sizeof *entries);
        dict->entries = entries;
        dict->capacity *= 2;
    }
    dict->entries[dict->n++] = (struct dict_entry){.key = key, .value = v, .hash = hash};
    if (dict->slots ? 2 * dict->n > dict->n_slots : dict->n > SMALL_DICT) return rebuild_slots(ev, dict);
    if (dict->slots) {
        size_t slot = hash & (dict->n_slots - 1);
        while (dict->slots[slot]) slot = (slot + 1) & (dict->n_slots - 1);
        dict->slots[slot] = (uint32_t)dict->n;
    }
    return true;
}

bool dict_get(struct evaluator *ev, const struct dict *dict, struct value key, const struct value **found) {
    *found = NULL;
    if (!value_is_hashable(key)) return ev_fail(ev, "unhashable type: '%s'", value_type_name(key));
    struct dict_entry *entry;
    if (!find_entry(ev, dict, key, dict->slots ? hash_value(key) : 0, &entry)) return false;
    if (entry) *found = &entry->value;
    return true;
}

const struct value *dict_get_text(const struct dict *dict, const char *key, size_t n_bytes) {
    if (!dict->slots) {
        for (size_t i = 0; i < dict->n; i++) {
            struct value k = dict->entries[i].key;
            if (k.type == V_TEXT && k.as.text->n_bytes == n_bytes && memcmp(k.as.text->data, key, n_bytes) == 0)
                return &dict->entries[i].value;
        }
        return NULL;
    }
    uint32_t hash = hash_bytes(key, n_bytes);
    for (size_t slot = hash & (dict->n_slots - 1); dict->slots[slot]; slot = (slot + 1) & (dict->n_slots - 1)) {
        const struct dict_entry *entry = &dict->entries[dict->slots[slot] - 1];
        if (entry->hash == hash && entry->key.type == V_TEXT && entry->key.as.text->n_bytes == n_bytes &&
            memcmp(entry->key.as.text->data, key, n_bytes) == 0)
            return &entry->value;
    }
    return NULL;
}

bool view_at(struct evaluator *ev, const struct dict *dict, enum view_kind kind, size_t i, struct value *out) {
    if (kind != VIEW_ITEMS) {
        *out = kind == VIEW_KEYS ? dict->entries[i].key : dict->entries[i].value;
        return true;
    }
    struct value *pair = ev_alloc_array(ev, 2, sizeof *pair);
    if (!pair) return false;
    pair[0] = dict->entries[i].key;
    pair[1] = dict->entries[i].value;
    return list_value(ev, V_TUPLE, pair, 2, out);
}
