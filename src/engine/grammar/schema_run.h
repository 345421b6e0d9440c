/* What the symbols of schemas have in common: see schema_run.c. */
#ifndef ENGINE_GRAMMAR_SCHEMA_RUN_H
#define ENGINE_GRAMMAR_SCHEMA_RUN_H

#include "engine/grammar/schema.h"

/* Texts that are the same in all schemas: schema->fixed. */
enum fixed {
    FIXED_NULL,
    FIXED_FALSE,
    FIXED_TRUE,
    FIXED_NUMBER,
    FIXED_INTEGER,
    FIXED_PLAIN_INTEGER,
    FIXED_SPACE,
    FIXED_OPEN_ARRAY,
    FIXED_CLOSE_EMPTY_ARRAY,
    FIXED_CLOSE_ARRAY,
    FIXED_OPEN_OBJECT,
    FIXED_CLOSE_EMPTY_OBJECT,
    FIXED_CLOSE_OBJECT,
    FIXED_COMMA,
    FIXED_COLON,
    N_FIXED
};

uint32_t fixed_lexeme(struct automaton *automaton, const struct schema *schema, enum fixed fixed);
uint32_t value_symbol(struct automaton *automaton, const struct schema *schema, uint32_t node);
/* schema_object.c: a symbol of the inside of an object, see schema_expand(). */
void expand_object(struct automaton *automaton, const struct schema *schema, const uint32_t *words, uint32_t label,
                   uint32_t frame);

#endif
