/* Access tokens: found, kept, forgotten. They are in the desktop's secret service, where there is one (keyring.h), or in the files of
 * huggingface_hub (mode 0600): the one in use alone in `token`, all by name in `stored_tokens` beside it. What is in the
 * secret service comes first; with HF_TOKEN_PATH, which says where tokens are, only files count. Tokens are never part of a message. */
#ifndef HUB_TOKEN_H
#define HUB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum token_place {
    TOKEN_NOWHERE,
    TOKEN_LOCKED, /* there is one in the secret service, but its keyring is locked */
    TOKEN_IN_VARIABLE,
    TOKEN_IN_FILE,
    TOKEN_IN_SECRET_SERVICE,
};
const char *token_place_name(enum token_place place); /* "file" */

/* $HF_TOKEN (or $HUGGING_FACE_HUB_TOKEN), else the stored one that is in use for HF_ENDPOINT's hub. *token is newly allocated, NULL
 * when there is none; release with hub_token_free, which wipes it. May take seconds where a secret service doesn't answer. */
bn_status hub_token_find(char **token, enum token_place *place, bn_error *err);
void hub_token_free(char *token);
/* The environment variable that the token in use comes from, NULL if it is a stored one. */
const char *hub_token_variable(void);

/* A copy of text without white space around it. BN_STATUS_BAD_ARGUMENT if that is empty or can't be a token; the message names
 * `origin` only. */
bn_status hub_token_clean(const char *text, const char *origin, char **token, bn_error *err);

/* Keeps a token for HF_ENDPOINT's hub under a name, and makes it the one in use. place: TOKEN_IN_FILE, TOKEN_IN_SECRET_SERVICE, or
 * TOKEN_NOWHERE for the best there is; *kept is where it went. *note: why it isn't in the secret service although there is
 * one, or NULL. */
bn_status hub_token_store(const char *name, const char *token, enum token_place place, enum token_place *kept,
                          const char **note, bn_error *err);
/* Makes a kept token the one in use. BN_STATUS_NOT_FOUND if there is none of that name. */
bn_status hub_token_switch(const char *name, bn_error *err);
/* Forgets the token of that name (NULL: all, of all hubs) wherever it is, and the one in use if it is that. */
bn_status hub_token_forget(const char *name, bn_error *err);

struct kept_token {
    const char *name;
    const char *endpoint; /* of the hub it is for; NULL where files don't tell */
    enum token_place place;
    bool in_use; /* what hub_token_find finds where no variable is set */
};
/* Calls visit for every kept token. */
bn_status hub_token_visit(void (*visit)(void *context, const struct kept_token *token), void *context, bn_error *err);

#endif
