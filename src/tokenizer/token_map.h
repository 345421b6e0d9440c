/* Hash map from token texts to ids, without pointers: a slot says where its text lies in a pool of texts. Built in
 * memory or mapped from a compiled file (compiled.h), it is the same arrays.
 *
 * What is mapped may be hostile: a lookup looks at a bounded number of slots, and gives no id and reads no text
 * outside the bounds. */
#ifndef TOKENIZER_TOKEN_MAP_H
#define TOKENIZER_TOKEN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

/* Texts back to back, each with a NUL behind it. */
struct text_pool {
    char *bytes; /* NULL while empty */
    size_t size, capacity;
};

/* Copies text; its place is *offset. false: no memory, or more than 4 GiB. */
bool text_pool_add(struct text_pool *pool, const char *text, size_t size, uint32_t *offset);
void text_pool_release(struct text_pool *pool);

struct token_slot {
    uint32_t hash;
    uint32_t text, size; /* bytes of the pool */
    int32_t id;          /* negative: free */
};

enum { TOKEN_MAP_MAX_PROBES = 1024 };

struct token_map {
    struct token_slot *slots;
    size_t capacity; /* power of two, at most half full */
    size_t count;
    uint64_t seed;
    size_t probes; /* slots that a lookup looks at, at most: TOKEN_MAP_MAX_PROBES or fewer */
    size_t n_ids;  /* ids are below */
};

bool token_map_init(struct token_map *map, size_t expected); /* false: no memory */
void token_map_release(struct token_map *map);
/* 1 inserted, 0 the text was there already (its id unchanged), -1 no memory. */
int token_map_insert(struct token_map *map, const struct text_pool *pool, uint32_t text, uint32_t size, int32_t id);

static inline uint32_t token_map_hash(const struct token_map *map, const char *text, size_t size) {
    return (uint32_t)(hash_bytes(text, size, map->seed) >> 32);
}

/* Many lookups are done in three rounds: their slots and then their texts come from memory side by side, not one after
 * the other. */
static inline void token_map_prefetch_slot(const struct token_map *map, uint32_t hash) {
    __builtin_prefetch(&map->slots[hash & (map->capacity - 1)]);
}
static inline void token_map_prefetch_text(const struct token_map *map, const struct text_pool *pool, uint32_t hash) {
    const struct token_slot *slot = &map->slots[hash & (map->capacity - 1)];
    if (slot->id >= 0) __builtin_prefetch(pool->bytes + slot->text);
}

/* The id of a text whose hash is known, -1 for none. */
static inline int32_t token_map_find_hashed(const struct token_map *map, const struct text_pool *pool, const char *text,
                                            size_t size, uint32_t hash) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask, left = map->probes; left > 0; i = (i + 1) & mask, left--) {
        const struct token_slot *slot = &map->slots[i];
        if (slot->id < 0) return -1;
        if (slot->hash != hash || slot->size != size || size > pool->size || slot->text > pool->size - size) continue;
        if (size == 0 || memcmp(pool->bytes + slot->text, text, size) == 0)
            return (size_t)slot->id < map->n_ids ? slot->id : -1;
    }
    return -1;
}

/* The id of a text, -1 for none. */
static inline int32_t token_map_find(const struct token_map *map, const struct text_pool *pool, const char *text,
                                     size_t size) {
    return token_map_find_hashed(map, pool, text, size, token_map_hash(map, text, size));
}

#endif
