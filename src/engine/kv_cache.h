/* The pages that hold keys and values: one bounded pool for all sequences of an engine.
 *
 * A page is in one of three states: used (some sequences' page tables have it), cached (no user, but the prefix tree
 * knows what is in it), or free. A page may be written while it has exactly one user and the tree doesn't know it; one
 * with more users is copied first (copy on write). Memory is taken from the system when pages are first needed, in slabs
 * of some MiB so that huge pages fit in, and kept.
 * Not thread-safe: guarded by the engine's lock. */
#ifndef ENGINE_KV_CACHE_H
#define ENGINE_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct prefix_node;
struct prefix_tree;

struct kv_page {
    uint8_t *data;                 /* [page_bytes]; NULL until first needed */
    size_t n_users;                /* page tables that have it */
    struct prefix_node *node;      /* not NULL: the prefix tree knows its content */
    struct kv_page *older, *newer; /* neighbours in the list of free or of cached pages */
};

struct kv_page_list {
    struct kv_page *oldest, *newest;
    size_t n;
};

struct kv_cache {
    struct kv_page *pages; /* [n_pages] */
    size_t n_pages;
    size_t page_bytes;
    size_t slab_pages;            /* pages that are mapped together */
    size_t n_backed;              /* pages[0 … n_backed) have memory */
    struct kv_page_list free;     /* have memory, nothing worth keeping in it */
    struct kv_page_list cached;   /* in order of last use; the oldest one is given up first */
    struct prefix_tree *prefixes; /* told when a cached page is given up; NULL: pages are never cached */
};

bn_status kv_cache_init(struct kv_cache *cache, size_t n_pages, size_t page_bytes, bn_error *err);
void kv_cache_release(struct kv_cache *cache);

/* A page with one user: a free one, else a new one, else the longest unused cached one. NULL when all are used (or the
 * system has no memory for a new one and none is cached). */
struct kv_page *kv_cache_acquire(struct kv_cache *cache);
/* One more and one fewer user. A page whose last user goes becomes cached if the tree knows it, else free. */
void kv_page_retain(struct kv_cache *cache, struct kv_page *page);
void kv_page_drop(struct kv_cache *cache, struct kv_page *page);

/* The tree no longer knows what is in the page, which must be a leaf's. Its users stay. */
void kv_page_forget(struct kv_cache *cache, struct kv_page *page);

static inline size_t kv_cache_used(const struct kv_cache *cache) {
    return cache->n_backed - cache->free.n - cache->cached.n;
}
/* How many pages kv_cache_acquire can give. */
static inline size_t kv_cache_available(const struct kv_cache *cache) {
    return cache->n_pages - kv_cache_used(cache);
}

#endif
