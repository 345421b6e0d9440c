/* The pieces a text is cut into: each a range of it, either still plain text (id -1) or an added token found in it. */
#ifndef TOKENIZER_PIECES_H
#define TOKENIZER_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tokenizer/text.h"

struct piece {
    uint32_t begin, end;
    int32_t id;
};

struct pieces {
    struct piece *items;
    size_t n, capacity;
    bool failed;
};

void pieces_push(struct pieces *pieces, size_t begin, size_t end, int32_t id);
void pieces_release(struct pieces *pieces);

#endif
