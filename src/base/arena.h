/* An arena: memory for things that live and die together (the tables of a loaded model, one request). Nothing in it
 * is freed alone. Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest first */
    size_t total_bytes;       /* handed out so far */
};

void arena_init(struct arena *arena);
void arena_release(struct arena *arena);

/* Zeroed memory, aligned to 64 bytes when size_bytes ≥ 64 and to 16 otherwise. NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void *arena_alloc_array(struct arena *arena, size_t n, size_t item_bytes);
char *arena_strndup(struct arena *arena, const char *bytes, size_t n);

#endif
