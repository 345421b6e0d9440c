/* Truncation and padding as tokenizer.json describes them. */
#ifndef TOKENIZER_TRUNCATION_H
#define TOKENIZER_TRUNCATION_H

#include "base/error.h"
#include "tokenizer/token_list.h"

enum truncation_strategy { TRUNCATE_LONGEST_FIRST, TRUNCATE_ONLY_FIRST, TRUNCATE_ONLY_SECOND };

struct truncation {
    bool enabled, left;
    size_t max_length, stride;
    enum truncation_strategy strategy;
};

enum { LONGEST_PADDING = 1 << 24 };

struct padding {
    bool enabled, left;
    size_t fixed_length; /* 0: as long as the longest of the batch */
    size_t multiple_of;  /* 0: any length */
    int32_t id;
    uint8_t type_id;
};

/* Cuts text and pair (NULL: none) so that they fit beside n_special special tokens. */
bn_status truncation_apply(const struct truncation *truncation, size_t n_special, struct token_list *text,
                           struct token_list *pair, bn_error *err);
/* Fills up one encoding, a batch of its own. */
void padding_apply(const struct padding *padding, struct token_list *tokens);

#endif
