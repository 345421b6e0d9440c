/* A trie over byte strings that is an Aho–Corasick automaton too ("Efficient string matching", CACM 18(6), 1975).
 *
 * Two uses: walking prefixes (Unigram, WordPiece), and finding the leftmost-longest of many strings in one pass
 * whatever the strings and the text are (added tokens). For the latter, a state on whose path a match has been seen
 * never falls back to a later start: its failure link is TRIE_DEAD. */
#ifndef TOKENIZER_TRIE_H
#define TOKENIZER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#define TRIE_DEAD UINT32_MAX

struct trie_key {
    const char
        *bytes; /* needed during trie_build only; an empty one is the value of the root, never found by a search */
    size_t size;
    int32_t value;  /* ≥ 0 */
    uint32_t order; /* filled by trie_build */
};

struct trie_node {
    uint32_t first_edge, n_edges;
    int32_t value; /* of the key that ends here, -1 for none */
    uint32_t depth;
    uint32_t fail;    /* node or TRIE_DEAD */
    uint32_t matched; /* the node of the longest key that is a suffix of this path, TRIE_DEAD for none */
};

struct trie {
    struct trie_node *nodes; /* [0] is the root; breadth first */
    uint8_t *labels;         /* [n_nodes - 1], of edges, ascending within a node; edge e leads to node e + 1 */
    uint32_t n_nodes;
    uint32_t n_values;  /* values are below */
    uint32_t longest;   /* bytes of the longest key */
    uint32_t root[256]; /* child of the root, 0 for none */
};

/* Of equal keys the first wins. keys is reordered. n may be 0. */
bn_status trie_build(struct trie *trie, struct trie_key *keys, size_t n, bn_error *err);
void trie_release(struct trie *trie);

/* Walks from the root go this deep, so that time is linear in the text whatever a compiled file holds. Tries that are
 * only searched may have longer keys. */
enum { TRIE_DEEPEST_WALK = 2048 };

/* A trie out of a file: is it safe to walk from its root, and to ask for values? Node by node only the walking itself
 * checks. */
bool trie_check_root(const struct trie *trie);
/* Is it safe to search, too? Looks at every node. */
bool trie_check_links(const struct trie *trie);

/* The child of node along byte, 0 when there is none. Eight labels are compared at once: bytes of `differs` that are
 * zero match, and the lowest of them is found by the carry it starts ("Hacker's Delight", section 6-1). */
static inline uint32_t trie_child(const struct trie *trie, uint32_t node, uint8_t byte) {
    if (node == 0) return trie->root[byte];
    const struct trie_node *n = &trie->nodes[node];
    const uint32_t n_labels = trie->n_nodes - 1;
    if ((uint64_t)n->first_edge + n->n_edges > n_labels) return 0; /* a hostile file */
    const uint8_t *labels = trie->labels + n->first_edge;
    uint32_t i = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (uint64_t word; i < n->n_edges && n->first_edge + i + 8 <= n_labels; i += 8) {
        memcpy(&word, labels + i, 8);
        uint64_t differs = word ^ ones * byte, zeros = (differs - ones) & ~differs & ones << 7;
        if (!zeros) continue;
        i += (uint32_t)__builtin_ctzll(zeros) / 8;
        return i < n->n_edges ? n->first_edge + i + 1 : 0;
    }
#endif
    for (; i < n->n_edges; i++)
        if (labels[i] == byte) return n->first_edge + i + 1;
    return 0;
}
/* The value of the key that ends at node, -1 for none. */
static inline int32_t trie_value(const struct trie *trie, uint32_t node) {
    int32_t value = trie->nodes[node].value;
    return (uint32_t)value < trie->n_values ? value : -1;
}

/* Leftmost-longest occurrence of any key in text[from, n): its value and place. */
bool trie_search(const struct trie *trie, const char *text, size_t n, size_t from, size_t *begin, size_t *end,
                 int32_t *value);
/* Length of the longest key that text begins with, 0 for none. */
size_t trie_longest_prefix(const struct trie *trie, const char *text, size_t n, int32_t *value);

#endif
