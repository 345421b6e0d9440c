/* Structural tags, in the two forms that clients of vLLM send:
 *
 *     {"structures": [{"begin", "schema", "end"}, …], "triggers": [TEXT, …]}       (the older one)
 *     {"format": FORMAT}
 *
 * where FORMAT is an object with a "type": const_string, any_text, json_schema, regex, sequence, or, tag, triggered_tags,
 * tags_with_separator, as XGrammar documents them; the style of a json_schema may be one of those that models write arguments in, or
 * "xml", a document. Text is free until a trigger is complete; then one of the tags whose `begin`
 * starts with it follows. All schemas of the tags become one document, an array whose items they are, so that a single algebra
 * (schema.h) works them out; rules refer to the nodes of its items. */
#include "engine/grammar/tags.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "engine/grammar/free_text.h"
#include "engine/grammar/tool_markup.h"
#include "engine/grammar/xml.h"

#define MOST_SCHEMAS  1000
#define MOST_TRIGGERS 256
#define DEEPEST       60

struct tags {
    struct work *work;
    struct rules *rules;
    struct schema *schema;  /* open; NULL: there are none */
    const json_t **schemas; /* [n] of the document, in the order they were met … */
    uint32_t *nodes;        /* … and what they have become */
    size_t n, schemas_capacity;
    unsigned depth;
};

static struct pattern_node *complain(struct tags *tags, const char *what) {
    work_fail(tags->work, BN_STATUS_BAD_ARGUMENT, "structural tag: %s", what);
    return NULL;
}

static const char *text_member(struct tags *tags, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        work_fail(tags->work, BN_STATUS_BAD_ARGUMENT, "structural tag: '%s' must be a text", name);
        return "";
    }
    return json_string_value(value);
}

static bool flag_member(struct tags *tags, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (value && !json_is_boolean(value))
        work_fail(tags->work, BN_STATUS_BAD_ARGUMENT, "structural tag: '%s' must be true or false", name);
    return json_is_true(value);
}

static const char *type_of(const json_t *format) {
    const char *type = json_string_value(json_object_get(format, "type"));
    return type ? type : "";
}

/* What a json_schema holds: {"json_schema": …}, or the older form's {"schema": …}. */
static const json_t *schema_of(const json_t *object) {
    const json_t *schema = json_object_get(object, "json_schema");
    return schema ? schema : json_object_get(object, "schema");
}

/* ---- the schemas ---- */

static void note_schema(struct tags *tags, const json_t *schema) {
    if (!json_is_object(schema) && !json_is_boolean(schema))
        complain(tags, "a schema must be an object");
    else if (tags->n == MOST_SCHEMAS)
        work_fail(tags->work, BN_STATUS_UNSUPPORTED, "structural tag: more than %d schemas", MOST_SCHEMAS);
    else if (work_reserve(tags->work, &tags->schemas, tags->n + 1, &tags->schemas_capacity, sizeof *tags->schemas))
        tags->schemas[tags->n++] = schema;
}

/* Everything that may hold formats is looked through. */
static void find_schemas(struct tags *tags, const json_t *format) {
    static const char *const lists[] = {"elements", "tags", "structures"};
    const json_t *content = json_object_get(format, "content");
    if (tags->depth == DEEPEST)
        work_fail(tags->work, BN_STATUS_UNSUPPORTED, "structural tag: nested deeper than %d", DEEPEST);
    if (!work_spend(tags->work, 1)) return;
    tags->depth++;
    if (strcmp(type_of(format), "json_schema") == 0 || strcmp(type_of(format), "qwen_xml_parameter") == 0 ||
        json_object_get(format, "schema"))
        note_schema(tags, schema_of(format));
    if (content) find_schemas(tags, content);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(format, lists[i]);
        for (size_t k = 0; k < json_array_size(list); k++) find_schemas(tags, json_array_get(list, k));
    }
    tags->depth--;
}

static json_t *document_of(const struct tags *tags) {
    json_t *items = json_array();
    for (size_t i = 0; i < tags->n; i++) {
        json_t *schema = json_deep_copy(tags->schemas[i]);
        char id[40]; /* a base of its own, so that "#/…" inside means inside */
        snprintf(id, sizeof id, "tag:%zu", i);
        if (json_is_object(schema)) json_object_set_new(schema, "$id", json_string(id));
        json_array_append_new(items, schema);
    }
    return json_pack("{s:s, s:o}", "type", "array", "prefixItems", items);
}

static void open_schemas(struct tags *tags) {
    json_t *document = document_of(tags);
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (text)
        tags->schema = schema_open(tags->work, text, strlen(text), false);
    else
        work_fail(tags->work, BN_STATUS_NO_MEMORY, "out of memory while structural tags are read");
    free(text); /* jansson's */
    tags->nodes = work_alloc(tags->work, tags->n, sizeof *tags->nodes);
    struct schema *s = tags->schema;
    if (!s || !tags->nodes) return;
    s->place = NULL;
    for (size_t i = 0; i < tags->n; i++) {
        tags->nodes[i] = array_node_of(s->nodes[s->root].forms.items[0]->array, (uint32_t)i);
        if (s->nodes[tags->nodes[i]].forms.n == 0)
            work_fail(tags->work, BN_STATUS_UNSUPPORTED, "at '#/prefixItems/%zu': no value satisfies the schema", i);
    }
}

/* A value of the schema, in one of the styles. */
static struct pattern_node *schema_body(struct tags *tags, const json_t *schema, const char *style) {
    const bn_tool_syntax *syntax = bn_tool_syntax_find(style);
    for (size_t i = 0; i < tags->n; i++) {
        if (tags->schemas[i] != schema) continue;
        uint32_t node = tags->nodes[i];
        if (strcmp(style, "json") == 0) return body_schema(tags->rules, node);
        if (strcmp(style, "xml") == 0) return xml_body(tags->rules, tags->schema, node);
        if (syntax && syntax->markup && syntax->markup->key_begin)
            return body_both(tags->rules, markup_space(tags->rules),
                             markup_body(tags->rules, tags->schema, node, schema, syntax->markup));
        work_fail(tags->work, BN_STATUS_UNSUPPORTED, "structural tag: the style '%.40s' of a schema isn't supported",
                  style);
        return NULL;
    }
    return complain(tags, "a schema must be an object");
}

/* ---- formats ---- */

static struct pattern_node *format_body(struct tags *tags, const json_t *format);

/* What comes between begin and end: text that may be anything goes up to the first end. */
static struct pattern_node *content_body(struct tags *tags, const json_t *tag, const char *end) {
    const json_t *content = json_object_get(tag, "content");
    struct marks marks;
    if (!content) return body_both(tags->rules, schema_body(tags, schema_of(tag), "json"), body_mark(tags->rules, end));
    if (*end && strcmp(type_of(content), "any_text") == 0)
        return marks_init(&marks, tags->work, &end, 1, NULL) ? body_until(tags->rules, &marks, end) : NULL;
    return body_both(tags->rules, format_body(tags, content),
                     *end ? body_mark(tags->rules, end) : body_text(tags->rules, "", 0));
}

static const char *end_of(struct tags *tags, const json_t *tag) {
    const json_t *end = json_object_get(tag, "end");
    if (json_is_array(end) && json_array_size(end) == 1 && json_is_string(json_array_get(end, 0)))
        return json_string_value(json_array_get(end, 0));
    return text_member(tags, tag, "end");
}

/* A tag of which the first n_read bytes of `begin` have been read. */
static struct pattern_node *tag_body(struct tags *tags, const json_t *tag, size_t n_read) {
    const char *begin = text_member(tags, tag, "begin"), *end = end_of(tags, tag);
    if (!work_ok(tags->work)) return NULL;
    struct pattern_node *opening = n_read   ? body_text(tags->rules, begin + n_read, strlen(begin) - n_read)
                                   : *begin ? body_mark(tags->rules, begin)
                                            : body_text(tags->rules, "", 0);
    return body_both(tags->rules, opening, content_body(tags, tag, end));
}

static struct pattern_node *elements_body(struct tags *tags, const json_t *format, enum pattern_kind kind) {
    const json_t *elements = json_object_get(format, "elements");
    struct pattern_node *body = body_new(tags->rules, kind);
    if (json_array_size(elements) == 0) return complain(tags, "'elements' must be a list");
    for (size_t i = 0; i < json_array_size(elements) && work_ok(tags->work); i++)
        body_add(tags->rules, body, format_body(tags, json_array_get(elements, i)));
    return body;
}

/* The tags that begin with a trigger and with no shorter one, which would have come before. */
static struct pattern_node *triggered_body(struct tags *tags, const json_t *list, const char *trigger,
                                           const char *const *triggers, size_t n_triggers, size_t *n_taken) {
    struct pattern_node *body = body_new(tags->rules, PATTERN_ALTERNATIVES);
    size_t n = strlen(trigger), before = *n_taken;
    for (size_t i = 0; i < json_array_size(list) && work_ok(tags->work); i++) {
        const json_t *tag = json_array_get(list, i);
        const char *begin = text_member(tags, tag, "begin");
        bool mine = strncmp(begin, trigger, n) == 0;
        for (size_t t = 0; t < n_triggers && mine; t++)
            mine = strlen(triggers[t]) >= n || strncmp(begin, triggers[t], strlen(triggers[t])) != 0;
        if (!mine) continue;
        body_add(tags->rules, body, tag_body(tags, tag, n));
        ++*n_taken;
    }
    return *n_taken > before ? body : NULL;
}

static const char **triggers_of(struct tags *tags, const json_t *format, size_t *n) {
    const json_t *triggers = json_object_get(format, "triggers");
    *n = json_array_size(triggers);
    if (*n == 0 || *n > MOST_TRIGGERS) complain(tags, "'triggers' must be a list of texts");
    const char **texts = work_alloc(tags->work, *n, sizeof *texts);
    for (size_t i = 0; texts && i < *n; i++) {
        const json_t *text = json_array_get(triggers, i);
        if (!json_is_string(text) || json_string_length(text) == 0)
            complain(tags, "'triggers' must be a list of texts");
        texts[i] = json_is_string(text) ? json_string_value(text) : "";
        for (size_t k = 0; k < i; k++)
            if (strcmp(texts[i], texts[k]) == 0) complain(tags, "two triggers are the same");
    }
    return texts;
}

/* Free text, in which tags follow triggers. */
static struct pattern_node *free_body(struct tags *tags, const json_t *format, const json_t *list) {
    size_t n, n_taken = 0;
    const char **triggers = triggers_of(tags, format, &n);
    bool one = flag_member(tags, format, "at_least_one"), last = flag_member(tags, format, "stop_after_first");
    struct marks marks;
    if (json_array_size(json_object_get(format, "excludes")) > 0)
        work_fail(tags->work, BN_STATUS_UNSUPPORTED, "structural tag: 'excludes' isn't supported");
    if (!triggers || !marks_init(&marks, tags->work, triggers, n, NULL)) return NULL;
    struct pattern_node *some = body_new(tags->rules, PATTERN_ALTERNATIVES);
    for (size_t i = 0; i < n && work_ok(tags->work); i++) {
        struct pattern_node *mine = triggered_body(tags, list, triggers[i], triggers, n, &n_taken);
        struct pattern_node *until = mine ? body_until(tags->rules, &marks, triggers[i]) : NULL;
        if (until) body_add(tags->rules, some, body_both(tags->rules, until, mine));
    }
    if (n_taken < json_array_size(list) || n_taken == 0) return complain(tags, "every tag must begin with a trigger");
    struct pattern_node *text = body_dfa(tags->rules, marks.without);
    if (last) return one ? some : body_either(tags->rules, some, text);
    return body_both(tags->rules, body_repeat(tags->rules, some, one, PATTERN_UNLIMITED), text);
}

static struct pattern_node *separated_body(struct tags *tags, const json_t *format) {
    const json_t *list = json_object_get(format, "tags");
    const char *separator = text_member(tags, format, "separator");
    bool one = flag_member(tags, format, "at_least_one"), last = flag_member(tags, format, "stop_after_first");
    struct pattern_node *some = body_new(tags->rules, PATTERN_ALTERNATIVES);
    if (json_array_size(list) == 0) return complain(tags, "'tags' must be a list");
    for (size_t i = 0; i < json_array_size(list) && work_ok(tags->work); i++)
        body_add(tags->rules, some, tag_body(tags, json_array_get(list, i), 0));
    struct pattern_node *all = some;
    if (!last) {
        struct pattern_node *more = body_both(tags->rules, body_text(tags->rules, separator, strlen(separator)), some);
        all = body_both(tags->rules, some, body_repeat(tags->rules, more, 0, PATTERN_UNLIMITED));
    }
    return one ? all : body_repeat(tags->rules, all, 0, 1);
}

static struct pattern_node *format_of_type(struct tags *tags, const json_t *format, const char *type) {
    const char *text, *style = json_string_value(json_object_get(format, "style"));
    if (strcmp(type, "json_schema") == 0) return schema_body(tags, schema_of(format), style ? style : "json");
    if (strcmp(type, "qwen_xml_parameter") == 0) return schema_body(tags, schema_of(format), "qwen_xml");
    if (strcmp(type, "any_text") == 0) return body_dfa(tags->rules, dfa_everything(tags->work));
    if (strcmp(type, "sequence") == 0) return elements_body(tags, format, PATTERN_CONCAT);
    if (strcmp(type, "or") == 0) return elements_body(tags, format, PATTERN_ALTERNATIVES);
    if (strcmp(type, "tag") == 0) return tag_body(tags, format, 0);
    if (strcmp(type, "triggered_tags") == 0) return free_body(tags, format, json_object_get(format, "tags"));
    if (strcmp(type, "tags_with_separator") == 0) return separated_body(tags, format);
    if (strcmp(type, "const_string") == 0) {
        text = text_member(tags, format, "value");
        return body_text(tags->rules, text, strlen(text));
    }
    if (strcmp(type, "regex") == 0) return body_pattern(tags->rules, text_member(tags, format, "pattern"));
    work_fail(tags->work, BN_STATUS_UNSUPPORTED, "structural tag: the type '%.40s' isn't supported", type);
    return NULL;
}

static struct pattern_node *format_body(struct tags *tags, const json_t *format) {
    if (!json_is_object(format)) return complain(tags, "a format must be an object");
    if (!work_spend(tags->work, 1)) return NULL;
    return format_of_type(tags, format, type_of(format)); /* as deep as find_schemas has gone */
}

static void compile(struct tags *tags, const json_t *root) {
    const json_t *format = json_object_get(root, "format"), *structures = json_object_get(root, "structures");
    struct pattern_node *body = NULL;
    find_schemas(tags, format ? format : root);
    if (tags->n && work_ok(tags->work)) open_schemas(tags);
    uint32_t start = rules_find(tags->rules, "answer", 6);
    if (work_ok(tags->work)) body = structures ? free_body(tags, root, structures) : format_body(tags, format);
    if (tags->schema) schema_close(tags->schema);
    if (!work_ok(tags->work)) return;
    tags->rules->items[start].body = body;
    tags->rules->schema = tags->schema;
    rules_prepare(tags->rules, start);
}

void tags_compile(struct work *work, const char *text, size_t n, struct rules **rules, struct schema **schema) {
    json_t *root = NULL;
    bn_error err;
    struct tags tags = {.work = work, .rules = rules_create(work)};
    bn_status status = json_parse(text, n, "structural tag", &root, &err);
    if (status)
        work_fail(work, status == BN_STATUS_BAD_FILE ? BN_STATUS_BAD_ARGUMENT : status, "%s", err.message);
    else if (work_ok(work))
        compile(&tags, root);
    json_decref(root);
    *rules = work_ok(work) ? tags.rules : NULL;
    *schema = work_ok(work) ? tags.schema : NULL;
}
