/* The vocabulary as a trie of its tokens' bytes, in one array in depth-first order: a node's subtree is the nodes up to
 * its `end`, so skipping it is one assignment, and walking is reading memory from front to back.
 *
 * Special tokens have no text; a grammar may still ask for one. In the trie, and in grammars, such a token is spelled
 * SPECIAL_MARK, its name, SPECIAL_MARK: a byte that UTF-8 doesn't have, and tokens that have it are left out. */
#ifndef ENGINE_GRAMMAR_TOKEN_TRIE_H
#define ENGINE_GRAMMAR_TOKEN_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "bitnet/tokenizer.h"
#include "engine/grammar/free_string.h"

#define SPECIAL_MARK       0xff
#define LONGEST_TRIE_TOKEN 254 /* longer ones are never allowed */

struct token_node {
    uint32_t end;         /* the first node behind the subtree */
    uint32_t first_token; /* of tokens[]: those spelled exactly so, up to the next node's */
    uint8_t byte, depth;  /* depth: of the bytes so far, ≥ 1 */
};

struct token_trie {
    uint64_t serial; /* no two of a process are alike */
    size_t vocab_size, mask_words;
    struct token_node *nodes; /* [n_nodes + 1] */
    uint32_t n_nodes;
    int32_t *tokens;
    const bn_token_bytes *bytes;
    int32_t *special; /* [n_special] ids with their spellings, ascending */
    char **spellings;
    size_t n_special;
    struct free_string free_string;
};

/* The table must outlive the trie; the tokenizer is needed only now. vocab_size: of the model. */
bn_status token_trie_create(const bn_tokenizer *tokenizer, const bn_token_bytes *bytes, size_t vocab_size,
                            struct token_trie **out, bn_error *err);
void token_trie_destroy(struct token_trie *trie);
/* The longest token that a text begins with, and its length; -1: none. */
int32_t token_trie_longest(const struct token_trie *trie, const char *text, size_t n, size_t *length);
/* What a grammar reads for an id; none for one that has no text and no name. */
const char *token_trie_spelling(const struct token_trie *trie, int32_t id, size_t *n);

#endif
