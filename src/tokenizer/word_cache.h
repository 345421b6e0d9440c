/* What words became when they were last encoded.
 *
 * Natural text says the same few words again and again (Zipf's law), so most words are answered by one cache line
 * instead of a search through the vocabulary. The cache has a fixed size and never changes a result: a slot holds the
 * whole word, not only its hash. Threads share it without locks: a slot is one cache line of atomic words, written by
 * one thread at a time, whose header counts the writes. A reader that finds the header unchanged after it has read the
 * slot has read one write's content (a sequence lock); otherwise it has missed. */
#ifndef TOKENIZER_WORD_CACHE_H
#define TOKENIZER_WORD_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

enum {
    WORD_CACHE_MAX_BYTES = 24, /* longer words, and those of more tokens, aren't kept */
    WORD_CACHE_MAX_IDS = 8,
    WORD_CACHE_WAYS = 2, /* slots that a word may be in */
};

/* header: number of writes · 2^17 | being written · 2^16 | bytes of the word · 2^8 | number of ids; 0: free. Loads of
 * the content acquire and stores of it release, so that a reader that has seen a part of a write sees its header. */
struct word_slot {
    _Atomic uint64_t header;
    _Atomic uint64_t bytes[WORD_CACHE_MAX_BYTES / 8]; /* zeros behind the word */
    _Atomic uint64_t ids[WORD_CACHE_MAX_IDS / 2];
};

struct word_cache {
    struct word_slot *slots; /* NULL: no cache */
    void *memory;
};

/* A word as it is looked for. */
struct word_key {
    uint64_t bytes[WORD_CACHE_MAX_BYTES / 8];
    size_t size;
    uint64_t hash;
};

bool word_cache_init(struct word_cache *cache); /* false: no memory */
void word_cache_release(struct word_cache *cache);

/* The first n ≤ 8 of at least 8 readable bytes. */
static inline uint64_t word_key_load(const char *bytes, size_t n) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    if (n == 8) return word;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return word & ((UINT64_C(1) << 8 * n) - 1);
#else
    return n ? word >> 8 * (8 - n) << 8 * (8 - n) : 0;
#endif
}

/* The key of a word of 1 … WORD_CACHE_MAX_BYTES bytes. readable: bytes that may be read from its beginning. */
static inline struct word_key word_key_of(const char *word, size_t size, size_t readable) {
    struct word_key key = {.size = size};
    if (readable >= WORD_CACHE_MAX_BYTES) {
        key.bytes[0] = word_key_load(word, size < 8 ? size : 8);
        if (size > 8) key.bytes[1] = word_key_load(word + 8, size < 16 ? size - 8 : 8);
        if (size > 16) key.bytes[2] = word_key_load(word + 16, size - 16);
    } else {
        memcpy(key.bytes, word, size);
    }
    uint64_t state = hash_mix(key.bytes[0], key.size);
    if (size > 8) state = hash_mix(state ^ key.bytes[1], key.bytes[2]);
    key.hash = state;
    return key;
}

/* Says that a word will be looked for soon. */
void word_cache_prefetch(const struct word_cache *cache, const struct word_key *key);
/* The number of ids of a word, written to ids[WORD_CACHE_MAX_IDS]; -1 if it isn't there. */
int word_cache_find(const struct word_cache *cache, const struct word_key *key, int32_t *ids);
/* Remembers a word's n ≤ WORD_CACHE_MAX_IDS ids, unless another thread writes to the same place just then. */
void word_cache_keep(const struct word_cache *cache, const struct word_key *key, const int32_t *ids, size_t n);

#endif
