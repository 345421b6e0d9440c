/* Expressions: one function per kind of node, dispatched by evaluate(). */
#include "tokenizer/template/evaluator.h"

#include <string.h>

#include "tokenizer/template/builtins.h"

static bool look_up(struct evaluator *ev, struct scope *scope, const struct name *name, struct value *out) {
    for (struct scope *s = scope; s; s = s->parent)
        for (size_t i = s->n; i-- > 0;)
            if (s->items[i].name == name && is_given(s->items[i].value)) {
                *out = s->items[i].value;
                return true;
            }
    *out = ev->globals[name->id];
    if (is_given(*out)) return true;
    return value_undefined(ev, out, "'%.*s' is undefined", (int)(name->text.n_bytes < 80 ? name->text.n_bytes : 80),
                           name->text.data);
}

static bool evaluate_all(struct evaluator *ev, struct scope *scope, const struct node_list *nodes, struct value **out) {
    *out = ev_alloc_array(ev, nodes->n, sizeof **out);
    if (!*out) return false;
    for (size_t i = 0; i < nodes->n; i++)
        if (!evaluate(ev, scope, nodes->items[i], &(*out)[i])) return false;
    return true;
}

static bool evaluate_sequence(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value *items;
    if (!evaluate_all(ev, scope, &node->as.list, &items)) return false;
    return list_value(ev, node->type == N_LIST ? V_LIST : V_TUPLE, items, node->as.list.n, out);
}

static bool evaluate_dict(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct dict *dict = dict_create(ev, node->as.list.n / 2);
    if (!dict) return false;
    for (size_t i = 0; i < node->as.list.n; i += 2) {
        struct value key, v;
        if (!evaluate(ev, scope, node->as.list.items[i], &key) ||
            !evaluate(ev, scope, node->as.list.items[i + 1], &v) || !dict_set(ev, dict, key, v))
            return false;
    }
    *out = (struct value){.type = V_DICT, .as.dict = dict};
    return true;
}

/* a ~ b ~ c: the texts joined; growing `a` in place where it is a text. */
static bool evaluate_concat(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value first;
    if (!evaluate(ev, scope, node->as.list.items[0], &first)) return false;
    const struct text *text = value_to_text(ev, first);
    if (!text) return false;
    *out = value_text(text);
    for (size_t i = 1; i < node->as.list.n; i++) {
        struct value part;
        if (!evaluate(ev, scope, node->as.list.items[i], &part)) return false;
        const struct text *more = value_to_text(ev, part);
        if (!more || !text_concat(ev, out->as.text, more, out)) return false;
    }
    return true;
}

static bool evaluate_compare(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    const struct node_list *operands = &node->as.compare.operands;
    struct value left, right;
    bool holds = true;
    if (!evaluate(ev, scope, operands->items[0], &left)) return false;
    for (size_t i = 1; holds && i < operands->n; i++, left = right) {
        if (!evaluate(ev, scope, operands->items[i], &right)) return false;
        ev->at = node->offset;
        if (!apply_compare(ev, node->as.compare.ops[i - 1], left, right, &holds)) return false;
    }
    *out = value_bool(holds);
    return true;
}

static bool evaluate_logic(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    if (!evaluate(ev, scope, node->as.binary.left, out)) return false;
    if (value_truth(*out) == (node->type == N_OR)) return true;
    return evaluate(ev, scope, node->as.binary.right, out);
}

static bool evaluate_binary(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value left, right;
    if (!evaluate(ev, scope, node->as.binary.left, &left) || !evaluate(ev, scope, node->as.binary.right, &right))
        return false;
    ev->at = node->offset;
    return apply_binary(ev, node->as.binary.op, left, right, out);
}

static bool evaluate_unary(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value v;
    if (!evaluate(ev, scope, node->as.operand, &v)) return false;
    ev->at = node->offset;
    if (node->type == N_NOT) {
        *out = value_bool(!value_truth(v));
        return true;
    }
    if (node->type == N_NEGATE) return negate(ev, v, out);
    return negate(ev, v, &v) && negate(ev, v, out);
}

static bool evaluate_conditional(struct evaluator *ev, struct scope *scope, const struct node *node,
                                 struct value *out) {
    struct value test;
    if (!evaluate(ev, scope, node->as.conditional.test, &test)) return false;
    if (value_truth(test)) return evaluate(ev, scope, node->as.conditional.then, out);
    if (node->as.conditional.otherwise) return evaluate(ev, scope, node->as.conditional.otherwise, out);
    return value_undefined(ev, out, "the inline if-expression evaluated to false and has no else");
}

static bool evaluate_optional(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    *out = value_none();
    return !node || evaluate(ev, scope, node, out);
}

static bool evaluate_lookup(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value object, key, stop, step;
    if (node->type == N_ATTRIBUTE) {
        if (!evaluate(ev, scope, node->as.attribute.object, &object)) return false;
        ev->at = node->offset;
        return get_attribute(ev, object, &node->as.attribute.name->text, out);
    }
    if (node->type == N_ITEM) {
        if (!evaluate(ev, scope, node->as.item.object, &object) || !evaluate(ev, scope, node->as.item.key, &key))
            return false;
        ev->at = node->offset;
        return get_item(ev, object, key, out);
    }
    if (!evaluate(ev, scope, node->as.slice.object, &object) ||
        !evaluate_optional(ev, scope, node->as.slice.start, &key) ||
        !evaluate_optional(ev, scope, node->as.slice.stop, &stop) ||
        !evaluate_optional(ev, scope, node->as.slice.step, &step))
        return false;
    ev->at = node->offset;
    return get_slice(ev, object, key, stop, step, out);
}

/* *args and **kwargs appended to what was given one by one. */
static bool add_starred(struct evaluator *ev, struct scope *scope, const struct arguments *arguments,
                        struct list_builder *positional, struct keyword **named, size_t *n_named) {
    struct value v;
    if (arguments->star) {
        const struct list *list;
        if (!evaluate(ev, scope, arguments->star, &v) || !to_list(ev, v, &list)) return false;
        for (size_t i = 0; i < list->n; i++)
            if (!list_builder_add(ev, positional, list->items[i])) return false;
    }
    if (!arguments->star_star) return true;
    if (!evaluate(ev, scope, arguments->star_star, &v)) return false;
    if (v.type != V_DICT) return ev_fail(ev, "argument after ** must be a mapping, not %s", value_type_name(v));
    const struct dict *dict = v.as.dict;
    struct keyword *all = ev_alloc_array(ev, *n_named + dict->n, sizeof *all);
    if (!all) return false;
    if (*n_named) memcpy(all, *named, *n_named * sizeof *all);
    for (size_t i = 0; i < dict->n; i++) {
        if (dict->entries[i].key.type != V_TEXT) return ev_fail(ev, "keywords must be strings");
        for (size_t j = 0; j < *n_named; j++)
            if (text_equal(all[j].name, dict->entries[i].key.as.text))
                return ev_fail(ev, "got multiple values for keyword argument '%.*s'", (int)all[j].name->n_bytes,
                               all[j].name->data);
        all[*n_named + i] = (struct keyword){dict->entries[i].key.as.text, dict->entries[i].value};
    }
    *named = all;
    *n_named += dict->n;
    return true;
}

static bool evaluate_arguments(struct evaluator *ev, struct scope *scope, const struct arguments *arguments,
                               struct call *call) {
    struct value *positional = NULL;
    struct keyword *named = NULL;
    size_t n_named = arguments->named.n;
    *call = (struct call){.n = arguments->positional.n};
    if (call->n && !evaluate_all(ev, scope, &arguments->positional, &positional)) return false;
    if (n_named && !(named = ev_alloc_array(ev, n_named, sizeof *named))) return false;
    for (size_t i = 0; i < n_named; i++) {
        named[i].name = &arguments->names[i]->text;
        if (!evaluate(ev, scope, arguments->named.items[i], &named[i].value)) return false;
    }
    if (arguments->star || arguments->star_star) {
        struct list_builder builder = {.items = positional, .n = call->n, .capacity = call->n};
        if (!add_starred(ev, scope, arguments, &builder, &named, &n_named)) return false;
        positional = builder.items;
        call->n = builder.n;
    }
    call->positional = positional;
    call->named = named;
    call->n_named = n_named;
    return true;
}

static bool evaluate_call(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value callee;
    struct call call;
    if (!evaluate(ev, scope, node->as.call.callee, &callee) ||
        !evaluate_arguments(ev, scope, node->as.call.arguments, &call))
        return false;
    ev->at = node->offset;
    return call_value(ev, callee, &call, out);
}

/* A filter or test; `piped` stands for the object of a filter block. */
static bool evaluate_apply(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct value object;
    struct call call;
    if (!evaluate(ev, scope, node->as.apply.object, &object)) return false;
    if (!node->as.apply.function) {
        ev->at = node->offset;
        return ev_fail(ev, "no %s named '%s'", node->type == N_FILTER ? "filter" : "test",
                       node->as.apply.name->text.data);
    }
    if (!evaluate_arguments(ev, scope, node->as.apply.arguments, &call)) return false;
    ev->at = node->offset;
    return call_builtin(ev, node->as.apply.function, object, &call, out);
}

static bool evaluate_node(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    switch (node->type) {
    case N_CONST:
        *out = node->as.constant;
        return true;
    case N_NAME:
        ev->at = node->offset;
        return look_up(ev, scope, node->as.name, out);
    case N_TUPLE:
    case N_LIST:
        return evaluate_sequence(ev, scope, node, out);
    case N_DICT:
        return evaluate_dict(ev, scope, node, out);
    case N_NOT:
    case N_NEGATE:
    case N_PLUS:
        return evaluate_unary(ev, scope, node, out);
    case N_BINARY:
        return evaluate_binary(ev, scope, node, out);
    case N_AND:
    case N_OR:
        return evaluate_logic(ev, scope, node, out);
    case N_CONCAT:
        return evaluate_concat(ev, scope, node, out);
    case N_COMPARE:
        return evaluate_compare(ev, scope, node, out);
    case N_CONDITIONAL:
        return evaluate_conditional(ev, scope, node, out);
    case N_ATTRIBUTE:
    case N_ITEM:
    case N_SLICE:
        return evaluate_lookup(ev, scope, node, out);
    case N_CALL:
        return evaluate_call(ev, scope, node, out);
    case N_FILTER:
    case N_TEST:
        return evaluate_apply(ev, scope, node, out);
    default:
        return ev_fail(ev, "not an expression");
    }
}

bool evaluate(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    if (!ev_spend(ev, 1) || !ev_enter(ev)) return false;
    bool ok = evaluate_node(ev, scope, node, out);
    ev_leave(ev);
    return ok;
}
