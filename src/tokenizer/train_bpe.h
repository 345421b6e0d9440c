/* Byte-pair encoding: the most frequent pair of neighbouring tokens becomes a token, again and again (Sennrich, Haddow,
 * Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016). WordPiece is trained the same way. */
#ifndef TOKENIZER_TRAIN_BPE_H
#define TOKENIZER_TRAIN_BPE_H

#include "tokenizer/train_tokens.h"

struct trained_merge {
    int32_t left, right;
};

struct trained_merges {
    struct trained_merge *items; /* in the order of their ranks */
    size_t n;
};

/* Fills tokens (empty before) and merges (mem_free its items). */
bn_status train_bpe(const struct word_list *words, const struct trainer_settings *settings, struct token_table *tokens,
                    struct trained_merges *merges, bn_error *err);

#endif
