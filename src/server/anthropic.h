/* The Anthropic Messages API. */
#ifndef SERVER_ANTHROPIC_H
#define SERVER_ANTHROPIC_H

#include "server/api.h"

void handle_messages(struct exchange *exchange, void *service);
void handle_count_tokens(struct exchange *exchange, void *service);
extern const struct schema messages_request_schema, count_tokens_request_schema;

#endif
