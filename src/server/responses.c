/* POST /v1/responses: the answer as a list of items, whole or as events; GET and DELETE of those that are stored. An answer
 * is kept with the conversation that led to it, so that previous_response_id can go on from there. */
#include "server/responses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/delivery.h"
#include "server/json_store.h"

static const struct schema_field response_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"input", {.types = SCHEMA_STRING | SCHEMA_ARRAY, .required = true, .help = "a text, or items"}},
    {"instructions", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "what the system says; not carried over"}},
    {"previous_response_id", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"max_output_tokens", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = INT32_MAX}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"store", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "keep it for previous_response_id and GET (true)"}},
    {"background", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"tools", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 1024}},
    {"tool_choice", {.types = SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_NULL}},
    {"parallel_tool_calls", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"text", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .help = "format: text, json_object or json_schema"}},
    {"reasoning", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},
    {"metadata", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .max_size = 16}},
    SETTINGS_FIELDS,
    {0},
};
const struct schema response_request_schema = {
    .name = "ResponseRequest", .types = SCHEMA_OBJECT, .fields = response_fields};

/* ---- the request in the common form ---- */

static bool add_call(json_t *messages, const json_t *item, const char *place, struct failure *failure) {
    const char *name = json_text_or(item, "name", NULL);
    if (!name) return refuse(failure, place, "'%s.name' must be a string", place);
    json_t *call = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", json_text_or(item, "call_id", ""), "type", "function",
                             "function", "name", name, "arguments", json_text_or(item, "arguments", "{}"));
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *calls = json_object_get(last, "tool_calls");
    if (calls) /* calls beside each other are one message */
        return json_array_append_new(calls, call) == 0 || succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    json_array_append_new(messages,
                          json_pack("{s:s, s:s, s:[o]}", "role", "assistant", "content", "", "tool_calls", call));
    return true;
}

static bool add_item(json_t *messages, const json_t *item, size_t index, struct failure *failure) {
    const char *type = json_text_or(item, "type", "message");
    const char *role = json_text_or(item, "role", NULL);
    json_t *content = json_object_get(item, "content"), *output = json_object_get(item, "output");
    char place[SCHEMA_PATH_BYTES];
    snprintf(place, sizeof place, "input[%zu]", index);
    if (strcmp(type, "function_call") == 0) return add_call(messages, item, place, failure);
    if (strcmp(type, "reasoning") == 0) return true; /* the model thinks anew */
    if (strcmp(type, "function_call_output") == 0) {
        if (!json_is_string(output) && !json_is_array(output))
            return refuse(failure, place, "'%s.output' must be a text", place);
        json_array_append_new(messages, json_pack("{s:s, s:s, s:O}", "role", "tool", "tool_call_id",
                                                  json_text_or(item, "call_id", ""), "content", output));
        return true;
    }
    if (strcmp(type, "message") != 0)
        return refuse(failure, place, "'%s' is of type '%.40s', which isn't supported", place, type);
    bool known = role && (!strcmp(role, "user") || !strcmp(role, "assistant") || !strcmp(role, "system") ||
                          !strcmp(role, "developer"));
    if (!known || (!json_is_string(content) && !json_is_array(content)))
        return refuse(failure, place, "'%s' needs a 'role' (user, assistant, system, developer) and a 'content'",
                      place);
    json_array_append_new(messages, json_pack("{s:s, s:O}", "role", role, "content", content));
    return true;
}

static bool add_input(json_t *messages, const json_t *input, struct failure *failure) {
    if (json_is_string(input)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", input));
        return true;
    }
    if (json_array_size(input) == 0) return refuse(failure, "input", "'input' is empty");
    for (size_t i = 0; i < json_array_size(input); i++) {
        if (!json_is_object(json_array_get(input, i)))
            return refuse(failure, "input", "'input[%zu]' must be of type object", i);
        if (!add_item(messages, json_array_get(input, i), i, failure)) return false;
    }
    return true;
}

/* The conversation without instructions: what was stored, and the new input. */
static json_t *conversation_of(const struct api *api, const json_t *body, struct failure *failure) {
    const char *previous = json_text_or(body, "previous_response_id", NULL);
    json_t *messages = NULL;
    if (previous) {
        json_t *stored = json_store_get(api->responses, previous);
        if (!stored) {
            refuse(failure, "previous_response_id", "There is no response '%.80s'", previous);
            failure->status = 404;
            failure->code = "previous_response_not_found";
            return NULL;
        }
        messages = json_incref(json_object_get(stored, "messages"));
        json_decref(stored);
    } else {
        messages = json_array();
    }
    if (add_input(messages, json_object_get(body, "input"), failure)) return messages;
    json_decref(messages);
    return NULL;
}

static bool add_tools(json_t *out, const json_t *body, struct failure *failure) {
    const json_t *tools = json_member(body, "tools");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const char *type = json_text_or(tool, "type", ""), *name = json_text_or(tool, "name", NULL);
        char place[64];
        snprintf(place, sizeof place, "tools[%zu]", i);
        if (strcmp(type, "function") != 0 || !name) {
            json_decref(list);
            return refuse(failure, place,
                          name ? "'%s' is of type '%.40s': functions are supported"
                               : "'%s' is of type '%.40s', or has no 'name'",
                          place, type);
        }
        json_t *function = json_pack("{s:s}", "name", name);
        if (json_member(tool, "description"))
            json_object_set(function, "description", json_object_get(tool, "description"));
        if (json_member(tool, "parameters"))
            json_object_set(function, "parameters", json_object_get(tool, "parameters"));
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    if (json_array_size(list)) json_object_set(out, "tools", list);
    json_decref(list);
    if (json_member(body, "tool_choice")) json_object_set(out, "tool_choice", json_object_get(body, "tool_choice"));
    if (json_member(body, "parallel_tool_calls"))
        json_object_set(out, "parallel_tool_calls", json_object_get(body, "parallel_tool_calls"));
    return true;
}

/* {"type": "json_schema", "name", "schema"}: of what chats have it's one of the forms. */
static void add_format(json_t *out, const json_t *body) {
    json_t *format = json_member(json_member(body, "text"), "format");
    if (format) json_object_set(out, "response_format", format);
}

/* Everything that both bodies call alike stays; the rest is rewritten. */
static json_t *common_body(const json_t *body, const json_t *conversation, struct failure *failure) {
    static const char *const own[] = {"input",
                                      "instructions",
                                      "previous_response_id",
                                      "max_output_tokens",
                                      "store",
                                      "background",
                                      "tools",
                                      "text",
                                      "reasoning",
                                      "metadata",
                                      "stream",
                                      "tool_choice"};
    json_t *out = json_copy((json_t *)body), *messages = json_array();
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) json_object_del(out, own[i]);
    if (json_member(body, "instructions"))
        json_array_append_new(
            messages, json_pack("{s:s, s:O}", "role", "system", "content", json_object_get(body, "instructions")));
    json_array_extend(messages, (json_t *)conversation);
    json_object_set_new(out, "messages", messages);
    if (json_member(body, "max_output_tokens"))
        json_object_set(out, "max_tokens", json_object_get(body, "max_output_tokens"));
    json_t *effort = json_member(json_member(body, "reasoning"), "effort");
    if (effort) json_object_set(out, "reasoning_effort", effort);
    add_format(out, body);
    json_object_set_new(out, "add_generation_prompt", json_true()); /* an answer is never continued here */
    if (add_tools(out, body, failure)) return out;
    json_decref(out);
    return NULL;
}

/* ---- the answer ---- */

enum item { ITEM_NONE, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

struct response {
    struct delivery delivery;
    struct json_store *store; /* NULL: it isn't to be kept */
    json_t *shown;            /* the members that say what was asked for */
    json_t *messages;         /* the conversation up to here */
    json_t *output;           /* items that are complete */
    enum item open;
    char item_id[40];
    struct buffer text; /* of the open item */
    const struct answer_call *call;
    size_t sequence;
    bool begun;
};

static json_t *buffer_json(const struct buffer *text) {
    return json_text(text->data ? text->data : "", text->size);
}

static json_t *usage_json_of(const bn_usage *u) {
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", (json_int_t)u->prompt_tokens,
                     "input_tokens_details", "cached_tokens", (json_int_t)u->cached_tokens, "output_tokens",
                     (json_int_t)u->output_tokens, "output_tokens_details", "reasoning_tokens", (json_int_t)0,
                     "total_tokens", (json_int_t)(u->prompt_tokens + u->output_tokens));
}

/* The response as it stands. usage NULL: not over. */
static json_t *response_json(const struct response *r, const char *status, const bn_usage *usage) {
    const struct delivery *d = &r->delivery;
    json_t *out = json_pack("{s:s, s:s, s:I, s:s, s:n, s:n, s:s, s:o}", "id", d->id, "object", "response", "created_at",
                            (json_int_t)d->created, "status", status, "error", "incomplete_details", "model",
                            d->model->name, "output", usage ? json_incref(r->output) : json_array());
    json_object_update(out, r->shown);
    if (strcmp(status, "incomplete") == 0)
        json_object_set_new(out, "incomplete_details", json_pack("{s:s}", "reason", "max_output_tokens"));
    json_object_set_new(out, "usage", usage ? usage_json_of(usage) : json_null());
    return out;
}

/* Sends an event; the value is stolen. */
static void emit(struct response *r, const char *type, json_t *event) {
    if (!r->delivery.stream) {
        json_decref(event);
        return;
    }
    json_object_set_new(event, "type", json_string(type));
    json_object_set_new(event, "sequence_number", json_integer((json_int_t)r->sequence++));
    delivery_event_json(&r->delivery, type, event);
}

static void begin(struct response *r) {
    if (r->begun) return;
    r->begun = true;
    emit(r, "response.created", json_pack("{s:o}", "response", response_json(r, "in_progress", NULL)));
    emit(r, "response.in_progress", json_pack("{s:o}", "response", response_json(r, "in_progress", NULL)));
}

static json_int_t index_of(const struct response *r) {
    return (json_int_t)json_array_size(r->output);
}

static json_t *text_part(const struct response *r, bool whole) {
    json_t *text = whole ? buffer_json(&r->text) : json_string("");
    if (r->open == ITEM_REASONING) return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", text);
    return json_pack("{s:s, s:o, s:[], s:[]}", "type", "output_text", "text", text, "annotations", "logprobs");
}

static json_t *item_json(const struct response *r, bool whole) {
    const char *status = whole ? "completed" : "in_progress";
    if (r->open == ITEM_CALL)
        return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "type", "function_call", "id", r->item_id, "call_id",
                         r->call->id, "name", buffer_json(&r->call->name), "arguments",
                         whole ? buffer_json(&r->text) : json_string(""), "status", status);
    json_t *content = json_array();
    if (whole) json_array_append_new(content, text_part(r, true));
    if (r->open == ITEM_REASONING)
        return json_pack("{s:s, s:s, s:[], s:o, s:s}", "type", "reasoning", "id", r->item_id, "summary", "content",
                         content, "status", status);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "type", "message", "id", r->item_id, "status", status, "role",
                     "assistant", "content", content);
}

static void close_item(struct response *r) {
    if (r->open == ITEM_NONE) return;
    json_int_t index = index_of(r);
    if (r->open == ITEM_CALL) {
        emit(r, "response.function_call_arguments.done",
             json_pack("{s:s, s:I, s:o, s:o}", "item_id", r->item_id, "output_index", index, "arguments",
                       buffer_json(&r->text), "name", buffer_json(&r->call->name)));
    } else {
        const char *done = r->open == ITEM_MESSAGE ? "response.output_text.done" : "response.reasoning_text.done";
        emit(r, done,
             json_pack("{s:s, s:I, s:i, s:o, s:[]}", "item_id", r->item_id, "output_index", index, "content_index", 0,
                       "text", buffer_json(&r->text), "logprobs"));
        emit(r, "response.content_part.done",
             json_pack("{s:s, s:I, s:i, s:o}", "item_id", r->item_id, "output_index", index, "content_index", 0, "part",
                       text_part(r, true)));
    }
    json_t *item = item_json(r, true);
    emit(r, "response.output_item.done", json_pack("{s:I, s:O}", "output_index", index, "item", item));
    json_array_append_new(r->output, item);
    buffer_clear(&r->text);
    r->open = ITEM_NONE;
}

static void open_item(struct response *r, enum item kind, const struct answer_call *call) {
    static const char *const prefixes[] = {"", "msg_", "rs_", "fc_"};
    begin(r);
    close_item(r);
    r->open = kind;
    r->call = call;
    make_id(r->item_id, sizeof r->item_id, prefixes[kind]);
    emit(r, "response.output_item.added",
         json_pack("{s:I, s:o}", "output_index", index_of(r), "item", item_json(r, false)));
    if (kind == ITEM_CALL) return;
    emit(r, "response.content_part.added",
         json_pack("{s:s, s:I, s:i, s:o}", "item_id", r->item_id, "output_index", index_of(r), "content_index", 0,
                   "part", text_part(r, false)));
}

static void add_text(struct response *r, enum item kind, const char *event, const char *text, size_t n) {
    if (r->open != kind) open_item(r, kind, NULL);
    buffer_append(&r->text, text, n);
    emit(r, event,
         json_pack("{s:s, s:I, s:i, s:o, s:[]}", "item_id", r->item_id, "output_index", index_of(r), "content_index", 0,
                   "delta", json_text(text, n), "logprobs"));
}

static void on_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    (void)choice;
    add_text(context, ITEM_MESSAGE, "response.output_text.delta", text, n);
}

static void on_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    (void)choice;
    add_text(context, ITEM_REASONING, "response.reasoning_text.delta", text, n);
}

static void on_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    (void)choice;
    open_item(context, ITEM_CALL, call);
}

static void on_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                              const char *text, size_t n) {
    struct response *r = context;
    (void)choice;
    r->call = call; /* calls may move as more come */
    buffer_append(&r->text, text, n);
    emit(r, "response.function_call_arguments.delta",
         json_pack("{s:s, s:I, s:o}", "item_id", r->item_id, "output_index", index_of(r), "delta", json_text(text, n)));
}

static void on_call_end(void *context, struct answer_choice *choice, const struct answer_call *call) {
    struct response *r = context;
    (void)choice;
    r->call = call;
    close_item(r);
}

/* The answer as a message of the conversation, and both into the store. */
static void keep(struct response *r, json_t *response) {
    const struct answer_choice *choice = answer_choice(r->delivery.answer, 0);
    if (!r->store) return;
    json_t *message = json_pack("{s:s, s:o}", "role", "assistant", "content", buffer_json(&choice->text));
    json_t *calls = json_array();
    for (size_t i = 0; i < choice->n_calls; i++)
        json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:o, s:o}}", "id", choice->calls[i].id, "type",
                                               "function", "function", "name", buffer_json(&choice->calls[i].name),
                                               "arguments", buffer_json(&choice->calls[i].arguments)));
    if (json_array_size(calls)) json_object_set(message, "tool_calls", calls);
    json_decref(calls);
    json_array_append_new(r->messages, message);
    json_t *stored = json_pack("{s:O, s:O}", "response", response, "messages", r->messages);
    json_store_put(r->store, r->delivery.id, stored);
    json_decref(stored);
}

static void on_end(void *context, const struct failure *failure) {
    struct response *r = context;
    struct delivery *d = &r->delivery;
    if (!delivery_succeeded(d, failure, "error", NULL)) return;
    const struct answer_choice *choice = answer_choice(d->answer, 0);
    const bn_usage usage = answer_usage(d->answer);
    bool cut = !choice->finish_reason || strcmp(choice->finish_reason, "length") == 0;
    const char *status = cut ? "incomplete" : "completed";
    begin(r);
    if (r->open == ITEM_NONE && index_of(r) == 0) open_item(r, ITEM_MESSAGE, NULL); /* the model had nothing to say */
    close_item(r);
    json_t *response = response_json(r, status, &usage);
    keep(r, response);
    if (!d->stream) {
        delivery_respond(d, response);
        return;
    }
    emit(r, cut ? "response.incomplete" : "response.completed", json_pack("{s:o}", "response", response));
    exchange_end(d->exchange);
}

static const struct answer_format format = {
    .text = on_text,
    .reasoning = on_reasoning,
    .call_begin = on_call_begin,
    .call_arguments = on_call_arguments,
    .call_end = on_call_end,
    .end = on_end,
};

/* ---- the routes ---- */

static void release(void *context) {
    struct response *r = context;
    json_decref(r->shown);
    json_decref(r->messages);
    json_decref(r->output);
    buffer_release(&r->text);
}

static json_t *or_null(const json_t *body, const char *name) {
    json_t *value = json_object_get(body, name);
    return value ? json_incref(value) : json_null();
}

static json_t *or_empty(const json_t *body, const char *name, json_t *otherwise) {
    json_t *value = json_member(body, name);
    if (!value) return otherwise;
    json_decref(otherwise);
    return json_incref(value);
}

static json_t *shown_of(const json_t *body, const struct settings *settings) {
    json_t *text = json_pack("{s:{s:s}}", "format", "type", "text");
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:f, s:f, s:o, s:s, s:o, s:b, s:o, s:o}", "instructions",
                     or_null(body, "instructions"), "max_output_tokens", or_null(body, "max_output_tokens"), "metadata",
                     or_empty(body, "metadata", json_object()), "previous_response_id",
                     or_null(body, "previous_response_id"), "reasoning",
                     or_empty(body, "reasoning", json_pack("{s:n, s:n}", "effort", "summary")), "store",
                     json_bool_or(body, "store", true), "temperature", (double)settings->options.sampling.temperature,
                     "top_p", (double)settings->options.sampling.top_p, "text", or_empty(body, "text", text),
                     "truncation", "disabled", "tool_choice", or_empty(body, "tool_choice", json_string("auto")),
                     "parallel_tool_calls", json_bool_or(body, "parallel_tool_calls", true), "tools",
                     or_empty(body, "tools", json_array()), "user", or_null(body, "user"));
}

/* The request of a body; *conversation: without instructions, a new reference. */
static bool read_request(const struct api *api, struct exchange *exchange, const json_t *body,
                         struct chat_request *request, json_t **conversation, struct failure *failure) {
    *conversation = NULL;
    if (json_bool_or(body, "background", false))
        return refuse(failure, "background", "'background' isn't supported: use /v1/batches");
    *conversation = conversation_of(api, body, failure);
    json_t *common = *conversation ? common_body(body, *conversation, failure) : NULL;
    bool ok = common && api_chat_request(api, exchange, common, request, failure);
    json_decref(common);
    return ok;
}

void handle_responses(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const json_t *body = exchange_request(exchange)->json;
    struct chat_request request;
    struct failure failure = {0};
    bool stream = json_bool_or(body, "stream", false);
    struct response *r = delivery_create(exchange, sizeof *r, "resp_", stream, release);
    if (!r) return;
    if (!read_request(api, exchange, body, &request, &r->messages, &failure)) {
        delivery_refuse(&r->delivery, &failure);
        return;
    }
    r->output = json_array();
    r->shown = shown_of(body, &request.settings);
    r->store = json_bool_or(body, "store", true) ? api->responses : NULL;
    delivery_start_answer(&r->delivery, &request, &format);
}

static void no_such_response(struct exchange *exchange, const char *id) {
    const struct api_error error = {.status = 404, .code = "response_not_found", .param = "response_id"};
    exchange_fail(exchange, &error, "There is no response '%s'", id);
}

void handle_response_get(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *stored = json_store_get(api->responses, id);
    if (stored)
        exchange_respond_json(exchange, 200, json_incref(json_object_get(stored, "response")));
    else
        no_such_response(exchange, id);
    json_decref(stored);
}

void handle_response_delete(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    if (!json_store_delete(api->responses, id)) {
        no_such_response(exchange, id);
        return;
    }
    exchange_respond_json(exchange, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "response", "deleted", 1));
}

void handle_response_input_tokens(struct exchange *exchange, void *service) {
    struct chat_request request;
    struct failure failure = {0};
    json_t *conversation;
    bool ok = read_request(service, exchange, exchange_request(exchange)->json, &request, &conversation, &failure);
    json_decref(conversation);
    if (!ok) {
        failure_send(exchange, &failure);
        return;
    }
    json_int_t n = (json_int_t)request.prompt.n_ids;
    chat_request_release(&request);
    exchange_respond_json(exchange, 200, json_pack("{s:s, s:I}", "object", "response.input_tokens", "input_tokens", n));
}
