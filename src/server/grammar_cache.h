/* Compiled grammars by what they were made of, so that requests which ask for the same share it, and what has been learnt about
 * it for the model's vocabulary. Those that were used longest ago make room. Thread-safe. */
#ifndef SERVER_GRAMMAR_CACHE_H
#define SERVER_GRAMMAR_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "bitnet/grammar.h"

struct grammar_cache;

struct grammar_cache_stats {
    uint64_t hits, misses;
    size_t grammars, bytes;
};

/* max_bytes 0: nothing is kept. */
bn_status grammar_cache_create(size_t max_bytes, struct grammar_cache **out, bn_error *err);
/* Nobody may be in grammar_cache_get. Grammars that others hold live on. */
void grammar_cache_destroy(struct grammar_cache *cache);

/* The grammar of a key, to be released: what is kept, or what `make` makes of `context` now. Keys are compared as a whole.
 * Threads that want the same at the same time wait for the one that makes it. */
typedef bn_status (*grammar_maker)(const void *context, bn_grammar **out, bn_error *err);
bn_status grammar_cache_get(struct grammar_cache *cache, const char *key, size_t n_key, grammar_maker make,
                            const void *context, bn_grammar **out, bn_error *err);

struct grammar_cache_stats grammar_cache_stats(struct grammar_cache *cache);

#endif
