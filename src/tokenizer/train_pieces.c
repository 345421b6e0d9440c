/* Candidates for Unigram pieces, out of a sorted list of the suffixes of all words.
 *
 * Suffixes that begin alike stand together, so the parts of words that occur more than once are the common prefixes of
 * neighbours: an interval of the list for each, nested like the nodes of a suffix tree, and found with a stack in one
 * pass (Kasai et al., CPM 2001; Abouelhoda, Kurtz, Ohlebusch, 2004). Suffixes are cut at the longest piece, which bounds
 * every comparison, so sorting them by comparison is as good as building a suffix array. */
#include "tokenizer/train_pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

struct suffix {
    const char *text;
    uint32_t size;
    uint32_t word;
};

struct suffix_list {
    struct suffix *items;
    size_t n;
};

/* A common prefix of neighbours in the list, while it may still go on. */
struct interval {
    uint32_t size;
    uint64_t count; /* of the words it was found in */
};

static int by_bytes(const void *a, const void *b) {
    const struct suffix *x = a, *y = b;
    int order = memcmp(x->text, y->text, min_size(x->size, y->size));
    if (order || x->size != y->size) return order ? order : (x->size > y->size) - (x->size < y->size);
    return (x->word > y->word) - (x->word < y->word);
}

/* Bytes of the first n characters, or up to a U+0000, which no piece has. */
static uint32_t prefix_size(const char *text, size_t size, size_t n) {
    size_t at = 0;
    for (uint32_t c; n > 0 && at < size && text[at]; n--) at += unicode_next(text + at, size - at, &c);
    return (uint32_t)at;
}

static bool is_boundary(char byte) {
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static bn_status list_suffixes(const struct word_list *words, size_t max_length, struct suffix_list *out,
                               bn_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < words->n; i++)
        for (size_t at = 0; at < words->items[i].size; at++) n += is_boundary(words->items[i].text[at]);
    out->items = mem_alloc_array(n, sizeof *out->items);
    if (!out->items) return fail_no_memory(err, n * sizeof *out->items);
    for (size_t i = 0; i < words->n; i++) {
        const struct word *word = &words->items[i];
        for (size_t at = 0; at < word->size; at++) {
            if (!is_boundary(word->text[at])) continue;
            uint32_t size = prefix_size(word->text + at, word->size - at, max_length);
            if (size) out->items[out->n++] = (struct suffix){word->text + at, size, (uint32_t)i};
        }
    }
    if (out->n) qsort(out->items, out->n, sizeof *out->items, by_bytes);
    return BN_OK;
}

static bn_status push_piece(struct piece_list *pieces, const char *text, uint32_t size, uint64_t count, bn_error *err) {
    uint32_t n = 0, character = prefix_size(text, size, 1);
    if (character < size && count < 2) return BN_OK;
    if (pieces->n == pieces->capacity) {
        size_t capacity = max_size(1024, pieces->capacity * 2);
        struct scored_piece *items = mem_realloc_array(pieces->items, capacity, sizeof *items);
        if (!items) return fail_no_memory(err, capacity * sizeof *items);
        pieces->items = items;
        pieces->capacity = capacity;
    }
    for (uint32_t i = 0; i < size; i++) n += is_boundary(text[i]);
    pieces->items[pieces->n++] =
        (struct scored_piece){.text = text, .size = size, .character = n == 1, .score = (double)count * n};
    return BN_OK;
}

static uint32_t common_prefix(const struct suffix *a, const struct suffix *b) {
    uint32_t limit = (uint32_t)min_size(a->size, b->size), n = 0;
    while (n < limit && a->text[n] == b->text[n]) n++;
    if (n == a->size || n == b->size) return n;
    while (n > 0 && !is_boundary(a->text[n])) n--;
    return n;
}

/* Characters first: each is the beginning of a run of suffixes, whether something longer is common to them or not. */
static bn_status add_characters(const struct word_list *words, const struct suffix_list *list, struct piece_list *out,
                                bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0, end; i < list->n && !status; i = end) {
        const struct suffix *first = &list->items[i];
        uint32_t size = prefix_size(first->text, first->size, 1);
        uint64_t count = 0;
        for (end = i;
             end < list->n && list->items[end].size >= size && memcmp(list->items[end].text, first->text, size) == 0;
             end++)
            count += words->items[list->items[end].word].count;
        status = push_piece(out, first->text, size, count, err);
    }
    return status;
}

static bn_status add_parts(const struct word_list *words, const struct suffix_list *list, struct interval *stack,
                           struct piece_list *out, bn_error *err) {
    size_t depth = 0;
    bn_status status = BN_OK;
    for (size_t i = 0; i < list->n; i++) {
        const struct suffix *suffix = &list->items[i];
        uint32_t common = i + 1 < list->n ? common_prefix(suffix, suffix + 1) : 0;
        uint64_t count = words->items[suffix->word].count;
        if (depth && stack[depth - 1].size == suffix->size)
            stack[depth - 1].count += count;
        else
            stack[depth++] = (struct interval){suffix->size, count};
        while (depth && stack[depth - 1].size > common) { /* what is longer than the common prefix ends here */
            struct interval top = stack[--depth];
            if (top.size > prefix_size(suffix->text, suffix->size, 1))
                status = push_piece(out, suffix->text, top.size, top.count, err);
            if (status) return status;
            if (depth && stack[depth - 1].size >= common)
                stack[depth - 1].count += top.count;
            else if (common)
                stack[depth++] = (struct interval){common, top.count};
        }
    }
    return status;
}

static int highest_score_first(const void *a, const void *b) {
    const struct scored_piece *x = a, *y = b;
    if (x->character != y->character) return x->character ? -1 : 1;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    int order = memcmp(x->text, y->text, min_size(x->size, y->size));
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static void to_log_probabilities(struct piece_list *pieces) {
    double sum = 0;
    for (size_t i = 0; i < pieces->n; i++) sum += pieces->items[i].score;
    for (size_t i = 0; i < pieces->n; i++) pieces->items[i].score = log(pieces->items[i].score) - log(sum);
}

bn_status seed_pieces(const struct word_list *words, const struct trainer_settings *settings, struct piece_list *out,
                      bn_error *err) {
    struct suffix_list list = {0};
    *out = (struct piece_list){0};
    bn_status status = list_suffixes(words, settings->max_piece_length, &list, err);
    /* sizes on the stack grow, and differ by at least one character */
    struct interval *stack = mem_alloc_array(settings->max_piece_length + 2, sizeof *stack);
    if (!status && !stack) status = fail_no_memory(err, settings->max_piece_length * sizeof *stack);
    if (!status) status = add_characters(words, &list, out, err);
    if (!status) status = add_parts(words, &list, stack, out, err);
    mem_free(stack);
    mem_free(list.items);
    if (status) return status;
    if (out->n) qsort(out->items, out->n, sizeof *out->items, highest_score_first);
    size_t n_characters = 0;
    while (n_characters < out->n && out->items[n_characters].character) n_characters++;
    out->n = min_size(out->n, max_size(settings->seed_size, n_characters));
    to_log_probabilities(out);
    return BN_OK;
}
