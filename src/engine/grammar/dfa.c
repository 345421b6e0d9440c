/* See dfa.h. */
#include "engine/grammar/dfa.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

#define MOST_STATES 100000

uint32_t dfa_next(const struct dfa *dfa, uint32_t state, uint32_t code_point) {
    const struct dfa_state *s = &dfa->states[state];
    const struct dfa_edge *edges = dfa->edges + s->first_edge;
    size_t low = 0, high = s->n_edges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (edges[middle].last < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n_edges && edges[low].first <= code_point ? edges[low].to : DFA_DEAD;
}

uint32_t dfa_match(const struct dfa *dfa, const char *text, size_t n) {
    uint32_t state = dfa->n_states ? 0 : DFA_DEAD, code_point;
    for (size_t i = 0; i < n && state != DFA_DEAD;) {
        int length = utf8_decode(text + i, n - i, &code_point);
        if (length <= 0) return 0;
        state = dfa_next(dfa, state, code_point);
        i += (size_t)length;
    }
    return state == DFA_DEAD ? 0 : dfa->states[state].label;
}

static uint32_t bytes_of(uint32_t c) {
    if (c == '"' || c == '\\') return 2;
    return c < 0x20 ? 6 : c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

uint32_t spelling_bytes(uint32_t first, uint32_t last) {
    uint32_t least = bytes_of(first);
    if (first < 0x20 && last >= 0x20) first = 0x20;
    for (uint32_t c = first; c <= last && c < first + 3; c++)
        if (bytes_of(c) < least) least = bytes_of(c);
    return least;
}

/* ---- exploring ---- */

struct exploration {
    struct work *work, *scratch; /* counts the steps; has the memory */
    struct interner names;
    struct dfa_state *states;
    size_t states_capacity;
    struct dfa_edge *edges;
    size_t n_edges, edges_capacity;
    uint32_t at; /* the state being expanded */
};

void explore_accept(struct exploration *to, uint32_t label) {
    to->states[to->at].label = label;
}

void explore_edge(struct exploration *to, uint32_t first, uint32_t last, const uint32_t *words, size_t n) {
    struct work *work = to->work;
    uint32_t target = intern_words(to->scratch, &to->names, words, n, NULL);
    if (target == INTERN_FAILED || !work_spend(work, 1 + n / 8)) return;
    if (target >= MOST_STATES) {
        work_fail(work, BN_STATUS_UNSUPPORTED, "too complex: more than %d states", MOST_STATES);
        return;
    }
    struct dfa_state *state = &to->states[to->at];
    struct dfa_edge *previous = state->n_edges ? &to->edges[to->n_edges - 1] : NULL;
    if (previous && previous->to == target && previous->last + 1 == first) {
        previous->last = last;
        return;
    }
    to->edges = work_grow(to->scratch, to->edges, to->n_edges + 1, &to->edges_capacity, sizeof *to->edges);
    if (!to->edges) return;
    to->edges[to->n_edges++] = (struct dfa_edge){first, last, target};
    state->n_edges++;
}

/* Marks the states from which acceptance can be reached, and how far it is: the rounds go backwards, as states are
 * numbered in the order they were reached. */
static bool measure(struct work *work, struct dfa *dfa, const uint32_t *costs) {
    for (uint32_t i = 0; i < dfa->n_states; i++) {
        uint32_t label = dfa->states[i].label;
        dfa->states[i].distance = !label ? UINT32_MAX : costs ? costs[label - 1] : 0;
        dfa->states[i].length = label ? 0 : UINT32_MAX;
    }
    for (bool changed = true; changed;) {
        changed = false;
        if (!work_spend(work, dfa->n_states + dfa->n_edges)) return false;
        for (uint32_t i = dfa->n_states; i-- > 0;) {
            struct dfa_state *state = &dfa->states[i];
            for (uint32_t e = 0; e < state->n_edges; e++) {
                const struct dfa_edge *edge = &dfa->edges[state->first_edge + e];
                uint32_t beyond = dfa->states[edge->to].distance, length = dfa->states[edge->to].length;
                if (beyond == UINT32_MAX) continue;
                if (length + 1 < state->length) {
                    state->length = length + 1;
                    changed = true;
                }
                beyond += spelling_bytes(edge->first, edge->last);
                if (beyond >= state->distance) continue;
                state->distance = beyond;
                changed = true;
            }
        }
    }
    return true;
}

/* Does the state accept, and stay whatever comes? */
static bool is_free(const struct dfa *dfa, uint32_t at) {
    const struct dfa_state *s = &dfa->states[at];
    const struct dfa_edge *edges = dfa->edges + s->first_edge;
    return s->label && s->n_edges == 2 && edges[0].first == 0 && edges[0].last == 0xd7ff && edges[0].to == at &&
           edges[1].first == 0xe000 && edges[1].last == LAST_CODE_POINT && edges[1].to == at;
}

/* Leaves out the states that lead nowhere. */
static const struct dfa *trim(struct work *work, const struct dfa *all) {
    struct dfa *dfa = work_alloc(work, 1, sizeof *dfa);
    uint32_t *numbers = work_alloc(work, all->n_states, sizeof *numbers);
    if (!dfa || !numbers) return NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->n_states; i++) numbers[i] = all->states[i].distance == UINT32_MAX ? DFA_DEAD : n++;
    dfa->free_state = DFA_DEAD;
    if (numbers[0] == DFA_DEAD) return dfa;
    dfa->states = work_alloc(work, n, sizeof *dfa->states);
    dfa->edges = work_alloc(work, all->n_edges, sizeof *dfa->edges);
    if (!dfa->states || !dfa->edges) return NULL;
    for (uint32_t i = 0; i < all->n_states; i++) {
        if (numbers[i] == DFA_DEAD) continue;
        struct dfa_state *state = &dfa->states[dfa->n_states++];
        *state = all->states[i];
        state->first_edge = dfa->n_edges;
        state->n_edges = 0;
        for (uint32_t e = 0; e < all->states[i].n_edges; e++) {
            struct dfa_edge edge = all->edges[all->states[i].first_edge + e];
            if ((edge.to = numbers[edge.to]) == DFA_DEAD) continue;
            dfa->edges[dfa->n_edges++] = edge;
            state->n_edges++;
        }
        if (is_free(dfa, dfa->n_states - 1)) dfa->free_state = dfa->n_states - 1;
        if (state->length > dfa->longest) dfa->longest = state->length;
    }
    dfa->everything = dfa->n_states == 1 && dfa->free_state == 0 && dfa->states[0].label == 1;
    return dfa;
}

const struct dfa *dfa_trim(struct work *work, struct dfa *all) {
    return measure(work, all, NULL) ? trim(work, all) : NULL;
}

/* A text that accepts whatever comes is one state. */
static bool accepts_all(const struct dfa *dfa) {
    for (uint32_t i = 0; i < dfa->n_states; i++) {
        const struct dfa_state *state = &dfa->states[i];
        uint32_t next = 0;
        if (state->label != 1) return false;
        for (uint32_t e = 0; e < state->n_edges; e++) {
            const struct dfa_edge *edge = &dfa->edges[state->first_edge + e];
            if (edge->first != next) return false;
            next = edge->last == 0xd7ff ? 0xe000 : edge->last + 1;
        }
        if (next != LAST_CODE_POINT + 1) return false;
    }
    return dfa->n_states > 0;
}

/* The states and edges are in the scratch memory, as is all that leads to them. */
static bool explore(struct work *work, struct work *scratch, const uint32_t *start, size_t n, expand_function expand,
                    void *context, struct dfa *out) {
    struct exploration e = {.work = work, .scratch = scratch};
    uint32_t *words = NULL; /* a copy: the interner's own move when it grows */
    size_t capacity = 0;
    intern_words(scratch, &e.names, start, n, NULL);
    for (; e.at < e.names.n && work_ok(work) && work_ok(scratch); e.at++) {
        size_t n_words;
        const uint32_t *name = interned_words(&e.names, e.at, &n_words);
        words = work_grow(scratch, words, n_words + 1, &capacity, sizeof *words);
        e.states = work_grow(scratch, e.states, e.at + 1, &e.states_capacity, sizeof *e.states);
        if (!e.states || !words) return false;
        if (n_words) memcpy(words, name, n_words * sizeof *words);
        e.states[e.at] = (struct dfa_state){.first_edge = (uint32_t)e.n_edges};
        expand(context, words, n_words, &e);
    }
    *out = (struct dfa){.states = e.states, .edges = e.edges, .n_states = e.at, .n_edges = (uint32_t)e.n_edges};
    return work_ok(scratch);
}

const struct dfa *dfa_explore(struct work *work, const uint32_t *start, size_t n, expand_function expand,
                              void *context) {
    struct work scratch;
    struct dfa all;
    const struct dfa *trimmed = NULL;
    work_borrow(work, &scratch);
    if (explore(work, &scratch, start, n, expand, context, &all)) trimmed = dfa_trim(work, &all);
    work_return(work, &scratch);
    if (!work_ok(work)) return NULL;
    if (trimmed && !trimmed->everything && accepts_all(trimmed)) return dfa_everything(work);
    return trimmed;
}

/* ---- kept ones ---- */

const struct dfa *dfa_known(struct work *work, uint32_t kind, const char *text, size_t n, uint32_t *id) {
    size_t n_words = n / 4 + 3;
    uint32_t *words = mem_calloc(n_words, sizeof *words);
    bool is_new;
    *id = INTERN_FAILED;
    if (!words) {
        work_fail(work, BN_STATUS_NO_MEMORY, "out of memory: %zu bytes were refused", n_words * sizeof *words);
        return NULL;
    }
    words[0] = kind;
    words[1] = (uint32_t)n;
    if (n) memcpy(words + 2, text, n);
    *id = intern_words(work, &work->names, words, n_words, &is_new);
    mem_free(words);
    if (*id == INTERN_FAILED || !is_new) return *id == INTERN_FAILED ? NULL : work->automata[*id];
    if (!work_reserve(work, &work->automata, *id + 1, &work->automata_capacity, sizeof(const struct dfa *)))
        return NULL;
    work->automata[*id] = NULL;
    return NULL;
}

const struct dfa *dfa_keep(struct work *work, uint32_t id, const struct dfa *dfa) {
    return work_ok(work) ? work->automata[id] = dfa : NULL;
}

const struct dfa *dfa_copy(struct work *work, const struct dfa *dfa) {
    struct dfa *copy = work_alloc(work, 1, sizeof *copy);
    struct dfa_state *states = work_alloc(work, dfa->n_states, sizeof *states);
    struct dfa_edge *edges = work_alloc(work, dfa->n_edges, sizeof *edges);
    if (!copy || !states || !edges) return NULL;
    *copy = *dfa;
    if (dfa->n_states) copy->states = memcpy(states, dfa->states, dfa->n_states * sizeof *states);
    if (dfa->n_edges) copy->edges = memcpy(edges, dfa->edges, dfa->n_edges * sizeof *edges);
    return copy;
}

/* ---- simple languages ---- */

const struct dfa *dfa_nothing(struct work *work) {
    return work_alloc(work, 1, sizeof(struct dfa));
}

const struct dfa *dfa_everything(struct work *work) {
    struct dfa *dfa = work_alloc(work, 1, sizeof *dfa);
    struct dfa_state *state = work_alloc(work, 1, sizeof *state);
    struct dfa_edge *edges = work_alloc(work, 2, sizeof *edges);
    if (!dfa || !state || !edges) return NULL;
    *state = (struct dfa_state){.n_edges = 2, .label = 1};
    edges[0] = (struct dfa_edge){0, 0xd7ff, 0};
    edges[1] = (struct dfa_edge){0xe000, LAST_CODE_POINT, 0};
    *dfa = (struct dfa){state, edges, 1, 2, true, 0, 0};
    return dfa;
}

/* ---- combining ---- */

/* Walks over the edges of several states at once: stretches of code points in which none changes its target. */
struct sweep {
    const struct dfa *const *parts;
    const uint32_t *states; /* of each part, or DFA_DEAD */
    size_t n;
    uint32_t first, last; /* the stretch */
    uint32_t *targets;    /* of each part in it */
};

static bool sweep_next(struct sweep *s) {
    if (s->last == LAST_CODE_POINT) return false;
    s->first = s->last + 1 == 0xd800 ? 0xe000 : s->last + 1;
    s->last = s->first < 0xd800 ? 0xd7ff : LAST_CODE_POINT;
    for (size_t i = 0; i < s->n; i++) {
        s->targets[i] = DFA_DEAD;
        if (s->states[i] == DFA_DEAD) continue;
        const struct dfa_state *state = &s->parts[i]->states[s->states[i]];
        const struct dfa_edge *edges = s->parts[i]->edges + state->first_edge;
        size_t low = 0, high = state->n_edges;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (edges[middle].last < s->first)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == state->n_edges) continue;
        if (edges[low].first > s->first) {
            if (edges[low].first - 1 < s->last) s->last = edges[low].first - 1;
        } else {
            s->targets[i] = edges[low].to;
            if (edges[low].last < s->last) s->last = edges[low].last;
        }
    }
    return true;
}
#define SWEEP_START UINT32_MAX /* `last` before the first stretch */

struct combination {
    const struct dfa *parts[2];
    enum dfa_operation operation;
};

static uint32_t label_of(const struct dfa *dfa, uint32_t state) {
    return state == DFA_DEAD ? 0 : dfa->states[state].label;
}

static void expand_combination(void *context, const uint32_t *states, size_t n, struct exploration *to) {
    const struct combination *c = context;
    uint32_t a = label_of(c->parts[0], states[0]), b = label_of(c->parts[1], states[1]), targets[2];
    bool accepts = c->operation == DFA_AND ? a && b : c->operation == DFA_OR ? a || b : a && !b;
    explore_accept(to, accepts ? a ? a : b : 0);
    struct sweep s = {.parts = c->parts, .states = states, .n = n, .last = SWEEP_START, .targets = targets};
    while (sweep_next(&s)) {
        bool dead = c->operation == DFA_AND  ? targets[0] == DFA_DEAD || targets[1] == DFA_DEAD
                    : c->operation == DFA_OR ? targets[0] == DFA_DEAD && targets[1] == DFA_DEAD
                                             : targets[0] == DFA_DEAD;
        if (!dead) explore_edge(to, s.first, s.last, targets, 2);
    }
}

const struct dfa *dfa_combine(struct work *work, const struct dfa *a, const struct dfa *b,
                              enum dfa_operation operation) {
    if (!a || !b || !work_ok(work)) return NULL;
    if (operation == DFA_AND && (a->everything || b->n_states == 0)) return b;
    if (operation == DFA_AND && (b->everything || a->n_states == 0)) return a;
    if (operation == DFA_OR && (a->n_states == 0 || b->everything)) return b;
    if (operation != DFA_AND && (b->n_states == 0 || (operation == DFA_OR && a->everything))) return a;
    if (operation == DFA_WITHOUT && (b->everything || a->n_states == 0)) return dfa_nothing(work);
    struct combination combination = {{a, b}, operation};
    uint32_t start[2] = {0, 0};
    return dfa_explore(work, start, 2, expand_combination, &combination);
}

struct limit {
    const struct dfa *dfa;
    uint32_t min, max;
};

static void expand_limit(void *context, const uint32_t *name, size_t n_name, struct exploration *to) {
    const struct limit *limit = context;
    const struct dfa_state *state = &limit->dfa->states[name[0]];
    uint32_t n = name[1];
    (void)n_name;
    if (n >= limit->min) explore_accept(to, state->label);
    if (n == limit->max) return;
    if (limit->max != UINT32_MAX || n < limit->min) n++;
    for (uint32_t e = 0; e < state->n_edges; e++) {
        const struct dfa_edge *edge = &limit->dfa->edges[state->first_edge + e];
        explore_edge(to, edge->first, edge->last, (uint32_t[]){edge->to, n}, 2);
    }
}

const struct dfa *dfa_limit(struct work *work, const struct dfa *a, uint32_t min, uint32_t max) {
    if (!a || (min == 0 && max == UINT32_MAX) || a->n_states == 0) return a;
    struct limit limit = {a, min, max};
    return dfa_explore(work, (uint32_t[]){0, 0}, 2, expand_limit, &limit);
}

/* A copy with other labels, untrimmed. */
static struct dfa *copy_of(struct work *work, const struct dfa *a) {
    struct dfa *copy = work_alloc(work, 1, sizeof *copy);
    if (!copy) return NULL;
    *copy = *a;
    copy->everything = false;
    copy->states = work_alloc(work, a->n_states, sizeof *copy->states);
    if (!copy->states) return NULL;
    memcpy(copy->states, a->states, a->n_states * sizeof *copy->states);
    return copy;
}

const struct dfa *dfa_restrict(struct work *work, const struct dfa *a, const uint32_t *allowed, const uint32_t *costs) {
    struct work scratch;
    if (!a || !a->n_states || !work_ok(work)) return a;
    work_borrow(work, &scratch);
    struct dfa *copy = copy_of(&scratch, a);
    for (uint32_t i = 0; copy && i < copy->n_states; i++) {
        uint32_t label = copy->states[i].label;
        if (label && !(allowed[(label - 1) / 32] >> (label - 1) % 32 & 1)) copy->states[i].label = 0;
    }
    const struct dfa *trimmed = copy && measure(work, copy, costs) ? trim(work, copy) : NULL;
    work_return(work, &scratch);
    return work_ok(work) ? trimmed : NULL;
}

const struct dfa *dfa_relabel(struct work *work, const struct dfa *a, uint32_t more) {
    struct dfa *copy = a ? copy_of(work, a) : NULL;
    if (!copy) return NULL;
    for (uint32_t i = 0; i < copy->n_states; i++)
        if (copy->states[i].label) copy->states[i].label += more;
    return copy;
}

struct classification {
    struct work *work;
    const struct dfa *const *parts;
    size_t n;
    struct interner *sets;
    uint32_t *set, *targets;
};

static void expand_classification(void *context, const uint32_t *states, size_t n, struct exploration *to) {
    struct classification *c = context;
    size_t n_words = (n + 31) / 32;
    memset(c->set, 0, n_words * sizeof *c->set);
    for (size_t i = 0; i < n; i++)
        if (label_of(c->parts[i], states[i])) c->set[i / 32] |= 1u << i % 32;
    uint32_t number = intern_words(c->work, c->sets, c->set, n_words, NULL);
    if (number == INTERN_FAILED) return;
    explore_accept(to, number + 1);
    struct sweep s = {.parts = c->parts, .states = states, .n = n, .last = SWEEP_START, .targets = c->targets};
    while (work_spend(c->work, n) && sweep_next(&s)) explore_edge(to, s.first, s.last, c->targets, n);
}

const struct dfa *dfa_classify(struct work *work, const struct dfa *const *parts, size_t n, struct interner *sets) {
    uint32_t *start = work_alloc(work, n, sizeof *start);
    struct classification c = {.work = work, .parts = parts, .n = n, .sets = sets};
    c.set = work_alloc(work, (n + 31) / 32, sizeof *c.set);
    c.targets = work_alloc(work, n, sizeof *c.targets);
    if (!start || !c.set || !c.targets) return NULL;
    for (size_t i = 0; i < n; i++) start[i] = parts[i]->n_states ? 0 : DFA_DEAD;
    return dfa_explore(work, start, n, expand_classification, &c);
}
