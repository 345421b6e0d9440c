/* Why a request can't be answered: filled in wherever that turns out, sent once. */
#ifndef SERVER_FAILURE_H
#define SERVER_FAILURE_H

#include "server/exchange.h"
#include "server/schema.h"

struct failure {
    int status; /* of HTTP; 0: none */
    const char *type, *code;
    char param[SCHEMA_PATH_BYTES]; /* "": none */
    char message[500];
    unsigned retry_after_s;
    size_t n_prompt_tokens, context_length; /* of a prompt that is too long; else 0 */
};

/* 400 about a member of the body. Always false, for `return refuse(…)`. */
bool refuse(struct failure *failure, const char *param, const char *format, ...) PRINTF_LIKE(3, 4);
/* Places that begin with `from` begin with `to` in the client's own body, which was rewritten. */
void failure_rename(struct failure *failure, const char *from, const char *to);
/* From the library's status; true when that is BN_OK. */
bool succeeded(struct failure *failure, bn_status status, const bn_error *error);
/* Why what was being generated has ended, from the engine's error; no_memory: on this side of it. */
struct failure failure_of_end(const bn_error *error, bool no_memory);
#define STATUS_CANCELLED 499 /* of a generation that was cancelled: nobody is told */
/* 400: the prompt has n tokens, the context holds fewer. In the words of both APIs that clients look for. */
bool refuse_overflow(struct failure *failure, size_t n_prompt_tokens, size_t context_length);

/* What is within "error" for OpenAI's clients: message, type, param, code. New reference; NULL without memory. */
json_t *failure_object(const struct failure *failure);
/* The error object in the style of the exchange's route; a new reference. */
json_t *failure_json(const struct exchange *exchange, const struct failure *failure);
void failure_send(struct exchange *exchange, const struct failure *failure);

#endif
