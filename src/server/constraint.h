/* What an answer is held to, from the members of a body that ask for it: response_format, structured_outputs, guided_*, grammar,
 * json_schema, and the tools that may or must be called. What can't be honoured is refused with its place: an answer is never
 * freer than was asked. Compiled grammars come from the model's cache. */
#ifndef SERVER_CONSTRAINT_H
#define SERVER_CONSTRAINT_H

#include "bitnet/grammar.h"
#include "server/failure.h"
#include "server/models.h"

/* *out: NULL where nothing is asked for; else to be released. */
bool constraint_read(const struct model *model, const json_t *body, bn_grammar **out, struct failure *failure);
/* Copies the members that constraint_read knows, for bodies that are rewritten. */
void constraint_copy(json_t *to, const json_t *from);

struct tool_constraint {
    const json_t *tools; /* as chats have them */
    const bn_tool_syntax *syntax;
    const char *only; /* NULL: any */
    bool required, parallel, thoughts;
    bn_grammar *text; /* what an answer is held to that is no call; NULL: it's free */
};
/* Calls of tools, or text if they aren't required. */
bool constraint_of_tools(const struct model *model, const struct tool_constraint *tools, bn_grammar **out,
                         struct failure *failure);
/* Lets the model think aloud before: the constraint begins behind `end`. *grammar is exchanged. */
bool constraint_after(const struct model *model, const char *end, bn_grammar **grammar, struct failure *failure);

#endif
