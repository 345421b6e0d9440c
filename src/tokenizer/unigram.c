/* Viterbi over byte positions. A node keeps the best way to reach it; equal scores keep the earlier one. */
#include "tokenizer/unigram.h"

#include <float.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum { LONGEST_PIECE = 2048 };
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
    size_t n = 0;
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
        keys[n++] = (struct trie_key){.bytes = token.text, .size = token.size, .value = (int32_t)id};
    }
    unigram->unknown_score =
        sentencepiece ? (double)((float)lowest - (float)UNKNOWN_PENALTY) : lowest - UNKNOWN_PENALTY;
    unigram->highest_score = sentencepiece && highest < FLT_MIN ? FLT_MIN : highest;
    bn_status status = trie_build(&unigram->trie, keys, n, err);
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

/* Fills nodes[0 … size]; false where a character is in no piece and there is no unknown token. */
static bool search(const struct unigram *unigram, const char *text, size_t size, struct unigram_node *nodes) {
    const struct trie *trie = &unigram->trie;
    for (size_t i = 0; i <= size; i++) nodes[i].id = -1;
    nodes[0].score = 0;
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t c, node = 0;
        length = unicode_next(text + at, size - at, &c);
        bool single = false;
        size_t end = min_size(size, at + trie->longest);
        for (size_t i = at; trie->n_nodes > 1 && i < end && (node = trie_child(trie, node, (uint8_t)text[i])); i++) {
            int32_t id = trie_value(trie, node);
            if (id < 0) continue;
            offer(unigram, &nodes[i + 1], extended(unigram, nodes[at].score, id, i + 1 - at), at, id);
            single |= i + 1 - at == length;
        }
        if (single) continue;
        if (unigram->unknown_id < 0) return false;
        double unknown = nodes[at].score + unigram->unknown_score;
        if (unigram->single_precision) unknown = (float)unknown;
        offer(unigram, &nodes[at + length], unknown, at, unigram->unknown_id);
    }
    return true;
}

static void emit_unknown(const struct unigram *unigram, const char *text, size_t begin, size_t end,
                         struct token_list *out) {
    bool bytes = unigram->byte_fallback;
    for (size_t i = begin; bytes && i < end; i++) bytes = unigram->byte_ids[(uint8_t)text[i]] >= 0;
    if (!bytes)
        token_list_push(out, unigram->unknown_id, begin, end);
    else
        for (size_t i = begin; i < end; i++) token_list_push(out, unigram->byte_ids[(uint8_t)text[i]], begin, end);
}

bn_status unigram_encode(const struct unigram *unigram, const char *text, size_t size, struct unigram_scratch *scratch,
                         struct token_list *out, bn_error *err) {
    if (size + 1 > scratch->capacity) {
        struct unigram_node *nodes = mem_realloc_array(scratch->nodes, size + 1, sizeof *nodes);
        if (!nodes) return fail_no_memory(err, (size + 1) * sizeof *nodes);
        scratch->nodes = nodes;
        scratch->capacity = size + 1;
    }
    struct unigram_node *nodes = scratch->nodes;
    if (!search(unigram, text, size, nodes))
        return fail(err, BN_STATUS_BAD_FILE,
                    "the text has a character that is in no token, and the vocabulary has no unknown token");
    for (size_t at = size; at > 0; at = nodes[at].from) nodes[nodes[at].from].to = (uint32_t)at;
    for (size_t begin = 0, end; begin < size; begin = end) {
        end = nodes[begin].to;
        int32_t id = nodes[end].id;
        if (id != unigram->unknown_id) {
            token_list_push(out, id, begin, end);
            continue;
        }
        while (end < size && nodes[nodes[end].to].id == id) end = nodes[end].to; /* runs of unknowns fuse */
        emit_unknown(unigram, text, begin, end, out);
    }
    return BN_OK;
}
