/* BPE training.
 *
 * All words lie one behind the other in one array of cells, a cell for each character, separated by empty cells. A token
 * covers as many cells as it has characters: its first cell has the id, its first and last how many they are, so
 * neighbours are found in both directions and merging two tokens writes three cells. The cells where the same pair of
 * tokens begins are linked with each other. A merge walks that list, and each occurrence takes constant time: total work
 * is proportional to the number of characters times the depth of merging, whatever the length of words.
 *
 * The result equals that of Hugging Face tokenizers, and so this counts as it does: a pair that was merged keeps its count,
 * and when it is formed again later (the same string came about by other merges) the new occurrences add to the old ones;
 * merging it again moves it to a later rank. Of equal counts the pair with the lower ids comes first. */
#include "tokenizer/train_bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"

#define NONE            UINT32_MAX
#define SEPARATOR       (-1)
#define REPORT_INTERVAL 64

struct cell {
    int32_t id;    /* of the token that begins here; SEPARATOR; whatever it was within a token */
    uint32_t span; /* cells of the token, in its first and last cell */
    uint32_t word;
    uint32_t pair;           /* that the token here forms with the next one, NONE if it isn't counted */
    uint32_t next, previous; /* where else that pair is */
};

struct pair {
    int32_t left, right;
    int64_t count;       /* may be more than is linked, see above */
    int64_t queued;      /* count of its valid entry in the queue, 0 for none */
    uint32_t head, tail; /* its occurrences */
    uint32_t rank;       /* of its last merge */
    bool touched;        /* formed anew by the merge at hand */
};

/* An entry is out of date when its count isn't its pair's `queued`. */
struct queue_entry {
    int64_t count;
    uint64_t ids; /* left, right: the order among equal counts */
    uint32_t pair;
};

struct bpe_trainer {
    const struct word_list *words;
    const struct trainer_settings *settings;
    struct token_table *tokens;
    struct cell *cells;
    size_t n_cells;
    struct pair *pairs;
    size_t n_pairs, pairs_capacity;
    uint32_t *slots;   /* hash table: ids → index of pairs; twice as many as pairs_capacity, a power of two */
    uint32_t *touched; /* [pairs_capacity] */
    size_t n_touched;
    struct queue_entry *queue; /* a binary heap */
    size_t n_queued, queue_capacity;
    uint32_t *merges; /* pairs in the order they were merged */
    size_t n_merges, merges_capacity;
    size_t max_token_length;
};

static void bpe_trainer_release(struct bpe_trainer *t) {
    mem_free(t->cells);
    mem_free(t->pairs);
    mem_free(t->slots);
    mem_free(t->touched);
    mem_free(t->queue);
    mem_free(t->merges);
}

/* ---- words to cells ---- */

/* The token of a character at its place in the word: with prefix if it isn't the first, with suffix if it is the last. */
static bn_status letter_token(struct bpe_trainer *t, const char *letter, size_t size, bool first, bool last,
                              struct buffer *text, int32_t *id, bn_error *err) {
    const char *prefix = first ? NULL : t->settings->continuing_subword_prefix;
    const char *suffix = last ? t->settings->end_of_word_suffix : NULL;
    *id = token_table_find(t->tokens, letter, size);
    if (*id < 0 || (!prefix && !suffix)) return BN_OK;
    buffer_clear(text);
    if (prefix) buffer_append_text(text, prefix);
    buffer_append(text, letter, size);
    if (suffix) buffer_append_text(text, suffix);
    if (text->failed) return fail_no_memory(err, size);
    return token_table_add(t->tokens, text->data, text->size, id, err);
}

static bn_status lay_out_word(struct bpe_trainer *t, uint32_t index, struct buffer *scratch, bn_error *err) {
    const struct word *word = &t->words->items[index];
    for (size_t at = 0; at < word->size;) {
        uint32_t c;
        int32_t id;
        size_t size = (size_t)abs(utf8_decode(word->text + at, word->size - at, &c));
        bn_status status = letter_token(t, word->text + at, size, at == 0, at + size == word->size, scratch, &id, err);
        if (status) return status;
        at += size;
        if (id >= 0) t->cells[t->n_cells++] = (struct cell){.id = id, .span = 1, .word = index, .pair = NONE};
    }
    t->cells[t->n_cells++] = (struct cell){.id = SEPARATOR, .pair = NONE};
    return BN_OK;
}

static bn_status lay_out_words(struct bpe_trainer *t, bn_error *err) {
    size_t n = 1;
    for (size_t i = 0; i < t->words->n; i++) {
        const struct word *word = &t->words->items[i];
        for (size_t k = 0; k < word->size; k++) n += ((unsigned char)word->text[k] & 0xc0) != 0x80;
        n++;
    }
    if (n >= NONE)
        return fail(err, BN_STATUS_UNSUPPORTED,
                    "the distinct words have %zu characters, at most %u can be trained on: take a part of the corpus",
                    n, NONE);
    t->cells = mem_alloc_array(n, sizeof *t->cells);
    if (!t->cells) return fail_no_memory(err, n * sizeof *t->cells);
    t->cells[t->n_cells++] = (struct cell){.id = SEPARATOR, .pair = NONE};
    struct buffer scratch;
    buffer_init(&scratch);
    bn_status status = BN_OK;
    for (size_t i = 0; i < t->words->n && !status; i++) status = lay_out_word(t, (uint32_t)i, &scratch, err);
    buffer_release(&scratch);
    return status;
}

static bn_status add_alphabet(struct bpe_trainer *t, bn_error *err) {
    uint32_t *letters;
    size_t n;
    bn_status status = alphabet_of(t->words, t->settings, &letters, &n, err);
    if (status) return status;
    for (size_t i = 0; i < n && !status; i++) {
        char text[4];
        int32_t id;
        status = token_table_add(t->tokens, text, utf8_encode(letters[i], text), &id, err);
    }
    mem_free(letters);
    return status;
}

/* ---- pairs ---- */

static uint64_t pair_ids(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* The slot that has the pair, or the free one where it belongs. Ids are assigned by us, so no secret is needed. */
static uint32_t *pair_slot(const struct bpe_trainer *t, int32_t left, int32_t right) {
    size_t mask = t->pairs_capacity * 2 - 1;
    uint64_t hash = pair_ids(left, right) * 0x9e3779b97f4a7c15u;
    for (size_t i = (hash ^ hash >> 32) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &t->slots[i];
        if (*slot == NONE || (t->pairs[*slot].left == left && t->pairs[*slot].right == right)) return slot;
    }
}

static bn_status grow_pairs(struct bpe_trainer *t, bn_error *err) {
    size_t capacity = max_size(4096, t->pairs_capacity * 2);
    if (capacity > UINT32_MAX / 2) return fail(err, BN_STATUS_UNSUPPORTED, "more than %zu pairs of tokens", t->n_pairs);
    struct pair *pairs = mem_realloc_array(t->pairs, capacity, sizeof *pairs);
    if (pairs) t->pairs = pairs;
    uint32_t *touched = mem_realloc_array(t->touched, capacity, sizeof *touched);
    if (touched) t->touched = touched;
    uint32_t *slots = mem_alloc_array(capacity * 2, sizeof *slots);
    if (!pairs || !touched || !slots) {
        mem_free(slots);
        return fail_no_memory(err, capacity * sizeof *pairs);
    }
    mem_free(t->slots);
    t->slots = slots;
    t->pairs_capacity = capacity;
    memset(slots, 0xff, capacity * 2 * sizeof *slots);
    for (size_t i = 0; i < t->n_pairs; i++) *pair_slot(t, pairs[i].left, pairs[i].right) = (uint32_t)i;
    return BN_OK;
}

static bn_status find_or_add_pair(struct bpe_trainer *t, int32_t left, int32_t right, uint32_t *index, bn_error *err) {
    if (t->n_pairs == t->pairs_capacity) {
        bn_status status = grow_pairs(t, err);
        if (status) return status;
    }
    uint32_t *slot = pair_slot(t, left, right);
    if (*slot == NONE) {
        *slot = (uint32_t)t->n_pairs;
        t->pairs[t->n_pairs++] = (struct pair){.left = left, .right = right, .head = NONE, .tail = NONE};
    }
    *index = *slot;
    return BN_OK;
}

/* Takes the cell out of its pair's list. */
static void unlink_cell(struct bpe_trainer *t, struct cell *cell) {
    struct pair *pair = &t->pairs[cell->pair];
    if (cell->previous == NONE)
        pair->head = cell->next;
    else
        t->cells[cell->previous].next = cell->next;
    if (cell->next == NONE)
        pair->tail = cell->previous;
    else
        t->cells[cell->next].previous = cell->previous;
    cell->pair = NONE;
}

/* The pair at this cell is no more. */
static void forget_pair(struct bpe_trainer *t, struct cell *cell, int64_t weight) {
    if (cell->pair == NONE) return;
    t->pairs[cell->pair].count -= weight;
    unlink_cell(t, cell);
}

/* The tokens at cells `at` and `right` are a pair now. */
static bn_status form_pair(struct bpe_trainer *t, uint32_t at, uint32_t right, int64_t weight, bn_error *err) {
    uint32_t index;
    struct cell *cell = &t->cells[at];
    bn_status status = find_or_add_pair(t, cell->id, t->cells[right].id, &index, err);
    if (status) return status;
    struct pair *pair = &t->pairs[index];
    pair->count += weight;
    cell->pair = index;
    cell->next = NONE;
    cell->previous = pair->tail;
    if (pair->tail == NONE)
        pair->head = at;
    else
        t->cells[pair->tail].next = at;
    pair->tail = at;
    if (!pair->touched) t->touched[t->n_touched++] = index;
    pair->touched = true;
    return BN_OK;
}

/* ---- the queue: highest count first, then lowest ids ---- */

static bool comes_before(const struct queue_entry *a, const struct queue_entry *b) {
    return a->count != b->count ? a->count > b->count : a->ids < b->ids;
}

static void sift_up(struct queue_entry *queue, size_t i) {
    struct queue_entry entry = queue[i];
    for (size_t parent; i > 0 && comes_before(&entry, &queue[parent = (i - 1) / 2]); i = parent)
        queue[i] = queue[parent];
    queue[i] = entry;
}

static void sift_down(struct queue_entry *queue, size_t n) {
    struct queue_entry entry = queue[0];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && comes_before(&queue[child + 1], &queue[child])) child++;
        if (!comes_before(&queue[child], &entry)) break;
        queue[i] = queue[child];
    }
    queue[i] = entry;
}

static struct queue_entry pop(struct bpe_trainer *t) {
    struct queue_entry top = t->queue[0];
    t->queue[0] = t->queue[--t->n_queued];
    if (t->n_queued) sift_down(t->queue, t->n_queued);
    return top;
}

static bn_status push(struct bpe_trainer *t, uint32_t index, bn_error *err) {
    struct pair *pair = &t->pairs[index];
    if (pair->count <= pair->queued) return BN_OK;
    if (t->n_queued == t->queue_capacity) {
        size_t capacity = max_size(4096, t->queue_capacity * 2);
        struct queue_entry *queue = mem_realloc_array(t->queue, capacity, sizeof *queue);
        if (!queue) return fail_no_memory(err, capacity * sizeof *queue);
        t->queue = queue;
        t->queue_capacity = capacity;
    }
    pair->queued = pair->count;
    t->queue[t->n_queued] = (struct queue_entry){pair->count, pair_ids(pair->left, pair->right), index};
    sift_up(t->queue, t->n_queued++);
    return BN_OK;
}

static bn_status push_touched(struct bpe_trainer *t, bn_error *err) {
    bn_status status = BN_OK;
    for (size_t i = 0; i < t->n_touched && !status; i++) {
        t->pairs[t->touched[i]].touched = false;
        status = push(t, t->touched[i], err);
    }
    t->n_touched = 0;
    return status;
}

/* The pair to merge next; *found is false when none is left that is frequent enough. */
static bn_status next_pair(struct bpe_trainer *t, uint32_t *index, bool *found, bn_error *err) {
    *found = false;
    while (t->n_queued > 0) {
        struct queue_entry top = pop(t);
        struct pair *pair = &t->pairs[top.pair];
        if (top.count != pair->queued) continue;
        pair->queued = 0;
        if (top.count != pair->count) { /* it has become rarer since */
            bn_status status = push(t, top.pair, err);
            if (status) return status;
            continue;
        }
        *index = top.pair;
        *found = (uint64_t)top.count >= t->settings->min_frequency;
        return BN_OK;
    }
    return BN_OK;
}

/* ---- merging ---- */

static bn_status merge_at(struct bpe_trainer *t, uint32_t at, int32_t merged, bn_error *err) {
    struct cell *cells = t->cells, *first = &cells[at];
    uint32_t right = at + first->span, after = right + cells[right].span, before = NONE;
    int64_t weight = (int64_t)t->words->items[first->word].count;
    if (cells[at - 1].id != SEPARATOR) before = at - cells[at - 1].span;
    unlink_cell(t, first); /* its count stays */
    if (before != NONE) forget_pair(t, &cells[before], weight);
    forget_pair(t, &cells[right], weight);
    first->id = merged;
    first->span = cells[after - 1].span = after - at;
    bn_status status = BN_OK;
    if (before != NONE && (size_t)cells[before].span + first->span < t->max_token_length)
        status = form_pair(t, before, at, weight, err);
    if (!status && cells[after].id != SEPARATOR && (size_t)cells[after].span + first->span < t->max_token_length)
        status = form_pair(t, at, after, weight, err);
    return status;
}

static bn_status merge_everywhere(struct bpe_trainer *t, uint32_t index, int32_t merged, bn_error *err) {
    bool same = t->pairs[index].left == t->pairs[index].right;
    bn_status status = BN_OK;
    for (uint32_t at; !status && (at = t->pairs[index].head) != NONE;) {
        /* "aaa" is merged from the left, also where the list isn't in the order of the text */
        while (same && t->cells[at - 1].id != SEPARATOR) {
            uint32_t before = at - t->cells[at - 1].span;
            if (t->cells[before].pair != index) break;
            at = before;
        }
        status = merge_at(t, at, merged, err);
    }
    return status;
}

static bn_status merged_token(struct bpe_trainer *t, const struct pair *pair, struct buffer *text, int32_t *id,
                              bn_error *err) {
    const char *prefix = t->settings->continuing_subword_prefix;
    struct token_text left = t->tokens->items[pair->left], right = t->tokens->items[pair->right];
    size_t skip = prefix ? strlen(prefix) : 0;
    if (skip > right.size || memcmp(right.text, prefix ? prefix : "", skip) != 0) skip = 0;
    buffer_clear(text);
    buffer_append(text, left.text, left.size);
    buffer_append(text, right.text + skip, right.size - skip);
    if (text->failed) return fail_no_memory(err, left.size + right.size);
    return token_table_add(t->tokens, text->data, text->size, id, err);
}

static bn_status record_merge(struct bpe_trainer *t, uint32_t index, bn_error *err) {
    if (t->n_merges == t->merges_capacity) {
        size_t capacity = max_size(1024, t->merges_capacity * 2);
        uint32_t *merges = mem_realloc_array(t->merges, capacity, sizeof *merges);
        if (!merges || capacity > UINT32_MAX) {
            if (merges) t->merges = merges;
            return fail_no_memory(err, capacity * sizeof *merges);
        }
        t->merges = merges;
        t->merges_capacity = capacity;
    }
    t->pairs[index].rank = (uint32_t)t->n_merges;
    t->merges[t->n_merges++] = index;
    return BN_OK;
}

static bn_status merge_pairs(struct bpe_trainer *t, bn_error *err) {
    struct buffer text;
    buffer_init(&text);
    bn_status status = push_touched(t, err);
    while (!status && t->tokens->n < t->settings->vocab_size) {
        uint32_t index;
        int32_t merged;
        bool found;
        status = next_pair(t, &index, &found, err);
        if (status || !found) break;
        status = merged_token(t, &t->pairs[index], &text, &merged, err);
        if (!status) status = record_merge(t, index, err);
        if (!status) status = merge_everywhere(t, index, merged, err);
        if (!status) status = push_touched(t, err);
        if (!status && t->n_merges % REPORT_INTERVAL == 0)
            status = trainer_report(t->settings, "merging", t->tokens->n, t->settings->vocab_size, err);
    }
    buffer_release(&text);
    return status;
}

static bn_status form_all_pairs(struct bpe_trainer *t, bn_error *err) {
    bn_status status = BN_OK;
    for (uint32_t i = 0; i + 1 < t->n_cells && !status; i++)
        if (t->cells[i].id != SEPARATOR && t->cells[i + 1].id != SEPARATOR)
            status = form_pair(t, i, i + 1, (int64_t)t->words->items[t->cells[i].word].count, err);
    return status;
}

/* A pair that was merged more than once has the rank of its last merge. */
static bn_status list_merges(const struct bpe_trainer *t, struct trained_merges *out, bn_error *err) {
    out->items = mem_alloc_array(t->n_merges, sizeof *out->items);
    if (!out->items) return fail_no_memory(err, t->n_merges * sizeof *out->items);
    for (size_t i = 0; i < t->n_merges; i++) {
        const struct pair *pair = &t->pairs[t->merges[i]];
        if (pair->rank == i) out->items[out->n++] = (struct trained_merge){pair->left, pair->right};
    }
    return BN_OK;
}

bn_status train_bpe(const struct word_list *words, const struct trainer_settings *settings, struct token_table *tokens,
                    struct trained_merges *merges, bn_error *err) {
    struct bpe_trainer t = {
        .words = words, .settings = settings, .tokens = tokens, .max_token_length = settings->max_token_length};
    *merges = (struct trained_merges){0};
    bn_status status = token_table_add_list(tokens, &settings->special_tokens, err);
    if (!status) status = add_alphabet(&t, err);
    if (!status) status = lay_out_words(&t, err);
    if (!status) status = form_all_pairs(&t, err);
    if (!status) status = merge_pairs(&t, err);
    if (!status) status = list_merges(&t, merges, err);
    bpe_trainer_release(&t);
    return status;
}
