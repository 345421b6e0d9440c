/* What making a grammar may use up, and how it failed.
 *
 * Grammars and schemas come from untrusted hands: every loop that their text can drive counts its steps, and everything
 * made of them lies in one arena with a limit. Failure is sticky: once something failed, what follows may go on with
 * whatever it has until somebody asks work_ok(). The first message wins. */
#ifndef ENGINE_GRAMMAR_WORK_H
#define ENGINE_GRAMMAR_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* Numbers for runs of words: the same words always get the same number, counted from 0. */
struct interner {
    uint32_t *words;
    size_t n_words, words_capacity;
    uint32_t *begins; /* [n + 1] */
    size_t n, begins_capacity;
    uint32_t *slots; /* [n_slots] number + 1, or 0 */
    size_t n_slots;
};

struct work {
    struct arena arena;
    size_t most_bytes, steps_left;
    size_t elsewhere, lent_steps; /* of whoever lent this one its limits: bytes that count, too */
    bn_status status;
    bn_error error;              /* if status isn't BN_OK */
    struct interner names;       /* of automata that were asked for by name, see dfa_known() */
    const struct dfa **automata; /* [names.n] */
    size_t automata_capacity;
};

void work_init(struct work *work, size_t most_bytes, size_t most_steps);
void work_release(struct work *work);

/* Memory for what is needed for a while only, within the limits of `work`, which isn't used meanwhile but for what stays. What
 * has failed, and the steps, go back to it. */
void work_borrow(const struct work *work, struct work *scratch);
void work_return(struct work *work, struct work *scratch);

static inline bool work_ok(const struct work *work) {
    return work->status == BN_OK;
}
/* Notes a failure. Always false. */
bool work_fail(struct work *work, bn_status status, const char *format, ...) PRINTF_LIKE(3, 4);
/* Counts n steps; false when there are no more, or something has failed before. */
bool work_spend(struct work *work, size_t n);

/* Zeroed memory of the arena; NULL after a failure. */
void *work_alloc(struct work *work, size_t n, size_t item_bytes);
/* Room for n items in an array of the arena: `items` itself, or a larger copy of the *capacity items it has. */
void *work_grow(struct work *work, void *items, size_t n, size_t *capacity, size_t item_bytes);

/* The same in place: *items (a pointer to an array) stays as it is when there is no room. False after a failure. */
bool work_reserve(struct work *work, void *items, size_t n, size_t *capacity, size_t item_bytes);

#define INTERN_FAILED UINT32_MAX
/* *is_new may be NULL. INTERN_FAILED after a failure. */
uint32_t intern_words(struct work *work, struct interner *interner, const uint32_t *words, size_t n, bool *is_new);
static inline const uint32_t *interned_words(const struct interner *interner, uint32_t number, size_t *n) {
    *n = interner->begins[number + 1] - interner->begins[number];
    return interner->words + interner->begins[number];
}

#endif
