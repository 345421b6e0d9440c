/* The prefix tree: walking, growing and pruning. Siblings are searched one after the other: real prompts part at few
 * places, and comparing thirty-two ids ends at the first that differs. */
#include "engine/prefix_tree.h"

#include <string.h>

#include "base/memory.h"

void prefix_tree_init(struct prefix_tree *tree, struct kv_cache *cache) {
    *tree = (struct prefix_tree){.cache = cache};
    cache->prefixes = tree;
}

static struct prefix_node *find_root(const struct prefix_tree *tree, struct prefix_realm realm) {
    struct prefix_node *root = tree->roots;
    while (root && !prefix_realm_is(root->realm, realm)) root = root->next;
    return root;
}

static void link_node(struct prefix_node **first, struct prefix_node *node) {
    node->next = *first;
    if (*first) (*first)->previous = node;
    *first = node;
}

static void unlink_node(struct prefix_node **first, struct prefix_node *node) {
    if (node->previous)
        node->previous->next = node->next;
    else
        *first = node->next;
    if (node->next) node->next->previous = node->previous;
    mem_free(node);
}

void prefix_tree_forget(struct prefix_tree *tree, struct prefix_node *node) {
    struct prefix_node *parent = node->parent;
    unlink_node(&parent->children, node);
    if (!parent->parent && !parent->children) unlink_node(&tree->roots, parent);
}

static size_t common_length(const int32_t *a, const int32_t *b, size_t n) {
    size_t i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/* The child that agrees with the most of ids[0 … n); *length is how many. */
static struct prefix_node *best_child(const struct prefix_node *parent, const int32_t *ids, size_t n, size_t *length) {
    struct prefix_node *best = NULL;
    *length = 0;
    for (struct prefix_node *child = parent->children; child; child = child->next) {
        size_t common = common_length(child->tokens, ids, min_size(n, child->n_tokens));
        if (common > *length) {
            *length = common;
            best = child;
        }
    }
    return best;
}

void prefix_tree_match(struct prefix_tree *tree, struct prefix_realm realm, const int32_t *ids, size_t n,
                       struct kv_page **pages, struct prefix_match *out) {
    *out = (struct prefix_match){0};
    struct prefix_node *node = find_root(tree, realm);
    while (node) {
        size_t at = out->n_pages * KV_PAGE_TOKENS, common;
        node = best_child(node, ids + at, n - at, &common);
        if (!node) return;
        kv_page_retain(tree->cache, node->page);
        if (common < KV_PAGE_TOKENS) {
            out->tail = node->page;
            out->n_tail = common;
            return;
        }
        pages[out->n_pages++] = node->page;
    }
}

static struct prefix_node *add_root(struct prefix_tree *tree, struct prefix_realm realm) {
    struct prefix_node *root = mem_calloc(1, sizeof *root);
    if (!root) return NULL;
    root->realm = realm;
    link_node(&tree->roots, root);
    return root;
}

static struct prefix_node *add_child(struct prefix_node *parent, const int32_t *ids, size_t n, struct kv_page *page) {
    struct prefix_node *node = mem_calloc(1, sizeof *node);
    if (!node) return NULL;
    node->parent = parent;
    node->page = page;
    node->n_tokens = n;
    memcpy(node->tokens, ids, n * sizeof *ids);
    link_node(&parent->children, node);
    page->node = node;
    return node;
}

void prefix_tree_insert(struct prefix_tree *tree, struct prefix_realm realm, const int32_t *ids, size_t n,
                        struct kv_page **pages) {
    struct prefix_node *node = find_root(tree, realm), *root = NULL;
    if (!node && !(node = root = add_root(tree, realm))) return;
    for (size_t i = 0; i * KV_PAGE_TOKENS < n; i++) {
        const int32_t *here = ids + i * KV_PAGE_TOKENS;
        size_t count = min_size(n - i * KV_PAGE_TOKENS, KV_PAGE_TOKENS), common;
        struct prefix_node *child = best_child(node, here, count, &common);
        if (common < count) {
            if (pages[i]->node || !(child = add_child(node, here, count, pages[i]))) break;
        } else if (count < KV_PAGE_TOKENS) {
            break; /* the tree has these and more already */
        } else if (child->page != pages[i]) {
            kv_page_retain(tree->cache, child->page);
            kv_page_drop(tree->cache, pages[i]);
            pages[i] = child->page;
        }
        node = child;
    }
    if (root && !root->children) unlink_node(&tree->roots, root);
}
