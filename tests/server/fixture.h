/* A server in a thread with a few routes, and a client of bare sockets that can misbehave. */
#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/server.h"
#include "test.h"

/* ---- routes ---- */

static atomic_int handled, closed_exchanges, released_exchanges, drained_exchanges, cut_exchanges;

static void count_closed(void *context) {
    (void)context;
    atomic_fetch_add(&closed_exchanges, 1);
}

static void get_hello(struct exchange *exchange, void *service) {
    (void)service;
    atomic_fetch_add(&handled, 1);
    exchange_respond(exchange, 200, "text/plain", "hello\n", 6);
}

/* The request as the handler sees it. */
static void post_echo(struct exchange *exchange, void *service) {
    (void)service;
    atomic_fetch_add(&handled, 1);
    const struct request *request = exchange_request(exchange);
    const char *id = exchange_parameter(exchange, "id"), *q = exchange_query(exchange, "q");
    exchange_respond_json(exchange, 200,
                          json_pack("{s:s, s:s, s:s?, s:s?, s:i, s:s, s:O?}", "method",
                                    http_method_name(request->method), "path", request->path, "id", id, "q", q, "bytes",
                                    (int)request->body_bytes, "client", request->client, "json", request->json));
}

static void post_bytes(struct exchange *exchange, void *service) {
    (void)service;
    const struct request *request = exchange_request(exchange);
    exchange_respond(exchange, 200, "application/octet-stream", request->body, request->body_bytes);
}

/* Counts a streamed body, pausing after each piece until another thread says go on. */
struct upload {
    struct exchange *exchange;
    size_t bytes;
};
static void *resume_upload(void *context) {
    exchange_read_on(context);
    return NULL;
}
static bool upload_body(void *context, const char *bytes, size_t size, bool last) {
    struct upload *upload = context;
    (void)bytes;
    upload->bytes += size;
    if (last) {
        char text[32];
        int n = snprintf(text, sizeof text, "%zu", upload->bytes);
        exchange_respond(upload->exchange, 200, "text/plain", text, (size_t)n);
        return true;
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, resume_upload, upload->exchange)) return true;
    pthread_detach(thread);
    return false;
}
static void upload_closed(void *context) {
    struct upload *upload = context;
    count_closed(NULL);
    exchange_end(upload->exchange); /* nobody will hear of it any more */
}
static void upload_released(void *context) {
    atomic_fetch_add(&released_exchanges, 1);
    free(context);
}
static void post_upload(struct exchange *exchange, void *service) {
    (void)service;
    struct upload *upload = calloc(1, sizeof *upload);
    upload->exchange = exchange;
    exchange_watch(
        exchange,
        &(struct exchange_watch){.on_body = upload_body, .on_closed = upload_closed, .on_release = upload_released},
        upload);
}

/* A stream from a thread, as an engine's: as fast as the marks allow, until n bytes are out or nobody reads. */
struct stream {
    struct exchange *exchange;
    size_t total;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool drained, stop, ends_itself;
    atomic_int references;
};
static void stream_wake(struct stream *stream, bool stop) {
    pthread_mutex_lock(&stream->lock);
    stream->drained = true;
    stream->stop |= stop;
    pthread_cond_signal(&stream->wake);
    pthread_mutex_unlock(&stream->lock);
}
static void stream_drained(void *context) {
    atomic_fetch_add(&drained_exchanges, 1);
    stream_wake(context, false);
}
static void stream_closed(void *context) {
    atomic_fetch_add(&closed_exchanges, 1);
    stream_wake(context, true);
}
static void stream_cut(void *context, enum cut_reason reason) {
    (void)reason;
    atomic_fetch_add(&cut_exchanges, 1);
    stream_wake(context, true);
}
static void stream_unreference(struct stream *stream) {
    if (atomic_fetch_sub(&stream->references, 1) != 1) return;
    pthread_mutex_destroy(&stream->lock);
    pthread_cond_destroy(&stream->wake);
    free(stream);
}
static void stream_released(void *context) {
    atomic_fetch_add(&released_exchanges, 1);
    stream_unreference(context);
}
static atomic_size_t largest_pending;
static void *run_stream(void *context) {
    struct stream *stream = context;
    char piece[16384];
    memset(piece, 'x', sizeof piece);
    exchange_start(stream->exchange, 200, &(struct header){"content-type", "application/octet-stream"}, 1);
    size_t sent = 0;
    bool stop = false;
    while (sent < stream->total && !stop) {
        pthread_mutex_lock(&stream->lock);
        if (exchange_pending(stream->exchange) > EXCHANGE_HIGH_WATER) {
            while (!stream->drained && !stream->stop) pthread_cond_wait(&stream->wake, &stream->lock);
        }
        stream->drained = false;
        stop = stream->stop;
        pthread_mutex_unlock(&stream->lock);
        size_t n = stream->total - sent < sizeof piece ? stream->total - sent : sizeof piece;
        if (!stop) exchange_write(stream->exchange, piece, n);
        size_t pending = exchange_pending(stream->exchange);
        if (pending > atomic_load(&largest_pending)) atomic_store(&largest_pending, pending);
        sent += n;
    }
    if (stop) exchange_write(stream->exchange, "cut", 3);
    exchange_end(stream->exchange);
    stream_unreference(stream);
    return NULL;
}
static void get_stream(struct exchange *exchange, void *service) {
    (void)service;
    struct stream *stream = calloc(1, sizeof *stream);
    const char *bytes = exchange_query(exchange, "bytes");
    stream->exchange = exchange;
    stream->total = bytes ? strtoul(bytes, NULL, 10) : 1000;
    stream->references = 2;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->wake, NULL);
    exchange_watch(exchange,
                   &(struct exchange_watch){.on_drained = stream_drained,
                                            .on_closed = stream_closed,
                                            .on_cut = stream_cut,
                                            .on_release = stream_released},
                   stream);
    pthread_t thread;
    pthread_create(&thread, NULL, run_stream, stream);
    pthread_detach(thread);
}

/* Never answers by itself: the exchange hangs until the client goes or the server cuts it. */
static void hang_closed(void *context) {
    atomic_fetch_add(&closed_exchanges, 1);
    exchange_end(context);
}
static void hang_released(void *context) {
    (void)context;
    atomic_fetch_add(&released_exchanges, 1);
}
static void get_hang(struct exchange *exchange, void *service) {
    (void)service;
    atomic_fetch_add(&handled, 1);
    exchange_watch(exchange, &(struct exchange_watch){.on_closed = hang_closed, .on_release = hang_released}, exchange);
}

/* Echoes messages; "close" closes, "last" sends a large message first. */
static bool echo_message(void *context, bool text, const char *bytes, size_t size) {
    struct exchange *exchange = context;
    static const char large[500000];
    atomic_fetch_add(&handled, 1);
    bool last = size == 4 && memcmp(bytes, "last", 4) == 0;
    if (last) exchange_send(exchange, false, large, sizeof large);
    if (last || (size == 5 && memcmp(bytes, "close", 5) == 0))
        exchange_close(exchange, 4001, "as you wish");
    else
        exchange_send(exchange, text, bytes, size);
    return true;
}
static void get_socket(struct exchange *exchange, void *service) {
    (void)service;
    exchange_watch(
        exchange,
        &(struct exchange_watch){.on_message = echo_message, .on_closed = hang_closed, .on_release = hang_released},
        exchange);
}

static void get_headers(struct exchange *exchange, void *service) {
    (void)service;
    const struct header headers[] = {{"x-good", "fine"}, {"x-evil", "a\r\nset-cookie: b"}, {"x-evil name", "c"}};
    exchange_start(exchange, 200, headers, 3);
    exchange_end(exchange);
}

static const struct schema echo_schema = {
    .name = "Echo",
    .types = SCHEMA_OBJECT,
    .fields = (const struct schema_field[]){
        {"text", {.types = SCHEMA_STRING, .required = true, .max_size = 1000}},
        {"n", {.types = SCHEMA_INTEGER | SCHEMA_NULL, .min = 1, .max = 10}},
        {"mode", {.types = SCHEMA_STRING, .values = "a|b"}},
        {"list", {.types = SCHEMA_ARRAY, .max_size = 3, .items = &(const struct schema){.types = SCHEMA_NUMBER}}},
        {0}}};

static const struct route test_routes[] = {
    {.method = HTTP_GET, .path = "/hello", .handler = get_hello},
    {.method = HTTP_GET, .path = "/secret", .handler = get_hello, .scope = SCOPE_INFERENCE},
    {.method = HTTP_POST,
     .path = "/echo",
     .handler = post_echo,
     .body = BODY_JSON,
     .request = &echo_schema,
     .summary = "echo"},
    {.method = HTTP_POST, .path = "/work", .handler = post_echo, .body = BODY_JSON, .blocking = true},
    {.method = HTTP_GET, .path = "/things/{id}", .handler = post_echo, .summary = "a thing"},
    {.method = HTTP_GET, .path = "/rest/{id*}", .handler = post_echo, .summary = "the rest"},
    {.method = HTTP_POST, .path = "/bytes", .handler = post_bytes, .body = BODY_BYTES, .max_body_bytes = 1 << 20},
    {.method = HTTP_POST, .path = "/upload", .handler = post_upload, .body = BODY_STREAM},
    {.method = HTTP_GET, .path = "/stream", .handler = get_stream},
    {.method = HTTP_GET, .path = "/hang", .handler = get_hang},
    {.method = HTTP_GET, .path = "/headers", .handler = get_headers},
    {.method = HTTP_GET, .path = "/socket", .handler = get_socket, .scope = SCOPE_INFERENCE, .websocket = true},
    {0},
};

/* ---- the server ---- */

struct fixture {
    struct router *router;
    struct metrics *metrics;
    struct server *server;
    pthread_t thread;
    bool joined;
    int port;
};

static void *fixture_run(void *context) {
    struct fixture *fixture = context;
    server_run(fixture->server, NULL);
    return NULL;
}

static inline void fixture_start(struct fixture *fixture, struct server_options options) {
    bn_error err = {0};
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    options.no_access_log = true;
    fixture->joined = false;
    handled = closed_exchanges = released_exchanges = drained_exchanges = cut_exchanges = 0;
    assert_ok(router_create(&fixture->router, &err), err);
    assert_ok(metrics_create(&fixture->metrics, &err), err);
    assert_ok(router_add(fixture->router, &(struct route_table){test_routes, NULL}, &err), err);
    assert_ok(server_create(&options, fixture->router, fixture->metrics, &fixture->server, &err), err);
    const char *colon = strrchr(server_url(fixture->server), ':');
    fixture->port = atoi(colon + 1);
    assert_int_equal(pthread_create(&fixture->thread, NULL, fixture_run, fixture), 0);
}

/* Waits for a server that is draining. */
static inline void fixture_join(struct fixture *fixture) {
    if (fixture->joined) return;
    pthread_join(fixture->thread, NULL);
    fixture->joined = true;
}

static inline void fixture_stop(struct fixture *fixture) {
    if (!fixture->joined) server_drain(fixture->server);
    if (!fixture->joined) server_drain(fixture->server);
    fixture_join(fixture);
    server_destroy(fixture->server);
    metrics_destroy(fixture->metrics);
    router_destroy(fixture->router);
}

/* ---- the client ---- */

static inline int dial(const struct fixture *fixture) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fixture->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static inline void say_bytes(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0) return; /* the server has closed: the test looks at what it answered */
        at += n;
        size -= (size_t)n;
    }
}
static inline void say_text(int fd, const char *text) {
    say_bytes(fd, text, strlen(text));
}

/* Reads until the server closes, `until` has come, or wait_ms pass without a byte. Returns the bytes; *closed tells. */
static inline size_t hear(int fd, char *out, size_t size, const char *until, int wait_ms, bool *closed) {
    size_t n = 0;
    if (closed) *closed = false;
    for (out[0] = 0; n + 1 < size && !(until && strstr(out, until));) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, wait_ms) <= 0) break;
        ssize_t got = recv(fd, out + n, size - 1 - n, 0);
        if (got <= 0) {
            if (closed) *closed = true;
            break;
        }
        n += (size_t)got;
        out[n] = 0;
    }
    return n;
}

/* One connection, one text, what came back until the server closed or fell silent for a second. */
static inline int ask(const struct fixture *fixture, const char *text, char *out, size_t size) {
    int fd = dial(fixture), status = 0;
    say_text(fd, text);
    hear(fd, out, size, NULL, 1000, NULL);
    close(fd);
    sscanf(out, "HTTP/1.1 %d", &status);
    return status;
}

/* Waits until *counter is at least n; false after five seconds. */
static inline bool reaches(atomic_int *counter, int n) {
    for (int i = 0; i < 5000 && atomic_load(counter) < n; i++) usleep(1000);
    return atomic_load(counter) >= n;
}

#endif
