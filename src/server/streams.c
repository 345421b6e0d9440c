/* The protocol: a client's messages, handled on workers one at a time, and what answers tell, from threads of engines.
 * Everything that has to survive a connection is the session's (stream_session.c). */
#include "server/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "server/constraint.h"
#include "server/openai.h"

/* ---- what clients may send ---- */

static const struct schema_field message_fields[] = {
    {"type", {.types = SCHEMA_STRING, .required = true, .values = "open|resume|start|cancel|ping|close"}},
    {"id", {.types = SCHEMA_STRING, .min_size = 1, .max_size = STREAM_ID_BYTES}},
    {"request", {.types = SCHEMA_OBJECT | SCHEMA_STRING}},
    {"session", {.types = SCHEMA_STRING, .max_size = 64}},
    {"seq", {.types = SCHEMA_INTEGER, .min = 0, .max = 0x1p53}},
    {"grace_s", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 0, .max = MAX_GRACE_S}},
    {0},
};
static const struct schema message_schema = {.types = SCHEMA_OBJECT, .fields = message_fields};

static bool need(const json_t *message, const char *member, struct failure *failure) {
    return json_object_get(message, member) || refuse(failure, member, "'%s' is required", member);
}

bool streams_message_read(const char *text, size_t size, json_t **message, struct failure *failure) {
    char path[SCHEMA_PATH_BYTES];
    bn_error error = {0};
    bn_status status = schema_parse(NULL, text, size, "the message", message, path, &error);
    if (!status) status = schema_validate(&message_schema, *message, path, &error);
    if (!succeeded(failure, status, &error)) {
        snprintf(failure->param, sizeof failure->param, "%s", path);
        return false;
    }
    const char *type = json_text_or(*message, "type", "");
    if (strcmp(type, "resume") == 0) return need(*message, "session", failure) && need(*message, "seq", failure);
    bool names = strcmp(type, "start") == 0 || strcmp(type, "cancel") == 0;
    if (names && !need(*message, "id", failure)) return false;
    if (names && !*json_text_or(*message, "id", "")) return refuse(failure, "id", "'id' has a NUL");
    return strcmp(type, "start") != 0 || need(*message, "request", failure);
}

/* ---- a connection ---- */

struct connection_of_streams {
    struct channel_context channel; /* its lock guards what follows */
    const struct api *api;          /* constant */
    struct stream_session *session; /* NULL until it is opened or resumed; set by the worker */
    bool closed, draining;
};

static void say_refused(struct connection_of_streams *c, const json_t *message, const struct failure *failure) {
    const json_t *id = json_object_get(message, "id");
    json_t *refused = json_pack("{s:s, s:o}", "type", "refused", "error", failure_object(failure));
    if (json_string_length(id) > 0 && json_string_length(id) <= STREAM_ID_BYTES)
        json_object_set(refused, "id", (json_t *)id);
    channel_send_json(c->channel.channel, refused);
}

/* ---- what answers tell ---- */

static void tell_line(struct stream *stream, const char *type) {
    if (stream->line.failed) {
        stream->failed = true;
        answer_cancel(stream->answer);
    } else {
        stream_tell(stream, type, stream->line.data, stream->line.size);
    }
    buffer_clear(&stream->line);
}

static struct buffer *begin_line(struct stream *stream, const struct answer_choice *choice) {
    buffer_clear(&stream->line);
    if (choice->index) buffer_printf(&stream->line, ",\"choice\":%zu", choice->index);
    return &stream->line;
}

static void append_json(struct buffer *line, const char *member, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    buffer_printf(line, ",\"%s\":%s", member, text ? text : "null");
    if (!text) line->failed = true;
    free(text); /* jansson's own memory */
}

static void tell_text(struct stream *stream, struct answer_choice *choice, const char *type, const char *text,
                      size_t n) {
    struct buffer *line = begin_line(stream, choice);
    buffer_append_text(line, ",\"text\":");
    buffer_append_json_string(line, text, n);
    tell_line(stream, type);
}

static void on_text(void *context, struct answer_choice *choice, const char *text, size_t n) {
    tell_text(context, choice, "text", text, n);
}

static void on_reasoning(void *context, struct answer_choice *choice, const char *text, size_t n) {
    tell_text(context, choice, "reasoning", text, n);
}

/* Log-probabilities that are there and haven't been told. */
static void on_token(void *context, struct answer_choice *choice) {
    struct stream *stream = context;
    size_t n = json_array_size(choice->logprobs);
    if (choice->n_logprobs_told == n) return;
    json_t *news = json_array();
    for (size_t i = choice->n_logprobs_told; i < n; i++) json_array_append(news, json_array_get(choice->logprobs, i));
    choice->n_logprobs_told = n;
    append_json(begin_line(stream, choice), "logprobs", news);
    json_decref(news);
    tell_line(stream, "logprobs");
}

static struct buffer *begin_call(struct stream *stream, struct answer_choice *choice, const struct answer_call *call) {
    struct buffer *line = begin_line(stream, choice);
    buffer_printf(line, ",\"call\":\"%s\"", call->id);
    return line;
}

static void on_call_begin(void *context, struct answer_choice *choice, const struct answer_call *call) {
    struct buffer *line = begin_call(context, choice, call);
    buffer_append_text(line, ",\"name\":");
    buffer_append_json_string(line, call->name.data, call->name.size);
    tell_line(context, "call");
}

static void on_call_arguments(void *context, struct answer_choice *choice, const struct answer_call *call,
                              const char *text, size_t n) {
    struct buffer *line = begin_call(context, choice, call);
    buffer_append_text(line, ",\"text\":");
    buffer_append_json_string(line, text, n);
    tell_line(context, "arguments");
}

static void end_well(struct stream *stream, const char *status) {
    const bn_usage usage = answer_usage(stream->answer);
    json_t *reasons = json_array(), *token_ids = json_array(), *counts = usage_json(&usage);
    for (size_t i = 0; i < answer_n_choices(stream->answer); i++) {
        const struct answer_choice *choice = answer_choice(stream->answer, i);
        json_array_append_new(reasons, choice->finish_reason ? json_string(choice->finish_reason) : json_null());
        if (choice->token_ids) json_array_append(token_ids, choice->token_ids);
    }
    struct buffer *line = &stream->line;
    buffer_clear(line);
    buffer_printf(line, ",\"status\":\"%s\"", status);
    append_json(line, "finish_reasons", reasons);
    append_json(line, "usage", counts);
    if (json_array_size(token_ids)) append_json(line, "token_ids", token_ids);
    json_decref(reasons);
    json_decref(token_ids);
    json_decref(counts);
    stream_end(stream, "done", line->data ? line->data : "", line->size);
}

static void end_badly(struct stream *stream, const struct failure *failure) {
    json_t *error = failure_object(failure);
    buffer_clear(&stream->line);
    append_json(&stream->line, "error", error);
    json_decref(error);
    stream_end(stream, "error", stream->line.data ? stream->line.data : "", stream->line.size);
}

static void on_end(void *context, const struct failure *failure) {
    struct stream *stream = context;
    struct failure no_memory = {0};
    if (stream->failed && failure->status == STATUS_CANCELLED) {
        succeeded(&no_memory, BN_STATUS_NO_MEMORY, NULL);
        failure = &no_memory;
    }
    if (failure->status == STATUS_CANCELLED)
        end_well(stream, "cancelled");
    else if (failure->status)
        end_badly(stream, failure);
    else
        end_well(stream, "completed");
}

static const struct answer_format format = {
    .text = on_text,
    .reasoning = on_reasoning,
    .token = on_token,
    .call_begin = on_call_begin,
    .call_arguments = on_call_arguments,
    .end = on_end,
};

/* ---- start ---- */

static bool check_body(const struct schema *schema, const json_t *body, struct failure *failure) {
    char path[SCHEMA_PATH_BYTES];
    bn_error error = {0};
    if (succeeded(failure, schema_validate(schema, body, path, &error), &error)) return true;
    snprintf(failure->param, sizeof failure->param, "request.%.140s", path);
    return false;
}

/* The members of /v1/completions that make no stream of tokens. */
static bool check_prompt_body(const json_t *body, struct failure *failure) {
    static const char *const others[] = {"echo", "suffix", "best_of"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const json_t *value = json_member(body, others[i]);
        if (value && !json_is_false(value))
            return refuse(failure, others[i], "'%s' is for POST /v1/completions", others[i]);
    }
    return true;
}

/* A text or token ids, continued. */
static bool read_prompt_body(struct chat_request *request, const struct api *api, const json_t *body,
                             struct failure *failure) {
    *request = (struct chat_request){0};
    if (!check_prompt_body(body, failure) || !api_acquire(api, body, &request->model, failure)) return false;
    const bn_encode_options encoding = prompt_options(body);
    if (!settings_read(&request->settings, body, request->model, failure) ||
        !read_prompt(request->model, json_object_get(body, "prompt"), "request.prompt", &encoding, &request->prompt,
                     failure) ||
        !constraint_read(request->model, body, &request->settings.options.grammar, failure))
        return false;
    bn_request_options *o = &request->settings.options;
    json_int_t most = json_integer_or(body, "max_tokens", 16);
    o->max_tokens = (size_t)most;
    o->n = (size_t)json_integer_or(body, "n", 1);
    o->n_logprobs = (int32_t)json_integer_or(body, "logprobs", -1);
    if (most == 0) return refuse(failure, "request.max_tokens", "'request.max_tokens' must be at least 1");
    if (request->prompt.n_ids < request->model->context_length) return true;
    return refuse_overflow(failure, request->prompt.n_ids, request->model->context_length);
}

/* Released after a failure. */
static bool read_request(struct chat_request *request, const struct api *api, const json_t *body,
                         struct failure *failure) {
    json_t *short_form = json_is_string(body) ? json_pack("{s:O}", "prompt", body) : NULL;
    if (short_form) body = short_form;
    bool is_chat = json_object_get(body, "messages") != NULL, ok = is_chat || json_member(body, "prompt");
    if (!ok) refuse(failure, "request", "'request' needs 'messages', or a 'prompt'");
    ok = ok && check_body(is_chat ? &chat_request_schema : &completion_request_schema, body, failure);
    bool begun = ok;
    ok = ok && (is_chat ? chat_request_read(request, api->models, body, failure)
                        : read_prompt_body(request, api, body, failure));
    if (begun && !ok) chat_request_release(request);
    json_decref(short_form);
    return ok;
}

static struct stream *create_stream(const char *id, struct chat_request *request) {
    struct stream *stream = mem_calloc(1, sizeof *stream);
    if (!stream) {
        chat_request_release(request);
        return NULL;
    }
    snprintf(stream->id, sizeof stream->id, "%s", id);
    stream->answer = answer_create(request, &format, stream);
    if (stream->answer) return stream;
    mem_free(stream);
    return NULL;
}

static bool start(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    const char *id = json_text_or(message, "id", "");
    struct chat_request request;
    if (!stream_session_may_add(c->session, id, failure) ||
        !read_request(&request, c->api, json_object_get(message, "request"), failure))
        return false;
    client_heed(c->channel.client, json_object_get(message, "request"), &request.settings.options);
    struct stream *stream = create_stream(id, &request);
    if (!stream) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    if (!stream_session_add(c->session, stream, failure)) {
        answer_destroy(stream->answer);
        mem_free(stream);
        return false;
    }
    buffer_append_text(&stream->line, ",\"model\":");
    const char *model = answer_model(stream->answer)->name;
    buffer_append_json_string(&stream->line, model, strlen(model));
    tell_line(stream, "started");
    answer_start(stream->answer); /* its end may have come when this returns */
    return true;
}

/* ---- the other messages ---- */

/* The session is the connection's from now on, unless that has closed meanwhile. */
static void take_session(struct connection_of_streams *c, struct stream_session *session) {
    pthread_mutex_lock(&c->channel.lock);
    c->session = session;
    bool closed = c->closed, draining = c->draining;
    pthread_mutex_unlock(&c->channel.lock);
    if (closed) stream_session_detach(session, c->channel.channel);
    if (draining) stream_session_drain(session);
}

static bool open_session(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    unsigned grace_s = (unsigned)json_integer_or(message, "grace_s", 30);
    struct stream_session *session =
        stream_session_open(c->api->sessions, c->channel.client, grace_s, c->channel.channel);
    if (!session) return succeeded(failure, BN_STATUS_NO_MEMORY, NULL);
    take_session(c, session);
    return true;
}

static bool resume_session(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    struct stream_session *session =
        stream_session_resume(c->api->sessions, json_text_or(message, "session", ""), c->channel.client,
                              (uint64_t)json_integer_or(message, "seq", 0), c->channel.channel, failure);
    if (session) take_session(c, session);
    return session != NULL;
}

static bool cancel(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    const char *id = json_text_or(message, "id", "");
    if (stream_session_cancel(c->session, id)) return true;
    refuse(failure, "id", "'%s' isn't running", id);
    failure->code = "id_not_running";
    return false;
}

static bool pong(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    json_t *id = json_object_get(message, "id"), *answer = json_pack("{s:s, s:O*}", "type", "pong", "id", id);
    (void)failure;
    channel_send_json(c->channel.channel, answer);
    return true;
}

static bool handle(struct connection_of_streams *c, const json_t *message, struct failure *failure) {
    const char *type = json_text_or(message, "type", "");
    bool begins = strcmp(type, "open") == 0 || strcmp(type, "resume") == 0;
    if (strcmp(type, "ping") == 0) return pong(c, message, failure);
    if (begins && c->session) return refuse(failure, "type", "the connection has a session already");
    if (strcmp(type, "open") == 0) return open_session(c, message, failure);
    if (strcmp(type, "resume") == 0) return resume_session(c, message, failure);
    if (!c->session) return refuse(failure, "type", "'open' or 'resume' a session first");
    if (strcmp(type, "start") == 0) return start(c, message, failure);
    if (strcmp(type, "cancel") == 0) return cancel(c, message, failure);
    stream_session_end(c->session);
    channel_close(c->channel.channel, 1000, "");
    return true;
}

/* ---- the channel's events ---- */

static void on_received(void *context, const char *text, size_t size) {
    struct connection_of_streams *c = context;
    struct failure failure = {0};
    json_t *message;
    if (!streams_message_read(text, size, &message, &failure) || !handle(c, message, &failure))
        say_refused(c, message, &failure);
    json_decref(message);
}

static void on_drained(void *context) {
    struct connection_of_streams *c = context;
    pthread_mutex_lock(&c->channel.lock);
    struct stream_session *session = c->session;
    pthread_mutex_unlock(&c->channel.lock);
    if (session) stream_session_drained(session);
}

static void on_draining(void *context) {
    struct connection_of_streams *c = context;
    pthread_mutex_lock(&c->channel.lock);
    c->draining = true;
    struct stream_session *session = c->session;
    pthread_mutex_unlock(&c->channel.lock);
    if (session)
        stream_session_drain(session);
    else
        channel_close(c->channel.channel, 1001, "the server is shutting down");
}

static void on_closed(void *context) {
    struct connection_of_streams *c = context;
    pthread_mutex_lock(&c->channel.lock);
    c->closed = true;
    struct stream_session *session = c->session;
    pthread_mutex_unlock(&c->channel.lock);
    if (session) stream_session_detach(session, c->channel.channel);
}

static void on_released(void *context) {
    struct connection_of_streams *c = context;
    stream_session_release(c->session);
}

static const struct channel_events events = {
    .received = on_received,
    .drained = on_drained,
    .draining = on_draining,
    .closed = on_closed,
    .released = on_released,
};

void handle_streams(struct exchange *exchange, void *service) {
    struct connection_of_streams *c = channel_create(exchange, sizeof *c, &events);
    if (!c) return;
    c->api = service;
    channel_open(c->channel.channel);
}
