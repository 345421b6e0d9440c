/* Shapes as symbols of the automaton.
 *
 * The inside of an array is its place: how many items there were, as far as that counts. The inside of an object is the set
 * of properties that were read, so that members may come in any order; where a generation writes, in the schema's order only.
 * The keys that may come are one lexeme, whose label says which class of names it was. */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/schema.h"
#include "engine/grammar/schema_unique.h"

/* ---- making ready ---- */

enum fixed {
    FIXED_NULL,
    FIXED_FALSE,
    FIXED_TRUE,
    FIXED_NUMBER,
    FIXED_INTEGER,
    FIXED_PLAIN_INTEGER,
    FIXED_SPACE,
    FIXED_OPEN_ARRAY,
    FIXED_CLOSE_EMPTY_ARRAY,
    FIXED_CLOSE_ARRAY,
    FIXED_OPEN_OBJECT,
    FIXED_CLOSE_EMPTY_OBJECT,
    FIXED_CLOSE_OBJECT,
    FIXED_COMMA,
    FIXED_COLON,
    N_FIXED
};

#define ANY_SPACE     "[ \\t\\n\\r]*"
#define WRITTEN_SPACE "(?: |\\n[ \\t]{0,40})?"
#define DIGITS        "-?(?:0|[1-9]\\d*)"
#define SHORT_DIGITS  "-?(?:0|[1-9]\\d{0,15})"

/* Any form, then what a generation writes. */
static const char *const fixed_patterns[N_FIXED][2] = {
    [FIXED_NULL] = {"null", "null"},
    [FIXED_FALSE] = {"false", "false"},
    [FIXED_TRUE] = {"true", "true"},
    [FIXED_NUMBER] = {DIGITS "(?:\\.\\d+)?(?:[eE][+-]?\\d+)?", SHORT_DIGITS "(?:\\.\\d{1,16})?(?:[eE][+-]?\\d{1,2})?"},
    [FIXED_INTEGER] = {DIGITS "(?:\\.0+)?(?:[eE]\\+?\\d+)?", SHORT_DIGITS},
    [FIXED_PLAIN_INTEGER] = {DIGITS, SHORT_DIGITS},
    [FIXED_SPACE] = {ANY_SPACE, ""},
    [FIXED_OPEN_ARRAY] = {"\\[" ANY_SPACE, "\\[" WRITTEN_SPACE},
    [FIXED_CLOSE_EMPTY_ARRAY] = {"\\]", "\\]"},
    [FIXED_CLOSE_ARRAY] = {ANY_SPACE "\\]", WRITTEN_SPACE "\\]"},
    [FIXED_OPEN_OBJECT] = {"\\{" ANY_SPACE, "\\{" WRITTEN_SPACE},
    [FIXED_CLOSE_EMPTY_OBJECT] = {"\\}", "\\}"},
    [FIXED_CLOSE_OBJECT] = {ANY_SPACE "\\}", WRITTEN_SPACE "\\}"},
    [FIXED_COMMA] = {ANY_SPACE "," ANY_SPACE, "," WRITTEN_SPACE},
    [FIXED_COLON] = {ANY_SPACE ":" ANY_SPACE, ": ?"},
};

static void prepare_fixed(struct schema *s) {
    s->fixed = work_alloc(s->work, N_FIXED, sizeof(const struct dfa *));
    for (int i = 0; s->fixed && i < N_FIXED; i++) {
        const char *pattern = fixed_patterns[i][!s->any_form];
        s->fixed[i] = pattern_compile(s->work, pattern, strlen(pattern), PATTERN_WHOLE);
    }
}

/* Numbers with nothing but a sign to them, where exponents can be read: those of a pattern. NULL: others. */
static const struct dfa *simple_numbers(struct schema *s, const struct number_set *set) {
    struct decimal zero = {0, 0}, one = {1, 0};
    bool whole = set->n_multiples == 1 && !set->multiples[0].negated && decimal_compare(set->multiples[0].of, one) == 0;
    if (set->n_multiples > whole) return NULL;
    if (set->min.given && decimal_compare(set->min.value, zero)) return NULL;
    if (set->max.given && decimal_compare(set->max.value, zero)) return NULL;
    const struct dfa *numbers = s->fixed[!whole ? FIXED_NUMBER : set->plain ? FIXED_PLAIN_INTEGER : FIXED_INTEGER];
    if (!set->min.given && !set->max.given) return numbers;
    if (set->min.given && set->max.given) return NULL;
    const struct number_bound *bound = set->min.given ? &set->min : &set->max;
    const char *pattern = set->min.given ? (bound->open ? "^[0.]*[1-9]" : "^(?:\\d|-[0.]*(?:[eE]|$))")
                                         : (bound->open ? "^-[0.]*[1-9]" : "^(?:-|[0.]*(?:[eE]|$))");
    return dfa_combine(s->work, numbers, pattern_compile(s->work, pattern, strlen(pattern), PATTERN_SEARCH), DFA_AND);
}

static void prepare_number(struct schema *s, struct shape *shape) {
    shape->text = simple_numbers(s, &shape->number);
    if (shape->text || !work_ok(s->work)) return;
    struct number_automaton *automaton = work_alloc(s->work, 1, sizeof *automaton);
    if (!automaton) return;
    if (!number_automaton_init(automaton, &shape->number))
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "numbers with more digits than are computed with");
    for (uint32_t i = 0; i < shape->number.n_multiples && !s->any_form; i++)
        automaton->no_fraction |= !shape->number.multiples[i].negated && shape->number.multiples[i].of.scale == 0;
    automaton->any_form = s->any_form;
    shape->automaton = automaton;
}

/* The number of a property, or n_properties. */
static uint32_t property_of(const struct object_shape *object, const struct witness *witness) {
    uint32_t p = 0;
    while (p < object->n_properties && (object->properties[p].n_name != witness->n_name ||
                                        memcmp(object->properties[p].name, witness->name, witness->n_name) != 0))
        p++;
    return p;
}

bool object_absence(const struct object_shape *object, uint32_t demand, const uint32_t *seen) {
    for (uint32_t i = 0; i < object->demands[demand].n; i++) {
        const struct witness *witness = &object->demands[demand].items[i];
        if (!witness->absent) continue;
        uint32_t p = property_of(object, witness);
        if (p == object->n_properties || !(object->properties[p].required || (seen && seen[p / 32] >> p % 32 & 1)))
            return true;
    }
    return false;
}

/* A member of the class meets the demand with a value in the node. */
static void add_claim(struct schema *s, struct name_class *class, uint32_t demand, uint32_t node) {
    if (class->met >> demand & 1 || class->node == NEVER) return;
    if (node == ANY || node == class->node) {
        class->met |= 1u << demand;
        return;
    }
    uint32_t c = 0;
    while (c < class->n_claims && class->claim_nodes[c] != node) c++;
    if (c == MOST_CLAIMS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED,
                  "too complex: more than %d conditions that exclude each other meet at one property", MOST_CLAIMS);
        return;
    }
    class->claims[c] |= 1u << demand;
    class->claim_nodes[c] = node;
    if (c == class->n_claims) class->n_claims++;
}

/* Which demands the members of each class can meet. set: of the automata of names that hold the class, NULL: a property. */
static void classify_demands(struct schema *s, struct object_shape *object, struct name_class *class,
                             const struct property *property, const uint32_t *set, size_t first) {
    for (uint32_t d = 0; d < object->n_demands; d++) {
        for (uint32_t i = 0; i < object->demands[d].n && work_ok(s->work); i++) {
            const struct witness *witness = &object->demands[d].items[i];
            bool is = false;
            if (witness->names)
                is = set ? set[first / 32] >> first % 32 & 1
                         : dfa_match(witness->names, property->name, property->n_name) != 0;
            else if (property && !witness->absent)
                is = witness->n_name == property->n_name && memcmp(witness->name, property->name, witness->n_name) == 0;
            first += witness->names != NULL;
            if (is) add_claim(s, class, d, witness->node);
        }
    }
}

/* Every name that a demand mentions is a property. */
static void add_properties_of_demands(struct schema *s, struct object_shape *object) {
    for (uint32_t d = 0; d < object->n_demands; d++)
        for (uint32_t i = 0; i < object->demands[d].n && work_ok(s->work); i++)
            if (!object->demands[d].items[i].names)
                object_property(s, object, object->demands[d].items[i].name, object->demands[d].items[i].n_name);
}

void object_classify(struct schema *s, struct object_shape *object) {
    if (object->keys || !work_ok(s->work)) return;
    if (object->n_demands > MOST_DEMANDS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "too complex: an object that mustn't be one of more than %d",
                  MOST_DEMANDS);
        return;
    }
    add_properties_of_demands(s, object);
    size_t n_parts = object->names != NULL, n = 0, n_words;
    for (uint32_t d = 0; d < object->n_demands; d++) n_parts += object->demands[d].n;
    for (uint32_t g = 0; g < object->n_groups; g++) n_parts += object->groups[g].n;
    const struct dfa **parts = work_alloc(s->work, n_parts, sizeof(const struct dfa *));
    struct dfa_word *words = work_alloc(s->work, object->n_properties, sizeof *words);
    struct interner *sets = work_alloc(s->work, 1, sizeof *sets);
    if (!parts || !words || !sets) return;
    for (uint32_t g = 0; g < object->n_groups; g++)
        for (uint32_t i = 0; i < object->groups[g].n; i++) parts[n++] = object->groups[g].patterns[i];
    size_t first_witness = n, names_part;
    for (uint32_t d = 0; d < object->n_demands; d++)
        for (uint32_t i = 0; i < object->demands[d].n; i++)
            if (object->demands[d].items[i].names) parts[n++] = object->demands[d].items[i].names;
    names_part = n;
    if (object->names) parts[n++] = object->names;
    const struct dfa *others = dfa_classify(s->work, parts, n, sets);
    if (!others) return;
    object->n_classes = object->n_properties + (uint32_t)sets->n;
    object->classes = work_alloc(s->work, object->n_classes, sizeof *object->classes);
    if (!object->classes) return;
    for (uint32_t p = 0; p < object->n_properties; p++) {
        const struct property *property = &object->properties[p];
        words[p] = (struct dfa_word){property->name, property->n_name, 1 + p};
        object->classes[p].node = property->node;
        classify_demands(s, object, &object->classes[p], property, NULL, 0);
    }
    for (uint32_t c = 0; c < sets->n && work_ok(s->work); c++) {
        struct name_class *class = &object->classes[object->n_properties + c];
        const uint32_t *set = interned_words(sets, c, &n_words);
        size_t bit = 0;
        class->node = ANY;
        for (uint32_t g = 0; g < object->n_groups; g++) {
            bool any = false;
            for (uint32_t i = 0; i < object->groups[g].n; i++, bit++) {
                if (!(set[bit / 32] >> bit % 32 & 1)) continue;
                any = true;
                class->node = node_and(s, class->node, object->groups[g].nodes[i]);
            }
            if (!any) class->node = node_and(s, class->node, object->groups[g].additional);
        }
        if (object->names && !(set[names_part / 32] >> names_part % 32 & 1)) class->node = NEVER;
        classify_demands(s, object, class, NULL, set, first_witness);
    }
    const struct dfa *named = dfa_words(s->work, words, object->n_properties);
    object->keys = dfa_combine(s->work, named, dfa_relabel(s->work, others, object->n_properties), DFA_OR);
}

static void prepare_object(struct schema *s, struct object_shape *object) {
    object_classify(s, object);
    for (uint32_t c = 0; c < object->n_classes && work_ok(s->work); c++) {
        struct name_class *class = &object->classes[c];
        class->possible = node_inhabited(s, class->node);
        if (class->possible) schema_prepare(s, class->node);
        class->choices = work_alloc(s->work, (size_t)1 << class->n_claims, sizeof *class->choices);
        for (uint32_t claims = 0; class->choices && claims < 1u << class->n_claims && work_ok(s->work); claims++) {
            uint32_t node = class->node;
            for (uint32_t i = 0; i < class->n_claims; i++)
                if (claims >> i & 1) node = node_and(s, node, class->claim_nodes[i]);
            bool can = node_inhabited(s, node);
            class->choices[claims] = can ? node : (uint32_t)NEVER;
            if (can) schema_prepare(s, node);
        }
    }
}

static void prepare_array(struct schema *s, struct array_shape *array) {
    uint32_t n_choices = 1u << array->n_contains;
    if (array->n_contains > MOST_CLAIMS) {
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "more than %d contains", MOST_CLAIMS);
        return;
    }
    if (s->any_form)
        s->compares |= array->repeated || (array->unique && array->max > 1);
    else if (array->repeated)
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "the negation of uniqueItems can't be written");
    else if (array->unique && array->max > 1)
        unique_prepare(s, array);
    s->writes_unique |= array->distinct != NULL;
    array->choices = work_alloc(s->work, (size_t)(array->n_prefix + 1) * n_choices, sizeof *array->choices);
    array->possible = work_alloc(s->work, (size_t)(array->n_prefix + 1) * n_choices, sizeof *array->possible);
    for (uint32_t i = 0; array->possible && i <= array->n_prefix; i++) {
        for (uint32_t claims = 0; claims < n_choices && work_ok(s->work); claims++) {
            uint32_t node = array_node_of(array, i), at = i * n_choices + claims;
            for (uint32_t c = 0; c < array->n_contains; c++) {
                const struct contains *contains = &array->contains[c];
                bool claimed = claims >> c & 1;
                if (claimed)
                    node = node_and(s, node, contains->node);
                else if (contains->max != UNBOUNDED && i >= contains->from)
                    node = node_and(s, node, contains->not_node);
            }
            array->choices[at] = node;
            array->possible[at] = node_inhabited(s, node);
            if (array->possible[at]) schema_prepare(s, node);
        }
    }
}

static void prepare_shape(struct schema *s, struct shape *shape) {
    s->shapes = work_grow(s->work, s->shapes, s->n_shapes + 1, &s->shapes_capacity, sizeof(struct shape *));
    if (!s->shapes) return;
    shape->number_of = (uint32_t)s->n_shapes;
    s->shapes[s->n_shapes++] = shape;
    switch (shape->type) {
    case TYPE_NUMBER:
        prepare_number(s, shape);
        break;
    case TYPE_ARRAY:
        prepare_array(s, shape->array);
        break;
    case TYPE_OBJECT:
        prepare_object(s, shape->object);
        break;
    default:
        break;
    }
}

void schema_prepare(struct schema *s, uint32_t id) {
    if (!s->fixed) prepare_fixed(s);
    if (!work_ok(s->work) || s->nodes[id].ready) return;
    s->nodes[id].ready = true;
    const struct forms *forms = node_forms(s, id);
    if (!forms) return;
    struct forms copy = *forms, possible = {0};
    if (++s->depth > 2000) work_fail(s->work, BN_STATUS_UNSUPPORTED, "schemas are nested too deeply");
    for (uint32_t i = 0; i < copy.n && work_ok(s->work); i++) {
        if (!shape_has_values(s, copy.items[i])) continue;
        forms_add(s, &possible, copy.items[i]);
        if (!copy.items[i]->ready) {
            copy.items[i]->ready = true;
            prepare_shape(s, copy.items[i]);
        }
    }
    s->depth--;
    if (work_ok(s->work)) s->nodes[id].forms = possible;
}

/* ---- running ---- */

static uint32_t fixed_lexeme(struct automaton *a, const struct schema *s, enum fixed fixed) {
    return automaton_text(a, s->fixed[fixed]);
}

uint32_t schema_start(struct automaton *a, const struct schema *s) {
    (void)s;
    return automaton_symbol(a, (uint32_t[]){SYMBOL_DOCUMENT}, 1);
}

static uint32_t value_symbol(struct automaton *a, uint32_t node) {
    return automaton_symbol(a, (uint32_t[]){SYMBOL_VALUE, node}, 2);
}

static void scan_text(struct automaton *a, const struct dfa *dfa, uint32_t frame) {
    automaton_scan(a, automaton_text(a, dfa), frame);
}

static void expand_document(struct automaton *a, const struct schema *s, uint32_t frame) {
    uint32_t end = automaton_push(a, automaton_symbol(a, (uint32_t[]){SYMBOL_SPACE}, 1), frame);
    uint32_t value = value_symbol(a, s->root);
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

static void expand_item(struct automaton *a, const struct shape *shape, const struct array_place *at, uint32_t frame) {
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
        automaton_expand(a, value_symbol(a, node), 1, after);
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
        expand_item(a, shape, &at, frame);
        break;
    case SYMBOL_ARRAY_ITEM:
        expand_item(a, shape, &at, frame);
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

/* ---- objects ---- */

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

/* The classes that may come; false: none. */
static bool allowed_classes(struct automaton *a, const struct schema *s, const struct object_shape *object,
                            const uint32_t *place, uint32_t *allowed, bool *all) {
    uint32_t *next = work_alloc(&a->work, object_words(object), sizeof *next);
    bool any = false;
    *all = true;
    for (uint32_t c = 0; next && c < object->n_classes; c++) {
        if (object_add(s, object, place, c, next))
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
        uint32_t value = value_symbol(a, of->choices[claims]);
        automaton_scan(a, fixed_lexeme(a, s, FIXED_COLON), automaton_push(a, value, after));
    }
}

static void expand_object(struct automaton *a, const struct schema *s, const uint32_t *words, uint32_t label,
                          uint32_t frame) {
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
