/* Who may call from a browser: CORS, and two attacks that browsers lend themselves to. A page elsewhere can send requests
 * to this machine's addresses (so foreign origins are refused before a handler runs, not only kept from reading the
 * answer), and a name elsewhere can be made to resolve to this machine (DNS rebinding: so an open server on loopback
 * answers only to names of this machine). */
#ifndef SERVER_ORIGIN_H
#define SERVER_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

struct origins {
    const char *const
        *allowed; /* "*", "https://app.example", or with one * for the first labels; none: loopback hosts */
    size_t n;
};

/* host: the Host header; NULL: none. Same-origin requests are allowed. *allow is what to answer as
 * Access-Control-Allow-Origin, NULL for none. */
bool origins_allow(const struct origins *origins, const char *origin, const char *host, const char **allow);
/* True for localhost, *.localhost, 127.*, [::1] and any other IP address, with or without a port. */
bool host_is_local(const char *host);
/* A Host header's value: a name or address with an optional port, and nothing else. */
bool host_is_valid(const char *host);

#endif
