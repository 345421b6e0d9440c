/* Masks, in two halves. Of a lexeme's position alone follows, whatever surrounds it, which tokens stay inside of the
 * lexeme: most of them, most of the time. That half is computed once for a position, with the places in the trie where
 * the lexeme may end inside of a token. What comes there depends on the frame and is walked for every state; these are few. */
#include "engine/grammar/mask.h"

#include <string.h>

#include "engine/grammar/distance.h"

struct pop {
    uint32_t node; /* the lexeme may end behind it, and tokens go on */
    uint32_t label;
};

struct local_mask {
    uint64_t *bits;
    struct pop *pops;
    size_t n_pops, pops_capacity;
};

static void allow_tokens(const struct token_trie *trie, uint32_t node, uint64_t *bits) {
    for (uint32_t i = trie->nodes[node].first_token; i < trie->nodes[node + 1].first_token; i++)
        bits[(uint32_t)trie->tokens[i] / 64] |= UINT64_C(1) << (uint32_t)trie->tokens[i] % 64;
}

static void add_pop(struct automaton *a, struct local_mask *local, uint32_t node, uint32_t label) {
    local->pops = work_grow(&a->work, local->pops, local->n_pops + 1, &local->pops_capacity, sizeof *local->pops);
    if (local->pops) local->pops[local->n_pops++] = (struct pop){node, label};
}

static struct local_mask *local_of(struct automaton *a, uint32_t lex) {
    const struct token_trie *trie = a->trie;
    if (a->lex[lex].local) return a->lex[lex].local;
    struct local_mask *local = work_alloc(&a->work, 1, sizeof *local);
    uint64_t *bits = work_alloc(&a->work, trie->mask_words, sizeof *bits);
    if (!local || !bits) return NULL;
    uint32_t path[LONGEST_TRIE_TOKEN + 2];
    path[0] = lex;
    for (uint32_t i = 0; i < trie->n_nodes && work_spend(&a->work, 1);) {
        const struct token_node *node = &trie->nodes[i];
        uint32_t to = lex_next(a, path[node->depth - 1], node->byte);
        if (to == 0) {
            i = node->end;
            continue;
        }
        path[node->depth] = to;
        allow_tokens(trie, i, bits);
        if (a->lex[to].label && node->end > i + 1) add_pop(a, local, i, a->lex[to].label);
        i++;
    }
    if (!work_ok(&a->work)) return NULL;
    local->bits = bits;
    return a->lex[lex].local = local;
}

/* The tokens of a subtree that may come from a state on. */
static void walk(struct automaton *a, uint32_t root, uint32_t state, uint64_t *bits) {
    const struct token_trie *trie = a->trie;
    uint32_t path[LONGEST_TRIE_TOKEN + 2];
    path[trie->nodes[root].depth] = state;
    for (uint32_t i = root + 1; i < trie->nodes[root].end && work_spend(&a->work, 1);) {
        const struct token_node *node = &trie->nodes[i];
        uint32_t to = automaton_next(a, path[node->depth - 1], node->byte);
        if (to == STATE_DEAD) {
            i = node->end;
            continue;
        }
        path[node->depth] = to;
        allow_tokens(trie, i, bits);
        i++;
    }
}

static void add_item_mask(struct automaton *a, uint32_t lex, uint32_t frame, uint64_t *bits) {
    const struct local_mask *local = local_of(a, lex);
    if (!local) return;
    for (size_t w = 0; w < a->trie->mask_words; w++) bits[w] |= local->bits[w];
    uint32_t label = 0, state = STATE_DEAD;
    for (size_t i = 0; i < local->n_pops && work_ok(&a->work); i++) {
        if (local->pops[i].label != label) {
            label = local->pops[i].label;
            state = automaton_pop(a, frame, label);
        }
        if (state != STATE_DEAD) walk(a, local->pops[i].node, state, bits);
    }
}

const uint64_t *automaton_mask(struct automaton *a, uint32_t state) {
    if (a->states[state].mask) return a->states[state].mask;
    uint64_t *bits = work_alloc(&a->work, a->trie->mask_words, sizeof *bits);
    if (!bits) return NULL;
    size_t n;
    interned_words(&a->state_names, state, &n);
    for (size_t i = 1; i + 1 < n && work_ok(&a->work); i += 2) {
        const uint32_t *item = interned_words(&a->state_names, state, &n) + i;
        add_item_mask(a, item[0], item[1], bits);
    }
    if (!work_ok(&a->work)) return NULL;
    return a->states[state].mask = bits;
}

/* Leaves the tokens that lead to states at most that far away; gives the least distance of any. */
static uint32_t near_tokens(struct automaton *a, uint32_t state, uint32_t most, uint64_t *bits) {
    const struct token_trie *trie = a->trie;
    uint32_t path[LONGEST_TRIE_TOKEN + 2], nearest = UINT32_MAX, farthest = 0;
    memset(bits, 0, trie->mask_words * sizeof *bits);
    path[0] = state;
    for (uint32_t i = 0; i < trie->n_nodes && work_spend(&a->work, 1);) {
        const struct token_node *node = &trie->nodes[i];
        uint32_t to = automaton_next(a, path[node->depth - 1], node->byte);
        if (to == STATE_DEAD) {
            i = node->end;
            continue;
        }
        path[node->depth] = to;
        if (node->first_token < trie->nodes[i + 1].first_token) {
            uint32_t distance = automaton_distance(a, to);
            if (distance < nearest) nearest = distance;
            if (distance > farthest) farthest = distance;
            if (distance <= most) allow_tokens(trie, i, bits);
        }
        i++;
    }
    if (work_ok(&a->work)) a->states[state].farthest = farthest;
    return nearest;
}

bool automaton_restrict(struct automaton *a, uint32_t state, uint32_t most, uint64_t *bits) {
    if (a->states[state].farthest != STATE_UNKNOWN && a->states[state].farthest <= most) return true; /* all may come */
    uint32_t nearest = near_tokens(a, state, most, bits);
    if (nearest != UINT32_MAX && nearest > most) near_tokens(a, state, nearest, bits);
    return work_ok(&a->work);
}
