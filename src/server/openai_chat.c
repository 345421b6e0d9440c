/* POST /v1/chat/completions: whole, or as a stream of chunks. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "server/openai.h"

struct chat_completion {
    struct delivery delivery;
    struct buffer head; /* of each chunk, up to its choices */
    struct usage_wish usage_wish;
    bool roles_told;
};

/* ---- shared pieces ---- */

json_t *usage_json(const bn_usage *usage) {
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)usage->prompt_tokens, "completion_tokens",
                     (json_int_t)usage->output_tokens, "total_tokens",
                     (json_int_t)(usage->prompt_tokens + usage->output_tokens), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)usage->cached_tokens);
}

struct usage_wish usage_wish_of(const json_t *body) {
    const json_t *options = json_member(body, "stream_options");
    bool wanted = json_bool_or(options, "include_usage", false);
    return (struct usage_wish){wanted, wanted && json_bool_or(options, "continuous_usage_stats", false)};
}

void close_chunk(struct buffer *line, const struct usage_wish *wish, size_t n_prompt, size_t n_tokens) {
    if (wish->in_chunks)
        buffer_printf(line, "}],\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}}",
                      n_prompt, n_tokens, n_prompt + n_tokens);
    else
        buffer_append_text(line, wish->at_end ? "}],\"usage\":null}" : "}]}");
}

void end_chunks(struct delivery *d, const struct buffer *head, const bn_usage *usage) {
    json_t *json = usage ? usage_json(usage) : NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (usage) {
        buffer_append(&d->line, head->data, head->size);
        buffer_printf(&d->line, "],\"usage\":%s}", text ? text : "null");
        delivery_event(d, NULL);
    }
    free(text); /* jansson's own memory */
    json_decref(json);
    delivery_write(d, "data: [DONE]\n\n");
    exchange_end(d->exchange);
}

static double per_second(size_t n, uint64_t ns) {
    return ns ? (double)n * 1e9 / (double)ns : 0;
}

json_t *answer_timings_json(const bn_usage *usage) {
    size_t n_computed = usage->prompt_tokens - min_size(usage->prompt_tokens, usage->cached_tokens);
    return json_pack("{s:I, s:I, s:f, s:f, s:I, s:f, s:f}", "cache_n", (json_int_t)usage->cached_tokens, "prompt_n",
                     (json_int_t)n_computed, "prompt_ms", (double)usage->prompt_ns * 1e-6, "prompt_per_second",
                     per_second(n_computed, usage->prompt_ns), "predicted_n", (json_int_t)usage->output_tokens,
                     "predicted_ms", (double)usage->output_ns * 1e-6, "predicted_per_second",
                     per_second(usage->output_tokens, usage->output_ns));
}

void system_fingerprint(const struct model *model, char *out, size_t size) {
    const char *version = bn_version();
    uint64_t hash = hash_bytes(version, strlen(version), model->info.n_parameters ^ model->info.weight_bytes);
    hash = hash_bytes(model->info.name, strlen(model->info.name), hash);
    snprintf(out, size, "fp_%012llx", (unsigned long long)(hash & 0xffffffffffffu));
}

/* ---- whole ---- */

static json_t *call_json(const struct answer_call *call) {
    return json_pack("{s:s, s:s, s:{s:o, s:o}}", "id", call->id, "type", "function", "function", "name",
                     json_text(call->name.data, call->name.size), "arguments",
                     json_text(call->arguments.data ? call->arguments.data : "", call->arguments.size));
}

static json_t *message_json(const struct answer_choice *choice) {
    json_t *message = json_pack("{s:s}", "role", "assistant");
    bool is_null = choice->n_calls && choice->text.size == 0;
    json_object_set_new(message, "content",
                        is_null ? json_null()
                                : json_text(choice->text.data ? choice->text.data : "", choice->text.size));
    if (choice->reasoning.size)
        json_object_set_new(message, "reasoning_content", json_text(choice->reasoning.data, choice->reasoning.size));
    json_object_set_new(message, "refusal", json_null());
    if (choice->n_calls == 0) return message;
    json_t *calls = json_array();
    for (size_t i = 0; i < choice->n_calls; i++) json_array_append_new(calls, call_json(&choice->calls[i]));
    json_object_set_new(message, "tool_calls", calls);
    return message;
}

static json_t *completion_json(struct answer *answer, const char *id, int64_t created) {
    const struct model *model = answer_model(answer);
    const bn_usage usage = answer_usage(answer);
    char fingerprint[32];
    json_t *choices = json_array();
    for (size_t i = 0; i < answer_n_choices(answer); i++) {
        const struct answer_choice *choice = answer_choice(answer, i);
        json_t *logprobs =
            choice->logprobs ? json_pack("{s:O, s:n}", "content", choice->logprobs, "refusal") : json_null();
        json_t *one = json_pack("{s:I, s:o, s:o, s:s}", "index", (json_int_t)i, "message", message_json(choice),
                                "logprobs", logprobs, "finish_reason", choice->finish_reason);
        if (choice->token_ids) json_object_set(one, "token_ids", choice->token_ids);
        json_array_append_new(choices, one);
    }
    system_fingerprint(model, fingerprint, sizeof fingerprint);
    json_t *body =
        json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:s, s:o}", "id", id, "object", "chat.completion", "created",
                  (json_int_t)created, "model", model->name, "choices", choices, "usage", usage_json(&usage),
                  "system_fingerprint", fingerprint, "timings", answer_timings_json(&usage));
    return body;
}

static void whole_end(void *context, const struct failure *failure) {
    struct chat_completion *chat = context;
    struct delivery *d = &chat->delivery;
    if (!delivery_succeeded(d, failure, NULL, NULL)) return;
    delivery_respond(d, completion_json(d->answer, d->id, d->created));
}

static const struct answer_format whole_format = {.end = whole_end};

/* ---- in pieces ---- */

static void make_head(struct chat_completion *chat) {
    const struct delivery *d = &chat->delivery;
    char fingerprint[32];
    system_fingerprint(d->model, fingerprint, sizeof fingerprint);
    buffer_printf(&chat->head, "{\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":", d->id,
                  (long long)d->created);
    buffer_append_json_string(&chat->head, d->model->name, strlen(d->model->name));
    buffer_printf(&chat->head, ",\"system_fingerprint\":\"%s\",\"choices\":[", fingerprint);
}

/* The beginning of a chunk, up to the members of its delta. */
static struct buffer *begin_chunk(struct chat_completion *chat, size_t choice) {
    struct buffer *line = &chat->delivery.line;
    if (chat->head.size == 0) make_head(chat);
    buffer_append(line, chat->head.data, chat->head.size);
    buffer_printf(line, "{\"index\":%zu,\"delta\":{", choice);
    return line;
}

/* The log-probabilities that haven't been sent. */
static void append_logprobs(struct buffer *line, struct answer_choice *choice) {
    size_t n = json_array_size(choice->logprobs);
    if (choice->n_logprobs_told == n) {
        buffer_append_text(line, "null");
        return;
    }
    buffer_append_text(line, "{\"content\":[");
    for (size_t i = choice->n_logprobs_told; i < n; i++) {
        char *text = json_dumps(json_array_get(choice->logprobs, i), JSON_COMPACT);
        if (i > choice->n_logprobs_told) buffer_append_char(line, ',');
        buffer_append_text(line, text ? text : "null");
        free(text); /* jansson's own memory */
    }
    choice->n_logprobs_told = n;
    buffer_append_text(line, "],\"refusal\":null}");
}

static void end_chunk(struct chat_completion *chat, struct answer_choice *choice, const char *finish_reason) {
    struct buffer *line = &chat->delivery.line;
    buffer_append_text(line, "},\"logprobs\":");
    append_logprobs(line, choice);
    buffer_append_text(line, ",\"finish_reason\":");
    if (finish_reason)
        buffer_append_json_string(line, finish_reason, strlen(finish_reason));
    else
        buffer_append_text(line, "null");
    close_chunk(line, &chat->usage_wish, answer_prompt(chat->delivery.answer)->n_ids, choice->n_tokens);
    delivery_event(&chat->delivery, NULL);
}

/* Every choice begins with its role, before anything else comes. */
static void tell_roles(struct chat_completion *chat) {
    if (chat->roles_told) return;
    chat->roles_told = true;
    for (size_t i = 0; i < answer_n_choices(chat->delivery.answer); i++) {
        struct answer_choice none = {0};
        buffer_append_text(begin_chunk(chat, i), "\"role\":\"assistant\",\"content\":\"\"");
        end_chunk(chat, &none, NULL);
    }
}

static void tell_text(struct chat_completion *chat, struct answer_choice *choice, const char *member, const char *text,
                      size_t n) {
    tell_roles(chat);
    struct buffer *line = begin_chunk(chat, choice->index);
    buffer_printf(line, "\"%s\":", member);
    buffer_append_json_string(line, text, n);
    end_chunk(chat, choice, NULL);
}

static void stream_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    tell_text(context, choice, "content", text, n);
}

static void stream_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    tell_text(context, choice, "reasoning_content", text, n);
}

static void stream_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    struct chat_completion *chat = context;
    tell_roles(chat);
    struct buffer *line = begin_chunk(chat, choice->index);
    buffer_printf(line, "\"tool_calls\":[{\"index\":%zu,\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":",
                  (size_t)(call - choice->calls), call->id);
    buffer_append_json_string(line, call->name.data, call->name.size);
    buffer_append_text(line, ",\"arguments\":\"\"}}]");
    end_chunk(chat, choice, NULL);
}

static void stream_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                                  const char *text, size_t n) {
    struct chat_completion *chat = context;
    struct buffer *line = begin_chunk(chat, choice->index);
    buffer_printf(line, "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", (size_t)(call - choice->calls));
    buffer_append_json_string(line, text, n);
    buffer_append_text(line, "}}]");
    end_chunk(chat, choice, NULL);
}

static void stream_finish(void *context, struct answer_choice *choice) {
    struct chat_completion *chat = context;
    tell_roles(chat);
    begin_chunk(chat, choice->index);
    end_chunk(chat, choice, choice->finish_reason);
}

static void stream_end(void *context, const struct failure *failure) {
    struct chat_completion *chat = context;
    struct delivery *d = &chat->delivery;
    if (!delivery_succeeded(d, failure, NULL, "data: [DONE]\n\n")) return;
    const bn_usage usage = answer_usage(d->answer);
    end_chunks(d, &chat->head, chat->usage_wish.at_end ? &usage : NULL);
}

static const struct answer_format stream_format = {
    .text = stream_text,
    .reasoning = stream_reasoning,
    .call_begin = stream_call_begin,
    .call_arguments = stream_call_arguments,
    .finish = stream_finish,
    .end = stream_end,
};

/* ---- the route ---- */

static void release(void *context) {
    struct chat_completion *chat = context;
    buffer_release(&chat->head);
}

void answer_chat(struct api *api, const json_t *body, const struct asker *asker) {
    struct chat_request request;
    struct failure failure = {0};
    bool stream = json_bool_or(body, "stream", false);
    struct chat_completion *chat = delivery_create_for(asker, sizeof *chat, "chatcmpl-", stream, release);
    if (!chat) return;
    chat->usage_wish = usage_wish_of(body);
    if (asker->exchange && replay_find(&api->replay, asker->exchange, &chat->delivery.ticket))
        delivery_destroy(&chat->delivery);
    else if (api_chat_request(api, asker->client, body, &request, &failure))
        delivery_start_answer(&chat->delivery, &request, stream ? &stream_format : &whole_format, chat);
    else
        delivery_refuse(&chat->delivery, &failure);
}

void handle_chat_completions(struct exchange *exchange, void *service) {
    const struct asker asker = asker_of(exchange);
    answer_chat(service, exchange_request(exchange)->json, &asker);
}
