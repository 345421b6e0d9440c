/* Routes that clients of llama-server know: /completion, /infill, /props, /slots. */
#ifndef SERVER_LLAMA_H
#define SERVER_LLAMA_H

#include "server/api.h"

void handle_completion(struct exchange *exchange, void *service);
void handle_infill(struct exchange *exchange, void *service);
void handle_props(struct exchange *exchange, void *service);
void handle_slots(struct exchange *exchange, void *service);
extern const struct schema llama_completion_schema, infill_schema;

#endif
