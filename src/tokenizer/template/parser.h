/* Tokens → tree, as Jinja's parser builds it. parser.c has the statements, parser_expressions.c the expressions. */
#ifndef TOKENIZER_TEMPLATE_PARSER_H
#define TOKENIZER_TEMPLATE_PARSER_H

#include "base/string_map.h"
#include "tokenizer/template/lexer.h"

struct parsed_template {
    struct node_list body;
    struct node_list blocks; /* each as an N_MACRO, which is what self's attributes are */
    struct string_map names; /* → id; the keys are texts of struct name, in the arena */
    size_t n_names;
    struct special_names special;
};

/* Parses ev->source into ev's arena. out->names is released by the caller, also after a failure. */
bool parse_template(struct evaluator *ev, struct parsed_template *out);

/* --- between the two files --- */

/* The macros and call blocks whose bodies are being parsed, innermost first. */
struct open_macro {
    struct macro_node *macro;
    struct open_macro *outer;
};

/* Nodes collected before their number is known. */
struct node_collector {
    struct node **items;
    size_t n, capacity;
};

struct parser {
    struct evaluator *ev;
    struct parsed_template *result;
    const struct token *tokens;
    size_t at;
    size_t nesting;
    struct name **names; /* by id, in the arena */
    size_t names_capacity;
    struct open_macro *macros;
    struct node_collector blocks;
    bool in_loop;
    bool soft;      /* inside if or a conditional expression unknown filters and tests fail only when reached */
    size_t unknown; /* token of the first one elsewhere; 0: none */
};

static inline const struct token *current(const struct parser *ps) {
    return &ps->tokens[ps->at];
}
static inline bool at_token(const struct parser *ps, enum token_type type) {
    return current(ps)->type == type;
}
bool token_is_name(const struct parser *ps, const struct token *token, const char *name);
static inline bool at_name(const struct parser *ps, const char *name) {
    return token_is_name(ps, current(ps), name);
}
bool accept_token(struct parser *ps, enum token_type type);
bool accept_name(struct parser *ps, const char *name);
bool expect_token(struct parser *ps, enum token_type type, const char *what);
bool parse_fail(struct parser *ps, const char *message); /* at the current token, which it shows */
bool enter(struct parser *ps);
static inline void leave(struct parser *ps) {
    ps->nesting--;
}

struct node *node_create(struct parser *ps, enum node_type type, uint32_t offset);
bool collect(struct parser *ps, struct node_collector *collector, struct node *node);
const struct name *intern(struct parser *ps, const char *text, size_t n_bytes);
const struct name *expect_name(struct parser *ps);

struct node *parse_expression(struct parser *ps);
/* An expression or, where commas are, a tuple. */
struct node *parse_tuple(struct parser *ps, bool with_conditional, bool parenthesized, const char *end_name);
struct node *parse_target(struct parser *ps, bool with_namespace, const char *end_name);
struct node *parse_filters(struct parser *ps, struct node *object, bool first_without_pipe);
bool parse_call_arguments(struct parser *ps, struct arguments **out);

#endif
