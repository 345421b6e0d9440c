/* The schemas of schemas of drafts 4, 6 and 7, which documents refer to without having them. */
#ifndef ENGINE_GRAMMAR_SCHEMA_META_H
#define ENGINE_GRAMMAR_SCHEMA_META_H

#include "base/buffer.h"

/* Appends the text of the one with that URI (without a fragment), as far as it says what is valid. False: it isn't any of them. */
bool schema_meta_append(struct buffer *out, const char *uri);

#endif
