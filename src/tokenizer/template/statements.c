/* Statements: output, branches, loops, assignments, macros and the other blocks.
 *
 * Scopes are a chain: loops, macros, call, with, filter and set blocks open one, `if` doesn't. A name is looked up from
 * the inside out and set in the innermost scope, so a loop reads outer variables but can't change them. A loop's scope
 * is emptied before each round. */
#include <string.h>

#include "tokenizer/template/builtins.h"

struct scope *scope_create(struct evaluator *ev, struct scope *parent) {
    struct scope *scope = ev_alloc(ev, sizeof *scope);
    if (scope) scope->parent = parent;
    return scope;
}

bool scope_set(struct evaluator *ev, struct scope *scope, const struct name *name, struct value v) {
    if (!scope) {
        ev->globals[name->id] = v;
        return true;
    }
    for (size_t i = 0; i < scope->n; i++)
        if (scope->items[i].name == name) {
            scope->items[i].value = v;
            return true;
        }
    if (!ev_spend(ev, 1 + scope->n / 4)) return false;
    if (scope->n == scope->capacity) {
        size_t capacity = scope->capacity ? 2 * scope->capacity : 4;
        struct binding *items = ev_alloc_array(ev, capacity, sizeof *items);
        if (!items) return false;
        if (scope->n) memcpy(items, scope->items, scope->n * sizeof *items);
        scope->items = items;
        scope->capacity = capacity;
    }
    scope->items[scope->n++] = (struct binding){name, v};
    return true;
}

static bool assign_namespace(struct evaluator *ev, struct scope *scope, const struct node *target, struct value v) {
    struct value object;
    if (!evaluate(ev, scope, target->as.attribute.object, &object)) return false;
    if (object.type != V_NAMESPACE || object.as.space->fixed) {
        ev->at = target->offset;
        return ev_fail(ev, "cannot assign attribute on non-namespace object");
    }
    struct value key = value_text(&target->as.attribute.name->text);
    return namespace_accepts(ev, key) && dict_set(ev, &object.as.space->attributes, key, v);
}

bool assign(struct evaluator *ev, struct scope *scope, const struct node *target, struct value v) {
    if (target->type == N_NAME) return scope_set(ev, scope, target->as.name, v);
    if (target->type == N_NAMESPACE_TARGET) return assign_namespace(ev, scope, target, v);
    const struct list *list;
    size_t expected = target->as.list.n;
    if (!to_list(ev, v, &list)) return false;
    if (list->n != expected) {
        ev->at = target->offset;
        return ev_fail(ev, "%s values to unpack (expected %zu, got %zu)",
                       list->n < expected ? "not enough" : "too many", expected, list->n);
    }
    for (size_t i = 0; i < expected; i++)
        if (!assign(ev, scope, target->as.list.items[i], list->items[i])) return false;
    return true;
}

/* Runs a body with its output going to *captured. */
static enum flow capture(struct evaluator *ev, struct scope *scope, const struct node_list *body,
                         struct writer *captured) {
    struct writer *outer = ev->out;
    *captured = (struct writer){0};
    ev->out = captured;
    enum flow flow = execute(ev, scope, body);
    ev->out = outer;
    return flow;
}

static bool output_value(struct evaluator *ev, struct value v) {
    return write_str(ev, ev->out, v);
}

static enum flow execute_output(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct value v;
    return evaluate(ev, scope, node->as.operand, &v) && output_value(ev, v) ? FLOW_NEXT : FLOW_FAIL;
}

static enum flow execute_if(struct evaluator *ev, struct scope *scope, const struct node *node) {
    for (size_t i = 0; i < node->as.branch.n; i++) {
        struct value test;
        if (!evaluate(ev, scope, node->as.branch.tests[i], &test)) return FLOW_FAIL;
        if (value_truth(test)) return execute(ev, scope, &node->as.branch.bodies[i]);
    }
    return execute(ev, scope, &node->as.branch.otherwise);
}

/* {% for x in xs if condition %}: the condition is asked when the loop asks for its next item, in a scope of its own
 * where the loop's variable is set and `loop` isn't. */
struct loop_filter {
    const struct for_node *node;
    struct scope *scope;
};

static bool keep_item(struct evaluator *ev, void *context, struct value item, bool *keep, struct value *mapped) {
    struct loop_filter *filter = context;
    struct value test;
    (void)mapped;
    filter->scope->n = 0;
    if (!assign(ev, filter->scope, filter->node->target, item) ||
        !evaluate(ev, filter->scope, filter->node->condition, &test))
        return false;
    *keep = value_truth(test);
    return true;
}

static bool start_loop(struct evaluator *ev, struct loop *loop, struct value iterable) {
    const struct for_node *node = loop->node->as.loop;
    if (node->condition) {
        struct loop_filter *filter = ev_alloc(ev, sizeof *filter);
        struct iterator *checked;
        if (!filter || !iterate(ev, iterable, &checked)) return false;
        *filter = (struct loop_filter){node, scope_create(ev, loop->scope)};
        if (!filter->scope || !lazy_iterator(ev, iterable, keep_item, filter, &iterable)) return false;
    }
    loop->has_length = value_length(iterable, &loop->length);
    loop->last_changed = loop->current = loop->previous = value_missing();
    return iterate(ev, iterable, &loop->iterator);
}

/* The next item without going there. */
bool loop_peek(struct evaluator *ev, struct loop *loop, bool *more) {
    if (!loop->has_next && !loop->exhausted) {
        if (!iterator_next(ev, loop->iterator, &loop->next, more)) return false;
        loop->has_next = *more;
        loop->exhausted = !*more;
    }
    *more = loop->has_next;
    return true;
}

static bool next_round(struct evaluator *ev, struct loop *loop, bool *more) {
    if (!loop_peek(ev, loop, more)) return false;
    if (!*more) return true;
    loop->has_next = false;
    loop->previous = loop->current;
    loop->current = loop->next;
    return true;
}

static enum flow run_loop(struct evaluator *ev, struct loop *loop) {
    const struct for_node *node = loop->node->as.loop;
    struct scope *scope = scope_create(ev, loop->scope);
    enum flow flow = FLOW_NEXT;
    bool completed = false; /* some round reached its end: break and continue don't count for `else`, as in Jinja */
    if (!scope) return FLOW_FAIL;
    for (bool more, first = true;; first = false) {
        ev->at = loop->node->offset;
        if (!next_round(ev, loop, &more)) return FLOW_FAIL;
        if (!more) break;
        if (!first) loop->index0++;
        scope->n = 0;
        if (!scope_set(ev, scope, ev->names->loop, (struct value){.type = V_LOOP, .as.loop = loop}) ||
            !assign(ev, scope, node->target, loop->current))
            return FLOW_FAIL;
        flow = execute(ev, scope, &node->body);
        if (flow == FLOW_FAIL) return FLOW_FAIL;
        if (flow == FLOW_BREAK) break;
        completed |= flow == FLOW_NEXT;
    }
    if (completed || !node->otherwise.n) return FLOW_NEXT;
    scope->n = 0;
    return execute(ev, scope, &node->otherwise);
}

static struct loop *loop_create(struct evaluator *ev, const struct node *node, struct scope *scope, size_t depth0) {
    struct loop *loop = ev_alloc(ev, sizeof *loop);
    if (loop) *loop = (struct loop){.node = node, .scope = scope, .depth0 = depth0};
    return loop;
}

static enum flow execute_for(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct value iterable;
    struct loop *loop = loop_create(ev, node, scope, 0);
    if (!loop || !evaluate(ev, scope, node->as.loop->iterable, &iterable)) return FLOW_FAIL;
    ev->at = node->offset;
    return start_loop(ev, loop, iterable) ? run_loop(ev, loop) : FLOW_FAIL;
}

/* loop(items) inside {% for … recursive %}: the loop again, one level deeper, its output as a text. */
bool recurse_loop(struct evaluator *ev, struct loop *outer, struct value iterable, struct value *out) {
    if (!outer->node->as.loop->recursive)
        return ev_fail(ev, "the loop must have the 'recursive' marker to be called recursively");
    if (ev->calls >= ev->max_calls) return ev_fail(ev, "loops call each other more than %zu deep", ev->max_calls);
    struct loop *loop = loop_create(ev, outer->node, outer->scope, outer->depth0 + 1);
    struct writer captured = {0}, *out_before = ev->out;
    if (!loop || !start_loop(ev, loop, iterable)) return false;
    ev->calls++;
    ev->out = &captured;
    enum flow flow = run_loop(ev, loop);
    ev->out = out_before;
    ev->calls--;
    return flow != FLOW_FAIL && writer_value(ev, &captured, out);
}

static enum flow execute_set(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct value v;
    return evaluate(ev, scope, node->as.set.value, &v) && assign(ev, scope, node->as.set.target, v) ? FLOW_NEXT
                                                                                                    : FLOW_FAIL;
}

/* The innermost filter of a chain without object gets `text`. */
static bool apply_filters(struct evaluator *ev, struct scope *scope, const struct node *filter, struct value text,
                          struct value *out) {
    const struct node *chain[MAX_PARSER_NESTING];
    size_t n = 0;
    for (; filter; filter = filter->as.apply.object) {
        if (n == MAX_PARSER_NESTING) return ev_fail(ev, "too many filters");
        chain[n++] = filter;
    }
    *out = text;
    while (n--) {
        struct node object = {.type = N_CONST, .offset = chain[n]->offset, .as.constant = *out};
        struct node applied = *chain[n];
        applied.as.apply.object = &object;
        if (!evaluate(ev, scope, &applied, out)) return false;
    }
    return true;
}

static enum flow execute_set_block(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct writer captured;
    struct value v;
    struct scope *inner = scope_create(ev, scope);
    if (!inner) return FLOW_FAIL;
    enum flow flow = capture(ev, inner, &node->as.set.body, &captured);
    if (flow != FLOW_NEXT) return flow;
    if (!writer_value(ev, &captured, &v) || !apply_filters(ev, inner, node->as.set.value, v, &v) ||
        !assign(ev, scope, node->as.set.target, v))
        return FLOW_FAIL;
    return FLOW_NEXT;
}

static enum flow execute_filter_block(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct writer captured;
    struct value v;
    struct scope *inner = scope_create(ev, scope);
    if (!inner) return FLOW_FAIL;
    enum flow flow = capture(ev, inner, &node->as.block.body, &captured);
    if (flow != FLOW_NEXT) return flow;
    bool ok = writer_value(ev, &captured, &v) && apply_filters(ev, inner, node->as.block.filter, v, &v) &&
              output_value(ev, v);
    return ok ? FLOW_NEXT : FLOW_FAIL;
}

static enum flow execute_with(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct scope *inner = scope_create(ev, scope);
    if (!inner) return FLOW_FAIL;
    for (size_t i = 0; i < node->as.block.targets.n; i++) {
        struct value v;
        if (!evaluate(ev, scope, node->as.block.values.items[i], &v) ||
            !assign(ev, inner, node->as.block.targets.items[i], v))
            return FLOW_FAIL;
    }
    return execute(ev, inner, &node->as.block.body);
}

bool macro_value(struct evaluator *ev, struct scope *scope, const struct node *node, struct value *out) {
    struct macro *macro = ev_alloc(ev, sizeof *macro);
    if (!macro) return false;
    *macro = (struct macro){.node = node, .scope = scope};
    *out = (struct value){.type = V_MACRO, .as.macro = macro};
    return true;
}

static enum flow execute_macro(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct value macro;
    if (!macro_value(ev, scope, node, &macro) || !scope_set(ev, scope, node->as.macro->name, macro)) return FLOW_FAIL;
    return FLOW_NEXT;
}

/* {% call(x) f(…) %}: calls f with the body as its `caller`. */
static enum flow execute_call_block(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct value caller, result;
    if (!macro_value(ev, scope, node, &caller)) return FLOW_FAIL;
    const struct node *call = node->as.macro->call;
    struct node constant = {.type = N_CONST, .offset = call->offset, .as.constant = caller};
    struct arguments arguments = *call->as.call.arguments;
    size_t n = arguments.named.n;
    const struct name **names = ev_alloc_array(ev, n + 1, sizeof *names);
    struct node **named = ev_alloc_array(ev, n + 1, sizeof(struct node *));
    if (!names || !named) return FLOW_FAIL;
    if (n) {
        memcpy(names, arguments.names, n * sizeof *names);
        memcpy(named, arguments.named.items, n * sizeof(struct node *));
    }
    names[n] = ev->names->caller;
    named[n] = &constant;
    arguments.names = names;
    arguments.named = (struct node_list){named, n + 1};
    struct node extended = *call;
    extended.as.call.arguments = &arguments;
    return evaluate(ev, scope, &extended, &result) && output_value(ev, result) ? FLOW_NEXT : FLOW_FAIL;
}

/* {% generation %}: marks what the assistant says. transformers counts from what has been written to the prompt so
 * far, even when the tag stands inside a macro whose output comes later. */
static enum flow execute_generation(struct evaluator *ev, struct scope *scope, const struct node *node) {
    struct writer captured;
    struct scope *inner = scope_create(ev, scope);
    if (!inner) return FLOW_FAIL;
    enum flow flow = capture(ev, inner, &node->as.block.body, &captured);
    if (flow != FLOW_NEXT) return flow;
    if (ev->n_spans == ev->spans_capacity) {
        size_t capacity = ev->spans_capacity ? 2 * ev->spans_capacity : 8;
        struct generation_span *spans = ev_alloc_array(ev, capacity, sizeof *spans);
        if (!spans) return FLOW_FAIL;
        if (ev->n_spans) memcpy(spans, ev->spans, ev->n_spans * sizeof *spans);
        ev->spans = spans;
        ev->spans_capacity = capacity;
    }
    size_t n_chars = captured.size ? count_code_points(captured.data, captured.size) : 0;
    ev->spans[ev->n_spans++] = (struct generation_span){ev->prompt->size, n_chars};
    return write_bytes(ev, ev->out, captured.data, captured.size) ? FLOW_NEXT : FLOW_FAIL;
}

static enum flow execute_block(struct evaluator *ev, struct scope *scope, const struct node *node) {
    if (node->as.block.required) {
        ev->at = node->offset;
        ev_fail(ev, "a required block is for templates that extend this one, and none can");
        return FLOW_FAIL;
    }
    struct scope *inner = scope_create(ev, node->as.block.scoped ? scope : NULL);
    return inner ? execute(ev, inner, &node->as.block.body) : FLOW_FAIL;
}

static enum flow execute_node(struct evaluator *ev, struct scope *scope, const struct node *node) {
    switch (node->type) {
    case N_TEXT:
        return write_bytes(ev, ev->out, node->as.text->data, node->as.text->n_bytes) ? FLOW_NEXT : FLOW_FAIL;
    case N_OUTPUT:
        return execute_output(ev, scope, node);
    case N_IF:
        return execute_if(ev, scope, node);
    case N_FOR:
        return execute_for(ev, scope, node);
    case N_SET:
        return execute_set(ev, scope, node);
    case N_SET_BLOCK:
        return execute_set_block(ev, scope, node);
    case N_MACRO:
        return execute_macro(ev, scope, node);
    case N_CALL_BLOCK:
        return execute_call_block(ev, scope, node);
    case N_FILTER_BLOCK:
        return execute_filter_block(ev, scope, node);
    case N_WITH:
        return execute_with(ev, scope, node);
    case N_GENERATION:
        return execute_generation(ev, scope, node);
    case N_BLOCK:
        return execute_block(ev, scope, node);
    case N_BREAK:
        return FLOW_BREAK;
    case N_CONTINUE:
        return FLOW_CONTINUE;
    case N_UNAVAILABLE:
        ev_fail(ev, "a chat template has nothing to load from: '%s' can't work", node->as.text->data);
        return FLOW_FAIL;
    default:
        ev_fail(ev, "not a statement");
        return FLOW_FAIL;
    }
}

enum flow execute(struct evaluator *ev, struct scope *scope, const struct node_list *body) {
    enum flow flow = FLOW_NEXT;
    if (!ev_enter(ev)) return FLOW_FAIL;
    for (size_t i = 0; flow == FLOW_NEXT && i < body->n; i++) {
        ev->at = body->items[i]->offset;
        flow = ev_spend(ev, 1) ? execute_node(ev, scope, body->items[i]) : FLOW_FAIL;
    }
    ev_leave(ev);
    return flow;
}
