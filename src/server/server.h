/* The server: listeners, one thread that runs the event loop with all connections, a few workers for handlers that
 * block. docs/server.md tells the whole. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/exchange.h"
#include "server/metrics.h"
#include "server/route.h"

struct server;

/* Zero means the default in parentheses. */
struct server_options {
    const char *host; /* (127.0.0.1) an address, a name, or the path of a Unix socket (ends in .sock, or unix:PATH) */
    unsigned port;    /* 0: the system picks one */
    const char *const *api_keys; /* none: open, and then only loopback addresses are bound */
    size_t n_api_keys;
    const char *tls_certificate_file, *tls_key_file; /* PEM, both or none */
    const char *const *cors_origins;                 /* "*" or origins; (those of loopback hosts) */
    size_t n_cors_origins;
    const char *api_prefix;                      /* in front of every path; ("") */
    size_t n_workers;                            /* (4) threads for blocking handlers */
    size_t max_connections;                      /* (4096) */
    size_t max_body_bytes;                       /* (64 MiB) decompressed */
    unsigned header_timeout_ms, body_timeout_ms; /* (15000) a request's headers; (20000) a body without progress */
    unsigned idle_timeout_ms;                    /* (75000) between requests */
    unsigned write_timeout_ms;                   /* (30000) an answer without progress */
    unsigned request_timeout_ms;                 /* (3600000) from its first byte to the end of its answer */
    unsigned drain_timeout_ms;                   /* (30000) from SIGTERM to the cut */
    bool no_access_log;
};

/* router and metrics, as what options points to, must outlive the server, which adds its own routes (/health, /metrics, …).
 * Binds; answers nothing yet. */
bn_status server_create(const struct server_options *options, struct router *router, struct metrics *metrics,
                        struct server **out, bn_error *err);
/* Where it listens: "http://127.0.0.1:8080" or "unix:/run/x.sock". Lives as long as the server. */
const char *server_url(const struct server *server);
/* Runs on the calling thread until it is drained. */
bn_status server_run(struct server *server, bn_error *err);
/* Any thread, also a signal handler: take no more connections, let what runs finish until the deadline, then return from
 * server_run. A second call cuts at once. */
void server_drain(struct server *server);
/* Any thread, also a signal handler: read the certificate again. */
void server_reload(struct server *server);
void server_destroy(struct server *server);

/* What GET /ready says: 503 with this reason until it is NULL (static string). Any thread. */
void server_set_unready(struct server *server, const char *reason);

/* Runs work(context) on the loop thread, soon. Any thread. False without memory. */
bool server_post(struct server *server, void (*work)(void *context), void *context);
/* Runs work(context) on a worker thread. False when the queue is full: answer 503. Any thread. */
bool server_work(struct server *server, void (*work)(void *context), void *context);

#endif
