/* What an answer is held to, from the members of a body that ask for it: response_format, structured_outputs, guided_*,
 * and tools that must be called. What can't be honoured is refused: an answer is never freer than was asked. */
#ifndef SERVER_CONSTRAINT_H
#define SERVER_CONSTRAINT_H

#include "bitnet/grammar.h"
#include "server/failure.h"

/* *out: NULL where nothing is asked for; else to be released. */
bool constraint_read(const json_t *body, bn_grammar **out, struct failure *failure);
/* One call of one of the tools, as {"name", "arguments"}; name NULL: of any. */
bool constraint_of_tools(const json_t *tools, const char *name, bn_grammar **out, struct failure *failure);

#endif
