/* Filling the map: open addressing with linear probing, at most half full. */
#include "tokenizer/token_map.h"

#include "base/memory.h"

bool text_pool_add(struct text_pool *pool, const char *text, size_t size, uint32_t *offset) {
    if (size >= UINT32_MAX - pool->size) return false;
    size_t needed = pool->size + size + 1;
    size_t inside = (size_t)((uintptr_t)text - (uintptr_t)pool->bytes); /* a text of the pool itself moves with it */
    bool own = pool->bytes && inside < pool->size;
    if (needed > pool->capacity) {
        size_t capacity = max_size(max_size(4096, needed), pool->capacity * 2);
        char *bytes = mem_realloc_array(pool->bytes, capacity, 1);
        if (!bytes) return false;
        pool->bytes = bytes;
        pool->capacity = capacity;
    }
    if (own) text = pool->bytes + inside;
    char *place = pool->bytes + pool->size;
    if (size) memcpy(place, text, size);
    place[size] = '\0';
    *offset = (uint32_t)pool->size;
    pool->size = needed;
    return true;
}

void text_pool_release(struct text_pool *pool) {
    mem_free(pool->bytes);
    *pool = (struct text_pool){0};
}

static bool allocate(struct token_map *map, size_t capacity) {
    struct token_slot *slots = mem_alloc_array(capacity, sizeof *slots);
    if (!slots) return false;
    memset(slots, 0xff, capacity * sizeof *slots);
    map->slots = slots;
    map->capacity = capacity;
    map->probes = 1;
    return true;
}

bool token_map_init(struct token_map *map, size_t expected) {
    *map = (struct token_map){.seed = hash_random_seed(), .n_ids = INT32_MAX};
    size_t capacity = 16;
    while (capacity / 2 < expected)
        if (!mul_size(capacity, 2, &capacity)) return false;
    return allocate(map, capacity);
}

void token_map_release(struct token_map *map) {
    mem_free(map->slots);
    *map = (struct token_map){0};
}

/* The first free slot for a text that isn't there yet. */
static void place(struct token_map *map, const struct token_slot *slot) {
    size_t i = slot->hash & (map->capacity - 1), probes = 1;
    for (; map->slots[i].id >= 0; probes++) i = (i + 1) & (map->capacity - 1);
    map->slots[i] = *slot;
    map->probes = max_size(map->probes, probes);
}

static bool grow(struct token_map *map) {
    struct token_map old = *map;
    size_t capacity;
    if (!mul_size(old.capacity, 2, &capacity) || !allocate(map, capacity)) return false;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].id >= 0) place(map, &old.slots[i]);
    mem_free(old.slots);
    return true;
}

int token_map_insert(struct token_map *map, const struct text_pool *pool, uint32_t text, uint32_t size, int32_t id) {
    const char *bytes = pool->bytes + text;
    uint32_t hash = token_map_hash(map, bytes, size);
    if (token_map_find_hashed(map, pool, bytes, size, hash) >= 0) return 0;
    /* Long probes don't happen with a seed nobody knows; a table that has them all the same gets sparser. */
    bool full = map->count + 1 > map->capacity / 2 || map->probes >= TOKEN_MAP_MAX_PROBES;
    if (full && !grow(map)) return -1;
    place(map, &(struct token_slot){hash, text, size, id});
    map->count++;
    return 1;
}
