/* The other side of an exchange: what the transports (http1.c, http2.c, websocket.c) and the dispatcher see of it.
 * Loop thread only, but for what is said to be guarded by the lock. */
#ifndef SERVER_EXCHANGE_CORE_H
#define SERVER_EXCHANGE_CORE_H

#include <pthread.h>

#include "base/buffer.h"
#include "server/encoder.h"
#include "server/exchange.h"
#include "server/loop.h"
#include "server/route.h"

struct server;
struct inflater;

#define MAX_QUERY_PARAMETERS 16

/* What carries an exchange. */
struct transport {
    const char *protocol;
    void (*pump)(struct exchange *exchange);    /* there is something for exchange_take */
    void (*read_on)(struct exchange *exchange); /* the handler takes more of the body or messages again */
    void (*reset)(struct exchange *exchange);   /* break it off; ends in exchange_detach */
};

struct exchange {
    struct loop_task task; /* queued when `scheduled` */
    struct server *server;
    struct exchange *previous, *next;  /* the server's list */
    const struct transport *transport; /* NULL once detached */
    void *carrier;                     /* the transport's */

    /* the request; constant once the handler was called */
    struct request request;
    struct route_match match;
    char *block;      /* memory of the request's strings and headers */
    char *parameters; /* memory of the path's parameters and of the query */
    struct header query[MAX_QUERY_PARAMETERS];
    size_t n_query;
    struct buffer body;
    size_t body_limit, body_received;
    struct inflater *inflater;
    bool refused;     /* answered before the body was over: the rest of it is dropped */
    bool handed_over; /* the handler was called, or a worker will */
    enum error_style errors;
    const char *cors_origin;  /* to be allowed, in `block`; NULL: none */
    unsigned allowed_methods; /* for Allow; 0: no such header */
    char id[40], client[32];
    char note[200]; /* for the access log */

    /* the answer */
    pthread_mutex_t lock;
    struct exchange_watch watch; /* guarded by lock */
    void *context;               /* guarded by lock */
    bool scheduled;              /* guarded by lock: the task is queued */
    bool started;                /* guarded by lock */
    bool ended;                  /* guarded by lock: the body is complete */
    bool aborted;                /* guarded by lock */
    bool given_up;               /* guarded by lock: the handler doesn't touch it any more */
    bool closed;                 /* guarded by lock: what is written is dropped */
    bool above_high;             /* guarded by lock */
    bool read_again;             /* guarded by lock: exchange_read_on was called */
    bool incomplete;    /* guarded by lock: part of the answer is missing (no memory, too much unsent): abort */
    int status;         /* guarded by lock until head_taken */
    struct buffer head; /* guarded by lock until head_taken: name NUL value NUL … */
    struct buffer
        out; /* guarded by lock: body bytes not taken; of a WebSocket: messages, each behind a struct message_head */
    size_t unsent;  /* guarded by lock: bytes in the transport's hands */
    int close_code; /* guarded by lock: WebSocket */
    char close_reason[124];
    uint64_t last_write_ns; /* guarded by lock */

    bool head_taken;
    bool told_closed, warned, in_task;
    bool body_wanted;        /* unless HEAD, 204, 304 */
    bool length_known;       /* the answer was over when its head was taken */
    struct buffer taken;     /* what exchange_take gave out */
    struct encoder *encoder; /* NULL: identity */
    struct buffer encoded;
    uint64_t bytes_sent, cut_ns;
};

struct message_head {
    size_t size;
    bool text;
};

/* NULL without memory. The transport owns its side until exchange_detach. */
struct exchange *exchange_create(struct server *server, const struct transport *transport, void *carrier);

struct exchange_output {
    bool started;  /* there is an answer */
    bool new_head; /* its head is to be sent first: exchange_each_header */
    bool ended;    /* these bytes are the last */
    bool aborted;
    const char *bytes; /* until the next call */
    size_t size;
};
/* Takes what the handler has written so far. */
void exchange_take(struct exchange *exchange, struct exchange_output *output);
/* The answer's headers, the server's own included; names in lower case. Only after new_head. */
void exchange_each_header(struct exchange *exchange, void (*emit)(void *context, const char *name, const char *value),
                          void *context);
/* Tells how much of what was taken is still unsent. */
void exchange_set_unsent(struct exchange *exchange, size_t n);

/* The transport is done with it: everything was sent, or (gone) the client can't be reached any more. */
void exchange_detach(struct exchange *exchange, bool gone);
/* Tells the handler that it should end, without an end to its time yet. */
void exchange_warn(struct exchange *exchange, enum cut_reason reason);
/* Cuts it: tells the handler, or answers in its stead. */
void exchange_cut(struct exchange *exchange, enum cut_reason reason);
/* True once its answer is complete, sent or not. */
bool exchange_is_ended(struct exchange *exchange);
/* What has to be looked at now and then: idle, timeouts. True if it reset its transport: other exchanges may be gone, too. */
bool exchange_tick(struct exchange *exchange, uint64_t now_ns);

#endif
