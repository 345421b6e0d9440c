/* Tokens and templates without generating: /tokenize, /detokenize, /tokenizer_info, /apply-template. */
#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

#include "server/api.h"

void handle_tokenize(struct exchange *exchange, void *service);
void handle_detokenize(struct exchange *exchange, void *service);
void handle_tokenizer_info(struct exchange *exchange, void *service);
void handle_apply_template(struct exchange *exchange, void *service);
extern const struct schema tokenize_request_schema, detokenize_request_schema;

#endif
