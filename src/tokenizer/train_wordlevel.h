/* Word level: the words themselves, the most frequent first. */
#ifndef TOKENIZER_TRAIN_WORDLEVEL_H
#define TOKENIZER_TRAIN_WORDLEVEL_H

#include "tokenizer/train_tokens.h"

/* *vocab is the tokenizer.json's object of words and ids; release it with json_decref. */
bn_status train_wordlevel(const struct word_list *words, const struct trainer_settings *settings, json_t **vocab,
                          bn_error *err);

#endif
