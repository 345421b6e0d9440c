#include "server/chat_request.h"

#include <string.h>

#include "base/memory.h"
#include "server/constraint.h"
#include "server/preset.h"

enum { MAX_MESSAGES = 100000, MAX_TOOLS = 1024, MAX_CHOICES = 128 };

static const struct schema_field message_fields[] = {
    {"role",
     {.types = SCHEMA_STRING,
      .required = true,
      .values = "system|developer|user|assistant|tool|function",
      .help = "who speaks"}},
    {"content", {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL, .help = "text, or parts of type text"}},
    {"name", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"tool_calls", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 1024}},
    {"tool_call_id", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"reasoning_content", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
static const struct schema message_schema = {.name = "ChatMessage", .types = SCHEMA_OBJECT, .fields = message_fields};

static const struct schema_field function_fields[] = {
    {"name", {.types = SCHEMA_STRING, .required = true, .min_size = 1, .max_size = 256}},
    {"description", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"parameters", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},
    {0},
};
static const struct schema_field tool_fields[] = {
    {"type", {.types = SCHEMA_STRING, .required = true, .values = "function"}},
    {"function", {.types = SCHEMA_OBJECT, .required = true, .fields = function_fields}},
    {0},
};
const struct schema chat_tool_schema = {.name = "Tool", .types = SCHEMA_OBJECT, .fields = tool_fields};

static const struct schema_field stream_option_fields[] = {
    {"include_usage", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"continuous_usage_stats", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "with include_usage: in each chunk"}},
    {"continuous_usage_stats", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {0},
};

static const struct schema_field chat_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "see /v1/models; a server with one model takes any name"}},
    {"messages",
     {.types = SCHEMA_ARRAY, .required = true, .min_size = 1, .max_size = MAX_MESSAGES, .items = &message_schema}},
    {"max_tokens", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = INT32_MAX, .help = "of the answer"}},
    {"max_completion_tokens",
     {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = INT32_MAX, .help = "of the answer"}},
    {"n", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = MAX_CHOICES, .help = "answers"}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "server-sent events"}},
    {"stream_options", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = stream_option_fields}},
    {"logprobs", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"top_logprobs", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = 20}},
    {"tools", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = MAX_TOOLS, .items = &chat_tool_schema}},
    {"tool_choice", {.types = SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_NULL}},
    {"parallel_tool_calls", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"response_format", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},
    {"chat_template_kwargs", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .help = "further names for the template"}},
    {"reasoning_effort", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"documents", {.types = SCHEMA_ARRAY | SCHEMA_NULL}},
    {"add_generation_prompt", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"continue_final_message", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"return_token_ids", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    SETTINGS_FIELDS,
    {0},
};
const struct schema chat_request_schema = {.name = "ChatRequest", .types = SCHEMA_OBJECT, .fields = chat_fields};

static bool out_of_memory(struct failure *failure) {
    bn_error error = {BN_STATUS_NO_MEMORY, "out of memory"};
    return succeeded(failure, error.status, &error);
}

/* ---- messages as templates want them ---- */

/* The text of an array of parts, one below the other. */
static bool join_parts(const json_t *parts, size_t message, struct buffer *out, struct failure *failure) {
    char place[SCHEMA_PATH_BYTES];
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *text = json_object_get(part, "text");
        const char *type = json_text_or(part, "type", json_is_string(text) ? "text" : "");
        snprintf(place, sizeof place, "messages[%zu].content[%zu]", message, i);
        bool is_text = strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
                       strcmp(type, "output_text") == 0 || strcmp(type, "refusal") == 0;
        if (strcmp(type, "refusal") == 0) text = json_object_get(part, "refusal");
        if (!is_text)
            return refuse(failure, place, "'%s' is of type '%.40s': this server's models read text only", place, type);
        if (!json_is_string(text)) return refuse(failure, place, "'%s.text' must be a string", place);
        if (out->size) buffer_append_char(out, '\n');
        buffer_append(out, json_string_value(text), json_string_length(text));
    }
    return true;
}

/* Templates want arguments as objects; what isn't one stays the text it is. */
static json_t *call_for_template(const json_t *call, size_t message, size_t index, struct failure *failure) {
    const json_t *function = json_object_get(call, "function");
    const json_t *name = json_object_get(function, "name"), *arguments = json_object_get(function, "arguments");
    char place[SCHEMA_PATH_BYTES];
    snprintf(place, sizeof place, "messages[%zu].tool_calls[%zu]", message, index);
    if (!json_is_string(name)) {
        refuse(failure, place, "'%s.function.name' must be a string", place);
        return NULL;
    }
    json_t *parsed = NULL;
    if (json_is_string(arguments))
        parsed = json_loadb(json_string_value(arguments), json_string_length(arguments), 0, NULL);
    json_t *value = parsed ? parsed : arguments ? json_incref((json_t *)arguments) : json_object();
    return json_pack("{s:s, s:o*, s:{s:O, s:o}}", "type", "function", "id", json_incref(json_object_get(call, "id")),
                     "function", "name", name, "arguments", value);
}

static bool add_calls(json_t *message, const json_t *calls, size_t index, struct failure *failure) {
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = call_for_template(json_array_get(calls, i), index, i, failure);
        if (!call) {
            json_decref(out);
            return failure->status ? false : out_of_memory(failure);
        }
        json_array_append_new(out, call);
    }
    json_object_set_new(message, "tool_calls", out);
    return true;
}

static json_t *message_for_template(const json_t *message, size_t index, struct failure *failure) {
    const json_t *content = json_member(message, "content"), *calls = json_member(message, "tool_calls");
    const char *role = json_text_or(message, "role", "user");
    struct buffer joined;
    buffer_init(&joined);
    json_t *out = NULL;
    bool ok = true;
    if (json_is_array(content)) ok = join_parts(content, index, &joined, failure);
    if (ok) out = json_copy((json_t *)message);
    if (ok && (!out || joined.failed)) ok = out_of_memory(failure);
    if (ok && strcmp(role, "developer") == 0) json_object_set_new(out, "role", json_string("system"));
    if (ok && !json_is_string(content))
        json_object_set_new(out, "content", json_text(joined.data ? joined.data : "", joined.size));
    json_object_del(out, "tool_calls");
    if (ok && json_array_size(calls)) ok = add_calls(out, calls, index, failure);
    buffer_release(&joined);
    if (ok) return out;
    json_decref(out);
    return NULL;
}

static json_t *messages_for_template(const json_t *messages, struct failure *failure) {
    json_t *out = json_array(), *message;
    size_t i;
    json_array_foreach(messages, i, message) {
        json_t *one = message_for_template(message, i, failure);
        if (!one || json_array_append_new(out, one)) {
            json_decref(out);
            if (!failure->status) out_of_memory(failure);
            return NULL;
        }
    }
    return out;
}

/* ---- the prompt ---- */

static bool wants_tools(const json_t *body) {
    const json_t *choice = json_member(body, "tool_choice");
    return json_array_size(json_member(body, "tools")) > 0 &&
           !(json_is_string(choice) && strcmp(json_string_value(choice), "none") == 0);
}

/* A last message of the assistant is the beginning of the answer, unless the client says otherwise. */
static bool continues_final(const json_t *body) {
    const json_t *messages = json_object_get(body, "messages");
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    bool prefill = strcmp(json_text_or(last, "role", ""), "assistant") == 0 && !json_member(last, "tool_calls") &&
                   !json_bool_or(body, "add_generation_prompt", false);
    return json_bool_or(body, "continue_final_message", prefill);
}

static json_t *template_input(const json_t *preset, const json_t *body, struct failure *failure) {
    json_t *said = messages_for_template(json_object_get(body, "messages"), failure);
    json_t *messages = said ? preset_messages(preset, said) : NULL;
    json_decref(said);
    if (!messages) return NULL;
    json_t *input = json_object(), *value;
    const char *name;
    json_object_foreach(json_member(body, "chat_template_kwargs"), name, value) json_object_set(input, name, value);
    bool continued = continues_final(body);
    json_object_set_new(input, "messages", messages);
    json_object_set_new(input, "add_generation_prompt",
                        json_boolean(!continued && json_bool_or(body, "add_generation_prompt", true)));
    if (continued) json_object_set_new(input, "continue_final_message", json_true());
    if (wants_tools(body)) json_object_set(input, "tools", json_object_get(body, "tools"));
    if (json_member(body, "documents")) json_object_set(input, "documents", json_object_get(body, "documents"));
    if (json_member(body, "reasoning_effort"))
        json_object_set(input, "reasoning_effort", json_object_get(body, "reasoning_effort"));
    return input;
}

/* As 'bitnet run' does without a template. */
static bn_status join_messages(const struct model *model, json_t *input, bool parse_special, struct prompt_text *out,
                               bn_error *err) {
    size_t i;
    json_t *message;
    uint32_t first = 0;
    bn_status status = parse_special ? BN_OK : literal_text_hide(model->literal, input, &first, err);
    json_array_foreach(json_object_get(input, "messages"), i, message) {
        const json_t *content = json_object_get(message, "content");
        buffer_append(&out->text, json_string_value(content), json_string_length(content));
    }
    return status ? status : literal_text_restore(model->literal, first, out, err);
}

bool chat_render_prompt(const struct model *model, const struct chat *chat, const json_t *body, struct prompt_text *out,
                        struct failure *failure) {
    bn_error error = {0};
    bool parse_special = json_bool_or(body, "parse_special", false);
    prompt_text_init(out);
    json_t *input = template_input(model->preset, body, failure);
    if (!input) return failure->status ? false : out_of_memory(failure);
    bn_status status = chat ? chat_render(chat, input, parse_special, out, &error)
                            : join_messages(model, input, parse_special, out, &error);
    bool ok = succeeded(failure, status, &error);
    if (!ok && !*failure->param) snprintf(failure->param, sizeof failure->param, "messages");
    json_decref(input);
    return ok && (!out->text.failed || out_of_memory(failure));
}

static bool ends_with(const struct buffer *text, const char *word) {
    size_t end = text->size, n = strlen(word);
    while (end && (text->data[end - 1] == '\n' || text->data[end - 1] == ' ')) end--;
    return end >= n && memcmp(text->data + end - n, word, n) == 0;
}

bool chat_request_prompt(struct chat_request *request, const struct chat *chat, const json_t *body,
                         struct failure *failure) {
    const struct model *model = request->model;
    struct generation_prompt *prompt = &request->prompt;
    struct prompt_text text;
    bn_error error = {0};
    bool ok = chat_render_prompt(model, chat, body, &text, failure);
    if (ok) {
        bn_free(prompt->ids);
        *prompt = (struct generation_prompt){0};
        request->in_reasoning = ends_with(&text.text, "<think>");
        bn_status status =
            chat ? chat_encode_prompt(chat, &text, &prompt->ids, &prompt->n_ids, &error)
                 : encode_prompt_text(model->tokenizer, &text, true, &prompt->ids, &prompt->n_ids, &error);
        ok = succeeded(failure, status, &error);
    }
    prompt_text_release(&text);
    return ok;
}

bool chat_request_settle(struct chat_request *request, struct failure *failure) {
    bn_grammar **grammar = &request->settings.options.grammar;
    if (request->prompt.n_ids >= request->model->context_length)
        return refuse_overflow(failure, request->prompt.n_ids, request->model->context_length);
    return !*grammar || !request->in_reasoning || constraint_after(request->model, "</think>", grammar, failure);
}

/* ---- the rest ---- */

/* May the answer begin with thoughts, in which a mark of calls may be talked about? */
static bool thinks_aloud(const struct model *model, const json_t *body) {
    const json_t *enabled = json_object_get(json_member(body, "chat_template_kwargs"), "enable_thinking");
    return !json_is_false(enabled) && model->chat_template && strstr(model->chat_template, "<think>");
}

/* Both a call and text of a format may come. Where that can't be told apart, or held, the answer is what the format says: no call
 * can begin, and nothing is taken for one. Functions that couldn't be held without the format either are refused. */
static bool hold_calls_or_text(struct chat_request *request, struct tool_constraint *calls, struct failure *failure) {
    bn_grammar **grammar = &request->settings.options.grammar, *text = *grammar, *both = NULL, *alone = NULL;
    struct failure ignored = {0};
    calls->text = text;
    if (!request->tool_syntax->begin || !constraint_of_tools(request->model, calls, &both, &ignored)) {
        request->tools = TOOLS_NONE;
        calls->text = NULL;
        bool ok = constraint_of_tools(request->model, calls, &alone, failure);
        bn_grammar_release(alone);
        return ok;
    }
    request->calls_first = true;
    *grammar = both;
    bn_grammar_release(text);
    return true;
}

/* "auto": text until a call begins; "required", or {"function": {"name"}}: a call, whatever format text should have. */
static bool hold_calls(struct chat_request *request, const json_t *body, struct failure *failure) {
    bn_grammar **grammar = &request->settings.options.grammar;
    const json_t *choice = json_member(body, "tool_choice");
    struct tool_constraint calls = {.tools = json_member(body, "tools"),
                                    .syntax = request->tool_syntax,
                                    .parallel = request->parallel_calls,
                                    .thoughts = thinks_aloud(request->model, body)};
    const char *word = json_is_string(choice) ? json_string_value(choice) : choice ? "required" : "auto";
    if (json_is_object(choice)) {
        calls.only = json_text_or(json_object_get(choice, "function"), "name", json_text_or(choice, "name", NULL));
        if (!calls.only) return refuse(failure, "tool_choice", "'tool_choice.function.name' must be a string");
        calls.parallel = false;
    }
    calls.required = strcmp(word, "required") == 0;
    if (!calls.required && strcmp(word, "auto") != 0)
        return refuse(failure, "tool_choice", "'tool_choice' must be none, auto, required or a function");
    if (*grammar && !calls.required) return hold_calls_or_text(request, &calls, failure);
    bn_grammar_release(*grammar);
    *grammar = NULL;
    return constraint_of_tools(request->model, &calls, grammar, failure);
}

static bool read_tools(struct chat_request *request, const json_t *body, struct failure *failure) {
    const json_t *tools = json_member(body, "tools"), *choice = json_member(body, "tool_choice");
    size_t n = json_array_size(tools);
    request->parallel_calls = json_bool_or(body, "parallel_tool_calls", true);
    if (choice && n == 0 && !(json_is_string(choice) && strcmp(json_string_value(choice), "none") == 0) &&
        !(json_is_string(choice) && strcmp(json_string_value(choice), "auto") == 0))
        return refuse(failure, "tool_choice", "'tool_choice' needs 'tools'");
    if (!wants_tools(body)) return true;
    request->tool_names = arena_alloc_array(&request->settings.arena, n + 1, sizeof *request->tool_names);
    if (!request->tool_names) return out_of_memory(failure);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_text_or(json_object_get(json_array_get(tools, i), "function"), "name", "");
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, request->tool_names[j]) == 0)
                return refuse(failure, "tools", "'tools' has two functions of the name '%.100s'", name);
        request->tool_names[i] = arena_strndup(&request->settings.arena, name, strlen(name));
        if (!request->tool_names[i]) return out_of_memory(failure);
    }
    request->tool_syntax = bn_tool_syntax_of_template(request->model->chat_template);
    request->tools = tool_syntax_of(request->tool_syntax);
    request->functions = json_incref((json_t *)(uintptr_t)tools);
    return hold_calls(request, body, failure);
}

static bool read_counts(struct chat_request *request, const json_t *body, struct failure *failure) {
    bn_request_options *o = &request->settings.options;
    json_int_t preset = json_integer_or(json_member(request->model->preset, "parameters"), "num_predict", 0);
    json_int_t most = json_integer_or(body, "max_completion_tokens", json_integer_or(body, "max_tokens", preset));
    o->max_tokens = most > 0 ? (size_t)most : 0;
    o->n = (size_t)json_integer_or(body, "n", 1);
    json_int_t top = json_integer_or(body, "top_logprobs", 0);
    if (json_bool_or(body, "logprobs", false))
        o->n_logprobs = (int32_t)min_size((size_t)top, request->model->info.vocab_size);
    else if (top > 0)
        return refuse(failure, "top_logprobs", "'top_logprobs' needs 'logprobs': true");
    request->tokens_wanted = json_bool_or(body, "return_token_ids", false);
    return true;
}

bool chat_request_options(struct chat_request *request, const struct model *model, const json_t *body,
                          struct failure *failure) {
    *request = (struct chat_request){.model = model, .reasoning = true};
    if (!model->tokenizer) return refuse(failure, "model", "the model has no tokenizer: it can't chat");
    return settings_read(&request->settings, body, model, failure) &&
           constraint_read(model, body, &request->settings.options.grammar, failure) &&
           read_counts(request, body, failure) && read_tools(request, body, failure);
}

bool chat_request_read(struct chat_request *request, struct models *models, const json_t *body,
                       struct failure *failure) {
    bn_error error = {0};
    const struct model *model = NULL;
    *request = (struct chat_request){0};
    *failure = (struct failure){0};
    bn_status status = models_acquire(models, json_text_or(body, "model", ""), &model, &error);
    if (!succeeded(failure, status, &error)) {
        if (status == BN_STATUS_NOT_FOUND) snprintf(failure->param, sizeof failure->param, "model");
        return false;
    }
    return chat_request_options(request, model, body, failure) &&
           chat_request_prompt(request, model->chat, body, failure) && chat_request_settle(request, failure);
}

void chat_request_release(struct chat_request *request) {
    bn_free(request->prompt.ids);
    json_decref(request->functions);
    settings_release(&request->settings);
    model_release(request->model);
    *request = (struct chat_request){0};
}
