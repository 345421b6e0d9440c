/* The split patterns of the big tokenizer families, as hand-written scanners.
 *
 * Each does exactly what a backtracking engine does with its regular expression, several times faster and in linear
 * time. Patterns that aren't in the table go through regex.h. */
#ifndef TOKENIZER_SPLIT_PATTERN_H
#define TOKENIZER_SPLIT_PATTERN_H

#include <stddef.h>

#include "tokenizer/regex.h"

/* End of the match that begins exactly at `at` < n, or `at` if none does. */
typedef size_t (*split_scanner)(const char *text, size_t n, size_t at);

/* The scanner for a regular expression as tokenizer files spell it, NULL if it isn't a known one. */
split_scanner split_pattern_find(const char *regex, enum regex_syntax syntax);
/* And back: a regular expression for a scanner, in the dialect of tokenizer.json. */
const char *split_pattern_regex(split_scanner scan);

/* What the matches are. Patterns that group digits from the right look ahead to the end of their run, at each place of it:
 * quadratic. Their scanners find the whole run instead, which is then cut, once. */
enum split_matches {
    SPLIT_FOUND,         /* what the scanner finds */
    SPLIT_THREES,        /* of the digits that it finds, groups of three from the right; the first may be shorter */
    SPLIT_BEFORE_THREES, /* the empty place before each three digits, counted from the right */
};
enum split_matches split_pattern_matches(split_scanner scan);

size_t split_scan_gpt2(const char *text, size_t n, size_t at);
size_t split_scan_words(const char *text, size_t n, size_t at); /* \w+|[^\w\s]+ */

#endif
