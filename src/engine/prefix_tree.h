/* What the pages of earlier sequences hold: a tree whose path of token ids leads to the page with their keys and
 * values, so that a prompt which begins like an earlier one starts where they part.
 *
 * A node is a page: KV_PAGE_TOKENS ids, or fewer in a leaf (the end of a sequence). Ids are compared, no hash is
 * trusted. Where a prompt leaves the tree in the middle of a page, that page is copied and used as far as it agrees.
 * Keys depend on the position factors a sequence was given (model_rope_class), and who may know what others' prompts begin
 * with is the caller's affair: each realm has a tree of its own.
 *
 * The invariant that makes eviction simple: whoever uses the page of a node also uses the pages of all nodes above it
 * (insert swaps a sequence's own pages for the tree's where the tree has the same), and drops them last page first. So
 * in the order of last use every node comes before its parent, and the oldest unused page is always a leaf.
 * Not thread-safe: guarded by the engine's lock. */
#ifndef ENGINE_PREFIX_TREE_H
#define ENGINE_PREFIX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kv_cache.h"
#include "model/model.h"

/* Sequences that may share pages. */
struct prefix_realm {
    size_t rope_class;
    uint64_t scope; /* bn_request_options.cache_scope */
};
static inline bool prefix_realm_is(struct prefix_realm a, struct prefix_realm b) {
    return a.rope_class == b.rope_class && a.scope == b.scope;
}

struct prefix_node {
    struct prefix_node *parent;                     /* NULL: a root */
    struct prefix_node *children, *previous, *next; /* siblings are doubly linked */
    struct kv_page *page;                           /* NULL: a root */
    struct prefix_realm realm;                      /* of a root */
    size_t n_tokens;                                /* < KV_PAGE_TOKENS only in a leaf */
    int32_t tokens[KV_PAGE_TOKENS];
};

struct prefix_tree {
    struct kv_cache *cache;
    struct prefix_node *roots; /* one per realm in use, linked by next */
};

/* The tree owns nothing that outlives the cached pages: kv_cache_release empties it. */
void prefix_tree_init(struct prefix_tree *tree, struct kv_cache *cache);

struct prefix_match {
    size_t n_pages;       /* whole pages, retained and written to the caller's page table */
    struct kv_page *tail; /* retained page to copy whose first n_tail positions agree too; NULL: none */
    size_t n_tail;
};
/* The longest known beginning of ids[0 … n). pages has room for n / KV_PAGE_TOKENS. */
void prefix_tree_match(struct prefix_tree *tree, struct prefix_realm realm, const int32_t *ids, size_t n,
                       struct kv_page **pages, struct prefix_match *out);

/* Makes the pages of ids[0 … n) known. pages[i] may be exchanged for the tree's own page with the same content. The
 * last one may be partly filled only if it will not be written any more. Out of memory: what fits is known. */
void prefix_tree_insert(struct prefix_tree *tree, struct prefix_realm realm, const int32_t *ids, size_t n,
                        struct kv_page **pages);

/* Removes a leaf whose page is given up. */
void prefix_tree_forget(struct prefix_tree *tree, struct prefix_node *node);

#endif
