/* GET /v1/realtime: the text part of OpenAI's realtime API over WebSocket. docs/websocket.md tells what is supported. */
#ifndef SERVER_REALTIME_H
#define SERVER_REALTIME_H

#include "server/api.h"

void handle_realtime(struct exchange *exchange, void *service);

/* Reads an event of a client: false with a failure for what isn't one, or isn't supported. *event: a new reference as soon
 * as it is JSON, else NULL. */
bool realtime_event_read(const char *text, size_t size, json_t **event, struct failure *failure);

#endif
