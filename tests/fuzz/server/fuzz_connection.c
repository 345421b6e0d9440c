/* Any bytes from a client of the server: HTTP/1.1, HTTP/2 frames behind the preface, WebSocket frames behind a handshake,
 * by the first byte. The connection must end when the client's bytes have. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/connection.h"
#include "server/server_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool echo(void *context, bool text, const char *bytes, size_t size) {
    exchange_send(context, text, bytes, size);
    return size % 7 != 0 || (exchange_read_on(context), false);
}
static void end(void *context) {
    exchange_end(context);
}
static void get_socket(struct exchange *exchange, void *service) {
    (void)service;
    exchange_watch(exchange, &(struct exchange_watch){.on_message = echo, .on_closed = end}, exchange);
}
static void post(struct exchange *exchange, void *service) {
    (void)service;
    const struct request *request = exchange_request(exchange);
    exchange_respond(exchange, 200, "text/plain", request->body, request->body_bytes);
}

static const struct schema anything = {.types = SCHEMA_ANY};
static const struct route routes[] = {
    {.method = HTTP_GET, .path = "/w", .handler = get_socket, .websocket = true},
    {.method = HTTP_POST, .path = "/b", .handler = post, .body = BODY_BYTES, .max_body_bytes = 100000},
    {.method = HTTP_POST, .path = "/j", .handler = post, .body = BODY_JSON, .request = &anything},
    {0},
};

static struct server *make_server(void) {
    struct router *router;
    struct metrics *metrics;
    struct server *server;
    bn_error err;
    const struct server_options options = {.no_access_log = true, .n_workers = 1};
    if (router_create(&router, &err) || metrics_create(&metrics, &err) ||
        router_add(router, &(struct route_table){routes, NULL}, &err) ||
        server_create(&options, router, metrics, &server, &err))
        abort();
    return server;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const begins[] = {"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                         "GET /w HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: "
                                         "websocket\r\nSec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"};
    static struct server *server;
    if (!server) server = make_server();
    int fds[2];
    if (size < 1 || size > 50000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) return 0;
    connection_open(server, fds[1], "fuzz");
    const char *begin = begins[bytes[0] % 3];
    ssize_t ignored = write(fds[0], begin, strlen(begin));
    ignored = write(fds[0], bytes + 1, size - 1);
    (void)ignored;
    shutdown(fds[0], SHUT_WR);
    static char out[65536];
    for (int round = 0; round < 1000 && (server->connections || server->exchanges); round++) {
        event_base_loop(server->loop.base, EVLOOP_NONBLOCK);
        while (read(fds[0], out, sizeof out) > 0) {}
    }
    if (server->connections) connection_close(server->connections);
    for (int round = 0; round < 10; round++) event_base_loop(server->loop.base, EVLOOP_NONBLOCK);
    if (server->connections || server->exchanges) abort();
    close(fds[0]);
    return 0;
}
