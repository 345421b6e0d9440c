/* See matcher.h. An automaton is kept with the grammar for every vocabulary that used it, so that requests with the same
 * grammar share what it has learnt. */
#include "engine/grammar/matcher.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/grammar/distance.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/mask.h"
#include "engine/grammar/running.h"

#define END_MARGIN 24 /* tokens */

struct matcher {
    bn_grammar *grammar;
    const struct token_trie *trie;
    struct automaton *automaton; /* under the grammar's lock */
    uint32_t epoch;              /* the states below are of this one … */
    int32_t *ids;                /* [capacity] of the output so far … */
    uint32_t *states;            /* [capacity + 1] before each, and behind the last */
    size_t n, capacity;
    uint64_t *bits;     /* [mask words] */
    struct buffer text; /* of the output, where strings in it are compared, and … */
    size_t *ends;       /* [capacity] where each id's bytes end; NULL: nowhere */
};

bn_status matcher_create(bn_grammar *grammar, const struct token_trie *trie, size_t capacity, struct matcher **out,
                         bn_error *err) {
    struct matcher *m = mem_calloc(1, sizeof *m);
    if (!m) return fail_no_memory(err, sizeof *m);
    m->grammar = bn_grammar_retain(grammar);
    m->trie = trie;
    m->capacity = capacity;
    m->ids = mem_alloc_array(capacity + 1, sizeof *m->ids);
    m->states = mem_alloc_array(capacity + 1, sizeof *m->states);
    m->bits = mem_alloc_array(trie->mask_words, sizeof *m->bits);
    /* masks know nothing of repeated items: a generation's form of a schema never needs it */
    bool compares = capacity > 0 && grammar_compares(grammar);
    if (grammar_writes_unique(grammar)) m->ends = mem_alloc_array(capacity + 1, sizeof *m->ends);
    buffer_init(&m->text);
    bn_status status = m->ids && m->states && m->bits && (m->ends || !grammar_writes_unique(grammar))
                           ? BN_OK
                           : fail_no_memory(err, capacity * sizeof *m->states);
    const uint64_t *bits;
    if (!status && compares)
        status = fail(err, BN_STATUS_UNSUPPORTED, "a schema of any form with uniqueItems is for checking texts only");
    if (!status) status = running_automaton(grammar, trie, &m->automaton, err);
    if (!status) status = matcher_allowed(m, NULL, 0, NULL, 0, &bits, err);
    bool any = !status && matcher_is_complete(m, NULL, 0);
    for (size_t w = 0; w < trie->mask_words && !status; w++) any |= m->bits[w] != 0;
    if (!status && !any)
        status =
            fail(err, BN_STATUS_BAD_ARGUMENT, "no token of the model's vocabulary can begin what the grammar asks for");
    if (status) {
        matcher_destroy(m);
        return status;
    }
    *out = m;
    return BN_OK;
}

void matcher_destroy(struct matcher *m) {
    if (!m) return;
    bn_grammar_release(m->grammar);
    mem_free(m->ids);
    mem_free(m->states);
    mem_free(m->bits);
    mem_free(m->ends);
    buffer_release(&m->text);
    mem_free(m);
}

/* The id is that at `place` of the output. */
static uint32_t read_token(struct matcher *m, uint32_t state, int32_t id, size_t place) {
    size_t n;
    struct automaton *a = m->automaton;
    const char *bytes = token_trie_spelling(m->trie, id, &n);
    if (m->ends) m->text.size = place ? m->ends[place - 1] : 0;
    for (size_t i = 0; i < n && state != STATE_DEAD; i++) {
        if (m->ends) {
            buffer_append(&m->text, bytes + i, 1);
            if (!m->text.failed) automaton_note_item(a, m->text.data, m->text.size);
        }
        state = automaton_next(a, state, (uint8_t)bytes[i]);
        a->item.text = NULL;
    }
    if (m->ends) m->ends[place] = m->text.size;
    return n ? state : STATE_DEAD;
}

/* Brings the states up to these ids. False: the automaton has no memory left. */
static bool follow(struct matcher *m, const int32_t *ids, size_t n_ids) {
    if (!automaton_refresh(m->automaton)) return false;
    if (m->epoch != m->automaton->epoch) m->n = 0;
    m->epoch = m->automaton->epoch;
    m->states[0] = m->automaton->start;
    size_t n = 0;
    while (n < m->n && n < n_ids && m->ids[n] == ids[n]) n++;
    for (; n < n_ids; n++) {
        m->ids[n] = ids[n];
        m->states[n + 1] = read_token(m, m->states[n], ids[n], n);
        if (!work_ok(&m->automaton->work)) {
            m->n = n;
            return false;
        }
    }
    m->n = n_ids;
    return true;
}

static bn_status fail_automaton(const struct matcher *m, bn_error *err) {
    const struct work *work = &m->automaton->work;
    if (work->status == BN_STATUS_NO_MEMORY) return fail(err, work->status, "%s", work->error.message);
    return fail(err, BN_STATUS_UNSUPPORTED, "the grammar is too complex to go on with this output: %s",
                work->error.message);
}

/* Must the output think of its end? A token may open something that takes as long as the grammar's longest part; then it has
 * still to be closed, a byte a token at worst. */
static bool ends_soon(const struct matcher *m, uint32_t state, size_t n_ids) {
    uint64_t left = m->capacity - n_ids;
    return left > 0 &&
           left <= (uint64_t)automaton_distance(m->automaton, state) + grammar_longest_part(m->grammar) + END_MARGIN;
}

/* Twice, because an automaton that was full is emptied for the second try. */
static bn_status allow(struct matcher *m, const int32_t *ids, size_t n_ids, bool *ends, bn_error *err) {
    for (int tries = 0; tries < 2; tries++) {
        if (!follow(m, ids, n_ids)) continue;
        uint32_t state = m->states[n_ids];
        const uint64_t *bits = automaton_mask(m->automaton, state);
        if (!bits) continue;
        memcpy(m->bits, bits, m->trie->mask_words * sizeof *bits);
        if (ends_soon(m, state, n_ids) &&
            !automaton_restrict(m->automaton, state, (uint32_t)(m->capacity - n_ids) - 1, m->bits))
            continue;
        *ends = m->automaton->states[state].ends;
        return BN_OK;
    }
    return fail_automaton(m, err);
}

bn_status matcher_allowed(struct matcher *m, const int32_t *ids, size_t n_ids, const int32_t *end_ids, size_t n_end_ids,
                          const uint64_t **bits, bn_error *err) {
    bool ends = false;
    pthread_mutex_lock(&m->grammar->lock);
    bn_status status = allow(m, ids, n_ids, &ends, err);
    pthread_mutex_unlock(&m->grammar->lock);
    if (status) return status;
    for (size_t i = 0; i < n_end_ids; i++) {
        uint64_t bit = UINT64_C(1) << end_ids[i] % 64, *word = &m->bits[end_ids[i] / 64];
        *word = ends ? *word | bit : *word & ~bit;
    }
    *bits = m->bits;
    return BN_OK;
}

bool matcher_is_complete(struct matcher *m, const int32_t *ids, size_t n_ids) {
    pthread_mutex_lock(&m->grammar->lock);
    bool complete = follow(m, ids, n_ids) && m->automaton->states[m->states[n_ids]].only_ends;
    pthread_mutex_unlock(&m->grammar->lock);
    return complete;
}

size_t matcher_forced(struct matcher *m, const int32_t *ids, size_t n_ids, char *bytes, size_t most) {
    size_t n = 0;
    pthread_mutex_lock(&m->grammar->lock);
    struct automaton *a = m->automaton;
    uint32_t state = follow(m, ids, n_ids) ? m->states[n_ids] : STATE_DEAD;
    while (n < most && state != STATE_DEAD && work_ok(&a->work)) {
        int byte = automaton_only_byte(a, state);
        if (byte < 0) break;
        bytes[n++] = (char)byte;
        state = automaton_next(a, state, (uint8_t)byte);
    }
    pthread_mutex_unlock(&m->grammar->lock);
    return n;
}
