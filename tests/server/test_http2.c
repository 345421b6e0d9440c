/* HTTP/2: requests by nghttp2's client side, attacks by frames made by hand (RFC 9113). */
#include <nghttp2/nghttp2.h>

#include "fixture.h"

static struct fixture fixture;

/* ---- a client ---- */

struct client {
    int fd;
    nghttp2_session *session;
    char headers[4096];
    char *body;
    size_t n_body;
    bool reads; /* opens its windows */
    size_t n_closed;
    uint32_t last_error, goaway;
    bool has_goaway;
    const char *post;
    size_t post_left;
};

static ssize_t client_send(nghttp2_session *session, const uint8_t *bytes, size_t size, int flags, void *context) {
    (void)session, (void)flags;
    say_bytes(((struct client *)context)->fd, bytes, size);
    return (ssize_t)size;
}
static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
                         const uint8_t *value, size_t n_value, uint8_t flags, void *context) {
    (void)session, (void)frame, (void)flags, (void)n_name, (void)n_value;
    struct client *client = context;
    size_t n = strlen(client->headers);
    snprintf(client->headers + n, sizeof client->headers - n, "%s: %s\n", (const char *)name, (const char *)value);
    return 0;
}
static int client_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size,
                       void *context) {
    (void)flags;
    struct client *client = context;
    client->body = realloc(client->body, client->n_body + size + 1);
    memcpy(client->body + client->n_body, bytes, size);
    client->n_body += size;
    client->body[client->n_body] = 0;
    if (client->reads) nghttp2_session_consume(session, id, size);
    return 0;
}
static int client_close(nghttp2_session *session, int32_t id, uint32_t error, void *context) {
    (void)session, (void)id;
    struct client *client = context;
    client->n_closed++;
    client->last_error = error;
    return 0;
}
static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)session;
    struct client *client = context;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->has_goaway = true;
        client->goaway = frame->goaway.error_code;
    }
    return 0;
}

static void client_open(struct client *client, const struct fixture *server) {
    *client = (struct client){.fd = dial(server), .reads = true};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_send_callback(callbacks, client_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    nghttp2_session_client_new2(&client->session, callbacks, client, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
    nghttp2_session_send(client->session);
}

static void client_free(struct client *client) {
    nghttp2_session_del(client->session);
    close(client->fd);
    free(client->body);
}

/* Reads and answers frames until n streams are closed, a GOAWAY has come, the connection ends or wait_ms pass in silence. */
static void client_run(struct client *client, size_t n_closed, int wait_ms) {
    uint8_t bytes[16384];
    while (client->n_closed < n_closed && !client->has_goaway) {
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        if (poll(&wait, 1, wait_ms) <= 0) return;
        ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
        if (n <= 0 || nghttp2_session_mem_recv(client->session, bytes, (size_t)n) < 0) return;
        nghttp2_session_send(client->session);
    }
}

static ssize_t post_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size, uint32_t *flags,
                         nghttp2_data_source *source, void *context) {
    (void)session, (void)id, (void)context;
    struct client *client = source->ptr;
    size_t n = size < client->post_left ? size : client->post_left;
    if (client->post)
        memcpy(out, client->post, n), client->post += n;
    else
        memset(out, 'x', n);
    client->post_left -= n;
    if (!client->post_left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

#define PAIR(name, value)                                                                                              \
    { (uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value), 0 }

static int32_t client_ask(struct client *client, const char *method, const char *path) {
    const nghttp2_nv headers[] = {PAIR(":method", method), PAIR(":scheme", "http"), PAIR(":path", path),
                                  PAIR(":authority", "localhost")};
    const nghttp2_data_provider provider = {.source.ptr = client, .read_callback = post_read};
    int32_t id = nghttp2_submit_request(client->session, NULL, headers, 4, client->post_left ? &provider : NULL, NULL);
    nghttp2_session_send(client->session);
    return id;
}

/* ---- requests ---- */

static void gets_and_posts(void **state) {
    (void)state;
    struct client client;
    client_open(&client, &fixture);
    client_ask(&client, "GET", "/hello");
    client_run(&client, 1, 2000);
    assert_non_null(strstr(client.headers, ":status: 200\n"));
    assert_non_null(strstr(client.headers, "content-length: 6\n"));
    assert_string_equal(client.body, "hello\n");
    client.post = "{\"text\":\"hi\"}";
    client.post_left = strlen(client.post);
    client.n_body = 0;
    client_ask(&client, "POST", "/echo");
    client_run(&client, 2, 2000);
    assert_non_null(strstr(client.body, "\"json\":{\"text\":\"hi\"}"));
    client.headers[0] = 0;
    client_ask(&client, "HEAD", "/hello");
    client_run(&client, 3, 2000);
    assert_non_null(strstr(client.headers, "content-length: 6\n"));
    client_ask(&client, "GET", "/nothing");
    client_run(&client, 4, 2000);
    assert_non_null(strstr(client.headers, ":status: 404\n"));
    client_ask(&client, "GET", "/a/../b");
    client_run(&client, 5, 2000);
    assert_non_null(strstr(client.headers, ":status: 400\n"));
    client_free(&client);
}

static void many_at_once(void **state) {
    (void)state;
    struct client client;
    client_open(&client, &fixture);
    for (int i = 0; i < 100; i++) client_ask(&client, "GET", i % 2 ? "/hello" : "/stream?bytes=100000");
    client_run(&client, 100, 3000);
    assert_int_equal(client.n_closed, 100);
    assert_int_equal(client.n_body, 50 * 6 + 50 * 100000);
    client_free(&client);
}

static void long_bodies(void **state) {
    (void)state;
    struct client client;
    client_open(&client, &fixture);
    client.post_left = 3 << 20;
    client_ask(&client, "POST", "/upload"); /* whose handler pauses after every piece */
    client_run(&client, 1, 5000);
    assert_string_equal(client.body, "3145728");
    client.n_body = 0;
    client.post_left = 2 << 20;
    client.headers[0] = 0;
    client_ask(&client, "POST", "/bytes"); /* takes 1 MiB */
    client_run(&client, 2, 5000);
    assert_non_null(strstr(client.headers, ":status: 413\n"));
    client_free(&client);
}

static void cancelled_streams(void **state) {
    (void)state;
    struct client client;
    client_open(&client, &fixture);
    int before = released_exchanges, seen = handled;
    int32_t id = client_ask(&client, "GET", "/hang");
    assert_true(reaches(&handled, seen + 1));
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    nghttp2_session_send(client.session);
    assert_true(reaches(&released_exchanges, before + 1));
    client_free(&client);
}

/* A client that never opens its window holds nothing but its own stream, and that not for long. */
static void closed_windows(void **state) {
    (void)state;
    struct fixture server;
    fixture_start(&server, (struct server_options){.write_timeout_ms = 300, .body_timeout_ms = 300});
    struct client client;
    client_open(&client, &server);
    atomic_store(&largest_pending, 0);
    client.reads = false;
    client_ask(&client, "GET", "/stream?bytes=100000000");
    client_run(&client, 1, 3000);
    assert_int_equal(client.n_closed, 1);
    assert_int_equal(client.last_error, NGHTTP2_CANCEL);
    assert_true(reaches(&released_exchanges, 1));
    assert_true(atomic_load(&largest_pending) <= EXCHANGE_HIGH_WATER + ((size_t)64 << 10));
    client_free(&client);
    fixture_stop(&server);
}

static void draining(void **state) {
    (void)state;
    struct fixture server;
    fixture_start(&server, (struct server_options){0});
    struct client client;
    client_open(&client, &server);
    client_ask(&client, "GET", "/stream?bytes=3000000");
    while (client.n_body == 0) client_run(&client, 1, 10);
    server_drain(server.server);
    uint8_t bytes[16384];
    for (;;) { /* past the GOAWAY */
        ssize_t n = recv(client.fd, bytes, sizeof bytes, 0);
        if (n <= 0 || nghttp2_session_mem_recv(client.session, bytes, (size_t)n) < 0) break;
        nghttp2_session_send(client.session);
    }
    assert_true(client.has_goaway);
    assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(client.n_body, 3000000);
    client_free(&client);
    fixture_stop(&server);
}

/* ---- attacks ---- */

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void say_frame(int fd, int type, int flags, uint32_t id, const void *payload, size_t size) {
    uint8_t frame[9 + 16384] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,
                                (uint8_t)type,         (uint8_t)flags,       (uint8_t)(id >> 24),
                                (uint8_t)(id >> 16),   (uint8_t)(id >> 8),   (uint8_t)id};
    if (size) memcpy(frame + 9, payload, size);
    say_bytes(fd, frame, 9 + size);
}

static int raw_open(void) {
    int fd = dial(&fixture);
    say_text(fd, PREFACE);
    say_frame(fd, 4, 0, 0, NULL, 0);
    return fd;
}

/* Reads frames until the connection ends; the code of its GOAWAY, -1 if it ended without, -2 if it goes on. */
static int raw_end(int fd) {
    uint8_t head[9], payload[1 << 14];
    int code = -1;
    for (;;) {
        for (size_t n = 0; n < 9;) {
            struct pollfd wait = {.fd = fd, .events = POLLIN};
            if (poll(&wait, 1, 1500) <= 0) return close(fd), code == -1 ? -2 : code;
            ssize_t got = recv(fd, head + n, 9 - n, 0);
            if (got <= 0) return close(fd), code;
            n += (size_t)got;
        }
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        for (size_t n = 0; n < size;) {
            ssize_t got = recv(fd, payload + n, size - n, 0);
            if (got <= 0) return close(fd), code;
            n += (size_t)got;
        }
        if (head[3] == 7) code = payload[4] << 24 | payload[5] << 16 | payload[6] << 8 | payload[7];
    }
}

/* ":method GET", ":scheme http", ":path /", ":authority localhost" in HPACK without Huffman. */
static const uint8_t GET_ROOT[] = {0x82, 0x86, 0x84, 0x41, 9, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't'};

static void rapid_reset(void **state) {
    (void)state;
    int fd = raw_open();
    for (uint32_t id = 1; id < 2001; id += 2) {
        say_frame(fd, 1, 5, id, GET_ROOT, sizeof GET_ROOT);
        say_frame(fd, 3, 0, id, "\0\0\0\x08", 4);
    }
    assert_int_equal(raw_end(fd), NGHTTP2_ENHANCE_YOUR_CALM);
}

static void floods(void **state) {
    (void)state;
    int fd = raw_open();
    for (int i = 0; i < 1000; i++) say_frame(fd, 6, 0, 0, "12345678", 8);
    assert_int_equal(raw_end(fd), NGHTTP2_ENHANCE_YOUR_CALM);
    fd = raw_open();
    for (int i = 0; i < 1000; i++) say_frame(fd, 4, 0, 0, NULL, 0);
    assert_int_equal(raw_end(fd), NGHTTP2_ENHANCE_YOUR_CALM);
    fd = raw_open();
    for (int i = 0; i < 3000; i++) say_frame(fd, 2, 0, 1, "\0\0\0\0\x10", 5);
    assert_int_equal(raw_end(fd), NGHTTP2_ENHANCE_YOUR_CALM);
}

static void continuation_flood(void **state) {
    (void)state;
    int fd = raw_open();
    uint8_t filler[1024]; /* literals without indexing: "a: b", many times */
    for (size_t i = 0; i + 5 <= sizeof filler; i += 5)
        memcpy(filler + i,
               "\x00\x01"
               "a"
               "\x01"
               "b",
               5);
    say_frame(fd, 1, 1, 1, GET_ROOT, sizeof GET_ROOT); /* END_STREAM, no END_HEADERS */
    for (int i = 0; i < 1000; i++) say_frame(fd, 9, 0, 1, filler, 1020);
    assert_int_not_equal(raw_end(fd), -2);
}

static void large_header_lists(void **state) {
    (void)state;
    struct client client;
    client_open(&client, &fixture);
    static char value[7000];
    memset(value, 'v', sizeof value - 1);
    const nghttp2_nv headers[] = {
        PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
        PAIR("x-1", value),     PAIR("x-2", value),      PAIR("x-3", value),      PAIR("x-4", value),
        PAIR("x-5", value)};
    nghttp2_submit_request(client.session, NULL, headers, 9, NULL, NULL);
    nghttp2_session_send(client.session);
    client_run(&client, 1, 2000);
    assert_true(client.has_goaway || strstr(client.headers, ":status: 431\n"));
    client_free(&client);
}

/* An indexed header that unpacks to much more than it takes on the wire. */
static void hpack_bomb(void **state) {
    (void)state;
    static const uint8_t get_hello[] = {0x82, 0x86, 0x04, 6, '/', 'h', 'e', 'l', 'l', 'o'};
    int fd = raw_open(), before = handled;
    uint8_t block[16000];
    size_t n = sizeof get_hello;
    memcpy(block, get_hello, n);
    memcpy(block + n, GET_ROOT + 3, sizeof GET_ROOT - 3); /* the authority */
    n += sizeof GET_ROOT - 3;
    block[n++] = 0x40, block[n++] = 1, block[n++] = 'x'; /* x: 3,900 bytes, into the table */
    block[n++] = 0x7f, block[n++] = 0xbd, block[n++] = 0x1d;
    memset(block + n, 'v', 3900);
    n += 3900;
    while (n < sizeof block) block[n++] = 0xbe; /* and again, a byte each */
    say_frame(fd, 1, 5, 1, block, n);
    say_frame(fd, 6, 0, 0, "12345678", 8);
    char out[1 << 16];
    bool closed;
    size_t heard = hear(fd, out, sizeof out, NULL, 200, &closed);
    assert_true(heard > 0); /* an answer, or an end: but soon, and the server lives */
    assert_int_equal(handled, before);
    close(fd);
    assert_int_equal(
        ask(&fixture, "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", out, sizeof out), 200);
}

static void malformed_requests(void **state) {
    (void)state;
    const nghttp2_nv cases[][6] = {
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
         PAIR("connection", "close"), PAIR("a", "b")},
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
         PAIR("a", "b\r\nc: d"), PAIR("a", "b")},
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
         PAIR("Upper", "b"), PAIR("a", "b")},
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR("a", "b"), PAIR("a", "b"),
         PAIR("a", "b")},
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
         PAIR("host", "evil.example"), PAIR("a", "b")},
        {PAIR(":method", "GET"), PAIR(":scheme", "http"), PAIR(":path", "/hello"), PAIR(":authority", "localhost"),
         PAIR("transfer-encoding", "chunked"), PAIR("a", "b")},
    };
    int before = handled;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* made with the encoder alone: the client side of a session would refuse some of these itself */
        nghttp2_hd_deflater *deflater;
        uint8_t block[2000];
        nghttp2_hd_deflate_new(&deflater, 4096);
        ssize_t n = nghttp2_hd_deflate_hd(deflater, block, sizeof block, cases[i], 6);
        nghttp2_hd_deflate_del(deflater);
        assert_true(n > 0);
        int fd = raw_open();
        say_frame(fd, 1, 5, 1, block, (size_t)n);
        char out[4096];
        hear(fd, out, sizeof out, NULL, 100, NULL);
        close(fd);
    }
    assert_int_equal(handled, before);
}

static void broken_prefaces(void **state) {
    (void)state;
    char out[1000];
    int fd = dial(&fixture);
    bool closed;
    say_text(fd, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_true(closed);
    close(fd);
    fd = dial(&fixture);
    say_text(fd, PREFACE);
    say_bytes(fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11); /* a frame of 16 MiB */
    hear(fd, out, sizeof out, NULL, 2000, &closed);
    assert_true(closed);
    close(fd);
}

int main(void) {
    fixture_start(&fixture, (struct server_options){0});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_and_posts),     cmocka_unit_test(many_at_once),   cmocka_unit_test(long_bodies),
        cmocka_unit_test(cancelled_streams),  cmocka_unit_test(closed_windows), cmocka_unit_test(draining),
        cmocka_unit_test(rapid_reset),        cmocka_unit_test(floods),         cmocka_unit_test(continuation_flood),
        cmocka_unit_test(large_header_lists), cmocka_unit_test(hpack_bomb),     cmocka_unit_test(malformed_requests),
        cmocka_unit_test(broken_prefaces),
    };
    int failed = cmocka_run_group_tests_name("http2", tests, NULL, NULL);
    fixture_stop(&fixture);
    return failed;
}
