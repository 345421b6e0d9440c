/* uniqueItems where it is written: an array of strings whose items differ.
 *
 * The strings an item may be are its schema's but those that came before: an automaton again, so that nothing is begun that
 * can only end in a repetition. Which string it was that ended, the reader of the output says (automaton->item). A mask doesn't
 * know, so no token may reach from one item into the next. Arrays of other things have at most one item where they are
 * written. */
#ifndef ENGINE_GRAMMAR_SCHEMA_UNIQUE_H
#define ENGINE_GRAMMAR_SCHEMA_UNIQUE_H

#include "engine/grammar/schema.h"

#define TAKEN_NONE    0
#define TAKEN_UNKNOWN UINT32_MAX

/* How many strings a shape has, UNBOUNDED if there is no end to them or they are many; bytes of the longest, then. */
uint32_t strings_count(struct schema *schema, const struct shape *strings, uint32_t *longest);
/* The strings that the items of an array are; NULL: something else is among them. */
const struct shape *array_strings(struct schema *schema, const struct array_shape *array);
/* Makes an array ready whose items must differ. */
void unique_prepare(struct schema *schema, struct array_shape *array);

/* The strings that may come after those that were taken. */
const struct dfa *unique_left(struct automaton *automaton, const struct shape *array, uint32_t taken);
/* With automaton->item. */
uint32_t unique_take(struct automaton *automaton, const struct shape *array, uint32_t taken);

#endif
