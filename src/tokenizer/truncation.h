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

/* How much of a text of n_text tokens and its pair (NULL: none) stays, so that both fit beside n_special special
 * tokens: in place. */
bn_status truncation_plan(const struct truncation *truncation, size_t n_special, size_t *n_text, size_t *n_pair,
                          bn_error *err);

/* The parts of a text that is cut: the first is what stays, the others are what went over, each beginning `stride`
 * tokens before the end of the one before it. */
struct text_part {
    size_t begin, end;
};
/* *parts, to be freed with mem_free, has at least one. */
bn_status truncation_parts(const struct truncation *truncation, size_t n_tokens, size_t n_kept,
                           struct text_part **parts, size_t *n_parts, bn_error *err);

/* The length that encodings are filled up to, where `longest` is that of the longest. */
size_t padding_length(const struct padding *padding, size_t longest);
void padding_apply(const struct padding *padding, size_t length, struct token_list *tokens);

#endif
