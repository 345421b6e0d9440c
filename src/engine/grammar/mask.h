/* Which tokens may come in a state. */
#ifndef ENGINE_GRAMMAR_MASK_H
#define ENGINE_GRAMMAR_MASK_H

#include "engine/grammar/automaton.h"
#include "engine/grammar/token_trie.h"

/* A bit for each id; NULL when memory ran out (automaton_refresh, and begin again). It lives until the automaton is
 * emptied. The model's end tokens aren't in it: they may come where the state ends. */
const uint64_t *automaton_mask(struct automaton *automaton, uint32_t state);

/* Takes away the tokens that lead to a state farther than `most` bytes from the end; if none is left, all but those that lead
 * nearest. False when memory ran out. */
bool automaton_restrict(struct automaton *automaton, uint32_t state, uint32_t most, uint64_t *bits);

#endif
