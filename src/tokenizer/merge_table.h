/* Merges by pair of ids: open addressing in one flat array that is built in memory or mapped from a compiled file. Most
 * pairs that are asked for have no merge: a bit for each that has (and some others) is looked at first, since all bits fit
 * into caches that the merges don't.
 * Lookups in a hostile one end after a bounded number of slots and give no id outside the bounds. */
#ifndef TOKENIZER_MERGE_TABLE_H
#define TOKENIZER_MERGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpe_merge {
    int32_t left, right; /* left < 0: free slot */
    int32_t rank, id;    /* its place in the list of merges, and what the pair becomes */
};

enum { MERGE_TABLE_MAX_PROBES = 1024 };

struct merge_table {
    struct bpe_merge *slots;
    uint8_t *filter; /* bits, eight for each slot */
    size_t capacity; /* power of two, at most two thirds full */
    size_t count;
    uint64_t seed;
    size_t probes; /* slots that a lookup looks at, at most */
    size_t n_ids;  /* ids are below */
};

/* Room for n merges. false: no memory. */
bool merge_table_init(struct merge_table *table, size_t n);
void merge_table_release(struct merge_table *table);
/* A pair that is there already gets the new rank and id. false: more than n pairs, or too many collide. */
bool merge_table_add(struct merge_table *table, struct bpe_merge merge);

static inline uint64_t merge_table_hash(const struct merge_table *table, int32_t left, int32_t right) {
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ table->seed;
    __uint128_t product = (__uint128_t)key * 0x9e3779b97f4a7c15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline size_t merge_table_slot(const struct merge_table *table, int32_t left, int32_t right) {
    return (size_t)merge_table_hash(table, left, right) & (table->capacity - 1);
}

/* The byte and the bit of a pair in the filter: other bits of the hash than those that choose the slot. */
static inline size_t merge_table_filter_byte(const struct merge_table *table, uint64_t hash) {
    return (size_t)(hash >> 36) & (table->capacity - 1);
}
static inline unsigned merge_table_filter_bit(uint64_t hash) {
    return (unsigned)(hash >> 33) & 7;
}

static inline void merge_table_prefetch(const struct merge_table *table, int32_t left, int32_t right) {
    __builtin_prefetch(&table->slots[merge_table_slot(table, left, right)], 1);
}

/* NULL when the pair can't be merged. */
static inline const struct bpe_merge *merge_table_find(const struct merge_table *table, int32_t left, int32_t right) {
    const uint64_t hash = merge_table_hash(table, left, right);
    if (!(table->filter[merge_table_filter_byte(table, hash)] >> merge_table_filter_bit(hash) & 1)) return NULL;
    size_t i = (size_t)hash & (table->capacity - 1);
    for (size_t n = table->probes; n > 0; n--, i = (i + 1) & (table->capacity - 1)) {
        const struct bpe_merge *merge = &table->slots[i];
        if (merge->left == left && merge->right == right) return (size_t)merge->id < table->n_ids ? merge : NULL;
        if (merge->left < 0) break;
    }
    return NULL;
}

#endif
