/* `bitnet serve`: the server. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/model_path.h"
#include "cli/terminal.h"
#include "server/api.h"
#include "server/server.h"

struct serve_settings {
    struct model_options model;
    const char *chat_template_file, *state_folder;
    size_t sequences, max_queued, max_loaded, max_memory_mib, idle_s, cache_mib, grammar_mib, uploads_mib;
    const char *host, *api_keys, *api_key_file, *tls_key, *tls_certificate, *origins, *prefix;
    size_t port, workers, max_connections, max_body_mib, timeout_s, drain_timeout_s;
    bool no_access_log, vllm_metrics;
};
#define FIELD(name) offsetof(struct serve_settings, name)

static const struct option options[] = {
    {"host", 0, OPTION_TEXT, FIELD(host), "ADDRESS", 0, 0,
     "address or name to bind, or the path of a Unix socket (FILE.sock); without --api-key only loopback addresses",
     NULL},
    {"port", 0, OPTION_SIZE, FIELD(port), "N", 0, 65535, "port to bind; 0: one that is free", NULL},
    {"api-key", 0, OPTION_TEXT, FIELD(api_keys), "KEY,…", 0, 0, "keys that clients must show, separated by commas",
     NULL},
    {"api-key-file", 0, OPTION_TEXT, FIELD(api_key_file), "FILE", 0, 0, "more keys, one a line; # begins a comment",
     NULL},
    {"ssl-key-file", 0, OPTION_TEXT, FIELD(tls_key), "FILE", 0, 0, "the TLS key, PEM", "tls-key-file"},
    {"ssl-cert-file", 0, OPTION_TEXT, FIELD(tls_certificate), "FILE", 0, 0,
     "the TLS certificate chain, PEM; read again when it changes, and at SIGHUP", "tls-cert-file"},
    {"cors-origins", 0, OPTION_TEXT, FIELD(origins), "LIST", 0, 0,
     "web pages that may call: origins separated by commas, or *; without it those on this machine", NULL},
    {"api-prefix", 0, OPTION_TEXT, FIELD(prefix), "PATH", 0, 0, "in front of every path", NULL},
    {"threads-http", 0, OPTION_SIZE, FIELD(workers), "N", 1, 64, "threads for parsing and checking requests", NULL},
    {"max-connections", 0, OPTION_SIZE, FIELD(max_connections), "N", 1, 1 << 20, "open connections", NULL},
    {"max-body-mib", 0, OPTION_SIZE, FIELD(max_body_mib), "N", 1, 1 << 20, "largest request body in MiB", NULL},
    {"timeout", 0, OPTION_SIZE, FIELD(timeout_s), "SECONDS", 1, 1 << 22, "longest time for one request", "to"},
    {"drain-timeout", 0, OPTION_SIZE, FIELD(drain_timeout_s), "SECONDS", 1, 1 << 22,
     "how long running requests may go on after SIGTERM", NULL},
    {"no-access-log", 0, OPTION_FLAG, FIELD(no_access_log), NULL, 0, 0,
     "no line of JSON on standard error for each request", NULL},
    {"vllm-metrics", 0, OPTION_FLAG, FIELD(vllm_metrics), NULL, 0, 0,
     "GET /metrics shows models' metrics by vLLM's names, too, for boards and routers that ask for those", NULL},
    {0},
};
static const struct option serving_options[] = {
    {"parallel", 0, OPTION_SIZE, FIELD(sequences), "N", 0, 4096, "answers computed together, per model; 0: 16",
     "np sequences"},
    {"max-queue", 0, OPTION_SIZE, FIELD(max_queued), "N", 1, 1 << 20,
     "requests that run or wait, per model; further ones are answered 429", NULL},
    {"max-models", 0, OPTION_SIZE, FIELD(max_loaded), "N", 0, 1024,
     "models in memory at once; those that nobody uses make room; 0: no bound", "models-max"},
    {"max-memory-mib", 0, OPTION_SIZE, FIELD(max_memory_mib), "N", 0, 1 << 30,
     "memory for models and their caches together; 0: no bound", NULL},
    {"keep-alive", 0, OPTION_SIZE, FIELD(idle_s), "SECONDS", 0, 1 << 22,
     "how long a model that nobody uses stays in memory; 0: for ever", "sleep-idle-seconds"},
    {"response-cache-mib", 0, OPTION_SIZE, FIELD(cache_mib), "N", 0, 1 << 20,
     "keep answers that are certain to come again (temperature 0, or a seed) in so much memory; 0: none", NULL},
    {"grammar-cache-mib", 0, OPTION_SIZE, FIELD(grammar_mib), "N", 0, 1 << 20,
     "memory for compiled grammars and schemas, per model; 0: none are kept", NULL},
    {"state-dir", 0, OPTION_TEXT, FIELD(state_folder), "FOLDER", 0, 0,
     "where uploaded files and batches are kept; without it there are no /v1/files and /v1/batches", NULL},
#ifdef BITNET_HUB
    {"max-uploads-mib", 0, OPTION_SIZE, FIELD(uploads_mib), "N", 1, 1 << 30,
     "disk for files that clients upload for /api/create; those that wait longest make room", NULL},
#endif
    {"chat-template-file", 0, OPTION_TEXT, FIELD(chat_template_file), "FILE", 0, 0,
     "a Jinja template instead of the models' own", NULL},
    {0},
};
static const struct option_group groups[] = {
    {"Server", options, 0}, {"Serving", serving_options, 0}, {"Model", model_option_table, FIELD(model)}, {0}};

static void set_defaults(void *settings) {
    struct serve_settings *serve = settings;
    serve->host = "127.0.0.1";
    serve->port = 8080;
    serve->workers = 4;
    serve->max_connections = 4096;
    serve->max_body_mib = 64;
    serve->timeout_s = 3600;
    serve->drain_timeout_s = 30;
    serve->max_queued = 1024;
    serve->grammar_mib = 256;
    serve->uploads_mib = 65536;
}

/* ---- lists ---- */

struct word_list {
    const char **items; /* into arena */
    size_t n;
};

/* Adds the words of text between any of the separators; comments from '#' on when lines are read. */
static bn_status add_words(struct word_list *list, struct arena *arena, const char *text, const char *separators,
                           bn_error *err) {
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, separators), trimmed = n;
        const char *next = at[n] ? at + n + 1 : NULL;
        while (trimmed && (*at == ' ' || *at == '\t')) at++, trimmed--;
        while (trimmed && strchr(" \t\r", at[trimmed - 1])) trimmed--;
        if (trimmed && *at != '#') {
            const char **items = arena_alloc_array(arena, list->n + 1, sizeof *items);
            char *word = arena_strndup(arena, at, trimmed);
            if (!items || !word) return fail_no_memory(err, trimmed);
            if (list->n) memcpy(items, list->items, list->n * sizeof *items);
            items[list->n++] = word;
            list->items = items;
        }
        at = next;
    }
    return BN_OK;
}

static bn_status read_keys(struct invocation *invocation, struct word_list *keys, bn_error *err) {
    const struct serve_settings *settings = invocation->settings;
    bn_status status = add_words(keys, &invocation->strings, settings->api_keys, ",", err);
    if (status || !settings->api_key_file) return status;
    char *text;
    size_t size;
    status = file_read_all(settings->api_key_file, 1 << 20, &text, &size, err);
    if (status) return status;
    size_t before = keys->n;
    status = add_words(keys, &invocation->strings, text, "\n", err);
    mem_free(text);
    if (!status && keys->n == before)
        status = fail(err, BN_STATUS_BAD_FILE, "%s: there are no keys in it", settings->api_key_file);
    return status;
}

/* ---- signals ---- */

static struct server *served; /* for the handlers: set before they are installed */

static void on_signal(int number) {
    if (number == SIGHUP)
        server_reload(served);
    else
        server_drain(served);
}

static void handle_signals(struct server *server) {
    served = server;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static void ignore_signals(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* ---- the command ---- */

static void announce(const struct invocation *invocation, const struct server *server) {
    if (invocation->common.json) {
        bn_error err;
        json_write_line(stdout, json_pack("{s:s, s:s}", "status", "listening", "url", server_url(server)), &err);
    } else {
        printf("listening on %s\n", server_url(server));
    }
    output_flush();
}

/* ---- models ---- */

/* Without models on the command line all names come from clients. */
static bn_status resolve_model(void *context, const char *name, char **path, int *lease, bn_error *err) {
    const struct invocation *invocation = context;
    return (invocation->n_arguments ? model_path_take : model_name_take)(name, path, lease, err);
}

/* The name of a model that was given as a path: the last part of it, without .gguf. */
static char *short_name(struct arena *arena, const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin && path[begin - 1] != '/') begin--;
    if (n - begin > 5 && memcmp(path + n - 5, ".gguf", 5) == 0) n -= 5;
    return arena_strndup(arena, path + begin, n - begin);
}

/* MODEL or NAME=MODEL. It is loaded at once, so that a wrong one is noticed here. */
static bn_status add_model(struct invocation *invocation, struct models *models, const char *argument,
                           const char *chat_template, bn_error *err) {
    const char *equals = strchr(argument, '='), *source = equals ? equals + 1 : argument;
    char *name = equals ? arena_strndup(&invocation->strings, argument, (size_t)(equals - argument))
                        : short_name(&invocation->strings, source);
    const struct model *model;
    if (!name) return fail_no_memory(err, strlen(argument));
    bn_status status = models_set(models, name, source, chat_template, err);
    if (!status) status = models_acquire(models, name, &model, err);
    if (!status) model_release(model);
    return status;
}

static bn_status read_template(const struct serve_settings *settings, char **out, bn_error *err) {
    size_t size;
    *out = NULL;
    return settings->chat_template_file ? file_read_all(settings->chat_template_file, 1 << 20, out, &size, err) : BN_OK;
}

static bn_status open_models(struct invocation *invocation, struct metrics *metrics, struct models **out,
                             bn_error *err) {
    const struct serve_settings *settings = invocation->settings;
    struct models_options models_options = {
        .model = {.size = sizeof(bn_model_options),
                  .n_threads = settings->model.threads,
                  .i2s_layout = settings->model.i2s_layout,
                  .hidden_act = settings->model.hidden_act},
        .engine = model_options_engine(&settings->model),
        .max_queued = settings->max_queued,
        .max_loaded = settings->max_loaded,
        .max_bytes = (uint64_t)settings->max_memory_mib << 20,
        .grammar_bytes = settings->grammar_mib << 20,
        .idle_ms = (unsigned)(settings->idle_s > 4000000 ? 4000000 : settings->idle_s) * 1000,
        .known_only = invocation->n_arguments > 0,
        .resolve = resolve_model,
        .resolve_context = invocation,
        .visit = models_visit,
        .metrics = metrics,
    };
    models_options.engine.max_sequences = settings->sequences;
    char *chat_template;
    bn_status status = models_create(&models_options, out, err);
    if (!status) status = read_template(settings, &chat_template, err);
    if (status) return status;
    for (size_t i = 0; i < invocation->n_arguments && !status; i++)
        status = add_model(invocation, *out, invocation->arguments[i], chat_template, err);
    mem_free(chat_template);
    return status;
}

static bn_status serve(struct invocation *invocation, const struct server_options *server_options, bn_error *err) {
    struct router *router = NULL;
    struct metrics *metrics = NULL;
    struct server *server = NULL;
    struct api api = {0};
    struct models *models = NULL;
    const struct serve_settings *settings = invocation->settings;
    bn_status status = metrics_create(&metrics, err);
    if (!status) metrics_show_aliases(metrics, settings->vllm_metrics);
    if (!status) status = open_models(invocation, metrics, &models, err);
    const struct api_options api_options = {settings->state_folder, settings->cache_mib << 20,
                                            (uint64_t)settings->uploads_mib << 20};
    if (!status) status = api_open(&api, models, &api_options, err);
    if (!status) status = router_create(&router, err);
    if (!status) status = api_add_routes(&api, router, err);
    if (!status) status = server_create(server_options, router, metrics, &server, err);
    if (!status) {
        handle_signals(server);
        announce(invocation, server);
        status = server_run(server, err);
        ignore_signals();
    }
    server_destroy(server);
    api_close(&api);
    models_destroy(models);
    metrics_destroy(metrics);
    router_destroy(router);
    return status;
}

static enum exit_code run(struct invocation *invocation) {
    const struct serve_settings *settings = invocation->settings;
    bn_error error = {0};
    struct word_list keys = {0}, origins = {0};
    bn_status status = read_keys(invocation, &keys, &error);
    if (!status) status = add_words(&origins, &invocation->strings, settings->origins, ",", &error);
    const struct server_options server_options = {
        .host = settings->host,
        .port = (unsigned)settings->port,
        .api_keys = keys.items,
        .n_api_keys = keys.n,
        .tls_certificate_file = settings->tls_certificate,
        .tls_key_file = settings->tls_key,
        .cors_origins = origins.items,
        .n_cors_origins = origins.n,
        .api_prefix = settings->prefix,
        .n_workers = settings->workers,
        .max_connections = settings->max_connections,
        .max_body_bytes = settings->max_body_mib << 20,
        .request_timeout_ms = (unsigned)(settings->timeout_s > 4000000 ? 4000000 : settings->timeout_s) * 1000,
        .drain_timeout_ms =
            (unsigned)(settings->drain_timeout_s > 4000000 ? 4000000 : settings->drain_timeout_s) * 1000,
        .no_access_log = settings->no_access_log,
    };
    if (!status) status = serve(invocation, &server_options, &error);
    return status ? say_failure(&error) : EXIT_DONE;
}

const struct command command_serve = {
    .name = "serve",
    .arguments = "[MODEL…]",
    .summary = "serve models over HTTP",
    .description =
        "MODEL is what other commands take, or NAME=MODEL to serve it under a name; without any, models of the "
        "registry are loaded when they are asked for.\n\n"
        "Listens for HTTP/1.1, HTTP/2 and WebSocket clients, and prints \"listening on URL\" (with --json a "
        "JSON object) on "
        "standard output once it answers. GET /openapi.json describes its routes, GET /health says whether "
        "the models are "
        "loaded, GET /metrics has figures for Prometheus.\n\n"
        "Without --api-key the server is open: it binds loopback addresses only, and answers to names of "
        "this machine only. "
        "SIGTERM and Ctrl-C let running requests finish (--drain-timeout); a second one ends at once. "
        "SIGHUP reads the TLS "
        "certificate again.",
    .examples = "# on a free port of this machine\n"
                "bitnet serve demo --port 0\n"
                "# for others, with a key\n"
                "bitnet serve demo --host 0.0.0.0 --api-key \"$KEY\"",
    .groups = groups,
    .settings_bytes = sizeof(struct serve_settings),
    .set_defaults = set_defaults,
    .min_arguments = 0,
    .max_arguments = 64,
    .run = run,
};
