/* Which merge makes each token, and what follows from it: do two neighbouring tokens stay apart?
 *
 * Until the characters of a token are one symbol no join crosses its ends, so inside of any text they develop as they
 * do alone: one merge makes it, the same everywhere, its origin. Where ranks only grow from a part to the whole, merges
 * happen in the order of their ranks. Then the symbols at the border of two neighbours are known for every moment, from
 * the characters to the tokens; the two stay apart unless some pair of these had a merge while both were there. And
 * tokens that each stay apart from the next are what their texts in a row encode to. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/bpe.h"
#include "tokenizer/unicode.h"

enum { LONGEST_TOKEN = 1024 }; /* bytes: so many merges may lie behind an end of a token */
#define NEVER INT32_MAX

/* The rank of the first merge across the border of two neighbours, before `limit`; NEVER if they stay apart. Their ends
 * are followed back in time. Of equal ranks the merge further left comes first. */
static int32_t first_crossing(const struct bpe *bpe, int32_t left, int32_t right, int32_t limit) {
    int32_t first = NEVER;
    for (size_t steps = 2 * LONGEST_TOKEN; steps > 0; steps--) {
        const struct bpe_merge *merge = merge_table_find(&bpe->merges, left, right);
        if (merge && merge->rank < limit) first = merge->rank;
        if ((size_t)left >= bpe->n_origins || (size_t)right >= bpe->n_origins) break;
        const struct bpe_origin *a = &bpe->origins[left], *b = &bpe->origins[right];
        if (a->rank < 0 && b->rank < 0) break;
        if (a->rank > b->rank) {
            limit = a->rank;
            left = a->right;
        } else {
            limit = b->rank + 1;
            right = b->left;
        }
    }
    return first;
}

/* The symbols that a token was before merges of rank `from` or later. What doesn't add up (in a damaged file) is left as
 * it is. */
static size_t take_apart(const struct bpe *bpe, int32_t id, int32_t from, int32_t *symbols) {
    *symbols = id;
    if ((size_t)id >= bpe->n_origins) return 1;
    const struct bpe_origin *origin = &bpe->origins[id];
    if (origin->rank < from || origin->size > LONGEST_TOKEN) return 1;
    if ((size_t)origin->left >= bpe->n_origins || (size_t)origin->right >= bpe->n_origins) return 1;
    const uint32_t left = bpe->origins[origin->left].size, right = bpe->origins[origin->right].size;
    if (left == 0 || left >= origin->size || right != origin->size - left) return 1;
    const size_t n = take_apart(bpe, origin->left, from, symbols);
    return n + take_apart(bpe, origin->right, from, symbols + n);
}

void bpe_join(const struct bpe *bpe, int32_t left, int32_t right, struct bpe_scratch *scratch, struct token_list *out) {
    int32_t symbols[2 * LONGEST_TOKEN];
    const int32_t rank = first_crossing(bpe, left, right, NEVER);
    if (rank == NEVER) {
        token_list_push(out, left, 0, 0);
        token_list_push(out, right, 0, 0);
        return;
    }
    const struct bpe_merge *merge = merge_table_find(&bpe->merges, left, right);
    if (merge && merge->rank == rank) { /* the tokens themselves */
        token_list_push(out, merge->id, 0, 0);
        return;
    }
    size_t n = take_apart(bpe, left, rank + 1, symbols);
    n += take_apart(bpe, right, rank, symbols + n);
    bpe_merge_symbols(bpe, symbols, n, scratch, out);
}

/* ---- words ---- */

static const struct space {
    char text[4];
    size_t size;
} spaces[] = {[BPE_SPACE] = {" ", 1}, [BPE_SPACE_ESCAPED] = {"\xe2\x96\x81", 3}, [BPE_SPACE_LETTER] = {"\xc4\xa0", 2}};

static bool is_space_at(const struct space *space, const char *text, size_t n) {
    return n >= space->size && *text == *space->text && memcmp(text, space->text, space->size) == 0;
}

size_t bpe_next_word(const struct bpe *bpe, const char *text, size_t n, size_t at) {
    const struct space *space = &spaces[bpe->space];
    bool before = is_space_at(space, text + at, n - at), now;
    for (at += before ? space->size : 1; at < n; at += now ? space->size : 1, before = now) {
        now = is_space_at(space, text + at, n - at);
        if (now != before && now == bpe->spaces_lead) return at;
    }
    return n;
}

/* ---- finding the origins ---- */

static struct vocabulary_token token_of(const struct bpe *bpe, int32_t id) {
    return vocabulary_token(bpe->vocabulary, (size_t)id);
}

/* White space as it is written in tokens: U+2581, and in GPT-2's alphabet U+0100 … U+0120. */
static bool is_blank(const struct bpe *bpe, uint32_t c) {
    const bool alphabet = bpe->byte_level || bpe->space == BPE_SPACE_LETTER;
    return unicode_is_space(c) || c == 0x2581 || (alphabet && c >= 0x100 && c <= 0x120);
}

static bool begins_blank(const struct bpe *bpe, struct vocabulary_token token) {
    uint32_t c = 0;
    if (token.size) unicode_next(token.text, token.size, &c);
    return is_blank(bpe, c);
}

static bool ends_blank(const struct bpe *bpe, struct vocabulary_token token) {
    uint32_t c = 0;
    if (token.size) unicode_previous(token.text, token.size, &c);
    return is_blank(bpe, c);
}

/* Does the text of any merge have white space behind something else? Where none does, a pre-tokenizer cuts there, or
 * bpe_cuts_at_spaces does. false, too, where a merge makes what unknown characters come to. */
static bool merges_cross_words(const struct bpe *bpe) {
    bool cross = false;
    for (size_t i = 0; i < bpe->merges.capacity; i++) {
        const struct bpe_merge *merge = &bpe->merges.slots[i];
        if (merge->left < 0) continue;
        const struct vocabulary_token token = token_of(bpe, merge->id);
        if (merge->id == bpe->unknown_id) return false;
        if (bpe->byte_fallback && byte_token_value(token.text, token.size) >= 0) return false;
        cross |= !ends_blank(bpe, token_of(bpe, merge->left)) && begins_blank(bpe, token_of(bpe, merge->right));
    }
    return cross;
}

/* Characters have no origin but are there from the beginning, and so are the tokens of unknown ones. */
static void set_characters(struct bpe *bpe) {
    struct bpe_origin *origins = bpe->origins;
    for (size_t id = 0; id < bpe->n_origins; id++) {
        const struct vocabulary_token token = vocabulary_token(bpe->vocabulary, id);
        uint32_t c;
        bool model = token.size > 0 && token.flags & TOKEN_MODEL;
        bool character = model && unicode_next(token.text, token.size, &c) == token.size;
        bool byte = model && bpe->byte_fallback && byte_token_value(token.text, token.size) >= 0;
        origins[id] = (struct bpe_origin){.rank = -1, .size = character || byte};
    }
    if (bpe->unknown_id >= 0) origins[bpe->unknown_id].size = 1;
}

/* The merges in the order of their ranks, NULL where a rank has none. */
static const struct bpe_merge **sort_merges(const struct bpe *bpe, size_t *n) {
    const struct merge_table *table = &bpe->merges;
    *n = 0;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].left >= 0) *n = max_size(*n, (size_t)table->slots[i].rank + 1);
    const struct bpe_merge **sorted = mem_calloc(*n + 1, sizeof *sorted);
    for (size_t i = 0; i < table->capacity && sorted; i++)
        if (table->slots[i].left >= 0) sorted[table->slots[i].rank] = &table->slots[i];
    return sorted;
}

/* A merge makes its token if its parts come up and stay apart until it is their turn: at most one merge does. false: some
 * part comes up later than a merge that takes it. */
static bool trace_merges(struct bpe *bpe, const struct bpe_merge *const *sorted, size_t n) {
    struct bpe_origin *origins = bpe->origins;
    for (size_t i = 0; i < n; i++) {
        const struct bpe_merge *merge = sorted[i];
        if (!merge || origins[merge->id].size) continue;
        const struct bpe_origin *left = &origins[merge->left], *right = &origins[merge->right];
        if (left->size && right->size && first_crossing(bpe, merge->left, merge->right, merge->rank) == NEVER)
            origins[merge->id] = (struct bpe_origin){merge->rank, merge->left, merge->right, left->size + right->size};
    }
    for (size_t i = 0; i < n; i++) {
        const struct bpe_merge *merge = sorted[i];
        if (!merge || !origins[merge->left].size || !origins[merge->right].size) continue;
        if (origins[merge->left].rank > merge->rank || origins[merge->right].rank > merge->rank) return false;
    }
    return true;
}

/* Words are cut where fewer tokens go across. */
static void choose_words(struct bpe *bpe) {
    size_t lead = 0, trail = 0;
    for (size_t id = 0; id < bpe->n_origins; id++) {
        const struct vocabulary_token token = vocabulary_token(bpe->vocabulary, id);
        if (bpe->origins[id].rank < 0) continue;
        lead += begins_blank(bpe, token);
        trail += ends_blank(bpe, token);
    }
    bpe->spaces_lead = lead >= trail;
}

static bool has_at_an_end(struct vocabulary_token token, const struct space *space) {
    return token.flags & TOKEN_MODEL && token.size >= space->size &&
           (memcmp(token.text, space->text, space->size) == 0 ||
            memcmp(token.text + token.size - space->size, space->text, space->size) == 0);
}

/* What spaces are, of the characters that the vocabulary has for it: that at the ends of most tokens. false: none. */
static bool find_space(struct bpe *bpe) {
    const struct vocabulary *vocabulary = bpe->vocabulary;
    size_t most = 0;
    bpe->space = BPE_SPACE;
    for (enum bpe_space kind = BPE_SPACE; kind <= BPE_SPACE_LETTER && !bpe->byte_level; kind++) {
        size_t n = 0;
        if (vocabulary_find_model(vocabulary, spaces[kind].text, spaces[kind].size) < 0) continue;
        for (size_t id = 0; id < vocabulary->size; id++)
            n += has_at_an_end(vocabulary_token(vocabulary, id), &spaces[kind]);
        if (n > most) bpe->space = kind;
        most = max_size(n, most);
    }
    return bpe->byte_level || most > 0;
}

static bool has_words(struct bpe *bpe) {
    if (bpe->ranking != BPE_MERGES || bpe->prefix || bpe->suffix || bpe->ignore_merges) return false;
    if (bpe->longest_token > LONGEST_TOKEN) return false;
    return find_space(bpe) && merges_cross_words(bpe);
}

bn_status bpe_find_origins(struct bpe *bpe, bn_error *err) {
    if (!has_words(bpe)) return BN_OK;
    size_t n;
    const struct bpe_merge **sorted = sort_merges(bpe, &n);
    bpe->origins = mem_alloc_array(bpe->vocabulary->size, sizeof *bpe->origins);
    if (!sorted || !bpe->origins) {
        mem_free(sorted);
        return fail_no_memory(err, n * sizeof *sorted);
    }
    bpe->n_origins = bpe->vocabulary->size;
    set_characters(bpe);
    if (trace_merges(bpe, sorted, n)) {
        choose_words(bpe);
    } else {
        mem_free(bpe->origins);
        bpe->origins = NULL;
        bpe->n_origins = 0;
    }
    mem_free(sorted);
    return BN_OK;
}
