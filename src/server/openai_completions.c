/* POST /v1/completions: continuations of texts or of token ids, with the log-probabilities that evaluation harnesses
 * read. Choice p · n + i is the i-th continuation of prompt p. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "server/constraint.h"
#include "server/openai.h"

enum { MAX_PROMPTS = 2048, MAX_CHOICES_ALL = 4096, MAX_TOP = 20 };

static const struct schema_field stream_option_fields[] = {
    {"include_usage", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"continuous_usage_stats", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "with include_usage: in each chunk"}},
    {0},
};
static const struct schema_field completion_fields[] = {
    {"model", {.types = SCHEMA_STRING | SCHEMA_NULL}},
    {"prompt",
     {.types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL, .help = "a text, token ids, or an array of either"}},
    {"suffix", {.types = SCHEMA_STRING | SCHEMA_NULL, .help = "the text behind: models that were trained to fill in"}},
    {"max_tokens", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = INT32_MAX, .help = "of each answer (16)"}},
    {"n", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = 128}},
    {"best_of", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = 128}},
    {"echo", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "the answer begins with the prompt"}},
    {"logprobs", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = MAX_TOP}},
    {"stream", {.types = SCHEMA_BOOL | SCHEMA_NULL}},
    {"stream_options", {.types = SCHEMA_OBJECT | SCHEMA_NULL, .fields = stream_option_fields}},
    {"add_special_tokens", {.types = SCHEMA_BOOL | SCHEMA_NULL, .help = "put the model's BOS before texts (true)"}},
    SETTINGS_FIELDS,
    {0},
};
const struct schema completion_request_schema = {
    .name = "CompletionRequest", .types = SCHEMA_OBJECT, .fields = completion_fields};

/* The four lists of OpenAI's log-probabilities. */
struct logprob_lists {
    json_t *tokens, *values, *top, *offsets;
    size_t offset; /* of the next token: characters of the choice's text before it */
};

struct completion_choice {
    struct buffer text;
    struct logprob_lists logprobs;
    size_t n_told; /* log-probabilities that a stream has sent */
    size_t n_tokens;
    bool ignored; /* max_tokens was 0: what is generated counts for nothing */
    bool echoed;
    const char *finish_reason;
};

struct completion {
    struct delivery delivery;
    struct completion_choice *choices; /* [n_prompts · n] */
    size_t n_prompts, n;
    struct usage_wish usage_wish;
    bool echo, ranked, nothing_wanted, include_stop, failed;
    int32_t n_logprobs;
    struct buffer head;
};

/* ---- log-probabilities ---- */

static json_t *logprob_json(float logprob) {
    return json_real(isfinite(logprob) ? (double)logprob : -9999.0);
}

/* A token as the name of a member: part of a character becomes bytes, so that no two tokens share a name by being
 * replaced. */
static size_t token_name(const struct model *model, int32_t id, char *out, size_t size) {
    size_t n;
    const char *text = token_text(model, id, &n);
    if (utf8_valid(text, n) && n < size) {
        memcpy(out, text, n);
        out[n] = '\0';
        return n;
    }
    size_t at = (size_t)snprintf(out, size, "bytes:");
    for (size_t i = 0; i < n && at + 5 < size; i++)
        at += (size_t)snprintf(out + at, size - at, "\\x%02x", (uint8_t)text[i]);
    return at;
}

static void set_named(json_t *object, const char *name, size_t n, json_t *value) {
    json_object_setn_new_nocheck(object, name, n, value);
}

static void add_logprob(const struct model *model, struct logprob_lists *lists, int32_t id, float logprob,
                        const bn_logprob *top, size_t n_top) {
    char name[600];
    size_t n = token_name(model, id, name, sizeof name), n_bytes;
    json_array_append_new(lists->tokens, json_stringn(name, n));
    json_array_append_new(lists->offsets, json_integer((json_int_t)lists->offset));
    const char *text = token_text(model, id, &n_bytes);
    for (size_t i = 0; i < n_bytes; i++) lists->offset += ((uint8_t)text[i] & 0xc0) != 0x80;
    if (isnan(logprob)) { /* the first token of a prompt */
        json_array_append_new(lists->values, json_null());
        json_array_append_new(lists->top, json_null());
        return;
    }
    json_array_append_new(lists->values, logprob_json(logprob));
    json_t *object = json_object();
    for (size_t i = 0; i < n_top; i++) {
        char top_name[600];
        size_t n_name = token_name(model, top[i].id, top_name, sizeof top_name);
        set_named(object, top_name, n_name, logprob_json(top[i].logprob));
    }
    set_named(object, name, n, logprob_json(logprob)); /* the token itself is always there */
    json_array_append_new(lists->top, object);
}

/* What the lists have from entry `from` on; null where none were asked for. */
static json_t *logprobs_json(const struct logprob_lists *lists, size_t from) {
    if (!lists->tokens) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", json_array_tail(lists->tokens, from), "token_logprobs",
                     json_array_tail(lists->values, from), "top_logprobs", json_array_tail(lists->top, from),
                     "text_offset", json_array_tail(lists->offsets, from));
}

/* ---- what the engine tells ---- */

/* The prompt's text and log-probabilities in front of the answer; request NULL: these aren't needed. */
static void echo_prompt(struct completion *completion, size_t prompt, const bn_request *request) {
    const struct model *model = completion->delivery.model;
    const struct generation_prompt *ids = generation_prompt(completion->delivery.generation, prompt);
    char *text;
    size_t n_text, n = 0, n_top = 0;
    const float *logprobs = request ? bn_request_prompt_logprobs(request, &n) : NULL;
    const bn_logprob *top = request ? bn_request_prompt_top(request, &n_top) : NULL;
    bn_error error;
    if (bn_tokenizer_decode(model->tokenizer, ids->ids, ids->n_ids, true, &text, &n_text, &error)) {
        completion->failed = true;
        return;
    }
    for (size_t i = 0; i < completion->n; i++) {
        struct completion_choice *choice = &completion->choices[prompt * completion->n + i];
        if (choice->echoed) continue;
        choice->echoed = true;
        struct buffer own = {0};
        buffer_append(&own, text, n_text);
        buffer_append(&own, choice->text.data, choice->text.size);
        buffer_release(&choice->text);
        choice->text = own;
        struct logprob_lists *lists = &choice->logprobs;
        struct logprob_lists before = {json_array(), json_array(), json_array(), json_array(), 0};
        for (size_t j = 0; logprobs && lists->tokens && j < n; j++)
            add_logprob(model, &before, ids->ids[j], logprobs[j], top ? top + j * n_top : NULL, n_top);
        if (logprobs && lists->tokens) {
            json_array_extend(before.tokens, lists->tokens);
            json_array_extend(before.values, lists->values);
            json_array_extend(before.top, lists->top);
            for (size_t j = 0; j < json_array_size(lists->offsets); j++)
                json_array_append_new(
                    before.offsets,
                    json_integer((json_int_t)before.offset + json_integer_value(json_array_get(lists->offsets, j))));
            before.offset += lists->offset;
            struct logprob_lists old = *lists;
            *lists = before;
            before = old;
        }
        json_decref(before.tokens);
        json_decref(before.values);
        json_decref(before.top);
        json_decref(before.offsets);
    }
    bn_free(text);
}

static const char *reason_of(bn_finish finish) {
    return finish == BN_FINISH_STOP ? "stop" : "length";
}

static void tell_chunk(struct completion *completion, size_t index, const char *text, size_t n) {
    struct delivery *d = &completion->delivery;
    struct completion_choice *choice = &completion->choices[index];
    json_t *logprobs = logprobs_json(&choice->logprobs, choice->n_told);
    char *logprobs_text = json_dumps(logprobs, JSON_COMPACT | JSON_ENCODE_ANY);
    choice->n_told = json_array_size(choice->logprobs.tokens);
    if (completion->head.size == 0) {
        buffer_printf(&completion->head,
                      "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":", d->id,
                      (long long)d->created);
        buffer_append_json_string(&completion->head, d->model->name, strlen(d->model->name));
        buffer_append_text(&completion->head, ",\"choices\":[");
    }
    buffer_append(&d->line, completion->head.data, completion->head.size);
    buffer_printf(&d->line, "{\"index\":%zu,\"text\":", index);
    buffer_append_json_string(&d->line, text, n);
    buffer_printf(&d->line, ",\"logprobs\":%s,\"finish_reason\":", logprobs_text ? logprobs_text : "null");
    if (choice->finish_reason)
        buffer_printf(&d->line, "\"%s\"", choice->finish_reason);
    else
        buffer_append_text(&d->line, "null");
    close_chunk(&d->line, &completion->usage_wish, generation_prompt(d->generation, index / completion->n)->n_ids,
                choice->n_tokens);
    delivery_event(d, NULL);
    free(logprobs_text); /* jansson's own memory */
    json_decref(logprobs);
}

static bool on_token(void *context, size_t prompt, const bn_token_event *event) {
    struct completion *completion = context;
    size_t index = prompt * completion->n + event->choice;
    struct completion_choice *choice = &completion->choices[index];
    struct delivery *d = &completion->delivery;
    if (event->finish == BN_FINISH_ERROR ||
        (event->finish == BN_FINISH_CANCELLED && !generation_timed_out(d->generation)))
        return true; /* on_end says why */
    size_t before = choice->text.size;
    if (event->finish) choice->finish_reason = completion->nothing_wanted ? "length" : reason_of(event->finish);
    if (!completion->nothing_wanted) {
        choice->n_tokens += event->id >= 0;
        if (event->id >= 0 && choice->logprobs.tokens)
            add_logprob(d->model, &choice->logprobs, event->id, event->logprob, event->top, event->n_top);
        buffer_append(&choice->text, event->text, event->text_bytes);
        if (event->stop && completion->include_stop) buffer_append_text(&choice->text, event->stop);
    }
    if (choice->text.failed) completion->failed = true;
    if (d->stream && !completion->echo && (event->finish || choice->text.size > before || choice->logprobs.tokens))
        tell_chunk(completion, index, choice->text.data ? choice->text.data + before : "", choice->text.size - before);
    return !completion->failed;
}

static void on_answered(void *context, size_t prompt, const bn_request *request) {
    struct completion *completion = context;
    const struct model *model = completion->delivery.model;
    if (completion->ranked && completion->n_logprobs >= 0) { /* their tokens had no events of their own */
        for (size_t i = 0; i < completion->n; i++) {
            bn_choice c = {.size = sizeof c};
            if (bn_request_choice(request, i, &c)) continue;
            struct completion_choice *choice = &completion->choices[prompt * completion->n + i];
            for (size_t j = 0; c.logprobs && j < c.n_ids; j++)
                add_logprob(model, &choice->logprobs, c.ids[j], c.logprobs[j], NULL, 0);
        }
    }
    if (completion->echo) echo_prompt(completion, prompt, request);
    for (size_t i = 0; completion->echo && completion->delivery.stream && i < completion->n; i++) {
        size_t index = prompt * completion->n + i;
        const struct buffer *text = &completion->choices[index].text;
        tell_chunk(completion, index, text->data ? text->data : "", text->size);
    }
}

static bn_usage usage_of(const struct completion *completion) {
    bn_usage usage = generation_usage(completion->delivery.generation);
    if (completion->nothing_wanted) usage.output_tokens = 0;
    return usage;
}

static void end_whole(struct completion *completion, const bn_usage *usage) {
    struct delivery *d = &completion->delivery;
    json_t *choices = json_array();
    char fingerprint[32];
    for (size_t i = 0; i < completion->n_prompts * completion->n; i++) {
        const struct completion_choice *choice = &completion->choices[i];
        json_array_append_new(choices,
                              json_pack("{s:I, s:o, s:o, s:s}", "index", (json_int_t)i, "text",
                                        json_text(choice->text.data ? choice->text.data : "", choice->text.size),
                                        "logprobs", logprobs_json(&choice->logprobs, 0), "finish_reason",
                                        choice->finish_reason ? choice->finish_reason : "length"));
    }
    system_fingerprint(d->model, fingerprint, sizeof fingerprint);
    delivery_respond(d, json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:s, s:o}", "id", d->id, "object", "text_completion",
                                  "created", (json_int_t)d->created, "model", d->model->name, "choices", choices,
                                  "usage", usage_json(usage), "system_fingerprint", fingerprint, "timings",
                                  answer_timings_json(usage)));
}

static void on_end(void *context, const bn_error *error) {
    struct completion *completion = context;
    struct delivery *d = &completion->delivery;
    struct failure failure = failure_of_end(error, completion->failed);
    if (!delivery_succeeded(d, &failure, NULL, "data: [DONE]\n\n")) return;
    const bn_usage usage = usage_of(completion);
    if (d->stream)
        end_chunks(d, &completion->head, completion->usage_wish.at_end ? &usage : NULL);
    else
        end_whole(completion, &usage);
}

static const struct generation_sink sink = {on_token, on_answered, on_end};

static void release(void *context) {
    struct completion *completion = context;
    for (size_t i = 0; completion->choices && i < completion->n_prompts * completion->n; i++) {
        struct completion_choice *choice = &completion->choices[i];
        buffer_release(&choice->text);
        json_decref(choice->logprobs.tokens);
        json_decref(choice->logprobs.values);
        json_decref(choice->logprobs.top);
        json_decref(choice->logprobs.offsets);
    }
    mem_free(completion->choices);
    buffer_release(&completion->head);
}

/* ---- prompts ---- */

static bool is_ids(const json_t *value) {
    return json_is_array(value) && (json_array_size(value) == 0 || json_is_integer(json_array_get(value, 0)));
}

static bool ids_prompt(const struct model *model, const json_t *array, const char *place, struct generation_prompt *out,
                       struct failure *failure) {
    size_t n = json_array_size(array);
    if (n == 0) return refuse(failure, place, "'%s' is an empty list of tokens", place);
    out->ids = mem_alloc_array(n, sizeof *out->ids);
    if (!out->ids) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(array, i);
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || (size_t)value >= model->info.vocab_size)
            return refuse(failure, place, "'%s[%zu]' must be a token id, 0 … %zu", place, i,
                          model->info.vocab_size - 1);
        out->ids[out->n_ids++] = (int32_t)value;
    }
    return true;
}

bool read_prompt(const struct model *model, const json_t *value, const char *place, const bn_encode_options *options,
                 struct generation_prompt *out, struct failure *failure) {
    bn_error error = {0};
    *out = (struct generation_prompt){0};
    if (is_ids(value)) return ids_prompt(model, value, place, out, failure);
    if (!json_is_string(value)) return refuse(failure, place, "'%s' must be a text or an array of token ids", place);
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    bn_status status =
        options->parse_special || n == 0
            ? encode_prompt(model->tokenizer, text, n, options->add_special, &out->ids, &out->n_ids, &error)
            : bn_tokenizer_encode(model->tokenizer, text, n, options, &out->ids, &out->n_ids, &error);
    return succeeded(failure, status, &error);
}

bn_encode_options prompt_options(const json_t *body) {
    return (bn_encode_options){.size = sizeof(bn_encode_options),
                               .add_special = json_bool_or(body, "add_special_tokens", true),
                               .parse_special = json_bool_or(body, "parse_special", true)};
}

bool read_prompts(const struct model *model, const json_t *value, const char *member, const bn_encode_options *options,
                  struct generation_prompt **out, size_t *n, struct failure *failure) {
    bool single = !json_is_array(value) || is_ids(value);
    size_t n_prompts = single ? 1 : json_array_size(value);
    *n = 0;
    *out = NULL;
    if (n_prompts > MAX_PROMPTS) return refuse(failure, member, "'%s' has more than %d prompts", member, MAX_PROMPTS);
    *out = mem_calloc(n_prompts, sizeof **out);
    if (!*out) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; i < n_prompts; i++) {
        char place[64];
        snprintf(place, sizeof place, single ? "%s" : "%s[%zu]", member, i);
        (*n)++;
        if (!read_prompt(model, single ? value : json_array_get(value, i), place, options, &(*out)[i], failure))
            return false;
        if ((*out)[i].n_ids >= model->context_length)
            return refuse_overflow(failure, (*out)[i].n_ids, model->context_length);
    }
    return true;
}

void prompts_release(struct generation_prompt *prompts, size_t n) {
    for (size_t i = 0; prompts && i < n; i++) bn_free(prompts[i].ids);
    mem_free(prompts);
}

/* ---- the route ---- */

static bool read_options(struct completion *completion, const json_t *body, struct settings *settings,
                         struct failure *failure) {
    bn_request_options *o = &settings->options;
    json_int_t most = json_integer_or(body, "max_tokens", 16);
    completion->echo = json_bool_or(body, "echo", false);
    completion->nothing_wanted = most == 0;
    completion->include_stop = settings->include_stop;
    completion->usage_wish = usage_wish_of(body);
    completion->n = (size_t)json_integer_or(body, "n", 1);
    completion->n_logprobs = (int32_t)json_integer_or(body, "logprobs", -1);
    o->max_tokens = most ? (size_t)most : 1;
    o->n = completion->n;
    o->best_of = (size_t)json_integer_or(body, "best_of", 0);
    o->n_logprobs = completion->n_logprobs;
    o->echo_logprobs = completion->echo && completion->n_logprobs >= 0;
    completion->ranked = o->best_of > 1;
    if (o->best_of && o->best_of < o->n) return refuse(failure, "best_of", "'best_of' must be at least 'n'");
    if (completion->ranked && json_bool_or(body, "stream", false))
        return refuse(failure, "best_of", "'best_of' can't be streamed: which answers are best is known at the end");
    if (json_string_length(json_member(body, "suffix")))
        return refuse(failure, "suffix", "'suffix': use /infill, with a model that was trained to fill in");
    if (completion->n * completion->n_prompts > MAX_CHOICES_ALL)
        return refuse(failure, "n", "prompts · n is %zu; at most %d are possible",
                      completion->n * completion->n_prompts, MAX_CHOICES_ALL);
    completion->choices = mem_calloc(completion->n * completion->n_prompts, sizeof *completion->choices);
    if (!completion->choices) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    for (size_t i = 0; completion->n_logprobs >= 0 && i < completion->n * completion->n_prompts; i++)
        completion->choices[i].logprobs =
            (struct logprob_lists){json_array(), json_array(), json_array(), json_array(), 0};
    return true;
}

void answer_completion(struct api *api, const json_t *body, const struct asker *asker) {
    const json_t *prompt = json_member(body, "prompt");
    struct failure failure = {0};
    struct settings settings = {0};
    struct generation_prompt *prompts = NULL;
    const struct model *model = NULL;
    bool stream = json_bool_or(body, "stream", false);
    struct completion *completion = delivery_create_for(asker, sizeof *completion, "cmpl-", stream, release);
    if (!completion) return;
    if (asker->exchange && replay_find(&api->replay, asker->exchange, &completion->delivery.ticket)) {
        delivery_destroy(&completion->delivery);
        return;
    }
    json_t *empty = json_string("");
    const bn_encode_options encoding = prompt_options(body);
    bool ok = api_acquire(api, body, &model, &failure), settings_there = ok;
    ok =
        ok && settings_read(&settings, body, model, &failure) &&
        read_prompts(model, prompt ? prompt : empty, "prompt", &encoding, &prompts, &completion->n_prompts, &failure) &&
        constraint_read(model, body, &settings.options.grammar, &failure) &&
        read_options(completion, body, &settings, &failure);
    json_decref(empty);
    if (ok) {
        client_heed(asker->client, body, &settings.options);
        delivery_start_generation(&completion->delivery, model, prompts, completion->n_prompts, &sink, &settings);
        mem_free(prompts);
    } else {
        prompts_release(prompts, completion->n_prompts);
        model_release(model);
        delivery_refuse(&completion->delivery, &failure);
    }
    if (settings_there) settings_release(&settings);
}

void handle_completions(struct exchange *exchange, void *service) {
    const struct asker asker = asker_of(exchange);
    answer_completion(service, exchange_request(exchange)->json, &asker);
}
