/* GET /models/sse: server-sent events of what becomes of models, as llama-server's router has them:
 * {"model": NAME, "event": "status_change", "data": {"status": "loading"}}; first of all how they stand. */
#ifndef SERVER_MODEL_EVENTS_H
#define SERVER_MODEL_EVENTS_H

#include "server/exchange.h"
#include "server/models.h"

struct model_events;

/* Watches the models until it is destroyed; nobody may listen then. */
bn_status model_events_create(struct models *models, struct model_events **out, bn_error *err);
void model_events_destroy(struct model_events *events);

void handle_model_events(struct exchange *exchange, void *service);

#endif
