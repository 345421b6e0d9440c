/* Reading the text of a grammar, as the languages of rules have it in common: characters, white space and comments, counts,
 * the depth of groups. A reader stops at the first failure: from then on there is no character here and nothing is taken. */
#ifndef ENGINE_GRAMMAR_RULES_READER_H
#define ENGINE_GRAMMAR_RULES_READER_H

#include "engine/grammar/rules.h"

struct rules_reader {
    struct rules *rules;
    struct work *work;
    const char *text;
    size_t n, at, line; /* `at` may lie behind the end */
    unsigned depth;
    bool slashes; /* "//" begins a comment, besides "#" */
};

/* Fails with the line: a mistake; something that the language has and this doesn't. */
void rules_complain(struct rules_reader *r, const char *what);
void rules_refuse(struct rules_reader *r, const char *what);

/* The next character; NUL at the end. */
char rules_here(const struct rules_reader *r);
/* Steps over `what` if it is next. */
bool rules_take(struct rules_reader *r, const char *what);
/* Steps over spaces and comments, and line ends too if `lines`. */
void rules_skip_space(struct rules_reader *r, bool lines);
/* Of rules' names. */
bool rules_is_name(char c);
/* A reference to the rule whose name begins at a byte and ends here. */
struct pattern_node *rules_reference(struct rules_reader *r, size_t begin);
/* A number of repetitions. */
uint32_t rules_count(struct rules_reader *r);
/* Into a group; out of it by r->depth--. */
void rules_enter_group(struct rules_reader *r);

/* All statements of a text; `start` names the rule to begin with. NULL after a failure. */
struct rules *rules_read(struct rules_reader *r, void (*read_statement)(struct rules_reader *r), const char *start);

#endif
