/* Added tokens: strings that are cut out of the text before anything else and become one id each.
 *
 * Two passes, as the reference does it: tokens with normalized = false are looked for in the raw text, the others in
 * the normalized text, with their own content normalized. In either the leftmost, then longest, match wins. */
#ifndef TOKENIZER_ADDED_TOKENS_H
#define TOKENIZER_ADDED_TOKENS_H

#include "tokenizer/normalizer.h"
#include "tokenizer/pieces.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

struct added_token {
    const char *content; /* in the tokenizer's arena */
    size_t size;
    int32_t id;
    bool special, normalized, single_word, left_strip, right_strip;
};

struct added_tokens {
    struct added_token *items; /* special ones first: among equal contents the first wins */
    size_t n, capacity;
    struct trie raw, normalized; /* values are indices of items */
};

bn_status added_tokens_push(struct added_tokens *tokens, const struct added_token *token, bn_error *err);
/* Builds the search structures once all tokens are there. Tokens whose content the normalizer changes decode to what
 * it makes of it, as in the reference: that goes to vocabulary->decoded. */
bn_status added_tokens_finish(struct added_tokens *tokens, const struct normalizer *normalizer,
                              struct vocabulary *vocabulary, bn_error *err);
void added_tokens_release(struct added_tokens *tokens);

/* Bytes of a text, ascending, at which no special token begins, whatever it looks like. */
struct literal_places {
    const size_t *places;
    size_t n;
};

/* Cuts text into pieces. parse_special false: special tokens' text stays text; literal (may be NULL): at these places. */
void added_tokens_split(const struct added_tokens *tokens, const struct trie *trie, bool parse_special,
                        const struct literal_places *literal, const char *text, size_t n, struct pieces *out);

#endif
