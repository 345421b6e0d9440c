/* See automaton.h. */
#include "engine/grammar/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/grammar.h"

#define AUTOMATON_BYTES ((size_t)96 << 20)
#define STEPS_AT_ONCE   ((size_t)24000000) /* a step is a node of the vocabulary's trie, or as much */
#define DEEPEST_CLOSURE 1000               /* expansions inside of expansions */

/* ---- numbers for things ---- */

uint32_t automaton_symbol(struct automaton *a, const uint32_t *words, size_t n) {
    return intern_words(&a->work, &a->symbols, words, n, NULL);
}

uint32_t automaton_lexeme(struct automaton *a, const struct lexeme *lexeme) {
    uint64_t dfa = (uintptr_t)lexeme->dfa, number = (uintptr_t)lexeme->number, bytes = (uintptr_t)lexeme->bytes;
    uint32_t name[] = {
        lexeme->kind,    (uint32_t)dfa,           (uint32_t)(dfa >> 32), (uint32_t)number, (uint32_t)(number >> 32),
        (uint32_t)bytes, (uint32_t)(bytes >> 32), lexeme->min,           lexeme->max};
    bool is_new;
    uint32_t id = intern_words(&a->work, &a->lexeme_names, name, sizeof name / sizeof *name, &is_new);
    if (!is_new) return id;
    if (!work_reserve(&a->work, &a->lexemes, id + 1, &a->lexemes_capacity, sizeof *a->lexemes)) return INTERN_FAILED;
    a->lexemes[id] = *lexeme;
    return id;
}

uint32_t automaton_text(struct automaton *a, const struct dfa *dfa) {
    return automaton_lexeme(a, &(struct lexeme){.kind = LEXEME_TEXT, .dfa = dfa, .max = UINT32_MAX});
}

uint32_t lex_number(struct automaton *a, uint32_t lexeme, const struct lex_position *at) {
    uint32_t name[1 + LEX_WORDS] = {lexeme};
    bool is_new;
    memcpy(name + 1, at->words, at->n * sizeof *name);
    uint32_t id = intern_words(&a->work, &a->lex_names, name, 1 + at->n, &is_new);
    if (!is_new) return id == INTERN_FAILED ? 0 : id;
    if (!work_reserve(&a->work, &a->lex, id + 1, &a->lex_capacity, sizeof *a->lex)) return 0;
    a->lex[id] = (struct lex_state){.at = *at,
                                    .lexeme = lexeme,
                                    .label = lexeme_label(&a->lexemes[lexeme], at),
                                    .distance = STATE_UNKNOWN,
                                    .only = BYTES_UNKNOWN,
                                    .over = lexeme_is_over(&a->lexemes[lexeme], at)};
    return id;
}

static uint32_t frame_number(struct automaton *a, const uint32_t *pairs, size_t n) {
    bool is_new;
    uint32_t id = intern_words(&a->work, &a->frame_names, pairs, n, &is_new);
    if (!is_new) return id == INTERN_FAILED ? 0 : id;
    if (!work_reserve(&a->work, &a->frames, id + 1, &a->frames_capacity, sizeof *a->frames)) return 0;
    uint32_t depth = 0;
    for (size_t i = 0; i < n && id > 0; i += 2)
        if (a->frames[pairs[i + 1]].depth >= depth) depth = a->frames[pairs[i + 1]].depth + 1;
    a->frames[id] = (struct frame){.depth = depth, .distance = STATE_UNKNOWN};
    return id;
}

uint32_t automaton_push(struct automaton *a, uint32_t symbol, uint32_t frame) {
    if (!work_ok(&a->work)) return 0;
    return frame_number(a, (uint32_t[]){symbol, frame}, 2);
}

static const uint32_t *frame_pairs(const struct automaton *a, uint32_t frame, size_t *n) {
    return interned_words(&a->frame_names, frame, n);
}

/* Both frames' pairs; of the same symbol, what comes after it is merged too. */
static uint32_t merge_frames(struct automaton *a, uint32_t x, uint32_t y) {
    size_t n_x, n_y, n = 0, i = 0, j = 0;
    if (x == y || !work_ok(&a->work)) return x;
    frame_pairs(a, x, &n_x);
    frame_pairs(a, y, &n_y);
    uint32_t *pairs = work_alloc(&a->work, n_x + n_y, sizeof *pairs);
    if (!pairs) return 0;
    while (i < n_x || j < n_y) {
        const uint32_t *of_x = frame_pairs(a, x, &n_x) + i, *of_y = frame_pairs(a, y, &n_y) + j;
        if (j >= n_y || (i < n_x && of_x[0] < of_y[0])) {
            memcpy(pairs + n, of_x, 2 * sizeof *pairs);
            i += 2;
        } else if (i >= n_x || of_y[0] < of_x[0]) {
            memcpy(pairs + n, of_y, 2 * sizeof *pairs);
            j += 2;
        } else {
            uint32_t symbol = of_x[0], merged = merge_frames(a, of_x[1], of_y[1]);
            pairs[n] = symbol;
            pairs[n + 1] = merged;
            i += 2;
            j += 2;
        }
        n += 2;
    }
    return frame_number(a, pairs, n);
}

/* ---- the state being made ---- */

static void begin_closure(struct automaton *a) {
    a->closure.n = a->closure.n_visited = 0;
    a->closure.ends = false;
    a->closure.depth = 0;
}

static void add_item(struct automaton *a, uint32_t lex, uint32_t frame) {
    a->closure.pairs =
        work_grow(&a->work, a->closure.pairs, a->closure.n + 2, &a->closure.capacity, sizeof *a->closure.pairs);
    if (!a->closure.pairs) return;
    a->closure.pairs[a->closure.n++] = lex;
    a->closure.pairs[a->closure.n++] = frame;
}

void automaton_scan(struct automaton *a, uint32_t lexeme, uint32_t frame) {
    if (!work_ok(&a->work) || a->frames[frame].depth > DEEPEST_FRAMES) return;
    const struct lexeme *l = &a->lexemes[lexeme];
    struct lex_position start;
    if (l->dfa && l->dfa->n_states == 0) return; /* nothing spells it */
    lexeme_start(l, &start);
    uint32_t lex = lex_number(a, lexeme, &start);
    if (!work_ok(&a->work)) return;
    if (!a->lex[lex].over) add_item(a, lex, frame);
    if (a->lex[lex].label) automaton_return(a, frame, a->lex[lex].label);
}

static bool visit(struct automaton *a, uint32_t symbol, uint32_t label, uint32_t frame) {
    if (!work_spend(&a->work, 4 + a->closure.n_visited / 48)) return false;
    for (size_t i = 0; i < a->closure.n_visited; i += 3) {
        const uint32_t *v = a->closure.visited + i;
        if (v[0] == symbol && v[1] == label && v[2] == frame) return false;
    }
    a->closure.visited = work_grow(&a->work, a->closure.visited, a->closure.n_visited + 3, &a->closure.visited_capacity,
                                   sizeof *a->closure.visited);
    if (!a->closure.visited) return false;
    memcpy(a->closure.visited + a->closure.n_visited, (uint32_t[]){symbol, label, frame}, 3 * sizeof(uint32_t));
    a->closure.n_visited += 3;
    return true;
}

void automaton_expand(struct automaton *a, uint32_t symbol, uint32_t label, uint32_t frame) {
    if (!work_ok(&a->work) || a->closure.depth > DEEPEST_CLOSURE || !visit(a, symbol, label, frame)) return;
    a->closure.depth++;
    if (symbol == 0) {
        a->closure.ends = true;
    } else {
        size_t n;
        uint32_t copy[64], *words = copy; /* what is interned moves */
        const uint32_t *name = interned_words(&a->symbols, symbol, &n);
        if (n > 64) words = work_alloc(&a->work, n, sizeof *words);
        if (words) {
            memcpy(words, name, n * sizeof *words);
            grammar_expand(a, words, n, label, frame);
        }
    }
    a->closure.depth--;
}

void automaton_return(struct automaton *a, uint32_t frame, uint32_t label) {
    size_t n;
    if (!work_ok(&a->work)) return;
    frame_pairs(a, frame, &n);
    for (size_t i = 0; i < n && work_ok(&a->work); i += 2) {
        const uint32_t *pair = frame_pairs(a, frame, &n) + i;
        automaton_expand(a, pair[0], label, pair[1]);
    }
}

static int compare_pairs(const void *x, const void *y) {
    const uint32_t *a = x, *b = y;
    if (a[0] != b[0]) return a[0] < b[0] ? -1 : 1;
    return a[1] < b[1] ? -1 : a[1] > b[1];
}

/* Sorts and merges the items, and gives the state its number. */
static uint32_t finish_closure(struct automaton *a) {
    size_t n = 0, total = a->closure.n;
    if (!work_ok(&a->work)) return STATE_DEAD;
    if (total == 0 && !a->closure.ends) return STATE_DEAD;
    uint32_t *pairs = a->closure.pairs;
    if (total > 2) qsort(pairs, total / 2, 2 * sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < total; i += 2) {
        if (n && pairs[n - 2] == pairs[i])
            pairs[n - 1] = merge_frames(a, pairs[n - 1], pairs[i + 1]);
        else
            pairs[n] = pairs[i], pairs[n + 1] = pairs[i + 1], n += 2;
    }
    uint32_t *name = work_grow(&a->work, a->closure.visited, n + 1, &a->closure.visited_capacity, sizeof *name);
    if (!name) return STATE_DEAD;
    a->closure.visited = name;
    name[0] = a->closure.ends;
    if (n) memcpy(name + 1, pairs, n * sizeof *name);
    bool is_new;
    uint32_t id = intern_words(&a->work, &a->state_names, name, n + 1, &is_new);
    if (!is_new) return id == INTERN_FAILED ? STATE_DEAD : id;
    if (!work_reserve(&a->work, &a->states, id + 1, &a->states_capacity, sizeof *a->states)) return STATE_DEAD;
    a->states[id] = (struct automaton_state){.ends = a->closure.ends,
                                             .only_ends = a->closure.ends && n == 0,
                                             .distance = STATE_UNKNOWN,
                                             .farthest = STATE_UNKNOWN};
    return id;
}

/* ---- reading ---- */

static uint32_t *new_row(struct automaton *a) {
    uint32_t *row = work_alloc(&a->work, 256, sizeof *row);
    if (row) memset(row, 0xff, 256 * sizeof *row);
    return row;
}

uint32_t lex_next(struct automaton *a, uint32_t lex, uint8_t byte) {
    struct lex_state *state = &a->lex[lex];
    if (!state->next && !(state->next = new_row(a))) return 0;
    if (state->next[byte] != STATE_UNKNOWN) return state->next[byte];
    uint32_t *row = state->next; /* states move */
    struct lex_position to;
    uint32_t lexeme = state->lexeme;
    bool alive = lexeme_next(&a->lexemes[lexeme], &state->at, byte, &to);
    uint32_t next = alive ? lex_number(a, lexeme, &to) : 0;
    if (work_ok(&a->work)) row[byte] = next;
    return next;
}

uint32_t automaton_pop(struct automaton *a, uint32_t frame, uint32_t label) {
    begin_closure(a);
    automaton_return(a, frame, label);
    return finish_closure(a);
}

uint32_t automaton_next(struct automaton *a, uint32_t state, uint8_t byte) {
    if (state == STATE_DEAD) return STATE_DEAD;
    uint32_t *row = a->states[state].next;
    if (!row && !(row = a->states[state].next = new_row(a))) return STATE_DEAD;
    bool remembered = !a->repeats && !a->item.text;
    if (row[byte] != STATE_UNKNOWN && remembered) return row[byte];
    size_t n;
    interned_words(&a->state_names, state, &n);
    begin_closure(a);
    for (size_t i = 1; i + 1 < n && work_ok(&a->work); i += 2) {
        const uint32_t *item = interned_words(&a->state_names, state, &n) + i;
        uint32_t frame = item[1], lex = lex_next(a, item[0], byte);
        if (lex == 0 || !work_ok(&a->work)) continue;
        if (!a->lex[lex].over) add_item(a, lex, frame);
        if (a->lex[lex].label) automaton_return(a, frame, a->lex[lex].label);
    }
    uint32_t next = finish_closure(a);
    if (work_ok(&a->work) && remembered) row[byte] = next;
    return next;
}

static int lex_only_byte(struct automaton *a, uint32_t lex) {
    struct lex_state *state = &a->lex[lex];
    if (state->only != BYTES_UNKNOWN) return state->only;
    struct lex_position to;
    int found = BYTES_UNKNOWN;
    bool escapes = a->lexemes[state->lexeme].kind == LEXEME_STRING;
    for (int byte = 0; byte < 256 && found != MANY_BYTES && work_spend(&a->work, 1); byte++)
        if (!(escapes && byte == '\\') && lexeme_next(&a->lexemes[state->lexeme], &state->at, (uint8_t)byte, &to))
            found = found == BYTES_UNKNOWN ? byte : MANY_BYTES;
    return state->only = (int16_t)found;
}

int automaton_only_byte(struct automaton *a, uint32_t state) {
    size_t n;
    interned_words(&a->state_names, state, &n);
    int found = MANY_BYTES;
    for (size_t i = 1; i + 1 < n && !a->states[state].ends; i += 2) {
        int byte = lex_only_byte(a, interned_words(&a->state_names, state, &n)[i]);
        if (byte < 0 || (i > 1 && byte != found)) return MANY_BYTES;
        found = byte;
    }
    return found;
}

void automaton_note_item(struct automaton *a, const char *text, size_t n) {
    a->item.text = NULL;
    if (n == 0 || text[n - 1] != '"') return;
    for (size_t begin = n - 1; begin-- > 0;) {
        size_t slash = begin;
        if (text[begin] != '"') continue;
        while (slash > 0 && text[slash - 1] == '\\') slash--;
        if ((begin - slash) % 2) continue;
        a->item.text = text + begin;
        a->item.n = n - begin;
        return;
    }
}

/* ---- life ---- */

static void begin(struct automaton *a) {
    const struct lex_position none = {.n = 0};
    a->lexemes = NULL;
    automaton_symbol(a, (uint32_t[]){SYMBOL_END}, 1);
    frame_number(a, (uint32_t[]){0, 0}, 2);
    /* lexeme position 0 and state 0 are the dead ones */
    automaton_lexeme(a, &(struct lexeme){.kind = LEXEME_BYTES, .n_bytes = 1});
    if (work_ok(&a->work)) lex_number(a, 0, &none);
    begin_closure(a);
    intern_words(&a->work, &a->state_names, (uint32_t[]){0}, 1, NULL);
    a->states = work_grow(&a->work, a->states, 1, &a->states_capacity, sizeof *a->states);
    if (!work_ok(&a->work)) return;
    uint32_t start = grammar_start(a);
    if (!work_ok(&a->work)) return;
    automaton_expand(a, start, 1, 0);
    a->start = finish_closure(a);
}

static void clear(struct automaton *a) {
    const struct bn_grammar *grammar = a->grammar;
    const struct token_trie *trie = a->trie;
    uint32_t epoch = a->epoch + 1;
    work_release(&a->work);
    *a = (struct automaton){.grammar = grammar, .trie = trie, .epoch = epoch};
    work_init(&a->work, AUTOMATON_BYTES, STEPS_AT_ONCE);
    begin(a);
}

bool automaton_refresh(struct automaton *a) {
    if (!work_ok(&a->work) || a->work.arena.total_bytes > AUTOMATON_BYTES / 8 * 7) clear(a);
    a->work.steps_left = STEPS_AT_ONCE;
    return work_ok(&a->work);
}

bn_status automaton_create(const struct bn_grammar *grammar, const struct token_trie *trie, struct automaton **out,
                           bn_error *err) {
    struct automaton *a = mem_calloc(1, sizeof *a);
    if (!a) return fail_no_memory(err, sizeof *a);
    a->grammar = grammar;
    a->trie = trie;
    clear(a);
    if (!work_ok(&a->work)) {
        bn_status status = fail(err, a->work.status, "%s", a->work.error.message);
        automaton_destroy(a);
        return status;
    }
    *out = a;
    return BN_OK;
}

void automaton_destroy(struct automaton *a) {
    if (!a) return;
    work_release(&a->work);
    mem_free(a);
}
