/* WebSocket sessions: RFC 6455's handshake and frames, and what breaks them. Frames are made by hand. */
#include "fixture.h"

static struct fixture fixture;

#define HANDSHAKE                                                                                                      \
    "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"             \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int open_socket(void) {
    char out[2048];
    int fd = dial(&fixture);
    say_text(fd, HANDSHAKE "Authorization: Bearer secret\r\n\r\n");
    hear(fd, out, sizeof out, "\r\n\r\n", 2000, NULL);
    if (!strstr(out, "HTTP/1.1 101 ")) test_fail("no upgrade: %s", out);
    assert_non_null(strstr(out, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455, 1.3 */
    return fd;
}

static void say_frame(int fd, int first, const void *payload, size_t size, bool masked) {
    uint8_t head[14] = {(uint8_t)first};
    size_t n = 2;
    head[1] = masked ? 0x80 : 0;
    if (size < 126) {
        head[1] |= (uint8_t)size;
    } else if (size < 65536) {
        head[1] |= 126;
        head[2] = (uint8_t)(size >> 8), head[3] = (uint8_t)size;
        n = 4;
    } else {
        head[1] |= 127;
        for (int i = 0; i < 8; i++) head[2 + i] = (uint8_t)(size >> (56 - 8 * i));
        n = 10;
    }
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *bytes = malloc(n + 4 + size);
    memcpy(bytes, head, n);
    if (masked) memcpy(bytes + n, mask, 4), n += 4;
    for (size_t i = 0; i < size; i++)
        bytes[n + i] = (uint8_t)(((const uint8_t *)payload)[i] ^ (masked ? mask[i % 4] : 0));
    say_bytes(fd, bytes, n + size);
    free(bytes);
}

static bool read_exactly(int fd, void *out, size_t size) {
    for (size_t n = 0; n < size;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 3000) <= 0) return false;
        ssize_t got = recv(fd, (char *)out + n, size - n, 0);
        if (got <= 0) return false;
        n += (size_t)got;
    }
    return true;
}

/* One frame from the server; its first byte, -1 at the end. */
static int hear_frame(int fd, char *payload, size_t room, size_t *size) {
    uint8_t head[10];
    if (!read_exactly(fd, head, 2)) return -1;
    assert_int_equal(head[1] & 0x80, 0); /* servers don't mask */
    *size = head[1];
    if (head[1] == 126) {
        assert_true(read_exactly(fd, head + 2, 2));
        *size = (size_t)head[2] << 8 | head[3];
    } else if (head[1] == 127) {
        assert_true(read_exactly(fd, head + 2, 8));
        *size = 0;
        for (int i = 0; i < 8; i++) *size = *size << 8 | head[2 + i];
    }
    assert_true(*size <= room);
    assert_true(read_exactly(fd, payload, *size));
    return head[0];
}

static void expect_frame(int fd, int first, const void *payload, size_t size) {
    static char heard[1 << 21];
    size_t n;
    assert_int_equal(hear_frame(fd, heard, sizeof heard, &n), first);
    assert_int_equal(n, size);
    if (n) assert_memory_equal(heard, payload, n);
}

/* The server closes with this code; other frames may come before. */
static void expect_close(const char *what, int fd, int code) {
    static char heard[1 << 21];
    size_t n = 0;
    int first;
    while ((first = hear_frame(fd, heard, sizeof heard, &n)) != 0x88)
        if (first < 0) test_fail("%s: the connection ended without a close frame", what);
    int got = n >= 2 ? (uint8_t)heard[0] << 8 | (uint8_t)heard[1] : 1005;
    if (got != code) test_fail("%s: closed with %d instead of %d", what, got, code);
    close(fd);
}

static void echoes(void **state) {
    (void)state;
    static char large[MAX_MESSAGE_BYTES];
    memset(large, 'a', sizeof large);
    int fd = open_socket();
    say_frame(fd, 0x81, "hello", 5, true);
    expect_frame(fd, 0x81, "hello", 5);
    say_frame(fd, 0x82, "\0\xff", 2, true);
    expect_frame(fd, 0x82, "\0\xff", 2);
    say_frame(fd, 0x81, "", 0, true);
    expect_frame(fd, 0x81, "", 0);
    /* in fragments, with a ping between */
    say_frame(fd, 0x01, "hel", 3, true);
    say_frame(fd, 0x89, "p", 1, true);
    say_frame(fd, 0x80, "lo", 2, true);
    expect_frame(fd, 0x8a, "p", 1);
    expect_frame(fd, 0x81, "hello", 5);
    /* the largest */
    say_frame(fd, 0x82, large, sizeof large, true);
    expect_frame(fd, 0x82, large, sizeof large);
    say_frame(fd, 0x88, "\x03\xe8", 2, true);
    expect_close("normal end", fd, 1000);
    assert_true(reaches(&released_exchanges, 1));
}

static void handler_closes(void **state) {
    (void)state;
    int fd = open_socket();
    say_frame(fd, 0x81, "close", 5, true);
    expect_close("by the handler", fd, 4001);
}

/* What was said before the end is heard before it. */
static void last_words(void **state) {
    (void)state;
    static char heard[1 << 20];
    size_t n;
    int fd = open_socket();
    say_frame(fd, 0x81, "last", 4, true);
    assert_int_equal(hear_frame(fd, heard, sizeof heard, &n), 0x82);
    assert_int_equal(n, 500000);
    expect_close("behind a large message", fd, 4001);
}

static void broken_frames(void **state) {
    (void)state;
    static char large[MAX_MESSAGE_BYTES + 1];
    const struct {
        const char *what;
        int first;
        const char *payload;
        size_t size;
        bool masked;
        int code;
    } cases[] = {{"unmasked", 0x81, "hello", 5, false, 1002},
                 {"RSV1", 0xc1, "hello", 5, true, 1002},
                 {"RSV3", 0x91, "hello", 5, true, 1002},
                 {"unknown opcode", 0x83, "", 0, true, 1002},
                 {"unknown control opcode", 0x8b, "", 0, true, 1002},
                 {"fragmented ping", 0x09, "p", 1, true, 1002},
                 {"long ping", 0x89, large, 126, true, 1002},
                 {"continuation of nothing", 0x80, "a", 1, true, 1002},
                 {"invalid UTF-8", 0x81, "\xff\xfe", 2, true, 1007},
                 {"cut UTF-8", 0x81, "\xe2\x82", 2, true, 1007},
                 {"surrogate", 0x81, "\xed\xa0\x80", 3, true, 1007},
                 {"too large", 0x82, large, sizeof large, true, 1009},
                 {"close with 1005", 0x88, "\x03\xed", 2, true, 1002},
                 {"close with half a code", 0x88, "\x03", 1, true, 1005}, /* taken as one without, by the codec */
                 {"close with bad UTF-8", 0x88, "\x03\xe8\xff", 3, true, 1007}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = open_socket();
        say_frame(fd, cases[i].first, cases[i].payload, cases[i].size, cases[i].masked);
        expect_close(cases[i].what, fd, cases[i].code);
    }
    int fd = open_socket();
    say_bytes(fd, "\x82\xff\x80\0\0\0\0\0\0\0\1\2\3\4", 14); /* 2^63 bytes */
    expect_close("length 2^63", fd, 1002);
    fd = open_socket();
    say_frame(fd, 0x01, "a", 1, true);
    say_frame(fd, 0x81, "b", 1, true); /* a new message inside of one */
    expect_close("interleaved messages", fd, 1002);
}

static void fragment_floods_end(void **state) {
    (void)state;
    int fd = open_socket();
    say_frame(fd, 0x02, "a", 1, true);
    for (int i = 0; i < 1100; i++) say_frame(fd, 0x00, "a", 1, true);
    expect_close("a flood of fragments", fd, 1008);
}

/* A client that pings without reading the pongs isn't read from; memory stays bounded and others are served. */
static void ping_floods_wait(void **state) {
    (void)state;
    int fd = open_socket(), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    char payload[125] = {0};
    uint8_t frames[131 * 100];
    for (int i = 0; i < 100; i++) {
        uint8_t head[6] = {0x89, 0x80 | 125, 0, 0, 0, 0};
        memcpy(frames + 131 * i, head, 6);
        memcpy(frames + 131 * i + 6, payload, 125);
    }
    size_t sent = 0;
    for (;;) { /* until the server takes no more for a while */
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, 200) <= 0) break;
        ssize_t n = send(fd, frames, sizeof frames, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) sent += (size_t)n;
        if (sent > (size_t)64 << 20) test_fail("64 MiB of pings were taken without a pong being read");
    }
    char out[1000];
    assert_int_equal(
        ask(&fixture, "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", out, sizeof out), 200);
    close(fd);
}

static void handshakes(void **state) {
    (void)state;
    char out[2048];
    const struct {
        const char *what, *request;
        int status;
    } cases[] = {
        {"no key", HANDSHAKE "\r\n", 401},
        {"wrong key", HANDSHAKE "Authorization: Bearer sesame\r\n\r\n", 401},
        {"key in the subprotocol", HANDSHAKE "Sec-WebSocket-Protocol: realtime, bitnet-key.secret\r\n\r\n", 101},
        {"a foreign page", HANDSHAKE "Authorization: Bearer secret\r\nOrigin: https://evil.example\r\n\r\n", 403},
        {"version 8",
         "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: "
         "websocket\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer secret\r\n\r\n",
         426},
        {"short key",
         "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: "
         "websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhl\r\nAuthorization: Bearer secret\r\n\r\n",
         426},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = dial(&fixture), status = 0;
        say_text(fd, cases[i].request);
        hear(fd, out, sizeof out, "\r\n\r\n", 2000, NULL);
        sscanf(out, "HTTP/1.1 %d", &status);
        if (status != cases[i].status) test_fail("%s: %d\n%s", cases[i].what, status, out);
        if (status == 101) assert_non_null(strstr(out, "sec-websocket-protocol: realtime\r\n"));
        close(fd);
    }
}

/* A client that goes without a word is noticed. */
static void lost_clients(void **state) {
    (void)state;
    int before = closed_exchanges, fd = open_socket();
    close(fd);
    assert_true(reaches(&closed_exchanges, before + 1));
}

/* Draining closes sessions with 1001. */
static void draining(void **state) {
    (void)state;
    struct fixture other;
    fixture_start(&other, (struct server_options){0});
    int fd = dial(&other);
    char out[2048];
    say_text(fd, HANDSHAKE "\r\n");
    hear(fd, out, sizeof out, "\r\n\r\n", 2000, NULL);
    server_drain(other.server);
    expect_close("draining", fd, 1001);
    fixture_stop(&other);
}

int main(void) {
    static const char *const keys[] = {"secret"};
    fixture_start(&fixture, (struct server_options){.api_keys = keys, .n_api_keys = 1});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes),        cmocka_unit_test(handler_closes),      cmocka_unit_test(last_words),
        cmocka_unit_test(broken_frames), cmocka_unit_test(fragment_floods_end), cmocka_unit_test(ping_floods_wait),
        cmocka_unit_test(handshakes),    cmocka_unit_test(lost_clients),        cmocka_unit_test(draining),
    };
    int failed = cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
    fixture_stop(&fixture);
    return failed;
}
