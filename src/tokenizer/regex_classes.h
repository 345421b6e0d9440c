/* Classes of characters as Oniguruma and Rust's regex know them, written as what stands inside of PCRE2's brackets.
 *
 * \s \w \d \h and POSIX names stand for other characters than PCRE2's. Properties are of a newer Unicode than PCRE2's
 * tables: the characters it lacks are written out; scripts are meant without their extensions. */
#ifndef TOKENIZER_REGEX_CLASSES_H
#define TOKENIZER_REGEX_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "tokenizer/regex.h"

void regex_put_character(struct buffer *out, uint32_t c);
/* What else \w takes than letters, marks and digits: `extras` below. */
const char *regex_word_extras(enum regex_syntax syntax, bool in_brackets);
void regex_put_word(struct buffer *out, const char *extras);
/* \s \w \d \h and their opposites; false for another letter. */
bool regex_put_letter_class(struct buffer *out, char letter, const char *extras, bool *negated);
/* The name in [:name:]; false if it isn't one. */
bool regex_put_posix_class(struct buffer *out, const char *name, const char *extras);
/* \X, an extended grapheme cluster: PCRE2's own keeps flags together and parts some marks from what they are on. Not
 * looked at is what is before the match: whether a flag, or an emoji that goes on behind a joiner, has begun there. */
void regex_put_cluster(struct buffer *out);
/* What \p{name} stands for, in lower case without blanks, hyphens and underscores. What nobody knows becomes a script's
 * name, which PCRE2 refuses. *negated is turned where the opposite is what was written. */
void regex_put_property(struct buffer *out, const char *name, const char *extras, bool *negated);

#endif
