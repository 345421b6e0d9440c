/* One accepted socket, with or without TLS, and the protocol that is spoken on it. Loop thread only.
 *
 * What must not hold anything up is bounded here: input is read only as far as the protocol takes it, output is fetched
 * from exchanges only while little of it is unsent, and a peer that stands still is cut. */
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "server/loop.h"

struct server;
struct connection;

struct protocol {
    void (*on_input)(struct connection *connection);    /* there is more input, or reading was resumed */
    void (*on_writable)(struct connection *connection); /* little output is left */
    void (*on_end)(struct connection *connection);      /* the peer sends no more */
    void (*on_deadline)(struct connection *connection); /* connection->deadline_ns has passed */
    void (*on_drain)(struct connection *connection);    /* end after what runs */
    void (*on_release)(struct connection *connection);  /* the connection is going: let go of its exchanges */
};

struct connection {
    struct loop_task task; /* frees it, once no callback is under way */
    struct server *server;
    struct connection *previous, *next; /* the server's list, oldest first */
    struct bufferevent *events;
    struct evbuffer *input, *output;
    const struct protocol *protocol;
    void *state; /* the protocol's */
    char address[64];
    bool tls;
    bool closed;          /* waits to be freed */
    bool finishing;       /* flushes its output, then closes */
    bool lingers;         /* … and takes what the peer still sends for a moment, so that it can read the answer */
    bool idle;            /* no whole request of it is known: the first to go when connections run out */
    uint64_t deadline_ns; /* 0: none */
    uint64_t sent_bytes, received_bytes;
    uint64_t stall_begin_ns, stall_sent; /* output stands still since */
};

#define CONNECTION_OUTPUT_BYTES ((size_t)64 << 10) /* fetch more output below this */

/* Takes the socket (owned from here on, also in failure). */
void connection_open(struct server *server, int fd, const char *address);
/* The protocol speaks from now on. */
void connection_speak(struct connection *connection, const struct protocol *protocol, void *state);
void connection_close(struct connection *connection); /* at once */
void connection_finish(struct connection *connection, bool lingers);
void connection_set_deadline(struct connection *connection, unsigned ms); /* 0: none */
/* Stops and resumes reading; resuming calls on_input. */
void connection_pause(struct connection *connection, bool paused);
/* Deadlines and stalls. */
void connection_tick(struct connection *connection, uint64_t now_ns);

/* Begins HTTP/1.1, which notices an HTTP/2 preface. */
void http1_begin(struct connection *connection);
/* Begins HTTP/2; the preface is still in the input. */
void http2_begin(struct connection *connection);

#endif
