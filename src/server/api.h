/* The inference API: its state, and the tables of its routes. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/chat_request.h"
#include "server/metrics.h"
#include "server/models.h"
#include "server/replay.h"
#include "server/route.h"

struct json_store;
struct files;
struct batches;
struct ollama_tasks;
struct stream_sessions;
struct model_events;

struct api {
    struct models *models;
    struct json_store *responses;     /* of /v1/responses */
    struct stream_sessions *sessions; /* of /v1/ws */
    struct model_events *model_events;
    struct replay replay;
    struct files *files; /* NULL: there is no folder for state, so no files and batches either */
    struct batches *batches;
    struct ollama_tasks *tasks; /* pulls, pushes and the like; NULL: this build has no hub */
    uint64_t upload_bytes;      /* most that files for /api/create may have together */
};

struct api_options {
    const char *folder; /* for files and batches; NULL: none */
    size_t cache_bytes; /* of answers that are certain to come again; 0: none */
    uint64_t upload_bytes;
};

/* Opens what the routes keep: responses in memory, files and batches in the folder. The models must be
 * there, and outlive the api; api_close first of all. */
bn_status api_open(struct api *api, struct models *models, const struct api_options *options, bn_error *err);
void api_close(struct api *api);

/* Adds all its routes to a router. api and models must outlive it. */
bn_status api_add_routes(struct api *api, struct router *router, bn_error *err);

/* The model that a body names, held; body NULL or without a name: the only one. With a tokenizer, always. */
bool api_acquire(const struct api *api, const json_t *body, const struct model **out, struct failure *failure);
/* For the handler of an exchange: the model that its body names, or its query where it has none (?model=). NULL: the exchange
 * is answered. */
const struct model *api_acquire_for(const struct api *api, struct exchange *exchange);
/* The scope of cached prompts (bn_request_options.cache_scope) of a tenant, "" for everybody's. */
uint64_t cache_scope(const char *tenant, const char *salt);
/* Whose request it is (request.client, or "batch:ID"), as the engine's options want it; whose cached prompts it may find:
 * those of its API key, or its batch, and where the body has one of its cache_salt. */
void client_heed(const char *client, const json_t *body, bn_request_options *options);
/* chat_request_read, and client_heed. Releases the request after a failure. */
bool api_chat_request(const struct api *api, const char *client, const json_t *body, struct chat_request *request,
                      struct failure *failure);

#endif
