/* The forms of a client's events, and what forms can't say of them. Nothing here knows a session. */
#include <stdio.h>
#include <string.h>

#include "server/realtime.h"
#include "server/realtime_core.h"

/* ---- forms ---- */

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
    {"input", {.types = SCHEMA_ARRAY | SCHEMA_NULL, .max_size = REALTIME_MAX_ITEMS, .items = &item_schema}},
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

static const struct client_event {
    const char *type;
    struct schema schema;
} client_events[N_REALTIME_EVENTS] = {
    [EVENT_SESSION_UPDATE] = {"session.update", {.types = SCHEMA_OBJECT, .fields = update_fields}},
    [EVENT_ITEM_CREATE] = {"conversation.item.create", {.types = SCHEMA_OBJECT, .fields = create_item_fields}},
    [EVENT_ITEM_DELETE] = {"conversation.item.delete", {.types = SCHEMA_OBJECT, .fields = item_id_fields}},
    [EVENT_ITEM_RETRIEVE] = {"conversation.item.retrieve", {.types = SCHEMA_OBJECT, .fields = item_id_fields}},
    [EVENT_ITEM_TRUNCATE] = {"conversation.item.truncate", {.types = SCHEMA_OBJECT, .fields = truncate_fields}},
    [EVENT_RESPONSE_CREATE] = {"response.create", {.types = SCHEMA_OBJECT, .fields = create_response_fields}},
    [EVENT_RESPONSE_CANCEL] = {"response.cancel", {.types = SCHEMA_OBJECT, .fields = cancel_fields}},
};

enum realtime_event realtime_event_of(const char *type) {
    enum realtime_event event = 0;
    while (event < N_REALTIME_EVENTS && strcmp(client_events[event].type, type) != 0) event++;
    return event;
}

/* ---- what isn't text, or would be ignored ---- */

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
    enum realtime_event known = realtime_event_of(type);
    if (known < N_REALTIME_EVENTS) status = schema_validate(&client_events[known].schema, *event, path, &error);
    if (!succeeded(failure, status, &error)) {
        snprintf(failure->param, sizeof failure->param, "%s", path);
        return false;
    }
    const json_t *session = json_member(*event, "session"), *response = json_member(*event, "response");
    if (strncmp(type, "input_audio_buffer.", 19) == 0 || strncmp(type, "output_audio_buffer.", 20) == 0)
        return refuse_audio(failure, "type", type);
    if (known == N_REALTIME_EVENTS) return refuse(failure, "type", "There is no event of type '%.64s'", type);
    if (known == EVENT_SESSION_UPDATE)
        return check_answer_fields(session, "session", failure) && check_max_tokens(session, "session", failure);
    if (known == EVENT_ITEM_CREATE) return check_item(json_object_get(*event, "item"), "item", failure);
    if (known != EVENT_RESPONSE_CREATE) return true;
    const json_t *input = json_member(response, "input");
    for (size_t i = 0; i < json_array_size(input); i++) {
        char place[40];
        snprintf(place, sizeof place, "response.input[%zu]", i);
        if (!check_item(json_array_get(input, i), place, failure)) return false;
    }
    return check_answer_fields(response, "response", failure) && check_max_tokens(response, "response", failure);
}
