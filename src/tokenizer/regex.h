/* Regular expressions of tokenizer files that have no hand-written scanner: PCRE2 with JIT.
 *
 * A pattern comes out of an untrusted file: matching has a step limit, and a pattern that exceeds it is an error
 * instead of a hang. Bytes that aren't UTF-8 match nothing. */
#ifndef TOKENIZER_REGEX_H
#define TOKENIZER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct regex; /* immutable, shared by threads */

enum regex_syntax {
    REGEX_RUBY, /* Oniguruma's default, which tokenizer.json is written for; ^ and $ are per line */
    REGEX_RUST, /* regex and fancy-regex: tiktoken, tekken */
};
bn_status regex_compile(const char *pattern, size_t size, enum regex_syntax syntax, struct regex **out, bn_error *err);
void regex_free(struct regex *regex);
/* The pattern as it was given to regex_compile. */
const char *regex_source(const struct regex *regex, size_t *size);
enum regex_syntax regex_syntax(const struct regex *regex);

/* Walking over the matches in a text. */
struct regex_search {
    const struct regex *regex;
    void *match_data;
    size_t last_end; /* of the match before; SIZE_MAX before the first */
};
bn_status regex_search_begin(const struct regex *regex, struct regex_search *search, bn_error *err);
void regex_search_end(struct regex_search *search);
/* The next match at or after `from`; *found false when there is none. Empty matches right after the last match are
 * passed over, as Oniguruma's iterator does. */
bn_status regex_search_next(struct regex_search *search, const char *text, size_t n, size_t from, bool *found,
                            size_t *begin, size_t *end, bn_error *err);

#endif
