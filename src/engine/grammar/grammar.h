/* A compiled grammar: what its text said, in the form that automata read. Immutable but for the automata that run it, which
 * its lock guards; shared by threads and counted. */
#ifndef ENGINE_GRAMMAR_GRAMMAR_H
#define ENGINE_GRAMMAR_GRAMMAR_H

#include <pthread.h>
#include <stdatomic.h>

#include "bitnet/grammar.h"
#include "engine/grammar/automaton.h"

/* The first word of a symbol. */
enum symbol_kind {
    SYMBOL_END,
    SYMBOL_WHOLE_TEXT, /* grammar->text */
    /* schema_run.c: */
    SYMBOL_DOCUMENT,
    SYMBOL_SPACE,
    SYMBOL_VALUE,
    SYMBOL_ARRAY_BEGIN,
    SYMBOL_ARRAY_ITEM,
    SYMBOL_ARRAY_NEXT,
    SYMBOL_OBJECT_BEGIN,
    SYMBOL_OBJECT_KEY,
    SYMBOL_OBJECT_COLON,
    SYMBOL_OBJECT_NEXT,
    SYMBOL_STEP,   /* rules.c */
    SYMBOL_BEFORE, /* grammar->before */
};

struct bn_grammar {
    atomic_uint references;
    struct work work;  /* everything below lies in it, or in: */
    bn_grammar *inner; /* held; NULL: none */
    bn_grammar_kind kind;
    const char *source; /* [n_source] what it was made of, if it can be a part of others; NULL: it can't */
    size_t n_source;
    /* What it begins with is the first of these that is there: */
    const struct dfa *before; /* free text; what follows is in the others */
    struct rules *rules;
    const struct dfa *text; /* a regular expression or choices */
    struct schema *schema;  /* rules may have one beside them */

    pthread_mutex_t lock; /* guards what automata hold, and: */
    struct running_automaton *automata;
};

/* The symbol a text begins with. */
uint32_t grammar_start(struct automaton *automaton);
/* A value of a node of the schema, where rules ask for one. */
uint32_t grammar_schema_value(struct automaton *automaton, uint32_t node);
/* Bytes of the shortest text that a symbol stands for: an upper bound. */
uint32_t grammar_distance(const struct automaton *automaton, const uint32_t *words, size_t n);
/* Calls automaton_scan, _expand and _return for what the symbol, named by these words, may begin with. */
void grammar_expand(struct automaton *automaton, const uint32_t *words, size_t n, uint32_t label, uint32_t frame);

/* Bytes that a part of the grammar takes at least, for the part that takes most. */
uint32_t grammar_longest_part(const struct bn_grammar *grammar);

/* Does it compare items of arrays, so that whoever reads has to say which are equal (values.h)? */
bool grammar_compares(const struct bn_grammar *grammar);
/* Has whoever reads an output to say which strings end (automaton->item)? */
bool grammar_writes_unique(const struct bn_grammar *grammar);

#endif
