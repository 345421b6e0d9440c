#include "server/api.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "server/anthropic.h"
#include "server/openai.h"
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
    ANTHROPIC("/v1/messages", handle_messages, &messages_request_schema, "Continue a conversation (Anthropic)"),
    ANTHROPIC("/v1/messages/count_tokens", handle_count_tokens, &count_tokens_request_schema,
              "Tokens of a conversation (Anthropic)"),
    {0},
};

bn_status api_add_routes(struct api *api, struct router *router, bn_error *err) {
    return router_add(router, &(struct route_table){routes, api}, err);
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

uint64_t client_of(const struct exchange *exchange) {
    const char *client = exchange_request(exchange)->client;
    return hash_bytes(client, strlen(client), 1) | 1;
}

bool api_chat_request(const struct api *api, struct exchange *exchange, const json_t *body,
                      struct chat_request *request, struct failure *failure) {
    if (chat_request_read(request, api->models, body, failure)) {
        request->settings.options.client = client_of(exchange);
        return true;
    }
    chat_request_release(request);
    return false;
}
