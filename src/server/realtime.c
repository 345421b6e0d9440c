/* A session is one conversation of items, on one channel. Events of the client are handled on workers, one at a time;
 * answers come on threads of engines. What both touch is guarded by the session's lock, which is never held while
 * something is sent, started or closed. */
#include "server/realtime.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/channel.h"
#include "server/items.h"

enum { MAX_ITEMS = 1024, MAX_RESPONSES = 16 };
#define MAX_CONVERSATION_BYTES ((size_t)4 << 20)

/* ---- what clients may send ---- */

static const struct schema_field part_fields[] = {
    {"type", {.types = SCHEMA_STRING}},
    {"text", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
static const struct schema part_schema = {.types = SCHEMA_OBJECT, .fields = part_fields};

static const struct schema_field item_fields[] = {
    {"id", {.types = SCHEMA_STRING | SCHEMA_NULL, .min_size = 1, .max_size = 128}},
    {"type",
     {.types = SCHEMA_STRING, .required = true, .values = "message|function_call|function_call_output|item_reference"}},
    {"role", {.types = SCHEMA_STRING | SCHEMA_NULL, .values = "user|assistant|system"}},
    {"content", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 256, .items = &part_schema}},
    {"call_id", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 128}},
    {"name", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 256}},
    {"arguments", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"output", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
static const struct schema item_schema = {.types = SCHEMA_OBJECT, .fields = item_fields};

#define ANSWER_FIELDS                                                                                                  \
    {"instructions", {.types = SCHEMA_STRING | SCHEMA_NULL}},                                                          \
        {"output_modalities", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 8}},                                   \
        {"modalities", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 8}},                                          \
        {"max_output_tokens", {.types = SCHEMA_INTEGER | SCHEMA_STRING | SCHEMA_NULL, .values = "inf"}},               \
        {"max_response_output_tokens", {.types = SCHEMA_INTEGER | SCHEMA_STRING | SCHEMA_NULL, .values = "inf"}},      \
        {"tools", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = 1024}},                                            \
        {"tool_choice", {.types = SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_NULL}},                                       \
        {"parallel_tool_calls", {.types = SCHEMA_BOOL | SCHEMA_NULL}},                                                 \
        {"reasoning", {.types = SCHEMA_OBJECT | SCHEMA_NULL}},                                                         \
        {"n", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = 1}}, {"logprobs", {.types = SCHEMA_NULL}},      \
        SETTINGS_FIELDS

static const struct schema_field session_fields[] = {
    {"type", {.types = SCHEMA_STRING, .values = "realtime"}},
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    ANSWER_FIELDS,
    {0},
};
static const struct schema_field response_fields[] = {
    {"conversation", {.types = SCHEMA_STRING | SCHEMA_NULL, .values = "auto|none"}},
    {"input", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = MAX_ITEMS, .items = &item_schema}},
    {"metadata", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .max_size = 16}},
    ANSWER_FIELDS,
    {0},
};

#define EVENT_ID_FIELD                                                                                                 \
    {                                                                                                                  \
        "event_id", {                                                                                                  \
            .types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 512                                                      \
        }                                                                                                              \
    }
#define ITEM_ID_FIELD                                                                                                  \
    {                                                                                                                  \
        "item_id", {                                                                                                   \
            .types = SCHEMA_STRING, .required = true, .max_size = 128                                                  \
        }                                                                                                              \
    }

static const struct schema_field update_fields[] = {
    EVENT_ID_FIELD, {"session", {.types = SCHEMA_OBJECT, .required = true, .fields = session_fields}}, {0}};
static const struct schema_field create_item_fields[] = {
    EVENT_ID_FIELD,
    {"previous_item_id", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 128}},
    {"item", {.types = SCHEMA_OBJECT, .required = true, .fields = item_fields}},
    {0}};
static const struct schema_field item_id_fields[] = {EVENT_ID_FIELD, ITEM_ID_FIELD, {0}};
static const struct schema_field truncate_fields[] = {
    EVENT_ID_FIELD,
    ITEM_ID_FIELD,
    {"content_index", {.types = SCHEMA_INTEGER, .required = true, .min = 0, .max = 1 << 20}},
    {"audio_end_ms", {.types = SCHEMA_INTEGER, .required = true, .min = 0, .max = INT32_MAX}},
    {0}};
static const struct schema_field create_response_fields[] = {
    EVENT_ID_FIELD, {"response", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = response_fields}}, {0}};
static const struct schema_field cancel_fields[] = {
    EVENT_ID_FIELD, {"response_id", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 128}}, {0}};
static const struct schema_field event_fields[] = {
    {"type", {.types = SCHEMA_STRING, .required = true, .max_size = 64}}, EVENT_ID_FIELD, {0}};
static const struct schema event_schema = {.types = SCHEMA_OBJECT, .fields = event_fields};

struct realtime;
static bool update_session(struct realtime *rt, const json_t *event, struct failure *failure);
static bool create_item(struct realtime *rt, const json_t *event, struct failure *failure);
static bool delete_item(struct realtime *rt, const json_t *event, struct failure *failure);
static bool retrieve_item(struct realtime *rt, const json_t *event, struct failure *failure);
static bool truncate_item(struct realtime *rt, const json_t *event, struct failure *failure);
static bool create_response(struct realtime *rt, const json_t *event, struct failure *failure);
static bool cancel_response(struct realtime *rt, const json_t *event, struct failure *failure);

static const struct client_event {
    const char *type;
    struct schema schema;
    bool (*handle)(struct realtime *rt, const json_t *event, struct failure *failure);
} client_events[] = {
    {"session.update", {.types = SCHEMA_OBJECT, .fields = update_fields}, update_session},
    {"conversation.item.create", {.types = SCHEMA_OBJECT, .fields = create_item_fields}, create_item},
    {"conversation.item.delete", {.types = SCHEMA_OBJECT, .fields = item_id_fields}, delete_item},
    {"conversation.item.retrieve", {.types = SCHEMA_OBJECT, .fields = item_id_fields}, retrieve_item},
    {"conversation.item.truncate", {.types = SCHEMA_OBJECT, .fields = truncate_fields}, truncate_item},
    {"response.create", {.types = SCHEMA_OBJECT, .fields = create_response_fields}, create_response},
    {"response.cancel", {.types = SCHEMA_OBJECT, .fields = cancel_fields}, cancel_response},
};
enum { N_CLIENT_EVENTS = sizeof client_events / sizeof client_events[0] };

static const struct client_event *find_event(const char *type) {
    for (size_t i = 0; i < N_CLIENT_EVENTS; i++)
        if (strcmp(client_events[i].type, type) == 0) return &client_events[i];
    return NULL;
}

static bool no_memory(struct failure *failure) {
    return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
}

static bool refuse_audio(struct failure *failure, const char *place, const char *what) {
    refuse(failure, place, "%s: audio isn't supported, this server's models read and write text", what);
    failure->code = "audio_not_supported";
    return false;
}

/* Of a session or a response: what isn't text, or would be ignored. */
static bool check_answer_fields(const json_t *body, const char *place, struct failure *failure) {
    static const char *const audio[] = {"audio",
                                        "voice",
                                        "input_audio_format",
                                        "output_audio_format",
                                        "turn_detection",
                                        "input_audio_transcription",
                                        "input_audio_noise_reduction"};
    static const char *const lists[] = {"output_modalities", "modalities"};
    char path[80];
    for (size_t i = 0; i < sizeof audio / sizeof *audio; i++) {
        snprintf(path, sizeof path, "%s.%s", place, audio[i]);
        if (json_member(body, audio[i])) return refuse_audio(failure, path, path);
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *list = json_member(body, lists[i]);
        snprintf(path, sizeof path, "%s.%s", place, lists[i]);
        const char *only = json_string_value(json_array_get(list, 0));
        if (list && (json_array_size(list) != 1 || !only || strcmp(only, "text") != 0))
            return refuse_audio(failure, path, "modalities must be [\"text\"]");
    }
    snprintf(path, sizeof path, "%s.prompt", place);
    if (json_member(body, "prompt")) return refuse(failure, path, "'%s': there are no stored prompts", path);
    snprintf(path, sizeof path, "%s.truncation", place);
    const json_t *truncation = json_member(body, "truncation");
    if (truncation && (!json_is_string(truncation) || strcmp(json_string_value(truncation), "disabled") != 0))
        return refuse(failure, path, "'%s' must be disabled: conversations aren't cut off silently", path);
    return true;
}

static bool check_max_tokens(const json_t *body, const char *place, struct failure *failure) {
    static const char *const names[] = {"max_output_tokens", "max_response_output_tokens"};
    char path[80];
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_member(body, names[i]);
        snprintf(path, sizeof path, "%s.%s", place, names[i]);
        if (json_is_number(value) && !(json_number_value(value) >= 1 && json_number_value(value) <= INT32_MAX))
            return refuse(failure, path, "'%s' must be at least 1, or \"inf\"", path);
    }
    return true;
}

/* What the schema can't say of an item: which members its type has, and what kinds of content. */
static bool check_item(const json_t *item, const char *place, struct failure *failure) {
    const char *type = json_text_or(item, "type", ""), *role = json_text_or(item, "role", NULL);
    const json_t *content = json_member(item, "content");
    if (strcmp(type, "message") == 0 && (!role || !content))
        return refuse(failure, place, "'%s' needs a 'role' and a 'content'", place);
    if (strcmp(type, "function_call") == 0 && (!json_member(item, "name") || !json_member(item, "arguments")))
        return refuse(failure, place, "'%s' needs a 'name' and 'arguments'", place);
    if (strcmp(type, "function_call_output") == 0 && (!json_member(item, "call_id") || !json_member(item, "output")))
        return refuse(failure, place, "'%s' needs a 'call_id' and an 'output'", place);
    if (strcmp(type, "item_reference") == 0 && !json_member(item, "id"))
        return refuse(failure, place, "'%s' needs an 'id'", place);
    bool assistant = role && strcmp(role, "assistant") == 0;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        const char *kind = json_text_or(part, "type", assistant ? "output_text" : "input_text");
        char path[SCHEMA_PATH_BYTES];
        snprintf(path, sizeof path, "%s.content[%zu]", place, i);
        if (strstr(kind, "audio")) return refuse_audio(failure, path, path);
        if (strcmp(kind, assistant ? "output_text" : "input_text") != 0 && strcmp(kind, "text") != 0)
            return refuse(failure, path, "'%s' must be of type %s: this server's models read text only", path,
                          assistant ? "output_text" : "input_text");
        if (!json_member(part, "text")) return refuse(failure, path, "'%s.text' must be a string", path);
    }
    return true;
}

bool realtime_event_read(const char *text, size_t size, json_t **event, struct failure *failure) {
    char path[SCHEMA_PATH_BYTES];
    bn_error error = {0};
    bn_status status = schema_parse(NULL, text, size, "the event", event, path, &error);
    if (!status) status = schema_validate(&event_schema, *event, path, &error);
    const char *type = status ? "" : json_text_or(*event, "type", "");
    const struct client_event *known = find_event(type);
    if (known) status = schema_validate(&known->schema, *event, path, &error);
    if (!succeeded(failure, status, &error)) {
        snprintf(failure->param, sizeof failure->param, "%s", path);
        return false;
    }
    const json_t *session = json_member(*event, "session"), *response = json_member(*event, "response");
    if (strncmp(type, "input_audio_buffer.", 19) == 0 || strncmp(type, "output_audio_buffer.", 20) == 0)
        return refuse_audio(failure, "type", type);
    if (!known) return refuse(failure, "type", "There is no event of type '%.64s'", type);
    if (known->handle == update_session)
        return check_answer_fields(session, "session", failure) && check_max_tokens(session, "session", failure);
    if (known->handle == create_item) return check_item(json_object_get(*event, "item"), "item", failure);
    if (known->handle != create_response) return true;
    const json_t *input = json_member(response, "input");
    for (size_t i = 0; i < json_array_size(input); i++) {
        char place[40];
        snprintf(place, sizeof place, "response.input[%zu]", i);
        if (!check_item(json_array_get(input, i), place, failure)) return false;
    }
    return check_answer_fields(response, "response", failure) && check_max_tokens(response, "response", failure);
}

/* ---- the session ---- */

struct response;

struct realtime {
    const struct api *api;
    struct channel *channel;
    char client[64]; /* whose it is, for fairness */
    char id[40], conversation_id[40];
    char *model; /* as the client called it; NULL: not at all */
    atomic_size_t n_events;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    json_t *config;     /* the session as clients see it */
    json_t *items;      /* of the conversation, in order */
    size_t items_bytes; /* of their texts, about */
    struct response *responses;
    size_t n_responses;
    bool paused;   /* the client doesn't keep up */
    bool draining; /* the server ends: no new responses */
    bool closed;
};

struct response {
    struct realtime *session;
    struct response *next;
    struct answer *answer;
    struct item_writer writer;
    char id[40];
    bool in_conversation;
    bool failed;      /* no memory for an event */
    bool cancelled;   /* guarded by the session's lock: by the client */
    json_t *metadata; /* shown as they came */
    json_t *max_output_tokens;
};

/* Sends an event, which is stolen. Not under the lock. */
static void say(struct realtime *rt, const char *type, json_t *event) {
    char id[32];
    snprintf(id, sizeof id, "event_%06zu", atomic_fetch_add(&rt->n_events, 1) + 1);
    if (event && (json_object_set_new(event, "event_id", json_string(id)) ||
                  json_object_set_new(event, "type", json_string(type)))) {
        json_decref(event);
        event = NULL;
    }
    channel_send_json(rt->channel, event);
}

static void say_error(struct realtime *rt, const json_t *event, const struct failure *failure) {
    json_t *error = failure_object(failure), *id = json_member(event, "event_id");
    json_object_set_new(error, "event_id", json_is_string(id) ? json_incref(id) : json_null());
    say(rt, "error", json_pack("{s:o}", "error", error));
}

static json_t *first_config(const struct realtime *rt, const char *model) {
    return json_pack("{s:s, s:s, s:s, s:s, s:[s], s:s, s:[], s:s, s:s, s:b, s:s, s:n}", "type", "realtime", "object",
                     "realtime.session", "id", rt->id, "model", model, "output_modalities", "text", "instructions", "",
                     "tools", "tool_choice", "auto", "max_output_tokens", "inf", "parallel_tool_calls", 1, "truncation",
                     "disabled", "tracing");
}

/* The model is loaded now, so that the first answer comes soon, and an unknown one is told at once. */
static void on_opened(void *context) {
    struct realtime *rt = context;
    const struct model *model;
    struct failure failure = {0};
    json_t *named = json_pack("{s:s?}", "model", rt->model);
    bool ok = api_acquire(rt->api, named, &model, &failure);
    json_decref(named);
    if (!ok) {
        say_error(rt, NULL, &failure);
        channel_close(rt->channel, 4000 + failure.status, failure.status == 404 ? "no such model" : "no model");
        return;
    }
    json_t *config = first_config(rt, model->name), *shown = json_deep_copy(config);
    model_release(model);
    pthread_mutex_lock(&rt->lock);
    rt->config = config;
    rt->items = json_array();
    bool there = rt->config && rt->items;
    pthread_mutex_unlock(&rt->lock);
    if (!there) {
        json_decref(shown);
        channel_close(rt->channel, 1011, "out of memory");
        return;
    }
    say(rt, "session.created", json_pack("{s:o}", "session", shown));
}

static void on_received(void *context, const char *text, size_t size) {
    struct realtime *rt = context;
    struct failure failure = {0};
    json_t *event;
    if (!realtime_event_read(text, size, &event, &failure) ||
        !find_event(json_text_or(event, "type", ""))->handle(rt, event, &failure))
        say_error(rt, event, &failure);
    json_decref(event);
}

/* ---- session.update ---- */

/* Sets the members of a session that aren't fixed, under their newer names. */
static void update_config(json_t *config, const json_t *given) {
    static const char *const fixed[] = {
        "id", "object", "type", "model", "modalities", "include", "max_response_output_tokens", "truncation"};
    json_t *copy = json_deep_copy(given), *most = json_member(given, "max_response_output_tokens");
    if (most) json_object_set(copy, "max_output_tokens", most);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) json_object_del(copy, fixed[i]);
    json_object_update(config, copy);
    json_decref(copy);
}

static bool update_session(struct realtime *rt, const json_t *event, struct failure *failure) {
    const json_t *given = json_object_get(event, "session");
    json_t *tools = json_object();
    bool ok = item_tools_to_chat(tools, given, failure);
    json_decref(tools);
    if (!ok) return false;
    pthread_mutex_lock(&rt->lock);
    const char *model = json_text_or(rt->config, "model", ""), *asked = json_text_or(given, "model", model);
    bool same = strcmp(asked, model) == 0 || (rt->model && strcmp(asked, rt->model) == 0);
    json_t *config = json_deep_copy(rt->config), *shown = NULL;
    if (config) update_config(config, given);
    size_t size = config ? json_dumpb(config, NULL, 0, JSON_COMPACT) : 0;
    bool fits = size > 0 && size <= MAX_MESSAGE_BYTES; /* members add up over updates */
    if (same && fits) {
        shown = json_deep_copy(config);
        json_t *before = rt->config;
        rt->config = config;
        config = before;
    }
    pthread_mutex_unlock(&rt->lock);
    json_decref(config);
    if (!same) return refuse(failure, "session.model", "'session.model' can't be changed: open another connection");
    if (!size) return no_memory(failure);
    if (!fits)
        return refuse(failure, "session", "'session' would have %zu bytes; at most %zu", size, MAX_MESSAGE_BYTES);
    say(rt, "session.updated", json_pack("{s:o}", "session", shown));
    return true;
}

/* ---- items ---- */

/* Under the lock. The number of items if there is none of that id. */
static size_t find_item(const struct realtime *rt, const char *id) {
    size_t i = 0, n = json_array_size(rt->items);
    while (i < n && strcmp(json_text_or(json_array_get(rt->items, i), "id", ""), id) != 0) i++;
    return i;
}

/* About what an item takes in memory. */
static size_t item_bytes(const json_t *item) {
    static const char *const members[] = {"arguments", "output", "name", "id", "call_id"};
    const json_t *content = json_object_get(item, "content");
    size_t n = 200;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        n += json_string_length(json_object_get(item, members[i]));
    for (size_t i = 0; i < json_array_size(content); i++)
        n += 100 + json_string_length(json_object_get(json_array_get(content, i), "text"));
    return n;
}

/* Under the lock: puts an item (stolen) into the conversation. */
static void insert_item(struct realtime *rt, size_t at, json_t *item) {
    rt->items_bytes += item_bytes(item);
    json_array_insert_new(rt->items, at, item);
}

static void remove_item(struct realtime *rt, size_t at) {
    rt->items_bytes -= item_bytes(json_array_get(rt->items, at));
    json_array_remove(rt->items, at);
}

/* The id of the item before place `at`; null: there is none. */
static json_t *previous_id(const struct realtime *rt, size_t at) {
    json_t *id = at ? json_object_get(json_array_get(rt->items, at - 1), "id") : NULL;
    return id ? json_deep_copy(id) : json_null();
}

/* What is known of an item, as the conversation keeps it: a new reference. */
static json_t *item_of(const json_t *given) {
    static const char *const members[] = {"type", "role", "call_id", "name", "arguments", "output"};
    char id[40];
    json_t *item = json_pack("{s:s, s:s}", "object", "realtime.item", "status", "completed");
    make_id(id, sizeof id, "item_");
    json_object_set_new(item, "id", json_string(json_text_or(given, "id", id)));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_member(given, members[i])) json_object_set(item, members[i], json_object_get(given, members[i]));
    if (strcmp(json_text_or(given, "type", ""), "message") != 0) return item;
    bool assistant = strcmp(json_text_or(given, "role", ""), "assistant") == 0;
    const json_t *content = json_object_get(given, "content");
    json_t *parts = json_array();
    for (size_t i = 0; i < json_array_size(content); i++)
        json_array_append_new(parts, json_pack("{s:s, s:O}", "type", assistant ? "output_text" : "input_text", "text",
                                               json_object_get(json_array_get(content, i), "text")));
    json_object_set_new(item, "content", parts);
    return item;
}

/* Under the lock: where a new item goes. */
static bool place_of(const struct realtime *rt, const json_t *event, size_t *at, struct failure *failure) {
    const char *previous = json_text_or(event, "previous_item_id", NULL);
    size_t n = json_array_size(rt->items);
    *at = !previous ? n : strcmp(previous, "root") == 0 ? 0 : find_item(rt, previous) + 1;
    if (*at <= n) return true;
    return refuse(failure, "previous_item_id", "There is no item '%.128s'", previous);
}

/* Under the lock: room for one more. */
static bool has_room(const struct realtime *rt, size_t bytes, struct failure *failure) {
    if (json_array_size(rt->items) < MAX_ITEMS && rt->items_bytes + bytes <= MAX_CONVERSATION_BYTES) return true;
    refuse(failure, NULL, "The conversation is full (%d items, %zu MiB): delete items of it", MAX_ITEMS,
           MAX_CONVERSATION_BYTES >> 20);
    failure->code = "conversation_full";
    return false;
}

static bool create_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    const json_t *given = json_object_get(event, "item");
    if (strcmp(json_text_or(given, "type", ""), "item_reference") == 0)
        return refuse(failure, "item.type", "references are for 'response.input'");
    json_t *item = item_of(given), *shown = NULL, *previous = NULL;
    if (!item) return no_memory(failure);
    size_t at;
    pthread_mutex_lock(&rt->lock);
    bool ok = has_room(rt, item_bytes(item), failure) && place_of(rt, event, &at, failure);
    const char *id = json_text_or(item, "id", "");
    if (ok && find_item(rt, id) < json_array_size(rt->items))
        ok = refuse(failure, "item.id", "There is an item '%.128s' already", id);
    if (ok) {
        previous = previous_id(rt, at);
        shown = json_deep_copy(item);
        insert_item(rt, at, item);
    }
    pthread_mutex_unlock(&rt->lock);
    if (!ok) {
        json_decref(item);
        return false;
    }
    static const char *const types[] = {"conversation.item.created", "conversation.item.added",
                                        "conversation.item.done"};
    for (size_t i = 0; i < 3; i++)
        say(rt, types[i], json_pack("{s:O, s:O}", "previous_item_id", previous, "item", shown));
    json_decref(shown);
    json_decref(previous);
    return true;
}

static bool no_such_item(const json_t *event, struct failure *failure) {
    refuse(failure, "item_id", "There is no item '%.128s'", json_text_or(event, "item_id", ""));
    failure->code = "item_not_found";
    return false;
}

static bool delete_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    pthread_mutex_lock(&rt->lock);
    size_t at = find_item(rt, json_text_or(event, "item_id", ""));
    bool there = at < json_array_size(rt->items);
    if (there) remove_item(rt, at);
    pthread_mutex_unlock(&rt->lock);
    if (!there) return no_such_item(event, failure);
    say(rt, "conversation.item.deleted", json_pack("{s:O}", "item_id", json_object_get(event, "item_id")));
    return true;
}

static bool retrieve_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    pthread_mutex_lock(&rt->lock);
    size_t at = find_item(rt, json_text_or(event, "item_id", ""));
    bool there = at < json_array_size(rt->items);
    json_t *item = there ? json_deep_copy(json_array_get(rt->items, at)) : NULL;
    pthread_mutex_unlock(&rt->lock);
    if (!there) return no_such_item(event, failure);
    say(rt, "conversation.item.retrieved", json_pack("{s:o}", "item", item));
    return true;
}

/* Text has no duration: all of it lies behind 0 ms, and there is nothing behind anything later. */
static bool truncate_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    size_t part = (size_t)json_integer_or(event, "content_index", 0);
    json_int_t end_ms = json_integer_or(event, "audio_end_ms", 0);
    bool ok = true;
    pthread_mutex_lock(&rt->lock);
    size_t at = find_item(rt, json_text_or(event, "item_id", ""));
    json_t *item = json_array_get(rt->items, at), *content = json_object_get(item, "content");
    if (!item)
        ok = no_such_item(event, failure);
    else if (strcmp(json_text_or(item, "role", ""), "assistant") != 0)
        ok = refuse(failure, "item_id", "only messages of the assistant can be truncated");
    else if (part >= json_array_size(content))
        ok = refuse(failure, "content_index", "the item has %zu parts", json_array_size(content));
    else if (end_ms > 0)
        ok = refuse(failure, "audio_end_ms", "the item is text, which lasts 0 ms: 0 takes all of it away");
    if (ok) {
        rt->items_bytes -= item_bytes(item);
        json_object_set_new(json_array_get(content, part), "text", json_string(""));
        rt->items_bytes += item_bytes(item);
    }
    pthread_mutex_unlock(&rt->lock);
    if (!ok) return false;
    say(rt, "conversation.item.truncated",
        json_pack("{s:O, s:I, s:I}", "item_id", json_object_get(event, "item_id"), "content_index", (json_int_t)part,
                  "audio_end_ms", end_ms));
    return true;
}

/* ---- responses: what the client hears ---- */

static json_t *usage_of(const struct response *r) {
    const bn_usage u = answer_usage(r->answer);
    json_int_t in = (json_int_t)u.prompt_tokens, out = (json_int_t)u.output_tokens;
    return json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:i}, s:{s:I, s:i}}", "total_tokens", in + out, "input_tokens", in,
                     "output_tokens", out, "input_token_details", "cached_tokens", (json_int_t)u.cached_tokens,
                     "text_tokens", in, "audio_tokens", 0, "output_token_details", "text_tokens", out, "audio_tokens",
                     0);
}

/* status_details is stolen; NULL: none. */
static json_t *response_json(const struct response *r, const char *status, json_t *status_details) {
    bool over = strcmp(status, "in_progress") != 0;
    return json_pack("{s:s, s:s, s:s, s:o, s:O, s:s?, s:[s], s:O, s:O, s:o}", "object", "realtime.response", "id",
                     r->id, "status", status, "status_details", status_details ? status_details : json_null(), "output",
                     r->writer.output, "conversation_id", r->in_conversation ? r->session->conversation_id : NULL,
                     "output_modalities", "text", "max_output_tokens", r->max_output_tokens, "metadata", r->metadata,
                     "usage", over ? usage_of(r) : json_null());
}

static void say_limits(const struct response *r) {
    struct engine_loop *loop = answer_model(r->answer)->loop;
    size_t most = engine_loop_max_jobs(loop), taken = min_size(engine_loop_jobs(loop), most);
    say(r->session, "rate_limits.updated",
        json_pack("{s:[{s:s, s:I, s:I, s:f}]}", "rate_limits", "name", "requests", "limit", (json_int_t)most,
                  "remaining", (json_int_t)(most - taken), "reset_seconds", 0.0));
}

/* An item of an answer enters the conversation when it begins, and is completed there. */
static void note_item(struct response *r, const char *type, const json_t *event) {
    struct realtime *rt = r->session;
    json_t *item = json_deep_copy(json_object_get(event, "item")), *previous = NULL;
    bool begun = strcmp(type, "response.output_item.added") == 0;
    const char *id = json_text_or(item, "id", "");
    pthread_mutex_lock(&rt->lock);
    size_t at = begun ? json_array_size(rt->items) : find_item(rt, id);
    bool there = item && (begun || at < json_array_size(rt->items)); /* it may have been deleted meanwhile */
    if (there) {
        if (!begun) remove_item(rt, at);
        insert_item(rt, at, json_deep_copy(item));
        previous = previous_id(rt, at);
    }
    pthread_mutex_unlock(&rt->lock);
    if (there && begun)
        say(rt, "conversation.item.created", json_pack("{s:O, s:O}", "previous_item_id", previous, "item", item));
    if (there)
        say(rt, begun ? "conversation.item.added" : "conversation.item.done",
            json_pack("{s:O, s:O}", "previous_item_id", previous, "item", item));
    json_decref(previous);
    json_decref(item);
}

static void pause_if_full(struct realtime *rt) {
    if (!channel_is_full(rt->channel)) return;
    pthread_mutex_lock(&rt->lock);
    rt->paused = channel_is_full(rt->channel); /* under the lock, as on_drained looks at it */
    for (struct response *r = rt->responses; rt->paused && r; r = r->next) answer_pause(r->answer, true);
    pthread_mutex_unlock(&rt->lock);
}

static void emit(void *context, const char *type, json_t *event) {
    struct response *r = context;
    if (!event || json_object_set_new(event, "response_id", json_string(r->id))) {
        r->failed = true;
        json_decref(event);
        answer_cancel(r->answer);
        return;
    }
    bool is_item = strncmp(type, "response.output_item.", 21) == 0;
    json_t *kept = is_item && r->in_conversation ? json_incref(event) : NULL;
    say(r->session, type, event);
    if (kept) note_item(r, type, kept);
    json_decref(kept);
    pause_if_full(r->session);
}

/* ---- responses: what the engine tells ---- */

static void on_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    struct response *r = context;
    (void)choice;
    item_writer_text(&r->writer, ITEM_MESSAGE, text, n);
}

static void on_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    struct response *r = context;
    (void)choice;
    item_writer_open(&r->writer, ITEM_CALL, call);
}

static void on_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                              const char *text, size_t n) {
    struct response *r = context;
    (void)choice;
    item_writer_arguments(&r->writer, call, text, n);
}

static void on_call_end(void *context, struct answer_choice *choice, const struct answer_call *call) {
    struct response *r = context;
    (void)choice, (void)call;
    item_writer_close(&r->writer, true);
}

static void destroy_response(struct response *r) {
    answer_destroy(r->answer);
    item_writer_release(&r->writer);
    json_decref(r->metadata);
    json_decref(r->max_output_tokens);
    mem_free(r);
}

/* Takes it off the session's list. True: it was the last, and the session is to end. */
static bool unlink_response(struct response *r) {
    struct realtime *rt = r->session;
    pthread_mutex_lock(&rt->lock);
    struct response **at = &rt->responses;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    rt->n_responses--;
    bool last = rt->draining && !rt->responses;
    pthread_mutex_unlock(&rt->lock);
    return last;
}

static const char *status_of(struct response *r, const struct failure *failure, json_t **details) {
    const char *finish = answer_choice(r->answer, 0)->finish_reason;
    pthread_mutex_lock(&r->session->lock);
    bool cancelled = r->cancelled;
    pthread_mutex_unlock(&r->session->lock);
    if (failure->status == STATUS_CANCELLED && cancelled && !r->failed) {
        *details = json_pack("{s:s, s:s}", "type", "cancelled", "reason", "client_cancelled");
        return "cancelled";
    }
    if (failure->status) {
        *details = json_pack("{s:s, s:o}", "type", "failed", "error", failure_object(failure));
        return "failed";
    }
    if (!finish || strcmp(finish, "length") == 0) {
        *details = json_pack("{s:s, s:s}", "type", "incomplete", "reason", "max_output_tokens");
        return "incomplete";
    }
    *details = NULL;
    return "completed";
}

static void on_end(void *context, const struct failure *failure) {
    struct response *r = context;
    struct realtime *rt = r->session;
    json_t *details;
    const char *status = status_of(r, failure, &details);
    bool whole = strcmp(status, "completed") == 0;
    if (!failure->status && r->writer.open == ITEM_NONE && json_array_size(r->writer.output) == 0)
        item_writer_open(&r->writer, ITEM_MESSAGE, NULL); /* the model had nothing to say */
    item_writer_close(&r->writer, whole);
    bool last = unlink_response(r); /* the next may begin as soon as the client hears of the end */
    say(rt, "response.done", json_pack("{s:o}", "response", response_json(r, status, details)));
    if (last) channel_close(rt->channel, 1001, "the server is shutting down");
    destroy_response(r);
    channel_drop(rt->channel);
}

static const struct answer_format format = {
    .text = on_text,
    .call_begin = on_call_begin,
    .call_arguments = on_call_arguments,
    .call_end = on_call_end,
    .end = on_end,
};

/* ---- response.create ---- */

static bool has_default_response(const struct realtime *rt) {
    for (const struct response *r = rt->responses; r; r = r->next)
        if (r->in_conversation) return true;
    return false;
}

/* Under the lock: may another response begin? */
static bool may_respond(const struct realtime *rt, bool in_conversation, struct failure *failure) {
    if (rt->draining || rt->closed) {
        *failure = (struct failure){.status = 503, .code = "shutting_down"};
        strcpy(failure->message, "The server is shutting down");
        return false;
    }
    if (in_conversation && has_default_response(rt)) {
        refuse(failure, NULL, "The conversation has an active response: wait for it, or cancel it");
        failure->code = "conversation_already_has_active_response";
        return false;
    }
    if (rt->n_responses < MAX_RESPONSES) return !in_conversation || has_room(rt, 0, failure);
    *failure = (struct failure){.status = 429, .code = "too_many_responses"};
    snprintf(failure->message, sizeof failure->message, "%d responses are active already", MAX_RESPONSES);
    return false;
}

/* Under the lock: the items that are answered, a new reference. */
static json_t *items_to_answer(const struct realtime *rt, const json_t *input, struct failure *failure) {
    if (!input) return json_deep_copy(rt->items);
    json_t *items = json_array();
    for (size_t i = 0; i < json_array_size(input); i++) {
        const json_t *item = json_array_get(input, i);
        const char *id = json_text_or(item, "id", "");
        bool reference = strcmp(json_text_or(item, "type", ""), "item_reference") == 0;
        const json_t *meant = reference ? json_array_get(rt->items, find_item(rt, id)) : item;
        if (!meant) {
            refuse(failure, "response.input", "There is no item '%.128s'", id);
            json_decref(items);
            return NULL;
        }
        json_array_append_new(items, json_deep_copy(meant));
    }
    return items;
}

static bool add_messages(json_t *chat, const json_t *body, const json_t *items, struct failure *failure) {
    json_t *messages = json_array();
    const char *instructions = json_text_or(body, "instructions", "");
    if (*instructions)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    for (size_t i = 0; i < json_array_size(items); i++) {
        char place[32];
        snprintf(place, sizeof place, "items[%zu]", i);
        if (item_to_message(messages, json_array_get(items, i), place, failure)) continue;
        json_decref(messages);
        return false;
    }
    json_object_set_new(chat, "messages", messages);
    return true;
}

/* The body of a chat with the same meaning. */
static json_t *chat_of(const json_t *body, const json_t *items, struct failure *failure) {
    static const char *const own[] = {"id",
                                      "object",
                                      "type",
                                      "output_modalities",
                                      "modalities",
                                      "max_output_tokens",
                                      "max_response_output_tokens",
                                      "conversation",
                                      "input",
                                      "metadata",
                                      "instructions",
                                      "tools",
                                      "tool_choice",
                                      "reasoning",
                                      "tracing",
                                      "truncation",
                                      "stream",
                                      "messages"};
    json_t *chat = json_copy((json_t *)body);
    const json_t *most = json_member(body, "max_output_tokens");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) json_object_del(chat, own[i]);
    if (json_is_number(most)) json_object_set(chat, "max_tokens", (json_t *)most);
    json_t *effort = json_member(json_member(body, "reasoning"), "effort");
    if (effort) json_object_set(chat, "reasoning_effort", effort);
    json_object_set_new(chat, "add_generation_prompt", json_true()); /* an answer is never continued here */
    if (add_messages(chat, body, items, failure) && item_tools_to_chat(chat, body, failure)) return chat;
    json_decref(chat);
    return NULL;
}

static bool read_request(struct realtime *rt, const json_t *body, const json_t *items, struct chat_request *request,
                         struct failure *failure) {
    json_t *chat = chat_of(body, items, failure);
    char path[SCHEMA_PATH_BYTES];
    bn_error error = {0};
    if (!chat) return failure->status ? false : no_memory(failure);
    bool ok = json_array_size(json_object_get(chat, "messages")) > 0;
    if (!ok) refuse(failure, "response.input", "There is nothing to answer: no items and no instructions");
    if (ok && !(ok = succeeded(failure, schema_validate(&chat_request_schema, chat, path, &error), &error)))
        snprintf(failure->param, sizeof failure->param, "response.%.140s", path);
    if (ok && !(ok = chat_request_read(request, rt->api->models, chat, failure))) chat_request_release(request);
    if (ok) client_heed(rt->client, chat, &request->settings.options);
    json_decref(chat);
    return ok;
}

static struct response *create(struct realtime *rt, const json_t *body, bool in_conversation,
                               struct chat_request *request) {
    struct response *r = mem_calloc(1, sizeof *r);
    bool ok = r && item_writer_init(&r->writer);
    if (!ok) {
        mem_free(r);
        chat_request_release(request);
        return NULL;
    }
    r->session = rt;
    r->in_conversation = in_conversation;
    r->writer.emit = emit;
    r->writer.context = r;
    r->writer.realtime = true;
    json_t *metadata = json_member(body, "metadata"), *most = json_member(body, "max_output_tokens");
    r->metadata = metadata ? json_deep_copy(metadata) : json_null();
    r->max_output_tokens = most ? json_deep_copy(most) : json_string("inf");
    make_id(r->id, sizeof r->id, "resp_");
    r->answer = answer_create(request, &format, r);
    if (r->answer) return r;
    destroy_response(r);
    return NULL;
}

/* Puts it on the session's list, unless that has changed its mind meanwhile. */
static bool link_response(struct response *r, struct failure *failure) {
    struct realtime *rt = r->session;
    pthread_mutex_lock(&rt->lock);
    bool ok = may_respond(rt, r->in_conversation, failure);
    if (ok) {
        r->next = rt->responses;
        rt->responses = r;
        rt->n_responses++;
        if (rt->paused) answer_pause(r->answer, true);
    }
    pthread_mutex_unlock(&rt->lock);
    return ok;
}

static bool create_response(struct realtime *rt, const json_t *event, struct failure *failure) {
    const json_t *asked = json_member(event, "response"), *input = json_member(asked, "input");
    bool in_conversation = strcmp(json_text_or(asked, "conversation", "auto"), "auto") == 0;
    struct chat_request request;
    json_t *body = NULL, *items = NULL;
    pthread_mutex_lock(&rt->lock);
    if (may_respond(rt, in_conversation, failure)) {
        body = json_deep_copy(rt->config);
        items = items_to_answer(rt, input, failure);
    }
    pthread_mutex_unlock(&rt->lock);
    if (asked) update_config(body, asked);
    bool ok = body && items && read_request(rt, body, items, &request, failure);
    struct response *r = ok ? create(rt, body, in_conversation, &request) : NULL;
    json_decref(body);
    json_decref(items);
    if (!r) return failure->status ? false : no_memory(failure);
    if (!link_response(r, failure)) {
        destroy_response(r);
        return false;
    }
    channel_hold(rt->channel);
    say(rt, "response.created", json_pack("{s:o}", "response", response_json(r, "in_progress", NULL)));
    say_limits(r);
    answer_start(r->answer); /* its end may have come when this returns */
    return true;
}

static bool cancel_response(struct realtime *rt, const json_t *event, struct failure *failure) {
    const char *id = json_text_or(event, "response_id", NULL);
    bool found = false;
    pthread_mutex_lock(&rt->lock);
    for (struct response *r = rt->responses; r; r = r->next) {
        if (id ? strcmp(id, r->id) != 0 : !r->in_conversation) continue;
        r->cancelled = found = true;
        answer_cancel(r->answer);
    }
    pthread_mutex_unlock(&rt->lock);
    if (found) return true;
    refuse(failure, id ? "response_id" : NULL, "There is no such active response");
    failure->code = "response_cancel_not_active";
    return false;
}

/* ---- the channel's other events ---- */

static void on_drained(void *context) {
    struct realtime *rt = context;
    pthread_mutex_lock(&rt->lock);
    for (struct response *r = rt->responses; rt->paused && r; r = r->next) answer_pause(r->answer, false);
    rt->paused = false;
    pthread_mutex_unlock(&rt->lock);
}

static void on_draining(void *context) {
    struct realtime *rt = context;
    pthread_mutex_lock(&rt->lock);
    rt->draining = true;
    bool idle = !rt->responses;
    pthread_mutex_unlock(&rt->lock);
    if (idle) channel_close(rt->channel, 1001, "the server is shutting down");
}

static void on_closed(void *context) {
    struct realtime *rt = context;
    pthread_mutex_lock(&rt->lock);
    rt->closed = true;
    for (struct response *r = rt->responses; r; r = r->next) answer_cancel(r->answer);
    pthread_mutex_unlock(&rt->lock);
}

static void on_released(void *context) {
    struct realtime *rt = context;
    json_decref(rt->config);
    json_decref(rt->items);
    pthread_mutex_destroy(&rt->lock);
    mem_free(rt->model);
    mem_free(rt);
}

static const struct channel_events events = {
    .opened = on_opened,
    .received = on_received,
    .drained = on_drained,
    .draining = on_draining,
    .closed = on_closed,
    .released = on_released,
};

void handle_realtime(struct exchange *exchange, void *service) {
    const char *model = exchange_query(exchange, "model");
    struct realtime *rt = mem_calloc(1, sizeof *rt);
    if (rt && model) rt->model = mem_strdup(model);
    if (!rt || (model && !rt->model)) {
        mem_free(rt);
        exchange_close(exchange, 1011, "out of memory");
        return;
    }
    rt->api = service;
    snprintf(rt->client, sizeof rt->client, "%s", exchange_request(exchange)->client);
    make_id(rt->id, sizeof rt->id, "sess_");
    make_id(rt->conversation_id, sizeof rt->conversation_id, "conv_");
    pthread_mutex_init(&rt->lock, NULL);
    if (!channel_open(exchange, &events, rt, &rt->channel)) on_released(rt);
}
