/* Free text up to where something begins: what answers with calls of tools and structural tags have in common. A mark, where
 * something begins or ends, may be written as text or be the special token of that name. */
#ifndef ENGINE_GRAMMAR_FREE_TEXT_H
#define ENGINE_GRAMMAR_FREE_TEXT_H

#include "engine/grammar/rules.h"

/* All of these are NULL after a failure. */
struct pattern_node *body_dfa(struct rules *rules, const struct dfa *dfa);
/* The texts that a regular expression matches as a whole. */
struct pattern_node *body_pattern(struct rules *rules, const char *pattern);
struct pattern_node *body_either(struct rules *rules, struct pattern_node *a, struct pattern_node *b);
struct pattern_node *body_both(struct rules *rules, struct pattern_node *a, struct pattern_node *b);
struct pattern_node *body_mark(struct rules *rules, const char *text);

/* A regular expression for exactly this text, in the work's arena. */
const char *pattern_of_text(struct work *work, const char *text);
/* A regular expression in three parts, put together and compiled. */
const struct dfa *pattern_of_parts(struct work *work, const char *before, const char *pattern, const char *after,
                                   enum pattern_use use);

/* Where free text ends. */
struct marks {
    const char *any;           /* a regular expression for any of the marks' texts */
    const struct dfa *without; /* texts that have none of them */
    const struct dfa *except;  /* texts that aren't meant; NULL: none */
};
/* except (may be NULL): a regular expression for whole texts that are left out. False after a failure. */
bool marks_init(struct marks *marks, struct work *work, const char *const *texts, size_t n, const char *except);
/* Text up to and with the first of the marks, which is `text`: no text if another mark always comes before. */
const struct dfa *marks_until(struct work *work, const struct marks *marks, const char *text);
/* The same where the mark may be a special token, too. NULL, and nothing has failed, if it can't come first. */
struct pattern_node *body_until(struct rules *rules, const struct marks *marks, const char *text);

#endif
