/* Statements: {% … %} tags with their bodies, and what both parser files use. */
#include "tokenizer/template/parser.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/template/builtins.h"

bool token_is_name(const struct parser *ps, const struct token *token, const char *name) {
    return token->type == TOKEN_NAME && token->n == strlen(name) &&
           memcmp(ps->ev->source + token->offset, name, token->n) == 0;
}

bool parse_fail(struct parser *ps, const char *message) {
    const struct token *token = current(ps);
    ps->ev->at = token->offset;
    if (token->type == TOKEN_END) return ev_fail(ps->ev, "%s, but the template ends", message);
    int shown = token->n > 40 ? 40 : (int)token->n;
    while (shown && ((unsigned char)ps->ev->source[token->offset + (size_t)shown] & 0xc0) == 0x80) shown--;
    return ev_fail(ps->ev, "%s, found '%.*s'", message, shown, ps->ev->source + token->offset);
}

bool accept_token(struct parser *ps, enum token_type type) {
    if (!at_token(ps, type)) return false;
    ps->at++;
    return true;
}

bool accept_name(struct parser *ps, const char *name) {
    if (!at_name(ps, name)) return false;
    ps->at++;
    return true;
}

bool expect_token(struct parser *ps, enum token_type type, const char *what) {
    if (accept_token(ps, type)) return true;
    char message[64] = "expected ";
    strncat(message, what, 40);
    return parse_fail(ps, message);
}

bool enter(struct parser *ps) {
    if (ps->nesting >= MAX_PARSER_NESTING) return parse_fail(ps, "nested too deeply");
    ps->nesting++;
    return true;
}

struct node *node_create(struct parser *ps, enum node_type type, uint32_t offset) {
    struct node *node = ev_alloc(ps->ev, sizeof *node);
    if (!node) return NULL;
    node->type = type;
    node->offset = offset;
    return node;
}

bool collect(struct parser *ps, struct node_collector *collector, struct node *node) {
    if (collector->n == collector->capacity) {
        size_t capacity = collector->capacity ? 2 * collector->capacity : 4;
        struct node **items = ev_alloc_array(ps->ev, capacity, sizeof(struct node *));
        if (!items) return false;
        if (collector->n) memcpy(items, collector->items, collector->n * sizeof(struct node *));
        collector->items = items;
        collector->capacity = capacity;
    }
    collector->items[collector->n++] = node;
    return true;
}

const struct name *intern(struct parser *ps, const char *text, size_t n_bytes) {
    struct parsed_template *result = ps->result;
    uint32_t id;
    if (string_map_find(&result->names, text, n_bytes, &id)) return ps->names[id];
    struct name *name = ev_alloc(ps->ev, sizeof *name);
    char *copy = ev_alloc(ps->ev, n_bytes + 1);
    if (!name || !copy) return NULL;
    memcpy(copy, text, n_bytes);
    name->text = (struct text){.data = copy, .n_bytes = n_bytes, .n_chars = count_code_points(copy, n_bytes)};
    name->id = (uint32_t)result->n_names;
    if (result->n_names == ps->names_capacity) {
        size_t capacity = ps->names_capacity ? 2 * ps->names_capacity : 32;
        struct name **names = ev_alloc_array(ps->ev, capacity, sizeof(struct name *));
        if (!names) return NULL;
        if (result->n_names) memcpy(names, ps->names, result->n_names * sizeof *names);
        ps->names = names;
        ps->names_capacity = capacity;
    }
    if (string_map_insert(&result->names, copy, n_bytes, name->id) != 1) {
        ev_out_of_memory(ps->ev);
        return NULL;
    }
    ps->names[result->n_names++] = name;
    return name;
}

const struct name *expect_name(struct parser *ps) {
    const struct token *token = current(ps);
    if (!expect_token(ps, TOKEN_NAME, "a name")) return NULL;
    return intern(ps, ps->ev->source + token->offset, token->n);
}

static bool parse_body(struct parser *ps, const char *const *ends, struct node_list *out);

/* The rest of a tag and the body up to one of the end tags, whose name is then the current token. */
static bool parse_block_body(struct parser *ps, const char *const *ends, struct node_list *out) {
    accept_token(ps, TOKEN_COLON);
    return expect_token(ps, TOKEN_BLOCK_END, "the end of the tag") && enter(ps) && parse_body(ps, ends, out) &&
           (leave(ps), true);
}

/* The same for a body that has one end tag only, which is read too. */
static bool parse_simple_body(struct parser *ps, const char *end, struct node_list *out) {
    const char *const ends[] = {end, NULL};
    if (!parse_block_body(ps, ends, out)) return false;
    ps->at++;
    return true;
}

/* A body that is a frame of its own: unknown filters in it are errors again. */
static bool parse_frame_body(struct parser *ps, const char *end, struct node_list *out) {
    bool outer_soft = ps->soft;
    ps->soft = false;
    bool ok = parse_simple_body(ps, end, out);
    ps->soft = outer_soft;
    return ok;
}

static bool parse_if(struct parser *ps, struct node *node) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct node_collector tests = {0};
    struct node_list *bodies = NULL;
    size_t capacity = 0;
    bool outer_soft = ps->soft;
    ps->soft = true;
    do {
        if (tests.n == capacity) {
            size_t larger = capacity ? 2 * capacity : 2;
            struct node_list *more = ev_alloc_array(ps->ev, larger, sizeof *more);
            if (!more) return false;
            if (capacity) memcpy(more, bodies, capacity * sizeof *more);
            bodies = more;
            capacity = larger;
        }
        struct node *test = parse_tuple(ps, false, false, NULL);
        if (!test || !collect(ps, &tests, test) || !parse_block_body(ps, ends, &bodies[tests.n - 1])) return false;
    } while (accept_name(ps, "elif"));
    if (accept_name(ps, "else")) {
        if (!parse_simple_body(ps, "endif", &node->as.branch.otherwise)) return false;
    } else {
        ps->at++;
    }
    ps->soft = outer_soft;
    node->as.branch.tests = tests.items;
    node->as.branch.bodies = bodies;
    node->as.branch.n = tests.n;
    return true;
}

static bool parse_for(struct parser *ps, struct node *node) {
    static const char *const ends[] = {"endfor", "else", NULL};
    struct for_node *loop = node->as.loop = ev_alloc(ps->ev, sizeof *loop);
    if (!loop || !(loop->target = parse_target(ps, false, "in"))) return false;
    if (loop->target->type == N_NAME && loop->target->as.name == ps->result->special.loop)
        return parse_fail(ps, "can't assign to the special loop variable");
    if (!accept_name(ps, "in")) return parse_fail(ps, "expected 'in'");
    if (!(loop->iterable = parse_tuple(ps, false, false, "recursive"))) return false;
    if (accept_name(ps, "if") && !(loop->condition = parse_expression(ps))) return false;
    loop->recursive = accept_name(ps, "recursive");
    bool outer_in_loop = ps->in_loop, outer_soft = ps->soft;
    ps->in_loop = true;
    ps->soft = false;
    bool ok = parse_block_body(ps, ends, &loop->body);
    ps->in_loop = outer_in_loop;
    if (ok && accept_name(ps, "else"))
        ok = parse_simple_body(ps, "endfor", &loop->otherwise);
    else if (ok)
        ps->at++;
    ps->soft = outer_soft;
    return ok;
}

static bool parse_set(struct parser *ps, struct node *node) {
    node->as.set.target = parse_target(ps, true, NULL);
    if (!node->as.set.target) return false;
    if (accept_token(ps, TOKEN_ASSIGN)) {
        node->as.set.value = parse_tuple(ps, true, false, NULL);
        return node->as.set.value != NULL;
    }
    node->type = N_SET_BLOCK;
    if (at_token(ps, TOKEN_PIPE) && !(node->as.set.value = parse_filters(ps, NULL, false))) return false;
    return parse_frame_body(ps, "endset", &node->as.set.body);
}

/* (a, b=1): behind the macro's name or `call`. */
static bool parse_parameters(struct parser *ps, struct macro_node *macro) {
    struct node_collector defaults = {0};
    size_t capacity = 0;
    bool with_default = false;
    struct parameters *parameters = &macro->parameters;
    if (!expect_token(ps, TOKEN_LEFT_PAREN, "'('")) return false;
    while (!at_token(ps, TOKEN_RIGHT_PAREN)) {
        if (defaults.n && !expect_token(ps, TOKEN_COMMA, "','")) return false;
        if (defaults.n == capacity) {
            size_t larger = capacity ? 2 * capacity : 4;
            const struct name **names = ev_alloc_array(ps->ev, larger, sizeof *names);
            if (!names) return false;
            if (capacity) memcpy(names, parameters->names, capacity * sizeof *names);
            parameters->names = names;
            capacity = larger;
        }
        const struct name *name = expect_name(ps);
        struct node *value = NULL;
        if (!name) return false;
        for (size_t i = 0; i < defaults.n; i++)
            if (parameters->names[i] == name) return parse_fail(ps, "a parameter was named twice");
        if (accept_token(ps, TOKEN_ASSIGN)) {
            if (!(value = parse_expression(ps))) return false;
            with_default = true;
        } else if (with_default) {
            return parse_fail(ps, "a parameter without default follows one with default");
        }
        parameters->names[defaults.n] = name;
        if (!collect(ps, &defaults, value)) return false;
        if (name == ps->result->special.caller) macro->declares_caller = true;
    }
    ps->at++;
    parameters->defaults = defaults.items;
    parameters->n = defaults.n;
    return true;
}

static bool parse_macro_body(struct parser *ps, struct macro_node *macro, const char *end) {
    struct open_macro open = {.macro = macro, .outer = ps->macros};
    bool outer_in_loop = ps->in_loop;
    ps->macros = &open;
    ps->in_loop = false;
    bool ok = parse_frame_body(ps, end, &macro->body);
    ps->macros = open.outer;
    ps->in_loop = outer_in_loop;
    for (size_t i = 0; ok && macro->uses_caller && i < macro->parameters.n; i++)
        if (macro->parameters.names[i] == ps->result->special.caller && !macro->parameters.defaults[i])
            return parse_fail(ps, "the parameter 'caller' needs a default");
    return ok;
}

static bool parse_macro(struct parser *ps, struct node *node) {
    struct macro_node *macro = node->as.macro = ev_alloc(ps->ev, sizeof *macro);
    if (!macro || !(macro->name = expect_name(ps)) || !parse_parameters(ps, macro)) return false;
    return parse_macro_body(ps, macro, "endmacro");
}

static bool parse_call_block(struct parser *ps, struct node *node) {
    struct macro_node *macro = node->as.macro = ev_alloc(ps->ev, sizeof *macro);
    if (!macro || (at_token(ps, TOKEN_LEFT_PAREN) && !parse_parameters(ps, macro))) return false;
    macro->call = parse_expression(ps);
    if (!macro->call) return false;
    if (macro->call->type != N_CALL) return parse_fail(ps, "expected a call");
    return parse_macro_body(ps, macro, "endcall");
}

static bool parse_filter_block(struct parser *ps, struct node *node) {
    node->as.block.filter = parse_filters(ps, NULL, true);
    return node->as.block.filter && parse_frame_body(ps, "endfilter", &node->as.block.body);
}

static bool parse_with(struct parser *ps, struct node *node) {
    struct node_collector targets = {0}, values = {0};
    while (!at_token(ps, TOKEN_BLOCK_END) && !at_token(ps, TOKEN_COLON)) {
        if (targets.n && !expect_token(ps, TOKEN_COMMA, "','")) return false;
        struct node *target = parse_target(ps, false, NULL);
        if (!target || !collect(ps, &targets, target) || !expect_token(ps, TOKEN_ASSIGN, "'='")) return false;
        struct node *value = parse_expression(ps);
        if (!value || !collect(ps, &values, value)) return false;
    }
    node->as.block.targets = (struct node_list){targets.items, targets.n};
    node->as.block.values = (struct node_list){values.items, values.n};
    return parse_frame_body(ps, "endwith", &node->as.block.body);
}

static bool parse_generation(struct parser *ps, struct node *node) {
    bool outer_in_loop = ps->in_loop;
    ps->in_loop = false;
    bool ok = parse_frame_body(ps, "endgeneration", &node->as.block.body);
    ps->in_loop = outer_in_loop;
    return ok;
}

/* A block can be called by its name, too: {{ self.name() }}. */
static bool keep_block(struct parser *ps, const struct name *name, const struct node *block) {
    struct node *node = node_create(ps, N_MACRO, block->offset);
    if (!node || !(node->as.macro = ev_alloc(ps->ev, sizeof *node->as.macro))) return false;
    *node->as.macro = (struct macro_node){.name = name, .body = block->as.block.body};
    return collect(ps, &ps->blocks, node);
}

/* {% block %}: nothing extends a chat template, so a block stands where it is written; it sees only the outermost
 * variables unless it is scoped. */
static bool parse_named_block(struct parser *ps, struct node *node) {
    const struct name *name = expect_name(ps);
    if (!name) return false;
    if (ps->names[name->id]->names_block) return parse_fail(ps, "a block of this name was there before");
    ps->names[name->id]->names_block = true;
    node->as.block.scoped = accept_name(ps, "scoped");
    node->as.block.required = accept_name(ps, "required");
    bool outer_in_loop = ps->in_loop;
    ps->in_loop = false;
    bool ok = parse_frame_body(ps, "endblock", &node->as.block.body);
    ps->in_loop = outer_in_loop;
    accept_name(ps, name->text.data);
    return ok && keep_block(ps, name, node);
}

static bool parse_loop_control(struct parser *ps, struct node *node) {
    (void)node;
    return ps->in_loop || (ps->at--, parse_fail(ps, "not inside a loop"));
}

static bool parse_unavailable(struct parser *ps, struct node *node) {
    const struct token *token = current(ps) - 1;
    while (!at_token(ps, TOKEN_BLOCK_END) && !at_token(ps, TOKEN_END)) ps->at++;
    node->as.text = text_copy(ps->ev, ps->ev->source + token->offset, token->n);
    return node->as.text != NULL;
}

static bool parse_print(struct parser *ps, struct node *node) {
    struct node_collector parts = {0};
    do {
        struct node *part = parse_expression(ps);
        if (!part || !collect(ps, &parts, part)) return false;
    } while (accept_token(ps, TOKEN_COMMA));
    node->as.operand = node_create(ps, N_CONCAT, node->offset);
    if (!node->as.operand) return false;
    node->as.operand->as.list = (struct node_list){parts.items, parts.n};
    return true;
}

static const struct statement {
    const char *tag;
    enum node_type type;
    bool (*parse)(struct parser *ps, struct node *node);
} statements[] = {
    {"if", N_IF, parse_if},
    {"for", N_FOR, parse_for},
    {"set", N_SET, parse_set},
    {"macro", N_MACRO, parse_macro},
    {"call", N_CALL_BLOCK, parse_call_block},
    {"filter", N_FILTER_BLOCK, parse_filter_block},
    {"with", N_WITH, parse_with},
    {"generation", N_GENERATION, parse_generation},
    {"block", N_BLOCK, parse_named_block},
    {"break", N_BREAK, parse_loop_control},
    {"continue", N_CONTINUE, parse_loop_control},
    {"print", N_OUTPUT, parse_print},
    {"include", N_UNAVAILABLE, parse_unavailable},
    {"import", N_UNAVAILABLE, parse_unavailable},
    {"from", N_UNAVAILABLE, parse_unavailable},
    {"extends", N_UNAVAILABLE, parse_unavailable},
};

static struct node *parse_statement(struct parser *ps) {
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (!at_name(ps, statements[i].tag)) continue;
        struct node *node = node_create(ps, statements[i].type, current(ps)->offset);
        ps->at++;
        return node && statements[i].parse(ps, node) ? node : NULL;
    }
    parse_fail(ps, "unknown tag, or one that doesn't belong here");
    return NULL;
}

static struct node *parse_piece(struct parser *ps) {
    const struct token *token = current(ps);
    ps->at++;
    if (token->type == TOKEN_DATA) {
        struct node *node = node_create(ps, N_TEXT, token->offset);
        if (node) node->as.text = text_wrap(ps->ev, ps->ev->source + token->offset, token->n);
        return node && node->as.text ? node : NULL;
    }
    if (token->type == TOKEN_VARIABLE_BEGIN) {
        struct node *node = node_create(ps, N_OUTPUT, token->offset);
        if (!node || !(node->as.operand = parse_tuple(ps, true, false, NULL))) return NULL;
        return expect_token(ps, TOKEN_VARIABLE_END, "the end of the print statement '}}'") ? node : NULL;
    }
    struct node *node = parse_statement(ps);
    return node && expect_token(ps, TOKEN_BLOCK_END, "the end of the tag '%}'") ? node : NULL;
}

/* Up to the end of the template (ends NULL) or a tag named in `ends`, which is left as the current token. */
static bool parse_body(struct parser *ps, const char *const *ends, struct node_list *out) {
    struct node_collector body = {0};
    while (!at_token(ps, TOKEN_END)) {
        if (at_token(ps, TOKEN_BLOCK_BEGIN) && ends) {
            for (size_t i = 0; ends[i]; i++) {
                if (!token_is_name(ps, current(ps) + 1, ends[i])) continue;
                ps->at++;
                *out = (struct node_list){body.items, body.n};
                return true;
            }
        }
        struct node *node = parse_piece(ps);
        if (!node || !collect(ps, &body, node)) return false;
    }
    if (ends) {
        char message[64] = "expected {% ";
        size_t last = 0;
        while (ends[last + 1]) last++;
        strncat(message, ends[last], 40);
        return parse_fail(ps, strcat(message, " %}"));
    }
    *out = (struct node_list){body.items, body.n};
    return true;
}

bool parse_template(struct evaluator *ev, struct parsed_template *out) {
    struct token *tokens;
    size_t n_tokens;
    if (!string_map_init(&out->names, 64)) return ev_out_of_memory(ev);
    if (!tokenize(ev, &tokens, &n_tokens)) return false;
    struct parser ps = {.ev = ev, .result = out, .tokens = tokens};
    struct special_names *special = &out->special;
    bool ok = (special->loop = intern(&ps, "loop", 4)) && (special->caller = intern(&ps, "caller", 6)) &&
              (special->kwargs = intern(&ps, "kwargs", 6)) && (special->varargs = intern(&ps, "varargs", 7)) &&
              parse_body(&ps, NULL, &out->body);
    out->blocks = (struct node_list){ps.blocks.items, ps.blocks.n};
    if (ok && ps.unknown) {
        ps.at = ps.unknown;
        ok = parse_fail(&ps, "no such filter or test");
    }
    mem_free(tokens);
    return ok;
}
