#include "server/model_events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/api.h"

#define PING_MS 15000

struct listener {
    struct model_events *events;
    struct exchange *exchange;
    struct listener *next;
};

/* Locks: the models' before this one, since models tell under theirs. */
struct model_events {
    struct models *models;
    pthread_mutex_t lock;       /* of the list, and of writing to who is in it */
    struct listener *listeners; /* whose exchanges aren't given up */
};

/* ---- writing; under the lock ---- */

static void write_event(struct listener *listener, const char *name, enum model_state state) {
    json_t *event = json_pack("{s:s, s:s, s:{s:s}}", "model", name, "event", "status_change", "data", "status",
                              model_state_name(state));
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    json_decref(event);
    if (text) {
        exchange_write(listener->exchange, "data: ", 6);
        exchange_write(listener->exchange, text, strlen(text));
        exchange_write(listener->exchange, "\n\n", 2);
    }
    free(text); /* jansson's own memory */
}

/* Where it hangs in the list; where NULL hangs if it has left. */
static struct listener **place_of(const struct listener *listener) {
    struct listener **at = &listener->events->listeners;
    while (*at && *at != listener) at = &(*at)->next;
    return at;
}

/* Gives the exchange up, unless that has been done. */
static void leave(struct listener *listener, void (*give_up)(struct exchange *exchange)) {
    struct listener **at = place_of(listener);
    if (!*at) return;
    *at = listener->next;
    give_up(listener->exchange);
}

/* Under the models' lock, too. Who doesn't read is left behind. */
static void on_state(void *context, const char *name, enum model_state state) {
    struct model_events *events = context;
    pthread_mutex_lock(&events->lock);
    for (struct listener *at = events->listeners, *next; at; at = next) {
        next = at->next;
        if (exchange_pending(at->exchange) > EXCHANGE_HIGH_WATER)
            leave(at, exchange_abort);
        else
            write_event(at, name, state);
    }
    pthread_mutex_unlock(&events->lock);
}

bn_status model_events_create(struct models *models, struct model_events **out, bn_error *err) {
    struct model_events *events = mem_calloc(1, sizeof *events);
    if (!events) return fail_no_memory(err, sizeof *events);
    events->models = models;
    pthread_mutex_init(&events->lock, NULL);
    models_watch(models, on_state, events);
    *out = events;
    return BN_OK;
}

void model_events_destroy(struct model_events *events) {
    if (!events) return;
    models_watch(events->models, NULL, NULL);
    pthread_mutex_destroy(&events->lock);
    mem_free(events);
}

/* ---- a listener ---- */

static void leave_locked(struct listener *listener, void (*give_up)(struct exchange *exchange)) {
    pthread_mutex_lock(&listener->events->lock);
    leave(listener, give_up);
    pthread_mutex_unlock(&listener->events->lock);
}

static void on_closed(void *context) {
    leave_locked(context, exchange_abort);
}

static void on_cut(void *context, enum cut_reason reason) {
    (void)reason;
    leave_locked(context, exchange_end);
}

static void on_idle(void *context) {
    struct listener *listener = context;
    pthread_mutex_lock(&listener->events->lock);
    if (*place_of(listener)) exchange_write(listener->exchange, ": ping\n\n", 8);
    pthread_mutex_unlock(&listener->events->lock);
}

static void on_release(void *context) {
    mem_free(context);
}

/* Under the models' lock: whatever happens from now on is told behind it. */
static void tell_first(void *context, const char *name, enum model_state state) {
    struct listener *listener = context;
    pthread_mutex_lock(&listener->events->lock);
    write_event(listener, name, state);
    pthread_mutex_unlock(&listener->events->lock);
}

void handle_model_events(struct exchange *exchange, void *service) {
    static const struct header headers[] = {{"content-type", "text/event-stream; charset=utf-8"},
                                            {"cache-control", "no-cache"},
                                            {"x-accel-buffering", "no"}};
    static const struct exchange_watch watch = {
        .on_closed = on_closed, .on_cut = on_cut, .on_idle = on_idle, .idle_ms = PING_MS, .on_release = on_release};
    struct model_events *events = ((const struct api *)service)->model_events;
    struct listener *listener = mem_calloc(1, sizeof *listener);
    if (!listener) {
        const struct api_error error = {.status = 503};
        exchange_fail(exchange, &error, "out of memory");
        return;
    }
    listener->events = events;
    listener->exchange = exchange;
    exchange_watch(exchange, &watch, listener);
    exchange_start(exchange, 200, headers, sizeof headers / sizeof *headers);
    pthread_mutex_lock(&events->lock);
    listener->next = events->listeners;
    events->listeners = listener;
    pthread_mutex_unlock(&events->lock);
    models_tell_states(events->models, tell_first, listener);
}
