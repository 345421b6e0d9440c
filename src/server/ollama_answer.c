/* Answers of /api/chat and /api/generate: lines of JSON, or all in one object. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/ollama.h"

/* ---- the end of an answer ---- */

static void set_ns(json_t *object, const char *name, uint64_t ns) {
    if (ns) json_object_set_new(object, name, json_integer((json_int_t)ns));
}

static json_t *calls_json(const struct answer_choice *choice) {
    json_t *calls = json_array();
    for (size_t i = 0; i < choice->n_calls; i++) {
        const struct answer_call *call = &choice->calls[i];
        json_array_append_new(calls, json_pack("{s:s, s:{s:I, s:o, s:o}}", "id", call->id, "function", "index",
                                               (json_int_t)i, "name", json_text(call->name.data, call->name.size),
                                               "arguments", answer_call_arguments(call)));
    }
    return calls;
}

static json_t *buffer_json(const struct buffer *text) {
    return json_text(text->data ? text->data : "", text->size);
}

/* Everything in `whole`, else nothing: the stream has had it. */
static void set_content(json_t *object, const struct ollama_call *call, const struct answer_choice *choice,
                        bool whole) {
    json_t *content = whole ? buffer_json(&choice->text) : json_string("");
    json_t *holder = call->chat ? json_pack("{s:s, s:o}", "role", "assistant", "content", content) : object;
    if (!call->chat) json_object_set_new(object, "response", content);
    if (whole && choice->reasoning.size) json_object_set_new(holder, "thinking", buffer_json(&choice->reasoning));
    if (whole && choice->n_calls) json_object_set_new(holder, "tool_calls", calls_json(choice));
    if (call->chat) json_object_set_new(object, "message", holder);
}

/* What a later request gives back to go on. */
static json_t *context_json(const struct ollama_call *call, const struct answer_choice *choice) {
    const struct generation_prompt *prompt = answer_prompt(call->delivery.answer);
    json_t *ids = json_ids(prompt->ids, prompt->n_ids);
    json_array_extend(ids, choice->token_ids);
    return ids;
}

static json_t *final_json(struct ollama_call *call, struct answer_choice *choice, bool whole) {
    const bn_usage usage = answer_usage(call->delivery.answer);
    bool cut = !choice->finish_reason || strcmp(choice->finish_reason, "length") == 0;
    char now[40];
    ollama_now(now);
    json_t *object = json_pack("{s:s, s:s}", "model", ollama_asked_name(call->body), "created_at", now);
    set_content(object, call, choice, whole);
    json_object_set_new(object, "done", json_true());
    json_object_set_new(object, "done_reason", json_string(cut ? "length" : "stop"));
    if (call->with_context) json_object_set_new(object, "context", context_json(call, choice));
    set_ns(object, "total_duration", clock_now_ns() - call->start_ns);
    set_ns(object, "load_duration", call->load_ns);
    set_ns(object, "prompt_eval_count", usage.prompt_tokens);
    set_ns(object, "prompt_eval_duration", usage.prompt_ns);
    set_ns(object, "eval_count", usage.output_tokens);
    set_ns(object, "eval_duration", usage.output_ns);
    if (choice->n_logprobs_told < json_array_size(choice->logprobs))
        json_object_set_new(object, "logprobs", json_array_tail(choice->logprobs, choice->n_logprobs_told));
    return object;
}

static void end(void *context, const struct failure *failure) {
    struct ollama_call *call = context;
    struct delivery *d = &call->delivery;
    if (!delivery_succeeded(d, failure, NULL, NULL)) return;
    json_t *last = final_json(call, answer_choice(d->answer, 0), !d->stream);
    if (d->stream) {
        delivery_event_json(d, NULL, last);
        exchange_end(d->exchange);
    } else {
        delivery_respond(d, last);
    }
}

static const struct answer_format whole_format = {.end = end};

/* ---- lines ---- */

/* Up to the content's text, which is to follow as a JSON string. */
static struct buffer *begin_line(struct ollama_call *call) {
    struct buffer *line = &call->delivery.line;
    const char *name = ollama_asked_name(call->body);
    char now[40];
    ollama_now(now);
    buffer_append_text(line, "{\"model\":");
    buffer_append_json_string(line, name, strlen(name));
    buffer_printf(line, ",\"created_at\":\"%s\",%s", now,
                  call->chat ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"response\":");
    return line;
}

static void end_line(struct ollama_call *call, struct answer_choice *choice) {
    struct buffer *line = &call->delivery.line;
    if (call->chat) buffer_append_char(line, '}');
    buffer_append_text(line, ",\"done\":false");
    if (choice->n_logprobs_told < json_array_size(choice->logprobs)) {
        json_t *fresh = json_array_tail(choice->logprobs, choice->n_logprobs_told);
        char *text = json_dumps(fresh, JSON_COMPACT);
        buffer_printf(line, ",\"logprobs\":%s", text ? text : "[]");
        choice->n_logprobs_told = json_array_size(choice->logprobs);
        free(text); /* jansson's own memory */
        json_decref(fresh);
    }
    buffer_append_char(line, '}');
    delivery_event(&call->delivery, NULL);
}

static void stream_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    buffer_append_json_string(begin_line(context), text, n);
    end_line(context, choice);
}

static void stream_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    struct buffer *line = begin_line(context);
    buffer_append_text(line, "\"\",\"thinking\":");
    buffer_append_json_string(line, text, n);
    end_line(context, choice);
}

/* A call is told as a whole: its arguments are an object. */
static void stream_call(void *context, struct answer_choice *choice, const struct answer_call *tool) {
    struct buffer *line = begin_line(context);
    json_t *arguments = answer_call_arguments(tool);
    char *text = json_dumps(arguments, JSON_COMPACT);
    buffer_printf(line, "\"\",\"tool_calls\":[{\"id\":\"%s\",\"function\":{\"index\":%zu,\"name\":", tool->id,
                  (size_t)(tool - choice->calls));
    buffer_append_json_string(line, tool->name.data, tool->name.size);
    buffer_printf(line, ",\"arguments\":%s}}]", text ? text : "{}");
    free(text); /* jansson's own memory */
    json_decref(arguments);
    end_line(context, choice);
}

static const struct answer_format stream_format = {
    .text = stream_text, .reasoning = stream_reasoning, .call_end = stream_call, .end = end};

void ollama_start(struct ollama_call *call, struct chat_request *request) {
    client_heed(exchange_request(call->delivery.exchange)->client, call->body, &request->settings.options);
    request->tokens_wanted = call->with_context;
    delivery_start_answer(&call->delivery, request, call->delivery.stream ? &stream_format : &whole_format, call);
}

/* ---- nothing to answer ---- */

void ollama_answer_loaded(struct ollama_call *call) {
    char now[40];
    bool unload = call->keep_ms == 0;
    ollama_now(now);
    json_t *object = json_pack("{s:s, s:s}", "model", ollama_asked_name(call->body), "created_at", now);
    if (call->chat)
        json_object_set_new(object, "message", json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    else
        json_object_set_new(object, "response", json_string(""));
    json_object_set_new(object, "done", json_true());
    json_object_set_new(object, "done_reason", json_string(unload ? "unload" : "load"));
    if (unload) (void)models_unload(call->api->models, call->model->name, NULL); /* or it is gone already */
    exchange_respond_json(call->delivery.exchange, 200, object);
    delivery_destroy(&call->delivery);
}
