/* Lifetimes: the exchange holds the channel until its on_release, its handler until it is opened, a job on a worker until it is
 * done, and so does whoever called channel_hold. `exchange` is taken away under the lock by who gives it up, so nobody touches it afterwards. */
#include "server/channel.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

struct channel {
    const struct channel_events *events;
    struct channel_context *context; /* owned */
    atomic_size_t n_holders;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct exchange *exchange; /* NULL: closed */
    struct buffer message;     /* the one that waits for a worker */
    bool waiting;              /* there is one */
    bool working;              /* a worker is at one, or will be */
    bool stuck;                /* the next isn't read before the client has read its answers */
    /* Of the job. */
    struct buffer current;
    bool opened;
};

static void work(void *context);

void channel_hold(struct channel *channel) {
    atomic_fetch_add(&channel->n_holders, 1);
}

static void destroy(struct channel *channel) {
    buffer_release(&channel->message);
    buffer_release(&channel->current);
    pthread_mutex_destroy(&channel->lock);
    pthread_mutex_destroy(&channel->context->lock);
    mem_free(channel->context);
    mem_free(channel);
}

void channel_drop(struct channel *channel) {
    if (atomic_fetch_sub(&channel->n_holders, 1) > 1) return;
    channel->events->released(channel->context);
    destroy(channel);
}

/* ---- closing ---- */

void channel_close(struct channel *channel, int code, const char *reason) {
    pthread_mutex_lock(&channel->lock);
    struct exchange *exchange = channel->exchange;
    channel->exchange = NULL;
    if (exchange) exchange_close(exchange, code, reason);
    pthread_mutex_unlock(&channel->lock);
    if (exchange) channel->events->closed(channel->context);
}

/* ---- messages ---- */

/* Under the lock. False: no worker has time. */
static bool schedule(struct channel *channel) {
    if (channel->working) return true;
    channel_hold(channel);
    channel->working = exchange_work(channel->exchange, work, channel);
    if (!channel->working) atomic_fetch_sub(&channel->n_holders, 1); /* the caller holds it, too */
    return channel->working;
}

/* Under the lock: the next message may come, unless the client lets its answers lie. */
static void read_on(struct channel *channel) {
    channel->stuck = exchange_pending(channel->exchange) > EXCHANGE_HIGH_WATER;
    if (!channel->stuck) exchange_read_on(channel->exchange);
}

/* Takes the message that waits. */
static bool take_message(struct channel *channel) {
    pthread_mutex_lock(&channel->lock);
    bool taken = channel->waiting && channel->exchange;
    if (taken) {
        struct buffer before = channel->current;
        channel->current = channel->message;
        channel->message = before;
        channel->waiting = false;
        read_on(channel);
    }
    pthread_mutex_unlock(&channel->lock);
    return taken;
}

/* One message, or the beginning: others have their turn in between. */
static void work(void *context) {
    struct channel *channel = context;
    bool busy = false;
    if (!channel->opened) {
        channel->opened = true;
        if (channel->events->opened) channel->events->opened(channel->context);
    } else if (take_message(channel)) {
        const char *text = channel->current.data ? channel->current.data : "";
        channel->events->received(channel->context, text, channel->current.size);
        buffer_release(&channel->current);
    }
    pthread_mutex_lock(&channel->lock);
    channel->working = false;
    if (channel->waiting && channel->exchange) busy = !schedule(channel);
    pthread_mutex_unlock(&channel->lock);
    if (busy) channel_close(channel, 1013, "too many requests are waiting");
    channel_drop(channel);
}

static bool on_message(void *context, bool text, const char *bytes, size_t size) {
    struct channel *channel = context;
    bool busy = false, failed = false;
    pthread_mutex_lock(&channel->lock);
    if (channel->exchange && text) {
        buffer_clear(&channel->message);
        buffer_append(&channel->message, bytes, size);
        channel->waiting = true;
        failed = channel->message.failed;
        busy = !failed && !schedule(channel);
    }
    pthread_mutex_unlock(&channel->lock);
    if (!text) channel_close(channel, 1003, "messages are JSON texts");
    if (failed) channel_close(channel, 1011, "out of memory");
    if (busy) channel_close(channel, 1013, "too many requests are waiting");
    return false;
}

/* ---- the exchange's other events ---- */

static void on_drained(void *context) {
    struct channel *channel = context;
    pthread_mutex_lock(&channel->lock);
    if (channel->exchange && channel->stuck) read_on(channel);
    pthread_mutex_unlock(&channel->lock);
    channel->events->drained(channel->context);
}

static void on_cut(void *context, enum cut_reason reason) {
    struct channel *channel = context;
    (void)reason; /* sessions have no time limit */
    channel->events->draining(channel->context);
}

static void on_closed(void *context) {
    channel_close(context, 1000, "");
}

static void on_release(void *context) {
    channel_drop(context);
}

void *channel_create(struct exchange *exchange, size_t size, const struct channel_events *events) {
    struct channel *channel = mem_calloc(1, sizeof *channel);
    struct channel_context *context = mem_calloc(1, size);
    if (!channel || !context) {
        mem_free(channel);
        mem_free(context);
        exchange_close(exchange, 1011, "out of memory");
        return NULL;
    }
    context->channel = channel;
    snprintf(context->client, sizeof context->client, "%s", exchange_request(exchange)->client);
    pthread_mutex_init(&context->lock, NULL);
    channel->events = events;
    channel->context = context;
    channel->exchange = exchange;
    atomic_init(&channel->n_holders, 1); /* the handler */
    pthread_mutex_init(&channel->lock, NULL);
    return context;
}

void channel_open(struct channel *channel) {
    static const struct exchange_watch callbacks = {.on_message = on_message,
                                                    .on_drained = on_drained,
                                                    .on_cut = on_cut,
                                                    .on_closed = on_closed,
                                                    .on_release = on_release};
    channel_hold(channel); /* the exchange does */
    exchange_watch(channel->exchange, &callbacks, channel);
    pthread_mutex_lock(&channel->lock);
    bool ready = schedule(channel);
    pthread_mutex_unlock(&channel->lock);
    if (!ready) channel_close(channel, 1013, "too many requests are waiting");
    channel_drop(channel);
}

void channel_refuse(struct channel *channel) {
    exchange_close(channel->exchange, 1011, "out of memory");
    channel_drop(channel);
}

/* ---- sending ---- */

void channel_send(struct channel *channel, const char *text, size_t size) {
    pthread_mutex_lock(&channel->lock);
    if (channel->exchange) exchange_send(channel->exchange, true, text, size);
    pthread_mutex_unlock(&channel->lock);
}

void channel_send_json(struct channel *channel, json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (text)
        channel_send(channel, text, strlen(text));
    else
        channel_close(channel, 1011, "out of memory");
    free(text); /* jansson's own memory */
}

bool channel_is_full(struct channel *channel) {
    pthread_mutex_lock(&channel->lock);
    bool full = channel->exchange && exchange_pending(channel->exchange) > EXCHANGE_HIGH_WATER;
    pthread_mutex_unlock(&channel->lock);
    return full;
}
