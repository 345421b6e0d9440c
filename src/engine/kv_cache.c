/* The page pool. Free and cached pages hang in two doubly linked lists, so that every operation takes constant time;
 * that the oldest cached page never has a child in the prefix tree that still matters is explained in prefix_tree.h. */
#include "engine/kv_cache.h"

#include "base/memory.h"
#include "engine/prefix_tree.h"

#define SLAB_BYTES ((size_t)16 << 20)

static void list_append(struct kv_page_list *list, struct kv_page *page) {
    page->older = list->newest;
    page->newer = NULL;
    if (list->newest)
        list->newest->newer = page;
    else
        list->oldest = page;
    list->newest = page;
    list->n++;
}

static void list_remove(struct kv_page_list *list, struct kv_page *page) {
    if (page->older)
        page->older->newer = page->newer;
    else
        list->oldest = page->newer;
    if (page->newer)
        page->newer->older = page->older;
    else
        list->newest = page->older;
    page->older = page->newer = NULL;
    list->n--;
}

bn_status kv_cache_init(struct kv_cache *cache, size_t n_pages, size_t page_bytes, bn_error *err) {
    *cache = (struct kv_cache){
        .n_pages = n_pages, .page_bytes = page_bytes, .slab_pages = max_size(1, SLAB_BYTES / page_bytes)};
    cache->pages = mem_calloc(n_pages, sizeof *cache->pages);
    if (!cache->pages) return fail_no_memory(err, n_pages * sizeof *cache->pages);
    return BN_OK;
}

void kv_page_forget(struct kv_cache *cache, struct kv_page *page) {
    if (page->node) prefix_tree_forget(cache->prefixes, page->node);
    page->node = NULL;
}

/* The page longest unused, its content forgotten. */
static struct kv_page *evict_oldest(struct kv_cache *cache) {
    struct kv_page *page = cache->cached.oldest;
    if (!page) return NULL;
    list_remove(&cache->cached, page);
    kv_page_forget(cache, page);
    return page;
}

/* Of the slab that begins with page `first`. */
static size_t slab_bytes(const struct kv_cache *cache, size_t first) {
    return min_size(cache->slab_pages, cache->n_pages - first) * cache->page_bytes;
}

void kv_cache_release(struct kv_cache *cache) {
    while (evict_oldest(cache)) {}
    for (size_t i = 0; i < cache->n_backed; i += cache->slab_pages)
        mem_unmap(cache->pages[i].data, slab_bytes(cache, i));
    mem_free(cache->pages);
    *cache = (struct kv_cache){0};
}

static struct kv_page *back_page(struct kv_cache *cache) {
    if (cache->n_backed == cache->n_pages) return NULL;
    size_t i = cache->n_backed;
    struct kv_page *page = &cache->pages[i];
    page->data = i % cache->slab_pages ? page[-1].data + cache->page_bytes : mem_map(slab_bytes(cache, i));
    if (!page->data) return NULL;
    cache->n_backed++;
    return page;
}

struct kv_page *kv_cache_acquire(struct kv_cache *cache) {
    struct kv_page *page = cache->free.oldest;
    if (page)
        list_remove(&cache->free, page);
    else
        page = back_page(cache);
    if (!page) page = evict_oldest(cache);
    if (!page) return NULL;
    page->n_users = 1;
    return page;
}

void kv_page_retain(struct kv_cache *cache, struct kv_page *page) {
    if (page->n_users == 0) list_remove(&cache->cached, page);
    page->n_users++;
}

void kv_page_drop(struct kv_cache *cache, struct kv_page *page) {
    if (--page->n_users == 0) list_append(page->node ? &cache->cached : &cache->free, page);
}
