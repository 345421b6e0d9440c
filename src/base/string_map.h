/* Hash map from byte strings to uint32_t (indices of whatever the caller keeps beside it). Keys are not copied: they
 * must outlive the map. Open addressing, keyed hash (a file can't choose colliding names). Reading is thread-safe
 * once building is done. */
#ifndef BASE_STRING_MAP_H
#define BASE_STRING_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_map_entry;

struct string_map {
    struct string_map_entry *entries;
    size_t capacity; /* power of two or 0 */
    size_t count;
    uint64_t seed;
};

bool string_map_init(struct string_map *map, size_t expected); /* false: no memory */
void string_map_release(struct string_map *map);
/* 1 inserted, 0 the key was there already (value unchanged), -1 no memory. */
int string_map_insert(struct string_map *map, const char *key, size_t key_bytes, uint32_t value);
bool string_map_find(const struct string_map *map, const char *key, size_t key_bytes, uint32_t *value);

#endif
