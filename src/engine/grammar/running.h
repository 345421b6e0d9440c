/* The automata that a grammar has, one for every vocabulary. */
#ifndef ENGINE_GRAMMAR_RUNNING_H
#define ENGINE_GRAMMAR_RUNNING_H

#include "engine/grammar/automaton.h"
#include "engine/grammar/token_trie.h"

/* Made when first asked for; to be used under the grammar's lock only. trie NULL: for bytes. */
bn_status running_automaton(bn_grammar *grammar, const struct token_trie *trie, struct automaton **out, bn_error *err);

#endif
