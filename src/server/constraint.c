#include "server/constraint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/settings.h"

/* Compiles, or refuses with the place in the body. */
static bool compile(bn_grammar_kind kind, const char *text, size_t n, const char *place, bn_grammar **out,
                    struct failure *failure) {
    bn_error error = {0};
    bn_status status = bn_grammar_compile(kind, text, n, NULL, out, &error);
    if (succeeded(failure, status, &error)) return true;
    if (failure->status == 400) snprintf(failure->param, sizeof failure->param, "%s", place);
    return false;
}

static bool compile_schema(const json_t *schema, const char *place, bn_grammar **out, struct failure *failure) {
    if (json_is_string(schema)) /* some clients send it as text */
        return compile(BN_GRAMMAR_JSON_SCHEMA, json_string_value(schema), json_string_length(schema), place, out,
                       failure);
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return refuse(failure, place, "'%s' must be a JSON schema", place);
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    bool ok = compile(BN_GRAMMAR_JSON_SCHEMA, text, strlen(text), place, out, failure);
    free(text); /* jansson's own memory */
    return ok;
}

static bool compile_choices(const json_t *choices, const char *place, bn_grammar **out, struct failure *failure) {
    size_t n = json_array_size(choices);
    const char **texts = mem_alloc_array(n, sizeof *texts);
    size_t *sizes = mem_alloc_array(n, sizeof *sizes);
    bn_error error = {0};
    bool ok = texts && sizes ? true : succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *text = json_array_get(choices, i);
        if (!json_is_string(text)) ok = refuse(failure, place, "'%s[%zu]' must be a string", place, i);
        texts[i] = json_string_value(text);
        sizes[i] = json_string_length(text);
    }
    if (ok && n == 0) ok = refuse(failure, place, "'%s' must be a list of texts", place);
    ok = ok && succeeded(failure, bn_grammar_compile_choices(texts, sizes, n, out, &error), &error);
    if (!ok && failure->status == 400 && !*failure->param) snprintf(failure->param, sizeof failure->param, "%s", place);
    mem_free(texts);
    mem_free(sizes);
    return ok;
}

static bool compile_regex(const json_t *regex, const char *place, bn_grammar **out, struct failure *failure) {
    if (!json_is_string(regex)) return refuse(failure, place, "'%s' must be a string", place);
    return compile(BN_GRAMMAR_REGEX, json_string_value(regex), json_string_length(regex), place, out, failure);
}

/* {"type": "text" | "json_object" | "json_schema", …} */
static bool compile_format(const json_t *format, bn_grammar **out, struct failure *failure) {
    const char *type = json_text_or(format, "type", "text");
    const json_t *wrapped = json_member(format, "json_schema"), *beside = json_member(format, "schema");
    if (strcmp(type, "text") == 0) return true;
    if (strcmp(type, "json_object") == 0) {
        if (beside) return compile_schema(beside, "response_format.schema", out, failure);
        static const char any_object[] = "{\"type\":\"object\"}";
        return compile(BN_GRAMMAR_JSON_SCHEMA, any_object, sizeof any_object - 1, "response_format.type", out, failure);
    }
    if (strcmp(type, "json_schema") != 0)
        return refuse(failure, "response_format.type",
                      "'response_format.type' must be text, json_object or json_schema");
    if (json_member(wrapped, "schema"))
        return compile_schema(json_member(wrapped, "schema"), "response_format.json_schema.schema", out, failure);
    return compile_schema(beside, "response_format.schema", out, failure);
}

typedef bool (*compiler)(const json_t *value, const char *place, bn_grammar **out, struct failure *failure);

static bool refuse_grammar(const json_t *value, const char *place, bn_grammar **out, struct failure *failure) {
    (void)value, (void)out;
    return refuse(failure, place, "'%s' is not supported by this build: use a JSON schema, a regex or a choice", place);
}

static const struct {
    const char *object, *member; /* object NULL: of the body */
    compiler compile;
} MEMBERS[] = {
    {"structured_outputs", "json", compile_schema},
    {"structured_outputs", "regex", compile_regex},
    {"structured_outputs", "choice", compile_choices},
    {"structured_outputs", "grammar", refuse_grammar},
    {"structured_outputs", "structural_tag", refuse_grammar},
    {NULL, "guided_json", compile_schema},
    {NULL, "guided_regex", compile_regex},
    {NULL, "guided_choice", compile_choices},
    {NULL, "guided_grammar", refuse_grammar},
    {NULL, "json_schema", compile_schema},
    {NULL, "grammar", refuse_grammar},
};

bool constraint_read(const json_t *body, bn_grammar **out, struct failure *failure) {
    const json_t *format = json_member(body, "response_format");
    const char *first = format && strcmp(json_text_or(format, "type", "text"), "text") ? "response_format" : NULL;
    *out = NULL;
    if (format && !compile_format(format, out, failure)) return false;
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++) {
        const json_t *object = MEMBERS[i].object ? json_member(body, MEMBERS[i].object) : body;
        const json_t *value = json_member(object, MEMBERS[i].member);
        char place[64];
        if (!value) continue;
        snprintf(place, sizeof place, "%s%s%s", MEMBERS[i].object ? MEMBERS[i].object : "",
                 MEMBERS[i].object ? "." : "", MEMBERS[i].member);
        bool ok = first ? refuse(failure, place, "'%s' beside '%s': an answer is held to one thing", place, first)
                        : MEMBERS[i].compile(value, place, out, failure);
        if (!ok) {
            bn_grammar_release(*out);
            *out = NULL;
            return false;
        }
        first = MEMBERS[i].member;
    }
    return true;
}

static json_t *call_schema(const json_t *function) {
    const json_t *parameters = json_member(function, "parameters");
    json_t *arguments = parameters ? json_incref((json_t *)parameters) : json_pack("{s:s}", "type", "object");
    return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name", "const",
                     json_object_get(function, "name"), "arguments", arguments, "required", "name", "arguments",
                     "additionalProperties", 0);
}

/* References inside a tool's parameters count from the parameters, which lie deeper in what is compiled here. */
static bool has_reference(const json_t *value) {
    const char *name;
    json_t *member;
    size_t i;
    json_array_foreach(value, i, member) if (has_reference(member)) return true;
    json_object_foreach((json_t *)value, name, member) {
        if (strcmp(name, "$ref") == 0 || has_reference(member)) return true;
    }
    return false;
}

bool constraint_of_tools(const json_t *tools, const char *name, bn_grammar **out, struct failure *failure) {
    json_t *options = json_array();
    *out = NULL;
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (name && strcmp(json_text_or(function, "name", ""), name) != 0) continue;
        if (has_reference(json_object_get(function, "parameters"))) {
            json_decref(options);
            char place[64];
            snprintf(place, sizeof place, "tools[%zu].function.parameters", i);
            return refuse(failure, place,
                          "'%s' has a $ref: forced calls of tools with references are not supported by "
                          "this build",
                          place);
        }
        json_array_append_new(options, call_schema(function));
    }
    if (json_array_size(options) == 0) {
        json_decref(options);
        return refuse(failure, "tool_choice", "'tool_choice' names '%.100s', which isn't among 'tools'", name);
    }
    json_t *schema = json_pack("{s:o}", "anyOf", options);
    bool ok = compile_schema(schema, "tools", out, failure);
    json_decref(schema);
    return ok;
}
