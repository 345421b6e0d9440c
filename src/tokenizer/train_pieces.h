/* Candidates for the pieces of a Unigram vocabulary. */
#ifndef TOKENIZER_TRAIN_PIECES_H
#define TOKENIZER_TRAIN_PIECES_H

#include "tokenizer/train_words.h"

struct scored_piece {
    const char *text; /* part of a word */
    uint32_t size;
    bool character; /* it is a single one */
    double score;
};

struct piece_list {
    struct scored_piece *items;
    size_t n, capacity;
};

/* The characters of the words and the parts of words, up to max_piece_length characters, that occur more than once and
 * can't be lengthened without occurring less often; of these the seed_size with the most characters of text in them.
 * Scores are log probabilities of a first guess. mem_free its items. */
bn_status seed_pieces(const struct word_list *words, const struct trainer_settings *settings, struct piece_list *out,
                      bn_error *err);

#endif
