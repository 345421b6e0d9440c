/* Is there any value?
 *
 * The least solution: a value is made of values that are smaller. A node that is being asked about counts as empty within its own
 * question; a "no" that rests on that holds for the outermost question only. Of a node that needs one that is being worked out
 * (s->blocked) nothing is known: it counts as having values, and a "yes" that rests on that isn't remembered. */
#include "engine/grammar/schema.h"
#include "engine/grammar/schema_unique.h"

#define DEEPEST_GUESS 3 /* of values in values, while a node is being worked out */

struct assumed {
    bool no, yes;
};
static bool ask(struct schema *s, uint32_t id, struct assumed *assumed);

static bool array_inhabited(struct schema *s, const struct array_shape *array, struct assumed *assumed) {
    uint32_t n_possible = 0; /* items before the first that can't be */
    uint32_t wanted = array->min;
    for (uint32_t i = 0; i < array->n_contains; i++)
        if (array->contains[i].min > wanted) wanted = array->contains[i].min;
    if (array->repeated && wanted < 2) wanted = 2;
    if (wanted > array->max || (array->repeated && array->unique)) return false;
    const struct shape *strings = array->unique && wanted > 1 ? array_strings(s, array) : NULL;
    uint32_t longest;
    if (strings && strings_count(s, strings, &longest) < wanted) return false;
    while (n_possible < array->n_prefix && n_possible < wanted && ask(s, array->prefix[n_possible], assumed))
        n_possible++;
    bool rest = n_possible == array->n_prefix && n_possible < wanted && ask(s, array->rest, assumed);
    if (n_possible < wanted && !rest) return false;
    for (uint32_t c = 0; c < array->n_contains && work_ok(s->work); c++) {
        const struct contains *contains = &array->contains[c];
        uint32_t n = 0;
        for (uint32_t i = contains->from; i < array->n_prefix && i < array->max && n < contains->min; i++)
            n += ask(s, node_and(s, array->prefix[i], contains->node), assumed);
        if (n >= contains->min) continue;
        uint32_t begin = contains->from > array->n_prefix ? contains->from : array->n_prefix;
        if (array->max != UNBOUNDED && (array->max <= begin || array->max - begin < contains->min - n)) return false;
        if (!ask(s, node_and(s, array->rest, contains->node), assumed)) return false;
    }
    return true;
}

static bool object_inhabited(struct schema *s, struct object_shape *object, struct assumed *assumed) {
    uint32_t n_required = 0, n_possible = 0;
    for (uint32_t i = 0; i < object->n_properties && work_ok(s->work); i++) {
        if (!object->properties[i].required) continue;
        n_required++;
        if (!ask(s, object->properties[i].node, assumed)) return false;
    }
    if (n_required > object->max) return false;
    if (n_required >= object->min && object->n_demands == 0) return true;
    object_classify(s, object);
    bool open = false;
    uint32_t met = 0;
    for (uint32_t d = 0; d < object->n_demands; d++) met |= object_absence(object, d, NULL) ? 1u << d : 0;
    for (uint32_t c = 0; c < object->n_classes && work_ok(s->work); c++) {
        const struct name_class *class = &object->classes[c];
        if (!ask(s, class->node, assumed)) continue;
        n_possible += c < object->n_properties;
        open |= c >= object->n_properties;
        if (object->max > 0) met |= class->met;
        for (uint32_t i = 0; i < class->n_claims && object->max > 0; i++)
            if (class->claims[i] & ~met && ask(s, node_and(s, class->node, class->claim_nodes[i]), assumed))
                met |= class->claims[i];
    }
    if (work_ok(s->work) && met != object_all_demands(object)) return false;
    return open || n_possible >= object->min;
}

static bool shape_inhabited(struct schema *s, struct shape *shape, struct assumed *assumed) {
    struct number_automaton automaton;
    switch (shape->type) {
    case TYPE_NUMBER:
        if (!number_automaton_init(&automaton, &shape->number)) {
            work_fail(s->work, BN_STATUS_UNSUPPORTED, "numbers with more digits than are computed with");
            return false;
        }
        return number_automaton_inhabited(&automaton);
    case TYPE_STRING:
        return shape_strings_fit(shape);
    case TYPE_ARRAY:
        return array_inhabited(s, shape->array, assumed);
    case TYPE_OBJECT:
        return object_inhabited(s, shape->object, assumed);
    default:
        return true;
    }
}

static bool ask(struct schema *s, uint32_t id, struct assumed *assumed) {
    if (!work_ok(s->work) || id == NEVER) return false;
    if (id == ANY || s->nodes[id].inhabited == INHABITED_YES) return true;
    if (s->nodes[id].inhabited == INHABITED_NO) return false;
    if (s->nodes[id].inhabited == INHABITED_BUSY) {
        assumed->no = true;
        return false;
    }
    if (s->n_busy && s->asking > DEEPEST_GUESS) {
        assumed->yes = true;
        return true;
    }
    s->asking++;
    const struct forms *forms = node_forms(s, id);
    s->asking--;
    if (!forms && s->blocked) {
        s->blocked = false;
        assumed->yes = true;
        return true;
    }
    if (!forms || !work_spend(s->work, 50)) return false;
    const struct forms copy = *forms;
    struct assumed own = {false, false};
    bool any = false;
    s->nodes[id].inhabited = INHABITED_BUSY;
    if (++s->depth > DEEPEST_NODE) work_fail(s->work, BN_STATUS_UNSUPPORTED, "schemas are nested too deeply");
    s->asking++;
    for (uint32_t i = 0; i < copy.n && !any && work_ok(s->work); i++) any = shape_inhabited(s, copy.items[i], &own);
    s->asking--;
    s->depth--;
    s->nodes[id].inhabited = any && !own.yes ? INHABITED_YES : any || own.no ? INHABITED_UNKNOWN : INHABITED_NO;
    assumed->no |= own.no && !any;
    assumed->yes |= own.yes && any;
    return any;
}

bool node_may_be(struct schema *s, uint32_t id) {
    struct assumed assumed = {false, false};
    return ask(s, id, &assumed) || assumed.no;
}

bool shape_has_values(struct schema *s, struct shape *shape) {
    struct assumed assumed = {false, false};
    s->asking++;
    bool any = shape_inhabited(s, shape, &assumed);
    s->asking--;
    return any;
}

bool node_inhabited(struct schema *s, uint32_t id) {
    struct assumed assumed = {false, false};
    bool any = ask(s, id, &assumed);
    if (!any && work_ok(s->work)) s->nodes[id].inhabited = INHABITED_NO;
    return any;
}
