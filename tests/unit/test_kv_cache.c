/* The page pool and the prefix tree against plain models: after any history of sequences coming, going, sharing and
 * forking, every page is in exactly one state, no page that someone uses is given away, and what the tree finds is a
 * true longest prefix whose pages hold what they should. */
#include "test.h"

#include <string.h>

#include "base/memory.h"
#include "engine/kv_cache.h"
#include "engine/prefix_tree.h"

#define PAGE_BYTES (KV_PAGE_TOKENS * sizeof(int32_t))

static void test_pages_are_bounded_and_reused(void **state) {
    (void)state;
    struct kv_cache cache;
    assert_int_equal(kv_cache_init(&cache, 3, PAGE_BYTES, NULL), BN_OK);
    struct kv_page *pages[3];
    for (int i = 0; i < 3; i++) assert_non_null(pages[i] = kv_cache_acquire(&cache));
    assert_null(kv_cache_acquire(&cache));
    assert_int_equal(kv_cache_available(&cache), 0);
    kv_page_retain(&cache, pages[1]);
    kv_page_drop(&cache, pages[1]);
    assert_null(kv_cache_acquire(&cache));
    kv_page_drop(&cache, pages[1]);
    assert_int_equal(kv_cache_used(&cache), 2);
    assert_ptr_equal(kv_cache_acquire(&cache), pages[1]);
    kv_cache_release(&cache);
}

/* Takes pages for ids and writes the ids into them, as a forward pass writes keys. */
static void compute(struct kv_cache *cache, const int32_t *ids, size_t n, struct kv_page **pages) {
    for (size_t i = 0; i < n; i += KV_PAGE_TOKENS) {
        struct kv_page *page = pages[i / KV_PAGE_TOKENS] = kv_cache_acquire(cache);
        assert_non_null(page);
        memcpy(page->data, ids + i, min_size(n - i, KV_PAGE_TOKENS) * sizeof *ids);
    }
}

static void drop(struct kv_cache *cache, struct kv_page **pages, size_t n_tokens) {
    for (size_t i = (n_tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS; i-- > 0;) kv_page_drop(cache, pages[i]);
}

static size_t match_length(struct prefix_tree *tree, uint64_t scope, const int32_t *ids, size_t n) {
    struct kv_page *pages[16];
    struct prefix_match match;
    prefix_tree_match(tree, (struct prefix_realm){.scope = scope}, ids, n, pages, &match);
    for (size_t i = 0; i < match.n_pages; i++)
        assert_memory_equal(pages[i]->data, ids + i * KV_PAGE_TOKENS, KV_PAGE_TOKENS * sizeof *ids);
    if (match.tail) {
        assert_memory_equal(match.tail->data, ids + match.n_pages * KV_PAGE_TOKENS, match.n_tail * sizeof *ids);
        kv_page_drop(tree->cache, match.tail);
    }
    for (size_t i = match.n_pages; i-- > 0;) kv_page_drop(tree->cache, pages[i]);
    return match.n_pages * KV_PAGE_TOKENS + match.n_tail;
}

static void test_tree_finds_prefixes_token_by_token(void **state) {
    (void)state;
    struct kv_cache cache;
    struct prefix_tree tree;
    struct kv_page *pages[16];
    int32_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = i;
    assert_int_equal(kv_cache_init(&cache, 16, PAGE_BYTES, NULL), BN_OK);
    prefix_tree_init(&tree, &cache);
    assert_int_equal(match_length(&tree, 0, ids, 100), 0);
    compute(&cache, ids, 75, pages);
    prefix_tree_insert(&tree, (struct prefix_realm){0}, ids, 75, pages);
    drop(&cache, pages, 75);
    assert_int_equal(cache.cached.n, 3);
    assert_int_equal(match_length(&tree, 0, ids, 100), 75);
    assert_int_equal(match_length(&tree, 0, ids, 40), 40);
    assert_int_equal(match_length(&tree, 1, ids, 100), 0); /* other position factors */
    ids[50] = -1;
    assert_int_equal(match_length(&tree, 0, ids, 100), 50);
    ids[0] = -1;
    assert_int_equal(match_length(&tree, 0, ids, 100), 0);
    kv_cache_release(&cache);
    assert_null(tree.roots);
}

static void test_equal_pages_are_merged(void **state) {
    (void)state;
    struct kv_cache cache;
    struct prefix_tree tree;
    struct kv_page *a[2], *b[2];
    int32_t ids[64] = {1, 2, 3};
    assert_int_equal(kv_cache_init(&cache, 8, PAGE_BYTES, NULL), BN_OK);
    prefix_tree_init(&tree, &cache);
    compute(&cache, ids, 64, a);
    compute(&cache, ids, 64, b);
    prefix_tree_insert(&tree, (struct prefix_realm){0}, ids, 64, a);
    prefix_tree_insert(&tree, (struct prefix_realm){0}, ids, 64, b);
    assert_ptr_equal(a[0], b[0]);
    assert_ptr_equal(a[1], b[1]);
    assert_int_equal(kv_cache_used(&cache), 2);
    drop(&cache, a, 64);
    assert_int_equal(kv_cache_used(&cache), 2);
    drop(&cache, b, 64);
    assert_int_equal(cache.cached.n, 2);
    kv_cache_release(&cache);
}

static void test_longest_unused_goes_first_leaf_before_parent(void **state) {
    (void)state;
    struct kv_cache cache;
    struct prefix_tree tree;
    struct kv_page *pages[2];
    int32_t x[64] = {1}, y[64] = {2};
    assert_int_equal(kv_cache_init(&cache, 4, PAGE_BYTES, NULL), BN_OK);
    prefix_tree_init(&tree, &cache);
    compute(&cache, x, 64, pages);
    prefix_tree_insert(&tree, (struct prefix_realm){0}, x, 64, pages);
    drop(&cache, pages, 64);
    compute(&cache, y, 64, pages);
    prefix_tree_insert(&tree, (struct prefix_realm){0}, y, 64, pages);
    drop(&cache, pages, 64);
    assert_int_equal(match_length(&tree, 0, x, 64), 64); /* x is now the one used last */
    struct kv_page *taken = kv_cache_acquire(&cache);
    assert_int_equal(match_length(&tree, 0, y, 64), 32); /* … and now y is */
    assert_non_null(kv_cache_acquire(&cache));
    assert_int_equal(match_length(&tree, 0, x, 64), 32);
    kv_page_drop(&cache, taken);
    assert_int_equal(cache.free.n, 1);
    kv_cache_release(&cache);
}

/* ---- random histories ---- */

#define LIVE 6
struct run {
    int32_t ids[128];
    size_t n;
    struct kv_page *pages[4];
};

static uint32_t next_random(uint32_t *x) {
    return (*x = *x * 1664525u + 1013904223u) >> 8;
}

static void check_states(const struct kv_cache *cache, const struct run *runs) {
    size_t used = 0;
    for (size_t p = 0; p < cache->n_backed; p++) {
        size_t users = 0;
        for (int i = 0; i < LIVE; i++) {
            for (size_t j = 0; j * KV_PAGE_TOKENS < runs[i].n; j++) users += runs[i].pages[j] == &cache->pages[p];
        }
        assert_int_equal(cache->pages[p].n_users, users);
        used += users > 0;
    }
    assert_int_equal(kv_cache_used(cache), used);
    for (const struct kv_page *page = cache->cached.oldest; page; page = page->newer) {
        assert_non_null(page->node);
        /* every child of a cached page is cached, and older */
        for (const struct prefix_node *child = page->node->children; child; child = child->next) {
            const struct kv_page *older = cache->cached.oldest;
            while (older != page && older != child->page) older = older->newer;
            assert_ptr_equal(older, child->page);
        }
    }
    for (int i = 0; i < LIVE; i++) {
        for (size_t j = 0; j < runs[i].n; j += KV_PAGE_TOKENS)
            assert_memory_equal(runs[i].pages[j / KV_PAGE_TOKENS]->data, runs[i].ids + j,
                                min_size(runs[i].n - j, KV_PAGE_TOKENS) * sizeof(int32_t));
    }
}

/* Starts a run with what the tree knows and computes the rest; ids come from a small family so that runs agree. */
static void start_run(struct kv_cache *cache, struct prefix_tree *tree, struct run *run, uint32_t *random) {
    struct prefix_match match;
    size_t n = 1 + next_random(random) % 128, family = next_random(random) % 3, branch = next_random(random) % 128;
    for (size_t i = 0; i < n; i++) run->ids[i] = (int32_t)(i < branch ? family * 1000 + i : next_random(random) % 2);
    prefix_tree_match(tree, (struct prefix_realm){0}, run->ids, n, run->pages, &match);
    if (match.tail) kv_page_drop(cache, match.tail);
    run->n = match.n_pages * KV_PAGE_TOKENS;
    while (run->n < n) {
        struct kv_page *page = kv_cache_acquire(cache);
        if (!page) return; /* all in use: a shorter run */
        size_t count = min_size(n - run->n, KV_PAGE_TOKENS);
        memcpy(page->data, run->ids + run->n, count * sizeof(int32_t));
        run->pages[run->n / KV_PAGE_TOKENS] = page;
        run->n += count;
    }
}

static void test_random_histories(void **state) {
    (void)state;
    struct kv_cache cache;
    struct prefix_tree tree;
    struct run runs[LIVE] = {0};
    uint32_t random = 7;
    assert_int_equal(kv_cache_init(&cache, 12, PAGE_BYTES, NULL), BN_OK);
    prefix_tree_init(&tree, &cache);
    for (int step = 0; step < 20000; step++) {
        struct run *run = &runs[next_random(&random) % LIVE];
        if (run->n == 0) {
            start_run(&cache, &tree, run, &random);
        } else if (next_random(&random) % 2) {
            prefix_tree_insert(&tree, (struct prefix_realm){0}, run->ids, run->n / KV_PAGE_TOKENS * KV_PAGE_TOKENS,
                               run->pages);
        } else {
            if (next_random(&random) % 4)
                prefix_tree_insert(&tree, (struct prefix_realm){0}, run->ids, run->n, run->pages);
            drop(&cache, run->pages, run->n);
            run->n = 0;
        }
        check_states(&cache, runs);
    }
    for (int i = 0; i < LIVE; i++) drop(&cache, runs[i].pages, runs[i].n);
    assert_int_equal(kv_cache_used(&cache), 0);
    kv_cache_release(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_bounded_and_reused),
        cmocka_unit_test(test_tree_finds_prefixes_token_by_token),
        cmocka_unit_test(test_equal_pages_are_merged),
        cmocka_unit_test(test_longest_unused_goes_first_leaf_before_parent),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
