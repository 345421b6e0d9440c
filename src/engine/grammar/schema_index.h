/* Where a schema's $ref leads: its identifiers, anchors and JSON pointers (JSON Schema core, sections 8 and 9; RFC 3986,
 * section 5; RFC 6901). Nothing is fetched: what isn't in the document is refused. */
#ifndef ENGINE_GRAMMAR_SCHEMA_INDEX_H
#define ENGINE_GRAMMAR_SCHEMA_INDEX_H

#include "engine/grammar/schema.h"

struct schema_index;

/* Looks at the whole document, whose root has the base "". */
struct schema_index *schema_index_create(struct schema *schema, const json_t *root);
/* The base inside of a schema object that has been reached with `base`. */
const char *schema_index_base(struct schema *schema, const json_t *object, const char *base);
/* The node a reference leads to; NEVER, and work has failed, for one that leads nowhere. */
uint32_t schema_index_resolve(struct schema *schema, const char *reference, const char *base, bool dynamic);

#endif
