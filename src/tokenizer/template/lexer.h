/* Source text → tokens, with Jinja's treatment of white space already done: trim_blocks, lstrip_blocks, '-' and '+'. */
#ifndef TOKENIZER_TEMPLATE_LEXER_H
#define TOKENIZER_TEMPLATE_LEXER_H

#include "tokenizer/template/evaluator.h"

enum token_type {
    TOKEN_END,
    TOKEN_DATA,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_VARIABLE_BEGIN,
    TOKEN_VARIABLE_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_DIV,
    TOKEN_FLOOR_DIV,
    TOKEN_MUL,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_TILDE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_ASSIGN,
    TOKEN_DOT,
    TOKEN_COLON,
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_SEMICOLON
};

/* [begin, begin + n) of the source: the data, the name, the number, the string with its quotes. */
struct token {
    enum token_type type;
    uint32_t offset, n;
};

/* ev->source must have \n line ends only. *tokens ends with TOKEN_END; release with mem_free. */
bool tokenize(struct evaluator *ev, struct token **tokens, size_t *n_tokens);

/* The value of a string token, escapes resolved. */
const struct text *string_token_value(struct evaluator *ev, const struct token *token);
bool number_token_value(struct evaluator *ev, const struct token *token, struct value *out);

#endif
