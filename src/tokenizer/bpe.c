/* Byte-pair encoding; bpe.h says what the variants are. The symbols of a word are a doubly linked list in an array:
 * joining makes the left one longer and takes the right one out. */
#include "tokenizer/bpe.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"

enum {
    SCAN_LIMIT = 48, /* symbols up to which looking at all pairs beats a heap */
    NO_TOKEN = -1,   /* a symbol that isn't in the vocabulary (BPE_SCORES) */
    WHOLE_UNKNOWN = 0,
    WHOLE_YES = 1,
    WHOLE_NO = 2,
};

struct bpe_symbol {
    int32_t id;
    uint32_t begin, size; /* bytes of the word; size 0: joined away */
    int32_t previous, next;
    bool frozen; /* user-defined: takes no part in joins */
};

/* A possible join of the symbol at `at` with its next. Lower (rank, at) first. */
struct bpe_candidate {
    float rank; /* exact: ranks are below 2^24, or scores negated */
    uint32_t at;
    int32_t id;    /* what it becomes */
    uint32_t size; /* of both, to recognize candidates that have been overtaken */
};

/* ---- words to ids ---- */

static int32_t find_text(const struct bpe *bpe, const char *text, size_t size) {
    if (!bpe->byte_level) return vocabulary_find_model(bpe->vocabulary, text, size);
    return token_map_find(&bpe->by_bytes, &bpe->bytes, text, size);
}

/* Can two neighbours be joined, how well, and to what? */
static bool rate(const struct bpe *bpe, const char *word, const struct bpe_symbol *left, const struct bpe_symbol *right,
                 struct bpe_candidate *out) {
    out->size = left->size + right->size;
    if (bpe->ranking == BPE_MERGES) {
        const struct bpe_merge *merge = merge_table_find(&bpe->merges, left->id, right->id);
        if (!merge) return false;
        out->rank = (float)merge->rank;
        out->id = merge->id;
        return true;
    }
    if (left->frozen || right->frozen || out->size > bpe->longest_token) return false;
    out->id = find_text(bpe, word + left->begin, out->size);
    if (out->id < 0) return false;
    out->rank = bpe->ranking == BPE_RANKS ? (float)out->id : -bpe->scores[out->id];
    return true;
}

static void join(struct bpe_symbol *symbols, int32_t at, int32_t id) {
    struct bpe_symbol *left = &symbols[at], *right = &symbols[left->next];
    left->id = id;
    left->size += right->size;
    left->next = right->next;
    right->size = 0;
    if (left->next >= 0) symbols[left->next].previous = at;
}

/* Few symbols: the rate of every pair is kept and the best is looked for each time. */
static void merge_by_scan(const struct bpe *bpe, const char *word, struct bpe_symbol *symbols, size_t begin, size_t n) {
    struct bpe_candidate pairs[SCAN_LIMIT];
    bool possible[SCAN_LIMIT];
    int32_t order[SCAN_LIMIT]; /* the symbols that are left, in order */
    for (size_t i = 0; i < n; i++) order[i] = (int32_t)(begin + i);
    for (size_t i = 0; i + 1 < n; i++)
        possible[i] = rate(bpe, word, &symbols[begin + i], &symbols[begin + i + 1], &pairs[i]);
    for (;;) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i + 1 < n; i++)
            if (possible[i] && (best == SIZE_MAX || pairs[i].rank < pairs[best].rank)) best = i;
        if (best == SIZE_MAX) return;
        join(symbols, order[best], pairs[best].id);
        n--;
        for (size_t i = best + 1; i < n; i++) order[i] = order[i + 1];
        for (size_t i = best + 1; i + 1 < n; i++) {
            pairs[i] = pairs[i + 1];
            possible[i] = possible[i + 1];
        }
        if (best + 1 < n)
            possible[best] = rate(bpe, word, &symbols[order[best]], &symbols[order[best + 1]], &pairs[best]);
        if (best > 0)
            possible[best - 1] = rate(bpe, word, &symbols[order[best - 1]], &symbols[order[best]], &pairs[best - 1]);
    }
}

static bool before(const struct bpe_candidate *a, const struct bpe_candidate *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static void sift_down(struct bpe_candidate *heap, size_t n, size_t i) {
    struct bpe_candidate moving = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &moving)) break;
        heap[i] = heap[child];
    }
    heap[i] = moving;
}

static void sift_up(struct bpe_candidate *heap, size_t i) {
    struct bpe_candidate moving = heap[i];
    for (size_t parent; i > 0 && before(&moving, &heap[parent = (i - 1) / 2]); i = parent) heap[i] = heap[parent];
    heap[i] = moving;
}

static bool reserve_heap(struct bpe_scratch *scratch, size_t n) {
    if (n <= scratch->heap_capacity) return true;
    size_t capacity = max_size(n, scratch->heap_capacity + scratch->heap_capacity / 2);
    struct bpe_candidate *heap = mem_realloc_array(scratch->heap, capacity, sizeof *heap);
    if (!heap) return false;
    scratch->heap = heap;
    scratch->heap_capacity = capacity;
    return true;
}

static bool push_candidate(const struct bpe *bpe, const char *word, struct bpe_scratch *scratch, int32_t at) {
    const struct bpe_symbol *symbols = scratch->symbols;
    struct bpe_candidate candidate = {.at = (uint32_t)at};
    if (at < 0 || symbols[at].next < 0) return true;
    if (!rate(bpe, word, &symbols[at], &symbols[symbols[at].next], &candidate)) return true;
    if (!reserve_heap(scratch, scratch->heap_n + 1)) return false;
    scratch->heap[scratch->heap_n] = candidate;
    sift_up(scratch->heap, scratch->heap_n++);
    return true;
}

static bool merge_by_heap(const struct bpe *bpe, const char *word, struct bpe_scratch *scratch, size_t begin,
                          size_t end) {
    struct bpe_symbol *symbols = scratch->symbols;
    scratch->heap_n = 0;
    if (!reserve_heap(scratch, end - begin)) return false;
    for (size_t i = begin; i + 1 < end; i++) {
        struct bpe_candidate *candidate = &scratch->heap[scratch->heap_n];
        candidate->at = (uint32_t)i;
        if (rate(bpe, word, &symbols[i], &symbols[i + 1], candidate)) scratch->heap_n++;
    }
    for (size_t i = scratch->heap_n / 2; i-- > 0;) sift_down(scratch->heap, scratch->heap_n, i);
    while (scratch->heap_n > 0) {
        struct bpe_candidate best = scratch->heap[0];
        scratch->heap[0] = scratch->heap[--scratch->heap_n];
        if (scratch->heap_n > 0) sift_down(scratch->heap, scratch->heap_n, 0);
        const struct bpe_symbol *left = &symbols[best.at];
        if (left->size == 0 || left->next < 0) continue;
        struct bpe_candidate now;
        if (left->size + symbols[left->next].size != best.size) continue;
        if (!rate(bpe, word, left, &symbols[left->next], &now) || now.id != best.id) continue;
        join(symbols, (int32_t)best.at, best.id);
        if (!push_candidate(bpe, word, scratch, left->previous) ||
            !push_candidate(bpe, word, scratch, (int32_t)best.at))
            return false;
    }
    return true;
}

/* ---- the first symbols of a word ---- */

static bool reserve_symbols(struct bpe_scratch *scratch, size_t n) {
    if (n <= scratch->symbol_capacity) return true;
    size_t capacity = max_size(64, max_size(n, scratch->symbol_capacity * 2));
    struct bpe_symbol *symbols = mem_realloc_array(scratch->symbols, capacity, sizeof *symbols);
    if (!symbols) return false;
    scratch->symbols = symbols;
    scratch->symbol_capacity = capacity;
    return true;
}

static void add_symbol(struct bpe_scratch *scratch, size_t *n, int32_t id, size_t begin, size_t size) {
    scratch->symbols[*n] = (struct bpe_symbol){.id = id,
                                               .begin = (uint32_t)begin,
                                               .size = (uint32_t)size,
                                               .previous = (int32_t)*n - 1,
                                               .next = (int32_t)*n + 1};
    ++*n;
}

/* Begin and end of a symbol count what has been added so far: characters that are dropped leave no gap. */
struct symbol_writer {
    struct bpe_scratch *scratch;
    size_t n, at;
    size_t unknown; /* bytes of a run of unknown characters that is still open */
};

static void write_symbol(struct symbol_writer *w, int32_t id, size_t size) {
    add_symbol(w->scratch, &w->n, id, w->at, size);
    w->at += size;
}

static void flush_unknown(const struct bpe *bpe, struct symbol_writer *w) {
    if (w->unknown) write_symbol(w, bpe->unknown_id, w->unknown);
    w->unknown = 0;
}

/* A character with the prefix and suffix its place asks for. */
static int32_t find_affixed(const struct bpe *bpe, const char *text, size_t size, bool first, bool last, char *affixed,
                            size_t *affixed_size) {
    size_t n = 0;
    if (!first && bpe->prefix) n = bpe->prefix_size, memcpy(affixed, bpe->prefix, n);
    memcpy(affixed + n, text, size);
    n += size;
    if (last && bpe->suffix) memcpy(affixed + n, bpe->suffix, bpe->suffix_size), n += bpe->suffix_size;
    *affixed_size = n;
    return find_text(bpe, affixed, n);
}

static bool write_bytes(const struct bpe *bpe, struct symbol_writer *w, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bpe->byte_fallback_ids[(uint8_t)text[i]] < 0) return false;
    for (size_t i = 0; i < size; i++) write_symbol(w, bpe->byte_fallback_ids[(uint8_t)text[i]], 1);
    return true;
}

static size_t symbols_of_characters(const struct bpe *bpe, const char *word, size_t size, struct bpe_scratch *scratch) {
    struct symbol_writer w = {.scratch = scratch};
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t c;
        char affixed[4 + 2 * BPE_AFFIX_MAX];
        size_t affixed_size;
        length = unicode_next(word + at, size - at, &c);
        int32_t id = find_affixed(bpe, word + at, length, at == 0, at + length == size, affixed, &affixed_size);
        if (id >= 0) {
            flush_unknown(bpe, &w);
            write_symbol(&w, id, length);
        } else if (!(bpe->byte_fallback && write_bytes(bpe, &w, affixed, affixed_size)) && bpe->unknown_id >= 0) {
            if (!bpe->fuse_unknown) flush_unknown(bpe, &w);
            w.unknown += length;
        }
    }
    flush_unknown(bpe, &w);
    return w.n;
}

static size_t symbols_of_bytes(const struct bpe *bpe, const char *word, size_t size, struct bpe_scratch *scratch) {
    struct symbol_writer w = {.scratch = scratch};
    for (size_t i = 0; i < size; i++) {
        int32_t id = bpe->byte_ids[(uint8_t)word[i]];
        if (id >= 0) {
            flush_unknown(bpe, &w);
            write_symbol(&w, id, 1);
        } else if (bpe->unknown_id >= 0) {
            if (!bpe->fuse_unknown) flush_unknown(bpe, &w);
            w.unknown++;
        }
    }
    flush_unknown(bpe, &w);
    return w.n;
}

/* SentencePiece: characters and user-defined symbols; what isn't in the vocabulary may still join to something that
 * is. */
static size_t symbols_of_sentencepiece(const struct bpe *bpe, const char *word, size_t size,
                                       struct bpe_scratch *scratch) {
    size_t n = 0;
    for (size_t at = 0, length; at < size; at += length) {
        int32_t id = NO_TOKEN;
        uint32_t c;
        length = bpe->user_symbols ? trie_longest_prefix(bpe->user_symbols, word + at, size - at, &id) : 0;
        bool frozen = length > 0;
        if (!frozen) {
            length = unicode_next(word + at, size - at, &c);
            id = find_text(bpe, word + at, length);
        }
        add_symbol(scratch, &n, id, at, length);
        scratch->symbols[n - 1].frozen = frozen;
    }
    return n;
}

static void split_unused(const struct bpe *bpe, const char *word, size_t begin, size_t size, unsigned depth,
                         struct token_list *out);

static void emit_sentencepiece(const struct bpe *bpe, const char *word, const struct bpe_symbol *symbol,
                               struct token_list *out) {
    if (symbol->id >= 0 && bpe->vocabulary->records[symbol->id].flags & TOKEN_UNUSED) {
        split_unused(bpe, word, symbol->begin, symbol->size, 0, out);
        return;
    }
    if (symbol->id >= 0) {
        token_list_push(out, symbol->id, symbol->begin, symbol->begin + symbol->size);
        return;
    }
    bool bytes = bpe->byte_fallback;
    for (size_t i = 0; bytes && i < symbol->size; i++)
        bytes = bpe->byte_fallback_ids[(uint8_t)word[symbol->begin + i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < symbol->size; i++)
            token_list_push(out, bpe->byte_fallback_ids[(uint8_t)word[symbol->begin + i]], symbol->begin,
                            symbol->begin + symbol->size);
        return;
    }
    if (bpe->unknown_id < 0) return;
    struct token *last = out->n ? &out->items[out->n - 1] : NULL;
    if (last && last->id == bpe->unknown_id && last->end == symbol->begin)
        last->end += symbol->size; /* runs fuse */
    else
        token_list_push(out, bpe->unknown_id, symbol->begin, symbol->begin + symbol->size);
}

/* A piece marked unused is taken apart again, at the join that made it: the best-scored pair of pieces that spell it.
 * */
static void split_unused(const struct bpe *bpe, const char *word, size_t begin, size_t size, unsigned depth,
                         struct token_list *out) {
    struct bpe_symbol part = {
        .id = find_text(bpe, word + begin, size), .begin = (uint32_t)begin, .size = (uint32_t)size};
    bool unused = part.id >= 0 && bpe->vocabulary->records[part.id].flags & TOKEN_UNUSED;
    size_t cut = 0;
    float best = 0;
    for (size_t i = 1; unused && depth < 32 && i < size; i++) {
        int32_t left = find_text(bpe, word + begin, i), right = find_text(bpe, word + begin + i, size - i);
        if (left < 0 || right < 0) continue;
        float score = bpe->scores[left] < bpe->scores[right] ? bpe->scores[left] : bpe->scores[right];
        if (cut && score <= best) continue;
        cut = i;
        best = score;
    }
    if (cut) {
        split_unused(bpe, word, begin, cut, depth + 1, out);
        split_unused(bpe, word, begin + cut, size - cut, depth + 1, out);
        return;
    }
    if (unused)
        token_list_push(out, part.id, begin, begin + size);
    else
        emit_sentencepiece(bpe, word, &part, out);
}

static bool joins(const struct bpe *bpe, uint8_t last, uint8_t first) {
    unsigned bit = last * 256u + first;
    return bpe->joins[bit / 8] >> bit % 8 & 1;
}

/* Can nothing ever be joined across the border of two neighbours? */
static bool is_border(const struct bpe *bpe, const char *word, const struct bpe_symbol *left,
                      const struct bpe_symbol *right) {
    uint8_t last, first;
    if (bpe->byte_level) return false; /* words are short */
    if (bpe->ranking == BPE_MERGES) {
        const struct vocabulary_token a = vocabulary_token(bpe->vocabulary, (size_t)left->id);
        const struct vocabulary_token b = vocabulary_token(bpe->vocabulary, (size_t)right->id);
        if (a.size == 0 || b.size == 0) return false;
        if ((a.flags | b.flags) & TOKEN_ADDED) return false; /* its text needn't be the symbol's */
        last = (uint8_t)a.text[a.size - 1];
        first = (uint8_t)b.text[0];
    } else {
        last = (uint8_t)word[left->begin + left->size - 1];
        first = (uint8_t)word[right->begin];
    }
    return !joins(bpe, last, first);
}

/* What is before a cut is a character of the text or, unless it is in the vocabulary, the unknown token or a byte token,
 * which ends with '>'. What is behind it, "▁", is in the vocabulary. */
bool bpe_cuts_at_spaces(const struct bpe *bpe) {
    if (bpe->byte_level || bpe->prefix || bpe->suffix || bpe->ignore_merges || bpe->ranking == BPE_RANKS) return false;
    const uint8_t first = BPE_JOINS_SPACE;
    struct vocabulary_token unknown = {0};
    if (bpe->unknown_id >= 0) unknown = vocabulary_token(bpe->vocabulary, (size_t)bpe->unknown_id);
    if (unknown.size > 0 && joins(bpe, (uint8_t)unknown.text[unknown.size - 1], first)) return false;
    return !joins(bpe, '>', first) && find_text(bpe, "\xe2\x96\x81", 3) >= 0;
}

size_t bpe_next_cut(const struct bpe *bpe, const char *text, size_t n, size_t at) {
    for (size_t i = at + 1; i + 3 <= n; i++)
        if ((uint8_t)text[i] == 0xe2 && (uint8_t)text[i + 1] == 0x96 && (uint8_t)text[i + 2] == 0x81 &&
            !joins(bpe, (uint8_t)text[i - 1], BPE_JOINS_SPACE))
            return i;
    return n;
}

/* Merges the symbols [begin, end) on their own and appends what they become. */
static void merge_part(const struct bpe *bpe, const char *word, struct bpe_scratch *scratch, size_t begin, size_t end,
                       struct token_list *out) {
    struct bpe_symbol *symbols = scratch->symbols;
    symbols[begin].previous = -1;
    symbols[end - 1].next = -1;
    if (end - begin <= SCAN_LIMIT)
        merge_by_scan(bpe, word, symbols, begin, end - begin);
    else if (!merge_by_heap(bpe, word, scratch, begin, end))
        out->failed = true;
    for (int32_t i = (int32_t)begin; i >= 0; i = symbols[i].next) {
        const struct bpe_symbol *symbol = &symbols[i];
        if (bpe->ranking == BPE_SCORES)
            emit_sentencepiece(bpe, word, symbol, out);
        else
            token_list_push(out, symbol->id, symbol->begin, symbol->begin + symbol->size);
    }
}

static size_t alphabet_size(char byte) {
    char character[4];
    return byte_alphabet_put((uint8_t)byte, character);
}

/* Places of a word's tokens, where bytes of it were dropped: so far they count the bytes that were kept. The reference
 * counts what those take in GPT-2's alphabet, one byte or two, and looks that up in the whole word so written: a token
 * is where the characters are that hold its first and its last byte. */
static void place_in_alphabet(const struct bpe *bpe, const char *word, struct token *tokens, size_t n) {
    size_t next = 0, kept = 0, place = 0; /* bytes counted, how many of them were kept, and what these take */
    size_t at = 0, before = 0;            /* a byte of the word, and what those before it take */
    for (struct token *token = tokens; token < tokens + n; token++) {
        for (; before + alphabet_size(word[at]) <= place; at++) before += alphabet_size(word[at]);
        token->begin = (uint32_t)at;
        for (; kept < token->end; next++) {
            if (bpe->byte_ids[(uint8_t)word[next]] < 0) continue;
            kept++;
            place += alphabet_size(word[next]);
        }
        for (; before + alphabet_size(word[at]) < place; at++) before += alphabet_size(word[at]);
        token->end = (uint32_t)at + 1;
    }
}

static void encode_symbols(const struct bpe *bpe, const char *word, size_t size, struct bpe_scratch *scratch,
                           struct token_list *out) {
    /* Byte fallback with affixes may give more symbols than there are bytes. */
    if (!reserve_symbols(scratch, bpe->byte_fallback ? size * (1 + bpe->prefix_size) + bpe->suffix_size : size)) {
        out->failed = true;
        return;
    }
    const size_t first = out->n;
    size_t n = bpe->ranking == BPE_SCORES ? symbols_of_sentencepiece(bpe, word, size, scratch)
               : bpe->byte_level          ? symbols_of_bytes(bpe, word, size, scratch)
                                          : symbols_of_characters(bpe, word, size, scratch);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n; end++)
            if (is_border(bpe, word, &scratch->symbols[end - 1], &scratch->symbols[end])) break;
        merge_part(bpe, word, scratch, begin, end, out);
    }
    const bool dropped = bpe->byte_level && bpe->unknown_id < 0 && n < size;
    if (dropped && out->n > first && !out->failed) place_in_alphabet(bpe, word, out->items + first, out->n - first);
}

void bpe_merge_symbols(const struct bpe *bpe, const int32_t *symbols, size_t n, struct bpe_scratch *scratch,
                       struct token_list *out) {
    if (!reserve_symbols(scratch, n)) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n;) add_symbol(scratch, &i, symbols[i], i, 1);
    merge_part(bpe, NULL, scratch, 0, n, out);
}

/* A word that is itself a token is that token if encoding leads there, which is the same every time it is asked. */
static bool is_whole(const struct bpe *bpe, int32_t id, const char *word, size_t size, struct bpe_scratch *scratch,
                     struct token_list *out) {
    if (bpe->ignore_merges) return true;
    unsigned char known = atomic_load_explicit(&bpe->whole[id], memory_order_relaxed);
    if (known != WHOLE_UNKNOWN) return known == WHOLE_YES;
    size_t n = out->n;
    encode_symbols(bpe, word, size, scratch, out);
    bool whole = !out->failed && out->n == n + 1 && out->items[n].id == id;
    if (!out->failed) atomic_store_explicit(&bpe->whole[id], whole ? WHOLE_YES : WHOLE_NO, memory_order_relaxed);
    out->n = n;
    return whole;
}

void bpe_encode(const struct bpe *bpe, const char *word, size_t size, struct bpe_scratch *scratch,
                struct token_list *out) {
    if (bpe->ranking != BPE_SCORES && size <= bpe->longest_token) {
        bool plain = bpe->byte_level || (!bpe->prefix && !bpe->suffix);
        int32_t id = plain || bpe->ignore_merges ? find_text(bpe, word, size) : -1;
        if (id >= 0 && is_whole(bpe, id, word, size, scratch, out)) {
            token_list_push(out, id, 0, size);
            return;
        }
    }
    encode_symbols(bpe, word, size, scratch, out);
}

void bpe_scratch_release(struct bpe_scratch *scratch) {
    mem_free(scratch->symbols);
    mem_free(scratch->heap);
}
