/* Sequences and their page tables. */
#include "engine/sequence.h"

#include <string.h>

#include "base/memory.h"
#include "engine/request.h"

static void set_page(struct sequence *s, size_t i, struct kv_page *page) {
    s->pages[i] = page;
    s->page_data[i] = page->data;
}

/* The tree may exchange pages for its own with the same content. */
static void insert_prefix(struct sequence *s, struct prefix_tree *tree, size_t n) {
    prefix_tree_insert(tree, s->request->realm, s->tokens, n, s->pages);
    for (size_t i = 0; i < pages_for(n); i++) s->page_data[i] = s->pages[i]->data;
}

void sequence_share_pages(struct sequence *s, struct prefix_tree *tree) {
    insert_prefix(s, tree, s->n_computed / KV_PAGE_TOKENS * KV_PAGE_TOKENS);
}

static void drop_page(struct sequence *s, struct kv_cache *cache, size_t i) {
    if (s->pages[i]) kv_page_drop(cache, s->pages[i]);
    s->pages[i] = NULL;
    s->page_data[i] = NULL;
}

void sequence_drop_unseen(struct sequence *s, struct kv_cache *cache, size_t n_sinks, size_t window) {
    size_t first_seen = s->n_computed + 1 > window ? (s->n_computed + 1 - window) / KV_PAGE_TOKENS : 0;
    for (size_t i = max_size(s->gap_end, pages_for(n_sinks)); i < min_size(first_seen, s->n_pages); i++) {
        drop_page(s, cache, i);
        s->gap_end = i + 1;
    }
}

void sequence_drop_pages(struct sequence *s, struct kv_cache *cache, struct prefix_tree *tree) {
    if (tree && s->n_computed) insert_prefix(s, tree, s->n_computed);
    while (s->n_pages) drop_page(s, cache, --s->n_pages); /* last first: see prefix_tree.h */
    s->gap_end = 0;
    s->n_computed = 0;
    s->n_planned = 0;
}

bool sequence_secure_page(struct sequence *s, struct kv_cache *cache, size_t position) {
    size_t i = position / KV_PAGE_TOKENS;
    if (i < s->n_pages && s->pages[i]->n_users == 1) {
        kv_page_forget(cache, s->pages[i]); /* nobody else reads it; what the tree knew ends before `position` */
        return true;
    }
    struct kv_page *page = kv_cache_acquire(cache);
    if (!page) return false;
    if (i < s->n_pages) {
        memcpy(page->data, s->pages[i]->data, cache->page_bytes);
        kv_page_drop(cache, s->pages[i]);
    } else {
        s->n_pages++;
    }
    set_page(s, i, page);
    return true;
}

void sequence_fork_pages(struct sequence *to, const struct sequence *from, struct kv_cache *cache) {
    for (size_t i = 0; i < from->n_pages; i++) {
        to->pages[i] = NULL;
        to->page_data[i] = NULL;
        if (!from->pages[i]) continue;
        kv_page_retain(cache, from->pages[i]);
        set_page(to, i, from->pages[i]);
    }
    to->n_pages = from->n_pages;
    to->gap_end = from->gap_end;
    to->n_computed = from->n_computed;
}

void sequence_attach_prefix(struct sequence *s, struct prefix_tree *tree, size_t limit, struct prefix_match *match) {
    prefix_tree_match(tree, s->request->realm, s->tokens, limit, s->pages, match);
    s->n_pages = match->n_pages;
    s->n_computed = s->n_pages * KV_PAGE_TOKENS;
    for (size_t i = 0; i < s->n_pages; i++) s->page_data[i] = s->pages[i]->data;
}

void sequence_drop_tail(struct kv_cache *cache, struct prefix_match *match) {
    if (match->tail) kv_page_drop(cache, match->tail);
    match->tail = NULL;
}

void sequence_copy_tail(struct sequence *s, struct kv_cache *cache, struct prefix_match *match) {
    if (!match->tail) return;
    struct kv_page *page = kv_cache_acquire(cache);
    if (page) {
        memcpy(page->data, match->tail->data, cache->page_bytes);
        set_page(s, s->n_pages++, page);
        s->n_computed += match->n_tail;
    }
    sequence_drop_tail(cache, match);
}
