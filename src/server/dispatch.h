/* From a request's head to its handler, the same for every transport: what the path means, who asks, which route it is,
 * whether its body may come. Loop thread. */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/exchange_core.h"

struct request_head {
    const char *method, *target;  /* as they came; target in origin, absolute or asterisk form */
    const char *authority;        /* Host or :authority; NULL: none (HTTP/1.0) */
    const struct header *headers; /* names in lower case */
    size_t n_headers;
    bool has_length;
    uint64_t length;
    const char *address; /* of the client */
    bool upgrades;       /* asks to speak WebSocket, correctly */
};

/* Copies the head and finds the route. When it returns, exchange->refused says whether it has been answered already (the
 * transport drops the body); otherwise the body follows: dispatch_body …, dispatch_body_end. */
void dispatch_head(struct exchange *exchange, const struct request_head *head);
/* The next bytes of the body. False: bring no more until the transport's read_on. */
bool dispatch_body(struct exchange *exchange, const char *bytes, size_t size);
void dispatch_body_end(struct exchange *exchange);
/* The connection speaks WebSocket now: calls the handler. */
void dispatch_session(struct exchange *exchange);

#endif
