/* Grammars of rules: what GBNF, Lark and tool calls are compiled to.
 *
 * A rule's body is a tree of patterns (pattern_syntax.h) that may refer to rules. What doesn't refer to itself is regular and becomes
 * one lexeme; the rest is expanded as it is read. Rules are read from the left, so one that begins with itself would never
 * end: where it does so directly it is turned into a repetition, otherwise refused. */
#ifndef ENGINE_GRAMMAR_RULES_H
#define ENGINE_GRAMMAR_RULES_H

#include "engine/grammar/automaton.h"
#include "engine/grammar/pattern_syntax.h"

struct schema;

struct rule {
    const char *name;
    size_t n_name;
    struct pattern_node *body; /* NULL: not defined */
    size_t line;               /* of a text, where it's first referred to; 0: nowhere */
    bool lexeme;               /* of Lark: what is ignored may not stand inside */
};

struct rules {
    struct work *work;
    struct rule *items;
    size_t n, capacity;
    uint32_t start;
    const struct schema *schema;  /* whose values the rules have; NULL: none */
    struct pattern_node *ignored; /* may stand before every lexeme; NULL: nothing */
    /* ready to run: */
    struct rule_step *steps;
    size_t n_steps, steps_capacity;
    uint32_t first_step;
};

struct rules *rules_create(struct work *work);
/* The number of a rule, new or not. */
uint32_t rules_find(struct rules *rules, const char *name, size_t n);

/* Pieces of bodies. */
struct pattern_node *body_new(struct rules *rules, enum pattern_kind kind);
void body_add(struct rules *rules, struct pattern_node *to, struct pattern_node *item);
struct pattern_node *body_text(struct rules *rules, const char *text, size_t n);
struct pattern_node *body_rule(struct rules *rules, uint32_t rule);
struct pattern_node *body_repeat(struct rules *rules, struct pattern_node *item, uint32_t min, uint32_t max);
/* A value of a node of the rules' schema. */
struct pattern_node *body_schema(struct rules *rules, uint32_t node);
/* A special token. */
struct pattern_node *body_special(struct rules *rules, const char *name, size_t n);

/* Checks that all is defined and makes it ready. */
void rules_prepare(struct rules *rules, uint32_t start);
uint32_t rules_start(struct automaton *automaton, const struct rules *rules);
void rules_expand(struct automaton *automaton, const struct rules *rules, const uint32_t *words, uint32_t frame);
uint32_t rules_distance(const struct rules *rules, const uint32_t *words);

/* The languages. NULL after a failure. */
struct rules *gbnf_compile(struct work *work, const char *text, size_t n);
struct rules *lark_compile(struct work *work, const char *text, size_t n);

#endif
