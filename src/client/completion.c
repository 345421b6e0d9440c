#include "client/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/sse.h"

enum { MAX_TEXT_BYTES = 16 << 20 };

/* A completion on its way. */
struct stream {
    struct completion_request request;
    struct completion answer;
    struct sse_parser events;
    char *url, *body;
    bool done; /* [DONE] came */
};

static void stream_destroy(struct stream *stream) {
    buffer_release(&stream->answer.text);
    sse_release(&stream->events);
    mem_free(stream->url);
    free(stream->body); /* json_dumps made it */
    mem_free(stream);
}

static bn_status failed(struct stream *stream, const char *failure, bn_error *err, const char *message) {
    snprintf(stream->answer.failure, sizeof stream->answer.failure, "%s", failure);
    return fail(err, BN_STATUS_BAD_FILE, "%s", message);
}

/* ---- a chunk of the answer ---- */

static bn_status take_text(struct stream *stream, const json_t *text, bn_error *err) {
    struct completion *answer = &stream->answer;
    size_t n = json_string_length(text);
    if (!n) return BN_OK;
    if (n > MAX_TEXT_BYTES - answer->text.size) return failed(stream, "malformed", err, "the answer doesn't end");
    answer->last_ns = clock_now_ns();
    if (!answer->n_pieces++) answer->first_ns = answer->last_ns;
    buffer_append(&answer->text, json_string_value(text), n);
    if (answer->text.failed) return fail_no_memory(err, n);
    const struct completion_request *request = &stream->request;
    if (!request->on_text || request->on_text(request->context, json_string_value(text), n)) return BN_OK;
    answer->stopped = true;
    return fail(err, BN_STATUS_CANCELLED, "interrupted");
}

static void take_usage(struct completion *answer, const json_t *usage) {
    const json_t *details = json_object_get(usage, "prompt_tokens_details");
    answer->has_usage |= !json_get_size(usage, "completion_tokens", 0, SIZE_MAX, &answer->output_tokens, NULL) &&
                         json_is_integer(json_object_get(usage, "completion_tokens"));
    json_get_size(usage, "prompt_tokens", 0, SIZE_MAX, &answer->prompt_tokens, NULL);
    if (json_is_object(details)) json_get_size(details, "cached_tokens", 0, SIZE_MAX, &answer->cached_tokens, NULL);
}

static bn_status take_error(struct stream *stream, const json_t *error, bn_error *err) {
    const json_t *message = json_is_object(error) ? json_object_get(error, "message") : error;
    char said[400];
    snprintf(said, sizeof said, "the server says: %s",
             json_is_string(message) ? json_string_value(message) : "an error without a message");
    return failed(stream, "server_error", err, said);
}

static bn_status take_chunk(struct stream *stream, const json_t *chunk, bn_error *err) {
    const json_t *error = json_object_get(chunk, "error"), *usage = json_object_get(chunk, "usage");
    if (error && !json_is_null(error)) return take_error(stream, error, err);
    if (json_is_object(usage)) take_usage(&stream->answer, usage);
    const json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
    if (!choice) return BN_OK; /* only usage, or news of a kind that nobody asked for */
    const json_t *holder = stream->request.chat ? json_object_get(choice, "delta") : choice;
    const json_t *text = json_object_get(holder, stream->request.chat ? "content" : "text");
    const json_t *finish = json_object_get(choice, "finish_reason");
    if (json_is_string(finish))
        snprintf(stream->answer.finish_reason, sizeof stream->answer.finish_reason, "%s", json_string_value(finish));
    return json_is_string(text) ? take_text(stream, text, err) : BN_OK;
}

static bn_status on_event(void *context, const char *name, const char *data, size_t n, bn_error *err) {
    struct stream *stream = context;
    json_t *chunk;
    (void)name; /* these routes give events no names; an error may be called one, and is one by its member, too */
    if (stream->done) return BN_OK;
    if (n >= 6 && memcmp(data, "[DONE]", 6) == 0) {
        stream->done = true;
        return BN_OK;
    }
    bn_error parse_error = {0};
    if (json_parse(data, n, "a chunk of the answer", &chunk, &parse_error))
        return failed(stream, "malformed", err, parse_error.message);
    bn_status status = json_is_object(chunk)
                           ? take_chunk(stream, chunk, err)
                           : failed(stream, "malformed", err, "a chunk of the answer isn't a JSON object");
    json_decref(chunk);
    return status;
}

/* ---- what arrives ---- */

static bn_status on_begin(void *context, const struct http_response *response, uint64_t offset, bn_error *err) {
    struct stream *stream = context;
    struct completion *answer = &stream->answer;
    const char *type = http_field(response, "Content-Type");
    (void)offset; /* always 0: a request with a body begins anew */
    buffer_clear(&answer->text);
    answer->n_pieces = 0;
    answer->finish_reason[0] = '\0';
    stream->done = false;
    sse_release(&stream->events);
    sse_init(&stream->events, 0);
    if (type && strncasecmp(type, "text/event-stream", 17) == 0) return BN_OK;
    char message[200];
    snprintf(message, sizeof message,
             "the server answered with %.80s, not with a stream of events: is it a server with OpenAI's routes?",
             type ? type : "no content type");
    return failed(stream, "malformed", err, message);
}

static bn_status on_bytes(void *context, const void *bytes, size_t n, bn_error *err) {
    struct stream *stream = context;
    bn_status status = sse_push(&stream->events, bytes, n, on_event, stream, err);
    if (status == BN_STATUS_BAD_FILE && !*stream->answer.failure)
        snprintf(stream->answer.failure, sizeof stream->answer.failure, "malformed");
    return status;
}

static const struct http_sink sink = {on_begin, on_bytes};

/* ---- its end ---- */

static void name_failure(struct completion *answer, const struct http_response *response) {
    static const char *const names[] = {
        [HTTP_NO_FAILURE] = "",          [HTTP_NO_NETWORK] = "connection",       [HTTP_TIMED_OUT] = "timeout",
        [HTTP_BAD_ANSWER] = "malformed", [HTTP_BAD_CERTIFICATE] = "certificate", [HTTP_BAD_STATUS] = "",
        [HTTP_SINK_FAILED] = "memory",   [HTTP_CANCELLED] = "cancelled",
    };
    if (*answer->failure) return;
    if (response->failure == HTTP_BAD_STATUS)
        snprintf(answer->failure, sizeof answer->failure, "http_%d", response->status % 1000);
    else if (response->failure == HTTP_NO_NETWORK && response->status)
        snprintf(answer->failure, sizeof answer->failure, "cut");
    else
        snprintf(answer->failure, sizeof answer->failure, "%s", names[response->failure]);
}

static void on_done(void *context, const struct http_response *response, bn_status status, const bn_error *error) {
    struct stream *stream = context;
    struct completion *answer = &stream->answer;
    bn_error own = error ? *error : (bn_error){0};
    if (answer->stopped) {
        status = BN_OK;
    } else if (status) {
        name_failure(answer, response);
        add_server_message(response, &own);
    } else if (!stream->done && !*answer->finish_reason) {
        status = failed(stream, "cut", &own, "the stream broke off before the answer was complete");
    }
    stream->request.on_end(stream->request.context, answer, status, &own);
    stream_destroy(stream);
}

bn_status completion_start(struct http_client *http, const struct completion_request *request, bn_error *err) {
    static const char *const headers[] = {"Content-Type: application/json", "Accept: text/event-stream", NULL};
    const struct endpoint *endpoint = request->endpoint;
    struct stream *stream = mem_calloc(1, sizeof *stream);
    if (!stream) return fail_no_memory(err, sizeof *stream);
    stream->request = *request;
    sse_init(&stream->events, 0);
    stream->url = endpoint_url(endpoint, request->chat ? "/v1/chat/completions" : "/v1/completions");
    stream->body = json_dumps(request->body, JSON_COMPACT);
    stream->answer.start_ns = clock_now_ns();
    bn_status status = BN_OK;
    if (!stream->url || !stream->body) status = fail_no_memory(err, sizeof *stream);
    const struct http_request http_request = {
        .method = "POST",
        .url = stream->url,
        .headers = headers,
        .token = endpoint->key,
        .unix_socket = endpoint->socket,
        .body = stream->body,
        .body_size = stream->body ? strlen(stream->body) : 0,
        .sink = &sink,
        .retry = request->retry,
        .done = on_done,
        .context = stream,
    };
    if (!status) status = http_start(http, &http_request, err);
    if (status) stream_destroy(stream);
    return status;
}
