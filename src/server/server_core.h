/* What the parts of the server share. Loop thread only unless said otherwise. */
#ifndef SERVER_SERVER_CORE_H
#define SERVER_SERVER_CORE_H

#include <stdatomic.h>

#include "base/hash.h"
#include "server/access_log.h"
#include "server/auth.h"
#include "server/exchange_core.h"
#include "server/loop.h"
#include "server/origin.h"
#include "server/server.h"
#include "server/workers.h"

struct connection;
struct listener;
struct tls;

struct server_metrics {
    struct metric *requests[6]; /* by class of status: [2] counts 2xx */
    struct metric *active, *connections, *connections_total, *connections_refused;
    struct metric *received_bytes, *sent_bytes, *duration, *cut, *protocol_errors;
};

struct server {
    struct server_options options; /* defaults filled in; constant */
    const struct router *router;
    struct metrics *metrics;
    struct server_metrics counts;
    struct loop loop;
    struct workers workers;
    struct access_log log;
    struct api_keys keys;
    struct origins origins;
    bool loopback; /* every address it listens on is one of this machine */

    struct listener *listeners;
    struct tls *tls; /* NULL: plain */
    char *url;
    struct connection *connections, *newest; /* oldest first */
    size_t n_connections;
    struct exchange *exchanges;
    size_t n_exchanges;

    struct event *ticker, *control; /* control: on control_fd, an eventfd that signal handlers may write to */
    int control_fd;
    atomic_uint drain_requests;
    atomic_bool reload_requested;
    uint64_t certificate_check_ns;
    uint64_t drain_deadline_ns; /* 0: not draining */
    _Atomic(const char *) unready;

    uint64_t id_seed, n_ids; /* of requests */
    char date[32];           /* for the Date header, of second date_s */
    int64_t date_s;
};

/* The Date header's value, made once a second. */
const char *server_date(struct server *server);

#endif
