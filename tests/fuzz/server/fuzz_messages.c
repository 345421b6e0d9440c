/* Any bytes as a message of a WebSocket's client, read by the rules of /v1/realtime and /v1/ws: what is refused says why, what
 * is let through keeps the promises that the handlers rely on, and means the same when it is written down again. */
#include <stdlib.h>
#include <string.h>

#include "server/items.h"
#include "server/realtime.h"
#include "server/streams.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef bool (*reader)(const char *text, size_t size, json_t **message, struct failure *failure);

static bool read_checked(reader read, const char *text, size_t size, json_t **message) {
    struct failure failure = {0};
    bool ok = read(text, size, message, &failure);
    if (ok != (failure.status == 0)) abort();
    if (!ok && !*failure.message) abort();
    if (ok && !json_is_string(json_object_get(*message, "type"))) abort();
    json_t *error = ok ? NULL : failure_object(&failure);
    if (!ok && !json_is_string(json_object_get(error, "message"))) abort();
    json_decref(error);
    return ok;
}

/* Items that were let through are messages of a chat; tools are, or are refused. */
static void check_conversions(const json_t *event) {
    struct failure failure = {0};
    json_t *item = json_object_get(event, "item"), *messages = json_array(), *chat = json_object();
    bool reference = strcmp(json_text_or(item, "type", ""), "item_reference") == 0;
    if (item && !reference && !item_to_message(messages, item, "item", &failure)) abort();
    const char *const bodies[] = {"session", "response"};
    for (size_t i = 0; i < 2; i++) {
        failure = (struct failure){0};
        if (item_tools_to_chat(chat, json_member(event, bodies[i]), &failure) != (failure.status == 0)) abort();
    }
    json_decref(messages);
    json_decref(chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const reader readers[] = {realtime_event_read, streams_message_read};
    if (size < 1) return 0;
    bool realtime = bytes[0] % 2 == 0;
    reader read = readers[!realtime];
    json_t *message, *again;
    if (read_checked(read, (const char *)bytes + 1, size - 1, &message)) {
        if (realtime) check_conversions(message);
        char *text = json_dumps(message, JSON_COMPACT);
        if (!text || !read_checked(read, text, strlen(text), &again) || !json_equal(message, again)) abort();
        json_decref(again);
        free(text); /* jansson's own memory */
    }
    json_decref(message);
    return 0;
}
