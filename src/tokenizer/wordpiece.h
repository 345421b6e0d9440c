/* WordPiece: the longest token that a word begins with, then the longest continuation, and so on; a word that can't be
 * covered is one unknown token. */
#ifndef TOKENIZER_WORDPIECE_H
#define TOKENIZER_WORDPIECE_H

#include "tokenizer/token_list.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

struct wordpiece {
    struct trie first, rest; /* tokens that begin a word; those that continue one, without their prefix */
    int32_t unknown_id;
    size_t max_characters; /* a longer word is unknown */
    const char *prefix;    /* of tokens that continue a word, in the tokenizer's arena; NULL: GGUF's spelling */
};

/* Tokens that begin with `prefix` continue a word; prefix "" makes every token do both. word_start: GGUF's spelling,
 * where tokens that begin with it (and then lack it) begin words, and all others continue them; NULL for none. */
bn_status wordpiece_finish(struct wordpiece *wordpiece, const struct vocabulary *vocabulary, const char *prefix,
                           const char *word_start, bn_error *err);
void wordpiece_release(struct wordpiece *wordpiece);
void wordpiece_encode(const struct wordpiece *wordpiece, const char *word, size_t size, struct token_list *out);

#endif
