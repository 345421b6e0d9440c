/* WebSocket (RFC 6455) through wslay, on a connection that was HTTP/1.1 before. */
#ifndef SERVER_WEBSOCKET_H
#define SERVER_WEBSOCKET_H

#include "server/connection.h"
#include "server/exchange_core.h"
#include "server/http1_head.h"

/* True for a correct request to upgrade. */
bool websocket_is_asked(const struct http1_head *head);
/* Answers 101; the exchange becomes the session. */
void websocket_begin(struct connection *connection, struct exchange *exchange);

#endif
