/* The Anthropic Messages API: POST /v1/messages and /v1/messages/count_tokens. Bodies are rewritten to the common form,
 * answers written as blocks. */
#include "server/anthropic.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/constraint.h"
#include "server/delivery.h"

static const struct schema_field message_fields[] = {
    {"role", {.types = SCHEMA_STRING, .required = true, .values = "user|assistant|system"}},
    {"content", {.types = SCHEMA_STRING | SCHEMA_ARRAY, .required = true}},
    {0},
};
static const struct schema_field tool_fields[] = {
    {"name", {.types = SCHEMA_STRING, .required = true, .min_size = 1, .max_size = 256}},
    {"description", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"input_schema", {.types = SCHEMA_OBJECT, .required = true}},
    {0},
};
#define MESSAGES_FIELDS                                                                                                \
    {"model", {.types = SCHEMA_STRING, .required = true}},                                                             \
        {"messages",                                                                                                   \
         {.types = SCHEMA_ARRAY,                                                                                       \
          .required = true,                                                                                            \
          .min_size = 1,                                                                                               \
          .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = message_fields}}},                         \
        {"system", {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL}},                                             \
        {"tools",                                                                                                      \
         {.types = SCHEMA_ARRAY | SCHEMA_NULL,                                                                         \
          .max_size = 1024,                                                                                            \
          .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = tool_fields}}},                            \
    {                                                                                                                  \
        "tool_choice", {                                                                                               \
            .types = SCHEMA_OBJECT | SCHEMA_NULL                                                                       \
        }                                                                                                              \
    }

static const struct schema_field messages_fields[] = {
    MESSAGES_FIELDS,
    {"max_tokens", {.types = SCHEMA_INTEGER, .required = true, .min = 1, .max = INT32_MAX}},
    {"stop_sequences",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 256,
      .items = &(const struct schema){.types = SCHEMA_STRING, .min_size = 1, .max_size = 4096}}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"temperature", {.types = SCHEMA_NUMBER | SCHEMA_NULL, .min = 0, .max = 100}},
    {"top_p", {.types = SCHEMA_NUMBER | SCHEMA_NULL, .min = 0, .max = 1}},
    {"top_k", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = INT32_MAX}},
    {0},
};
const struct schema messages_request_schema = {
    .name = "MessagesRequest", .types = SCHEMA_OBJECT, .fields = messages_fields};

static const struct schema_field count_fields[] = {MESSAGES_FIELDS, {0}};
const struct schema count_tokens_request_schema = {
    .name = "CountTokensRequest", .types = SCHEMA_OBJECT, .fields = count_fields};

/* ---- the request in the common form ---- */

/* The text of a string or of blocks; false, with the failure set, where a block is none. */
static bool text_of(const json_t *content, const char *place, struct buffer *out, struct failure *failure) {
    if (json_is_string(content)) buffer_append(out, json_string_value(content), json_string_length(content));
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i), *text = json_object_get(block, "text");
        const char *type = json_text_or(block, "type", "");
        if (strcmp(type, "text") != 0 || !json_is_string(text))
            return refuse(failure, place, "'%s[%zu]' is of type '%.40s': this server's models read text only", place, i,
                          type);
        if (out->size) buffer_append_char(out, '\n');
        buffer_append(out, json_string_value(text), json_string_length(text));
    }
    return true;
}

static json_t *buffer_json(const struct buffer *text) {
    return json_text(text->data ? text->data : "", text->size);
}

static bool add_tool_result(json_t *messages, const json_t *block, const char *place, struct failure *failure) {
    struct buffer text = {0};
    bool ok = text_of(json_object_get(block, "content"), place, &text, failure);
    if (ok)
        json_array_append_new(messages,
                              json_pack("{s:s, s:s, s:o}", "role", "tool", "tool_call_id",
                                        json_text_or(block, "tool_use_id", ""), "content", buffer_json(&text)));
    buffer_release(&text);
    return ok;
}

static void add_tool_use(json_t *calls, const json_t *block) {
    char *arguments = json_dumps(json_object_get(block, "input"), JSON_COMPACT | JSON_ENCODE_ANY);
    json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", json_text_or(block, "id", ""), "type",
                                           "function", "function", "name", json_text_or(block, "name", ""), "arguments",
                                           arguments ? arguments : "{}"));
    free(arguments); /* jansson's own memory */
}

/* Results of tools come before what the user says beside them. */
static bool add_blocks(json_t *messages, const char *role, const json_t *blocks, size_t index,
                       struct failure *failure) {
    struct buffer text = {0};
    json_t *calls = json_array();
    bool ok = true, any_text = false;
    for (size_t i = 0; ok && i < json_array_size(blocks); i++) {
        const json_t *block = json_array_get(blocks, i);
        const char *type = json_text_or(block, "type", "");
        char place[SCHEMA_PATH_BYTES];
        snprintf(place, sizeof place, "messages[%zu].content[%zu]", index, i);
        if (strcmp(type, "tool_result") == 0) {
            ok = add_tool_result(messages, block, place, failure);
        } else if (strcmp(type, "tool_use") == 0) {
            add_tool_use(calls, block);
        } else if (strcmp(type, "thinking") != 0 && strcmp(type, "redacted_thinking") != 0) {
            json_t *one = json_pack("[O]", block);
            ok = text_of(one, place, &text, failure);
            any_text = true;
            json_decref(one);
        }
    }
    if (ok && (any_text || json_array_size(calls))) {
        json_t *message = json_pack("{s:s, s:o}", "role", role, "content", buffer_json(&text));
        if (json_array_size(calls)) json_object_set(message, "tool_calls", calls);
        json_array_append_new(messages, message);
    }
    buffer_release(&text);
    json_decref(calls);
    return ok;
}

static json_t *messages_of(const json_t *body, struct failure *failure) {
    const json_t *system = json_member(body, "system");
    json_t *messages = json_array(), *message;
    struct buffer text = {0};
    size_t i;
    bool ok = !system || text_of(system, "system", &text, failure);
    if (ok && text.size)
        json_array_append_new(messages, json_pack("{s:s, s:o}", "role", "system", "content", buffer_json(&text)));
    buffer_release(&text);
    json_array_foreach(json_object_get(body, "messages"), i, message) {
        const json_t *content = json_object_get(message, "content");
        if (ok && json_is_string(content))
            json_array_append(messages, message);
        else if (ok)
            ok = add_blocks(messages, json_text_or(message, "role", "user"), content, i, failure);
    }
    if (ok) return messages;
    json_decref(messages);
    return NULL;
}

static void set_tools(json_t *out, const json_t *body) {
    const json_t *tools = json_member(body, "tools"), *choice = json_member(body, "tool_choice");
    const char *type = json_text_or(choice, "type", "auto");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        json_t *function = json_pack("{s:O, s:O}", "name", json_object_get(tool, "name"), "parameters",
                                     json_object_get(tool, "input_schema"));
        if (json_member(tool, "description"))
            json_object_set(function, "description", json_object_get(tool, "description"));
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", function));
    }
    if (json_array_size(list)) json_object_set(out, "tools", list);
    json_decref(list);
    if (!choice) return;
    if (strcmp(type, "tool") == 0)
        json_object_set_new(
            out, "tool_choice",
            json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", json_text_or(choice, "name", "")));
    else
        json_object_set_new(out, "tool_choice", json_string(strcmp(type, "any") == 0 ? "required" : type));
    if (json_bool_or(choice, "disable_parallel_tool_use", false))
        json_object_set_new(out, "parallel_tool_calls", json_false());
}

static json_t *common_body(const json_t *body, struct failure *failure) {
    static const char *const same[] = {"model", "max_tokens", "temperature",  "top_p",
                                       "top_k", "cache_salt", "parse_special"};
    json_t *messages = messages_of(body, failure);
    if (!messages) return NULL;
    json_t *out = json_pack("{s:o}", "messages", messages);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_member(body, same[i])) json_object_set(out, same[i], json_object_get(body, same[i]));
    constraint_copy(out, body);
    json_t *format = json_member(body, "output_format"), *config = json_member(body, "output_config");
    if (!format) format = json_member(config, "format");
    if (format) json_object_set(out, "response_format", format);
    if (json_member(body, "stop_sequences")) json_object_set(out, "stop", json_object_get(body, "stop_sequences"));
    set_tools(out, body);
    return out;
}

/* ---- the answer ---- */

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

struct message {
    struct delivery delivery;
    enum block open; /* of a stream */
    size_t n_blocks;
    bool begun;
};

static const char *stop_reason_of(const struct answer_choice *choice) {
    if (!choice->finish_reason || strcmp(choice->finish_reason, "length") == 0) return "max_tokens";
    if (choice->n_calls) return "tool_use";
    return *choice->stop ? "stop_sequence" : "end_turn";
}

static json_t *stop_sequence_of(const struct answer_choice *choice) {
    return *choice->stop && !choice->n_calls ? json_text(choice->stop, strlen(choice->stop)) : json_null();
}

static json_t *usage_json_of(size_t input, size_t cached, size_t output) {
    return json_pack("{s:I, s:I, s:I, s:I}", "input_tokens", (json_int_t)(input - min_size(cached, input)),
                     "cache_creation_input_tokens", (json_int_t)0, "cache_read_input_tokens", (json_int_t)cached,
                     "output_tokens", (json_int_t)output);
}

static json_t *content_json(const struct answer_choice *choice) {
    json_t *content = json_array();
    if (choice->reasoning.size)
        json_array_append_new(content, json_pack("{s:s, s:o, s:s}", "type", "thinking", "thinking",
                                                 buffer_json(&choice->reasoning), "signature", ""));
    if (choice->text.size)
        json_array_append_new(content, json_pack("{s:s, s:o}", "type", "text", "text", buffer_json(&choice->text)));
    for (size_t i = 0; i < choice->n_calls; i++)
        json_array_append_new(content, json_pack("{s:s, s:s, s:o, s:o}", "type", "tool_use", "id", choice->calls[i].id,
                                                 "name", buffer_json(&choice->calls[i].name), "input",
                                                 answer_call_arguments(&choice->calls[i])));
    return content;
}

static json_t *message_json(const struct message *message, json_t *content, json_t *stop_reason, json_t *stop_sequence,
                            json_t *usage) {
    const struct delivery *d = &message->delivery;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", d->id, "type", "message", "role", "assistant",
                     "model", d->model->name, "content", content, "stop_reason", stop_reason, "stop_sequence",
                     stop_sequence, "usage", usage);
}

static void whole_end(void *context, const struct failure *failure) {
    struct message *message = context;
    struct delivery *d = &message->delivery;
    if (!delivery_succeeded(d, failure, NULL, NULL)) return;
    const struct answer_choice *choice = answer_choice(d->answer, 0);
    const bn_usage usage = answer_usage(d->answer);
    delivery_respond(d, message_json(message, content_json(choice), json_string(stop_reason_of(choice)),
                                     stop_sequence_of(choice),
                                     usage_json_of(usage.prompt_tokens, usage.cached_tokens, usage.output_tokens)));
}

static const struct answer_format whole_format = {.end = whole_end};

/* ---- the answer in events ---- */

static void begin(struct message *message) {
    struct delivery *d = &message->delivery;
    if (message->begun) return;
    message->begun = true;
    json_t *usage = usage_json_of(answer_prompt(d->answer)->n_ids, 0, 1);
    delivery_event_json(d, "message_start",
                        json_pack("{s:s, s:o}", "type", "message_start", "message",
                                  message_json(message, json_array(), json_null(), json_null(), usage)));
}

static void close_block(struct message *message) {
    if (message->open == BLOCK_NONE) return;
    message->open = BLOCK_NONE;
    delivery_event_json(
        &message->delivery, "content_block_stop",
        json_pack("{s:s, s:I}", "type", "content_block_stop", "index", (json_int_t)(message->n_blocks - 1)));
}

static void open_block(struct message *message, enum block block, json_t *content_block) {
    begin(message);
    close_block(message);
    message->open = block;
    delivery_event_json(&message->delivery, "content_block_start",
                        json_pack("{s:s, s:I, s:o}", "type", "content_block_start", "index",
                                  (json_int_t)message->n_blocks++, "content_block", content_block));
}

static void add_delta(struct message *message, const char *type, const char *member, const char *text, size_t n) {
    struct buffer *line = &message->delivery.line;
    buffer_printf(line, "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":",
                  message->n_blocks - 1, type, member);
    buffer_append_json_string(line, text, n);
    buffer_append_text(line, "}}");
    delivery_event(&message->delivery, "content_block_delta");
}

static void stream_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    struct message *message = context;
    (void)choice;
    if (message->open != BLOCK_TEXT)
        open_block(message, BLOCK_TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""));
    add_delta(message, "text_delta", "text", text, n);
}

static void stream_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    struct message *message = context;
    (void)choice;
    if (message->open != BLOCK_THINKING)
        open_block(message, BLOCK_THINKING,
                   json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
    add_delta(message, "thinking_delta", "thinking", text, n);
}

static void stream_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    (void)choice;
    open_block(context, BLOCK_TOOL,
               json_pack("{s:s, s:s, s:o, s:{}}", "type", "tool_use", "id", call->id, "name", buffer_json(&call->name),
                         "input"));
}

static void stream_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                                  const char *text, size_t n) {
    (void)choice, (void)call;
    add_delta(context, "input_json_delta", "partial_json", text, n);
}

static void stream_call_end(void *context, struct answer_choice *choice, const struct answer_call *call) {
    (void)choice, (void)call;
    close_block(context);
}

static void stream_end(void *context, const struct failure *failure) {
    struct message *message = context;
    struct delivery *d = &message->delivery;
    if (!delivery_succeeded(d, failure, "error", NULL)) return;
    const struct answer_choice *choice = answer_choice(d->answer, 0);
    const bn_usage usage = answer_usage(d->answer);
    begin(message);
    close_block(message);
    delivery_event_json(d, "message_delta",
                        json_pack("{s:s, s:{s:s, s:o}, s:o}", "type", "message_delta", "delta", "stop_reason",
                                  stop_reason_of(choice), "stop_sequence", stop_sequence_of(choice), "usage",
                                  usage_json_of(usage.prompt_tokens, usage.cached_tokens, usage.output_tokens)));
    delivery_event_json(d, "message_stop", json_pack("{s:s}", "type", "message_stop"));
    exchange_end(d->exchange);
}

static const struct answer_format stream_format = {
    .text = stream_text,
    .reasoning = stream_reasoning,
    .call_begin = stream_call_begin,
    .call_arguments = stream_call_arguments,
    .call_end = stream_call_end,
    .end = stream_end,
};

/* ---- the routes ---- */

/* The request of a body in this API's form. */
static bool read_request(const struct api *api, struct exchange *exchange, struct chat_request *request,
                         struct failure *failure) {
    const json_t *asked = exchange_request(exchange)->json;
    json_t *body = common_body(asked, failure);
    bool ok = body && api_chat_request(api, exchange_request(exchange)->client, body, request, failure);
    if (!ok && json_member(asked, "output_format"))
        failure_rename(failure, "response_format", "output_format");
    else if (!ok && json_member(json_member(asked, "output_config"), "format"))
        failure_rename(failure, "response_format", "output_config.format");
    json_decref(body);
    return ok;
}

void handle_messages(struct exchange *exchange, void *service) {
    struct chat_request request;
    struct failure failure = {0};
    bool stream = json_bool_or(exchange_request(exchange)->json, "stream", false);
    struct message *message = delivery_create(exchange, sizeof *message, "msg_", stream, NULL);
    if (!message) return;
    if (read_request(service, exchange, &request, &failure))
        delivery_start_answer(&message->delivery, &request, stream ? &stream_format : &whole_format, message);
    else
        delivery_refuse(&message->delivery, &failure);
}

void handle_count_tokens(struct exchange *exchange, void *service) {
    struct chat_request request;
    struct failure failure = {0};
    if (!read_request(service, exchange, &request, &failure)) {
        failure_send(exchange, &failure);
        return;
    }
    json_int_t n = (json_int_t)request.prompt.n_ids;
    chat_request_release(&request);
    exchange_respond_json(exchange, 200, json_pack("{s:I}", "input_tokens", n));
}
