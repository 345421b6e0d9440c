#include "server/ollama.h"

#ifdef BITNET_HUB
#include "server/hub/ollama_library.h"
#endif

/* Of the protocol that is spoken here: clients compare it with what they need. */
#define OLLAMA_VERSION "0.20.0"

static void handle_root(struct exchange *exchange, void *service) {
    static const char text[] = "Ollama is running";
    (void)service;
    exchange_respond(exchange, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

static void handle_version(struct exchange *exchange, void *service) {
    (void)service;
    exchange_respond_json(exchange, 200, json_pack("{s:s, s:s}", "version", OLLAMA_VERSION, "bitnet", bn_version()));
}

#ifdef BITNET_HUB

bn_status ollama_open(struct api *api, bn_error *err) {
    return ollama_tasks_create(&api->tasks, err);
}

void ollama_close(struct api *api) {
    ollama_tasks_destroy(api->tasks);
}

#else

bn_status ollama_open(struct api *api, bn_error *err) {
    (void)api, (void)err;
    return BN_OK;
}

void ollama_close(struct api *api) {
    (void)api;
}

#endif

#define OPEN(path_, handler_, summary_)                                                                                \
    {                                                                                                                  \
        .method = HTTP_GET, .path = path_, .scope = SCOPE_PUBLIC, .handler = handler_, .errors = ERRORS_OLLAMA,        \
        .tag = "ollama", .summary = summary_                                                                           \
    }
#define USE(method_, path_, handler_, schema_, summary_)                                                               \
    {                                                                                                                  \
        .method = method_, .path = path_, .scope = SCOPE_INFERENCE, .handler = handler_,                               \
        .body = (method_) == HTTP_POST ? BODY_JSON : BODY_NONE, .request = schema_, .errors = ERRORS_OLLAMA,           \
        .blocking = true, .tag = "ollama", .summary = summary_                                                         \
    }

static const struct route routes[] = {
    OPEN("/", handle_root, "Whether there is a server"),
    OPEN("/api/version", handle_version, "Which version of the protocol it speaks"),
    USE(HTTP_POST, "/api/chat", handle_ollama_chat, &ollama_chat_schema, "Continue a conversation (Ollama)"),
    USE(HTTP_POST, "/api/generate", handle_ollama_generate, &ollama_generate_schema, "Continue a text (Ollama)"),
    USE(HTTP_POST, "/api/embed", handle_ollama_embed, &ollama_embed_schema, "Texts as vectors (Ollama)"),
    USE(HTTP_POST, "/api/embeddings", handle_ollama_embeddings, &ollama_embeddings_schema,
        "A text as a vector (Ollama)"),
    USE(HTTP_GET, "/api/tags", handle_ollama_tags, NULL, "The models there are (Ollama)"),
    USE(HTTP_GET, "/api/ps", handle_ollama_ps, NULL, "The models in memory (Ollama)"),
    USE(HTTP_POST, "/api/show", handle_ollama_show, &ollama_name_schema, "What a model is (Ollama)"),
    {0},
};

#ifdef BITNET_HUB

#define CHANGE(method_, path_, handler_, schema_, summary_)                                                            \
    {                                                                                                                  \
        .method = method_, .path = path_, .scope = SCOPE_MANAGE, .handler = handler_, .body = BODY_JSON,               \
        .request = schema_, .errors = ERRORS_OLLAMA, .blocking = true, .tag = "ollama", .summary = summary_            \
    }
#define MAX_BLOB_BYTES ((size_t)1 << 42)

static const struct route library_routes[] = {
    CHANGE(HTTP_POST, "/api/copy", handle_ollama_copy, &ollama_copy_schema, "A model under another name (Ollama)"),
    CHANGE(HTTP_DELETE, "/api/delete", handle_ollama_delete, &ollama_name_schema, "Remove a model (Ollama)"),
    CHANGE(HTTP_POST, "/api/pull", handle_ollama_pull, &ollama_transfer_schema, "Fetch a model of a hub (Ollama)"),
    CHANGE(HTTP_POST, "/api/push", handle_ollama_push, &ollama_transfer_schema, "Publish a model on a hub (Ollama)"),
    CHANGE(HTTP_POST, "/api/create", handle_ollama_create, &ollama_create_schema, "Make a model of another (Ollama)"),
    {.method = HTTP_HEAD,
     .path = "/api/blobs/{digest}",
     .scope = SCOPE_MANAGE,
     .handler = handle_ollama_blob_head,
     .errors = ERRORS_OLLAMA,
     .blocking = true,
     .tag = "ollama",
     .summary = "Whether a file was uploaded (Ollama)"},
    {.method = HTTP_POST,
     .path = "/api/blobs/{digest}",
     .scope = SCOPE_MANAGE,
     .handler = handle_ollama_blob_create,
     .body = BODY_STREAM,
     .max_body_bytes = MAX_BLOB_BYTES,
     .errors = ERRORS_OLLAMA,
     .tag = "ollama",
     .summary = "Upload a file for /api/create (Ollama)"},
    {0},
};

bn_status ollama_add_routes(struct api *api, struct router *router, bn_error *err) {
    bn_status status = router_add(router, &(struct route_table){routes, api}, err);
    return status ? status : router_add(router, &(struct route_table){library_routes, api}, err);
}

#else

bn_status ollama_add_routes(struct api *api, struct router *router, bn_error *err) {
    return router_add(router, &(struct route_table){routes, api}, err);
}

#endif
