#include "server/llama.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/constraint.h"
#include "server/delivery.h"
#include "server/openai.h"

#define COMPLETION_FIELDS                                                                                              \
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},                                                                 \
        {"n_predict",                                                                                                  \
         {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = -1, .max = INT32_MAX, .help = "tokens; -1: no bound"}},        \
        {"n_probs", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = 64}},                                     \
        {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL}}, {"return_tokens", {.types = SCHEMA_BOOL | SCHEMA_NULL}},     \
        SETTINGS_FIELDS

static const struct schema_field completion_fields[] = {
    {"prompt", {.types = SCHEMA_STRING | SCHEMA_ARRAY, .required = true, .help = "a text or token ids"}},
    COMPLETION_FIELDS,
    {0},
};
const struct schema llama_completion_schema = {
    .name = "LlamaCompletionRequest", .types = SCHEMA_OBJECT, .fields = completion_fields};

static const struct schema_field extra_fields[] = {
    {"filename", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"text", {.types = SCHEMA_STRING, .required = true}},
    {0},
};
static const struct schema_field infill_fields[] = {
    {"input_prefix", {.types = SCHEMA_STRING, .required = true}},
    {"input_suffix", {.types = SCHEMA_STRING, .required = true}},
    {"prompt", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "the beginning of what is to be filled in"}},
    {"input_extra",
     {.types = SCHEMA_ARRAY | SCHEMA_NULL,
      .max_size = 256,
      .items = &(const struct schema){.types = SCHEMA_OBJECT, .fields = extra_fields}}},
    COMPLETION_FIELDS,
    {0},
};
const struct schema infill_schema = {.name = "InfillRequest", .types = SCHEMA_OBJECT, .fields = infill_fields};

/* ---- the answer ---- */

struct llama_completion {
    struct delivery delivery;
    struct buffer text;
    json_t *tokens, *probabilities; /* NULL: not asked for */
    size_t n_sent;                  /* of both */
    const char *stop_type;
    char stopping_word[64];
    bool failed;
};

static json_t *probability_json(const struct model *model, const bn_token_event *event) {
    json_t *entry = token_logprob_json(model, event->id, event->logprob), *top = json_array();
    json_object_set_new(entry, "id", json_integer(event->id));
    for (size_t i = 0; i < event->n_top; i++) {
        json_t *one = token_logprob_json(model, event->top[i].id, event->top[i].logprob);
        json_object_set_new(one, "id", json_integer(event->top[i].id));
        json_array_append_new(top, one);
    }
    json_object_set_new(entry, "top_logprobs", top);
    return entry;
}

static const char *stop_type_of(const bn_token_event *event) {
    if (event->finish != BN_FINISH_STOP) return "limit";
    return event->stop ? "word" : "eos";
}

static json_t *piece_json(struct llama_completion *c, const char *text, size_t n, bool stop) {
    size_t from = c->delivery.stream ? c->n_sent : 0;
    json_t *piece = json_pack("{s:i, s:o, s:o, s:b, s:i}", "index", 0, "content", json_text(text, n), "tokens",
                              json_array_tail(c->tokens, from), "stop", stop, "id_slot", 0);
    if (c->probabilities)
        json_object_set_new(piece, "completion_probabilities", json_array_tail(c->probabilities, from));
    c->n_sent = max_size(json_array_size(c->tokens), json_array_size(c->probabilities));
    return piece;
}

static bool on_token(void *context, size_t prompt, const bn_token_event *event) {
    struct llama_completion *c = context;
    (void)prompt;
    if (event->finish) c->stop_type = stop_type_of(event);
    if (event->stop) snprintf(c->stopping_word, sizeof c->stopping_word, "%s", event->stop);
    if (event->id >= 0 && c->tokens) json_array_append_new(c->tokens, json_integer(event->id));
    if (event->id >= 0 && c->probabilities)
        json_array_append_new(c->probabilities, probability_json(c->delivery.model, event));
    buffer_append(&c->text, event->text, event->text_bytes);
    c->failed |= c->text.failed;
    if (c->delivery.stream && event->text_bytes && !c->failed)
        delivery_event_json(&c->delivery, NULL, piece_json(c, event->text, event->text_bytes, false));
    return !c->failed;
}

static void on_end(void *context, const bn_error *error) {
    struct llama_completion *c = context;
    struct delivery *d = &c->delivery;
    struct failure failure = failure_of_end(error, c->failed);
    if (!delivery_succeeded(d, &failure, NULL, NULL)) return;
    const bn_usage usage = generation_usage(d->generation);
    json_t *last = piece_json(c, d->stream || !c->text.data ? "" : c->text.data, d->stream ? 0 : c->text.size, true);
    json_t *more =
        json_pack("{s:s, s:I, s:I, s:I, s:b, s:s, s:s, s:o}", "model", d->model->name, "tokens_predicted",
                  (json_int_t)usage.output_tokens, "tokens_evaluated", (json_int_t)usage.prompt_tokens, "tokens_cached",
                  (json_int_t)usage.cached_tokens, "truncated", 0, "stop_type", c->stop_type ? c->stop_type : "none",
                  "stopping_word", c->stopping_word, "timings", answer_timings_json(&usage));
    json_object_update(last, more);
    json_decref(more);
    if (!d->stream) {
        delivery_respond(d, last);
        return;
    }
    delivery_event_json(d, NULL, last);
    exchange_end(d->exchange);
}

static const struct generation_sink sink = {.on_token = on_token, .on_end = on_end};

static void release(void *context) {
    struct llama_completion *c = context;
    buffer_release(&c->text);
    json_decref(c->tokens);
    json_decref(c->probabilities);
}

/* Starts it; takes over the model's hold and the prompt. */
static void start(struct exchange *exchange, const json_t *body, const struct model *model,
                  struct generation_prompt *prompt) {
    struct settings settings;
    struct failure failure = {0};
    bool stream = json_bool_or(body, "stream", false);
    struct llama_completion *c = delivery_create(exchange, sizeof *c, "cmpl-", stream, release);
    if (!c) {
        bn_free(prompt->ids);
        model_release(model);
        return;
    }
    bool ok = settings_read(&settings, body, model, &failure) &&
              constraint_read(model, body, &settings.options.grammar, &failure);
    if (ok && prompt->n_ids >= model->context_length)
        ok = refuse_overflow(&failure, prompt->n_ids, model->context_length);
    if (ok) {
        bn_request_options *o = &settings.options;
        json_int_t most = json_integer_or(body, "n_predict", json_integer_or(body, "max_tokens", -1));
        json_int_t n_probs = json_integer_or(body, "n_probs", 0);
        o->max_tokens = most > 0 ? (size_t)most : most == 0; /* 0: the prompt alone, which takes a token */
        if (n_probs > 0) o->n_logprobs = (int32_t)n_probs;
        client_heed(exchange_request(exchange)->client, body, o);
        if (n_probs > 0) c->probabilities = json_array();
        if (json_bool_or(body, "return_tokens", false)) c->tokens = json_array();
        delivery_start_generation(&c->delivery, model, prompt, 1, &sink, &settings);
    } else {
        delivery_refuse(&c->delivery, &failure);
        bn_free(prompt->ids);
        model_release(model);
    }
    settings_release(&settings);
}

void handle_completion(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    const struct model *model;
    struct generation_prompt prompt = {0};
    struct failure failure = {0};
    const bn_encode_options options = prompt_options(body);
    bool acquired = api_acquire(service, body, &model, &failure);
    if (acquired && read_prompt(model, json_object_get(body, "prompt"), "prompt", &options, &prompt, &failure)) {
        start(exchange, body, model, &prompt);
        return;
    }
    failure_send(exchange, &failure);
    bn_free(prompt.ids);
    if (acquired) model_release(model);
}

/* ---- filling in ---- */

/* How families write the three places; those that a vocabulary has. */
static const struct {
    const char *prefix, *suffix, *middle;
} MARKS[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
    {"▁<PRE>", "▁<SUF>", "▁<MID>"},
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
    {"[PREFIX]", "[SUFFIX]", "[MIDDLE]"},
};

static bool append_ids(int32_t **ids, size_t *n, const int32_t *more, size_t n_more) {
    int32_t *all = mem_realloc_array(*ids, *n + n_more + 1, sizeof *all);
    if (!all) return false;
    if (n_more) memcpy(all + *n, more, n_more * sizeof *all);
    *ids = all;
    *n += n_more;
    return true;
}

static bool append_text(const struct model *model, int32_t mark, const char *text, size_t n_text, int32_t **ids,
                        size_t *n, struct failure *failure) {
    const bn_encode_options options = {.size = sizeof options}; /* a file's text holds no special tokens */
    int32_t *more = NULL;
    size_t n_more = 0;
    bn_error error = {0};
    bn_status status = bn_tokenizer_encode(model->tokenizer, text, n_text, &options, &more, &n_more, &error);
    if (!status && ((mark >= 0 && !append_ids(ids, n, &mark, 1)) || !append_ids(ids, n, more, n_more)))
        status = fail_no_memory(&error, n_more * sizeof **ids);
    bn_free(more);
    return succeeded(failure, status, &error);
}

#define N_MARKS (sizeof MARKS / sizeof *MARKS)

/* Which of the families; N_MARKS: none. */
static size_t marks_of(const bn_tokenizer *tokenizer) {
    size_t kind = 0;
    while (kind < N_MARKS && (bn_tokenizer_find(tokenizer, MARKS[kind].prefix) < 0 ||
                              bn_tokenizer_find(tokenizer, MARKS[kind].suffix) < 0 ||
                              bn_tokenizer_find(tokenizer, MARKS[kind].middle) < 0))
        kind++;
    return kind;
}

/* Whether texts begin with BOS: a vocabulary may have one and not use it so. */
static bool adds_bos(const bn_tokenizer *tokenizer) {
    int32_t *ids = NULL;
    size_t n = 0;
    bool found =
        !bn_tokenizer_encode(tokenizer, "", 0, NULL, &ids, &n, NULL) && n && ids[0] == bn_tokenizer_bos(tokenizer);
    bn_free(ids);
    return found;
}

bool model_can_infill(const bn_tokenizer *tokenizer) {
    return marks_of(tokenizer) < N_MARKS;
}

bool infill_prompt(const struct model *model, const struct infill *infill, struct generation_prompt *out,
                   struct failure *failure) {
    const bn_tokenizer *tokenizer = model->tokenizer;
    size_t kind = marks_of(tokenizer);
    if (kind == N_MARKS)
        return refuse(failure, "model", "the model's vocabulary has no tokens for filling in: use /completion");
    int32_t bos = bn_tokenizer_bos(tokenizer);
    if (adds_bos(tokenizer) && !append_ids(&out->ids, &out->n_ids, &bos, 1))
        return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    return append_text(model, bn_tokenizer_find(tokenizer, MARKS[kind].prefix), infill->prefix, infill->n_prefix,
                       &out->ids, &out->n_ids, failure) &&
           append_text(model, bn_tokenizer_find(tokenizer, MARKS[kind].suffix), infill->suffix, infill->n_suffix,
                       &out->ids, &out->n_ids, failure) &&
           append_text(model, bn_tokenizer_find(tokenizer, MARKS[kind].middle), infill->begun, infill->n_begun,
                       &out->ids, &out->n_ids, failure);
}

static bool read_infill(const struct model *model, const json_t *body, struct generation_prompt *out,
                        struct failure *failure) {
    struct buffer before = {0};
    const json_t *extra = json_member(body, "input_extra");
    for (size_t i = 0; i < json_array_size(extra); i++) { /* other files stand before the one that is edited */
        buffer_append_text(&before, json_text_or(json_array_get(extra, i), "text", ""));
        buffer_append_char(&before, '\n');
    }
    const json_t *prefix = json_object_get(body, "input_prefix"), *suffix = json_object_get(body, "input_suffix");
    buffer_append(&before, json_string_value(prefix), json_string_length(prefix));
    const char *begun = json_text_or(body, "prompt", "");
    const struct infill infill = {before.data ? before.data : "",
                                  json_string_value(suffix),
                                  begun,
                                  before.size,
                                  json_string_length(suffix),
                                  strlen(begun)};
    bool ok =
        before.failed ? succeeded(failure, BN_STATUS_NO_MEMORY, NULL) : infill_prompt(model, &infill, out, failure);
    buffer_release(&before);
    return ok;
}

void handle_infill(struct exchange *exchange, void *service) {
    const json_t *body = exchange_request(exchange)->json;
    const struct model *model;
    struct generation_prompt prompt = {0};
    struct failure failure = {0};
    bool acquired = api_acquire(service, body, &model, &failure);
    if (acquired && read_infill(model, body, &prompt, &failure)) {
        start(exchange, body, model, &prompt);
        return;
    }
    failure_send(exchange, &failure);
    mem_free(prompt.ids);
    if (acquired) model_release(model);
}

/* ---- looking ---- */

void handle_props(struct exchange *exchange, void *service) {
    const struct model *model = api_acquire_for(service, exchange);
    if (!model) return;
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(model->engine, &stats);
    exchange_respond_json(exchange, 200,
                          json_pack("{s:s, s:I, s:s, s:{s:I}, s:s, s:{s:b, s:b}}", "model_alias", model->name,
                                    "total_slots", (json_int_t)model->max_sequences, "chat_template",
                                    model->chat_template ? model->chat_template : "", "default_generation_settings",
                                    "n_ctx", (json_int_t)stats.context_length, "build_info", bn_version(), "modalities",
                                    "vision", 0, "audio", 0));
    model_release(model);
}

/* A slot is a place in the batch; who sits where changes with every step, so only how many are taken is told. */
void handle_slots(struct exchange *exchange, void *service) {
    const struct model *model = api_acquire_for(service, exchange);
    if (!model) return;
    bn_engine_stats stats = {.size = sizeof stats};
    bn_engine_get_stats(model->engine, &stats);
    const char *strict = exchange_query(exchange, "fail_on_no_slot");
    size_t n_busy = min_size(stats.requests_running, model->max_sequences);
    if (strict && strcmp(strict, "0") != 0 && n_busy == model->max_sequences) {
        const struct api_error error = {.status = 503, .type = "unavailable_error", .retry_after_s = 1};
        exchange_fail(exchange, &error, "no slot available");
    } else {
        json_t *slots = json_array();
        for (size_t i = 0; i < model->max_sequences; i++)
            json_array_append_new(slots, json_pack("{s:I, s:I, s:b}", "id", (json_int_t)i, "n_ctx",
                                                   (json_int_t)stats.context_length, "is_processing", i < n_busy));
        exchange_respond_json(exchange, 200, slots);
    }
    model_release(model);
}
