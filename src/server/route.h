/* The route table: the one place that says what the server answers. It dispatches, checks keys and bodies, answers
 * OPTIONS, HEAD, 404 and 405, and describes itself (GET /openapi.json).
 *
 * Add a route: a row in a table of the subject's file, and its handler. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/exchange.h"
#include "server/schema.h"

/* What a key must be good for. An API key of --api-key is good for all; keys with fewer scopes will come with a store of
 * keys, and change auth.c only. */
enum scope {
    SCOPE_PUBLIC,    /* no key */
    SCOPE_INFERENCE, /* using models */
    SCOPE_METRICS,   /* looking at the server */
    SCOPE_MANAGE,    /* loading, deleting, pulling */
};

enum body_kind {
    BODY_NONE,   /* a body is read and dropped */
    BODY_JSON,   /* parsed, checked against `request` (may be NULL: any JSON), in request->json */
    BODY_BYTES,  /* as it came, in request->body */
    BODY_STREAM, /* the handler is called after the headers, on_body brings the body */
};

/* How errors look to the clients of a route. */
enum error_style {
    ERRORS_OPENAI,    /* {"error": {"message", "type", "param", "code"}}, the code a name or null */
    ERRORS_LLAMA,     /* the same, but the code is the status */
    ERRORS_OLLAMA,    /* {"error": "message"} */
    ERRORS_ANTHROPIC, /* {"type": "error", "error": {"type", "message"}, "request_id"} */
};

/* Called on the loop thread unless `blocking`. service: of the table the route is in. */
typedef void (*route_handler)(struct exchange *exchange, void *service);

struct route {
    enum http_method method; /* GET answers HEAD too */
    /* Segments between slashes; {name} matches one, {name*} at the end one or more: "/v1/models/{id*}". Paths without
     * parameters win over those with, then earlier rows over later ones. */
    const char *path;
    enum scope scope;
    route_handler handler;
    enum body_kind body;
    const struct schema *request;
    size_t max_body_bytes; /* 0: the server's */
    enum error_style errors;
    bool blocking;  /* runs on a worker thread, and so do parsing and checking its body; it may block */
    bool websocket; /* GET with an upgrade; the handler is called when the connection speaks WebSocket */
    bool endless;   /* its answer goes on until someone ends it: no time limit, and CUT_SHUTDOWN when draining begins */
    const char *tag, *summary;         /* for OpenAPI; no summary: the route isn't listed */
    const struct schema *response;     /* of 200; NULL: not described */
    const char *response_content_type; /* NULL: application/json */
};

/* A table: rows ended by a NULL path, and what their handlers get. */
struct route_table {
    const struct route *routes;
    void *service;
};

struct router; /* all tables of a server */

bn_status router_create(struct router **out, bn_error *err);
void router_destroy(struct router *router);
/* The rows must outlive the router. BN_STATUS_BAD_ARGUMENT for a bad or a doubled pattern. Not after the server runs. */
bn_status router_add(struct router *router, const struct route_table *table, bn_error *err);

/* Describes all tables as an OpenAPI 3.1 document. New reference; NULL without memory. */
json_t *router_openapi(const struct router *router);

/* Finding: the routes whose pattern matches a decoded path. */
struct route_parameter {
    const char *name;
    size_t name_bytes;
    size_t begin, end; /* in the path */
};
#define MAX_ROUTE_PARAMETERS 4
struct route_match {
    const struct route *route; /* NULL: none for this method */
    void *service;
    struct route_parameter parameters[MAX_ROUTE_PARAMETERS];
    size_t n_parameters;
    unsigned allowed; /* methods that the path has, 1 << method; 0: no such path */
};
void router_find(const struct router *router, enum http_method method, const char *path, struct route_match *match);

#endif
