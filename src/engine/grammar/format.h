/* The strings of JSON Schema's formats. */
#ifndef ENGINE_GRAMMAR_FORMAT_H
#define ENGINE_GRAMMAR_FORMAT_H

#include "engine/grammar/dfa.h"

/* NULL for a format that isn't known, which asserts nothing (and after a failure). They have at most *most characters. */
const struct dfa *format_strings(struct work *work, const char *name, uint32_t *most);

#endif
