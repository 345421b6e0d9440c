#include "server/health.h"

#include <string.h>

#include "server/server_core.h"

static void respond_unready(struct exchange *exchange, const char *reason) {
    const struct api_error error = {.status = 503, .type = "unavailable_error", .retry_after_s = 1};
    exchange_fail(exchange, &error, "%s", reason);
}

static void get_live(struct exchange *exchange, void *service) {
    (void)service;
    static const char body[] = "{\"status\":\"ok\"}";
    exchange_respond(exchange, 200, "application/json", body, sizeof body - 1);
}

/* 503 until the models are there; as llama-server has it. */
static void get_health(struct exchange *exchange, void *service) {
    struct server *server = service;
    const char *reason = atomic_load(&server->unready);
    if (reason)
        respond_unready(exchange, reason);
    else
        get_live(exchange, service);
}

/* Whether a balancer should send requests here: not before the models are there, and not when the server drains. */
static void get_ready(struct exchange *exchange, void *service) {
    struct server *server = service;
    if (server->drain_deadline_ns)
        respond_unready(exchange, "the server is shutting down");
    else
        get_health(exchange, service);
}

static void get_metrics(struct exchange *exchange, void *service) {
    struct server *server = service;
    struct buffer text;
    buffer_init(&text);
    metrics_write(server->metrics, &text);
    if (text.failed) {
        const struct api_error error = {.status = 503};
        exchange_fail(exchange, &error, "out of memory");
    } else {
        exchange_respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data ? text.data : "",
                         text.size);
    }
    buffer_release(&text);
}

static void get_openapi(struct exchange *exchange, void *service) {
    const struct server *server = service;
    exchange_respond_json(exchange, 200, router_openapi(server->router));
}

#define SERVER_ROUTE(route_path, route_handler, about)                                                                 \
    {                                                                                                                  \
        .method = HTTP_GET, .path = route_path, .handler = route_handler, .errors = ERRORS_LLAMA, .tag = "server",     \
        .summary = about                                                                                               \
    }

const struct route health_routes[] = {
    SERVER_ROUTE("/health", get_health, "whether models are loaded"),
    SERVER_ROUTE("/v1/health", get_health, "whether models are loaded"),
    SERVER_ROUTE("/startupz", get_health, "whether models are loaded"),
    SERVER_ROUTE("/livez", get_live, "whether the server answers at all"),
    SERVER_ROUTE("/ready", get_ready, "whether requests should be sent here"),
    SERVER_ROUTE("/readyz", get_ready, "whether requests should be sent here"),
    {.method = HTTP_GET,
     .path = "/metrics",
     .scope = SCOPE_METRICS,
     .handler = get_metrics,
     .tag = "server",
     .summary = "counters, gauges and histograms for Prometheus",
     .response_content_type = "text/plain"},
    {.method = HTTP_GET,
     .path = "/openapi.json",
     .handler = get_openapi,
     .tag = "server",
     .summary = "this description"},
    {0},
};
