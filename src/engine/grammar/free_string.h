/* What a vocabulary's tokens do inside of a JSON string that may hold anything. Most of a mask's work is there, and it's the same
 * for all grammars: so it's done once for a vocabulary. Immutable. */
#ifndef ENGINE_GRAMMAR_FREE_STRING_H
#define ENGINE_GRAMMAR_FREE_STRING_H

#include "engine/grammar/lexeme.h"

struct token_trie;

/* A place in the trie behind which a lexeme may end, and tokens go on. */
struct pop {
    uint32_t node, label;
    uint32_t characters; /* in a string: read before its end */
};

#define FREE_STRING_COUNTED 16

struct free_string {
    uint64_t *bits;    /* [mask words] tokens that stay inside, or end with it */
    uint64_t *ends;    /* [mask words] those that end with it */
    uint64_t *beneath; /* [nodes of the trie] kinds of the bytes below, see byte_kinds.h */
    /* [FREE_STRING_COUNTED][mask words] those of at most so many characters */
    uint64_t *within;
    struct pop *pops;
    size_t n_pops;
    uint8_t *characters; /* [64 · mask words] that a token begins before the string's end */
    uint32_t longest;    /* the most of any */
};

#define FREE_STRING_FARTHEST 13 /* bytes of its end behind any of the tokens: in an escape, at worst */

/* False: out of memory. */
bool free_string_init(struct free_string *out, const struct token_trie *trie);
void free_string_release(struct free_string *free_string);

#endif
