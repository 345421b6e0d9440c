/* GET /v1/ws: many answers at once on one WebSocket, by names that the client chooses; what a lost connection missed is told
 * again. docs/websocket.md is the protocol. */
#ifndef SERVER_STREAMS_H
#define SERVER_STREAMS_H

#include "server/api.h"
#include "server/stream_session.h"

void handle_streams(struct exchange *exchange, void *service);

/* Reads a message of a client: false with a failure for what isn't one. *message: a new reference as soon as it is JSON, else
 * NULL. */
bool streams_message_read(const char *text, size_t size, json_t **message, struct failure *failure);

#endif
