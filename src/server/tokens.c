#include "server/tokens.h"

#include <string.h>

#include "base/memory.h"
#include "server/answer.h"

static const struct schema_field tokenize_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"content", {.types = SCHEMA_STRING, .help = "a text, as llama-server has it: without special tokens"}},
    {"prompt", {.types = SCHEMA_STRING, .help = "a text, as vLLM has it: with special tokens"}},
    {"messages", {.types = SCHEMA_ARRAY, .min_size = 1, .help = "a conversation, as vLLM has it"}},
    {"add_special", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"add_special_tokens", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"parse_special", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"with_pieces", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"return_token_strs", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {0},
};
const struct schema tokenize_request_schema = {
    .name = "TokenizeRequest", .types = SCHEMA_OBJECT, .fields = tokenize_fields};

static const struct schema_field detokenize_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"tokens",
     {.types = SCHEMA_ARRAY,
      .required = true,
      .items = &(const struct schema){.types = SCHEMA_INTEGER, .max = INT32_MAX}}},
    {0},
};
const struct schema detokenize_request_schema = {
    .name = "DetokenizeRequest", .types = SCHEMA_OBJECT, .fields = detokenize_fields};

/* A token with the text it adds, or its bytes where that is no text. */
static json_t *piece_json(const struct model *model, int32_t id) {
    size_t n;
    const char *text = token_text(model, id, &n);
    json_t *piece = json_stringn(text, n);
    if (!piece) {
        piece = json_array();
        for (size_t i = 0; i < n; i++) json_array_append_new(piece, json_integer((uint8_t)text[i]));
    }
    return json_pack("{s:i, s:o}", "id", (int)id, "piece", piece);
}

static json_t *tokens_json(const struct model *model, const json_t *body, const int32_t *ids, size_t n) {
    bool pieces = json_bool_or(body, "with_pieces", false), strings = json_bool_or(body, "return_token_strs", false);
    json_t *tokens = json_array(), *texts = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(tokens, pieces ? piece_json(model, ids[i]) : json_integer(ids[i]));
        const char *text = bn_tokenizer_token(model->tokenizer, ids[i]);
        if (strings) json_array_append_new(texts, text ? json_text(text, strlen(text)) : json_null());
    }
    json_t *answer = json_pack("{s:I, s:I, s:o}", "count", (json_int_t)n, "max_model_len",
                               (json_int_t)model->context_length, "tokens", tokens);
    if (strings) json_object_set(answer, "token_strs", texts);
    json_decref(texts);
    return answer;
}

static bool encode(const struct model *model, const json_t *body, int32_t **ids, size_t *n, struct failure *failure) {
    const json_t *content = json_member(body, "content"), *prompt = json_member(body, "prompt");
    const json_t *text = content ? content : prompt;
    bn_error error = {0};
    if (json_member(body, "messages")) {
        struct prompt_text rendered;
        bool ok = chat_render_prompt(model, model->chat, body, &rendered, failure);
        ok = ok && succeeded(failure,
                             encode_prompt_text(model->tokenizer, &rendered,
                                                json_bool_or(body, "add_special_tokens", !model->chat), ids, n, &error),
                             &error);
        prompt_text_release(&rendered);
        return ok;
    }
    if (!text) return refuse(failure, "content", "one of 'content', 'prompt' and 'messages' is required");
    bool add_special = json_bool_or(body, "add_special", json_bool_or(body, "add_special_tokens", content == NULL));
    const bn_encode_options options = {
        .size = sizeof options, .add_special = add_special, .parse_special = json_bool_or(body, "parse_special", true)};
    return succeeded(failure,
                     bn_tokenizer_encode(model->tokenizer, json_string_value(text), json_string_length(text), &options,
                                         ids, n, &error),
                     &error);
}

/* The model of a request that needs a tokenizer; NULL: the exchange is answered. */
void handle_tokenize(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    const struct model *model = api_acquire_for(service, exchange);
    struct failure failure = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (!model) return;
    if (encode(model, body, &ids, &n, &failure))
        exchange_respond_json(exchange, 200, tokens_json(model, body, ids, n));
    else
        failure_send(exchange, &failure);
    bn_free(ids);
    model_release(model);
}

static bool decode(const struct model *model, const json_t *tokens, char **text, size_t *n_text,
                   struct failure *failure) {
    size_t n = json_array_size(tokens);
    int32_t *ids = mem_alloc_array(n, sizeof *ids);
    bn_error error = {0};
    if (!ids) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    bool ok = succeeded(failure, bn_tokenizer_decode(model->tokenizer, ids, n, false, text, n_text, &error), &error);
    if (!ok) snprintf(failure->param, sizeof failure->param, "tokens");
    mem_free(ids);
    return ok;
}

void handle_detokenize(struct exchange *exchange, void *service) {
    const struct model *model = api_acquire_for(service, exchange);
    struct failure failure = {0};
    char *text = NULL;
    size_t n = 0;
    if (!model) return;
    if (decode(model, json_object_get(exchange_request(exchange)->json, "tokens"), &text, &n, &failure))
        exchange_respond_json(exchange, 200,
                              json_pack("{s:o, s:o}", "prompt", json_text(text, n), "content", json_text(text, n)));
    else
        failure_send(exchange, &failure);
    bn_free(text);
    model_release(model);
}

static void add_token(json_t *object, const char *name, const struct model *model, int32_t id) {
    const char *text = id >= 0 ? bn_tokenizer_token(model->tokenizer, id) : NULL;
    json_object_set_new(object, name, text ? json_text(text, strlen(text)) : json_null());
}

void handle_tokenizer_info(struct exchange *exchange, void *service) {
    const struct model *model = api_acquire_for(service, exchange);
    if (!model) return;
    const bn_tokenizer *tokenizer = model->tokenizer;
    const char *chat_template = model->chat_template;
    json_t *info =
        json_pack("{s:s, s:I, s:I, s:o}", "tokenizer_class", "PreTrainedTokenizerFast", "vocab_size",
                  (json_int_t)bn_tokenizer_vocab_size(tokenizer), "model_max_length", (json_int_t)model->context_length,
                  "chat_template", chat_template ? json_text(chat_template, strlen(chat_template)) : json_null());
    add_token(info, "bos_token", model, bn_tokenizer_bos(tokenizer));
    add_token(info, "eos_token", model, bn_tokenizer_eos(tokenizer));
    add_token(info, "pad_token", model, bn_tokenizer_eos(tokenizer));
    exchange_respond_json(exchange, 200, info);
    model_release(model);
}

void handle_apply_template(struct exchange *exchange, void *service) {
    const struct model *model = api_acquire_for(service, exchange);
    struct failure failure = {0};
    struct prompt_text prompt;
    if (!model) return;
    if (chat_render_prompt(model, model->chat, exchange_request(exchange)->json, &prompt, &failure))
        exchange_respond_json(
            exchange, 200,
            json_pack("{s:o}", "prompt", json_text(prompt.text.data ? prompt.text.data : "", prompt.text.size)));
    else
        failure_send(exchange, &failure);
    prompt_text_release(&prompt);
    model_release(model);
}
