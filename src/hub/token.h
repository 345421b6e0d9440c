/* Access tokens: found, kept, forgotten. They are in the files of huggingface_hub (mode 0600): the one in use alone in
 * `token`, all by name in `stored_tokens` beside it. Tokens are never part of a message. */
#ifndef HUB_TOKEN_H
#define HUB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* $HF_TOKEN (or $HUGGING_FACE_HUB_TOKEN), else the token file's. *token is newly allocated, NULL when there is none;
 * release with hub_token_free, which wipes it. */
bn_status hub_token_find(char **token, bn_error *err);
void hub_token_free(char *token);
/* The environment variable that the token in use comes from, NULL if it comes from the file. */
const char *hub_token_variable(void);

/* A copy of text without white space around it. BN_STATUS_BAD_ARGUMENT if that is empty or can't be a token; the message names
 * `origin` only. */
bn_status hub_token_clean(const char *text, const char *origin, char **token, bn_error *err);

/* Keeps a token under a name, and makes it the one in use. */
bn_status hub_token_store(const char *name, const char *token, bn_error *err);
/* Makes a kept token the one in use. BN_STATUS_NOT_FOUND if there is none of that name. */
bn_status hub_token_switch(const char *name, bn_error *err);
/* Forgets the token of that name (NULL: all), and the one in use if it is that. */
bn_status hub_token_forget(const char *name, bn_error *err);
/* Calls visit for every kept token; in_use: it is what the token file holds. */
bn_status hub_token_visit(void (*visit)(void *context, const char *name, bool in_use), void *context, bn_error *err);

#endif
