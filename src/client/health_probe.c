#include "client/health_probe.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/memory.h"

struct connection {
    struct health_probe *probe;
    uint64_t start_ns;
};

struct health_probe {
    const struct endpoint *endpoint;
    struct http_client *http;
    struct connection *connections;
    size_t n_connections;
    char *url;
    pthread_t thread;
    atomic_bool stopping;
    /* The thread's, until it is joined. */
    struct health_results results;
    bn_status status;
    bn_error error;
};

void health_results_release(struct health_results *results) {
    mem_free(results->latencies.values);
    *results = (struct health_results){0};
}

static bn_status ask(struct connection *connection);

static void on_done(void *context, const struct http_response *response, bn_status status, const bn_error *error) {
    struct connection *connection = context;
    struct health_probe *probe = connection->probe;
    (void)response, (void)error;
    if (status == BN_STATUS_CANCELLED) return;
    probe->results.n_ok += !status;
    probe->results.n_failed += status != BN_OK;
    uint64_t taken_ns = clock_now_ns() - connection->start_ns;
    if (!probe->status) probe->status = samples_add(&probe->results.latencies, (double)taken_ns * 1e-9, &probe->error);
    if (!probe->status) probe->status = ask(connection);
    if (probe->status) http_stop(probe->http);
}

static bn_status ask(struct connection *connection) {
    struct health_probe *probe = connection->probe;
    const struct http_request request = {.url = probe->url,
                                         .token = probe->endpoint->key,
                                         .unix_socket = probe->endpoint->socket,
                                         .done = on_done,
                                         .context = connection};
    connection->start_ns = clock_now_ns();
    return http_start(probe->http, &request, &probe->error);
}

static bool is_stopping(void *context) {
    struct health_probe *probe = context;
    return atomic_load_explicit(&probe->stopping, memory_order_relaxed);
}

static void *run(void *context) {
    struct health_probe *probe = context;
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < probe->n_connections && !probe->status; i++) probe->status = ask(&probe->connections[i]);
    bn_status status = http_run(probe->http, NULL);
    if (!probe->status && status != BN_STATUS_CANCELLED) probe->status = status;
    probe->results.seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    return NULL;
}

static void destroy(struct health_probe *probe) {
    http_client_destroy(probe->http);
    health_results_release(&probe->results);
    mem_free(probe->connections);
    mem_free(probe->url);
    mem_free(probe);
}

bn_status health_probe_start(const struct endpoint *endpoint, size_t n_connections, struct health_probe **out,
                             bn_error *err) {
    struct health_probe *probe = mem_calloc(1, sizeof *probe);
    if (!probe) return fail_no_memory(err, sizeof *probe);
    probe->endpoint = endpoint;
    probe->n_connections = n_connections;
    probe->connections = mem_calloc(n_connections, sizeof *probe->connections);
    probe->url = endpoint_url(endpoint, "/health");
    const struct http_options options = {.max_connections = n_connections,
                                         .max_retries = 1,
                                         .user_agent = "bitnet",
                                         .cancelled = is_stopping,
                                         .context = probe};
    bn_status status = http_client_create(&options, &probe->http, err);
    if (!status && (!probe->connections || !probe->url)) status = fail_no_memory(err, n_connections);
    for (size_t i = 0; i < n_connections && !status; i++) probe->connections[i].probe = probe;
    if (!status && pthread_create(&probe->thread, NULL, run, probe))
        status = fail(err, BN_STATUS_NO_MEMORY, "the system refuses another thread");
    if (status)
        destroy(probe);
    else
        *out = probe;
    return status;
}

bn_status health_probe_stop(struct health_probe *probe, struct health_results *results, bn_error *err) {
    atomic_store(&probe->stopping, true);
    pthread_join(probe->thread, NULL);
    bn_status status = probe->status;
    if (status) fail(err, status, "%s", probe->error.message);
    results->n_ok += probe->results.n_ok;
    results->n_failed += probe->results.n_failed;
    results->seconds += probe->results.seconds;
    for (size_t i = 0; i < probe->results.latencies.n && !status; i++)
        status = samples_add(&results->latencies, probe->results.latencies.values[i], err);
    destroy(probe);
    return status;
}
