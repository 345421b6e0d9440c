/* POST /v1/responses: the answer as a list of items, whole or as events; GET and DELETE of those that are stored. An answer
 * is kept with the conversation that led to it, so that previous_response_id can go on from there and input_items list
 * it. */
#include "server/responses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/delivery.h"
#include "server/items.h"
#include "server/json_store.h"
#include "server/page.h"

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

static bool add_input(json_t *messages, const json_t *input, struct failure *failure) {
    if (json_is_string(input)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", input));
        return true;
    }
    if (json_array_size(input) == 0) return refuse(failure, "input", "'input' is empty");
    for (size_t i = 0; i < json_array_size(input); i++) {
        char place[32];
        snprintf(place, sizeof place, "input[%zu]", i);
        if (!json_is_object(json_array_get(input, i)))
            return refuse(failure, "input", "'%s' must be of type object", place);
        if (!item_to_message(messages, json_array_get(input, i), place, failure)) return false;
    }
    return true;
}

/* What a request is about, without instructions. */
struct conversation {
    json_t *messages; /* of a chat */
    json_t *items;    /* the same, as input_items lists it */
};

static void conversation_release(struct conversation *c) {
    json_decref(c->messages);
    json_decref(c->items);
    *c = (struct conversation){0};
}

/* What a stored response was about, and what it said. */
static bool take_up(const struct api *api, const char *id, struct conversation *c, struct failure *failure) {
    json_t *stored = json_store_get(api->responses, id);
    if (!stored) {
        refuse(failure, "previous_response_id", "There is no response '%.80s'", id);
        failure->status = 404;
        failure->code = "previous_response_not_found";
        return false;
    }
    json_array_extend(c->messages, json_object_get(stored, "messages"));
    json_array_extend(c->items, json_object_get(stored, "items"));
    json_array_extend(c->items, json_object_get(json_object_get(stored, "response"), "output"));
    json_decref(stored);
    return true;
}

static bool conversation_read(struct conversation *c, const struct api *api, const json_t *body,
                              struct failure *failure) {
    const char *previous = json_text_or(body, "previous_response_id", NULL);
    const json_t *input = json_object_get(body, "input");
    *c = (struct conversation){.messages = json_array(), .items = json_array()};
    if (!c->messages || !c->items) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    if ((previous && !take_up(api, previous, c, failure)) || !add_input(c->messages, input, failure)) return false;
    items_add_listed(c->items, input);
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
    if (item_tools_to_chat(out, body, failure)) return out;
    json_decref(out);
    return NULL;
}

/* ---- the answer ---- */

struct response {
    struct delivery delivery;
    struct json_store *store;         /* NULL: it isn't to be kept */
    json_t *shown;                    /* the members that say what was asked for */
    struct conversation conversation; /* up to here */
    struct item_writer writer;
    size_t sequence;
    bool begun;
};

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
                            d->model->name, "output", usage ? json_incref(r->writer.output) : json_array());
    json_object_update(out, r->shown);
    if (strcmp(status, "incomplete") == 0)
        json_object_set_new(out, "incomplete_details", json_pack("{s:s}", "reason", "max_output_tokens"));
    json_object_set_new(out, "usage", usage ? usage_json_of(usage) : json_null());
    return out;
}

static void send_event(struct response *r, const char *type, json_t *event) {
    json_object_set_new(event, "type", json_string(type));
    json_object_set_new(event, "sequence_number", json_integer((json_int_t)r->sequence++));
    delivery_event_json(&r->delivery, type, event);
}

/* Sends an event, after those that every stream begins with; the value is stolen. */
static void emit(void *context, const char *type, json_t *event) {
    static const char *const first[] = {"response.created", "response.in_progress"};
    struct response *r = context;
    if (!r->delivery.stream) {
        json_decref(event);
        return;
    }
    for (size_t i = 0; i < 2 && !r->begun; i++)
        send_event(r, first[i], json_pack("{s:o}", "response", response_json(r, "in_progress", NULL)));
    r->begun = true;
    send_event(r, type, event);
}

/* The answer as a message of the conversation, and both into the store. */
static void keep(struct response *r, json_t *response) {
    const struct answer_choice *choice = answer_choice(r->delivery.answer, 0);
    if (!r->store) return;
    json_t *message =
        json_pack("{s:s, s:o}", "role", "assistant", "content", json_text(choice->text.data, choice->text.size));
    json_t *calls = json_array();
    for (size_t i = 0; i < choice->n_calls; i++)
        json_array_append_new(
            calls, json_pack("{s:s, s:s, s:{s:o, s:o}}", "id", choice->calls[i].id, "type", "function", "function",
                             "name", json_text(choice->calls[i].name.data, choice->calls[i].name.size), "arguments",
                             json_text(choice->calls[i].arguments.data, choice->calls[i].arguments.size)));
    if (json_array_size(calls)) json_object_set(message, "tool_calls", calls);
    json_decref(calls);
    json_array_append_new(r->conversation.messages, message);
    json_t *stored = json_pack("{s:O, s:O, s:O}", "response", response, "messages", r->conversation.messages, "items",
                               r->conversation.items);
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
    item_writer_need_one(&r->writer);
    item_writer_close(&r->writer, !cut);
    json_t *response = response_json(r, status, &usage);
    keep(r, response);
    if (!d->stream) {
        delivery_respond(d, response);
        return;
    }
    emit(r, cut ? "response.incomplete" : "response.completed", json_pack("{s:o}", "response", response));
    exchange_end(d->exchange);
}

/* ---- the routes ---- */

static void release(void *context) {
    struct response *r = context;
    json_decref(r->shown);
    conversation_release(&r->conversation);
    item_writer_release(&r->writer);
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

/* The request of a body; the conversation is to be released either way. */
static bool read_request(const struct api *api, const char *client, const json_t *body, struct chat_request *request,
                         struct conversation *conversation, struct failure *failure) {
    *conversation = (struct conversation){0};
    if (json_bool_or(body, "background", false))
        return refuse(failure, "background", "'background' isn't supported: use /v1/batches");
    if (!conversation_read(conversation, api, body, failure)) return false;
    json_t *common = common_body(body, conversation->messages, failure);
    bool ok = common && api_chat_request(api, client, common, request, failure);
    if (!ok && json_member(json_member(body, "text"), "format"))
        failure_rename(failure, "response_format", "text.format");
    json_decref(common);
    return ok;
}

void answer_response(struct api *api, const json_t *body, const struct asker *asker) {
    struct chat_request request;
    struct failure failure = {0};
    bool stream = json_bool_or(body, "stream", false);
    struct response *r = delivery_create_for(asker, sizeof *r, "resp_", stream, release);
    if (!r) return;
    bool ready = item_writer_init(&r->writer) || succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
    if (!ready || !read_request(api, asker->client, body, &request, &r->conversation, &failure)) {
        delivery_refuse(&r->delivery, &failure);
        return;
    }
    r->writer.emit = emit;
    r->writer.end = on_end;
    r->writer.context = r;
    r->shown = shown_of(body, &request.settings);
    r->store = json_bool_or(body, "store", true) ? api->responses : NULL;
    delivery_start_answer(&r->delivery, &request, &item_answer_format, &r->writer);
}

void handle_responses(struct exchange *exchange, void *service) {
    const struct asker asker = asker_of(exchange);
    answer_response(service, exchange_request(exchange)->json, &asker);
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

/* Answers are given while their request waits, so there is never one to be stopped here. */
void handle_response_cancel(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *stored = json_store_get(api->responses, id);
    const struct api_error error = {.status = 400, .param = "response_id"};
    if (stored)
        exchange_fail(exchange, &error, "The response '%s' isn't made in the background: it can't be cancelled", id);
    else
        no_such_response(exchange, id);
    json_decref(stored);
}

void handle_response_input_items(struct exchange *exchange, void *service) {
    const struct api *api = service;
    const char *id = exchange_parameter(exchange, "id");
    json_t *stored = json_store_get(api->responses, id);
    if (stored)
        exchange_respond_page(exchange, json_incref(json_object_get(stored, "items")), 20, 100);
    else
        no_such_response(exchange, id);
    json_decref(stored);
}

void handle_response_input_tokens(struct exchange *exchange, void *service) {
    struct chat_request request;
    struct failure failure = {0};
    struct conversation conversation;
    const struct request *asked = exchange_request(exchange);
    bool ok = read_request(service, asked->client, asked->json, &request, &conversation, &failure);
    conversation_release(&conversation);
    if (!ok) {
        failure_send(exchange, &failure);
        return;
    }
    json_int_t n = (json_int_t)request.prompt.n_ids;
    chat_request_release(&request);
    exchange_respond_json(exchange, 200, json_pack("{s:s, s:I}", "object", "response.input_tokens", "input_tokens", n));
}
