/* Where one output stands in a grammar. A matcher follows the ids of an output, which may change behind its back as
 * guesses do: it compares them with those it knows and reads on from where they part. One matcher per sequence, by one thread
 * at a time; the grammar beneath is shared. */
#ifndef ENGINE_GRAMMAR_MATCHER_H
#define ENGINE_GRAMMAR_MATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/grammar.h"
#include "engine/grammar/token_trie.h"

struct matcher;

/* BN_STATUS_BAD_ARGUMENT: the grammar's first tokens can't be spelled with this vocabulary. The grammar is retained; the
 * trie must outlive the matcher. capacity: the longest output. */
bn_status matcher_create(bn_grammar *grammar, const struct token_trie *trie, size_t capacity, struct matcher **out,
                         bn_error *err);
void matcher_destroy(struct matcher *matcher); /* or NULL */

/* What may follow these ids: a bit for each of the vocabulary, until the next call. end_ids may come where the output may end,
 * and only there. Where the output comes near its capacity, only what completes it in time may. */
bn_status matcher_allowed(struct matcher *matcher, const int32_t *ids, size_t n_ids, const int32_t *end_ids,
                          size_t n_end_ids, const uint64_t **bits, bn_error *err);
/* The bytes that come next, whatever else follows, if nothing is spelled by an escape in vain: at most `most`, with special tokens
 * spelled as in token_trie.h. */
size_t matcher_forced(struct matcher *matcher, const int32_t *ids, size_t n_ids, char *bytes, size_t most);
/* Is the output complete, with nothing that could follow? False after a failure, too: the next call says which. */
bool matcher_is_complete(struct matcher *matcher, const int32_t *ids, size_t n_ids);

#endif
