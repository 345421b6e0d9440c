/* The OpenAI Responses API, with a bounded store of earlier responses. */
#ifndef SERVER_RESPONSES_H
#define SERVER_RESPONSES_H

#include "server/api.h"
#include "server/delivery.h"

/* What the route does with a body that its schema has let through. */
void answer_response(struct api *api, const json_t *body, const struct asker *asker);
void handle_responses(struct exchange *exchange, void *service);
void handle_response_get(struct exchange *exchange, void *service);
void handle_response_delete(struct exchange *exchange, void *service);
void handle_response_cancel(struct exchange *exchange, void *service);
void handle_response_input_items(struct exchange *exchange, void *service);
void handle_response_input_tokens(struct exchange *exchange, void *service);
extern const struct schema response_request_schema;

#endif
