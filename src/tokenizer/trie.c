/* Building the trie breadth first from sorted keys makes the children of a node consecutive: edge e leads to node e +
 * 1, so targets need no table. */
#include "tokenizer/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int compare_keys(const void *left, const void *right) {
    const struct trie_key *a = left, *b = right;
    int order = memcmp(a->bytes, b->bytes, min_size(a->size, b->size));
    if (order) return order;
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

void trie_release(struct trie *trie) {
    mem_free(trie->nodes);
    mem_free(trie->labels);
    memset(trie, 0, sizeof *trie);
}

/* Gives node its edges: keys[low, high) share its path of `depth` bytes. ranges[i] is where the keys of node i begin.
 * */
static void expand(struct trie *trie, const struct trie_key *keys, uint32_t node, uint32_t (*ranges)[2]) {
    struct trie_node *n = &trie->nodes[node];
    uint32_t low = ranges[node][0], high = ranges[node][1], depth = n->depth;
    n->value = -1;
    n->first_edge = trie->n_nodes - 1;
    for (; low < high && keys[low].size == depth; low++)
        if (n->value < 0) n->value = keys[low].value;
    while (low < high) {
        uint8_t byte = (uint8_t)keys[low].bytes[depth];
        uint32_t child = trie->n_nodes++, from = low;
        while (low < high && (uint8_t)keys[low].bytes[depth] == byte) low++;
        ranges[child][0] = from;
        ranges[child][1] = low;
        trie->nodes[child].depth = depth + 1;
        trie->labels[child - 1] = byte;
        trie->nodes[node].n_edges++;
        if (node == 0) trie->root[byte] = child;
    }
}

static void link_failures(struct trie *trie) {
    struct trie_node *nodes = trie->nodes;
    nodes[0].matched = TRIE_DEAD;
    for (uint32_t node = 0; node < trie->n_nodes; node++) {
        for (uint32_t e = 0; e < nodes[node].n_edges; e++) {
            uint32_t child = nodes[node].first_edge + e + 1, fail = node ? nodes[node].fail : 0;
            uint8_t byte = trie->labels[child - 1];
            struct trie_node *c = &nodes[child];
            if (c->value >= 0) {
                c->fail = TRIE_DEAD;
                c->matched = child;
                continue;
            }
            if (node) {
                uint32_t next = 0;
                while (fail != TRIE_DEAD && !(next = trie_child(trie, fail, byte)) && fail) fail = nodes[fail].fail;
                if (fail != TRIE_DEAD) fail = next;
            }
            c->fail = fail;
            c->matched = fail == TRIE_DEAD ? TRIE_DEAD : nodes[fail].matched;
        }
    }
}

bn_status trie_build(struct trie *trie, struct trie_key *keys, size_t n, bn_error *err) {
    memset(trie, 0, sizeof *trie);
    size_t total = 1;
    for (size_t i = 0; i < n; i++) {
        keys[i].order = (uint32_t)i;
        total += keys[i].size;
        trie->longest = (uint32_t)max_size(trie->longest, keys[i].size);
        if ((uint32_t)keys[i].value >= trie->n_values) trie->n_values = (uint32_t)keys[i].value + 1;
    }
    if (total > UINT32_MAX / 32)
        return fail(err, BN_STATUS_UNSUPPORTED, "vocabulary of %zu bytes, at most 128 MiB are read", total);
    uint32_t(*ranges)[2] = mem_alloc_array(total, sizeof *ranges);
    trie->nodes = mem_calloc(total, sizeof *trie->nodes);
    trie->labels = mem_alloc_array(total, 1);
    if (!ranges || !trie->nodes || !trie->labels) {
        mem_free(ranges);
        trie_release(trie);
        return fail_no_memory(err, total * sizeof *trie->nodes);
    }
    if (n) qsort(keys, n, sizeof *keys, compare_keys);
    trie->n_nodes = 1;
    ranges[0][0] = 0;
    ranges[0][1] = (uint32_t)n;
    for (uint32_t node = 0; node < trie->n_nodes; node++) expand(trie, keys, node, ranges);
    mem_free(ranges);
    link_failures(trie);
    struct trie_node *nodes = mem_realloc_array(trie->nodes, trie->n_nodes, sizeof *nodes);
    if (nodes) trie->nodes = nodes;
    return BN_OK;
}

bool trie_check_root(const struct trie *trie) {
    if (trie->n_nodes == 0) return true;
    for (size_t byte = 0; byte < 256; byte++)
        if (trie->root[byte] >= trie->n_nodes) return false;
    return trie->n_values <= INT32_MAX && trie->longest <= TRIE_DEEPEST_WALK;
}

/* A node's failure link leads to one less deep, and what has matched there is no longer than the path: so searching
 * ends, and never begins before the text. */
bool trie_check_links(const struct trie *trie) {
    const struct trie_node *nodes = trie->nodes;
    uint64_t children = 1;
    for (uint32_t i = 0; i < trie->n_nodes; i++) {
        const struct trie_node *n = &nodes[i];
        if (n->first_edge != children - 1 || n->n_edges > 256 || children + n->n_edges > trie->n_nodes) return false;
        for (; children < (uint64_t)n->first_edge + 1 + n->n_edges; children++)
            if (nodes[children].depth != n->depth + 1) return false;
        if (n->fail != TRIE_DEAD && (n->fail >= trie->n_nodes || (i > 0 && nodes[n->fail].depth >= n->depth)))
            return false;
        if (n->matched == TRIE_DEAD) continue;
        if (n->matched >= trie->n_nodes || nodes[n->matched].depth > n->depth || trie_value(trie, n->matched) < 0)
            return false;
    }
    for (size_t byte = 0; byte < 256 && trie->n_nodes > 0; byte++)
        if (trie->root[byte] && nodes[trie->root[byte]].depth != 1) return false;
    return trie->n_nodes == 0 || (nodes[0].depth == 0 && children == trie->n_nodes);
}

bool trie_search(const struct trie *trie, const char *text, size_t n, size_t from, size_t *begin, size_t *end,
                 int32_t *value) {
    if (trie->n_nodes <= 1) return false;
    bool found = false;
    uint32_t state = 0;
    for (size_t i = from; i < n; i++) {
        while (state == 0 && i < n && !trie->root[(uint8_t)text[i]]) i++; /* nearly all of nearly every text */
        if (i == n) break;
        uint8_t byte = (uint8_t)text[i];
        uint32_t next;
        while (!(next = trie_child(trie, state, byte)) && state) {
            state = trie->nodes[state].fail;
            if (state == TRIE_DEAD) return found;
        }
        state = next;
        uint32_t matched = trie->nodes[state].matched;
        if (matched != TRIE_DEAD) {
            found = true;
            *end = i + 1;
            *begin = *end - trie->nodes[matched].depth;
            *value = trie->nodes[matched].value;
        }
    }
    return found;
}

size_t trie_longest_prefix(const struct trie *trie, const char *text, size_t n, int32_t *value) {
    size_t longest = 0;
    if (trie->n_nodes <= 1) return 0;
    uint32_t node = 0;
    n = min_size(n, trie->longest);
    for (size_t i = 0; i < n && (node = trie_child(trie, node, (uint8_t)text[i])); i++)
        if (trie_value(trie, node) >= 0) {
            longest = i + 1;
            *value = trie_value(trie, node);
        }
    return longest;
}
