/* See tools.h. The syntaxes are a table; a new one is a row. */
#include "engine/grammar/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MOST_TOOLS 1000

static const struct {
    bn_tool_syntax syntax;
    const char *mentioned; /* by templates that use it */
} syntaxes[] = {
    {{"hermes", "<tool_call>", "</tool_call>", "arguments", false}, "<tool_call>"},
    {{"mistral", "[TOOL_CALLS]", NULL, "arguments", true}, "[TOOL_CALLS]"},
    {{"llama3", NULL, NULL, "parameters", false}, "\"parameters\": "},
    {{"json", NULL, NULL, "arguments", false}, NULL},
};
enum { N_SYNTAXES = sizeof syntaxes / sizeof *syntaxes };

const bn_tool_syntax *bn_tool_syntax_find(const char *name) {
    for (size_t i = 0; i < N_SYNTAXES; i++)
        if (strcmp(syntaxes[i].syntax.name, name) == 0) return &syntaxes[i].syntax;
    return NULL;
}

const bn_tool_syntax *bn_tool_syntax_of_template(const char *chat_template) {
    for (size_t i = 0; chat_template && i < N_SYNTAXES; i++)
        if (syntaxes[i].mentioned && strstr(chat_template, syntaxes[i].mentioned)) return &syntaxes[i].syntax;
    return &syntaxes[N_SYNTAXES - 1].syntax;
}

/* ---- the schema of a call ---- */

/* One tool: its parameters go to `definitions`, the object that calls it to `calls`. */
static void add_tool(struct work *work, const bn_tools *tools, json_t *tool, json_t *definitions, json_t *calls) {
    json_t *function = json_object_get(tool, "function");
    if (!json_is_object(function)) function = tool;
    const json_t *name = json_object_get(function, "name");
    json_t *parameters = json_object_get(function, "parameters");
    if (!parameters) parameters = json_object_get(function, "input_schema");
    if (!json_is_string(name) || !json_string_length(name)) {
        work_fail(work, BN_STATUS_BAD_ARGUMENT, "tools: every tool needs a name");
        return;
    }
    if (tools->only && strcmp(tools->only, json_string_value(name)) != 0) return;
    if (json_object_get(definitions, json_string_value(name))) {
        work_fail(work, BN_STATUS_BAD_ARGUMENT, "tools: two tools are called '%s'", json_string_value(name));
        return;
    }
    bool none =
        !parameters || json_is_null(parameters) || (json_is_object(parameters) && !json_object_size(parameters));
    json_t *schema = none ? json_pack("{s:s}", "type", "object") : json_deep_copy(parameters);
    if (!none && !json_is_object(schema)) {
        work_fail(work, BN_STATUS_BAD_ARGUMENT, "tools: the parameters of '%s' must be a schema",
                  json_string_value(name));
        json_decref(schema);
        return;
    }
    char id[40]; /* a base of its own, so that "#/…" inside means inside */
    snprintf(id, sizeof id, "tool:%zu", json_object_size(definitions));
    json_object_set_new(schema, "$id", json_string(id));
    json_object_set_new(definitions, json_string_value(name), schema);
    json_array_append_new(calls, json_pack("{s:s, s:{s:{s:s}, s:{s:s, s:s}}, s:[s, s], s:b}", "type", "object",
                                           "properties", "name", "const", json_string_value(name),
                                           tools->syntax->arguments, "type", "object", "$ref", id, "required", "name",
                                           tools->syntax->arguments, "additionalProperties", 0));
}

static json_t *schema_of_calls(struct work *work, const bn_tools *tools) {
    json_t *list = NULL, *definitions = json_object(), *calls = json_array(), *root;
    bn_error err;
    bn_status status = json_parse(tools->json, tools->json_bytes, "tools", &list, &err);
    if (status)
        work_fail(work, status == BN_STATUS_BAD_FILE ? BN_STATUS_BAD_ARGUMENT : status, "%s", err.message);
    else if (!json_is_array(list) || json_array_size(list) > MOST_TOOLS)
        work_fail(work, BN_STATUS_BAD_ARGUMENT, "tools: expected an array of at most %d", MOST_TOOLS);
    for (size_t i = 0; i < json_array_size(list) && work_ok(work); i++)
        add_tool(work, tools, json_array_get(list, i), definitions, calls);
    if (work_ok(work) && json_array_size(calls) == 0)
        work_fail(work, BN_STATUS_BAD_ARGUMENT, tools->only ? "tools: there is no tool '%s'" : "tools: there are none",
                  tools->only ? tools->only : "");
    json_decref(list);
    if (tools->syntax->list) {
        root = json_pack("{s:o, s:s, s:{s:o}, s:i}", "$defs", definitions, "type", "array", "items", "anyOf", calls,
                         "minItems", 1);
        if (!tools->parallel) json_object_set_new(root, "maxItems", json_integer(1));
    } else {
        root = json_pack("{s:o, s:o}", "$defs", definitions, "anyOf", calls);
    }
    return root;
}

static struct schema *compile_calls(struct work *work, const bn_tools *tools) {
    json_t *root = schema_of_calls(work, tools);
    char *text = root && work_ok(work) ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text) {
        work_fail(work, BN_STATUS_NO_MEMORY, "out of memory while tools are read");
        return NULL;
    }
    struct schema *schema = schema_compile(work, text, strlen(text), false);
    free(text); /* jansson's */
    return schema;
}

/* ---- the text around it ---- */

static struct pattern_node *dfa_body(struct rules *rules, const struct dfa *dfa) {
    struct pattern_node *node = body_new(rules, PATTERN_DFA);
    if (node) node->dfa = dfa;
    return node;
}

static struct pattern_node *pattern_body(struct rules *rules, const char *pattern) {
    return dfa_body(rules, pattern_compile(rules->work, pattern, strlen(pattern), PATTERN_WHOLE));
}

static struct pattern_node *one_of(struct rules *rules, struct pattern_node *a, struct pattern_node *b) {
    struct pattern_node *node = body_new(rules, PATTERN_ALTERNATIVES);
    body_add(rules, node, a);
    body_add(rules, node, b);
    return node;
}

static struct pattern_node *in_order(struct rules *rules, struct pattern_node *a, struct pattern_node *b) {
    struct pattern_node *node = body_new(rules, PATTERN_CONCAT);
    body_add(rules, node, a);
    body_add(rules, node, b);
    return node;
}

/* The text of a mark, or the special token of that name. */
static struct pattern_node *mark(struct rules *rules, const char *text) {
    return one_of(rules, body_text(rules, text, strlen(text)), body_special(rules, text, strlen(text)));
}

/* A call behind its `begin`. */
static struct pattern_node *call(struct rules *rules, const bn_tool_syntax *syntax) {
    struct pattern_node *body = in_order(rules, pattern_body(rules, "[ \\n]?"), body_new(rules, PATTERN_SCHEMA));
    if (!syntax->end) return body;
    return in_order(rules, body, in_order(rules, pattern_body(rules, "[ \\n]?"), mark(rules, syntax->end)));
}

static const char *escaped(struct work *work, const char *text) {
    char *out = work_alloc(work, 2 * strlen(text) + 1, 1), *to = out;
    for (; out && *text; text++) {
        if (strchr("\\^$.|?*+()[]{}", *text)) *to++ = '\\';
        *to++ = *text;
    }
    return out ? out : "";
}

static const struct dfa *pattern_with(struct work *work, const char *before, const char *text, const char *after,
                                      enum pattern_use use) {
    size_t n = strlen(before) + strlen(text) + strlen(after);
    char *pattern = work_alloc(work, n + 1, 1);
    if (!pattern) return NULL;
    snprintf(pattern, n + 1, "%s%s%s", before, text, after);
    return pattern_compile(work, pattern, n, use);
}

/* Text without `begin`, and up to where it comes first. */
static struct pattern_node *free_until(struct rules *rules, const char *begin, struct pattern_node **free_text) {
    struct work *work = rules->work;
    const char *text = escaped(work, begin);
    const struct dfa *without =
        dfa_combine(work, dfa_everything(work), pattern_with(work, "", text, "", PATTERN_SEARCH), DFA_WITHOUT);
    const struct dfa *until = dfa_combine(work, pattern_with(work, "[\\s\\S]*", text, "", PATTERN_WHOLE),
                                          pattern_with(work, "", text, "[\\s\\S]", PATTERN_SEARCH), DFA_WITHOUT);
    if (!without || !until) return NULL;
    *free_text = dfa_body(rules, without);
    return one_of(rules, dfa_body(rules, until),
                  in_order(rules, *free_text, body_special(rules, begin, strlen(begin))));
}

static struct pattern_node *answer(struct rules *rules, const bn_tools *tools) {
    const bn_tool_syntax *syntax = tools->syntax;
    struct pattern_node *one = call(rules, syntax), *calls = one, *free_text = NULL, *begin;
    if (!syntax->begin) {
        if (tools->required) return one;
        return one_of(rules, one, pattern_body(rules, "(?:[^{\\s][\\s\\S]*)?"));
    }
    if (tools->parallel && !syntax->list) {
        struct pattern_node *more =
            in_order(rules, pattern_body(rules, "\\n?"), in_order(rules, mark(rules, syntax->begin), one));
        calls = in_order(rules, one, body_repeat(rules, more, 0, PATTERN_UNLIMITED));
    }
    if (tools->required) return in_order(rules, mark(rules, syntax->begin), calls);
    begin = free_until(rules, syntax->begin, &free_text);
    return one_of(rules, free_text, in_order(rules, begin, calls));
}

void tools_compile(struct work *work, const bn_tools *tools, struct rules **rules, struct schema **schema) {
    *schema = compile_calls(work, tools);
    *rules = rules_create(work);
    if (!work_ok(work)) return;
    uint32_t start = rules_find(*rules, "answer", 6);
    struct pattern_node *body = answer(*rules, tools);
    if (!work_ok(work)) return;
    (*rules)->items[start].body = body;
    (*rules)->schema_distance = (*schema)->nodes[(*schema)->root].distance;
    rules_prepare(*rules, start);
}
