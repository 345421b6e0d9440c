/* SentencePiece's precompiled character maps: a double-array trie (Darts) from UTF-8 to replacements. */
#ifndef TOKENIZER_PRECOMPILED_H
#define TOKENIZER_PRECOMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct precompiled {
    uint32_t *units; /* NULL: no map */
    size_t n_units;
    char *replacements; /* NUL-terminated strings back to back */
    size_t replacements_size;
    bool plain[128]; /* ASCII characters that nothing in the map begins with, but maybe with a combining character */
};

/* blob: size of the trie in bytes (u32), its units, the replacements. Copied. */
bn_status precompiled_read(const uint8_t *blob, size_t size, struct precompiled *out, bn_error *err);
/* Fills `plain` of a map whose other fields are set. */
void precompiled_find_plain(struct precompiled *map);
void precompiled_release(struct precompiled *map);
/* The replacement of the shortest, or the longest, prefix of text that the map knows; NULL when there is none. */
const char *precompiled_find(const struct precompiled *map, const char *text, size_t n, bool longest,
                             size_t *prefix_size);
/* Does the map leave this character alone, when what is behind it is ASCII too or nothing? */
static inline bool precompiled_is_plain(const struct precompiled *map, char c) {
    return (unsigned char)c < 128 && (!map->units || map->plain[(unsigned char)c]);
}

#endif
