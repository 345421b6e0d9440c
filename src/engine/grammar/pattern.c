/* Patterns as automata: a tree becomes a nondeterministic automaton (Thompson, "Regular expression search algorithm",
 * CACM 11(6), 1968, built from its end), and that the deterministic one by the subset construction.
 *
 * Anchors are edges that are passed only where they hold: ^ before the first character has been read, $ when the question
 * is whether a text may end. Look-ahead is an intersection: what follows it, to the end, must (not) begin with what it
 * says. That is computed on automata and put in place of the rest. */
#include "engine/grammar/pattern_syntax.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MOST_NODES 300000

enum nfa_kind {
    NFA_CHARS, /* one character of the set, then next */
    NFA_SPLIT, /* next or other */
    NFA_START, /* next, at the beginning */
    NFA_END,   /* next, at the end */
    NFA_MATCH, /* the text may end here */
    NFA_ALL,   /* and go on with anything */
    NFA_NONE,
};

struct nfa_node {
    enum nfa_kind kind;
    uint32_t next, other;
    const struct code_set *set;
};

struct nfa {
    struct work *work;
    struct nfa_node *nodes;
    size_t n, capacity;
    uint32_t *marks; /* [n] round in which the closure met a node */
    uint32_t round;
    uint32_t *stack, *set; /* [n] */
    size_t n_set;
    bool at_start; /* the automaton's start is the text's */
    const struct pattern_node *(*body_of)(const void *context, uint32_t rule);
    const void *context;
};

static uint32_t add(struct nfa *nfa, struct nfa_node node) {
    nfa->nodes = work_grow(nfa->work, nfa->nodes, nfa->n + 1, &nfa->capacity, sizeof *nfa->nodes);
    if (!nfa->nodes || !work_spend(nfa->work, 1)) return 0;
    if (nfa->n >= MOST_NODES) {
        work_fail(nfa->work, BN_STATUS_UNSUPPORTED, "the pattern is too large");
        return 0;
    }
    nfa->nodes[nfa->n] = node;
    return (uint32_t)nfa->n++;
}

static const struct dfa *determinize(struct nfa *nfa, uint32_t start);

/* ---- tree → nondeterministic automaton ---- */

static uint32_t build(struct nfa *nfa, const struct pattern_node *node, uint32_t next);

static uint32_t build_repeat(struct nfa *nfa, const struct pattern_node *node, uint32_t next) {
    const struct pattern_node *item = node->items[0];
    uint32_t at = next;
    if (node->max == PATTERN_UNLIMITED) {
        at = add(nfa, (struct nfa_node){NFA_SPLIT, 0, next, NULL});
        uint32_t inside = build(nfa, item, at);
        if (work_ok(nfa->work)) nfa->nodes[at].next = inside;
    } else {
        for (uint32_t i = node->min; i < node->max && work_ok(nfa->work); i++)
            at = add(nfa, (struct nfa_node){NFA_SPLIT, build(nfa, item, at), next, NULL});
    }
    for (uint32_t i = 0; i < node->min && work_ok(nfa->work); i++) at = build(nfa, item, at);
    return at;
}

static uint32_t build(struct nfa *nfa, const struct pattern_node *node, uint32_t next) {
    uint32_t at = next;
    if (!work_ok(nfa->work)) return 0;
    switch (node->kind) {
    case PATTERN_CHARS:
        return add(nfa, (struct nfa_node){NFA_CHARS, next, 0, &node->set});
    case PATTERN_CONCAT:
        for (size_t i = node->n_items; i-- > 0;) at = build(nfa, node->items[i], at);
        return at;
    case PATTERN_ALTERNATIVES:
        at = build(nfa, node->items[node->n_items - 1], next);
        for (size_t i = node->n_items - 1; i-- > 0;)
            at = add(nfa, (struct nfa_node){NFA_SPLIT, build(nfa, node->items[i], next), at, NULL});
        return at;
    case PATTERN_REPEAT:
        return build_repeat(nfa, node, next);
    case PATTERN_START:
        return add(nfa, (struct nfa_node){NFA_START, next, 0, NULL});
    case PATTERN_END:
        return add(nfa, (struct nfa_node){NFA_END, next, 0, NULL});
    case PATTERN_RULE:
        return build(nfa, nfa->body_of(nfa->context, node->rule), next);
    case PATTERN_SPECIAL:
    case PATTERN_SCHEMA:
    case PATTERN_DFA:
        break; /* not regular: rules.c sees to them */
    case PATTERN_LOOK:
        work_fail(nfa->work, BN_STATUS_UNSUPPORTED, "look-ahead inside of a group of the pattern isn't supported");
        return 0;
    }
    return 0;
}

/* The states of an automaton as nodes; the node of its start. */
static uint32_t embed(struct nfa *nfa, const struct dfa *dfa) {
    if (!dfa) return 0;
    uint32_t base = (uint32_t)nfa->n;
    for (uint32_t s = 0; s < dfa->n_states; s++) add(nfa, (struct nfa_node){NFA_NONE, 0, 0, NULL});
    for (uint32_t s = 0; s < dfa->n_states && work_ok(nfa->work); s++) {
        const struct dfa_state *state = &dfa->states[s];
        uint32_t at = add(nfa, (struct nfa_node){dfa->everything ? NFA_ALL
                                                 : state->label  ? NFA_MATCH
                                                                 : NFA_NONE,
                                                 0, 0, NULL});
        for (uint32_t e = 0; e < state->n_edges && work_ok(nfa->work) && !dfa->everything; e++) {
            const struct dfa_edge *edge = &dfa->edges[state->first_edge + e];
            struct code_set *set = work_alloc(nfa->work, 1, sizeof *set);
            if (!set) return 0;
            code_set_add(nfa->work, set, edge->first, edge->last);
            uint32_t way = add(nfa, (struct nfa_node){NFA_CHARS, base + edge->to, 0, set});
            at = add(nfa, (struct nfa_node){NFA_SPLIT, way, at, NULL});
        }
        if (work_ok(nfa->work)) nfa->nodes[base + s] = (struct nfa_node){NFA_SPLIT, at, at, NULL};
    }
    return dfa->n_states ? base : add(nfa, (struct nfa_node){NFA_NONE, 0, 0, NULL});
}

static bool is_zero_width(const struct pattern_node *node) {
    return node->kind == PATTERN_START || node->kind == PATTERN_LOOK;
}

/* What comes from item `from` of a top-level alternative on, up to the end. */
static uint32_t build_rest(struct nfa *nfa, const struct pattern_node *concat, size_t from, bool at_start,
                           enum nfa_kind end);

/* The language of that alone. */
static const struct dfa *language_of_rest(struct work *work, const struct pattern_node *concat, size_t from,
                                          bool at_start, enum nfa_kind end) {
    struct nfa nfa = {.work = work, .at_start = at_start};
    return determinize(&nfa, build_rest(&nfa, concat, from, at_start, end));
}

static uint32_t build_look(struct nfa *nfa, const struct pattern_node *concat, size_t at, bool at_start,
                           enum nfa_kind end) {
    struct work *work = nfa->work;
    const struct dfa *rest = language_of_rest(work, concat, at + 1, at_start, end);
    struct nfa ahead = {.work = work, .at_start = at_start};
    uint32_t all = add(&ahead, (struct nfa_node){NFA_ALL, 0, 0, NULL});
    const struct dfa *begins = determinize(&ahead, build(&ahead, concat->items[at]->items[0], all));
    return embed(nfa, dfa_combine(work, rest, begins, concat->items[at]->negative ? DFA_WITHOUT : DFA_AND));
}

static uint32_t build_rest(struct nfa *nfa, const struct pattern_node *concat, size_t from, bool at_start,
                           enum nfa_kind end) {
    size_t look = from; /* the first look-ahead */
    while (look < concat->n_items && concat->items[look]->kind != PATTERN_LOOK) look++;
    bool starts = at_start;
    for (size_t i = from; i < look; i++) starts &= is_zero_width(concat->items[i]);
    uint32_t at = look < concat->n_items ? build_look(nfa, concat, look, starts, end)
                                         : add(nfa, (struct nfa_node){end, 0, 0, NULL});
    for (size_t i = look; i-- > from;) at = build(nfa, concat->items[i], at);
    return at;
}

/* ---- subsets ---- */

static int compare_numbers(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Adds to the set what can be reached from a node without reading. */
static void close_over(struct nfa *nfa, uint32_t from, bool at_start, bool at_end) {
    size_t n = 0;
    nfa->stack[n++] = from;
    while (n > 0) {
        uint32_t at = nfa->stack[--n];
        const struct nfa_node *node = &nfa->nodes[at];
        if (nfa->marks[at] == nfa->round) continue;
        nfa->marks[at] = nfa->round;
        if (!work_spend(nfa->work, 1)) return;
        if (node->kind == NFA_SPLIT) {
            if (nfa->marks[node->other] != nfa->round) nfa->stack[n++] = node->other;
            if (nfa->marks[node->next] != nfa->round) nfa->stack[n++] = node->next;
        } else if ((node->kind == NFA_START && at_start) || (node->kind == NFA_END && at_end)) {
            nfa->stack[n++] = node->next;
        }
        bool counts =
            node->kind == NFA_CHARS || node->kind == NFA_END || node->kind == NFA_MATCH || node->kind == NFA_ALL;
        if (counts) nfa->set[nfa->n_set++] = at;
    }
}

static void begin_set(struct nfa *nfa) {
    nfa->round++;
    nfa->n_set = 0;
}

/* Sorted; a set that accepts everything is that alone. */
static void finish_set(struct nfa *nfa) {
    for (size_t i = 0; i < nfa->n_set; i++) {
        if (nfa->nodes[nfa->set[i]].kind != NFA_ALL) continue;
        nfa->set[0] = nfa->set[i];
        nfa->n_set = 1;
        return;
    }
    if (work_spend(nfa->work, 8 * nfa->n_set)) qsort(nfa->set, nfa->n_set, sizeof *nfa->set, compare_numbers);
}

/* May the text end in this set? Through $ and what follows it. */
static bool may_end(struct nfa *nfa, const uint32_t *set, size_t n, bool at_start) {
    begin_set(nfa);
    for (size_t i = 0; i < n; i++) close_over(nfa, set[i], at_start, true);
    for (size_t i = 0; i < nfa->n_set; i++) {
        enum nfa_kind kind = nfa->nodes[nfa->set[i]].kind;
        if (kind == NFA_MATCH || kind == NFA_ALL) return true;
    }
    return false;
}

/* A place where the nodes that read a character change: node begins or ends there. */
struct event {
    uint32_t at, node;
    bool ends;
};

/* What ends comes first, so that a node is active once. */
static int compare_events(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (int)y->ends - (int)x->ends;
}

static size_t collect_events(struct nfa *nfa, const uint32_t *set, size_t n, struct event **events) {
    size_t n_events = 0;
    for (size_t i = 0; i < n; i++)
        if (nfa->nodes[set[i]].kind == NFA_CHARS) n_events += 2 * nfa->nodes[set[i]].set->n;
    *events = mem_alloc_array(n_events + 1, sizeof **events);
    if (!*events) {
        work_fail(nfa->work, BN_STATUS_NO_MEMORY, "out of memory: %zu bytes were refused", n_events * sizeof **events);
        return 0;
    }
    n_events = 0;
    for (size_t i = 0; i < n; i++) {
        const struct nfa_node *node = &nfa->nodes[set[i]];
        for (size_t r = 0; node->kind == NFA_CHARS && r < node->set->n; r++) {
            (*events)[n_events++] = (struct event){node->set->ranges[r].first, set[i], false};
            (*events)[n_events++] = (struct event){node->set->ranges[r].last + 1, set[i], true};
        }
    }
    qsort(*events, n_events, sizeof **events, compare_events);
    return n_events;
}

/* The states' names are sets of nodes, after a word that says whether it's the beginning. */
static void expand_subset(void *context, const uint32_t *name, size_t n_name, struct exploration *to) {
    struct nfa *nfa = context;
    bool at_start = name[0];
    const uint32_t *set = name + 1;
    size_t n = n_name - 1, n_active = 0;
    explore_accept(to, may_end(nfa, set, n, at_start));
    if (n == 1 && nfa->nodes[set[0]].kind == NFA_ALL) {
        explore_edge(to, 0, 0xd7ff, name, n_name);
        explore_edge(to, 0xe000, LAST_CODE_POINT, name, n_name);
        return;
    }
    struct event *events;
    size_t n_events = collect_events(nfa, set, n, &events);
    uint32_t *active = mem_alloc_array(n + 1, sizeof *active);
    uint32_t *place = mem_alloc_array(nfa->n + 1, sizeof *place); /* of a node in active */
    uint32_t *target = mem_alloc_array(nfa->n + 1, sizeof *target);
    if (!active || !place || !target)
        work_fail(nfa->work, BN_STATUS_NO_MEMORY, "out of memory while a pattern is compiled");
    for (size_t i = 0; i < n_events && work_spend(nfa->work, 1 + n_active);) {
        uint32_t at = events[i].at;
        for (; i < n_events && events[i].at == at; i++) {
            uint32_t node = events[i].node;
            if (events[i].ends) {
                uint32_t last = active[--n_active];
                active[place[node]] = last;
                place[last] = place[node];
            } else {
                place[node] = (uint32_t)n_active;
                active[n_active++] = node;
            }
        }
        if (n_active == 0 || i == n_events) continue;
        begin_set(nfa);
        for (size_t a = 0; a < n_active; a++) close_over(nfa, nfa->nodes[active[a]].next, false, false);
        finish_set(nfa);
        target[0] = 0;
        memcpy(target + 1, nfa->set, nfa->n_set * sizeof *target);
        if (nfa->n_set) explore_edge(to, at, events[i].at - 1, target, nfa->n_set + 1);
    }
    mem_free(events);
    mem_free(active);
    mem_free(place);
    mem_free(target);
}

static const struct dfa *determinize(struct nfa *nfa, uint32_t start) {
    struct work *work = nfa->work;
    nfa->marks = work_alloc(work, nfa->n + 1, sizeof *nfa->marks);
    nfa->stack = work_alloc(work, 2 * nfa->n + 2, sizeof *nfa->stack);
    nfa->set = work_alloc(work, nfa->n + 1, sizeof *nfa->set);
    uint32_t *name = work_alloc(work, nfa->n + 1, sizeof *name);
    if (!work_ok(work)) return NULL;
    begin_set(nfa);
    close_over(nfa, start, nfa->at_start, false);
    finish_set(nfa);
    name[0] = nfa->at_start;
    memcpy(name + 1, nfa->set, nfa->n_set * sizeof *name);
    return dfa_explore(work, name, nfa->n_set + 1, expand_subset, nfa);
}

/* ---- the whole ---- */

/* "(a|b)" and "^(?:a|b)$" are seen as what is in the group, where nothing else is. */
static const struct pattern_node *without_group(const struct pattern_node *tree) {
    while (tree->n_items == 1 && tree->items[0]->n_items == 1 && tree->items[0]->items[0]->kind == PATTERN_ALTERNATIVES)
        tree = tree->items[0]->items[0];
    return tree;
}

static const struct dfa *compile(struct work *work, const char *text, size_t n, enum pattern_use use) {
    const struct pattern_node *tree = pattern_parse(work, text, n);
    if (!tree) return NULL;
    tree = without_group(tree);
    struct nfa nfa = {.work = work, .at_start = true};
    bool search = use == PATTERN_SEARCH;
    enum nfa_kind end = search ? NFA_ALL : NFA_MATCH;
    struct code_set *any = work_alloc(work, 1, sizeof *any);
    if (!any) return NULL;
    code_set_finish(work, any, true);
    uint32_t at = 0;
    for (size_t i = 0; i < tree->n_items && work_ok(work); i++) {
        const struct pattern_node *concat = tree->items[i];
        bool anchored = !search || (concat->n_items && concat->items[0]->kind == PATTERN_START);
        uint32_t one = build_rest(&nfa, concat, 0, anchored, end);
        if (!anchored) { /* anything before it */
            uint32_t loop = add(&nfa, (struct nfa_node){NFA_SPLIT, 0, one, NULL});
            uint32_t skip = add(&nfa, (struct nfa_node){NFA_CHARS, loop, 0, any});
            if (work_ok(work)) nfa.nodes[loop].next = skip;
            one = loop;
        }
        at = i == 0 ? one : add(&nfa, (struct nfa_node){NFA_SPLIT, one, at, NULL});
    }
    return work_ok(work) ? determinize(&nfa, at) : NULL;
}

const struct dfa *pattern_compile(struct work *work, const char *text, size_t n, enum pattern_use use) {
    uint32_t id;
    const struct dfa *known = dfa_known(work, use, text, n, &id);
    if (known || !work_ok(work)) return known;
    struct work scratch;
    work_borrow(work, &scratch);
    const struct dfa *made = compile(&scratch, text, n, use);
    if (made) known = dfa_copy(work, made);
    work_return(work, &scratch);
    return dfa_keep(work, id, known);
}

const struct dfa *pattern_tree_compile(struct work *work, const struct pattern_node *tree,
                                       const struct pattern_node *(*body_of)(const void *context, uint32_t rule),
                                       const void *context) {
    struct nfa nfa = {.work = work, .at_start = true, .body_of = body_of, .context = context};
    uint32_t end = add(&nfa, (struct nfa_node){NFA_MATCH, 0, 0, NULL});
    uint32_t at = build(&nfa, tree, end);
    return work_ok(work) ? determinize(&nfa, at) : NULL;
}
