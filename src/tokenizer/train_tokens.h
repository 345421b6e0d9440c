/* A vocabulary in the making: tokens in the order of their ids. */
#ifndef TOKENIZER_TRAIN_TOKENS_H
#define TOKENIZER_TRAIN_TOKENS_H

#include "base/arena.h"
#include "base/string_map.h"
#include "tokenizer/train_words.h"

struct token_text {
    const char *text;
    size_t size;
};

struct token_table {
    struct token_text *items;
    size_t n, capacity;
    struct string_map ids;
    struct arena texts;
};

bn_status token_table_init(struct token_table *tokens, bn_error *err);
void token_table_release(struct token_table *tokens);
/* The token's id, its next one if it is new. */
bn_status token_table_add(struct token_table *tokens, const char *text, size_t size, int32_t *id, bn_error *err);
/* -1 if it isn't there. */
int32_t token_table_find(const struct token_table *tokens, const char *text, size_t size);
bn_status token_table_add_list(struct token_table *tokens, const struct string_list *list, bn_error *err);

/* The characters to keep: those of the words, weighted by count, and the initial alphabet, which counts as seen most; no
 * more than limit_alphabet of them, where equal counts keep the lower code point. Ascending; mem_free it. U+0000 is left
 * out: JSON objects can't have it in a key everywhere. */
bn_status alphabet_of(const struct word_list *words, const struct trainer_settings *settings, uint32_t **code_points,
                      size_t *n, bn_error *err);

#endif
