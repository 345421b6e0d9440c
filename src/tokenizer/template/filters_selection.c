/* map, select, reject, selectattr, rejectattr: lazy, like Python's generators. What is wrong with their arguments shows
 * when the first item is asked for. */
#include <string.h>

#include "tokenizer/template/builtins.h"

struct selection {
    const struct builtin *function; /* the filter to map with, the test to select by; NULL: none named */
    const struct text *unknown;     /* its name, when there is no such function */
    struct value attribute, if_undefined;
    bool wanted;      /* select keeps what the test holds for, reject the rest */
    struct call call; /* further arguments */
};

static bool name_function(struct evaluator *ev, struct selection *s, struct value name, bool is_filter) {
    const struct text *text;
    if (!argument_text(ev, name, is_filter ? "a filter's name" : "a test's name", &text)) return false;
    s->function = is_filter ? find_filter(text->data, text->n_bytes) : find_test(text->data, text->n_bytes);
    if (!s->function) s->unknown = text;
    return true;
}

static bool check_function(struct evaluator *ev, const struct selection *s) {
    if (!s->unknown) return true;
    int n = s->unknown->n_bytes < 60 ? (int)s->unknown->n_bytes : 60;
    return ev_fail(ev, "no filter or test named '%.*s'", n, s->unknown->data);
}

static bool map_item(struct evaluator *ev, void *context, struct value item, bool *keep, struct value *mapped) {
    const struct selection *s = context;
    *keep = true;
    if (!check_function(ev, s)) return false;
    if (!s->function) return get_path(ev, item, s->attribute, s->if_undefined, mapped);
    return call_builtin(ev, s->function, item, &s->call, mapped);
}

static bool select_item(struct evaluator *ev, void *context, struct value item, bool *keep, struct value *mapped) {
    const struct selection *s = context;
    struct value v;
    (void)mapped;
    if (!check_function(ev, s) || !get_path(ev, item, s->attribute, value_missing(), &v)) return false;
    if (s->function && !call_builtin(ev, s->function, v, &s->call, &v)) return false;
    *keep = value_truth(v) == s->wanted;
    return true;
}

/* A copy of the call without its first `skip` positional arguments. */
static struct selection *selection_create(struct evaluator *ev, const struct call *call, size_t skip) {
    struct selection *s = ev_alloc(ev, sizeof *s);
    if (!s) return NULL;
    s->call = *call;
    if (skip > call->n) skip = call->n;
    if (skip) s->call.positional += skip;
    s->call.n -= skip;
    return s;
}

/* An empty or false value gives nothing, whatever its type. */
static bool lazy_over(struct evaluator *ev, struct value self, item_function function, struct selection *s,
                      struct value *out) {
    if (!value_truth(self)) return list_iterator(ev, NULL, 0, out);
    return lazy_iterator(ev, self, function, s, out);
}

static bool filter_map(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                       struct value *out) {
    struct selection *s = selection_create(ev, call, 1);
    (void)a;
    if (!s) return false;
    if (call->n) return name_function(ev, s, call->positional[0], true) && lazy_over(ev, self, map_item, s, out);
    bool has_attribute = false;
    for (size_t i = 0; i < call->n_named; i++) {
        if (text_is(call->named[i].name, "attribute"))
            s->attribute = call->named[i].value, has_attribute = true;
        else if (text_is(call->named[i].name, "default"))
            s->if_undefined = call->named[i].value;
        else
            return ev_fail(ev, "map got an unexpected keyword argument");
    }
    if (!has_attribute) return ev_fail(ev, "map requires a filter argument");
    return lazy_over(ev, self, map_item, s, out);
}

static bool selection(struct evaluator *ev, struct value self, const struct call *call, bool by_attribute, bool wanted,
                      struct value *out) {
    size_t n_own = by_attribute ? 2 : 1;
    struct selection *s = selection_create(ev, call, n_own);
    if (!s) return false;
    s->wanted = wanted;
    if (by_attribute) {
        if (!call->n) return ev_fail(ev, "missing parameter for attribute name");
        s->attribute = call->positional[0];
    }
    if (call->n >= n_own && !name_function(ev, s, call->positional[n_own - 1], false)) return false;
    return lazy_over(ev, self, select_item, s, out);
}

#define SELECTION_FILTER(name, by_attribute, wanted)                                                                   \
    static bool name(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,          \
                     struct value *out) {                                                                              \
        (void)a;                                                                                                       \
        return selection(ev, self, call, by_attribute, wanted, out);                                                   \
    }
SELECTION_FILTER(filter_select, false, true)
SELECTION_FILTER(filter_reject, false, false)
SELECTION_FILTER(filter_selectattr, true, true)
SELECTION_FILTER(filter_rejectattr, true, false)

static const struct builtin filters[] = {
    {"map", "*", filter_map},
    {"select", "*", filter_select},
    {"reject", "*", filter_reject},
    {"selectattr", "*", filter_selectattr},
    {"rejectattr", "*", filter_rejectattr},
};
const struct builtin_table selection_filters = {filters, sizeof filters / sizeof filters[0]};

const struct builtin *find_filter(const char *name, size_t n) {
    static const struct builtin_table *const tables[] = {&text_filters, &list_filters, &selection_filters,
                                                         &number_filters};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const struct builtin *found = find_in(tables[i]->items, tables[i]->n, name, n);
        if (found) return found;
    }
    return NULL;
}
