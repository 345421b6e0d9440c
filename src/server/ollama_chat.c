/* POST /api/chat. */
#include <string.h>

#include "base/memory.h"
#include "server/ollama.h"

static const struct schema_field function_fields[] = {
    {"name", {.types = SCHEMA_STRING, .required = true}},
    {"arguments", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},
    {0},
};
static const struct schema_field tool_call_fields[] = {
    {"id", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"function", {.types = SCHEMA_OBJECT, .required = true, .fields = function_fields}},
    {0},
};
static const struct schema_field message_fields[] = {
    {"role", {.types = SCHEMA_STRING, .required = true, .values = "system|user|assistant|tool"}},
    {"content", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"thinking", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"images", {.types = SCHEMA_ARRAY | SCHEMA_NULL}},
    {"tool_calls",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 1024,
      .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = tool_call_fields}}},
    {"tool_name", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"tool_call_id", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
static const struct schema_field chat_fields[] = {
    OLLAMA_MODEL_FIELDS,
    OLLAMA_GENERATION_FIELDS,
    {"messages",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 100000,
      .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = message_fields},
      .help = "none: the model is loaded, or with keep_alive 0 unloaded"}},
    {"tools", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 1024, .items = &chat_tool_schema}},
    {0},
};
const struct schema ollama_chat_schema = {.name = "OllamaChatRequest", .types = SCHEMA_OBJECT, .fields = chat_fields};

/* ---- messages in the common form ---- */

static json_t *common_message(const json_t *message, size_t index, struct failure *failure) {
    char place[64];
    snprintf(place, sizeof place, "messages[%zu].images", index);
    if (!ollama_refuse_images(message, place, failure)) return NULL;
    json_t *out = json_pack("{s:O, s:s}", "role", json_object_get(message, "role"), "content",
                            json_text_or(message, "content", ""));
    static const struct {
        const char *ours, *theirs;
    } same[] = {{"reasoning_content", "thinking"}, {"tool_call_id", "tool_call_id"}, {"name", "tool_name"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_member(message, same[i].theirs))
            json_object_set(out, same[i].ours, json_object_get(message, same[i].theirs));
    if (json_array_size(json_member(message, "tool_calls")))
        json_object_set(out, "tool_calls", json_object_get(message, "tool_calls"));
    return out;
}

static bool read_messages(struct ollama_call *call, struct failure *failure) {
    json_t *messages = json_array(), *message;
    size_t i;
    json_array_foreach(json_member(call->body, "messages"), i, message) {
        json_t *one = common_message(message, i, failure);
        if (one && json_array_append_new(messages, one) == 0) continue;
        json_decref(messages);
        return failure->status ? false : succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    }
    json_object_set_new(call->common, "messages", messages);
    return true;
}

static bool read_tools(struct ollama_call *call, struct failure *failure) {
    json_t *tools = json_member(call->body, "tools");
    const char *chat_template = call->model->chat_template;
    if (json_array_size(tools) == 0) return true;
    if (!chat_template || !strstr(chat_template, "tools"))
        return refuse(failure, "tools", "\"%s\" does not support tools: its template doesn't show them",
                      call->model->name);
    json_object_set(call->common, "tools", tools);
    return true;
}

/* ---- conversations that are too long ---- */

static bool is_system(const json_t *message) {
    return strcmp(json_text_or(message, "role", ""), "system") == 0;
}

/* The body without its first n messages that aren't the system's; a new reference. */
static json_t *without_oldest(const json_t *common, size_t n) {
    json_t *out = json_copy((json_t *)common), *kept = json_array(), *message;
    size_t i;
    json_array_foreach(json_object_get(common, "messages"), i, message) {
        if (n && !is_system(message))
            n--;
        else
            json_array_append(kept, message);
    }
    json_object_set_new(out, "messages", kept);
    return out;
}

/* Leaves out as few of the oldest messages as it takes for the prompt to fit, but never the last. A template that can't
 * say what is left (its roles don't alternate then) counts as too long. */
static bool drop_oldest(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    const json_t *messages = json_object_get(call->common, "messages");
    size_t fewest = 0, most = json_array_size(messages) - 1, n_system = 0;
    for (size_t i = 0; i < json_array_size(messages); i++) n_system += is_system(json_array_get(messages, i));
    most -= min_size(most, n_system);
    while (fewest < most) {
        size_t n = fewest + (most - fewest) / 2;
        json_t *shorter = without_oldest(call->common, n);
        bool fits = chat_request_prompt(request, call->model->chat, shorter, failure) &&
                    request->prompt.n_ids <= ollama_prompt_limit(call);
        json_decref(shorter);
        if (fits)
            most = n;
        else
            fewest = n + 1;
    }
    json_t *shorter = without_oldest(call->common, fewest);
    *failure = (struct failure){0};
    bool ok = chat_request_prompt(request, call->model->chat, shorter, failure);
    json_decref(shorter);
    return ok;
}

static bool read_chat(struct ollama_call *call, struct chat_request *request, struct failure *failure) {
    if (!ollama_read_generation(call, failure) || !read_messages(call, failure) || !read_tools(call, failure))
        return false;
    call->held = NULL; /* the request's from here on */
    if (!chat_request_options(request, call->model, call->common, failure)) return false;
    if (json_is_false(json_member(call->body, "think"))) request->reasoning = false;
    bool ok = chat_request_prompt(request, call->model->chat, call->common, failure);
    if (ok && request->prompt.n_ids >= call->context_length && json_bool_or(call->body, "truncate", true))
        ok = drop_oldest(call, request, failure);
    return ok && ollama_fit_prompt(call, request, failure) && chat_request_settle(request, failure);
}

void handle_ollama_chat(struct exchange *exchange, void *service) {
    struct failure failure = {0};
    struct chat_request request = {0};
    struct ollama_call *call = ollama_call_create(exchange, service);
    if (!call) return;
    call->chat = true;
    if (!ollama_call_open(call, &failure)) {
        delivery_refuse(&call->delivery, &failure);
    } else if (json_array_size(json_member(call->body, "messages")) == 0) {
        ollama_answer_loaded(call);
    } else if (read_chat(call, &request, &failure)) {
        ollama_start(call, &request);
    } else {
        chat_request_release(&request);
        delivery_refuse(&call->delivery, &failure);
    }
}
