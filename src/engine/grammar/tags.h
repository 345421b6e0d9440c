/* Structural tags: free text in which parts between tags are held to schemas or patterns. */
#ifndef ENGINE_GRAMMAR_TAGS_H
#define ENGINE_GRAMMAR_TAGS_H

#include "engine/grammar/rules.h"
#include "engine/grammar/schema.h"

/* Both are NULL after a failure; *schema is NULL, too, where no tag has one. */
void tags_compile(struct work *work, const char *text, size_t n, struct rules **rules, struct schema **schema);

#endif
