/* Which tokens may come in a state. */
#ifndef ENGINE_GRAMMAR_MASK_H
#define ENGINE_GRAMMAR_MASK_H

#include "engine/grammar/automaton.h"
#include "engine/grammar/token_trie.h"

/* A bit for each id; NULL when memory ran out (automaton_refresh, and begin again). It lives until the automaton is
 * emptied. The model's end tokens aren't in it: they may come where the state ends. */
const uint64_t *automaton_mask(struct automaton *automaton, uint32_t state);

#endif
