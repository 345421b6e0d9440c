/* See distance.h. */
#include "engine/grammar/distance.h"

#include "engine/grammar/grammar.h"

#define LONGEST_SEARCH 40 /* bytes of a number */

static uint32_t sum(uint32_t a, uint32_t b) {
    return a >= DISTANCE_FAR - b || b >= DISTANCE_FAR ? DISTANCE_FAR : a + b;
}

/* Digits that end a number: the lowest one that is possible, again and again, mostly. */
static uint32_t number_distance(struct automaton *a, uint32_t lex, uint32_t depth) {
    if (a->lex[lex].label) return 0;
    if (a->lex[lex].distance != STATE_UNKNOWN) return a->lex[lex].distance;
    uint32_t best = DISTANCE_FAR;
    a->lex[lex].distance = DISTANCE_FAR; /* while it is searched */
    for (int byte = '-'; byte <= '9' && depth < LONGEST_SEARCH && work_ok(&a->work) && best > 1; byte++) {
        uint32_t next = lex_next(a, lex, (uint8_t)byte);
        if (next == 0) continue;
        uint32_t beyond = sum(1, number_distance(a, next, depth + 1));
        if (beyond < best) best = beyond;
    }
    return a->lex[lex].distance = best;
}

uint32_t lex_distance(struct automaton *a, uint32_t lex) {
    struct lex_state *state = &a->lex[lex];
    const struct lexeme *lexeme = &a->lexemes[state->lexeme];
    if (lexeme->kind == LEXEME_NUMBER && lexeme->number->any_form) /* it may go anywhere, and nothing is written so */
        return a->lex[lex].label ? 0 : LONGEST_SEARCH;
    if (lexeme->kind == LEXEME_NUMBER) return number_distance(a, lex, 0);
    if (state->distance == STATE_UNKNOWN) state->distance = lexeme_distance(lexeme, &state->at);
    return state->distance;
}

uint32_t frame_distance(struct automaton *a, uint32_t frame) {
    if (frame == 0) return 0;
    if (a->frames[frame].distance != STATE_UNKNOWN) return a->frames[frame].distance;
    size_t n, n_words;
    const uint32_t *pairs = interned_words(&a->frame_names, frame, &n);
    uint32_t best = DISTANCE_FAR;
    for (size_t i = 0; i < n; i += 2) {
        const uint32_t *words = interned_words(&a->symbols, pairs[i], &n_words);
        uint32_t here = pairs[i] == 0 ? 0 : grammar_distance(a, words, n_words);
        uint32_t all = sum(here, frame_distance(a, pairs[i + 1]));
        if (all < best) best = all;
    }
    return a->frames[frame].distance = best;
}

uint32_t automaton_distance(struct automaton *a, uint32_t state) {
    if (a->states[state].ends) return 0;
    if (a->states[state].distance != STATE_UNKNOWN) return a->states[state].distance;
    size_t n;
    interned_words(&a->state_names, state, &n);
    uint32_t best = DISTANCE_FAR;
    for (size_t i = 1; i + 1 < n; i += 2) {
        const uint32_t *item = interned_words(&a->state_names, state, &n) + i;
        uint32_t frame = item[1], all = lex_distance(a, item[0]);
        all = sum(all, frame_distance(a, frame));
        if (all < best) best = all;
    }
    return a->states[state].distance = best;
}
