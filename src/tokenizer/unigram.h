/* Unigram language model: the segmentation with the highest sum of scores (Kudo, "Subword regularization", ACL 2018),
 * found by dynamic programming over the text. */
#ifndef TOKENIZER_UNIGRAM_H
#define TOKENIZER_UNIGRAM_H

#include "tokenizer/token_list.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

struct unigram {
    const struct vocabulary *vocabulary;
    struct trie trie;
    double *scores;       /* [n_scores]; owned */
    size_t n_scores;      /* ids of pieces are below; added tokens may follow */
    double unknown_score; /* lowest score − 10 */
    double highest_score;
    int32_t unknown_id; /* -1 for none */
    bool byte_fallback;
    bool single_precision; /* sentencepiece adds up in float, tokenizer.json's reference in double */
    int32_t byte_ids[256];
};

struct unigram_node;
struct unigram_scratch {
    struct unigram_node *nodes;
    size_t capacity;
};

/* vocabulary is complete, scores filled; builds the rest. Tokens flagged CONTROL, BYTE, UNUSED aren't found in text
 * where `sentencepiece` is set. */
bn_status unigram_finish(struct unigram *unigram, bool sentencepiece, bn_error *err);
void unigram_release(struct unigram *unigram);
bn_status unigram_encode(const struct unigram *unigram, const char *text, size_t size, struct unigram_scratch *scratch,
                         struct token_list *out, bn_error *err);
void unigram_scratch_release(struct unigram_scratch *scratch);

#endif
