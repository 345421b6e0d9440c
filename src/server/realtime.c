/* A session's beginning, its configuration and its end. */
#include "server/realtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/realtime_core.h"

void realtime_say(struct realtime *rt, const char *type, json_t *event) {
    char id[32];
    snprintf(id, sizeof id, "event_%06zu", atomic_fetch_add(&rt->n_events, 1) + 1);
    if (event && (json_object_set_new(event, "event_id", json_string(id)) ||
                  json_object_set_new(event, "type", json_string(type)))) {
        json_decref(event);
        event = NULL;
    }
    channel_send_json(rt->channel.channel, event);
}

static void say_error(struct realtime *rt, const json_t *event, const struct failure *failure) {
    json_t *error = failure_object(failure), *id = json_member(event, "event_id");
    json_object_set_new(error, "event_id", json_is_string(id) ? json_incref(id) : json_null());
    realtime_say(rt, "error", json_pack("{s:o}", "error", error));
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
        channel_close(rt->channel.channel, 4000 + failure.status, failure.status == 404 ? "no such model" : "no model");
        return;
    }
    json_t *config = first_config(rt, model->name), *shown = json_deep_copy(config);
    model_release(model);
    realtime_lock(rt);
    rt->config = config;
    rt->items = json_array();
    bool there = rt->config && rt->items;
    realtime_unlock(rt);
    if (!there) {
        json_decref(shown);
        channel_close(rt->channel.channel, 1011, "out of memory");
        return;
    }
    realtime_say(rt, "session.created", json_pack("{s:o}", "session", shown));
}

/* ---- events of the client ---- */

void realtime_configure(json_t *config, const json_t *given) {
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
    realtime_lock(rt);
    const char *model = json_text_or(rt->config, "model", ""), *asked = json_text_or(given, "model", model);
    bool same = strcmp(asked, model) == 0 || (rt->model && strcmp(asked, rt->model) == 0);
    json_t *config = json_deep_copy(rt->config), *shown = NULL;
    if (config) realtime_configure(config, given);
    size_t size = config ? json_dumpb(config, NULL, 0, JSON_COMPACT) : 0;
    bool fits = size > 0 && size <= MAX_MESSAGE_BYTES; /* members add up over updates */
    if (same && fits) {
        shown = json_deep_copy(config);
        json_t *before = rt->config;
        rt->config = config;
        config = before;
    }
    realtime_unlock(rt);
    json_decref(config);
    if (!same) return refuse(failure, "session.model", "'session.model' can't be changed: open another connection");
    if (!size) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    if (!fits)
        return refuse(failure, "session", "'session' would have %zu bytes; at most %zu", size, MAX_MESSAGE_BYTES);
    realtime_say(rt, "session.updated", json_pack("{s:o}", "session", shown));
    return true;
}

static bool (*const handlers[N_REALTIME_EVENTS])(struct realtime *rt, const json_t *event, struct failure *failure) = {
    [EVENT_SESSION_UPDATE] = update_session,
    [EVENT_ITEM_CREATE] = realtime_create_item,
    [EVENT_ITEM_DELETE] = realtime_delete_item,
    [EVENT_ITEM_RETRIEVE] = realtime_retrieve_item,
    [EVENT_ITEM_TRUNCATE] = realtime_truncate_item,
    [EVENT_RESPONSE_CREATE] = realtime_create_response,
    [EVENT_RESPONSE_CANCEL] = realtime_cancel_response,
};

static void on_received(void *context, const char *text, size_t size) {
    struct realtime *rt = context;
    struct failure failure = {0};
    json_t *event;
    if (!realtime_event_read(text, size, &event, &failure) ||
        !handlers[realtime_event_of(json_text_or(event, "type", ""))](rt, event, &failure))
        say_error(rt, event, &failure);
    json_decref(event);
}

/* ---- the channel's other events ---- */

static void on_drained(void *context) {
    struct realtime *rt = context;
    realtime_lock(rt);
    if (rt->paused) realtime_pause_responses(rt, false);
    rt->paused = false;
    realtime_unlock(rt);
}

static void on_draining(void *context) {
    struct realtime *rt = context;
    realtime_lock(rt);
    rt->draining = true;
    bool idle = !rt->responses;
    realtime_unlock(rt);
    if (idle) channel_close(rt->channel.channel, 1001, "the server is shutting down");
}

static void on_closed(void *context) {
    struct realtime *rt = context;
    realtime_lock(rt);
    rt->closed = true;
    realtime_cancel_responses(rt);
    realtime_unlock(rt);
}

static void on_released(void *context) {
    struct realtime *rt = context;
    json_decref(rt->config);
    json_decref(rt->items);
    mem_free(rt->model);
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
    struct realtime *rt = channel_create(exchange, sizeof *rt, &events);
    if (!rt) return;
    rt->api = service;
    make_id(rt->id, sizeof rt->id, "sess_");
    make_id(rt->conversation_id, sizeof rt->conversation_id, "conv_");
    if (!model || (rt->model = mem_strdup(model)))
        channel_open(rt->channel.channel);
    else
        channel_refuse(rt->channel.channel);
}
