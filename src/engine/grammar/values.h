/* The values in a JSON text while it is read: uniqueItems asks whether two items of an array are equal, which no automaton
 * can know. Equal values get the same number, however they are written: 1 and 1.0, "a" and "\u0061", members in any order. */
#ifndef ENGINE_GRAMMAR_VALUES_H
#define ENGINE_GRAMMAR_VALUES_H

#include "engine/grammar/work.h"

struct values;

/* NULL after a failure. All memory is work's. */
struct values *values_create(struct work *work);
/* One byte more of a JSON text; what comes behind a mistake has no meaning. Does a value that ends with this byte, or could,
 * equal an earlier item of the array that it is in? */
bool values_add(struct values *values, uint8_t byte);

#endif
