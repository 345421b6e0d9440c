/* See schema_unique.h. What was taken has a number: that of the words "what was taken before, the string". */
#include "engine/grammar/schema_unique.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"

#define DEEPEST_COUNT 2000 /* characters */
#define MOST_FOLDED   20000

/* ---- how many strings ---- */

struct count {
    bool busy, known;
    uint32_t n, longest;
};

static uint32_t sum(uint32_t a, uint64_t b) {
    return a + b >= UNBOUNDED ? UNBOUNDED : (uint32_t)(a + b);
}

/* Texts from a state on; a state that leads back to itself has no end of them, as all lead to acceptance. */
static void count_from(struct schema *s, const struct dfa *dfa, uint32_t state, struct count *counts, unsigned depth) {
    struct count *count = &counts[state];
    if (count->known || !work_spend(s->work, 1)) return;
    count->n = dfa->states[state].label != 0;
    if (count->busy || depth > DEEPEST_COUNT) count->n = UNBOUNDED;
    if (count->busy) return;
    count->busy = true;
    for (uint32_t e = 0; e < dfa->states[state].n_edges && count->n != UNBOUNDED; e++) {
        const struct dfa_edge *edge = &dfa->edges[dfa->states[state].first_edge + e];
        const struct count *beyond = &counts[edge->to];
        count_from(s, dfa, edge->to, counts, depth + 1);
        if (beyond->n == UNBOUNDED)
            count->n = UNBOUNDED;
        else
            count->n = sum(count->n, (uint64_t)beyond->n * (edge->last - edge->first + 1));
        if (beyond->longest + 6 > count->longest) count->longest = beyond->longest + 6;
    }
    count->known = true;
}

uint32_t strings_count(struct schema *s, const struct shape *strings, uint32_t *longest) {
    const struct dfa *dfa = strings->string;
    *longest = 0;
    if (dfa->everything) return strings->max == 0 ? 1 : UNBOUNDED;
    if (strings->max != UNBOUNDED && (uint64_t)strings->max * dfa->n_states <= MOST_FOLDED)
        dfa = dfa_limit(s->work, dfa, 0, strings->max);
    struct count *counts = dfa ? work_alloc(s->work, dfa->n_states, sizeof *counts) : NULL;
    if (!counts) return UNBOUNDED;
    count_from(s, dfa, 0, counts, 0);
    *longest = counts[0].longest;
    return counts[0].n;
}

const struct shape *array_strings(struct schema *s, const struct array_shape *array) {
    if (array->n_prefix || array->n_contains || array->rest == ANY || array->rest == NEVER) return NULL;
    const struct forms *forms = node_forms(s, array->rest);
    if (s->asking) s->blocked = false; /* nothing is known of it yet */
    return forms && forms->n == 1 && forms->items[0]->type == TYPE_STRING ? forms->items[0] : NULL;
}

void unique_prepare(struct schema *s, struct array_shape *array) {
    const struct shape *strings = array_strings(s, array);
    if (!strings) {
        if (array->min > 1)
            work_fail(s->work, BN_STATUS_UNSUPPORTED,
                      "uniqueItems with minItems above 1 is supported where items are strings");
        array->max = 1;
        return;
    }
    struct shape *distinct = shape_new(s, TYPE_STRING);
    if (!distinct) return;
    *distinct = *strings;
    if (distinct->min) distinct->string = dfa_limit(s->work, distinct->string, distinct->min, UNBOUNDED);
    distinct->min = 0;
    uint32_t count = strings_count(s, strings, &array->longest_item);
    if (count < array->max) array->max = count;
    array->distinct = distinct;
}

/* ---- running ---- */

static uint32_t number_of(struct automaton *a, const uint32_t *words, size_t n, bool *is_new) {
    uint32_t id = intern_words(&a->work, &a->taken_names, words, n, is_new);
    if (id == INTERN_FAILED) return TAKEN_NONE;
    if (*is_new) {
        if (!work_reserve(&a->work, &a->left, id + 1, &a->left_capacity, sizeof(const struct dfa *))) return TAKEN_NONE;
        a->left[id] = NULL;
    }
    return id + 1;
}

const struct dfa *unique_left(struct automaton *a, const struct shape *array, uint32_t taken) {
    if (taken == TAKEN_UNKNOWN) return NULL;
    return taken == TAKEN_NONE ? array->array->distinct->string : a->left[taken - 1];
}

uint32_t unique_take(struct automaton *a, const struct shape *array, uint32_t taken) {
    json_t *json;
    bn_error err;
    bool is_new;
    if (!a->item.text || taken == TAKEN_UNKNOWN) return TAKEN_UNKNOWN;
    if (json_parse(a->item.text, a->item.n, "an item", &json, &err)) return TAKEN_UNKNOWN;
    size_t n = json_string_length(json), n_words = 3 + (n + 3) / 4;
    uint32_t *words = work_alloc(&a->work, n_words, sizeof *words), id = TAKEN_NONE;
    if (words) {
        words[0] = array->number_of;
        words[1] = taken;
        words[2] = (uint32_t)n;
        if (n) memcpy(words + 3, json_string_value(json), n);
        id = number_of(a, words, n_words, &is_new);
    }
    if (id != TAKEN_NONE && is_new) {
        const struct dfa_word word = {json_string_value(json), n, 1};
        a->left[id - 1] =
            dfa_combine(&a->work, unique_left(a, array, taken), dfa_words(&a->work, &word, 1), DFA_WITHOUT);
    }
    json_decref(json);
    return id;
}
