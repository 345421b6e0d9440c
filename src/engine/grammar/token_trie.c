/* See token_trie.h. */
#include "engine/grammar/token_trie.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tokenizer/token_bytes.h"

const char *token_trie_spelling(const struct token_trie *trie, int32_t id, size_t *n) {
    const char *bytes = bn_token_bytes_get(trie->bytes, id, n);
    if (*n) return bytes;
    size_t low = 0, high = trie->n_special;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (trie->special[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == trie->n_special || trie->special[low] != id) return "";
    *n = strlen(trie->spellings[low]);
    return trie->spellings[low];
}

static bn_status name_special(struct token_trie *trie, const bn_tokenizer *tokenizer, bn_error *err) {
    size_t n_vocab = min_size(bn_tokenizer_vocab_size(tokenizer), trie->vocab_size), n, n_special = 0;
    for (size_t id = 0; id < n_vocab; id++) {
        bn_token_bytes_get(trie->bytes, (int32_t)id, &n);
        n_special += n == 0 && bn_tokenizer_is_special(tokenizer, (int32_t)id);
    }
    trie->special = mem_alloc_array(n_special + 1, sizeof *trie->special);
    trie->spellings = mem_calloc(n_special + 1, sizeof *trie->spellings);
    if (!trie->special || !trie->spellings) return fail_no_memory(err, n_special * sizeof *trie->spellings);
    for (size_t id = 0; id < n_vocab; id++) {
        bn_token_bytes_get(trie->bytes, (int32_t)id, &n);
        if (n > 0 || !bn_tokenizer_is_special(tokenizer, (int32_t)id)) continue;
        const char *name = bn_tokenizer_token(tokenizer, (int32_t)id);
        size_t length = strlen(name);
        char *spelling = mem_calloc(length + 3, 1);
        if (!spelling) return fail_no_memory(err, length + 3);
        spelling[0] = spelling[length + 1] = (char)SPECIAL_MARK;
        memcpy(spelling + 1, name, length);
        trie->spellings[trie->n_special] = spelling;
        trie->special[trie->n_special++] = (int32_t)id;
    }
    return BN_OK;
}

/* ---- building: from the tokens in order of their bytes ---- */

static int compare_spellings(const void *a, const void *b, void *context) {
    size_t n_a, n_b;
    const char *x = token_trie_spelling(context, *(const int32_t *)a, &n_a);
    const char *y = token_trie_spelling(context, *(const int32_t *)b, &n_b);
    int order = memcmp(x, y, min_size(n_a, n_b));
    if (order) return order;
    return n_a < n_b ? -1 : n_a > n_b ? 1 : *(const int32_t *)a - *(const int32_t *)b;
}

/* The ids that can be asked for, sorted by what they spell: the table has most of them so. */
static bn_status sort_tokens(struct token_trie *trie, size_t *n_out, size_t *n_bytes, bn_error *err) {
    size_t n_sorted, n = 0, size;
    const int32_t *sorted = token_bytes_sorted(trie->bytes, &n_sorted);
    trie->tokens = mem_alloc_array(n_sorted + trie->n_special + 1, sizeof *trie->tokens);
    if (!trie->tokens) return fail_no_memory(err, n_sorted * sizeof *trie->tokens);
    *n_bytes = 0;
    for (size_t i = 0; i < n_sorted; i++) {
        const char *bytes = bn_token_bytes_get(trie->bytes, sorted[i], &size);
        if (size == 0 || size > LONGEST_TRIE_TOKEN || (size_t)sorted[i] >= trie->vocab_size ||
            memchr(bytes, SPECIAL_MARK, size))
            continue;
        trie->tokens[n++] = sorted[i];
        *n_bytes += size;
    }
    size_t n_text = n;
    for (size_t i = 0; i < trie->n_special; i++) {
        size = strlen(trie->spellings[i]);
        if (size > LONGEST_TRIE_TOKEN) continue;
        trie->tokens[n++] = trie->special[i];
        *n_bytes += size;
    }
    if (n > n_text) qsort_r(trie->tokens + n_text, n - n_text, sizeof *trie->tokens, compare_spellings, trie);
    *n_out = n;
    return BN_OK;
}

static void close_nodes(struct token_trie *trie, uint32_t *path, size_t *depth, size_t to) {
    while (*depth > to) trie->nodes[path[--*depth]].end = trie->n_nodes;
}

static bn_status add_nodes(struct token_trie *trie, size_t n, size_t n_bytes, bn_error *err) {
    uint32_t path[LONGEST_TRIE_TOKEN + 1];
    size_t depth = 0, size, n_previous = 0;
    const char *previous = "";
    trie->nodes = mem_alloc_array(n_bytes + 1, sizeof *trie->nodes);
    if (!trie->nodes) return fail_no_memory(err, n_bytes * sizeof *trie->nodes);
    for (uint32_t i = 0; i < n; i++) {
        const char *bytes = token_trie_spelling(trie, trie->tokens[i], &size);
        size_t shared = 0;
        while (shared < size && shared < n_previous && bytes[shared] == previous[shared]) shared++;
        close_nodes(trie, path, &depth, shared);
        for (; depth < size; depth++) {
            path[depth] = trie->n_nodes;
            trie->nodes[trie->n_nodes++] =
                (struct token_node){.first_token = i, .byte = (uint8_t)bytes[depth], .depth = (uint8_t)(depth + 1)};
            /* what is on the way has none of its own: its tokens end where those of the next node begin */
        }
        previous = bytes;
        n_previous = size;
    }
    close_nodes(trie, path, &depth, 0);
    trie->nodes[trie->n_nodes] = (struct token_node){.end = trie->n_nodes + 1, .first_token = (uint32_t)n};
    struct token_node *fitting = mem_realloc_array(trie->nodes, trie->n_nodes + 1, sizeof *fitting);
    if (fitting) trie->nodes = fitting;
    return BN_OK;
}

bn_status token_trie_create(const bn_tokenizer *tokenizer, const bn_token_bytes *bytes, size_t vocab_size,
                            struct token_trie **out, bn_error *err) {
    static atomic_uint_fast64_t serial;
    struct token_trie *trie = mem_calloc(1, sizeof *trie);
    if (!trie) return fail_no_memory(err, sizeof *trie);
    *trie = (struct token_trie){
        .serial = ++serial, .vocab_size = vocab_size, .mask_words = (vocab_size + 63) / 64, .bytes = bytes};
    size_t n = 0, n_bytes = 0;
    bn_status status = name_special(trie, tokenizer, err);
    if (!status) status = sort_tokens(trie, &n, &n_bytes, err);
    if (!status) status = add_nodes(trie, n, n_bytes, err);
    if (!status && !free_string_init(&trie->free_string, trie)) status = fail_no_memory(err, 64 * trie->mask_words);
    if (status) {
        token_trie_destroy(trie);
        return status;
    }
    *out = trie;
    return BN_OK;
}

void token_trie_destroy(struct token_trie *trie) {
    if (!trie) return;
    for (size_t i = 0; i < trie->n_special; i++) mem_free(trie->spellings[i]);
    mem_free(trie->spellings);
    free_string_release(&trie->free_string);
    mem_free(trie->special);
    mem_free(trie->nodes);
    mem_free(trie->tokens);
    mem_free(trie);
}

int32_t token_trie_longest(const struct token_trie *trie, const char *text, size_t n, size_t *length) {
    int32_t found = -1;
    size_t depth = 0; /* bytes that the node before i spells */
    uint32_t end = trie->n_nodes;
    for (uint32_t i = 0; i < end && depth < n;) {
        const struct token_node *node = &trie->nodes[i];
        if (node->byte != (uint8_t)text[depth]) {
            i = node->end; /* its next sibling */
            continue;
        }
        depth++;
        if (node->first_token < trie->nodes[i + 1].first_token) {
            found = trie->tokens[node->first_token];
            *length = depth;
        }
        end = node->end;
        i++;
    }
    return found;
}
