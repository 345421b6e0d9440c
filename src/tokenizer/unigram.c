/* Viterbi over byte positions. A node keeps the best way to reach it; equal scores keep the earlier one.
 *
 * Where no piece begins before a position and ends behind it, every path goes through that position: the path up to it
 * is final, its tokens are given out, and the search begins anew there with the score so far. Natural text has such
 * positions at nearly every space, so the nodes of a long text fit in the first cache. */
#include "tokenizer/unigram.h"

#include <float.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum {
    LONGEST_PIECE = 2048,
    LEAST_WINDOW = 256, /* bytes that are searched before their path is given out */
};
#define UNKNOWN_PENALTY 10.0

struct unigram_node {
    union {
        double score;
        uint32_t to; /* once the search is over: where the piece that begins here ends */
    };
    uint32_t from;
    int32_t id; /* -1: not reached yet */
};

static bool comes_out_of_text(struct vocabulary_token token, bool sentencepiece) {
    if (!token.text || token.size == 0 || !(token.flags & TOKEN_MODEL)) return false;
    return !sentencepiece || !(token.flags & (TOKEN_CONTROL | TOKEN_BYTE | TOKEN_UNUSED));
}

bn_status unigram_finish(struct unigram *unigram, bool sentencepiece, bn_error *err) {
    const struct vocabulary *vocabulary = unigram->vocabulary;
    struct trie_key *keys = mem_alloc_array(vocabulary->size + 1, sizeof *keys);
    if (!keys) return fail_no_memory(err, vocabulary->size * sizeof *keys);
    memset(unigram->byte_ids, 0xff, sizeof unigram->byte_ids);
    size_t first = vocabulary->size; /* keys fill their array from its end: of equal pieces the last is found */
    double lowest = 0, highest = 0;
    bool any = false;
    for (size_t id = 0; id < vocabulary->size; id++) {
        const struct vocabulary_token token = vocabulary_token(vocabulary, id);
        if (!token.text) continue;
        int byte = byte_token_value(token.text, token.size);
        if (byte >= 0 && (!sentencepiece || token.flags & TOKEN_BYTE)) unigram->byte_ids[byte] = (int32_t)id;
        bool normal = !sentencepiece || !(token.flags & (TOKEN_CONTROL | TOKEN_BYTE | TOKEN_UNUSED | TOKEN_USER));
        if (normal && token.flags & TOKEN_MODEL && (!sentencepiece || (int32_t)id != unigram->unknown_id)) {
            if (!any || unigram->scores[id] < lowest) lowest = unigram->scores[id];
            if (!any || unigram->scores[id] > highest) highest = unigram->scores[id];
            any = true;
        }
        if (!comes_out_of_text(token, sentencepiece) || (sentencepiece && (int32_t)id == unigram->unknown_id)) continue;
        if (token.size > LONGEST_PIECE) {
            mem_free(keys);
            return fail(err, BN_STATUS_UNSUPPORTED, "token %zu has %u bytes, unigram pieces may have %d", id,
                        token.size, LONGEST_PIECE);
        }
        keys[--first] = (struct trie_key){.bytes = token.text, .size = token.size, .value = (int32_t)id};
    }
    unigram->unknown_score =
        sentencepiece ? (double)((float)lowest - (float)UNKNOWN_PENALTY) : lowest - UNKNOWN_PENALTY;
    unigram->highest_score = sentencepiece && highest < FLT_MIN ? FLT_MIN : highest;
    bn_status status = trie_build(&unigram->trie, keys + first, vocabulary->size - first, err);
    mem_free(keys);
    return status;
}

void unigram_release(struct unigram *unigram) {
    trie_release(&unigram->trie);
    mem_free(unigram->scores);
}

void unigram_scratch_release(struct unigram_scratch *scratch) {
    mem_free(scratch->nodes);
}

static void offer(const struct unigram *unigram, struct unigram_node *node, double score, size_t from, int32_t id) {
    if (node->id >= 0 && !(score > node->score)) return;
    if (unigram->single_precision) score = (float)score;
    *node = (struct unigram_node){.score = score, .from = (uint32_t)from, .id = id};
}

/* Score of the best path so far plus a piece of so many bytes. sentencepiece: sums of ordinary pieces are rounded to
 * float before they are compared, user-defined pieces get length · highest score − 0.1 so that they always win. */
static double extended(const struct unigram *unigram, double so_far, int32_t id, size_t size) {
    if (!unigram->single_precision) return so_far + unigram->scores[id];
    if (unigram->vocabulary->records[id].flags & TOKEN_USER)
        return so_far + ((double)((float)size * (float)unigram->highest_score) - 0.1);
    return (float)so_far + (float)unigram->scores[id];
}

/* The part of a text that is searched. Positions are relative to its beginning. */
struct window {
    const char *text;
    size_t size;                /* up to the end of the text */
    size_t furthest;            /* the last node reached so far; those behind it aren't initialized */
    struct unigram_node *nodes; /* the scratch's */
};

/* The node at `to`, which may be the furthest yet. */
static struct unigram_node *reach(struct window *w, size_t to) {
    while (w->furthest < to) w->nodes[++w->furthest].id = -1;
    return &w->nodes[to];
}

/* All pieces that begin with the character of `length` bytes at `at`; false when it is in none and there is no unknown
 * token. */
static bool extend(const struct unigram *unigram, struct window *w, size_t at, size_t length) {
    const struct trie *trie = &unigram->trie;
    const double so_far = w->nodes[at].score;
    const size_t end = min_size(w->size, at + trie->longest);
    uint32_t node = 0;
    bool single = false;
    for (size_t i = at; trie->n_nodes > 1 && i < end && (node = trie_child(trie, node, (uint8_t)w->text[i])); i++) {
        int32_t id = trie_value(trie, node);
        if (id < 0) continue;
        offer(unigram, reach(w, i + 1), extended(unigram, so_far, id, i + 1 - at), at, id);
        single |= i + 1 - at == length;
    }
    if (single) return true;
    if (unigram->unknown_id < 0) return false;
    double unknown = so_far + unigram->unknown_score;
    if (unigram->single_precision) unknown = (float)unknown;
    offer(unigram, reach(w, at + length), unknown, at, unigram->unknown_id);
    return true;
}

/* The piece that a run of unknowns is, -1 for none. To tokenizer.json's reference a piece that is the unknown token, or
 * a run of them, is unknown only once its text isn't found among the pieces. */
static int32_t piece_of_run(const struct unigram *unigram, const char *text, size_t size) {
    if (unigram->single_precision) return -1;
    int32_t id = -1;
    return trie_longest_prefix(&unigram->trie, text, size, &id) == size ? id : -1;
}

/* An unknown run, bytes [begin, end) of the window, which begins at `base` of the text. */
static void emit_unknown(const struct unigram *unigram, const struct window *w, size_t base, size_t begin, size_t end,
                         struct token_list *out) {
    const int32_t piece = piece_of_run(unigram, w->text + begin, end - begin);
    if (piece >= 0) {
        token_list_push(out, piece, base + begin, base + end);
        return;
    }
    bool bytes = unigram->byte_fallback;
    for (size_t i = begin; bytes && i < end; i++) bytes = unigram->byte_ids[(uint8_t)w->text[i]] >= 0;
    if (!bytes)
        token_list_push(out, unigram->unknown_id, base + begin, base + end);
    else
        for (size_t i = begin; i < end; i++)
            token_list_push(out, unigram->byte_ids[(uint8_t)w->text[i]], base + begin, base + end);
}

/* The tokens of the best path to the node at `size`. */
static void emit_path(const struct unigram *unigram, struct window *w, size_t base, size_t size,
                      struct token_list *out) {
    struct unigram_node *nodes = w->nodes;
    for (size_t at = size; at > 0; at = nodes[at].from) nodes[nodes[at].from].to = (uint32_t)at;
    for (size_t begin = 0, end; begin < size; begin = end) {
        end = nodes[begin].to;
        int32_t id = nodes[end].id;
        if (id != unigram->unknown_id) {
            token_list_push(out, id, base + begin, base + end);
            continue;
        }
        while (end < size && nodes[nodes[end].to].id == id) end = nodes[end].to; /* runs of unknowns fuse */
        emit_unknown(unigram, w, base, begin, end, out);
    }
}

static bool reserve_nodes(struct unigram_scratch *scratch, size_t n) {
    if (n <= scratch->capacity) return true;
    size_t capacity = max_size(n, scratch->capacity * 2);
    struct unigram_node *nodes = mem_realloc_array(scratch->nodes, capacity, sizeof *nodes);
    if (!nodes) return false;
    scratch->nodes = nodes;
    scratch->capacity = capacity;
    return true;
}

bn_status unigram_encode(const struct unigram *unigram, const char *text, size_t size, struct unigram_scratch *scratch,
                         struct token_list *out, bn_error *err) {
    const size_t reach_of_one = max_size(unigram->trie.longest, 4) + 1;
    double score = 0;
    for (size_t base = 0, at; base < size; base += at) {
        struct window w = {.text = text + base, .size = size - base};
        for (at = 0; at < w.size;) {
            if (!reserve_nodes(scratch, at + min_size(reach_of_one, w.size - at + 1)))
                return fail_no_memory(err, (at + reach_of_one) * sizeof *w.nodes);
            w.nodes = scratch->nodes;
            if (at == 0) w.nodes[0] = (struct unigram_node){.score = score};
            uint32_t c;
            size_t length = unicode_next(w.text + at, w.size - at, &c);
            if (!extend(unigram, &w, at, length))
                return fail(err, BN_STATUS_BAD_FILE,
                            "the text has a character that is in no token, and the vocabulary has no unknown token");
            at += length;
            if (at == w.furthest && at >= LEAST_WINDOW && w.nodes[at].id != unigram->unknown_id) break;
        }
        score = w.nodes[at].score;
        emit_path(unigram, &w, base, at, out);
    }
    return BN_OK;
}
