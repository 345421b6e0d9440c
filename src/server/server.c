#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/connection.h"
#include "server/health.h"
#include "server/listener.h"
#include "server/server_core.h"
#include "server/systemd.h"
#include "server/tls.h"

#define TICK_MS              100
#define CERTIFICATE_CHECK_NS UINT64_C(2000000000)
#define LAST_CLOSE_NS        UINT64_C(2000000000) /* from the cut of exchanges to that of connections */

/* ---- metrics ---- */

static void make_metrics(struct server *server) {
    struct server_metrics *counts = &server->counts;
    struct metrics *metrics = server->metrics;
    for (size_t class = 1; class < 6; class ++) {
        char label[16];
        snprintf(label, sizeof label, "code=\"%zuxx\"", class);
        counts->requests[class] =
            metrics_counter(metrics, "bitnet_http_requests_total", label, "answered requests by class of status");
    }
    counts->active = metrics_gauge(metrics, "bitnet_http_requests_active", NULL, "requests being answered");
    counts->duration =
        metrics_histogram(metrics, "bitnet_http_request_duration_seconds", NULL,
                          "from a request's first byte to the end of its answer", METRICS_SECONDS, N_METRICS_SECONDS);
    counts->connections = metrics_gauge(metrics, "bitnet_http_connections", NULL, "open connections");
    counts->connections_total = metrics_counter(metrics, "bitnet_http_connections_total", NULL, "accepted connections");
    counts->connections_refused =
        metrics_counter(metrics, "bitnet_http_connections_refused_total", NULL, "connections beyond the limit");
    counts->received_bytes =
        metrics_counter(metrics, "bitnet_http_received_bytes_total", NULL, "bytes read from connections that ended");
    counts->sent_bytes =
        metrics_counter(metrics, "bitnet_http_sent_bytes_total", NULL, "bytes written to connections that ended");
    counts->cut = metrics_counter(metrics, "bitnet_http_cut_total", NULL,
                                  "requests and connections cut for time, at a limit or at shutdown");
    counts->protocol_errors =
        metrics_counter(metrics, "bitnet_http_protocol_errors_total", NULL, "requests that broke the protocol");
}

const char *server_date(struct server *server) {
    int64_t now = (int64_t)time(NULL);
    if (now != server->date_s) {
        struct tm utc;
        time_t seconds = (time_t)now;
        gmtime_r(&seconds, &utc);
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        server->date_s = now;
    }
    return server->date;
}

/* ---- draining ---- */

static void stop_if_done(struct server *server) {
    if (server->drain_deadline_ns && !server->n_connections && !server->n_exchanges) loop_stop(&server->loop);
}

static void begin_drain(struct server *server) {
    uint64_t now_ns = clock_now_ns();
    if (server->drain_deadline_ns) { /* asked again: at once */
        if (server->drain_deadline_ns > now_ns) server->drain_deadline_ns = now_ns;
        return;
    }
    systemd_notify("STOPPING=1");
    server->drain_deadline_ns = now_ns + server->options.drain_timeout_ms * UINT64_C(1000000);
    listeners_close(server);
    for (struct connection *at = server->connections, *next; at; at = next) {
        next = at->next;
        if (!at->finishing) at->protocol->on_drain(at);
    }
    for (struct exchange *at = server->exchanges; at; at = at->next)
        if (at->match.route && at->match.route->endless) exchange_cut(at, CUT_SHUTDOWN);
    stop_if_done(server);
}

static void drain_tick(struct server *server, uint64_t now_ns) {
    if (now_ns > server->drain_deadline_ns)
        for (struct exchange *at = server->exchanges; at; at = at->next) exchange_cut(at, CUT_SHUTDOWN);
    if (now_ns > server->drain_deadline_ns + LAST_CLOSE_NS)
        while (server->connections) connection_close(server->connections);
    stop_if_done(server);
}

/* ---- events ---- */

static void reload_certificate(struct server *server) {
    bn_error err = {0};
    if (!server->tls || !tls_reload(server->tls, &err)) return;
    fprintf(stderr, "bitnet: the certificate stays as it was: %s\n", err.message);
}

static void on_control(evutil_socket_t fd, short what, void *context) {
    (void)what;
    struct server *server = context;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
    unsigned drains = atomic_exchange(&server->drain_requests, 0);
    for (; drains; drains--) begin_drain(server);
    if (atomic_exchange(&server->reload_requested, false)) reload_certificate(server);
}

static void tick_exchanges(struct server *server, uint64_t now_ns) {
    for (struct exchange *at = server->exchanges, *next; at; at = next) {
        next = at->next;
        if (exchange_tick(at, now_ns)) next = server->exchanges; /* its neighbours may have gone with it */
    }
}

static void on_tick(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct server *server = context;
    uint64_t now_ns = clock_now_ns();
    tick_exchanges(server, now_ns);
    for (struct connection *at = server->connections, *next; at; at = next) {
        next = at->next;
        connection_tick(at, now_ns);
    }
    if (server->tls && now_ns - server->certificate_check_ns > CERTIFICATE_CHECK_NS) {
        server->certificate_check_ns = now_ns;
        if (tls_changed(server->tls)) reload_certificate(server);
    }
    if (server->drain_deadline_ns) drain_tick(server, now_ns);
}

/* ---- life ---- */

static void fill_defaults(struct server_options *options) {
    if (!options->host) options->host = "127.0.0.1";
    if (!options->api_prefix) options->api_prefix = "";
    if (!options->n_workers) options->n_workers = 4;
    if (!options->max_connections) options->max_connections = 4096;
    if (!options->max_body_bytes) options->max_body_bytes = (size_t)64 << 20;
    if (!options->header_timeout_ms) options->header_timeout_ms = 15000;
    if (!options->body_timeout_ms) options->body_timeout_ms = 20000;
    if (!options->idle_timeout_ms) options->idle_timeout_ms = 75000;
    if (!options->write_timeout_ms) options->write_timeout_ms = 30000;
    if (!options->request_timeout_ms) options->request_timeout_ms = 3600000;
    if (!options->drain_timeout_ms) options->drain_timeout_ms = 30000;
}

/* A descriptor per connection, and some for files: as many as the system lets us have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bn_status set_up_events(struct server *server, bn_error *err) {
    const struct timeval tick = {0, TICK_MS * 1000};
    server->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->control_fd < 0) return fail(err, BN_STATUS_IO, "can't create an eventfd: %s", strerror(errno));
    server->control = event_new(server->loop.base, server->control_fd, EV_READ | EV_PERSIST, on_control, server);
    server->ticker = event_new(server->loop.base, -1, EV_PERSIST, on_tick, server);
    if (!server->control || !server->ticker || event_add(server->control, NULL) || event_add(server->ticker, &tick))
        return fail_no_memory(err, 256);
    return BN_OK;
}

static bn_status set_up(struct server *server, struct router *router, bn_error *err) {
    const struct server_options *options = &server->options;
    const struct route_table table = {health_routes, server};
    bn_status status = router_add(router, &table, err);
    if (!status) status = loop_init(&server->loop, err);
    if (!status) status = set_up_events(server, err);
    if (!status) status = workers_init(&server->workers, options->n_workers, err);
    if (!status) status = api_keys_init(&server->keys, options->api_keys, options->n_api_keys, err);
    if (!status && (options->tls_certificate_file || options->tls_key_file)) {
        if (!options->tls_certificate_file || !options->tls_key_file)
            status = fail(err, BN_STATUS_BAD_ARGUMENT, "TLS needs both a certificate file and a key file");
        else
            status = tls_create(options->tls_certificate_file, options->tls_key_file, &server->tls, err);
    }
    if (!status && !options->no_access_log) status = access_log_init(&server->log, STDERR_FILENO, err);
    if (!status) status = listeners_open(server, err);
    return status;
}

bn_status server_create(const struct server_options *options, struct router *router, struct metrics *metrics,
                        struct server **out, bn_error *err) {
    struct server *server = mem_calloc(1, sizeof *server);
    if (!server) return fail_no_memory(err, sizeof *server);
    server->options = *options;
    fill_defaults(&server->options);
    server->router = router;
    server->metrics = metrics;
    server->control_fd = -1;
    server->id_seed = hash_random_seed();
    server->origins = (struct origins){server->options.cors_origins, server->options.n_cors_origins};
    raise_descriptor_limit();
    make_metrics(server);
    bn_status status = set_up(server, router, err);
    if (status)
        server_destroy(server);
    else
        *out = server;
    return status;
}

const char *server_url(const struct server *server) {
    return server->url;
}

bn_status server_run(struct server *server, bn_error *err) {
    (void)err;
    systemd_notify("READY=1");
    loop_run(&server->loop);
    return BN_OK;
}

void server_destroy(struct server *server) {
    if (!server) return;
    workers_release(&server->workers);
    listeners_close(server);
    while (server->connections) connection_close(server->connections);
    loop_run_queued(&server->loop);
    access_log_release(&server->log);
    if (server->ticker) event_free(server->ticker);
    if (server->control) event_free(server->control);
    if (server->control_fd >= 0) close(server->control_fd);
    loop_release(&server->loop);
    tls_destroy(server->tls);
    api_keys_release(&server->keys);
    mem_free(server->url);
    mem_free(server);
}

/* ---- from other threads and signal handlers ---- */

static void wake_control(struct server *server) {
    int before = errno;
    const uint64_t one = 1;
    ssize_t ignored = write(server->control_fd, &one, sizeof one);
    (void)ignored;
    errno = before;
}

void server_drain(struct server *server) {
    atomic_fetch_add(&server->drain_requests, 1);
    wake_control(server);
}

void server_reload(struct server *server) {
    atomic_store(&server->reload_requested, true);
    wake_control(server);
}

void server_set_unready(struct server *server, const char *reason) {
    atomic_store(&server->unready, reason);
}

struct posted_work {
    struct loop_task task;
    void (*work)(void *context);
    void *context;
};

static void run_posted(struct loop_task *task) {
    const struct posted_work posted = *(struct posted_work *)task;
    mem_free(task);
    posted.work(posted.context);
}

bool server_post(struct server *server, void (*work)(void *context), void *context) {
    struct posted_work *posted = mem_calloc(1, sizeof *posted);
    if (!posted) return false;
    *posted = (struct posted_work){.task = {.run = run_posted}, .work = work, .context = context};
    loop_post(&server->loop, &posted->task);
    return true;
}

bool server_work(struct server *server, void (*work)(void *context), void *context) {
    return workers_add(&server->workers, work, context);
}
