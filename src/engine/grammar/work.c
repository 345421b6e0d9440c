/* See work.h. */
#include "engine/grammar/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

void work_init(struct work *work, size_t most_bytes, size_t most_steps) {
    *work = (struct work){.most_bytes = most_bytes, .steps_left = most_steps};
    arena_init(&work->arena);
}

void work_release(struct work *work) {
    arena_release(&work->arena);
}

void work_borrow(const struct work *work, struct work *scratch) {
    work_init(scratch, work->most_bytes, work->steps_left);
    scratch->lent_steps = work->steps_left;
    scratch->elsewhere = work->elsewhere + work->arena.total_bytes;
    scratch->status = work->status;
}

void work_return(struct work *work, struct work *scratch) {
    work->steps_left -= min_size(work->steps_left, scratch->lent_steps - scratch->steps_left);
    if (!work->status && scratch->status) {
        work->status = scratch->status;
        work->error = scratch->error;
    }
    work_release(scratch);
}

bool work_fail(struct work *work, bn_status status, const char *format, ...) {
    char message[sizeof work->error.message];
    va_list arguments;
    if (work->status) return false;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    work->status = fail(&work->error, status, "%s", message);
    return false;
}

bool work_spend(struct work *work, size_t n) {
    if (work->status) return false;
    if (n > work->steps_left) return work_fail(work, BN_STATUS_UNSUPPORTED, "too complex: it takes too many steps");
    work->steps_left -= n;
    return true;
}

void *work_alloc(struct work *work, size_t n, size_t item_bytes) {
    size_t size;
    if (work->status) return NULL;
    if (!mul_size(max_size(n, 1), item_bytes, &size) || size > work->most_bytes ||
        work->elsewhere + work->arena.total_bytes > work->most_bytes - size) {
        work_fail(work, BN_STATUS_UNSUPPORTED, "too complex: it takes more than %zu MiB", work->most_bytes >> 20);
        return NULL;
    }
    void *memory = arena_alloc(&work->arena, size);
    if (!memory) work_fail(work, BN_STATUS_NO_MEMORY, "out of memory: %zu bytes were refused", size);
    return memory;
}

void *work_grow(struct work *work, void *items, size_t n, size_t *capacity, size_t item_bytes) {
    if (n <= *capacity) return work->status ? NULL : items;
    size_t larger = max_size(max_size(2 * *capacity, n), 8);
    void *copy = work_alloc(work, larger, item_bytes);
    if (!copy) return NULL;
    if (*capacity) memcpy(copy, items, *capacity * item_bytes);
    *capacity = larger;
    return copy;
}

bool work_reserve(struct work *work, void *items, size_t n, size_t *capacity, size_t item_bytes) {
    void *old, *larger;
    memcpy(&old, items, sizeof old);
    if (n <= *capacity) return work_ok(work);
    larger = work_grow(work, old, n, capacity, item_bytes);
    if (!larger) return false;
    memcpy(items, &larger, sizeof larger);
    return true;
}

/* The slot where these words are, or belong. */
static uint32_t *find_slot(const struct interner *interner, const uint32_t *words, size_t n) {
    uint64_t hash = hash_bytes((const char *)words, n * sizeof *words, 0x9e3779b97f4a7c15u);
    for (size_t i = hash & (interner->n_slots - 1);; i = (i + 1) & (interner->n_slots - 1)) {
        uint32_t *slot = &interner->slots[i];
        size_t n_other;
        if (!*slot) return slot;
        const uint32_t *other = interned_words(interner, *slot - 1, &n_other);
        if (n_other == n && (n == 0 || memcmp(other, words, n * sizeof *words) == 0)) return slot;
    }
}

static bool grow_slots(struct work *work, struct interner *interner) {
    size_t n_slots = max_size(64, 2 * interner->n_slots);
    uint32_t *slots = work_alloc(work, n_slots, sizeof *slots);
    if (!slots) return false;
    interner->slots = slots;
    interner->n_slots = n_slots;
    for (uint32_t i = 0; i < interner->n; i++) {
        size_t n;
        const uint32_t *words = interned_words(interner, i, &n);
        *find_slot(interner, words, n) = i + 1;
    }
    return true;
}

uint32_t intern_words(struct work *work, struct interner *interner, const uint32_t *words, size_t n, bool *is_new) {
    if (is_new) *is_new = false;
    if (!work_ok(work)) return INTERN_FAILED;
    if (2 * (interner->n + 1) > interner->n_slots && !grow_slots(work, interner)) return INTERN_FAILED;
    uint32_t *slot = find_slot(interner, words, n);
    if (*slot) return *slot - 1;
    if (interner->n_words + n > UINT32_MAX / 2) {
        work_fail(work, BN_STATUS_UNSUPPORTED, "too complex: it has too many states");
        return INTERN_FAILED;
    }
    if (!work_reserve(work, &interner->words, interner->n_words + n + 1, &interner->words_capacity, sizeof *words) ||
        !work_reserve(work, &interner->begins, interner->n + 2, &interner->begins_capacity, sizeof *interner->begins))
        return INTERN_FAILED;
    if (n) memcpy(interner->words + interner->n_words, words, n * sizeof *words);
    interner->n_words += n;
    interner->begins[++interner->n] = (uint32_t)interner->n_words;
    if (is_new) *is_new = true;
    *slot = (uint32_t)interner->n;
    return *slot - 1;
}
