/* API keys: which one a request shows, and what it may do with it. The place where keys with scopes, limits and owners
 * will be looked up. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "base/error.h"
#include "server/exchange.h"
#include "server/route.h"

struct api_keys {
    unsigned char (*digests)[32]; /* SHA-256 of each: compared in constant time, whatever the lengths */
    size_t n;
};

bn_status api_keys_init(struct api_keys *keys, const char *const *texts, size_t n, bn_error *err);
void api_keys_release(struct api_keys *keys);

enum auth_result { AUTH_OK, AUTH_MISSING, AUTH_WRONG };
/* Looks for "Authorization: Bearer KEY", "x-api-key: KEY" or, as a browser can't set headers of a WebSocket, the
 * subprotocol "bitnet-key.KEY" or "openai-insecure-api-key.KEY". *index is the key's number, SIZE_MAX if none is needed. */
enum auth_result api_keys_check(const struct api_keys *keys, const struct request *request, enum scope scope,
                                size_t *index);
/* The key in the subprotocol that begins here, or NULL. */
const char *api_key_in_subprotocol(const char *subprotocol);

#endif
