/* Truncation and padding in the reference's terms: the room for special tokens is taken off first. */
#include "tokenizer/truncation.h"

#include <string.h>

#include "base/memory.h"

/* The longer of the two is cut, to equal lengths if need be; the pair gets the odd one if the text is the shorter. */
static void cut_longest(size_t room, size_t *n_text, size_t *n_pair) {
    size_t no_pair = 0;
    if (!n_pair) n_pair = &no_pair;
    bool swapped = *n_text > *n_pair;
    size_t shorter = swapped ? *n_pair : *n_text, longer;
    if (shorter > room)
        longer = shorter;
    else
        longer = max_size(shorter, room - shorter);
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    *n_text = min_size(*n_text, swapped ? longer : shorter);
    *n_pair = min_size(*n_pair, swapped ? shorter : longer);
}

bn_status truncation_plan(const struct truncation *truncation, size_t n_special, size_t *n_text, size_t *n_pair,
                          bn_error *err) {
    if (!truncation->enabled || truncation->max_length < n_special) return BN_OK; /* the reference doesn't cut then */
    size_t room = truncation->max_length - n_special, total = *n_text + (n_pair ? *n_pair : 0);
    if (room == 0) {
        *n_text = 0;
        if (n_pair) *n_pair = 0;
        return BN_OK;
    }
    if (total <= room) return BN_OK;
    if (truncation->strategy == TRUNCATE_LONGEST_FIRST) {
        cut_longest(room, n_text, n_pair);
        return BN_OK;
    }
    size_t *target = truncation->strategy == TRUNCATE_ONLY_FIRST ? n_text : n_pair, excess = total - room;
    if (!target)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the tokenizer truncates only the second text, and there is none");
    if (*target <= excess)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the text to truncate has %zu tokens, and %zu must go", *target,
                    excess);
    *target -= excess;
    return BN_OK;
}

/* From one end to the other in windows of n_kept tokens. */
static size_t cut_parts(const struct truncation *truncation, size_t n_tokens, size_t n_kept, struct text_part *parts) {
    size_t step = n_kept - truncation->stride, n = 0;
    for (size_t begin = 0;; begin += step) {
        size_t end = min_size(begin + n_kept, n_tokens);
        parts[n++] =
            truncation->left ? (struct text_part){n_tokens - end, n_tokens - begin} : (struct text_part){begin, end};
        if (end == n_tokens) return n;
    }
}

bn_status truncation_parts(const struct truncation *truncation, size_t n_tokens, size_t n_kept,
                           struct text_part **parts, size_t *n_parts, bn_error *err) {
    bool whole = n_kept >= n_tokens;
    if (!whole && n_kept > 0 && truncation->stride >= n_kept)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "the stride of %zu must be below the %zu tokens that are kept",
                    truncation->stride, n_kept);
    size_t most = whole || n_kept == 0 ? 2 : 2 + (n_tokens - n_kept) / (n_kept - truncation->stride);
    *parts = mem_alloc_array(most, sizeof **parts);
    if (!*parts) return fail_no_memory(err, most * sizeof **parts);
    if (whole || n_kept == 0) {
        (*parts)[0] = (struct text_part){0, min_size(n_kept, n_tokens)};
        (*parts)[1] = (struct text_part){0, n_tokens};
        *n_parts = whole ? 1 : 2;
        return BN_OK;
    }
    *n_parts = cut_parts(truncation, n_tokens, n_kept, *parts);
    return BN_OK;
}

size_t padding_length(const struct padding *padding, size_t longest) {
    size_t length = padding->fixed_length ? padding->fixed_length : longest;
    return padding->multiple_of ? round_up(length, padding->multiple_of) : length;
}

void padding_apply(const struct padding *padding, size_t length, struct token_list *tokens) {
    size_t n = tokens->n;
    while (tokens->n < length && !tokens->failed) {
        token_list_push(tokens, padding->id, 0, 0);
        if (tokens->failed) return;
        tokens->items[tokens->n - 1].type_id = padding->type_id;
        tokens->items[tokens->n - 1].origin = TOKEN_FROM_PADDING;
    }
    size_t added = tokens->n - n;
    if (!padding->left || added == 0) return;
    struct token pad = tokens->items[n];
    memmove(tokens->items + added, tokens->items, n * sizeof *tokens->items);
    for (size_t i = 0; i < added; i++) tokens->items[i] = pad;
}
