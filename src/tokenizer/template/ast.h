/* The tree of a template. Nodes live in the template's arena and don't change after parsing. */
#ifndef TOKENIZER_TEMPLATE_AST_H
#define TOKENIZER_TEMPLATE_AST_H

#include "tokenizer/template/value.h"

/* A name of the template, one object per spelling: compared by pointer, globals are found by id. */
struct name {
    struct text text;
    uint32_t id;
    bool names_block;
};

enum binary_operator { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FLOOR_DIV, OP_MOD, OP_POW };
enum compare_operator { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_IN, CMP_NOT_IN };

enum node_type {
    /* expressions */
    N_CONST,
    N_NAME,
    N_TUPLE,
    N_LIST,
    N_DICT,
    N_NOT,
    N_NEGATE,
    N_PLUS,
    N_BINARY,
    N_AND,
    N_OR,
    N_CONCAT,
    N_COMPARE,
    N_CONDITIONAL,
    N_ATTRIBUTE,
    N_ITEM,
    N_SLICE,
    N_CALL,
    N_FILTER,
    N_TEST,
    N_NAMESPACE_TARGET, /* ns.x as the target of a set */
    /* statements */
    N_TEXT,
    N_OUTPUT,
    N_IF,
    N_FOR,
    N_SET,
    N_SET_BLOCK,
    N_MACRO,
    N_CALL_BLOCK,
    N_FILTER_BLOCK,
    N_WITH,
    N_BLOCK,
    N_GENERATION,
    N_BREAK,
    N_CONTINUE,
    N_UNAVAILABLE /* include, import, extends: there is nothing to load from */
};

struct node;
struct node_list {
    struct node **items;
    size_t n;
};

struct arguments {
    struct node_list positional;
    const struct name **names; /* of `named` */
    struct node_list named;
    struct node *star, *star_star;
};

struct parameters {
    const struct name **names;
    struct node **defaults; /* NULL: required */
    size_t n;
};

struct for_node {
    struct node *target, *iterable, *condition;
    struct node_list body, otherwise;
    bool recursive;
};

struct macro_node {
    const struct name *name; /* NULL: the body of a call block */
    struct parameters parameters;
    struct node_list body;
    bool uses_caller, uses_kwargs, uses_varargs; /* the body mentions these names */
    bool declares_caller;                        /* as an ordinary parameter with a default */
    struct node *call;                           /* of a call block */
};

struct node {
    enum node_type type;
    uint32_t offset; /* in the source */
    union {
        struct value constant;
        const struct name *name;
        struct node_list list; /* N_TUPLE, N_LIST, N_CONCAT; N_DICT: key, value, key, … */
        struct {
            struct node *left, *right;
            enum binary_operator op;
        } binary;             /* N_AND, N_OR, N_BINARY */
        struct node *operand; /* N_NOT, N_NEGATE, N_PLUS, N_OUTPUT */
        struct {
            struct node_list operands;
            enum compare_operator *ops;
        } compare;
        struct {
            struct node *test, *then, *otherwise;
        } conditional; /* otherwise may be NULL */
        struct {
            struct node *object;
            const struct name *name;
        } attribute; /* N_ATTRIBUTE; N_NAMESPACE_TARGET */
        struct {
            struct node *object, *key;
        } item;
        struct {
            struct node *object, *start, *stop, *step;
        } slice; /* each bound may be NULL */
        struct {
            struct node *callee;
            struct arguments *arguments;
        } call;
        struct {
            struct node *object; /* NULL: a filter block's body */
            const struct name *name;
            const struct builtin *function; /* NULL: unknown, fails when reached */
            struct arguments *arguments;
        } apply;                 /* N_FILTER, N_TEST */
        const struct text *text; /* N_TEXT; N_UNAVAILABLE: the tag */
        struct {
            struct node **tests;
            struct node_list *bodies;
            size_t n;
            struct node_list otherwise;
        } branch;
        struct for_node *loop;
        struct {
            struct node *target, *value;
            struct node_list body;
        } set;                    /* N_SET_BLOCK: value is the filters or NULL */
        struct macro_node *macro; /* N_MACRO, N_CALL_BLOCK */
        struct {
            struct node *filter;
            struct node_list targets, values, body;
            bool scoped, required;
        } block;
        /* N_FILTER_BLOCK: filter, body; N_WITH: targets, values, body; N_GENERATION, N_BLOCK: body */
    } as;
};

#endif
