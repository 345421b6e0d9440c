/* Open-addressing hash map with linear probing. The hash is keyed with a secret, so names in a file can't be chosen
 * to collide without knowing it. */
#include "base/string_map.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

struct string_map_entry {
    const char *key; /* NULL = free */
    size_t key_bytes;
    uint32_t hash;
    uint32_t value;
};

static struct string_map_entry *slot_of(const struct string_map *map, const char *key, size_t n, uint32_t hash) {
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct string_map_entry *entry = &map->entries[i];
        if (!entry->key) return entry;
        if (entry->hash == hash && entry->key_bytes == n && (n == 0 || memcmp(entry->key, key, n) == 0)) return entry;
    }
}

static bool resize(struct string_map *map, size_t capacity) {
    struct string_map old = *map;
    map->entries = mem_calloc(capacity, sizeof *map->entries);
    if (!map->entries) {
        map->entries = old.entries;
        return false;
    }
    map->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        const struct string_map_entry *entry = &old.entries[i];
        if (entry->key) *slot_of(map, entry->key, entry->key_bytes, entry->hash) = *entry;
    }
    mem_free(old.entries);
    return true;
}

bool string_map_init(struct string_map *map, size_t expected) {
    *map = (struct string_map){0};
    map->seed = hash_random_seed();
    size_t capacity = 16;
    while (capacity / 4 * 3 < expected) {
        if (!mul_size(capacity, 2, &capacity)) return false;
    }
    return resize(map, capacity);
}

void string_map_release(struct string_map *map) {
    mem_free(map->entries);
    *map = (struct string_map){0};
}

int string_map_insert(struct string_map *map, const char *key, size_t key_bytes, uint32_t value) {
    if (map->count + 1 > map->capacity / 4 * 3) {
        size_t capacity;
        if (!mul_size(map->capacity ? map->capacity : 8, 2, &capacity) || !resize(map, capacity)) return -1;
    }
    uint32_t hash = (uint32_t)(hash_bytes(key, key_bytes, map->seed) >> 32);
    struct string_map_entry *entry = slot_of(map, key, key_bytes, hash);
    if (entry->key) return 0;
    *entry = (struct string_map_entry){.key = key, .key_bytes = key_bytes, .hash = hash, .value = value};
    map->count++;
    return 1;
}

bool string_map_find(const struct string_map *map, const char *key, size_t key_bytes, uint32_t *value) {
    if (!map->count) return false;
    const struct string_map_entry *entry =
        slot_of(map, key, key_bytes, (uint32_t)(hash_bytes(key, key_bytes, map->seed) >> 32));
    if (!entry->key) return false;
    *value = entry->value;
    return true;
}
