/* The allocator behind everything, with a counter that can make any single allocation fail. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_long fail_countdown = -1; /* tests only: -1 = never */
static atomic_long allocation_count;

static bool refused(void) {
    atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed);
    long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (left < 0) return false;
    return atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) == 0;
}

void mem_fail_after(long n_allocations) {
    atomic_store(&fail_countdown, n_allocations);
}

long mem_allocations(void) {
    return atomic_exchange(&allocation_count, 0);
}

void *mem_alloc(size_t size_bytes) {
    return refused() ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *mem_alloc_array(size_t n, size_t item_bytes) {
    size_t size;
    return mul_size(n, item_bytes, &size) ? mem_alloc(size) : NULL;
}

void *mem_calloc(size_t n, size_t item_bytes) {
    if (refused()) return NULL;
    return n && item_bytes ? calloc(n, item_bytes) : calloc(1, 1);
}

void *mem_realloc_array(void *old, size_t n, size_t item_bytes) {
    size_t size;
    if (!mul_size(n, item_bytes, &size) || refused()) return NULL;
    return realloc(old, size ? size : 1);
}

void mem_free(void *pointer) {
    free(pointer);
}

void *mem_alloc_aligned(size_t size_bytes) {
    if (refused() || size_bytes > SIZE_MAX - CACHE_LINE) return NULL;
    return aligned_alloc(CACHE_LINE, round_up(size_bytes ? size_bytes : 1, CACHE_LINE));
}

void mem_free_aligned(void *pointer) {
    free(pointer);
}

/* mmap aligns to small pages only: takes a huge page more and gives back what is before and behind. */
void *mem_map(size_t size_bytes) {
    if (refused() || size_bytes > SIZE_MAX - 2 * HUGE_PAGE_BYTES) return NULL;
    size_t size = round_up(size_bytes, HUGE_PAGE_BYTES), mapped = size + HUGE_PAGE_BYTES;
    void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    unsigned char *start = memory;
    size_t before = round_up((uintptr_t)start, HUGE_PAGE_BYTES) - (uintptr_t)start;
    if (before) munmap(start, before);
    munmap(start + before + size, HUGE_PAGE_BYTES - before);
#ifdef MADV_HUGEPAGE
    madvise(start + before, size, MADV_HUGEPAGE); /* a wish: small pages do as well */
#endif
    return start + before;
}

void mem_unmap(void *pointer, size_t size_bytes) {
    if (pointer) munmap(pointer, round_up(size_bytes, HUGE_PAGE_BYTES));
}

char *mem_strndup(const char *bytes, size_t n) {
    size_t size;
    char *copy = add_size(n, 1, &size) ? mem_alloc(size) : NULL;
    if (!copy) return NULL;
    if (n) memcpy(copy, bytes, n);
    copy[n] = 0;
    return copy;
}

char *mem_strdup(const char *text) {
    return mem_strndup(text, strlen(text));
}
