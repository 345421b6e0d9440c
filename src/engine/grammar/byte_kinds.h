/* Characters by kinds that patterns tell apart, a bit each: what a token is made of can then be compared with what a string's state
 * takes without going anywhere else, and whole subtrees of the vocabulary need no walk. */
#ifndef ENGINE_GRAMMAR_BYTE_KINDS_H
#define ENGINE_GRAMMAR_BYTE_KINDS_H

#include "engine/grammar/dfa.h"

/* The kind of a byte in a string's content. Bytes that go on with a character have none. */
uint64_t byte_kind(uint8_t byte);
/* The kinds all of whose characters lead from a state to itself. */
uint64_t kinds_that_stay(const struct dfa *dfa, uint32_t state);

#endif
