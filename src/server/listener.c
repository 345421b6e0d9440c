#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/connection.h"
#include "server/server_core.h"
#include "server/systemd.h"

#define BACKLOG  1024
#define PAUSE_MS 100 /* without descriptors: wait for some connection to end */

struct listener {
    struct listener *next;
    struct evconnlistener *events;
    struct event *resume;
    struct server *server;
    char *unlink_path; /* of a Unix socket that we made */
};

/* ---- accepting ---- */

static void name_peer(const struct sockaddr *address, char *out, size_t size) {
    out[0] = 0;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out, (socklen_t)size);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, out, (socklen_t)size);
    else
        snprintf(out, size, "unix");
}

/* Makes room by closing the connection that has been idle longest, of those that wait for a request. */
static bool evict_idle(struct server *server) {
    for (struct connection *at = server->connections; at; at = at->next)
        if (at->idle && !at->finishing) {
            connection_close(at);
            return true;
        }
    return false;
}

static void refuse(struct server *server, int fd) {
    static const char body[] =
        "{\"error\":{\"message\":\"too many connections\",\"type\":\"unavailable_error\",\"code\":503}}";
    char answer[300];
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
                     "connection: close\r\ncontent-length: %zu\r\n\r\n%s",
                     sizeof body - 1, body);
    metric_add(server->counts.connections_refused, 1);
    if (!server->tls) {
        ssize_t ignored = send(fd, answer, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
    }
    close(fd);
}

static void on_accept(struct evconnlistener *events, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *context) {
    (void)events, (void)size;
    struct listener *listener = context;
    struct server *server = listener->server;
    if (server->n_connections >= server->options.max_connections && !evict_idle(server)) {
        refuse(server, fd);
        return;
    }
    char name[64];
    name_peer(address, name, sizeof name);
    const int on = 1;
    if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection_open(server, fd, name);
}

static void on_resume(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    evconnlistener_enable(((struct listener *)context)->events);
}

/* Out of descriptors or memory: accepting again at once would spin. */
static void on_accept_error(struct evconnlistener *events, void *context) {
    struct listener *listener = context;
    const struct timeval pause = {0, PAUSE_MS * 1000};
    evict_idle(listener->server);
    evconnlistener_disable(events);
    event_add(listener->resume, &pause);
}

static bn_status add_listener(struct server *server, int fd, const char *unlink_path, bn_error *err) {
    struct listener *listener = mem_calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return fail_no_memory(err, sizeof *listener);
    }
    listener->server = server;
    listener->next = server->listeners;
    server->listeners = listener;
    evutil_make_socket_nonblocking(fd);
    listener->events = evconnlistener_new(server->loop.base, on_accept, listener,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    listener->resume = evtimer_new(server->loop.base, on_resume, listener);
    if (!listener->events) {
        int problem = errno;
        close(fd);
        return fail(err, BN_STATUS_IO, "can't listen: %s", strerror(problem));
    }
    if (unlink_path) listener->unlink_path = mem_strdup(unlink_path);
    if (!listener->resume || (unlink_path && !listener->unlink_path)) return fail_no_memory(err, 64);
    evconnlistener_set_error_cb(listener->events, on_accept_error);
    return BN_OK;
}

void listeners_close(struct server *server) {
    for (struct listener *at = server->listeners, *next; at; at = next) {
        next = at->next;
        if (at->events) evconnlistener_free(at->events);
        if (at->resume) event_free(at->resume);
        if (at->unlink_path) unlink(at->unlink_path);
        mem_free(at->unlink_path);
        mem_free(at);
    }
    server->listeners = NULL;
}

/* ---- binding ---- */

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        uint32_t ip = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
        return ip >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return address->sa_family == AF_UNIX;
}

static bn_status set_url(struct server *server, int fd, bn_error *err) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[64] = "", url[200];
    if (getsockname(fd, (struct sockaddr *)&address, &size))
        return fail(err, BN_STATUS_IO, "can't tell the address of a socket: %s", strerror(errno));
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
    name_peer((struct sockaddr *)&address, name, sizeof name);
    const char *scheme = server->tls ? "https" : "http";
    if (address.ss_family == AF_UNIX)
        snprintf(url, sizeof url, "unix:%.108s", ((const struct sockaddr_un *)&address)->sun_path);
    else
        snprintf(url, sizeof url, address.ss_family == AF_INET6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme, name,
                 (unsigned)ntohs(six->sin6_port)); /* the port lies at the same place for both */
    if (!is_loopback((struct sockaddr *)&address)) server->loopback = false;
    if (!server->url) server->url = mem_strdup(url);
    return server->url ? BN_OK : fail_no_memory(err, sizeof url);
}

static bn_status open_unix(struct server *server, const char *path, bn_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return fail(err, BN_STATUS_BAD_ARGUMENT, "%s: a socket's path has at most %zu bytes", path,
                    sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    struct stat before;
    if (lstat(path, &before) == 0) { /* one that a server left behind; a live one is refused */
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool alive = probe >= 0 && connect(probe, (struct sockaddr *)&address, sizeof address) == 0;
        if (probe >= 0) close(probe);
        if (!S_ISSOCK(before.st_mode)) return fail(err, BN_STATUS_IO, "%s: exists and isn't a socket", path);
        if (alive) return fail(err, BN_STATUS_IO, "%s: another server listens there", path);
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)) {
        int problem = errno;
        if (fd >= 0) close(fd);
        return fail(err, BN_STATUS_IO, "%s: can't bind: %s", path, strerror(problem));
    }
    bn_status status = set_url(server, fd, err);
    if (status)
        close(fd);
    else
        status = add_listener(server, fd, path, err);
    return status;
}

/* The bound socket, or -1. */
static int bind_to(const struct addrinfo *address) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0) return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

static bn_status open_address(struct server *server, const char *host, unsigned port, bn_error *err) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int problem = getaddrinfo(host, service, &hints, &addresses);
    if (problem) return fail(err, BN_STATUS_BAD_ARGUMENT, "--host %s: %s", host, gai_strerror(problem));
    bn_status status = BN_OK;
    if (!server->keys.n && !is_loopback(addresses->ai_addr))
        status = fail(err, BN_STATUS_BAD_ARGUMENT,
                      "%s can be reached from elsewhere: a server there needs --api-key (or bind 127.0.0.1)", host);
    int fd = status ? -1 : bind_to(addresses);
    if (!status && fd < 0) status = fail(err, BN_STATUS_IO, "can't bind %s port %u: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    if (status) return status;
    status = set_url(server, fd, err);
    if (status)
        close(fd);
    else
        status = add_listener(server, fd, NULL, err);
    return status;
}

static bn_status open_passed(struct server *server, size_t n, bn_error *err) {
    for (size_t i = 0; i < n; i++) {
        int fd = systemd_socket(i);
        bn_status status = set_url(server, fd, err);
        if (!status && !server->keys.n && !server->loopback)
            status = fail(err, BN_STATUS_BAD_ARGUMENT,
                          "the socket %s can be reached from elsewhere: it needs --api-key", server->url);
        if (!status) status = add_listener(server, fd, NULL, err);
        if (status) return status;
    }
    return BN_OK;
}

bn_status listeners_open(struct server *server, bn_error *err) {
    server->loopback = true;
    size_t n_passed = systemd_sockets();
    if (n_passed) return open_passed(server, n_passed, err);
    const char *host = server->options.host;
    size_t n = strlen(host);
    if (strncmp(host, "unix:", 5) == 0) return open_unix(server, host + 5, err);
    if (n > 5 && strcmp(host + n - 5, ".sock") == 0) return open_unix(server, host, err);
    return open_address(server, host, server->options.port, err);
}
