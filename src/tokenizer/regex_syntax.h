/* Regular expressions as tokenizer files spell them, rewritten for PCRE2. */
#ifndef TOKENIZER_REGEX_SYNTAX_H
#define TOKENIZER_REGEX_SYNTAX_H

#include "base/buffer.h"
#include "tokenizer/regex.h"

enum { REGEX_TRANSLATED_MAX = 1 << 20 }; /* a longer translation is cut off */

/* Appends PCRE2's spelling of a pattern to out. What neither knows is left for PCRE2 to refuse. */
void regex_translate(const char *pattern, size_t size, enum regex_syntax syntax, struct buffer *out);

#endif
