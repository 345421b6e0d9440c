/* Time, memory and numbers: what is slow, large or many is bounded and doesn't hold up others; and how a server ends. */
#include <zlib.h>
#include <zstd.h>

#include "fixture.h"
#include "server/exchange_core.h"
#include "server/server_core.h"

#define HOST "Host: localhost\r\n"

static double seconds_since(uint64_t begin_ns) {
    return (double)(clock_now_ns() - begin_ns) / 1e9;
}

static struct server_options quick(void) {
    return (struct server_options){.header_timeout_ms = 250,
                                   .body_timeout_ms = 250,
                                   .idle_timeout_ms = 250,
                                   .write_timeout_ms = 400,
                                   .request_timeout_ms = 60000,
                                   .drain_timeout_ms = 300,
                                   .max_connections = 64};
}

/* Of the test that runs; stopped behind it. */
static struct fixture fixture;

static int start_quick(void **state) {
    (void)state;
    fixture_start(&fixture, quick());
    return 0;
}

static int stop(void **state) {
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/* ---- slow clients ---- */

static void slow_heads(void **state) {
    (void)state;
    char out[2048];
    bool closed;
    int fd = dial(&fixture);
    uint64_t begin = clock_now_ns();
    for (int i = 0; i < 40 && seconds_since(begin) < 3; i++) { /* a byte now and then doesn't buy time */
        say_text(fd, i == 0 ? "G" : "E");
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 50) > 0) break;
    }
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_non_null(strstr(out, "HTTP/1.1 408 "));
    assert_true(closed && seconds_since(begin) < 2);
    close(fd);
    /* nothing at all is closed without an answer */
    fd = dial(&fixture);
    assert_int_equal(hear(fd, out, sizeof out, NULL, 2000, &closed), 0);
    assert_true(closed);
    close(fd);
}

static void slow_bodies(void **state) {
    (void)state;
    char out[2048];
    bool closed;
    int fd = dial(&fixture);
    say_text(fd, "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    uint64_t begin = clock_now_ns();
    while (seconds_since(begin) < 3) {
        say_text(fd, "x");
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 50) > 0) break;
    }
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_non_null(strstr(out, "HTTP/1.1 408 "));
    assert_true(closed && seconds_since(begin) < 2);
    close(fd);
}

static void idle_connections_end(void **state) {
    (void)state;
    char out[2048];
    bool closed;
    int fd = dial(&fixture);
    say_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, out, sizeof out, "hello\n", 2000, &closed);
    assert_false(closed);
    assert_int_equal(hear(fd, out, sizeof out, NULL, 2000, &closed), 0);
    assert_true(closed);
    close(fd);
}

/* A reader that stands still: the handler is held at the mark, the connection is cut, and the handler told. */
static void slow_readers(void **state) {
    (void)state;
    atomic_store(&largest_pending, 0);
    int fd = dial(&fixture), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say_text(fd, "GET /stream?bytes=1000000000 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(reaches(&closed_exchanges, 1));
    assert_true(reaches(&released_exchanges, 1));
    assert_true(atomic_load(&largest_pending) <= EXCHANGE_HIGH_WATER + ((size_t)64 << 10));
    close(fd);
}

static void stand_still(struct exchange *exchange) {
    (void)exchange;
}

/* Between taking bytes and sending them the transport has them: the handler that asks then is held, too. */
static void what_is_taken_is_pending(void **state) {
    (void)state;
    static const struct transport transport = {"none", stand_still, stand_still, stand_still};
    struct router *router;
    struct metrics *metrics;
    struct server *server;
    struct exchange_output output;
    bn_error err = {0};
    assert_ok(router_create(&router, &err), err);
    assert_ok(metrics_create(&metrics, &err), err);
    assert_ok(server_create(&(struct server_options){.no_access_log = true}, router, metrics, &server, &err), err);
    struct exchange *exchange = exchange_create(server, &transport, NULL);
    exchange->handed_over = true;
    exchange_start(exchange, 200, NULL, 0);
    exchange_write(exchange, "hello", 5);
    exchange_take(exchange, &output);
    assert_int_equal(exchange_pending(exchange), 5);
    exchange_write(exchange, "you", 3);
    assert_int_equal(exchange_pending(exchange), 8);
    exchange_set_unsent(exchange, 2);
    assert_int_equal(exchange_pending(exchange), 5);
    exchange_end(exchange);
    exchange_detach(exchange, false);
    loop_run_queued(&server->loop);
    server_destroy(server);
    metrics_destroy(metrics);
    router_destroy(router);
}

/* One that reads slowly, but reads, gets everything. */
static void steady_readers(void **state) {
    (void)state;
    struct server_options options = quick();
    options.write_timeout_ms = 20000; /* it may wait long for a processor */
    fixture_start(&fixture, options);
    int fd = dial(&fixture), small = 16384;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say_text(fd, "GET /stream?bytes=3000000 HTTP/1.0\r\n\r\n");
    size_t total = 0;
    char piece[65536];
    for (;;) {
        usleep(2000);
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0) break;
        total += (size_t)n;
    }
    assert_true(total > 3000000);
    assert_true(reaches(&drained_exchanges, 1));
    close(fd);
}

static void clients_that_go_are_noticed(void **state) {
    (void)state;
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(&fixture);
        say_text(fds[i], "GET /hang HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_true(reaches(&handled, 20));
    uint64_t begin = clock_now_ns();
    for (int i = 0; i < 20; i++) {
        const struct linger hard = {1, 0};
        if (i % 2) setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* a reset instead of an end */
        close(fds[i]);
    }
    assert_true(reaches(&released_exchanges, 20));
    assert_true(seconds_since(begin) < 1);
}

/* ---- many clients ---- */

static void idle_ones_make_room(void **state) {
    (void)state;
    struct server_options options = quick();
    options.header_timeout_ms = options.idle_timeout_ms = 60000;
    fixture_start(&fixture, options);
    int fds[200];
    char out[2048];
    for (int i = 0; i < 200; i++) {
        fds[i] = dial(&fixture);
        if (i % 2) say_text(fds[i], "GET / HTTP/1.1\r\n"); /* and no more */
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(&fixture, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", out, sizeof out),
                         200);
    for (int i = 0; i < 200; i++) close(fds[i]);
}

static void busy_ones_dont(void **state) {
    (void)state;
    int fds[64];
    char out[2048];
    for (int i = 0; i < 64; i++) {
        fds[i] = dial(&fixture);
        say_text(fds[i], "GET /hang HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_true(reaches(&handled, 64));
    int fd = dial(&fixture);
    hear(fd, out, sizeof out, NULL, 2000, NULL);
    assert_non_null(strstr(out, "HTTP/1.1 503 "));
    assert_non_null(strstr(out, "retry-after: 1"));
    close(fd);
    for (int i = 0; i < 64; i++) close(fds[i]);
    assert_true(reaches(&released_exchanges, 64));
}

/* ---- compression ---- */

static size_t gzip(const void *bytes, size_t size, uint8_t *out, size_t room) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

/* Posts a gzip body; the answer's status. */
static int post_gzip(const uint8_t *packed, size_t n, char *out, size_t size) {
    char head[200];
    int fd = dial(&fixture), status = 0;
    snprintf(head, sizeof head,
             "POST /bytes HTTP/1.1\r\n" HOST
             "Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             n);
    say_text(fd, head);
    say_bytes(fd, packed, n);
    hear(fd, out, size, NULL, 2000, NULL);
    close(fd);
    sscanf(out, "HTTP/1.1 %d", &status);
    return status;
}

static void packed_bodies(void **state) {
    (void)state;
    static uint8_t packed[1 << 20];
    static char out[2 << 20];
    const char *zeros = calloc(1, 50 << 20);
    size_t n = gzip("hello, hello, hello", 19, packed, sizeof packed);
    assert_int_equal(post_gzip(packed, n, out, sizeof out), 200);
    assert_non_null(strstr(out, "\r\n\r\nhello, hello, hello"));
    assert_int_equal(post_gzip(packed, n - 1, out, sizeof out), 400); /* cut */
    memcpy(packed + n, "x", 1);
    assert_int_equal(post_gzip(packed, n + 1, out, sizeof out), 400); /* something behind */
    packed[n / 2] ^= 0x55;
    assert_int_equal(post_gzip(packed, n, out, sizeof out), 400);
    n = gzip(zeros, 50 << 20, packed, sizeof packed); /* a thousand times its size: over the route's limit of 1 MiB */
    assert_true(n < 60000);
    assert_int_equal(post_gzip(packed, n, out, sizeof out), 413);
    free((void *)zeros);
}

static void packed_answers(void **state) {
    (void)state;
    static char out[1 << 16], plain[1 << 16];
    bool closed;
    int fd = dial(&fixture);
    say_text(fd,
             "GET /openapi.json HTTP/1.1\r\n" HOST "Connection: close\r\nAccept-Encoding: gzip;q=0.5, zstd\r\n\r\n");
    size_t n = hear(fd, out, sizeof out, NULL, 2000, &closed);
    close(fd);
    assert_non_null(strstr(out, "content-encoding: zstd\r\n"));
    assert_non_null(strstr(out, "vary: accept-encoding\r\n"));
    char *body = strstr(out, "\r\n\r\n") + 4;
    size_t size = ZSTD_decompress(plain, sizeof plain, body, (size_t)(out + n - body));
    assert_false(ZSTD_isError(size));
    assert_memory_equal(plain, "{\"openapi\":\"3.1.0\"", 18);
    fd = dial(&fixture);
    say_text(fd, "GET /openapi.json HTTP/1.1\r\n" HOST "Connection: close\r\nAccept-Encoding: zstd;q=0, gzip\r\n\r\n");
    n = hear(fd, out, sizeof out, NULL, 2000, &closed);
    close(fd);
    assert_non_null(strstr(out, "content-encoding: gzip\r\n"));
    body = strstr(out, "\r\n\r\n") + 4;
    z_stream stream = {.next_in = (Bytef *)body,
                       .avail_in = (uInt)(out + n - body),
                       .next_out = (Bytef *)plain,
                       .avail_out = sizeof plain};
    inflateInit2(&stream, 31);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    assert_int_equal(sizeof plain - stream.avail_out, size);
    assert_int_equal(ask(&fixture, "GET /openapi.json HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", out, sizeof out),
                     200);
    assert_null(strstr(out, "content-encoding"));
}

/* ---- the end ---- */

static void requests_are_timed_out(void **state) {
    (void)state;
    struct server_options options = quick();
    options.request_timeout_ms = 300;
    fixture_start(&fixture, options);
    char out[2048];
    assert_int_equal(ask(&fixture, "GET /hang HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", out, sizeof out), 504);
    assert_true(reaches(&released_exchanges, 1));
}

/* What runs may finish; idle connections end; no new ones are taken. */
static void draining_lets_finish(void **state) {
    (void)state;
    struct server_options options = quick();
    options.drain_timeout_ms = 20000;
    fixture_start(&fixture, options);
    char out[1 << 16];
    bool closed;
    int idle = dial(&fixture), busy = dial(&fixture), small = 32768;
    setsockopt(busy, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say_text(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, out, sizeof out, "hello\n", 2000, NULL);
    say_text(busy, "GET /stream?bytes=2000000 HTTP/1.1\r\n" HOST "\r\n");
    hear(busy, out, 1000, "xxxx", 2000, NULL);
    server_drain(fixture.server);
    hear(idle, out, sizeof out, NULL, 2000, &closed);
    assert_true(closed);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fixture.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    size_t total = 0;
    ssize_t n;
    char last[8] = "";
    while ((n = recv(busy, out, sizeof out, 0)) > 0) {
        total += (size_t)n;
        if (n >= 5) memcpy(last, out + n - 5, 5);
    }
    assert_true(total > 1900000);
    assert_string_equal(last, "0\r\n\r\n");
    fixture_join(&fixture);
    close(idle);
    close(busy);
}

/* At the deadline what still runs is told, and its client, too; also one whose body hasn't come yet. */
static void draining_cuts(void **state) {
    (void)state;
    struct server_options options = quick();
    options.body_timeout_ms = 60000;
    fixture_start(&fixture, options);
    char out[1 << 16];
    bool closed;
    int fd = dial(&fixture), half = dial(&fixture);
    say_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
    say_text(half, "POST /bytes HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhal");
    assert_true(reaches(&handled, 1));
    uint64_t begin = clock_now_ns();
    server_drain(fixture.server);
    hear(fd, out, sizeof out, NULL, 4000, &closed);
    assert_non_null(strstr(out, "HTTP/1.1 503 "));
    assert_non_null(strstr(out, "shutting down"));
    assert_true(closed && seconds_since(begin) > 0.25 && seconds_since(begin) < 3);
    hear(half, out, sizeof out, NULL, 4000, &closed);
    assert_true(closed);
    fixture_join(&fixture);
    assert_int_equal(released_exchanges, 1);
    close(fd);
    close(half);
}

static void open_servers_stay_at_home(void **state) {
    (void)state;
    struct router *router;
    struct metrics *metrics;
    struct server *server = NULL;
    bn_error err = {0};
    assert_ok(router_create(&router, &err), err);
    assert_ok(metrics_create(&metrics, &err), err);
    const struct server_options options = {.host = "0.0.0.0", .no_access_log = true};
    assert_int_equal(server_create(&options, router, metrics, &server, &err), BN_STATUS_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "--api-key"));
    assert_null(server);
    metrics_destroy(metrics);
    router_destroy(router);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slow_heads, start_quick, stop),
        cmocka_unit_test_setup_teardown(slow_bodies, start_quick, stop),
        cmocka_unit_test_setup_teardown(idle_connections_end, start_quick, stop),
        cmocka_unit_test_setup_teardown(slow_readers, start_quick, stop),
        cmocka_unit_test(what_is_taken_is_pending),
        cmocka_unit_test_teardown(steady_readers, stop),
        cmocka_unit_test_setup_teardown(clients_that_go_are_noticed, start_quick, stop),
        cmocka_unit_test_teardown(idle_ones_make_room, stop),
        cmocka_unit_test_setup_teardown(busy_ones_dont, start_quick, stop),
        cmocka_unit_test_setup_teardown(packed_bodies, start_quick, stop),
        cmocka_unit_test_setup_teardown(packed_answers, start_quick, stop),
        cmocka_unit_test_teardown(requests_are_timed_out, stop),
        cmocka_unit_test_teardown(draining_lets_finish, stop),
        cmocka_unit_test_teardown(draining_cuts, stop),
        cmocka_unit_test(open_servers_stay_at_home),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
