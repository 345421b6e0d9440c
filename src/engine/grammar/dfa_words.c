/* The automaton of a set of words, with the fewest states there can be: ends that are the same are there once. The words are
 * read in order; what the next one doesn't share with the word before is finished, from its end (Daciuk, Mihov, Watson and
 * Watson 2000, the algorithm for sorted input). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/grammar/dfa.h"

/* Along the word that was read last: a state that more may be added to. */
struct open_state {
    uint32_t label;
    uint32_t *edges; /* [2 · n_edges] a code point, and the finished state it leads to; the last one isn't finished */
    size_t n_edges, capacity;
};

struct building {
    struct work *work, *scratch; /* counts the steps; has the memory */
    struct open_state *path;     /* [n_path] states, from the start to the end of the word */
    size_t n_path, capacity;
    struct interner finished; /* by their label and edges */
    uint32_t *name;           /* one of these while it's made */
    size_t name_capacity;
};

static int compare_words(const void *a, const void *b) {
    const struct dfa_word *x = a, *y = b;
    int order = memcmp(x->text ? x->text : "", y->text ? y->text : "", min_size(x->n, y->n));
    if (order) return order;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* The number of a state to which nothing will be added. */
static uint32_t finish(struct building *b, const struct open_state *state) {
    size_t n = 1 + 2 * state->n_edges;
    if (!work_reserve(b->scratch, &b->name, n, &b->name_capacity, sizeof *b->name) || !work_spend(b->work, 1 + n / 8))
        return 0;
    b->name[0] = state->label;
    if (state->n_edges) memcpy(b->name + 1, state->edges, 2 * state->n_edges * sizeof *b->name);
    return intern_words(b->scratch, &b->finished, b->name, n, NULL);
}

/* Finishes what comes behind the first `depth` characters of the last word. */
static void close_behind(struct building *b, size_t depth) {
    while (b->n_path > depth + 1 && work_ok(b->scratch)) {
        struct open_state *before = &b->path[b->n_path - 2];
        before->edges[2 * before->n_edges - 1] = finish(b, &b->path[b->n_path - 1]);
        b->n_path--;
    }
}

static bool open_state(struct building *b) {
    if (!work_reserve(b->scratch, &b->path, b->n_path + 1, &b->capacity, sizeof *b->path)) return false;
    struct open_state *state = &b->path[b->n_path++];
    state->label = 0;
    state->n_edges = 0;
    return true;
}

static void add_word(struct building *b, const struct dfa_word *word) {
    size_t depth = 0, at = 0;
    uint32_t code_point;
    for (bool shared = true; at < word->n; depth++) {
        int length = utf8_decode(word->text + at, word->n - at, &code_point);
        struct open_state *state = &b->path[depth];
        at += (size_t)length;
        shared = shared && depth + 1 < b->n_path && state->edges[2 * state->n_edges - 2] == code_point;
        if (shared) continue;
        close_behind(b, depth);
        state = &b->path[depth];
        if (!work_reserve(b->scratch, &state->edges, 2 * state->n_edges + 2, &state->capacity, sizeof *state->edges))
            return;
        state->edges[2 * state->n_edges++] = code_point;
        if (!open_state(b) || !work_spend(b->work, 1)) return;
    }
    close_behind(b, depth);
    b->path[depth].label = word->label;
}

/* The states are finished from the ends: the last one is the start. */
static bool number(struct building *b, uint32_t n_states, struct dfa *out) {
    size_t n_words;
    out->states = work_alloc(b->scratch, n_states, sizeof *out->states);
    out->edges = work_alloc(b->scratch, b->finished.n_words / 2, sizeof *out->edges);
    if (!out->states || !out->edges) return false;
    for (uint32_t i = 0; i < n_states; i++) {
        const uint32_t *name = interned_words(&b->finished, n_states - 1 - i, &n_words);
        out->states[i] =
            (struct dfa_state){.first_edge = out->n_edges, .n_edges = (uint32_t)(n_words / 2), .label = name[0]};
        for (size_t e = 1; e < n_words; e += 2)
            out->edges[out->n_edges++] = (struct dfa_edge){name[e], name[e], n_states - 1 - name[e + 1]};
    }
    out->n_states = n_states;
    return true;
}

const struct dfa *dfa_words(struct work *work, const struct dfa_word *words, size_t n) {
    struct work scratch;
    struct dfa all = {0};
    const struct dfa *trimmed = NULL;
    work_borrow(work, &scratch);
    struct building b = {.work = work, .scratch = &scratch};
    struct dfa_word *sorted = work_alloc(&scratch, n, sizeof *sorted);
    size_t n_sorted = 0;
    for (size_t i = 0; sorted && i < n; i++) /* what isn't UTF-8 no text spells */
        if (utf8_valid(words[i].text, words[i].n)) sorted[n_sorted++] = words[i];
    if (sorted && work_spend(work, n) && open_state(&b)) {
        if (n_sorted) qsort(sorted, n_sorted, sizeof *sorted, compare_words);
        for (size_t i = 0; i < n_sorted && work_ok(work) && work_ok(&scratch); i++) add_word(&b, &sorted[i]);
        close_behind(&b, 0);
        uint32_t start = finish(&b, &b.path[0]);
        if (work_ok(work) && work_ok(&scratch) && number(&b, start + 1, &all)) trimmed = dfa_trim(work, &all);
    }
    work_return(work, &scratch);
    return work_ok(work) ? trimmed : NULL;
}
