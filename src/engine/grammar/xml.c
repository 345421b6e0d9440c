/* See xml.h. Rules are made of the schema's nodes: one for each node and name, so that recursion needs nothing special. */
#include "engine/grammar/xml.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/grammar/free_text.h"
#include "engine/grammar/members.h"
#include "engine/grammar/schema_index.h"
#include "engine/grammar/xml_text.h"

#define DEEPEST_ELEMENT 60 /* elements in elements of different schemas */
#define DEEPEST_FIND    20 /* references to references, until an `xml` object is found */

#define SPACE       "(?:\\n[ \\t]{0,40})?"
#define DECLARATION "(?:<\\?xml version=\"1\\.0\"(?: encoding=\"UTF-8\")?\\?>\\n?)?"

struct xml {
    struct work *work;
    struct rules *rules;
    struct schema *schema;
    unsigned depth;
};

/* How a node's values are called. */
struct naming {
    const char *name;        /* with its prefix */
    const char *declaration; /* " xmlns…", or nothing */
    bool attribute, wrapped;
};

static struct pattern_node *text_of(struct xml *x, const char *text) {
    return body_text(x->rules, text, strlen(text));
}

/* What nothing spells. */
static struct pattern_node *nothing(struct xml *x) {
    return body_new(x->rules, PATTERN_ALTERNATIVES);
}

static struct pattern_node *space(struct xml *x) {
    return body_pattern(x->rules, SPACE);
}

static const char *joined(struct xml *x, const char *a, const char *b, const char *c) {
    size_t n = strlen(a) + strlen(b) + strlen(c);
    char *out = work_alloc(x->work, n + 1, 1);
    if (out) snprintf(out, n + 1, "%s%s%s", a, b, c);
    return out ? out : "";
}

/* ---- what `xml` objects say ---- */

static const json_t *find_xml(struct xml *x, uint32_t node, unsigned depth);

static const json_t *find_xml_in(struct xml *x, const json_t *json, const char *base, unsigned depth) {
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    const json_t *found = json_object_get(json, "xml"), *reference = json_object_get(json, "$ref");
    if (depth > DEEPEST_FIND || found || !json_is_object(json) || !work_spend(x->work, 1)) return found;
    base = schema_index_base(x->schema, json, base);
    if (json_is_string(reference))
        found = find_xml(x, schema_index_resolve(x->schema, json_string_value(reference), base, false), depth + 1);
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t i = 0; i < json_array_size(json_object_get(json, lists[l])) && !found; i++)
            found = find_xml_in(x, json_array_get(json_object_get(json, lists[l]), i), base, depth + 1);
    return found;
}

/* The first `xml` object of what a node is made of; NULL: none. */
static const json_t *find_xml(struct xml *x, uint32_t node, unsigned depth) {
    const json_t *found = NULL;
    if (!work_ok(x->work) || depth > DEEPEST_FIND) return NULL;
    const struct node *n = &x->schema->nodes[node];
    if (n->kind == NODE_SCHEMA) return find_xml_in(x, n->json, n->base, depth);
    bool parts = n->kind == NODE_AND || n->kind == NODE_OR;
    for (uint32_t i = 0; parts && i < n->n_parts && !found; i++) {
        found = find_xml(x, x->schema->nodes[node].parts[i], depth + 1);
        n = &x->schema->nodes[node]; /* nodes move */
    }
    return found;
}

static const char *xml_text(struct xml *x, const json_t *xml, const char *name) {
    const json_t *value = json_object_get(xml, name);
    if (value && !json_is_string(value)) work_fail(x->work, BN_STATUS_BAD_ARGUMENT, "xml: '%s' must be a string", name);
    return json_string_value(value);
}

static bool xml_flag(struct xml *x, const json_t *xml, const char *name) {
    const json_t *value = json_object_get(xml, name);
    if (value && !json_is_boolean(value))
        work_fail(x->work, BN_STATUS_BAD_ARGUMENT, "xml: '%s' must be true or false", name);
    return json_is_true(value);
}

static void check_members(struct xml *x, const json_t *xml) {
    static const char *const known[] = {"name", "attribute", "wrapped", "namespace", "prefix"};
    const char *name;
    json_t *value;
    if (xml && !json_is_object(xml)) work_fail(x->work, BN_STATUS_BAD_ARGUMENT, "'xml' must be an object");
    json_object_foreach((json_t *)(uintptr_t)xml, name, value) {
        bool is = strncmp(name, "x-", 2) == 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) is |= strcmp(name, known[i]) == 0;
        if (!is) work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: '%.40s' isn't supported", name);
    }
}

static struct naming read_naming(struct xml *x, uint32_t node, const char *name) {
    const json_t *xml = find_xml(x, node, 0);
    const char *own = xml_text(x, xml, "name"), *uri = xml_text(x, xml, "namespace"),
               *prefix = xml_text(x, xml, "prefix");
    struct naming naming = {own ? own : name, "", xml_flag(x, xml, "attribute"), xml_flag(x, xml, "wrapped")};
    check_members(x, xml);
    if (!xml_is_name(naming.name, strlen(naming.name)))
        work_fail(x->work, BN_STATUS_UNSUPPORTED,
                  "'%.60s' can't be the name of an element: give it another by xml.name", naming.name);
    if (prefix && (!uri || !xml_is_name(prefix, strlen(prefix)) || strncmp(prefix, "xml", 3) == 0))
        work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: a prefix must be a name, beside its namespace");
    if (uri && naming.attribute && !prefix)
        work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: an attribute's namespace needs a prefix");
    if (prefix) naming.name = joined(x, prefix, ":", naming.name);
    if (!uri || !work_ok(x->work)) return naming;
    const char *quoted = xml_quoted(x->work, uri);
    if (!quoted || !*uri)
        work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: a namespace must be a text that isn't empty");
    else
        naming.declaration = joined(x, prefix ? joined(x, " xmlns:", prefix, "=\"") : " xmlns=\"", quoted, "\"");
    return naming;
}

/* ---- values ---- */

static struct pattern_node *element(struct xml *x, uint32_t node, const struct naming *naming, bool arrays);

static struct pattern_node *string_body(struct xml *x, const struct shape *shape, enum xml_place place) {
    const struct dfa *strings = dfa_limit(x->work, shape->string, shape->min, shape->max);
    return body_dfa(x->rules, xml_spelled(x->work, strings, place));
}

/* A value that has no parts. */
static struct pattern_node *scalar_body(struct xml *x, struct shape *shape, enum xml_place place) {
    struct forms forms = {0};
    switch (shape->type) {
    case TYPE_NULL:
        return text_of(x, "");
    case TYPE_FALSE:
        return text_of(x, "false");
    case TYPE_TRUE:
        return text_of(x, "true");
    case TYPE_NUMBER:
        forms_add(x->schema, &forms, shape);
        return body_schema(x->rules, node_of_forms(x->schema, &forms));
    default:
        return string_body(x, shape, place);
    }
}

static struct pattern_node *item(struct xml *x, uint32_t node, const char *name) {
    struct naming naming = read_naming(x, node, name);
    if (naming.attribute) work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: an array's items can't be attributes");
    return work_ok(x->work) ? body_both(x->rules, space(x), element(x, node, &naming, true)) : NULL;
}

/* Items from place i on. */
static struct pattern_node *items_from(struct xml *x, const struct array_shape *array, uint32_t max, uint32_t i,
                                       const char *name) {
    struct rules *rules = x->rules;
    if (!work_ok(x->work)) return NULL;
    uint32_t min = array->min > i ? array->min - i : 0;
    if (i >= max) return text_of(x, "");
    if (i < array->n_prefix) {
        struct pattern_node *both =
            body_both(rules, item(x, array->prefix[i], name), items_from(x, array, max, i + 1, name));
        return min ? both : body_repeat(rules, both, 0, 1);
    }
    if (!node_inhabited(x->schema, array->rest)) return min ? nothing(x) : text_of(x, "");
    return body_repeat(rules, item(x, array->rest, name), min, max == UNBOUNDED ? PATTERN_UNLIMITED : max - i);
}

static struct pattern_node *items_body(struct xml *x, const struct array_shape *array, const char *name) {
    uint32_t max = array->unique && array->max > 1 ? 1 : array->max; /* no automaton compares values */
    if (array->n_contains) work_fail(x->work, BN_STATUS_UNSUPPORTED, "XML can't be held to 'contains'");
    if (array->min > max) work_fail(x->work, BN_STATUS_UNSUPPORTED, "XML can't be held to 'uniqueItems'");
    return items_from(x, array, max, 0, name);
}

/* ---- objects ---- */

/* A member that isn't an attribute: its element, or those of its items. */
static struct pattern_node *child(struct xml *x, uint32_t node, const struct naming *naming) {
    struct rules *rules = x->rules;
    struct pattern_node *any = nothing(x);
    const struct forms forms = x->schema->nodes[node].forms;
    bool others = false;
    for (uint32_t i = 0; i < forms.n && work_ok(x->work); i++) {
        if (forms.items[i]->type == TYPE_ARRAY && !naming->wrapped)
            body_add(rules, any, items_body(x, forms.items[i]->array, naming->name));
        else
            others = true;
    }
    if (others) body_add(rules, any, body_both(rules, space(x), element(x, node, naming, naming->wrapped)));
    return any;
}

static struct pattern_node *attribute(struct xml *x, uint32_t node, const struct naming *naming) {
    struct rules *rules = x->rules;
    struct pattern_node *any = nothing(x);
    const struct forms forms = x->schema->nodes[node].forms;
    for (uint32_t i = 0; i < forms.n && work_ok(x->work); i++) {
        if (forms.items[i]->type == TYPE_ARRAY || forms.items[i]->type == TYPE_OBJECT)
            work_fail(x->work, BN_STATUS_UNSUPPORTED, "xml: an attribute can't hold an array or an object");
        body_add(rules, any, scalar_body(x, forms.items[i], XML_ATTRIBUTE));
    }
    struct pattern_node *begin = text_of(x, joined(x, naming->declaration, " ", joined(x, naming->name, "=\"", "")));
    return body_both(rules, begin, body_both(rules, any, text_of(x, "\"")));
}

/* What elements the values of a property become, by name: its own, or its items'. */
static const char *element_name(struct xml *x, uint32_t node, const struct naming *naming) {
    const struct forms *forms = &x->schema->nodes[node].forms;
    for (uint32_t i = 0; i < forms->n && !naming->wrapped && !naming->attribute; i++)
        if (forms->items[i]->type == TYPE_ARRAY && forms->items[i]->array->rest != NEVER)
            return read_naming(x, forms->items[i]->array->rest, naming->name).name;
    return naming->name;
}

static void check_object(struct xml *x, const struct object_shape *object) {
    for (uint32_t g = 0; g < object->n_groups; g++)
        if (object->groups[g].n || (object->groups[g].additional != ANY && object->groups[g].additional != NEVER))
            work_fail(x->work, BN_STATUS_UNSUPPORTED,
                      "members whose names the schema doesn't list can't be written as XML "
                      "('additionalProperties' with a schema, 'patternProperties')");
}

/* The names of an object's properties, which must differ; NULL after a failure. */
static struct naming *name_properties(struct xml *x, const struct object_shape *object) {
    struct naming *names = work_alloc(x->work, object->n_properties, sizeof *names);
    const char **elements = work_alloc(x->work, object->n_properties, sizeof *elements);
    for (uint32_t p = 0; names && elements && p < object->n_properties && work_ok(x->work); p++) {
        uint32_t node = object->classes[p].choices[0];
        if (node == NEVER) continue;
        names[p] = read_naming(x, object->properties[p].node, object->properties[p].name);
        elements[p] = element_name(x, node, &names[p]);
        for (uint32_t i = 0; i < p && work_spend(x->work, 1) && elements[p]; i++)
            if (elements[i] && names[i].attribute == names[p].attribute && strcmp(elements[i], elements[p]) == 0)
                work_fail(x->work, BN_STATUS_UNSUPPORTED, "two properties become '%.60s' in XML", elements[p]);
    }
    return work_ok(x->work) ? names : NULL;
}

/* What follows the start tag's name. */
static struct pattern_node *object_body(struct xml *x, const struct object_shape *object, const struct naming *names,
                                        const struct member *way, const char *end) {
    struct rules *rules = x->rules;
    struct pattern_node *body = body_new(rules, PATTERN_CONCAT);
    for (int round = 0; round < 2; round++) { /* attributes, then elements */
        for (uint32_t p = 0; p < object->n_properties && work_ok(x->work); p++) {
            if (way[p].presence == MEMBER_ABSENT || names[p].attribute != (round == 0)) continue;
            struct pattern_node *one =
                round == 0 ? attribute(x, way[p].node, &names[p]) : child(x, way[p].node, &names[p]);
            body_add(rules, body, way[p].presence == MEMBER_REQUIRED ? one : body_repeat(rules, one, 0, 1));
        }
        body_add(rules, body, round == 0 ? text_of(x, ">") : space(x));
    }
    body_add(rules, body, text_of(x, end));
    return body;
}

static struct pattern_node *object_ways_body(struct xml *x, const struct object_shape *object, const char *end) {
    struct pattern_node *any = nothing(x);
    struct ways ways;
    check_object(x, object);
    const struct naming *names = name_properties(x, object);
    if (!names) return NULL;
    object_ways(x->schema, object, &ways);
    for (size_t i = 0; i < ways.n && work_ok(x->work); i++)
        body_add(x->rules, any, object_body(x, object, names, ways.items[i], end));
    return any;
}

/* ---- elements ---- */

static struct pattern_node *make_element(struct xml *x, uint32_t node, const struct naming *naming, bool arrays) {
    struct rules *rules = x->rules;
    struct pattern_node *any = nothing(x);
    const struct forms forms = x->schema->nodes[node].forms;
    const char *begin = joined(x, "<", naming->name, naming->declaration), *end = joined(x, "</", naming->name, ">");
    for (uint32_t i = 0; i < forms.n && work_ok(x->work); i++) {
        struct shape *shape = forms.items[i];
        struct pattern_node *inside;
        if (shape->type == TYPE_ARRAY && !arrays) continue;
        if (shape->type == TYPE_OBJECT) {
            inside = object_ways_body(x, shape->object, end);
        } else {
            inside =
                shape->type == TYPE_ARRAY
                    ? body_both(rules, items_body(x, shape->array, naming->wrapped ? naming->name : "item"), space(x))
                    : scalar_body(x, shape, XML_CONTENT);
            inside = body_both(rules, text_of(x, ">"), body_both(rules, inside, text_of(x, end)));
        }
        body_add(rules, any, inside);
    }
    return body_both(rules, text_of(x, begin), any);
}

/* A node's values as elements. arrays: those too. */
static struct pattern_node *element(struct xml *x, uint32_t node, const struct naming *naming, bool arrays) {
    char number[40];
    snprintf(number, sizeof number, "%u %d%d ", node, arrays, naming->wrapped);
    const char *name = joined(x, number, naming->name, naming->declaration);
    size_t n_known = x->rules->n;
    uint32_t rule = rules_find(x->rules, name, strlen(name));
    if (!work_ok(x->work)) return NULL;
    if (x->rules->n > n_known) {
        const char *place = x->schema->place;
        if (++x->depth > DEEPEST_ELEMENT)
            work_fail(x->work, BN_STATUS_UNSUPPORTED, "more than %d elements in each other", DEEPEST_ELEMENT);
        if (x->schema->nodes[node].place) x->schema->place = x->schema->nodes[node].place;
        struct pattern_node *body = work_ok(x->work) ? make_element(x, node, naming, arrays) : NULL;
        if (!work_ok(x->work)) return NULL; /* with the place */
        x->schema->place = place;
        x->rules->items[rule].body = body;
        x->depth--;
    }
    return body_rule(x->rules, rule);
}

struct pattern_node *xml_body(struct rules *rules, struct schema *schema, uint32_t node) {
    struct xml x = {.work = rules->work, .rules = rules, .schema = schema};
    if (!work_ok(x.work)) return NULL;
    const json_t *json = schema->nodes[node].kind == NODE_SCHEMA ? schema->nodes[node].json : NULL;
    const json_t *title = json_object_get(json, "title");
    bool named = json_is_string(title) && xml_is_name(json_string_value(title), json_string_length(title));
    struct naming naming = read_naming(&x, node, named ? json_string_value(title) : "root");
    if (naming.attribute) work_fail(x.work, BN_STATUS_UNSUPPORTED, "xml: a document can't be an attribute");
    return work_ok(x.work) ? body_both(rules, body_pattern(rules, DECLARATION), element(&x, node, &naming, true))
                           : NULL;
}

void xml_compile(struct work *work, const char *text, size_t n, bool any_form, struct rules **rules,
                 struct schema **schema) {
    struct schema *s = schema_open(work, text, n, any_form);
    struct rules *made = s ? rules_create(work) : NULL;
    *rules = NULL;
    *schema = NULL;
    if (!s) return;
    uint32_t start = made ? rules_find(made, "document", 8) : 0;
    struct pattern_node *body = made ? xml_body(made, s, s->root) : NULL;
    s->compares = s->writes_unique = false; /* nothing that is left compares items */
    schema_close(s);
    if (!work_ok(work)) return;
    made->items[start].body = body;
    made->schema = s;
    rules_prepare(made, start);
    *rules = made;
    *schema = s;
}
