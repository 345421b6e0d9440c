/* The merges behind a vocabulary: listed as they were read, or derived where the file ranks tokens instead.
 *
 * tiktoken and SentencePiece rank the pair (p, q) by the token that p and q join to, and files of merges list pairs. One
 * pair a token is enough, and it is exact: until the bytes of a token t become one symbol, no join crosses its ends, so
 * they develop inside of any text just as they do alone, and the last join of t encoded alone is the one by which t
 * always comes about. A token that encoding its own text doesn't lead to never comes about by joining, and gets none.
 * (User-defined symbols are isolated first; of them only runs of spaces are merged, after everything else.)
 * Ties (equal scores) go to the leftmost pair in SentencePiece and to the earlier merge here; scores of trained
 * vocabularies are all different. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/convert_parts.h"
#include "tokenizer/unicode.h"

enum { LONGEST_TOKEN = 2048 }; /* bytes; the search is quadratic */

/* A merge while the list is put in order. */
struct ranked_merge {
    struct merge merge;
    double rank;   /* lower first */
    int32_t order; /* then this */
};

static int by_rank(const void *a, const void *b) {
    const struct ranked_merge *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* ---- developing one token ---- */

struct symbol {
    int32_t id;
    uint32_t begin, size;
};

struct development {
    const bn_tokenizer *tokenizer;
    struct symbol symbols[LONGEST_TOKEN];
    int32_t joined[LONGEST_TOKEN]; /* what symbol i and the next join to, -1 for nothing */
    size_t n;
    char text[LONGEST_TOKEN]; /* as the ranking looks it up */
    size_t size;
};

static int32_t find(const struct development *d, size_t begin, size_t size) {
    const struct bpe *bpe = &d->tokenizer->bpe;
    if (!bpe->byte_level) return vocabulary_find_model(&d->tokenizer->vocabulary, d->text + begin, size);
    return token_map_find(&bpe->by_bytes, &bpe->bytes, d->text + begin, size);
}

static double rank_of(const struct development *d, int32_t id) {
    const struct bpe *bpe = &d->tokenizer->bpe;
    return bpe->ranking == BPE_RANKS ? (double)id : -(double)bpe->scores[id];
}

static void rate(struct development *d, size_t i) {
    d->joined[i] =
        i + 1 < d->n ? find(d, d->symbols[i].begin, d->symbols[i].size + (size_t)d->symbols[i + 1].size) : -1;
}

static void begin(struct development *d) {
    bool bytes = d->tokenizer->bpe.byte_level;
    d->n = 0;
    for (size_t at = 0, length; at < d->size; at += length) {
        uint32_t c;
        length = bytes ? 1 : unicode_next(d->text + at, d->size - at, &c);
        d->symbols[d->n++] = (struct symbol){find(d, at, length), (uint32_t)at, (uint32_t)length};
    }
    for (size_t i = 0; i < d->n; i++) rate(d, i);
}

/* Joins the best pair; false when there is none. */
static bool join_best(struct development *d, struct merge *merge) {
    size_t best = d->n;
    for (size_t i = 0; i + 1 < d->n; i++)
        if (d->joined[i] >= 0 && (best == d->n || rank_of(d, d->joined[i]) < rank_of(d, d->joined[best]))) best = i;
    if (best == d->n) return false;
    *merge = (struct merge){d->symbols[best].id, d->symbols[best + 1].id};
    d->symbols[best].id = d->joined[best];
    d->symbols[best].size += d->symbols[best + 1].size;
    d->n--;
    memmove(d->symbols + best + 1, d->symbols + best + 2, (d->n - best - 1) * sizeof *d->symbols);
    memmove(d->joined + best + 1, d->joined + best + 2, (d->n - best - 1) * sizeof *d->joined);
    rate(d, best);
    if (best > 0) rate(d, best - 1);
    return true;
}

/* The join by which a token comes about; false: none does. */
static bool last_join(struct development *d, int32_t id, struct merge *merge) {
    const struct vocabulary_token token = vocabulary_token(&d->tokenizer->vocabulary, (size_t)id);
    const uint32_t whole = TOKEN_BYTE | TOKEN_CONTROL | TOKEN_UNKNOWN | TOKEN_USER;
    if (!token.text || token.size > LONGEST_TOKEN || !(token.flags & TOKEN_MODEL) || token.flags & whole) return false;
    d->size = token.size;
    if (!d->tokenizer->bpe.byte_level)
        memcpy(d->text, token.text, token.size);
    else if (!byte_alphabet_decode(token.text, token.size, d->text, &d->size))
        return false;
    begin(d);
    bool joined = false;
    while (join_best(d, merge)) joined = true;
    return joined && d->n == 1 && d->symbols[0].id == id && merge->left >= 0 && merge->right >= 0;
}

/* ---- the list ---- */

static bool is_run(const bn_tokenizer *tokenizer, struct vocabulary_token token) {
    return token.flags & TOKEN_USER && token.size <= LONGEST_TOKEN &&
           sentencepiece_symbol_means(tokenizer, token) == SYMBOL_RUN;
}

static size_t count_derived(const bn_tokenizer *tokenizer) {
    size_t n = tokenizer->vocabulary.size;
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) {
        const struct vocabulary_token token = vocabulary_token(&tokenizer->vocabulary, id);
        if (token.text && is_run(tokenizer, token)) n += token.size / 3;
    }
    return n;
}

/* Every way to make a run of two shorter ones, shorter results first: whatever is joined first, the rest can follow. */
static size_t merge_run(const bn_tokenizer *tokenizer, struct vocabulary_token token, struct ranked_merge *list) {
    size_t n = 0;
    for (size_t cut = 3; cut < token.size; cut += 3) {
        int32_t left = vocabulary_find_model(&tokenizer->vocabulary, token.text, cut);
        int32_t right = vocabulary_find_model(&tokenizer->vocabulary, token.text, token.size - cut);
        if (left >= 0 && right >= 0) list[n++] = (struct ranked_merge){{left, right}, INFINITY, (int32_t)token.size};
    }
    return n;
}

static size_t derive(struct development *d, struct ranked_merge *list) {
    size_t n = 0;
    for (size_t id = 0; id < d->tokenizer->vocabulary.size; id++) {
        struct merge merge;
        const struct vocabulary_token token = vocabulary_token(&d->tokenizer->vocabulary, id);
        if (token.text && is_run(d->tokenizer, token)) n += merge_run(d->tokenizer, token, list + n);
        if (last_join(d, (int32_t)id, &merge))
            list[n++] = (struct ranked_merge){merge, rank_of(d, (int32_t)id), (int32_t)id};
    }
    return n;
}

static size_t read_out(const struct bpe *bpe, struct ranked_merge *list) {
    size_t n = 0;
    for (size_t i = 0; i < bpe->merges.capacity; i++) {
        const struct bpe_merge *merge = &bpe->merges.slots[i];
        if (merge->left >= 0) list[n++] = (struct ranked_merge){{merge->left, merge->right}, merge->rank, 0};
    }
    return n;
}

bn_status convert_merges(const bn_tokenizer *tokenizer, struct merge_list *out, bn_error *err) {
    const struct bpe *bpe = &tokenizer->bpe;
    bool listed = bpe->ranking == BPE_MERGES;
    size_t capacity = listed ? bpe->merges.capacity : count_derived(tokenizer);
    struct ranked_merge *list = mem_alloc_array(capacity + 1, sizeof *list);
    struct development *development = listed ? NULL : mem_calloc(1, sizeof *development);
    bn_status status = list && (listed || development) ? BN_OK : fail_no_memory(err, capacity * sizeof *list);
    if (!status) {
        if (development) development->tokenizer = tokenizer;
        out->n = listed ? read_out(bpe, list) : derive(development, list);
        qsort(list, out->n, sizeof *list, by_rank);
        out->items = mem_alloc_array(out->n + 1, sizeof *out->items);
        if (!out->items) status = fail_no_memory(err, out->n * sizeof *out->items);
        for (size_t i = 0; i < out->n && !status; i++) out->items[i] = list[i].merge;
    }
    mem_free(development);
    mem_free(list);
    return status;
}
