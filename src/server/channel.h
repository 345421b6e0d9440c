/* A WebSocket as routes use it that talk JSON: messages are handled on worker threads, one at a time and in order; answers
 * may come from any thread, until one side closes. A client that doesn't read what it is told isn't read from. */
#ifndef SERVER_CHANNEL_H
#define SERVER_CHANNEL_H

#include <pthread.h>

#include "server/exchange.h"

struct channel;

/* What a route keeps for a channel begins with one of these. It is the channel's, which frees it after `released`. */
struct channel_context {
    struct channel *channel;
    char client[64];      /* whose it is, for fairness */
    pthread_mutex_t lock; /* of what the route's threads share; channels never take it */
};

struct channel_events {
    void (*opened)(void *context); /* on a worker, before the first message; NULL: the client speaks first */
    /* On a worker: a text message. Binary ones close the channel with 1003. */
    void (*received)(void *context, const char *text, size_t size);
    void (*drained)(void *context);  /* on the loop: little is unsent again after channel_is_full */
    void (*draining)(void *context); /* on the loop: the server ends; close the channel when what runs is done */
    void (*closed)(void *context);   /* by either side, once, on any thread: what is sent from here on is dropped */
    void (*released)(void *context); /* nobody holds the channel any more: the last call, on any thread */
};

/* For a WebSocket route's handler: takes the exchange over. Returns a context of `size` bytes, zeroed behind its
 * channel_context; NULL without memory: the exchange is closed then. Events come after channel_open; channel_refuse is for
 * contexts that found no memory: the exchange is closed, and only `released` comes. */
void *channel_create(struct exchange *exchange, size_t size, const struct channel_events *events);
void channel_open(struct channel *channel);
void channel_refuse(struct channel *channel);
/* Whoever uses a channel outside of its events has to hold it. */
void channel_hold(struct channel *channel);
void channel_drop(struct channel *channel);

/* Sends a text message; dropped when the channel is closed. Any thread. */
void channel_send(struct channel *channel, const char *text, size_t size);
/* Sends a JSON value, which is stolen; closes the channel when there is no memory for it. */
void channel_send_json(struct channel *channel, json_t *value);
/* Is more than EXCHANGE_HIGH_WATER unsent? Then `drained` will come. */
bool channel_is_full(struct channel *channel);
/* As exchange_close; calls `closed`. Hold the channel, and no lock that `closed` takes. */
void channel_close(struct channel *channel, int code, const char *reason);

#endif
