/* Tool calls as a grammar: rules around a schema that all tools' calls satisfy. */
#ifndef ENGINE_GRAMMAR_TOOLS_H
#define ENGINE_GRAMMAR_TOOLS_H

#include "bitnet/grammar.h"
#include "engine/grammar/rules.h"
#include "engine/grammar/schema.h"

/* Both are NULL after a failure. */
void tools_compile(struct work *work, const bn_tools *tools, struct rules **rules, struct schema **schema);

#endif
