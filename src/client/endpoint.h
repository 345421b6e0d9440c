/* Where a server with OpenAI's routes is, and as whom it is asked. */
#ifndef CLIENT_ENDPOINT_H
#define CLIENT_ENDPOINT_H

#include "base/json.h"
#include "net/http.h"

struct endpoint {
    char *base;   /* what "/v1/models" goes behind: "http://127.0.0.1:8080" */
    char *socket; /* the path of a Unix socket; NULL: none */
    char *key;    /* bearer token; NULL: none */
    char *model;  /* what requests name; NULL until endpoint_find_model */
};

/* url: http or https, with or without "/v1" and a slash at its end; "host:port"; or "unix:/path". key NULL: none. model NULL:
 * endpoint_find_model says. BN_STATUS_BAD_ARGUMENT for what isn't a URL. Release, also after a failure. */
bn_status endpoint_init(struct endpoint *endpoint, const char *url, const char *key, const char *model, bn_error *err);
void endpoint_release(struct endpoint *endpoint);
/* Can nobody on the way read what is sent? (https, a Unix socket, or this machine) */
bool endpoint_is_private(const struct endpoint *endpoint);

/* Sets model to the first that the server lists, unless it is set. */
bn_status endpoint_find_model(struct endpoint *endpoint, struct http_client *http, bn_error *err);

/* The full URL of a path such as "/v1/models"; mem_free. NULL without memory. */
char *endpoint_url(const struct endpoint *endpoint, const char *path);
/* GET (body NULL) or POST of JSON text; *out is the JSON of a 2xx answer, to be released with json_decref. After another
 * one the message has what the server said. */
bn_status endpoint_ask(const struct endpoint *endpoint, struct http_client *http, const char *path, const char *body,
                       json_t **out, bn_error *err);

/* Adds to an error that tells of an answer's status what the answer says itself: OpenAI's {"error": {"message"}} and the like,
 * and when to try again. err may be NULL. */
void add_server_message(const struct http_response *response, bn_error *err);

#endif
