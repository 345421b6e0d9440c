/* The cache of compiled tokenizers: $XDG_CACHE_HOME/bitnet/tokenizers (or ~/.cache/…), one image a tokenizer.
 *
 * An image is found by what it was made from: device, inode, size and times of every file that was, or could have been,
 * read, and the build of this library. A file that changes gets other times, so what is found is never stale; files
 * that changed a moment ago, whose times might not tell, aren't cached yet. An entry says when it was made, and that is its
 * own time of modification, too: one that was written to since isn't used. Images are written whole or not at all, and
 * several processes may do so at once. Nothing here is an error: without a cache a tokenizer is read from its files. */
#ifndef TOKENIZER_CACHE_H
#define TOKENIZER_CACHE_H

#include "base/file.h"
#include "tokenizer/image.h"
#include "tokenizer/pipeline.h"

struct cache_key {
    bool usable; /* the cache is wanted, and the files have been as they are for long enough */
    uint8_t id[16];
};

/* For a tokenizer's own file, and the files of these names beside it (NULL at the end; names NULL: none), which needn't
 * be there. Ask before anything is read. */
struct cache_key cache_key_of(const struct mapped_file *file, const char *const names[]);

/* The tokenizer from the cache; false when it isn't there. */
bool cache_find(const struct cache_key *key, bn_tokenizer **out);
/* Puts it there, if it is large enough to be worth it. false: that should have worked and didn't, and err says why. */
bool cache_store(const struct cache_key *key, const bn_tokenizer *tokenizer, bn_error *err);

#endif
