#include "server/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/server_core.h"
#include "server/tls.h"

#define INPUT_BYTES     ((size_t)256 << 10) /* unread input of a connection */
#define SINGLE_WRITE    ((size_t)256 << 10)
#define MIN_STALL_BYTES 4096 /* fewer in a whole timeout is standing still */
#define LINGER_MS       1000
#define LINGER_BYTES    ((size_t)1 << 20)

/* ---- the end ---- */

static void free_connection(struct loop_task *task) {
    mem_free(task);
}

static void unlink_connection(struct connection *connection) {
    struct server *server = connection->server;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        server->newest = connection->previous;
    server->n_connections--;
    metric_set(server->counts.connections, (double)server->n_connections);
}

void connection_close(struct connection *connection) {
    if (connection->closed) return;
    connection->closed = true;
    unlink_connection(connection);
    connection->protocol->on_release(connection);
    metric_add(connection->server->counts.received_bytes, (double)connection->received_bytes);
    metric_add(connection->server->counts.sent_bytes, (double)connection->sent_bytes);
    bufferevent_free(connection->events);
    connection->task.run = free_connection;
    loop_post(&connection->server->loop, &connection->task);
}

/* Everything is sent: half-close, and wait for the peer to notice. */
static void linger(struct connection *connection) {
    connection->lingers = false;
    bufferevent_disable(connection->events, EV_WRITE);
    shutdown(bufferevent_getfd(connection->events), SHUT_WR);
    connection_set_deadline(connection, LINGER_MS);
    connection->received_bytes = 0;
    evbuffer_drain(connection->input, evbuffer_get_length(connection->input));
    bufferevent_enable(connection->events, EV_READ);
}

static void flushed(struct connection *connection) {
    if (connection->lingers && !connection->tls)
        linger(connection);
    else
        connection_close(connection);
}

void connection_finish(struct connection *connection, bool lingers) {
    if (connection->closed || connection->finishing) return;
    connection->finishing = true;
    connection->lingers = lingers;
    connection->deadline_ns = 0;
    bufferevent_setwatermark(connection->events, EV_WRITE, 0, 0);
    if (!lingers) bufferevent_disable(connection->events, EV_READ);
    if (evbuffer_get_length(connection->output) == 0) flushed(connection);
}

/* ---- events ---- */

static void on_read(struct bufferevent *events, void *context) {
    (void)events;
    struct connection *connection = context;
    if (!connection->finishing) {
        connection->protocol->on_input(connection);
        return;
    }
    evbuffer_drain(connection->input, evbuffer_get_length(connection->input));
    if (connection->received_bytes > LINGER_BYTES) connection_close(connection);
}

static void on_write(struct bufferevent *events, void *context) {
    (void)events;
    struct connection *connection = context;
    if (!connection->finishing)
        connection->protocol->on_writable(connection);
    else if (evbuffer_get_length(connection->output) == 0)
        flushed(connection);
}

static void on_event(struct bufferevent *events, short what, void *context) {
    (void)events;
    struct connection *connection = context;
    if (what & BEV_EVENT_CONNECTED) {
        if (connection->tls && tls_speaks_http2(events)) http2_begin(connection);
        return;
    }
    if ((what & BEV_EVENT_EOF) && !connection->finishing)
        connection->protocol->on_end(connection);
    else
        connection_close(connection);
}

static void count_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *context) {
    (void)buffer;
    ((struct connection *)context)->received_bytes += info->n_added;
}

static void count_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *context) {
    (void)buffer;
    ((struct connection *)context)->sent_bytes += info->n_deleted;
}

/* ---- the beginning ---- */

static bool set_up(struct connection *connection, int fd) {
    struct server *server = connection->server;
    connection->events = server->tls ? tls_bufferevent(server->tls, server->loop.base, fd)
                                     : bufferevent_socket_new(server->loop.base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection->events) return false;
    connection->tls = server->tls != NULL;
    connection->input = bufferevent_get_input(connection->events);
    connection->output = bufferevent_get_output(connection->events);
    bufferevent_setcb(connection->events, on_read, on_write, on_event, connection);
    bufferevent_setwatermark(connection->events, EV_READ, 0, INPUT_BYTES);
    bufferevent_setwatermark(connection->events, EV_WRITE, CONNECTION_OUTPUT_BYTES, 0);
    bufferevent_set_max_single_write(connection->events, SINGLE_WRITE);
    return evbuffer_add_cb(connection->input, count_input, connection) &&
           evbuffer_add_cb(connection->output, count_output, connection) &&
           bufferevent_enable(connection->events, EV_READ | EV_WRITE) == 0;
}

void connection_open(struct server *server, int fd, const char *address) {
    struct connection *connection = mem_calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    connection->server = server;
    snprintf(connection->address, sizeof connection->address, "%s", address);
    if (!set_up(connection, fd)) {
        if (connection->events)
            bufferevent_free(connection->events);
        else
            close(fd);
        mem_free(connection);
        return;
    }
    connection->previous = server->newest;
    if (server->newest)
        server->newest->next = connection;
    else
        server->connections = connection;
    server->newest = connection;
    server->n_connections++;
    metric_set(server->counts.connections, (double)server->n_connections);
    metric_add(server->counts.connections_total, 1);
    http1_begin(connection);
}

void connection_speak(struct connection *connection, const struct protocol *protocol, void *state) {
    if (connection->protocol) connection->protocol->on_release(connection);
    connection->protocol = protocol;
    connection->state = state;
}

void connection_set_deadline(struct connection *connection, unsigned ms) {
    connection->deadline_ns = ms ? clock_now_ns() + ms * UINT64_C(1000000) : 0;
}

void connection_pause(struct connection *connection, bool paused) {
    if (connection->closed || connection->finishing) return;
    if (paused) {
        bufferevent_disable(connection->events, EV_READ);
    } else {
        bufferevent_enable(connection->events, EV_READ);
        connection->protocol->on_input(connection);
    }
}

/* ---- time ---- */

static bool stands_still(struct connection *connection, uint64_t now_ns) {
    if (evbuffer_get_length(connection->output) == 0) {
        connection->stall_begin_ns = 0;
        return false;
    }
    bool moved = connection->sent_bytes - connection->stall_sent >= MIN_STALL_BYTES;
    if (!connection->stall_begin_ns || moved) {
        connection->stall_begin_ns = now_ns;
        connection->stall_sent = connection->sent_bytes;
        return false;
    }
    return now_ns - connection->stall_begin_ns > connection->server->options.write_timeout_ms * UINT64_C(1000000);
}

void connection_tick(struct connection *connection, uint64_t now_ns) {
    if (stands_still(connection, now_ns)) {
        metric_add(connection->server->counts.cut, 1);
        connection_close(connection);
    } else if (connection->deadline_ns && now_ns > connection->deadline_ns) {
        connection->deadline_ns = 0;
        if (connection->finishing)
            connection_close(connection);
        else
            connection->protocol->on_deadline(connection);
    }
}
