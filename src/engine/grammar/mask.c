/* Masks, in two halves. Of a lexeme's position alone follows, whatever surrounds it, which tokens stay inside of the
 * lexeme: most of them, most of the time. That half is computed once for a position, with the places in the trie where
 * the lexeme may end inside of a token. What comes there depends on the frame and is walked for every state; these are few.
 *
 * Even the first half is mostly known: inside of a string that may hold anything it's the vocabulary's (free_string.h), and where
 * some texts mean something (the keys of an object) all others lead to such a place, so only the former are walked.
 *
 * Near the end of an output (most: bytes that may be left behind a token) the same halves count: what is left of the lexeme,
 * and what the frame takes. */
#include "engine/grammar/mask.h"

#include <string.h>

#include "engine/grammar/byte_kinds.h"
#include "engine/grammar/distance.h"

#define MANY_TOKENS 4000 /* in a position's half: then near the end only those that lead nearest */

struct local_mask {
    const uint64_t *bits;
    const struct pop *pops; /* in order of the nodes */
    size_t n_pops;
    uint32_t farthest;    /* the largest distance of the lexeme's end behind a token: an upper bound */
    const uint64_t *near; /* NULL: not computed. The tokens behind which it is nearest … */
    uint32_t nearest;     /* … and how near */
    bool many;
};

/* ---- a position's half ---- */

struct making {
    struct automaton *a;
    uint64_t *bits;
    struct pop *pops;
    size_t n_pops, pops_capacity;
    uint32_t farthest;
    bool in_string; /* the position is where a string's next character may come */
};

static void allow_tokens(const struct token_trie *trie, uint32_t node, uint64_t *bits) {
    for (uint32_t i = trie->nodes[node].first_token; i < trie->nodes[node + 1].first_token; i++)
        bits[(uint32_t)trie->tokens[i] / 64] |= UINT64_C(1) << (uint32_t)trie->tokens[i] % 64;
}

static void forbid_tokens(const struct token_trie *trie, uint32_t first_node, uint32_t end_node, uint64_t *bits) {
    for (uint32_t i = trie->nodes[first_node].first_token; i < trie->nodes[end_node].first_token; i++)
        bits[(uint32_t)trie->tokens[i] / 64] &= ~(UINT64_C(1) << (uint32_t)trie->tokens[i] % 64);
}

static void add_pop(struct making *m, struct pop pop) {
    if (work_reserve(&m->a->work, &m->pops, m->n_pops + 1, &m->pops_capacity, sizeof *m->pops))
        m->pops[m->n_pops++] = pop;
}

/* A node that the walk from the position has come to. */
static void make_node(struct making *m, uint32_t node, uint32_t to) {
    const struct token_trie *trie = m->a->trie;
    allow_tokens(trie, node, m->bits);
    if (trie->nodes[node].first_token < trie->nodes[node + 1].first_token) {
        uint32_t distance = lex_distance(m->a, to);
        if (distance > m->farthest) m->farthest = distance;
    }
    if (m->a->lex[to].label && trie->nodes[node].end > node + 1) add_pop(m, (struct pop){node, m->a->lex[to].label, 0});
}

/* Do all bytes below a node stay where it has led to? */
static bool stays_beneath(const struct making *m, uint32_t node, uint32_t to) {
    const struct token_trie *trie = m->a->trie;
    const struct free_string *f = &trie->free_string;
    struct lex_state *lex = &m->a->lex[to];
    if (!m->in_string || trie->nodes[node].end == node + 1) return false;
    if (!lex->stays_known) {
        const struct lexeme *lexeme = &m->a->lexemes[lex->lexeme];
        uint32_t state = lexeme_string_state(lexeme, &lex->at, f->longest);
        lex->stays = state == DFA_DEAD ? 0 : kinds_that_stay(lexeme->dfa, state);
        lex->stays_known = true;
    }
    return lex->stays && !(f->beneath[node] & ~lex->stays);
}

/* Then its tokens are possible if they are inside of any string. */
static void make_beneath(struct making *m, uint32_t node, uint32_t to) {
    const struct token_trie *trie = m->a->trie;
    uint32_t end = trie->nodes[trie->nodes[node].end].first_token;
    for (uint32_t i = trie->nodes[node + 1].first_token; i < end; i++) {
        uint32_t token = (uint32_t)trie->tokens[i];
        m->bits[token / 64] |= trie->free_string.bits[token / 64] & UINT64_C(1) << token % 64;
    }
    uint32_t distance = lex_distance(m->a, to) + FREE_STRING_FARTHEST;
    if (distance > m->farthest) m->farthest = distance;
}

static void make_by_walk(struct making *m, uint32_t lex) {
    struct automaton *a = m->a;
    uint32_t path[LONGEST_TRIE_TOKEN + 2];
    path[0] = lex;
    for (uint32_t i = 0; i < a->trie->n_nodes && work_spend(&a->work, 1);) {
        const struct token_node *node = &a->trie->nodes[i];
        uint32_t to = lex_next(a, path[node->depth - 1], node->byte);
        path[node->depth] = to;
        bool stays = to && stays_beneath(m, i, to);
        if (to) make_node(m, i, to);
        if (stays) make_beneath(m, i, to);
        i = to && !stays ? i + 1 : node->end;
    }
}

/* Where both positions come to the same, the tokens are those of the other, whose half is known. */
static void make_like(struct making *m, uint32_t lex, uint32_t other, const struct local_mask *like) {
    struct automaton *a = m->a;
    const struct token_trie *trie = a->trie;
    uint32_t path[LONGEST_TRIE_TOKEN + 2], others[LONGEST_TRIE_TOKEN + 2];
    size_t pop = 0;
    path[0] = lex;
    others[0] = other;
    memcpy(m->bits, like->bits, trie->mask_words * sizeof *m->bits);
    m->farthest = like->farthest;
    for (uint32_t i = 0; i < trie->n_nodes && work_spend(&a->work, 1);) {
        const struct token_node *node = &trie->nodes[i];
        uint32_t from = others[node->depth - 1];
        uint32_t to = lex_next(a, path[node->depth - 1], node->byte), there = from ? lex_next(a, from, node->byte) : 0;
        bool same = to == there, stays = !same && to && stays_beneath(m, i, to);
        uint32_t next = same || stays || !to ? node->end : i + 1;
        while (pop < like->n_pops && like->pops[pop].node < next) {
            if (same) add_pop(m, like->pops[pop]);
            pop++;
        }
        if (!same) forbid_tokens(trie, i, next, m->bits);
        if (!same && to) make_node(m, i, to);
        if (stays) make_beneath(m, i, to);
        path[node->depth] = to;
        others[node->depth] = there;
        i = next;
    }
}

/* A word of the set of tokens that have at most n characters of a string. */
static uint64_t word_within(const struct token_trie *trie, uint32_t n, size_t word) {
    const struct free_string *f = &trie->free_string;
    uint64_t bits = 0;
    if (n < FREE_STRING_COUNTED) return f->within[n * trie->mask_words + word];
    for (uint32_t b = 0; b < 64 && n < f->longest; b++) bits |= (uint64_t)(f->characters[word * 64 + b] <= n) << b;
    return n < f->longest ? bits : UINT64_MAX;
}

/* Inside of a string that may hold anything, with room for so many characters, of which some must come. */
static void make_bounded(struct making *m, const struct dfa_state *state, uint32_t room, uint32_t missing) {
    const struct token_trie *trie = m->a->trie;
    const struct free_string *f = &trie->free_string;
    for (size_t w = 0; w < trie->mask_words; w++) {
        uint64_t too_short = missing ? word_within(trie, missing - 1, w) & f->ends[w] : 0;
        m->bits[w] = f->bits[w] & word_within(trie, room, w) & ~too_short;
    }
    for (size_t i = 0; i < f->n_pops; i++)
        if (f->pops[i].characters <= room && f->pops[i].characters >= missing)
            add_pop(m, (struct pop){f->pops[i].node, state->label, 0});
    m->farthest = FREE_STRING_FARTHEST + state->distance + missing;
}

static uint32_t position_number(struct automaton *a, uint32_t like, const struct lex_position *at) {
    return lex_number(a, a->lex[like].lexeme, at);
}

static const struct local_mask *local_of(struct automaton *a, uint32_t lex) {
    const struct token_trie *trie = a->trie;
    const struct free_string *f = &trie->free_string;
    const struct lexeme *lexeme = &a->lexemes[a->lex[lex].lexeme];
    struct lex_position at = a->lex[lex].at, other;
    if (a->lex[lex].local) return a->lex[lex].local;
    struct local_mask *local = work_alloc(&a->work, 1, sizeof *local);
    struct making m = {.a = a, .in_string = lexeme_in_string(lexeme, &at)};
    uint32_t room, missing, twin;
    if (!local) return NULL;
    bool free = lexeme_in_free_string(lexeme, &at, &room, &missing);
    if (lexeme_twin(lexeme, &at, f->longest, &other) && (twin = position_number(a, lex, &other)) != 0) {
        const struct local_mask *same = local_of(a, twin);
        if (same) a->lex[lex].local = a->lex[twin].local;
        return same;
    }
    const struct dfa_state *state = free ? &lexeme->dfa->states[lexeme->dfa->free_state] : NULL;
    if (free && room >= f->longest && missing == 0 && state->label == 1) {
        *local = (struct local_mask){
            .bits = f->bits, .pops = f->pops, .n_pops = f->n_pops, .farthest = FREE_STRING_FARTHEST + state->distance};
    } else {
        m.bits = work_alloc(&a->work, trie->mask_words, sizeof *m.bits);
        if (!m.bits) return NULL;
        if (free) {
            make_bounded(&m, state, room, missing);
        } else if (lexeme_free_position(lexeme, &other) && (twin = position_number(a, lex, &other)) != 0) {
            const struct local_mask *like = local_of(a, twin);
            if (like) make_like(&m, lex, twin, like);
        } else {
            make_by_walk(&m, lex);
        }
        *local = (struct local_mask){.bits = m.bits, .pops = m.pops, .n_pops = m.n_pops, .farthest = m.farthest};
    }
    size_t n_tokens = 0;
    for (size_t w = 0; w < trie->mask_words; w++) n_tokens += (size_t)__builtin_popcountll(local->bits[w]);
    local->many = n_tokens > MANY_TOKENS;
    if (!work_ok(&a->work)) return NULL;
    return a->lex[lex].local = local;
}

/* ---- near the end ---- */

/* The tokens behind which at most `room` bytes are left of the lexeme; gives the fewest that are left behind any. */
static uint32_t walk_near(struct automaton *a, uint32_t lex, uint32_t room, uint64_t *bits) {
    const struct token_trie *trie = a->trie;
    uint32_t path[LONGEST_TRIE_TOKEN + 2], nearest = DISTANCE_FAR;
    path[0] = lex;
    for (uint32_t i = 0; i < trie->n_nodes && work_spend(&a->work, 1);) {
        const struct token_node *node = &trie->nodes[i];
        uint32_t to = lex_next(a, path[node->depth - 1], node->byte);
        path[node->depth] = to;
        if (to && node->first_token < trie->nodes[i + 1].first_token) {
            uint32_t distance = lex_distance(a, to);
            if (distance < nearest) nearest = distance;
            if (distance <= room) allow_tokens(trie, i, bits);
        }
        i = to ? i + 1 : node->end;
    }
    return nearest;
}

/* In a string's content, whatever it may hold, the tokens that are possible and end strings end this one. False: there are none. */
static bool add_ends(const struct automaton *a, const struct local_mask *local, uint64_t *bits) {
    uint64_t any = 0;
    for (size_t w = 0; w < a->trie->mask_words; w++) any |= bits[w] = local->bits[w] & a->trie->free_string.ends[w];
    return any != 0;
}

static bool find_near(struct automaton *a, uint32_t lex, struct local_mask *local) {
    if (local->near) return true;
    uint64_t *near = work_alloc(&a->work, a->trie->mask_words, sizeof *near);
    if (!near) return false;
    bool ends = lexeme_in_string(&a->lexemes[a->lex[lex].lexeme], &a->lex[lex].at) && add_ends(a, local, near);
    local->nearest = ends ? 0 : walk_near(a, lex, 0, near);
    if (local->nearest > 0 && local->nearest < DISTANCE_FAR) walk_near(a, lex, local->nearest, near);
    if (work_ok(&a->work)) local->near = near;
    return local->near != NULL;
}

struct mask_making {
    uint32_t most; /* bytes that may be left behind a token */
    uint64_t *bits;
    uint32_t nearest, farthest; /* the fewest that are, as far as it was looked for, and the most */
};

static uint32_t plus(uint32_t a, uint32_t b) {
    return a >= DISTANCE_FAR - b || b >= DISTANCE_FAR ? DISTANCE_FAR : a + b;
}

static void add_bits(const struct automaton *a, const uint64_t *bits, uint64_t *to) {
    for (size_t w = 0; w < a->trie->mask_words; w++) to[w] |= bits[w];
}

/* The tokens that stay inside of an item's lexeme. */
static void add_inside(struct automaton *a, uint32_t lex, uint32_t frame, struct mask_making *m) {
    struct local_mask *local = a->lex[lex].local;
    uint32_t behind = m->most == UINT32_MAX ? 0 : frame_distance(a, frame);
    uint32_t farthest = plus(behind, local->farthest);
    if (farthest > m->farthest) m->farthest = farthest;
    if (farthest <= m->most) {
        add_bits(a, local->bits, m->bits);
        return;
    }
    if (!find_near(a, lex, local)) return;
    uint32_t nearest = plus(behind, local->nearest);
    if (nearest < m->nearest) m->nearest = nearest;
    if (nearest > m->most) return;
    if (local->many)
        add_bits(a, local->near, m->bits);
    else
        walk_near(a, lex, m->most - behind, m->bits);
}

/* ---- what depends on the frame ---- */

/* The tokens of a subtree that may come from a state on. */
static void walk(struct automaton *a, uint32_t root, uint32_t state, struct mask_making *m) {
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
        if (m->most == UINT32_MAX) {
            allow_tokens(trie, i, m->bits);
        } else if (node->first_token < trie->nodes[i + 1].first_token) {
            uint32_t distance = automaton_distance(a, to);
            if (distance < m->nearest) m->nearest = distance;
            if (distance > m->farthest) m->farthest = distance;
            if (distance <= m->most) allow_tokens(trie, i, m->bits);
        }
        i++;
    }
}

static void add_item_mask(struct automaton *a, uint32_t lex, uint32_t frame, struct mask_making *m) {
    const struct local_mask *local = local_of(a, lex);
    if (!local) return;
    add_inside(a, lex, frame, m);
    uint32_t label = 0, state = STATE_DEAD;
    for (size_t i = 0; i < local->n_pops && work_ok(&a->work); i++) {
        if (local->pops[i].label != label) {
            label = local->pops[i].label;
            state = automaton_pop(a, frame, label);
        }
        if (state != STATE_DEAD) walk(a, local->pops[i].node, state, m);
    }
}

static bool make_mask(struct automaton *a, uint32_t state, struct mask_making *m) {
    size_t n;
    interned_words(&a->state_names, state, &n);
    for (size_t i = 1; i + 1 < n && work_ok(&a->work); i += 2) {
        const uint32_t *item = interned_words(&a->state_names, state, &n) + i;
        add_item_mask(a, item[0], item[1], m);
    }
    return work_ok(&a->work);
}

const uint64_t *automaton_mask(struct automaton *a, uint32_t state) {
    if (a->states[state].mask) return a->states[state].mask;
    struct mask_making m = {.most = UINT32_MAX, .bits = work_alloc(&a->work, a->trie->mask_words, sizeof *m.bits)};
    if (!m.bits || !make_mask(a, state, &m)) return NULL;
    return a->states[state].mask = m.bits;
}

bool automaton_restrict(struct automaton *a, uint32_t state, uint32_t most, uint64_t *bits) {
    struct mask_making m = {.most = most, .bits = bits, .nearest = DISTANCE_FAR};
    if (a->states[state].farthest != STATE_UNKNOWN && a->states[state].farthest <= most) return true; /* all may come */
    memset(bits, 0, a->trie->mask_words * sizeof *bits);
    if (!make_mask(a, state, &m)) return false;
    a->states[state].farthest = m.farthest;
    uint64_t any = 0;
    for (size_t w = 0; w < a->trie->mask_words; w++) any |= bits[w];
    if (any || m.nearest >= DISTANCE_FAR) return true;
    m.most = m.nearest;
    return make_mask(a, state, &m);
}
