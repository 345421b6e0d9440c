/* Reading and writing slots; word_cache.h says why this is safe. */
#include "tokenizer/word_cache.h"

#include "base/memory.h"

enum { N_SETS = 1 << 13 }; /* × 2 slots of 64 bytes: 1 MiB, about the words of a novel */

#define BEING_WRITTEN UINT64_C(0x10000)
#define ONE_WRITE     UINT64_C(0x20000)

_Static_assert(sizeof(struct word_slot) == 64, "a slot is a cache line");

bool word_cache_init(struct word_cache *cache) {
    /* zeroed pages of the system: what is never used is never touched */
    cache->memory = mem_calloc((size_t)N_SETS * WORD_CACHE_WAYS + 1, sizeof *cache->slots);
    if (!cache->memory) return false;
    cache->slots = (struct word_slot *)round_up((uintptr_t)cache->memory, sizeof *cache->slots);
    return true;
}

void word_cache_release(struct word_cache *cache) {
    mem_free(cache->memory);
    *cache = (struct word_cache){0};
}

static struct word_slot *set_of(const struct word_cache *cache, const struct word_key *key) {
    return cache->slots + (key->hash & (N_SETS - 1)) * WORD_CACHE_WAYS;
}

void word_cache_prefetch(const struct word_cache *cache, const struct word_key *key) {
    __builtin_prefetch(set_of(cache, key));
}

static inline int read_slot(struct word_slot *slot, const struct word_key *key, int32_t *ids) {
    uint64_t header = atomic_load_explicit(&slot->header, memory_order_acquire);
    if ((header & 0x1ff00) != key->size << 8) return -1;
    uint64_t differs = 0;
    for (size_t i = 0; i < WORD_CACHE_MAX_BYTES / 8; i++)
        differs |= atomic_load_explicit(&slot->bytes[i], memory_order_acquire) ^ key->bytes[i];
    if (differs) return -1;
    size_t n = header & 0xff;
    for (size_t i = 0; i < WORD_CACHE_MAX_IDS / 2; i++) {
        uint64_t pair = atomic_load_explicit(&slot->ids[i], memory_order_acquire);
        ids[2 * i] = (int32_t)(uint32_t)pair;
        ids[2 * i + 1] = (int32_t)(uint32_t)(pair >> 32);
    }
    return atomic_load_explicit(&slot->header, memory_order_relaxed) == header ? (int)n : -1;
}

int word_cache_find(const struct word_cache *cache, const struct word_key *key, int32_t *ids) {
    struct word_slot *slot = set_of(cache, key);
    int n = read_slot(slot, key, ids);
    return n >= 0 ? n : read_slot(slot + 1, key, ids);
}

void word_cache_keep(const struct word_cache *cache, const struct word_key *key, const int32_t *ids, size_t n) {
    struct word_slot *slot = set_of(cache, key);
    uint64_t header = atomic_load_explicit(&slot->header, memory_order_relaxed);
    uint64_t other = atomic_load_explicit(&slot[1].header, memory_order_relaxed);
    if (other / ONE_WRITE < header / ONE_WRITE)
        slot++, header = other; /* the one written less often: they take turns */
    if (header & BEING_WRITTEN ||
        !atomic_compare_exchange_strong_explicit(&slot->header, &header, header | BEING_WRITTEN, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    for (size_t i = 0; i < WORD_CACHE_MAX_BYTES / 8; i++)
        atomic_store_explicit(&slot->bytes[i], key->bytes[i], memory_order_release);
    int32_t all[WORD_CACHE_MAX_IDS] = {0};
    memcpy(all, ids, n * sizeof *ids);
    for (size_t i = 0; i < WORD_CACHE_MAX_IDS / 2; i++)
        atomic_store_explicit(&slot->ids[i], (uint32_t)all[2 * i] | (uint64_t)(uint32_t)all[2 * i + 1] << 32,
                              memory_order_release);
    uint64_t writes = header / ONE_WRITE * ONE_WRITE + ONE_WRITE;
    atomic_store_explicit(&slot->header, writes | key->size << 8 | n, memory_order_release);
}
