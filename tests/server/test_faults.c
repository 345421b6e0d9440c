/* Every allocation that the server makes for a request refused in turn: the client gets the right answer, an error that is
 * whole, or the end of its connection, soon; and the next request is answered as ever. */
#include "fixture.h"

#include "base/memory.h"

#define CLOSES "Host: localhost\r\nConnection: close\r\n"

static const struct {
    const char *request, *answer; /* part of it, when nothing fails */
} dialogues[] = {
    {"GET /hello HTTP/1.1\r\n" CLOSES "\r\n", "hello\n"},
    {"GET /things/a%20b?q=c HTTP/1.1\r\n" CLOSES "Accept-Encoding: gzip\r\nOrigin: http://localhost:1\r\n\r\n",
     "\"a b\""},
    {"POST /echo HTTP/1.1\r\n" CLOSES "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"text\": \"a\"}",
     "\"json\""},
    {"POST /work HTTP/1.1\r\n" CLOSES "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"text\": \"a\"}",
     "\"json\""},
    {"POST /bytes HTTP/1.1\r\n" CLOSES "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"},
    {"GET /nothing HTTP/1.1\r\n" CLOSES "\r\n", "there is no GET /nothing"},
    {"GET /hello HTTP/1.0\r\nHost: localhost\r\nX: \001\r\n\r\n", "HTTP/1.1 400"},
    {"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
     "13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\0\0\0\0close",
     "as you wish"},
};
enum { N_DIALOGUES = sizeof dialogues / sizeof dialogues[0], MAX_ALLOCATIONS = 500 };

static size_t request_bytes(size_t dialogue) {
    bool socket = dialogue == N_DIALOGUES - 1; /* its frame has NULs */
    return strlen(dialogues[dialogue].request) + (socket ? 4 + strlen("close") : 0);
}

/* Cut off in the middle: its head says chunks, and the last one isn't there. */
static bool is_unfinished(const char *out, size_t size) {
    static const char last[] = "0\r\n\r\n";
    enum { LAST_BYTES = sizeof last - 1 };
    return strstr(out, "transfer-encoding: chunked") &&
           (size < LAST_BYTES || memcmp(out + size - LAST_BYTES, last, LAST_BYTES) != 0);
}

/* Asks with the n-th allocation refused; false: there weren't so many. */
static bool ask_refused(const struct fixture *fixture, size_t dialogue, long n) {
    char out[8192];
    bool closed;
    int fd = dial(fixture);
    mem_allocations();
    mem_fail_after(n);
    say_bytes(fd, dialogues[dialogue].request, request_bytes(dialogue));
    bool socket = dialogue == N_DIALOGUES - 1; /* a refused one stays HTTP/1.1, and open */
    size_t size = hear(fd, out, sizeof out, socket ? "\"code\":503}}" : NULL, 10000, &closed);
    close(fd);
    mem_fail_after(-1);
    bool right = false, reached = mem_allocations() > n;
    for (size_t i = 0; i + strlen(dialogues[dialogue].answer) <= size && !right; i++)
        right = memcmp(out + i, dialogues[dialogue].answer, strlen(dialogues[dialogue].answer)) == 0;
    bool error = strncmp(out, "HTTP/1.1 5", 10) == 0 && strstr(out, "\r\n\r\n");
    bool cut = size == 0 || socket || is_unfinished(out, size);
    if (!closed && !(socket && error))
        test_fail("dialogue %zu, allocation %ld: the client waits; it got %s", dialogue, n, out);
    if (!right && (!reached || !(error || cut)))
        test_fail("dialogue %zu, allocation %ld: %s", dialogue, n, size ? out : "nothing");
    return reached;
}

static void requests_survive(void **state) {
    (void)state;
    struct fixture fixture;
    char out[4096];
    long total = 0;
    fixture_start(&fixture, (struct server_options){.n_workers = 1});
    for (size_t i = 0; i < N_DIALOGUES; i++) {
        long n = 0;
        while (ask_refused(&fixture, i, n)) {
            assert_int_equal(ask(&fixture, dialogues[0].request, out, sizeof out), 200);
            assert_true(++n < MAX_ALLOCATIONS);
        }
        total += n;
    }
    assert_true(total > 20);
    fixture_stop(&fixture);
}

/* Servers that can't begin say so. */
static void beginnings_fail(void **state) {
    (void)state;
    for (long n = 0;; n++) {
        struct router *router = NULL;
        struct metrics *metrics = NULL;
        struct server *server = NULL;
        bn_error err = {0};
        mem_fail_after(n);
        bn_status status = router_create(&router, &err);
        if (!status) status = metrics_create(&metrics, &err);
        if (!status) status = router_add(router, &(struct route_table){test_routes, NULL}, &err);
        const struct server_options options = {.no_access_log = true, .n_workers = 1};
        if (!status) status = server_create(&options, router, metrics, &server, &err);
        mem_fail_after(-1);
        server_destroy(server);
        metrics_destroy(metrics);
        router_destroy(router);
        if (!status) {
            assert_true(n > 2);
            return;
        }
        if (status != BN_STATUS_NO_MEMORY) test_fail("allocation %ld: %s", n, err.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginnings_fail),
        cmocka_unit_test(requests_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
