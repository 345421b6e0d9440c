/* The subset construction, with assertions: see pattern_nfa.h.
 *
 * A state is a set of items; an item is a node and the duties that came with the look-ahead on the way to it. Most have none, and
 * are numbered like their nodes. With look-behind a state also knows where the automata of what came before are. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/pattern_nfa.h"

#define MOST_DUTIES 64 /* of one item */

struct subsets {
    struct work *work;
    const struct nfa *nfa;
    struct looks *looks;
    uint32_t n_behind;
    struct interner pairs;     /* node, duties: items behind the nodes */
    struct interner duty_sets; /* words: automaton, state; the first is empty */
    uint32_t *marks;           /* [items] round in which the closure met one */
    size_t marks_capacity;
    uint32_t round;
    uint32_t *stack, *set;
    size_t n_stack, stack_capacity, n_set, set_capacity;
    uint32_t *target; /* the name of a state that is led to */
    size_t target_capacity;
    struct nfa_place place; /* of the closure */
    bool at_end;
};

/* ---- items ---- */

static uint32_t item_of(struct subsets *s, uint32_t node, uint32_t duties) {
    if (duties == 0) return node;
    if (!work_spend(s->work, 4)) return 0;
    uint32_t pair = intern_words(s->work, &s->pairs, (uint32_t[]){node, duties}, 2, NULL);
    return pair == INTERN_FAILED ? 0 : (uint32_t)s->nfa->n + pair;
}

static uint32_t node_of(const struct subsets *s, uint32_t item, uint32_t *duties) {
    size_t n;
    *duties = 0;
    if (item < s->nfa->n) return item;
    const uint32_t *pair = interned_words(&s->pairs, item - (uint32_t)s->nfa->n, &n);
    *duties = pair[1];
    return pair[0];
}

static int compare_duties(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
    return x[1] < y[1] ? -1 : x[1] > y[1];
}

/* The number of a set of duties; words are automaton, state. Those that anything fulfils are left out. */
static uint32_t duties_of(struct subsets *s, uint32_t *words, size_t n) {
    size_t kept = 0;
    if (!work_spend(s->work, 10 + 8 * n)) return 0;
    qsort(words, n / 2, 2 * sizeof *words, compare_duties);
    for (size_t i = 0; i < n; i += 2) {
        const struct dfa *dfa = s->looks->duties[words[i]];
        if (dfa->everything || dfa->free_state == words[i + 1]) continue;
        if (kept && words[kept - 2] == words[i] && words[kept - 1] == words[i + 1]) continue;
        words[kept++] = words[i];
        words[kept++] = words[i + 1];
    }
    if (kept > 2 * MOST_DUTIES)
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "too complex: too much look-ahead at one place");
    uint32_t id = intern_words(s->work, &s->duty_sets, words, kept, NULL);
    return id == INTERN_FAILED ? 0 : id;
}

/* ---- assertions ---- */

static uint32_t behind_state(const struct subsets *s, const struct look *look) {
    return s->place.behind ? s->place.behind[look->behind] : look->before->n_states ? 0 : DFA_DEAD;
}

static bool holds_behind(const struct subsets *s, const struct look *look) {
    uint32_t state = behind_state(s, look);
    bool matches = state != DFA_DEAD && look->before->states[state].label;
    return matches != look->node->negative;
}

/* What may follow where look-ahead is asked: its match, or none, then anything. */
static const struct dfa *texts_ahead(struct subsets *s, const struct look *look) {
    struct nfa nfa = {.work = s->work, .looks = s->looks};
    uint32_t end = nfa_add(&nfa, (struct nfa_node){NFA_ALL, 0, 0, NULL});
    uint32_t at = nfa_build(&nfa, look->node->items[0], end);
    const struct dfa *begins = work_ok(s->work) ? nfa_determinize(&nfa, at, s->place) : NULL;
    if (!look->node->negative) return begins;
    return dfa_combine(s->work, dfa_everything(s->work), begins, DFA_WITHOUT);
}

static uint32_t duty_of(struct subsets *s, uint32_t which) {
    uint32_t name[2] = {which, s->place.at_start}, *words = name;
    if (s->n_behind) {
        words = work_alloc(s->work, 2 + s->n_behind, sizeof *words);
        if (!words) return INTERN_FAILED;
        memcpy(words, name, sizeof name);
        for (size_t i = 0; i < s->looks->n; i++)
            if (s->looks->items[i].node->behind)
                words[2 + s->looks->items[i].behind] = behind_state(s, &s->looks->items[i]);
    }
    bool is_new;
    uint32_t id = intern_words(s->work, &s->looks->duty_names, words, 2 + s->n_behind, &is_new);
    if (!is_new || id == INTERN_FAILED) return id;
    if (!work_reserve(s->work, &s->looks->duties, id + 1, &s->looks->duties_capacity, sizeof(const struct dfa *)))
        return INTERN_FAILED;
    s->looks->duties[id] = NULL;
    const struct dfa *made = texts_ahead(s, &s->looks->items[which]);
    s->looks->duties[id] = made;
    return made ? id : INTERN_FAILED;
}

/* The duties with one more. False: nothing can fulfil it. */
static bool add_duty(struct subsets *s, uint32_t which, uint32_t *duties) {
    uint32_t words[2 * MOST_DUTIES + 2], duty = duty_of(s, which);
    size_t n;
    if (duty == INTERN_FAILED || s->looks->duties[duty]->n_states == 0) return false;
    const uint32_t *old = interned_words(&s->duty_sets, *duties, &n);
    if (n) memcpy(words, old, n * sizeof *words);
    words[n] = duty;
    words[n + 1] = 0;
    *duties = duties_of(s, words, n + 2);
    return true;
}

/* The duties after a character. False: one can't be fulfilled any more. */
static bool step_duties(struct subsets *s, uint32_t *duties, uint32_t code_point) {
    uint32_t words[2 * MOST_DUTIES];
    size_t n;
    if (*duties == 0) return true;
    const uint32_t *old = interned_words(&s->duty_sets, *duties, &n);
    for (size_t i = 0; i < n; i += 2) {
        words[i] = old[i];
        words[i + 1] = dfa_next(s->looks->duties[old[i]], old[i + 1], code_point);
        if (words[i + 1] == DFA_DEAD) return false;
    }
    *duties = duties_of(s, words, n);
    return true;
}

/* Are they fulfilled if the text ends here? */
static bool are_fulfilled(const struct subsets *s, uint32_t duties) {
    size_t n;
    const uint32_t *words = interned_words(&s->duty_sets, duties, &n);
    for (size_t i = 0; i < n; i += 2)
        if (!s->looks->duties[words[i]]->states[words[i + 1]].label) return false;
    return true;
}

/* ---- closures ---- */

static void push(struct subsets *s, uint32_t node, uint32_t duties) {
    uint32_t item = item_of(s, node, duties);
    size_t old = s->marks_capacity;
    if (!work_reserve(s->work, &s->marks, item + 1, &s->marks_capacity, sizeof *s->marks) ||
        !work_reserve(s->work, &s->stack, s->n_stack + 1, &s->stack_capacity, sizeof *s->stack))
        return;
    if (s->marks_capacity > old) memset(s->marks + old, 0, (s->marks_capacity - old) * sizeof *s->marks);
    if (s->marks[item] != s->round) s->stack[s->n_stack++] = item;
}

/* Adds to the set what can be reached from an item without reading. */
static void close_over(struct subsets *s, uint32_t from, uint32_t with) {
    push(s, from, with);
    while (s->n_stack > 0 && work_ok(s->work)) {
        uint32_t item = s->stack[--s->n_stack], duties, at = node_of(s, item, &duties);
        const struct nfa_node *node = &s->nfa->nodes[at];
        if (s->marks[item] == s->round) continue;
        s->marks[item] = s->round;
        if (!work_spend(s->work, 1)) return;
        bool counts = true, passes = false;
        switch (node->kind) {
        case NFA_SPLIT:
            counts = false;
            push(s, node->other, duties);
            passes = true;
            break;
        case NFA_START:
            counts = false;
            passes = s->place.at_start;
            break;
        case NFA_END:
            passes = s->at_end;
            break;
        case NFA_AHEAD:
            counts = false;
            passes = add_duty(s, node->other, &duties);
            break;
        case NFA_BEHIND:
            counts = false;
            passes = holds_behind(s, &s->looks->items[node->other]);
            break;
        default:
            break;
        }
        if (passes) push(s, node->next, duties);
        if (counts && work_reserve(s->work, &s->set, s->n_set + 1, &s->set_capacity, sizeof *s->set))
            s->set[s->n_set++] = item;
    }
    s->n_stack = 0;
}

static void begin_set(struct subsets *s, struct nfa_place place, bool at_end) {
    s->round++;
    s->n_set = 0;
    s->place = place;
    s->at_end = at_end;
}

static int compare_numbers(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_all(const struct subsets *s, uint32_t item) {
    return item < s->nfa->n && s->nfa->nodes[item].kind == NFA_ALL;
}

/* Sorted; a set that accepts everything is that alone. */
static void finish_set(struct subsets *s) {
    for (size_t i = 0; i < s->n_set; i++) {
        if (!is_all(s, s->set[i])) continue;
        s->set[0] = s->set[i];
        s->n_set = 1;
        return;
    }
    if (s->n_set && work_spend(s->work, 8 * s->n_set)) qsort(s->set, s->n_set, sizeof *s->set, compare_numbers);
}

/* May the text end in this set? Through $ and what follows it. */
static bool may_end(struct subsets *s, const uint32_t *set, size_t n, struct nfa_place place) {
    begin_set(s, place, true);
    for (size_t i = 0; i < n && work_ok(s->work); i++) {
        uint32_t duties, node = node_of(s, set[i], &duties);
        close_over(s, node, duties);
    }
    for (size_t i = 0; i < s->n_set; i++) {
        uint32_t duties, node = node_of(s, s->set[i], &duties);
        enum nfa_kind kind = s->nfa->nodes[node].kind;
        if ((kind == NFA_MATCH || kind == NFA_ALL) && are_fulfilled(s, duties)) return true;
    }
    return false;
}

/* ---- the characters that matter ---- */

/* A place where what reads a character changes: an item of the set begins or ends there, or, NO_ITEM, an edge of a duty or a
 * look-behind. */
struct event {
    uint32_t at, item;
    bool ends;
};
#define NO_ITEM UINT32_MAX

struct events {
    struct event *items;
    size_t n, capacity;
};

/* What ends comes first, so that an item is active once. */
static int compare_events(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (int)y->ends - (int)x->ends;
}

static void add_event(struct subsets *s, struct events *events, uint32_t first, uint32_t last, uint32_t item) {
    if (events->n + 2 > events->capacity) {
        size_t capacity = 2 * events->capacity + 64;
        struct event *grown = mem_realloc_array(events->items, capacity, sizeof *grown);
        if (!grown) {
            work_fail(s->work, BN_STATUS_NO_MEMORY, "out of memory: %zu bytes were refused", capacity * sizeof *grown);
            return;
        }
        events->items = grown;
        events->capacity = capacity;
    }
    events->items[events->n++] = (struct event){first, item, false};
    events->items[events->n++] = (struct event){last + 1, item, true};
}

static void add_edges(struct subsets *s, struct events *events, const struct dfa *dfa, uint32_t state) {
    if (state == DFA_DEAD || !work_spend(s->work, dfa->states[state].n_edges)) return;
    for (uint32_t e = 0; e < dfa->states[state].n_edges; e++) {
        const struct dfa_edge *edge = &dfa->edges[dfa->states[state].first_edge + e];
        add_event(s, events, edge->first, edge->last, NO_ITEM);
    }
}

static void add_item(struct subsets *s, struct events *events, uint32_t item, uint32_t number) {
    uint32_t duties, at = node_of(s, item, &duties);
    const struct nfa_node *node = &s->nfa->nodes[at];
    size_t n;
    if (node->kind == NFA_ALL) {
        add_event(s, events, 0, 0xd7ff, number);
        add_event(s, events, 0xe000, LAST_CODE_POINT, number);
    }
    for (size_t r = 0; node->kind == NFA_CHARS && r < node->set->n; r++)
        add_event(s, events, node->set->ranges[r].first, node->set->ranges[r].last, number);
    const uint32_t *words = interned_words(&s->duty_sets, duties, &n);
    for (size_t d = 0; d < n; d += 2) add_edges(s, events, s->looks->duties[words[d]], words[d + 1]);
}

/* ---- states: is it the beginning, states of the look-behinds, items ---- */

/* Makes the name of the state that a character leads to from these items of a state; the number of its words, 0: nothing is left. */
static size_t find_target(struct subsets *s, const uint32_t *name, const uint32_t *active, size_t n_active,
                          uint32_t code_point) {
    const uint32_t *set = name + 1 + s->n_behind;
    if (!work_reserve(s->work, &s->target, 1 + s->n_behind, &s->target_capacity, sizeof *s->target)) return 0;
    s->target[0] = 0;
    for (size_t i = 0; s->n_behind && i < s->looks->n; i++) {
        const struct look *look = &s->looks->items[i];
        uint32_t state = look->node->behind ? name[1 + look->behind] : DFA_DEAD;
        if (look->node->behind)
            s->target[1 + look->behind] = state == DFA_DEAD ? DFA_DEAD : dfa_next(look->before, state, code_point);
    }
    begin_set(s, (struct nfa_place){false, s->target + 1}, false);
    for (size_t i = 0; i < n_active && work_ok(s->work); i++) {
        uint32_t duties, node = node_of(s, set[active[i]], &duties);
        bool stays = s->nfa->nodes[node].kind == NFA_ALL;
        if (step_duties(s, &duties, code_point)) close_over(s, stays ? node : s->nfa->nodes[node].next, duties);
    }
    finish_set(s);
    size_t n = 1 + s->n_behind + s->n_set;
    if (s->n_set == 0 || !work_reserve(s->work, &s->target, n, &s->target_capacity, sizeof *s->target)) return 0;
    memcpy(s->target + 1 + s->n_behind, s->set, s->n_set * sizeof *s->set);
    return n;
}

/* Goes over the events; places[i] is that of item i among the active ones. */
static void sweep(struct subsets *s, const uint32_t *name, const struct events *events, uint32_t *active,
                  uint32_t *places, struct exploration *to) {
    size_t n_active = 0;
    for (size_t i = 0; i < events->n && work_spend(s->work, 1 + n_active);) {
        uint32_t at = events->items[i].at;
        for (; i < events->n && events->items[i].at == at; i++) {
            uint32_t item = events->items[i].item;
            if (item == NO_ITEM) continue;
            if (events->items[i].ends) {
                uint32_t last = active[--n_active];
                active[places[item]] = last;
                places[last] = places[item];
            } else {
                places[item] = (uint32_t)n_active;
                active[n_active++] = item;
            }
        }
        if (n_active == 0 || i == events->n) continue;
        size_t n = find_target(s, name, active, n_active, at);
        if (n) explore_edge(to, at, events->items[i].at - 1, s->target, n);
    }
}

static void expand_subset(void *context, const uint32_t *name, size_t n_name, struct exploration *to) {
    struct subsets *s = context;
    const uint32_t *set = name + 1 + s->n_behind;
    size_t n = n_name - 1 - s->n_behind;
    explore_accept(to, may_end(s, set, n, (struct nfa_place){name[0], name + 1}));
    if (n == 1 && is_all(s, set[0])) {
        explore_edge(to, 0, 0xd7ff, name, n_name);
        explore_edge(to, 0xe000, LAST_CODE_POINT, name, n_name);
        return;
    }
    struct events events = {0};
    uint32_t *active = mem_alloc_array(n + 1, sizeof *active), *places = mem_alloc_array(n + 1, sizeof *places);
    if (!active || !places) work_fail(s->work, BN_STATUS_NO_MEMORY, "out of memory while a pattern is compiled");
    for (size_t i = 0; i < n && work_ok(s->work); i++) add_item(s, &events, set[i], (uint32_t)i);
    for (size_t i = 0; s->n_behind && i < s->looks->n && work_ok(s->work); i++)
        if (s->looks->items[i].node->behind)
            add_edges(s, &events, s->looks->items[i].before, name[1 + s->looks->items[i].behind]);
    if (events.n && work_spend(s->work, 4 * events.n))
        qsort(events.items, events.n, sizeof *events.items, compare_events);
    if (work_ok(s->work)) sweep(s, name, &events, active, places, to);
    mem_free(events.items);
    mem_free(active);
    mem_free(places);
}

const struct dfa *nfa_determinize(struct nfa *nfa, uint32_t start, struct nfa_place place) {
    struct work *work = nfa->work;
    struct subsets s = {.work = work, .nfa = nfa, .looks = nfa->looks};
    s.n_behind = nfa->looks ? nfa->looks->n_behind : 0;
    intern_words(work, &s.duty_sets, &start, 0, NULL);
    if (!work_ok(work)) return NULL;
    begin_set(&s, place, false);
    close_over(&s, start, 0);
    finish_set(&s);
    size_t n = 1 + s.n_behind + s.n_set;
    uint32_t *name = work_alloc(work, n, sizeof *name);
    if (!name) return NULL;
    name[0] = place.at_start;
    for (size_t i = 0; s.n_behind && i < s.looks->n; i++)
        if (s.looks->items[i].node->behind) name[1 + s.looks->items[i].behind] = behind_state(&s, &s.looks->items[i]);
    if (s.n_set) memcpy(name + 1 + s.n_behind, s.set, s.n_set * sizeof *name);
    return dfa_explore(work, name, n, expand_subset, &s);
}
