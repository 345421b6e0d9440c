/* HTTP/2 on a connection, through nghttp2: with prior knowledge (h2c) or after ALPN. Each stream carries an exchange.
 *
 * What nghttp2 doesn't bound by itself is bounded here: the size of a header list, and frames that cost more to take than
 * to send (resets, pings, settings, empty ones) by a budget that refills with time.
 *
 * Trailers, which gRPC will need, belong where read_body says that the body is over: NO_END_STREAM there, then
 * nghttp2_submit_trailer. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/connection.h"
#include "server/dispatch.h"
#include "server/http1_head.h"
#include "server/server_core.h"

#define MAX_STREAMS        128
#define MAX_HEADER_BYTES   ((size_t)32 << 10) /* names, values, and 32 for each header, as RFC 9113 counts */
#define STREAM_WINDOW      (256 << 10)
#define CONNECTION_WINDOW  (1 << 20)
#define MAX_ANSWER_HEADERS 32

/* So many at once, and so many a second. */
struct budget {
    double left, burst, per_second;
    uint64_t at_ns;
};

struct stream {
    struct stream *previous, *next; /* the connection's */
    struct http2 *http;
    struct exchange *exchange; /* NULL before its request is complete, and once detached */
    int32_t id;
    struct buffer text; /* the request's headers: name NUL value NUL …, pseudo-headers too */
    size_t n_headers, header_bytes;
    bool too_large, malformed;
    bool request_ended, answered, body_over;
    bool paused;
    struct buffer backlog; /* of a paused request body: at most a window */
    const char *bytes;     /* taken from the exchange, not yet sent */
    size_t size;
    uint64_t moved, moved_before; /* bytes in either direction, now and when time was last checked */
};

struct http2 {
    struct connection *connection;
    nghttp2_session *session;
    struct stream *streams;
    size_t n_streams;
    struct budget resets, pings, empties, updates;
    uint64_t idle_since_ns;
    bool drains, abused;
};

static void pump(struct exchange *exchange);
static void read_on(struct exchange *exchange);
static void reset(struct exchange *exchange);
static const struct transport transport = {"HTTP/2", pump, read_on, reset};

static bool spend(struct budget *budget) {
    uint64_t now_ns = clock_now_ns();
    budget->left += (double)(now_ns - budget->at_ns) / 1e9 * budget->per_second;
    if (budget->left > budget->burst) budget->left = budget->burst;
    budget->at_ns = now_ns;
    budget->left -= 1;
    return budget->left >= 0;
}

/* ---- sending ---- */

/* Moves frames to the socket's output while that is small; ends the connection when nghttp2 is through with it. */
static void flush(struct http2 *http) {
    struct connection *connection = http->connection;
    const uint8_t *bytes;
    ssize_t n = 0;
    while (evbuffer_get_length(connection->output) < CONNECTION_OUTPUT_BYTES &&
           (n = nghttp2_session_mem_send(http->session, &bytes)) > 0)
        evbuffer_add(connection->output, bytes, (size_t)n);
    if (n < 0) {
        connection_close(connection);
    } else if (!nghttp2_session_want_read(http->session) && !nghttp2_session_want_write(http->session)) {
        connection_finish(connection, true);
    } else if (http->drains && !http->n_streams && !nghttp2_session_want_write(http->session)) {
        connection_finish(connection, true);
    }
}

/* Gives nghttp2 the next bytes of an answer. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size, uint32_t *flags,
                         nghttp2_data_source *source, void *context) {
    (void)context;
    struct stream *stream = source->ptr;
    struct exchange *exchange = stream->exchange;
    if (!stream->size && !stream->body_over) {
        struct exchange_output output;
        exchange_take(exchange, &output);
        if (output.aborted) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        stream->bytes = output.bytes;
        stream->size = output.size;
        stream->body_over = output.ended;
    }
    size_t n = min_size(size, stream->size);
    if (n) memcpy(out, stream->bytes, n);
    stream->bytes += n;
    stream->size -= n;
    stream->moved += n;
    exchange_set_unsent(exchange, stream->size);
    if (!stream->size && stream->body_over) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!stream->request_ended) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
        return (ssize_t)n;
    }
    return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

struct answer_headers {
    nghttp2_nv pairs[MAX_ANSWER_HEADERS];
    size_t n;
    struct buffer text; /* names and values: nghttp2 copies them when they are submitted */
    size_t offsets[MAX_ANSWER_HEADERS][2];
};

static void collect(void *context, const char *name, const char *value) {
    struct answer_headers *headers = context;
    static const char *const forbidden[] = {"connection", "keep-alive", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        if (strcasecmp(name, forbidden[i]) == 0) return;
    if (headers->n == MAX_ANSWER_HEADERS) return;
    headers->offsets[headers->n][0] = headers->text.size;
    buffer_append(&headers->text, name, strlen(name) + 1);
    headers->offsets[headers->n++][1] = headers->text.size;
    buffer_append(&headers->text, value, strlen(value) + 1);
}

static void finish_headers(struct answer_headers *headers) {
    for (size_t i = 0; i < headers->n; i++) {
        char *name = headers->text.data + headers->offsets[i][0], *value = headers->text.data + headers->offsets[i][1];
        for (char *c = name; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c += 'a' - 'A';
        headers->pairs[i] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
    }
}

static void send_head(struct stream *stream) {
    struct exchange *exchange = stream->exchange;
    struct answer_headers headers = {.n = 0};
    char status[8];
    snprintf(status, sizeof status, "%03d", exchange->status % 1000);
    collect(&headers, ":status", status);
    exchange_each_header(exchange, collect, &headers);
    const nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    bool no_body = !exchange->body_wanted || (stream->body_over && !stream->size);
    int problem = NGHTTP2_ERR_NOMEM;
    if (!headers.text.failed) {
        finish_headers(&headers);
        problem = nghttp2_submit_response(stream->http->session, stream->id, headers.pairs, headers.n,
                                          no_body ? NULL : &provider);
    }
    if (problem)
        nghttp2_submit_rst_stream(stream->http->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
    else if (no_body && !stream->request_ended)
        nghttp2_submit_rst_stream(stream->http->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    buffer_release(&headers.text);
}

static void pump(struct exchange *exchange) {
    struct stream *stream = exchange->carrier;
    struct http2 *http = stream->http;
    if (stream->answered) {
        nghttp2_session_resume_data(http->session, stream->id);
        flush(http);
        return;
    }
    struct exchange_output output;
    exchange_take(exchange, &output);
    if (output.aborted) {
        reset(exchange);
        return;
    }
    if (!output.new_head) return;
    stream->answered = true;
    stream->bytes = output.bytes;
    stream->size = output.size;
    stream->body_over = output.ended;
    send_head(stream);
    flush(http);
}

static void reset(struct exchange *exchange) {
    struct stream *stream = exchange->carrier;
    nghttp2_submit_rst_stream(stream->http->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
    flush(stream->http); /* closes the stream, which detaches the exchange */
}

/* ---- receiving ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2 *http = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct stream *stream = mem_calloc(1, sizeof *stream);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->http = http;
    stream->id = frame->hd.stream_id;
    stream->next = http->streams;
    if (stream->next) stream->next->previous = stream;
    http->streams = stream;
    http->n_streams++;
    http->connection->idle = false;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                     const uint8_t *value, size_t n_value, uint8_t flags, void *context) {
    (void)flags, (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!stream || stream->exchange || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0; /* trailers are dropped */
    stream->header_bytes += n_name + n_value + 32;
    if (stream->header_bytes > MAX_HEADER_BYTES || stream->n_headers == HTTP_MAX_HEADERS + 4) {
        stream->too_large = true;
        return 0;
    }
    bool pseudo = n_name && *name == ':';
    stream->malformed |= !http_is_token((const char *)name + pseudo, n_name - pseudo) ||
                         !http_is_field_value((const char *)value, n_value);
    stream->n_headers++;
    buffer_append(&stream->text, name, n_name);
    buffer_append_char(&stream->text, 0);
    buffer_append(&stream->text, value, n_value);
    buffer_append_char(&stream->text, 0);
    return 0;
}

/* Sorts a stream's headers into what dispatch_head takes. False: this is no request. */
static bool read_head(const struct stream *stream, struct header headers[], struct request_head *head) {
    static const char *const ignored = ":scheme";
    const char *host = NULL;
    const char *at = stream->text.data, *end = at + stream->text.size;
    while (at < end) {
        const char *name = at, *value = at + strlen(at) + 1;
        at = value + strlen(value) + 1;
        if (*name != ':')
            headers[head->n_headers++] = (struct header){name, value};
        else if (strcmp(name, ":method") == 0)
            head->method = value;
        else if (strcmp(name, ":path") == 0)
            head->target = value;
        else if (strcmp(name, ":authority") == 0)
            head->authority = value;
        else if (strcmp(name, ignored) != 0)
            return false;
        if (strcmp(name, "host") == 0) host = value;
        if (strcmp(name, "content-length") == 0) {
            head->has_length = true; /* nghttp2 has checked that it is a number, and holds the data against it */
            head->length = strtoull(value, NULL, 10);
        }
    }
    if (!head->authority) head->authority = host;
    bool two_hosts = host && strcasecmp(host, head->authority) != 0;
    return head->method && head->target && head->authority && !two_hosts;
}

static void refuse_large(struct exchange *exchange, const char *address) {
    const struct api_error error = {.status = 431};
    exchange->refused = true;
    exchange->request.address = exchange->request.client = address; /* lives as long as the stream does */
    exchange_fail(exchange, &error, "the request's headers exceed %zu KiB or %d in number", MAX_HEADER_BYTES >> 10,
                  HTTP_MAX_HEADERS);
}

static int begin_request(struct stream *stream) {
    struct http2 *http = stream->http;
    struct header headers[HTTP_MAX_HEADERS + 4];
    struct request_head head = {.headers = headers, .address = http->connection->address};
    bool valid = !stream->malformed && !stream->text.failed && stream->text.size;
    if (!stream->too_large && (!valid || !read_head(stream, headers, &head)))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    stream->exchange = exchange_create(http->connection->server, &transport, stream);
    if (!stream->exchange) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->too_large) {
        refuse_large(stream->exchange, head.address);
    } else {
        dispatch_head(stream->exchange, &head);
    }
    buffer_release(&stream->text);
    const char *expect = request_header(&stream->exchange->request, "expect");
    if (expect && strcasecmp(expect, "100-continue") == 0 && !stream->exchange->refused) {
        const nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, 0};
        nghttp2_submit_headers(http->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &status, 1, NULL);
    }
    return 0;
}

static void end_request(struct stream *stream) {
    stream->request_ended = true;
    if (stream->exchange && !stream->paused) dispatch_body_end(stream->exchange);
}

/* False: the peer sends more of what is dear to take than any client would. */
static bool within_budget(struct http2 *http, const nghttp2_frame *frame) {
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        return spend(&http->resets);
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        return (frame->hd.flags & NGHTTP2_FLAG_ACK) || spend(&http->pings);
    case NGHTTP2_DATA:
        return frame->hd.length > frame->data.padlen || spend(&http->empties);
    case NGHTTP2_WINDOW_UPDATE:
        return spend(&http->updates);
    case NGHTTP2_HEADERS:
        return true;
    default:
        return spend(&http->empties);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2 *http = context;
    if (!within_budget(http, frame)) {
        http->abused = true;
        metric_add(http->connection->server->counts.protocol_errors, 1);
        nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->exchange) {
        int problem = begin_request(stream);
        if (problem) {
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_PROTOCOL_ERROR);
            return 0;
        }
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) end_request(stream);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size,
                   void *context) {
    (void)flags, (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    nghttp2_session_consume_connection(session, size);
    if (!stream || !stream->exchange) return 0;
    stream->moved += size;
    if (stream->paused) {
        buffer_append(&stream->backlog, bytes, size); /* its window isn't opened again until it was taken */
        return stream->backlog.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    stream->paused = !dispatch_body(stream->exchange, (const char *)bytes, size);
    nghttp2_session_consume_stream(session, id, size);
    return 0;
}

static void read_on(struct exchange *exchange) {
    struct stream *stream = exchange->carrier;
    struct http2 *http = stream->http;
    if (!stream->paused) return;
    stream->paused = false;
    size_t n = stream->backlog.size;
    if (n) {
        stream->paused = !dispatch_body(exchange, stream->backlog.data, n);
        buffer_clear(&stream->backlog);
        nghttp2_session_consume_stream(http->session, stream->id, n);
    }
    if (!stream->paused && stream->request_ended) dispatch_body_end(exchange);
    flush(http);
}

static void free_stream(struct stream *stream) {
    struct http2 *http = stream->http;
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        http->streams = stream->next;
    if (stream->next) stream->next->previous = stream->previous;
    http->n_streams--;
    if (!http->n_streams) {
        http->idle_since_ns = clock_now_ns();
        http->connection->idle = true;
    }
    struct exchange *exchange = stream->exchange;
    if (exchange) exchange_detach(exchange, !(stream->body_over && !stream->size));
    buffer_release(&stream->text);
    buffer_release(&stream->backlog);
    mem_free(stream);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context) {
    (void)code, (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream) free_stream(stream);
    return 0;
}

/* ---- the connection's events ---- */

static void on_input(struct connection *connection) {
    struct http2 *http = connection->state;
    size_t n;
    while ((n = evbuffer_get_contiguous_space(connection->input))) {
        /* a peer that doesn't read answers isn't read from */
        if (evbuffer_get_length(connection->output) >= 4 * CONNECTION_OUTPUT_BYTES) break;
        ssize_t used = nghttp2_session_mem_recv(http->session, evbuffer_pullup(connection->input, (ev_ssize_t)n), n);
        if (used < 0) {
            metric_add(connection->server->counts.protocol_errors, 1);
            connection_close(connection);
            return;
        }
        evbuffer_drain(connection->input, (size_t)used);
        flush(http);
        if (connection->closed || connection->finishing) return;
    }
}

static void on_writable(struct connection *connection) {
    struct http2 *http = connection->state;
    flush(http);
    if (!connection->closed && !connection->finishing) on_input(connection);
}

static unsigned check_interval(const struct connection *connection) {
    const struct server_options *options = &connection->server->options;
    return options->write_timeout_ms < options->body_timeout_ms ? options->write_timeout_ms : options->body_timeout_ms;
}

/* Waits for the client: to open its window, or to send the rest of its request. */
static bool stands_still(struct stream *stream) {
    bool waits = stream->size || (!stream->request_ended && !stream->paused);
    bool still = waits && stream->moved == stream->moved_before;
    stream->moved_before = stream->moved;
    return still;
}

static void on_deadline(struct connection *connection) {
    struct http2 *http = connection->state;
    connection_set_deadline(connection, check_interval(connection));
    for (struct stream *stream = http->streams; stream; stream = stream->next)
        if (stands_still(stream))
            nghttp2_submit_rst_stream(http->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    uint64_t idle_ns = connection->server->options.idle_timeout_ms * UINT64_C(1000000);
    if (!http->n_streams && clock_now_ns() - http->idle_since_ns > idle_ns)
        nghttp2_session_terminate_session(http->session, NGHTTP2_NO_ERROR);
    flush(http);
}

static void on_drain(struct connection *connection) {
    struct http2 *http = connection->state;
    http->drains = true;
    nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    flush(http);
}

static void on_release(struct connection *connection) {
    struct http2 *http = connection->state;
    if (!http) return;
    while (http->streams) free_stream(http->streams);
    nghttp2_session_del(http->session);
    mem_free(http);
}

/* ---- the beginning ---- */

static nghttp2_session *make_session(struct http2 *http) {
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_settings(option, 32);
        nghttp2_option_set_max_outbound_ack(option, 256);
        nghttp2_session_server_new2(&session, callbacks, http, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

void http2_begin(struct connection *connection) {
    static const struct protocol protocol = {on_input,    on_writable, connection_close,
                                             on_deadline, on_drain,    on_release};
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_BYTES},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    uint64_t now_ns = clock_now_ns();
    struct http2 *http = mem_calloc(1, sizeof *http);
    if (http) {
        http->connection = connection;
        http->idle_since_ns = now_ns;
        http->resets = (struct budget){200, 200, 20, now_ns};
        http->pings = (struct budget){100, 100, 5, now_ns};
        http->empties = (struct budget){1000, 1000, 50, now_ns};
        http->updates =
            (struct budget){20000, 20000, 5000, now_ns}; /* some clients send one for each few KiB they read */
        http->session = make_session(http);
    }
    connection_speak(connection, &protocol, http);
    if (!http || !http->session) {
        connection_close(connection);
        return;
    }
    nghttp2_submit_settings(http->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
    nghttp2_session_set_local_window_size(http->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    connection_set_deadline(connection, check_interval(connection));
    flush(http);
    if (!connection->closed && !connection->finishing) on_input(connection);
}
