/* The tokens an encoding is made of, while it is being made. */
#ifndef TOKENIZER_TOKEN_LIST_H
#define TOKENIZER_TOKEN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_origin { TOKEN_FROM_TEXT, TOKEN_FROM_TEMPLATE, TOKEN_FROM_PADDING };

struct token {
    int32_t id;
    uint32_t begin,
        end; /* where in the text: bytes of the piece or text a model is given, later bytes, then code points
                          * of the original */
    uint8_t type_id;
    uint8_t origin;
    bool measured;              /* stands for the text itself (an added token, Unigram's unknown), whose */
    uint16_t leading, trailing; /* white space at the ends was counted */
};

struct token_list {
    struct token *items;
    size_t n, capacity;
    bool failed;
};

void token_list_push(struct token_list *list, int32_t id, size_t begin, size_t end);
void token_list_append(struct token_list *list, const struct token *tokens, size_t n);
void token_list_release(struct token_list *list);

#endif
