/* How far it is to the end: bytes that complete a text from a state on. An upper bound, by which a generation that must end
 * soon finds home: some token always leads nearer, or nearly always. */
#ifndef ENGINE_GRAMMAR_DISTANCE_H
#define ENGINE_GRAMMAR_DISTANCE_H

#include "engine/grammar/automaton.h"

/* Of what is left of a lexeme, and of what a frame stands for. */
uint32_t lex_distance(struct automaton *automaton, uint32_t lex);
uint32_t frame_distance(struct automaton *automaton, uint32_t frame);
uint32_t automaton_distance(struct automaton *automaton, uint32_t state);

#endif
