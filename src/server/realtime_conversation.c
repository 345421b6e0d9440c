/* The items of a session: what clients put in, take out and look at, and what answers add. */
#include <string.h>

#include "server/realtime_core.h"

#define MAX_CONVERSATION_BYTES ((size_t)4 << 20)

size_t realtime_find_item(const struct realtime *rt, const char *id) {
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
    *at = !previous ? n : strcmp(previous, "root") == 0 ? 0 : realtime_find_item(rt, previous) + 1;
    if (*at <= n) return true;
    return refuse(failure, "previous_item_id", "There is no item '%.128s'", previous);
}

bool realtime_has_room(const struct realtime *rt, size_t bytes, struct failure *failure) {
    if (json_array_size(rt->items) < REALTIME_MAX_ITEMS && rt->items_bytes + bytes <= MAX_CONVERSATION_BYTES)
        return true;
    refuse(failure, NULL, "The conversation is full (%d items, %zu MiB): delete items of it", REALTIME_MAX_ITEMS,
           MAX_CONVERSATION_BYTES >> 20);
    failure->code = "conversation_full";
    return false;
}

bool realtime_create_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    const json_t *given = json_object_get(event, "item");
    if (strcmp(json_text_or(given, "type", ""), "item_reference") == 0)
        return refuse(failure, "item.type", "references are for 'response.input'");
    json_t *item = item_of(given), *shown = NULL, *previous = NULL;
    if (!item) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    size_t at;
    realtime_lock(rt);
    bool ok = realtime_has_room(rt, item_bytes(item), failure) && place_of(rt, event, &at, failure);
    const char *id = json_text_or(item, "id", "");
    if (ok && realtime_find_item(rt, id) < json_array_size(rt->items))
        ok = refuse(failure, "item.id", "There is an item '%.128s' already", id);
    if (ok) {
        previous = previous_id(rt, at);
        shown = json_deep_copy(item);
        insert_item(rt, at, item);
    }
    realtime_unlock(rt);
    if (!ok) {
        json_decref(item);
        return false;
    }
    static const char *const types[] = {"conversation.item.created", "conversation.item.added",
                                        "conversation.item.done"};
    for (size_t i = 0; i < 3; i++)
        realtime_say(rt, types[i], json_pack("{s:O, s:O}", "previous_item_id", previous, "item", shown));
    json_decref(shown);
    json_decref(previous);
    return true;
}

static bool no_such_item(const json_t *event, struct failure *failure) {
    refuse(failure, "item_id", "There is no item '%.128s'", json_text_or(event, "item_id", ""));
    failure->code = "item_not_found";
    return false;
}

bool realtime_delete_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    realtime_lock(rt);
    size_t at = realtime_find_item(rt, json_text_or(event, "item_id", ""));
    bool there = at < json_array_size(rt->items);
    if (there) remove_item(rt, at);
    realtime_unlock(rt);
    if (!there) return no_such_item(event, failure);
    realtime_say(rt, "conversation.item.deleted", json_pack("{s:O}", "item_id", json_object_get(event, "item_id")));
    return true;
}

bool realtime_retrieve_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    realtime_lock(rt);
    size_t at = realtime_find_item(rt, json_text_or(event, "item_id", ""));
    bool there = at < json_array_size(rt->items);
    json_t *item = there ? json_deep_copy(json_array_get(rt->items, at)) : NULL;
    realtime_unlock(rt);
    if (!there) return no_such_item(event, failure);
    realtime_say(rt, "conversation.item.retrieved", json_pack("{s:o}", "item", item));
    return true;
}

/* Text has no duration: all of it lies behind 0 ms, and there is nothing behind anything later. */
bool realtime_truncate_item(struct realtime *rt, const json_t *event, struct failure *failure) {
    size_t part = (size_t)json_integer_or(event, "content_index", 0);
    json_int_t end_ms = json_integer_or(event, "audio_end_ms", 0);
    bool ok = true;
    realtime_lock(rt);
    size_t at = realtime_find_item(rt, json_text_or(event, "item_id", ""));
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
    realtime_unlock(rt);
    if (!ok) return false;
    realtime_say(rt, "conversation.item.truncated",
                 json_pack("{s:O, s:I, s:I}", "item_id", json_object_get(event, "item_id"), "content_index",
                           (json_int_t)part, "audio_end_ms", end_ms));
    return true;
}

void realtime_note_item(struct realtime *rt, const char *type, const json_t *event) {
    json_t *item = json_deep_copy(json_object_get(event, "item")), *previous = NULL;
    bool begun = strcmp(type, "response.output_item.added") == 0;
    const char *id = json_text_or(item, "id", "");
    realtime_lock(rt);
    size_t at = begun ? json_array_size(rt->items) : realtime_find_item(rt, id);
    bool there = item && (begun || at < json_array_size(rt->items)); /* it may have been deleted meanwhile */
    if (there) {
        if (!begun) remove_item(rt, at);
        insert_item(rt, at, json_deep_copy(item));
        previous = previous_id(rt, at);
    }
    realtime_unlock(rt);
    if (there && begun)
        realtime_say(rt, "conversation.item.created",
                     json_pack("{s:O, s:O}", "previous_item_id", previous, "item", item));
    if (there)
        realtime_say(rt, begun ? "conversation.item.added" : "conversation.item.done",
                     json_pack("{s:O, s:O}", "previous_item_id", previous, "item", item));
    json_decref(previous);
    json_decref(item);
}
