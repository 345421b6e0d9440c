/* Objects as symbols of the automaton: see schema_run.c. */
#include <string.h>

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema_run.h"

/* Inside of an object. Words: how many members, as far as that counts; the first property that may still come, where order
 * counts; which demands are met; then a bit for each property that was read. */
enum { OBJECT_COUNT = 2, OBJECT_NEXT_PROPERTY, OBJECT_MET, OBJECT_SEEN };

static size_t object_words(const struct object_shape *object) {
    return OBJECT_SEEN + (object->n_properties + 31) / 32;
}
static bool seen(const uint32_t *place, uint32_t property) {
    return place[OBJECT_SEEN + property / 32] >> property % 32 & 1;
}

/* Which properties have to come, or have come: required ones, and what those that came depend on. */
static bool must_come(const struct object_shape *object, const uint32_t *place, uint32_t property) {
    if (object->properties[property].required) return true;
    for (uint32_t d = 0; d < object->n_dependencies; d++) {
        uint32_t other = object->dependencies[d].property;
        if (object->dependencies[d].needs == property && (seen(place, other) || object->properties[other].required))
            return true;
    }
    return false;
}

static bool may_come(const struct schema *s, const struct object_shape *object, const uint32_t *place,
                     uint32_t property) {
    return object->classes[property].possible && !seen(place, property) &&
           (s->any_form || property >= place[OBJECT_NEXT_PROPERTY]);
}

/* The demands that a member of the class can meet. */
static uint32_t can_meet(const struct name_class *class) {
    uint32_t met = class->met;
    for (uint32_t i = 0; i < class->n_claims; i++)
        if (class->choices[1u << i] != NEVER) met |= class->claims[i];
    return met;
}

/* Those that what is absent meets. */
static uint32_t met_by_absence(const struct object_shape *object, const uint32_t *place) {
    uint32_t met = 0;
    for (uint32_t d = 0; d < object->n_demands; d++)
        if (!(place[OBJECT_MET] >> d & 1) && object_absence(object, d, place + OBJECT_SEEN)) met |= 1u << d;
    return met;
}

/* Can what has been read be completed? Chains of dependencies are followed when their links have come. */
static bool object_feasible(const struct schema *s, const struct object_shape *object, const uint32_t *place) {
    uint32_t n_missing = 0, n_available = 0, met = place[OBJECT_MET] | met_by_absence(object, place), now = met;
    bool open = false;
    for (uint32_t p = 0; p < object->n_properties; p++) {
        bool may = may_come(s, object, place, p);
        n_available += may;
        if (may && object->n_demands) met |= can_meet(&object->classes[p]);
        if (seen(place, p) || !must_come(object, place, p)) continue;
        if (!may) return false;
        n_missing++;
    }
    for (uint32_t c = object->n_properties; c < object->n_classes; c++) {
        open |= object->classes[c].possible;
        if (object->classes[c].possible) met |= can_meet(&object->classes[c]);
    }
    uint32_t count = place[OBJECT_COUNT];
    if (object->max != UNBOUNDED && n_missing > object->max - count) return false;
    if (!open && count + n_available < object->min) return false;
    return met == object_all_demands(object) && (now == met || object->max == UNBOUNDED || object->max > count);
}

static bool object_may_close(const struct object_shape *object, const uint32_t *place) {
    if (place[OBJECT_COUNT] < object->min) return false;
    if ((place[OBJECT_MET] | met_by_absence(object, place)) != object_all_demands(object)) return false;
    for (uint32_t p = 0; p < object->n_properties; p++)
        if (!seen(place, p) && must_come(object, place, p)) return false;
    return true;
}

/* A member of the class more. False: that can't be. */
static bool object_add(const struct schema *s, const struct object_shape *object, const uint32_t *place, uint32_t class,
                       uint32_t *out) {
    bool property = class < object->n_properties;
    if (!object->classes[class].possible || (property && !may_come(s, object, place, class))) return false;
    if (object->max != UNBOUNDED && place[OBJECT_COUNT] >= object->max) return false;
    memcpy(out, place, object_words(object) * sizeof *out);
    if (object->max != UNBOUNDED || place[OBJECT_COUNT] < object->min) out[OBJECT_COUNT]++;
    if (property) out[OBJECT_SEEN + class / 32] |= 1u << class % 32;
    if (!s->any_form) out[OBJECT_NEXT_PROPERTY] = property ? class + 1 : object->n_properties;
    out[OBJECT_MET] |= can_meet(&object->classes[class]); /* or the member that comes can do it */
    return object_feasible(s, object, out);
}

/* The keys of the allowed classes; where it is written, with the distances of what follows each. */
static const struct dfa *allowed_keys(struct automaton *a, const struct schema *s, const struct shape *shape,
                                      const uint32_t *place, const uint32_t *allowed, size_t n_words) {
    uint32_t *name = work_alloc(&a->work, n_words + 1, sizeof *name);
    if (!name) return NULL;
    name[0] = shape->number_of;
    memcpy(name + 1, allowed, n_words * sizeof *name);
    bool is_new;
    uint32_t id = intern_words(&a->work, &a->key_names, name, n_words + 1, &is_new);
    if (id == INTERN_FAILED) return NULL;
    if (!is_new) return a->keys[id];
    a->keys = work_grow(&a->work, a->keys, id + 1, &a->keys_capacity, sizeof(const struct dfa *));
    if (!a->keys) return NULL;
    uint32_t *costs = s->any_form ? NULL : work_alloc(&a->work, shape->object->n_classes, sizeof *costs);
    for (uint32_t c = 0; costs && c < shape->object->n_classes; c++)
        if (allowed[c / 32] >> c % 32 & 1) costs[c] = schema_member_cost(s, shape->object, place, c);
    return a->keys[id] = dfa_restrict(&a->work, shape->object->keys, allowed, costs);
}

static uint32_t *object_copy(struct automaton *a, const struct object_shape *object, const uint32_t *place,
                             enum symbol_kind kind) {
    size_t n = object_words(object);
    uint32_t *words = work_alloc(&a->work, n, sizeof *words);
    if (!words) return NULL;
    memcpy(words, place, n * sizeof *words);
    words[0] = kind;
    return words;
}

/* Does no member say anything of others? */
static bool members_are_independent(const struct schema *s, const struct object_shape *object) {
    return s->any_form && object->min == 0 && object->max == UNBOUNDED && object->n_demands == 0 &&
           object->n_dependencies == 0;
}

/* The classes that may come; false: none. */
static bool allowed_classes(struct automaton *a, const struct schema *s, const struct object_shape *object,
                            const uint32_t *place, uint32_t *allowed, bool *all) {
    uint32_t *next = work_alloc(&a->work, object_words(object), sizeof *next);
    bool any = false, independent = members_are_independent(s, object);
    *all = true;
    for (uint32_t c = 0; next && c < object->n_classes; c++) {
        bool free = independent && object->classes[c].possible && (c >= object->n_properties || !seen(place, c));
        if (free || (!independent && object_add(s, object, place, c, next)))
            allowed[c / 32] |= 1u << c % 32, any = true;
        else
            *all = false;
    }
    return any;
}

static void expand_key(struct automaton *a, const struct schema *s, const struct shape *shape, const uint32_t *place,
                       uint32_t frame) {
    const struct object_shape *object = shape->object;
    size_t n_words = (object->n_classes + 31) / 32;
    uint32_t *allowed = work_alloc(&a->work, n_words, sizeof *allowed);
    bool all;
    if (!allowed || !allowed_classes(a, s, object, place, allowed, &all)) return;
    const struct dfa *keys = all && s->any_form ? object->keys : allowed_keys(a, s, shape, place, allowed, n_words);
    uint32_t *words = object_copy(a, object, place, SYMBOL_OBJECT_COLON);
    if (!keys || !words) return;
    struct lexeme lexeme = {.kind = LEXEME_STRING, .dfa = keys, .max = UINT32_MAX};
    uint32_t after = automaton_push(a, automaton_symbol(a, words, object_words(object)), frame);
    automaton_scan(a, automaton_lexeme(a, &lexeme), after);
}

/* After a key, whose label is the class of its name. */
static void expand_colon(struct automaton *a, const struct schema *s, const struct shape *shape, const uint32_t *place,
                         uint32_t label, uint32_t frame) {
    const struct object_shape *object = shape->object;
    uint32_t class = label - 1;
    uint32_t *next = object_copy(a, object, place, SYMBOL_OBJECT_NEXT);
    if (!next || class >= object->n_classes || !object_add(s, object, place, class, next)) return;
    const struct name_class *of = &object->classes[class];
    uint32_t met = place[OBJECT_MET] | of->met, possible = 0;
    for (uint32_t i = 0; i < of->n_claims; i++)
        if (of->claims[i] & ~met) possible |= 1u << i;
    for (uint32_t claims = 0; claims < 1u << of->n_claims && work_ok(&a->work); claims++) {
        if (claims & ~possible || of->choices[claims] == NEVER) continue;
        next[0] = SYMBOL_OBJECT_NEXT;
        next[OBJECT_MET] = met;
        for (uint32_t i = 0; i < of->n_claims; i++)
            if (claims >> i & 1) next[OBJECT_MET] |= of->claims[i];
        if (!object_feasible(s, object, next)) continue;
        uint32_t after = automaton_push(a, automaton_symbol(a, next, object_words(object)), frame);
        uint32_t value = value_symbol(a, s, of->choices[claims]);
        automaton_scan(a, fixed_lexeme(a, s, FIXED_COLON), automaton_push(a, value, after));
    }
}

void expand_object(struct automaton *a, const struct schema *s, const uint32_t *words, uint32_t label, uint32_t frame) {
    const struct shape *shape = s->shapes[words[1]];
    const struct object_shape *object = shape->object;
    const uint32_t *place = words;
    bool all;
    if (words[0] == SYMBOL_OBJECT_BEGIN) {
        uint32_t *start = work_alloc(&a->work, object_words(object), sizeof *start);
        if (!start) return;
        start[1] = words[1];
        place = start;
    }
    switch (words[0]) {
    case SYMBOL_OBJECT_BEGIN:
        if (object_may_close(object, place)) automaton_scan(a, fixed_lexeme(a, s, FIXED_CLOSE_EMPTY_OBJECT), frame);
        expand_key(a, s, shape, place, frame);
        break;
    case SYMBOL_OBJECT_KEY:
        expand_key(a, s, shape, place, frame);
        break;
    case SYMBOL_OBJECT_COLON:
        expand_colon(a, s, shape, place, label, frame);
        break;
    default: {
        uint32_t *allowed = work_alloc(&a->work, (object->n_classes + 31) / 32, sizeof *allowed);
        uint32_t *key = object_copy(a, object, place, SYMBOL_OBJECT_KEY);
        if (!allowed || !key) return;
        if (object_may_close(object, place)) automaton_scan(a, fixed_lexeme(a, s, FIXED_CLOSE_OBJECT), frame);
        if (allowed_classes(a, s, object, place, allowed, &all))
            automaton_scan(a, fixed_lexeme(a, s, FIXED_COMMA),
                           automaton_push(a, automaton_symbol(a, key, object_words(object)), frame));
    }
    }
}
