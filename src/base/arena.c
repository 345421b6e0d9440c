/* Arena: blocks that grow with what was already handed out, freed together. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_BLOCK_BYTES   4096
#define LARGEST_BLOCK_BYTES ((size_t)32 << 20)    /* what of it is never used is never touched, so costs nothing */
#define MAPPED_BLOCK_BYTES  (2 * HUGE_PAGE_BYTES) /* from here on a block comes from mem_map, zeroed */

struct arena_block {
    struct arena_block *next;
    size_t used, capacity; /* of the bytes behind this header */
    size_t mapped_bytes;   /* of the whole block if it comes from mem_map, else 0 */
    _Alignas(CACHE_LINE) unsigned char bytes[];
};

void arena_init(struct arena *arena) {
    *arena = (struct arena){0};
}

void arena_release(struct arena *arena) {
    for (struct arena_block *block = arena->head, *next; block; block = next) {
        next = block->next;
        if (block->mapped_bytes)
            mem_unmap(block, block->mapped_bytes);
        else
            mem_free_aligned(block);
    }
    arena_init(arena);
}

static struct arena_block *add_block(struct arena *arena, size_t size_bytes) {
    size_t capacity = max_size(FIRST_BLOCK_BYTES, min_size(arena->total_bytes, LARGEST_BLOCK_BYTES));
    capacity = max_size(capacity, size_bytes);
    size_t total;
    if (!add_size(capacity, sizeof(struct arena_block), &total)) return NULL;
    bool mapped = total >= MAPPED_BLOCK_BYTES;
    struct arena_block *block = mapped ? mem_map(total) : mem_alloc_aligned(total);
    if (!block) return NULL;
    *block = (struct arena_block){.next = arena->head, .capacity = capacity, .mapped_bytes = mapped ? total : 0};
    arena->head = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size_bytes) {
    size_t alignment = size_bytes >= CACHE_LINE ? CACHE_LINE : 16;
    struct arena_block *block = arena->head;
    size_t at = block ? round_up(block->used, alignment) : 0;
    if (!block || at > block->capacity || size_bytes > block->capacity - at) {
        block = add_block(arena, size_bytes);
        if (!block) return NULL;
        at = 0;
    }
    block->used = at + size_bytes;
    arena->total_bytes += size_bytes;
    void *memory = block->bytes + at;
    return block->mapped_bytes ? memory : memset(memory, 0, size_bytes);
}

void *arena_alloc_array(struct arena *arena, size_t n, size_t item_bytes) {
    size_t size;
    return mul_size(n, item_bytes, &size) ? arena_alloc(arena, size) : NULL;
}

char *arena_strndup(struct arena *arena, const char *bytes, size_t n) {
    size_t size;
    char *copy = add_size(n, 1, &size) ? arena_alloc(arena, size) : NULL;
    if (copy && n) memcpy(copy, bytes, n);
    return copy;
}
