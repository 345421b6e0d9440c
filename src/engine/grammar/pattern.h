/* Regular expressions as ECMAScript writes them (with its u flag), compiled to automata.
 *
 * Known: classes, \d \w \s and their opposites (ASCII, as ECMA-262 has it), \p{…} of general categories, groups, greedy and
 * lazy repetition (the same language), anchors, look-ahead, look-behind and \b \B anywhere (but in look-behind), the flags i and s
 * at the beginning, "(?i)", or of a group, "(?i:…)". Refused by name: back-references, possessive repetition. A repetition with
 * bounds costs states, and there is a limit. */
#ifndef ENGINE_GRAMMAR_PATTERN_H
#define ENGINE_GRAMMAR_PATTERN_H

#include "engine/grammar/dfa.h"

enum pattern_use {
    PATTERN_SEARCH, /* texts that have a match somewhere, as JSON Schema reads a pattern */
    PATTERN_WHOLE,  /* texts that are a match from beginning to end */
    PATTERN_FORMAT, /* the name of a format, for format.c */
};

/* NULL after a failure: work->status is BN_STATUS_BAD_ARGUMENT (syntax) or UNSUPPORTED; the message names the place. */
const struct dfa *pattern_compile(struct work *work, const char *text, size_t n, enum pattern_use use);

/* The set of code points that a class like "[a-z_]" or an escape like "\d" stands for, for the grammar languages:
 * sorted, disjoint ranges. */
struct code_range {
    uint32_t first, last;
};
struct code_set {
    struct code_range *ranges;
    size_t n, capacity;
};
void code_set_add(struct work *work, struct code_set *set, uint32_t first, uint32_t last);
/* Sorts and merges; negated: all others. */
void code_set_finish(struct work *work, struct code_set *set, bool negated);

#endif
