/* Expressions, by recursive descent with Jinja's precedences, which are not Python's: ~ binds tighter than +, filters
 * and tests tighter than every binary operator, a unary minus tighter than ** and filters; ** goes left to right. */
#include <string.h>

#include "tokenizer/template/builtins.h"
#include "tokenizer/template/parser.h"

static struct node *parse_or(struct parser *ps);
static struct node *parse_unary(struct parser *ps, bool with_filters);

static struct node *binary_node(struct parser *ps, enum node_type type, enum binary_operator op, uint32_t offset,
                                struct node *left, struct node *right) {
    struct node *node = left && right ? node_create(ps, type, offset) : NULL;
    if (!node) return NULL;
    node->as.binary.left = left;
    node->as.binary.right = right;
    node->as.binary.op = op;
    return node;
}

struct node *parse_expression(struct parser *ps) {
    if (!enter(ps)) return NULL;
    size_t unknown_before = ps->unknown;
    struct node *node = parse_or(ps);
    while (node && at_name(ps, "if")) {
        ps->unknown = unknown_before; /* what was unknown so far stands in a branch: it may never be reached */
        uint32_t offset = current(ps)->offset;
        ps->at++;
        struct node *choice = node_create(ps, N_CONDITIONAL, offset);
        bool outer_soft = ps->soft;
        ps->soft = true;
        struct node *test = parse_or(ps), *otherwise = NULL;
        bool ok = choice && test && (!accept_name(ps, "else") || (otherwise = parse_expression(ps)));
        ps->soft = outer_soft;
        if (!ok) return NULL;
        choice->as.conditional.test = test;
        choice->as.conditional.then = node;
        choice->as.conditional.otherwise = otherwise;
        node = choice;
    }
    leave(ps);
    return node;
}

static struct node *parse_not(struct parser *ps);

static struct node *parse_and(struct parser *ps) {
    struct node *left = parse_not(ps);
    for (uint32_t offset; left && (offset = current(ps)->offset, accept_name(ps, "and"));)
        left = binary_node(ps, N_AND, OP_ADD, offset, left, parse_not(ps));
    return left;
}

static struct node *parse_or(struct parser *ps) {
    struct node *left = parse_and(ps);
    for (uint32_t offset; left && (offset = current(ps)->offset, accept_name(ps, "or"));)
        left = binary_node(ps, N_OR, OP_ADD, offset, left, parse_and(ps));
    return left;
}

static struct node *parse_math1(struct parser *ps);

static bool compare_operator_at(struct parser *ps, enum compare_operator *op) {
    switch (current(ps)->type) {
    case TOKEN_EQ:
        *op = CMP_EQ;
        break;
    case TOKEN_NE:
        *op = CMP_NE;
        break;
    case TOKEN_LT:
        *op = CMP_LT;
        break;
    case TOKEN_LE:
        *op = CMP_LE;
        break;
    case TOKEN_GT:
        *op = CMP_GT;
        break;
    case TOKEN_GE:
        *op = CMP_GE;
        break;
    default:
        if (at_name(ps, "in")) {
            *op = CMP_IN;
        } else if (at_name(ps, "not") && token_is_name(ps, current(ps) + 1, "in")) {
            *op = CMP_NOT_IN;
            ps->at++;
        } else {
            return false;
        }
    }
    ps->at++;
    return true;
}

static struct node *parse_compare(struct parser *ps) {
    uint32_t offset = current(ps)->offset;
    struct node *first = parse_math1(ps);
    struct node_collector operands = {0};
    enum compare_operator op, *ops = NULL;
    size_t capacity = 0;
    if (!first || !collect(ps, &operands, first)) return NULL;
    while (compare_operator_at(ps, &op)) {
        if (operands.n - 1 == capacity) {
            size_t larger = capacity ? 2 * capacity : 4;
            enum compare_operator *more = ev_alloc_array(ps->ev, larger, sizeof *more);
            if (!more) return NULL;
            if (capacity) memcpy(more, ops, capacity * sizeof *ops);
            ops = more;
            capacity = larger;
        }
        ops[operands.n - 1] = op;
        struct node *operand = parse_math1(ps);
        if (!operand || !collect(ps, &operands, operand)) return NULL;
    }
    if (operands.n == 1) return first;
    struct node *node = node_create(ps, N_COMPARE, offset);
    if (!node) return NULL;
    node->as.compare.operands = (struct node_list){operands.items, operands.n};
    node->as.compare.ops = ops;
    return node;
}

static struct node *parse_not(struct parser *ps) {
    if (!at_name(ps, "not")) return parse_compare(ps);
    struct node *node = node_create(ps, N_NOT, current(ps)->offset);
    if (!node || !enter(ps)) return NULL;
    ps->at++;
    node->as.operand = parse_not(ps);
    leave(ps);
    return node->as.operand ? node : NULL;
}

static struct node *parse_power(struct parser *ps) {
    struct node *left = parse_unary(ps, true);
    for (uint32_t offset; left && (offset = current(ps)->offset, accept_token(ps, TOKEN_POW));)
        left = binary_node(ps, N_BINARY, OP_POW, offset, left, parse_unary(ps, true));
    return left;
}

static struct node *parse_math2(struct parser *ps) {
    struct node *left = parse_power(ps);
    while (left) {
        uint32_t offset = current(ps)->offset;
        enum binary_operator op;
        switch (current(ps)->type) {
        case TOKEN_MUL:
            op = OP_MUL;
            break;
        case TOKEN_DIV:
            op = OP_DIV;
            break;
        case TOKEN_FLOOR_DIV:
            op = OP_FLOOR_DIV;
            break;
        case TOKEN_MOD:
            op = OP_MOD;
            break;
        default:
            return left;
        }
        ps->at++;
        left = binary_node(ps, N_BINARY, op, offset, left, parse_power(ps));
    }
    return NULL;
}

static struct node *parse_concat(struct parser *ps) {
    uint32_t offset = current(ps)->offset;
    struct node *first = parse_math2(ps);
    if (!first || !at_token(ps, TOKEN_TILDE)) return first;
    struct node_collector parts = {0};
    if (!collect(ps, &parts, first)) return NULL;
    while (accept_token(ps, TOKEN_TILDE)) {
        struct node *part = parse_math2(ps);
        if (!part || !collect(ps, &parts, part)) return NULL;
    }
    struct node *node = node_create(ps, N_CONCAT, offset);
    if (node) node->as.list = (struct node_list){parts.items, parts.n};
    return node;
}

static struct node *parse_math1(struct parser *ps) {
    struct node *left = parse_concat(ps);
    while (left && (at_token(ps, TOKEN_ADD) || at_token(ps, TOKEN_SUB))) {
        uint32_t offset = current(ps)->offset;
        enum binary_operator op = at_token(ps, TOKEN_ADD) ? OP_ADD : OP_SUB;
        ps->at++;
        left = binary_node(ps, N_BINARY, op, offset, left, parse_concat(ps));
    }
    return left;
}

/* [a, b] and, with pairs, {a: b}; the opening bracket has been read. */
static struct node *parse_display(struct parser *ps, enum node_type type, enum token_type close, uint32_t offset) {
    struct node_collector items = {0};
    while (!at_token(ps, close)) {
        if (items.n && !expect_token(ps, TOKEN_COMMA, "','")) return NULL;
        if (at_token(ps, close)) break;
        struct node *item = parse_expression(ps);
        if (!item || !collect(ps, &items, item)) return NULL;
        if (type != N_DICT) continue;
        if (!expect_token(ps, TOKEN_COLON, "':'")) return NULL;
        struct node *v = parse_expression(ps);
        if (!v || !collect(ps, &items, v)) return NULL;
    }
    ps->at++;
    struct node *node = node_create(ps, type, offset);
    if (node) node->as.list = (struct node_list){items.items, items.n};
    return node;
}

/* Adjacent strings are one. */
static struct node *parse_strings(struct parser *ps) {
    struct node *node = node_create(ps, N_CONST, current(ps)->offset);
    const struct text *text = node ? string_token_value(ps->ev, current(ps)) : NULL;
    if (!text) return NULL;
    node->as.constant = value_text(text);
    for (ps->at++; at_token(ps, TOKEN_STRING); ps->at++) {
        const struct text *more = string_token_value(ps->ev, current(ps));
        if (!more || !text_concat(ps->ev, node->as.constant.as.text, more, &node->as.constant)) return NULL;
    }
    ((struct text *)(uintptr_t)node->as.constant.as.text)->room = NULL; /* the tree is shared by threads */
    return node;
}

static struct node *constant_node(struct parser *ps, struct value v) {
    struct node *node = node_create(ps, N_CONST, current(ps)->offset);
    if (node) node->as.constant = v;
    ps->at++;
    return node;
}

static struct node *parse_name(struct parser *ps) {
    if (at_name(ps, "true") || at_name(ps, "True")) return constant_node(ps, value_bool(true));
    if (at_name(ps, "false") || at_name(ps, "False")) return constant_node(ps, value_bool(false));
    if (at_name(ps, "none") || at_name(ps, "None")) return constant_node(ps, value_none());
    struct node *node = node_create(ps, N_NAME, current(ps)->offset);
    if (!node || !(node->as.name = expect_name(ps))) return NULL;
    for (struct open_macro *open = ps->macros; open; open = open->outer) {
        open->macro->uses_caller |= node->as.name == ps->result->special.caller;
        open->macro->uses_kwargs |= node->as.name == ps->result->special.kwargs;
        open->macro->uses_varargs |= node->as.name == ps->result->special.varargs;
    }
    return node;
}

static struct node *parse_primary(struct parser *ps) {
    struct value number;
    uint32_t offset = current(ps)->offset;
    switch (current(ps)->type) {
    case TOKEN_NAME:
        return parse_name(ps);
    case TOKEN_STRING:
        return parse_strings(ps);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
        return number_token_value(ps->ev, current(ps), &number) ? constant_node(ps, number) : NULL;
    case TOKEN_LEFT_PAREN: {
        ps->at++;
        struct node *node = parse_tuple(ps, true, true, NULL);
        return node && expect_token(ps, TOKEN_RIGHT_PAREN, "')'") ? node : NULL;
    }
    case TOKEN_LEFT_BRACKET:
        ps->at++;
        return parse_display(ps, N_LIST, TOKEN_RIGHT_BRACKET, offset);
    case TOKEN_LEFT_BRACE:
        ps->at++;
        return parse_display(ps, N_DICT, TOKEN_RIGHT_BRACE, offset);
    default:
        parse_fail(ps, "expected an expression");
        return NULL;
    }
}

static struct node *attribute_node(struct parser *ps, struct node *object, uint32_t offset) {
    if (at_token(ps, TOKEN_INTEGER)) {
        struct value index;
        if (!number_token_value(ps->ev, current(ps), &index)) return NULL;
        struct node *node = node_create(ps, N_ITEM, offset);
        if (!node) return NULL;
        node->as.item.object = object;
        node->as.item.key = constant_node(ps, index);
        return node->as.item.key ? node : NULL;
    }
    struct node *node = node_create(ps, N_ATTRIBUTE, offset);
    if (!node || !(node->as.attribute.name = expect_name(ps))) return NULL;
    node->as.attribute.object = object;
    return node;
}

static bool at_slice_end(const struct parser *ps) {
    return at_token(ps, TOKEN_COLON) || at_token(ps, TOKEN_RIGHT_BRACKET) || at_token(ps, TOKEN_COMMA);
}

/* object[key], object[a:b:c], object[a, b]; behind the opening bracket. */
static struct node *parse_subscript(struct parser *ps, struct node *object, uint32_t offset) {
    struct node *start = NULL, *bounds[2] = {NULL, NULL};
    if (!at_token(ps, TOKEN_COLON) && !(start = parse_expression(ps))) return NULL;
    if (at_token(ps, TOKEN_COLON)) {
        for (int i = 0; i < 2 && accept_token(ps, TOKEN_COLON); i++)
            if (!at_slice_end(ps) && !(bounds[i] = parse_expression(ps))) return NULL;
        struct node *node = node_create(ps, N_SLICE, offset);
        if (!node || !expect_token(ps, TOKEN_RIGHT_BRACKET, "']'")) return NULL;
        node->as.slice.object = object;
        node->as.slice.start = start;
        node->as.slice.stop = bounds[0];
        node->as.slice.step = bounds[1];
        return node;
    }
    struct node_collector keys = {0};
    if (!collect(ps, &keys, start)) return NULL;
    while (accept_token(ps, TOKEN_COMMA)) {
        struct node *key = parse_expression(ps);
        if (!key || !collect(ps, &keys, key)) return NULL;
    }
    struct node *node = node_create(ps, N_ITEM, offset);
    if (!node || !expect_token(ps, TOKEN_RIGHT_BRACKET, "']'")) return NULL;
    node->as.item.object = object;
    node->as.item.key = start;
    if (keys.n > 1) {
        if (!(node->as.item.key = node_create(ps, N_TUPLE, offset))) return NULL;
        node->as.item.key->as.list = (struct node_list){keys.items, keys.n};
    }
    return node;
}

static struct node *parse_call(struct parser *ps, struct node *callee) {
    struct node *node = node_create(ps, N_CALL, current(ps)->offset);
    if (!node || !parse_call_arguments(ps, &node->as.call.arguments)) return NULL;
    node->as.call.callee = callee;
    return node;
}

static struct node *parse_postfix(struct parser *ps, struct node *node) {
    while (node) {
        uint32_t offset = current(ps)->offset;
        if (accept_token(ps, TOKEN_DOT))
            node = attribute_node(ps, node, offset);
        else if (accept_token(ps, TOKEN_LEFT_BRACKET))
            node = parse_subscript(ps, node, offset);
        else if (at_token(ps, TOKEN_LEFT_PAREN))
            node = parse_call(ps, node);
        else
            break;
    }
    return node;
}

static bool parse_keyword(struct parser *ps, struct arguments *arguments, struct node_collector *named,
                          size_t *capacity) {
    const struct name *name = expect_name(ps);
    ps->at++;
    struct node *v = name ? parse_expression(ps) : NULL;
    if (!v) return false;
    for (size_t i = 0; i < named->n; i++)
        if (arguments->names[i] == name) return parse_fail(ps, "an argument was given twice");
    if (named->n == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 4;
        const struct name **names = ev_alloc_array(ps->ev, larger, sizeof *names);
        if (!names) return false;
        if (named->n) memcpy(names, arguments->names, named->n * sizeof *names);
        arguments->names = names;
        *capacity = larger;
    }
    arguments->names[named->n] = name;
    return collect(ps, named, v);
}

/* One argument: *args, **kwargs, name=value or a value. */
static bool parse_argument(struct parser *ps, struct arguments *arguments, struct node_collector *positional,
                           struct node_collector *named, size_t *capacity) {
    if (at_token(ps, TOKEN_MUL)) {
        if (arguments->star || arguments->star_star) return parse_fail(ps, "invalid syntax for a call");
        ps->at++;
        return (arguments->star = parse_expression(ps)) != NULL;
    }
    if (arguments->star_star) return parse_fail(ps, "invalid syntax for a call");
    if (at_token(ps, TOKEN_POW)) {
        ps->at++;
        return (arguments->star_star = parse_expression(ps)) != NULL;
    }
    if (at_token(ps, TOKEN_NAME) && current(ps)[1].type == TOKEN_ASSIGN)
        return parse_keyword(ps, arguments, named, capacity);
    if (arguments->star || named->n) return parse_fail(ps, "invalid syntax for a call");
    struct node *v = parse_expression(ps);
    return v && collect(ps, positional, v);
}

bool parse_call_arguments(struct parser *ps, struct arguments **out) {
    struct arguments *arguments = ev_alloc(ps->ev, sizeof *arguments);
    struct node_collector positional = {0}, named = {0};
    size_t capacity = 0;
    if (!arguments || !expect_token(ps, TOKEN_LEFT_PAREN, "'('")) return false;
    for (bool first = true; !at_token(ps, TOKEN_RIGHT_PAREN); first = false) {
        if (!first && !expect_token(ps, TOKEN_COMMA, "','")) return false;
        if (!first && at_token(ps, TOKEN_RIGHT_PAREN)) break;
        if (!parse_argument(ps, arguments, &positional, &named, &capacity)) return false;
    }
    ps->at++;
    arguments->positional = (struct node_list){positional.items, positional.n};
    arguments->named = (struct node_list){named.items, named.n};
    *out = arguments;
    return true;
}

static bool no_arguments(struct parser *ps, struct arguments **out) {
    *out = ev_alloc(ps->ev, sizeof **out);
    return *out != NULL;
}

static struct node *apply_node(struct parser *ps, enum node_type type, struct node *object, uint32_t offset) {
    struct node *node = node_create(ps, type, offset);
    if (!node || !(node->as.apply.name = expect_name(ps))) return NULL;
    node->as.apply.object = object;
    const struct text *name = &node->as.apply.name->text;
    node->as.apply.function =
        type == N_FILTER ? find_filter(name->data, name->n_bytes) : find_test(name->data, name->n_bytes);
    if (!node->as.apply.function && !ps->soft && !ps->unknown) ps->unknown = ps->at - 1;
    return node;
}

struct node *parse_filters(struct parser *ps, struct node *object, bool first_without_pipe) {
    struct node *node = object;
    for (;;) {
        uint32_t offset = current(ps)->offset;
        if (!first_without_pipe && !accept_token(ps, TOKEN_PIPE)) return node;
        first_without_pipe = false;
        node = apply_node(ps, N_FILTER, node, offset);
        if (!node) return NULL;
        bool ok = at_token(ps, TOKEN_LEFT_PAREN) ? parse_call_arguments(ps, &node->as.apply.arguments)
                                                 : no_arguments(ps, &node->as.apply.arguments);
        if (!ok) return NULL;
    }
}

/* Whether a test's single argument follows without parentheses: `x is divisibleby 3`. */
static bool at_bare_argument(const struct parser *ps) {
    switch (current(ps)->type) {
    case TOKEN_NAME:
        return !at_name(ps, "else") && !at_name(ps, "or") && !at_name(ps, "and");
    case TOKEN_STRING:
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_LEFT_BRACKET:
    case TOKEN_LEFT_BRACE:
        return true;
    default:
        return false;
    }
}

static struct node *parse_test(struct parser *ps, struct node *object) {
    uint32_t offset = current(ps)->offset;
    ps->at++;
    bool negated = accept_name(ps, "not");
    struct node *node = apply_node(ps, N_TEST, object, offset);
    if (!node) return NULL;
    if (at_token(ps, TOKEN_LEFT_PAREN)) {
        if (!parse_call_arguments(ps, &node->as.apply.arguments)) return NULL;
    } else {
        if (!no_arguments(ps, &node->as.apply.arguments)) return NULL;
        if (at_bare_argument(ps)) {
            struct node_collector one = {0};
            if (at_name(ps, "is")) {
                parse_fail(ps, "tests can't be chained with is");
                return NULL;
            }
            struct node *argument = parse_postfix(ps, parse_primary(ps));
            if (!argument || !collect(ps, &one, argument)) return NULL;
            node->as.apply.arguments->positional = (struct node_list){one.items, one.n};
        }
    }
    if (!negated) return node;
    struct node *not_node = node_create(ps, N_NOT, offset);
    if (not_node) not_node->as.operand = node;
    return not_node;
}

static struct node *parse_unary(struct parser *ps, bool with_filters) {
    struct node *node;
    if (at_token(ps, TOKEN_SUB) || at_token(ps, TOKEN_ADD)) {
        node = node_create(ps, at_token(ps, TOKEN_SUB) ? N_NEGATE : N_PLUS, current(ps)->offset);
        if (!node || !enter(ps)) return NULL;
        ps->at++;
        node->as.operand = parse_unary(ps, false);
        leave(ps);
        if (!node->as.operand) return NULL;
    } else {
        node = parse_primary(ps);
    }
    node = parse_postfix(ps, node);
    while (node && with_filters) {
        if (at_token(ps, TOKEN_PIPE))
            node = parse_filters(ps, node, false);
        else if (at_name(ps, "is"))
            node = parse_test(ps, node);
        else if (at_token(ps, TOKEN_LEFT_PAREN))
            node = parse_call(ps, node);
        else
            break;
    }
    return node;
}

static bool at_tuple_end(const struct parser *ps, const char *end_name) {
    return at_token(ps, TOKEN_VARIABLE_END) || at_token(ps, TOKEN_BLOCK_END) || at_token(ps, TOKEN_RIGHT_PAREN) ||
           (end_name && at_name(ps, end_name));
}

static struct node *parse_target_item(struct parser *ps, bool with_namespace) {
    if (with_namespace && at_token(ps, TOKEN_NAME) && current(ps)[1].type == TOKEN_DOT) {
        struct node *node = node_create(ps, N_NAMESPACE_TARGET, current(ps)->offset);
        struct node *object = node ? parse_name(ps) : NULL;
        if (!object || object->type != N_NAME) return NULL;
        ps->at++;
        node->as.attribute.object = object;
        node->as.attribute.name = expect_name(ps);
        return node->as.attribute.name ? node : NULL;
    }
    struct node *node = parse_primary(ps);
    for (size_t i = 0; node && node->type == N_TUPLE && i < node->as.list.n; i++)
        if (node->as.list.items[i]->type != N_NAME && node->as.list.items[i]->type != N_TUPLE) node = NULL;
    if (node && ps->in_loop && node->type == N_NAME && node->as.name == ps->result->special.loop) {
        parse_fail(ps, "can't assign to the special loop variable");
        return NULL;
    }
    if (!node || (node->type != N_NAME && node->type != N_TUPLE)) {
        parse_fail(ps, "only names can be assigned to");
        return NULL;
    }
    return node;
}

/* Comma-separated items up to what ends a tuple; one item without a comma stands for itself. */
static struct node *parse_items(struct parser *ps, bool is_target, bool flag, bool parenthesized,
                                const char *end_name) {
    uint32_t offset = current(ps)->offset;
    struct node_collector items = {0};
    bool is_tuple = false;
    while (!at_tuple_end(ps, end_name)) {
        struct node *item = is_target ? parse_target_item(ps, flag) : flag ? parse_expression(ps) : parse_or(ps);
        if (!item || !collect(ps, &items, item)) return NULL;
        if (!accept_token(ps, TOKEN_COMMA)) break;
        is_tuple = true;
    }
    if (!is_tuple && items.n) return items.items[0];
    if (!is_tuple && !parenthesized) {
        parse_fail(ps, "expected an expression");
        return NULL;
    }
    struct node *node = node_create(ps, N_TUPLE, offset);
    if (node) node->as.list = (struct node_list){items.items, items.n};
    return node;
}

struct node *parse_tuple(struct parser *ps, bool with_conditional, bool parenthesized, const char *end_name) {
    return parse_items(ps, false, with_conditional, parenthesized, end_name);
}

struct node *parse_target(struct parser *ps, bool with_namespace, const char *end_name) {
    return parse_items(ps, true, with_namespace, false, end_name);
}
