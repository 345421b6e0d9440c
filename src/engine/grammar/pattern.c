/* Patterns as automata: a tree becomes a nondeterministic automaton (Thompson, "Regular expression search algorithm",
 * CACM 11(6), 1968, built from its end), and that the deterministic one (pattern_subsets.c). */
#include <string.h>

#include "engine/grammar/pattern_nfa.h"

#define MOST_NODES 300000

uint32_t nfa_add(struct nfa *nfa, struct nfa_node node) {
    nfa->nodes = work_grow(nfa->work, nfa->nodes, nfa->n + 1, &nfa->capacity, sizeof *nfa->nodes);
    if (!nfa->nodes || !work_spend(nfa->work, 1)) return 0;
    if (nfa->n >= MOST_NODES) {
        work_fail(nfa->work, BN_STATUS_UNSUPPORTED, "the pattern is too large");
        return 0;
    }
    nfa->nodes[nfa->n] = node;
    return (uint32_t)nfa->n++;
}

/* ---- tree → nondeterministic automaton ---- */

static uint32_t build_repeat(struct nfa *nfa, const struct pattern_node *node, uint32_t next) {
    const struct pattern_node *item = node->items[0];
    uint32_t at = next;
    if (node->max == PATTERN_UNLIMITED) {
        at = nfa_add(nfa, (struct nfa_node){NFA_SPLIT, 0, next, NULL});
        uint32_t inside = nfa_build(nfa, item, at);
        if (work_ok(nfa->work)) nfa->nodes[at].next = inside;
    } else {
        for (uint32_t i = node->min; i < node->max && work_ok(nfa->work); i++)
            at = nfa_add(nfa, (struct nfa_node){NFA_SPLIT, nfa_build(nfa, item, at), next, NULL});
    }
    for (uint32_t i = 0; i < node->min && work_ok(nfa->work); i++) at = nfa_build(nfa, item, at);
    return at;
}

static uint32_t build_look(struct nfa *nfa, const struct pattern_node *node, uint32_t next) {
    uint32_t which = 0;
    while (nfa->looks && which < nfa->looks->n && nfa->looks->items[which].node != node) which++;
    if (!nfa->looks || which == nfa->looks->n) {
        work_fail(nfa->work, BN_STATUS_UNSUPPORTED, "an assertion about what is around isn't supported here");
        return 0;
    }
    return nfa_add(nfa, (struct nfa_node){node->behind ? NFA_BEHIND : NFA_AHEAD, next, which, NULL});
}

uint32_t nfa_build(struct nfa *nfa, const struct pattern_node *node, uint32_t next) {
    uint32_t at = next;
    if (!work_ok(nfa->work)) return 0;
    switch (node->kind) {
    case PATTERN_CHARS:
        return nfa_add(nfa, (struct nfa_node){NFA_CHARS, next, 0, &node->set});
    case PATTERN_CONCAT:
        for (size_t i = node->n_items; i-- > 0;) at = nfa_build(nfa, node->items[i], at);
        return at;
    case PATTERN_ALTERNATIVES:
        if (node->n_items == 0) return nfa_add(nfa, (struct nfa_node){NFA_CHARS, next, 0, &node->set}); /* no text */
        at = nfa_build(nfa, node->items[node->n_items - 1], next);
        for (size_t i = node->n_items - 1; i-- > 0;)
            at = nfa_add(nfa, (struct nfa_node){NFA_SPLIT, nfa_build(nfa, node->items[i], next), at, NULL});
        return at;
    case PATTERN_REPEAT:
        return build_repeat(nfa, node, next);
    case PATTERN_START:
        return nfa_add(nfa, (struct nfa_node){NFA_START, next, 0, NULL});
    case PATTERN_END:
        return nfa_add(nfa, (struct nfa_node){NFA_END, next, 0, NULL});
    case PATTERN_RULE:
        return nfa_build(nfa, nfa->body_of(nfa->context, node->rule), next);
    case PATTERN_SPECIAL:
    case PATTERN_SCHEMA:
    case PATTERN_DFA:
        break; /* not regular: rules.c sees to them */
    case PATTERN_LOOK:
        return build_look(nfa, node, next);
    }
    return 0;
}

/* ---- assertions ---- */

/* Before `at`: anything. */
static uint32_t build_skip(struct nfa *nfa, uint32_t at) {
    struct code_set *any = work_alloc(nfa->work, 1, sizeof *any);
    if (!any) return 0;
    code_set_finish(nfa->work, any, true);
    uint32_t loop = nfa_add(nfa, (struct nfa_node){NFA_SPLIT, 0, at, NULL});
    uint32_t skip = nfa_add(nfa, (struct nfa_node){NFA_CHARS, loop, 0, any});
    if (work_ok(nfa->work)) nfa->nodes[loop].next = skip;
    return loop;
}

static bool asks_for_end(const struct pattern_node *node) {
    bool asks = node->kind == PATTERN_END;
    for (size_t i = 0; i < node->n_items && !asks; i++) asks = asks_for_end(node->items[i]);
    return asks;
}

/* Texts that end with a match. */
static const struct dfa *texts_before(struct work *work, const struct pattern_node *tree) {
    struct nfa nfa = {.work = work};
    if (asks_for_end(tree)) /* of the whole text, which isn't what has been read */
        work_fail(work, BN_STATUS_UNSUPPORTED, "$ in look-behind isn't supported");
    uint32_t end = nfa_add(&nfa, (struct nfa_node){NFA_MATCH, 0, 0, NULL});
    uint32_t at = build_skip(&nfa, nfa_build(&nfa, tree, end));
    return work_ok(work) ? nfa_determinize(&nfa, at, (struct nfa_place){.at_start = true}) : NULL;
}

static void collect_looks(struct work *work, const struct pattern_node *node, struct looks *looks) {
    for (size_t i = 0; i < node->n_items && work_ok(work); i++) collect_looks(work, node->items[i], looks);
    if (node->kind != PATTERN_LOOK || !work_ok(work)) return;
    looks->items = work_grow(work, looks->items, looks->n + 1, &looks->capacity, sizeof *looks->items);
    if (!looks->items) return;
    struct look *look = &looks->items[looks->n++];
    *look = (struct look){.node = node, .behind = looks->n_behind};
    if (!node->behind) return;
    look->before = texts_before(work, node->items[0]);
    looks->n_behind++;
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
    bool search = use == PATTERN_SEARCH;
    struct looks looks = {0};
    struct nfa nfa = {.work = work, .looks = &looks};
    collect_looks(work, tree, &looks);
    uint32_t end = nfa_add(&nfa, (struct nfa_node){search ? NFA_ALL : NFA_MATCH, 0, 0, NULL}), at = 0;
    for (size_t i = 0; i < tree->n_items && work_ok(work); i++) {
        const struct pattern_node *concat = tree->items[i];
        bool anchored = !search || (concat->n_items && concat->items[0]->kind == PATTERN_START);
        uint32_t one = nfa_build(&nfa, concat, end);
        if (!anchored) one = build_skip(&nfa, one);
        at = i == 0 ? one : nfa_add(&nfa, (struct nfa_node){NFA_SPLIT, one, at, NULL});
    }
    return work_ok(work) ? nfa_determinize(&nfa, at, (struct nfa_place){.at_start = true}) : NULL;
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
    struct nfa nfa = {.work = work, .body_of = body_of, .context = context};
    uint32_t end = nfa_add(&nfa, (struct nfa_node){NFA_MATCH, 0, 0, NULL});
    uint32_t at = nfa_build(&nfa, tree, end);
    return work_ok(work) ? nfa_determinize(&nfa, at, (struct nfa_place){.at_start = true}) : NULL;
}
