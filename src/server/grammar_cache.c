/* A grammar grows while it is used, so what it takes is measured again whenever something new is kept. */
#include "server/grammar_cache.h"

#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"

#define MAX_GRAMMARS 1024

struct kept {
    struct kept *newer, *older;
    uint64_t hash;
    char *key;
    size_t n_key, bytes;
    bn_grammar *grammar; /* NULL: a thread is making it */
};

struct grammar_cache {
    size_t max_bytes;
    uint64_t seed;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    pthread_cond_t made; /* something was made, or couldn't be */
    struct kept *newest, *oldest;
    struct grammar_cache_stats stats;
};

bn_status grammar_cache_create(size_t max_bytes, struct grammar_cache **out, bn_error *err) {
    struct grammar_cache *cache = mem_calloc(1, sizeof *cache);
    if (!cache) return fail_no_memory(err, sizeof *cache);
    cache->max_bytes = max_bytes;
    cache->seed = hash_random_seed();
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->made, NULL);
    *out = cache;
    return BN_OK;
}

/* ---- the list; under the lock ---- */

static void unlink_kept(struct grammar_cache *cache, struct kept *kept) {
    if (kept->newer)
        kept->newer->older = kept->older;
    else
        cache->newest = kept->older;
    if (kept->older)
        kept->older->newer = kept->newer;
    else
        cache->oldest = kept->newer;
}

static void link_newest(struct grammar_cache *cache, struct kept *kept) {
    kept->newer = NULL;
    kept->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = kept;
    else
        cache->oldest = kept;
    cache->newest = kept;
}

static void drop(struct grammar_cache *cache, struct kept *kept) {
    unlink_kept(cache, kept);
    cache->stats.grammars--;
    cache->stats.bytes -= kept->bytes;
    bn_grammar_release(kept->grammar);
    mem_free(kept->key);
    mem_free(kept);
}

static struct kept *find(const struct grammar_cache *cache, uint64_t hash, const char *key, size_t n_key) {
    struct kept *at = cache->newest;
    while (at && !(at->hash == hash && at->n_key == n_key && memcmp(at->key, key, n_key) == 0)) at = at->older;
    return at;
}

static void measure(struct grammar_cache *cache) {
    cache->stats.bytes = 0;
    for (struct kept *at = cache->newest; at; at = at->older) {
        if (at->grammar) at->bytes = sizeof *at + at->n_key + bn_grammar_memory(at->grammar);
        cache->stats.bytes += at->bytes;
    }
}

/* What is being made stays: its thread looks for it. */
static void make_room(struct grammar_cache *cache) {
    measure(cache);
    for (struct kept *at = cache->oldest, *newer; at; at = newer) {
        newer = at->newer;
        if (cache->stats.bytes <= cache->max_bytes && cache->stats.grammars <= MAX_GRAMMARS) return;
        if (at->grammar) drop(cache, at);
    }
}

static struct kept *announce(struct grammar_cache *cache, uint64_t hash, const char *key, size_t n_key) {
    struct kept *kept = mem_calloc(1, sizeof *kept);
    if (kept) kept->key = mem_strndup(key, n_key);
    if (!kept || !kept->key) {
        mem_free(kept);
        return NULL;
    }
    kept->hash = hash;
    kept->n_key = n_key;
    link_newest(cache, kept);
    cache->stats.grammars++;
    return kept;
}

/* ---- outside ---- */

void grammar_cache_destroy(struct grammar_cache *cache) {
    if (!cache) return;
    while (cache->newest) drop(cache, cache->newest);
    pthread_cond_destroy(&cache->made);
    pthread_mutex_destroy(&cache->lock);
    mem_free(cache);
}

bn_status grammar_cache_get(struct grammar_cache *cache, const char *key, size_t n_key, grammar_maker make,
                            const void *context, bn_grammar **out, bn_error *err) {
    uint64_t hash = hash_bytes(key, n_key, cache->seed);
    pthread_mutex_lock(&cache->lock);
    struct kept *kept = find(cache, hash, key, n_key);
    while (kept && !kept->grammar) {
        pthread_cond_wait(&cache->made, &cache->lock);
        kept = find(cache, hash, key, n_key);
    }
    if (kept) {
        cache->stats.hits++;
        unlink_kept(cache, kept);
        link_newest(cache, kept);
        *out = bn_grammar_retain(kept->grammar);
        pthread_mutex_unlock(&cache->lock);
        return BN_OK;
    }
    cache->stats.misses++;
    kept = announce(cache, hash, key, n_key);
    pthread_mutex_unlock(&cache->lock);
    if (!kept) return fail_no_memory(err, n_key);
    bn_status status = make(context, out, err);
    pthread_mutex_lock(&cache->lock);
    if (status)
        drop(cache, kept);
    else
        kept->grammar = bn_grammar_retain(*out);
    make_room(cache);
    pthread_cond_broadcast(&cache->made);
    pthread_mutex_unlock(&cache->lock);
    return status;
}

struct grammar_cache_stats grammar_cache_stats(struct grammar_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    struct grammar_cache_stats stats = cache->stats;
    pthread_mutex_unlock(&cache->lock);
    return stats;
}
