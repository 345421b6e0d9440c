/* Calling things: builtin functions with Python's way of binding arguments, macros, loops; and the attributes of macros
 * and of the loop variable. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/integer.h"

bool argument_size(struct evaluator *ev, struct value v, const char *what, int64_t *out) {
    if (!is_integer(v)) return ev_fail(ev, "%s must be an integer, not %s", what, value_type_name(v));
    *out = v.type == V_BIG    ? (integer_sign(v) < 0 ? INT64_MIN / 2 : INT64_MAX / 2)
           : v.type == V_BOOL ? v.as.boolean
                              : v.as.integer;
    return true;
}

bool argument_text(struct evaluator *ev, struct value v, const char *what, const struct text **out) {
    if (v.type != V_TEXT) return ev_fail(ev, "%s must be a string, not %s", what, value_type_name(v));
    *out = v.as.text;
    return true;
}

/* "old new count?" → which parameter is called `name`, SIZE_MAX if none; *required: without '?'. */
static size_t parameter_index(const char *parameters, const struct text *name) {
    size_t index = 0;
    for (const char *p = parameters; *p; index++) {
        size_t n = strcspn(p, " ?");
        if (n == name->n_bytes && memcmp(p, name->data, n) == 0) return index;
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    return SIZE_MAX;
}

static bool bind_arguments(struct evaluator *ev, const struct builtin *function, const struct call *call,
                           struct value bound[MAX_PARAMETERS]) {
    size_t n_parameters = 0;
    for (size_t i = 0; i < MAX_PARAMETERS; i++) bound[i] = value_missing();
    bool positional_only = function->parameters[0] == '/';
    const char *parameters = function->parameters + positional_only;
    for (size_t i = 0; i < call->n_named; i++) {
        size_t index = positional_only ? SIZE_MAX : parameter_index(parameters, call->named[i].name);
        if (index == SIZE_MAX)
            return ev_fail(ev, "%s() got an unexpected keyword argument '%.*s'", function->name,
                           (int)call->named[i].name->n_bytes, call->named[i].name->data);
        if (index < call->n || is_given(bound[index]))
            return ev_fail(ev, "%s() got multiple values for argument '%.*s'", function->name,
                           (int)call->named[i].name->n_bytes, call->named[i].name->data);
        bound[index] = call->named[i].value;
    }
    for (const char *p = parameters; *p; n_parameters++) {
        size_t n = strcspn(p, " ");
        if (n_parameters < call->n)
            bound[n_parameters] = call->positional[n_parameters];
        else if (p[n - 1] != '?' && !is_given(bound[n_parameters]))
            return ev_fail(ev, "%s() is missing its argument '%.*s'", function->name, (int)n, p);
        p += n;
        p += strspn(p, " ");
    }
    if (call->n > n_parameters)
        return ev_fail(ev, "%s() takes at most %zu arguments (%zu given)", function->name, n_parameters, call->n);
    return true;
}

bool call_builtin(struct evaluator *ev, const struct builtin *function, struct value self, const struct call *call,
                  struct value *out) {
    struct value bound[MAX_PARAMETERS];
    bool variadic = function->parameters[0] == '*';
    if (!ev_spend(ev, 1)) return false;
    if (!variadic && !bind_arguments(ev, function, call, bound)) return false;
    return function->function(ev, self, variadic ? NULL : bound, call, out);
}

static const struct keyword *find_keyword(const struct call *call, const struct text *name) {
    for (size_t i = 0; i < call->n_named; i++)
        if (text_equal(call->named[i].name, name)) return &call->named[i];
    return NULL;
}

/* kwargs of a macro that mentions them: the keywords that no parameter took. */
static bool remaining_keywords(struct evaluator *ev, const struct macro_node *node, const struct call *call,
                               struct dict **out) {
    *out = dict_create(ev, call->n_named);
    if (!*out) return false;
    for (size_t i = 0; i < call->n_named; i++) {
        bool taken = node->uses_caller && !node->declares_caller && text_is(call->named[i].name, "caller");
        /* A keyword for a parameter that a positional argument filled stays among the rest, as in Jinja. */
        for (size_t j = call->n; j < node->parameters.n; j++)
            taken |= text_equal(&node->parameters.names[j]->text, call->named[i].name);
        if (!taken && !dict_set(ev, *out, value_text(call->named[i].name), call->named[i].value)) return false;
    }
    return true;
}

static const char *macro_name(const struct macro_node *node) {
    return node->name ? node->name->text.data : "caller";
}

static bool bind_parameters(struct evaluator *ev, const struct macro_node *node, struct scope *scope,
                            const struct call *call) {
    const struct parameters *parameters = &node->parameters;
    struct value undefined;
    for (size_t i = 0; i < parameters->n; i++) { /* all are known, undefined, before the first default is evaluated */
        if (!value_undefined(ev, &undefined, "parameter '%s' was not provided", parameters->names[i]->text.data) ||
            !scope_set(ev, scope, parameters->names[i], undefined))
            return false;
    }
    for (size_t i = 0; i < parameters->n; i++) {
        const struct keyword *keyword = i < call->n ? NULL : find_keyword(call, &parameters->names[i]->text);
        struct value v;
        if (i < call->n)
            v = call->positional[i];
        else if (keyword)
            v = keyword->value;
        else if (!parameters->defaults[i])
            continue;
        else if (!evaluate(ev, scope, parameters->defaults[i], &v))
            return false;
        if (!scope_set(ev, scope, parameters->names[i], v)) return false;
    }
    return true;
}

/* caller, kwargs and varargs, as far as the macro mentions them; what it doesn't take is an error. */
static bool bind_special(struct evaluator *ev, const struct macro_node *node, struct scope *scope,
                         const struct call *call) {
    struct dict *rest;
    struct value v;
    size_t n = node->parameters.n;
    if (node->uses_caller && !node->declares_caller) {
        const struct keyword *caller = find_keyword(call, &ev->names->caller->text);
        if (caller && caller->value.type != V_NONE)
            v = caller->value;
        else if (!value_undefined(ev, &v, "no caller defined"))
            return false;
        if (!scope_set(ev, scope, ev->names->caller, v)) return false;
    }
    if (!remaining_keywords(ev, node, call, &rest)) return false;
    if (node->uses_kwargs) {
        if (!scope_set(ev, scope, ev->names->kwargs, (struct value){.type = V_DICT, .as.dict = rest})) return false;
    } else if (rest->n) {
        const struct text *name = rest->entries[0].key.as.text;
        return ev_fail(ev, "macro '%s' takes no keyword argument '%.*s'", macro_name(node), (int)name->n_bytes,
                       name->data);
    }
    if (node->uses_varargs) {
        size_t n_rest = call->n > n ? call->n - n : 0;
        return list_value(ev, V_TUPLE, n_rest ? call->positional + n : NULL, n_rest, &v) &&
               scope_set(ev, scope, ev->names->varargs, v);
    }
    if (call->n > n) return ev_fail(ev, "macro '%s' takes not more than %zu argument(s)", macro_name(node), n);
    return true;
}

bool call_macro(struct evaluator *ev, const struct macro *macro, const struct call *call, struct value *out) {
    const struct macro_node *node = macro->node->as.macro;
    if (ev->calls >= ev->max_calls) return ev_fail(ev, "macros call each other more than %zu deep", ev->max_calls);
    struct scope *scope = scope_create(ev, macro->scope);
    struct writer captured = {0}, *outer = ev->out;
    if (!scope || !bind_special(ev, node, scope, call)) return false;
    ev->calls++;
    ev->out = &captured;
    bool ok = bind_parameters(ev, node, scope, call) && execute(ev, scope, &node->body) != FLOW_FAIL;
    ev->out = outer;
    ev->calls--;
    return ok && writer_value(ev, &captured, out);
}

bool call_value(struct evaluator *ev, struct value callee, const struct call *call, struct value *out) {
    switch (callee.type) {
    case V_FUNCTION:
        return call_builtin(ev, callee.as.function, value_none(), call, out);
    case V_METHOD:
        return call_builtin(ev, callee.as.method->function, callee.as.method->self, call, out);
    case V_MACRO:
        return call_macro(ev, callee.as.macro, call, out);
    case V_LOOP:
        if (call->n != 1 || call->n_named) return ev_fail(ev, "loop() takes one argument");
        return recurse_loop(ev, callee.as.loop, call->positional[0], out);
    case V_JOINER: {
        if (call->n || call->n_named) return ev_fail(ev, "a joiner takes no arguments");
        struct joiner *joiner = callee.as.joiner;
        struct text *nothing = text_wrap(ev, "", 0);
        *out = joiner->used ? joiner->separator : value_text(nothing);
        joiner->used = true;
        return nothing != NULL;
    }
    case V_UNDEFINED:
        return ev_fail(ev, "%.*s", callee.as.text ? (int)callee.as.text->n_bytes : 9,
                       callee.as.text ? callee.as.text->data : "undefined");
    default:
        return ev_fail(ev, "'%s' object is not callable", value_type_name(callee));
    }
}

bool macro_attribute(struct evaluator *ev, const struct macro *macro, const struct text *name, struct value *out) {
    const struct macro_node *node = macro->node->as.macro;
    *out = value_missing();
    if (text_is(name, "name")) {
        *out = node->name ? value_text(&node->name->text) : value_none();
    } else if (text_is(name, "arguments")) {
        struct value *names = ev_alloc_array(ev, node->parameters.n, sizeof *names);
        if (!names) return false;
        for (size_t i = 0; i < node->parameters.n; i++) names[i] = value_text(&node->parameters.names[i]->text);
        return list_value(ev, V_TUPLE, names, node->parameters.n, out);
    } else if (text_is(name, "catch_kwargs")) {
        *out = value_bool(node->uses_kwargs);
    } else if (text_is(name, "catch_varargs")) {
        *out = value_bool(node->uses_varargs);
    } else if (text_is(name, "caller")) {
        *out = value_bool(node->uses_caller);
    }
    return true;
}

/* len(loop): drains an iterator that doesn't know, as Jinja does. */
static bool loop_length(struct evaluator *ev, struct loop *loop) {
    if (loop->has_length) return true;
    struct list_builder rest = {0};
    for (bool more;;) {
        struct value item, drained;
        if (!iterator_next(ev, loop->iterator, &item, &more)) return false;
        if (more) {
            if (!list_builder_add(ev, &rest, item)) return false;
            continue;
        }
        if (!list_iterator(ev, rest.items, rest.n, &drained)) return false;
        loop->iterator = drained.as.iterator;
        break;
    }
    loop->length = rest.n + loop->index0 + 1 + loop->has_next;
    loop->has_length = true;
    return true;
}

static bool loop_cycle(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                       struct value *out) {
    (void)a;
    if (!call->n) return ev_fail(ev, "no items for cycling given");
    *out = call->positional[self.as.loop->index0 % call->n];
    return true;
}

static bool loop_changed(struct evaluator *ev, struct value self, const struct value *a, const struct call *call,
                         struct value *out) {
    struct value now;
    bool same = false;
    (void)a;
    if (!list_value(ev, V_TUPLE, call->positional, call->n, &now)) return false;
    if (is_given(self.as.loop->last_changed) && !value_equal(ev, self.as.loop->last_changed, now, &same)) return false;
    self.as.loop->last_changed = now;
    *out = value_bool(!same);
    return true;
}

static bool loop_method(struct evaluator *ev, struct loop *loop, const struct builtin *function, struct value *out) {
    struct method *method = ev_alloc(ev, sizeof *method);
    if (!method) return false;
    *method = (struct method){function, {.type = V_LOOP, .as.loop = loop}};
    *out = (struct value){.type = V_METHOD, .as.method = method};
    return true;
}

bool loop_attribute(struct evaluator *ev, struct loop *loop, const struct text *name, struct value *out) {
    static const struct builtin cycle = {"cycle", "*", loop_cycle}, changed = {"changed", "*", loop_changed};
    int64_t index0 = (int64_t)loop->index0;
    bool more;
    *out = value_missing();
    if (text_is(name, "index"))
        *out = value_int(index0 + 1);
    else if (text_is(name, "index0"))
        *out = value_int(index0);
    else if (text_is(name, "first"))
        *out = value_bool(index0 == 0);
    else if (text_is(name, "last"))
        return loop_peek(ev, loop, &more) && (*out = value_bool(!more), true);
    else if (text_is(name, "length"))
        return loop_length(ev, loop) && (*out = value_int((int64_t)loop->length), true);
    else if (text_is(name, "revindex"))
        return loop_length(ev, loop) && (*out = value_int((int64_t)loop->length - index0), true);
    else if (text_is(name, "revindex0"))
        return loop_length(ev, loop) && (*out = value_int((int64_t)loop->length - index0 - 1), true);
    else if (text_is(name, "depth"))
        *out = value_int((int64_t)loop->depth0 + 1);
    else if (text_is(name, "depth0"))
        *out = value_int((int64_t)loop->depth0);
    else if (text_is(name, "previtem")) {
        if (!is_given(loop->previous)) return value_undefined(ev, out, "there is no previous item");
        *out = loop->previous;
    } else if (text_is(name, "nextitem")) {
        if (!loop_peek(ev, loop, &more)) return false;
        if (!more) return value_undefined(ev, out, "there is no next item");
        *out = loop->next;
    } else if (text_is(name, "cycle"))
        return loop_method(ev, loop, &cycle, out);
    else if (text_is(name, "changed"))
        return loop_method(ev, loop, &changed, out);
    return true;
}
