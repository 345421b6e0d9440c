/* Which tokens may come while a prompt is healed; see healing.h. */
#include "engine/healing.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

bool healing_allows(const struct healing *healing, size_t spelled, int32_t id) {
    size_t n, left = healing->n_prefix - spelled;
    const char *bytes = bn_token_bytes_get(healing->table, id, &n);
    return n > 0 && memcmp(bytes, healing->prefix + spelled, min_size(n, left)) == 0 &&
           healing->can_spell[spelled + min_size(n, left)];
}

/* From the end: the end is spelled; what is before it if some token leads to a place that can be. The tokens that were
 * taken back are a way from the beginning. */
static void find_ways(struct healing *healing, size_t vocab_size) {
    healing->can_spell[healing->n_prefix] = true;
    for (size_t at = healing->n_prefix; at-- > 0;) {
        bool can = false;
        for (size_t id = 0; id < vocab_size && !can; id++) can = healing_allows(healing, at, (int32_t)id);
        healing->can_spell[at] = can;
    }
}

bn_status healing_init(struct healing *healing, const bn_token_bytes *table, size_t vocab_size, const int32_t *prompt,
                       size_t n_prompt, size_t *n_kept, bn_error *err) {
    *healing = (struct healing){.table = table};
    size_t most = min_size(MAX_HEALED_TOKENS, n_prompt - 1);
    bn_status status =
        bn_token_bytes_heal(table, prompt, n_prompt, most, n_kept, &healing->prefix, &healing->n_prefix, err);
    if (status) return status;
    healing->can_spell = mem_calloc(healing->n_prefix + 1, sizeof *healing->can_spell);
    if (!healing->can_spell) {
        healing_release(healing);
        return fail_no_memory(err, healing->n_prefix + 1);
    }
    find_ways(healing, vocab_size);
    return BN_OK;
}

void healing_release(struct healing *healing) {
    bn_free(healing->prefix);
    mem_free(healing->can_spell);
    *healing = (struct healing){0};
}

size_t healing_spelled(const struct healing *healing, const int32_t *output, size_t n_output) {
    size_t spelled = 0, n;
    for (size_t i = 0; i < n_output && spelled < healing->n_prefix; i++) {
        bn_token_bytes_get(healing->table, output[i], &n);
        spelled += n;
    }
    return min_size(spelled, healing->n_prefix);
}
