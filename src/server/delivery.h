/* An answer on its way to a client: what the APIs share of carrying one over an exchange, whole or as server-sent
 * events. An API's context begins with one of these. The work behind it is an answer (chats) or a bare generation. */
#ifndef SERVER_DELIVERY_H
#define SERVER_DELIVERY_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/answer.h"
#include "server/replay.h"

/* Who waits for an answer: a client, behind an exchange, or the server itself, which is handed the whole of it. */
struct asker {
    struct exchange *exchange; /* NULL: the server, and … */
    /* … this is called, once, maybe before the request's start returns, on any thread; body: stolen, NULL without
     * memory. */
    void (*take)(void *context, int status, json_t *body);
    void *context;
    const char *client; /* request.client, or a name like it */
};
struct asker asker_of(struct exchange *exchange);

struct delivery {
    struct exchange *exchange;     /* NULL: … */
    struct asker asker;            /* … this one waits */
    struct answer *answer;         /* owned; or … */
    struct generation *generation; /* … owned; the other is NULL */
    const struct model *model;     /* that works on it */
    char id[48];
    int64_t created;                /* seconds since 1970 */
    bool stream;                    /* events, … */
    bool lines;                     /* … which are lines of JSON, instead of server-sent events */
    void (*release)(void *context); /* of what the API's context holds; NULL: nothing */
    struct buffer line;             /* of an event that is being made */
    atomic_int cut;                 /* why it had to end: enum cut_reason + 1; 0: it hadn't */
    pthread_mutex_t lock;           /* writing: the engine's thread, and pings */
    bool started;                   /* guarded by lock */
    bool paused;                    /* guarded by lock: the client doesn't keep up */
    struct replay_ticket ticket;    /* for the answer, if it is to be given again */
};

/* For the handler of an exchange: an API's context of `size` bytes, zeroed behind its delivery. NULL without memory: then
 * the exchange is answered. Starting it hands it over: it is freed, and `release` called before, when the exchange is gone. */
void *delivery_create(struct exchange *exchange, size_t size, const char *id_prefix, bool stream,
                      void (*release)(void *context));
/* The same for whoever asks; nothing streams to the server itself. */
void *delivery_create_for(const struct asker *asker, size_t size, const char *id_prefix, bool stream,
                          void (*release)(void *context));
/* Instead of starting: frees it; delivery_refuse answers the exchange, too. */
void delivery_destroy(struct delivery *d);
void delivery_refuse(struct delivery *d, const struct failure *failure);
/* Creates the answer of a request (taken over, always) and starts it; from here on the format's callbacks come, with
 * their context: the API's own, or a part of it. On failure the exchange is answered. */
void delivery_start_answer(struct delivery *d, struct chat_request *request, const struct answer_format *format,
                           void *context);
/* The same for prompts; the model's hold and the ids are taken over, always. */
void delivery_start_generation(struct delivery *d, const struct model *model, const struct generation_prompt *prompts,
                               size_t n_prompts, const struct generation_sink *sink, const struct settings *settings);
/* Sends `line` as an event: "data: …", with "event: name" before it unless NULL, and clears it. */
void delivery_event(struct delivery *d, const char *name);
/* The same for a value, which is stolen. */
void delivery_event_json(struct delivery *d, const char *name, json_t *value);
/* The whole answer, in place of a stream; stolen. Ends the exchange. */
void delivery_respond(struct delivery *d, json_t *value);
/* Bytes as they are. */
void delivery_write(struct delivery *d, const char *text);

/* For a format's `end`: true if the answer is whole. Else the client is told, as far as it is there: an error of its
 * own as long as nothing was sent, or an error event (followed by `tail`, may be NULL), and the exchange is ended. */
bool delivery_succeeded(struct delivery *d, const struct failure *failure, const char *event_name, const char *tail);

#endif
