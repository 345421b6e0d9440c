/* See tools.h. The syntaxes are a table; a new one is a row. */
#include "engine/grammar/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "engine/grammar/free_text.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/tool_markup.h"
#include "engine/grammar/xml.h"

#define MOST_TOOLS 1000

static const bn_tool_markup qwen_markup = {"<function=",   ">",  "</function>", "<parameter=", ">", "",
                                           "</parameter>", NULL, true};
static const bn_tool_markup glm_markup = {"",   "",   "", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
                                          NULL, false};
static const bn_tool_markup minimax_markup = {"<invoke name=\"", "\">", "</invoke>", "<parameter name=\"", "\">", "",
                                              "</parameter>",    NULL,  false};
static const bn_tool_markup deepseek_markup = {"<｜DSML｜invoke name=\"",
                                               "\">",
                                               "</｜DSML｜invoke>",
                                               "<｜DSML｜parameter name=\"",
                                               "\" string=\"true\">",
                                               "",
                                               "</｜DSML｜parameter>",
                                               "\" string=\"false\">",
                                               false};
static const bn_tool_markup mistral_markup = {.call_begin = "", .name_end = "[ARGS]", .call_end = ""};

static const struct {
    bn_tool_syntax syntax;
    const char *mentioned; /* by templates that use it; the first row counts */
} syntaxes[] = {
    {{"qwen_xml", "<tool_call>", "</tool_call>", NULL, false, NULL, &qwen_markup}, "<function="},
    {{"glm_xml", "<tool_call>", "</tool_call>", NULL, false, NULL, &glm_markup}, "<arg_key>"},
    {{"minimax_xml", "<minimax:tool_call>", "</minimax:tool_call>", NULL, true, NULL, &minimax_markup},
     "minimax:tool_call"},
    {{"deepseek_xml", "<｜DSML｜function_calls>", "</｜DSML｜function_calls>", NULL, true, NULL, &deepseek_markup},
     "｜DSML｜"},
    {{"mistral_args", "[TOOL_CALLS]", NULL, NULL, false, NULL, &mistral_markup}, "[ARGS]"},
    {{"hermes", "<tool_call>", "</tool_call>", "arguments", false, NULL, NULL}, "<tool_call>"},
    {{"mistral", "[TOOL_CALLS]", NULL, "arguments", true, NULL, NULL}, "[TOOL_CALLS]"},
    {{"llama3", NULL, NULL, "parameters", false, "<|python_tag|>", NULL}, "\"parameters\": "},
    {{"json", NULL, NULL, "arguments", false, NULL, NULL}, NULL},
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

/* Of one tool's call: an object with name and arguments; with markup, of the arguments alone. */
static json_t *schema_of_call(const bn_tool_syntax *syntax, const char *name, const char *id) {
    if (syntax->markup) return json_pack("{s:s, s:s}", "type", "object", "$ref", id);
    return json_pack("{s:s, s:{s:{s:s}, s:{s:s, s:s}}, s:[s, s], s:b}", "type", "object", "properties", "name", "const",
                     name, syntax->arguments, "type", "object", "$ref", id, "required", "name", syntax->arguments,
                     "additionalProperties", 0);
}

/* One tool: its parameters go to `definitions`, its call's schema to `calls`. */
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
    json_array_append_new(calls, schema_of_call(tools->syntax, json_string_value(name), id));
}

static bool has_schema(const bn_grammar *text) {
    return text && text->kind != BN_GRAMMAR_REGEX;
}

/* What the answer is if it's no call. */
static json_t *schema_of_text(struct work *work, const bn_grammar *text) {
    json_t *schema = NULL;
    bn_error err;
    if (json_parse(text->source, text->n_source, "schema", &schema, &err))
        work_fail(work, BN_STATUS_NO_MEMORY, "%s", err.message); /* it has been read before */
    if (json_is_object(schema)) json_object_set_new(schema, "$id", json_string("text:0"));
    return schema;
}

/* An array: of the tools' arguments where calls are markup, else of what calls are, and of what text is. */
static json_t *schema_of_calls(struct work *work, const bn_tools *tools) {
    json_t *list = NULL, *definitions = json_object(), *calls = json_array();
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
    if (!tools->syntax->markup) {
        json_t *any = json_pack("{s:o}", "anyOf", calls);
        if (tools->syntax->list) any = json_pack("{s:s, s:o, s:i}", "type", "array", "items", any, "minItems", 1);
        if (tools->syntax->list && !tools->parallel) json_object_set_new(any, "maxItems", json_integer(1));
        calls = json_pack("[o]", any);
    }
    if (has_schema(tools->text)) json_array_append_new(calls, schema_of_text(work, tools->text));
    return json_pack("{s:o, s:s, s:o}", "$defs", definitions, "type", "array", "prefixItems", calls);
}

static struct schema *open_calls(struct work *work, const json_t *root) {
    char *text = root && work_ok(work) ? json_dumps(root, JSON_COMPACT) : NULL;
    if (!text) {
        work_fail(work, BN_STATUS_NO_MEMORY, "out of memory while tools are read");
        return NULL;
    }
    struct schema *schema = schema_open(work, text, strlen(text), false);
    free(text); /* jansson's */
    return schema;
}

/* ---- the text around it ---- */

/* A node of the document's items. */
static uint32_t item_node(const struct schema *schema, size_t i) {
    const struct forms *forms = &schema->nodes[schema->root].forms;
    return forms->n ? array_node_of(forms->items[0]->array, (uint32_t)i) : (uint32_t)NEVER;
}

/* Calls of one of the tools, as markup. definitions: by name, in the order of the schema's items. */
static struct pattern_node *marked_call(struct rules *rules, struct schema *schema, const bn_tool_markup *markup,
                                        const json_t *definitions) {
    struct pattern_node *any = body_new(rules, PATTERN_ALTERNATIVES);
    const char *name;
    json_t *definition;
    size_t i = 0;
    schema->place = NULL;
    json_object_foreach((json_t *)(uintptr_t)definitions, name, definition) {
        uint32_t node = item_node(schema, i++);
        struct pattern_node *body = body_new(rules, PATTERN_CONCAT);
        body_add(rules, body, markup_mark(rules, markup->call_begin));
        body_add(rules, body, body_text(rules, name, strlen(name)));
        body_add(rules, body, markup_mark(rules, markup->name_end));
        body_add(rules, body, markup_space(rules));
        body_add(rules, body,
                 markup->key_begin ? markup_body(rules, schema, node, definition, markup) : body_schema(rules, node));
        body_add(rules, body, markup_mark(rules, markup->call_end));
        body_add(rules, any, body);
    }
    return any;
}

/* A call behind its `begin`, or as many as stand in one place. */
static struct pattern_node *call(struct rules *rules, struct schema *schema, const bn_tools *tools,
                                 const json_t *definitions) {
    const bn_tool_syntax *syntax = tools->syntax;
    struct pattern_node *space = body_pattern(rules, syntax->markup ? "\\n?" : "[ \\n]?");
    struct pattern_node *body = body_both(rules, space,
                                          syntax->markup ? marked_call(rules, schema, syntax->markup, definitions)
                                                         : body_schema(rules, item_node(schema, 0)));
    if (syntax->markup && syntax->list && tools->parallel) body = body_repeat(rules, body, 1, PATTERN_UNLIMITED);
    if (!syntax->end) return body;
    return body_both(rules, body, body_both(rules, space, body_mark(rules, syntax->end)));
}

/* How a call begins where nothing stands before it: up to the name of a tool. */
static const char *bare_beginning(struct work *work, const json_t *definitions) {
    struct buffer out, quoted;
    const char *name, *separator = "";
    char *kept = NULL;
    json_t *definition;
    buffer_init(&out);
    buffer_init(&quoted);
    buffer_append_text(&out, "\\s*\\{\\s*\"name\"\\s*:\\s*(?:");
    json_object_foreach((json_t *)(uintptr_t)definitions, name, definition) {
        buffer_clear(&quoted);
        buffer_append_json_string(&quoted, name, strlen(name));
        buffer_append_text(&out, separator);
        buffer_append_text(&out, quoted.data ? pattern_of_text(work, quoted.data) : "");
        separator = "|";
    }
    buffer_append_text(&out, ")");
    if (out.failed || quoted.failed)
        work_fail(work, BN_STATUS_NO_MEMORY, "out of memory while tools are read");
    else
        kept = work_alloc(work, out.size + 1, 1);
    if (kept) memcpy(kept, out.data, out.size + 1);
    buffer_release(&out);
    buffer_release(&quoted);
    return kept ? kept : "";
}

static const char thoughts[] = "\\s*<think>[\\s\\S]*", thoughts_end[] = "</think>";

/* The whole answer is a call, or text that doesn't begin like one. except: as in marks_init. */
static struct pattern_node *bare_answer(struct rules *rules, const bn_tools *tools, const char *beginning,
                                        struct pattern_node *one, const char *except) {
    struct work *work = rules->work;
    if (tools->syntax->tag) one = body_either(rules, one, body_both(rules, body_mark(rules, tools->syntax->tag), one));
    if (tools->required) return one;
    const struct dfa *text = dfa_combine(
        work, dfa_everything(work), pattern_of_parts(work, beginning, "[\\s\\S]*", "", PATTERN_WHOLE), DFA_WITHOUT);
    if (except && text)
        text = dfa_combine(work, text, pattern_compile(work, except, strlen(except), PATTERN_WHOLE), DFA_WITHOUT);
    return body_either(rules, body_both(rules, body_pattern(rules, "\\s{0,8}"), one), body_dfa(rules, text));
}

/* A call, or several. */
static struct pattern_node *calls_of(struct rules *rules, const bn_tools *tools, struct pattern_node *one) {
    const bn_tool_syntax *syntax = tools->syntax;
    if (!tools->parallel || syntax->list) return one;
    struct pattern_node *more =
        body_both(rules, body_pattern(rules, "\\n?"), body_both(rules, body_mark(rules, syntax->begin), one));
    return body_both(rules, one, body_repeat(rules, more, 0, PATTERN_UNLIMITED));
}

/* An answer that is no call, where that isn't free; NULL: it is. */
static struct pattern_node *held_text(struct rules *rules, struct schema *schema, const bn_tools *tools,
                                      const json_t *definitions) {
    const bn_grammar *text = tools->text;
    if (!text) return NULL;
    if (!has_schema(text))
        return body_dfa(rules, pattern_compile(rules->work, text->source, text->n_source, PATTERN_WHOLE));
    uint32_t node = item_node(schema, tools->syntax->markup ? json_object_size(definitions) : 1);
    return text->kind == BN_GRAMMAR_XML ? xml_body(rules, schema, node) : body_schema(rules, node);
}

struct answer {
    struct pattern_node *call, *text; /* text NULL: free */
    const char *beginning;            /* of a call that no mark begins */
};

static struct pattern_node *answer(struct rules *rules, const bn_tools *tools, const struct answer *a,
                                   const char *except) {
    const bn_tool_syntax *syntax = tools->syntax;
    struct marks marks;
    if (!syntax->begin) return bare_answer(rules, tools, a->beginning, a->call, except);
    struct pattern_node *calls = calls_of(rules, tools, a->call);
    if (tools->required) return body_both(rules, body_mark(rules, syntax->begin), calls);
    if (a->text) {
        struct pattern_node *mark = body_both(rules, body_pattern(rules, "\\s{0,8}"), body_mark(rules, syntax->begin));
        return body_either(rules, a->text, body_both(rules, mark, calls));
    }
    if (!marks_init(&marks, rules->work, &syntax->begin, 1, except)) return NULL;
    return body_either(rules, body_dfa(rules, marks.without),
                       body_both(rules, body_until(rules, &marks, syntax->begin), calls));
}

/* The same behind thoughts, in which nothing begins, or without any. */
static struct pattern_node *thoughtful_answer(struct rules *rules, const bn_tools *tools, const struct answer *a) {
    const char *const end = thoughts_end;
    struct marks marks;
    if (!tools->thoughts || tools->required) return answer(rules, tools, a, NULL);
    if (!marks_init(&marks, rules->work, &end, 1, NULL)) return NULL;
    struct pattern_node *thinking = body_both(rules, body_pattern(rules, a->text ? "\\s{0,8}<think>" : "\\s*<think>"),
                                              body_until(rules, &marks, end));
    return body_either(rules, answer(rules, tools, a, thoughts),
                       body_both(rules, thinking, answer(rules, tools, a, NULL)));
}

void tools_compile(struct work *work, const bn_tools *tools, struct rules **rules, struct schema **schema) {
    json_t *root = schema_of_calls(work, tools);
    const json_t *definitions = json_object_get(root, "$defs");
    struct answer a = {.beginning = bare_beginning(work, definitions)};
    *schema = open_calls(work, root);
    *rules = rules_create(work);
    if (work_ok(work)) {
        a.call = call(*rules, *schema, tools, definitions);
        a.text = held_text(*rules, *schema, tools, definitions);
    }
    if (*schema) schema_close(*schema);
    json_decref(root);
    if (!work_ok(work)) return;
    uint32_t start = rules_find(*rules, "answer", 6);
    struct pattern_node *body = thoughtful_answer(*rules, tools, &a);
    if (!work_ok(work)) return;
    (*rules)->items[start].body = body;
    (*rules)->schema = *schema;
    rules_prepare(*rules, start);
}
