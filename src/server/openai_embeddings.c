/* POST /v1/embeddings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "server/openai.h"
#include "tokenizer/base64.h"

static const struct schema_field embedding_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"input",
     {.types = SCHEMA_STRING | SCHEMA_ARRAY, .required = true, .help = "a text, token ids, or an array of either"}},
    {"encoding_format", {.types = SCHEMA_STRING | SCHEMA_NULL, .values = "float|base64"}},
    {"dimensions", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = INT32_MAX, .help = "the first so many"}},
    {"pooling",
     {.types = SCHEMA_STRING | SCHEMA_NULL,
      .values = "last|mean",
      .help = "of the tokens' states (the model's own, or mean)"}},
    {"normalize", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "to length 1 (true)"}},
    {"user", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {0},
};
const struct schema embedding_request_schema = {
    .name = "EmbeddingRequest", .types = SCHEMA_OBJECT, .fields = embedding_fields};

bool embed(const struct model *model, const struct generation_prompt *prompts, size_t n, const char *pooling,
           float **out, struct failure *failure) {
    if (!pooling) pooling = model->info.pooling ? model->info.pooling : "mean";
    bool last = strcmp(pooling, "last") == 0;
    const int32_t **ids = mem_alloc_array(n, sizeof *ids);
    size_t *n_ids = mem_alloc_array(n, sizeof *n_ids), n_values;
    bn_error error = {0};
    bn_status status = BN_STATUS_NO_MEMORY;
    *out = mul_size(n, model->info.hidden_size, &n_values) ? mem_alloc_array(n_values, sizeof **out) : NULL;
    for (size_t i = 0; ids && n_ids && i < n; i++) {
        ids[i] = prompts[i].ids;
        n_ids[i] = prompts[i].n_ids;
    }
    if (ids && n_ids && *out)
        status = bn_engine_embed(model->engine, ids, n_ids, n, last ? BN_POOLING_LAST : BN_POOLING_MEAN, *out, &error);
    else
        fail_no_memory(&error, n * sizeof **ids);
    mem_free(ids);
    mem_free(n_ids);
    return succeeded(failure, status, &error);
}

void normalize(float *vector, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)vector[i] * (double)vector[i];
    double factor = sum > 0 ? 1 / sqrt(sum) : 1;
    for (size_t i = 0; i < n; i++) vector[i] = (float)((double)vector[i] * factor);
}

static json_t *vector_json(const float *vector, size_t n, bool base64) {
    if (base64) { /* little-endian float32, as this machine has it */
        char *text = base64_encode((const uint8_t *)vector, n * sizeof *vector);
        json_t *json = text ? json_string(text) : NULL;
        mem_free(text);
        return json;
    }
    json_t *json = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(json, json_real((double)vector[i]));
    return json;
}

static json_t *answer_json(const struct model *model, const json_t *body, float *vectors, size_t n, size_t n_tokens) {
    size_t n_hidden = model->info.hidden_size,
           n_kept = (size_t)json_integer_or(body, "dimensions", (json_int_t)n_hidden);
    bool base64 = strcmp(json_text_or(body, "encoding_format", "float"), "base64") == 0;
    json_t *data = json_array();
    for (size_t i = 0; i < n; i++) {
        float *vector = vectors + i * n_hidden;
        if (json_bool_or(body, "normalize", true)) normalize(vector, n_kept);
        json_array_append_new(data, json_pack("{s:s, s:I, s:o}", "object", "embedding", "index", (json_int_t)i,
                                              "embedding", vector_json(vector, n_kept, base64)));
    }
    return json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", data, "model", model->name, "usage",
                     "prompt_tokens", (json_int_t)n_tokens, "total_tokens", (json_int_t)n_tokens);
}

json_t *embeddings_json(const struct api *api, const json_t *body, struct failure *failure) {
    const struct model *model = NULL;
    struct generation_prompt *prompts = NULL;
    float *vectors = NULL;
    json_t *answer = NULL;
    size_t n = 0, n_tokens = 0;
    json_int_t dimensions = json_integer_or(body, "dimensions", 1);
    const bn_encode_options options = prompt_options(body);
    bool ok = api_acquire(api, body, &model, failure) &&
              read_prompts(model, json_object_get(body, "input"), "input", &options, &prompts, &n, failure);
    if (ok && (size_t)dimensions > model->info.hidden_size)
        ok = refuse(failure, "dimensions", "'dimensions' is %lld, the model has %zu", (long long)dimensions,
                    model->info.hidden_size);
    for (size_t i = 0; ok && i < n; i++) n_tokens += prompts[i].n_ids;
    if (ok && embed(model, prompts, n, json_text_or(body, "pooling", NULL), &vectors, failure))
        answer = answer_json(model, body, vectors, n, n_tokens);
    mem_free(vectors);
    prompts_release(prompts, n);
    model_release(model);
    return answer;
}

void handle_embeddings(struct exchange *exchange, void *service) {
    struct failure failure = {0};
    json_t *answer = embeddings_json(service, exchange_request(exchange)->json, &failure);
    if (!answer && !failure.status) succeeded(&failure, BN_STATUS_NO_MEMORY, NULL);
    if (answer)
        exchange_respond_json(exchange, 200, answer);
    else
        failure_send(exchange, &failure);
}
