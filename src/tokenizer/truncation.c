/* Truncation and padding in the reference's terms: the room for special tokens is taken off first. */
#include "tokenizer/truncation.h"

#include <string.h>

#include "base/memory.h"

static void keep(struct token_list *tokens, size_t n, bool left) {
    if (n >= tokens->n) return;
    if (left) memmove(tokens->items, tokens->items + (tokens->n - n), n * sizeof *tokens->items);
    tokens->n = n;
}

/* The longer of the two is cut, to equal lengths if need be; the pair gets the odd one if the text is the shorter. */
static void cut_longest(size_t room, struct token_list *text, struct token_list *pair, bool left) {
    size_t n_text = text->n, n_pair = pair ? pair->n : 0;
    bool swapped = n_text > n_pair;
    size_t shorter = swapped ? n_pair : n_text, longer;
    if (shorter > room)
        longer = shorter;
    else
        longer = max_size(shorter, room - shorter);
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    keep(text, swapped ? longer : shorter, left);
    if (pair) keep(pair, swapped ? shorter : longer, left);
}

bn_status truncation_apply(const struct truncation *truncation, size_t n_special, struct token_list *text,
                           struct token_list *pair, bn_error *err) {
    if (!truncation->enabled) return BN_OK;
    if (truncation->max_length < n_special) return BN_OK; /* the reference doesn't cut then */
    size_t room = truncation->max_length - n_special, total = text->n + (pair ? pair->n : 0);
    if (room == 0) {
        text->n = 0;
        if (pair) pair->n = 0;
        return BN_OK;
    }
    if (total <= room) return BN_OK;
    if (truncation->strategy == TRUNCATE_LONGEST_FIRST) {
        cut_longest(room, text, pair, truncation->left);
        return BN_OK;
    }
    struct token_list *target = truncation->strategy == TRUNCATE_ONLY_FIRST ? text : pair;
    if (!target)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the tokenizer truncates only the second text, and there is none");
    size_t excess = total - room;
    if (target->n <= excess)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the text to truncate has %zu tokens, and %zu must go", target->n,
                    excess);
    keep(target, target->n - excess, truncation->left);
    return BN_OK;
}

void padding_apply(const struct padding *padding, struct token_list *tokens) {
    if (!padding->enabled) return;
    size_t length = padding->fixed_length ? padding->fixed_length : tokens->n, n = tokens->n;
    if (padding->multiple_of) length = round_up(length, padding->multiple_of);
    while (tokens->n < length && !tokens->failed) token_list_push(tokens, padding->id, 0, 0);
    if (tokens->failed || tokens->n == n) return;
    size_t added = tokens->n - n;
    if (padding->left) {
        struct token pad = tokens->items[n];
        memmove(tokens->items + added, tokens->items, n * sizeof *tokens->items);
        for (size_t i = 0; i < added; i++) tokens->items[i] = pad;
    }
    for (size_t i = 0; i < added; i++) tokens->items[padding->left ? i : n + i].type_id = padding->type_id;
}
