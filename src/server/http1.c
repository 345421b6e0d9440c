/* HTTP/1.1 on a connection: one exchange at a time; requests that follow wait in the input until its answer is out. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/connection.h"
#include "server/dispatch.h"
#include "server/http1_chunks.h"
#include "server/http1_head.h"
#include "server/server_core.h"
#include "server/websocket.h"

#define PREFACE            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define DROPPED_BODY_BYTES ((size_t)256 << 10) /* of a refused body are read to keep the connection */
#define MIN_PROGRESS_BYTES 1024                /* of a body in body_timeout_ms */

enum phase {
    HEAD,   /* waiting for a request, or for the rest of its head */
    BODY,   /* its body comes */
    ANSWER, /* its answer goes */
};

struct http1 {
    enum phase phase;
    struct exchange *exchange; /* NULL in HEAD */
    size_t scanned;            /* of the input, for the end of the head */
    bool began;                /* a request's first byte has come */
    uint64_t begin_ns;         /* when */
    bool keep_alive;           /* after this answer */
    bool minor_0;
    bool chunked_body, chunked_answer;
    bool head_sent, answered;
    bool paused;
    uint64_t body_left; /* of Content-Length */
    struct http1_chunks chunks;
    size_t dropped;
    uint64_t progress_bytes; /* of the body when its time was last extended */
    uint64_t body_bytes;
    bool drains;
};

static void pump(struct exchange *exchange);
static void read_on(struct exchange *exchange);
static void reset(struct exchange *exchange);
static const struct transport transport = {"HTTP/1.1", pump, read_on, reset};
static const struct protocol protocol;

static void take_input(struct connection *connection);

/* ---- the answer ---- */

static void emit(void *context, const char *name, const char *value) {
    evbuffer_add_printf(context, "%s: %s\r\n", name, value);
}

static const char *reason_of(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {206, "Partial Content"},
                   {302, "Found"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {415, "Unsupported Media Type"},
                   {417, "Expectation Failed"},
                   {422, "Unprocessable Content"},
                   {426, "Upgrade Required"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "";
}

static void send_head(struct connection *connection, struct exchange *exchange) {
    struct http1 *http = connection->state;
    http->head_sent = true;
    bool has_body = exchange->body_wanted && exchange->status >= 200;
    http->chunked_answer = has_body && !exchange->length_known && !http->minor_0;
    if (http->drains || (has_body && !exchange->length_known && http->minor_0)) http->keep_alive = false;
    if (http->phase == BODY && http->body_left > DROPPED_BODY_BYTES) http->keep_alive = false;
    evbuffer_add_printf(connection->output, "HTTP/1.1 %d %s\r\n", exchange->status, reason_of(exchange->status));
    exchange_each_header(exchange, emit, connection->output);
    if (http->chunked_answer) emit(connection->output, "transfer-encoding", "chunked");
    if (!http->keep_alive)
        emit(connection->output, "connection", "close");
    else if (http->minor_0)
        emit(connection->output, "connection", "keep-alive");
    evbuffer_add(connection->output, "\r\n", 2);
}

static void send_bytes(struct connection *connection, const struct exchange_output *output) {
    const struct http1 *http = connection->state;
    if (http->chunked_answer && output->size) evbuffer_add_printf(connection->output, "%zx\r\n", output->size);
    evbuffer_add(connection->output, output->bytes, output->size);
    if (http->chunked_answer && output->size) evbuffer_add(connection->output, "\r\n", 2);
    if (http->chunked_answer && output->ended) evbuffer_add(connection->output, "0\r\n\r\n", 5);
}

/* The request is over: the next one, or the end of the connection. */
static void next_request(struct connection *connection) {
    struct http1 *http = connection->state;
    struct exchange *exchange = http->exchange;
    bool whole = http->phase == ANSWER; /* else part of the body is still to come, and can't be told from a request */
    http->exchange = NULL;
    exchange_detach(exchange, false);
    if (!http->keep_alive || !whole || http->drains) {
        connection_finish(connection, !whole);
        return;
    }
    *http = (struct http1){.phase = HEAD};
    connection->idle = evbuffer_get_length(connection->input) == 0;
    connection_set_deadline(connection, connection->server->options.idle_timeout_ms);
}

static void pump(struct exchange *exchange) {
    struct connection *connection = exchange->carrier;
    struct http1 *http = connection->state;
    if (http->answered || evbuffer_get_length(connection->output) > CONNECTION_OUTPUT_BYTES) return;
    struct exchange_output output;
    exchange_take(exchange, &output);
    if (output.aborted) {
        connection_close(connection);
        return;
    }
    if (!output.started) return;
    if (output.new_head) send_head(connection, exchange);
    send_bytes(connection, &output);
    exchange_set_unsent(exchange, evbuffer_get_length(connection->output));
    if (!output.ended) return;
    http->answered = true;
    if (http->phase == BODY && http->keep_alive) return; /* the small rest of a refused body comes first */
    next_request(connection);
    if (!connection->closed && !connection->finishing) take_input(connection);
}

static void reset(struct exchange *exchange) {
    connection_close(exchange->carrier);
}

/* ---- the body ---- */

static void body_over(struct connection *connection) {
    struct http1 *http = connection->state;
    http->phase = ANSWER;
    connection_set_deadline(connection, 0);
    dispatch_body_end(http->exchange);
    if (http->answered) next_request(connection);
}

/* Bytes of the body go to the exchange, or away if it was refused. */
static void body_bytes(struct connection *connection, const char *bytes, size_t size) {
    struct http1 *http = connection->state;
    http->body_bytes += size;
    if (http->exchange->refused) {
        http->dropped += size;
        if (http->dropped > DROPPED_BODY_BYTES) http->keep_alive = false;
    }
    if (!dispatch_body(http->exchange, bytes, size)) {
        http->paused = true;
        connection_pause(connection, true);
        connection_set_deadline(connection, 0);
    }
}

/* A refused request whose body won't be waited for. */
static bool given_up_on(const struct http1 *http) {
    return http->answered && !http->keep_alive;
}

static void bad_request(struct connection *connection, int status, const char *what);

static bool take_sized(struct connection *connection) {
    struct http1 *http = connection->state;
    while (http->body_left && !http->paused) {
        size_t n = evbuffer_get_contiguous_space(connection->input);
        if (!n) return false;
        if (n > http->body_left) n = (size_t)http->body_left;
        body_bytes(connection, (const char *)evbuffer_pullup(connection->input, (ev_ssize_t)n), n);
        evbuffer_drain(connection->input, n);
        http->body_left -= n;
    }
    return !http->body_left && !http->paused; /* the end is news for the handler, too */
}

/* True at the body's end. */
static bool take_chunks(struct connection *connection) {
    struct http1 *http = connection->state;
    size_t n;
    while (!http->paused && (n = evbuffer_get_contiguous_space(connection->input))) {
        const char *bytes = (const char *)evbuffer_pullup(connection->input, (ev_ssize_t)n), *data, *what;
        size_t used, n_data;
        enum chunk_event event = http1_chunks_next(&http->chunks, bytes, n, &used, &data, &n_data, &what);
        if (event == CHUNKS_DATA) body_bytes(connection, data, n_data);
        evbuffer_drain(connection->input, used);
        if (event == CHUNKS_END) return true;
        if (event == CHUNKS_BAD) {
            bad_request(connection, 400, what);
            return false;
        }
    }
    return false;
}

/* True when the body is over. */
static bool take_body(struct connection *connection) {
    struct http1 *http = connection->state;
    bool over = http->chunked_body ? take_chunks(connection) : take_sized(connection);
    if (connection->closed || connection->finishing) return false;
    if (over) {
        body_over(connection);
    } else if (given_up_on(http)) {
        next_request(connection);
    } else if (http->body_bytes - http->progress_bytes >= MIN_PROGRESS_BYTES && !http->paused) {
        http->progress_bytes = http->body_bytes;
        connection_set_deadline(connection, connection->server->options.body_timeout_ms);
    }
    return over;
}

static void read_on(struct exchange *exchange) {
    struct connection *connection = exchange->carrier;
    struct http1 *http = connection->state;
    if (!http->paused) return;
    http->paused = false;
    http->progress_bytes = http->body_bytes;
    connection_set_deadline(connection, connection->server->options.body_timeout_ms);
    connection_pause(connection, false);
}

/* ---- the head ---- */

/* What can't be understood gets one answer, and the connection ends: where the next request begins is anybody's guess. */
static void bad_request(struct connection *connection, int status, const char *what) {
    struct http1 *http = connection->state;
    metric_add(connection->server->counts.protocol_errors, 1);
    if (http->exchange && http->head_sent) {
        connection_close(connection);
        return;
    }
    char body[400];
    int n = snprintf(body, sizeof body,
                     "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":%d}}",
                     what, status);
    evbuffer_add_printf(connection->output,
                        "HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                        "connection: close\r\n\r\n%s",
                        status, reason_of(status), server_date(connection->server), n, body);
    struct exchange *exchange = http->exchange;
    http->exchange = NULL;
    if (exchange) exchange_detach(exchange, true);
    connection_finish(connection, true);
}

static void begin_body(struct connection *connection, const struct http1_head *head) {
    struct http1 *http = connection->state;
    bool refused = http->exchange->refused;
    http->chunked_body = head->chunked;
    http->body_left = head->length;
    http->phase = BODY;
    if (!head->chunked && !head->length) {
        body_over(connection);
        return;
    }
    if (head->expects_continue) {
        if (refused)
            http->keep_alive = false; /* the body may come or not */
        else
            evbuffer_add(connection->output, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    connection_set_deadline(connection, connection->server->options.body_timeout_ms);
}

/* length: of the head in the input. */
static void begin_exchange(struct connection *connection, const struct http1_head *head, size_t length) {
    struct http1 *http = connection->state;
    struct exchange *exchange = exchange_create(connection->server, &transport, connection);
    if (!exchange) {
        connection_close(connection);
        return;
    }
    exchange->request.start_ns = http->begin_ns;
    if (head->minor == 0) exchange->request.protocol = "HTTP/1.0";
    http->exchange = exchange;
    http->keep_alive = head->keep_alive;
    http->minor_0 = head->minor == 0;
    connection->idle = false;
    const char *host = NULL;
    for (size_t i = 0; i < head->n_headers; i++)
        if (strcmp(head->headers[i].name, "host") == 0) host = head->headers[i].value;
    const struct request_head request = {.method = head->method,
                                         .target = head->target,
                                         .authority = host,
                                         .headers = head->headers,
                                         .n_headers = head->n_headers,
                                         .has_length = head->has_length,
                                         .length = head->length,
                                         .address = connection->address,
                                         .upgrades = websocket_is_asked(head)};
    dispatch_head(exchange, &request);
    evbuffer_drain(connection->input, length);
    if (exchange->refused || !exchange->match.route->websocket) {
        begin_body(connection, head);
    } else {
        http->exchange = NULL;
        websocket_begin(connection, exchange);
    }
}

/* Takes one request's head. False when it hasn't all come. */
static bool take_head(struct connection *connection) {
    struct http1 *http = connection->state;
    struct evbuffer *input = connection->input;
    size_t n = evbuffer_get_length(input);
    if (n && !http->began) {
        http->began = true;
        http->begin_ns = clock_now_ns();
        connection_set_deadline(connection, connection->server->options.header_timeout_ms);
    }
    char *bytes =
        (char *)evbuffer_pullup(input, (ev_ssize_t)(n < HTTP1_MAX_HEAD_BYTES + 1 ? n : HTTP1_MAX_HEAD_BYTES + 1));
    if (!bytes) return false;
    if (n > HTTP1_MAX_HEAD_BYTES + 1) n = HTTP1_MAX_HEAD_BYTES + 1;
    struct http1_problem problem;
    size_t length = http1_head_length(bytes, n, &http->scanned, &problem);
    if (!length && !problem.status) return false;
    struct http1_head head;
    if (!problem.status) problem = http1_head_parse(bytes, length, &head);
    if (problem.status) {
        bad_request(connection, problem.status, problem.what);
        return false;
    }
    begin_exchange(connection, &head, length);
    return true;
}

static bool speaks_http2(struct connection *connection) {
    char begin[sizeof PREFACE - 1];
    ev_ssize_t n = evbuffer_copyout(connection->input, begin, sizeof begin);
    return n >= 16 && memcmp(begin, PREFACE, (size_t)n) == 0; /* "PRI * HTTP/2.0\r\n" is no request of HTTP/1.1 */
}

static void take_input(struct connection *connection) {
    struct http1 *http = connection->state;
    if (http->phase == HEAD && !http->scanned && speaks_http2(connection)) {
        http2_begin(connection);
        return;
    }
    while (!connection->closed && !connection->finishing && connection->protocol == &protocol) {
        if (http->phase == HEAD) {
            /* an empty line before a request is an old client's habit (RFC 9112, 2.2) */
            if (!http->began && evbuffer_get_length(connection->input) >= 2 &&
                memcmp(evbuffer_pullup(connection->input, 2), "\r\n", 2) == 0)
                evbuffer_drain(connection->input, 2);
            if (!take_head(connection)) return;
        } else if (http->phase == BODY && !http->paused) {
            if (!take_body(connection)) return;
        } else {
            return;
        }
    }
}

/* ---- the connection's events ---- */

static void on_writable(struct connection *connection) {
    struct http1 *http = connection->state;
    if (!http->exchange) return;
    exchange_set_unsent(http->exchange, evbuffer_get_length(connection->output));
    pump(http->exchange);
}

/* The client has closed, or closed its half. While a handler works nobody can tell the two apart, and a client that has
 * gone must not keep a model busy: so it counts as gone, as with most servers. An answer that is complete still goes out. */
static void on_end(struct connection *connection) {
    struct http1 *http = connection->state;
    bool between = http->phase == HEAD && !http->began;
    if (between) {
        connection_finish(connection, false);
    } else if (http->phase == ANSWER && exchange_is_ended(http->exchange)) {
        http->keep_alive = false;
    } else {
        connection_close(connection);
    }
}

static void on_deadline(struct connection *connection) {
    const struct http1 *http = connection->state;
    if (http->phase == HEAD && !http->began)
        connection_close(connection);
    else
        bad_request(connection, 408,
                    http->phase == HEAD ? "the request's headers took too long" : "the request's body took too long");
}

static void on_drain(struct connection *connection) {
    struct http1 *http = connection->state;
    http->drains = true;
    if (http->phase == HEAD && !http->began) connection_finish(connection, false);
}

static void on_release(struct connection *connection) {
    struct http1 *http = connection->state;
    if (http && http->exchange) exchange_detach(http->exchange, true);
    mem_free(http);
}

static const struct protocol protocol = {take_input, on_writable, on_end, on_deadline, on_drain, on_release};

void http1_begin(struct connection *connection) {
    struct http1 *http = mem_calloc(1, sizeof *http);
    connection->idle = true;
    connection_speak(connection, &protocol, http);
    connection_set_deadline(connection, connection->server->options.header_timeout_ms);
    if (!http) connection_close(connection);
}
