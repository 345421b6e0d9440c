/* The Unigram language model: pieces and their probabilities, from many candidates down to the vocabulary by rounds of
 * expectation maximization and pruning (Kudo, "Subword Regularization", ACL 2018). */
#ifndef TOKENIZER_TRAIN_UNIGRAM_H
#define TOKENIZER_TRAIN_UNIGRAM_H

#include "tokenizer/train_tokens.h"

/* tokens (empty before) gets special tokens first, then pieces by falling score; *scores, one for each token, is 0 for
 * special ones (mem_free it). *unk_id is SIZE_MAX without an unk_token. */
bn_status train_unigram(const struct word_list *words, const struct trainer_settings *settings,
                        struct thread_pool *pool, struct token_table *tokens, double **scores, size_t *unk_id,
                        bn_error *err);

#endif
