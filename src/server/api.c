#include "server/api.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "server/anthropic.h"
#include "server/batches.h"
#include "server/files.h"
#include "server/json_store.h"
#include "server/llama.h"
#include "server/model_events.h"
#include "server/ollama.h"
#include "server/openai.h"
#include "server/realtime.h"
#include "server/responses.h"
#include "server/streams.h"
#include "server/tokens.h"

#define INFERENCE(method_, path_, handler_, schema_, summary_)                                                         \
    {                                                                                                                  \
        .method = method_, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_,                               \
        .body = (method_) == HTTP_POST ? BODY_JSON : BODY_NONE, .request = schema_, .blocking = true,                  \
        .tag = "inference", .summary = summary_                                                                        \
    }

#define ANTHROPIC(path_, handler_, schema_, summary_)                                                                  \
    {                                                                                                                  \
        .method = HTTP_POST, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_, .body = BODY_JSON,          \
        .request = schema_, .blocking = true, .errors = ERRORS_ANTHROPIC, .tag = "inference", .summary = summary_      \
    }

#define LLAMA(method_, path_, handler_, schema_, summary_)                                                             \
    {                                                                                                                  \
        .method = method_, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_,                               \
        .body = (method_) == HTTP_POST ? BODY_JSON : BODY_NONE, .request = schema_, .blocking = true,                  \
        .errors = ERRORS_LLAMA, .tag = "inference", .summary = summary_                                                \
    }

#define MANAGE(path_, handler_, summary_)                                                                              \
    {                                                                                                                  \
        .method = HTTP_POST, .path = path_, .scope = SCOPE_MANAGE, .handler = handler_, .body = BODY_JSON,             \
        .request = &model_load_schema, .blocking = true, .tag = "models", .summary = summary_                          \
    }

#define STORED(method_, path_, handler_, body_, schema_, summary_)                                                     \
    {                                                                                                                  \
        .method = method_, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_, .body = body_,                \
        .request = schema_, .blocking = true, .tag = "batches", .summary = summary_                                    \
    }

#define SOCKET(path_, handler_, summary_)                                                                              \
    {                                                                                                                  \
        .method = HTTP_GET, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_, .websocket = true,           \
        .tag = "inference", .summary = summary_                                                                        \
    }

#define MAX_RESPONSES      4096
#define MAX_RESPONSE_BYTES ((size_t)256 << 20)
#define MAX_RESPONSE_AGE_S (30 * 86400)

static const struct route routes[] = {
    INFERENCE(HTTP_POST, "/v1/chat/completions", handle_chat_completions, &chat_request_schema,
              "Continue a conversation"),
    INFERENCE(HTTP_POST, "/v1/completions", handle_completions, &completion_request_schema, "Continue a text"),
    INFERENCE(HTTP_POST, "/v1/embeddings", handle_embeddings, &embedding_request_schema, "Texts as vectors"),
    INFERENCE(HTTP_GET, "/v1/models", handle_models, NULL, "The models there are"),
    INFERENCE(HTTP_GET, "/v1/models/{id*}", handle_model, NULL, "One model"),
    INFERENCE(HTTP_POST, "/tokenize", handle_tokenize, &tokenize_request_schema,
              "The tokens of a text or a conversation"),
    INFERENCE(HTTP_POST, "/detokenize", handle_detokenize, &detokenize_request_schema, "The text of tokens"),
    INFERENCE(HTTP_GET, "/tokenizer_info", handle_tokenizer_info, NULL, "What is special about the tokenizer"),
    INFERENCE(HTTP_POST, "/apply-template", handle_apply_template, &chat_request_schema,
              "A conversation as the model reads it"),
    INFERENCE(HTTP_GET, "/models", handle_models, NULL, NULL),
    {.method = HTTP_GET,
     .path = "/models/sse",
     .scope = SCOPE_INFERENCE,
     .handler = handle_model_events,
     .endless = true,
     .tag = "models",
     .summary = "Events of models: loading, loaded, unloaded, failed",
     .response_content_type = "text/event-stream"},
    MANAGE("/models/load", handle_model_load, "Load a model, or its newest version in place of it"),
    MANAGE("/models/unload", handle_model_unload, "Take a model out of memory once it isn't used"),
    INFERENCE(HTTP_POST, "/v1/responses", handle_responses, &response_request_schema, "Answer, and keep the answer"),
    INFERENCE(HTTP_POST, "/v1/responses/input_tokens", handle_response_input_tokens, &response_request_schema,
              "Tokens of a request"),
    INFERENCE(HTTP_GET, "/v1/responses/{id}", handle_response_get, NULL, "An answer that was kept"),
    INFERENCE(HTTP_DELETE, "/v1/responses/{id}", handle_response_delete, NULL, "Forget an answer"),
    INFERENCE(HTTP_POST, "/v1/responses/{id}/cancel", handle_response_cancel, NULL, NULL),
    INFERENCE(HTTP_GET, "/v1/responses/{id}/input_items", handle_response_input_items, NULL,
              "What an answer that was kept is an answer to"),
    LLAMA(HTTP_POST, "/completion", handle_completion, &llama_completion_schema, "Continue a text (llama-server)"),
    LLAMA(HTTP_POST, "/completions", handle_completion, &llama_completion_schema, NULL),
    LLAMA(HTTP_POST, "/infill", handle_infill, &infill_schema, "Fill in what is between two texts"),
    LLAMA(HTTP_GET, "/props", handle_props, NULL, "Properties of the only model"),
    LLAMA(HTTP_GET, "/slots", handle_slots, NULL, "Places in the batch of the only model"),
    ANTHROPIC("/v1/messages", handle_messages, &messages_request_schema, "Continue a conversation (Anthropic)"),
    ANTHROPIC("/v1/messages/count_tokens", handle_count_tokens, &count_tokens_request_schema,
              "Tokens of a conversation (Anthropic)"),
    SOCKET("/v1/realtime", handle_realtime, "A conversation over WebSocket (OpenAI's realtime API, text)"),
    SOCKET("/v1/ws", handle_streams, "Many answers at once over WebSocket, resumable"),
    {0},
};

static const struct route stored_routes[] = {
    STORED(HTTP_POST, "/v1/files", handle_file_create, BODY_BYTES, NULL, "Keep a file"),
    STORED(HTTP_GET, "/v1/files", handle_file_list, BODY_NONE, NULL, "The files there are"),
    STORED(HTTP_GET, "/v1/files/{id}", handle_file_get, BODY_NONE, NULL, "What is known of a file"),
    STORED(HTTP_GET, "/v1/files/{id}/content", handle_file_content, BODY_NONE, NULL, "A file"),
    STORED(HTTP_DELETE, "/v1/files/{id}", handle_file_delete, BODY_NONE, NULL, "Delete a file"),
    STORED(HTTP_POST, "/v1/batches", handle_batch_create, BODY_JSON, &batch_request_schema,
           "Answer a file of requests in the background"),
    STORED(HTTP_GET, "/v1/batches", handle_batch_list, BODY_NONE, NULL, "The batches there are"),
    STORED(HTTP_GET, "/v1/batches/{id}", handle_batch_get, BODY_NONE, NULL, "How far a batch is"),
    STORED(HTTP_POST, "/v1/batches/{id}/cancel", handle_batch_cancel, BODY_NONE, NULL, "Stop a batch"),
    {0},
};

bn_status api_add_routes(struct api *api, struct router *router, bn_error *err) {
    bn_status status = router_add(router, &(struct route_table){routes, api}, err);
    if (!status) status = ollama_add_routes(api, router, err);
    if (status || !api->files) return status;
    return router_add(router, &(struct route_table){stored_routes, api}, err);
}

bn_status api_open(struct api *api, struct models *models, const struct api_options *options, bn_error *err) {
    const char *folder = options->folder;
    *api = (struct api){.models = models, .upload_bytes = options->upload_bytes};
    bn_status status = json_store_create(MAX_RESPONSES, MAX_RESPONSE_BYTES, MAX_RESPONSE_AGE_S, &api->responses, err);
    if (!status) status = stream_sessions_create(&api->sessions, err);
    if (!status) status = model_events_create(models, &api->model_events, err);
    if (!status) status = replay_open(&api->replay, options->cache_bytes, err);
    if (!status && folder) status = files_create(folder, &api->files, err);
    if (!status && folder) status = batches_create(folder, api, &api->batches, err);
    if (!status) status = ollama_open(api, err);
    if (status) api_close(api);
    return status;
}

void api_close(struct api *api) {
    ollama_close(api);
    stream_sessions_destroy(api->sessions);
    model_events_destroy(api->model_events);
    batches_destroy(api->batches);
    files_destroy(api->files);
    replay_close(&api->replay);
    json_store_destroy(api->responses);
    *api = (struct api){0};
}

bool api_acquire(const struct api *api, const json_t *body, const struct model **out, struct failure *failure) {
    bn_error error = {0};
    *out = NULL;
    bn_status status = models_acquire(api->models, json_text_or(body, "model", ""), out, &error);
    if (!succeeded(failure, status, &error)) {
        if (status == BN_STATUS_NOT_FOUND) snprintf(failure->param, sizeof failure->param, "model");
        return false;
    }
    if ((*out)->tokenizer) return true;
    model_release(*out);
    *out = NULL;
    return refuse(failure, "model", "the model has no tokenizer");
}

const struct model *api_acquire_for(const struct api *api, struct exchange *exchange) {
    const char *queried = exchange_query(exchange, "model");
    json_t *body = exchange_request(exchange)->json,
           *named = body ? json_incref(body) : json_pack("{s:s*}", "model", queried);
    const struct model *model = NULL;
    struct failure failure = {0};
    if (!api_acquire(api, named, &model, &failure)) failure_send(exchange, &failure);
    json_decref(named);
    return model;
}

static pthread_once_t seeded = PTHREAD_ONCE_INIT;
static uint64_t seed; /* so that nobody can find a salt that gives another's scope */

static void make_seed(void) {
    seed = hash_random_seed();
}

uint64_t cache_scope(const char *tenant, const char *salt) {
    if (!*tenant && !*salt) return 0;
    pthread_once(&seeded, make_seed);
    return hash_bytes(tenant, strlen(tenant), hash_bytes(salt, strlen(salt), seed)) | 1;
}

/* Whose a batch is isn't known. */
static bool has_prompts_of_its_own(const char *client) {
    return client_is_key(client) || strncmp(client, "batch:", 6) == 0;
}

void client_heed(const char *client, const json_t *body, bn_request_options *options) {
    options->client = hash_bytes(client, strlen(client), 1) | 1;
    options->cache_scope =
        cache_scope(has_prompts_of_its_own(client) ? client : "", json_text_or(body, "cache_salt", ""));
}

bool api_chat_request(const struct api *api, const char *client, const json_t *body, struct chat_request *request,
                      struct failure *failure) {
    if (chat_request_read(request, api->models, body, failure)) {
        client_heed(client, body, &request->settings.options);
        return true;
    }
    chat_request_release(request);
    return false;
}
