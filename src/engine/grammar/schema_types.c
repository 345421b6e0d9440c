/* The keywords that say something of values of one type: see schema_load.c. */
#include <string.h>

#include "engine/grammar/format.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/schema_load.h"

/* ---- numbers ---- */

/* The largest and smallest integers of 64 bits may stand for any beyond them: see json_parse(). */
static bool is_saturated(const json_t *value) {
    return json_is_integer(value) && (json_integer_value(value) == INT64_MAX || json_integer_value(value) == INT64_MIN);
}

static bool number_of(struct loading *l, const json_t *value, struct decimal *out) {
    if (!json_is_number(value)) {
        load_complain(l, "expected a number");
        return false;
    }
    if (is_saturated(value)) {
        load_refuse(l, "an integer beyond 64 bits isn't supported here");
        return false;
    }
    if (decimal_of_json(value, out)) return true;
    load_refuse(l, "a number with more digits than are computed with");
    return false;
}

/* minimum and maximum beyond what is computed with: the nearest bound that is. Numbers between the two are lost. */
static bool bound_of(struct loading *l, const json_t *value, bool is_max, struct decimal *out) {
    double number = json_number_value(value);
    if (is_saturated(value) && (number > 0) == is_max) return decimal_of_json(value, out);
    if (json_is_real(value) && (number > 1e27 || number < -1e27) && (number > 0) == is_max)
        return decimal_parse(is_max ? "1e27" : "-1e27", is_max ? 4 : 5, out);
    return number_of(l, value, out);
}

static void load_bound(struct loading *l, struct number_set *set, bool is_max) {
    const char *open_name = is_max ? "exclusiveMaximum" : "exclusiveMinimum";
    const json_t *open = json_object_get(l->object, open_name),
                 *closed = load_keyword(l, is_max ? "maximum" : "minimum");
    struct number_set one = {0};
    struct number_bound *bound = is_max ? &one.max : &one.min;
    if (closed && bound_of(l, closed, is_max, &bound->value)) {
        *bound = (struct number_bound){true, json_is_true(open), bound->value};
        number_set_and(set, &one);
    }
    if (!open || json_is_boolean(open)) return;
    one = (struct number_set){0};
    load_keyword(l, open_name);
    if (bound_of(l, open, is_max, &bound->value)) {
        *bound = (struct number_bound){true, true, bound->value};
        number_set_and(set, &one);
    }
}

struct shape *load_number(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_NUMBER);
    struct decimal value, one = {1, 0}, zero = {0, 0};
    if (!shape) return NULL;
    load_bound(l, &shape->number, false);
    load_bound(l, &shape->number, true);
    const json_t *multiple = load_keyword(l, l->s->draft == 3 ? "divisibleBy" : "multipleOf");
    if (multiple && number_of(l, multiple, &value)) {
        if (decimal_compare(value, zero) <= 0) load_complain(l, "expected a number above 0");
        number_set_add_multiple(&shape->number, value, false);
    }
    if (l->whole) number_set_add_multiple(&shape->number, one, false);
    shape->number.plain = l->whole && l->s->draft <= 4;
    return shape;
}

/* ---- strings ---- */

/* Is it one character's pattern: ".", "\\w", "[…]"? */
static bool is_class(const char *text, size_t n) {
    if (n == 1) return text[0] == '.';
    if (text[0] == '\\') return n == 2 && strchr("dDwWsS", text[1]) != NULL;
    size_t end = 1;
    while (end < n && text[end] != ']') end += text[end] == '\\' ? 2 : 1;
    return text[0] == '[' && end + 1 == n;
}

/* "^[a-z]{2,30}$" is "^[a-z]*$" with a length: what may come then doesn't depend on how much came, and masks are the same all along.
 * Gives the end of the class, or 0: it's not like that. */
static size_t counted_class(const char *text, size_t n, uint32_t *min, uint32_t *max) {
    size_t open = n, at;
    while (open > 0 && text[open - 1] != '{') open--;
    if (open < 3 || n > 4000 || text[0] != '^' || n - open < 3 || !is_class(text + 1, open - 2)) return 0;
    uint32_t counts[2] = {0, UNBOUNDED};
    for (at = open; at < n && at < open + 9 && text[at] >= '0' && text[at] <= '9'; at++)
        counts[0] = counts[0] * 10 + (uint32_t)(text[at] - '0');
    if (at == open || (text[at] != ',' && text[at] != '}')) return 0;
    if (text[at] == '}') counts[1] = counts[0];
    if (text[at] == ',' && text[++at] != '}') {
        size_t begin = at;
        for (counts[1] = 0; at < n && at < begin + 9 && text[at] >= '0' && text[at] <= '9'; at++)
            counts[1] = counts[1] * 10 + (uint32_t)(text[at] - '0');
    }
    if (n - at != 2 || text[at] != '}' || text[at + 1] != '$' || counts[0] > counts[1]) return 0;
    *min = counts[0];
    *max = counts[1];
    return open - 1;
}

static void load_pattern(struct loading *l, const char *text, size_t n, struct shape *shape) {
    struct schema *s = l->s;
    uint32_t min, max;
    size_t n_class = counted_class(text, n, &min, &max);
    char *any_number = n_class ? work_alloc(s->work, n_class + 3, 1) : NULL;
    if (any_number) {
        text = memcpy(any_number, text, n_class);
        memcpy(any_number + n_class, "*$", 2);
        n = n_class + 2;
        if (min > shape->min) shape->min = min;
        if (max < shape->max) shape->max = max;
    }
    shape->string = pattern_compile(s->work, text, n, PATTERN_SEARCH);
}

struct shape *load_string(struct loading *l) {
    struct schema *s = l->s;
    struct shape *shape = shape_new(s, TYPE_STRING);
    if (!shape) return NULL;
    load_count(l, "minLength", &shape->min);
    load_count(l, "maxLength", &shape->max);
    const json_t *pattern = load_keyword(l, "pattern");
    if (pattern) {
        if (!json_is_string(pattern))
            load_complain(l, "expected a string");
        else
            load_pattern(l, json_string_value(pattern), json_string_length(pattern), shape);
    }
    /* an annotation by the specification, meant as an assertion where somebody says what type it is */
    const json_t *format = json_object_get(l->object, "type") ? load_keyword(l, "format") : NULL;
    if (json_is_string(format) && work_ok(s->work)) {
        uint32_t most;
        const struct dfa *strings = format_strings(s->work, json_string_value(format), &most);
        if (strings) shape->string = dfa_combine(s->work, shape->string, strings, DFA_AND);
        if (strings && most < shape->max) shape->max = most;
    }
    return work_ok(s->work) && shape_fold_length(s, shape) ? shape : NULL;
}

/* ---- arrays ---- */

static void load_prefix(struct loading *l, struct array_shape *array, const json_t *items, const char *name) {
    const char *place = schema_place_in(l->s, l->place, name);
    array->n_prefix = (uint32_t)json_array_size(items);
    array->prefix = work_alloc(l->s->work, array->n_prefix, sizeof *array->prefix);
    for (uint32_t i = 0; array->prefix && i < array->n_prefix && work_ok(l->s->work); i++)
        array->prefix[i] = load_subschema(l, json_array_get(items, i), schema_place_at(l->s, place, i));
}

static void load_contains(struct loading *l, struct array_shape *array) {
    const json_t *contains = load_keyword(l, "contains");
    if (!contains) return;
    struct contains one = {load_subschema(l, contains, l->s->place), NEVER, 0, 1, UNBOUNDED};
    load_count(l, "minContains", &one.min);
    load_count(l, "maxContains", &one.max);
    if (one.max != UNBOUNDED) one.not_node = node_not(l->s, one.node);
    if (one.min == 0 && one.max == UNBOUNDED) return;
    array->contains = work_alloc(l->s->work, 1, sizeof one);
    if (!array->contains) return;
    array->contains[0] = one;
    array->n_contains = 1;
}

struct shape *load_array(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_ARRAY);
    if (!shape) return NULL;
    struct array_shape *array = shape->array;
    const json_t *prefix = load_keyword(l, "prefixItems"), *items = load_keyword(l, "items");
    if (json_is_array(prefix))
        load_prefix(l, array, prefix, "prefixItems");
    else if (prefix)
        load_complain(l, "expected an array");
    if (json_is_array(items)) { /* older drafts */
        load_prefix(l, array, items, "items");
        const json_t *additional = load_keyword(l, "additionalItems");
        if (additional) array->rest = load_subschema(l, additional, l->s->place);
    } else if (items) {
        array->rest = load_subschema(l, items, schema_place_in(l->s, l->place, "items"));
    }
    load_count(l, "minItems", &array->min);
    load_count(l, "maxItems", &array->max);
    load_contains(l, array);
    array->unique = json_is_true(load_keyword(l, "uniqueItems"));
    return array->min <= array->max ? shape : NULL;
}

/* ---- objects ---- */

static void load_properties(struct loading *l, struct object_shape *object) {
    const json_t *properties = load_keyword(l, "properties");
    const char *name, *place = l->s->place;
    json_t *value;
    if (properties && !json_is_object(properties)) load_complain(l, "expected an object");
    json_object_foreach((json_t *)properties, name, value) {
        uint32_t at = object_property(l->s, object, name, strlen(name));
        if (!work_ok(l->s->work)) return;
        object->properties[at].node = load_subschema(l, value, schema_place_in(l->s, place, name));
        if (l->s->draft == 3) object->properties[at].required = json_is_true(json_object_get(value, "required"));
    }
}

static void load_group(struct loading *l, struct object_shape *object) {
    const json_t *patterns = load_keyword(l, "patternProperties"),
                 *additional = json_object_get(l->object, "additionalProperties");
    const char *name, *place = l->s->place;
    json_t *value;
    if (!patterns && !additional) return;
    if (patterns && !json_is_object(patterns)) load_complain(l, "expected an object");
    struct name_group group = {0};
    size_t n = json_object_size(patterns);
    group.patterns = work_alloc(l->s->work, n, sizeof(struct dfa *));
    group.nodes = work_alloc(l->s->work, n, sizeof *group.nodes);
    json_object_foreach((json_t *)patterns, name, value) {
        if (!work_ok(l->s->work)) return;
        l->s->place = schema_place_in(l->s, place, name);
        group.patterns[group.n] = pattern_compile(l->s->work, name, strlen(name), PATTERN_SEARCH);
        group.nodes[group.n++] = load_subschema(l, value, l->s->place);
    }
    group.additional = ANY;
    if (additional && work_ok(l->s->work)) {
        load_keyword(l, "additionalProperties");
        group.additional = load_subschema(l, additional, l->s->place);
    }
    if (!work_ok(l->s->work)) return;
    for (uint32_t p = 0; p < object->n_properties; p++) /* patterns also apply to named ones */
        for (uint32_t i = 0; i < group.n; i++)
            if (dfa_match(group.patterns[i], object->properties[p].name, object->properties[p].n_name))
                object->properties[p].node = node_and(l->s, object->properties[p].node, group.nodes[i]);
    object->groups = work_alloc(l->s->work, 1, sizeof group);
    if (!object->groups) return;
    object->groups[0] = group;
    object->n_groups = 1;
}

static void load_required(struct loading *l, struct object_shape *object) {
    const json_t *required = load_keyword(l, "required");
    if (json_is_boolean(required) && l->s->draft == 3) return; /* of the value itself: its object has seen to it */
    if (required && !json_is_array(required)) load_complain(l, "expected an array of names");
    for (size_t i = 0; i < json_array_size(required) && work_ok(l->s->work); i++) {
        const json_t *name = json_array_get(required, i);
        if (!json_is_string(name)) {
            load_complain(l, "expected an array of names");
            return;
        }
        uint32_t at = object_property(l->s, object, json_string_value(name), json_string_length(name));
        if (work_ok(l->s->work)) object->properties[at].required = true;
    }
}

static void load_dependencies(struct loading *l, struct object_shape *object, const char *word) {
    const json_t *dependencies = load_keyword(l, word);
    const char *name;
    json_t *needs;
    size_t capacity = object->n_dependencies;
    json_object_foreach((json_t *)dependencies, name, needs) {
        for (size_t i = 0; i < (json_is_array(needs) ? json_array_size(needs) : json_is_string(needs)); i++) {
            const json_t *other = json_is_string(needs) ? needs : json_array_get(needs, i);
            uint32_t property = object_property(l->s, object, name, strlen(name));
            if (!json_is_string(other)) load_complain(l, "expected names");
            uint32_t needed = object_property(l->s, object, json_is_string(other) ? json_string_value(other) : "",
                                              json_string_length(other));
            object->dependencies = work_grow(l->s->work, object->dependencies, object->n_dependencies + 1, &capacity,
                                             sizeof *object->dependencies);
            if (!object->dependencies) return;
            object->dependencies[object->n_dependencies++] = (struct dependency){property, needed};
        }
    }
}

static void load_names(struct loading *l, struct object_shape *object) {
    const json_t *names = load_keyword(l, "propertyNames");
    if (!names) return;
    const struct forms *forms = node_forms(l->s, load_subschema(l, names, l->s->place));
    const struct dfa *strings = dfa_nothing(l->s->work);
    if (!forms) return;
    for (uint32_t i = 0; i < forms->n; i++) {
        const struct shape *shape = forms->items[i];
        if (shape->type != TYPE_STRING) continue;
        strings =
            dfa_combine(l->s->work, strings, dfa_limit(l->s->work, shape->string, shape->min, shape->max), DFA_OR);
    }
    if (!strings || strings->everything) return;
    object->names = strings;
    for (uint32_t p = 0; p < object->n_properties; p++)
        if (!dfa_match(strings, object->properties[p].name, object->properties[p].n_name))
            object->properties[p].node = NEVER;
}

struct shape *load_object(struct loading *l) {
    struct shape *shape = shape_new(l->s, TYPE_OBJECT);
    if (!shape) return NULL;
    struct object_shape *object = shape->object;
    load_properties(l, object);
    load_group(l, object);
    load_names(l, object);
    load_required(l, object);
    load_dependencies(l, object, "dependentRequired");
    load_dependencies(l, object, "dependencies");
    load_count(l, "minProperties", &object->min);
    load_count(l, "maxProperties", &object->max);
    return work_ok(l->s->work) && object->min <= object->max ? shape : NULL;
}
