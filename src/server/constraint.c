#include "server/constraint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "server/grammar_cache.h"
#include "server/settings.h"

/* ---- compiling ---- */

/* What is to be compiled: the cache's key is its kind and text. */
struct wish {
    enum wish_kind {
        WISH_SCHEMA,
        WISH_XML, /* a schema */
        WISH_REGEX,
        WISH_GRAMMAR,
        WISH_TAGS,
        WISH_CHOICES, /* a JSON array of texts */
        WISH_TOOLS    /* a JSON array of tools, and: */
    } kind;
    const char *text;
    size_t n;
    const bn_tools *tools;
};

static bn_status make_choices(const struct wish *wish, bn_grammar **out, bn_error *err) {
    json_t *choices = json_loadb(wish->text, wish->n, JSON_ALLOW_NUL, NULL);
    size_t n = json_array_size(choices);
    const char **texts = mem_alloc_array(n, sizeof *texts);
    size_t *sizes = mem_alloc_array(n, sizeof *sizes);
    bn_status status = choices && texts && sizes ? BN_OK : fail_no_memory(err, wish->n);
    for (size_t i = 0; i < n && !status; i++) {
        texts[i] = json_string_value(json_array_get(choices, i));
        sizes[i] = json_string_length(json_array_get(choices, i));
    }
    if (!status) status = bn_grammar_compile_choices(texts, sizes, n, out, err);
    json_decref(choices);
    mem_free(texts);
    mem_free(sizes);
    return status;
}

static bn_status make(const void *context, bn_grammar **out, bn_error *err) {
    static const bn_grammar_kind kinds[] = {[WISH_SCHEMA] = BN_GRAMMAR_JSON_SCHEMA,
                                            [WISH_XML] = BN_GRAMMAR_XML,
                                            [WISH_REGEX] = BN_GRAMMAR_REGEX,
                                            [WISH_TAGS] = BN_GRAMMAR_STRUCTURAL_TAG};
    const struct wish *wish = context;
    if (wish->kind == WISH_CHOICES) return make_choices(wish, out, err);
    if (wish->kind == WISH_TOOLS) return bn_grammar_compile_tools(wish->tools, out, err);
    bn_grammar_kind kind = wish->kind == WISH_GRAMMAR ? bn_grammar_language(wish->text, wish->n) : kinds[wish->kind];
    return bn_grammar_compile(kind, wish->text, wish->n, NULL, out, err);
}

static bn_status find(const struct model *model, const struct wish *wish, bn_grammar **out, bn_error *err) {
    const char *only = wish->tools && wish->tools->only ? wish->tools->only : "";
    struct buffer key;
    buffer_init(&key);
    buffer_printf(&key, "%d ", (int)wish->kind);
    if (wish->kind == WISH_TOOLS)
        buffer_printf(&key, "%s %d%d%d %p %zu:%s ", wish->tools->syntax->name, wish->tools->required,
                      wish->tools->parallel, wish->tools->thoughts, (void *)wish->tools->text, strlen(only), only);
    buffer_append(&key, wish->text, wish->n);
    bn_status status = key.failed ? fail_no_memory(err, wish->n)
                                  : grammar_cache_get(model->grammars, key.data, key.size, make, wish, out, err);
    buffer_release(&key);
    return status;
}

/* Finds or compiles it, or refuses with the place in the body. */
static bool compile(const struct model *model, enum wish_kind kind, const char *text, size_t n, const char *place,
                    bn_grammar **out, struct failure *failure) {
    const struct wish wish = {.kind = kind, .text = text, .n = n};
    bn_error error = {0};
    bn_status status = find(model, &wish, out, &error);
    if (status == BN_STATUS_BAD_ARGUMENT || status == BN_STATUS_UNSUPPORTED)
        return refuse(failure, place, "'%s': %s", place, error.message);
    return succeeded(failure, status, &error);
}

static bool compile_json(const struct model *model, enum wish_kind kind, const json_t *value, const char *place,
                         bn_grammar **out, struct failure *failure) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    bool ok = compile(model, kind, text, strlen(text), place, out, failure);
    free(text); /* jansson's own memory */
    return ok;
}

/* ---- members; value may be NULL ---- */

typedef bool (*reader)(const struct model *model, const json_t *value, const char *place, bn_grammar **out,
                       struct failure *failure);

static bool read_schema_of(const struct model *model, enum wish_kind kind, const json_t *schema, const char *place,
                           bn_grammar **out, struct failure *failure) {
    if (json_is_string(schema)) /* some clients send it as text */
        return compile(model, kind, json_string_value(schema), json_string_length(schema), place, out, failure);
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return refuse(failure, place, "'%s' must be a JSON schema", place);
    return compile_json(model, kind, schema, place, out, failure);
}

static bool read_schema(const struct model *model, const json_t *schema, const char *place, bn_grammar **out,
                        struct failure *failure) {
    return read_schema_of(model, WISH_SCHEMA, schema, place, out, failure);
}

static bool read_xml(const struct model *model, const json_t *schema, const char *place, bn_grammar **out,
                     struct failure *failure) {
    return read_schema_of(model, WISH_XML, schema, place, out, failure);
}

static bool read_any_object(const struct model *model, const json_t *value, const char *place, bn_grammar **out,
                            struct failure *failure) {
    static const char any_object[] = "{\"type\":\"object\"}";
    if (json_is_false(value)) return true;
    return compile(model, WISH_SCHEMA, any_object, sizeof any_object - 1, place, out, failure);
}

static bool read_text(const struct model *model, enum wish_kind kind, const json_t *text, const char *place,
                      bn_grammar **out, struct failure *failure) {
    if (!json_is_string(text)) return refuse(failure, place, "'%s' must be a string", place);
    return compile(model, kind, json_string_value(text), json_string_length(text), place, out, failure);
}

static bool read_regex(const struct model *model, const json_t *text, const char *place, bn_grammar **out,
                       struct failure *failure) {
    return read_text(model, WISH_REGEX, text, place, out, failure);
}

/* GBNF or Lark. "" is none to llama-server. */
static bool read_grammar(const struct model *model, const json_t *text, const char *place, bn_grammar **out,
                         struct failure *failure) {
    if (json_is_string(text) && json_string_length(text) == 0) return true;
    return read_text(model, WISH_GRAMMAR, text, place, out, failure);
}

static bool read_tags(const struct model *model, const json_t *tags, const char *place, bn_grammar **out,
                      struct failure *failure) {
    if (json_is_object(tags)) return compile_json(model, WISH_TAGS, tags, place, out, failure);
    return read_text(model, WISH_TAGS, tags, place, out, failure);
}

static bool read_choices(const struct model *model, const json_t *choices, const char *place, bn_grammar **out,
                         struct failure *failure) {
    if (json_array_size(choices) == 0) return refuse(failure, place, "'%s' must be a list of texts", place);
    for (size_t i = 0; i < json_array_size(choices); i++)
        if (!json_is_string(json_array_get(choices, i)))
            return refuse(failure, place, "'%s[%zu]' must be a string", place, i);
    return compile_json(model, WISH_CHOICES, choices, place, out, failure);
}

/* Of what would change a constraint, and isn't supported: anything but what changes nothing. */
static bool read_unsupported(const struct model *model, const json_t *value, const char *place, bn_grammar **out,
                             struct failure *failure) {
    (void)model, (void)out;
    return json_is_false(value) || refuse(failure, place, "'%s' is not supported", place);
}

/* ---- response_format ---- */

struct format {
    const char *type;
    const char *members[3]; /* where the value is: the first that is there; NULL: the format itself */
    reader read;
};
static const struct format FORMATS[] = {
    {"json_object",
     {"schema", "value"},
     read_schema}, /* value: Text Generation Inference's, whose clients rewrite it so */
    {"json", {"schema", "value"}, read_schema},
    {"json_schema", {"schema"}, read_schema},
    {"structural_tag", {NULL}, read_tags},
    {"regex", {"regex", "pattern", "value"}, read_regex},
    {"grammar", {"grammar", "value"}, read_grammar},
    {"xml", {"schema"}, read_xml},
};

static bool read_format_value(const struct model *model, const struct format *format, const json_t *value,
                              bn_grammar **out, struct failure *failure) {
    char place[64] = "response_format";
    const json_t *found = format->members[0] ? NULL : value;
    for (size_t i = 0; i < 3 && format->members[i] && !found; i++) {
        found = json_member(value, format->members[i]);
        snprintf(place, sizeof place, "response_format.%s", format->members[i]);
    }
    if (found) return format->read(model, found, place, out, failure);
    return refuse(failure, place, "a 'response_format' of type '%s' needs '%s'", format->type, place);
}

/* {"type": "text" | "json_object" | "json_schema" | …, …} */
static bool read_format(const struct model *model, const json_t *value, const char *place, bn_grammar **out,
                        struct failure *failure) {
    const char *type = json_text_or(value, "type", "text");
    const json_t *wrapped = json_member(json_member(value, "json_schema"), "schema");
    (void)place;
    if (strcmp(type, "text") == 0) return true;
    if (strcmp(type, "json_object") == 0 && !json_member(value, "schema") && !json_member(value, "value"))
        return read_any_object(model, NULL, "response_format.type", out, failure);
    if (strcmp(type, "json_schema") == 0 && wrapped)
        return read_schema(model, wrapped, "response_format.json_schema.schema", out, failure);
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (strcmp(FORMATS[i].type, type) == 0) return read_format_value(model, &FORMATS[i], value, out, failure);
    return refuse(
        failure, "response_format.type",
        "'response_format.type' must be text, json_object, json_schema, xml, structural_tag, regex or grammar");
}

/* ---- all members ---- */

static const struct {
    const char *object, *member; /* object NULL: of the body */
    reader read;
} MEMBERS[] = {
    {NULL, "response_format", read_format},
    {"structured_outputs", "json", read_schema},
    {"structured_outputs", "xml", read_xml},
    {"structured_outputs", "regex", read_regex},
    {"structured_outputs", "choice", read_choices},
    {"structured_outputs", "grammar", read_grammar},
    {"structured_outputs", "json_object", read_any_object},
    {"structured_outputs", "structural_tag", read_tags},
    {"structured_outputs", "whitespace_pattern", read_unsupported},
    {"structured_outputs", "disable_any_whitespace", read_unsupported},
    {"structured_outputs", "disable_additional_properties", read_unsupported},
    {NULL, "guided_json", read_schema},
    {NULL, "guided_regex", read_regex},
    {NULL, "guided_choice", read_choices},
    {NULL, "guided_grammar", read_grammar},
    {NULL, "guided_whitespace_pattern", read_unsupported},
    {NULL, "json_schema", read_schema},
    {NULL, "grammar", read_grammar},
    {NULL, "grammar_lazy", read_unsupported},
};
enum { N_MEMBERS = sizeof MEMBERS / sizeof *MEMBERS };

bool constraint_read(const struct model *model, const json_t *body, bn_grammar **out, struct failure *failure) {
    char first[64] = "";
    *out = NULL;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const json_t *object = MEMBERS[i].object ? json_member(body, MEMBERS[i].object) : body;
        const json_t *value = json_member(object, MEMBERS[i].member);
        char place[64];
        bn_grammar *grammar = NULL;
        if (!value) continue;
        snprintf(place, sizeof place, "%s%s%s", MEMBERS[i].object ? MEMBERS[i].object : "",
                 MEMBERS[i].object ? "." : "", MEMBERS[i].member);
        bool ok = MEMBERS[i].read(model, value, place, &grammar, failure);
        if (ok && grammar && *out)
            ok = refuse(failure, place, "'%s' beside '%s': an answer is held to one thing", place, first);
        if (!ok) {
            bn_grammar_release(grammar);
            bn_grammar_release(*out);
            *out = NULL;
            return false;
        }
        if (!grammar) continue;
        *out = grammar;
        snprintf(first, sizeof first, "%s", place);
    }
    return true;
}

void constraint_copy(json_t *to, const json_t *from) {
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const char *name = MEMBERS[i].object ? MEMBERS[i].object : MEMBERS[i].member;
        json_t *value = json_object_get(from, name);
        if (value) json_object_set(to, name, value);
    }
}

struct after {
    const char *end;
    bn_grammar *grammar;
};

static bn_status make_after(const void *context, bn_grammar **out, bn_error *err) {
    const struct after *after = context;
    return bn_grammar_after(after->end, after->grammar, out, err);
}

bool constraint_after(const struct model *model, const char *end, bn_grammar **grammar, struct failure *failure) {
    const struct after after = {end, *grammar};
    bn_error error = {0};
    char key[64]; /* what is kept of it holds the grammar, so no other has its address */
    size_t n = (size_t)snprintf(key, sizeof key, "after %s %p", end, (void *)*grammar);
    *grammar = NULL;
    bn_status status = grammar_cache_get(model->grammars, key, n, make_after, &after, grammar, &error);
    bn_grammar_release(after.grammar);
    return succeeded(failure, status, &error);
}

/* ---- tools ---- */

/* The tool whose schema an error is about: "… '#/$defs/NAME/…' …"; SIZE_MAX: it doesn't say. */
static size_t blamed_tool(const json_t *tools, const char *message) {
    static const char definitions[] = "#/$defs/";
    const char *name = strstr(message, definitions);
    size_t found = SIZE_MAX, longest = 0;
    for (size_t i = 0; name && i < json_array_size(tools); i++) {
        const char *own = json_text_or(json_object_get(json_array_get(tools, i), "function"), "name", "");
        size_t n = strlen(own);
        if (strncmp(name + sizeof definitions - 1, own, n) != 0 || n < longest) continue;
        longest = n;
        found = i;
    }
    return found;
}

static bool refuse_tools(const json_t *tools, const char *only, const char *message, struct failure *failure) {
    size_t i = blamed_tool(tools, message);
    char place[64] = "tools";
    if (only && i == SIZE_MAX) snprintf(place, sizeof place, "tool_choice");
    if (i == SIZE_MAX) return refuse(failure, place, "'%s': %s", place, message);
    snprintf(place, sizeof place, "tools[%zu].function.parameters", i);
    return refuse(failure, place, "'%s': %s (with 'strict': false the arguments may be any object)", place, message);
}

/* Functions that say "strict": false don't ask for their parameters to be honoured. */
static json_t *without_loose_parameters(const json_t *tools) {
    json_t *copy = json_deep_copy(tools), *tool;
    size_t i;
    json_array_foreach(copy, i, tool) {
        json_t *function = json_object_get(tool, "function");
        if (json_is_false(json_object_get(function, "strict"))) json_object_del(function, "parameters");
    }
    return copy;
}

static bn_status find_tools(const struct model *model, const struct tool_constraint *c, const json_t *tools,
                            bn_grammar **out, bn_error *err) {
    char *text = json_dumps(tools, JSON_COMPACT);
    if (!text) return fail_no_memory(err, 1);
    size_t n = strlen(text);
    const bn_tools options = {.size = sizeof options,
                              .json = text,
                              .json_bytes = n,
                              .syntax = c->syntax,
                              .only = c->only,
                              .required = c->required,
                              .parallel = c->parallel,
                              .thoughts = c->thoughts,
                              .text = c->text}; /* what is kept of it holds the text's grammar */
    const struct wish wish = {.kind = WISH_TOOLS, .text = text, .n = n, .tools = &options};
    bn_status status = find(model, &wish, out, err);
    free(text); /* jansson's own memory */
    return status;
}

bool constraint_of_tools(const struct model *model, const struct tool_constraint *c, bn_grammar **out,
                         struct failure *failure) {
    bn_error error = {0};
    *out = NULL;
    bn_status status = find_tools(model, c, c->tools, out, &error);
    if (status == BN_STATUS_UNSUPPORTED) {
        bn_error again;
        json_t *loose = without_loose_parameters(c->tools);
        if (!json_equal(loose, c->tools)) status = find_tools(model, c, loose, out, &again);
        json_decref(loose);
    }
    if (status == BN_STATUS_BAD_ARGUMENT || status == BN_STATUS_UNSUPPORTED)
        return refuse_tools(c->tools, c->only, error.message, failure);
    return succeeded(failure, status, &error);
}
