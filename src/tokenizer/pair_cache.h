/* What two neighbouring tokens became when they were last joined (bpe_join): at most two.
 *
 * A slot is one atomic word, so threads share the cache without locks, and it holds the whole pair: the bits of its two
 * ids are turned into as many others, of which some choose the slot and the rest stand in it. It never changes a result. */
#ifndef TOKENIZER_PAIR_CACHE_H
#define TOKENIZER_PAIR_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

enum { PAIR_CACHE_SLOT_BITS = 19, PAIR_CACHE_MAX_ID_BITS = 20, PAIR_CACHE_BYTES = 8 << PAIR_CACHE_SLOT_BITS };

struct pair_cache {
    /* rest of the pair · 2^(2 id_bits + 2) | second id · 2^(id_bits + 2) | first id · 4 | number of ids; 0: free */
    _Atomic uint64_t *slots;
    unsigned id_bits;
};

/* n_ids: ids are below; with more than 2^20 nothing is kept. 4 MiB, touched only as they are used. false: no memory. */
static inline bool pair_cache_init(struct pair_cache *cache, size_t n_ids) {
    cache->id_bits = (PAIR_CACHE_SLOT_BITS + 1) / 2;
    while (cache->id_bits <= PAIR_CACHE_MAX_ID_BITS && n_ids > (size_t)1 << cache->id_bits) cache->id_bits++;
    cache->slots = mem_map(PAIR_CACHE_BYTES); /* huge pages: a slot is seldom where the one before was */
    return cache->slots != NULL;
}

static inline void pair_cache_release(struct pair_cache *cache) {
    mem_unmap((void *)cache->slots, PAIR_CACHE_BYTES);
    cache->slots = NULL;
}

/* One to one among the numbers of 2 id_bits: odd factors, and a shift by half of the bits. */
static inline uint64_t pair_cache_key(const struct pair_cache *cache, int32_t left, int32_t right) {
    const uint64_t mask = (UINT64_C(1) << 2 * cache->id_bits) - 1;
    uint64_t key = (uint64_t)(uint32_t)left << cache->id_bits | (uint32_t)right;
    key = key * UINT64_C(0x9e3779b97f4a7c15) & mask;
    key ^= key >> cache->id_bits;
    return key * UINT64_C(0xc2b2ae3d27d4eb4f) & mask;
}

static inline _Atomic uint64_t *pair_cache_slot(const struct pair_cache *cache, uint64_t key) {
    return &cache->slots[key >> (2 * cache->id_bits - PAIR_CACHE_SLOT_BITS)];
}

/* The part of a slot that tells the pair. */
static inline uint64_t pair_cache_rest(const struct pair_cache *cache, uint64_t key) {
    return (key & ((UINT64_C(1) << (2 * cache->id_bits - PAIR_CACHE_SLOT_BITS)) - 1)) << (2 * cache->id_bits + 2);
}

/* The number of ids that a pair becomes, written to ids; -1 if that isn't known. */
static inline int pair_cache_find(const struct pair_cache *cache, int32_t left, int32_t right, int32_t ids[2]) {
    const unsigned bits = cache->id_bits;
    if (bits > PAIR_CACHE_MAX_ID_BITS) return -1;
    const uint64_t key = pair_cache_key(cache, left, right), id_mask = (UINT64_C(1) << bits) - 1;
    const uint64_t slot = atomic_load_explicit(pair_cache_slot(cache, key), memory_order_relaxed);
    const uint64_t value = slot ^ pair_cache_rest(cache, key);
    if (value >> (2 * bits + 2) || (value & 3) == 0) return -1;
    ids[0] = (int32_t)(value >> 2 & id_mask);
    ids[1] = (int32_t)(value >> (bits + 2) & id_mask);
    return (int)(value & 3);
}

/* ids: n of them, 1 or 2; other numbers aren't kept. */
static inline void pair_cache_keep(const struct pair_cache *cache, int32_t left, int32_t right, const int32_t *ids,
                                   size_t n) {
    const unsigned bits = cache->id_bits;
    if (bits > PAIR_CACHE_MAX_ID_BITS || n - 1 > 1) return;
    const uint64_t key = pair_cache_key(cache, left, right);
    const uint64_t value =
        (uint64_t)(n == 2 ? (uint32_t)ids[1] : 0) << (bits + 2) | (uint64_t)(uint32_t)ids[0] << 2 | n;
    atomic_store_explicit(pair_cache_slot(cache, key), pair_cache_rest(cache, key) | value, memory_order_relaxed);
}

/* Says that a pair will be looked for soon. */
static inline void pair_cache_prefetch(const struct pair_cache *cache, int32_t left, int32_t right) {
    if (cache->id_bits <= PAIR_CACHE_MAX_ID_BITS)
        __builtin_prefetch((const void *)pair_cache_slot(cache, pair_cache_key(cache, left, right)));
}

#endif
