/* Ollama's API: what its routes share.
 *
 * Names: Ollama writes NAME:TAG, where no tag means ":latest". Here NAME:latest is the model NAME; NAME:TAG is the variant
 * TAG of NAME, else what the registry calls NAME@TAG (a version's number or tag). Names that a server was started with come
 * before all that. */
#ifndef SERVER_OLLAMA_H
#define SERVER_OLLAMA_H

#include "server/api.h"
#include "server/delivery.h"
#include "server/preset.h"

/* What the routes keep: part of api_open and api_close. */
bn_status ollama_open(struct api *api, bn_error *err);
void ollama_close(struct api *api);
bn_status ollama_add_routes(struct api *api, struct router *router, bn_error *err);

void handle_ollama_chat(struct exchange *exchange, void *service);
void handle_ollama_generate(struct exchange *exchange, void *service);
void handle_ollama_embed(struct exchange *exchange, void *service);
void handle_ollama_embeddings(struct exchange *exchange, void *service);
void handle_ollama_tags(struct exchange *exchange, void *service);
void handle_ollama_ps(struct exchange *exchange, void *service);
void handle_ollama_show(struct exchange *exchange, void *service);
extern const struct schema ollama_chat_schema, ollama_generate_schema, ollama_embed_schema, ollama_embeddings_schema,
    ollama_name_schema;

/* Rows of a schema that every request on a model has. */
#define OLLAMA_MODEL_FIELDS                                                                                            \
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255}},                                                \
        {"name", {.types = SCHEMA_STRING | SCHEMA_NULL, .max_size = 255, .help = "older spelling of model"}},          \
        {"options", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = parameter_fields}}, {                             \
        "keep_alive", {                                                                                                \
            .types = SCHEMA_STRING | SCHEMA_NUMBER | SCHEMA_NULL,                                                      \
            .help = "how long the model stays in memory: \"5m\", or seconds; negative: for ever; 0: it goes"           \
        }                                                                                                              \
    }

/* … and every one that generates. */
#define OLLAMA_GENERATION_FIELDS                                                                                       \
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "lines of JSON (true)"}},                                  \
        {"format", {.types = SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_NULL, .help = "\"json\", or a JSON schema"}},      \
        {"think",                                                                                                      \
         {.types = SCHEMA_BOOL | SCHEMA_STRING | SCHEMA_NULL,                                                          \
          .help = "thoughts apart from the answer; or an effort"}},                                                    \
        {"logprobs", {.types = SCHEMA_BOOL | SCHEMA_NULL}},                                                            \
        {"top_logprobs", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = 20}},                                \
        {"truncate",                                                                                                   \
         {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "cut what is too long (true), instead of refusing"}},            \
    {                                                                                                                  \
        "shift", {                                                                                                     \
            .types = SCHEMA_BOOL | SCHEMA_NULL                                                                         \
        }                                                                                                              \
    }

/* The model that a body names, as it does; "" when it names none. */
const char *ollama_asked_name(const json_t *body);
/* The same without ":latest". The text is the caller's: size ≥ 256. */
const char *ollama_name(const json_t *body, char *out, size_t size);
/* A request that names no model is refused. */
bool ollama_check_name(const json_t *body, struct failure *failure);
/* As Ollama shows a name: with ":latest" where it has neither tag nor version. size ≥ 280. */
const char *ollama_show_name(const char *name, char *out, size_t size);
/* 404 in Ollama's words. Always false. */
bool ollama_not_found(struct failure *failure, const char *name);

/* Acquires the model of a request, and says how long that took. */
bool ollama_acquire(const struct api *api, const json_t *body, const struct model **model, uint64_t *load_ns,
                    struct failure *failure);
/* Whether models with this chat template (may be NULL) think before they answer. */
bool ollama_template_thinks(const char *chat_template);

/* A request on a model: generating, or embedding. */
struct ollama_call {
    struct delivery delivery;
    struct api *api;
    const json_t *body;
    const struct model *model; /* until the answer is started */
    const struct model *held;  /* the same, to be released; NULL when a chat request has taken it over */
    json_t *options;           /* the request's over the preset's */
    json_t *common;            /* the request in the form of chat_request.h */
    size_t context_length;     /* num_ctx, or the engine's */
    uint64_t start_ns, load_ns;
    uint64_t keep_ms;
    bool chat;         /* answers are messages; else "response" */
    bool with_context; /* the last line has "context" */
};

/* For the handler of a request; NULL: the exchange is answered. */
struct ollama_call *ollama_call_create(struct exchange *exchange, struct api *api);
/* Acquires the model and reads what all requests have. On false: delivery_refuse. */
bool ollama_call_open(struct ollama_call *call, struct failure *failure);
/* What generating routes have besides: format, think, log-probabilities. */
bool ollama_read_generation(struct ollama_call *call, struct failure *failure);
/* Makes the prompt fit: bounds the answer, and cuts the prompt's middle out if that is allowed. */
bool ollama_fit_prompt(struct ollama_call *call, struct chat_request *request, struct failure *failure);
/* How long a prompt may be to need no cutting. */
size_t ollama_prompt_limit(const struct ollama_call *call);
/* Starts the answer. */
void ollama_start(struct ollama_call *call, struct chat_request *request);
/* A request without a prompt: the model is loaded now, or (keep_alive 0) is to go. */
void ollama_answer_loaded(struct ollama_call *call);
/* Images can't be read. */
bool ollama_refuse_images(const json_t *object, const char *place, struct failure *failure);

/* "2026-01-31T12:00:00.123456789Z": now, or a time in seconds since 1970. */
void ollama_now(char out[40]);
void ollama_time(int64_t seconds, char out[40]);

#endif
