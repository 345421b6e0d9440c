/* Nodes made ready to run: automata of numbers, classes of names, and for every place in an array or object which values can come
 * there. What has no values is left out. */
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/schema_run.h"
#include "engine/grammar/schema_unique.h"

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

/* Numbers without a bound are written with at most 16 digits before the point, where there are such. */
static bool limit_digits(const struct number_set *all, struct number_automaton *out) {
    struct number_set set = *all;
    struct decimal most, least;
    if (!decimal_parse("9999999999999999", 16, &most) || !decimal_parse("-9999999999999999", 17, &least)) return false;
    if (!set.max.given) set.max = (struct number_bound){true, false, most};
    if (!set.min.given) set.min = (struct number_bound){true, false, least};
    return number_automaton_init(out, &set) && number_automaton_inhabited(out);
}

static void prepare_number(struct schema *s, struct shape *shape) {
    shape->text = simple_numbers(s, &shape->number);
    if (shape->text || !work_ok(s->work)) return;
    struct number_automaton *automaton = work_alloc(s->work, 1, sizeof *automaton);
    if (!automaton) return;
    bool limited = !s->any_form && limit_digits(&shape->number, automaton);
    if (!limited && !number_automaton_init(automaton, &shape->number))
        work_fail(s->work, BN_STATUS_UNSUPPORTED, "numbers with more digits than are computed with");
    for (uint32_t i = 0; i < shape->number.n_multiples && !s->any_form; i++)
        automaton->no_fraction |= !shape->number.multiples[i].negated && shape->number.multiples[i].of.scale == 0;
    automaton->any_form = s->any_form;
    shape->automaton = automaton;
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

/* The first node that has these forms: references to a schema are one value when it is read. */
static void find_same(struct schema *s, uint32_t id, const struct forms *forms) {
    uint32_t *numbers = work_alloc(s->work, forms->n, sizeof *numbers);
    bool is_new;
    for (uint32_t i = 0; numbers && i < forms->n; i++) numbers[i] = forms->items[i]->number_of;
    uint32_t known = numbers ? intern_words(s->work, &s->forms_names, numbers, forms->n, &is_new) : INTERN_FAILED;
    if (known == INTERN_FAILED) return;
    if (!work_reserve(s->work, &s->first_nodes, known + 1, &s->first_nodes_capacity, sizeof *s->first_nodes)) return;
    if (is_new) s->first_nodes[known] = id;
    s->nodes[id].same = s->first_nodes[known];
}

static void prepare_node(struct schema *s, uint32_t id) {
    const struct forms *forms = node_forms(s, id);
    if (!forms) return;
    struct forms copy = *forms, possible = {0};
    for (uint32_t i = 0; i < copy.n && work_ok(s->work); i++) {
        if (!shape_has_values(s, copy.items[i])) continue;
        forms_add(s, &possible, copy.items[i]);
        if (!copy.items[i]->ready) {
            copy.items[i]->ready = true;
            prepare_shape(s, copy.items[i]);
        }
    }
    if (!work_ok(s->work)) return;
    s->nodes[id].forms = possible;
    find_same(s, id, &possible);
}

void schema_prepare(struct schema *s, uint32_t id) {
    if (!s->fixed) prepare_fixed(s);
    if (!work_ok(s->work) || s->nodes[id].ready) return;
    s->nodes[id].ready = true;
    if (!work_reserve(s->work, &s->waiting, s->n_waiting + 1, &s->waiting_capacity, sizeof *s->waiting)) return;
    s->waiting[s->n_waiting++] = id;
    if (s->preparing) return;
    s->preparing = true;
    while (s->n_waiting && work_ok(s->work)) prepare_node(s, s->waiting[--s->n_waiting]);
    s->preparing = false;
}
