/* Listening sockets: an address, a Unix socket, or those that systemd passes on. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <stdbool.h>

#include "base/error.h"

struct server;
struct listener;

/* Binds what the server's options say (or takes LISTEN_FDS), adds to server->listeners, sets server->url and
 * server->loopback. */
bn_status listeners_open(struct server *server, bn_error *err);
/* Accepts no more; Unix sockets' paths are removed. */
void listeners_close(struct server *server);

#endif
