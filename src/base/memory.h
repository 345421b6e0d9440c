/* All heap memory of the library goes through these, so that tests can refuse any single allocation
 * (tests/fault) and see that it ends in BN_STATUS_NO_MEMORY with nothing leaked. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define CACHE_LINE 64

/* malloc/calloc/realloc/free with overflow-checked products. NULL on failure. size 0 gives a unique pointer. */
void *mem_alloc(size_t size_bytes);
void *mem_alloc_array(size_t n, size_t item_bytes);
void *mem_calloc(size_t n, size_t item_bytes);
void *mem_realloc_array(void *old, size_t n, size_t item_bytes);
void mem_free(void *pointer);

/* Memory aligned to a cache line, for what SIMD kernels touch; release with mem_free_aligned. */
void *mem_alloc_aligned(size_t size_bytes);
void mem_free_aligned(void *pointer);

/* Large tables: zeroed pages straight from the system, on huge pages where it allows them (a table that is streamed
 * through needs few entries of the TLB then). A page lies on the NUMA node of the thread that touches it first. Aligned to a
 * huge page; release with mem_unmap and the same size. NULL on failure. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
void *mem_map(size_t size_bytes);
void mem_unmap(void *pointer, size_t size_bytes);

/* Copies of a string / of n bytes plus a terminating NUL. NULL on failure. */
char *mem_strdup(const char *text);
char *mem_strndup(const char *bytes, size_t n);

/* Checked arithmetic: false when the result doesn't fit, and then *out is not written. */
static inline bool mul_size(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) return false;
    *out = product;
    return true;
}
static inline bool add_size(size_t a, size_t b, size_t *out) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return false;
    *out = sum;
    return true;
}

static inline size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}
static inline size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}
static inline size_t max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

/* For tests: the n-th allocation from now (0 = the next) and no other fails; -1 switches that off. The count of
 * allocations made since the last call. Not thread-safe: set it while one thread runs. */
void mem_fail_after(long n_allocations);
long mem_allocations(void);

#endif
