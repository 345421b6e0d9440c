/* Access tokens: found, kept, forgotten. They are in the files of huggingface_hub (mode 0600): the one in use alone in
 * `token`, all by name in `stored_tokens` beside it. Tokens are never part of a message. */
#ifndef HUB_TOKEN_H
#define HUB_TOKEN_H

#include "base/error.h"

/* $HF_TOKEN (or $HUGGING_FACE_HUB_TOKEN), else the token file's. *token is newly allocated, NULL when there is none;
 * release with hub_token_free, which wipes it. */
bn_status hub_token_find(char **token, bn_error *err);
void hub_token_free(char *token);

#endif
