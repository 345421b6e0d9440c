/* Token healing: a prompt that ends in the middle of a word ends in tokens that the model has seldom seen before what
 * comes next. The last ones are taken back, and the output has to spell their bytes again, with whatever tokens the
 * model likes best: those that begin with what is left to spell, or that it begins with. */
#ifndef ENGINE_HEALING_H
#define ENGINE_HEALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/tokenizer.h"

#define MAX_HEALED_TOKENS 8 /* that are taken back at most */

/* Zeroed there is nothing to heal. */
struct healing {
    const bn_token_bytes *table; /* the engine's */
    char *prefix;                /* [n_prefix] bytes that the output begins with; owned */
    size_t n_prefix;
    bool *can_spell; /* [n_prefix + 1]: is there a way to spell the rest from here on? owned */
};

/* Takes tokens back, but never the first one: *n_kept of the prompt are left. vocab_size: the model's. */
bn_status healing_init(struct healing *healing, const bn_token_bytes *table, size_t vocab_size, const int32_t *prompt,
                       size_t n_prompt, size_t *n_kept, bn_error *err);
void healing_release(struct healing *healing);

/* How many bytes of the prefix the output so far has spelled. */
size_t healing_spelled(const struct healing *healing, const int32_t *output, size_t n_output);
/* May this id come when so many bytes have been spelled, fewer than n_prefix? One always may. */
bool healing_allows(const struct healing *healing, size_t spelled, int32_t id);

#endif
