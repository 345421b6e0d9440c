/* Reading a Darts-clone double array: each unit has a label, an offset and a leaf flag; units are checked against the
 * array's end at every step, since they come out of a file. */
#include "tokenizer/precompiled.h"

#include <string.h>

#include "base/memory.h"
#include "base/reader.h"

static uint32_t unit_label(uint32_t unit) {
    return unit & 0x800000ffu;
}
static uint32_t unit_offset(uint32_t unit) {
    return (unit >> 10) << ((unit & 0x200u) >> 6);
}
static bool unit_has_leaf(uint32_t unit) {
    return (unit >> 8) & 1;
}
static uint32_t unit_value(uint32_t unit) {
    return unit & 0x7fffffffu;
}

/* What the unit leads to along an ASCII byte, 0 for nothing. */
static size_t step(const struct precompiled *map, size_t node, uint8_t byte) {
    node ^= byte;
    if (node >= map->n_units || unit_label(map->units[node]) != byte) return 0;
    return node;
}

void precompiled_find_plain(struct precompiled *map) {
    if (map->n_units == 0) return;
    const size_t root = unit_offset(map->units[0]);
    for (unsigned c = 0; c < 128; c++) {
        size_t node = c ? step(map, root, (uint8_t)c) : 0;
        map->plain[c] = !node || !unit_has_leaf(map->units[node]);
        for (unsigned next = 1; node && map->plain[c] && next < 128; next++)
            map->plain[c] = !step(map, node ^ unit_offset(map->units[node]), (uint8_t)next);
    }
}

bn_status precompiled_read(const uint8_t *blob, size_t size, struct precompiled *out, bn_error *err) {
    *out = (struct precompiled){0};
    if (size == 0) return BN_OK;
    struct reader r = reader_over(blob, size);
    uint32_t trie_size = read_u32(&r, "size of the trie");
    const uint8_t *units = reader_take(&r, trie_size, "trie");
    if (!units || trie_size % 4 != 0 || trie_size == 0)
        return fail(err, BN_STATUS_BAD_FILE, "precompiled_charsmap: a trie of %u bytes doesn't fit in %zu bytes",
                    trie_size, size);
    out->n_units = trie_size / 4;
    out->replacements_size = reader_remaining(&r);
    out->units = mem_alloc(trie_size);
    out->replacements = mem_strndup((const char *)blob + r.at, out->replacements_size);
    if (!out->units || !out->replacements) {
        precompiled_release(out);
        return fail_no_memory(err, size);
    }
    memcpy(out->units, units, trie_size);
    memcpy(out->replacements, blob + r.at, out->replacements_size);
    precompiled_find_plain(out);
    return BN_OK;
}

void precompiled_release(struct precompiled *map) {
    mem_free(map->units);
    mem_free(map->replacements);
    *map = (struct precompiled){0};
}

const char *precompiled_find(const struct precompiled *map, const char *text, size_t n, bool longest,
                             size_t *prefix_size) {
    const char *found = NULL;
    if (!map->units) return NULL;
    size_t node = unit_offset(map->units[0]);
    for (size_t i = 0; i < n && text[i]; i++) {
        node ^= (uint8_t)text[i];
        if (node >= map->n_units || unit_label(map->units[node]) != (uint8_t)text[i]) break;
        uint32_t unit = map->units[node];
        node ^= unit_offset(unit);
        if (node >= map->n_units) break;
        if (!unit_has_leaf(unit)) continue;
        uint32_t value = unit_value(map->units[node]);
        if (value >= map->replacements_size) break;
        found = map->replacements + value;
        *prefix_size = i + 1;
        if (!longest) break;
    }
    return found;
}
