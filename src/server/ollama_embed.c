/* POST /api/embed, and /api/embeddings of older clients. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/ollama.h"
#include "server/openai.h"

enum { MAX_INPUTS = 2048 };

static const struct schema_field embed_fields[] = {
    OLLAMA_MODEL_FIELDS,
    {"input",
     {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 1 << 30,
      .items = &(const struct schema){.types = SCHEMA_STRING},
      .help = "a text or several"}},
    {"truncate", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "cut what is too long (true), instead of refusing"}},
    {"dimensions", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = INT32_MAX, .help = "the first so many"}},
    {0},
};
const struct schema ollama_embed_schema = {
    .name = "OllamaEmbedRequest", .types = SCHEMA_OBJECT, .fields = embed_fields};

static const struct schema_field embeddings_fields[] = {
    OLLAMA_MODEL_FIELDS, {"prompt", {.types = SCHEMA_STRING | SCHEMA_NULL}}, {0}};
const struct schema ollama_embeddings_schema = {
    .name = "OllamaEmbeddingsRequest", .types = SCHEMA_OBJECT, .fields = embeddings_fields};

struct embedding {
    struct generation_prompt *prompts;
    size_t n, n_tokens, n_values; /* n_values: of each vector that are kept */
    float *vectors;               /* [n, hidden_size] */
};

static bool read_input(struct ollama_call *call, const json_t *text, const char *place, struct generation_prompt *out,
                       struct failure *failure) {
    const bn_encode_options options = prompt_options(call->body);
    if (!read_prompt(call->model, text, place, &options, out, failure)) return false;
    if (out->n_ids < call->context_length) return true;
    if (!json_bool_or(call->body, "truncate", true)) return refuse_overflow(failure, out->n_ids, call->context_length);
    out->n_ids = call->context_length - 1;
    return true;
}

/* `input`: a text, or an array of them; an empty text is none. */
static bool read_inputs(struct ollama_call *call, const json_t *input, struct embedding *e, struct failure *failure) {
    size_t n = json_is_array(input) ? json_array_size(input) : json_string_length(input) > 0;
    if (n > MAX_INPUTS) return refuse(failure, "input", "'input' has more than %d texts", MAX_INPUTS);
    e->prompts = mem_calloc(n + 1, sizeof *e->prompts);
    if (!e->prompts) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; i < n; i++) {
        const json_t *text = json_is_array(input) ? json_array_get(input, i) : input;
        if (!read_input(call, text, "input", &e->prompts[e->n++], failure)) return false;
        e->n_tokens += e->prompts[i].n_ids;
    }
    return true;
}

/* e: to be released either way. */
static bool compute(struct ollama_call *call, const json_t *input, struct embedding *e, struct failure *failure) {
    if (!ollama_call_open(call, failure) || !read_inputs(call, input, e, failure)) return false;
    size_t n_hidden = call->model->info.hidden_size;
    json_int_t dimensions = json_integer_or(call->body, "dimensions", 0);
    if (dimensions > 0 && (size_t)dimensions > n_hidden)
        return refuse(failure, "dimensions", "'dimensions' is %lld, the model has %zu", (long long)dimensions,
                      n_hidden);
    e->n_values = dimensions > 0 ? (size_t)dimensions : n_hidden;
    return e->n == 0 || embed(call->model, e->prompts, e->n, NULL, &e->vectors, failure);
}

static void release(struct embedding *e) {
    prompts_release(e->prompts, e->n);
    mem_free(e->vectors);
}

static json_t *vector_json(const float *vector, size_t n) {
    json_t *json = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(json, json_real((double)vector[i]));
    return json;
}

void handle_ollama_embed(struct exchange *exchange, void *service) {
    struct failure failure = {0};
    struct embedding e = {0};
    struct ollama_call *call = ollama_call_create(exchange, service);
    if (!call) return;
    if (compute(call, json_member(call->body, "input"), &e, &failure)) {
        json_t *vectors = json_array();
        for (size_t i = 0; i < e.n; i++) {
            float *vector = e.vectors + i * call->model->info.hidden_size;
            normalize(vector, e.n_values);
            json_array_append_new(vectors, vector_json(vector, e.n_values));
        }
        exchange_respond_json(exchange, 200,
                              json_pack("{s:s, s:o, s:I, s:I, s:I}", "model", ollama_asked_name(call->body),
                                        "embeddings", vectors, "total_duration",
                                        (json_int_t)(clock_now_ns() - call->start_ns), "load_duration",
                                        (json_int_t)call->load_ns, "prompt_eval_count", (json_int_t)e.n_tokens));
        delivery_destroy(&call->delivery);
    } else {
        delivery_refuse(&call->delivery, &failure);
    }
    release(&e);
}

void handle_ollama_embeddings(struct exchange *exchange, void *service) {
    struct failure failure = {0};
    struct embedding e = {0};
    struct ollama_call *call = ollama_call_create(exchange, service);
    if (!call) return;
    if (compute(call, json_member(call->body, "prompt"), &e, &failure)) {
        exchange_respond_json(exchange, 200, json_pack("{s:o}", "embedding", vector_json(e.vectors, e.n * e.n_values)));
        delivery_destroy(&call->delivery);
    } else {
        delivery_refuse(&call->delivery, &failure);
    }
    release(&e);
}
