/* Shapes as symbols of the automaton.
 *
 * The inside of an array is its place: how many items there were, as far as that counts. The inside of an object is the set
 * of properties that were read, so that members may come in any order; where a generation writes, in the schema's order only.
 * The keys that may come are one lexeme, whose label says which class of names it was (schema_object.c). */
#include <string.h>

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema_run.h"
#include "engine/grammar/schema_unique.h"

uint32_t fixed_lexeme(struct automaton *a, const struct schema *s, enum fixed fixed) {
    return automaton_text(a, s->fixed[fixed]);
}

uint32_t schema_start(struct automaton *a, const struct schema *s) {
    (void)s;
    return automaton_symbol(a, (uint32_t[]){SYMBOL_DOCUMENT}, 1);
}

uint32_t value_symbol(struct automaton *a, const struct schema *s, uint32_t node) {
    return automaton_symbol(a, (uint32_t[]){SYMBOL_VALUE, s->nodes[node].same}, 2);
}

static void scan_text(struct automaton *a, const struct dfa *dfa, uint32_t frame) {
    automaton_scan(a, automaton_text(a, dfa), frame);
}

static void expand_document(struct automaton *a, const struct schema *s, uint32_t frame) {
    uint32_t end = automaton_push(a, automaton_symbol(a, (uint32_t[]){SYMBOL_SPACE}, 1), frame);
    uint32_t value = value_symbol(a, s, s->root);
    if (s->any_form)
        automaton_scan(a, fixed_lexeme(a, s, FIXED_SPACE), automaton_push(a, value, end));
    else
        automaton_expand(a, value, 1, frame);
}

static void expand_value(struct automaton *a, const struct schema *s, uint32_t node, uint32_t frame) {
    const struct forms *forms = &s->nodes[node].forms;
    for (uint32_t i = 0; i < forms->n; i++) {
        const struct shape *shape = forms->items[i];
        uint32_t inside[2] = {SYMBOL_ARRAY_BEGIN, shape->number_of};
        struct lexeme lexeme = {.kind = LEXEME_STRING, .dfa = shape->string, .min = shape->min, .max = shape->max};
        switch (shape->type) {
        case TYPE_NULL:
        case TYPE_FALSE:
        case TYPE_TRUE:
            automaton_scan(a, fixed_lexeme(a, s, (enum fixed)((int)FIXED_NULL + (int)shape->type)), frame);
            break;
        case TYPE_NUMBER:
            if (shape->text) {
                scan_text(a, shape->text, frame);
                break;
            }
            lexeme = (struct lexeme){.kind = LEXEME_NUMBER, .number = shape->automaton};
            automaton_scan(a, automaton_lexeme(a, &lexeme), frame);
            break;
        case TYPE_STRING:
            automaton_scan(a, automaton_lexeme(a, &lexeme), frame);
            break;
        case TYPE_ARRAY:
            automaton_scan(a, fixed_lexeme(a, s, FIXED_OPEN_ARRAY),
                           automaton_push(a, automaton_symbol(a, inside, 2), frame));
            break;
        case TYPE_OBJECT:
            inside[0] = SYMBOL_OBJECT_BEGIN;
            automaton_scan(a, fixed_lexeme(a, s, FIXED_OPEN_OBJECT),
                           automaton_push(a, automaton_symbol(a, inside, 2), frame));
            break;
        case N_TYPES:
            break; /* not a type */
        }
    }
}

/* ---- arrays ---- */

/* Inside of an array: n items have been read, counts[c] of them counted for contains[c]; repeated: two of them are equal;
 * taken: which they are, where they must differ (schema_unique.h). */
struct array_place {
    uint32_t n, repeated, taken, counts[MOST_CLAIMS];
};
enum { ARRAY_N = 2, ARRAY_REPEATED, ARRAY_TAKEN, ARRAY_COUNTS }; /* words of a symbol */

static uint32_t array_symbol(struct automaton *a, enum symbol_kind kind, const struct shape *shape,
                             const struct array_place *at) {
    uint32_t words[ARRAY_COUNTS + MOST_CLAIMS] = {kind, shape->number_of, at->n, at->repeated, at->taken};
    memcpy(words + ARRAY_COUNTS, at->counts, sizeof at->counts);
    return automaton_symbol(a, words, ARRAY_COUNTS + shape->array->n_contains);
}

/* Can the contains still be met by what may follow? */
static bool array_feasible(const struct array_shape *array, const struct array_place *at) {
    for (uint32_t c = 0; c < array->n_contains; c++) {
        const struct contains *contains = &array->contains[c];
        if (at->counts[c] > contains->max) return false;
        uint32_t missing = contains->min > at->counts[c] ? contains->min - at->counts[c] : 0;
        if (array->max != UNBOUNDED && missing > array->max - at->n) return false;
        uint32_t left = 0; /* places that can count */
        for (uint32_t i = at->n; i < array->n_prefix && left < missing; i++)
            left += i >= contains->from && array->possible[(i << array->n_contains) + (1u << c)];
        if (left < missing && !array->possible[(array->n_prefix << array->n_contains) + (1u << c)]) return false;
    }
    return true;
}

static bool array_may_close(const struct array_shape *array, const struct array_place *at) {
    for (uint32_t c = 0; c < array->n_contains; c++)
        if (at->counts[c] < array->contains[c].min || at->counts[c] > array->contains[c].max) return false;
    return at->n >= array->min && at->repeated >= array->repeated;
}

/* One item more, which counts for these contains. False: that can't be. */
static bool array_add(const struct array_shape *array, const struct array_place *at, uint32_t claims,
                      struct array_place *out, uint32_t *node) {
    uint32_t place = at->n < array->n_prefix ? at->n : array->n_prefix, which = (place << array->n_contains) + claims;
    if (at->n >= array->max || !array->possible[which]) return false;
    *out = *at;
    *node = array->choices[which];
    /* where only more of the same can come, the number doesn't count any more */
    uint32_t enough = array->min > array->n_prefix ? array->min : array->n_prefix;
    for (uint32_t c = 0; c < array->n_contains; c++)
        if (array->contains[c].from > enough) enough = array->contains[c].from;
    if (array->max != UNBOUNDED || at->n < enough) out->n++;
    for (uint32_t c = 0; c < array->n_contains; c++) {
        const struct contains *contains = &array->contains[c];
        if (!(claims >> c & 1)) continue;
        if (at->n < contains->from) return false;
        if (contains->max != UNBOUNDED || at->counts[c] < contains->min) out->counts[c]++;
    }
    return array_feasible(array, out);
}

static bool array_may_go_on(const struct array_shape *array, const struct array_place *at) {
    struct array_place next;
    uint32_t node;
    for (uint32_t claims = 0; claims < 1u << array->n_contains; claims++)
        if (array_add(array, at, claims, &next, &node)) return true;
    return false;
}

static void expand_item(struct automaton *a, const struct schema *s, const struct shape *shape,
                        const struct array_place *at, uint32_t frame) {
    struct array_place next;
    uint32_t node;
    if (shape->array->distinct) {
        const struct dfa *left = unique_left(a, shape, at->taken);
        const struct lexeme item = {.kind = LEXEME_STRING, .dfa = left, .max = shape->array->distinct->max};
        if (!left || !array_add(shape->array, at, 0, &next, &node)) return;
        automaton_scan(a, automaton_lexeme(a, &item),
                       automaton_push(a, array_symbol(a, SYMBOL_ARRAY_NEXT, shape, &next), frame));
        return;
    }
    for (uint32_t claims = 0; claims < 1u << shape->array->n_contains; claims++) {
        if (!array_add(shape->array, at, claims, &next, &node)) continue;
        uint32_t after = automaton_push(a, array_symbol(a, SYMBOL_ARRAY_NEXT, shape, &next), frame);
        automaton_expand(a, value_symbol(a, s, node), 1, after);
    }
}

static void expand_array(struct automaton *a, const struct schema *s, const uint32_t *words, size_t n, uint32_t frame) {
    const struct shape *shape = s->shapes[words[1]];
    const struct array_shape *array = shape->array;
    struct array_place at = {0};
    if (words[0] != SYMBOL_ARRAY_BEGIN) {
        at.n = words[ARRAY_N];
        at.repeated = words[ARRAY_REPEATED];
        at.taken = words[ARRAY_TAKEN];
        memcpy(at.counts, words + ARRAY_COUNTS, (n - ARRAY_COUNTS) * sizeof *words);
    }
    switch (words[0]) {
    case SYMBOL_ARRAY_BEGIN:
        if (array_may_close(array, &at)) automaton_scan(a, fixed_lexeme(a, s, FIXED_CLOSE_EMPTY_ARRAY), frame);
        expand_item(a, s, shape, &at, frame);
        break;
    case SYMBOL_ARRAY_ITEM:
        expand_item(a, s, shape, &at, frame);
        break;
    default: /* behind an item */
        if (array->unique && a->repeats) break;
        at.repeated |= array->repeated && a->repeats;
        if (array->distinct) at.taken = unique_take(a, shape, at.taken);
        if (array_may_close(array, &at)) automaton_scan(a, fixed_lexeme(a, s, FIXED_CLOSE_ARRAY), frame);
        if (array_may_go_on(array, &at))
            automaton_scan(a, fixed_lexeme(a, s, FIXED_COMMA),
                           automaton_push(a, array_symbol(a, SYMBOL_ARRAY_ITEM, shape, &at), frame));
    }
}

/* ---- all ---- */

void schema_expand(struct automaton *a, const struct schema *s, const uint32_t *words, size_t n, uint32_t label,
                   uint32_t frame) {
    switch (words[0]) {
    case SYMBOL_DOCUMENT:
        expand_document(a, s, frame);
        break;
    case SYMBOL_SPACE:
        automaton_scan(a, fixed_lexeme(a, s, FIXED_SPACE), frame);
        break;
    case SYMBOL_VALUE:
        expand_value(a, s, words[1], frame);
        break;
    case SYMBOL_ARRAY_BEGIN:
    case SYMBOL_ARRAY_ITEM:
    case SYMBOL_ARRAY_NEXT:
        expand_array(a, s, words, n, frame);
        break;
    default:
        expand_object(a, s, words, label, frame);
    }
}
