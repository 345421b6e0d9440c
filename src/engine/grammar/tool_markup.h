/* Arguments of calls as elements, one for each member: `<parameter=city>` … `</parameter>` and its kin.
 *
 * A string is written as it is, anything else as JSON, and mostly nothing says which it is. Whoever reads it knows the types that the
 * tool's schema has for the parameter (tool_parameter_types): what is JSON of one of these is that, and a string otherwise. So a
 * string that could be taken for something else is never written where both may be. */
#ifndef ENGINE_GRAMMAR_TOOL_MARKUP_H
#define ENGINE_GRAMMAR_TOOL_MARKUP_H

#include "base/json.h"
#include "bitnet/grammar.h"
#include "engine/grammar/rules.h"
#include "engine/grammar/schema.h"

/* The members of the objects among a node's values. `parameters`: the schema that the node was made of. The schema is open, and
 * has been made ready. NULL after a failure. */
struct pattern_node *markup_body(struct rules *rules, struct schema *schema, uint32_t node, const json_t *parameters,
                                 const bn_tool_markup *markup);
/* Like a blank between parts: a line break, or nothing. */
struct pattern_node *markup_space(struct rules *rules);
/* A part of a markup that may be empty, or be a special token. */
struct pattern_node *markup_mark(struct rules *rules, const char *text);

/* A set of types. */
enum {
    JSON_TYPE_NULL = 1,
    JSON_TYPE_BOOLEAN = 2,
    JSON_TYPE_NUMBER = 4,
    JSON_TYPE_STRING = 8,
    JSON_TYPE_ARRAY = 16,
    JSON_TYPE_OBJECT = 32
};
#define JSON_TYPES_ALL 63u

unsigned json_type_of(const json_t *value);
/* The types that values of a member may have, and perhaps more: by `type`, `enum`, `const`, allOf, anyOf, oneOf and references inside
 * of the schema. All, if the member isn't listed. */
unsigned tool_parameter_types(const json_t *parameters, const char *name);

#endif
